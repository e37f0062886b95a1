"""The results as Markdown for the docs: machine, marks, and a table for each suite. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .figures import Row, number

__all__ = ["markdown"]

HEAD = "<!-- Written by `python -m benchmarks --markdown`; changes by hand are lost. -->"
VERDICTS = {True: "met", False: "**missed**", None: "not measured"}


def markdown(results: Mapping[str, Any]) -> str:
    """Return the page's text, without a title."""
    about = ", ".join(f"{name} {value}" for name, value in results["about"].items())
    parts = [HEAD, f"Measured on: {about}.", _marks(results["marks"])]
    for name, rows in results["suites"].items():
        parts += [f"### {name}", _suite(rows)]
    return "\n\n".join(parts) + "\n"


def _marks(marks: Iterable[Mapping[str, Any]]) -> str:
    lines = []
    for mark in marks:
        measured = "–" if mark["measured"] is None else number(mark["measured"])
        bound = f"{mark['holds']} {mark['bound']:g}"
        lines.append([mark["text"], measured, bound, VERDICTS[mark["met"]]])
    return _table(["mark", "measured", "bound", ""], lines)


def _suite(rows: Mapping[str, Row]) -> str:
    figures = dict.fromkeys(figure for row in rows.values() for figure in row if figure != "note")
    lines = []
    for key, row in rows.items():
        if "note" in row:
            lines.append([key, *[""] * (len(figures) - 1), row["note"] or "not measured"])
        else:
            lines.append([key, *(_cell(row.get(figure)) for figure in figures)])
    return _table(["", *figures], lines)


def _cell(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return ""
    median, low, high = (number(figure[part]) for part in ("median", "low", "high"))
    return median if low == high else f"{median} ({low}–{high})"


def _table(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
