"""The engine of a live view: the interface that `ViewDriver` and `Publisher` use, and both engines.

`RecordEngine` keeps a query record by record; `WindowEngine` reads again what only the server can
order or cut. Both turn the effects of their inputs into snapshots.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from rxbosbase.encoding.record import Record

from .messages import Edit, Effects, ReadIds, ReadOrder, ReadPage, ReadRequest, Rules
from .reducer import Reducer
from .snapshot import Reordered, Snapshot
from .sorting import Sorting
from .window import Window

__all__ = ("Engine", "MakeSnapshot", "RecordEngine", "WindowEngine")


MakeSnapshot: TypeAlias = Callable[[], Snapshot[Any] | None]
"""Makes a snapshot. Returns None where nothing differs after all, and raises `UnorderableError`
where only the server can order the rows."""


class Engine(ABC):
    """What keeps the rows of one live view: inputs with the time in, effects and snapshots out.

    The driver calls the inputs, on one thread; `Reducer` documents them. The publisher calls
    `collect` and `next_snapshot` under its lock.
    """

    @property
    @abstractmethod
    def has_rows(self) -> bool:
        """True once all rows were read; False again after a `reset` of a view kept by record."""

    @abstractmethod
    def acknowledged(self, now: float) -> Effects:
        """The server has acknowledged the view's topics."""

    @abstractmethod
    def lost(self, now: float) -> Effects:
        """The connection ended."""

    @abstractmethod
    def skipped(self, now: float) -> Effects:
        """A frame of the view's topics was dropped."""

    @abstractmethod
    def reset(self, now: float) -> Effects:
        """The identity changed."""

    @abstractmethod
    def event(self, action: str, record: Record, now: float) -> Effects:
        """A frame of the view's own topic was received."""

    @abstractmethod
    def hint(self, action: str, id: str, updated: str, now: float) -> Effects:
        """A frame of the unfiltered watch was received."""

    @abstractmethod
    def related(self, id: str, now: float) -> Effects:
        """A frame about a record that others may expand was received."""

    @abstractmethod
    def read_done(self, read: Any, rows: list[Record], last: bool, now: float) -> Effects:
        """The read found these rows; ``last`` if there are no more."""

    @abstractmethod
    def failed(self, read: ReadRequest, now: float, retry_after: float = 0.0) -> Effects:
        """The read failed; it may be made again after ``retry_after`` seconds."""

    @abstractmethod
    def tick(self, now: float) -> Effects:
        """Time has passed."""

    @abstractmethod
    def collect(self, effects: Effects) -> bool:
        """Keep what the effects change for the next snapshot; True if there is anything new."""

    @abstractmethod
    def next_snapshot(self, before: Snapshot[Any]) -> MakeSnapshot | None:
        """Return what makes the next snapshot, to be called without the lock; None if nothing is
        new."""


class RecordEngine(Reducer, Engine):
    """A reducer with the edits that no snapshot has yet: one a record, however many there were.

    With `sorting` it also keeps the order of the rows: a new order goes with the next edits.
    """

    def __init__(self, rules: Rules | None = None, sorting: Sorting | None = None) -> None:
        super().__init__(rules, sorting)
        self._pending: dict[str, Edit] = {}
        self._order = self._sorting.order
        self._reordered: Reordered | None = None
        self._is_shown = False
        self._fresh: bool = False
        self._shown_fresh: bool = False

    @property
    def has_rows(self) -> bool:
        """True once all rows were read; False again after a `reset`."""
        return self._read_all

    def read_done(self, read: Any, rows: list[Record], last: bool, now: float) -> Effects:
        """Call the input for this kind of read."""
        if isinstance(read, ReadPage):
            return self.page(read, rows, last, now)
        if isinstance(read, ReadIds):
            return self.answer(read, rows, now)
        if isinstance(read, ReadOrder):
            return self.order_read(read, rows, last, now)
        return self.literals_read(read, bool(rows), now)

    def collect(self, effects: Effects) -> bool:
        """Fold the edits of each record into one, from what was shown to what is; True if there is
        anything new to show."""
        for edit in effects.edits:
            pending = self._pending.pop(edit.id, None)
            if pending is None:
                self._pending[edit.id] = edit
            elif pending.before is not edit.record or edit.record is not None:
                caught_up = pending.caught_up or edit.caught_up
                self._pending[edit.id] = Edit(edit.id, pending.before, edit.record, caught_up)
        if self._sorting.order is not self._order:
            self._order = self._sorting.order
            self._reordered = Reordered(self._order, dict(self._states.held))
        self._fresh = effects.fresh
        self._is_shown = self._is_shown or effects.loaded
        return self._is_new()

    def next_snapshot(self, before: Snapshot[Any]) -> MakeSnapshot | None:
        """Return what makes the next snapshot from the folded edits; None if nothing is new."""
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


class WindowEngine(Window, Engine):
    """A window with the newest rows that no snapshot has yet.

    With `shown` it continues from another engine's last snapshot: that stays, marked as not fresh,
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
        self._is_fresh: bool = shown is not None and shown.fresh
        self._shown_fresh: bool = self._is_fresh

    @property
    def has_rows(self) -> bool:
        """True once there are rows to show, those of the engine before included."""
        return self._is_shown

    def read_done(self, read: ReadRequest, rows: list[Record], last: bool, now: float) -> Effects:
        """Call `rows_read`; a window has one page only."""
        return self.rows_read(read, rows, now)

    def collect(self, effects: Effects) -> bool:
        """Keep the newest rows; True if there is anything new to show."""
        if effects.rows is not None:
            self._rows = effects.rows
            self._caught_up = self._caught_up or effects.caught_up
        self._is_fresh = effects.fresh
        self._is_shown = self._is_shown or effects.loaded
        return self._is_new()

    def next_snapshot(self, before: Snapshot[Any]) -> MakeSnapshot | None:
        """Return what makes the next snapshot, with the rows in the server's order; None if nothing
        is new."""
        if not self._is_new():
            return None
        rows, self._rows = self._rows, None
        fresh, caught_up = self._is_fresh, self._caught_up
        unchanged = fresh == self._shown_fresh and before.version > 0
        self._shown_fresh, self._caught_up = fresh, False
        if rows is None:
            return partial(before.refreshed, fresh)

        def make() -> Snapshot[Any] | None:
            after = before.with_rows(rows, fresh=fresh, caught_up=caught_up)
            is_same = not after.changes and after.unreadable == before.unreadable
            return None if unchanged and is_same else after

        return make

    def _is_new(self) -> bool:
        return self._is_shown and (self._rows is not None or self._is_fresh != self._shown_fresh)
