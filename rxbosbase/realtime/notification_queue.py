"""Calls queued behind the waiting events, and made also when those are discarded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rxbosbase.runtime.scheduler import SerialScheduler

from .delivery import guarded

__all__ = ("NotificationQueue",)


class NotificationQueue:
    """Ends and losses, queued on `scheduler` behind its events. An error in a call is logged."""

    def __init__(self, scheduler: SerialScheduler) -> None:
        self._scheduler = scheduler
        self._waiting: deque[Callable[[], object]] = deque()

    def put(self, notification: Callable[[], object]) -> None:
        """Queue ``notification()``. Never waits."""
        self._waiting.append(notification)
        self._scheduler.post(self._run_next)

    def flush(self) -> None:
        """Make the remaining calls on the calling thread: the scheduler has discarded its queue."""
        while self._waiting:
            self._run_next()

    def _run_next(self) -> None:
        guarded(self._waiting.popleft())
