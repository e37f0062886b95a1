"""A live view as a table: its first rows, as they change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from reactivex import Observable, abc

from rxbosbase.dashboard.picture import Picture
from rxbosbase.dashboard.text import count, error_text, escaped, shorter, value_text
from rxbosbase.encoding.record import ReadOnlyRecord
from rxbosbase.live.engine.snapshot import Snapshot

__all__ = ("MAX_ROWS", "TablePicture", "table_html")

MAX_ROWS = 100
"""Rows shown. The count above the table includes all others."""

MAX_COLUMNS = 12
"""The most columns shown if none were chosen."""

HIDDEN_COLUMNS = frozenset({"collectionId", "collectionName", "expand"})
TIME_COLUMNS = ("created", "updated")


def table_html(
    records: Iterable[ReadOnlyRecord], columns: Sequence[str] | None, picked: str | None = None
) -> str:
    """Return the rows as a table; a row is picked by a click or Enter."""
    rows = list(islice(records, MAX_ROWS))
    names = list(columns) if columns is not None else _columns(rows)
    numbers = {name for name in names if _is_number(rows, name)}
    head = "".join(
        f'<th scope="col"{_number_class(name in numbers)}>{escaped(name)}</th>' for name in names
    )
    body = "".join(_row(row, names, numbers, picked) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: ReadOnlyRecord, names: Sequence[str], numbers: set[str], picked: str | None) -> str:
    id = escaped(row.get("id", ""))
    mark = ' class="picked" aria-selected="true"' if picked and row.get("id") == picked else ""
    cells = "".join(
        f"<td data-flash{_number_class(name in numbers)}>{escaped(_cell(row, name))}</td>"
        for name in names
    )
    return (
        f'<tr tabindex="0" data-key="{id}" data-flash data-quiet data-act="pick" '
        f'data-value="{id}"{mark}>{cells}</tr>'
    )


def _cell(row: ReadOnlyRecord, name: str) -> str:
    expanded = row.get("expand")
    if isinstance(expanded, Mapping) and name in expanded:
        return shorter(value_text(expanded[name]))
    return shorter(value_text(row.get(name)))


def _columns(rows: Iterable[ReadOnlyRecord]) -> list[str]:
    seen: dict[str, None] = {"id": None}
    for row in rows:
        seen.update(dict.fromkeys(name for name in row if name not in HIDDEN_COLUMNS))
    names = [name for name in seen if name not in TIME_COLUMNS]
    kept = names[: MAX_COLUMNS - 1]
    return kept + [name for name in ("updated",) if name in seen]


def _is_number(rows: Iterable[ReadOnlyRecord], name: str) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def _number_class(is_number: bool) -> str:
    return ' class="number"' if is_number else ""


class TablePicture(Picture):
    """The records of a view.

    Args:
        view: ``collection.live(…)``.
        columns: the fields; None: those of the records, with `updated` last.
        title: above the table.
        on_pick: called with the id of the row that was clicked.
    """

    def __init__(
        self,
        view: Observable[Snapshot[Any]],
        columns: Sequence[str] | None = None,
        title: str = "",
        on_pick: Callable[[str], None] | None = None,
    ) -> None:
        self._view = view
        self._columns = columns
        self._title = title
        self._on_pick = on_pick
        self._snapshot: Snapshot[Any] | None = None
        self._error: Exception | None = None
        self._picked: str | None = None

    @property
    def is_empty(self) -> bool:
        """True if a fresh snapshot has no record."""
        snapshot = self._snapshot
        return snapshot is not None and snapshot.fresh and not snapshot.records

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        def take(snapshot: Snapshot[Any]) -> None:
            self._snapshot = snapshot
            changed()

        def end(error: Exception) -> None:
            self._error = error
            changed()

        return self._view.subscribe(take, end)

    def act(self, act: str, value: str, fields: Mapping[str, str]) -> None:
        if act == "pick":
            self._picked = value
            if self._on_pick is not None:
                self._on_pick(value)

    def html(self) -> str:
        title = escaped(self._title or "Records")
        return (
            f'<section class="card" aria-label="{title}"><div class="head"><h2>{title}</h2>'
            f"{self.state()}</div>{self.body()}</section>"
        )

    def state(self) -> str:
        """Return the number of records as HTML, and whether the view is up to date."""
        snapshot = self._snapshot
        if snapshot is None:
            return '<span class="muted small">loading…</span>' if self._error is None else ""
        total = len(snapshot.records)
        shown = f"first {MAX_ROWS} of {count(total)}" if total > MAX_ROWS else count(total)
        stale = "" if snapshot.fresh else ' · <span class="update">catching up…</span>'
        return f'<span class="muted small">{shown} record{"" if total == 1 else "s"}{stale}</span>'

    def body(self) -> str:
        """Return the rows as HTML, or why there are none."""
        if self._error is not None:
            return f'<p class="problem" role="alert">{escaped(error_text(self._error))}</p>'
        snapshot = self._snapshot
        if snapshot is None:
            return '<p class="empty">Waiting for the first read…</p>'
        if not snapshot.records:
            return '<p class="empty">No records.</p>'
        rows = table_html(snapshot.records, self._columns, self._picked)
        return f'<div class="scroll" tabindex="0" role="region" aria-label="Rows">{rows}</div>'
