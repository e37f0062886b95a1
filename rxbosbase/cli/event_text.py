"""Events as text: a JSON line for programs, a coloured line for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from rxbosbase.encoding.control_characters import one_line, plain_json
from rxbosbase.encoding.json import encode
from rxbosbase.events import RecordEvent

__all__ = ["ACTION_STYLES", "encoded_line", "json_line", "pretty_line", "value_text"]

ACTION_STYLES = {"create": "green", "update": "yellow", "delete": "red"}

BOOKKEEPING = frozenset(
    {"id", "collectionId", "collectionName", "created", "updated", "expand", "revision"}
)
"""Fields a person can do without in a line; the JSON has them all."""

NAMES = ("name", "title", "username", "email", "id")
"""The fields that tell best who or what an expanded record is, the best one first."""

NAMED_BY = ("id", "collectionName")
"""The fields that stand for a record which is nested too deeply to be written."""

MAX_LEVELS = 20
"""Of lists in a field's value; what lies deeper is not shown to a person."""


def json_line(event: RecordEvent[Any]) -> bytes:
    r"""The whole event as one line of JSON.

    >>> json_line(RecordEvent("posts/*", "create", {"id": "a", "title": "Zażółć"})).decode()
    '{"topic":"posts/*","action":"create","record":{"id":"a","title":"Zażółć"}}\n'
    """
    content = {"topic": event.topic, "action": event.action, "record": event.record}
    return encoded_line(content, "record")


def encoded_line(content: dict[str, Any], *records: str) -> bytes:
    """One line of JSON. Where one of the records named is nested too deeply to be written, though
    it could be read, its id and its collection stand for each of them."""
    try:
        return encode(content) + b"\n"
    except TypeError:
        short = {
            name: {key: content[name][key] for key in NAMED_BY if key in content[name]}
            for name in records
            if isinstance(content[name], Mapping)
        }
        return encode({**content, **short, "unreadable": "nested too deeply to be written"}) + b"\n"


def pretty_line(event: RecordEvent[Any], moment: str, width: int | None = None) -> Text:
    """One line: when, what happened, to which record, and its fields. Cut to `width` columns.

    >>> event = RecordEvent("posts/*", "create", {"id": "a", "title": "Hi", "n": 3})
    >>> print(pretty_line(event, "12:00:00"))
    12:00:00 create posts/a title=Hi n=3
    """
    collection = event.topic.partition("/")[0]
    record = event.record
    line = Text(no_wrap=True, overflow="ellipsis", end="")
    line.append(f"{moment} ", style="dim")
    line.append(f"{event.action} ", style=ACTION_STYLES.get(event.action, ""))
    line.append(one_line(f"{collection}/{record.get('id', '?')}"), style="bold")
    expanded = record.get("expand")
    known = expanded if isinstance(expanded, Mapping) else {}
    for name, value in record.items():
        if name not in BOOKKEEPING:
            line.append(f" {one_line(name)}=", style="dim")
            line.append(value_text(known.get(name, value)))
    if width is not None:
        line.truncate(width, overflow="ellipsis")
    return line


def value_text(value: Any, levels: int = MAX_LEVELS) -> str:
    """A field's value, short: an expanded record by its name, a text with spaces in quotes."""
    if levels == 0:
        return "…"
    if isinstance(value, Mapping):
        named = next((value[name] for name in NAMES if value.get(name)), None)
        if named is not None:
            return value_text(named, levels - 1)
    if isinstance(value, list):
        return "[" + ", ".join(value_text(item, levels - 1) for item in value) + "]"
    if isinstance(value, str):
        text = one_line(value)
        return text if text and " " not in text else f'"{text}"'
    try:
        return plain_json(encode(value).decode())
    except TypeError:  # nested too deeply to be written
        return "…"
