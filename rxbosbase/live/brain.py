"""The pure core of a view and the picture it gives, as one thing to drive.

`Reducer` keeps a query record by record; `Window` reads again what the server alone can order or
cut. A brain adds to either the snapshots that its effects lead to.
"""

from __future__ import annotations

from typing import Any, Protocol

from .messages import Edit, Effects, ReadPage, ReadRequest, Record, Rules
from .reducer import Reducer
from .snapshot import Snapshot

__all__ = ["Brain", "RecordBrain"]


class Brain(Protocol):
    """See `Reducer` for what each input means. All but `snapshot` run on the hub's thread."""

    def acknowledged(self, now: float) -> Effects: ...
    def lost(self, now: float) -> Effects: ...
    def skipped(self, now: float) -> Effects: ...
    def reset(self, now: float) -> Effects: ...
    def event(self, action: str, record: Record, now: float) -> Effects: ...
    def hint(self, action: str, id: str, updated: str, now: float) -> Effects: ...
    def related(self, id: str, now: float) -> Effects: ...
    def failed(self, read: ReadRequest, now: float, retry_after: float = 0.0) -> Effects: ...
    def tick(self, now: float) -> Effects: ...

    def read_done(self, read: ReadRequest, rows: list[Record], last: bool, now: float) -> Effects:
        """The rows that were found."""

    def show(self, effects: Effects) -> bool:
        """Keeps what is to be shown; True if there is anything new. Under the core's lock."""

    def snapshot(self, before: Snapshot[Any]) -> Snapshot[Any] | None:
        """The next snapshot, None if nothing is new. Under the core's lock."""


class RecordBrain(Reducer):
    """A reducer, and the edits nobody has seen yet: one a record, however many there were."""

    def __init__(self, rules: Rules | None = None) -> None:
        super().__init__(rules)
        self._pending: dict[str, Edit] = {}
        self._is_shown = False
        self._fresh = self._shown_fresh = False

    def read_done(self, read: ReadRequest, rows: list[Record], last: bool, now: float) -> Effects:
        """Feeds `answer` or `page`."""
        if isinstance(read, ReadPage):
            return self.page(read, rows, last, now)
        return self.answer(read, rows, now)

    def show(self, effects: Effects) -> bool:
        """Folds the edits of each record into one, from what was shown to what is."""
        for edit in effects.edits:
            known = self._pending.pop(edit.id, None)
            if known is None:
                self._pending[edit.id] = edit
            elif known.before is not edit.record or edit.record is not None:
                caught_up = known.caught_up or edit.caught_up
                self._pending[edit.id] = Edit(edit.id, known.before, edit.record, caught_up)
        self._fresh = effects.fresh
        self._is_shown = self._is_shown or effects.loaded
        return self._is_new()

    def snapshot(self, before: Snapshot[Any]) -> Snapshot[Any] | None:
        """Advances by the folded edits."""
        if not self._is_new() and before.version:
            return None
        if not self._is_shown:
            return None
        edits, self._pending = self._pending, {}
        self._shown_fresh = self._fresh
        return before.advance(edits.values(), fresh=self._fresh)

    def _is_new(self) -> bool:
        return self._is_shown and (bool(self._pending) or self._fresh != self._shown_fresh)
