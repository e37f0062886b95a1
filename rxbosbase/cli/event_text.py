"""Events as text: a JSON line for programs, a coloured line for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from rxbosbase.encoding.control_characters import one_line, plain_json
from rxbosbase.encoding.json import encode
from rxbosbase.encoding.narrowing import is_array, is_mapping
from rxbosbase.encoding.record import NAME_FIELDS
from rxbosbase.events import RecordEvent

__all__ = ("ACTION_STYLES", "encoded_line", "json_line", "pretty_line", "value_text")

ACTION_STYLES = {"create": "green", "update": "yellow", "delete": "red"}

METADATA = frozenset(
    {"id", "collectionId", "collectionName", "created", "updated", "expand", "revision"}
)
"""Fields that the line for people omits; the JSON line has them all."""

IDENTIFYING = ("id", "collectionName")
"""The fields that replace a record which is nested too deeply to be encoded."""

MAX_LEVELS = 20
"""Of lists in a field's value; deeper values are shown as an ellipsis."""


def json_line(event: RecordEvent[Any]) -> bytes:
    r"""Return the whole event as one line of JSON.

    >>> json_line(RecordEvent("posts/*", "create", {"id": "a", "title": "Zażółć"})).decode()
    '{"topic":"posts/*","action":"create","record":{"id":"a","title":"Zażółć"}}\n'
    """
    content = {"topic": event.topic, "action": event.action, "record": event.record}
    return encoded_line(content, "record")


def encoded_line(content: dict[str, Any], *records: str) -> bytes:
    """Return the content as one line of JSON.

    If one of the values named by `records` is nested too deeply to be encoded, which decoding
    allows, each of them is replaced by its id and its collection.
    """
    try:
        return encode(content) + b"\n"
    except TypeError:
        short = {
            name: {key: content[name][key] for key in IDENTIFYING if key in content[name]}
            for name in records
            if is_mapping(content[name])
        }
        return encode({**content, **short, "unreadable": "nested too deeply to be written"}) + b"\n"


def pretty_line(event: RecordEvent[Any], moment: str, width: int | None = None) -> Text:
    """Return one line with time, action, record and fields, cut to `width` columns.

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
    related: Mapping[str, Any] = expanded if is_mapping(expanded) else {}
    for name, value in record.items():
        if name not in METADATA:
            line.append(f" {one_line(name)}=", style="dim")
            line.append(value_text(related.get(name, value)))
    if width is not None:
        line.truncate(width, overflow="ellipsis")
    return line


def value_text(value: Any, levels: int = MAX_LEVELS) -> str:
    """Return a field's value as short text: an expanded record by its name, spaces in quotes."""
    if levels == 0:
        return "…"
    if is_mapping(value):
        named = next((value[name] for name in NAME_FIELDS if value.get(name)), None)
        if named is not None:
            return value_text(named, levels - 1)
    if is_array(value):
        return "[" + ", ".join(value_text(item, levels - 1) for item in value) + "]"
    if isinstance(value, str):
        text = one_line(value)
        return text if text and " " not in text else f'"{text}"'
    try:
        return plain_json(encode(value).decode())
    except TypeError:  # nested too deeply to be encoded
        return "…"
