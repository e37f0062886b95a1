"""Orders records as the server's ``sort`` does, where a client can know that order.

PocketBase sorts in SQLite: nulls first, then numbers (false is 0, true is 1), then text by its
UTF-8 bytes, dates being text. Python compares ``str`` by code point, which is the same order as
UTF-8 bytes. The last key is always ``id``, so that no two records tie. Other databases sort text by
the rules of a language, and put nulls and other kinds of values elsewhere: `order_evidence` finds
out, and `Order.ranked` takes the result.

For what the client cannot order as the server does, the server's order is read: see `Order.parse`
(``@random``, ``@rowid``, modifiers, back relations, JSON paths, relations that are not expanded)
and `Order.key` (lists, objects and fields that this client may not see).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias
from unicodedata import normalize

from rxbosbase.encoding.narrowing import is_mapping

__all__ = (
    "SQLITE", "TEXTS", "Kind", "Order", "Ranks", "SortKey", "UnorderableError", "Values", "kind_of",
)  # fmt: skip

Kind: TypeAlias = Literal["null", "number", "bool", "empty", "date", "uuid", "text"]
"""What a value is for a database that sorts: two of one kind, bar text, sort alike everywhere."""

Values: TypeAlias = tuple[tuple[Kind, Any], ...]
"""The values a record is sorted by: kind and value of each key."""

Ranks: TypeAlias = Mapping[Kind, int]
"""Which kinds of a key come before which others."""

TEXTS: frozenset[Kind] = frozenset({"empty", "date", "uuid", "text"})
"""The kinds that are text by their values."""

_SORTABLE = (str, int, float)
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

SQLITE: Ranks = {"null": 0, "number": 1, "bool": 1, "empty": 2, "date": 2, "uuid": 2, "text": 2}
"""SQLite's order of types."""


class UnorderableError(ValueError):
    """Only the server can order these rows: read them in its order instead."""


class _Reversed:
    """A value that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and bool(other.value == self.value)


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of a sort: a field, or a path to a field of an expanded record."""

    path: tuple[str, ...]
    descending: bool = False

    def value(self, record: Mapping[str, Any]) -> Any:
        """Return the value the record is sorted by. Raises `UnorderableError` if the record
        lacks it."""
        name = self.path[-1]
        is_own = len(self.path) == 1 and name in record
        value = record[name] if is_own else _value_at(record, self.path)
        if value is not None and not isinstance(value, _SORTABLE):
            raise UnorderableError(f"{'.'.join(self.path)!r} holds a list or an object")
        return value

    def part(self, value: Any, ranks: Ranks) -> tuple[int, Any]:
        """Return the place of a value by this key alone, to be compared with that of other
        values."""
        if isinstance(value, str):
            rank = ranks["text"] if ranks is SQLITE else ranks[kind_of(value)]
            return (-rank, _Reversed(value)) if self.descending else (rank, value)
        if value is None:
            return (-ranks["null"], 0) if self.descending else (ranks["null"], 0)
        rank = ranks["bool" if isinstance(value, bool) else "number"]
        return (-rank, -value) if self.descending else (rank, value)


def kind_of(value: Any) -> Kind:
    """Return the kind of a value that can be sorted by.

    >>> kind_of(None), kind_of(True), kind_of(1.5), kind_of("2026-01-02 03:04:05.678Z")
    ('null', 'bool', 'number', 'date')
    """
    if isinstance(value, str):
        length = len(value)
        if length == 24 and _DATE.fullmatch(value):
            return "date"
        if length == 36 and _UUID.fullmatch(value):
            return "uuid"
        return "text" if length else "empty"
    if value is None:
        return "null"
    return "bool" if isinstance(value, bool) else "number"


@dataclass(frozen=True, slots=True)
class Order:
    """A sort that the client can do.

    Attributes:
        ranks: for each key, which kinds of values come first, where it is not as in SQLite.

    >>> order = Order.parse("-status,title")
    >>> rows = [{"id": "a", "status": 1, "title": "x"}, {"id": "b", "status": 2, "title": "y"}]
    >>> [row["id"] for row in sorted(rows, key=order.key)]
    ['b', 'a']
    """

    keys: tuple[SortKey, ...]
    ranks: tuple[Ranks, ...]

    @classmethod
    def parse(cls, sort: str | None = None, *, expand: str | None = None) -> Order:
        """Return the order of a ``sort`` such as ``"-created,+title,author.name"``; None is by id.

        ``expand`` is the view's: a path through a relation needs it expanded.
        Raises `UnorderableError` for what only the server can order.
        """
        expanded = {path.strip() for path in (expand or "").split(",")}
        keys = [_parse_key(key, expanded) for key in (sort or "").split(",") if key.strip()]
        keys.append(SortKey(("id",)))
        end = next(at for at, key in enumerate(keys, 1) if key.path == ("id",))
        return cls(tuple(keys[:end]), (SQLITE,) * end)  # no two ids are equal: it ends there

    def ranked(self, ranks: tuple[Ranks, ...]) -> Order:
        """Return the same keys with another order of the kinds."""
        return replace(self, ranks=ranks)

    def key(self, record: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the record's place. Raises `UnorderableError` if it lacks a value it is sorted
        by."""
        parts = zip(self.keys, self.ranks, strict=True)
        return tuple([key.part(key.value(record), ranks) for key, ranks in parts])

    def values(self, record: Mapping[str, Any]) -> Values:
        """Return the values the record is sorted by. Raises `UnorderableError` as `key` does."""
        values = [key.value(record) for key in self.keys]
        return tuple([(kind_of(value), value) for value in values])

    def guess(self, values: Values, depth: int) -> tuple[Any, ...]:
        """Return a place that is right as far as the first `depth` keys decide it.

        Behind them it is near the right one for text sorted by the rules of a language: those look
        at case and punctuation last.
        """
        return tuple(
            _loosely(key, value, ranks[kind])
            if kind in TEXTS and at >= depth
            else key.part(value, ranks)
            for at, (key, ranks, (kind, value)) in enumerate(
                zip(self.keys, self.ranks, values, strict=True)
            )
        )


def _loosely(key: SortKey, text: str, rank: int) -> tuple[int, Any]:
    letters = filter(str.isalnum, normalize("NFKD", text.casefold()))  # no case, no accents
    loose = ("".join(letters), text)
    return (-rank, _Reversed(loose)) if key.descending else (rank, loose)


def _parse_key(text: str, expanded: Collection[str]) -> SortKey:
    text = text.strip()
    name = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    path = tuple(name.strip().split("."))
    if not _NAME.fullmatch(name.strip()) or any("_via_" in part for part in path):
        raise UnorderableError(f"the server alone can sort by {name!r}")
    relation = ".".join(path[:-1])
    shown = any(each == relation or each.startswith(relation + ".") for each in expanded)
    if relation and not shown:
        raise UnorderableError(f"to sort by {name!r}, expand {relation!r}")
    return SortKey(path, text.startswith("-"))


def _value_at(record: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    for relation in path[:-1]:
        if record.get(relation) in ("", None):
            return None  # no related record: a null to the server's join
        expand = record.get("expand")
        related = expand.get(relation) if is_mapping(expand) else None
        if not is_mapping(related):
            raise UnorderableError(f"{relation!r} is not expanded to one record")
        record = related
    if path[-1] not in record:
        raise UnorderableError(f"{'.'.join(path)!r} is not among the fields this client sees")
    return record[path[-1]]
