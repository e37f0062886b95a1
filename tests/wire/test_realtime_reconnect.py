"""Losses, routine closes, the backoff between attempts, and the status of all of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from support import wire_server as wire
from support.realtime_client import (
    connect,
    ignore,
    statuses,
    wait_delivered,
    wait_state,
    wait_until,
)
from support.seen import LIMIT, Seen, run_thread, wait_event

from rxbosbase import (
    AuthStore,
    BackoffPolicy,
    BosBase,
    ClientResponseError,
    ProtocolError,
    RecordEvent,
    RequestTimeoutError,
    StreamLostError,
)
from rxbosbase.realtime import connection as connection_room

Event = RecordEvent[dict[str, Any]]

SLOW = BackoffPolicy(initial=60.0, maximum=60.0, jitter=False)


@pytest.fixture
def healthy_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every acknowledged connection has lived long enough."""
    monkeypatch.setattr(connection_room, "HEALTHY_AFTER", 0.0)


def states(seen: Seen[Any]) -> list[str]:
    """Return the states in the order in which they were published, without repeats."""
    names = [status.state for status in list(seen.items)]
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


# -- on_disconnect


@pytest.mark.parametrize("how", [wire.Stream.cut, wire.Stream.reset, wire.Stream.finish])
def test_a_loss_calls_on_disconnect_once_with_the_topics_still_wanted(
    server: wire.WireServer, client: BosBase, how: Callable[[wire.Stream], None]
) -> None:
    """A loss calls `on_disconnect` once, with all topics, on the delivery thread."""
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    assert client.realtime.on_disconnect is lost
    client.collection("posts").observe("*").subscribe(ignore)
    client.realtime.observe("chat").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    how(server.stream)
    server.wait_gets(2)
    client.realtime.wait_active(LIMIT)
    assert [sorted(topics) for topics in lost.wait(1)] == [["chat", "posts/*"]]
    assert lost.threads == ["rxbosbase-delivery"]


def test_failed_attempts_are_no_further_losses(server: wire.WireServer, client: BosBase) -> None:
    """Failed attempts to reconnect do not call `on_disconnect` again."""
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    client.collection("posts").subscribe("*", ignore)
    server.stream_answers += [wire.status(503), wire.drop(), wire.reset(), wire.status(502)]
    server.stream.cut()
    server.wait_streams(1)
    client.realtime.wait_active(LIMIT)
    assert lost.wait(1) == [["posts/*"]]
    client.close()
    assert lost.wait(2) == [["posts/*"], []]


def test_routine_closes_are_no_losses(
    server: wire.WireServer, client: BosBase, healthy_at_once: None
) -> None:
    """A routine close, `reconnect_now` and a login do not call `on_disconnect`."""
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    client.collection("posts").subscribe("*", ignore)
    server.stream.finish()
    server.wait_accepted(2)
    client.realtime.reconnect_now()
    server.wait_accepted(3)
    client.auth_store.save(wire.make_token("ann"))
    server.wait_accepted(4)
    client.realtime.wait_active(LIMIT)
    assert lost.items == []


def test_an_on_disconnect_that_raises_does_not_prevent_the_reconnect(
    server: wire.WireServer, client: BosBase, caplog: pytest.LogCaptureFixture
) -> None:
    """An `on_disconnect` that raises is logged and does not prevent the reconnect."""
    called = threading.Event()

    def bad(_: list[str]) -> None:
        called.set()
        raise ValueError("my mistake")

    client.realtime.on_disconnect = bad
    seen: Seen[Event] = Seen()
    client.collection("posts").subscribe("*", seen)
    server.stream.cut()
    wait_event(called)
    server.wait_accepted(2)
    server.send("posts/*", {"id": "a"})
    seen.wait(1)
    assert "my mistake" in caplog.text
    client.realtime.on_disconnect = None
    server.stream.cut()
    server.wait_accepted(3)
    with pytest.raises(TypeError, match="on_disconnect must be callable, not int"):
        client.realtime.on_disconnect = 1  # type: ignore[assignment]


# -- reconnection


