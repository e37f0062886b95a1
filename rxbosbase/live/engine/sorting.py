"""In which order a view shows its rows, and when the server has to be asked for it.

Where all that the rows are sorted by is known to be sorted alike here and there (`SeenOrder`), the
view orders them itself. Elsewhere the first keys may be known, as in ``-created`` on a database
that sorts text by the rules of a language: the order of the rows that these keys leave tied is the
server's alone. It is read, as ids, whenever such a row has joined, or is sorted by another value.

Why it converges
----------------
An answer places each row by the values that the server sorted it by. A row that is held with other
values has no place in it, and keeps the order in doubt; so does a row that is in only one of the
two. So the order is settled only by an answer that has the rows that are shown, and each change of
them begins it anew. It is asked for at most once an ``interval``, and never takes more than a
quarter of the time: after an answer it rests for three times as long as that took. Where rows
differ of which nothing was heard, as a value that is another one at each read, it rests for longer
and longer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import Any, TypeAlias

from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.live.engine.messages import ReadLiterals, ReadOrder, Record, Rules
from rxbosbase.live.engine.order_evidence import SeenOrder, TextOrder
from rxbosbase.live.engine.ordering import Order, SortKey, UnorderableError, Values
from rxbosbase.runtime.retry_delay import Backoff

__all__ = ["BY_BYTES", "EVERYWHERE", "ServerOrder", "Sorting", "Unsorted", "ViewOrder"]

BY_BYTES = " && ".join(
    f"'{first}' < '{second}'"
    for first, second in [
        ("Z", "a"), ("B", "a"), ("Zz", "aa"), ("ZZ", "_"), ("_", "a"), ("-b", "0"), ("a b", "aA"),
        ("a-c", "ab"), ("z", "á"), ("b", "á"), ("10", "9"), ("｡", "🦊"),
    ]
)  # fmt: skip
"""True where text is sorted by its bytes, and by the rules of no language: pairs that differ in
case, accents and punctuation, and two characters that UTF-16 has the other way round."""

EVERYWHERE = "'a' < 'b'"
"""True in every order of text. If that finds nothing either, there is no row to tell."""

Key: TypeAlias = tuple[Any, ...]


class ServerOrder:
    """The order of rows as the server gave it, and a near guess for rows that it has not placed.

    Args:
        own: the order as far as it is known.
        depth: how many of its keys are.
        rows: what each row was sorted by, in the server's order.

    >>> own = Order.parse("title")
    >>> rows = [{"id": "x", "title": "a"}, {"id": "y", "title": "B"}]
    >>> order = ServerOrder(own, 0, {row["id"]: own.values(row) for row in rows})
    >>> sorted([*rows, {"id": "z", "title": "A b"}], key=order.key)[1]["id"]
    'z'
    """

    def __init__(self, own: Order, depth: int, rows: Mapping[str, Values]) -> None:
        self.own = own
        self.depth = depth
        self._at = {id: (at, values) for at, (id, values) in enumerate(rows.items())}
        self._guesses: list[Key] | None = None

    def key(self, record: Record) -> Key:
        """The record's place: sort by it."""
        return self.place(record["id"], self.own.values(record))

    def place(self, id: str, values: Values) -> Key:
        """The place of a record with these values."""
        placed = self._at.get(id)
        if placed is not None and placed[1] == values:
            return (placed[0], 0)
        if self._guesses is None:
            # Sorted, so that one that is wrong leads no other astray.
            self._guesses = sorted(
                self.own.guess(each, self.depth) for _, each in self._at.values()
            )
        guess = self.own.guess(values, self.depth)
        return (bisect_left(self._guesses, guess), -1, guess, id)


ViewOrder: TypeAlias = Order | ServerOrder


