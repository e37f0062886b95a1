"""Events composed with operators as in any RxPY program, on the delivery thread."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler import VirtualTimeScheduler
from support import wire_server as wire
from support.realtime_client import library_threads
from support.seen import LIMIT, Seen, wait_event

from rxbosbase import BosBase, RecordEvent

Event = RecordEvent[dict[str, Any]]


def is_create(event: Event) -> bool:
    return event.action == "create"


def record_id(event: Event) -> str:
    return str(event.record["id"])


def counted(group: Any) -> Observable[tuple[str, int]]:
    result: Observable[tuple[str, int]] = group.pipe(
        ops.scan(lambda count, _: count + 1, 0), ops.map(lambda count: (group.key, count))
    )
    return result


def grouped(events: Any) -> Any:
    by_action: Any = ops.group_by(operator.attrgetter("action"))
    return events.pipe(by_action, ops.flat_map(counted))


PLAIN: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "pipe filter map": (lambda s: s.pipe(ops.filter(is_create), ops.map(record_id)), ["a", "c"]),
    "fluent filter map": (lambda s: s.filter(is_create).map(record_id), ["a", "c"]),
    "scan": (lambda s: s.pipe(ops.scan(lambda n, _: n + 1, 0)), [1, 2, 3, 4]),
    "fluent take": (lambda s: s.map(record_id).take(2), ["a", "b"]),
    "group_by": (grouped, [("create", 1), ("update", 1), ("create", 2), ("delete", 1)]),
    "pipe of nothing": (lambda s: s.pipe().pipe().map(record_id), ["a", "b", "c", "d"]),
}


@pytest.mark.parametrize(("compose", "expected"), PLAIN.values(), ids=PLAIN.keys())
def test_operators_work_in_pipe_and_as_methods(
    server: wire.WireServer,
    client: BosBase,
    compose: Callable[[Any], Any],
    expected: list[Any],
) -> None:
    """Operators work in `pipe` and as methods, and run on the delivery thread."""
    seen: Seen[Any] = Seen()
    compose(client.collection("posts").observe("*")).subscribe(seen)
    client.realtime.wait_active(LIMIT)
    for name, action in zip("abcd", ("create", "update", "create", "delete"), strict=True):
        server.send("posts/*", {"id": name}, action)
    assert seen.wait(len(expected)) == expected
    assert set(seen.threads) == {"rxbosbase-delivery"}


TIMED: dict[str, Callable[[Any], Any]] = {
    "debounce": lambda s: s.pipe(ops.debounce(0.01)),
    "fluent debounce": lambda s: s.debounce(0.01),
    "behind others": lambda s: s.filter(bool).pipe(ops.map(lambda e: e), ops.debounce(0.01)),
    "sample": lambda s: s.pipe(ops.sample(0.01)),
    "fluent sample": lambda s: s.sample(0.01),
    "buffer_with_time": lambda s: s.pipe(ops.buffer_with_time(0.01), ops.filter(bool)),
    "fluent buffer": lambda s: s.buffer_with_time(0.01).filter(bool),
    "delay": lambda s: s.pipe(ops.delay(0.01)),
    "shared": lambda s: s.pipe(ops.share()).pipe(ops.debounce(0.01)),
    "inside flat_map": lambda s: s.pipe(
        ops.flat_map(lambda event: reactivex.of(event).pipe(ops.delay(0.01)))
    ),
    "timeout": lambda s: s.pipe(ops.timeout(0.01), ops.catch(lambda error, _: reactivex.of(error))),
}


@pytest.mark.parametrize("compose", TIMED.values(), ids=TIMED.keys())
def test_timed_operators_run_on_the_delivery_thread_and_start_no_thread(
    server: wire.WireServer, client: BosBase, compose: Callable[[Any], Any]
) -> None:
    """Timed operators emit on the delivery thread and start no thread."""
    seen: Seen[Any] = Seen()
    with compose(client.collection("posts").observe("*", check=False)).subscribe(seen):
        client.realtime.wait_active(LIMIT)
        before = set(threading.enumerate())
        for n in range(20):
            server.send("posts/*", {"id": f"r{n}"})
        seen.wait(1)
        new = [t.name for t in threading.enumerate() if t not in before]
        assert not [name for name in new if not name.startswith("wire")]
        assert set(seen.threads) == {"rxbosbase-delivery"}
    assert len([name for name in library_threads() if "delivery" in name]) == 1


def test_an_explicit_scheduler_is_used(server: wire.WireServer, client: BosBase) -> None:
    """A timed operator uses the scheduler that is passed to it."""
    clock = VirtualTimeScheduler()
    seen: Seen[Any] = Seen()
    events = client.collection("posts").observe("*").pipe(ops.map(record_id))
    events.pipe(ops.debounce(3600.0, scheduler=clock)).subscribe(seen)
    got: Seen[Any] = Seen()
    events.subscribe(got)
    client.realtime.wait_active(LIMIT)
    server.send("posts/*", {"id": "a"})
    got.wait(1)
    assert seen.items == []
    clock.start()
    assert seen.items == ["a"]


def test_the_clients_scheduler_serves_merged_streams(
    server: wire.WireServer, client: BosBase
) -> None:
    """With `client.scheduler` merged streams emit on the delivery thread."""
    seen: Seen[Any] = Seen()
    both = reactivex.merge(client.realtime.observe("a"), client.realtime.observe("b"))
    both.pipe(ops.buffer_with_count(2), ops.delay(0.01, scheduler=client.scheduler)).subscribe(seen)
    server.wait_accepted(1)  # RxPY lets `merge` subscribe on that scheduler, too
    server.stream.send_frame("a", {"n": 1})
    server.stream.send_frame("b", {"n": 2})
    assert [message["n"] for message in seen.wait(1)[0]] == [1, 2]
    assert seen.threads == ["rxbosbase-delivery"]


def test_a_derived_observer_that_raises_ends_itself_alone(
    server: wire.WireServer, client: BosBase, caplog: pytest.LogCaptureFixture
) -> None:
    """An observer that raises behind a timed operator is logged; others go on."""
    seen: Seen[Any] = Seen()
    raised = threading.Event()

    def bad(_: Any) -> None:
        raised.set()
        raise ValueError("in a timer")

    events = client.collection("posts").observe("*")
    events.debounce(0.001).subscribe(bad)
    events.debounce(0.001).subscribe(seen)
    client.realtime.wait_active(LIMIT)
    server.send("posts/*", {"id": "a"})
    wait_event(raised)
    seen.wait(1)
    server.send("posts/*", {"id": "b"})
    seen.wait(2)
    assert "in a timer" in caplog.text
