"""The links of the pages have targets, and `llms.txt` links to all pages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LLMS = ROOT / "llms.txt"
NOTEBOOKS = ROOT / "notebooks"
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(NOTEBOOKS.glob("*.ipynb")),
    *(NOTEBOOKS / "README.md", LLMS, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"),
]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")

LED_BY_SPHINX = {"index", "changelog", "contributing"}
"""Pages without content of their own."""


def text_of(page: Path) -> str:
    """Return the Markdown of a page; of a notebook, that of its cells."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def targets(page: Path) -> list[Path]:
    found = LINK.findall(text_of(page))
    return [(page.parent / target).resolve() for target in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Each relative link of a page leads to an existing file."""
    assert [str(target) for target in targets(page) if not target.exists()] == []


def test_llms_leads_to_every_page_that_is_for_reading() -> None:
    """`llms.txt` has a link to each page that is for reading."""
    docs = ROOT / "docs"
    wanted = {
        # A notebook's page has its text from the notebook.
        NOTEBOOKS / f"{page.stem}.ipynb" if page.parent == docs / "notebooks" else page
        for page in docs.rglob("*.md")
        if page.stem not in LED_BY_SPHINX and page.parent != docs / "api"
    }
    assert wanted - set(targets(LLMS)) == set()
    assert ROOT / "CONTRIBUTING.md" in targets(LLMS)


def test_each_notebook_has_a_page_in_the_table_of_contents() -> None:
    """Each notebook has a page, and the table of contents has that page."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    notebooks = list(NOTEBOOKS.glob("*.ipynb"))
    assert notebooks
    for notebook in notebooks:
        page = ROOT / "docs" / "notebooks" / f"{notebook.stem}.md"
        assert f"```{{notebook}} ../../notebooks/{notebook.name}\n" in page.read_text("utf-8")
        assert f" <notebooks/{notebook.stem}>\n" in index


def test_llms_begins_as_its_readers_expect() -> None:
    """`llms.txt` begins with a title and a quoted summary, as https://llmstxt.org requires."""
    title, _, summary, *_ = LLMS.read_text(encoding="utf-8").splitlines()
    assert title == "# rxbosbase"
    assert summary.startswith("> ")
