"""The snapshots of a live view: immutable, with the exact changes from one to the next.

A snapshot of 10 000 records shares all but a few hundred slots with the one before, so that an
event costs microseconds, and keeping old snapshots costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Generic, Literal, NamedTuple

from rxbosbase.encoding.control_characters import short_repr
from rxbosbase.encoding.record import Record, T, id_of
from rxbosbase.encoding.unreadable import UnreadableRecord, UnreadableRow

from .messages import Edit
from .persistent_rows import RecordSequence, Row, RowsById
from .row_versions import are_equal
from .sequence_diff import sequence_diff
from .sorting import ViewOrder

__all__ = ("Change", "Reordered", "Snapshot", "apply_changes")


REBUILD = 512
"""From so many edits on an empty view, all is sorted at once instead of inserted one by one."""


@dataclass(frozen=True, slots=True, repr=False)
class Change(Generic[T]):
    """One record of a view was added, modified or removed.

    Changes are applied in order: ``old_index`` is where the record is before this change,
    ``new_index`` where it is after, both valid once the changes before have been applied.

    Attributes:
        type: ``"added"``, ``"modified"`` or ``"removed"``; a record that moves is modified.
        record: the record as it is now; of a removed one, as it last was.
        before: the record as it was; None if added.
        old_index, new_index: its place in the records, from 0; None if added, or removed.
        caught_up: it happened, or was noticed, across a gap in the stream.

    >>> Change("added", {"id": "a"}, None, None, 0).type
    'added'
    """

    type: Literal["added", "modified", "removed"]
    record: T
    before: T | None
    old_index: int | None
    new_index: int | None
    caught_up: bool = False

    def __repr__(self) -> str:
        late = ", caught up" if self.caught_up else ""
        place = f"{self.old_index} to {self.new_index}"
        return f"Change({self.type} id={short_repr(id_of(self.record))}, {place}{late})"


def apply_changes(records: Iterable[T], changes: Iterable[Change[T]]) -> list[T]:
    """Return the records after the changes.

    Args:
        records: those of a snapshot, in order.
        changes: those of the next one, in order.

    >>> apply_changes(["a", "b"], [Change("removed", "a", "a", 0, None)])
    ['b']
    """
    result = list(records)
    for change in changes:
        if change.old_index is not None:
            del result[change.old_index]
        if change.new_index is not None:
            result.insert(change.new_index, change.record)
    return result


@dataclass(frozen=True, slots=True)
class _Lineage(Generic[T]):
    """What all snapshots of one view have in common. Compared by identity."""

    decode: Callable[[Record], T | None]
    collection: str

    def __reduce__(self) -> Any:
        # A snapshot from a pickle does not advance, and a model's callable may not be picklable.
        return _Lineage, (_as_it_is, self.collection)


class Reordered(NamedTuple):
    """Another order of a view's rows, and all rows that are in the view, by id."""

    order: ViewOrder
    rows: Mapping[str, Record]


class _ById(Mapping[str, T]):
    """The records by id, in no particular order."""

    __slots__ = ("_entries",)

    def __init__(self, entries: RowsById[Row[T]]) -> None:
        self._entries = entries

    def __getitem__(self, id: str) -> T:
        return self._entries[id].record

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<{len(self)} records by id>"


