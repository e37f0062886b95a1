"""What the fake's server leaves to its database: the order of text and nulls, and the ids.

PocketBase keeps its records in SQLite, BosBase in PostgreSQL. A client must not take the order of
the one for that of the other, so that the fake can be either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from rxbosbase.errors import ClientResponseError
from rxbosbase.live.engine.ordering import Order, SortKey, UnorderableError

from .collation import collation_key

__all__ = ["DATABASES", "Database", "Postgres"]

Record = dict[str, Any]

_BEGINNING = 1_767_225_600_000
"""The year 2026 in milliseconds: when the clock of the fake begins, to UUIDs that hold the time."""


class Database:
    """SQLite: text sorts by its bytes, nulls come first."""

    def text_key(self, text: str) -> Any:
        """The place of `text` among others."""
        return text

    def sort(self, rows: Iterable[Record], sort: str) -> list[Record]:
        """The rows as ``sort`` has them, by id at last; as they were made, where the fake knows no
        order: ``@random``, lists, objects.

        Raises:
            ClientResponseError: 400, the server sorts by no such key.
        """
        found = list(rows)
        with suppress(UnorderableError):
            found = self._sorted(found, sort)
        return found

    def _sorted(self, rows: list[Record], sort: str) -> list[Record]:
        return sorted(rows, key=Order.parse(sort).key)

    def new_id(self, number: int, now: float) -> str:
        """The id of the record that is made as the `number`-th, `now` seconds from the start."""
        return f"fake{number:011}"

    def signed(self, record: Record, action: str, user: str | None) -> Record:
        """The record with what the server itself puts into it.

        Args:
            user: the id of who writes, empty for a guest; None where nobody's request did it.
        """
        return record


class Postgres(Database):
    """PostgreSQL with an ``en_US`` collation, as of BosBase: nulls are above all values."""

    def text_key(self, text: str) -> Any:
        return collation_key(text)

    def _sorted(self, rows: list[Record], sort: str) -> list[Record]:
        if "." in sort:
            raise ClientResponseError(400, message=f"no field of a relation sorts here: {sort!r}")
        found = list(rows)
        # Sorting is stable: the last key first, so that each key before it goes over that.
        for key in reversed(Order.parse(sort).keys):
            found.sort(key=partial(_place, key.path), reverse=key.descending)
        return found

    def new_id(self, number: int, now: float) -> str:
        stamp = f"{_BEGINNING + round(now * 1000):012x}"
        return f"{stamp[:8]}-{stamp[8:]}-7000-8000-{number:012x}"

    def signed(self, record: Record, action: str, user: str | None) -> Record:
        if action == "create":
            return {"createdBy": user or "", "updatedBy": user or "", **record}
        return record if user is None else {**record, "updatedBy": user}


def _place(path: tuple[str, ...], row: Mapping[str, Any]) -> tuple[bool, int, Any]:
    value = SortKey(path).value(row)
    place = collation_key(value) if isinstance(value, str) else value
    return value is None, isinstance(value, str), place


DATABASES: dict[str, type[Database]] = {"sqlite": Database, "postgres": Postgres}
