"""Two nodes behind a balancer without stickiness: every client becomes active all the same."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import get_args

import pytest
from support import wire_server as wire
from support.balancer import Balancer, Choice, Unit
from support.realtime_client import connect, ignore, wait_state, wait_until
from support.seen import LIMIT, Seen, run_thread
from support.wire_client import RawClient, ask, subscribe

from rxbosbase import BosBase, RecordEvent, SameNodeError, StreamLostError
from rxbosbase.realtime.session import misrouting

KINDS = [(unit, choice) for unit in get_args(Unit) for choice in get_args(Choice)]
TRIES = 13
"""For each kind of balancer: 52 together."""
PROMISED = 5.0
"""Seconds within which four clients are active."""


@pytest.fixture
def nodes() -> Iterator[list[wire.WireServer]]:
    """Two nodes; every stream is told only of what is sent at its own one."""
    with wire.WireServer() as one, wire.WireServer() as other:
        yield [one, other]


def before(nodes: list[wire.WireServer], unit: Unit, choice: Choice, **options: bool) -> Balancer:
    """Return a balancer in front of the nodes."""
    return Balancer([node.url for node in nodes], unit, choice, **options)


def streams_of(nodes: list[wire.WireServer]) -> list[wire.Stream]:
    """Return the open streams of all nodes."""
    return [stream for node in nodes for stream in node.streams]


# -- the balancer itself


@pytest.mark.parametrize(("unit", "choice"), KINDS)
def test_a_plain_client_meets_the_other_node(
    nodes: list[wire.WireServer], unit: Unit, choice: Choice
) -> None:
    """A POST over a new connection, right after the GET of the stream, is answered with 404."""
    with before(nodes, unit, choice) as front, RawClient(front) as client:
        client_id = client.open_stream()
        assert subscribe(front, client_id, "posts/*")[0] == 404
        (_, first), (_, second) = front.routed
        assert first != second


def test_least_connections_by_request_never_reach_the_stream_of_a_lone_client(
    nodes: list[wire.WireServer],
) -> None:
    """The node with the stream has one request in flight, the other none: so it never changes."""
    with before(nodes, "request", "least") as front, RawClient(front) as client:
        client_id = client.open_stream()
        assert {subscribe(front, client_id, "posts/*")[0] for _ in range(20)} == {404}


def test_a_sticky_balancer_sends_a_cookie_to_its_node(nodes: list[wire.WireServer]) -> None:
    """With the cookie of the first answer all requests go to the same node."""
    with before(nodes, "request", "turns", sticky=True) as front:
        with RawClient(front) as client:
            client.ask(path="/api/health")
            assert b"Set-Cookie: node=0" in client.until(b"\r\n\r\n")
        for _ in range(3):
            ask(front, "GET", "/api/health", headers={"Cookie": "a=1; node=0"})
        assert front.routed == [("GET", 0)] * 4


def test_a_node_that_is_down_gets_nothing(nodes: list[wire.WireServer]) -> None:
    """Not even by its cookie; a node that the balancer takes for up is answered for with 502."""
    with before(nodes, "request", "turns", sticky=True) as front:
        cookie = {"Cookie": "node=0"}
        front.down.add(0)
        assert ask(front, "GET", "/api/health", headers=cookie)[0] == 200
        front.down.clear()
        assert ask(front, "GET", "/api/health", headers=cookie)[0] == 200
        assert front.routed == [("GET", 1), ("GET", 0)]
        nodes[0].refuse_connections()
        assert ask(front, "GET", "/api/health", headers=cookie)[0] == 502


# -- clients behind it


@pytest.mark.parametrize(("unit", "choice"), KINDS)
def test_four_clients_are_active_within_five_seconds(
    nodes: list[wire.WireServer], unit: Unit, choice: Choice
) -> None:
    """Every try ends with four active clients, each on its first stream."""
    with before(nodes, unit, choice) as front:
        for _ in range(TRIES):
            with ExitStack() as stack:
                clients = [stack.enter_context(BosBase(front.url)) for _ in range(4)]
                began = time.monotonic()
                for client in clients:
                    client.collection("posts").observe("*", check=False).subscribe(ignore)
                for client in clients:
                    client.realtime.wait_active(PROMISED)
                assert time.monotonic() - began < PROMISED
                assert [client.realtime.stats.connects for client in clients] == [1] * 4
            nodes[0].wait_for(lambda: not streams_of(nodes[:1]), LIMIT, "the ends of the streams")
            nodes[1].wait_for(lambda: not streams_of(nodes[1:]), LIMIT, "the ends of the streams")


@pytest.mark.parametrize(("unit", "choice"), KINDS)
def test_a_lone_client_stays_active_through_changes_of_its_topics(
    nodes: list[wire.WireServer], unit: Unit, choice: Choice
) -> None:
    """Later POSTs find the stream's node, too, and the stream stays the same one."""
    with before(nodes, unit, choice) as front, BosBase(front.url) as client:
        seen: Seen[RecordEvent] = Seen()
        posts = client.collection("posts")
        for number in range(5):
            posts.observe(f"r{number}", check=False).subscribe(seen)
            client.realtime.wait_active(LIMIT)
        assert client.realtime.stats.connects == 1
        (stream,) = [stream for stream in streams_of(nodes) if stream.topics]
        assert len(stream.topics) == 5
        for node in nodes:
            node.send("posts/r4", {"id": "r4"}, "update")
        seen.wait(1)


