"""The thread scheduler: its order, its bounds, and its end."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from reactivex.disposable import Disposable
from support.seen import LIMIT, Seen, run_thread, wait_event

from rxbosbase.runtime import thread_scheduler as module
from rxbosbase.runtime.thread_scheduler import FEW, SIGNAL_SECONDS, ThreadScheduler
from rxbosbase.testing.virtual_time import VirtualScheduler

NAME = "rxbosbase-test-scheduler"


def never() -> bool:
    return False


@pytest.fixture
def scheduler() -> Iterator[ThreadScheduler]:
    made = ThreadScheduler(NAME, max_items=3, max_bytes=100)
    yield made
    made.close()
    made.join(LIMIT)


def note_call(called: threading.Event) -> bool:
    """Note the call; return that the feed is not given up."""
    called.set()
    return False


class Busy:
    """An action that blocks the scheduler until `go_on`."""

    def __init__(self, scheduler: ThreadScheduler) -> None:
        self.go_on = threading.Event()
        entered = threading.Event()

        def block() -> None:
            entered.set()
            wait_event(self.go_on)

        scheduler.post(block)
        wait_event(entered)


def flush(scheduler: ThreadScheduler) -> None:
    """Wait until all that is due now has run."""
    done = threading.Event()
    scheduler.post(done.set)
    wait_event(done)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def test_work_runs_in_order_on_one_named_daemon_thread(scheduler: ThreadScheduler) -> None:
    """Actions run in the order of scheduling on one named daemon thread, started on demand."""
    assert threads() == []  # it starts with the first piece of work
    seen: Seen[int] = Seen()
    for n in range(100):
        scheduler.schedule(lambda _, state: seen(-1 if state is None else state), n)
    assert seen.wait(100) == list(range(100))
    assert set(seen.threads) == {NAME}
    assert [thread.daemon for thread in threads()] == [True]
    assert not scheduler.is_current


def test_what_an_action_schedules_runs_after_queued_work(scheduler: ThreadScheduler) -> None:
    """Work posted by an action runs after the work that is already queued."""
    seen: Seen[str] = Seen()
    busy = Busy(scheduler)
    scheduler.post(lambda: (seen("a"), scheduler.post(lambda: seen("c"))))  # type: ignore[func-returns-value]
    scheduler.post(lambda: seen("b"))
    busy.go_on.set()
    assert seen.wait(3) == ["a", "b", "c"]


def test_timers_run_in_the_order_in_which_they_are_due(
    scheduler: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timers run in the order of their due times; those already due in order of scheduling."""
    now = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    seen: Seen[str] = Seen()
    busy = Busy(scheduler)
    began = datetime.now(UTC)
    for name, seconds in {"third": 900, "second": 800, "first": 0, "at once": -1}.items():
        when = began + timedelta(seconds=seconds)
        scheduler.schedule_absolute(when, lambda _, state: seen(str(state)), name)
    busy.go_on.set()
    assert seen.wait(2) == ["first", "at once"]
    now = 1000.0
    scheduler.post(lambda: None)  # it looks at the clock
    assert seen.wait(4)[2:] == ["second", "third"]


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_delay_of_zero_or_less_runs_after_queued_work(
    scheduler: ThreadScheduler, seconds: float
) -> None:
    """A delay of zero or less runs after the work that is already queued."""
    seen: Seen[str] = Seen()
    busy = Busy(scheduler)
    scheduler.post(lambda: seen("what waits"))
    scheduler.schedule_relative(seconds, lambda _, state: seen(str(state)), "a state")
    busy.go_on.set()
    assert seen.wait(2) == ["what waits", "a state"]