class Snapshot(Generic[T]):
    """A live view at one moment. Immutable; the records are shared, so copy before changing one.

    It can be pickled. `since` knows the snapshots that were pickled together.

    Attributes:
        changes: what changed since the preceding ``version``; version 1 lists all as added.
        fresh: False while the view is disconnected or catching up.
        version: 1, 2, 3, …; 0 is the empty one before the first.

    >>> from rxbosbase.live.engine.ordering import Order
    >>> view = Snapshot.empty(Order.parse("title"))
    >>> first = view.advance([Edit("b", None, {"id": "b", "title": "x"})], fresh=True)
    >>> second = first.advance([Edit("a", None, {"id": "a", "title": "w"})], fresh=True)
    >>> [record["id"] for record in second.records], second.by_id["a"]["title"], second.version
    (['a', 'b'], 'w', 2)
    >>> [(change.type, change.new_index) for change in second.changes]
    [('added', 0)]
    >>> [change.record["id"] for change in second.since(first)]
    ['a']
    """

    __slots__ = (
        "_entries", "_lineage", "_order", "_rows", "_unreadable", "changes", "fresh", "version"
    )  # fmt: skip

    changes: tuple[Change[T], ...]
    fresh: bool
    version: int

    def __init__(
        self,
        lineage: _Lineage[T],
        order: ViewOrder | None,
        rows: RecordSequence[T],
        entries: RowsById[Row[T]],
        changes: tuple[Change[T], ...],
        fresh: bool,
        version: int,
        unreadable: dict[str, UnreadableRecord],
    ) -> None:
        self._lineage = lineage
        self._order = order  # None: the server's
        self._rows = rows
        self._entries = entries
        self.changes = changes
        self.fresh = fresh
        self.version = version
        self._unreadable = unreadable

    @classmethod
    def empty(
        cls, order: ViewOrder | None, decode: Any = None, collection: str = ""
    ) -> Snapshot[Any]:
        """Return a view without rows. ``order`` None: the rows come in the server's order.

        ``decode`` makes what the user sees of a row, None if the row is not to be seen; it is
        called once for each version of a row. ``collection`` is named where a record is left out.
        """
        lineage: _Lineage[Any] = _Lineage(decode or _as_it_is, collection)
        return Snapshot(lineage, order, RecordSequence(), RowsById(), (), False, 0, {})

    @property
    def records(self) -> Sequence[T]:
        """The records, in order."""
        return self._rows

    @property
    def by_id(self) -> Mapping[str, T]:
        """The records by id, in no particular order."""
        return _ById(self._entries)

    @property
    def unreadable(self) -> Mapping[str, UnreadableRecord]:
        """The records of the query that are left out, by id: a value in them is nested too deeply
        to be decoded, or it is larger than an answer may be. Each is shown once it can be read."""
        return MappingProxyType(self._unreadable)

    def advance(
        self, edits: Iterable[Edit], *, fresh: bool, reordered: Reordered | None = None
    ) -> Snapshot[T]:
        """Return the next snapshot of an ordered view; with `reordered`, in another order from now
        on.

        Where nothing differs but how the order is known, it has the same version as this one.
        Raises `UnorderableError` if a record lacks what it is sorted by; this snapshot stays valid.
        """
        order = self._order if reordered is None else reordered.order
        if order is None:
            raise ValueError("the server arranges this view: use with_rows()")
        moves: list[_Move[T]] = []
        unreadable = self._unreadable.copy()
        for edit in edits:
            entry, row = None, edit.record
            if isinstance(row, UnreadableRow):
                unreadable[edit.id] = row.summary(self._lineage.collection)
            else:
                unreadable.pop(edit.id, None)
                record = None if row is None else self._lineage.decode(row)
                if row is not None and record is not None:
                    entry = Row(order.key(row), record)
            moves.append((edit.id, entry, edit.caught_up))
        if reordered is None:
            after = self._fold(moves, fresh)
        else:
            after = self._reorder(moves, fresh, reordered)
        after._unreadable = unreadable
        return after

    def _reorder(self, moves: Sequence[_Move[T]], fresh: bool, reordered: Reordered) -> Snapshot[T]:
        order, rows = reordered
        entries = dict(self._entries)
        for id, entry, _ in moves:
            old = entries.pop(id, None)
            if entry is not None:
                entries[id] = _kept(old, entry)
        moved = {id for id, _, _ in moves}
        entries = {
            id: entry if id in moved else Row(order.key(rows[id]), entry.record)
            for id, entry in entries.items()
        }
        after = self._rebuilt(order, entries, fresh, {id for id, _, late in moves if late})
        if not after.changes and not moves and self.version and fresh == self.fresh:
            after.version, after.changes = self.version, self.changes
        return after

    def with_rows(self, rows: Sequence[Record], *, fresh: bool, caught_up: bool) -> Snapshot[T]:
        """Return the next snapshot of a view in the server's order: it shows just these rows.

        From here on the view has the server's order, also where it was ordered by the client
        before.
        """
        entries: dict[str, Row[T]] = {}
        unreadable: dict[str, UnreadableRecord] = {}
        for at, row in enumerate(rows):
            if isinstance(row, UnreadableRow):
                unreadable[row["id"]] = row.summary(self._lineage.collection)
            elif (record := self._lineage.decode(row)) is not None:
                old = self._entries.get(row["id"])
                entries[row["id"]] = _kept(old, Row((at,), record))
        missed = {*self._entries, *entries} if caught_up else ()
        after = self._rebuilt(None, entries, fresh, missed)
        after._unreadable = unreadable
        return after

    def since(self, older: Snapshot[T]) -> tuple[Change[T], ...]:
        """Return the exact changes since an older snapshot of this view: applied to it, they give
        this. There is one for each record that differs.

        Args:
            older: an earlier snapshot of the same view.

        Raises:
            ValueError: it is of another view, or newer.
        """
        if older._lineage is not self._lineage or older.version > self.version:
            raise ValueError("since() takes an older snapshot of the same view")
        if older is self:
            return ()
        if self._order is None or self._order is not older._order:
            was, now = _in_order(older._entries.pairs()), _in_order(self._entries.pairs())
            return tuple(_rearranged(was, now))
        ids = list(self._entries.differing(older._entries))
        gone = sorted(id for id in ids if id not in self._entries)
        here = sorted((self._entries[id].key, id) for id in ids if id in self._entries)
        moves: list[_Move[T]] = [(id, None, False) for id in gone]
        moves += [(id, self._entries[id], False) for _, id in here]
        return older._fold(moves, self.fresh).changes

    def refreshed(self, fresh: bool) -> Snapshot[T]:
        """Return the next version, with the same records."""
        return self._fold([], fresh)

    def _fold(self, moves: Sequence[_Move[T]], fresh: bool) -> Snapshot[T]:
        if not self._entries and len(moves) >= REBUILD:
            new = {id: entry for id, entry, _ in moves if entry is not None}
            return self._rebuilt(self._order, new, fresh, {id for id, _, late in moves if late})
        rows, entries = self._rows, self._entries
        changes: list[Change[T]] = []
        for id, entry, caught_up in moves:
            before = entries.get(id)
            rows, change = _move(rows, before, entry)
            if change is not None:
                changes.append(replace(change, caught_up=True) if caught_up else change)
            if entry is not None:
                entries = entries.set(id, entry)
            elif before is not None:
                entries = entries.without(id)
        return Snapshot(
            self._lineage, self._order, rows, entries, tuple(changes), fresh, self.version + 1,
            self._unreadable,
        )  # fmt: skip

    def _rebuilt(
        self,
        order: ViewOrder | None,
        entries: Mapping[str, Row[T]],
        fresh: bool,
        caught_up: Container[str],
    ) -> Snapshot[T]:
        """Return the next snapshot, with just these entries."""
        new = _in_order(entries.items())
        changes = tuple(_rearranged(_in_order(self._entries.pairs()), new, caught_up))
        return Snapshot(
            self._lineage, order, RecordSequence[T].build(new.values()),
            RowsById[Row[T]].build(new), changes, fresh, self.version + 1, self._unreadable,
        )  # fmt: skip

    def __repr__(self) -> str:
        types: list[str] = [change.type for change in self.changes]
        counts = "+{} ~{} -{}".format(*map(types.count, ("added", "modified", "removed")))
        left_out = f", {len(self.unreadable)} unreadable" if self.unreadable else ""
        records = f"{len(self._rows)} records{left_out}"
        state = "fresh" if self.fresh else "stale"
        return f"<Snapshot {self.version}: {records}, {counts}, {state}>"

    def _repr_html_(self) -> str:
        from .snapshot_table import html_table  # for notebooks alone

        return html_table(f"{self._lineage.collection}: {self!r}", self._rows)


