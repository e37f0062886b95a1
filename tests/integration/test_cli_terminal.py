"""A record that means harm, and every command that shows it: on a terminal and into a pipe."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from support.command import Command, terminal_output
from support.terminals import HOSTILE, commands_in

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
    """One with a collection that everybody reads."""
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
def test_a_record_commands_no_terminal(server: EmbeddedServer, arguments: list[str]) -> None:
    """On a terminal, `tail` and `view` show control characters and markup of records as text."""
    name, *rest = arguments
    with (
        terminal_output() as (terminal, written),
        Command(name, "--url", server.url, *rest, stdout=terminal, env=TERMINAL) as command,
    ):
        if name == "tail":
            assert command.said().startswith("rxbosbase: listening to ")
        write(server)
        appears(written, b"the end")
        code, _, err = command.interrupt()
    shown = b"".join(written)
    assert (code, commands_in(err.encode())) == (0, [])
    assert commands_in(shown) == []
    assert b"52;c;" in shown and b"evil" in shown  # it is shown, as text
    assert b"[red]no[/]" in shown  # and is no markup


@pytest.mark.parametrize("arguments", SHOWN[1:], ids=["tail", "view"])
def test_json_lines_command_nobody_and_lose_nothing(
    server: EmbeddedServer, arguments: list[str]
) -> None:
    """JSON lines of `tail` and `view` escape control characters and decode to the record."""
    name, *rest = arguments
    with Command(name, "--url", server.url, *rest) as command:
        assert command.said().startswith("rxbosbase: listening to ")
        stored = write(server)
        line = command.line()
        while json.loads(line)["record"]["id"] != stored["id"]:  # a view begins with the others
            line = command.line()
        code, _, err = command.interrupt()
    assert (code, err) == (0, "")
    assert commands_in(line.encode()) == []
    shown = json.loads(line)["record"]
    assert {key: shown[key] for key in RECORD} == RECORD


def appears(written: list[bytes], text: bytes) -> None:
    deadline = monotonic() + 10
    while text not in b"".join(written):
        assert monotonic() < deadline, b"".join(written)
        threading.Event().wait(0.02)
