"""Calls that come behind the events that wait, and are made also when those are discarded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rxbosbase.runtime.scheduler import SerialScheduler

from .delivery import guarded

__all__ = ["NotificationQueue"]


class NotificationQueue:
    """Ends and losses, queued on `loop` behind its events. What a notice raises is logged."""

    def __init__(self, loop: SerialScheduler) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], object]] = deque()

    def put(self, notice: Callable[[], object]) -> None:
        """Queues ``notice()``; never waits."""
        self._waiting.append(notice)
        self._loop.post(self._run_next)

    def flush(self) -> None:
        """Runs the rest on the calling thread: the queue it waited in was discarded."""
        while self._waiting:
            self._run_next()

    def _run_next(self) -> None:
        guarded(self._waiting.popleft())