def test_timers_due_at_the_same_moment_run_in_the_order_in_which_they_were_set(
    scheduler: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timers that are due at the same time run in the order of scheduling."""
    now = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    seen: Seen[int] = Seen()
    busy = Busy(scheduler)
    for n in range(5):
        scheduler.call_later(1, lambda n=n: seen(n))  # type: ignore[misc]
    now = 1.0
    busy.go_on.set()
    assert seen.wait(5) == list(range(5))


@pytest.mark.parametrize("seconds", [math.inf, 1e300, threading.TIMEOUT_MAX * 2])
def test_an_infinite_timer_neither_runs_nor_ends_the_thread(
    scheduler: ThreadScheduler, seconds: float
) -> None:
    """A timer with an infinite or too large delay never runs; the other timers still do."""
    seen: Seen[str] = Seen()
    timer = scheduler.schedule_relative(seconds, lambda *_: seen("never"))
    for name in ("first", "second", "third"):  # between them the thread goes to sleep
        scheduler.schedule_relative(0.01, lambda *_, name=name: seen(name))
        flush(scheduler)
    assert seen.wait(3) == ["first", "second", "third"]
    timer.dispose()


def test_a_timer_that_is_no_number_is_refused(scheduler: ThreadScheduler) -> None:
    """A delay that is NaN raises ValueError."""
    with pytest.raises(ValueError, match="NaN"):
        scheduler.schedule_relative(math.nan, lambda *_: None)


def test_a_disposed_action_does_not_run_and_releases_its_state(scheduler: ThreadScheduler) -> None:
    """A disposed action or timer does not run and releases its state; twice has no effect."""
    seen: Seen[str] = Seen()
    busy = Busy(scheduler)
    states = [{"action"}, {"timer"}]
    released = [weakref.ref(state) for state in states]
    jobs = [
        scheduler.schedule(lambda *_: seen("ready"), states[0]),
        scheduler.schedule_relative(0.001, lambda *_: seen("timer"), states[1]),
    ]
    states.clear()
    for job in [*jobs, *jobs]:
        job.dispose()
    assert [state() for state in released] == [None, None]
    busy.go_on.set()
    scheduler.schedule_relative(0.005, lambda *_: seen("later"))
    assert seen.wait(1) == ["later"]


def test_what_an_action_returns_is_disposed_with_it(scheduler: ThreadScheduler) -> None:
    """Disposing a finished action disposes the disposable that it returned."""
    disposed: Seen[str] = Seen()
    job = scheduler.schedule(lambda *_: Disposable(lambda: disposed("what it returned")))
    flush(scheduler)
    assert disposed.items == []
    job.dispose()
    assert disposed.items == ["what it returned"]


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_action_that_raises_is_logged_and_the_scheduler_continues(
    scheduler: ThreadScheduler, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of an action, even SystemExit, is logged, and the scheduler continues."""

    def bad() -> None:
        raise kind("from an action")

    scheduler.post(bad)
    scheduler.call_later(0.001, bad)
    seen: Seen[str] = Seen()
    scheduler.call_later(0.005, lambda: seen("still here"))
    seen.wait(1)
    flush(scheduler)  # what is due goes before what was posted
    assert caplog.text.count("raised; the thread goes on") == 2
    assert NAME in caplog.text


def test_periodic_work_repeats_until_disposed(scheduler: ThreadScheduler) -> None:
    """Periodic work gets the state that it returned last, until it is disposed."""
    seen: Seen[int] = Seen()

    def count(state: int | None) -> int:
        seen(state or 0)
        return (state or 0) + 1

    with scheduler.schedule_periodic(0.001, count, 0):
        seen.wait(3)
    assert seen.items[:3] == [0, 1, 2]


def test_an_idle_thread_ends_and_work_starts_a_new_one(
    scheduler: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread ends after `IDLE_SECONDS` without work; the next work starts a new one."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.005)
    for _ in range(3):
        flush(scheduler)
        for thread in threads():
            thread.join(LIMIT)
        assert threads() == []


def test_a_waiting_timer_keeps_the_thread(
    scheduler: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread stays beyond `IDLE_SECONDS` while a timer is pending."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.001)
    seen: Seen[threading.Thread] = Seen()

    def note() -> None:
        seen(threading.current_thread())

    def begin() -> None:
        note()
        scheduler.call_later(0.02, note)

    scheduler.post(begin)
    first, last = seen.wait(2)
    assert first is last


def test_work_whose_thread_cannot_start_is_logged_and_runs_with_the_next(
    scheduler: ThreadScheduler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the thread cannot start, it is logged, and the work runs with the next work."""
    seen: Seen[str] = Seen()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        scheduler.post(lambda: seen("at last"))
        assert f"work on {NAME} has to wait: can't start new thread" in caplog.text
    flush(scheduler)
    assert seen.items == ["at last"]


def test_close_discards_queued_work_and_runs_its_callback_last(
    scheduler: ThreadScheduler,
) -> None:
    """`close` discards queued work and runs its callback once after the running action."""
    seen: Seen[str] = Seen()
    busy = Busy(scheduler)
    scheduler.post(lambda: seen("discarded"))
    scheduler.call_later(0.0001, lambda: seen("discarded"))
    scheduler.close(lambda: seen("last"))
    scheduler.close(lambda: seen("last again"))
    assert scheduler.is_closed
    assert seen.items == []
    busy.go_on.set()
    assert seen.wait(1) == ["last"]
    scheduler.join(LIMIT)
    scheduler.post(lambda: seen("after"))
    scheduler.call_later(0.0, lambda: seen("after"))
    scheduler.schedule(lambda *_: seen("after"))
    assert threads() == []
    assert (seen.items, seen.threads) == (["last"], [NAME])


def test_the_callback_of_close_gets_a_thread_if_there_is_none(scheduler: ThreadScheduler) -> None:
    """The callback of `close` runs on the scheduler's thread even if none was started before."""
    seen: Seen[str] = Seen()
    scheduler.close(lambda: seen("last"))
    seen.wait(1)
    assert seen.threads == [NAME]


def test_an_error_of_the_callback_of_close_is_logged(
    scheduler: ThreadScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of the callback of `close` is logged."""

    def bad() -> None:
        raise ValueError("in the callback")

    scheduler.close(bad)
    scheduler.join(LIMIT)
    assert "in the callback" in caplog.text


def test_the_callback_of_close_runs_once_while_the_thread_ends(
    scheduler: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The callback of `close` runs once although the idle thread is just ending."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.001)
    left, go_on = threading.Event(), threading.Event()
    original = ThreadScheduler._next

    def hesitant(self: ThreadScheduler) -> Callable[[], object] | None:
        call = original(self)
        if call is None and not left.is_set():
            left.set()
            self._gate.release()
            wait_event(go_on)
            self._gate.acquire()
        return call

    monkeypatch.setattr(ThreadScheduler, "_next", hesitant)
    scheduler.post(lambda: None)
    wait_event(left)
    seen: Seen[str] = Seen()
    first = threads()
    scheduler.close(lambda: seen("last"))
    go_on.set()
    seen.wait(1)
    for thread in [*first, *threads()]:
        thread.join(LIMIT)
    assert seen.items == ["last"]


def test_close_and_join_on_the_schedulers_own_thread_do_not_wait_for_themselves(
    scheduler: ThreadScheduler,
) -> None:
    """`close` and `join` called by an action return without waiting for their own thread."""
    seen: Seen[str] = Seen()

    def end() -> None:
        assert scheduler.is_current
        scheduler.close(lambda: seen("last"))
        scheduler.join(60.0)
        seen("closed")

    scheduler.post(end)
    assert seen.wait(2) == ["closed", "last"]


def test_join_waits_no_longer_than_its_timeout(scheduler: ThreadScheduler) -> None:
    """`join` returns after its timeout while an action still runs."""
    busy = Busy(scheduler)
    scheduler.join(0.001)
    assert len(threads()) == 1
    busy.go_on.set()


# -- the bounded intake


@pytest.mark.parametrize("fills", [(9_999, 1), (1, 64 * 1024 * 1024 - 1)])
def test_as_many_events_are_queued_as_the_default_limits(fills: tuple[int, int]) -> None:
    """`feed` queues 10,000 events or 64 MiB without blocking; the next event has to wait."""
    scheduler = ThreadScheduler(NAME)
    busy = Busy(scheduler)
    called: list[str] = []

    def give_up(name: str) -> bool:
        called.append(name)
        return True

    for name, (items, size) in {"most": fills, "all": (1, 1), "more": (1, 1)}.items():
        scheduler.feed(lambda: None, items, size, partial(give_up, name))
    assert called == ["more"]
    scheduler.close()
    busy.go_on.set()
    scheduler.join(LIMIT)


def test_feed_queues_up_to_its_limits_and_depth_counts_them(scheduler: ThreadScheduler) -> None:
    """`feed` queues up to both limits; `depth` is the number of queued items and bytes."""
    seen: Seen[int] = Seen()
    busy = Busy(scheduler)
    for n in range(3):
        scheduler.feed(lambda n=n: seen(n), 1, (30, 30, 40)[n], never)  # type: ignore[misc]
    assert scheduler.depth == (3, 100)
    busy.go_on.set()
    assert seen.wait(3) == [0, 1, 2]
    assert scheduler.depth == (0, 0)


@pytest.mark.parametrize(
    ("is_asleep", "items", "made_way"),
    [(True, FEW, [0]), (True, FEW + 1, []), (False, 1, [])],
)
def test_feed_yields_after_waking_the_thread_for_few_items(
    monkeypatch: pytest.MonkeyPatch, is_asleep: bool, items: int, made_way: list[float]
) -> None:
    """`feed` yields the processor after it woke a sleeping thread for at most `FEW` events."""
    slept: list[float] = []
    monkeypatch.setattr(module, "sleep", slept.append)
    scheduler = ThreadScheduler(NAME)
    done, asleep = threading.Event(), threading.Event()
    waits = scheduler._gate.wait

    def wait(limit: float) -> bool:
        asleep.set()
        return waits(limit)

    monkeypatch.setattr(scheduler._gate, "wait", wait)
    scheduler.post(lambda: None)
    wait_event(asleep)
    with scheduler._gate:  # it sleeps by now
        asleep.clear()
    busy = Busy(scheduler)
    if is_asleep:
        busy.go_on.set()
        wait_event(asleep)
    scheduler.feed(done.set, items, 1, never)
    assert slept == made_way
    busy.go_on.set()
    wait_event(done)
    scheduler.close()
    scheduler.join(LIMIT)


@pytest.mark.parametrize(
    ("make", "at_most"), [(lambda: ThreadScheduler(NAME), SIGNAL_SECONDS), (VirtualScheduler, None)]
)
def test_wait_checks_its_condition_at_intervals(
    make: Callable[[], ThreadScheduler], at_most: float | None
) -> None:
    """`wait` checks its condition within `SIGNAL_SECONDS`; in virtual time without timeout."""
    limits: list[float | None] = []

    class Gate(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            limits.append(timeout)
            return False

    looks = iter([False, False, True])
    gate = Gate()
    with gate:
        make().wait(gate, lambda: next(looks))
    assert limits
    for limit in limits:
        if at_most is None:
            assert limit is None
        else:
            assert limit is not None
            assert 0 < limit <= at_most


@pytest.mark.parametrize(("items", "size"), [(3, 1), (1, 100)])
def test_a_full_feed_waits_until_there_is_room(
    scheduler: ThreadScheduler, items: int, size: int
) -> None:
    """`feed` blocks at the limit of items or of bytes until queued work has run."""
    seen: Seen[str] = Seen()
    busy = Busy(scheduler)
    scheduler.feed(lambda: seen("first"), items, size, never)
    result = run_thread(lambda: scheduler.feed(lambda: seen("second"), 1, 1, never))
    called = threading.Event()
    other = run_thread(
        lambda: scheduler.feed(lambda: seen("third"), 1, 1, lambda: note_call(called))
    )
    wait_event(called)
    assert scheduler.depth == (items, size)
    busy.go_on.set()
    result()
    other()
    assert sorted(seen.wait(3)) == ["first", "second", "third"]


def test_one_item_above_the_limits_is_accepted_by_an_empty_queue(
    scheduler: ThreadScheduler,
) -> None:
    """One item larger than both limits is accepted when the queue is empty."""
    seen: Seen[str] = Seen()
    scheduler.feed(lambda: seen("large"), 1000, 10_000, never)
    seen.wait(1)


def test_release_makes_a_blocked_feed_check_whether_it_was_given_up(
    scheduler: ThreadScheduler,
) -> None:
    """`release` makes a blocked `feed` that was given up queue its item above the limit."""
    busy = Busy(scheduler)
    seen: Seen[str] = Seen()
    scheduler.feed(lambda: seen("first"), 3, 1, never)
    given_up, called = threading.Event(), threading.Event()

    def is_given_up() -> bool:
        called.set()
        return given_up.is_set()

    result = run_thread(lambda: scheduler.feed(lambda: seen("second"), 1, 1, is_given_up))
    wait_event(called)
    given_up.set()
    scheduler.release()
    result()
    assert scheduler.depth == (4, 2)  # over the limit rather than lost
    busy.go_on.set()
    assert seen.wait(2) == ["first", "second"]


def test_close_ends_a_blocked_feed(scheduler: ThreadScheduler) -> None:
    """`close` makes a blocked `feed` return, and discards what is queued."""
    busy = Busy(scheduler)
    scheduler.feed(lambda: None, 3, 1, never)
    called = threading.Event()
    result = run_thread(lambda: scheduler.feed(lambda: None, 1, 1, lambda: note_call(called)))
    wait_event(called)
    scheduler.close()
    result()
    assert scheduler.depth == (0, 0)
    busy.go_on.set()


def test_bytes_without_events_are_subtracted_from_the_depth(scheduler: ThreadScheduler) -> None:
    """Bytes of a read without events are subtracted from `depth` once it was processed."""
    for _ in range(20):
        scheduler.feed(lambda: None, 0, 50, never)
    flush(scheduler)
    assert scheduler.depth == (0, 0)


def test_cancelled_timers_are_removed_once_they_are_the_majority(
    scheduler: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disposed timers are removed from the heap when they are many and the majority."""
    monkeypatch.setattr(module, "MANY_CANCELLED", 10)
    kept: Seen[str] = Seen()
    scheduler.schedule_relative(0.02, lambda *_: kept("kept"))
    longest = 0
    for _ in range(500):
        scheduler.schedule_relative(3600.0, lambda *_: None).dispose()
        longest = max(longest, len(scheduler._timers))
    assert longest < 40
    kept.wait(1)


def test_after_the_removal_timers_run_in_the_order_in_which_they_are_due(
    scheduler: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After disposed timers were removed, the others still run in the order of due times."""
    monkeypatch.setattr(module, "MANY_CANCELLED", 10)
    now = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    busy = Busy(scheduler)
    seen: Seen[int] = Seen()
    dues = [1 + n * 7 % 60 for n in range(60)]
    timers = {due: scheduler.schedule_relative(due, lambda *_, due=due: seen(due)) for due in dues}
    kept = [due for due in dues if due % 3 == 0]
    for due in timers.keys() - kept:
        timers[due].dispose()
    scheduler.schedule_relative(100, lambda *_: seen(100))
    assert len(scheduler._timers) == len(kept) + 1  # swept
    now = 200.0
    busy.go_on.set()
    assert seen.wait(len(kept) + 1) == [*sorted(kept), 100]


def test_an_action_disposed_as_it_begins_never_runs_without_its_state(
    scheduler: ThreadScheduler,
) -> None:
    """An action disposed as it begins either does not run or gets its state, never None."""
    wrong: list[Any] = []
    for n in range(300):
        job = scheduler.schedule(lambda _, state: wrong.append(state) if state is None else None, n)
        job.dispose()
    flush(scheduler)
    assert wrong == []
