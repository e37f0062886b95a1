"""A live view as a table on a terminal. Pure: a snapshot in, something rich can print out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rxbosbase.cli.event_text import value_text
from rxbosbase.encoding.control_characters import one_line
from rxbosbase.live import Snapshot

__all__ = ["Picture", "columns_of", "draw", "next_picture"]

MARK_SECONDS = 1.5
"""How long a row that changed stays marked."""

MARKS = {"added": "bold green", "modified": "bold yellow"}

LEAST_WIDTH = 12  # characters of a column; more columns than fit so are left out
WIDEST = 40
GAP = 2  # between two columns
OTHER_LINES = 3  # of the screen: the title, the head, and what is not shown
LOOKED_AT = 50  # rows that tell which columns have anything to show

HIDDEN = frozenset({"collectionId", "collectionName", "expand"})
LAST = ("created", "updated")  # the first to go where there is no room

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is on the screen.

    Attributes:
        snapshot: the newest; None before the first.
        marks: the rows that changed lately, how, and when.
    """

    snapshot: Snapshot[Any] | None = None
    marks: tuple[tuple[Record, str, float], ...] = ()


def next_picture(before: Picture, snapshot: Snapshot[Any], now: float) -> Picture:
    """The picture with a newer snapshot. The first one marks nothing: all of it is new."""
    lasting = tuple(mark for mark in before.marks if mark[2] > now - MARK_SECONDS)
    if before.snapshot is None:
        return Picture(snapshot, lasting)
    changed = (c for c in snapshot.changes if c.type in MARKS)
    return Picture(snapshot, (*lasting, *((c.record, c.type, now) for c in changed)))


def draw(picture: Picture, title: str, size: tuple[int, int], now: float) -> RenderableType:
    """The table, no larger than `size`: columns and lines of the terminal."""
    width, height = size
    snapshot = picture.snapshot
    if snapshot is None:
        return Group(_title(title, Text("○ loading", style="yellow")))
    room = max(1, height - OTHER_LINES)
    rows = list(islice(snapshot.records, room))
    names = columns_of(rows, width)
    # Records are shared from snapshot to snapshot: the very same object is the same row.
    marks = {id(mark[0]): MARKS[mark[1]] for mark in picture.marks if mark[2] > now - MARK_SECONDS}
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for name in names:
        head = Text(one_line(name))  # not a str, which may be markup
        least = min(head.cell_len, LEAST_WIDTH - GAP)
        table.add_column(head, no_wrap=True, overflow="ellipsis", min_width=least, max_width=WIDEST)
    for row in rows:
        table.add_row(*(_cell(row, name) for name in names), style=marks.get(id(row), ""))
    more = len(snapshot.records) - len(rows)
    rest = [Text(f"… and {more} more", style="dim")] if more else []
    return Group(_title(title, _state(snapshot)), table, *rest)


def columns_of(rows: Sequence[Record], width: int) -> list[str]:
    """The fields worth a column: those with something in them, as many as fit.

    >>> columns_of([{"collectionName": "posts", "updated": "2026", "id": "a", "title": "Hi"}], 80)
    ['id', 'title', 'updated']
    """
    used: dict[str, None] = {}
    for row in rows[:LOOKED_AT]:
        used.update((name, None) for name, value in row.items() if value not in ("", None, [], {}))
    names = [name for name in used if name not in HIDDEN and name not in LAST]
    names.sort(key=lambda name: name != "id")  # the others stay as the server sends them
    names += [name for name in reversed(LAST) if name in used]
    return names[: max(1, width // LEAST_WIDTH)]


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


def _cell(row: Record, name: str) -> Text:
    expanded = row.get("expand")
    known = expanded if isinstance(expanded, Mapping) else {}
    value = known.get(name, row.get(name))
    if value is None:
        return Text("")
    if isinstance(value, str):
        return Text(one_line(value))
    return Text(value_text(value))