@pytest.mark.parametrize("how", [wire.Stream.cut, wire.Stream.reset])
def test_after_a_loss_all_wanted_topics_are_submitted_again(
    server: wire.WireServer, client: BosBase, how: Callable[[wire.Stream], None]
) -> None:
    """After a loss a new stream is opened and all topics are submitted again."""
    seen: Seen[Event] = Seen()
    for name in ("*", "r1"):
        client.collection("posts").subscribe(name, seen)
    before = server.stream
    how(before)
    server.wait_accepted(3)
    assert sorted(server.posts[-1]) == ["posts/*", "posts/r1"]
    assert server.stream.client_id != before.client_id
    server.send("posts/*", {"id": "a"})
    seen.wait(1)
    wait_until(client, lambda: client.realtime.client_id == server.stream.client_id)


def test_a_reconnect_submits_the_topics_as_changed_meanwhile(
    server: wire.WireServer, client: BosBase
) -> None:
    """A reconnect submits the topics as they changed meanwhile, in one POST."""
    old = client.collection("posts").subscribe("*", ignore)
    server.refuse_connections("cut")
    wait_state(client, "waiting")
    client.collection("posts").observe("r1").subscribe(ignore)
    old()
    posts = len(server.posts)
    server.accept_connections()
    client.realtime.wait_active(LIMIT)
    assert server.posts[posts:] == [["posts/r1"]]


