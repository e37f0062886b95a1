"""Events as text: JSON lines, and lines for people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rxbosbase import RecordEvent
from rxbosbase.cli.event_text import encoded_line, json_line, pretty_line, value_text

HOSTILE = "a\x1b[31mred\u202etext\x07\x9b\r\nnext\u2028line"
MESSAGE: dict[str, Any] = {
    "id": "m1",
    "collectionName": "messages",
    "room": "help",
    "text": "Hello there",
    "author": "u1",
    "expand": {"author": {"id": "u1", "name": "Ada"}},
}


def test_a_json_line_holds_the_whole_event_in_one_line() -> None:
    """`json_line` is one line of JSON with the whole event and no escape character."""
    event = RecordEvent("messages/*", "create", {"id": "m1", "text": HOSTILE})
    line = json_line(event)
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and b"\x1b" not in line
    assert json.loads(line) == {"topic": "messages/*", "action": "create", "record": event.record}


def test_a_pretty_line_has_time_action_record_and_fields() -> None:
    """`pretty_line` has time, action, record, fields, and names in place of related ids."""
    line = pretty_line(RecordEvent("messages/*", "create", MESSAGE), "12:00:00")
    wanted = '12:00:00 create messages/m1 room=help text="Hello there" author=Ada'
    assert line.plain == wanted


def test_a_pretty_line_is_cut_to_the_width_in_columns_not_in_characters() -> None:
    """`pretty_line` is cut with `…` to the width in terminal columns, also for wide text."""
    wide = {"id": "m1", "text": "日本語" * 40}
    line = pretty_line(RecordEvent("messages/*", "create", wide), "12:00:00", 60)
    assert line.cell_len <= 60
    assert line.plain.endswith("…")


@pytest.mark.parametrize("value", ["", None, True, 1.5, [], ["a", "b c"], {"lon": 1}, {"name": ""}])
def test_a_pretty_line_takes_values_of_any_type(value: object) -> None:
    """`pretty_line` accepts field values of every JSON type."""
    assert " x=" in pretty_line(RecordEvent("t/*", "update", {"x": value}), "").plain


def test_control_characters_of_a_record_are_escaped() -> None:
    """Lines made of a record with control characters are printable."""
    event = RecordEvent("messages/*", "create", {"id": HOSTILE, HOSTILE: HOSTILE})
    assert pretty_line(event, "").plain.isprintable()


def test_a_record_that_can_be_decoded_and_not_encoded_ends_no_command() -> None:
    """A record nested too deeply to encode is printed as a line with its id and collection."""
    deep: list[Any] = []
    for _ in range(20_000):
        deep = [deep]
    record = {"id": "a", "collectionName": "posts", "data": deep}
    line = json.loads(json_line(RecordEvent("posts/*", "create", record)))
    assert line.pop("unreadable") == "nested too deeply to be written"
    assert line == {
        "topic": "posts/*",
        "action": "create",
        "record": {"id": "a", "collectionName": "posts"},
    }
    content = {"type": "removed", "record": None, "before": record}
    assert json.loads(encoded_line(content, "record", "before"))["before"]["id"] == "a"
    assert "create posts/a data=[[" in str(
        pretty_line(RecordEvent("posts/*", "create", record), "12")
    )
    assert value_text({"x": deep}) == "…"
