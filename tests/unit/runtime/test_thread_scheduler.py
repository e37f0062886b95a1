"""The loop scheduler: its order, its bounds, and its end."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from reactivex.disposable import Disposable
from support.seen import LIMIT, Seen, run_thread, wait_event

from rxbosbase.runtime import thread_scheduler as loop_room
from rxbosbase.runtime.thread_scheduler import FEW, SIGNAL_SECONDS, ThreadScheduler
from rxbosbase.testing.virtual_time import VirtualScheduler

NAME = "rxbosbase-test-loop"


def never() -> bool:
    return False


@pytest.fixture
def loop() -> Iterator[ThreadScheduler]:
    made = ThreadScheduler(NAME, max_items=3, max_bytes=100)
    yield made
    made.close()
    made.join(LIMIT)


def mark(asked: threading.Event) -> bool:
    """Not given up, and it was asked."""
    asked.set()
    return False


class Busy:
    """Keeps the loop in an action until `go_on`."""

    def __init__(self, loop: ThreadScheduler) -> None:
        self.go_on = threading.Event()
        entered = threading.Event()

        def block() -> None:
            entered.set()
            wait_event(self.go_on)

        loop.post(block)
        wait_event(entered)


def flush(loop: ThreadScheduler) -> None:
    """Until all that is due now has run."""
    done = threading.Event()
    loop.post(done.set)
    wait_event(done)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def test_work_runs_in_order_on_one_named_daemon_thread(loop: ThreadScheduler) -> None:
    """Actions run in the order of scheduling on one named daemon thread, started on demand."""
    assert threads() == []  # it starts with the first piece of work
    seen: Seen[int] = Seen()
    for n in range(100):
        loop.schedule(lambda _, state: seen(-1 if state is None else state), n)
    assert seen.wait(100) == list(range(100))
    assert set(seen.threads) == {NAME}
    assert [thread.daemon for thread in threads()] == [True]
    assert not loop.is_current


def test_what_an_action_schedules_runs_after_what_waits(loop: ThreadScheduler) -> None:
    """Work posted by an action runs after the work that is already queued."""
    seen: Seen[str] = Seen()
    busy = Busy(loop)
    loop.post(lambda: (seen("a"), loop.post(lambda: seen("c"))))  # type: ignore[func-returns-value]
    loop.post(lambda: seen("b"))
    busy.go_on.set()
    assert seen.wait(3) == ["a", "b", "c"]


def test_timers_run_in_the_order_in_which_they_are_due(loop: ThreadScheduler) -> None:
    """Timers run in the order of their due times; those already due in order of scheduling."""
    seen: Seen[str] = Seen()
    now = datetime.now(UTC)
    due = {"third": 0.3, "second": 0.2, "first": 0.0, "at once": -1.0}

    def schedule_all() -> None:  # on the loop's thread, which runs none of them meanwhile
        for name, seconds in due.items():
            when = now + timedelta(seconds=seconds)
            loop.schedule_absolute(when, lambda _, state: seen(str(state)), name)

    loop.post(schedule_all)
    assert seen.wait(4) == ["first", "at once", "second", "third"]


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_time_to_wait_that_is_over_is_work_after_what_waits(
    loop: ThreadScheduler, seconds: float
) -> None:
    """A delay of zero or less runs after the work that is already queued."""
    seen: Seen[str] = Seen()
    busy = Busy(loop)
    loop.post(lambda: seen("what waits"))
    loop.schedule_relative(seconds, lambda _, state: seen(str(state)), "a state")
    busy.go_on.set()
    assert seen.wait(2) == ["what waits", "a state"]


def test_timers_due_at_the_same_moment_run_in_the_order_in_which_they_were_set(
    loop: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timers that are due at the same time run in the order of scheduling."""
    now = 0.0
    monkeypatch.setattr(loop_room, "monotonic", lambda: now)
    seen: Seen[int] = Seen()
    busy = Busy(loop)
    for n in range(5):
        loop.call_later(1, lambda n=n: seen(n))  # type: ignore[misc]
    now = 1.0
    busy.go_on.set()
    assert seen.wait(5) == list(range(5))


@pytest.mark.parametrize("seconds", [math.inf, 1e300, threading.TIMEOUT_MAX * 2])
def test_a_timer_beyond_all_time_neither_runs_nor_ends_the_thread(
    loop: ThreadScheduler, seconds: float
) -> None:
    """A timer with an infinite or too large delay never runs; the other timers still do."""
    seen: Seen[str] = Seen()
    timer = loop.schedule_relative(seconds, lambda *_: seen("never"))
    for name in ("first", "second", "third"):  # between them the thread goes to sleep
        loop.schedule_relative(0.01, lambda *_, name=name: seen(name))
        flush(loop)
    assert seen.wait(3) == ["first", "second", "third"]
    timer.dispose()


