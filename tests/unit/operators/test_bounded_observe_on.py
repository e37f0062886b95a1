"""``bounded_observe_on``: the queue is bounded, and each policy does what it says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import reactivex
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Observer, Subject, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.scheduler import (
    CurrentThreadScheduler,
    EventLoopScheduler,
    ImmediateScheduler,
    NewThreadScheduler,
    ThreadPoolScheduler,
)
from reactivex.testing import TestScheduler
from support.marbles import pending

from rxbosbase import operators as rxb
from rxbosbase.errors import BosBaseError
from rxbosbase.runtime.bounded_queue import BoundedQueue
from rxbosbase.runtime.thread_scheduler import ThreadScheduler

SOON = 5.0


class Worker(EventLoopScheduler):
    """RxPY's event loop, with an end that can be waited for."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        super().__init__(thread_factory=self.make_thread)

    def make_thread(self, target: Callable[..., None]) -> threading.Thread:
        def run() -> None:
            # What a test raises on purpose ends the thread, as it would end RxPY's own.
            with contextlib.suppress(LookupError):
                target()

        self.threads.append(threading.Thread(target=run, daemon=True))
        return self.threads[-1]

    def stop(self) -> None:
        self.dispose()
        for thread in self.threads:
            for _ in range(500):
                # RxPY's loop misses a dispose that comes while an action runs: wake it again.
                with self._condition:
                    self._condition.notify_all()
                thread.join(0.01)
                if not thread.is_alive():
                    break
            assert not thread.is_alive()


@pytest.fixture
def worker() -> Iterator[Worker]:
    scheduler = Worker()
    yield scheduler
    scheduler.stop()


def run(overflow: Any, size: int, values: list[Any]) -> tuple[list[Any], list[int]]:
    """Push all before the scheduler has a turn: what arrives, and what `on_drop` was told."""
    scheduler = TestScheduler()
    source: Subject[Any] = Subject()
    came: list[Any] = []
    drops: list[int] = []
    source.pipe(rxb.bounded_observe_on(scheduler, size, overflow, on_drop=drops.append)).subscribe(
        came.append, came.append, lambda: came.append("end")
    )
    for value in values:
        source.on_next(value)
    source.on_completed()
    assert len(scheduler._queue.items) == 1  # one delivery at a time, whatever is queued
    scheduler.advance_to(1)
    assert pending(scheduler) == 0 and not source.observers
    return came, drops


@given(st.lists(st.integers()), st.integers(1, 5))
def test_drop_oldest_keeps_the_last(values: list[int], size: int) -> None:
    """The newest `size` values arrive in order, and each loss is counted."""
    came, drops = run("drop_oldest", size, values)
    assert came == [*values[-size:], "end"]
    assert drops == list(range(1, max(0, len(values) - size) + 1))


@given(st.lists(st.integers()), st.integers(1, 5))
def test_drop_newest_keeps_the_first(values: list[int], size: int) -> None:
    """The first `size` values arrive in order, and each loss is counted."""
    came, drops = run("drop_newest", size, values)
    assert came == [*values[:size], "end"]
    assert drops == list(range(1, max(0, len(values) - size) + 1))


@given(st.lists(st.sampled_from("abc")), st.integers(3, 5))
def test_conflate_keeps_the_newest_of_each_record(keys: list[str], size: int) -> None:
    """One value per id, the newest, in the order in which the ids came."""
    values = [{"id": key, "n": number} for number, key in enumerate(keys)]
    came, drops = run("conflate", size, values)
    newest: dict[str, Any] = {}
    for value in values:
        newest[str(value["id"])] = value
    assert came == [*newest.values(), "end"]
    assert drops[-1:] == ([len(keys) - len(newest)] if len(keys) > len(newest) else [])


def test_conflate_drops_the_oldest_of_too_many_records() -> None:
    """`conflate` drops the oldest of more ids than fit into the queue."""
    came, drops = run("conflate", 2, [{"id": key} for key in "abc"])
    assert came == [{"id": "b"}, {"id": "c"}, "end"] and drops == [1]


def test_conflate_keeps_the_newest_alone_of_values_without_an_id() -> None:
    """`conflate` keeps only the newest of values without an id."""
    assert run("conflate", 3, [1, 2, 3]) == ([3, "end"], [1, 2])


