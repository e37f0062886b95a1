"""Which records of a view expand a given related record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rxbosbase.live.stamps import expanded_records

__all__ = ["Relations"]


class Relations:
    """An index from the id of an expanded record to the records that show it.

    Ids are unique only within a collection; two collections that share one cost a needless read
    and nothing more.
    """

    def __init__(self) -> None:
        self._holders: dict[str, dict[str, None]] = {}  # a dict for its order, to be deterministic

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