def test_a_timer_that_is_no_number_is_refused(loop: ThreadScheduler) -> None:
    """A delay that is NaN raises ValueError."""
    with pytest.raises(ValueError, match="NaN"):
        loop.schedule_relative(math.nan, lambda *_: None)


def test_a_disposed_action_does_not_run_and_lets_its_state_go(loop: ThreadScheduler) -> None:
    """A disposed action or timer does not run; disposing it twice has no effect."""
    seen: Seen[str] = Seen()
    busy = Busy(loop)
    loop.schedule(lambda *_: seen("ready")).dispose()
    timer = loop.schedule_relative(0.001, lambda *_: seen("timer"))
    timer.dispose()
    timer.dispose()
    busy.go_on.set()
    loop.schedule_relative(0.005, lambda *_: seen("later"))
    assert seen.wait(1) == ["later"]


def test_what_an_action_returns_is_disposed_with_it(loop: ThreadScheduler) -> None:
    """Disposing a finished action disposes the disposable that it returned."""
    disposed: Seen[str] = Seen()
    job = loop.schedule(lambda *_: Disposable(lambda: disposed("what it returned")))
    flush(loop)
    assert disposed.items == []
    job.dispose()
    assert disposed.items == ["what it returned"]


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_action_that_raises_is_logged_and_the_loop_goes_on(
    loop: ThreadScheduler, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of an action, even SystemExit, is logged, and the loop continues."""

    def bad() -> None:
        raise kind("from an action")

    loop.post(bad)
    loop.call_later(0.001, bad)
    seen: Seen[str] = Seen()
    loop.call_later(0.005, lambda: seen("still here"))
    seen.wait(1)
    flush(loop)  # what is due goes before what was posted
    assert caplog.text.count("raised; the thread goes on") == 2
    assert NAME in caplog.text


def test_periodic_work_repeats_until_disposed(loop: ThreadScheduler) -> None:
    """Periodic work gets the state that it returned last, until it is disposed."""
    seen: Seen[int] = Seen()

    def count(state: int | None) -> int:
        seen(state or 0)
        return (state or 0) + 1

    with loop.schedule_periodic(0.001, count, 0):
        seen.wait(3)
    assert seen.items[:3] == [0, 1, 2]


def test_an_idle_thread_leaves_and_work_brings_a_new_one(
    loop: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread ends after `IDLE_SECONDS` without work; the next work starts a new one."""
    monkeypatch.setattr(loop_room, "IDLE_SECONDS", 0.005)
    for _ in range(3):
        flush(loop)
        for thread in threads():
            thread.join(LIMIT)
        assert threads() == []


def test_a_waiting_timer_keeps_the_thread(
    loop: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread stays beyond `IDLE_SECONDS` while a timer is pending."""
    monkeypatch.setattr(loop_room, "IDLE_SECONDS", 0.001)
    seen: Seen[str] = Seen()
    loop.call_later(0.02, lambda: seen("late"))
    first = threads()
    seen.wait(1)
    assert len(first) == 1


def test_work_whose_thread_cannot_start_is_told_and_waits_for_the_next_work(
    loop: ThreadScheduler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the thread cannot start, it is logged, and the work runs with the next work."""
    seen: Seen[str] = Seen()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        loop.post(lambda: seen("at last"))
        assert f"work on {NAME} has to wait: can't start new thread" in caplog.text
    flush(loop)
    assert seen.items == ["at last"]


def test_close_discards_what_waits_and_runs_the_last_words_after_the_running_action(
    loop: ThreadScheduler,
) -> None:
    """`close` discards queued work and runs its callback once after the running action."""
    seen: Seen[str] = Seen()
    busy = Busy(loop)
    loop.post(lambda: seen("discarded"))
    loop.call_later(0.0001, lambda: seen("discarded"))
    loop.close(lambda: seen("last"))
    loop.close(lambda: seen("last again"))
    assert loop.is_closed
    assert seen.items == []
    busy.go_on.set()
    assert seen.wait(1) == ["last"]
    loop.join(LIMIT)
    loop.post(lambda: seen("after"))
    loop.call_later(0.0, lambda: seen("after"))
    loop.schedule(lambda *_: seen("after"))
    assert threads() == []
    assert (seen.items, seen.threads) == (["last"], [NAME])


def test_last_words_of_a_loop_without_a_thread_get_one(loop: ThreadScheduler) -> None:
    """The callback of `close` runs on the loop's thread even if none was started before."""
    seen: Seen[str] = Seen()
    loop.close(lambda: seen("last"))
    seen.wait(1)
    assert seen.threads == [NAME]


def test_last_words_that_raise_are_logged(
    loop: ThreadScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of the callback of `close` is logged."""

    def bad() -> None:
        raise ValueError("last words")

    loop.close(bad)
    loop.join(LIMIT)
    assert "last words" in caplog.text


def test_last_words_are_spoken_once_although_a_thread_is_leaving(
    loop: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The callback of `close` runs once although the idle thread is just ending."""
    monkeypatch.setattr(loop_room, "IDLE_SECONDS", 0.001)
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
    loop.post(lambda: None)
    wait_event(left)
    seen: Seen[str] = Seen()
    first = threads()
    loop.close(lambda: seen("last"))
    go_on.set()
    seen.wait(1)
    for thread in [*first, *threads()]:
        thread.join(LIMIT)
    assert seen.items == ["last"]


def test_close_and_join_on_the_loops_own_thread_do_not_wait_for_themselves(
    loop: ThreadScheduler,
) -> None:
    """`close` and `join` called by an action return without waiting for their own thread."""
    seen: Seen[str] = Seen()

    def end() -> None:
        assert loop.is_current
        loop.close(lambda: seen("last"))
        loop.join(60.0)
        seen("closed")

    loop.post(end)
    assert seen.wait(2) == ["closed", "last"]


def test_join_waits_no_longer_than_it_is_told(loop: ThreadScheduler) -> None:
    """`join` returns after its timeout while an action still runs."""
    busy = Busy(loop)
    loop.join(0.001)
    assert len(threads()) == 1
    busy.go_on.set()


# -- the bounded intake


@pytest.mark.parametrize("fills", [(9_999, 1), (1, 64 * 1024 * 1024 - 1)])
def test_as_many_events_wait_as_the_defaults_say(fills: tuple[int, int]) -> None:
    """`feed` queues 10,000 events or 64 MiB without blocking; the next event has to wait."""
    loop = ThreadScheduler(NAME)
    busy = Busy(loop)
    asked: list[str] = []

    def ask(name: str) -> bool:
        asked.append(name)
        return True

    for name, (items, size) in {"most": fills, "all": (1, 1), "more": (1, 1)}.items():
        loop.feed(lambda: None, items, size, partial(ask, name))
    assert asked == ["more"]
    loop.close()
    busy.go_on.set()
    loop.join(LIMIT)


def test_feed_takes_up_to_its_limit_and_counts_what_waits(loop: ThreadScheduler) -> None:
    """`feed` queues up to both limits; `depth` is the number of queued items and bytes."""
    seen: Seen[int] = Seen()
    busy = Busy(loop)
    for n in range(3):
        loop.feed(lambda n=n: seen(n), 1, (30, 30, 40)[n], never)  # type: ignore[misc]
    assert loop.depth == (3, 100)
    busy.go_on.set()
    assert seen.wait(3) == [0, 1, 2]
    assert loop.depth == (0, 0)


@pytest.mark.parametrize(
    ("is_asleep", "items", "made_way"),
    [(True, FEW, [0]), (True, FEW + 1, []), (False, 1, [])],
)
def test_feed_makes_way_for_a_thread_that_it_woke_for_a_few(
    monkeypatch: pytest.MonkeyPatch, is_asleep: bool, items: int, made_way: list[float]
) -> None:
    """`feed` yields the processor after it woke a sleeping thread for at most `FEW` events."""
    slept: list[float] = []
    monkeypatch.setattr(loop_room, "sleep", slept.append)
    loop = ThreadScheduler(NAME)
    done, asleep = threading.Event(), threading.Event()
    waits = loop._gate.wait

    def wait(limit: float) -> bool:
        asleep.set()
        return waits(limit)

    monkeypatch.setattr(loop._gate, "wait", wait)
    loop.post(lambda: None)
    wait_event(asleep)
    with loop._gate:  # it sleeps by now
        asleep.clear()
    busy = Busy(loop)
    if is_asleep:
        busy.go_on.set()
        wait_event(asleep)
    loop.feed(done.set, items, 1, never)
    assert slept == made_way
    busy.go_on.set()
    wait_event(done)
    loop.close()
    loop.join(LIMIT)


@pytest.mark.parametrize(
    ("make", "at_most"), [(lambda: ThreadScheduler(NAME), SIGNAL_SECONDS), (VirtualScheduler, None)]
)
def test_who_waits_looks_by_itself_now_and_then(
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
    loop: ThreadScheduler, items: int, size: int
) -> None:
    """`feed` blocks at the limit of items or of bytes until queued work has run."""
    seen: Seen[str] = Seen()
    busy = Busy(loop)
    loop.feed(lambda: seen("first"), items, size, never)
    result = run_thread(lambda: loop.feed(lambda: seen("second"), 1, 1, never))
    asked = threading.Event()
    other = run_thread(lambda: loop.feed(lambda: seen("third"), 1, 1, lambda: mark(asked)))
    wait_event(asked)
    assert loop.depth == (items, size)
    busy.go_on.set()
    result()
    other()
    assert sorted(seen.wait(3)) == ["first", "second", "third"]


def test_one_piece_beyond_all_limits_is_taken_when_nothing_else_waits(
    loop: ThreadScheduler,
) -> None:
    """One item larger than both limits is accepted when the queue is empty."""
    seen: Seen[str] = Seen()
    loop.feed(lambda: seen("large"), 1000, 10_000, never)
    seen.wait(1)


def test_release_makes_a_waiting_feed_look_whether_it_was_given_up(loop: ThreadScheduler) -> None:
    """`release` makes a blocked `feed` that was given up queue its item above the limit."""
    busy = Busy(loop)
    seen: Seen[str] = Seen()
    loop.feed(lambda: seen("first"), 3, 1, never)
    given_up, asked = threading.Event(), threading.Event()

    def is_given_up() -> bool:
        asked.set()
        return given_up.is_set()

    result = run_thread(lambda: loop.feed(lambda: seen("second"), 1, 1, is_given_up))
    wait_event(asked)
    given_up.set()
    loop.release()
    result()
    assert loop.depth == (4, 2)  # over the limit rather than lost
    busy.go_on.set()
    assert seen.wait(2) == ["first", "second"]


def test_close_frees_a_waiting_feed(loop: ThreadScheduler) -> None:
    """`close` makes a blocked `feed` return, and discards what is queued."""
    busy = Busy(loop)
    loop.feed(lambda: None, 3, 1, never)
    asked = threading.Event()
    result = run_thread(lambda: loop.feed(lambda: None, 1, 1, lambda: mark(asked)))
    wait_event(asked)
    loop.close()
    result()
    assert loop.depth == (0, 0)
    busy.go_on.set()


def test_bytes_without_events_are_counted_back(loop: ThreadScheduler) -> None:
    """Bytes of a read without events are subtracted from `depth` once it was processed."""
    for _ in range(20):
        loop.feed(lambda: None, 0, 50, never)
    flush(loop)
    assert loop.depth == (0, 0)


def test_cancelled_timers_are_swept_once_they_are_the_majority(
    loop: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disposed timers are removed from the heap when they are many and the majority."""
    monkeypatch.setattr(loop_room, "MANY_CANCELLED", 10)
    kept: Seen[str] = Seen()
    loop.schedule_relative(0.02, lambda *_: kept("kept"))
    longest = 0
    for _ in range(500):
        loop.schedule_relative(3600.0, lambda *_: None).dispose()
        longest = max(longest, len(loop._timers))
    assert longest < 40
    kept.wait(1)


def test_after_the_sweep_the_timers_run_in_the_order_in_which_they_are_due(
    loop: ThreadScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After disposed timers were removed, the others still run in the order of due times."""
    monkeypatch.setattr(loop_room, "MANY_CANCELLED", 10)
    now = 0.0
    monkeypatch.setattr(loop_room, "monotonic", lambda: now)
    busy = Busy(loop)
    seen: Seen[int] = Seen()
    dues = [1 + n * 7 % 60 for n in range(60)]
    timers = {due: loop.schedule_relative(due, lambda *_, due=due: seen(due)) for due in dues}
    kept = [due for due in dues if due % 3 == 0]
    for due in timers.keys() - kept:
        timers[due].dispose()
    loop.schedule_relative(100, lambda *_: seen(100))
    assert len(loop._timers) == len(kept) + 1  # swept
    now = 200.0
    busy.go_on.set()
    assert seen.wait(len(kept) + 1) == [*sorted(kept), 100]


def test_a_state_survives_a_dispose_that_comes_while_the_action_begins(
    loop: ThreadScheduler,
) -> None:
    """An action disposed as it begins either does not run or gets its state, never None."""
    wrong: list[Any] = []
    for n in range(300):
        job = loop.schedule(lambda _, state: wrong.append(state) if state is None else None, n)
        job.dispose()
    flush(loop)
    assert wrong == []
