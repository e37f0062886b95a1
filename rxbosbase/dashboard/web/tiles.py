"""The counters of a connection, as tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable, abc

from rxbosbase.client import BosBase
from rxbosbase.dashboard.picture import Picture
from rxbosbase.dashboard.pictures.rates import Tally
from rxbosbase.dashboard.text import count
from rxbosbase.events import RecordEvent

__all__ = ("TilesPicture",)

KILOBYTE = 1000


class TilesPicture(Picture):
    """Events, events a second, bytes, reconnects, queued events and skipped frames."""

    def __init__(self, client: BosBase, events: Observable[RecordEvent[Any]]) -> None:
        self.period = 1.0
        self._client = client
        self._events = events
        self._tally = Tally()

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        # A stream that ends leaves the counters as they are.
        return self._events.subscribe(
            lambda event: self._tally.add(event.action), lambda _: changed()
        )

    def html(self) -> str:
        stats = self._client.realtime.stats
        tiles = (
            (count(self._tally.total.total()), "events on this page"),
            (count(self._tally.latest()), "events a second"),
            (f"{count(stats.bytes / KILOBYTE)} kB", "received"),
            (count(stats.reconnects), "reconnects"),
            (count(stats.queue_events), "waiting for delivery"),
            (count(stats.skipped), "skipped"),
        )
        shown = "".join(
            f'<div class="card tile"><b>{value}</b><span>{label}</span></div>'
            for value, label in tiles
        )
        return f'<section class="tiles" aria-label="Counters">{shown}</section>'
