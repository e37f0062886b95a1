"""`close`: at once, from any thread, whatever other threads are blocked in."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from support import wire_server as wire
from support.realtime_client import (
    client_threads,
    connect,
    ignore,
    library_threads,
    statuses,
    wait_state,
    wait_until,
)
from support.seen import LIMIT, Seen, run_thread, wait_event

from rxbosbase import BackoffPolicy, BosBase, ClientClosedError, ClientResponseError, RecordEvent

Event = RecordEvent[dict[str, Any]]

PROMISE = 0.1
"""Seconds in which `close` returns."""
THREADS_GONE = 0.2
"""Seconds after which no thread of the library runs."""
SLACK = float(os.environ.get("RXBOSBASE_SLACK", "1"))
"""The promises are for a machine with a core to spare; a busy one gets a multiple."""


def close_in_time(client: BosBase) -> None:
    """Close, and check both promises."""
    began = time.monotonic()
    client.close()
    took = time.monotonic() - began
    for thread in client_threads():
        if thread is not threading.current_thread():
            thread.join(max(0.0, began + took + THREADS_GONE * SLACK - time.monotonic()))
    assert took <= PROMISE * SLACK
    assert library_threads() == []


def in_recv(server: wire.WireServer, client: BosBase) -> None:
    client.collection("posts").subscribe("*", ignore)


def in_headers(server: wire.WireServer, client: BosBase) -> None:
    server.stream_answers.append(wire.hang())
    client.collection("posts").observe("*").subscribe(ignore)
    server.wait_gets(1)


def before_the_greeting(server: wire.WireServer, client: BosBase) -> None:
    server.stream_answers.append(wire.stream(greet=False))
    client.collection("posts").observe("*").subscribe(ignore)
    server.wait_streams(1)


def in_a_black_hole(server: wire.WireServer, client: BosBase) -> None:
    server.black_hole()
    client.collection("posts").observe("*").subscribe(ignore)
    server.wait_connections(2)  # the stream and the preflight


def in_a_post(server: wire.WireServer, client: BosBase) -> None:
    server.post_answers.append(wire.hang())
    client.collection("posts").observe("*").subscribe(ignore)
    server.wait_post(1)


def in_a_check(server: wire.WireServer, client: BosBase) -> None:
    server.collections["posts"] = wire.hang()
    client.collection("posts").observe("*").subscribe(ignore)
    server.wait_requests(1, "/api/collections/")
    client.realtime.wait_active(LIMIT)


def waiting_for_the_next_attempt(server: wire.WireServer, client: BosBase) -> None:
    server.stream_answers.append(wire.status(503, headers={"Retry-After": "200"}))
    client.collection("posts").observe("*").subscribe(ignore)
    wait_state(client, "waiting")


def unused(server: wire.WireServer, client: BosBase) -> None:
    pass


def idle_again(server: wire.WireServer, client: BosBase) -> None:
    client.collection("posts").subscribe("*", ignore)()
    wait_state(client, "idle")


@pytest.mark.parametrize(
    "where",
    [
        in_recv,
        in_headers,
        before_the_greeting,
        in_a_black_hole,
        in_a_post,
        in_a_check,
        waiting_for_the_next_attempt,
        unused,
        idle_again,
    ],
    ids=lambda where: where.__name__,
)
def test_close_returns_at_once_and_leaves_no_thread(
    server: wire.WireServer, where: Callable[[wire.WireServer, BosBase], None]
) -> None:
    """In any state, `close` returns within 0.1 s and its threads end within 0.2 s."""
    client = connect(server)
    completed: Seen[str] = Seen()
    seen = statuses(client)
    where(server, client)
    client.realtime.events.subscribe(on_completed=lambda: completed("events"))
    close_in_time(client)
    assert completed.wait(1) == ["events"]
    assert seen.until(lambda items: items and items[-1].state == "closed")
    client.close()
    server.wait_connections(0)


@contextmanager
def full_backlog() -> Generator[str]:
    """Yield the URL of a port on which a connect gets no response."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            waiting.append(sock)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            for sock in waiting:
                sock.close()


