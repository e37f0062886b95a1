r"""Filters of a server of the older dialect, as far as the tests need them.

Comparisons of fields and literals by ``= != < <= > >= ~ !~``, joined by ``&&`` and ``||``, with
parentheses and comments. Text is compared as the database does, by its collation. Inside quotes a
backslash is a character like others, except right before the closing kind of quote. A text
for which a test defines a function is recognised as a whole, alone or in parentheses.

>>> from support.collation import by_bytes
>>> read = Filters(by_bytes, {"is odd": lambda row: row["n"] % 2 == 1}).read
>>> condition = read("(is odd) && (n > 1 || id = 'a')", {"id", "n"})
>>> [n for n in range(5) if condition.matches({"id": "a", "n": n})]
[1, 3]
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from support.collation import Collation

__all__ = ["Condition", "Filters", "Matches", "Refused", "Row"]

Row: TypeAlias = Mapping[str, Any]
Matches: TypeAlias = Callable[[Row], bool]

MAX_FILTER = 3500
MAX_TERMS = 200

_TOKEN = re.compile(
    r"""
      (?P<space> \s+ | //[^\n]* )
    | (?P<text> '(?:[^'\\]|\\'?)*+' | "(?:[^"\\]|\\"?)*+" )
    | (?P<number> -?\d+(?:\.\d+)? )
    | (?P<join> && | \|\| )
    | (?P<sign> \??(?:!=|>=|<=|!~|[=<>~]) )
    | (?P<open> \( ) | (?P<close> \) )
    | (?P<name> [@A-Za-z_][\w.:@]* )
    """,
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_BOOLS = {"1": True, "0": False, "true": True, "false": False}


class Refused(Exception):
    """The server refuses the request; the text is the message.

    Attributes:
        status: of the answer.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed filter.

    Attributes:
        matches: returns True for the rows that pass.
        names: the fields that it names; for a function of a test, its text instead.
    """

    matches: Matches
    names: frozenset[str] = frozenset()


class Filters:
    """Parses filters.

    Args:
        collation: the order of text.
        meanings: the functions that a test defines for texts of filters.
    """

    def __init__(self, collation: Collation, meanings: Mapping[str, Matches]) -> None:
        self._collation = collation
        self._meanings = meanings

    def read(self, text: str, fields: Collection[str]) -> Condition:
        """Parse the filter for a collection with these fields; an empty one matches all rows.

        Raises:
            Refused: it is too long, is no filter, or names an unknown field.
        """
        if len(text) > MAX_FILTER:
            raise Refused(f"a filter of more than {MAX_FILTER} characters")
        if sum(found.lastgroup == "sign" for found in _TOKEN.finditer(text)) > MAX_TERMS:
            raise Refused(f"a filter of more than {MAX_TERMS} comparisons")
        return self.group(text, frozenset(fields))

    def group(self, text: str, fields: frozenset[str]) -> Condition:
        """Parse a filter, or the part of one in parentheses."""
        if not text.strip():
            return Condition(lambda row: True)
        if meaning := self._meanings.get(text.strip()):
            return Condition(meaning, frozenset([text.strip()]))
        return _Parser(text, fields, self).whole()

    def compare(self, sign: str, left: Any, right: Any) -> bool:
        """Return the result of a comparison of two values, of a row or of the filter."""
        if left is None or right is None:
            return sign in ("!=", "!~") and left is not right
        left, right = _of_one_kind(left, right)
        if sign in ("~", "!~"):
            return (str(right) in str(left)) == (sign == "~")
        if sign in ("=", "!="):
            return bool(left == right) == (sign == "=")
        if isinstance(left, str):
            left, right = self._collation(left), self._collation(right)
        try:
            return _COMPARE[sign](left, right)
        except TypeError:
            raise Refused(f"operator does not exist: {left!r} {sign} {right!r}") from None


class _Parser:
    """Parses one text: ``or`` of ``and`` of comparisons, as in SQL."""

    def __init__(self, text: str, fields: frozenset[str], filters: Filters) -> None:
        self._text = text
        self._fields = fields
        self._filters = filters
        self._tokens = list(_tokens(text))
        self._at = 0
        self._names: set[str] = set()

    def whole(self) -> Condition:
        matches = self._either()
        if self._at < len(self._tokens):
            raise _no_filter(self._text)
        return Condition(matches, frozenset(self._names))

    def _either(self) -> Matches:
        parts = [self._both()]
        while self._take_join("||"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _both(self) -> Matches:
        parts = [self._term()]
        while self._take_join("&&"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _term(self) -> Matches:
        token = self._take()
        if token.lastgroup != "open":
            return self._comparison(token)
        inner = self._filters.group(self._text[token.end() : self._end_of_group()], self._fields)
        self._names |= inner.names
        return inner.matches

    def _end_of_group(self) -> int:
        """Return the end of the group that has just begun."""
        depth = 1
        while True:
            token = self._take()
            depth += (token.lastgroup == "open") - (token.lastgroup == "close")
            if not depth:
                return token.start()

    def _comparison(self, first: re.Match[str]) -> Matches:
        left, sign, right = self._operand(first), self._take(), self._operand(self._take())
        if sign.lastgroup != "sign" or sign[0].startswith("?"):
            raise _no_filter(self._text)
        compare = self._filters.compare
        return lambda row: compare(sign[0], left(row), right(row))

    def _operand(self, token: re.Match[str]) -> Callable[[Row], Any]:
        if token.lastgroup == "text":
            quote = token[0][0]
            text = token[0][1:-1].replace(f"\\{quote}", quote)
            return lambda row: text
        if token.lastgroup == "number":
            number = float(token[0])
            return lambda row: number
        name = token[0]
        if token.lastgroup != "name" or name not in self._fields:
            raise _no_filter(self._text)
        self._names.add(name)
        return lambda row: row[name]

    def _take(self) -> re.Match[str]:
        if self._at == len(self._tokens):
            raise _no_filter(self._text)
        self._at += 1
        return self._tokens[self._at - 1]

    def _take_join(self, join: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at][0] == join
        self._at += found
        return found


def _tokens(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise _no_filter(text)
        if token.lastgroup != "space":
            yield token
        at = token.end()


def _of_one_kind(left: Any, right: Any) -> tuple[Any, Any]:
    """Convert the one that is text to the type of the other, as a parameter in SQL."""
    if isinstance(left, str) == isinstance(right, str):
        if isinstance(left, bool) != isinstance(right, bool):
            raise Refused("operator does not exist: boolean = integer")
        return left, right
    if isinstance(left, str):
        other, it = _of_one_kind(right, left)
        return it, other
    try:
        if isinstance(left, bool):
            return left, _BOOLS[right]
        if isinstance(left, datetime):
            moment = datetime.fromisoformat(right)
            return left, moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return left, float(right)
    except (ValueError, KeyError):
        raise Refused(f"invalid input syntax: {right!r}") from None


def _no_filter(text: str) -> Refused:
    return Refused(f"Invalid filter: {text!r}; has the test said what it means?")