def test_error_comes_after_the_queued_values_and_says_what_to_do() -> None:
    """`error` emits a `BufferOverflowError` that names the size, after the queued values."""
    came, drops = run("error", 2, [1, 2, 3, 4])
    assert came[:2] == [1, 2] and len(came) == 3 and drops == []
    error = came[2]
    assert isinstance(error, rxb.BufferOverflowError) and isinstance(error, BosBaseError)
    assert error.size == 2 and "queue of 2" in str(error) and "drop_oldest" in str(error)
    assert "faster than the subscriber" in str(error)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_blocking_loses_nothing_between_real_threads(worker: Worker, size: int) -> None:
    """`block` delivers all values of a fast producer to another thread, in order."""
    came: list[int] = []
    done = threading.Event()
    source: Subject[int] = Subject()
    source.pipe(rxb.bounded_observe_on(worker, size)).subscribe(came.append, on_completed=done.set)
    for number in range(3000):
        source.on_next(number)
    source.on_completed()
    assert done.wait(SOON)
    assert came == list(range(3000))


def test_blocking_works_with_a_scheduler_of_many_threads() -> None:
    """`block` loses nothing with a scheduler that starts a thread for each delivery."""
    came: list[int] = []
    done = threading.Event()
    source: Subject[int] = Subject()
    source.pipe(rxb.bounded_observe_on(NewThreadScheduler(), 2)).subscribe(
        came.append, on_completed=done.set
    )
    for number in range(300):
        source.on_next(number)
    source.on_completed()
    assert done.wait(SOON)
    assert came == list(range(300))


