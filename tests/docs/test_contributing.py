"""The contributor's guide: its steps, followed exactly, give a new operator."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

FILES = re.findall(r"^```python\n(# (\S+\.py)\n.*?)^```", GUIDE, re.M | re.S)
COMMAND = re.compile(r"\.venv/bin/python -m (?P<module>[\w.]+)(?P<arguments>[^`\n&|]*)")
COMMANDS = COMMAND.findall(GUIDE)
RECIPE = GUIDE.partition("## An operator")[2].partition("## The suites")[0]
FRAGMENTS = re.findall(r"^```(?:python fragment: [^\n]+|text)\n(.*?)\n```", RECIPE, re.M | re.S)
STEPS = COMMAND.findall(RECIPE)

LONG = 240.0  # seconds: whole suites run within the test, beside others; alone it takes 15

COPIED = (
    "rxbosbase", "tests", "pytest_rxbosbase.py", "pyproject.toml", "setup.cfg",
    "docs/dependencies.md", "CONTRIBUTING.md",
)  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that the steps change, and that their tests need."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=ignore)
        else:
            shutil.copy(ROOT / name, target)
    return tmp_path


def insert(path: Path, before: str, line: str) -> None:
    """Insert `line` before the first line that begins with `before`, with its indentation."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = next(n for n, each in enumerate(lines) if each.strip().startswith(before))
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    lines.insert(at, indent + line)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(checkout: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=checkout, env={**kept, "PYTHONPATH": str(checkout)},
        capture_output=True, text=True, timeout=LONG / 2, check=False,
    )  # fmt: skip


def follow(checkout: Path) -> None:
    """Do steps 1 to 4."""
    for code, name in FILES:
        (checkout / name).write_text(code, encoding="utf-8")
    imported, exported, law = FRAGMENTS
    operators = checkout / "rxbosbase" / "operators" / "__init__.py"
    insert(operators, "from .rate", imported)
    insert(operators, '"rate",', exported)
    insert(checkout / "tests" / "unit" / "operators" / "test_laws.py", '"records": Law', law)


@pytest.mark.timeout(LONG)
def test_the_steps_lead_to_an_operator_that_passes_all_its_tests(checkout: Path) -> None:
    """The steps of the guide give an operator that passes all its tests."""
    follow(checkout)
    (pin, none), (pytest_, arguments) = STEPS
    pinned = run(checkout, pin, *none.split())
    assert (pinned.returncode, pinned.stderr) == (0, "")
    done = run(checkout, pytest_, *arguments.split())
    assert done.returncode == 0, done.stdout[-3000:]
    table = (checkout / "tests/project/public_names.txt").read_text(encoding="utf-8")
    assert "def of_record(" in table


@pytest.mark.timeout(LONG)
def test_a_step_that_is_left_out_is_missed(checkout: Path) -> None:
    """Without the step for the laws, their suite fails and names the operator."""
    follow(checkout)
    laws = checkout / "tests" / "unit" / "operators" / "test_laws.py"
    laws.write_text(laws.read_text(encoding="utf-8").replace(FRAGMENTS[2], ""), encoding="utf-8")
    done = run(checkout, "pytest", "tests/unit/operators/test_laws.py", "-k", "in_the_suite")
    assert done.returncode == 1
    assert "of_record" in done.stdout


def options_of(module: str) -> set[str]:
    """Return the options of a program of this repository, and of the modules beside it."""
    path = ROOT.joinpath(*module.split("."))
    source = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    text = source.read_text(encoding="utf-8")
    for name in re.findall(r"^from \.(\w+) import", text, re.M):  # what it shares with others
        text += source.with_name(f"{name}.py").read_text(encoding="utf-8")
    return set(re.findall(r'add_argument\(\s*"(-[^"]+)"', text))


OWN = [command for command in COMMANDS if command[0].startswith(("tests.", "benchmarks"))]


@pytest.mark.parametrize(("module", "arguments"), OWN)
def test_a_program_that_the_guide_names_takes_the_options(module: str, arguments: str) -> None:
    """Each program of the repository that the guide names has the options that are given."""
    options = {word for word in arguments.split() if word.startswith("-")}
    assert options <= options_of(module)


@pytest.mark.parametrize("arguments", [arguments for _, arguments in COMMANDS])
def test_the_paths_in_a_command_of_the_guide_exist(arguments: str) -> None:
    """Each path in a command of the guide exists."""
    places = re.findall(r"tests/[\w/.]+", arguments)
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_no_command_of_the_guide_goes_unread() -> None:
    """Each command of the guide is found by these tests."""
    shown = re.sub(r"<!--.*?-->", "", GUIDE, flags=re.S)
    assert len(COMMANDS) == shown.count("python -m ") > 0
