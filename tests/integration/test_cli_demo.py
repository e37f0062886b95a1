"""``rxbosbase demo`` as users run it: for a script, into a pipe, and on a terminal."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
from support.command import Command, run, terminal_output

SECONDS = 8


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def demos() -> dict[str, Ended]:
    """Run three demos at the same time, since they mostly wait; return their results."""
    with ExitStack() as stack:
        terminal, shown = stack.enter_context(terminal_output())
        seconds = ("--seconds", str(SECONDS))
        running = {
            "json": stack.enter_context(Command("demo", *seconds, "--json")),
            "pipe": stack.enter_context(Command("demo", *seconds)),
            "terminal": stack.enter_context(
                Command("demo", *seconds, stdout=terminal, env={"TERM": "xterm-256color"})
            ),
        }
        for command in running.values():
            command.process.wait(3 * SECONDS)
        ended = {name: Ended(*command.end()) for name, command in running.items()}
    output = b"".join(shown).decode()
    return {**ended, "terminal": ended["terminal"]._replace(out=output)}


@pytest.mark.parametrize("name", ["json", "pipe", "terminal"])
def test_every_event_of_the_connected_phases_arrives(demos: dict[str, Ended], name: str) -> None:
    """`demo` exits with 0 and an empty stderr: as JSON, into a pipe and on a terminal."""
    assert (demos[name].code, demos[name].err) == (0, ""), demos[name].out


def test_the_json_is_all_there_is_on_stdout_and_it_adds_up(demos: dict[str, Ended]) -> None:
    """Stdout of `demo --json` is one JSON value; its counts add up, none lost while connected."""
    summary: dict[str, Any] = json.loads(demos["json"].out)
    phases = [summary[name] for name in ("while_connected", "last_100ms_before_kill", "while_down")]
    assert (summary["ok"], summary["problems"]) == (True, [])
    assert summary["written"] == sum(phase["written"] for phase in phases)
    assert summary["written"] == sum(summary["written_by_action"].values())
    assert summary["received"] == sum(phase["received"] for phase in phases)
    assert summary["while_connected"]["written"] == summary["while_connected"]["received"] > 100
    assert summary["reconnect_s"] <= 2.5
    assert 0.5 < summary["server_down_s"] < SECONDS / 2
    latency = summary["write_to_event_ms"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]


def test_the_live_view_ends_up_as_its_query(demos: dict[str, Ended]) -> None:
    """The live view of `demo` equals a fresh query at the end; JSON and plain output report it."""
    summary: dict[str, Any] = json.loads(demos["json"].out)
    assert summary["live_view"]["equals_query"] is True
    assert summary["live_view"]["records"] > 0
    assert "equals a fresh query" in demos["pipe"].out
    assert "live view: open orders" in demos["terminal"].out


def test_a_pipe_gets_plain_lines_without_control_codes(demos: dict[str, Ended]) -> None:
    """`demo` writes plain lines into a pipe, without escape codes or carriage returns."""
    out = demos["pipe"].out
    assert "\x1b" not in out and "\r" not in out
    for text in ("killed the server", "the stream is back", "active: ", "events of the connected"):
        assert text in out


def test_a_terminal_gets_a_live_display(demos: dict[str, Ended]) -> None:
    """`demo` draws a display with escape codes on a terminal, with each connection state."""
    out = demos["terminal"].out
    for text in ("\x1b[", "rxbosbase demo", "● ", "waiting", "active", "what happens", "arrived."):
        assert text in out


def test_a_demo_too_short_to_recover_is_a_usage_error() -> None:
    """`demo --seconds 1` exits with 2, and stderr names `--seconds`."""
    done = run("demo", "--seconds", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--seconds" in done.stderr
