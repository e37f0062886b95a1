"""Virtual time for the live view's model."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

__all__ = ["Clock"]


class Clock:
    """Virtual time: things to do, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Does this then, or now if that is over."""
        self._count += 1
        heappush(self._queue, (max(time, self.now), self._count, action))

    def run_until(self, time: float) -> None:
        """Lets time pass."""
        while self._queue and self._queue[0][0] <= time:
            self.now, _, action = heappop(self._queue)
            action()
        self.now = time