class Sorting:
    """The order of one view. It is told of each row that is put into the view or taken out.

    Attributes:
        order: what the rows are to be shown in.
        is_by_id: the rows are in the order of their ids.
        is_ready: True once the rows can be shown in their order.
        is_dirty: True while some row's place is not known.
    """

    def __init__(
        self, order: Order, text: TextOrder, interval: float = 0.25, rules: Rules | None = None
    ) -> None:
        self._own = order
        self._text = text
        self._interval = interval
        self._rules = rules or Rules()
        self.is_by_id = order.keys == (SortKey(("id",)),)
        self.start_over()

    def start_over(self) -> None:
        """Nothing is known of the rows any more."""
        self.order: ViewOrder = self._own
        self.is_ready = self.is_dirty = False
        self._seen = SeenOrder(self._own, self._text)
        self._by_bytes: bool | None = None  # what was known of text when the rows were looked at
        self._must_look = True
        self._depth = 0
        self._ties: Counter[Values] = Counter()  # how many rows the known keys leave tied
        self._begun: float | None = None
        self._rests_until = 0.0
        self._odd: set[str] = set()  # what differed in the last answer
        self._differs = Backoff(self._rules.delay)
        self._asks_literals = Backoff(self._rules.delay)
        self._denied = 0  # times that the literals were found in no order, or not by bytes

    # -- the rows --------------------------------------------------------------------------------

    def row_changed(self, before: Record | None, after: Record | None) -> None:
        """One row of the view was `before` and is `after`."""
        if self._must_look:
            return
        is_known = self._depth == len(self._own.keys)
        if not is_known and _are_alike(self._own, before, after):
            return
        now = self._values(after)
        if now is not None and self._seen.saw(now):
            self._must_look = True
        elif not is_known:
            self._retie(self._values(before), now)

    def _retie(self, was: Values | None, now: Values | None) -> None:
        if was is not None:
            known = was[: self._depth]
            self._ties[known] -= 1
            if not self._ties[known]:
                del self._ties[known]
        if now is not None:
            self._ties[now[: self._depth]] += 1
            self.is_dirty |= self._ties[now[: self._depth]] > 1

    def refresh(self, held: Mapping[str, Record]) -> None:
        """Looks at all rows again if something that was learned, or that came, concerns them."""
        if self._must_look or self._by_bytes != self._text.by_bytes:
            self.is_dirty = self._sort_out(self._all(held).values())
            self.is_ready |= not self.is_dirty

    def _sort_out(self, rows: Iterable[Values]) -> bool:
        """Sees how far the order is known; True if that leaves rows tied."""
        rows = list(rows)
        self._must_look, self._by_bytes = False, self._text.by_bytes
        self._seen.holds(rows)
        self._depth = self._seen.depth()
        self._own = self._own.ranked(self._seen.ranks())
        is_known = self._depth == len(self._own.keys)
        self._ties = Counter(() if is_known else (values[: self._depth] for values in rows))
        has_ties = max(self._ties.values(), default=0) > 1
        if not has_ties and self.order != self._own:
            self.order = self._own
        return has_ties

    def _all(self, held: Mapping[str, Record]) -> dict[str, Values]:
        return {id: each for id, row in held.items() if (each := self._values(row)) is not None}

    def _values(self, row: Record | None) -> Values | None:
        """What the row is sorted by. None if it is not there, or does not tell: if it is to be
        shown, that is found where the snapshot is made, and the server arranges the view."""
        if row is None or isinstance(row, UnreadableRow):
            return None
        try:
            return self._own.values(row)
        except UnorderableError:
            return None

    # -- reads -----------------------------------------------------------------------------------

    def due(self) -> float:
        """When a read should begin; infinite if none is needed."""
        if not self.is_dirty or self._begun is not None:
            return inf
        return max(self._rests_until, self._differs.until)

    def ask(self, now: float) -> ReadOrder | ReadLiterals:
        """The read that is due."""
        self.read_begins(now)
        if (
            self._text.by_bytes is None
            and self._seen.needs_text()
            and now >= self._asks_literals.until
        ):
            return ReadLiterals(EVERYWHERE if self._denied == 1 else BY_BYTES)
        return ReadOrder()

    def read_begins(self, now: float) -> None:
        """A read begins that gives the rows in the server's order, as it is by now."""
        self._begun = now

    def check(self) -> None:
        """Has the order read again, though nothing tells that it is another one."""
        if not self.is_by_id:  # there each pass tells it
            self.is_dirty |= bool(self._ties) and isinstance(self.order, ServerOrder)

    def read_failed(self) -> None:
        """It brought nothing."""
        self._begun = None

    def literals_answered(self, read: ReadLiterals, found: bool, now: float) -> None:
        """The literals compare like that, or there is no row to tell.

        It takes three answers to deny it: not by bytes, but in some order, and still not by bytes.
        """
        self._begun = None
        if self._text.by_bytes is not None:
            return  # another view has found out meanwhile
        if found and read.condition == BY_BYTES:
            self._text.by_bytes = True
        elif found != (read.condition == EVERYWHERE):
            self._denied = 0
            self._asks_literals.failed(now)
        elif self._denied < 2:
            self._denied += 1
        else:
            self._text.by_bytes = False

    def order_answered(
        self,
        rows: Sequence[Record],
        held: Mapping[str, Record],
        now: float,
        *,
        in_one: bool,
        heard: Container[str],
    ) -> list[str]:
        """All rows of the query, of each what it is sorted by, in the server's order.

        Args:
            held: the view's rows, by id.
            in_one: they came in one answer. Others write while pages are read.
            heard: the ids of which something was heard lately.

        Returns:
            the ids of those that are not the same in both.
        """
        self._rest(now)
        odd = self._arranged(rows, held, in_one=in_one)
        again = self._odd.intersection(odd)  # a frame may come after the answer that knows of it
        if all(id in heard for id in again):
            self._differs.succeeded()
        else:
            self._differs.failed(now)
        self._odd = set(odd)
        return odd if self._ties else []

    def page_answered(self, rows: Sequence[Record], held: Mapping[str, Record], now: float) -> None:
        """All rows of the query, whole, in the server's order: a page that has them all."""
        self._rest(now)
        self._arranged(rows, held, in_one=True)

    def _rest(self, now: float) -> None:
        begun = now if self._begun is None else self._begun
        self._rests_until = max(begun + self._interval, now + 3 * (now - begun))

    def _arranged(
        self, rows: Sequence[Record], held: Mapping[str, Record], *, in_one: bool
    ) -> list[str]:
        self._begun = None
        theirs = {row["id"]: values for row in rows if (values := self._values(row)) is not None}
        mine = self._all(held)
        if in_one:
            self._seen.learn(list(theirs.values()))
        odd = [id for id, values in mine.items() if theirs.get(id) != values]
        odd += [id for id in theirs if id not in held]
        has_ties = self._sort_out(mine.values())
        if has_ties:
            self._place({id: each for id, each in theirs.items() if mine.get(id) == each})
        self.is_ready = True
        self.is_dirty = has_ties and bool(odd)
        return odd

    def _place(self, rows: Mapping[str, Values]) -> None:
        """Shows the rows in this order, from now on."""
        order = self.order
        if isinstance(order, ServerOrder) and (order.own, order.depth) == (self._own, self._depth):
            places = (order.place(id, values) for id, values in rows.items())
            if all(a < b for a, b in pairwise(places)):
                return  # they are in it already
        self.order = ServerOrder(self._own, self._depth, rows)

    def begins_with(self, rows: Sequence[Record]) -> None:
        """Not all rows of the query, but the first, in the server's order."""
        self._begun = None
        values = [each for row in rows if (each := self._values(row)) is not None]
        self._must_look |= self._seen.learn(values)

    def sorted_by_id(self, ids: Sequence[str]) -> None:
        """Ids that one answer had in this order, sorted by ``id``."""
        self._must_look |= self._seen.learn_ids(ids)

    def all_by_id(self, ids: Sequence[str], held: Mapping[str, Record]) -> bool:
        """The ids of all rows, sorted by ``id``: that is the order of a view without a sort.

        Returns:
            True if that has told the order.
        """
        is_few = len(ids) <= self._rules.page
        is_other = self._text.by_bytes is False or (self._text.by_bytes is None and is_few)
        if not self.is_by_id or not is_other:
            return False
        self._arranged([{"id": id} for id in ids], held, in_one=True)
        return True


def _are_alike(order: Order, before: Record | None, after: Record | None) -> bool:
    """True if both are sorted by the same values."""
    if before is None or after is None:
        return False
    try:
        for key in order.keys:
            was, now = key.value(before), key.value(after)
            if was != now or type(was) is not type(now):
                return False
    except UnorderableError:
        return False
    return True


class Unsorted(Sorting):
    """The same for rows whose order nobody asks for: it looks at none, so that nothing is due."""

    def __init__(self) -> None:
        super().__init__(Order.parse(), TextOrder())

    def start_over(self) -> None:
        """There is nothing to wait for."""
        super().start_over()
        self.is_ready = True

    def row_changed(self, before: Record | None, after: Record | None) -> None:
        """Whatever it was, and is."""

    def refresh(self, held: Mapping[str, Record]) -> None:
        """Whatever they are."""

    def all_by_id(self, ids: Sequence[str], held: Mapping[str, Record]) -> bool:
        """Nobody asks."""
        return False
