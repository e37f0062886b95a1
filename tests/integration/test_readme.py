"""The README: its examples are the files in examples/, and every one of them runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.command import Command

from rxbosbase import BosBase
from rxbosbase.cli.writers import writing
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import create_sample

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SHOWN = dict(re.findall(r"<!-- (examples/\S+) -->\n```python\n(.*?)```\n", README, re.DOTALL))

COMMANDS = [
    "python3 -m venv .venv && .venv/bin/pip install '.[demo]' && .venv/bin/rxbosbase demo",
    "python3 -m venv .venv && .venv/bin/pip install '.[test]' && "
    ".venv/bin/python -m pytest -n 3 --dist loadfile",
]
WRITTEN_URL = "http://127.0.0.1:8090"
ARGUMENTS = {"connection_monitoring": ["0.2"]}
PRINTED = {
    "chat_room": ["+ Ada: Cześć! 👋", "- Ada: Cześć! 👋"],
    "clean_up": [
        "('posts/*',)",
        "('posts/*', 'messages/*')",
        "('messages/*',)",
        "threads left: []",
    ],
    "connection_monitoring": ["active", "closed on purpose"],
    "dashboard": ["by Ben: 0 comments", ": 1 comments"],
    "error_handling": ["403: log in", "404: there is no such collection", "400: "],
    "own_activity": ["create Draft", "update Published", "delete Published", "! “Published”"],
}


@contextmanager
def sample_server() -> Generator[str]:
    """Start a server with the sample data of ``rxbosbase serve``; yield its URL."""
    with EmbeddedServer(prepare=create_sample) as server:
        yield server.url


@pytest.fixture(scope="module")
def quiet_url() -> Iterator[str]:
    """The URL of a server to which only the examples write, so that their output is known."""
    with sample_server() as url:
        yield url


@pytest.fixture
def busy_url() -> Iterator[str]:
    """The URL of a server of its own to which sample users write during the test."""
    with sample_server() as url, writing(url, 20):
        yield url


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_has_the_command_in_a_fenced_block(command: str) -> None:
    """The README has each install command in a `sh` block."""
    assert f"```sh\n{command}\n```" in README


def test_the_readme_shows_every_example_as_it_is_in_its_file() -> None:
    """The README shows each file in `examples/` unchanged."""
    files = {f"examples/{path.name}": path.read_text(encoding="utf-8") for path in EXAMPLES}
    assert files == SHOWN


def test_the_links_of_the_readme_lead_to_files() -> None:
    """Every relative link in the README leads to an existing file."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_first_program_has_ten_lines_at_most_and_prints_what_is_written_meanwhile(
    busy_url: str,
) -> None:
    """`first_program.py` has ten lines at most and prints three lines while others write."""
    code = (ROOT / "examples" / "first_program.py").read_text(encoding="utf-8")
    assert len(code.splitlines()) <= 10
    assert WRITTEN_URL in code
    done = run("-c", code.replace(WRITTEN_URL, busy_url))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, encoding="utf-8", timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_runs_to_its_end_and_prints_what_it_is_about(name: str, quiet_url: str) -> None:
    """Each example exits with 0, without warnings, and prints its expected lines."""
    path = ROOT / "examples" / f"{name}.py"
    done = run(str(path), *ARGUMENTS.get(name, []), RXBOSBASE_URL=quiet_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert [text for text in PRINTED[name] if text not in done.stdout] == []


def test_every_example_is_run() -> None:
    """Every file in `examples/` is run by a test."""
    assert {path.stem for path in EXAMPLES} == {"first_program", *PRINTED}


SERVE = re.compile(r"rxbosbase (serve(?: --[a-z-]+(?: \d+)?)*)")
LOGIN = re.compile(r'auth_with_password\("([^"]+)", "([^"]+)"\)')


@pytest.mark.parametrize("page", ["README.md", "docs/first-steps.md", "llms.txt"])
def test_each_login_of_a_page_works_on_its_serve_command(page: str) -> None:
    """Each login on a page of the docs works on the `serve` commands of that page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = [found.split() for found in SERVE.findall(text)]
    logins = set(LOGIN.findall(text))
    assert commands and logins
    for command in {" ".join(each) for each in commands}:
        with Command(*command.split(), "--port", "0") as serve:
            url = serve.line().removeprefix("Serving sample data at ").partition(" ")[0]
            with BosBase(url) as client:
                for login in logins:
                    client.collection("users").auth_with_password(*login)
            serve.interrupt()
