"""By frame, not by event: what is painted a few times a second, whatever comes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from reactivex import abc

from rxbosbase.operators._common import Alarm
from rxbosbase.runtime.thread_scheduler import ThreadScheduler

__all__ = ["Painters", "Throttle"]


class Painters:
    """The one thread that times the painting of all panes; it is there while there are panes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._loop: ThreadScheduler | None = None

    def acquire(self) -> ThreadScheduler:
        """The thread's scheduler; `release` it once."""
        with self._lock:
            self._users += 1
            if self._loop is None:
                self._loop = ThreadScheduler("rxbosbase-dashboard")
            return self._loop

    def release(self) -> None:
        """Ends the thread after its last user."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._loop is not None:
                self._loop.close()
                self._loop = None


class Throttle:
    """Calls `paint` soon after `mark`, at most once in `interval` seconds. The last mark counts.

    `paint` says by ``done()`` when what it started is over: nothing is painted before, so that a
    slow document is not given more work than it does.

    Args:
        paint: called on the scheduler, with ``done``.
        interval: seconds between two paintings.
        scheduler: where time comes from.
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
        # Alarms, because who marks may be slower than what it has set off.
        self._timer = Alarm(scheduler)
        self._ticker = Alarm(scheduler)
        if period is not None:
            self._tick(period)

    def mark(self) -> None:
        """There is something new. From any thread; cheap, and never waits for painting."""
        if self._marked:  # read without the lock: the usual case in a burst
            return
        with self._lock:
            self._marked = True
            if self._busy or self._stopped:
                return
            self._busy = True
        self._timer.set(0, self._run)

    def stop(self) -> None:
        """Nothing is painted any more, but for what is being painted now."""
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
            self._paint(self._painted)
        except BaseException:
            self._painted()
            raise

    def _painted(self) -> None:
        if not self._stopped:
            self._timer.set(self._interval, self._rested)

    def _rested(self) -> None:
        with self._lock:
            again = self._busy = self._marked
        if again:
            self._run()

    def _tick(self, period: float) -> None:
        def act() -> None:
            self.mark()
            self._tick(period)

        self._ticker.set(period, act)