@pytest.mark.parametrize(("unit", "choice"), KINDS)
def test_after_a_success_nothing_else_is_held_open(
    nodes: list[wire.WireServer], unit: Unit, choice: Choice
) -> None:
    """Only the stream and the connection of the last POST stay open."""
    with before(nodes, unit, choice) as front, BosBase(front.url) as client:
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        wait_until(client, lambda: len(streams_of(nodes)) == 1)
        wait_until(client, lambda: sum(front.counts) == (2 if unit == "connection" else 1))


def test_with_a_sticky_cookie_no_post_is_made_twice(nodes: list[wire.WireServer]) -> None:
    """The cookie of the stream's answer is sent with its POSTs, so that they reach its node."""
    with (
        before(nodes, "request", "turns", sticky=True) as front,
        BosBase(front.url) as client,
    ):
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        client.collection("posts").observe("r1", check=False).subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        stats = client.realtime.stats
        assert (stats.posts, stats.misrouted, stats.connects) == (2, 0, 1)


def test_a_balancer_in_the_list_of_nodes_is_refused(nodes: list[wire.WireServer]) -> None:
    """A balancer beside a node of its own is one server with it, and all streams end."""
    for choice in get_args(Choice):
        for unit in get_args(Unit):
            with (
                before(nodes, unit, choice) as front,
                connect(nodes[0], nodes=[nodes[0].url, front.url]) as client,
            ):
                errors: Seen[Exception] = Seen()
                client.collection("posts").observe("*", check=False).subscribe(ignore, errors)
                assert isinstance(errors.wait(1)[0], SameNodeError)


def test_a_balancer_that_fails_over_to_a_node_of_the_list_is_found(
    nodes: list[wire.WireServer],
) -> None:
    """Each new stream is asked about: its address may lead to another server than before."""
    one, other = nodes
    with (
        before([other, one], "connection", "turns") as front,
        connect(one, nodes=[one.url, front.url]) as client,
    ):
        front.down.add(1)
        errors: Seen[Exception] = Seen()
        client.collection("posts").observe("*", check=False).subscribe(ignore, errors)
        client.realtime.wait_active(LIMIT)
        assert not errors.items
        front.down = {0}
        other.stream.cut()
        assert isinstance(errors.wait(1)[0], SameNodeError)


