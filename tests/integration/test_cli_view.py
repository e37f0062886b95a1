"""``rxbosbase view`` as users run it: into a pipe, on a terminal, and when it is refused."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from support.command import Command, Env, run, terminal_output, wait_for_output
from support.sample_user import ada, write_message

from rxbosbase.live import Change, apply_changes
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import create_sample


@contextmanager
def viewing(url: str, *arguments: str, env: Env = None) -> Generator[Command]:
    """A ``view`` that the server has already acknowledged."""
    with Command("view", "--url", url, *arguments, env=env) as view:
        assert view.error_line().startswith("rxbosbase: listening to ")
        yield view


def change(view: Command) -> Change[dict[str, Any]]:
    return Change(**json.loads(view.line()))


def test_a_pipe_gets_a_json_line_per_change_and_ctrl_c_ends_cleanly(sample: EmbeddedServer) -> None:
    """`view` writes one JSON line per change, applicable in order; Ctrl-C exits with 0."""
    options = ["--filter", "room = 'help'", "--sort", "-text", "--fields", "text"]
    with ada(sample.url) as client:
        first = write_message(client, "a", "help")
        with viewing(sample.url, "messages", *options) as view:
            changes = [change(view)]
            second = write_message(client, "b", "help")
            changes.append(change(view))
            client.collection("messages").update(first, {"text": "c"})
            changes.append(change(view))
            client.collection("messages").update(second, {"room": "general"})
            changes.append(change(view))
            assert [c.type for c in changes] == ["added", "added", "modified", "removed"]
            assert apply_changes([], changes[:3]) == [{"text": "c"}, {"text": "b"}]
            assert apply_changes([], changes) == [{"text": "c"}]
            assert view.interrupt() == (0, "", "")


def test_a_gap_is_reported_on_stderr_and_caught_up_as_changes() -> None:
    """`view` reports a reconnect on stderr, then shows a record created without the stream."""
    with EmbeddedServer() as server, server.client(superuser=True) as admin:
        create_sample(admin)
        with viewing(server.url, "messages", "--filter", "text = 'x'") as view:
            server.kill()
            assert view.error_line().startswith("rxbosbase: connection lost, reconnecting: ")
            server.restart()
            with ada(server.url) as client:
                write_message(client, "x")
            line = view.error_line()
            assert line.startswith("rxbosbase: connected again after ") and "not sent" not in line
            assert change(view).record["text"] == "x"
            assert view.interrupt() == (0, "", "")


def test_a_terminal_gets_a_live_table_and_ctrl_c_restores_the_cursor(
    sample: EmbeddedServer,
) -> None:
    """`view` updates a table on a terminal; Ctrl-C exits with 0 and restores the cursor."""
    with ada(sample.url) as client, terminal_output() as (terminal, written):
        write_message(client, "before", "help")
        arguments = ["view", "--url", sample.url, "messages", "--sort", "-created", "--limit", "3"]
        arguments += ["--expand", "author", "--fields", "text,author,expand.author.name"]
        with Command(*arguments, stdout=terminal, env={"TERM": "xterm-256color"}) as view:
            wait_for_output(written, b"before")
            write_message(client, "while it runs")
            wait_for_output(written, b"while it runs")
            code, _, err = view.interrupt()
    assert (code, err) == (0, "")
    output = b"".join(written).decode()
    assert "fresh" in output and "Ada" in output
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")  # the cursor is back


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["messages", "--filter", "nosuch = 1"], "400"),
        (["orders_and_more"], "404"),
        (["audit"], "403"),
        (["messages", "--filter", "x" * 3000], "shorten the filter"),
    ],
)
def test_a_refused_view_ends_with_the_reason_and_exit_code_1(
    sample: EmbeddedServer, arguments: list[str], message: str
) -> None:
    """`view` exits with 1 for a refused query; the last line of stderr has the reason, no other."""
    ended = run("view", "--url", sample.url, *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    *listening, last = ended.stderr.splitlines()
    assert [line for line in listening if not line.startswith("rxbosbase: listening to ")] == []
    assert last.startswith("rxbosbase: ") and message in last


def test_a_login_without_a_password_is_refused_at_once(sample: EmbeddedServer) -> None:
    """`view --identity` without a password in the environment exits with 2."""
    ended = run("view", "--url", sample.url, "orders", "--identity", "ada@example.com")
    assert ended.returncode == 2
    assert "holds no password" in ended.stderr
