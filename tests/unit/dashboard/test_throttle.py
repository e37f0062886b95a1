"""Painting by frame, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from reactivex.disposable import Disposable
from reactivex.testing import TestScheduler

from rxbosbase.dashboard.throttle import Painters, Throttle
from rxbosbase.testing import VirtualClock, VirtualScheduler


class Screen:
    """Paints at once unless it is slow; then when told."""

    def __init__(self, slow: bool = False, period: float | None = None) -> None:
        self.clock = TestScheduler()
        self.times: list[float] = []
        self.unfinished: list[Callable[[], None]] = []
        self.slow = slow
        self.throttle = Throttle(self._paint, 10, self.clock, period)

    def _paint(self, done: Callable[[], None]) -> None:
        self.times.append(self.clock.to_seconds(self.clock.now))
        if self.slow:
            self.unfinished.append(done)
        else:
            done()

    def mark_at(self, *times: float) -> None:
        for time in times:
            self.clock.schedule_absolute(time, lambda *_: self.throttle.mark())


def test_the_first_mark_is_painted_at_once() -> None:
    """The first mark paints without a delay."""
    screen = Screen()
    screen.mark_at(5)
    screen.clock.advance_to(6)
    assert screen.times == [5]


def test_a_burst_is_painted_once_an_interval_and_its_last_state_too() -> None:
    """Many marks paint once per interval, and once more after the last mark."""
    screen = Screen()
    screen.mark_at(*range(1, 34))
    screen.clock.advance_to(200)
    assert screen.times == [1, 11, 21, 31, 41]


def test_what_is_quiet_is_not_painted() -> None:
    """Without a mark nothing is painted."""
    screen = Screen()
    screen.mark_at(1, 50)
    screen.clock.advance_to(200)
    assert screen.times == [1, 50]


def test_nothing_is_painted_while_the_document_is_busy_with_the_last() -> None:
    """Marks during an unfinished paint cause one paint, after it is done."""
    screen = Screen(slow=True)
    screen.mark_at(1, 2, 3)
    screen.clock.advance_to(100)
    assert screen.times == [1]
    screen.unfinished[0]()
    screen.clock.advance_to(111)
    assert screen.times == [1, 110]


def test_what_changes_with_time_is_painted_without_a_mark() -> None:
    """With a `period` it paints once per period without a mark."""
    screen = Screen(period=25)
    screen.clock.advance_to(80)
    assert screen.times == [25, 50, 75]


def test_after_a_paint_that_raised_the_next_mark_paints_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a paint that raises, which is logged, a mark paints again after the interval."""
    times: list[float] = []

    def paint(done: Callable[[], None]) -> None:
        times.append(clock.now)
        if len(times) == 1:
            raise LookupError("no document")
        done()

    clock = VirtualClock()
    throttle = Throttle(paint, 10, VirtualScheduler(clock))
    for _ in range(2):
        throttle.mark()
        clock.advance(1)
    clock.advance(20)
    assert times == [0, 10]
    assert [record.exc_info and record.exc_info[0] for record in caplog.records] == [LookupError]


def test_stopped_it_paints_no_more() -> None:
    """After `stop` neither a mark nor the period paints."""
    screen = Screen(period=25)
    screen.mark_at(1, 2, 60)
    screen.clock.schedule_absolute(5, lambda *_: screen.throttle.stop())
    screen.clock.advance_to(200)
    assert screen.times == [1]


def test_all_panes_share_a_thread_that_ends_with_the_last() -> None:
    """All panes share one paint thread, closed when the last one releases it."""
    painters = Painters()
    first, second = painters.acquire(), painters.acquire()
    closed: list[bool] = []
    for _ in range(2):
        painters.release()
        closed.append(first.is_closed)
    assert first is second
    assert closed == [False, True]
    assert painters.acquire() is not first
    painters.release()


class EagerScheduler(TestScheduler):
    """Has done what is due at once before it returns, as a faster thread may have."""

    def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> Any:
        if self.to_seconds(duetime) <= 0:
            action(self, state)
            return Disposable()
        return super().schedule_relative(duetime, action, state)

    def schedule(self, action: Any, state: Any = None) -> Any:
        return self.schedule_relative(0, action, state)


def test_a_painter_that_is_faster_than_who_marks_does_not_stop_for_ever() -> None:
    """A paint that is done before `mark` returns does not block later marks."""
    clock, painted = EagerScheduler(), [0]

    def paint(done: Callable[[], None]) -> None:
        painted[0] += 1
        done()

    throttle = Throttle(paint, 10, clock)
    for time in (20, 40):
        throttle.mark()
        clock.advance_to(time)
    assert painted == [2]
