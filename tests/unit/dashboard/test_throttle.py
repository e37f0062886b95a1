"""The throttle of paints, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from reactivex.disposable import Disposable
from reactivex.testing import TestScheduler

from rxbosbase.dashboard.throttle import PaintThread, Throttle
from rxbosbase.testing import VirtualClock, VirtualScheduler


class PaintRecorder:
    """Records the times of paints. A slow one ends when its `unfinished` callback is called."""

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
    recorder = PaintRecorder()
    recorder.mark_at(5)
    recorder.clock.advance_to(6)
    assert recorder.times == [5]


def test_a_burst_is_painted_once_an_interval_and_its_last_state_too() -> None:
    """Many marks paint once per interval, and once more after the last mark."""
    recorder = PaintRecorder()
    recorder.mark_at(*range(1, 34))
    recorder.clock.advance_to(200)
    assert recorder.times == [1, 11, 21, 31, 41]


def test_without_a_mark_nothing_is_painted() -> None:
    """Without a mark nothing is painted."""
    recorder = PaintRecorder()
    recorder.mark_at(1, 50)
    recorder.clock.advance_to(200)
    assert recorder.times == [1, 50]


def test_marks_during_a_paint_cause_one_paint_after_it() -> None:
    """Marks during an unfinished paint cause one paint, after it is done."""
    recorder = PaintRecorder(slow=True)
    recorder.mark_at(1, 2, 3)
    recorder.clock.advance_to(100)
    assert recorder.times == [1]
    recorder.unfinished[0]()
    recorder.clock.advance_to(111)
    assert recorder.times == [1, 110]


def test_with_a_period_it_paints_without_a_mark() -> None:
    """With a `period` it paints once per period without a mark."""
    recorder = PaintRecorder(period=25)
    recorder.clock.advance_to(80)
    assert recorder.times == [25, 50, 75]


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


def test_after_stop_nothing_is_painted() -> None:
    """After `stop` neither a mark nor the period paints."""
    recorder = PaintRecorder(period=25)
    recorder.mark_at(1, 2, 60)
    recorder.clock.schedule_absolute(5, lambda *_: recorder.throttle.stop())
    recorder.clock.advance_to(200)
    assert recorder.times == [1]


def test_all_panes_share_a_thread_that_ends_with_the_last_one() -> None:
    """All panes share one paint thread, closed when the last one releases it."""
    paint_thread = PaintThread()
    first, second = paint_thread.acquire(), paint_thread.acquire()
    closed: list[bool] = []
    for _ in range(2):
        paint_thread.release()
        closed.append(first.is_closed)
    assert first is second
    assert closed == [False, True]
    assert paint_thread.acquire() is not first
    paint_thread.release()


class EagerScheduler(TestScheduler):
    """Runs an action that is due at once before `schedule` returns, as a faster thread may."""

    def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> Any:
        if self.to_seconds(duetime) <= 0:
            action(self, state)
            return Disposable()
        return super().schedule_relative(duetime, action, state)

    def schedule(self, action: Any, state: Any = None) -> Any:
        return self.schedule_relative(0, action, state)


def test_a_paint_that_ends_before_mark_returns_does_not_block_later_marks() -> None:
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
