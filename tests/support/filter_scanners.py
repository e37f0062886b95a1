"""Two reference scanners: they parse a filter as a server of each dialect does.

They follow the server's scanner, character by character, and do not use the library's code: a
filter is safe if the scanner of each dialect finds the intended parts in it, or refuses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["DIALECTS", "Refused", "read_filter"]


class Refused(Exception):
    """The server responds to this filter with 400."""


Tree = list[tuple[str, Any]]
"""The parts of a filter, each with how it is joined, ``"&&"`` or ``"||"``: a comparison
``(left, sign, right)`` of ``("text" | "number" | "name", …)``, or a tree for parentheses."""

_SIGNS = frozenset(
    ["=", "!=", "~", "!~", "<", "<=", ">", ">=", "?=", "?!=", "?~", "?!~", "?<", "?<=", "?>", "?>="]
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


def _plain_text(filter: str, at: int) -> tuple[str, int]:
    """BosBase, PocketBase before 0.39.9: the text that begins at `at`, and where it ends."""
    quote, before, raw = filter[at], "", ""
    for end in range(at + 1, len(filter)):
        sign = filter[end]
        if sign == quote and before != "\\":
            return raw.replace(f"\\{quote}", quote), end + 1
        raw += sign
        before = sign
    raise Refused("a text without an end")


def _escaped_text(filter: str, at: int) -> tuple[str, int]:
    """PocketBase from 0.39.9 on."""
    quote, text, escapes = filter[at], "", False
    for end in range(at + 1, len(filter)):
        sign = filter[end]
        if escapes:
            text += _ESCAPES.get(sign, f"\\{sign}")
            escapes = False
        elif sign == "\\":
            escapes = True
        elif sign == quote:
            return text, end + 1
        else:
            text += sign
    raise Refused("a text without an end")


DIALECTS: dict[str, Callable[[str, int], tuple[str, int]]] = {
    "plain": _plain_text,
    "escaped": _escaped_text,
}


def read_filter(filter: str, dialect: str) -> Tree:
    """What a server of this dialect makes of a filter.

    Raises:
        Refused: it is none in this dialect.
    """
    filter = filter.partition("\0")[0]  # which ends it
    read_text = DIALECTS[dialect]
    tree: Tree = []
    parts: list[Any] = []  # of the comparison that is being read
    join, expects_join = "&&", False
    at = 0
    while at < len(filter):
        sign = filter[at]
        if sign in " \t\r\n\x0b\x0c":
            at += 1
        elif sign == "/":
            at = _behind_comment(filter, at)
        elif sign == "(":  # wherever it stands, in the middle of a comparison too
            inner, at = _group(filter, at, read_text)
            tree.append((join, read_filter(inner, dialect)))
            parts, expects_join = [], True
        else:
            part, at = _token(filter, at, read_text)
            if (part in ("&&", "||")) != expects_join:
                raise Refused(f"{part!r} where it may not stand")
            if expects_join:
                join, expects_join = part, False
                continue
            if isinstance(part, tuple) == (len(parts) == 1):
                raise Refused(f"{part!r} where it may not stand")
            parts.append(part)
            if len(parts) == 3:
                tree.append((join, tuple(parts)))
                parts, expects_join = [], True
    if not expects_join:
        raise Refused("it is not complete")
    return tree


def _behind_comment(filter: str, at: int) -> int:
    if filter[at : at + 2] != "//":
        raise Refused("half a comment")
    end = filter.find("\n", at)
    return len(filter) if end < 0 else end + 1


def _group(
    filter: str, at: int, read_text: Callable[[str, int], tuple[str, int]]
) -> tuple[str, int]:
    """What stands between parentheses. Texts are seen here, comments are not."""
    start, depth = at + 1, 0
    while at < len(filter):
        sign = filter[at]
        if sign in "'\"":
            _, at = read_text(filter, at)
            continue
        depth += (sign == "(") - (sign == ")")
        at += 1
        if depth == 0:
            return filter[start : at - 1], at
    raise Refused("a group without an end")


def _token(
    filter: str, at: int, read_text: Callable[[str, int], tuple[str, int]]
) -> tuple[Any, int]:
    sign = filter[at]
    if sign in "'\"":
        text, at = read_text(filter, at)
        return ("text", text), at
    for kind, first, rest in (
        ("number", "-0123456789", "0123456789."),
        ("name", None, None),
        ("sign", "=!~<>?", "=!~<>?"),
        ("join", "&|", "&|"),
    ):
        starts = (sign.isalpha() or sign in "_@#") if first is None else sign in first
        if not starts:
            continue
        end = at + 1
        while end < len(filter) and (
            (filter[end].isalnum() or filter[end] in "_.:") if rest is None else filter[end] in rest
        ):
            end += 1
        found = filter[at:end]
        if kind in ("number", "name"):
            return (kind, found), end
        if found not in (_SIGNS if kind == "sign" else {"&&", "||"}):
            raise Refused(f"{found!r} is no operator")
        return found, end
    raise Refused(f"unexpected character {sign!r}")
