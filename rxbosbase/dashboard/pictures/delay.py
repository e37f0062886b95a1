"""The delay of events: from the server's `updated` until they are received."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

from reactivex import Observable, abc

from rxbosbase.dashboard.picture import Picture
from rxbosbase.dataframes.kinds import nanoseconds
from rxbosbase.events import RecordEvent

from .chart import line

__all__ = ("DelayPicture",)

SECONDS = 60

MAX_SAMPLES = 50
"""Events measured in a second; of a burst, the first ones."""

PLAUSIBLE = 60.0
"""Seconds. A larger difference, in either direction, is of a wrong clock or an old `updated`."""


class DelayPicture(Picture):
    """The median of each second, as a line. It compares the server's clock with this machine's."""

    def __init__(
        self, events: Observable[RecordEvent[Any]], now: Callable[[], float] = time.time
    ) -> None:
        self.period = 1.0
        self._events = events
        self._now = now
        self._lock = threading.Lock()
        self._samples: dict[int, list[float]] = {}

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        def take(event: RecordEvent[Any]) -> None:
            self._add(event)
            changed()

        # A stream that ends leaves the chart as it is: its error is shown beside its events.
        return self._events.subscribe(take, lambda _: changed())

    def html(self) -> str:
        last = int(self._now())
        with self._lock:
            seconds = [self._samples.get(s, [])[:] for s in range(last - SECONDS + 1, last + 1)]
        every = [sample for samples in seconds for sample in samples]
        text = "no sample yet"
        if every:
            high = quantiles(every, n=20)[-1] if len(every) > 1 else every[0]
            text = f"median {median(every):.0f} ms · 95 % within {high:.0f} ms"
        medians = [median(samples) if samples else None for samples in seconds]
        return (
            '<section class="card" aria-label="Delay"><div class="head">'
            f'<h2 class="grow">Delay</h2><span class="muted small">{text}</span></div>'
            f"{line(medians, 'Milliseconds from the server to here', SECONDS, ' ms')}</section>"
        )

    def _add(self, event: RecordEvent[Any]) -> None:
        # A delete carries the record as it last was: its time has no meaning here.
        written = event.record.get("updated") if event.action != "delete" else None
        now = self._now()
        with self._lock:
            samples = self._samples.get(int(now))
            if samples is None:
                samples = self._samples[int(now)] = []
                for old in [key for key in self._samples if key < now - SECONDS]:
                    del self._samples[old]
        if len(samples) >= MAX_SAMPLES or not isinstance(written, str):
            return
        moment = nanoseconds(written)
        if moment is not None and abs(delay := now - moment / 1e9) < PLAUSIBLE:
            samples.append(max(0.0, delay * 1000))
