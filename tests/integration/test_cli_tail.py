"""``rxbosbase tail`` as users run it, and the exit codes of all commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from support.command import Command, Env, environment, run
from support.sample_user import ADA, ada, write_message

from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_PASSWORD, create_sample


@contextmanager
def tailing(url: str, *arguments: str, env: Env = None) -> Generator[Command]:
    """A ``tail`` that the server has already acknowledged."""
    with Command("tail", "--url", url, *arguments, env=env) as tail:
        assert tail.error_line().startswith("rxbosbase: listening to ")
        yield tail


def test_a_pipe_gets_a_json_line_per_event_and_ctrl_c_ends_cleanly(sample: EmbeddedServer) -> None:
    """`tail` writes one JSON line per event for any Unicode text; Ctrl-C exits with 0."""
    with ada(sample.url) as client, tailing(sample.url, "messages", "posts") as tail:
        texts = ["Zażółć", "one\ntwo", "a\u2028b", "👩‍👩‍👧"]
        ids = [write_message(client, text) for text in texts]
        events = [json.loads(tail.line()) for _ in texts]
        assert {event["record"]["id"]: event["record"]["text"] for event in events} == dict(
            zip(ids, texts, strict=True)
        )
        assert {(event["topic"], event["action"]) for event in events} == {("messages/*", "create")}
        assert tail.interrupt() == (0, "", "")


def test_filter_expand_fields_and_action_reach_the_stream(sample: EmbeddedServer) -> None:
    """`tail` applies `--filter`, `--expand` and `--fields`, and shows only each `--action`."""
    options = ["--filter", "text ~ 'yes'", "--expand", "author", "--fields", "id,text,expand"]
    options += ["--action", "create", "--action", "delete"]
    with ada(sample.url) as client, tailing(sample.url, "messages", *options) as tail:
        write_message(client, "no")
        id = write_message(client, "yes")
        created = json.loads(tail.line())
        client.collection("messages").update(id, {"text": "yes, yes"})
        client.collection("messages").delete(id)
        deleted = json.loads(tail.line())
    assert set(created["record"]) == {"id", "text", "expand"}
    assert created["record"]["expand"]["author"]["name"] == "Ada"
    assert [event["action"] for event in (created, deleted)] == ["create", "delete"]


def test_one_record_can_be_named_and_the_pretty_form_asked_for(sample: EmbeddedServer) -> None:
    """`tail COLLECTION/ID --format pretty` shows that record alone, without escapes in a pipe."""
    with ada(sample.url) as client:
        id = write_message(client, "before")
        with tailing(sample.url, f"messages/{id}", "--format", "pretty") as tail:
            write_message(client, "another")
            client.collection("messages").update(id, {"text": "after all"})
            line = tail.line()
    assert f"update messages/{id} " in line and 'text="after all"' in line
    assert "\x1b" not in line


def test_a_login_shows_what_guests_do_not_see(sample: EmbeddedServer) -> None:
    """`tail --identity` with `--password-env` shows records that need a login."""
    order = {"customer": ADA.id, "item": "tea", "quantity": 1}
    login = ["--identity", ADA.email, "--password-env", "SECRET"]
    with (
        ada(sample.url) as client,
        tailing(sample.url, "orders", *login, env={"SECRET": SAMPLE_PASSWORD}) as tail,
    ):
        client.collection("orders").create(order)
        assert json.loads(tail.line())["record"]["item"] == "tea"


def test_a_lost_and_a_restored_connection_are_reported_on_stderr() -> None:
    """`tail` reports a lost and a restored connection on stderr, then shows new events."""
    with EmbeddedServer() as server, server.client(superuser=True) as admin:
        create_sample(admin)
        with tailing(server.url, "messages") as tail:
            server.kill()
            assert tail.error_line().startswith("rxbosbase: connection lost, reconnecting: ")
            server.restart()
            assert tail.error_line().startswith("rxbosbase: connected again after ")
            with ada(server.url) as client:
                write_message(client, "back")
            assert json.loads(tail.line())["record"]["text"] == "back"
            assert tail.interrupt() == (0, "", "")


@pytest.mark.parametrize("format", ["json", "pretty"])
def test_a_closed_pipe_ends_tail_with_code_0(sample: EmbeddedServer, format: str) -> None:
    """`tail` exits with 0 and an empty stderr when the reader closes its pipe."""
    with (
        ada(sample.url) as client,
        tailing(sample.url, "messages", "--format", format) as tail,
    ):
        write_message(client, "first")
        tail.line()
        assert tail.process.stdout is not None
        tail.process.stdout.close()
        tail.process.stdout = None
        write_message(client, "second")
        assert tail.end() == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "404: Missing collection context."),
        (["messages", "nonsense"], "404: Missing collection context."),
        (["audit"], "403: Only superusers can perform this action."),
        (["messages", "--filter", "room ="], "400: "),
        (["messages", "--filter", "x" * 3000], "400: "),
        (["mess ages"], "collection"),
        (["messages", "--identity", "ada@example.com", "--password-env", "HOME"], "400: Failed to"),
    ],
)
def test_a_refused_tail_ends_with_the_reason_and_exit_code_1(
    sample: EmbeddedServer, arguments: list[str], message: str
) -> None:
    """`tail` exits with 1 for what is refused; the last line of stderr has the reason."""
    done = run("tail", "--url", sample.url, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    # The topics may be acknowledged before the read that finds an error in one of them ends.
    listening, last = done.stderr.splitlines()[:-1], done.stderr.splitlines()[-1]
    assert last.startswith("rxbosbase: ") and message in last
    assert [line for line in listening if not line.startswith("rxbosbase: listening to ")] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tail"], "COLLECTION"),
        (["tail", "messages", "--action", "rename"], "--action"),
        (["tail", "messages", "--identity", "ada@example.com"], "RXBOSBASE_PASSWORD"),
        (["sing"], "sing"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str], message: str) -> None:
    """A wrong command line exits with 2, an empty stdout, and a stderr that names the mistake."""
    done = run(*arguments, env={"COLUMNS": "200"})
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_without_the_extra_one_line_says_what_to_install() -> None:
    """Without `typer` the command exits with 1 and one line with the `pip install` command."""
    program = """if True:
        import sys

        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "typer":
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Missing())
        from rxbosbase.cli import main
        main()
        """
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    expected = r"The command line needs an optional part: \S+ -m pip install .*\[cli\]'?\n"
    assert re.fullmatch(expected, done.stderr)
