"""Filters with values in them, safe for any values.

Pure. ``build_filter`` is what ``client.filter`` calls. Never build a filter with an f-string: a
quote in a value would end the text and the rest of the value would be read as filter.

Two dialects
============
Servers read a backslash inside quotes in two ways, and what one of them reads as a text, the other
may read as the end of the text and then as code:

``"plain"``
    BosBase, PocketBase before 0.39.9. A backslash is a character like others, except right before
    the closing kind of quote: the two stand for the quote. A text cannot end in a backslash.
``"escaped"``
    PocketBase from 0.39.9 on. A backslash before another, before a quote of either kind, and
    before ``n``, ``t`` or ``r`` makes one character with it (a line feed, a tab, a carriage
    return); before any other it is a character itself.

A text that both read alike is written the same for both. A filter that holds any other text begins
with the *guard* of the dialect it is written in: a comparison that is true in that dialect, and a
syntax error in the other one. A server of the other dialect so answers 400, and reads nothing of
what follows.

Source: fexpr, ``scanner.go``, ``scanText`` (the plain dialect).
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from typing import Any, Literal, TypeAlias

from rxbosbase.encoding.json import encode_stored
from rxbosbase.encoding.utf8 import check_encodable, encodable
from rxbosbase.encoding.values import plain
from rxbosbase.errors import UnknownDialectError

__all__ = ("GUARDS", "Dialect", "UnknownDialectError", "build_filter", "without_comments")

Dialect: TypeAlias = Literal["plain", "escaped"]
"""How a server's filters read a backslash inside quotes."""

GUARDS: dict[Dialect, str] = {"plain": r"'\\''='\\''", "escaped": r"'\\'='\\'"}
"""True in the dialect itself, a syntax error in the other one."""


@cache
def _parts_of(dialect: Dialect) -> re.Pattern[str]:
    """Return the pattern of placeholders, and of what may hold braces that are none."""
    text = _TEXTS[dialect]
    return re.compile(
        rf"""
          (?P<text> {text} )
        | (?P<comment> //[^\n]* )
        | (?P<open> ['"] )
        | \{{:(?P<name>[^{{}}]*)\}}
        """,
        re.VERBOSE | re.DOTALL,
    )


_TEXTS: dict[Dialect, str] = {
    "plain": r"""'(?:[^'\\]|\\'?)*+' | "(?:[^"\\]|\\"?)*+" """,
    "escaped": r"""'(?:[^'\\]|\\.)*+' | "(?:[^"\\]|\\.)*+" """,
}
_PLACEHOLDER = r"\{:(\w+)\}"
# A backslash that the dialects read in two ways, whichever the quotes.
_AMBIGUOUS = r"""\\(?:[\\'"ntr]|\Z)"""


def _unknown_dialect(what: str) -> UnknownDialectError:
    return UnknownDialectError(
        f"{what} holds a backslash that servers read in two ways, and how this one does is "
        "not known yet: call client.collection('…').learn_filter_dialect() once, or give it: "
        "BosBase(url, filter_dialect='escaped') for PocketBase from 0.39.9 on, 'plain' for "
        "BosBase and older ones"
    )


