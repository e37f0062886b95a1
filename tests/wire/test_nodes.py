"""Several nodes on one database: a stream to each, and one merged stream of their events."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from support import wire_server as wire
from support.balancer import Balancer
from support.realtime_client import (
    FAST,
    client_threads,
    connect,
    ignore,
    statuses,
    wait_delivered,
    wait_state,
    wait_until,
)
from support.seen import LIMIT, Seen, run_thread

from rxbosbase import (
    AuthStore,
    BackoffPolicy,
    BosBase,
    ConnectionFailedError,
    RecordEvent,
    RequestTimeoutError,
    SameNodeError,
    Snapshot,
)
from rxbosbase.realtime import nodes as nodes_module
from rxbosbase.realtime import shard_streams
from rxbosbase.testing import FakeRealtime

OLD = {"id": "0", "updated": "2025-01-01 00:00:00.000Z"}
ROW = {"id": "a", "updated": "2026-01-01 00:00:00.000Z"}
LATER = {"id": "b", "updated": "2026-01-01 00:00:01.000Z"}
SLOW = BackoffPolicy(initial=60.0, maximum=60.0, jitter=False)


@pytest.fixture
def one() -> Iterator[wire.WireServer]:
    """The server that requests go to, and a node."""
    with wire.WireServer() as started:
        started.collections["posts"] = []
        yield started


@pytest.fixture
def other() -> Iterator[wire.WireServer]:
    """Another node."""
    with wire.WireServer() as started:
        yield started


@pytest.fixture
def client(one: wire.WireServer, other: wire.WireServer) -> Iterator[BosBase]:
    """A client of both nodes."""
    with connect(one, nodes=[one.url, other.url]) as connected:
        yield connected


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No node is away because it takes long, where the test does not say so."""
    monkeypatch.setattr(shard_streams, "PATIENCE", 60.0)


def topics_of(server: wire.WireServer) -> list[list[str]]:
    """Return the POSTs that were made for the streams' own topics."""
    return [topics for topics in server.posts if topics]


def leave(server: wire.WireServer) -> None:
    """Take the node off the network."""
    server.refuse_connections()
    for stream in server.streams:
        stream.cut()


def ids(events: Seen[RecordEvent]) -> list[str]:
    """Return the ids of the records."""
    return [event.record["id"] for event in events.items]


# -- one merged stream


