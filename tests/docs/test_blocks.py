"""Every code block of the pages runs and has the output that the page shows.

The blocks of a page run in one go, top to bottom, as in an interpreter; the address
``http://127.0.0.1:8090`` is that of a server with the sample data. A ``text`` block right after a
``python`` block is what has been printed, line by line. A block that cannot run here says why
behind the word ``fragment``, and is compiled. One whose first line is the name of a file
(``# test_late.py``) is that file: those of a page lie in one folder, where pytest runs.
"""

from __future__ import annotations

import logging
import re
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from rxbosbase import BosBase
from rxbosbase.cli.app import app
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import create_sample

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
LLMS = ROOT / "llms.txt"
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), LLMS]
WRITTEN_URL = "http://127.0.0.1:8090"
PRINTED_WITHIN = 5.0  # seconds until what a page promises has been printed

FENCE = re.compile(
    r"^(?P<indent> *)(?P<mark>`{3,})(?P<info>[^\n`]*)\n(?P<code>.*?)^ *(?P=mark)\n", re.M | re.S
)
FILE = re.compile(r"# (\w+\.py)\n")
NOT_CODE = {
    "text",
    "{eval-rst}",
    "{toctree}",
    "{image}",
    "{include}",
    "json",
    "{lifecycle}",
    "{notebook}",
}


@dataclass
class Block:
    """One fenced block: its first line in the page, the words after the fence, and the text."""

    line: int
    language: str
    info: str
    code: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        language, _, info = match["info"].strip().partition(" ")
        line = text.count("\n", 0, match.start("code"))
        found.append(Block(line, language, info, textwrap.dedent(match["code"])))
    return found


def runs(block: Block) -> bool:
    return block.language == "python" and not block.info and not FILE.match(block.code)


def files(page: Path) -> dict[str, str]:
    """Return the blocks that are files, by name."""
    found = ((FILE.match(block.code), block.code) for block in blocks(page))
    return {name[1]: code for name, code in found if name}


WITH_PYTHON = [page for page in PAGES if any(map(runs, blocks(page)))]
WITH_TESTS = [page for page in PAGES if files(page)]
WITH_SHELL = [page for page in PAGES if any(block.language == "sh" for block in blocks(page))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT).with_suffix("")).removeprefix("docs/")


@pytest.fixture(scope="module")
def sample_url() -> Iterator[str]:
    """A server with the sample data that ``rxbosbase serve`` has."""
    with EmbeddedServer() as server:
        with server.client(superuser=True) as admin:
            create_sample(admin)
        yield server.url


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_the_blocks_of_a_page_run_from_top_to_bottom_and_print_what_it_says(
    page: Path,
    sample_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The Python blocks of a page run from top to bottom and print what the page shows."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.NOTSET, "rxbosbase")  # so that settings of a page are undone
    names: dict[str, Any] = {"__name__": "page"}
    printed = ""
    try:
        for block in blocks(page):
            if runs(block):
                capsys.readouterr()
                run(page, block, sample_url, names)
                printed = ""
            elif block.language == "text" and not block.info:
                printed = wait_for(block.code.splitlines(), capsys)
                assert_in_order(block.code.splitlines(), printed)
    finally:
        for value in list(names.values()):
            if isinstance(value, BosBase):
                value.close()
    errors = [entry.getMessage() for entry in caplog.records if entry.levelno >= logging.ERROR]
    assert errors == [], "a subscriber of the page raised"


def run(page: Path, block: Block, url: str, names: dict[str, Any]) -> None:
    """Run a block so that a traceback shows the line in the page."""
    code = "\n" * block.line + block.code.replace(WRITTEN_URL, url)
    exec(compile(code, str(page), "exec", dont_inherit=True), names)


def wait_for(lines: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Wait until these lines are printed, or the time is over; return the output."""
    printed = ""
    deadline = time.monotonic() + PRINTED_WITHIN
    while time.monotonic() < deadline:
        printed += capsys.readouterr().out
        if all(line in printed for line in lines):
            break
        time.sleep(0.02)
    return printed


def assert_in_order(lines: list[str], printed: str) -> None:
    at = 0
    for line in lines:
        found = printed.find(line, at)
        assert found >= 0, f"{line!r} is not printed (any more, or in this order):\n{printed}"
        at = found + len(line)


@pytest.mark.parametrize("page", WITH_TESTS, ids=name_of)
def test_the_tests_that_a_page_shows_pass(
    page: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests that a page shows pass."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    for name, code in files(page).items():
        pytester.path.joinpath(name).write_text(code, encoding="utf-8")
    tests = sum(code.count("\ndef test_") for code in files(page).values())
    result = pytester.runpytest_subprocess("-p", "pytest_rxbosbase", "-W", "error")
    assert tests > 0
    result.assert_outcomes(passed=tests)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_block_is_left_out_without_a_reason(page: Path) -> None:
    """A block that does not run states its reason and compiles; other languages are known."""
    for block in blocks(page):
        where = f"{name_of(page)}:{block.line}"
        if block.language == "python" and block.info:
            word, _, reason = block.info.partition(": ")
            assert word == "fragment" and len(reason) > 10, f"{where}: say `fragment: why`"
            compile(block.code, where, "exec", dont_inherit=True)
        else:
            known = {"python", "sh", *NOT_CODE}
            assert block.language in known, f"{where}: a block of {block.language!r}"


@pytest.mark.parametrize("page", WITH_SHELL, ids=name_of)
def test_the_commands_of_a_page_are_commands_with_the_options_they_have(page: Path) -> None:
    """Each `rxbosbase` command in a shell block exists and has the options that are given."""
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    for block in blocks(page):
        if block.language != "sh":
            continue
        for words in re.findall(r"(?:^|bin/| )rxbosbase ([a-z][^\n&|]*)", block.code):
            name, *arguments = [word.strip("'\"") for word in re.findall(r"'[^']*'|\S+", words)]
            arguments = arguments[: arguments.index("#")] if "#" in arguments else arguments
            assert name in commands, f"{name_of(page)}:{block.line}: rxbosbase {name}"
            if "--help" not in arguments:
                commands[name].make_context(name, arguments)
