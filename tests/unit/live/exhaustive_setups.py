"""The setups of the sequences that `exhaustive` runs: every setup within two bounds.

A setup is what the sequences of one group share: the view, the rows at the start, the writes and
their ``updated``, and the one trouble. A sequence adds when each frame arrives, when the trouble
happens, and when a slow read reads the table and is answered; see `exhaustive_world`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

__all__ = [
    "IN",
    "NONE",
    "OUT",
    "SUBJECTS",
    "TROUBLES",
    "Scope",
    "Setup",
    "make_setups",
    "weak_orders",
]  # fmt: skip

IN, OUT, NONE = "in", "out", "none"
"""Where a record is: in the view's query, in the table but out of the query, in no table."""

SUBJECTS = ("a", "b", "c")

TROUBLES = ("calm", "compare", "skip", "resubmit", "loss", "start")
"""At most one a sequence, at every place:

- calm: none;
- compare: a reconcile falls due;
- skip: a frame comes that has to be dropped;
- resubmit: a POST replaces the set of topics, and whatever is decided in its gap is not sent;
- loss: the connection ends, perhaps some while after the link broke, and another one follows;
- start: the view begins here, so that its first connection and snapshot are the gap.
"""

MOVES, ABSENT, FROZEN = "moves", "absent", "frozen"

Writes = tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Setup:
    """What some sequences share.

    Attributes:
        filtered: the view has a filter, hence a watch beside its own topic.
        start: where each record is at the start.
        writes: the record of each write, and where it puts it. A write that leaves the record where
            it is updates it.
        timestamps: the place of each write's ``updated`` among those of its record: equal ones tie,
            and a later write with a lower one fell behind. Empty if ``updated`` is not in order.
        clock: "moves"; "absent" if rows have no ``updated``; "frozen" if it stays.
        trouble: one of `TROUBLES`.
        trusted: the view's `Rules.trust_updated`; None: it is observed.
    """

    filtered: bool
    start: tuple[str, ...]
    writes: Writes
    timestamps: tuple[int, ...]
    clock: str
    trouble: str
    trusted: bool | None

    @property
    def late(self) -> float:
        """Frames come within so many seconds of their write: the bounds of the reducer's theory."""
        mine: dict[int, list[int]] = {}
        for (record, place), timestamp in zip(self.writes, self.timestamps, strict=False):
            if place != NONE:
                mine.setdefault(record, []).append(timestamp)
        falls = any(b < a for timestamps in mine.values() for a, b in pairwise(timestamps))
        return 2.0 if falls else 5.0

    def __str__(self) -> str:
        rows = ", ".join(
            f"{id} is {place}" for id, place in zip(SUBJECTS, self.start, strict=False)
        )
        view = "a filtered view" if self.filtered else "a view"
        return (
            f"{view}, trust_updated={self.trusted}; at first {rows}; "
            f"updated {self.clock}; {self.trouble}"
        )


@dataclass(frozen=True)
class Scope:
    """How far the sequences of some setups go.

    Attributes:
        writes: exactly so many.
        records: exactly so many are written, each at least once.
        troubles: some of `TROUBLES`.
        waits: how often time passes, at most, before all has happened.
        slow: one read may take its time, any of them.
        breaks: a link may break some while before its loss is noticed, and frames may come before
            the acknowledgement of a new one.
        untrusted: also views that have to observe whether ``updated`` moves, where it does.
    """

    writes: int
    records: int
    troubles: tuple[str, ...] = TROUBLES
    waits: int = 1
    slow: bool = False
    breaks: bool = False
    untrusted: bool = False


def make_setups(scope: Scope) -> Iterator[Setup]:
    """All setups within the scope.

    Records are interchangeable: the one written first is "a". That is exact, as a page holds them
    all: then nothing depends on the order of ids but that of edits.
    """
    for filtered, order in product((True, False), _orders(scope.writes, scope.records)):
        places = (NONE, IN, OUT) if filtered else (NONE, IN)
        for start in product(places, repeat=scope.records):
            for written in _writes(order, start, filtered):
                yield from _with_timestamps(filtered, start, written, scope)


def _orders(writes: int, records: int) -> Iterator[tuple[int, ...]]:
    """Which record each write is about, in canonical names."""
    for order in product(range(records), repeat=writes):
        firsts = list(dict.fromkeys(order))
        if firsts == list(range(records)):
            yield order


def _writes(order: tuple[int, ...], start: tuple[str, ...], filtered: bool) -> Iterator[Writes]:
    """Every legal result of each write."""
    if not order:
        yield ()
        return
    record, rest = order[0], order[1:]
    places = (IN, OUT, NONE) if filtered else (IN, NONE)
    for place in places:
        if place == NONE == start[record]:
            continue  # there is nothing to delete
        after = tuple(place if at == record else old for at, old in enumerate(start))
        for later in _writes(rest, after, filtered):
            yield ((record, place), *later)


def _with_timestamps(
    filtered: bool, start: tuple[str, ...], writes: Writes, scope: Scope
) -> Iterator[Setup]:
    for trouble in scope.troubles:
        compares = trouble not in ("calm", "start")  # the first pass reads whole rows anyway
        for trusted in (True, None) if compares and scope.untrusted else (True,):
            for timestamps in _all_timestamps(writes):
                yield Setup(filtered, start, writes, timestamps, MOVES, trouble, trusted)
        yield Setup(filtered, start, writes, (), ABSENT, trouble, None)
        if _updates(start, writes):
            yield Setup(filtered, start, writes, (), FROZEN, trouble, None)


def _updates(start: tuple[str, ...], writes: Writes) -> bool:
    """True if an existing row is written: only then does a frozen timestamp differ from others."""
    places = list(start)
    for record, place in writes:
        if NONE not in (place, places[record]):
            return True
        places[record] = place
    return False


def _all_timestamps(writes: Writes) -> Iterator[tuple[int, ...]]:
    """Every order, with ties, of the timestamps within each record. A delete makes no timestamp."""
    mine: dict[int, list[int]] = {}
    for at, (record, place) in enumerate(writes):
        if place != NONE:
            mine.setdefault(record, []).append(at)
    for orders in product(*(weak_orders(len(ats)) for ats in mine.values())):
        timestamps = [0] * len(writes)
        for ats, order in zip(mine.values(), orders, strict=True):
            for at, timestamp in zip(ats, order, strict=True):
                timestamps[at] = timestamp
        yield tuple(timestamps)


def weak_orders(count: int) -> list[tuple[int, ...]]:
    """All orders of so many things where some may be equal.

    >>> weak_orders(2)
    [(0, 0), (0, 1), (1, 0)]
    """
    return [
        ranks
        for ranks in product(range(count), repeat=count)
        if set(ranks) == set(range(len(set(ranks))))
    ]
