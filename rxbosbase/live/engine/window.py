"""A live view in the server's order: a ``limit``, or a sort that only the server can do.

The stream does not report which record moves into a window when another leaves it. So no state is
kept record by record: each frame makes the window *dirty*, and a dirty window is read again as a
whole, at most once per ``interval``.

Why it converges: an answer is the truth of a moment after all frames received before its read was
returned. Each later frame makes it dirty again, except hints about records that it does not show:
what brings those into the query is an event. So the read after the last frame is right. Where the
sort looks into related records, one of these may move a row into the window that was not there:
then every frame about them makes it dirty.

The driver does as for `Reducer`, and gives the rows, in the server's order, to ``rows_read``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from rxbosbase.encoding.record import Record
from rxbosbase.runtime.retry_delay import Backoff

from .messages import Effects, ReadRequest, ReadWindow, Rules
from .row_versions import expanded_records

__all__ = ("Window",)


class Window:
    """The state of one window. Not thread-safe: its driver feeds it one input at a time.

    >>> window = Window(interval=0.25)
    >>> read = window.acknowledged(now=0.0).read
    >>> window.rows_read(read, [{"id": "a"}], now=0.1).rows
    ({'id': 'a'},)
    >>> window.event("create", {"id": "b"}, now=0.2).wake
    0.25
    """

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        interval: float = 0.25,
        sorts_by_related: bool = False,
    ) -> None:
        self._rules = rules or Rules()
        self._interval = interval
        self._sorts_by_related = sorts_by_related
        self._start_over()

    def _start_over(self) -> None:
        self._backoff = Backoff(self._rules.delay)
        self._shown: frozenset[str] = frozenset()  # ids of the rows and of what they expand
        self._hinted: set[str] = set()  # ids with a hint while a read was under way
        self._read: ReadWindow | None = None
        self._acknowledged = False
        self._loaded = False
        self._gap_open = True
        self._dirty_since = inf
        self._not_before = 0.0
        self._reconcile_at = inf

    def acknowledged(self, now: float) -> Effects:
        """The server has acknowledged the topics: from here on changes are received."""
        self._acknowledged = True
        self._backoff.shorten(now)
        return self.skipped(now)

    def lost(self, now: float) -> Effects:
        """The connection ended. Nothing is read before the next acknowledgement."""
        self._acknowledged = False
        return self.skipped(now)

    def skipped(self, now: float) -> Effects:
        """Frames were lost: only a read that begins now is complete."""
        self._gap_open = True
        self._read = None
        self._not_before = 0.0
        self._dirty_since = now
        return self._finish(now)

    def reset(self, now: float) -> Effects:
        """The identity changed: the window empties, and waits for an acknowledgement."""
        rows = () if self._loaded else None
        self._start_over()
        return Effects((), None, loaded=False, fresh=False, wake=None, rows=rows)

    def event(self, action: str, record: Record, now: float) -> Effects:
        """A frame of the view's own topic: it may move any row."""
        self._dirty_since = min(self._dirty_since, now)
        return self._finish(now)

    def hint(self, action: str, id: str, updated: str, now: float) -> Effects:
        """A frame of the unfiltered watch: it matters if the record is shown."""
        self._record_changed(id, now, matters=False)
        return self._finish(now)

    def related(self, id: str, now: float) -> Effects:
        """A record that others may expand was created, updated or deleted."""
        self._record_changed(id, now, matters=self._sorts_by_related)
        return self._finish(now)

    def _record_changed(self, id: str, now: float, *, matters: bool) -> None:
        if matters or id in self._shown:
            self._dirty_since = min(self._dirty_since, now)
        elif self._read is not None:
            self._hinted.add(id)

    def rows_read(self, read: ReadRequest, rows: Sequence[Record], now: float) -> Effects:
        """The rows found, in the server's order."""
        if read is not self._read:
            return self._finish(now)
        self._read = None
        self._backoff.succeeded()
        expanded = {str(r.get("id")) for row in rows for r in expanded_records(row)}
        self._shown = frozenset({*(row["id"] for row in rows), *expanded})
        if self._hinted & self._shown:
            self._dirty_since = min(self._dirty_since, now)
        caught_up = self._gap_open and self._loaded
        self._gap_open = False
        self._loaded = True
        self._reconcile_at = now + self._rules.reconcile
        return self._finish(now, tuple(rows), caught_up)

    def failed(self, read: ReadRequest, now: float, retry_after: float = 0.0) -> Effects:
        """The read failed. It is made again a little later, or after ``retry_after``."""
        if read is self._read:
            self._read = None
            self._backoff.failed(now, retry_after)
            self._dirty_since = min(self._dirty_since, now)
        return self._finish(now)

    def tick(self, now: float) -> Effects:
        """Time has passed: at ``Effects.wake``, or at any time."""
        return self._finish(now)

    def _finish(
        self, now: float, rows: tuple[Record, ...] | None = None, caught_up: bool = False
    ) -> Effects:
        read = None
        if self._acknowledged and self._read is None and now >= self._due():
            read = self._read = ReadWindow()
            self._dirty_since = inf
            self._hinted.clear()
            self._not_before = now + self._interval
        idle = self._read is None and self._acknowledged and self._due() < inf
        fresh = self._loaded and self._acknowledged and not self._gap_open
        wake = self._due() if idle else None
        return Effects((), read, self._loaded, fresh, wake, rows, caught_up)

    def _due(self) -> float:
        due = min(self._dirty_since, self._reconcile_at)
        return max(due, self._not_before, self._backoff.until)
