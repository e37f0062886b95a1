"""The records to read again, and when."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

__all__ = ("RecheckQueue",)


@dataclass(slots=True)
class _Recheck:
    first: float
    last: float
    firm: bool = False
    urgent: bool = False


class RecheckQueue:
    """The records to recheck. Each is due once it was quiet for a moment, or after a longest wait.

    A recheck is *firm* if only an answer ends it, and *urgent* if it need not wait for quiet. One
    that is not firm is withdrawn when the hint that caused it finds its event.
    """

    def __init__(self, quiet: float, patience: float) -> None:
        self._quiet = quiet
        self._patience = patience
        self._pending: dict[str, _Recheck] = {}
        self._queue: list[tuple[float, str]] = []  # never later than due; corrected when reached

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, id: object) -> bool:
        return id in self._pending

    def ids(self) -> list[str]:
        """Return the records to recheck."""
        return list(self._pending)

    def add(self, id: str, now: float, *, firm: bool = True, urgent: bool = False) -> None:
        """Queue the record; if it is queued already, it becomes firm or urgent where this call
        is."""
        recheck = self._pending.get(id)
        is_new = recheck is None
        if recheck is None:
            recheck = self._pending[id] = _Recheck(now, now)
        recheck.last = now
        recheck.firm |= firm
        if is_new or (urgent and not recheck.urgent):
            recheck.urgent = urgent
            heappush(self._queue, (self._due(recheck), id))

    def touch(self, id: str, now: float) -> None:
        """Note that a frame of the record was received: if it is queued, it is not quiet yet."""
        recheck = self._pending.get(id)
        if recheck is not None:
            recheck.last = now

    def withdraw(self, id: str) -> None:
        """Remove a recheck that is not firm."""
        recheck = self._pending.get(id)
        if recheck is not None and not recheck.firm:
            del self._pending[id]

    def remove(self, id: str) -> None:
        """Remove the recheck: the server has answered."""
        self._pending.pop(id, None)

    def next_due(self) -> float | None:
        """Return when the next recheck is due."""
        while self._queue:
            queued, id = self._queue[0]
            recheck = self._pending.get(id)
            if recheck is not None and self._due(recheck) <= queued:
                return queued
            heappop(self._queue)
            if recheck is not None:
                heappush(self._queue, (self._due(recheck), id))
        return None

    def take_due(self, now: float, limit: int) -> tuple[str, ...]:
        """Remove and return at most ``limit`` records that are due, the longest due first."""
        taken: list[str] = []
        while len(taken) < limit:
            due = self.next_due()
            if due is None or due > now:
                break
            _, id = heappop(self._queue)
            del self._pending[id]
            taken.append(id)
        return tuple(taken)

    def _due(self, recheck: _Recheck) -> float:
        if recheck.urgent:
            return recheck.first
        return min(recheck.last + self._quiet, recheck.first + self._patience)
