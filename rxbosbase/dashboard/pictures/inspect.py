"""One record with all fields, and what its last change has changed."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from reactivex import Observable, abc

from rxbosbase.dashboard.picture import Picture
from rxbosbase.dashboard.text import clock, escaped, value_text
from rxbosbase.dataframes.kinds import flatten
from rxbosbase.live.engine.snapshot import Change, Snapshot

__all__ = ("MAX_CHANGES", "InspectorPicture")

MAX_CHANGES = 1000
"""Records whose last change is kept; of more, the oldest are dropped."""

CHANGE_LABELS = {"added": "added", "modified": "changed", "removed": "removed"}


class InspectorPicture(Picture):
    """The picked record; without one, the record that changed last."""

    def __init__(self, view: Observable[Snapshot[Any]], title: str = "Inspector") -> None:
        self._view = view
        self._title = title
        self._lock = threading.Lock()
        self._snapshot: Snapshot[Any] | None = None
        self._changes: OrderedDict[str, tuple[float, Change[Any]]] = OrderedDict()
        self._picked: str | None = None
        self._has_first = False

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        def take(snapshot: Snapshot[Any]) -> None:
            with self._lock:
                self._snapshot = snapshot
                if self._has_first:  # the first snapshot contains no change to show
                    self._record_changes(snapshot)
                self._has_first = True
            changed()

        return self._view.subscribe(take, lambda _: changed())

    @property
    def picked(self) -> str | None:
        """The id of the picked record; None while it follows the last change."""
        return self._picked

    def pick(self, id: str | None) -> None:
        """Show this record; None follows the last change again."""
        self._picked = id or None

    def act(self, act: str, value: str, fields: Mapping[str, str]) -> None:
        if act == "follow":
            self.pick(None)
        elif act == "inspect":
            self.pick(fields.get("id", "").strip())

    def html(self) -> str:
        title = escaped(self._title)
        with self._lock:
            id = self._picked or next(reversed(self._changes), None)
            body = self._body(id) if id else _HINT
        follow = (
            '<button type="button" data-key="follow" data-act="follow">Follow changes</button>'
            if self._picked
            else '<span class="muted small">following the last change</span>'
        )
        return (
            f'<section class="card" aria-label="{title}"><div class="head">'
            f'<h2 class="grow">{title}</h2>{follow}</div>{_FORM}{body}</section>'
        )

    def _record_changes(self, snapshot: Snapshot[Any]) -> None:
        moment = time.time()
        for change in snapshot.changes:
            id = change.record["id"]
            self._changes[id] = (moment, change)
            self._changes.move_to_end(id)
        while len(self._changes) > MAX_CHANGES:
            self._changes.popitem(last=False)

    def _body(self, id: str) -> str:
        moment, change = self._changes.get(id, (0.0, None))
        record = self._snapshot.by_id.get(id) if self._snapshot is not None else None
        if record is None and change is not None:
            record = change.record
        if record is None:
            return f'<p class="empty">No record {escaped(id)} in this table.</p>'
        record = flatten(record)
        before = None
        if change is not None and change.type == "modified":
            before = flatten(change.before or {})
        text = (
            f"{CHANGE_LABELS[change.type]} at {clock(moment)}"
            if change is not None
            else "not changed since this page was opened"
        )
        rows = "".join(_row(name, record, before) for name in _names(record, before))
        return (
            f'<p class="small"><b class="mono">{escaped(id)}</b> '
            f'<span class="muted">{text}</span></p>'
            f'<div class="scroll" tabindex="0" role="region" aria-label="Fields">'
            f"<dl>{rows}</dl></div>"
        )


_HINT = '<p class="empty">Pick a row of a table, or wait for a change.</p>'
_FORM = (
    '<form class="row filter" data-act="inspect"><input name="id" data-key="inspect-id" '
    'aria-label="Record id" placeholder="Record id" autocomplete="off">'
    '<button type="submit" data-key="inspect-go">Show</button></form>'
)


def _names(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[str]:
    """Return the field names, those that have changed first."""
    names = dict.fromkeys([*record, *(before or ())])
    return sorted(names, key=lambda n: before is None or before.get(n) == record.get(n))


def _row(name: str, record: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    new = record.get(name)
    value = escaped(_text(new))
    if before is not None and before.get(name) != new:
        value = f"<del>{escaped(_text(before.get(name)))}</del> <ins>{value}</ins>"
    return f'<dt data-key="t-{escaped(name)}">{escaped(name)}</dt><dd data-flash>{value}</dd>'


def _text(value: Any) -> str:
    """Return the whole value; a list or an object as JSON."""
    if isinstance(value, Mapping | list) and value:
        return json.dumps(value, indent=2, ensure_ascii=False)
    return value_text(value)
