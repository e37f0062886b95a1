"""Isolation: no subscriber affects the events of another, and nothing deadlocks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from support import wire_server as wire
from support.realtime_client import connect, ignore, library_threads, statuses, wait_until
from support.seen import LIMIT, Seen, wait_event

from rxbosbase import BosBase, Message, RecordEvent
from rxbosbase.runtime import thread_scheduler as loop_room
from rxbosbase.runtime.thread_scheduler import ThreadScheduler

Event = RecordEvent[dict[str, Any]]


def send_many(server: wire.WireServer, count: int, first: int = 0) -> None:
    stream = server.stream
    stream.send_many(
        stream.frame("posts/*", {"action": "update", "record": {"id": f"r{n}"}})
        for n in range(first, first + count)
    )


def numbers(seen: Seen[Event]) -> list[int]:
    return [int(event.record["id"][1:]) for event in seen.items]


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_observer_that_raises_is_disposed_and_a_callback_is_kept(
    server: wire.WireServer,
    client: BosBase,
    kind: type[BaseException],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An observer that raises is disposed, a callback that raises stays; others go on."""
    calls: Seen[str] = Seen()
    seen: Seen[Event] = Seen()

    def raising(name: str) -> Callable[[Event], None]:
        def on_next(_: Event) -> None:
            calls(name)
            raise kind("broken by the user")

        return on_next

    posts = client.collection("posts")
    posts.observe("*").subscribe(raising("observer"))
    posts.subscribe("*", raising("callback"))
    posts.observe("*").subscribe(seen)
    client.realtime.wait_active(LIMIT)
    send_many(server, 10)
    seen.wait(10)
    assert numbers(seen) == list(range(10))
    assert calls.items.count("callback") == 10
    assert calls.items.count("observer") == 1
    assert "broken by the user" in caplog.text


def test_an_observer_of_all_events_that_raises_is_disposed(
    server: wire.WireServer, client: BosBase
) -> None:
    """An observer of `realtime.events` that raises is disposed; others go on."""
    seen: Seen[Event] = Seen()
    calls: Seen[Message] = Seen()

    def bad(message: Message) -> None:
        calls(message)
        raise ValueError

    client.realtime.events.subscribe(bad)
    client.collection("posts").subscribe("*", seen)
    send_many(server, 3)
    seen.wait(3)
    assert calls.count == 1


def drop(server: wire.WireServer) -> None:
    server.stream.cut()


def stay(server: wire.WireServer) -> None:
    pass


@pytest.mark.parametrize("meanwhile", [stay, drop], ids=["connected", "as it drops"])
def test_a_blocking_subscribe_works_inside_a_callback(
    server: wire.WireServer, client: BosBase, meanwhile: Callable[[wire.WireServer], None]
) -> None:
    """`subscribe`, `wait_active` and requests work in a callback, also during a loss."""
    nested: Seen[Event] = Seen()
    other: Seen[Event] = Seen()
    done: Seen[Any] = Seen()

    def on_event(_: Event) -> None:
        if done.count == 0:
            meanwhile(server)
            done(client.collection("posts").subscribe("nested", nested))
            client.realtime.wait_active(LIMIT)
            assert client.health()["code"] == 200

    client.collection("posts").subscribe("*", on_event)
    client.collection("posts").subscribe("*", other)
    send_many(server, 5)
    done.wait(1)
    other.wait(5)
    assert numbers(other) == list(range(5))
    server.wait_streams(1)
    server.send("posts/nested", {"id": "r9"})
    nested.wait(1)


