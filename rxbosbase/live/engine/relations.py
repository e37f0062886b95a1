"""Which records of a view expand a given related record, and which of those changed lately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rxbosbase.live.engine.row_versions import expanded_records

__all__ = ["Relations"]


class Relations:
    """An index from the id of an expanded record to the records that show it.

    Ids are unique only within a collection; two collections that share one cost a needless read
    and nothing more.
    """

    def __init__(self) -> None:
        self._holders: dict[str, dict[str, None]] = {}  # a dict for its order, to be deterministic
        self._heard: dict[str, tuple[float, int]] = {}  # when and in which step; oldest first

    def __bool__(self) -> bool:
        return bool(self._holders)

    def hear(self, related_id: str, now: float, step: int) -> None:
        """A related record has changed: an expansion made before that may still be on its way."""
        self._heard.pop(related_id, None)
        self._heard[related_id] = (now, step)

    def forget(self, before: float, reading_since: int | None) -> None:
        """Frees what was heard before a time, unless a read that began earlier is under way."""
        while self._heard:
            oldest = next(iter(self._heard))
            heard, step = self._heard[oldest]
            if heard >= before or (reading_since is not None and step > reading_since):
                return
            del self._heard[oldest]

    def heard_after(self, record: Mapping[str, Any], step: int = -1) -> bool:
        """True if anything that the record expands was heard of after that step, and is not
        forgotten."""
        if not self._heard or "expand" not in record:
            return False
        ids = (str(related.get("id")) for related in expanded_records(record))
        return any(self._heard[id][1] > step for id in ids if id in self._heard)

    def holders(self, related_id: str) -> tuple[str, ...]:
        """The ids of the records that expand it."""
        return tuple(self._holders.get(related_id, ()))

    def replace(
        self, id: str, before: Mapping[str, Any] | None, record: Mapping[str, Any] | None
    ) -> None:
        """The view's record ``id`` was ``before`` and is ``record``."""
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
