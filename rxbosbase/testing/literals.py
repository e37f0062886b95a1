"""The parts of filters that the fake reads by itself; what else a filter means the test tells.

These are what the library puts beside a user's filter: ``id`` and ``updated`` compared with a
quoted text, two quoted texts compared (true where text sorts by bytes, or not), the guards of a
dialect, and all of these joined by ``&&``, ``||`` and parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeAlias

from rxbosbase.records.filters import without_comments

__all__ = ["Matches", "UnknownFilterError", "read_filter"]

Matches: TypeAlias = Callable[[dict[str, Any]], bool]
"""Whether a record passes a filter."""

_QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_TOKEN = re.compile(rf"{_QUOTED}|&&|\|\||.", re.DOTALL)
_COMPARISON = re.compile(
    rf"(?P<left>id|updated|{_QUOTED})\s*(?P<sign><=|>=|!=|<|>|=)\s*(?P<right>{_QUOTED})", re.DOTALL
)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lt, "<=": le, ">": gt, ">=": ge, "=": eq, "!=": ne,
}  # fmt: skip


class UnknownFilterError(ValueError):
    """Nobody has said what this filter means."""


def _unknown(text: str) -> UnknownFilterError:
    return UnknownFilterError(
        "the fake does not read filters, tell it what this one means: "
        f"fake.filters[{text!r}] = lambda record: …"
    )


def read_filter(
    text: str, known: Mapping[str, Matches], key: Callable[[str], Any] = str
) -> Matches:
    """What a filter means.

    Args:
        known: what the test says of filters, or of what stands in their parentheses.
        key: a text's place in the order of the database.

    Raises:
        UnknownFilterError: a part of it is not known.

    >>> read_filter("'Z' < 'a' && (n > 1)", {"n > 1": lambda row: row["n"] > 1})({"n": 2})
    True
    """
    # The library takes comments away, too, before it puts a condition of its own beside a filter.
    text = _bare(without_comments(text))
    if not text:
        return lambda _: True
    for name, matches in known.items():
        if text == _bare(without_comments(name)):
            return matches
    for sign, combine in (("||", any), ("&&", all)):
        parts = _split(text, sign)
        if len(parts) > 1:
            return _joined([_part(part, text, known, key) for part in parts], combine)
    if found := _COMPARISON.fullmatch(text):
        return _comparison(found["left"], _SIGNS[found["sign"]], key(_inside(found["right"])), key)
    raise _unknown(text)


def _part(
    part: str, whole: str, known: Mapping[str, Matches], key: Callable[[str], Any]
) -> Matches:
    try:
        return read_filter(part, known, key)
    except UnknownFilterError:
        if part.lstrip().startswith("("):  # so the library puts the user's own filter
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
    is_true = compare(key(_inside(left)), right)
    return lambda _: is_true


def _inside(quoted: str) -> str:
    r"""What stands between quotes: ``\\`` is a backslash, ``\'`` a quote."""
    return re.sub(r"\\([\\'\"])", r"\1", quoted[1:-1])


def _split(text: str, sign: str) -> list[str]:
    """The parts between the signs that stand in no parentheses and no quotes."""
    parts, depth = [""], 0
    for token in _TOKEN.findall(text):
        depth += (token == "(") - (token == ")")
        if token == sign and not depth:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def _bare(text: str) -> str:
    """The text without the parentheses around all of it."""
    text = text.strip()
    depth = 0
    for index, token in enumerate(tokens := _TOKEN.findall(text)):
        depth += (token == "(") - (token == ")")
        if not depth:
            is_enclosed = token == ")" and index == len(tokens) - 1 and text[0] == "("
            return _bare(text[1:-1]) if is_enclosed else text
    return text
