"""The one part of filters that the fake reads by itself: comparisons of two quoted texts.

Their answer depends on the database alone, not on a record, so that a test need not tell it:
``'Z' < 'a'`` is true where text sorts by bytes. Clients use it to learn the server's order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import eq, ge, gt, le, lt, ne
from typing import Any

__all__ = ["decide", "unescaped"]

_QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
_TOKEN = re.compile(rf"{_QUOTED}|&&|\|\||.", re.DOTALL)
_COMPARISON = re.compile(
    rf"\s*(?P<left>{_QUOTED})\s*(?P<sign><=|>=|!=|<|>|=)\s*(?P<right>{_QUOTED})\s*", re.DOTALL
)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lt, "<=": le, ">": gt, ">=": ge, "=": eq, "!=": ne,
}  # fmt: skip

TextKey = Callable[[str], Any]


def decide(condition: str, key: TextKey) -> tuple[bool, str]:
    """Whether the comparisons of texts in a filter hold, and the rest of the filter.

    Args:
        key: a text's place in the order of the database.

    >>> decide("'Z' < 'a' && (title != '')", key=str)
    (True, "title != ''")
    """
    text = _bare(condition)
    parts = [text] if len(_split(text, "||")) > 1 else _split(text, "&&")
    known = [(part, _truth(part, key)) for part in parts]
    rest = [part.strip() for part, truth in known if truth is None]
    if len(rest) == len(parts):
        return True, condition
    return all(truth is not False for _, truth in known), _bare(" && ".join(rest))


def unescaped(text: str) -> str:
    r"""What stands between quotes: ``\\`` is a backslash, ``\'`` a quote."""
    return re.sub(r"\\([\\'\"])", r"\1", text)


def _truth(condition: str, key: TextKey) -> bool | None:
    """Whether a filter of such comparisons alone is true; None, if it is not of them alone."""
    text = _bare(condition)
    for sign, combine in (("||", any), ("&&", all)):
        parts = _split(text, sign)
        if len(parts) > 1:
            truths = [_truth(part, key) for part in parts]
            return None if None in truths else combine(map(bool, truths))
    found = _COMPARISON.fullmatch(text)
    if found is None:
        return None
    left, right = (key(unescaped(found[side][1:-1])) for side in ("left", "right"))
    return _SIGNS[found["sign"]](left, right)


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
            is_enclosed = token == ")" and index == len(tokens) - 1
            return _bare(text[1:-1]) if is_enclosed and text[0] == "(" else text
    return text
