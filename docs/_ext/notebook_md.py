"""Convert a notebook to Markdown: its cells, and below each its output. Pure: it runs nothing.

In Markdown a notebook's text is parsed by the same rules as any other page.
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
    """Return the page: the title, a link to the notebook, then the cells and their output.

    Args:
        notebook: the notebook with its output.
        path: the file of the notebook; its links are relative to it.
        page: the file of the page.
    """
    title, *cells = [part for cell in notebook["cells"] for part in of_cell(cell, path, page)]
    link = f"[a notebook]({relative(path, page)})"
    return "\n\n".join([title, f"*This page is {link}, with the output of its last run.*", *cells])


def of_cell(cell: Node, path: Path, page: Path) -> Iterator[str]:
    if cell["cell_type"] == "markdown":
        yield LINK.sub(lambda match: f"]({resolve_link(match['path'], path, page)}", cell["source"])
        return
    yield fenced("python", cell["source"])
    # Several pieces of output are all from the same cell.
    texts = [out["text"] for out in cell["outputs"] if out["output_type"] == "stream"]
    if texts:
        yield fenced("text", "".join(texts), "cell-output")
    for output in cell["outputs"]:
        if "data" in output:
            yield of_data(output, cell["id"])


def of_data(output: Node, name: str) -> str:
    """Return the richest form of an output that a page can show."""
    data = output["data"]
    for kind in PICTURES:
        if kind in data:
            alt = output["metadata"].get(kind, {}).get("alt", f"Chart: {name.replace('-', ' ')}")
            source = f"data:{kind};base64,{''.join(data[kind].split())}"
            return raw(f'<img class="cell-picture" alt="{escape(alt)}" src="{source}">')
    if "text/html" in data:
        return raw(f'<div class="cell-html">{data["text/html"]}</div>')
    return fenced("text", data["text/plain"], "cell-output")


def resolve_link(target: str, path: Path, page: Path) -> str:
    """Return the target of a notebook's link for its page: another notebook's page, or a file."""
    target_path = (path.parent / target).resolve()
    if target_path.suffix == ".ipynb":
        target_path = page.with_name(target_path.stem + ".md")
    return relative(target_path, page)


def relative(path: Path, page: Path) -> str:
    return os.path.relpath(path, page.parent)


def raw(html: str) -> str:
    return fenced("{raw} html", BLANK_LINES.sub("\n", html))


def fenced(language: str, text: str, style: str = "") -> str:
    if style:
        return f"{FENCE}{{code-block}} {language}\n:class: {style}\n\n{text}\n{FENCE}"
    return f"{FENCE}{language}\n{text}\n{FENCE}"
