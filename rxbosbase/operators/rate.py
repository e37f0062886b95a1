"""``rate``: events per second, within the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from reactivex import Observable, abc

from ._common import seconds
from ._timed import Timed, timed

__all__ = ("MAX_BUCKETS", "rate")

MAX_BUCKETS = 1000
"""The most reports in a window. It bounds the memory: one count per report."""

DEFAULT_REPORTS = 10


def rate(
    window: float | timedelta,
    *,
    scheduler: abc.SchedulerBase | None = None,
    every: float | timedelta | None = None,
) -> Callable[[Observable[Any]], Observable[float]]:
    """Emit how many values per second came within the last `window` seconds, at intervals.

    0.0 while the source is quiet. Before the first value the window counts as empty, so that a
    single early value is no peak. Here four seconds, reported on every two::

        source:  -a1a2---------|
        call:    rate(4, every=2)
        result:  --P-Q-P-Z-Z-Z-|
        where:   P = 0.25
        where:   Q = 0.5
        where:   Z = 0.0

    Args:
        window: seconds (or a timedelta) that are counted.
        scheduler: runs the timer; by default the subscriber's, else ``TimeoutScheduler``.
        every: seconds between two reports, a whole part of `window`; a tenth of it by default.

    Returns:
        an operator for ``pipe``: any values in, floats out, in values per second.

    Raises:
        ValueError: a time that is not positive and finite, or an `every` that does not divide
            `window` into 1 to ``MAX_BUCKETS`` (1000) equal parts.
        TypeError: a time that is neither a number nor a timedelta.

    >>> from rxbosbase.testing import FakeRealtime
    >>> with FakeRealtime() as fake:
    ...     _ = fake.client.collection("posts").observe("*").pipe(rate(2, every=1)).subscribe(print)
    ...     for _number in range(3):
    ...         _ = fake.push("posts", "create", {"title": "Hi"})
    ...     fake.advance(3)
    1.5
    1.5
    0.0
    """
    width = seconds(window, "window")
    step = width / DEFAULT_REPORTS if every is None else seconds(every, "every")
    parts = round(width / step)
    if not 1 <= parts <= MAX_BUCKETS or abs(parts * step - width) > 1e-6 * width:
        raise ValueError(
            f"every={step:g} must divide window={width:g} into 1 to {MAX_BUCKETS} equal parts"
        )

    return timed(partial(_Rate, width, parts), scheduler)


class _Rate(Timed[Any, float]):
    """One subscription. The window moves on by whole parts, one for each report."""

    def __init__(
        self,
        width: float,
        parts: int,
        clock: abc.SchedulerBase,
        observer: abc.ObserverBase[float],
    ) -> None:
        super().__init__(clock, observer)
        self._width, self._step = width, width / parts
        self._past: deque[int] = deque(maxlen=parts)
        self._count = 0  # since the last report
        self._due = clock.now
        self._start_timer()

    def _start_timer(self) -> None:
        # From when the last report was due, so that delays do not add up. If that is far off, a
        # thread was blocked or the clock was set: start from now.
        late = (self.clock.now - self._due).total_seconds()
        wait = self._step - late if 0 <= late < self._step else self._step
        self._due = self.clock.now + timedelta(seconds=wait)
        self.timer.set(wait, self._report)

    def _report(self) -> None:
        with self.outbox.lock:
            self._past.append(self._count)
            self._count = 0
            self.outbox.put(sum(self._past) / self._width)
        try:
            self.outbox.drain()
        finally:  # only now: a slow observer gets fewer reports, not a queue of them
            self._start_timer()

    def on_next(self, _: Any, /) -> None:
        with self.outbox.lock:
            self._count += 1