@pytest.mark.parametrize("meanwhile", [stay, drop], ids=["connected", "as it drops"])
def test_a_callback_may_unsubscribe_itself_and_others(
    server: wire.WireServer, client: BosBase, meanwhile: Callable[[wire.WireServer], None]
) -> None:
    """A callback may dispose itself and others: they get no further event."""
    posts = client.collection("posts")
    own: Seen[Event] = Seen()
    victim: Seen[Event] = Seen()
    other: Seen[Event] = Seen()
    last: Seen[Event] = Seen()
    ends: list[Any] = []

    def on_event(event: Event) -> None:
        own(event)
        meanwhile(server)
        for end in ends:
            end.dispose()

    ends.append(posts.subscribe("*", on_event))
    ends.append(posts.observe("*").subscribe(victim))
    posts.observe("*").subscribe(other)
    posts.subscribe("last", last)
    send_many(server, 5)
    other.wait(5)
    assert (own.count, victim.count, numbers(other)) == (1, 0, list(range(5)))
    server.wait_streams(1)
    client.realtime.wait_active(LIMIT)
    server.wait_for(lambda: "posts/last" in server.stream.topics)
    server.send("posts/last", {"id": "r9"})
    last.wait(1)
    assert victim.count == 0


def test_a_slow_callback_delays_acknowledging_and_submitting_nothing(
    server: wire.WireServer, client: BosBase
) -> None:
    """A slow callback does not delay a POST of topics, a reconnect or `wait_active`."""
    entered, go_on = threading.Event(), threading.Event()
    seen: Seen[Event] = Seen()

    def slow(_: Event) -> None:
        entered.set()
        wait_event(go_on)

    client.collection("posts").subscribe("*", slow)
    send_many(server, 1)
    wait_event(entered)
    client.collection("posts").subscribe("r1", seen)
    client.realtime.subscribe("chat", ignore)
    server.stream.cut()
    server.wait_streams(1)
    server.wait_for(lambda: len(server.stream.topics) == 3)
    client.realtime.wait_active(LIMIT)
    wait_until(client, lambda: client.realtime.client_id == server.stream.client_id)
    go_on.set()
    server.send("posts/r1", {"id": "r1"})
    assert [event.record["id"] for event in seen.wait(1)] == ["r1"]


