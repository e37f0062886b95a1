"""Shows the notebooks as pages, with what came out when they were run from top to bottom.

A page says which by ``{notebook}``. It is put together as Markdown, so that a notebook's text is
read by the same rules as any other page.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError
from sphinx.util import logging
from support.notebooks import executed

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r"^```\{notebook\} (?P<path>\S+)\n```$", re.M)
LINK = re.compile(r"\]\((?!https?:|#)(?P<path>[^)#\s]+)")
BLANK_LINES = re.compile(r"\n\s*\n")
FENCE = "`" * 6  # longer than any that a cell or its output has
PICTURES = ("image/gif", "image/png")


def show(app: Any, docname: str, source: list[str]) -> None:
    """When a page is read: puts the notebook where the page wants it."""
    page = Path(app.env.doc2path(docname))

    def whole(match: re.Match[str]) -> str:
        path = (page.parent / match["path"]).resolve()
        app.env.note_dependency(str(path))
        return "\n\n".join(parts(run(path), path, page))

    source[0] = PLACE.sub(whole, source[0])


def run(path: Path) -> Any:
    """The notebook with its outputs."""
    log.info("running %s", path.name)
    try:
        return executed(path)
    except ModuleNotFoundError as missing:
        raise ExtensionError(
            f"{path.name} cannot be run: pip install '.[docs,demo,notebook]'", missing
        ) from missing


def parts(notebook: Any, path: Path, page: Path) -> Iterator[str]:
    """The page, in Markdown: the title, a link to the notebook, the cells and what they show."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            yield LINK.sub(lambda match: f"]({led(match['path'], path, page)}", cell.source)
        else:
            yield fenced("python", cell.source)
            yield from shown(cell)
        if number == 0:
            link = f"[a notebook]({relative(path, page)})"
            yield f"*This page is {link}, with what it showed when it ran.*"


def led(target: str, path: Path, page: Path) -> str:
    """Where a link of a notebook leads from its page: to another notebook's page, or a file."""
    there = (path.parent / target).resolve()
    if there.suffix == ".ipynb":
        there = page.with_name(there.stem + ".md")
    return relative(there, page)


def relative(there: Path, page: Path) -> str:
    return os.path.relpath(there, page.parent)


def shown(cell: Any) -> Iterator[str]:
    """What a cell shows: what it prints in one block, then the rest."""
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    if printed:
        yield fenced("text", printed, "cell-output")
    for output in cell.outputs:
        if "data" in output:
            yield of_data(output, cell.id)


def of_data(output: Any, name: str) -> str:
    """The richest form of an output that a page can show."""
    data = output.data
    for kind in PICTURES:
        if kind in data:
            alt = output.metadata.get(kind, {}).get("alt", f"Chart: {name.replace('-', ' ')}")
            address = f"data:{kind};base64,{''.join(data[kind].split())}"
            return fenced("{raw} html", f'<img class="cell-picture" alt="{alt}" src="{address}">')
    if "text/html" in data:
        html = BLANK_LINES.sub("\n", data["text/html"])
        return fenced("{raw} html", f'<div class="cell-html">{html}</div>')
    return fenced("text", data["text/plain"], "cell-output")


def fenced(language: str, text: str, style: str = "") -> str:
    if style:
        return f"{FENCE}{{code-block}} {language}\n:class: {style}\n\n{text}\n{FENCE}"
    return f"{FENCE}{language}\n{text}\n{FENCE}"


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", show)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
