"""The records the server must be asked about, and when."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

__all__ = ["RecheckQueue"]


@dataclass(slots=True)
class _Recheck:
    first: float
    last: float
    firm: bool = False
    urgent: bool = False


class RecheckQueue:
    """Records in doubt. Each is due once it was quiet for a moment, and does not wait for ever.

    A doubt is *firm* if only an answer ends it, and *urgent* if it need not wait for quiet. One
    that is not firm is withdrawn when the hint that raised it finds its event.
    """

    def __init__(self, quiet: float, patience: float) -> None:
        self._quiet = quiet
        self._patience = patience
        self._open: dict[str, _Recheck] = {}
        self._queue: list[tuple[float, str]] = []  # never later than due; corrected when reached

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, id: object) -> bool:
        return id in self._open

    def ids(self) -> list[str]:
        """The records in doubt."""
        return list(self._open)

    def open(self, id: str, now: float, *, firm: bool = True, urgent: bool = False) -> None:
        """Puts the record in doubt; if it is already, the stronger doubt counts."""
        doubt = self._open.get(id)
        is_new = doubt is None
        if doubt is None:
            doubt = self._open[id] = _Recheck(now, now)
        doubt.last = now
        doubt.firm |= firm
        if is_new or (urgent and not doubt.urgent):
            doubt.urgent = urgent
            heappush(self._queue, (self._due(doubt), id))

    def touch(self, id: str, now: float) -> None:
        """The record was heard of: if it is in doubt, it is not quiet yet."""
        doubt = self._open.get(id)
        if doubt is not None:
            doubt.last = now

    def withdraw(self, id: str) -> None:
        """Ends a doubt that is not firm."""
        doubt = self._open.get(id)
        if doubt is not None and not doubt.firm:
            del self._open[id]

    def close(self, id: str) -> None:
        """Ends the doubt: the server has answered."""
        self._open.pop(id, None)

    def next_due(self) -> float | None:
        """When the next doubt is due."""
        while self._queue:
            queued, id = self._queue[0]
            doubt = self._open.get(id)
            if doubt is not None and self._due(doubt) <= queued:
                return queued
            heappop(self._queue)
            if doubt is not None:
                heappush(self._queue, (self._due(doubt), id))
        return None

    def take_due(self, now: float, limit: int) -> tuple[str, ...]:
        """Ends at most ``limit`` doubts that are due, the longest due first, to ask about them."""
        taken: list[str] = []
        while len(taken) < limit:
            due = self.next_due()
            if due is None or due > now:
                break
            _, id = heappop(self._queue)
            del self._open[id]
            taken.append(id)
        return tuple(taken)

    def _due(self, doubt: _Recheck) -> float:
        if doubt.urgent:
            return doubt.first
        return min(doubt.last + self._quiet, doubt.first + self._patience)