def test_a_balancer_that_joins_is_found_by_a_refusal_of_the_login(
    nodes: list[wire.WireServer],
) -> None:
    """A server answers a question about a stream of a login with 403: it knows the stream."""
    one, other = nodes
    with (
        before([other, one], "request", "turns") as front,
        connect(one, nodes=[one.url]) as client,
    ):
        client.auth_store.save(wire.make_token("ann"), {"id": "ann"})
        errors: Seen[Exception] = Seen()
        client.collection("posts").observe("*", check=False).subscribe(ignore, errors)
        client.realtime.wait_active(LIMIT)
        client.realtime.set_nodes([one.url, front.url])
        assert isinstance(errors.wait(1)[0], SameNodeError)
        assert len(one.streams) <= 1 and not any(stream.topics for stream in other.streams)


@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize(("unit", "choice"), KINDS)
def test_a_lone_client_finds_its_node_among_many(unit: Unit, choice: Choice, count: int) -> None:
    """Behind a balancer of up to four nodes, too, the first stream is active within 5 s."""
    with ExitStack() as stack:
        several = [stack.enter_context(wire.WireServer()) for _ in range(count)]
        front = stack.enter_context(before(several, unit, choice))
        client = stack.enter_context(BosBase(front.url))
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        client.realtime.wait_active(PROMISED)
        assert client.realtime.stats.connects == 1


# -- the asks, with a scripted server alone


def test_a_404_is_followed_by_a_post_over_a_new_connection(server: wire.WireServer) -> None:
    """The stream stays, and nothing is lost; the refused connection stays open until then."""
    lost: Seen[list[str]] = Seen()
    gate = wire.Gate()
    server.post_answers.extend([wire.problem(404), wire.delay(gate)])
    with connect(server) as client:
        client.realtime.on_disconnect = lost
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        server.wait_for(lambda: len(server.posts) == 2, LIMIT, "the second POST")
        first, again = [request for request in server.requests if request.method == "POST"]
        assert first.connection != again.connection
        server.wait_connections(3)
        gate.set()
        client.realtime.wait_active(LIMIT)
        server.wait_connections(2)
        assert (server.gets, lost.items) == (1, [])
        stats = client.realtime.stats
        assert (stats.posts, stats.misrouted) == (2, 1)


def test_before_some_posts_another_stream_is_opened(server: wire.WireServer) -> None:
    """The companions are held open without topics until a POST succeeds."""
    gate = wire.Gate()
    server.post_answers.extend([*[wire.problem(404)] * 5, wire.delay(gate)])
    with connect(server) as client:
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        server.wait_for(lambda: len(server.posts) == 6, LIMIT, "the sixth POST")
        assert server.gets == 3
        own, *companions = server.streams
        assert [stream.topics for stream in companions] == [[], []]
        gate.set()
        client.realtime.wait_active(LIMIT)
        server.wait_for(lambda: server.streams == [own], LIMIT, "the companions' ends")
        assert {stream.ended_by for stream in companions} == {"client"}
        assert client.realtime.stats.connects == 1


