"""A notebook as Markdown: its cells, and below each what it shows. Pure: it runs nothing.

As Markdown, so that a notebook's text is read by the same rules as any other page.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

LINK = re.compile(r"\]\((?!https?:|#)(?P<path>[^)#\s]+)")
BLANK_LINES = re.compile(r"\n\s*\n")
FENCE = "`" * 6  # longer than any that a cell or its output has
PICTURES = ("image/gif", "image/png")

Node = Mapping[str, Any]
"""A part of a notebook, as nbformat 4 has it."""


def markdown(notebook: Node, path: Path, page: Path) -> str:
    """The page: the title and a link to the notebook, then the cells and what they show.

    Args:
        path: the notebook's own file, which its links start from.
        page: the file of the page that it is for.
    """
    title, *cells = [part for cell in notebook["cells"] for part in of_cell(cell, path, page)]
    link = f"[a notebook]({relative(path, page)})"
    return "\n\n".join([title, f"*This page is {link}, with what it showed when it ran.*", *cells])


def of_cell(cell: Node, path: Path, page: Path) -> Iterator[str]:
    if cell["cell_type"] == "markdown":
        yield LINK.sub(lambda match: f"]({led(match['path'], path, page)}", cell["source"])
        return
    yield fenced("python", cell["source"])
    # What comes in several pieces was printed by one cell all the same.
    texts = [out["text"] for out in cell["outputs"] if out["output_type"] == "stream"]
    if texts:
        yield fenced("text", "".join(texts), "cell-output")
    for output in cell["outputs"]:
        if "data" in output:
            yield of_data(output, cell["id"])


def of_data(output: Node, name: str) -> str:
    """The richest form of an output that a page can show."""
    data = output["data"]
    for kind in PICTURES:
        if kind in data:
            told = output["metadata"].get(kind, {}).get("alt", f"Chart: {name.replace('-', ' ')}")
            source = f"data:{kind};base64,{''.join(data[kind].split())}"
            return raw(f'<img class="cell-picture" alt="{escape(told)}" src="{source}">')
    if "text/html" in data:
        return raw(f'<div class="cell-html">{data["text/html"]}</div>')
    return fenced("text", data["text/plain"], "cell-output")


def led(target: str, path: Path, page: Path) -> str:
    """Where a link of a notebook leads from its page: to another notebook's page, or a file."""
    there = (path.parent / target).resolve()
    if there.suffix == ".ipynb":
        there = page.with_name(there.stem + ".md")
    return relative(there, page)


def relative(there: Path, page: Path) -> str:
    return os.path.relpath(there, page.parent)


def raw(html: str) -> str:
    return fenced("{raw} html", BLANK_LINES.sub("\n", html))


def fenced(language: str, text: str, style: str = "") -> str:
    if style:
        return f"{FENCE}{{code-block}} {language}\n:class: {style}\n\n{text}\n{FENCE}"
    return f"{FENCE}{language}\n{text}\n{FENCE}"