@pytest.mark.parametrize(
    "answer",
    [
        wire.status(500),
        wire.status(404),
        wire.drop(),
        wire.reset(),
        wire.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length:0\r\n\r\n"),
        wire.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>hello"),
        wire.raw(b"HTTP/1.1 200 OK\r\n\r\n"),
        wire.raw(b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere\r\nContent-Length: 0\r\n\r\n"),
        wire.raw(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n{"),
        wire.raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\nid"
        ),
        wire.raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n"
        ),
        wire.raw(b"rubbish"),
        wire.stream(greet=False, then=wire.Stream.finish),
        wire.stream(greet=False, then=lambda s: s.send_unframed(b"zz\r\n")),
        wire.stream(greet=False, then=lambda s: s.send_frame("posts/*", {"clientId": "x"})),
        wire.stream(greet=False, then=lambda s: s.send_frame("PB_CONNECT", {"clientId": ""})),
        wire.stream(greet=False, then=lambda s: s.send_frame("PB_CONNECT", "[]")),
    ],
    ids=lambda answer: f"{answer.kind}-{answer.code}",
)
def test_after_any_answer_to_the_stream_the_client_reconnects(
    server: wire.WireServer, client: BosBase, answer: wire.Answer
) -> None:
    """After any unusable response to the GET of the stream the client reconnects."""
    seen = statuses(client)
    server.stream_answers.append(answer)
    client.collection("posts").subscribe("*", ignore)
    waiting = [each for each in wait_delivered(client, seen) if each.state == "waiting"]
    assert len(waiting) == 1
    assert waiting[0].attempt == 1
    assert isinstance(
        waiting[0].error, (ClientResponseError, StreamLostError, ProtocolError, ConnectionError)
    )
    assert "NoneType" not in str(waiting[0].error)


def test_a_web_page_in_place_of_the_stream_is_an_error_about_base_url(
    server: wire.WireServer, client: BosBase
) -> None:
    """An HTML page in place of the stream raises an error that questions `base_url`."""
    server.on_stream = lambda n: wire.status(200, "<p>hi", {"Content-Type": "text/html"})
    client.collection("posts").observe("*").subscribe(ignore)
    wait_state(client, "waiting")
    with pytest.raises(RequestTimeoutError, match="is base_url a BosBase server"):
        client.collection("posts").subscribe("*", ignore, timeout=0.01)


def test_a_stream_without_chunks_works_too(server: wire.WireServer, client: BosBase) -> None:
    """A stream without chunked encoding delivers events, and a loss is noticed."""
    server.stream_answers.append(wire.stream(chunked=False))
    seen: Seen[Event] = Seen()
    client.collection("posts").subscribe("*", seen)
    server.send("posts/*", {"id": "a"})
    seen.wait(1)
    server.stream.cut()
    server.wait_accepted(2)


def test_a_routine_close_reconnects_at_once_and_counts_as_no_failure(
    server: wire.WireServer, healthy_at_once: None
) -> None:
    """A routine close reconnects without a wait and counts no failure."""
    with connect(server, backoff=SLOW) as client:  # any wait would be a minute
        client.collection("posts").subscribe("*", ignore)
        seen = statuses(client)
        for n in range(2, 5):
            server.stream.finish()
            server.wait_accepted(n)
            client.realtime.wait_active(LIMIT)
        server.wait_gets(4)
        wait_delivered(client, seen)
        assert "waiting" not in states(seen)
        assert {(status.attempt, status.error) for status in seen.items} == {(0, None)}


def test_a_stream_that_ends_before_it_was_acknowledged_is_a_failure(
    server: wire.WireServer, client: BosBase, healthy_at_once: None
) -> None:
    """A stream that ends before the acknowledgement counts as a failed attempt."""
    server.post_answers.append(wire.hang())
    seen = statuses(client)
    client.collection("posts").observe("*").subscribe(ignore)
    server.wait_post(1)
    server.stream.finish()
    server.wait_accepted(1)
    client.realtime.wait_active(LIMIT)
    waiting = [each for each in wait_delivered(client, seen) if each.state == "waiting"]
    assert len(waiting) == 1
    assert "closed the event stream right after" in str(waiting[0].error)
    assert not any("client was closed" in str(status.error) for status in seen.items)


def test_streams_that_end_at_once_back_off(
    server: wire.WireServer,
) -> None:
    """The wait grows from attempt to attempt if streams end right after PB_CONNECT."""
    server.on_stream = lambda n: wire.stream(then=wire.Stream.finish)
    policy = BackoffPolicy(initial=0.01, factor=2.0, maximum=60.0, jitter=False)
    with connect(server, backoff=policy) as client:
        seen = statuses(client)
        client.collection("posts").observe("*").subscribe(ignore)
        seen.until(lambda items: items and items[-1].attempt >= 4)
        waits = [status.retry_in for status in seen.items if status.state == "waiting"]
    assert waits[:4] == [0.01, 0.02, 0.04, 0.08]


def test_a_healthy_connection_resets_the_count_of_failures(
    server: wire.WireServer, healthy_at_once: None
) -> None:
    """A healthy connection resets the backoff to its initial wait."""
    policy = BackoffPolicy(initial=0.01, factor=2.0, maximum=60.0, jitter=False)
    with connect(server, backoff=policy) as client:
        seen = statuses(client)
        server.stream_answers += [wire.status(500)] * 3
        client.collection("posts").subscribe("*", ignore)
        server.stream.cut()
        server.wait_accepted(2)
        client.realtime.wait_active(LIMIT)
        items = wait_delivered(client, seen)
    waits = [status.retry_in for status in items if status.state == "waiting"]
    assert waits == [0.01, 0.02, 0.04, 0.01]


def test_malformed_data_on_a_healthy_connection_resets_the_count_too(
    server: wire.WireServer, healthy_at_once: None
) -> None:
    """Malformed data on healthy connections does not use up `max_attempts`."""
    policy = BackoffPolicy(initial=0.001, jitter=False, max_attempts=2)
    with connect(server, backoff=policy) as client:
        errors: Seen[Exception] = Seen()
        client.collection("posts").observe("*").subscribe(ignore, errors)
        for n in range(1, 5):
            server.wait_accepted(n)
            client.realtime.wait_active(LIMIT)
            server.stream.send_unframed(b"no chunk\r\n")
            server.wait_gets(n + 1)
        assert errors.items == []


def test_the_server_may_request_a_longer_wait(server: wire.WireServer) -> None:
    """A `Retry-After` of 40 s makes the client wait 40 s."""
    server.stream_answers.append(wire.status(429, headers={"Retry-After": "40"}))
    with connect(server) as client:
        seen = statuses(client)
        client.collection("posts").observe("*").subscribe(ignore)
        seen.until(lambda items: items and items[-1].state == "waiting")
        assert seen.items[-1].retry_in == 40.0


def test_a_stream_silent_for_idle_timeout_is_renewed(server: wire.WireServer) -> None:
    """A stream silent for `idle_timeout` is renewed at once, without `on_disconnect`."""
    with connect(server, idle_timeout=0.05, backoff=SLOW) as client:
        lost: Seen[list[str]] = Seen()
        client.realtime.on_disconnect = lost
        client.collection("posts").observe("*").subscribe(ignore)
        server.wait_gets(3)
        assert lost.items == []


def test_a_stream_without_pb_connect_fails_after_the_timeout(
    server: wire.WireServer,
) -> None:
    """A stream without PB_CONNECT fails after `timeout`, and another is opened."""
    server.stream_answers.append(wire.stream(greet=False))
    with connect(server, timeout=0.1) as client:
        seen = statuses(client)
        client.collection("posts").subscribe("*", ignore)
        errors = [status.error for status in wait_delivered(client, seen)]
    assert any(isinstance(error, RequestTimeoutError) for error in errors)


def test_comments_before_pb_connect_do_not_extend_the_timeout(
    server: wire.WireServer,
) -> None:
    """Comments before PB_CONNECT do not extend the `timeout` of a new stream."""
    over = threading.Event()

    def drip(stream: wire.Stream) -> None:
        while stream.send_raw(b":\n\n") and not over.wait(0.02):
            pass

    server.stream_answers.append(wire.stream(greet=False, then=drip))
    try:
        with connect(server, timeout=0.1) as client:
            client.collection("posts").subscribe("*", ignore)
            assert server.gets >= 2  # on a busy machine the next one may time out as well
    finally:
        over.set()


def test_a_403_to_the_post_opens_a_new_stream(server: wire.WireServer, client: BosBase) -> None:
    """A 403 to the POST of topics opens a new stream, without `on_error`."""
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    server.post_answers.append(wire.problem(403, "not this login"))
    seen: Seen[Event] = Seen()
    errors: Seen[Exception] = Seen()
    client.collection("posts").observe("*").subscribe(seen, errors)
    server.wait_accepted(1)
    assert server.gets == 2
    server.send("posts/*", {"id": "a"})
    seen.wait(1)
    assert (errors.items, lost.items) == ([], [["posts/*"]])


def test_a_400_to_the_post_ends_the_new_topics_alone(
    server: wire.WireServer, client: BosBase
) -> None:
    """A 400 to the POST of topics ends the new topics; the others stay on the stream."""
    old: Seen[Event] = Seen()
    old_errors: Seen[Exception] = Seen()
    new_errors: Seen[Exception] = Seen()
    client.collection("posts").observe("*").subscribe(old, old_errors)
    client.realtime.wait_active(LIMIT)
    server.post_answers.append(wire.problem(400, "I do not like it"))
    client.collection("posts").observe("bad").subscribe(ignore, new_errors)
    error = new_errors.wait(1)[0]
    assert isinstance(error, ClientResponseError)
    assert (error.status, error.message) == (400, "I do not like it")
    server.wait_accepted(2)
    assert server.posts[-1] == ["posts/*"]
    server.send("posts/*", {"id": "a"})
    old.wait(1)
    assert old_errors.items == []
    assert server.gets == 1


def test_a_400_to_the_post_does_not_end_topics_added_meanwhile(
    server: wire.WireServer, client: BosBase
) -> None:
    """A 400 to the POST of topics does not end topics added while it was in flight."""
    gate = wire.Gate()
    server.post_answers.append(wire.delay(gate, wire.problem(400)))
    errors: Seen[str] = Seen()
    posts = client.collection("posts")
    posts.observe("bad").subscribe(ignore, lambda _: errors("bad"))
    server.wait_post(1)
    posts.observe("good").subscribe(ignore, lambda _: errors("good"))
    gate.set()
    server.wait_accepted(1)
    client.realtime.wait_active(LIMIT)
    assert server.posts == [["posts/bad"], ["posts/good"]]
    assert errors.wait(1) == ["bad"]


def test_a_400_to_the_post_is_raised_by_subscribe(server: wire.WireServer, client: BosBase) -> None:
    """A 400 to the POST of topics is raised by the `subscribe` that waits for it."""
    server.post_answers.append(wire.problem(400, "no"))
    with pytest.raises(ClientResponseError, match="400: no"):
        client.realtime.subscribe("chat", ignore)
    wait_state(client, "idle")


@pytest.mark.parametrize(
    "answer",
    [
        wire.status(500),
        wire.status(429, headers={"Retry-After": "0"}),
        wire.drop(),
        wire.reset(),
        wire.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"),
        wire.raw(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
        wire.status(200),
        wire.status(200, {"status": "we are back soon"}),
        wire.status(200, "<html>", {"Content-Type": "text/html"}),
        wire.status(202),
        wire.hang(),
        wire.applied_then(wire.drop()),
    ],
    ids=lambda answer: f"{answer.kind}-{answer.code}-{answer.applied}",
)
def test_a_post_that_fails_temporarily_is_repeated_on_the_same_stream(
    server: wire.WireServer, answer: wire.Answer
) -> None:
    """A POST of topics that fails temporarily is repeated on the same stream."""
    server.post_answers += [answer, answer]
    with connect(server, timeout=1.0 if answer.kind == "hang" else LIMIT) as client:
        seen = statuses(client)
        client.collection("posts").subscribe("*", ignore)
        assert server.gets == 1
        assert server.posts == [["posts/*"]] * 3
        client.realtime.wait_active(LIMIT)
        items = seen.until(lambda items: items and items[-1].state == "active")
        assert items[-1].error is None
        assert [status.attempt for status in items if status.error is not None] == [1, 2]


def test_the_status_has_each_step_in_order(server: wire.WireServer) -> None:
    """`status` emits every state in order, from `idle` through a loss to `closed`."""
    with connect(server) as client:
        seen = statuses(client)
        posts = client.collection("posts").subscribe("*", ignore)
        server.stream.cut()
        server.wait_accepted(2)
        client.realtime.wait_active(LIMIT)
        posts()
        wait_state(client, "idle")
        wait_delivered(client, seen)
    steps = ["connecting", "connected", "active"]
    leaving = ["connected", "idle", "closed"]  # the wanted set becomes empty first
    assert states(seen) == ["idle", *steps, "waiting", *steps, *leaving]
    assert all(status.client_id for status in seen.items if status.state == "active")
    assert all(not status.client_id for status in seen.items if status.state == "waiting")
    times = [status.since for status in seen.items]
    assert times == sorted(times)


def test_after_max_attempts_all_streams_fail_and_a_new_topic_connects_again(
    server: wire.WireServer,
) -> None:
    """After `max_attempts` all streams get `on_error`; a new topic connects again."""
    server.refuse_connections()
    policy = BackoffPolicy(initial=0.001, jitter=False, max_attempts=3)
    with connect(server, backoff=policy) as client:
        seen = statuses(client)
        errors: Seen[Exception] = Seen()
        for name in ("*", "r1"):
            client.collection("posts").observe(name, check=False).subscribe(ignore, errors)
        assert all("cannot reach" in str(error) for error in errors.wait(2))
        failed = seen.until(
            lambda items: items and items[-1].state == "failed" and not items[-1].topics
        )[-1]
        # On a busy machine the attempts are used up before the second topic is added.
        assert any(failed.error is error for error in errors.items)
        with pytest.raises(ConnectionError, match="cannot reach"):
            client.realtime.subscribe("chat", ignore)
        server.accept_connections()
        client.realtime.subscribe("chat", ignore)
        assert server.posts == [["chat"]]
        seen.until(lambda items: items and items[-1].state == "active")
        assert seen.items[-1].error is None


def test_the_last_attempt_may_be_lost_while_open(
    server: wire.WireServer,
) -> None:
    """With `max_attempts=1` a loss ends the streams with `StreamLostError`."""
    policy = BackoffPolicy(initial=0.001, jitter=False, max_attempts=1)
    with connect(server, backoff=policy) as client:
        lost: Seen[list[str]] = Seen()
        errors: Seen[Exception] = Seen()
        client.realtime.on_disconnect = lost
        client.realtime.observe("chat").subscribe(ignore, errors)
        client.realtime.wait_active(LIMIT)
        server.stream.cut()
        assert isinstance(errors.wait(1)[0], StreamLostError)
        assert lost.items == [["chat"]]


def test_a_post_that_raises_an_unexpected_error_is_repeated(
    server: wire.WireServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A POST of topics that raises an unexpected error is logged and repeated."""

    class Keyring(AuthStore):
        """Fail, as the system's keyring may."""

        failures = 0

        @property
        def token(self) -> str:
            if self.failures:
                self.failures -= 1
                raise OSError("the keyring is locked")
            return super().token

    store = Keyring()
    with connect(server, auth_store=store) as client:
        client.collection("posts").subscribe("*", ignore)
        store.failures = 2
        client.collection("posts").subscribe("r1", ignore, check=False)
        assert sorted(server.posts[-1]) == ["posts/*", "posts/r1"]
    assert "the keyring is locked" in caplog.text
    assert "Traceback" in caplog.text


# -- status, client_id, wait_active, reconnect_now


def test_status_and_client_id_have_the_current_state(
    server: wire.WireServer, client: BosBase
) -> None:
    """`is_connected`, `client_id` and `status` have the connection's current state."""
    realtime = client.realtime
    assert (realtime.is_connected, realtime.client_id) == (False, "")
    realtime.wait_active(0.001)  # without topics: at once
    client.collection("posts").subscribe("*", ignore)
    assert realtime.is_connected
    assert realtime.client_id == server.stream.client_id
    assert wait_state(client, "active").topics == ("posts/*",)
    server.refuse_connections("cut")
    wait_state(client, "waiting")
    assert (realtime.is_connected, realtime.client_id) == (False, "")
    with pytest.raises(RequestTimeoutError, match=r"did not become active within 0.01 s; it is"):
        realtime.wait_active(0.01)


def test_wait_active_waits_for_every_topic(server: wire.WireServer, client: BosBase) -> None:
    """`wait_active` returns when every topic is acknowledged."""
    client.collection("posts").subscribe("*", ignore)
    gate = wire.Gate()
    server.post_answers.append(wire.delay(gate))
    client.collection("posts").observe("r1").subscribe(ignore)
    server.wait_post(2)
    result = run_thread(lambda: client.realtime.wait_active(LIMIT))
    assert wait_state(client, "connected").client_id == server.stream.client_id
    gate.set()
    result()
    assert server.stream.topics == ["posts/*", "posts/r1"]


def test_wait_active_raises_the_error_that_used_up_the_attempts(server: wire.WireServer) -> None:
    """`wait_active` raises the error that used up the attempts."""
    server.refuse_connections()
    policy = BackoffPolicy(initial=0.01, jitter=False, max_attempts=2)
    with connect(server, backoff=policy) as client:
        client.collection("posts").observe("*", check=False).subscribe(ignore, ignore)
        with pytest.raises(ConnectionError, match="cannot reach"):
            client.realtime.wait_active(LIMIT)
        client.realtime.wait_active(LIMIT)  # there are no topics any more


def test_reconnect_now_ends_the_backoff(server: wire.WireServer) -> None:
    """`reconnect_now` ends the backoff at once."""
    server.stream_answers.append(wire.status(503))
    with connect(server, backoff=SLOW) as client:
        client.realtime.reconnect_now()  # nothing to do
        client.collection("posts").observe("*").subscribe(ignore)
        wait_state(client, "waiting")
        client.realtime.reconnect_now()
        client.realtime.wait_active(LIMIT)
        assert server.gets == 2


def test_reconnect_now_replaces_an_open_stream(server: wire.WireServer, client: BosBase) -> None:
    """`reconnect_now` closes an open stream and opens a new one."""
    client.collection("posts").subscribe("*", ignore)
    before = server.stream
    client.realtime.reconnect_now()
    server.wait_accepted(2)
    client.realtime.wait_active(LIMIT)
    server.wait_streams(1)
    assert before.ended_by == "client"
    assert server.stream is not before


def test_reconnect_now_while_connecting_dials_again(server: wire.WireServer) -> None:
    """`reconnect_now` while connecting abandons that attempt and opens another stream."""
    gate = wire.Gate()
    server.stream_answers.append(wire.delay(gate))
    with connect(server, backoff=SLOW) as client:
        client.collection("posts").observe("*").subscribe(ignore)
        server.wait_gets(1)
        client.realtime.reconnect_now()
        client.realtime.wait_active(LIMIT)
        assert server.gets == 2
        gate.set()
        server.wait_streams(1)


def test_many_reconnect_now_end_active(server: wire.WireServer, client: BosBase) -> None:
    """200 calls of `reconnect_now` in a row end with one active stream."""
    seen: Seen[Event] = Seen()
    client.collection("posts").subscribe("*", seen)
    for _ in range(200):
        client.realtime.reconnect_now()
    client.realtime.wait_active(LIMIT)
    server.wait_streams(1)
    server.wait_for(lambda: server.stream.topics == ["posts/*"])
    server.send("posts/*", {"id": "a"})
    seen.wait(1)


def test_stats_count_events_posts_reconnects_and_topics(
    server: wire.WireServer, client: BosBase
) -> None:
    """`stats` counts events, POSTs, reconnects and topics, and dates the last event."""
    seen: Seen[Event] = Seen()
    assert client.realtime.stats.last_event_age is None
    client.collection("posts").subscribe("*", seen)
    server.send("posts/*", {"id": "a"})
    seen.wait(1)
    server.stream.cut()
    server.wait_accepted(2)
    client.realtime.wait_active(LIMIT)
    stats = client.realtime.stats
    assert (stats.events, stats.posts, stats.reconnects, stats.topics) == (1, 2, 1, 1)
    assert stats.last_event_age is not None and stats.last_event_age < LIMIT
