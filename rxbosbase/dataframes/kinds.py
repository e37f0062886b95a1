"""What a value is for a DataFrame, and what two kinds of values have in common. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

__all__ = ["EPOCH", "Kind", "flatten", "kind_of", "nanoseconds", "widened"]

Record = Mapping[str, Any]

EXPAND = "expand"
REPEATED = frozenset({"collectionId", "collectionName"})
"""Fields that say the same in every row; they are columns only where asked for."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SERVER_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
"""As the server writes dates, and as a body writes them back. Any other text of a time stays text:
a row that is written back has to change nothing."""

YEARS = range(1678, 2262)
"""What nanoseconds in 64 bits can tell; a date outside of it stays text."""

INTEGERS = range(-(2**63), 2**63)


class Kind(Enum):
    """What a column holds. `UNKNOWN`: no value so far that tells."""

    UNKNOWN = "unknown"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TIME = "time"
    TEXT = "text"
    ANY = "any"


def kind_of(value: Any) -> Kind:
    """The kind of one value; None and "" tell nothing, as an empty date is "" too.

    >>> kind_of(3), kind_of(3.5), kind_of("2024-01-31 10:00:00.123Z"), kind_of("")
    (<Kind.INT: 'int'>, <Kind.FLOAT: 'float'>, <Kind.TIME: 'time'>, <Kind.UNKNOWN: 'unknown'>)
    """
    if value is None or value == "":
        return Kind.UNKNOWN
    if isinstance(value, bool):
        return Kind.BOOL
    if isinstance(value, int):
        if value in INTEGERS:
            return Kind.INT
        return Kind.FLOAT if abs(value) <= sys.float_info.max else Kind.ANY
    if isinstance(value, float):
        return Kind.FLOAT
    if isinstance(value, str):
        return Kind.TEXT if nanoseconds(value) is None else Kind.TIME
    return Kind.ANY


def widened(kind: Kind, value: Any) -> Kind:
    """The narrowest kind that holds what `kind` holds, and `value` besides.

    >>> widened(Kind.INT, 0.5), widened(Kind.TIME, "soon"), widened(Kind.INT, "soon")
    (<Kind.FLOAT: 'float'>, <Kind.TEXT: 'text'>, <Kind.ANY: 'any'>)
    """
    if value is None or kind is Kind.ANY:
        return kind
    new = kind_of(value)
    if new is kind or kind is Kind.UNKNOWN:
        return new
    if new is Kind.UNKNOWN:  # an empty text
        return kind if kind in (Kind.TIME, Kind.TEXT) else Kind.ANY
    pair = {kind, new}
    if pair == {Kind.INT, Kind.FLOAT}:
        return Kind.FLOAT
    return Kind.TEXT if pair == {Kind.TIME, Kind.TEXT} else Kind.ANY


def nanoseconds(text: str) -> int | None:
    """The server's date text as nanoseconds since 1970; None for any other text.

    >>> nanoseconds("1970-01-01 00:00:01.500Z")
    1500000000
    """
    if not SERVER_DATE.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # the 31st of February
        return None
    return (moment - EPOCH) // MICROSECOND * 1000 if moment.year in YEARS else None


def flatten(record: Record, wanted: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The record's fields, those of expanded records by their path; lists stay as they are.

    Args:
        wanted: names that are given even if they are among `REPEATED`.

    >>> flatten({"id": "a", "author": "b", "expand": {"author": {"id": "b", "name": "Ann"}}})
    {'id': 'a', 'author': 'b', 'expand.author.id': 'b', 'expand.author.name': 'Ann'}
    """
    return dict(_fields(record, "", wanted))


def _fields(record: Record, prefix: str, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        path = prefix + name
        if name == EXPAND and isinstance(value, Mapping):
            for relation, inner in value.items():
                below = f"{path}.{relation}"
                if isinstance(inner, Mapping):
                    yield from _fields(inner, f"{below}.", wanted)
                else:
                    yield below, inner
        elif name not in REPEATED or path in wanted:
            yield path, value
