"""Each promise that the documentation makes names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PAGES = {"reliability": 80, "security": 150}
"""The pages with promises, and how many tests hold them at least."""


def text_of(page: str) -> str:
    return (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")


def named(text: str) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", text))


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_is_held_by_a_test_that_exists(page: str) -> None:
    """Each test that the page names exists, and the page names at least the required number."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    found = {name for text in sources for name in re.findall(r"def (test_\w+)", text)}
    assert named(text_of(page)) - found == set()
    assert len(named(text_of(page))) >= PAGES[page]


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_table_of_promises_names_its_test(page: str) -> None:
    """Each row of a table of promises names at least one test."""
    tables = re.findall(r"^\| promise \|.*\n(?:\|.*\n)+", text_of(page), re.M)
    assert tables
    for table in tables:
        promises = table.splitlines()[2:]
        assert [line for line in promises if not named(line)] == []


def test_no_promise_is_made_on_two_pages() -> None:
    """No test is named on both the reliability page and the security page."""
    reliability, security = (named(text_of(page)) for page in PAGES)
    assert reliability & security == set()
