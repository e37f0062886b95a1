"""What a row says of its own age: its ``updated``, and those of the records it expands.

And whether it is to be believed: of a number that the database keeps in another form, a frame has
the one that was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

__all__ = [
    "Stamp", "earlier", "expanded_records", "is_kept_otherwise", "is_stamped", "same", "stamp_of",
    "updated_of",
]  # fmt: skip

LEAST, MOST = -(2**63), 2**63 - 1

WITH_EXPONENT = 1e21
"""From here on Go writes a number with an exponent (``encoding/json``, as ECMA-262)."""

Stamp = tuple[tuple[str, str], ...]
"""``(id, updated)`` of a row and of every record it expands: equal while nothing has moved."""


def updated_of(record: Mapping[str, Any]) -> str:
    """The row's ``updated``, or "" if it has none. The server's text sorts as the time does.

    >>> updated_of({"id": "a", "updated": "2026-01-02 03:04:05.678Z"})
    '2026-01-02 03:04:05.678Z'
    >>> updated_of({"id": "a"})
    ''
    """
    updated = record.get("updated")
    return updated if isinstance(updated, str) else ""


def same(one: object, other: object) -> bool:
    """``one == other``; False where they are nested too deeply to be compared, since a value that
    could just be decoded may be too deep for the stack of the comparison.

    >>> same({"id": "a"}, {"id": "a"})
    True
    """
    try:
        return one is other or bool(one == other)
    except RecursionError:
        return False


def is_kept_otherwise(record: Mapping[str, Any]) -> bool:
    """True if a read may give a number of the record with other digits than the frame.

    SQLite makes a float of an integer of more than 64 bits; inside lists and objects it is text to
    SQLite, and stays. PostgreSQL keeps all digits of a number that the frame has with an exponent,
    at any depth.

    >>> is_kept_otherwise({"n": 2**63}), is_kept_otherwise({"data": {"n": [1e25]}})
    (True, True)
    >>> is_kept_otherwise({"n": 2**63 - 1, "data": [2**63, 1e20]})
    False
    """
    waiting: list[Any] = []
    for name, value in record.items():
        kind = type(value)
        if kind is int:
            if not LEAST <= value <= MOST:
                return True
        elif kind is float:
            if abs(value) >= WITH_EXPONENT:
                return True
        elif (kind is dict or kind is list) and name != "expand":
            waiting.append(value)
    while waiting:  # no recursion: how deep it goes is the other side's to say
        value = waiting.pop()
        for each in value.values() if type(value) is dict else value:
            kind = type(each)
            if kind is float:
                if abs(each) >= WITH_EXPONENT:
                    return True
            elif kind is dict or kind is list:
                waiting.append(each)
    return False


def expanded_records(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every record under ``expand``, at any depth, each where it stands."""
    waiting = [record]  # no recursion: how deep it goes is the other side's to say
    while waiting:
        expand = waiting.pop().get("expand")
        for found in expand.values() if isinstance(expand, Mapping) else ():
            for related in found if isinstance(found, list) else [found]:
                if isinstance(related, Mapping):
                    yield related
                    waiting.append(related)


def stamp_of(record: Mapping[str, Any]) -> Stamp:
    """The row's stamp. The order within ``expand`` does not matter.

    >>> stamp_of({"id": "a", "updated": "2026", "expand": {"by": {"id": "u", "updated": "2025"}}})
    (('a', '2026'), ('u', '2025'))
    """
    own = (str(record["id"]), updated_of(record))
    if "expand" not in record:
        return (own,)
    related = {(str(r.get("id")), updated_of(r)) for r in expanded_records(record)}
    return (own, *sorted(related))


def is_stamped(record: Mapping[str, Any]) -> bool:
    """False if the row, or a record it expands, has no ``updated``: then only the whole compares.

    >>> is_stamped({"id": "a", "updated": "2026", "expand": {"by": {"id": "u"}}})
    False
    """
    return all(updated for _, updated in stamp_of(record))


def earlier(updated: str, seconds: float) -> str:
    """The stamp so many seconds before; "" (before everything) if ``updated`` is no date.

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
