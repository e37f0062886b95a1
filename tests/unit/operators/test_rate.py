"""``rate`` counts each value for exactly one window, in bounded memory."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Subject
from reactivex.testing import TestScheduler

from rxbosbase import operators as rxb
from rxbosbase.operators.rate import MAX_BUCKETS


@given(
    waits=st.lists(st.floats(0, 7).map(lambda x: round(x, 2)), max_size=30),
    parts=st.integers(1, 12),
    every=st.sampled_from([0.1, 0.5, 1.0, 3.0]),
)
def test_all_reports_add_up_to_all_values(waits: list[float], parts: int, every: float) -> None:
    """Each value counts in exactly as many reports as the window has parts."""
    scheduler = TestScheduler()
    source: Subject[int] = Subject()
    reports: list[float] = []
    source.pipe(rxb.rate(parts * every, scheduler=scheduler, every=every)).subscribe(reports.append)
    now = 0.0
    for wait in waits:
        now += wait
        scheduler.advance_to(now)
        source.on_next(1)
    scheduler.advance_to(now + parts * every * 2 + 1)
    assert sum(reports) * every == pytest.approx(len(waits))
    assert reports[-1] == 0.0


def test_a_steady_stream_has_its_rate_once_the_window_is_full() -> None:
    """Five values a second are reported as 5.0 once the window is full, and silence as 0.0."""
    scheduler = TestScheduler()
    source: Subject[int] = Subject()
    reports: list[float] = []
    source.pipe(rxb.rate(timedelta(seconds=10), scheduler=scheduler)).subscribe(reports.append)
    for tick in range(100):
        scheduler.advance_to(0.1 + tick * 0.2)
        source.on_next(tick)
    scheduler.advance_to(40)
    assert reports[9:20] == [5.0] * 11
    assert reports[30:] == [0.0] * 10


def test_lateness_does_not_add_up() -> None:
    """A scheduler that is always 0.03 s late still gets the reports at the planned pace."""

    class Late(TestScheduler):
        def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> Any:
            return super().schedule_relative(duetime + 0.03, action, state)

    scheduler = Late()
    reports: list[float] = []
    Subject[int]().pipe(rxb.rate(1, scheduler=scheduler)).subscribe(reports.append)
    scheduler.advance_to(100.05)
    assert len(reports) == 1000


@pytest.mark.parametrize("seconds", [-3600, 2, 3600])
def test_a_moved_clock_does_not_shift_the_next_report(seconds: int) -> None:
    """A clock that is moved neither delays nor advances the next reports."""
    time = TestScheduler()

    class Moved(TestScheduler):
        by = timedelta(0)

        @property
        def now(self) -> datetime:
            return time.now + self.by

        def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> Any:
            return time.schedule_relative(duetime, action, state)

    scheduler = Moved()
    times: list[float] = []
    Subject[int]().pipe(rxb.rate(20, scheduler=scheduler)).subscribe(
        lambda _: times.append(float(time.clock))
    )
    time.advance_to(1)
    scheduler.by = timedelta(seconds=seconds)
    time.advance_to(7)
    assert times == [2, 4, 6]


@pytest.mark.parametrize(
    ("window", "every", "problem"),
    [
        (1, 0.3, "must divide"),
        (0.001, 0.0003, "must divide"),
        (1, 2, "must divide"),
        (MAX_BUCKETS + 1, 1, "must divide"),
        (0, None, "^window must be more than 0"),
        (1, 0, "^every must be more than 0"),
        (1, -1, "^every must be more than 0"),
    ],
)
def test_a_window_that_cannot_be_divided_is_refused(
    window: float, every: float | None, problem: str
) -> None:
    """A window that `every` does not divide, or a time of 0 or less, raises `ValueError`."""
    with pytest.raises(ValueError, match=problem):
        rxb.rate(window, every=every)


def test_a_window_may_have_max_buckets_parts() -> None:
    """A window of exactly `MAX_BUCKETS` parts is accepted."""
    assert callable(rxb.rate(MAX_BUCKETS, every=1))
