"""Streams that carry a scheduler, and values whose latest one is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import reactivex
from reactivex import ConnectableObservable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.internal import SequenceContainsNoElementsError
from reactivex.testing import TestScheduler
from support.seen import LIMIT, Seen, run_thread, wait_event

from rxbosbase.runtime.streams import ConnectableStream, Latest, Stream
from rxbosbase.runtime.thread_scheduler import ThreadScheduler


def virtual() -> Any:
    """Return a virtual scheduler in place of the thread's: a stream only schedules on either."""
    return TestScheduler()


def published(stream: Stream[int]) -> ConnectableStream[int]:
    """Return the stream with `publish` piped onto it."""
    untyped: Any = stream
    connectable: ConnectableStream[int] = untyped.pipe(ops.publish())
    return connectable


def source(
    observer: abc.ObserverBase[int], scheduler: abc.SchedulerBase | None
) -> abc.DisposableBase:
    assert scheduler is not None
    return scheduler.schedule_relative(10, lambda *_: observer.on_next(1))


@pytest.mark.parametrize("how", ["pipe", "fluent", "both", "no operator"])
def test_timers_of_what_is_piped_run_on_the_streams_scheduler(how: str) -> None:
    """Timers of operators piped or chained to a stream run on the stream's scheduler."""
    clock: Any = virtual()
    stream = Stream(source, clock)
    ways: dict[str, Callable[[], Any]] = {
        "pipe": lambda: stream.pipe(ops.map(lambda n: n + 1), ops.debounce(5)),
        "fluent": lambda: stream.map(lambda n: n + 1).debounce(5),
        "both": lambda: stream.pipe(ops.map(lambda n: n + 1)).delay(2).pipe(ops.delay(3)),
        "no operator": lambda: stream.pipe().map(lambda n: n + 1).delay(5),
    }
    composed = ways[how]()
    assert isinstance(composed, Stream)
    assert composed.scheduler == clock
    seen: list[float] = []
    composed.subscribe(lambda n: seen.append(clock.clock + n / 10))
    clock.start()
    assert seen == [15.2]


def test_run_keeps_its_timers_on_the_streams_scheduler_too() -> None:
    """Timers of a piped or chained stream also run on its scheduler with `run`."""
    scheduler = ThreadScheduler("run-test")
    names: list[str] = []

    def late_value() -> str:
        names.append(threading.current_thread().name)
        return "late"

    quiet: Stream[str] = Stream(lambda *_: Disposable(), scheduler)
    late = reactivex.defer(lambda _: reactivex.of(late_value()))
    assert quiet.pipe(ops.timeout(0.01, late)).run() == "late"
    assert quiet.timeout(0.01, late).run() == "late"
    scheduler.close()
    scheduler.join(LIMIT)
    assert names == ["run-test"] * 2


def test_a_scheduler_given_to_subscribe_or_to_the_operator_takes_precedence() -> None:
    """A scheduler given to `subscribe` replaces the stream's own."""
    mine, other = virtual(), virtual()
    seen: list[int] = []
    stream = Stream(source, mine)
    stream.subscribe(seen.append, scheduler=other)
    stream.pipe(ops.delay(1)).subscribe(seen.append, scheduler=other)
    mine.start()
    assert seen == []
    other.start()
    assert seen == [1, 1]


def test_an_observer_object_is_accepted_like_callbacks() -> None:
    """`subscribe` of a stream accepts an observer object in place of callbacks."""
    clock: Any = virtual()
    seen: list[int] = []
    Stream(source, clock).pipe(ops.map(lambda n: n)).subscribe(
        reactivex.Observer(on_next=seen.append)
    )
    clock.start()
    assert seen == [1]


def test_a_connectable_and_what_is_no_observable_pass_through() -> None:
    """`pipe` returns a connectable as such, and what is no observable unchanged."""
    stream = Stream(source, virtual())
    assert isinstance(stream.pipe(ops.publish()), ConnectableObservable)
    untyped: Any = stream
    assert untyped.pipe(lambda _: 5) == 5


@pytest.fixture
def scheduler() -> Iterator[ThreadScheduler]:
    made = ThreadScheduler("rxbosbase-test-latest")
    yield made
    made.close()
    made.join(LIMIT)


def test_a_subscriber_gets_the_current_value_and_then_each_change_in_order(
    scheduler: ThreadScheduler,
) -> None:
    """`Latest` emits the current value, then each change in order, on the scheduler's thread."""
    latest = Latest(0, scheduler)
    early: Seen[int] = Seen()
    late: Seen[int] = Seen()
    latest.subscribe(early)
    for n in range(1, 50):
        latest.set(n)
    assert latest.value == 49
    latest.subscribe(late)
    latest.set(50)
    assert early.wait(51) == list(range(51))
    assert late.wait(2) == [49, 50]
    assert set(early.threads) == {"rxbosbase-test-latest"}