def test_the_events_of_each_node_come_once_and_requests_go_to_the_url_alone(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """Each node has a stream with the topics; requests go to the client's own URL."""
    seen: Seen[RecordEvent] = Seen()
    client.collection("posts").observe("*").subscribe(seen)
    client.realtime.wait_active(LIMIT)
    assert one.send("posts/*", {"id": "a"}, "create") == 1
    assert other.send("posts/*", {"id": "b"}, "create") == 1
    seen.wait(2)
    client.collection("posts").get_list()
    assert sorted(ids(seen)) == ["a", "b"]
    assert topics_of(one) == topics_of(other) == [["posts/*"]]
    assert one.requests_to("/api/collections/posts/records")
    assert {request.path for request in other.requests} == {"/api/realtime"}


def test_live_views_and_changes_show_what_each_node_tells(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """A view has the events of both nodes, and so have its changes."""
    changed: Seen[Any] = Seen()
    posts = client.collection("posts")
    with posts.live() as view:
        posts.changes().subscribe(changed)
        view.wait_fresh(LIMIT)
        one.collections["posts"] = [ROW, LATER]
        one.send("posts/*", ROW, "create")
        other.send("posts/*", LATER, "create")
        changed.wait(2)
        wait_until(client, lambda: len(view.current.records) == 2)
    assert sorted(change.record["id"] for change in changed.items) == ["a", "b"]


def test_each_node_has_the_token_of_the_login(one: wire.WireServer, other: wire.WireServer) -> None:
    """The topics are submitted with the token to each node; asking whose a stream is sends none."""
    store = AuthStore()
    store.save(wire.make_token("ann"), {"id": "ann", "collectionName": "users"})
    with connect(one, nodes=[one.url, other.url], auth_store=store) as client:
        client.collection("posts").observe("*").subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        for server in (one, other):
            posts = server.requests_to("/api/realtime", "POST")
            own = [request.auth for request in posts if request.json()["subscriptions"]]
            asked = [request.auth for request in posts if not request.json()["subscriptions"]]
            assert set(own) == {store.token}
            assert set(asked) <= {""}


def test_pb_connect_comes_from_each_node(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """A late subscriber of ``PB_CONNECT`` gets the client id of each node's stream."""
    client.collection("posts").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    seen: Seen[Any] = Seen()
    client.realtime.subscribe("PB_CONNECT", seen)
    wanted = {one.stream.client_id, other.stream.client_id}
    assert {message["clientId"] for message in seen.wait(2)} == wanted
    assert client.realtime.client_id == one.stream.client_id


def test_the_counters_are_those_of_all_nodes(client: BosBase) -> None:
    """`stats` counts the connections of each node, also of one that has left."""
    client.collection("posts").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    before = client.realtime.stats
    assert before.connects == 2
    client.realtime.set_nodes(list(client.realtime.status.value.nodes)[1:])
    after = client.realtime.stats
    assert (after.connects, after.frames >= before.frames) == (2, True)


# -- a node that is away


def test_the_status_names_the_node_that_is_away(
    client: BosBase, one: wire.WireServer, other: wire.WireServer, caplog: pytest.LogCaptureFixture
) -> None:
    """`Status.nodes` has the state of each node, the log its address."""
    assert client.realtime.status.value.nodes == {one.url: "idle", other.url: "idle"}
    client.collection("posts").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    assert client.realtime.status.value.nodes == {one.url: "active", other.url: "active"}
    seen = statuses(client)
    with caplog.at_level(logging.WARNING, "rxbosbase"):
        leave(other)
        wait_state(client, "waiting")
        wait_until(client, lambda: f"(node {other.url})" in caplog.text)
    lost = [status for status in wait_delivered(client, seen) if status.state == "waiting"]
    assert {status.nodes[one.url] for status in lost} == {"active"}
    other.accept_connections()
    assert wait_state(client, "active").nodes == {one.url: "active", other.url: "active"}


def test_while_a_node_is_away_the_others_go_on(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """Events of the other node come, new topics are acknowledged, `wait_active` tells the truth."""
    seen: Seen[RecordEvent] = Seen()
    posts = client.collection("posts")
    posts.observe("*").subscribe(seen)
    client.realtime.wait_active(LIMIT)
    leave(other)
    wait_state(client, "waiting")
    assert one.send("posts/*", {"id": "a"}, "create") == 1
    seen.wait(1)
    posts.subscribe("r1", ignore, check=False, timeout=LIMIT)
    assert "posts/r1" in one.stream.topics
    with pytest.raises(RequestTimeoutError, match="did not become active"):
        client.realtime.wait_active(0.05)
    other.accept_connections()
    client.realtime.wait_active(LIMIT)
    assert set(other.stream.topics) == {"posts/*", "posts/r1"}


def test_a_node_that_is_away_from_the_start_does_not_stop_the_others(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """Streams start, and views show their rows, not fresh, until the node is there."""
    other.refuse_connections()
    one.collections["posts"] = [ROW]
    client.collection("posts").subscribe("*", ignore, timeout=LIMIT)
    snapshots: Seen[Snapshot[Any]] = Seen()
    with client.collection("posts").live().subscribe(snapshots):
        assert [row["id"] for row in snapshots.wait(1)[0].records] == ["a"]
        assert not snapshots.items[0].fresh
        other.accept_connections()
        snapshots.until(lambda items: items[-1].fresh)


def test_a_view_is_not_fresh_while_a_node_is_away_and_catches_up_when_it_is_back(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """Events of the others are shown meanwhile, what the node has written once it is back."""
    one.collections["posts"] = [OLD]
    snapshots: Seen[Snapshot[Any]] = Seen()
    with client.collection("posts").live(reconcile=600).subscribe(snapshots):
        snapshots.until(lambda items: items and items[-1].fresh)
        leave(other)
        snapshots.until(lambda items: not items[-1].fresh)
        one.collections["posts"] = [OLD, ROW]
        one.send("posts/*", ROW, "create")
        snapshots.until(lambda items: len(items[-1].records) == 2)
        one.collections["posts"] = [ROW]  # deleted at the node that is away
        other.accept_connections()
        last = snapshots.until(lambda items: items[-1].fresh)[-1]
        assert [row["id"] for row in last.records] == ["a"]
    between = snapshots.items[1:-1]
    assert not any(snapshot.fresh for snapshot in between if snapshot.version > 1)


def test_a_node_that_hangs_counts_as_away_until_it_answers(
    client: BosBase,
    one: wire.WireServer,
    other: wire.WireServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A POST that is not answered in time does not delay what the other nodes acknowledge."""
    monkeypatch.setattr(shard_streams, "PATIENCE", 0.05)
    snapshots: Seen[Snapshot[Any]] = Seen()
    view = client.collection("posts").live(reconcile=600)
    with view.subscribe(snapshots):
        snapshots.until(lambda items: items and items[-1].fresh)
        gate = wire.Gate()
        other.post_answers.append(wire.delay(gate))
        with client.collection("posts").live(filter="n > 1").subscribe(ignore):
            snapshots.until(lambda items: not items[-1].fresh)
            client.collection("posts").subscribe("*", ignore, timeout=LIMIT)
            gate.set()
            snapshots.until(lambda items: items[-1].fresh)
            client.realtime.wait_active(LIMIT)


def test_a_hanging_node_that_is_lost_then_does_not_stop_the_others(
    client: BosBase, one: wire.WireServer, other: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view goes on with the other node's events when a late node's stream ends, too."""
    monkeypatch.setattr(shard_streams, "PATIENCE", 0.05)
    snapshots: Seen[Snapshot[Any]] = Seen()
    with client.collection("posts").live(reconcile=600).subscribe(snapshots):
        snapshots.until(lambda items: items and items[-1].fresh)
        other.post_answers.append(wire.hang())
        with client.collection("posts").live(filter="n > 1").subscribe(ignore):
            snapshots.until(lambda items: not items[-1].fresh)
            leave(other)
            wait_state(client, "waiting")
            one.collections["posts"] = [ROW]
            one.send("posts/*", ROW, "create")
            snapshots.until(lambda items: len(items[-1].records) == 1)


def test_a_renewed_stream_that_hangs_does_not_stop_the_others(
    client: BosBase, one: wire.WireServer, other: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a routine renewal, too, a view waits for a node that hangs no longer than its time."""
    monkeypatch.setattr(shard_streams, "PATIENCE", 0.05)
    snapshots: Seen[Snapshot[Any]] = Seen()
    with client.collection("posts").live(reconcile=600).subscribe(snapshots):
        snapshots.until(lambda items: items and items[-1].fresh)
        other.on_post = lambda n: wire.hang() if other.posts[n - 1] else None
        one.collections["posts"] = [ROW]
        client.realtime.reconnect_now()
        snapshots.until(lambda items: len(items[-1].records) == 1)
        assert not snapshots.items[-1].fresh


def test_a_new_topic_waits_for_a_node_that_was_away_before(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """Without topics no node counts as away: the next topic waits for each again."""
    posts = client.collection("posts")
    first = posts.observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    leave(other)
    wait_state(client, "waiting")
    first.dispose()
    wait_state(client, "idle")
    other.accept_connections()
    gate = wire.Gate()
    other.on_post = lambda n: wire.delay(gate) if other.posts[n - 1] else None
    with pytest.raises(RequestTimeoutError):
        posts.subscribe("r1", ignore, check=False, timeout=0.2)
    wait = run_thread(lambda: posts.subscribe("r1", ignore, check=False, timeout=LIMIT))
    gate.set()
    wait()
    assert other.stream.topics == ["posts/r1"]


def test_a_loss_of_each_node_is_reported(
    client: BosBase,
    one: wire.WireServer,
    other: wire.WireServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`on_disconnect` is called for each node that is lost, also while another one is away."""
    monkeypatch.setattr("rxbosbase.realtime.monitor.LOSS_WINDOW", 0.0)
    calls: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = calls
    client.collection("posts").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    leave(other)
    assert calls.wait(1) == [["posts/*"]]
    one.stream.cut()
    assert calls.wait(2) == [["posts/*"]] * 2


def test_streams_end_once_the_attempts_of_all_nodes_are_used_up(
    one: wire.WireServer, other: wire.WireServer
) -> None:
    """With `max_attempts`, one node that is gone is not the end; all of them are."""
    twice = BackoffPolicy(initial=0.01, jitter=False, max_attempts=2)
    with connect(one, nodes=[one.url, other.url], backoff=twice) as client:
        events: Seen[RecordEvent] = Seen()
        errors: Seen[Exception] = Seen()
        client.collection("posts").observe("*").subscribe(events, errors)
        client.realtime.wait_active(LIMIT)
        leave(other)
        assert wait_state(client, "failed").nodes[other.url] == "failed"
        one.send("posts/*", {"id": "a"}, "create")
        events.wait(1)
        assert not errors.items
        leave(one)
        assert isinstance(errors.wait(1)[0], ConnectionFailedError)


def test_streams_end_once_only_nodes_are_left_whose_attempts_are_used_up(
    one: wire.WireServer, other: wire.WireServer
) -> None:
    """A node that leaves takes the streams with it if all others have failed."""
    twice = BackoffPolicy(initial=0.01, jitter=False, max_attempts=2)
    with connect(one, nodes=[one.url, other.url], backoff=twice) as client:
        errors: Seen[Exception] = Seen()
        client.collection("posts").observe("*").subscribe(ignore, errors)
        client.realtime.wait_active(LIMIT)
        leave(other)
        wait_state(client, "failed")
        client.realtime.set_nodes([other.url])
        assert isinstance(errors.wait(1)[0], ConnectionFailedError)


# -- the same node twice


@pytest.mark.parametrize("kind", ["topic", "view"])
def test_one_server_under_two_addresses_is_refused(one: wire.WireServer, kind: str) -> None:
    """All streams end with an error that names both, before any event could come twice."""
    alias = one.url.replace("127.0.0.1", "localhost")
    errors: Seen[Exception] = Seen()
    with connect(one, nodes=[one.url, alias]) as client:
        posts = client.collection("posts")
        streams: dict[str, Any] = {"topic": posts.observe("*"), "view": posts.live()}
        streams[kind].subscribe(ignore, errors)
        (error,) = errors.wait(1)
        assert isinstance(error, SameNodeError)
        assert set(error.nodes) == {one.url, alias}
        assert f"by {one.url}" in str(error) and f"by {alias}" in str(error)
        wait_state(client, "idle")
        assert len(topics_of(one)) <= 1
        errors = Seen()
        streams[kind].subscribe(ignore, errors)  # a new attempt has the same end
        assert isinstance(errors.wait(1)[0], SameNodeError)


def test_a_server_that_refuses_guests_is_no_reason_to_refuse_it(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """A 403 counts only where the same server answers 404 about a stream that nobody has."""
    for server in (one, other):
        server.on_post = lambda n, server=server: (
            None if server.posts[n - 1] else wire.problem(403, "guests may not")
        )
    errors: Seen[Exception] = Seen()
    client.collection("posts").observe("*").subscribe(ignore, errors)
    client.realtime.wait_active(LIMIT)
    assert not errors.items


def test_a_node_that_hangs_delays_later_streams_of_others_but_little(
    client: BosBase, one: wire.WireServer, other: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question has a short timeout once the node has let one pass, and a long one again later."""
    monkeypatch.setattr(nodes_module, "ASK_TIMEOUT", 0.5)
    monkeypatch.setattr(nodes_module, "SHORT_TIMEOUT", 0.01)
    client.collection("posts").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    timeouts = Seen[float]()
    (node,) = [each for each in client._runtime._nodes._nodes.values() if each.address == other.url]
    request = node.transport.request

    def noted(*given: Any, **options: Any) -> Any:
        timeouts(options["timeout"])
        return request(*given, **options)

    monkeypatch.setattr(node.transport, "request", noted)
    other.on_post = lambda n: None if other.posts[n - 1] else wire.hang()

    def renew(server: wire.WireServer) -> None:
        opened = client.realtime.stats.connects
        server.stream.cut()
        wait_until(client, lambda: client.realtime.stats.connects > opened)
        client.realtime.wait_active(LIMIT)

    renew(one)
    renew(one)
    other.on_post = None
    renew(one)
    renew(one)
    assert timeouts.items[:4] == [0.5, 0.01, 0.01, 0.5]
    other.on_post = lambda n: None if other.posts[n - 1] else wire.hang()
    renew(one)
    other.on_post = None
    renew(other)  # its next stream is a sign that it answers
    count = timeouts.count
    renew(one)
    assert timeouts.items[count] == 0.5


def test_a_subscriber_that_comes_back_at_once_gets_no_event_twice(one: wire.WireServer) -> None:
    """The stream by which a server was found to be there twice never gets topics."""
    alias = one.url.replace("127.0.0.1", "localhost")
    with connect(one, nodes=[one.url, alias]) as client:
        stream = client.collection("posts").observe("*")
        seen: Seen[RecordEvent] = Seen()
        errors: Seen[Exception] = Seen()

        def come_back(error: Exception) -> None:
            errors(error)
            stream.subscribe(seen, come_back)

        stream.subscribe(seen, come_back)
        errors.wait(5)
        assert {type(error) for error in errors.items} == {SameNodeError}
        for number in range(20):
            one.send("posts/*", {"id": f"r{number}"}, "create")
        errors.wait(errors.count + 2)
        got = [event.record["id"] for event in seen.items]
        assert len(set(got)) == len(got)


def test_a_stream_that_a_question_has_emptied_gets_its_topics_again(
    one: wire.WireServer, other: wire.WireServer
) -> None:
    """After the second address has left the list, a subscriber that comes back gets events."""
    with (
        Balancer([one.url, other.url], "connection", "turns") as front,
        connect(one, nodes=[front.url]) as client,
    ):
        front.down.add(1)
        seen: Seen[RecordEvent] = Seen()
        errors: Seen[Exception] = Seen()
        stream = client.collection("posts").observe("*")

        def come_back(error: Exception) -> None:
            client.realtime.set_nodes([front.url])
            stream.subscribe(seen, errors)
            errors(error)

        stream.subscribe(seen, come_back)
        client.realtime.wait_active(LIMIT)
        client.realtime.set_nodes([front.url, one.url])
        assert isinstance(errors.wait(1)[0], SameNodeError)
        one.wait_for(
            lambda: [each.topics for each in one.streams] == [["posts/*"]], LIMIT, "the topics"
        )
        client.realtime.wait_active(LIMIT)
        one.send("posts/*", {"id": "a"}, "create")
        seen.wait(1)


def test_the_status_and_wait_active_name_the_server_that_is_there_twice(
    one: wire.WireServer, other: wire.WireServer
) -> None:
    """`wait_active` raises the error with which the streams end; the status has it until then."""
    alias = one.url.replace("127.0.0.1", "localhost")
    with connect(one, nodes=[one.url, alias]) as client:
        gate = wire.Gate()
        one.on_post = lambda n: wire.delay(gate)
        client.collection("posts").observe("*").subscribe(ignore, ignore)
        wait = run_thread(lambda: client.realtime.wait_active(LIMIT))
        one.wait_for(lambda: one.posts, LIMIT, "a question")
        gate.set()
        with pytest.raises(SameNodeError):
            wait()
        wait_state(client, "idle")
        assert isinstance(client.realtime.status.value.error, SameNodeError)
        client.realtime.set_nodes([one.url, other.url])
        assert client.realtime.status.value.error is None


def test_the_error_goes_once_an_address_leads_to_another_server(
    one: wire.WireServer, other: wire.WireServer
) -> None:
    """A balancer in the list that is out of the way does not stay in the status."""
    with (
        Balancer([one.url, other.url], "connection", "turns") as front,
        connect(one, nodes=[one.url, front.url]) as client,
    ):
        front.down.add(1)
        errors: Seen[Exception] = Seen()
        client.collection("posts").observe("*").subscribe(ignore, errors)
        errors.wait(1)
        wait_state(client, "idle")  # its stream at the same node has ended
        front.down = {0}
        client.collection("posts").observe("*").subscribe(ignore, errors)
        client.realtime.wait_active(LIMIT)
        assert client.realtime.status.value.error is None
        assert errors.count == 1


def test_a_stream_with_a_login_is_known_by_its_403(
    one: wire.WireServer, other: wire.WireServer
) -> None:
    """A server that refuses the question for the stream's identity knows the stream."""
    store = AuthStore()
    store.save(wire.make_token("ann"), {"id": "ann", "collectionName": "users"})
    with connect(one, nodes=[other.url], auth_store=store) as client:
        errors: Seen[Exception] = Seen()
        client.collection("posts").observe("*").subscribe(ignore, errors)
        client.realtime.wait_active(LIMIT)
        assert other.stream.auth
        client.realtime.set_nodes([other.url, other.url.replace("127.0.0.1", "localhost")])
        assert isinstance(errors.wait(1)[0], SameNodeError)


def test_nodes_are_compared_in_full_once_and_then_by_each_new_stream(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """Nodes that have proven different are asked one question for each new stream."""
    client.collection("posts").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    asked = [posts for server in (one, other) for posts in server.posts if not posts]
    assert 5 <= len(asked) <= 10  # by one of them, or by both at the same time
    for server in (one, other):  # a balancer may choose for each connection
        posts = server.requests_to("/api/realtime", "POST")
        used = [post.connection for post in posts if not post.json()["subscriptions"]]
        assert len(set(used)) == len(used) > 1
    client.realtime.reconnect_now()
    wait_until(client, lambda: client.realtime.stats.connects == 4)
    client.realtime.wait_active(LIMIT)
    again = [posts for server in (one, other) for posts in server.posts if not posts]
    assert len(again) == len(asked) + 2


@pytest.mark.parametrize("answer", [wire.hang(), wire.status(404, "<html>")])
def test_a_node_that_cannot_tell_is_asked_again_at_its_next_stream(
    client: BosBase,
    one: wire.WireServer,
    other: wire.WireServer,
    answer: wire.Answer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A question that hangs delays a new stream by its timeout alone, and counts as no answer."""
    monkeypatch.setattr(nodes_module, "ASK_TIMEOUT", 0.05)
    page = wire.status(404, "<html>")  # of a proxy
    other.on_post = lambda n: page if not other.posts[n - 1] else None
    one.on_post = lambda n: answer if not one.posts[n - 1] else None
    client.collection("posts").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    one.on_post = other.on_post = None
    asked = len(one.posts) + len(other.posts)
    client.realtime.reconnect_now()
    wait_until(client, lambda: client.realtime.stats.connects == 4)
    client.realtime.wait_active(LIMIT)
    assert len(one.posts) + len(other.posts) >= asked + 2 + 5


@pytest.mark.parametrize(
    ("nodes", "kind", "text"),
    [
        (["http://a", "http://b", "http://a/"], ValueError, "'http://a' is there twice"),
        ("http://a", TypeError, "nodes must be a list of addresses, not a str"),
        (5, TypeError, "nodes must be a list of addresses, not a int"),
        (["a:8090"], ValueError, "an address in nodes needs scheme and host"),
        ([5], TypeError, "an address in nodes must be a str"),
    ],
)
def test_nodes_that_cannot_be_right_are_refused_at_once(
    nodes: Any, kind: type[Exception], text: str
) -> None:
    """The constructor and `set_nodes` refuse them by words that say what is wrong."""
    with pytest.raises(kind, match=text):
        BosBase("http://a", nodes=nodes)
    with BosBase("http://a") as client, pytest.raises(kind, match=text):
        client.realtime.set_nodes(nodes)


# -- nodes that join and leave


def test_a_node_joins_and_another_leaves(one: wire.WireServer, other: wire.WireServer) -> None:
    """After `set_nodes` there is a stream to each of the new nodes alone; subscriptions stay."""
    with connect(one, nodes=[one.url]) as client:
        seen: Seen[RecordEvent] = Seen()
        client.collection("posts").observe("*").subscribe(seen)
        client.realtime.wait_active(LIMIT)
        client.realtime.set_nodes([one.url, other.url])
        client.realtime.wait_active(LIMIT)
        assert other.send("posts/*", {"id": "a"}, "create") == 1
        client.realtime.set_nodes([other.url])
        one.wait_for(lambda: not one.streams, LIMIT, "the end of the stream")
        assert other.send("posts/*", {"id": "b"}, "create") == 1
        seen.wait(2)
        assert ids(seen) == ["a", "b"]
        assert client.realtime.status.value.nodes == {other.url: "active"}
        assert len(topics_of(one)) == len(topics_of(other)) == 1
        wait_until(client, lambda: one.url not in str(client_threads()))


def test_without_nodes_again_the_stream_is_that_of_the_url(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """`set_nodes` with no address keeps one stream, to the client's own URL."""
    seen: Seen[RecordEvent] = Seen()
    client.collection("posts").observe("*").subscribe(seen)
    client.realtime.wait_active(LIMIT)
    client.realtime.set_nodes(None)
    client.realtime.wait_active(LIMIT)
    other.wait_for(lambda: not other.streams, LIMIT, "the end of the stream")
    one.wait_for(lambda: len(one.streams) == 1, LIMIT, "the end of the node's stream")
    assert one.send("posts/*", {"id": "a"}, "create") == 1
    seen.wait(1)
    assert client.realtime.status.value.nodes == {}


def test_views_catch_up_with_a_node_that_joins(
    one: wire.WireServer, other: wire.WireServer
) -> None:
    """A view is not fresh until the new node's topics are acknowledged; then it shows its rows."""
    with connect(one, nodes=[one.url]) as client:
        snapshots: Seen[Snapshot[Any]] = Seen()
        with client.collection("posts").live(reconcile=600).subscribe(snapshots):
            snapshots.until(lambda items: items and items[-1].fresh)
            gate = wire.Gate()
            other.stream_answers.append(wire.delay(gate))
            one.collections["posts"] = [ROW]  # told by the node that joins, to nobody
            client.realtime.set_nodes([one.url, other.url])
            snapshots.until(lambda items: not items[-1].fresh)
            gate.set()
            last = snapshots.until(lambda items: items[-1].fresh)[-1]
            assert [row["id"] for row in last.records] == ["a"]


def test_views_are_fresh_again_once_a_node_that_is_away_has_left(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """A node taken off the list is not missing any more; what it wrote last is read."""
    one.collections["posts"] = [OLD]
    snapshots: Seen[Snapshot[Any]] = Seen()
    with client.collection("posts").live(reconcile=600).subscribe(snapshots):
        snapshots.until(lambda items: items and items[-1].fresh)
        leave(other)
        snapshots.until(lambda items: not items[-1].fresh)
        one.collections["posts"] = [ROW]  # what it wrote and deleted last
        client.realtime.set_nodes([one.url])
        last = snapshots.until(lambda items: items[-1].fresh)[-1]
        assert [row["id"] for row in last.records] == ["a"]


def test_a_wait_for_a_topic_ends_when_the_node_that_delays_it_leaves(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """`subscribe` returns once all nodes that are left have acknowledged."""
    client.collection("posts").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    gate = wire.Gate()
    other.post_answers.append(wire.delay(gate))
    posts = client.collection("posts")
    wait = run_thread(lambda: posts.subscribe("r1", ignore, check=False, timeout=LIMIT))
    other.wait_for(lambda: len(topics_of(other)) == 2, LIMIT, "the POST")
    client.realtime.set_nodes([one.url])
    assert wait() is not None
    gate.set()


def test_the_same_nodes_again_change_nothing(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """`set_nodes` with the nodes that there are is no gap: a view stays fresh, without a read."""
    snapshots: Seen[Snapshot[Any]] = Seen()
    with client.collection("posts").live(reconcile=600).subscribe(snapshots):
        snapshots.until(lambda items: items and items[-1].fresh)
        client.realtime.wait_active(LIMIT)
        read, posts = len(one.requests), len(other.posts)
        client.realtime.set_nodes([other.url, one.url])
        client.collection("posts").get_list()
        assert (len(one.requests), len(other.posts)) == (read + 1, posts)
        assert snapshots.items[-1].fresh


def test_a_closed_client_has_no_nodes_to_set(one: wire.WireServer) -> None:
    """`set_nodes` after `close` is a `ClientClosedError`, as any use."""
    client = connect(one, nodes=[one.url])
    client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.realtime.set_nodes([one.url])


def test_a_close_while_nodes_are_compared_ends_every_thread(
    client: BosBase, one: wire.WireServer, other: wire.WireServer
) -> None:
    """`close` ends the question to another node at once."""
    for server in (one, other):
        server.on_post = lambda _: wire.hang()
    client.collection("posts").observe("*").subscribe(ignore)
    wait_until(client, lambda: one.posts or other.posts)
    client.close()
    wait_until(client, lambda: not client_threads(), 0.5)


def test_a_node_that_joins_near_trouble_is_probed(
    one: wire.WireServer, other: wire.WireServer
) -> None:
    """Its stream may be a guest's, as any that opens shortly after a sign of trouble."""
    with connect(one, nodes=[one.url]) as client:
        client.auth_store.save(wire.make_token("ann"), {"id": "ann"})
        one.collections["posts"] = 500
        client.collection("posts").observe("*").subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        one.wait_for(lambda: len(topics_of(one)) == 2, LIMIT, "the probe at the first node")
        one.collections["posts"] = []
        client.realtime.set_nodes([one.url, other.url])
        client.realtime.wait_active(LIMIT)
        other.wait_for(lambda: len(topics_of(other)) == 2, LIMIT, "the probe at the new node")
        posts = other.requests_to("/api/realtime", "POST")
        own = [bool(request.auth) for request in posts if request.json()["subscriptions"]]
        assert own == [True, False]


def test_one_server_that_has_left_the_list_meanwhile_is_no_error(one: wire.WireServer) -> None:
    """An answer that comes after `set_nodes` does not count."""
    alias = one.url.replace("127.0.0.1", "localhost")
    with connect(one, nodes=[one.url]) as client:
        errors: Seen[Exception] = Seen()
        client.collection("posts").observe("*").subscribe(ignore, errors)
        client.realtime.wait_active(LIMIT)
        gate = wire.Gate()
        one.post_answers.append(wire.delay(gate, wire.status(204)))
        client.realtime.set_nodes([one.url, alias])
        one.wait_for(lambda: [] in one.posts, LIMIT, "the question")
        client.realtime.set_nodes([one.url])
        gate.set()
        one.wait_for(lambda: len(one.streams) == 1, LIMIT, "the end of the other stream")
        client.realtime.wait_active(LIMIT)
        assert not errors.items


def test_a_handler_that_closes_does_not_wait_for_set_nodes(
    client: BosBase, one: wire.WireServer
) -> None:
    """A signal's handler may close the client while its thread holds the lock of the streams."""
    with client.service.monitor.changed:
        changing = run_thread(lambda: client.realtime.set_nodes([one.url]))
        wait_until(client, lambda: client._runtime._nodes._nodes.keys() == {one.url})
        client.close()
    assert changing() is None


# -- the fake


def test_the_fake_has_nodes_too() -> None:
    """A written record comes once, however many nodes the fake is told to have."""
    with FakeRealtime() as fake:
        seen: Seen[RecordEvent] = Seen()
        fake.client.realtime.set_nodes(["http://a", "http://b"])
        fake.client.collection("posts").observe("*").subscribe(seen)
        fake.push("posts", "create", {"id": "a"})
        assert fake.client.realtime.status.value.nodes == {
            "http://a": "active",
            "http://b": "active",
        }
        assert [event.record["id"] for event in seen.wait(1)] == ["a"]


def test_a_node_that_joins_is_not_waited_for(one: wire.WireServer, other: wire.WireServer) -> None:
    """A blocking `subscribe` does not wait for the first answer of a node that joins."""
    with connect(one, nodes=[one.url], backoff=FAST) as client:
        client.collection("posts").observe("*").subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        gate = wire.Gate()
        other.stream_answers.append(wire.delay(gate))
        client.realtime.set_nodes([one.url, other.url])
        client.collection("posts").subscribe("r1", ignore, check=False, timeout=LIMIT)
        assert not other.streams
        gate.set()
        client.realtime.wait_active(LIMIT)
        assert set(other.stream.topics) == {"posts/*", "posts/r1"}
