"""The changelog fragments: their names, their text, and what a release makes of them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "changelog.d"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
TYPES = [each["directory"] for each in SETTINGS["type"]]
NAME = re.compile(rf"\+[a-z0-9-]+\.({'|'.join(TYPES)})\.md")
MAX_LINE = 110
FRAGMENTS = sorted(path for path in FOLDER.iterdir() if path.name != "README.md")


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_has_a_known_type_and_text_for_users(fragment: Path) -> None:
    """A fragment is `+NAME.TYPE.md` with text in short lines, no bullet, no link to `docs/`."""
    text = fragment.read_text(encoding="utf-8")
    assert NAME.fullmatch(fragment.name), f"name it +a-few-words.TYPE.md, TYPE one of {TYPES}"
    assert text.strip().endswith((".", "`")) and not text.startswith(("-", "*", "#"))
    assert max(map(len, text.splitlines())) <= MAX_LINE
    assert "docs/" not in text


def test_the_guide_explains_each_type() -> None:
    """The README of the fragments lists the types of `pyproject.toml`, in their order."""
    guide = FOLDER.joinpath("README.md").read_text(encoding="utf-8")
    assert re.findall(r"^- `([a-z]+)`:", guide, re.M) == TYPES


def test_the_changelog_has_the_line_below_which_a_release_is_written() -> None:
    """`CHANGELOG.md` has the marker of the settings exactly once."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.count(SETTINGS["start_string"]) == 1


def test_a_release_has_all_fragments_under_its_heading() -> None:
    """`towncrier build --draft` shows each fragment once, under the version and its type."""
    pytest.importorskip("towncrier", reason="needs the extra `dev`")
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("## 9.9.9 (")
    assert done.stdout.count("\n- ") == len(FRAGMENTS)
    used = {path.name.split(".")[1] for path in FRAGMENTS}
    headings = [heading.lower() for heading in re.findall(r"^### (\w+)$", done.stdout, re.M)]
    assert headings == [each for each in TYPES if each in used]
