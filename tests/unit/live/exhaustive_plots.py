"""What is written in the stories that `exhaustive` tells: every plot within two bounds.

A plot is what the stories of one group share: the view, the rows at the start, the writes and how
they are stamped, and the one trouble. Where in all that each frame arrives, the trouble falls and
a slow read looks and answers, is the story's own; see `exhaustive_world`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

__all__ = [
    "IN", "NONE", "OUT", "SUBJECTS", "TROUBLES", "Plot", "Scope", "make_plots", "weak_orders",
]  # fmt: skip

IN, OUT, NONE = "in", "out", "none"
"""Where a record is: in the view's query, in the table but out of the query, in no table."""

SUBJECTS = ("a", "b", "c")

TROUBLES = ("calm", "compare", "skip", "resubmit", "loss", "start")
"""At most one a story, at every place:

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
class Plot:
    """What some stories share.

    Attributes:
        filtered: the view has a filter, hence a watch beside its own topic.
        start: where each record is at the start.
        writes: the record of each write, and where it puts it. A write that leaves the record where
            it is updates it.
        stamps: the place of each write's ``updated`` among those of its record: equal ones tie, and
            a later write with a lower one fell behind. Empty if ``updated`` is not in order.
        clock: "moves"; "absent" if rows have no ``updated``; "frozen" if it stays.
        trouble: one of `TROUBLES`.
        trusted: what the view's rules say of ``updated``; None: it has to find out.
    """

    filtered: bool
    start: tuple[str, ...]
    writes: Writes
    stamps: tuple[int, ...]
    clock: str
    trouble: str
    trusted: bool | None

    @property
    def late(self) -> float:
        """Frames come within so many seconds of their write: the bounds of the reducer's theory."""
        mine: dict[int, list[int]] = {}
        for (record, place), stamp in zip(self.writes, self.stamps, strict=False):
            if place != NONE:
                mine.setdefault(record, []).append(stamp)
        falls = any(b < a for stamps in mine.values() for a, b in pairwise(stamps))
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
    """How far the stories of some plots go.

    Attributes:
        writes: exactly so many.
        records: exactly so many are written, each at least once.
        troubles: some of `TROUBLES`.
        waits: how often time passes, at most, before all has happened.
        slow: one read may take its time, any of them.
        breaks: a link may break some while before its loss is noticed, and frames may come before
            the acknowledgement of a new one.
        doubtful: views that have to find out whether ``updated`` moves, also where it does.
    """

    writes: int
    records: int
    troubles: tuple[str, ...] = TROUBLES
    waits: int = 1
    slow: bool = False
    breaks: bool = False
    doubtful: bool = False


def make_plots(scope: Scope) -> Iterator[Plot]:
    """All plots within the scope.

    Records are interchangeable: the one written first is "a". That is exact, as a page holds them
    all: then nothing depends on the order of ids but that of edits.
    """
    for filtered, order in product((True, False), _orders(scope.writes, scope.records)):
        places = (NONE, IN, OUT) if filtered else (NONE, IN)
        for start in product(places, repeat=scope.records):
            for written in _writes(order, start, filtered):
                yield from _stamped(filtered, start, written, scope)


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


def _stamped(
    filtered: bool, start: tuple[str, ...], writes: Writes, scope: Scope
) -> Iterator[Plot]:
    for trouble in scope.troubles:
        sweeps = trouble not in ("calm", "start")  # the first sweep is of whole rows anyway
        for trusted in (True, None) if sweeps and scope.doubtful else (True,):
            for stamps in _all_stamps(writes):
                yield Plot(filtered, start, writes, stamps, MOVES, trouble, trusted)
        yield Plot(filtered, start, writes, (), ABSENT, trouble, None)
        if _updates(start, writes):
            yield Plot(filtered, start, writes, (), FROZEN, trouble, None)


def _updates(start: tuple[str, ...], writes: Writes) -> bool:
    """True if a row is written that exists: only then does a frozen stamp differ from others."""
    places = list(start)
    for record, place in writes:
        if NONE not in (place, places[record]):
            return True
        places[record] = place
    return False


def _all_stamps(writes: Writes) -> Iterator[tuple[int, ...]]:
    """Every order, with ties, of the stamps within each record. A delete makes no stamp."""
    mine: dict[int, list[int]] = {}
    for at, (record, place) in enumerate(writes):
        if place != NONE:
            mine.setdefault(record, []).append(at)
    for orders in product(*(weak_orders(len(ats)) for ats in mine.values())):
        stamps = [0] * len(writes)
        for ats, order in zip(mine.values(), orders, strict=True):
            for at, stamp in zip(ats, order, strict=True):
                stamps[at] = stamp
        yield tuple(stamps)


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
