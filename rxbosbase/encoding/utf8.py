"""Checks that text can be encoded as UTF-8; the error names the argument. Pure.

A `str` may hold half of a surrogate pair: ``json.loads`` makes one of ``"\\ud800"``, and
``os.fsdecode`` of a byte that is no text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from .narrowing import is_mapping

__all__ = ("check_encodable", "encodable", "place_of_surrogate")


def encodable(what: str, text: str) -> str:
    r"""Return the text as a plain `str`.

    Raises:
        ValueError: UTF-8 cannot carry it; the message names `what` it is and does not quote it.

    >>> encodable("filter", "a \ud83d b")
    Traceback (most recent call last):
        ...
    ValueError: filter holds half a surrogate pair, which UTF-8 cannot carry: take it out, such as by text.encode(errors='replace').decode()
    """  # noqa: E501
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{what} holds half a surrogate pair, which UTF-8 cannot carry: take it out, such as "
            "by text.encode(errors='replace').decode()"
        ) from None
    return str.__str__(text)


def check_encodable(what: str, value: Any) -> None:
    r"""Refuse a value of texts, lists and dicts that holds half a surrogate pair.

    Raises:
        ValueError: it does; the message has the place.

    >>> check_encodable("query", {"a": ["b", "\ud800"]})
    Traceback (most recent call last):
        ...
    ValueError: query['a'][1] holds half a surrogate pair, which UTF-8 cannot carry: take it out, such as by text.encode(errors='replace').decode()
    """  # noqa: E501
    place = place_of_surrogate(value)
    if place is not None:
        encodable(f"{what}{place}", "\ud800")


def place_of_surrogate(value: Any) -> str | None:
    r"""Return where in a value of texts, lists and dicts half a surrogate pair is, or None.

    >>> place_of_surrogate({"a": ["b", "\ud800"]}), place_of_surrogate({"\ud800": 1})
    ("['a'][1]", "['\\ud800']")
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return ""
        return None
    parts: list[tuple[Any, Any]]
    if is_mapping(value):
        parts = [part for key, each in value.items() for part in ((key, key), (key, each))]
    elif isinstance(value, (list, tuple)):
        parts = list(enumerate(cast(Iterable[Any], value)))
    else:
        return None
    for key, each in parts:
        if (place := place_of_surrogate(each)) is not None:
            return f"[{key!r}]{place}"
    return None
