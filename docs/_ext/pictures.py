"""Directives that draw marble diagrams and the lifecycle.

Diagrams in docstrings of operators become pictures without a directive.
"""

from __future__ import annotations

from typing import Any

import lifecycle_svg
import marble_svg
from docutils import nodes
from docutils.parsers.rst import Directive
from support.marbles import LINE, Diagram, diagrams

from rxbosbase.realtime.session.lifecycle import TRANSITIONS


class Marbles(Directive):
    """``.. marbles::`` with a diagram as its content: the picture, and what its letters mean."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        def holder() -> None: ...

        holder.__doc__ = "\n".join(self.content)
        return [node for diagram in diagrams(holder) for node in drawn(diagram)]


class Lifecycle(Directive):
    """``.. lifecycle::`` is the transition table as a picture, and as a table."""

    def run(self) -> list[nodes.Node]:
        return [svg(lifecycle_svg.picture()), transitions()]


def drawn(diagram: Diagram) -> list[nodes.Node]:
    """Return the nodes of one diagram."""
    found: list[nodes.Node] = [svg(marble_svg.picture(diagram))]
    if diagram.where:
        words = nodes.paragraph(classes=["marble-words"])
        for number, line in enumerate(diagram.where):
            words += [nodes.Text("; " if number else "where "), nodes.literal(line, line)]
        found.append(words)
    return found


def svg(text: str) -> nodes.raw:
    """Return a picture inside the page, so that it has the page's colours."""
    return nodes.raw("", f'<div class="picture">{text}</div>', format="html")


def transitions() -> nodes.Node:
    """Return the transition table as a table of the page."""
    rows = [
        (state.value, signal.value, after.value) for (state, signal), after in TRANSITIONS.items()
    ]
    table = nodes.table(classes=["lifecycle-table"])
    group = nodes.tgroup(cols=3)
    table += group
    group += [nodes.colspec(colwidth=1) for _ in range(3)]
    group += nodes.thead("", row(("in state", "when", "then")))
    group += nodes.tbody("", *(row(cells) for cells in rows))
    return table


def row(cells: tuple[str, ...]) -> nodes.row:
    """Return a row of a table."""
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in cells))


def draw_docstring(_: Any, __: str, name: str, ___: Any, ____: Any, lines: list[str]) -> None:
    """Put the directive before each diagram of an operator, in place of the block's ``::``."""
    if not name.startswith("rxbosbase.operators."):
        return
    done: list[str] = []
    inside = False
    for line in lines:
        starts = (match := LINE.match(line)) is not None and match["label"] == "source"
        if starts and not inside:
            unmark(done)
            done += ["", ".. marbles::", ""]
            inside = True
        elif inside and line.strip() and not line.startswith(" "):
            inside = False
        done.append(line)
    lines[:] = done


def unmark(done: list[str]) -> None:
    """Remove the ``::`` from the end of the text before a diagram."""
    last = next((at for at in reversed(range(len(done))) if done[at].strip()), None)
    if last is None or not done[last].endswith("::"):
        return
    text = done[last].rstrip()
    done[last] = text[:-1] if text.strip() != "::" else ""


def setup(app: Any) -> dict[str, Any]:
    """Register the extension; Sphinx calls this."""
    app.add_directive("marbles", Marbles)
    app.add_directive("lifecycle", Lifecycle)
    app.connect("autodoc-process-docstring", draw_docstring, priority=400)  # before napoleon
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
