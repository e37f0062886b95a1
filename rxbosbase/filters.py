"""Filters with values in them, safe from whatever the values hold.

Pure. ``build_filter`` is what ``client.filter`` calls. Never build a filter with an f-string: a
quote in a value would end the text and the rest of the value would be read as filter.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from .jsontext import encode

__all__ = ["build_filter"]

# What may stand in an expression and hold braces that are no placeholder: texts and comments.
_PART = re.compile(
    r"""
      (?P<text> '(?:\\.|[^'\\])*+' | "(?:\\.|[^"\\])*+" )
    | (?P<comment> //[^\n]* )
    | (?P<open> ['"] )
    | \{:(?P<name>[^{}]*)\}
    """,
    re.VERBOSE | re.DOTALL,
)
_PLACEHOLDER = re.compile(r"\{:(\w+)\}")


def build_filter(expression: str, /, **values: Any) -> str:
    r"""Put ``values`` in the place of ``{:name}`` in a filter expression.

    ============================  =========================================================
    str                           a quoted text, every character of it
    bool, None                    ``true``, ``false``, ``null``
    int, float, Decimal           digits, without an exponent: the server reads none
    datetime                      ``'2026-01-31 12:00:00.000Z'``: UTC, cut to milliseconds;
                                  one without a time zone is taken to be UTC already
    date                          its midnight in UTC
    dict, list, tuple             a quoted text of JSON, to compare with a JSON field
    ============================  =========================================================

    Raises:
        ValueError: a name without a value or a value without a name, a placeholder inside
            quotes, or a value the server's filters cannot express (NaN, NUL).
        TypeError: a value of another type.

    >>> print(build_filter("author = {:who} && n > {:n}", who="o'neil", n=3))
    author = 'o\'neil' && n > 3
    """
    if not isinstance(expression, str):
        raise TypeError(f"the filter expression must be a str, not {type(expression).__name__}")
    used: set[str] = set()

    def put(part: re.Match[str]) -> str:
        name = part["name"]
        if name is None:
            return _without_placeholder(part)
        if name not in values:
            raise ValueError(f"the filter has {{:{name}}} but no value is given: add {name}=…")
        used.add(name)
        return _literal(name, values[name])

    text = _PART.sub(put, expression)
    unused = sorted(values.keys() - used)
    if unused:
        places = ", ".join(f"{{:{name}}}" for name in unused)
        raise ValueError(f"the filter has no place for {places}: add it, or drop the value")
    return text


def _without_placeholder(part: re.Match[str]) -> str:
    if part["open"]:
        raise ValueError("the filter has a quoted text without an end: close its quote")
    if part["text"] and (inside := _PLACEHOLDER.search(part["text"])):
        raise ValueError(
            f"{inside[0]} stands inside quotes: take the quotes away, it brings its own"
        )
    return part[0]


def _literal(name: str, value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(name, value)
    if isinstance(value, (int, float, Decimal)):
        return _number(name, value)
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            raise ValueError(f"the value of {{:{name}}} lies outside the years of UTC") from None
        return f"'{moment.isoformat(' ', 'milliseconds')}Z'"
    if isinstance(value, date):
        return f"'{value.isoformat()} 00:00:00.000Z'"
    if isinstance(value, (dict, list, tuple)):
        try:
            return _quoted(name, encode(value).decode())
        except TypeError as error:
            raise TypeError(f"the value of {{:{name}}} has no JSON form: {error}") from None
    raise TypeError(
        f"the value of {{:{name}}} is a {type(value).__name__}, which a filter cannot hold: "
        "give a str, a number, a bool, None, a datetime, a dict or a list"
    )


def _number(name: str, value: float | Decimal) -> str:
    if isinstance(value, int):
        return str(int(value))
    if not math.isfinite(value):
        raise ValueError(f"the value of {{:{name}}} is {value}: a filter takes finite numbers only")
    return format(Decimal(repr(float(value))) if isinstance(value, float) else value, "f")


def _quoted(name: str, text: str) -> str:
    if "\x00" in text:
        raise ValueError(f"the value of {{:{name}}} holds a NUL, which ends a filter on the server")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the value of {{:{name}}} holds half a surrogate pair") from None
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