_Move = tuple[str, Row[T] | None, bool]
"""A record's id, where it goes (None: away), and whether it was caught up."""


def _kept(old: Row[T] | None, new: Row[T]) -> Row[T]:
    """Return the new place; with the record that is shown already, if the two are equal."""
    return new if old is None or not are_equal(old.record, new.record) else Row(new.key, old.record)


def _as_it_is(record: Any) -> Any:
    return record


def _move(
    rows: RecordSequence[T], before: Row[T] | None, entry: Row[T] | None
) -> tuple[RecordSequence[T], Change[T] | None]:
    """Return the rows with the record at its new place, and the change, if there is one."""
    if before is None:
        if entry is None:
            return rows, None
        rows, new = rows.inserted(entry)
        return rows, Change("added", entry.record, None, None, new)
    if entry is None:
        rows, old = rows.without(before.key)
        return rows, Change("removed", before.record, before.record, old, None)
    if before.key == entry.key:
        rows, old = rows.replaced(entry)
        new = old
    else:
        rows, old = rows.without(before.key)
        rows, new = rows.inserted(entry)
    if old == new and are_equal(before.record, entry.record):
        return rows, None  # the same record at the same place
    return rows, Change("modified", entry.record, before.record, old, new)


def _in_order(entries: Iterable[tuple[str, Row[T]]]) -> dict[str, Row[T]]:
    return dict(sorted(entries, key=lambda pair: pair[1].key))


def _rearranged(
    was: Mapping[str, Row[T]], now: Mapping[str, Row[T]], caught_up: Container[str] = ()
) -> Iterator[Change[T]]:
    """Iterate over the changes from some entries to others; both are in their order."""
    changed = {id for id in now if id in was and was[id].record is not now[id].record}
    for id, old, new in sequence_diff(list(was), list(now), changed):
        late = id in caught_up
        if new is None:
            yield Change("removed", was[id].record, was[id].record, old, None, late)
        elif old is None:
            yield Change("added", now[id].record, None, None, new, late)
        else:
            yield Change("modified", now[id].record, was[id].record, old, new, late)