def test_close_ends_a_connect_without_a_response() -> None:
    """`close` returns within 0.1 s while connects get no response, and ends them."""
    with full_backlog() as url:
        client = BosBase(url)
        client.collection("posts").observe("*").subscribe(ignore)
        wait_state(client, "connecting")
        result = run_thread(lambda: client.health())
        with pytest.raises(TimeoutError):
            client.realtime.wait_active(0.05)  # the threads are connecting now
        close_in_time(client)
        with pytest.raises(ClientClosedError):
            result()


def test_close_inside_a_callback_returns_and_on_completed_follows_it(
    server: wire.WireServer,
) -> None:
    """`close` in a callback discards queued events; `on_completed` follows the callback."""
    client = connect(server)
    log: Seen[str] = Seen()
    took: Seen[float] = Seen()

    def on_event(event: Event) -> None:
        log("event")
        began = time.monotonic()
        client.close()
        took(time.monotonic() - began)
        log("closed")

    client.realtime.on_disconnect = lambda topics: log(f"lost {topics}")
    posts = client.collection("posts").observe("*")
    posts.subscribe(on_event, on_completed=lambda: log("completed"))
    client.realtime.wait_active(LIMIT)
    frames = [server.stream.frame("posts/*", {"action": "update", "record": {"id": "a"}})] * 500
    server.stream.send_many(frames)
    assert log.wait(4) == ["event", "closed", "lost []", "completed"]
    assert took.items[0] <= PROMISE * SLACK
    assert log.count == 4  # events behind that one were discarded


def closing(client: BosBase, _: Any) -> None:
    client.close()


def test_close_inside_a_status_observer_and_on_disconnect(server: wire.WireServer) -> None:
    """`close` may be called in a status observer and in `on_disconnect`."""
    for hook in ("status", "on_disconnect"):
        client = connect(server)
        completed = threading.Event()
        client.collection("posts").observe("*").subscribe(on_completed=completed.set)
        client.realtime.wait_active(LIMIT)
        if hook == "status":
            client.realtime.status.subscribe(partial(closing, client))
        else:
            client.realtime.on_disconnect = partial(closing, client)
            server.streams[-1].cut()
        wait_event(completed)
        assert client.is_closed


def test_close_wakes_blocking_calls_on_other_threads(server: wire.WireServer) -> None:
    """`close` ends the blocking calls of other threads with `ClientClosedError`."""
    server.on_post = lambda n: wire.hang()
    server.on_request = lambda r: wire.hang() if r.path == "/api/health" else None
    client = connect(server, timeout=60.0)
    calls: list[Callable[[], object]] = [
        lambda: client.collection("posts").subscribe("*", ignore, timeout=60.0),
        lambda: client.realtime.subscribe("chat", ignore, timeout=60.0),
        lambda: client.realtime.wait_active(60.0),
        client.health,
    ]
    results = [run_thread(call) for call in calls[:2]]
    server.wait_post(1)
    results += [run_thread(call) for call in calls[2:]]
    server.wait_requests(1, "/api/health")
    close_in_time(client)
    for result in results:
        with pytest.raises(ClientClosedError):
            result()


def test_close_does_not_wait_for_a_running_callback(
    server: wire.WireServer,
) -> None:
    """`close` returns within 0.1 s while a callback runs; `on_completed` follows it."""
    client = connect(server)
    entered, go_on, completed = threading.Event(), threading.Event(), threading.Event()

    def slow(_: Event) -> None:
        entered.set()
        wait_event(go_on)

    client.collection("posts").observe("*").subscribe(slow, on_completed=completed.set)
    client.realtime.wait_active(LIMIT)
    server.send("posts/*", {"id": "a"})
    wait_event(entered)
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began <= PROMISE * SLACK
    assert not completed.is_set()
    server.wait_connections(0)
    go_on.set()
    wait_event(completed)


def test_close_by_many_threads_at_once(server: wire.WireServer) -> None:
    """Concurrent calls of `close` complete a stream once."""
    client = connect(server)
    completed: Seen[str] = Seen()
    client.collection("posts").observe("*").subscribe(on_completed=lambda: completed("once"))
    client.realtime.wait_active(LIMIT)
    for result in [run_thread(client.close) for _ in range(8)]:
        result()
    completed.wait(1)
    assert completed.count == 1


