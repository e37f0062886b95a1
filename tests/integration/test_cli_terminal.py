"""A record with control characters, shown by `tail` and `view` on a terminal and into a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.command import Command, terminal_output, wait_for_output
from support.terminals import HOSTILE, control_characters_in

from rxbosbase import BosBase
from rxbosbase.server import EmbeddedServer

JSON = {HOSTILE: [HOSTILE, {"deep": {HOSTILE: HOSTILE}}], "x": "[red]markup[/red] [/]"}
SHORT = {"turn": {"\u202e\x9b": "\x7fevil"}, "mark": "[red]no[/]"}  # a cell of a table is not cut
RECORD = {"text": HOSTILE, "data": JSON, "list": [HOSTILE, JSON], **SHORT, "end": "the end"}
TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "2000"}

SHOWN = [
    ["tail", "notes", "--format", "pretty"],
    ["tail", "notes", "--format", "json"],
    ["view", "notes"],
]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server with a collection that is readable without a login."""
    kinds = {name: "text" if isinstance(value, str) else "json" for name, value in RECORD.items()}
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    with EmbeddedServer() as running:
        with running.client(superuser=True) as admin:
            rules = {"listRule": "", "viewRule": "", "createRule": ""}
            admin.collections.create({"name": "notes", "type": "base", "fields": fields, **rules})
        yield running


def write(server: EmbeddedServer) -> dict[str, Any]:
    with BosBase(server.url) as guest:
        stored = guest.collection("notes").create(RECORD)
    assert {key: stored[key] for key in RECORD} == RECORD, "the server keeps such texts"
    return stored


@pytest.mark.parametrize("arguments", SHOWN, ids=lambda words: "-".join(words[:1] + words[3:]))
def test_control_characters_of_a_record_are_shown_as_text(
    server: EmbeddedServer, arguments: list[str]
) -> None:
    """On a terminal, `tail` and `view` show control characters and markup of records as text."""
    name, *rest = arguments
    with (
        terminal_output() as (terminal, written),
        Command(name, "--url", server.url, *rest, stdout=terminal, env=TERMINAL) as command,
    ):
        if name == "tail":
            assert command.error_line().startswith("rxbosbase: listening to ")
        write(server)
        wait_for_output(written, b"the end")
        code, _, err = command.interrupt()
    shown = b"".join(written)
    assert (code, control_characters_in(err.encode())) == (0, [])
    assert control_characters_in(shown) == []
    assert b"52;c;" in shown and b"evil" in shown  # shown as text
    assert b"[red]no[/]" in shown  # not used as markup


@pytest.mark.parametrize("arguments", SHOWN[1:], ids=["tail", "view"])
def test_json_lines_escape_control_characters_without_loss(
    server: EmbeddedServer, arguments: list[str]
) -> None:
    """JSON lines of `tail` and `view` escape control characters and decode to the record."""
    name, *rest = arguments
    with Command(name, "--url", server.url, *rest) as command:
        assert command.error_line().startswith("rxbosbase: listening to ")
        stored = write(server)
        line = command.line()
        while json.loads(line)["record"]["id"] != stored["id"]:  # a view begins with other records
            line = command.line()
        code, _, err = command.interrupt()
    assert (code, err) == (0, "")
    assert control_characters_in(line.encode()) == []
    shown = json.loads(line)["record"]
    assert {key: shown[key] for key in RECORD} == RECORD
