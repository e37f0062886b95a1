"""The parts of filters that the fake evaluates itself; a test defines all others.

These are the conditions that the library adds to a user's filter: ``id`` and ``updated`` compared
with a quoted text, two quoted texts compared (the result depends on the database's order), the
guards of a dialect, and all of these joined by ``&&``, ``||`` and parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeAlias

from rxbosbase.records.filters import without_comments

__all__ = ("Matches", "UnknownFilterError", "read_filter")

Matches: TypeAlias = Callable[[dict[str, Any]], bool]
"""A function that returns True for the records that a filter matches."""

_QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_TOKEN = re.compile(rf"{_QUOTED}|&&|\|\||.", re.DOTALL)
_COMPARISON = re.compile(
    rf"(?P<left>id|updated|{_QUOTED})\s*(?P<sign><=|>=|!=|<|>|=)\s*(?P<right>{_QUOTED})", re.DOTALL
)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lt, "<=": le, ">": gt, ">=": ge, "=": eq, "!=": ne,
}  # fmt: skip


class UnknownFilterError(ValueError):
    """The test has not defined this filter.

    It is no `BosBaseError`, so that the code under test does not handle a mistake of its test.
    """


def _unknown(text: str) -> UnknownFilterError:
    return UnknownFilterError(
        "the fake does not read filters, tell it what this one means: "
        f"fake.filters[{text!r}] = lambda record: …"
    )


def read_filter(
    text: str, known: Mapping[str, Matches], key: Callable[[str], Any] = str
) -> Matches:
    """Return the function that evaluates a filter.

    Args:
        text: the filter.
        known: the functions of the filters, or of parts in parentheses, that the test defines.
        key: a function that returns the sort key of a text in the database.

    Raises:
        UnknownFilterError: a part of it is not defined.

    >>> read_filter("'Z' < 'a' && (n > 1)", {"n > 1": lambda row: row["n"] > 1})({"n": 2})
    True
    """
    # The library removes comments too, before it adds a condition of its own to a filter.
    text = _without_parentheses(without_comments(text))
    if not text:
        return lambda _: True
    for name, matches in known.items():
        if text == _without_parentheses(without_comments(name)):
            return matches
    for sign, combine in (("||", any), ("&&", all)):
        parts = _split(text, sign)
        if len(parts) > 1:
            return _joined([_part(part, text, known, key) for part in parts], combine)
    if found := _COMPARISON.fullmatch(text):
        return _comparison(
            found["left"], _SIGNS[found["sign"]], key(_unquoted(found["right"])), key
        )
    raise _unknown(text)


def _part(
    part: str, whole: str, known: Mapping[str, Matches], key: Callable[[str], Any]
) -> Matches:
    try:
        return read_filter(part, known, key)
    except UnknownFilterError:
        if part.lstrip().startswith("("):  # the library puts the user's filter in parentheses
            raise
        raise _unknown(whole) from None


def _joined(parts: list[Matches], combine: Callable[[Any], bool]) -> Matches:
    return lambda record: combine(matches(record) for matches in parts)


def _comparison(
    left: str, compare: Callable[[Any, Any], bool], right: Any, key: Callable[[str], Any]
) -> Matches:
    if left in ("id", "updated"):
        return lambda record: (
            record.get(left) is not None and compare(key(str(record[left])), right)
        )
    is_true = compare(key(_unquoted(left)), right)
    return lambda _: is_true


def _unquoted(quoted: str) -> str:
    r"""Return the text between quotes: ``\\`` is a backslash, ``\'`` a quote."""
    return re.sub(r"\\([\\'\"])", r"\1", quoted[1:-1])


def _split(text: str, sign: str) -> list[str]:
    """Split at the signs that are outside of parentheses and quotes."""
    parts, depth = [""], 0
    for token in _TOKEN.findall(text):
        depth += (token == "(") - (token == ")")
        if token == sign and not depth:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def _without_parentheses(text: str) -> str:
    """Return the text without parentheses around the whole of it."""
    text = text.strip()
    depth = 0
    for index, token in enumerate(tokens := _TOKEN.findall(text)):
        depth += (token == "(") - (token == ")")
        if not depth:
            is_enclosed = token == ")" and index == len(tokens) - 1 and text[0] == "("
            return _without_parentheses(text[1:-1]) if is_enclosed else text
    return text
