"""Put small faults into the code, one at a time, and check that the tests find each::

    python -m tests.mutation.run                    # all of SCOPE: an hour
    python -m tests.mutation.run rxbosbase.runtime.backoff   # some modules
    python -m tests.mutation.run --part             # a sixteenth of SCOPE, each day another
    python -m tests.mutation.run --part 3           # that one

The tool is mutmut. What it makes of the code stays in build/mutation until the next run: there,
`mutmut show NAME` and `mutmut browse` work.

A mutant counts as caught when a test fails or does not end, or when mypy refuses it, since CI runs
both. One that changes nothing that a caller sees, or that mutmut switches on too late, is named in
equivalent.json with the reason. It is identified by its lines: the same change of an equal line in
that function is excused with it. The score is the share of the others that is caught; below GOAL
the run ends with 1. The whole run writes it into CONTRIBUTING.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .pure import PURE

__all__ = ["GOAL", "PARTS", "SCOPE", "Mutant", "main", "named", "parts"]

ROOT = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.json")
WORKPLACE = ROOT / "build" / "mutation"

GOAL = 95.0  # per cent of the mutants that change anything
PARTS = 16
TEST_LIMIT = 10  # seconds; without a mutant the longest test takes two
TIMES_AS_LONG = 8.0  # as without a mutant: then a run is ended
AT_ONCE = 2 * (os.cpu_count() or 1)  # many wait for something that does not happen

OPERATORS = sorted(
    f"rxbosbase.operators.{path.stem}"
    for path in (ROOT / "rxbosbase/operators").glob("*.py")
    if path.stem != "__init__"
)
SCOPE = [
    *PURE,
    *(
        "rxbosbase.runtime.thread_scheduler",
        "rxbosbase.runtime.scheduler",
        "rxbosbase.runtime.bounded_queue",
        "rxbosbase.runtime.pool",
        "rxbosbase.runtime.retry",
        "rxbosbase.records.auth_requests",
        "rxbosbase.records.base",
        "rxbosbase.records.requests",
        "rxbosbase.records.writing",
        "rxbosbase.auth.refresh",
    ),
    "rxbosbase.http.transport",
    "rxbosbase.runtime.backoff",
    *OPERATORS,
]

TESTS = [
    "tests/unit",
    *(f"tests/wire/test_{name}.py" for name in ("http_auth", "http_records", "security")),
    *(f"tests/wire/test_{name}.py" for name in ("sockets", "transport", "trust")),
    # They look at the caller's frame, which is mutmut's, or count frames, …
    "--deselect=tests/wire/test_security.py::test_verify_false_warns_and_works",
    *(
        f"--deselect=tests/unit/{test}"
        for test in (
            "encoding/test_values.py::test_nested_values_take_one_call_for_each_level",
            "http/test_chunked.py::test_chunks_cost_no_call_of_their_own",
            "realtime/protocol/test_frames.py::test_a_usual_event_costs_one_call",
            "realtime/protocol/test_body_decoder.py::test_usual_events_need_no_python_call_each",
        )
    ),
    # … or have nothing to do with SCOPE.
    *(f"--ignore=tests/unit/{name}" for name in ("cli", "dashboard", "dataframes")),
    # They test the model, or search for long: longer than TEST_LIMIT while calls are counted.
    *(f"--ignore=tests/unit/live/test_{name}.py" for name in ("mutants", "exhaustive")),
]

PROSE = re.compile(r"[A-Za-z,…] [A-Za-z{]+ [A-Za-z{]")
"""In a text of three words or more. Its line is not changed: tests match parts of a message."""

CAUGHT = {"killed": "by a test", "timeout": "by not ending", "caught by type check": "by mypy"}
NO_MUTANT = {"MUTANT_UNDER_TEST": ""}
COULD_NOT_RUN = {255: "its tests could not be run"}
"""mutmut's exit code of a child that pytest refused, which mutmut counts among the time-outs."""

BEGIN, END = "<!-- the score, as tests.mutation.run wrote it -->", "<!-- end -->"


@dataclass(frozen=True)
class Mutant:
    """One fault: its place, its status, and its lines before and after."""

    name: str
    status: str
    was: str = ""
    becomes: str = ""

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def function(self) -> str:
        """As ``module.function`` or ``module.Class.method``."""
        generated = self.name.rpartition(".")[2].rpartition("__mutmut_")[0]
        readable = generated.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        return f"{self.module}.{readable}"

    @property
    def key(self) -> tuple[str, str, str]:
        """The same after other lines of the module have changed."""
        return self.function, self.was, self.becomes


def parts() -> list[list[str]]:
    """Divide SCOPE into PARTS of about the same number of lines."""
    sizes = {module: len(path_of(module).read_bytes().splitlines()) for module in SCOPE}
    found: list[list[str]] = [[] for _ in range(PARTS)]
    for module in sorted(sizes, key=lambda module: (-sizes[module], module)):
        min(found, key=lambda part: sum(sizes[name] for name in part)).append(module)
    return found


def path_of(module: str) -> Path:
    return ROOT / (module.replace(".", "/") + ".py")


def today() -> int:
    """Return the number of today's part."""
    return datetime.now(UTC).toordinal() % PARTS


def lines_of_prose(module: str) -> Iterator[str]:
    """Return the lines of texts for users."""
    kinds = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    with path_of(module).open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type in kinds and PROSE.search(token.string):
                yield token.line.splitlines()[0]


# -- running mutmut