def test_the_order_is_the_same_for_all_while_threads_set_and_subscribe(
    scheduler: ThreadScheduler,
) -> None:
    """While four threads set and subscribe, each observer gets every later value in order."""
    latest = Latest(0, scheduler)
    observers: list[Seen[int]] = []
    lock = threading.Lock()

    def work() -> None:
        for _ in range(50):
            with lock:
                latest.set(latest.value + 1)
            seen: Seen[int] = Seen()
            latest.subscribe(seen)
            observers.append(seen)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    for seen in observers:
        items = seen.until(lambda items: items and items[-1] == 200)
        assert items == list(range(items[0], 201))


def test_an_observer_that_raises_affects_no_other_and_a_disposed_one_gets_nothing(
    scheduler: ThreadScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """An observer's error is logged, others get each value, a disposed one no further value."""
    latest = Latest("a", scheduler)

    def bad(_: str) -> None:
        raise ValueError("in a status observer")

    seen: Seen[str] = Seen()
    gone: Seen[str] = Seen()
    latest.subscribe(bad)
    latest.subscribe(seen)
    disposed = latest.subscribe(gone)
    gone.wait(1)
    disposed.dispose()
    latest.set("b")
    assert seen.wait(2) == ["a", "b"]
    assert gone.items == ["a"]
    assert caplog.text.count("ValueError: in a status observer") == 2


def test_at_the_end_all_get_the_last_value_and_completion(
    scheduler: ThreadScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """`close` emits a last value and completes; a later subscriber gets that value only."""
    latest = Latest("open", scheduler)
    seen: Seen[str] = Seen()
    completed = threading.Event()

    def bad(value: str) -> None:
        if value == "closed":
            raise ValueError("at the end")

    latest.subscribe(bad)
    latest.subscribe(seen, on_completed=completed.set)
    seen.wait(1)
    latest.close("closed")
    latest.set("ignored")
    latest.end()
    assert seen.items == ["open", "closed"]
    wait_event(completed)
    assert "an observer raised at the end" in caplog.text
    late: Seen[str] = Seen()
    latest.subscribe(late).dispose()
    assert late.items == ["closed"]


# -- run() waits for what the scheduler delivers, so never inside a callback of it

COMPOSED: dict[str, Callable[[Stream[int]], Any]] = {
    "stream": lambda stream: stream,
    "pipe": lambda stream: stream.pipe(ops.map(lambda n: n)),
    "fluent": lambda stream: stream.map(lambda n: n),
    "ref_count": lambda stream: published(stream).pipe(cast(Any, ops.ref_count())),
    "fluent ref_count": lambda stream: stream.publish().ref_count(),
    "share": lambda stream: stream.pipe(ops.share()),
    "replay": lambda stream: stream.pipe(ops.replay()).ref_count(),
    "auto_connect": lambda stream: published(stream).auto_connect(1),
    "ref_count, piped on": lambda stream: stream.publish().ref_count().pipe(ops.map(lambda n: n)),
}
each_composed = pytest.mark.parametrize("compose", COMPOSED.values(), ids=COMPOSED.keys())


class ScheduledSource:
    """A source that emits `values` and ends in work of the scheduler.

    Attributes:
        subscribed: the number of subscriptions so far.
        held: the number of them that are not disposed.
    """

    def __init__(
        self, scheduler: ThreadScheduler, *values: int, error: Exception | None = None
    ) -> None:
        self.subscribed = self.held = 0
        self.stream: Stream[int] = Stream(self._subscribe, scheduler)
        self._scheduler = scheduler
        self._values = values
        self._error = error

    def _subscribe(
        self, observer: abc.ObserverBase[int], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        self.subscribed += 1
        self.held += 1

        def emit() -> None:
            for value in self._values:
                observer.on_next(value)
            if self._error is not None:
                observer.on_error(self._error)
            else:
                observer.on_completed()

        self._scheduler.post(emit)
        return Disposable(self._leave)

    def _leave(self) -> None:
        self.held -= 1


def outcome_on(scheduler: ThreadScheduler, call: Callable[[], object]) -> object:
    """Return what ``call()`` returns, or raises, on the scheduler's thread."""
    outcomes: Seen[object] = Seen()

    def work() -> None:
        try:
            outcomes(call())
        except Exception as error:
            outcomes(error)

    scheduler.post(work)
    return outcomes.wait(1)[0]


@each_composed
def test_run_inside_a_callback_is_refused_before_it_subscribes(
    scheduler: ThreadScheduler, compose: Callable[[Stream[int]], Any]
) -> None:
    """`run` on the scheduler's thread raises RuntimeError and does not subscribe."""
    scheduled = ScheduledSource(scheduler, 1, 2)
    refused = outcome_on(scheduler, compose(scheduled.stream).run)
    assert isinstance(refused, RuntimeError)
    assert "run() in a callback would wait for itself: subscribe instead" in str(refused)
    assert scheduled.subscribed == 0


def test_run_of_a_connectable_inside_a_callback_is_refused(scheduler: ThreadScheduler) -> None:
    """`run` of a connectable on the scheduler's thread raises RuntimeError."""
    for connectable in (
        ScheduledSource(scheduler, 1).stream.publish(),
        ScheduledSource(scheduler, 1).stream.pipe(ops.publish()),
    ):
        refused = outcome_on(scheduler, connectable.run)
        assert isinstance(refused, RuntimeError)
        assert "would wait for itself" in str(refused)


def test_run_is_refused_on_a_thread_that_does_the_schedulers_work(
    scheduler: ThreadScheduler,
) -> None:
    """`run` raises RuntimeError on a thread that does the scheduler's work with `as_scheduled`."""
    scheduled = ScheduledSource(scheduler, 1)
    with scheduler.as_scheduled(), pytest.raises(RuntimeError, match="would wait for itself"):
        scheduled.stream.run()
    assert scheduled.subscribed == 0
    assert scheduled.stream.run() == 1


@each_composed
def test_run_outside_gives_the_last_value_and_unsubscribes(
    scheduler: ThreadScheduler, compose: Callable[[Stream[int]], Any]
) -> None:
    """`run` on another thread subscribes once, returns the last value and unsubscribes."""
    scheduled = ScheduledSource(scheduler, 1, 2, 3)
    assert run_thread(compose(scheduled.stream).run)() == 3
    assert (scheduled.subscribed, scheduled.held) == (1, 0)


@each_composed
def test_run_raises_the_streams_own_error(
    scheduler: ThreadScheduler, compose: Callable[[Stream[int]], Any]
) -> None:
    """`run` raises the error of the stream itself and unsubscribes."""
    error = ValueError("of the stream")
    scheduled = ScheduledSource(scheduler, 1, error=error)
    with pytest.raises(ValueError, match="of the stream") as caught:
        run_thread(compose(scheduled.stream).run)()
    assert caught.value is error
    assert scheduled.held == 0


@each_composed
def test_run_of_a_stream_without_a_value_raises(
    scheduler: ThreadScheduler, compose: Callable[[Stream[int]], Any]
) -> None:
    """`run` of a stream without a value raises `SequenceContainsNoElementsError`."""
    scheduled = ScheduledSource(scheduler)
    with pytest.raises(SequenceContainsNoElementsError):
        run_thread(compose(scheduled.stream).run)()
    assert scheduled.held == 0


def test_run_of_a_connectable_gives_the_last_value_once_it_is_connected(
    scheduler: ThreadScheduler,
) -> None:
    """`run` of a connectable returns the last value after another thread connects it."""
    waits = threading.Event()
    connectable: Any = published(ScheduledSource(scheduler, 1, 2).stream)
    subscribe = connectable.subject.subscribe

    def subscribe_and_signal(*args: Any, **options: Any) -> abc.DisposableBase:
        subscription: abc.DisposableBase = subscribe(*args, **options)
        waits.set()
        return subscription

    connectable.subject.subscribe = subscribe_and_signal
    result = run_thread(connectable.run)
    wait_event(waits)
    connectable.connect()
    assert result() == 2


class Interrupting(ThreadScheduler):
    """A scheduler whose work sends Ctrl-C to the main thread, once that waits for it."""

    def wait(self, gate: threading.Condition, done: Callable[[], object]) -> None:
        main = threading.main_thread().ident or 0
        self.post(lambda: signal.pthread_kill(main, signal.SIGINT))
        super().wait(gate, done)


# RxPY keeps what auto_connect has connected.
@pytest.mark.parametrize("how", sorted(COMPOSED.keys() - {"auto_connect"}))
def test_ctrl_c_in_the_waiting_thread_leaves_no_subscription(how: str) -> None:
    """Ctrl-C during `run` raises KeyboardInterrupt, unsubscribes, and the scheduler still works."""
    scheduler = Interrupting("rxbosbase-test-ctrl-c")
    held: list[object] = []

    def quiet(observer: abc.ObserverBase[int], _: abc.SchedulerBase | None) -> abc.DisposableBase:
        held.append(observer)
        return Disposable(held.clear)

    with pytest.raises(KeyboardInterrupt):
        COMPOSED[how](Stream(quiet, scheduler)).run()
    assert held == []
    seen: Seen[int] = Seen()
    ScheduledSource(scheduler, 7).stream.subscribe(seen)
    assert seen.wait(1) == [7], "the scheduler still works"
    scheduler.close()
    scheduler.join(LIMIT)
