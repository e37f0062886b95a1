"""One column of a frame. Its values are in slots, one for each row, which are reused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .kinds import Kind, nanoseconds, widened
from .optional_imports import numpy, pandas

__all__ = ("CategoryColumn", "Column")

MISSING_TIME = -(2**63)
"""The value of a missing time in numpy and pandas."""

Cells = Iterable[tuple[int, Any]]
"""Slots and their values."""


class Column:
    """The values of one column. Its kind only widens.

    Args:
        capacity: the number of slots.
        cells: returns the current values of all rows, to be read again when the kind widens.
    """

    def __init__(self, capacity: int, cells: Callable[[], Cells]) -> None:
        self._cells = cells
        self._kind = Kind.UNKNOWN
        self._capacity = capacity
        self._allocate()

    def grow(self, capacity: int) -> None:
        """Raise the number of slots to `capacity`."""
        old_values, old_mask, size = self._values, self._mask, self._capacity
        self._capacity = capacity
        self._allocate()
        self._values[:size] = old_values
        self._mask[:size] = old_mask

    def put(self, cells: Cells) -> None:
        """Write the values of these slots. `cells` has to return them already."""
        cells = list(cells)
        kind = self._kind
        for _, value in cells:
            kind = widened(kind, value)
        if kind is not self._kind:
            cells = list(self._cells())  # of all rows, these included
            for _, value in cells:  # an empty text before the first number has set no kind
                kind = widened(kind, value)
            self._kind = kind
            self._allocate()
        self._write(cells)

    def take(self, order: Any) -> Any:
        """Return a pandas array of the values in these slots, in this order; a copy."""
        np, pd = numpy(), pandas()
        values = self._values.take(order)
        match self._kind:
            case Kind.INT | Kind.BOOL:
                mask = self._mask.take(order)
                make = pd.arrays.IntegerArray if self._kind is Kind.INT else pd.arrays.BooleanArray
                return make(values, mask)
            case Kind.TIME:
                return pd.DatetimeIndex(values.view("M8[ns]"), tz="UTC").array
            case Kind.TEXT | Kind.UNKNOWN:
                return pd.array(values, dtype="string")
            case _:
                return values if values.dtype == np.float64 else _objects(values)

    def _write(self, cells: Cells) -> None:
        values, mask, convert = self._values, self._mask, _CONVERT.get(self._kind, _as_it_is)
        for slot, value in cells:
            absent = value is None
            mask[slot] = absent
            values[slot] = self._nothing if absent else convert(value)

    def _allocate(self) -> None:
        np = numpy()
        dtype, self._nothing = _STORAGE.get(self._kind, (object, None))
        self._values = np.full(self._capacity, self._nothing, dtype=dtype)
        self._mask = np.ones(self._capacity, dtype=bool)


class CategoryColumn(Column):
    """A column of few different values. A category stays, also without a row."""

    def __init__(self, capacity: int, cells: Callable[[], Cells]) -> None:
        super().__init__(capacity, cells)
        self._codes: dict[Any, int] = {}

    def put(self, cells: Cells) -> None:
        self._write((slot, value) for slot, value in cells)

    def take(self, order: Any) -> Any:
        np, pd = numpy(), pandas()
        codes = np.where(self._mask, -1, self._values).take(order)
        return pd.Categorical.from_codes(codes.astype("int32"), categories=list(self._codes))

    def _write(self, cells: Cells) -> None:
        for slot, value in cells:
            self._mask[slot] = value is None
            if value is not None:
                try:
                    code = self._codes.setdefault(value, len(self._codes))
                except TypeError:
                    raise ValueError(
                        f"a {type(value).__name__} cannot be a category: leave the column out of "
                        "categories="
                    ) from None
                self._values[slot] = code


def _time(text: str) -> int:
    found = nanoseconds(text)
    return MISSING_TIME if found is None else found


def _as_it_is(value: Any) -> Any:
    return value


def _objects(values: Any) -> Any:
    return pandas().Series(values, dtype=object).array


_STORAGE: dict[Kind, tuple[Any, Any]] = {
    Kind.BOOL: ("bool", False),
    Kind.INT: ("int64", 0),
    Kind.FLOAT: ("float64", float("nan")),
    Kind.TIME: ("int64", MISSING_TIME),
}
_CONVERT: dict[Kind, Callable[[Any], Any]] = {Kind.TIME: _time}