def test_close_with_a_thousand_topics_is_in_time(server: wire.WireServer) -> None:
    """`close` with 1000 topics returns within 0.1 s and completes each stream."""
    client = connect(server)
    completed: Seen[int] = Seen()
    for n in range(1000):
        client.collection("posts").observe(f"r{n}").subscribe(on_completed=partial(completed, n))
    client.realtime.wait_active(LIMIT)
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began <= PROMISE * SLACK
    completed.wait(1000)


def test_a_subscriber_of_the_status_after_close_gets_the_last_one(server: wire.WireServer) -> None:
    """`status` emits the state `closed` and completes when subscribed after `close`."""
    client = connect(server)
    client.close()
    seen = statuses(client)
    completed = threading.Event()
    client.realtime.status.subscribe(on_completed=completed.set)
    assert [status.state for status in seen.items] == ["closed"]
    assert completed.is_set()


def test_a_client_without_references_is_closed_by_the_garbage_collector(
    server: wire.WireServer,
) -> None:
    """A client without references is closed by the garbage collector."""
    client = connect(server)
    client.collection("posts").subscribe("*", ignore)
    del client
    gc.collect()
    server.wait_streams(0)
    server.wait_connections(0)


def test_a_subscription_keeps_its_client_alive(server: wire.WireServer) -> None:
    """A subscription keeps its client alive until it is disposed."""
    seen: Seen[Event] = Seen()
    subscription = connect(server).collection("posts").observe("*").subscribe(seen)
    server.wait_accepted(1)
    gc.collect()
    server.send("posts/*", {"id": "a"})
    seen.wait(1)
    subscription.dispose()
    del subscription
    gc.collect()
    server.wait_streams(0)


def hold_delivery(server: wire.WireServer, client: BosBase) -> threading.Event:
    """Block the delivery thread in a callback until the event is set."""
    entered, go_on = threading.Event(), threading.Event()

    def slow(_: Event) -> None:
        entered.set()
        wait_event(go_on)

    client.collection("slow").subscribe("*", slow)
    server.send("slow/*", {"id": "a"})
    wait_event(entered)
    return go_on


def test_close_keeps_queued_completions_and_errors(
    server: wire.WireServer,
) -> None:
    """`close` discards queued events, but not queued completions and errors."""
    client = connect(server)
    log: Seen[str] = Seen()
    posts = client.collection("posts")
    posts.observe("*").subscribe(on_completed=lambda: log("unsubscribed"))
    posts.observe("r1").subscribe(on_completed=lambda: log("closed"))
    client.realtime.wait_active(LIMIT)
    go_on = hold_delivery(server, client)
    posts.unsubscribe("*")
    server.collections["gone"] = 404
    gone = client.collection("gone")
    gone.observe("*").subscribe(ignore, lambda error: log(f"refused {error}"[:11]))
    with pytest.raises(ClientResponseError):  # an equal preflight: both have their result
        gone.subscribe("*", ignore)
    client.close()
    go_on.set()
    assert log.wait(3) == ["unsubscribed", "refused 404", "closed"]


def test_an_iterator_ends_when_its_topic_is_gone_and_the_client_closed(
    server: wire.WireServer,
) -> None:
    """An event iterator ends when its topic is unsubscribed and the client closed."""
    client = connect(server)
    with client.collection("posts").events("*") as events:
        result = run_thread(lambda: list(events))
        go_on = hold_delivery(server, client)
        client.collection("posts").unsubscribe("*")
        client.close()
        go_on.set()
        assert result() == []


def test_a_loss_right_before_close_is_reported(server: wire.WireServer) -> None:
    """A loss right before `close` still calls `on_disconnect` with the lost topics."""
    client = connect(server, backoff=BackoffPolicy(initial=60, maximum=60, jitter=False))
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    go_on = hold_delivery(server, client)
    server.stream.cut()
    wait_until(client, lambda: client.service.status.value.state == "waiting")
    client.close()
    go_on.set()
    assert lost.wait(1) == [["slow/*"]]
