"""What a view has seen of the order in which its server puts values: the evidence, and no more.

Two values of one kind sort alike in every database: numbers, bools, dates in the server's one
format, UUIDs. Text does not, nor do two kinds: nulls are first in SQLite and last in PostgreSQL,
strings of a JSON field come after its numbers here and before them there. So each is believed only
once it was seen in rows that the server has sorted, and no longer than nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise, product
from typing import Any, TypeAlias

from rxbosbase.live.engine.ordering import SQLITE, TEXTS, Kind, Order, Ranks, Values, kind_of

__all__ = ["Pair", "SeenOrder", "TextOrder"]

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


class SeenOrder:
    """What is known of the order of one view's rows, key by key.

    >>> order = Order.parse("n")
    >>> seen = SeenOrder(order, TextOrder())
    >>> nothing, three = order.values({"id": "a", "n": None}), order.values({"id": "b", "n": 3})
    >>> seen.holds([nothing, three])
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
        self._limit = len(self._keys)  # what the server did not sort as it seemed: not to be known

    def holds(self, rows: Iterable[Values]) -> None:
        """These are the view's rows."""
        self._kinds = [set() for _ in self._keys]
        for values in rows:
            self.saw(values)

    def saw(self, values: Values) -> bool:
        """One more row; True if a kind of its values is new to its key."""
        is_new = False
        for kinds, (kind, _) in zip(self._kinds, values, strict=True):
            if kind not in kinds:
                kinds.add(kind)
                is_new = True
        return is_new

    # -- what is known ---------------------------------------------------------------------------

    def depth(self) -> int:
        """How many of the keys, from the first, are known to be sorted as `ranks` says."""
        for at, kinds in enumerate(self._kinds[: self._limit]):
            if not self._is_known(at, kinds):
                return at
            if "date" in kinds and not self._text.by_bytes:
                return at + 1  # PostgreSQL keeps microseconds, and shows milliseconds
        return self._limit

    def needs_text(self) -> bool:
        """True if more would be known if text were known to be sorted by bytes."""
        depth = self.depth()
        return depth < self._limit and "text" in self._kinds[depth]

    def ranks(self) -> tuple[Ranks, ...]:
        """For each key, which kinds come first; SQLite's order where that is not known."""
        return tuple(self._ranks(at, kinds) for at, kinds in enumerate(self._kinds))

    def _is_known(self, at: int, kinds: set[Kind]) -> bool:
        if "text" in kinds and not self._text.by_bytes:
            return False
        before = self._closed(at)
        pairs = combinations({self._as_one(kind) for kind in kinds}, 2)
        return all(((a, b) in before) != ((b, a) in before) for a, b in pairs)

    def _as_one(self, kind: Kind) -> Kind:
        """The kind that it is sorted with: by bytes, all text is of one."""
        return "text" if self._text.by_bytes and kind in TEXTS else kind

    def _closed(self, at: int) -> set[Pair]:
        """Which kinds come before which others: what was seen, and what follows from it."""
        before: set[Pair] = set()
        for key, first, second in self._before:
            a, b = self._as_one(first), self._as_one(second)
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
        before = self._closed(at)
        ones: set[Kind] = {self._as_one(kind) for kind in kinds}
        if all(_is_first_in_sqlite(a, b) == ((a, b) in before) for a, b in combinations(ones, 2)):
            return SQLITE
        last = len(SQLITE)  # kinds that are not held come behind, apart from those that are
        places = {one: sum((other, one) in before for other in ones) for one in ones}
        return {kind: places.get(self._as_one(kind), last + SQLITE[kind]) for kind in SQLITE}

    # -- evidence --------------------------------------------------------------------------------

    def learn(self, rows: Sequence[Values]) -> bool:
        """Rows that one answer of the server had in this order; True if that tells anything new."""
        known = (len(self._before), self._limit)
        for one, other in pairwise(rows):
            for at, (a, b) in enumerate(zip(one, other, strict=True)):
                if a != b:
                    self._compare(at, *((b, a) if self._keys[at].descending else (a, b)))
                    break
        return known != (len(self._before), self._limit)

    def learn_ids(self, ids: Sequence[str]) -> bool:
        """Ids that one answer of the server had in this order, sorted by ``id``; see `learn`."""
        known = (self._text.by_bytes, self._limit)
        for one, other in pairwise(ids):
            if other < one:
                self._text.by_bytes = False
                if kind_of(other) != "text":
                    self._limit = min(self._limit, len(self._keys) - 1)
        return known != (self._text.by_bytes, self._limit)

    def _compare(self, at: int, one: tuple[Kind, Any], other: tuple[Kind, Any]) -> None:
        """The first values, of the key `at`, in which two neighbours differ: `one` is first."""
        (a, first), (b, second) = one, other
        if a != b:
            if _tells_of_kinds(a, first, b, second):
                self._before.add((at, a, b))
        elif second < first and (a != "text" or self._text.by_bytes):
            # Either it is sorted by what is not shown, or the keys before are: digits that are
            # left out, a value that a hook puts in another's place.
            self._limit = min(self._limit, at)


def _tells_of_kinds(a: Kind, first: Any, b: Kind, second: Any) -> bool:
    """True if these two values, of different kinds, show that one kind comes before the other.

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
