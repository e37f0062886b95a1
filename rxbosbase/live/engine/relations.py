"""Which records of a view expand a given related record, and which of those changed lately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .row_versions import expanded_records

__all__ = ("Relations",)


class Relations:
    """An index from the id of an expanded record to the records that show it.

    Ids are unique only within a collection; two collections that share one cost a needless read
    and nothing more.
    """

    def __init__(self) -> None:
        self._holders: dict[str, dict[str, None]] = {}  # a dict for its order, to be deterministic
        self._changes: dict[str, tuple[float, int]] = {}  # when and in which step; oldest first

    def __bool__(self) -> bool:
        return bool(self._holders)

    def record_changed(self, related_id: str, now: float, step: int) -> None:
        """Note that a related record has changed: frames with older expansions may still arrive."""
        self._changes.pop(related_id, None)
        self._changes[related_id] = (now, step)

    def forget(self, before: float, reading_since: int | None) -> None:
        """Free the changes before a time, unless a read that began earlier is under way."""
        while self._changes:
            oldest = next(iter(self._changes))
            changed_at, step = self._changes[oldest]
            if changed_at >= before or (reading_since is not None and step > reading_since):
                return
            del self._changes[oldest]

    def changed_after(self, record: Mapping[str, Any], step: int = -1) -> bool:
        """Return True if a record that this one expands has changed after that step, and the
        change is not freed."""
        if not self._changes or "expand" not in record:
            return False
        ids = (str(related.get("id")) for related in expanded_records(record))
        return any(self._changes[id][1] > step for id in ids if id in self._changes)

    def holders(self, related_id: str) -> tuple[str, ...]:
        """Return the ids of the records that expand it."""
        return tuple(self._holders.get(related_id, ()))

    def replace(
        self, id: str, before: Mapping[str, Any] | None, record: Mapping[str, Any] | None
    ) -> None:
        """Update the index: the view's record ``id`` was ``before`` and is ``record``."""
        if before is not None and "expand" in before:
            for related in expanded_records(before):
                self._drop(str(related.get("id")), id)
        if record is not None and "expand" in record:
            for related in expanded_records(record):
                self._holders.setdefault(str(related.get("id")), {})[id] = None

    def _drop(self, related_id: str, id: str) -> None:
        holders = self._holders.get(related_id)
        if holders is not None:
            holders.pop(id, None)
            if not holders:
                del self._holders[related_id]
