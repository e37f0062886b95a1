"""The last events, the newest on top. A pause keeps the events received in it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from reactivex import Observable, abc

from rxbosbase.dashboard.picture import Picture
from rxbosbase.dashboard.text import clock, count, error_text, escaped, shorter, value_text
from rxbosbase.encoding.narrowing import is_mapping
from rxbosbase.events import Event

__all__ = ("MAX_WAITING", "FeedPicture")

MAX_WAITING = 2000
"""Events kept while paused. Of more, the oldest are dropped, and their number is shown."""

SYSTEM_FIELDS = frozenset(
    {"id", "collectionId", "collectionName", "created", "updated", "expand", "revision"}
)
"""Fields left out of an event's line; the inspector shows them all."""


class _Entry(NamedTuple):
    number: int
    arrived: float
    event: Event


class FeedPicture(Picture):
    """The last `keep` events; after a pause, all that were received in it."""

    def __init__(
        self,
        events: Observable[Event],
        keep: int = 200,
        title: str = "Events",
        now: Callable[[], float] = time.time,
    ) -> None:
        if not (isinstance(keep, int) and keep > 0):
            raise ValueError(f"keep must be a positive number of events, not {keep!r}")
        self._events = events
        self._keep = keep
        self._title = title
        self._now = now
        self._lock = threading.Lock()
        self._entries: deque[_Entry] = deque(maxlen=keep)
        self._waiting: deque[_Entry] = deque(maxlen=MAX_WAITING)
        self._received_in_pause = 0
        self._paused = False
        self._total = 0
        self._error: Exception | None = None

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        def take(event: Event) -> None:
            with self._lock:
                self._total += 1
                entry = _Entry(self._total, self._now(), event)
                if self._paused:
                    self._waiting.append(entry)
                    self._received_in_pause += 1
                else:
                    self._entries.append(entry)
            changed()

        def end(error: Exception) -> None:
            self._error = error
            changed()

        return self._events.subscribe(take, end)

    def pause(self) -> None:
        """Keep new events back until `resume`; those shown stay."""
        with self._lock:
            self._paused = True

    def resume(self) -> None:
        """Show all events that were kept back."""
        with self._lock:
            self._paused = False
            # More than `keep` if needed, so that all of them are shown.
            keep = max(self._keep, len(self._waiting))
            self._entries = deque([*self._entries, *self._waiting], maxlen=keep)
            self._waiting.clear()
            self._received_in_pause = 0

    def act(self, act: str, value: str, fields: Mapping[str, str]) -> None:
        if act == "pause":
            self.pause()
        elif act == "resume":
            self.resume()

    def html(self) -> str:
        with self._lock:
            entries = list(reversed(self._entries))
            paused, waiting, total = self._paused, len(self._waiting), self._total
            lost = self._received_in_pause - waiting
        title = escaped(self._title)
        error = (
            f'<p class="problem" role="alert">{escaped(error_text(self._error))}</p>'
            if self._error
            else ""
        )
        empty = "" if entries or error else '<p class="empty">No event yet.</p>'
        return (
            f'<section class="card" aria-label="{title}"><div class="head"><h2>{title}</h2>'
            f'<span class="muted small grow">{count(total)} so far</span>'
            f"{_button(paused, waiting, lost)}</div>{error}{empty}"
            f'<div class="scroll" tabindex="0" role="log" aria-live="off" aria-label="{title}">'
            f'<ol class="feed">{"".join(_lines(entries))}</ol></div></section>'
        )


def _button(paused: bool, waiting: int, lost: int) -> str:
    if not paused:
        return '<button type="button" data-key="pause" data-act="pause">Pause</button>'
    more = f", {count(lost)} older left out" if lost else ""
    return (
        '<button type="button" class="main" data-key="pause" data-act="resume">'
        f"Resume · {count(waiting)} waiting{more}</button>"
    )


def _lines(entries: Iterable[_Entry]) -> Iterable[str]:
    for number, arrived, event in entries:
        record = event.record
        collection = event.topic.partition("/")[0]
        texts = ", ".join(_field_texts(record))
        action = escaped(event.action)
        yield (
            f'<li data-key="{number}"><span class="muted small">{clock(arrived)}</span>'
            f'<span class="{action} small">{action}</span>'
            f'<span title="{escaped(record.get("id", ""))}"><b>{escaped(collection)}</b> '
            f'<span class="muted">{escaped(shorter(texts))}</span></span></li>'
        )


def _field_texts(record: Mapping[str, Any]) -> Iterable[str]:
    expanded = record.get("expand")
    known: Mapping[str, Any] = expanded if is_mapping(expanded) else {}
    for name, value in record.items():
        shown = known.get(name, value)
        if name not in SYSTEM_FIELDS and shown not in (None, ""):
            yield shorter(value_text(shown))
