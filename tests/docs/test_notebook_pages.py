"""Pages made of notebooks: they have the output of the cells, and links with the same targets."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATH = ROOT / "notebooks" / "1-first-steps.ipynb"
PAGE = ROOT / "docs" / "notebooks" / "1-first-steps.md"


def extension() -> Any:
    """The module ``docs/_ext/notebook_md.py``, which is in no package."""
    path = ROOT / "docs" / "_ext" / "notebook_md.py"
    spec = importlib.util.spec_from_file_location("notebook_md", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "text", "source": source}


def code(*outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "id": "two-words", "source": "1 + 1", "outputs": list(outputs)}


def printed(words: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": words}


def result(**data: str) -> dict[str, Any]:
    named = {kind.replace("_", "/"): value for kind, value in data.items()}
    return {"output_type": "execute_result", "data": named, "metadata": {}}


def page(*cells: dict[str, Any]) -> str:
    made: str = extension().markdown({"cells": [text("# Title"), *cells]}, PATH, PAGE)
    return made


def test_the_title_comes_first_then_where_the_notebook_is() -> None:
    """A page begins with the title and a link to its notebook."""
    title, note, *_ = page().split("\n\n")
    assert title == "# Title"
    assert "[a notebook](../../notebooks/1-first-steps.ipynb)" in note


def test_a_link_to_another_notebook_leads_to_its_page_and_others_to_their_files() -> None:
    """A link to a notebook leads to its page; other links lead to the same files as before."""
    made = page(
        text("[a](2-pipelines.ipynb), [b](../docs/live.md#start), [c](https://x.org/a.ipynb)")
    )
    assert "[a](2-pipelines.md), [b](../live.md#start), [c](https://x.org/a.ipynb)" in made


def test_what_was_printed_in_pieces_is_one_block() -> None:
    """Text that a cell printed in pieces is one block."""
    made = page(code(printed("one\n"), printed("two\n")))
    assert ":class: cell-output\n\none\ntwo\n" in made


def test_a_picture_is_in_the_page_itself_and_has_words_instead() -> None:
    """A picture is embedded in the page and has an alternative text."""
    made = page(code(result(image_png="aGk=\n", text_plain="<Figure>")))
    assert (
        '<img class="cell-picture" alt="Chart: two words" src="data:image/png;base64,aGk=">' in made
    )
    assert "<Figure>" not in made


def test_a_table_is_html_without_blank_lines_which_would_end_it() -> None:
    """A table is embedded as HTML without blank lines."""
    made = page(code(result(text_html="<table>\n\n  <tr>\n \n</table>", text_plain="t")))
    assert '<div class="cell-html"><table>\n  <tr>\n</table></div>' in made


def test_any_other_value_is_its_text() -> None:
    """Any other value is shown as its text."""
    assert ":class: cell-output\n\n2\n" in page(code(result(text_plain="2")))