def prepare(folder: Path, modules: Sequence[str]) -> None:
    """Lay out what mutmut works on: the project, and settings for these modules.

    Anew each time: mutmut would keep what a test caught that has changed since.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("rxbosbase", "tests", "docs", "README.md", "setup.cfg", "pytest_rxbosbase.py"):
        (folder / name).symlink_to(ROOT / name)
    prose = {line for module in modules for line in lines_of_prose(module)}
    settings = {
        "source_paths": ["rxbosbase"],
        "only_mutate": [str(path_of(module).relative_to(ROOT)) for module in modules],
        "also_copy": ["docs", "README.md", "pytest_rxbosbase.py"],
        "do_not_mutate_patterns": [f"^{re.escape(line)}$" for line in sorted(prose)],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", f"--timeout={TEST_LIMIT}"],
        "timeout_multiplier": TIMES_AS_LONG,
        "pytest_add_cli_args_test_selection": TESTS,
        "process_isolation": "forkserver",  # the tests start threads
        "type_check_command": [sys.executable, "-m", "tests.mutation.types"],
    }
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(f"{project}\n[tool.mutmut]\n{table}\n", encoding="utf-8")


def run_mutmut(folder: Path) -> None:
    """Try each mutant that has not been tried; on a terminal, show how far it is."""
    command = [sys.executable, "-c", "from mutmut.__main__ import cli; cli()", "run"]
    command += ["--max-children", str(AT_ONCE)]
    shown = None if sys.stdout.isatty() else subprocess.DEVNULL
    if subprocess.run(command, cwd=folder, stdout=shown).returncode == 0:
        return
    # It does not print which test fails without an active mutant.
    pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--rootdir=."]
    subprocess.run([*pytest, *TESTS], cwd=folder / "mutants", env={**os.environ, **NO_MUTANT})
    sys.exit(f"{' '.join(command)} failed in {folder}")


def results(folder: Path, modules: Sequence[str]) -> Iterator[Mutant]:
    """Return the mutants of these modules with their status."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant  # an extra of its own
    from mutmut.stats import status_by_exit_code

    here = Path.cwd()
    os.chdir(folder)
    try:
        for module in modules:
            path = path_of(module).relative_to(ROOT)
            meta = json.loads(Path(f"mutants/{path}.meta").read_text(encoding="utf-8"))
            for name, exit_code in meta["exit_code_by_key"].items():
                status = COULD_NOT_RUN.get(exit_code) or status_by_exit_code[exit_code]
                if status in CAUGHT:
                    yield Mutant(name, status)
                else:
                    yield Mutant(name, status, *changed(get_diff_for_mutant(name, path=path)))
    finally:
        os.chdir(here)


def changed(diff: str) -> tuple[str, str]:
    """Return the lines that a diff removes, and those that it adds."""
    lines = diff.splitlines()[2:]
    was, becomes = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return was, becomes


# -- reporting the result


def named() -> dict[tuple[str, str, str], str]:
    """Return the mutants that change nothing, with the reason of each."""
    entries = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return {(entry["function"], entry["was"], entry["becomes"]): entry["why"] for entry in entries}


def report(mutants: Sequence[Mutant], modules: Sequence[str]) -> tuple[float, str]:
    """Print mutants that survive, or are named without need; return the score and a line on it."""
    reasons = named()
    alive = [mutant for mutant in mutants if mutant.status not in CAUGHT]
    unnamed = [mutant for mutant in alive if mutant.key not in reasons]
    for mutant in unnamed:
        print(f"{mutant.name}: {mutant.status}\n  - {mutant.was}\n  + {mutant.becomes}")
    for key in sorted(reasons.keys() - {mutant.key for mutant in alive}):
        if key[0].startswith(tuple(f"{module}." for module in modules)):
            print("named in equivalent.json, but caught or gone: {}\n  - {}\n  + {}".format(*key))
    count = Counter(CAUGHT.get(mutant.status) for mutant in mutants)
    caught = ", ".join(f"{count[how]} {how}" for how in CAUGHT.values())
    equivalent = len(alive) - len(unnamed)
    changing = len(mutants) - equivalent
    score = 100.0 * (changing - len(unnamed)) / max(changing, 1)  # no mutant is no success
    text = (
        f"{score:.1f} % of the {changing} mutants that change anything are caught: {caught}. "
        f"{equivalent} more change nothing that a caller sees, or are out of mutmut's reach."
    )
    return score, text


def write_score(text: str) -> None:
    """Put the score into CONTRIBUTING.md."""
    page = ROOT / "CONTRIBUTING.md"
    before, begin, rest = page.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"\n{END}")
    if not begin or not end:
        sys.exit(f"{page} has no place for the score: {BEGIN} {END}")
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Does a test fail for each fault?")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("modules", nargs="*", default=[], help="of SCOPE, by their dotted names")
    which.add_argument(
        "--part", type=int, nargs="?", choices=range(PARTS), const=today(), help="of SCOPE"
    )
    options = parser.parse_args()
    unknown = set(options.modules) - set(SCOPE)
    if unknown:
        parser.error(f"not in SCOPE: {', '.join(sorted(unknown))}")
    modules = options.modules or SCOPE
    if options.part is not None:
        modules = parts()[options.part]
        print(f"part {options.part}: {', '.join(modules)}", flush=True)
    prepare(WORKPLACE, modules)
    run_mutmut(WORKPLACE)
    score, text = report(list(results(WORKPLACE, modules)), modules)
    print(text)
    if modules is SCOPE:
        write_score(text)
    return 0 if score >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
