"""Limits how often a pane is painted, however many events arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable

from reactivex import abc

from rxbosbase.runtime.scheduler import RestartableTimer
from rxbosbase.runtime.thread_scheduler import ThreadScheduler

__all__ = ("PaintThread", "Throttle")


class PaintThread:
    """The thread that times the paints of all panes; it runs while at least one pane does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._scheduler: ThreadScheduler | None = None

    def acquire(self) -> ThreadScheduler:
        """Return the thread's scheduler; call `release` once for each call."""
        with self._lock:
            self._users += 1
            if self._scheduler is None:
                self._scheduler = ThreadScheduler("rxbosbase-dashboard")
            return self._scheduler

    def release(self) -> None:
        """Give the scheduler back; the last call ends the thread."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._scheduler is not None:
                self._scheduler.close()
                self._scheduler = None


class Throttle:
    """Calls `paint` soon after `mark`, at most once in `interval` seconds, and after the last mark.

    `paint` calls ``done()`` when the work it started is over. It is not called again before, so
    that work for a slow document does not pile up.

    Args:
        paint: called on the scheduler, with ``done``.
        interval: seconds between two paints.
        scheduler: the source of time; it runs `paint`.
        period: seconds after which it is marked by itself; None: never.
    """

    def __init__(
        self,
        paint: Callable[[Callable[[], None]], None],
        interval: float,
        scheduler: abc.SchedulerBase,
        period: float | None = None,
    ) -> None:
        self._paint = paint
        self._interval = interval
        self._lock = threading.Lock()
        self._marked = False
        self._busy = False
        self._stopped = False
        # Restartable, because a timer may fire before the call that sets it returns.
        self._timer = RestartableTimer(scheduler)
        self._ticker = RestartableTimer(scheduler)
        if period is not None:
            self._tick(period)

    def mark(self) -> None:
        """Request a paint. From any thread; cheap, and never waits for a paint."""
        if self._marked:  # read without the lock: the usual case in a burst
            return
        with self._lock:
            self._marked = True
            if self._busy or self._stopped:
                return
            self._busy = True
        self._timer.set(0, self._run)

    def stop(self) -> None:
        """Paint no more; a paint that has started goes on."""
        with self._lock:
            self._stopped = True
        self._timer.dispose()
        self._ticker.dispose()

    def _run(self) -> None:
        with self._lock:
            if self._stopped:
                return
            self._marked = False
        try:
            self._paint(self._paint_finished)
        except BaseException:
            self._paint_finished()
            raise

    def _paint_finished(self) -> None:
        if not self._stopped:
            self._timer.set(self._interval, self._interval_over)

    def _interval_over(self) -> None:
        with self._lock:
            again = self._busy = self._marked
        if again:
            self._run()

    def _tick(self, period: float) -> None:
        def act() -> None:
            self.mark()
            self._tick(period)

        self._ticker.set(period, act)
