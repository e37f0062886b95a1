"""The table behind the stream, for live views: pages by keyset, and rows by their ids."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .payloads import payloads, record_id

__all__ = ["Table"]

MAX_PER_PAGE = 1000
_AFTER = re.compile(r"id\s*>\s*[\"']([^\"']+)[\"']")
_EQUAL = re.compile(r"(?<![a-zA-Z])id\s*=\s*[\"']([^\"']+)[\"']")


class Table:
    """`count` records of `size` bytes; `renew` gives the first of them a later ``updated``."""

    def __init__(self, size: int, count: int) -> None:
        self._size = size
        self._ids = [record_id(number) for number in range(count)]
        self._rows = payloads(size, count)

    def renew(self, version: int, events: int) -> list[bytes]:
        """Change the rows of the next `events` events; return them."""
        changed = payloads(self._size, min(events, len(self._ids)), version=version)
        self._rows[: len(changed)] = changed
        return changed

    def read(self, target: str) -> dict[str, Any]:
        """Return the response to a list request, or to one for a single record."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        last = parts.path.rpartition("/")[2]
        fields = set(filter(None, query.get("fields", "").split(",")))
        if last != "records":
            return self._row(self._ids.index(last), fields) if last in self._ids else {}
        wanted = query.get("filter", "")
        per_page = min(MAX_PER_PAGE, int(query.get("perPage", 30)))
        after = _AFTER.search(wanted)
        asked = set(_EQUAL.findall(wanted))
        start = bisect_right(self._ids, after[1]) if after else 0
        if not after:
            start = (int(query.get("page", 1)) - 1) * per_page
        if asked:
            indexes = [at for at in map(self._index, sorted(asked)) if at is not None]
        else:
            indexes = list(range(start, min(start + per_page, len(self._ids))))
        items = [self._row(at, fields) for at in indexes]
        total = len(self._ids)
        return {
            "page": 1, "perPage": per_page, "items": items,
            "totalItems": total, "totalPages": -(-total // per_page),
        }  # fmt: skip

    def _index(self, known: str) -> int | None:
        at = bisect_right(self._ids, known) - 1
        return at if at >= 0 and self._ids[at] == known else None

    def _row(self, at: int, fields: set[str]) -> dict[str, Any]:
        row: dict[str, Any] = json.loads(self._rows[at])
        return {name: row[name] for name in row if name in fields} if fields else row
