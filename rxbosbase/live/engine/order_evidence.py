"""What a view has observed of the order in which its server puts values.

Two values of one kind sort alike in every database: numbers, bools, dates in the server's one
format, UUIDs. Text does not, nor do two kinds: nulls are first in SQLite and last in PostgreSQL,
strings of a JSON field come after its numbers here and before them there. So an order of these
counts as known only once it was seen in rows that the server has sorted, and only until other rows
contradict it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise, product
from typing import Any, TypeAlias

from .ordering import SQLITE, TEXTS, Kind, Order, Ranks, Values, kind_of

__all__ = ("OrderEvidence", "Pair", "TextOrder")

Pair: TypeAlias = tuple[Kind, Kind]
"""A kind of values that comes before another one."""


class TextOrder:
    """How the server's database sorts text. All views of a client share it.

    Attributes:
        by_bytes: True: by its UTF-8 bytes, as Python does. False: by the rules of a language, or
            of whatever else. None: not known yet.
    """

    def __init__(self) -> None:
        self.by_bytes: bool | None = None


class OrderEvidence:
    """What is known of the order of one view's rows, key by key.

    >>> order = Order.parse("n")
    >>> seen = OrderEvidence(order, TextOrder())
    >>> nothing, three = order.values({"id": "a", "n": None}), order.values({"id": "b", "n": 3})
    >>> seen.set_rows([nothing, three])
    >>> seen.depth()
    0
    >>> seen.learn([three, nothing])  # the server puts nulls last
    True
    >>> seen.depth(), seen.ranks()[0]["null"] > seen.ranks()[0]["number"]
    (1, True)
    """

    def __init__(self, order: Order, text: TextOrder) -> None:
        self._keys = order.keys
        self._text = text
        self._kinds: list[set[Kind]] = [set() for _ in self._keys]  # in the rows that are held
        self._before: set[tuple[int, Kind, Kind]] = set()  # key, the kind that is first, the other
        self._limit = len(self._keys)  # a key with contradicting rows is never known

    def set_rows(self, rows: Iterable[Values]) -> None:
        """Set the view's rows."""
        self._kinds = [set() for _ in self._keys]
        for values in rows:
            self.add_row(values)

    def add_row(self, values: Values) -> bool:
        """Add one row; return True if a kind of its values is new to its key."""
        is_new = False
        for kinds, (kind, _) in zip(self._kinds, values, strict=True):
            if kind not in kinds:
                kinds.add(kind)
                is_new = True
        return is_new

    # -- what is known ---------------------------------------------------------------------------

    def depth(self) -> int:
        """Return how many of the keys, from the first, are known to be sorted as `ranks` has it."""
        for at, kinds in enumerate(self._kinds[: self._limit]):
            if not self._is_known(at, kinds):
                return at
            if "date" in kinds and not self._text.by_bytes:
                return at + 1  # PostgreSQL keeps microseconds, and shows milliseconds
        return self._limit

    def needs_text(self) -> bool:
        """Return True if more would be known if text were known to be sorted by bytes."""
        depth = self.depth()
        return depth < self._limit and "text" in self._kinds[depth]

    def ranks(self) -> tuple[Ranks, ...]:
        """Return for each key which kinds come first; SQLite's order where that is not known."""
        return tuple(self._ranks(at, kinds) for at, kinds in enumerate(self._kinds))

    def _is_known(self, at: int, kinds: set[Kind]) -> bool:
        if "text" in kinds and not self._text.by_bytes:
            return False
        before = self._transitive_pairs(at)
        pairs = combinations({self._merged_kind(kind) for kind in kinds}, 2)
        return all(((a, b) in before) != ((b, a) in before) for a, b in pairs)

    def _merged_kind(self, kind: Kind) -> Kind:
        """Return the kind that it is sorted with: by bytes, all text is of one."""
        return "text" if self._text.by_bytes and kind in TEXTS else kind

    def _transitive_pairs(self, at: int) -> set[Pair]:
        """Return which kinds come before which others: what was seen, and what follows from it."""
        before: set[Pair] = set()
        for key, first, second in self._before:
            a, b = self._merged_kind(first), self._merged_kind(second)
            if key == at and a != b:
                before.add((a, b))
        while True:
            follow: set[Pair] = {
                (a, d) for (a, b), (c, d) in product(before, before) if b == c and a != d
            }
            if follow <= before:
                return before
            before |= follow

    def _ranks(self, at: int, kinds: set[Kind]) -> Ranks:
        if not self._is_known(at, kinds):
            return SQLITE
        before = self._transitive_pairs(at)
        ones: set[Kind] = {self._merged_kind(kind) for kind in kinds}
        if all(_is_first_in_sqlite(a, b) == ((a, b) in before) for a, b in combinations(ones, 2)):
            return SQLITE
        last = len(SQLITE)  # kinds that are not held come behind, apart from those that are
        places = {one: sum((other, one) in before for other in ones) for one in ones}
        return {kind: places.get(self._merged_kind(kind), last + SQLITE[kind]) for kind in SQLITE}

    # -- evidence --------------------------------------------------------------------------------

    def learn(self, rows: Sequence[Values]) -> bool:
        """Add rows in the order of one answer of the server; return True if that is new
        evidence."""
        known = (len(self._before), self._limit)
        for one, other in pairwise(rows):
            for at, (a, b) in enumerate(zip(one, other, strict=True)):
                if a != b:
                    self._compare(at, *((b, a) if self._keys[at].descending else (a, b)))
                    break
        return known != (len(self._before), self._limit)

    def learn_ids(self, ids: Sequence[str]) -> bool:
        """Add ids in the order of one answer of the server, sorted by ``id``; see `learn`."""
        known = (self._text.by_bytes, self._limit)
        for one, other in pairwise(ids):
            if other < one:
                self._text.by_bytes = False
                if kind_of(other) != "text":
                    self._limit = min(self._limit, len(self._keys) - 1)
        return known != (self._text.by_bytes, self._limit)

    def _compare(self, at: int, one: tuple[Kind, Any], other: tuple[Kind, Any]) -> None:
        """Compare the first values, of the key `at`, in which two neighbours differ: `one` is
        first."""
        (a, first), (b, second) = one, other
        if a != b:
            if _ranks_kinds(a, first, b, second):
                self._before.add((at, a, b))
        elif second < first and (a != "text" or self._text.by_bytes):
            # This key, or one before it, is sorted by what is not shown: digits that are left out,
            # or a value that a hook has replaced.
            self._limit = min(self._limit, at)


def _ranks_kinds(a: Kind, first: Any, b: Kind, second: Any) -> bool:
    """Return True if these two values, of different kinds, show that one kind comes before the
    other.

    Numbers and bools can be mixed, and so can kinds of text, but for the empty one. Of two bools
    only the outer one shows what is beyond both.
    """
    if {a, b} == {"number", "bool"} or (a in TEXTS and b in TEXTS and "empty" not in (a, b)):
        return False
    return (a != "bool" or first is True) and (b != "bool" or second is False)


def _is_first_in_sqlite(a: Kind, b: Kind) -> bool:
    if SQLITE[a] != SQLITE[b]:
        return SQLITE[a] < SQLITE[b]
    return a == "empty"
