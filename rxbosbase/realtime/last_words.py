"""What must be said behind the events that wait, also when those are discarded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rxbosbase.loop import LoopScheduler

from .delivery import guarded

__all__ = ["LastWords"]


class LastWords:
    """Ends and losses, queued on `loop` behind its events. What a word raises is logged."""

    def __init__(self, loop: LoopScheduler) -> None:
        self._loop = loop
        self._unsaid: deque[Callable[[], object]] = deque()

    def say(self, word: Callable[[], object]) -> None:
        """Queues ``word()``; never waits."""
        self._unsaid.append(word)
        self._loop.post(self._say_next)

    def finish(self) -> None:
        """Says the rest on the calling thread: the queue it waited in was discarded."""
        while self._unsaid:
            self._say_next()

    def _say_next(self) -> None:
        guarded(self._unsaid.popleft())
