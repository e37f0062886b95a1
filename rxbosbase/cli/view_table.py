"""A live view as a table, drawn with rich. Pure: a snapshot in, a renderable out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rxbosbase.encoding.control_characters import one_line
from rxbosbase.encoding.narrowing import is_mapping
from rxbosbase.encoding.record import ReadOnlyRecord
from rxbosbase.live import Snapshot

from .event_text import value_text

__all__ = ("TableState", "columns_of", "next_state", "render")

MARK_SECONDS = 1.5
"""How long a changed row is marked."""

MARKS = {"added": "bold green", "modified": "bold yellow"}

MIN_WIDTH = 12  # characters of a column; columns that do not fit then are omitted
MAX_WIDTH = 40
GAP = 2  # between two columns
OTHER_LINES = 3  # the title, the header, and the number of omitted rows
SAMPLED_ROWS = 50  # whose values decide which columns are shown

HIDDEN = frozenset({"collectionId", "collectionName", "expand"})
LAST = ("created", "updated")  # the first columns to be omitted


@dataclass(frozen=True, slots=True)
class TableState:
    """The state of the table.

    Attributes:
        snapshot: the newest; None before the first.
        marks: the rows that changed within `MARK_SECONDS`, with type and time of the change.
    """

    snapshot: Snapshot[Any] | None = None
    marks: tuple[tuple[ReadOnlyRecord, str, float], ...] = ()


def next_state(before: TableState, snapshot: Snapshot[Any], now: float) -> TableState:
    """Return the state with a newer snapshot. The first one has no marks: all rows are new."""
    lasting = tuple(mark for mark in before.marks if mark[2] > now - MARK_SECONDS)
    if before.snapshot is None:
        return TableState(snapshot, lasting)
    changed = (c for c in snapshot.changes if c.type in MARKS)
    return TableState(snapshot, (*lasting, *((c.record, c.type, now) for c in changed)))


def render(state: TableState, title: str, size: tuple[int, int], now: float) -> RenderableType:
    """Return the table; it fits into `size`, the columns and lines of the terminal."""
    width, height = size
    snapshot = state.snapshot
    if snapshot is None:
        return Group(_title(title, Text("○ loading", style="yellow")))
    capacity = max(1, height - OTHER_LINES)
    rows = list(islice(snapshot.records, capacity))
    names = columns_of(rows, width)
    # Records are shared from snapshot to snapshot: the very same object is the same row.
    marks = {id(mark[0]): MARKS[mark[1]] for mark in state.marks if mark[2] > now - MARK_SECONDS}
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for name in names:
        head = Text(one_line(name))  # rich would parse a str as markup
        least = min(head.cell_len, MIN_WIDTH - GAP)
        table.add_column(
            head, no_wrap=True, overflow="ellipsis", min_width=least, max_width=MAX_WIDTH
        )
    for row in rows:
        table.add_row(*(_cell(row, name) for name in names), style=marks.get(id(row), ""))
    more = len(snapshot.records) - len(rows)
    rest = [Text(f"… and {more} more", style="dim")] if more else []
    return Group(_title(title, _state(snapshot)), table, *rest)


def columns_of(rows: Sequence[ReadOnlyRecord], width: int) -> list[str]:
    """Return the fields to show as columns: those with a value, as many as fit.

    >>> columns_of([{"collectionName": "posts", "updated": "2026", "id": "a", "title": "Hi"}], 80)
    ['id', 'title', 'updated']
    """
    used: dict[str, None] = {}
    for row in rows[:SAMPLED_ROWS]:
        used.update((name, None) for name, value in row.items() if value not in ("", None, [], {}))
    names = [name for name in used if name not in HIDDEN and name not in LAST]
    names.sort(key=lambda name: name != "id")  # the others in the server's order
    names += [name for name in reversed(LAST) if name in used]
    return names[: max(1, width // MIN_WIDTH)]


def _title(title: str, state: Text) -> RenderableType:
    row = Table.grid(expand=True, padding=(0, 1))
    row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    row.add_column(justify="right")
    row.add_row(Text(one_line(title), style="bold"), state)
    return row


def _state(snapshot: Snapshot[Any]) -> Text:
    count = len(snapshot.records)
    counted = (f"{count} record{'' if count == 1 else 's'}  ", "")
    mark = ("● fresh", "green") if snapshot.fresh else ("○ stale, catching up", "bold red")
    return Text.assemble(counted, mark)


def _cell(row: ReadOnlyRecord, name: str) -> Text:
    expanded = row.get("expand")
    related: Mapping[str, Any] = expanded if is_mapping(expanded) else {}
    value = related.get(name, row.get(name))
    if value is None:
        return Text("")
    if isinstance(value, str):
        return Text(one_line(value))
    return Text(value_text(value))