def test_only_posts_that_met_another_server_are_counted(
    server: wire.WireServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A 503 between is a failure of its own, and the first 404 is logged once."""
    server.post_answers.extend([wire.problem(404), *[wire.problem(503)] * 3])
    caplog.set_level(logging.INFO, "rxbosbase.submit")
    with connect(server) as client:
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        assert (client.realtime.stats.posts, client.realtime.stats.misrouted) == (5, 1)
    assert caplog.text.count("another server answered") == 1


@pytest.mark.parametrize("answer", [wire.status(503), wire.drop(), wire.problem(404)])
def test_a_companion_that_fails_changes_nothing(
    server: wire.WireServer, answer: wire.Answer
) -> None:
    """A companion that cannot be opened is no error; the POSTs go on."""
    server.post_answers.extend([wire.problem(404)] * 3)
    server.on_stream = lambda n: answer if n > 1 else None
    with connect(server) as client:
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        assert (client.realtime.stats.connects, server.gets) == (1, 2)


def test_a_cookie_of_the_refusal_is_sent_with_the_next_post(server: wire.WireServer) -> None:
    """A balancer that sets its cookie late gets it back over the new connection."""
    cookie = {"Set-Cookie": "node=b; Path=/"}
    server.post_answers.append(wire.problem(404, headers=cookie))
    with connect(server) as client:
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        client.realtime.wait_active(LIMIT)
    posts = [request for request in server.requests if request.method == "POST"]
    assert [request.headers.get("cookie") for request in posts] == [None, "node=b"]


def test_a_probe_that_reaches_another_server_is_made_again(server: wire.WireServer) -> None:
    """After a reconnection with a login: the probe's 404 is asked again, without the token."""
    with connect(server) as client:
        client.auth_store.save(wire.make_token("ann"), {"id": "ann"})
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        server.post_answers.extend([wire.NORMAL, wire.problem(404)])
        server.stream.cut()
        server.wait_for(lambda: len(server.posts) == 4, LIMIT, "the probe again")
        client.realtime.wait_active(LIMIT)
        posts = [request for request in server.requests if request.method == "POST"]
        assert [bool(request.auth) for request in posts] == [True, True, False, False]
        assert client.realtime.stats.connects == 2


def test_a_stream_that_no_post_reaches_is_given_up_by_name(
    server: wire.WireServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A new stream follows; the log and `status.error` say what a balancer has to be set to."""
    monkeypatch.setattr(misrouting, "LONGEST_WAIT", 0.01)
    monkeypatch.setattr(misrouting, "MAX_ASKS", misrouting.LEAST_ASKS)
    server.on_post = lambda n: wire.problem(404) if n <= 1 + misrouting.MAX_ASKS else None
    lost: Seen[list[str]] = Seen()
    with connect(server) as client:
        client.realtime.on_disconnect = lost
        errors: Seen[BaseException | None] = Seen()
        client.realtime.status.subscribe(lambda status: errors(status.error))
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        assert lost.wait(1) == [["posts/*"]]
        (given_up,) = {error for error in errors.until(any) if error is not None}
        assert isinstance(given_up, StreamLostError)
        assert "a balancer stands before several servers" in str(given_up)
        wait_until(client, lambda: "BosBase(url, nodes=[…])" in caplog.text)
        server.wait_for(lambda: len(server.streams) == 1, LIMIT, "the ends of the others")


def test_a_close_during_the_posts_ends_all_of_it(server: wire.WireServer) -> None:
    """`close` while POSTs are made again returns at once, and leaves no connection."""
    server.on_post = lambda n: wire.problem(404) if n < 5 else wire.hang()
    client = connect(server)
    client.collection("posts").observe("*", check=False).subscribe(ignore)
    server.wait_for(lambda: len(server.posts) == 5, LIMIT, "the fifth POST")
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 1
    server.wait_connections(0)


def test_a_stream_that_ends_during_the_posts_is_followed_by_another(
    server: wire.WireServer,
) -> None:
    """What was held for the old stream is closed with it."""
    gate = wire.Gate()
    server.post_answers.extend([*[wire.problem(404)] * 4, wire.delay(gate, wire.problem(404))])
    with connect(server) as client:
        client.collection("posts").observe("*", check=False).subscribe(ignore)
        server.wait_for(lambda: len(server.posts) == 5, LIMIT, "the fifth POST")
        server.streams[0].cut()
        gate.set()
        wait_state(client, "active")
        server.wait_for(lambda: len(server.streams) == 1, LIMIT, "the ends of the others")
        assert server.stream.topics == ["posts/*"]


def test_a_blocking_subscribe_waits_for_the_right_server(server: wire.WireServer) -> None:
    """`subscribe` returns once the stream's own server has the topic."""
    server.post_answers.extend([wire.problem(404)] * 3)
    with connect(server) as client:
        posts = client.collection("posts")
        run_thread(lambda: posts.subscribe("*", ignore, check=False, timeout=LIMIT))()
        assert server.streams[0].topics == ["posts/*"]
