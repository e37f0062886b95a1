"""The order in which a view shows its rows, and when the server has to be asked for it.

Where all keys of the sort are known to be sorted alike by client and server (`OrderEvidence`), the
view orders its rows itself. Elsewhere the first keys may be known, as in ``-created`` on a database
that sorts text by the rules of a language: the order of the rows that these keys leave tied is the
server's alone. It is read, as ids, whenever such a row has joined, or is sorted by another value.

Why it converges
----------------
An answer places each row by the values that the server sorted it by. A row that is held with other
values has no place in it, and keeps the order dirty; so does a row that is in only one of the two.
So the order is settled only by an answer that has the rows that are shown, and each change of them
makes it dirty again. It is read at most once an ``interval``, and never takes more than a quarter
of the time: after an answer the next read waits for three times as long as that took. Where rows
differ of which no frame came, as a value that is another one at each read, the pauses get longer
and longer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import Any, TypeAlias

from rxbosbase.encoding.record import Record
from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.runtime.retry_delay import Backoff

from .messages import ReadLiterals, ReadOrder, Rules
from .order_evidence import OrderEvidence, TextOrder
from .ordering import Order, SortKey, UnorderableError, Values

__all__ = ("BY_BYTES", "EVERYWHERE", "ServerOrder", "Sorting", "Unsorted", "ViewOrder")

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
"""True in every order of text. If that finds nothing either, there is no row to compare by."""

Key: TypeAlias = tuple[Any, ...]


class ServerOrder:
    """The order of rows as the server gave it, and a near guess for rows that it has not placed.

    Args:
        own: the order as far as it is known.
        depth: how many of its keys are.
        rows: the values each row was sorted by, in the server's order.

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
        """Return the record's place, to sort by."""
        return self.place(record["id"], self.own.values(record))

    def place(self, id: str, values: Values) -> Key:
        """Return the place of a record with these values."""
        placed = self._at.get(id)
        if placed is not None and placed[1] == values:
            return (placed[0], 0)
        if self._guesses is None:
            # Sorted, so that a wrong guess misplaces no other row.
            self._guesses = sorted(
                self.own.guess(each, self.depth) for _, each in self._at.values()
            )
        guess = self.own.guess(values, self.depth)
        return (bisect_left(self._guesses, guess), -1, guess, id)


ViewOrder: TypeAlias = Order | ServerOrder


