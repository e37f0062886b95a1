"""The kind of a value in a DataFrame, and the kind that fits two values. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from rxbosbase.encoding.narrowing import is_mapping
from rxbosbase.encoding.record import ReadOnlyRecord

__all__ = ("EPOCH", "Kind", "flatten", "kind_of", "nanoseconds", "widened")


EXPAND = "expand"
REPEATED = frozenset({"collectionId", "collectionName"})
"""Fields with the same value in every row; they are columns only if requested."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SERVER_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
"""Dates as the server writes them, and as a body writes them back. Other texts of a time stay text,
so that writing a row back changes nothing."""

YEARS = range(1678, 2262)
"""The range of nanoseconds in 64 bits; a date outside of it stays text."""

INTEGERS = range(-(2**63), 2**63)


class Kind(Enum):
    """What a column holds. `UNKNOWN`: no value so far has a kind."""

    UNKNOWN = "unknown"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TIME = "time"
    TEXT = "text"
    ANY = "any"


def kind_of(value: Any) -> Kind:
    """Return the kind of one value; None and "" have none, as an empty date is "" too.

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
    """Return the narrowest kind that holds what `kind` holds, and `value` besides.

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
    """Return the server's date text as nanoseconds since 1970; None for any other text.

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


def flatten(record: ReadOnlyRecord, requested: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the record's fields, those of expanded records by their path; lists stay as they are.

    Args:
        requested: names that are given even if they are among `REPEATED`.

    >>> flatten({"id": "a", "author": "b", "expand": {"author": {"id": "b", "name": "Ann"}}})
    {'id': 'a', 'author': 'b', 'expand.author.id': 'b', 'expand.author.name': 'Ann'}
    """
    return dict(_fields(record, "", requested))


def _fields(
    record: ReadOnlyRecord, prefix: str, requested: frozenset[str]
) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        path = prefix + name
        if name == EXPAND and is_mapping(value):
            for relation, inner in value.items():
                below = f"{path}.{relation}"
                if is_mapping(inner):
                    yield from _fields(inner, f"{below}.", requested)
                else:
                    yield below, inner
        elif name not in REPEATED or path in requested:
            yield path, value
