"""Print the results to a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from .figures import Row, number

__all__ = ["show"]


def show(results: dict[str, Any], console: Console) -> None:
    """Print the machine, a table for each suite, and the marks."""
    console.print(" · ".join(f"{name} {value}" for name, value in results["about"].items()))
    for name, rows in results["suites"].items():
        console.print(_suite(name, rows))
    console.print(_marks(results["marks"]))


def _suite(name: str, rows: dict[str, Row]) -> Table:
    figures = list(dict.fromkeys(figure for row in rows.values() for figure in row))
    figures = [figure for figure in figures if figure != "note"]
    table = Table(title=name, title_justify="left")
    table.add_column("")
    for figure in figures:
        table.add_column(figure, justify="right")
    for key, row in rows.items():
        if "note" in row:
            table.add_row(key, f"[dim]{row['note'] or 'nothing was measured'}[/dim]")
        else:
            table.add_row(key, *(_cell(row.get(figure)) for figure in figures))
    return table


def _cell(figure: dict[str, float] | None) -> str:
    if figure is None:
        return ""
    median, low, high = (number(figure[part]) for part in ("median", "low", "high"))
    return median if low == high else f"{median} [dim]{low}–{high}[/dim]"


def _marks(marks: list[dict[str, Any]]) -> Table:
    table = Table(title="marks", title_justify="left")
    for column in ("", "measured", "mark", ""):
        table.add_column(column, justify="right" if column else "left")
    verdicts = {True: "[green]met[/green]", False: "[red]missed[/red]", None: "–"}
    for mark in marks:
        measured = "–" if mark["measured"] is None else number(mark["measured"])
        bound = f"{mark['holds']} {mark['bound']:g}"
        table.add_row(mark["text"], measured, bound, verdicts[mark["met"]])
    return table
