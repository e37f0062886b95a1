"""``rxbosbase view`` as users run it: into a pipe, on a terminal, and when it is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
from support.command import Command, Env, run, terminal_output

from rxbosbase import BosBase
from rxbosbase.live import Change, apply_changes
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_PASSWORD, SAMPLE_USERS, create_sample

ADA = SAMPLE_USERS[0]


@pytest.fixture(scope="module")
def sample() -> Iterator[EmbeddedServer]:
    """A server with sample data, for tests that do it no harm."""
    with EmbeddedServer() as server:
        with server.client(superuser=True) as admin:
            create_sample(admin)
        yield server


@contextmanager
def viewing(url: str, *arguments: str, env: Env = None) -> Generator[Command]:
    """A ``view`` that the server has already acknowledged."""
    with Command("view", "--url", url, *arguments, env=env) as view:
        assert view.said().startswith("rxbosbase: listening to ")
        yield view


@contextmanager
def ada(url: str) -> Generator[BosBase]:
    with BosBase(url) as client:
        client.collection("users").auth_with_password(ADA.email, SAMPLE_PASSWORD)
        yield client


def say(client: BosBase, text: str, room: str = "general") -> str:
    """Ada writes a message; its id."""
    body = {"room": room, "text": text, "author": ADA.id}
    id: str = client.collection("messages").create(body)["id"]
    return id


def change(view: Command) -> Change[dict[str, Any]]:
    return Change(**json.loads(view.line()))


def test_a_pipe_gets_a_json_line_per_change_and_ctrl_c_ends_cleanly(sample: EmbeddedServer) -> None:
    """`view` writes one JSON line per change, applicable in order; Ctrl-C exits with 0."""
    options = ["--filter", "room = 'help'", "--sort", "-text", "--fields", "text"]
    with ada(sample.url) as client:
        first = say(client, "a", "help")
        with viewing(sample.url, "messages", *options) as view:
            changes = [change(view)]
            second = say(client, "b", "help")
            changes.append(change(view))
            client.collection("messages").update(first, {"text": "c"})
            changes.append(change(view))
            client.collection("messages").update(second, {"room": "general"})
            changes.append(change(view))
            assert [c.type for c in changes] == ["added", "added", "modified", "removed"]
            assert apply_changes([], changes[:3]) == [{"text": "c"}, {"text": "b"}]
            assert apply_changes([], changes) == [{"text": "c"}]
            assert view.interrupt() == (0, "", "")


def test_a_gap_is_told_on_stderr_and_what_it_held_comes_as_changes() -> None:
    """`view` reports a reconnect on stderr, then shows a record created without the stream."""
    with EmbeddedServer() as server, server.client(superuser=True) as admin:
        create_sample(admin)
        with viewing(server.url, "messages", "--filter", "text = 'x'") as view:
            server.kill()
            assert view.said().startswith("rxbosbase: connection lost, reconnecting: ")
            server.restart()
            with ada(server.url) as client:
                say(client, "x")
            line = view.said()
            assert line.startswith("rxbosbase: connected again after ") and "not sent" not in line
            assert change(view).record["text"] == "x"
            assert view.interrupt() == (0, "", "")


def test_a_terminal_gets_a_table_that_follows_and_ctrl_c_leaves_it_in_order(
    sample: EmbeddedServer,
) -> None:
    """`view` updates a table on a terminal; Ctrl-C exits with 0 and restores the cursor."""
    with ada(sample.url) as client, terminal_output() as (terminal, written):
        say(client, "before", "help")
        arguments = ["view", "--url", sample.url, "messages", "--sort", "-created", "--limit", "3"]
        arguments += ["--expand", "author", "--fields", "text,author,expand.author.name"]
        with Command(*arguments, stdout=terminal, env={"TERM": "xterm-256color"}) as view:
            _appears(written, b"before")
            say(client, "while it runs")
            _appears(written, b"while it runs")
            code, _, err = view.interrupt()
    assert (code, err) == (0, "")
    picture = b"".join(written).decode()
    assert "fresh" in picture and "Ada" in picture
    assert picture.rindex("\x1b[?25h") > picture.rindex("\x1b[?25l")  # the cursor is back


def _appears(written: list[bytes], text: bytes) -> None:
    deadline = monotonic() + 10
    while text not in b"".join(written):
        assert monotonic() < deadline, b"".join(written)
        threading.Event().wait(0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["messages", "--filter", "nosuch = 1"], "400"),
        (["orders_and_more"], "404"),
        (["audit"], "403"),
        (["messages", "--filter", "x" * 3000], "shorten the filter"),
    ],
)
def test_what_the_server_refuses_is_one_line_and_exit_code_1(
    sample: EmbeddedServer, arguments: list[str], message: str
) -> None:
    """`view` exits with 1 for a refused query; the last line of stderr has the reason."""
    ended = run("view", "--url", sample.url, *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("rxbosbase: ") and message in last


def test_a_login_without_a_password_is_refused_at_once(sample: EmbeddedServer) -> None:
    """`view --identity` without a password in the environment exits with 2."""
    ended = run("view", "--url", sample.url, "orders", "--identity", "ada@example.com")
    assert ended.returncode == 2
    assert "holds no password" in ended.stderr