def build_filter(expression: str, dialect: Dialect | None = None, /, **values: Any) -> str:
    r"""Put ``values`` in the place of ``{:name}`` in a filter expression.

    =========================  ============================================================
    str                        a quoted text, every character of it
    bool                       ``'1'``, ``'0'``: what a bool field takes on every server
    None, NaN, ``NaT``, NA     ``null``
    int, float, Decimal        digits, without an exponent: the server reads none
    datetime                   ``'2026-01-31 12:00:00.000Z'``: UTC, cut to milliseconds;
                               one without a time zone is taken to be UTC already
    date                       its midnight in UTC
    dict, list, tuple          a quoted text of JSON, which equals a JSON field on PocketBase
    =========================  ============================================================

    These and what else a body takes, in the form in which it takes them: subclasses, enums, UUIDs,
    dataclasses, scalars and arrays of numpy and pandas (`values.plain`).

    Args:
        dialect: the server's, or None where it is not known. It matters for texts that the
            dialects read in two ways alone.

    Returns:
        the filter, without the expression's comments. It begins with the dialect's guard if a
        server of the other dialect would read it in another way.

    Raises:
        UnknownDialectError: the filter can be written for a known dialect alone.
        ValueError: a name without a value or a value without a name, a placeholder inside
            quotes, or a value the server's filters cannot express (an infinite number, NUL; a text
            that ends in a backslash, in the dialect ``"plain"``).
        TypeError: a value of another type; the message says what to give.

    >>> print(build_filter("author = {:who} && n > {:n}", who="o'neil", n=3))
    author = 'o\'neil' && n > 3
    >>> print(build_filter("path = {:path}", "escaped", path="C:\\new"))
    '\\'='\\' && (path = 'C:\\new')
    """
    if not isinstance(expression, str):
        raise TypeError(f"the filter expression must be a str, not {type(expression).__name__}")
    encodable("the filter expression", expression)
    pattern, is_ambiguous = _pattern_for(expression, dialect)
    used: set[str] = set()

    def put(part: re.Match[str]) -> str:
        nonlocal is_ambiguous
        name = part["name"]
        if name is None:
            return _without_placeholder(part)
        if name not in values:
            raise ValueError(f"the filter has {{:{name}}} but no value is given: add {name}=…")
        used.add(name)
        literal, only_here = _literal(name, values[name], dialect)
        is_ambiguous = is_ambiguous or only_here
        return literal

    text = pattern.sub(put, expression)
    unused = sorted(values.keys() - used)
    if unused:
        check_encodable("a value's name", unused)
        places = ", ".join(f"{{:{name}}}" for name in unused)
        raise ValueError(f"the filter has no place for {places}: add it, or drop the value")
    return f"{GUARDS[dialect]} && ({text})" if is_ambiguous and dialect else text


def without_comments(expression: str) -> str:
    """Return the filter without its comments, to be put in parentheses, which a comment would hide.

    One whose texts the dialects delimit in two ways is left as it is.

    >>> without_comments("n > 1 // few")
    'n > 1  '
    """
    try:
        pattern, _ = _pattern_for(expression, None)
    except UnknownDialectError:
        return expression
    return pattern.sub(lambda part: " " if part["comment"] else part[0], expression)


def _pattern_for(expression: str, dialect: Dialect | None) -> tuple[re.Pattern[str], bool]:
    """Return the pattern of the expression's parts, and whether only this dialect has these."""
    plain, escaped = (
        [part.span() for part in _parts_of(each).finditer(expression)] for each in _TEXTS
    )
    if plain == escaped:
        return _parts_of("plain"), False
    if dialect is None:
        raise _unknown_dialect("a quoted text of the filter's own")
    return _parts_of(dialect), True


def _without_placeholder(part: re.Match[str]) -> str:
    if part["open"]:
        raise ValueError("the filter has a quoted text without an end: close its quote")
    if part["text"] and (inside := re.search(_PLACEHOLDER, part["text"])):
        raise ValueError(
            f"{inside[0]} stands inside quotes: take the quotes away, it brings its own"
        )
    return " " if part["comment"] else part[0]


def _literal(name: str, given: Any, dialect: Dialect | None) -> tuple[str, bool]:
    """Return the value as text of a filter, and whether only this dialect reads it so."""
    try:
        value = plain(given)
        if isinstance(value, (dict, list)):
            value = encode_stored(value).decode()
    except (TypeError, ValueError) as error:
        raise type(error)(f"the value of {{:{name}}} is refused: {error}") from None
    if isinstance(value, str):
        return _quoted(name, value, dialect)
    if value is None:
        return "null", False
    if isinstance(value, bool):
        return "'1'" if value else "'0'", False
    return _number(value), False


def _number(value: float | Decimal) -> str:
    if isinstance(value, int):
        return str(value)
    # A number that the server reads as 0 is written as 0: 1E-999999999 has as many digits.
    number = Decimal(repr(value)) if isinstance(value, float) else value
    return format(number if float(number) else Decimal(0), "f")


def _quoted(name: str, text: str, dialect: Dialect | None) -> tuple[str, bool]:
    if "\x00" in text:
        raise ValueError(f"the value of {{:{name}}} holds a NUL, which ends a filter on the server")
    encodable(f"the value of {{:{name}}}", text)
    is_ambiguous = re.search(_AMBIGUOUS, text) is not None
    if is_ambiguous and dialect is None:
        raise _unknown_dialect(f"the value of {{:{name}}}")
    if is_ambiguous and dialect == "escaped":
        text = text.replace("\\", "\\\\")
    elif is_ambiguous and text.endswith("\\"):
        raise ValueError(
            f"the value of {{:{name}}} ends in a backslash, which no filter of this server "
            "(BosBase, or PocketBase before 0.39.9) can express: compare it in Python"
        )
    quoted = text.replace("'", "\\'")
    return f"'{quoted}'", is_ambiguous
