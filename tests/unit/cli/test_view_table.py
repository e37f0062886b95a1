"""The table of ``rxbosbase view``: its columns and rows, and those that are omitted."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from support.terminals import CONTROL_CHARACTERS

from rxbosbase.cli.terminal import Terminal
from rxbosbase.cli.view_table import MARK_SECONDS, TableState, columns_of, next_state, render
from rxbosbase.live.engine.messages import Edit
from rxbosbase.live.engine.ordering import Order
from rxbosbase.live.engine.snapshot import Snapshot

SIZE = (80, 24)
YELLOW, GREEN = "\x1b[1;33m", "\x1b[1;32m"


def shown(*rows: dict[str, Any], fresh: bool = True) -> Snapshot[dict[str, Any]]:
    """Return a first snapshot of these rows."""
    edits = [Edit(row["id"], None, row) for row in rows]
    return Snapshot.empty(Order.parse()).advance(edits, fresh=fresh)


def text(
    state: TableState, size: tuple[int, int] = SIZE, now: float = 0.0, color: bool = False
) -> str:
    console = Console(
        width=size[0],
        height=size[1],
        force_terminal=color,
        color_system="standard" if color else None,
    )
    with console.capture() as captured:
        console.print(render(state, "posts", size, now))
    return captured.get()


def test_before_the_first_snapshot_the_table_shows_loading() -> None:
    """Before the first snapshot the table contains the word "loading"."""
    assert "loading" in text(TableState())


def test_the_title_has_the_number_of_records_and_the_freshness() -> None:
    """The table's title has the number of records and whether the view is fresh or stale."""
    row = {"id": "a", "title": "Hi"}
    assert "1 record  ● fresh" in text(next_state(TableState(), shown(row), 0.0))
    assert "○ stale, catching up" in text(next_state(TableState(), shown(row, fresh=False), 0.0))


def test_a_changed_row_is_marked_for_a_moment_and_the_first_ones_are_not() -> None:
    """Changed and added rows are marked for `MARK_SECONDS`; those of the first snapshot not."""
    a, b = {"id": "a", "title": "old"}, {"id": "b", "title": "kept"}
    first = next_state(TableState(), shown(a, b), 0.0)
    assert "\x1b[1;3" not in text(first, color=True)
    snapshot = first.snapshot
    assert snapshot is not None
    edits = [Edit("a", a, {"id": "a", "title": "new"}), Edit("c", None, {"id": "c", "title": "c"})]
    later = next_state(first, snapshot.advance(edits, fresh=True), 1.0)
    rows = text(later, now=1.1, color=True).splitlines()[2:]
    codes = (YELLOW, YELLOW, GREEN)
    marked = [row.startswith(code) for row, code in zip(rows, codes, strict=True)]
    assert marked == [True, False, True]
    assert "\x1b[1;3" not in text(later, now=1.0 + MARK_SECONDS, color=True)
    assert not next_state(later, snapshot.refreshed(False), 9.0).marks


def test_the_table_fits_the_terminal_and_counts_the_omitted_rows() -> None:
    """The table fits the terminal's size; its last line has the number of omitted rows."""
    rows = [{"id": f"{n:03}", "title": "x" * 200, "text": "two\nlines"} for n in range(100)]
    lines = text(next_state(TableState(), shown(*rows), 0.0), (40, 10)).splitlines()
    assert len(lines) == 10
    assert all(len(line) <= 40 for line in lines)
    assert lines[-1].strip() == "… and 93 more"


def test_columns_are_the_fields_that_hold_anything_and_dates_come_last() -> None:
    """Columns are the fields with a value that fit the width, dates last, metadata left out."""
    row: dict[str, Any] = {
        "collectionId": "1", "collectionName": "posts", "created": "2026", "updated": "2026",
        "empty": "", "none": None, "n": 0, "id": "a", "title": "x", "expand": {"by": {}},
    }  # fmt: skip
    assert columns_of([row], 80) == ["id", "n", "title", "updated", "created"]
    assert columns_of([row], 30) == ["id", "n"]


def test_an_expanded_relation_shows_by_name_and_control_codes_do_nothing() -> None:
    """A related record is shown by its name, and control characters are escaped."""
    row = {"id": "a", "by": "u1", "title": "\x1b[31mred", "expand": {"by": {"name": "Ada"}}}
    out = text(next_state(TableState(), shown(row), 0.0))
    assert "Ada" in out and "\\x1b[31mred" in out and "\x1b" not in out


def test_the_name_of_a_column_is_no_markup() -> None:
    """A column's name is shown as text, not as markup, with control characters escaped."""
    record = {"id": "a", "[link=http://evil.example]x[/link]": "y", "[/]": "\x9b", "\u202e": "z"}
    terminal = Terminal()
    with terminal.capture() as output:
        terminal.print(render(TableState(shown(record)), "t", (200, 10), 0.0), width=200)
    assert "[link=http" in output.get() and "[/]" in output.get()
    assert not CONTROL_CHARACTERS.search(output.get())
    assert "[link=http" in text(TableState(shown(record)), (200, 10))  # in any console


def test_the_terminal_escapes_control_characters_of_any_renderable() -> None:
    """`Terminal.print` escapes control characters in titles, headers, cells and texts."""
    table = Table("a\x1b[2Jb", "c\u202ed")
    table.add_row("[bold]\x9b31m[/bold]", Text("\x7fe"))
    terminal = Terminal()
    with terminal.capture() as output:
        terminal.print(Panel(table, title="\x1b]0;evil\x07"), "\x9b1m")
    assert not CONTROL_CHARACTERS.search(output.get())
    assert "[bold]" in output.get()
