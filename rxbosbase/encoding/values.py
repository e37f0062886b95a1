"""Converts users' values to those of JSON: one form for bodies, filters and options. Pure.

A value of numpy or pandas is recognised by its attributes (``dtype``, ``tolist``), or by the types
of their modules if these are imported already. Nothing is imported here: a program without such
values has no cost, and need not have them installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite, isnan
from typing import Any

__all__ = ("is_missing", "plain")

_AS_IT_IS = frozenset({str, int, bool, type(None)})


def plain(value: Any) -> Any:
    """Return `value` as dicts, lists, str, int, float, Decimal, bool and None alone.

    =============================================  ================================================
    subclasses of these, tuples, other mappings    what they are made from
    datetime, ``pandas.Timestamp``, datetime64     text: UTC, cut to milliseconds, as the server's;
                                                   one without a time zone is UTC already
    date                                           the same text, of its midnight
    NaN, ``pandas.NA``, ``NaT``                    None, as they are what pandas has for "missing"
    scalars of numpy                               the number, bool or text
    arrays of numpy and pandas                     a list
    UUID                                           its text
    Enum                                           its value
    dataclass                                      a dict, by the names that its model has for keys
    =============================================  ================================================

    Raises:
        TypeError: it is, or holds, anything else, or itself; the message says what to give.
        ValueError: a number that is infinite, or a time outside the years 1 to 9999.

    >>> plain({"at": datetime(2026, 1, 31, 12), "n": (1, float("nan"))})
    {'at': '2026-01-31 12:00:00.000Z', 'n': [1, None]}
    """
    try:
        return _plain(value)
    except RecursionError:
        raise TypeError("it is nested too deeply, or holds itself") from None


def _plain(value: Any) -> Any:
    # No comprehensions: each level of the value would take two of the interpreter's.
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind in _AS_IT_IS:
        return value
    if kind is dict:
        found: dict[str, Any] = {}
        for key, each in value.items():
            name = key if type(key) is str else _key(key)
            found[name] = each if type(each) in _AS_IT_IS else _plain(each)
        if len(found) < len(value):
            raise TypeError("two keys of a dict are the same text")
        return found
    if kind is list or kind is tuple:
        return list(map(_plain, value))
    return value if kind is float and isfinite(value) else _converted(value)


def _key(key: Any) -> str:
    found = _plain(key)
    if isinstance(found, (str, int, float)) and not isinstance(found, bool):
        return str(found)
    raise TypeError(f"{type(key).__name__} has no JSON form as a key: give text")


def _converted(value: Any) -> Any:
    if is_missing(value):
        return None
    for kind, convert in _FORMS:
        if isinstance(value, kind):
            return convert(value)
    if isinstance(value, _imported("uuid", "UUID") or ()):
        return str(value)
    if isinstance(value, type) or hasattr(value, "to_dict"):
        raise _no_form(value)  # a Series could mean a dict or a list
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return _of_array(value)
    if hasattr(value, "__dataclass_fields__"):
        return {
            each.metadata.get("key", each.name): _plain(getattr(value, each.name, None))
            for each in _imported("dataclasses", "fields")(value)
        }
    raise _no_form(value)


def is_missing(value: Any) -> bool:
    """Return True for ``NaT`` (which is a datetime, too) and ``NA`` of pandas."""
    missing = (_imported("pandas", "NaT"), _imported("pandas", "NA"))
    return value is not None and any(value is each for each in missing)


def _imported(module: str, name: str) -> Any:
    """Return a name of a module if that is imported already; else None."""
    return getattr(sys.modules.get(module), name, None)


def _number(value: float | Decimal) -> float | Decimal | None:
    number = Decimal(value) if isinstance(value, Decimal) else float.__float__(value)
    if number.is_nan() if isinstance(number, Decimal) else isnan(number):
        return None
    if isfinite(number):
        return number
    raise ValueError(f"{number} has no JSON form: give a finite number, or None")


def _moment(value: datetime) -> str:
    try:
        moment = value if value.tzinfo is None else value.astimezone(UTC)
    except (OverflowError, ValueError):  # pandas raises both: it has another range of years
        raise _outside_the_years() from None
    if not 1 <= moment.year <= 9999:
        raise _outside_the_years()
    clock = f"{moment.hour:02}:{moment.minute:02}:{moment.second:02}"
    return f"{_day(moment)} {clock}.{moment.microsecond // 1000:03}Z"


def _day(value: date) -> str:
    return f"{value.year:04}-{value.month:02}-{value.day:02}"


def _outside_the_years() -> ValueError:
    return ValueError("a time lies outside the years 1 to 9999 of UTC: give None, or another time")


def _of_array(value: Any) -> Any:
    if getattr(value, "ndim", 0):
        return list(map(_plain, value))
    kind = getattr(value.dtype, "kind", "")
    if kind == "M":  # of nanoseconds it would make a bare number
        value = value.astype("datetime64[us]")
    found = value.tolist()
    if kind == "M" and isinstance(found, int):
        raise _outside_the_years()
    if kind == "f" and type(found) is type(value):  # a long double stays one
        found = float(found)
    if found is not None and (kind == "m" or type(found) is type(value)):
        raise _no_form(value)
    return _plain(found)


_FORMS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: _plain(value.value)),
    (str, str.__str__),
    (int, int.__int__),
    ((float, Decimal), _number),
    (datetime, _moment),
    (date, lambda value: f"{_day(value)} 00:00:00.000Z"),
    (Mapping, lambda value: _plain(dict(value))),
    ((list, tuple), lambda value: list(map(_plain, value))),
)

_ADVICE: tuple[tuple[Any, str], ...] = (
    ((bytes, bytearray, memoryview), "text, or for a file field (name, content)"),
    ((set, frozenset), "a list"),
    (timedelta, "its total_seconds()"),
    (time, "its isoformat()"),
)


def _no_form(value: Any) -> TypeError:
    advice = "text, a number, a bool, None, a date or time, a list or a dict"
    for kind, better in _ADVICE:
        if isinstance(value, kind):
            advice = better
    if hasattr(value, "__fspath__"):
        advice = "str() of it; a file field reads it, other fields and values do not"
    if hasattr(value, "to_dict"):
        advice = "its to_dict()" + (", or its tolist()" if hasattr(value, "tolist") else "")
    if getattr(getattr(value, "dtype", None), "kind", "") == "m":
        advice = "its seconds"
    return TypeError(f"{type(value).__name__} has no JSON form: give {advice}")