@pytest.fixture
def small_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scheduler queues eight events, and then blocks the reader."""
    original = ThreadScheduler.__init__

    def small(self: ThreadScheduler, name: str, **_: Any) -> None:
        original(self, name, max_items=8)

    monkeypatch.setattr(ThreadScheduler, "__init__", small)


def fill(server: wire.WireServer, client: BosBase) -> None:
    """Send events 1 to 30, in reads of one each, until the reader waits for the queue."""
    for n in range(1, 31):
        before = client.realtime.stats.frames
        send_many(server, 1, n)
        if n <= 9:
            wait_until(client, partial(lambda was: client.realtime.stats.frames > was, before))
    assert client.realtime.stats.queue_events == 8


class BlockedDelivery:
    """A client whose delivery is blocked in a callback, and whose reader waits for the queue."""

    def __init__(self, server: wire.WireServer, client: BosBase) -> None:
        self.go_on = threading.Event()
        self.seen: Seen[Event] = Seen()
        entered = threading.Event()

        def slow(event: Event) -> None:
            if not entered.is_set():
                entered.set()
                wait_event(self.go_on)
            self.seen(event)

        client.collection("posts").subscribe("*", slow)
        send_many(server, 1)
        wait_event(entered)
        fill(server, client)


def test_a_full_queue_makes_the_reader_wait_and_loses_nothing(
    server: wire.WireServer, client_of_small_queue: BosBase
) -> None:
    """A full queue makes the reader wait; no event is lost."""
    blocked = BlockedDelivery(server, client_of_small_queue)
    blocked.go_on.set()
    blocked.seen.wait(31)
    assert numbers(blocked.seen) == list(range(31))


@pytest.fixture
def client_of_small_queue(server: wire.WireServer, small_queue: None) -> Iterator[BosBase]:
    with connect(server) as made:
        yield made


RETIRE: dict[str, Callable[[wire.WireServer, BosBase], object]] = {
    "reconnect_now": lambda server, client: client.realtime.reconnect_now(),
    "login": lambda server, client: client.auth_store.save(wire.make_token("ann")),
    "the server refused": lambda server, client: refuse(server, client),
}


def refuse(server: wire.WireServer, client: BosBase) -> None:
    server.post_answers.append(wire.problem(403))
    client.collection("posts").observe("r1").subscribe(ignore)


@pytest.mark.parametrize("retire", RETIRE.values(), ids=RETIRE.keys())
def test_a_reader_that_waits_for_the_queue_can_be_retired(
    server: wire.WireServer,
    client_of_small_queue: BosBase,
    retire: Callable[[wire.WireServer, BosBase], object],
) -> None:
    """A reader that waits for a full queue is replaced when the stream is renewed."""
    client = client_of_small_queue
    blocked = BlockedDelivery(server, client)
    retire(server, client)
    server.wait_gets(2)
    server.wait_streams(1)
    client.realtime.wait_active(LIMIT)
    blocked.go_on.set()
    server.wait_for(lambda: "posts/*" in server.stream.topics)
    server.send("posts/*", {"id": "r99"})
    blocked.seen.until(lambda items: items and items[-1].record["id"] == "r99")
    # What had been read by then is delivered; what was still in the socket is lost.
    assert numbers(blocked.seen)[:10] == list(range(10))


def test_closing_with_a_full_queue_ends_the_reader(
    server: wire.WireServer, client_of_small_queue: BosBase
) -> None:
    """`close` with a full queue ends the reader and discards the queued events."""
    blocked = BlockedDelivery(server, client_of_small_queue)
    client_of_small_queue.close()
    server.wait_connections(0)
    blocked.go_on.set()
    wait_until(client_of_small_queue, lambda: not library_threads())
    assert numbers(blocked.seen) == [0]  # the one being delivered; the rest is discarded


def test_a_callback_may_subscribe_while_the_queue_is_full_and_the_connection_drops(
    server: wire.WireServer, client_of_small_queue: BosBase
) -> None:
    """A callback may reconnect and then block in `subscribe` while the queue is full."""
    client = client_of_small_queue
    go_on, done = threading.Event(), threading.Event()
    entered = threading.Event()

    def on_event(_: Event) -> None:
        if entered.is_set():
            return
        entered.set()
        wait_event(go_on)
        client.realtime.reconnect_now()
        client.collection("posts").subscribe("nested", ignore)
        done.set()

    client.collection("posts").subscribe("*", on_event)
    send_many(server, 1)
    wait_event(entered)
    fill(server, client)
    go_on.set()
    wait_event(done)
    server.wait_for(lambda: server.streams and "posts/nested" in server.stream.topics)


def test_a_failed_thread_start_loses_no_event(
    server: wire.WireServer, client: BosBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event is lost when the delivery thread cannot be started at once."""
    monkeypatch.setattr(loop_room, "IDLE_SECONDS", 0.01)
    seen: Seen[Event] = Seen()
    client.collection("posts").subscribe("*", seen)
    wait_until(client, lambda: "rxbosbase-delivery" not in library_threads())
    refused = threading.Event()
    start = threading.Thread.start

    def refuse_once(thread: threading.Thread) -> None:
        if thread.name == "rxbosbase-delivery" and not refused.is_set():
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_once)
    server.send("posts/*", {"id": "a"})
    wait_event(refused)
    server.send("posts/*", {"id": "b"})
    assert [event.record["id"] for event in seen.wait(2)] == ["a", "b"]


def test_events_that_cannot_be_read_are_skipped_and_reported(
    server: wire.WireServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Malformed or too large events are skipped, counted, logged and set `status.error`."""
    with connect(server, max_event_bytes=400) as client:
        seen: Seen[Event] = Seen()
        status = statuses(client)
        client.collection("posts").subscribe("*", seen)
        bad = [b"", b"no json", b"[]", b'{"action":"x","record":{}}', b'{"action":"update"}']
        for data in bad:
            server.stream.send_frame("posts/*", data)
        server.stream.send_record("posts/*", {"id": "big", "text": "x" * 500}, "update")
        server.send("posts/*", {"id": "good"})
        assert seen.wait(1)[0].record["id"] == "good"
        assert client.realtime.stats.skipped == len(bad) + 1
        status.until(lambda items: "larger than 400 bytes" in str(items[-1].error))
        assert client.realtime.stats.queue_bytes == 0
        assert "left out" in caplog.text
