"""Values as HTML. Everything that comes from a server goes through `escaped`."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

from rxbosbase.dataframes.kinds import nanoseconds
from rxbosbase.encoding.json import encode
from rxbosbase.encoding.narrowing import is_array, is_mapping
from rxbosbase.encoding.record import NAME_FIELDS
from rxbosbase.errors import ClientResponseError

__all__ = ("clock", "count", "error_text", "escaped", "moment", "shorter", "value_text")

MAX_CHARACTERS = 200
"""Characters of a value in a cell; the inspector shows the whole value."""


def escaped(value: object) -> str:
    """Return `value` as text with HTML escaped, also for use in an attribute.

    >>> escaped('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(str(value), quote=True)


def error_text(error: BaseException) -> str:
    """Return an error's text, without the URL: the server's message if it has one. Not escaped.

    >>> error_text(ClientResponseError(403, "http://localhost", message="Only superusers."))
    '403: Only superusers.'
    """
    if not isinstance(error, ClientResponseError):
        return str(error) or type(error).__name__
    return str(ClientResponseError(error.status, "", error.data, error.message))


def value_text(value: Any) -> str:
    """Return a field's value as readable text, not escaped.

    >>> value_text(True), value_text(None), value_text(["a", 1]), value_text({"name": "Ann"})
    ('yes', '–', 'a, 1', 'Ann')
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_array(value):
        return ", ".join(map(value_text, value)) or "–"
    if is_mapping(value):
        named = next((value[name] for name in NAME_FIELDS if value.get(name)), None)
        return value_text(named) if named is not None else encode(value).decode()
    if isinstance(value, str):
        return moment(value) or value
    return str(value)


def moment(text: str) -> str | None:
    """Return the server's date text as local time; None for any other text."""
    found = nanoseconds(text)
    if found is None:
        return None
    local = datetime.fromtimestamp(found / 1e9, UTC).astimezone()
    today = datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M")


def shorter(text: str) -> str:
    """Return `text`, cut to `MAX_CHARACTERS`."""
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"


def clock(seconds: float) -> str:
    """Return the seconds since the epoch as the local time of day."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")


def count(number: float) -> str:
    """Return a number as readable text, with narrow spaces between thousands.

    >>> count(1234567), count(0.25), count(12.34)
    ('1\u202f234\u202f567', '0.2', '12')
    """
    if number and number < 10 and number != int(number):
        return f"{number:.1f}"
    return f"{number:,.0f}".replace(",", "\u202f")