class Sorting:
    """The order of one view, updated with each row that enters, changes or leaves the view.

    Attributes:
        order: the order in which to show the rows.
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
        """Forget all that is known of the rows."""
        self.order: ViewOrder = self._own
        self.is_ready = self.is_dirty = False
        self._evidence = OrderEvidence(self._own, self._text)
        self._by_bytes: bool | None = None  # the value of `_text` at the last rescan
        self._must_rescan = True
        self._depth = 0
        self._ties: Counter[Values] = Counter()  # how many rows the known keys leave tied
        self._began_at: float | None = None
        self._not_before = 0.0
        self._differing: set[str] = set()  # the ids that differed in the last answer
        self._difference_backoff = Backoff(self._rules.delay)
        self._literals_backoff = Backoff(self._rules.delay)
        self._denials = 0  # answers in a row that were not by bytes

    # -- the rows --------------------------------------------------------------------------------

    def row_changed(self, before: Record | None, after: Record | None) -> None:
        """Update for one row of the view, which was `before` and is `after`."""
        if self._must_rescan:
            return
        is_known = self._depth == len(self._own.keys)
        if not is_known and _are_alike(self._own, before, after):
            return
        now = self._values(after)
        if now is not None and self._evidence.add_row(now):
            self._must_rescan = True
        elif not is_known:
            self._update_ties(self._values(before), now)

    def _update_ties(self, was: Values | None, now: Values | None) -> None:
        if was is not None:
            known = was[: self._depth]
            self._ties[known] -= 1
            if not self._ties[known]:
                del self._ties[known]
        if now is not None:
            self._ties[now[: self._depth]] += 1
            self.is_dirty |= self._ties[now[: self._depth]] > 1

    def refresh(self, held: Mapping[str, Record]) -> None:
        """Look at all rows again if new evidence or a new row requires it."""
        if self._must_rescan or self._by_bytes != self._text.by_bytes:
            self.is_dirty = self._rescan(self._all(held).values())
            self.is_ready |= not self.is_dirty

    def _rescan(self, rows: Iterable[Values]) -> bool:
        """Find how far the order is known; return True if that leaves rows tied."""
        rows = list(rows)
        self._must_rescan, self._by_bytes = False, self._text.by_bytes
        self._evidence.set_rows(rows)
        self._depth = self._evidence.depth()
        self._own = self._own.ranked(self._evidence.ranks())
        is_known = self._depth == len(self._own.keys)
        self._ties = Counter(() if is_known else (values[: self._depth] for values in rows))
        has_ties = max(self._ties.values(), default=0) > 1
        if not has_ties and self.order != self._own:
            self.order = self._own
        return has_ties

    def _all(self, held: Mapping[str, Record]) -> dict[str, Values]:
        return {id: each for id, row in held.items() if (each := self._values(row)) is not None}

    def _values(self, row: Record | None) -> Values | None:
        """Return the values the row is sorted by, or None if there is no row or it lacks one. A
        shown row that lacks one is found where the snapshot is made: the view is then kept in
        the server's order."""
        if row is None or isinstance(row, UnreadableRow):
            return None
        try:
            return self._own.values(row)
        except UnorderableError:
            return None

    # -- reads -----------------------------------------------------------------------------------

    def due(self) -> float:
        """Return when a read should begin; infinite if none is needed."""
        if not self.is_dirty or self._began_at is not None:
            return inf
        return max(self._not_before, self._difference_backoff.until)

    def next_read(self, now: float) -> ReadOrder | ReadLiterals:
        """Return the read that is due."""
        self.read_began(now)
        if (
            self._text.by_bytes is None
            and self._evidence.needs_text()
            and now >= self._literals_backoff.until
        ):
            return ReadLiterals(EVERYWHERE if self._denials == 1 else BY_BYTES)
        return ReadOrder()

    def read_began(self, now: float) -> None:
        """Note that a read began that gives the rows in the server's present order."""
        self._began_at = now

    def read_again(self) -> None:
        """Have the order read again, though no change of it is known."""
        if not self.is_by_id:  # there each pass reads it
            self.is_dirty |= bool(self._ties) and isinstance(self.order, ServerOrder)

    def read_failed(self) -> None:
        """End the read, which failed."""
        self._began_at = None

    def literals_read(self, read: ReadLiterals, found: bool, now: float) -> None:
        """Note whether a row was found: the literals compare like that, or there is no row at all.

        It takes three answers to deny it: not by bytes, but in some order, and still not by bytes.
        """
        self._began_at = None
        if self._text.by_bytes is not None:
            return  # found by another view meanwhile
        if found and read.condition == BY_BYTES:
            self._text.by_bytes = True
        elif found != (read.condition == EVERYWHERE):
            self._denials = 0
            self._literals_backoff.failed(now)
        elif self._denials < 2:
            self._denials += 1
        else:
            self._text.by_bytes = False

    def order_read(
        self,
        rows: Sequence[Record],
        held: Mapping[str, Record],
        now: float,
        *,
        in_one: bool,
        recent: Container[str],
    ) -> list[str]:
        """Apply all rows of the query, each with the values it is sorted by, in the server's order.

        Args:
            held: the view's rows, by id.
            in_one: they came in one answer. Others write while pages are read.
            recent: the ids of which frames were received lately.

        Returns:
            the ids of the rows that are not the same in both.
        """
        self._pause(now)
        differing = self._apply_order(rows, held, in_one=in_one)
        # The frame of a change may come after an answer that has the change.
        again = self._differing.intersection(differing)
        if all(id in recent for id in again):
            self._difference_backoff.succeeded()
        else:
            self._difference_backoff.failed(now)
        self._differing = set(differing)
        return differing if self._ties else []

    def page_read(self, rows: Sequence[Record], held: Mapping[str, Record], now: float) -> None:
        """Apply all rows of the query, whole, in the server's order: a page that has them all."""
        self._pause(now)
        self._apply_order(rows, held, in_one=True)

    def _pause(self, now: float) -> None:
        begun = now if self._began_at is None else self._began_at
        self._not_before = max(begun + self._interval, now + 3 * (now - begun))

    def _apply_order(
        self, rows: Sequence[Record], held: Mapping[str, Record], *, in_one: bool
    ) -> list[str]:
        self._began_at = None
        theirs = {row["id"]: values for row in rows if (values := self._values(row)) is not None}
        mine = self._all(held)
        if in_one:
            self._evidence.learn(list(theirs.values()))
        differing = [id for id, values in mine.items() if theirs.get(id) != values]
        differing += [id for id in theirs if id not in held]
        has_ties = self._rescan(mine.values())
        if has_ties:
            self._place({id: each for id, each in theirs.items() if mine.get(id) == each})
        self.is_ready = True
        self.is_dirty = has_ties and bool(differing)
        return differing

    def _place(self, rows: Mapping[str, Values]) -> None:
        """Show the rows in this order, from now on."""
        order = self.order
        if isinstance(order, ServerOrder) and (order.own, order.depth) == (self._own, self._depth):
            places = (order.place(id, values) for id, values in rows.items())
            if all(a < b for a, b in pairwise(places)):
                return  # the order has not changed
        self.order = ServerOrder(self._own, self._depth, rows)

    def first_page_read(self, rows: Sequence[Record]) -> None:
        """Apply the first rows of the query, in the server's order."""
        self._began_at = None
        values = [each for row in rows if (each := self._values(row)) is not None]
        self._must_rescan |= self._evidence.learn(values)

    def ids_read(self, ids: Sequence[str]) -> None:
        """Apply ids in the order of one answer, sorted by ``id``."""
        self._must_rescan |= self._evidence.learn_ids(ids)

    def all_ids_read(self, ids: Sequence[str], held: Mapping[str, Record]) -> bool:
        """Apply the ids of all rows, sorted by ``id``: the order of a view without a sort.

        Returns:
            True if that has settled the order.
        """
        is_few = len(ids) <= self._rules.page
        is_other = self._text.by_bytes is False or (self._text.by_bytes is None and is_few)
        if not self.is_by_id or not is_other:
            return False
        self._apply_order([{"id": id} for id in ids], held, in_one=True)
        return True


def _are_alike(order: Order, before: Record | None, after: Record | None) -> bool:
    """Return True if both are sorted by the same values."""
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
    """The sorting of rows whose order is not used: it looks at none, so that no read is due."""

    def __init__(self) -> None:
        super().__init__(Order.parse(), TextOrder())

    def start_over(self) -> None:
        """Be ready at once."""
        super().start_over()
        self.is_ready = True

    def row_changed(self, before: Record | None, after: Record | None) -> None:
        """Ignore the row."""

    def refresh(self, held: Mapping[str, Record]) -> None:
        """Ignore the rows."""

    def all_ids_read(self, ids: Sequence[str], held: Mapping[str, Record]) -> bool:
        """Ignore the ids."""
        return False
