"""The databases of the fake's server: the order of text and nulls, and the ids.

PocketBase keeps its records in SQLite, BosBase in PostgreSQL. Their orders differ, and a client
has to work with both, so the fake has both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from rxbosbase.encoding.record import Record
from rxbosbase.errors import ClientResponseError
from rxbosbase.live.engine.ordering import Order, SortKey, UnorderableError

from .collation import collation_key

__all__ = ("DATABASES", "Database", "Postgres")


_BEGINNING = 1_767_225_600_000
"""The start of 2026 in milliseconds: the time in UUIDs when the clock of the fake is at 0."""


class Database:
    """SQLite: text sorts by its bytes, nulls come first."""

    def text_key(self, text: str) -> Any:
        """Return the sort key of `text`."""
        return text

    def sort(self, rows: Iterable[Record], sort: str) -> list[Record]:
        """Return the rows in the order of ``sort``, then of their ids.

        Where the fake has no order (``@random``, lists, objects) it is the order of creation.

        Raises:
            ClientResponseError: 400, the server does not sort by such a key.
        """
        found = list(rows)
        with suppress(UnorderableError):
            found = self._sorted(found, sort)
        return found

    def _sorted(self, rows: list[Record], sort: str) -> list[Record]:
        return sorted(rows, key=Order.parse(sort).key)

    def new_id(self, number: int, now: float) -> str:
        """Return the id of the `number`-th record, created `now` seconds from the start."""
        return f"fake{number:011}"

    def with_server_fields(self, record: Record, action: str, user: str | None) -> Record:
        """Return the record with the fields that the server adds.

        Args:
            user: the id of the user who writes, empty without a login; None without a request.
        """
        return record


class Postgres(Database):
    """PostgreSQL with an ``en_US`` collation, as BosBase has it: nulls are above all values."""

    def text_key(self, text: str) -> Any:
        return collation_key(text)

    def _sorted(self, rows: list[Record], sort: str) -> list[Record]:
        if "." in sort:
            raise ClientResponseError(400, message=f"no field of a relation sorts here: {sort!r}")
        found = list(rows)
        # Sorting is stable: the last key first, so that each earlier key has precedence.
        for key in reversed(Order.parse(sort).keys):
            found.sort(key=partial(_sort_key, key.path), reverse=key.descending)
        return found

    def new_id(self, number: int, now: float) -> str:
        time = f"{_BEGINNING + round(now * 1000):012x}"
        return f"{time[:8]}-{time[8:]}-7000-8000-{number:012x}"

    def with_server_fields(self, record: Record, action: str, user: str | None) -> Record:
        if action == "create":
            return {"createdBy": user or "", "updatedBy": user or "", **record}
        return record if user is None else {**record, "updatedBy": user}


def _sort_key(path: tuple[str, ...], row: Mapping[str, Any]) -> tuple[bool, int, Any]:
    value = SortKey(path).value(row)
    key = collation_key(value) if isinstance(value, str) else value
    return value is None, isinstance(value, str), key


DATABASES: dict[str, type[Database]] = {"sqlite": Database, "postgres": Postgres}
