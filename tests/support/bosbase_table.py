"""A collection of the BosBase-like server: rows, fields, and the order they are listed in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from support.bosbase_filter import Condition, Filters, Refused
from support.collation import Collation

__all__ = ["AUTODATES", "SYSTEM", "Nulls", "Record", "Rule", "Table", "shown_time"]

Record: TypeAlias = dict[str, Any]
Nulls: TypeAlias = Literal["last", "first"]
"""The position of nulls in an ascending sort; with ``-`` at the other end."""

Rule: TypeAlias = Literal["public", "login", "locked"]
"""Who has access to records: everybody; all with a login; superusers alone."""

AUTODATES = ("created", "updated")
SYSTEM = ("id", "createdBy", "updatedBy", *AUTODATES)
MAX_SORT_KEYS = 8


class Table:
    """Not thread-safe: the server has a lock.

    Attributes:
        rows: by id, in heap order: a row that was written is last. Without a sort, and among rows
            that are equal in a sort, that is the order of a list. The two times are stored as
            datetimes with microseconds.
        fields: the names of the columns; every row has each of them.
        hidden: the names of fields that events do not have, but lists have.
        list_rule, view_rule: for lists and topics of "*", and for single records and their topics.
        stale_plans: how many of the coming reads are refused once, as those on connections of the
            database are that planned them before a field changed.
    """

    def __init__(self, name: str, collation: Collation, nulls: Nulls, filters: Filters) -> None:
        self.name = name
        self.id = f"pbc_{name}"
        self.rows: dict[str, Record] = {}
        self.fields: list[str] = list(SYSTEM)
        self.hidden: set[str] = set()
        self.list_rule: Rule = "public"
        self.view_rule: Rule = "public"
        self.stale_plans = 0
        self._collation = collation
        self._nulls = nulls
        self._filters = filters

    # -- writing ---------------------------------------------------------------------------------

    def put(self, values: Mapping[str, Any]) -> Record:
        """Insert or replace a row; fields that it does not name stay, or are null. A new name
        becomes a field of all rows."""
        for name in values:
            if name not in self.fields:
                self.add_field(name, None)
        before = self.rows.pop(values["id"], None) or dict.fromkeys(self.fields)
        row = {
            **before,
            **values,
            **{name: _moment(values[name]) for name in AUTODATES & values.keys()},
        }
        self.rows[row["id"]] = row
        return row

    def add_field(self, name: str, value: Any) -> None:
        """Add a column, with this value in each row."""
        self.fields.append(name)
        for row in self.rows.values():
            row[name] = value

    def remove_field(self, name: str) -> None:
        """Remove a column."""
        self.fields.remove(name)
        self.hidden.discard(name)
        for row in self.rows.values():
            del row[name]

    def rename_field(self, name: str, new: str) -> None:
        """Rename a column; its values stay."""
        self.fields[self.fields.index(name)] = new
        for id, row in self.rows.items():
            self.rows[id] = {new if key == name else key: value for key, value in row.items()}
        if name in self.hidden:
            self.hidden.remove(name)
            self.hidden.add(new)

    # -- reading ---------------------------------------------------------------------------------

    def condition(self, text: str) -> Condition:
        """Parse a filter for this collection. Raises `Refused`."""
        return self._filters.read(text, self.fields)

    def select(self, filter: str = "", sort: str = "") -> list[Record]:
        """Return the rows that match, in order. Raises `Refused`."""
        matches = self.condition(filter).matches
        rows = [row for row in self.rows.values() if matches(row)]
        keys = [key.strip() for key in sort.split(",") if key.strip()]
        if len(keys) > MAX_SORT_KEYS:
            raise Refused(f"more than {MAX_SORT_KEYS} keys in a sort")
        for key in reversed(keys):
            name, descending = key.lstrip("+-"), key.startswith("-")
            if name not in self.fields:
                raise Refused(f"invalid sort field {name!r}")
            rows.sort(key=self._sort_key(name), reverse=descending)
        return rows

    def _sort_key(self, name: str) -> Callable[[Record], Any]:
        def key(row: Record) -> Any:
            value = row[name]
            if value is None:
                return (self._nulls == "last",)
            return (self._nulls == "first", self._sorted_by(value))

        return key

    def _sorted_by(self, value: Any) -> Any:
        if isinstance(value, list | dict):
            value = json.dumps(value, ensure_ascii=False)
        return self._collation(value) if isinstance(value, str) else value

    def shown(self, row: Record, fields: str = "", without: Iterable[str] = ()) -> Record:
        """Return the record as it is sent; `fields` as in a query, each by its first name."""
        record: Record = {"collectionId": self.id, "collectionName": self.name}
        record |= {name: value for name, value in row.items() if name not in set(without)}
        record |= {name: shown_time(row[name]) for name in AUTODATES if name in record}
        asked = {part.strip().partition(":")[0] for part in fields.split(",")} - {""}
        if not asked or "*" in asked:
            return record
        return {name: value for name, value in record.items() if name in asked}


def shown_time(moment: datetime | None) -> str | None:
    """Return a time as the server shows it: cut to milliseconds.

    >>> shown_time(datetime(2026, 1, 2, 3, 4, 5, 678999, UTC))
    '2026-01-02 03:04:05.678Z'
    """
    if moment is None:
        return None
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _moment(given: str | datetime | None) -> datetime | None:
    if given is None:
        return None
    moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
