"""The pure core of a view and the picture it gives, as one thing to drive.

`Reducer` keeps a query record by record; `Window` reads again what the server alone can order or
cut. A brain adds to either the snapshots that its effects lead to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from .messages import Ask, Edit, Effects, ReadOrder, ReadPage, ReadRequest, Record, Rules
from .reducer import Reducer
from .snapshot import Reordered, Snapshot
from .sorting import Sorting
from .window import Window

__all__ = ["Engine", "Make", "RecordEngine", "WindowEngine"]


Make: TypeAlias = Callable[[], Snapshot[Any] | None]
"""Makes a snapshot; gives None where nothing differs after all, and raises `UnorderableError` where
only the server can order what is to be shown."""


class RecordEngine(Reducer):
    """A reducer, and the edits nobody has seen yet: one a record, however many there were.

    With `sorting` it sees to the order of the rows, too: another one goes with the next edits.
    """

    def __init__(self, rules: Rules | None = None, sorting: Sorting | None = None) -> None:
        super().__init__(rules, sorting)
        self._pending: dict[str, Edit] = {}
        self._order = self._sorting.order
        self._reordered: Reordered | None = None
        self._is_shown = False
        self._fresh = self._shown_fresh = False

    @property
    def has_rows(self) -> bool:
        """True once all rows were read; False again once somebody else is logged in."""
        return self._read_all

    def read_done(self, read: Any, rows: list[Record], last: bool, now: float) -> Effects:
        """Feeds the input that the read is for."""
        if isinstance(read, ReadPage):
            return self.page(read, rows, last, now)
        if isinstance(read, Ask):
            return self.answer(read, rows, now)
        if isinstance(read, ReadOrder):
            return self.ordered(read, rows, last, now)
        return self.compared(read, bool(rows), now)

    def show(self, effects: Effects) -> bool:
        """Folds the edits of each record into one, from what was shown to what is; True if there
        is anything new to show."""
        for edit in effects.edits:
            known = self._pending.pop(edit.id, None)
            if known is None:
                self._pending[edit.id] = edit
            elif known.before is not edit.record or edit.record is not None:
                caught_up = known.caught_up or edit.caught_up
                self._pending[edit.id] = Edit(edit.id, known.before, edit.record, caught_up)
        if self._sorting.order is not self._order:
            self._order = self._sorting.order
            self._reordered = Reordered(self._order, dict(self._known.held))
        self._fresh = effects.fresh
        self._is_shown = self._is_shown or effects.loaded
        return self._is_new()

    def snapshot(self, before: Snapshot[Any]) -> Make | None:
        """Makes the next snapshot by the folded edits, when called, outside the lock; None if
        nothing is new."""
        if not self._is_new() and (before.version or not self._is_shown):
            return None
        edits, self._pending = self._pending, {}
        reordered, self._reordered = self._reordered, None
        self._shown_fresh = self._fresh
        return partial(before.advance, edits.values(), fresh=self._fresh, reordered=reordered)

    def _is_new(self) -> bool:
        if not self._is_shown:
            return False
        is_other = bool(self._pending) or self._fresh != self._shown_fresh
        return is_other or self._reordered is not None


class WindowEngine(Window):
    """A window, and the newest rows nobody has seen yet.

    With `shown` it goes on from another brain's last snapshot: that stays, marked as not fresh,
    until the window is read.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        interval: float = 0.25,
        sorts_by_related: bool = False,
        shown: Snapshot[Any] | None = None,
    ) -> None:
        super().__init__(rules, interval=interval, sorts_by_related=sorts_by_related)
        self._rows: tuple[Record, ...] | None = None
        self._caught_up = False
        self._is_shown = shown is not None and shown.version > 0
        self._is_fresh = self._shown_fresh = shown is not None and shown.fresh

    def read_done(self, read: ReadRequest, rows: list[Record], last: bool, now: float) -> Effects:
        """Feeds `rows_read`; a window has one page only."""
        return self.rows_read(read, rows, now)

    def show(self, effects: Effects) -> bool:
        """Keeps the newest rows; True if there is anything new to show."""
        if effects.rows is not None:
            self._rows = effects.rows
            self._caught_up = self._caught_up or effects.caught_up
        self._is_fresh = effects.fresh
        self._is_shown = self._is_shown or effects.loaded
        return self._is_new()

    def snapshot(self, before: Snapshot[Any]) -> Make | None:
        """Makes the next snapshot, with the rows as the server arranged them, when called, outside
        the lock; None if nothing is new."""
        if not self._is_new():
            return None
        rows, self._rows = self._rows, None
        fresh, caught_up = self._is_fresh, self._caught_up
        unchanged = fresh == self._shown_fresh and before.version > 0
        self._shown_fresh, self._caught_up = fresh, False
        if rows is None:
            return partial(before.refreshed, fresh)

        def make() -> Snapshot[Any] | None:
            after = before.arrange(rows, fresh=fresh, caught_up=caught_up)
            is_same = not after.changes and after.unreadable == before.unreadable
            return None if unchanged and is_same else after

        return make

    def _is_new(self) -> bool:
        return self._is_shown and (self._rows is not None or self._is_fresh != self._shown_fresh)


Engine: TypeAlias = RecordEngine | WindowEngine
"""See `Reducer` for what each input means. `show` and `snapshot` run under the core's lock, the
others on the hub's thread."""
