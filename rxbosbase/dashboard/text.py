"""Values as HTML. Everything that comes from a server goes through `escaped`."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rxbosbase.dataframes.kinds import nanoseconds
from rxbosbase.encoding.json import encode
from rxbosbase.errors import ClientResponseError

__all__ = ["clock", "count", "error_text", "escaped", "moment", "shorter", "value_text"]

LONGEST = 200
"""Characters of a value in a cell; the inspector shows all of it."""

NAMES = ("name", "title", "username", "email", "id")
"""The fields that tell best who or what an expanded record is, the best one first."""


def escaped(value: object) -> str:
    """Text that is only text in HTML, in an attribute too.

    >>> escaped('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(str(value), quote=True)


def error_text(error: BaseException) -> str:
    """An error for people: the server's own sentence where it has one. Not escaped.

    >>> error_text(ClientResponseError(403, "http://localhost", message="Only superusers."))
    '403: Only superusers.'
    """
    if not isinstance(error, ClientResponseError):
        return str(error) or type(error).__name__
    return str(ClientResponseError(error.status, "", error.data, error.message))


def value_text(value: Any) -> str:
    """A field's value for people, not escaped.

    >>> value_text(True), value_text(None), value_text(["a", 1]), value_text({"name": "Ann"})
    ('yes', '–', 'a, 1', 'Ann')
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(value_text, value)) or "–"
    if isinstance(value, Mapping):
        named = next((value[name] for name in NAMES if value.get(name)), None)
        return value_text(named) if named is not None else encode(value).decode()
    if isinstance(value, str):
        return moment(value) or value
    return str(value)


def moment(text: str) -> str | None:
    """The server's date text as local time; None for any other text."""
    found = nanoseconds(text)
    if found is None:
        return None
    local = datetime.fromtimestamp(found / 1e9, UTC).astimezone()
    today = datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M")


def shorter(text: str) -> str:
    """`text`, cut where it would fill a screen."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def clock(seconds: float) -> str:
    """Seconds since the epoch as the local time of day."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")


def count(number: float) -> str:
    """A number for people.

    >>> count(1234567), count(0.25), count(12.34)
    ('1\u202f234\u202f567', '0.2', '12')
    """
    if number and number < 10 and number != int(number):
        return f"{number:.1f}"
    return f"{number:,.0f}".replace(",", "\u202f")
