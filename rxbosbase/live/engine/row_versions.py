"""The version of a row: its ``updated``, and those of the records it expands.

And whether its numbers are those of the database: a frame has a number as it was written, also
where the database stores it in another form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from rxbosbase.encoding.record import Record

__all__ = (
    "RowVersion", "are_equal", "earlier", "expanded_records", "has_version",
    "is_stored_differently", "updated_of", "version_of",
)  # fmt: skip

LEAST, MOST = -(2**63), 2**63 - 1

WITH_EXPONENT = 1e21
"""From here on Go writes a number with an exponent (``encoding/json``, as ECMA-262)."""

RowVersion = tuple[tuple[str, str], ...]
"""``(id, updated)`` of a row and of every record it expands: equal while nothing has moved."""


def updated_of(record: Mapping[str, Any]) -> str:
    """Return the row's ``updated``, or "" if it has none. The server's text sorts as the time does.

    >>> updated_of({"id": "a", "updated": "2026-01-02 03:04:05.678Z"})
    '2026-01-02 03:04:05.678Z'
    >>> updated_of({"id": "a"})
    ''
    """
    updated = record.get("updated")
    return updated if isinstance(updated, str) else ""


def are_equal(one: object, other: object) -> bool:
    """Return ``one == other``; False where they are nested too deeply to be compared, since a value
    that could just be decoded may be too deep for the stack of the comparison.

    >>> are_equal({"id": "a"}, {"id": "a"})
    True
    """
    try:
        return one is other or bool(one == other)
    except RecursionError:
        return False


def is_stored_differently(record: Mapping[str, Any]) -> bool:
    """Return True if a read may give a number of the record with other digits than the frame.

    SQLite makes a float of an integer of more than 64 bits; inside lists and objects it is text to
    SQLite, and stays. PostgreSQL keeps all digits of a number that the frame has with an exponent,
    at any depth.

    >>> is_stored_differently({"n": 2**63}), is_stored_differently({"data": {"n": [1e25]}})
    (True, True)
    >>> is_stored_differently({"n": 2**63 - 1, "data": [2**63, 1e20]})
    False
    """
    waiting: list[Any] = []
    for name, value in record.items():
        kind = type(value)  # pyright: ignore[reportUnknownVariableType]
        if kind is int:
            if not LEAST <= value <= MOST:
                return True
        elif kind is float:
            if abs(value) >= WITH_EXPONENT:
                return True
        elif (kind is dict or kind is list) and name != "expand":
            waiting.append(value)
    while waiting:  # no recursion: the server decides how deep it goes
        value = waiting.pop()
        for each in cast("Iterable[Any]", value.values() if type(value) is dict else value):
            kind = type(each)  # pyright: ignore[reportUnknownVariableType]
            if kind is float:
                if abs(each) >= WITH_EXPONENT:
                    return True
            elif kind is dict or kind is list:
                waiting.append(each)
    return False


def expanded_records(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Iterate over every record under ``expand``, at any depth."""
    waiting = [record]  # no recursion: the server decides how deep it goes
    while waiting:
        expand: Mapping[str, list[Record] | Record | None] | None = waiting.pop().get("expand")
        for found in expand.values() if isinstance(expand, Mapping) else ():
            for related in found if isinstance(found, list) else [found]:
                if isinstance(related, Mapping):
                    yield related
                    waiting.append(related)


def version_of(record: Mapping[str, Any]) -> RowVersion:
    """Return the row's version. The order within ``expand`` does not matter.

    >>> version_of({"id": "a", "updated": "2026", "expand": {"by": {"id": "u", "updated": "2025"}}})
    (('a', '2026'), ('u', '2025'))
    """
    own = (str(record["id"]), updated_of(record))
    if "expand" not in record:
        return (own,)
    related = {(str(r.get("id")), updated_of(r)) for r in expanded_records(record)}
    return (own, *sorted(related))


def has_version(record: Mapping[str, Any]) -> bool:
    """Return False if the row, or a record it expands, has no ``updated``: then whole rows are
    compared.

    >>> has_version({"id": "a", "updated": "2026", "expand": {"by": {"id": "u"}}})
    False
    """
    return all(updated for _, updated in version_of(record))


def earlier(updated: str, seconds: float) -> str:
    """Return the ``updated`` so many seconds before; "" (before everything) if it is no date.

    >>> earlier("2026-01-01 00:00:02.500Z", 5)
    '2025-12-31 23:59:57.500Z'
    >>> earlier("soon", 5)
    ''
    """
    try:
        moment = datetime.fromisoformat(updated) - timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return ""
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
