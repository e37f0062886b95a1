"""Orders records as the server's ``sort`` does, where a client can know that order.

The server sorts in SQLite: nulls first, then numbers (false is 0, true is 1), then text by its
UTF-8 bytes, dates being text. Python compares ``str`` by code point, which is the same order as
UTF-8 bytes. The last key is always ``id``, so that no two records tie.

What the client cannot order as the server does, the server must be asked for: see `Order.parse`
(``@random``, ``@rowid``, modifiers, back relations, JSON paths, relations that are not expanded)
and `Order.key` (lists, objects and fields that this client may not see).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Order", "SortKey", "UnorderableError", "orderable"]

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)

_NULL, _NUMBER, _TEXT = range(3)  # SQLite's order of types


class UnorderableError(ValueError):
    """Only the server can order this: read the rows in its order instead."""


class _Reversed:
    """Text that sorts the other way round."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __lt__(self, other: _Reversed) -> bool:
        return other.text < self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and other.text == self.text


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of a sort: a field, or a path to a field of an expanded record."""

    path: tuple[str, ...]
    descending: bool = False

    def part(self, record: Mapping[str, Any]) -> tuple[int, Any]:
        """The record's place by this key alone, to be compared with that of other records."""
        value = _value_at(record, self.path)
        if value is None:
            return (_NULL, 0)
        if isinstance(value, str):
            return (-_TEXT, _Reversed(value)) if self.descending else (_TEXT, value)
        if isinstance(value, int | float):
            return (-_NUMBER, -value) if self.descending else (_NUMBER, value)
        raise UnorderableError(f"{'.'.join(self.path)!r} holds a list or an object")


@dataclass(frozen=True, slots=True)
class Order:
    """A sort that the client can do.

    >>> order = Order.parse("-status,title")
    >>> rows = [{"id": "a", "status": 1, "title": "x"}, {"id": "b", "status": 2, "title": "y"}]
    >>> [row["id"] for row in sorted(rows, key=order.key)]
    ['b', 'a']
    """

    keys: tuple[SortKey, ...]

    @classmethod
    def parse(cls, sort: str | None = None, *, expand: str | None = None) -> Order:
        """The order of a ``sort`` such as ``"-created,+title,author.name"``; None is by id.

        ``expand`` is the view's: a path through a relation needs it expanded.
        Raises `UnorderableError` for what only the server can order.
        """
        expanded = {path.strip() for path in (expand or "").split(",")}
        keys = [_parse_key(key, expanded) for key in (sort or "").split(",") if key.strip()]
        return cls((*keys, SortKey(("id",))))  # after an `id` of its own it decides nothing

    def key(self, record: Mapping[str, Any]) -> tuple[Any, ...]:
        """The record's place: sort by it. Raises `UnorderableError` if the record does not tell."""
        return tuple(key.part(record) for key in self.keys)


def orderable(sort: str | None, *, expand: str | None = None) -> bool:
    """True if `Order.parse` takes it. A record may still turn out not to tell its place.

    >>> orderable("-created,title"), orderable("@random"), orderable("author.name")
    (True, False, False)
    >>> orderable("author.name", expand="author")
    True
    """
    try:
        Order.parse(sort, expand=expand)
    except UnorderableError:
        return False
    return True


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
        related = expand.get(relation) if isinstance(expand, Mapping) else None
        if not isinstance(related, Mapping):
            raise UnorderableError(f"{relation!r} is not expanded to one record")
        record = related
    if path[-1] not in record:
        raise UnorderableError(f"{'.'.join(path)!r} is not among the fields this client sees")
    return record[path[-1]]
