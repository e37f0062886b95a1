"""Which fields the rows of a view have, as reads have shown them.

An event can lack what a read gives: hidden fields, and what a hook adds to reads alone. And a
collection can get other fields while its rows are shown. No event reports either, and no row
version moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from .row_versions import expanded_records

__all__ = ("RowShapes", "filled", "have_other_keys")

Shape: TypeAlias = tuple[bool, frozenset[str]]
"""If it is a row's, not that of a record it expands; and the names of the fields, ``expand`` left
out: whether that is there differs from record to record."""

MAX_SHAPES = 100
"""More shapes than a schema has: beyond that a new one shows nothing about the others."""


class RowShapes:
    """The shapes of the rows that reads gave, and of the records they expand.

    >>> shapes = RowShapes()
    >>> shapes.learn({"id": "a", "title": "x", "secret": "y"})
    True
    >>> shapes.collected()
    True
    >>> event = {"id": "b", "title": "z"}
    >>> shapes.are_known(event), shapes.lacks(event)
    (False, True)
    """

    def __init__(self) -> None:
        self._known: set[Shape] = set()
        self._collected: set[Shape] | None = None
        self._is_complete = False  # all rows were read once
        self._alike: set[tuple[str, ...]] = set()  # names as they came, of rows that are known

    def learn(self, row: Mapping[str, Any]) -> bool:
        """Add a row that a read gave; return True if none had its fields before."""
        names = tuple(row)
        if names in self._alike:
            return False
        if "expand" not in row and len(self._alike) < MAX_SHAPES:
            self._alike.add(names)
        is_new = False
        for shape in _shapes_of(row):
            if shape not in self._known and len(self._known) < MAX_SHAPES:
                self._known.add(shape)
                is_new = True
            if self._collected is not None and len(self._collected) < MAX_SHAPES:
                self._collected.add(shape)
        return is_new

    def are_known(self, record: Mapping[str, Any]) -> bool:
        """Return True if reads gave rows with these very fields."""
        return all(shape in self._known for shape in _shapes_of(record))

    def lacks(self, record: Mapping[str, Any]) -> bool:
        """Return True if every row that a read gave has a field that this one has not, or there
        were none.

        Nothing lacks anything before all rows were read.
        """
        if not self._is_complete:
            return False
        return not any(is_row and names <= record.keys() for is_row, names in self._known)

    def collect(self) -> None:
        """Begin a read of all rows, which frees the shapes that none of them has."""
        self._collected = set()
        self._alike.clear()

    def collected(self) -> bool:
        """End the read of all rows; return True if it was the first."""
        self._known, self._collected = self._collected or self._known, None
        self._alike.clear()
        is_first, self._is_complete = not self._is_complete, True
        return is_first


def _shapes_of(row: Mapping[str, Any]) -> Iterator[Shape]:
    if "expand" not in row:
        yield True, frozenset(row)
        return
    yield True, frozenset(row).difference(("expand",))
    for related in expanded_records(row):
        yield False, frozenset(related).difference(("expand",))


def have_other_keys(record: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Return True if two versions of a row, or of a record that both expand, differ in their
    fields.

    >>> have_other_keys({"id": "a", "n": 2}, {"id": "a", "n": 1}), have_other_keys({"id": "a"}, {})
    (False, True)
    """
    if record.keys() != held.keys():
        return True
    if "expand" not in record:
        return False
    known = {str(related.get("id")): related for related in expanded_records(held)}
    return any(
        related.keys() != known.get(str(related.get("id")), related).keys()
        for related in expanded_records(record)
    )


def filled(record: dict[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record with the fields that it lacks, ``updated`` excepted, as they are held.

    >>> filled({"id": "a", "n": 2}, {"id": "a", "n": 1, "secret": "x"})
    {'id': 'a', 'n': 2, 'secret': 'x'}
    """
    own = (*record, "expand", "updated")
    lacking = {name: value for name, value in held.items() if name not in own}
    return {**record, **lacking} if lacking else record
