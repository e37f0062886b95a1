"""The number of events in each second, by action."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from reactivex import Observable, abc

from rxbosbase.dashboard.picture import Picture
from rxbosbase.dashboard.text import count
from rxbosbase.events import RecordEvent

from .chart import bars

__all__ = ("ACTIONS", "RatePicture", "Tally")

ACTIONS = ("create", "update", "delete")
SECONDS = 60


class Tally:
    """Counts by action and second, of the last `SECONDS` seconds. Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._seconds: dict[int, Counter[str]] = {}
        self.total: Counter[str] = Counter()

    def add(self, action: str) -> None:
        """Count one event, now."""
        second = int(self._now())
        with self._lock:
            self.total[action] += 1
            counts = self._seconds.get(second)
            if counts is None:
                counts = self._seconds[second] = Counter()
                for old in [key for key in self._seconds if key < second - SECONDS]:
                    del self._seconds[old]
            counts[action] += 1

    def stacks(self) -> list[list[int]]:
        """Return the counts by action of each second, the oldest first, the current one last."""
        last = int(self._now())
        with self._lock:
            return [
                [self._seconds.get(second, Counter())[action] for action in ACTIONS]
                for second in range(last - SECONDS + 1, last + 1)
            ]

    def latest(self) -> int:
        """Return the number of events in the last full second."""
        return sum(self.stacks()[-2])


class RatePicture(Picture):
    """Events by action and second, as bars."""

    def __init__(
        self, events: Observable[RecordEvent[Any]], title: str = "Events a second"
    ) -> None:
        self.period = 1.0
        self._events = events
        self._title = title
        self.tally = Tally()

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        def take(event: RecordEvent[Any]) -> None:
            self.tally.add(event.action)
            changed()

        # A stream that ends leaves the chart as it is: its error is shown beside its events.
        return self._events.subscribe(take, lambda _: changed())

    def html(self) -> str:
        legend = "".join(
            f'<span><i class="{action}"></i>{action} {count(self.tally.total[action])}</span>'
            for action in ACTIONS
        )
        chart = bars(self.tally.stacks(), ACTIONS, self._title, SECONDS)
        return (
            f'<section class="card" aria-label="{self._title}"><div class="head">'
            f'<h2 class="grow">{self._title}</h2><div class="legend">{legend}</div></div>'
            f"{chart}</section>"
        )
