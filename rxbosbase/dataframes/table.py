"""Ordered rows, stored as columns. A change costs Python work for its own rows only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rxbosbase.encoding.narrowing import is_mapping
from rxbosbase.encoding.record import ReadOnlyRecord
from rxbosbase.live.engine.snapshot import Change

from .columns import CategoryColumn, Cells, Column
from .kinds import flatten
from .optional_imports import numpy, pandas

__all__ = ("Table", "check_names")

FIRST_CAPACITY = 64


def check_names(value: Iterable[str] | None, argument: str) -> tuple[str, ...]:
    """Return the names as a tuple; raise ``TypeError`` for a single text instead of a list."""
    if isinstance(value, str) or not all(isinstance(name, str) for name in value or ()):
        raise TypeError(f"{argument} must be a list of names, such as ['title'], not {value!r}")
    return tuple(dict.fromkeys(value or ()))


class Table:
    """Records as a DataFrame, kept up to date by changes.

    Not thread-safe: its owner locks it.

    Args:
        columns: the fields, in this order; None: all fields, in the order of their appearance.
        index: the name of the column that becomes the index; None: a plain range.
        categories: the names of columns with few different values.
    """

    def __init__(
        self,
        columns: Iterable[str] | None = None,
        index: str | None = "id",
        categories: Iterable[str] = (),
    ) -> None:
        self._chosen = None if columns is None else check_names(columns, "columns")
        self._categories = frozenset(check_names(categories, "categories"))
        if index is not None and not isinstance(index, str):
            raise TypeError(f"index must be a column's name or None, not {index!r}")
        self._index = index
        self._requested = frozenset({*(self._chosen or ()), index or ""})
        self._records: list[ReadOnlyRecord | None] = [None] * FIRST_CAPACITY
        self._free = list(range(FIRST_CAPACITY))[::-1]
        self._order: list[int] = []
        self._columns: dict[str, Column] = {}
        for name in self._chosen or ():
            self._add_column(name)
        if index is not None and index not in self._columns:
            self._add_column(index)

    def apply(self, changes: Iterable[Change[Any]]) -> None:
        """Apply the changes of a snapshot, in order."""
        written: dict[int, ReadOnlyRecord] = {}
        for change in changes:
            slot = None
            if change.old_index is not None:
                slot = self._order.pop(change.old_index)
            if change.new_index is None:
                if slot is not None:
                    written.pop(slot, None)
                    self._free_slot(slot)
                continue
            if slot is None:
                slot = self._allocate_slot()
            self._order.insert(change.new_index, slot)
            self._records[slot] = written[slot] = _checked(change.record)
        self._write(written)

    def append(self, records: Sequence[ReadOnlyRecord]) -> None:
        """Add records at the end."""
        at = len(self._order)
        self.apply(Change("added", record, None, None, at + n) for n, record in enumerate(records))

    def add_columns(self, names: Iterable[str]) -> None:
        """Add these columns, before any record has them."""
        for name in names:
            if name not in self._columns:
                self._add_column(name)

    def clear(self) -> None:
        """Remove all rows; the columns and their kinds stay."""
        for slot in self._order:
            self._free_slot(slot)
        self._order = []

    def frame(self) -> Any:
        """Return a new DataFrame, which later changes of the table do not alter."""
        np, pd = numpy(), pandas()
        order = np.array(self._order, dtype=np.intp)
        data = {name: column.take(order) for name, column in self._columns.items()}
        if self._index is None:
            return pd.DataFrame(data, columns=list(data))
        index = pd.Index(data[self._index], name=self._index)
        if self._chosen is None or self._index not in self._chosen:
            del data[self._index]
        return pd.DataFrame(data, columns=list(data), index=index)

    def _write(self, written: Mapping[int, ReadOnlyRecord]) -> None:
        flat = {slot: flatten(record, self._requested) for slot, record in written.items()}
        if self._chosen is None:
            for row in flat.values():
                for name in row:
                    if name not in self._columns:
                        self._add_column(name)
        for name, column in self._columns.items():
            column.put((slot, row.get(name)) for slot, row in flat.items())

    def _add_column(self, name: str) -> None:
        kind = CategoryColumn if name in self._categories else Column
        self._columns[name] = kind(len(self._records), self._cells_of(name))

    def _cells_of(self, name: str) -> Callable[[], Cells]:
        def cells() -> Iterator[tuple[int, Any]]:
            for slot in self._order:
                record = self._records[slot]
                if record is not None:
                    yield slot, flatten(record, self._requested).get(name)

        return cells

    def _allocate_slot(self) -> int:
        if not self._free:
            size = len(self._records)
            self._records.extend([None] * size)
            self._free = list(range(size, 2 * size))[::-1]
            for column in self._columns.values():
                column.grow(2 * size)
        return self._free.pop()

    def _free_slot(self, slot: int) -> None:
        self._records[slot] = None
        self._free.append(slot)


def _checked(record: Any) -> ReadOnlyRecord:
    if not is_mapping(record):
        raise TypeError(
            f"a frame is made of records that are dicts, not {type(record).__name__}: "
            "use a collection without model="
        )
    return record