def test_two_producers_lose_nothing(worker: Worker) -> None:
    """Two producer threads lose no value, and the order of each is kept."""
    came: list[tuple[int, int]] = []
    source: Subject[tuple[int, int]] = Subject()
    done = threading.Event()
    source.pipe(rxb.bounded_observe_on(worker, 3)).subscribe(came.append, on_completed=done.set)

    def produce(name: int) -> None:
        for number in range(500):
            source.on_next((name, number))

    producers = [threading.Thread(target=produce, args=(name,)) for name in range(2)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join(SOON)
    source.on_completed()
    assert done.wait(SOON)
    assert [n for name, n in came if name == 0] == list(range(500))
    assert [n for name, n in came if name == 1] == list(range(500))


class Held:
    """A subscriber that sits on its first value until it is let go, and a producer that waits."""

    def __init__(self, worker: Worker, size: int = 1, *, raising: bool = False) -> None:
        self.busy, self.go = threading.Event(), threading.Event()
        self.came: list[int] = []
        self.raising = raising
        self.source: Subject[int] = Subject()
        self.subscription = self.source.pipe(rxb.bounded_observe_on(worker, size)).subscribe(
            self.on_next, on_completed=lambda: self.came.append(-1)
        )
        self.source.on_next(0)
        assert self.busy.wait(SOON)
        self.waiting = threading.Event()
        self.producer = threading.Thread(target=self.produce)
        self.producer.start()
        assert self.waiting.wait(SOON)

    def on_next(self, value: int) -> None:
        self.came.append(value)
        self.busy.set()
        assert self.go.wait(SOON)
        if self.raising:
            raise LookupError(value)

    def produce(self) -> None:
        self.source.on_next(1)
        self.waiting.set()
        self.source.on_next(2)

    def finish(self) -> None:
        self.producer.join(SOON)
        assert not self.producer.is_alive()


def test_a_waiting_producer_goes_on_when_there_is_room(worker: Worker) -> None:
    """A producer that waits goes on as soon as the subscriber has taken a value."""
    held = Held(worker)
    assert held.came == [0]
    held.go.set()
    held.finish()
    held.source.on_completed()
    settled = threading.Event()
    worker.schedule(lambda *_: settled.set())
    assert settled.wait(SOON)
    assert held.came[:3] == [0, 1, 2]


def test_disposing_frees_a_waiting_producer(worker: Worker) -> None:
    """Disposing releases a producer that waits, and nothing more is delivered."""
    held = Held(worker)
    held.subscription.dispose()
    held.finish()
    held.go.set()
    assert held.came == [0]


def test_an_end_from_another_thread_frees_a_waiting_producer(worker: Worker) -> None:
    """A completion from another thread releases a waiting producer and follows the queue."""
    held = Held(worker)
    held.source.on_completed()
    held.finish()
    held.go.set()
    settled = threading.Event()
    worker.schedule(lambda *_: settled.set())
    assert settled.wait(SOON)
    assert held.came == [0, 1, -1]


def test_a_subscriber_that_raises_frees_a_waiting_producer(worker: Worker) -> None:
    """A subscriber that raises ends the subscription and releases a waiting producer."""
    held = Held(worker, raising=True)
    held.go.set()
    held.finish()
    assert held.came == [0] and not held.source.observers


@pytest.mark.parametrize("make", [TestScheduler, NewThreadScheduler])
def test_a_push_from_inside_the_subscriber_does_not_wait_for_itself(
    make: Callable[[], Any],
) -> None:
    """A push into a full queue from inside the subscriber is an error, not a deadlock."""
    scheduler = make()
    source: Subject[int] = Subject()
    came: list[Any] = []
    done = threading.Event()

    def on_next(value: int) -> None:
        came.append(value)
        if value < 10:
            source.on_next(value + 10)
            source.on_next(value + 11)

    def on_error(error: Exception) -> None:
        came.append(error)
        done.set()

    source.pipe(rxb.bounded_observe_on(scheduler, 1)).subscribe(on_next, on_error)
    source.on_next(0)
    if isinstance(scheduler, TestScheduler):
        scheduler.advance_to(1)
    assert done.wait(SOON)
    assert came[:2] == [0, 10]
    assert isinstance(came[2], rxb.BufferOverflowError)
    assert "wait for itself" in str(came[2])


@pytest.mark.parametrize("make", [Worker, lambda: ThreadScheduler("test scheduler")])
def test_a_producer_on_the_target_scheduler_does_not_wait_for_itself(
    make: Callable[[], Any],
) -> None:
    """A producer on the target scheduler gets an error, before the first delivery, too."""
    scheduler = make()
    came: list[Any] = []
    done = threading.Event()
    source: Subject[int] = Subject()

    def on_error(error: Exception) -> None:
        came.append(error)
        done.set()

    def produce(*_: Any) -> None:
        for number in range(5):
            source.on_next(number)

    source.pipe(rxb.bounded_observe_on(scheduler, 2)).subscribe(came.append, on_error)
    scheduler.schedule(produce)
    assert done.wait(SOON)
    assert came[:2] == [0, 1] and isinstance(came[2], rxb.BufferOverflowError)
    if isinstance(scheduler, Worker):
        scheduler.stop()
    else:
        scheduler.close()
        scheduler.join(SOON)


class ByHand:
    """Keeps what is scheduled, for the test to run it when it likes."""

    def __init__(self) -> None:
        self.actions: list[Callable[[], None]] = []

    def schedule(self, action: Callable[[], None]) -> abc.DisposableBase:
        self.actions.append(action)
        return Disposable()


def test_a_producer_that_delivered_before_does_not_wait_for_itself() -> None:
    """A producer on the thread that delivered last gets an error instead of a deadlock."""
    scheduler: Any = ByHand()
    source: Subject[int] = Subject()
    came: list[Any] = []
    source.pipe(rxb.bounded_observe_on(scheduler, 1)).subscribe(came.append, came.append)
    source.on_next(1)
    scheduler.actions.pop()()
    source.on_next(2)
    source.on_next(3)
    scheduler.actions.pop()()
    assert came[:2] == [1, 2] and "wait for itself" in str(came[2])


def make_queue(runner: ByHand, drops: list[int], came: list[Any]) -> BoundedQueue[int]:
    observer: Observer[int] = Observer(came.append, came.append, lambda: came.append("end"))
    return BoundedQueue(
        observer, runner, 1, "drop_newest", drops.append, RuntimeError, Disposable()
    )


def test_deliver_one_returns_whether_it_delivered() -> None:
    """`deliver_one` returns True for a value, False for the end and for an empty queue."""
    runner, drops, came = ByHand(), list[int](), list[Any]()
    queue = make_queue(runner, drops, came)
    assert not queue.deliver_one()
    queue.on_next(1)
    queue.end()
    assert [queue.deliver_one(), queue.deliver_one()] == [True, False]
    assert came == [1, "end"] and len(runner.actions) == 1


def test_a_disposed_queue_accepts_and_delivers_nothing() -> None:
    """A disposed queue accepts no value, counts no drop and delivers nothing."""
    runner, drops, came = ByHand(), list[int](), list[Any]()
    queue = make_queue(runner, drops, came)
    queue.dispose()
    for value in range(3):
        queue.on_next(value)
    queue.end()
    assert not queue.deliver_one()
    assert (runner.actions, drops, came) == ([], [], [])


def test_a_producer_in_virtual_time_does_not_wait_for_itself() -> None:
    """In virtual time a full queue is an error, since only the producer could empty it."""
    came, _ = run("block", 2, [1, 2, 3])
    assert came[:2] == [1, 2] and isinstance(came[2], rxb.BufferOverflowError)


def test_a_completion_does_not_cover_an_overflow() -> None:
    """A completion after an overflow does not replace the error."""
    scheduler = TestScheduler()
    came: list[Any] = []

    def subscribe(observer: abc.ObserverBase[int], _: Any = None) -> abc.DisposableBase:
        observer.on_next(1)
        observer.on_next(2)
        observer.on_completed()
        return Disposable()

    reactivex.Observable(subscribe).pipe(rxb.bounded_observe_on(scheduler, 1, "error")).subscribe(
        came.append, came.append, lambda: came.append("end")
    )
    scheduler.advance_to(1)
    assert came[0] == 1 and isinstance(came[1], rxb.BufferOverflowError) and len(came) == 2


def test_what_on_drop_raises_ends_all_at_once() -> None:
    """An exception of `on_drop` is emitted after the queued values and ends the stream."""
    scheduler = TestScheduler()
    came: list[Any] = []
    drops: list[int] = []
    broken = LookupError("on_drop")

    def on_drop(dropped: int) -> None:
        drops.append(dropped)
        raise broken

    def subscribe(observer: abc.ObserverBase[int], _: Any = None) -> abc.DisposableBase:
        for value in range(4):
            observer.on_next(value)
        return Disposable()

    reactivex.Observable(subscribe).pipe(
        rxb.bounded_observe_on(scheduler, 1, "drop_oldest", on_drop=on_drop)
    ).subscribe(came.append, came.append)
    scheduler.advance_to(1)
    assert came == [1, broken] and drops == [1]


def fail(_: int) -> None:
    raise LookupError("on_drop")


@pytest.mark.parametrize(("overflow", "on_drop"), [("error", None), ("drop_oldest", fail)])
def test_an_overflow_disposes_the_source_at_once(overflow: Any, on_drop: Any) -> None:
    """An overflow error disposes the source at once, before the queue is delivered."""
    source: Subject[int] = Subject()
    source.pipe(rxb.bounded_observe_on(TestScheduler(), 1, overflow, on_drop=on_drop)).subscribe(
        on_error=lambda _: None
    )
    source.on_next(1)
    assert source.observers
    source.on_next(2)
    assert not source.observers


def test_a_pool_may_deliver_on_another_worker_than_the_producers() -> None:
    """In a pool, a producer on the worker that delivered last waits without a deadlock."""
    pool = ThreadPoolScheduler(2)
    came: list[int] = []
    deliverers: list[threading.Thread] = []
    began, done = threading.Event(), threading.Event()
    source: Subject[int] = Subject()

    def on_next(value: int) -> None:
        came.append(value)
        deliverers[:] = [threading.current_thread()]
        began.set()

    source.pipe(rxb.bounded_observe_on(pool, 2)).subscribe(on_next, on_completed=done.set)

    def produce(*_: Any) -> None:
        if threading.current_thread() is not deliverers[0]:
            pool.schedule(produce)
            return
        for number in range(1, 200):
            source.on_next(number)
        source.on_completed()

    source.on_next(0)
    assert began.wait(SOON)
    pool.schedule(produce)
    assert done.wait(SOON)
    assert came == list(range(200))
    pool.executor.shutdown()


@pytest.mark.parametrize("scheduler", [ImmediateScheduler(), CurrentThreadScheduler()])
def test_a_scheduler_that_runs_at_once_never_fills_the_queue(scheduler: Any) -> None:
    """A scheduler that runs work at once never fills the queue."""
    came: list[int] = []
    source: Subject[int] = Subject()
    source.pipe(rxb.bounded_observe_on(scheduler, 1)).subscribe(came.append)
    for number in range(2000):
        source.on_next(number)
    assert came == list(range(2000))


def test_other_work_of_the_scheduler_has_its_turn() -> None:
    """A long queue is delivered in batches, and what was scheduled meanwhile runs in between."""
    scheduler = TestScheduler()
    order: list[Any] = []
    reactivex.range(500).pipe(
        ops.observe_on(ImmediateScheduler()), rxb.bounded_observe_on(scheduler, 500)
    ).subscribe(order.append)
    scheduler.schedule(lambda *_: order.append("other"))
    scheduler.advance_to(1)
    assert order.index("other") < 100 and len(order) == 501


def test_a_scheduler_that_has_been_shut_down_is_an_error() -> None:
    """A scheduler that was disposed emits an error and disposes the source."""
    scheduler = EventLoopScheduler()
    scheduler.dispose()
    errors: list[Exception] = []
    source: Subject[int] = Subject()
    source.pipe(rxb.bounded_observe_on(scheduler, 1)).subscribe(on_error=errors.append)
    source.on_next(1)
    assert len(errors) == 1 and not source.observers


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "10"])
def test_a_wrong_size_is_refused(size: Any) -> None:
    """A size that is no int of at least 1 raises `ValueError`."""
    with pytest.raises(ValueError, match="size must be 1 or more"):
        rxb.bounded_observe_on(TestScheduler(), size)


def test_an_unknown_overflow_is_refused_with_the_known_ones() -> None:
    """An unknown overflow policy raises `ValueError` with the known ones."""
    with pytest.raises(ValueError, match="drop_oldest"):
        rxb.bounded_observe_on(TestScheduler(), 1, "drop")  # type: ignore[arg-type]
