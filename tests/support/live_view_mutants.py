"""More reducers with one rule removed: those that keep rows whole and in the server's order.

As in `live_mutants`, each is the smallest possible, and its docstring says which rule it breaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import inf
from typing import Any

from rxbosbase.live.engine.engine import RecordEngine
from rxbosbase.live.engine.messages import Record
from rxbosbase.live.engine.order_evidence import Pair, SeenOrder
from rxbosbase.live.engine.ordering import SQLITE, Kind, Values
from rxbosbase.live.engine.reconcile_pass import ReconcilePass
from rxbosbase.live.engine.reconcile_schedule import ReconcileSchedule
from rxbosbase.live.engine.record_state import RecordStates
from rxbosbase.live.engine.row_shapes import filled
from rxbosbase.live.engine.sorting import ServerOrder, Sorting

__all__ = ["BRAINS", "KNOWLEDGE", "SORTINGS", "brain_with"]


# -- Rows that lack what the server has


class LackingEventsAreWhole(RecordStates):
    """What a frame lacks of the row that is held is taken to be as it was."""

    def event(self, action: str, record: Record) -> None:
        held = self.held.get(record["id"], {})
        super().event(action, record if action == "delete" else filled(record, held))


class CreatedEventsAreWhole(RecordStates):
    """A row that is not held is shown with what its frame has."""

    def _lacks_fields(self, record: Record) -> bool:
        return False


class NothingIsFilled(RecordStates):
    """A row is shown without what its frame left out."""

    def _filled(self, record: Record, held: Record) -> Record:
        return record


class NothingIsHeldBack(RecordStates):
    """What frames told of rows before the first read of all of them is shown as it is."""

    def hold_back(self) -> None:
        return


class NoTurns(ReconcileSchedule):
    """A large view compares stamps alone."""

    def turn_due(self) -> float:
        return inf


class TurnsBeginAnew(ReconcileSchedule):
    """A turn reads the first page, whichever the last one read."""

    def ended(self, sweep: ReconcilePass, now: float, *, last: bool) -> None:
        super().ended(sweep, now, last=last)
        self._turn_after = ""


class StampsAlone(ReconcileSchedule):
    """A small view compares stamps alone."""

    def due(self, next_doubt: float) -> float:
        return inf if self._compare_at > self._turn_at else super().due(next_doubt)

    def sweep(self, now: float, step: int, *, loaded: bool, mends: bool) -> ReconcilePass:
        return super().sweep(now, step, loaded=loaded, mends=mends or loaded)


class NewShapesAreNothing(ReconcileSchedule):
    """A row with other fields than any before tells nothing of the others."""

    def due(self, next_doubt: float) -> float:
        self._known.has_new_shape = False
        return super().due(next_doubt)


def brain_with(
    known: type[RecordStates] = RecordStates, passes: type[ReconcileSchedule] = ReconcileSchedule
) -> type[RecordEngine]:
    """A brain that keeps what it knows in the one, and compares by the other."""

    class Engine(RecordEngine):
        def _start_over(self) -> None:
            super()._start_over()
            self._known = known(self._rules, self._sorting.row_changed)
            self._passes = passes(self._rules, self._known, is_by_id=self._sorting.is_by_id)

    return Engine


def _passing(passes: type[ReconcileSchedule]) -> type[RecordEngine]:
    brain = brain_with(passes=passes)
    brain.__name__ = passes.__name__
    return brain


# -- Pages


class MissingByCodePoint(RecordEngine):
    """A record is missing if a page of the ids around its own, by code point, does not have it."""

    def _absorb(self, sweep: ReconcilePass, rows: list[Record], last: bool) -> None:
        end = "\U0010ffff" if last else rows[-1]["id"]
        ids = {row["id"] for row in rows}
        if not (sweep.arranged or sweep.is_turn or sweep.since):
            for id in [id for id in self._known.held if sweep.after < id <= end and id not in ids]:
                self._learn(id, None, sweep.step)
        super()._absorb(sweep, rows, last)


class OnePageIsAll(RecordEngine):
    """What is thought to fit into one page is taken to do so."""

    def _absorb(self, sweep: ReconcilePass, rows: list[Record], last: bool) -> None:
        super()._absorb(sweep, rows, last or sweep.arranged)


# -- Order


class OrderIsNoGap(RecordEngine):
    """A view is fresh again before it has the order of what came in the gap."""

    def _is_fresh(self) -> bool:
        self._owes_order = False
        return super()._is_fresh()


class TextByBytes(Sorting):
    """Text is taken to be sorted by bytes, unasked."""

    def start_over(self) -> None:
        super().start_over()
        self._text.by_bytes = True


class NothingMoves(Sorting):
    """A row that joins, or is sorted by another value, does not have its place asked for."""

    def row_changed(self, before: Record | None, after: Record | None) -> None:
        return


class _BehindAll(ServerOrder):
    """What has no place is behind all that has, whatever it is sorted by."""

    def place(self, id: str, values: Values) -> tuple[Any, ...]:
        placed = super().place(id, values)
        return placed if len(placed) == 2 else (len(self._at), 0, id)


class OrderAnswersAreFinal(Sorting):
    """What has moved while the order was read stays where it happens to be."""

    def _arranged(self, *answer: Any, **how: Any) -> list[str]:
        super()._arranged(*answer, **how)
        self.is_dirty = False
        return []

    def _place(self, rows: Mapping[str, Values]) -> None:
        self.order = _BehindAll(self._own, self._depth, rows)


class OrderNeverRests(Sorting):
    """The order is read as often as anything moves."""

    def _arranged(self, *answer: Any, **how: Any) -> list[str]:
        odd = super()._arranged(*answer, **how)
        self._rests_until = 0.0
        return odd


class SqliteIsEverywhere(SeenOrder):
    """Two kinds of values are taken to be where SQLite has them, unseen."""

    def _closed(self, at: int) -> set[Pair]:
        seen = super()._closed(at)
        pairs: set[Pair] = {(a, b) for a, b in product(SQLITE, SQLITE) if SQLITE[a] < SQLITE[b]}
        return seen.union(pair for pair in pairs if pair[::-1] not in seen)


class DatesTellTies(SeenOrder):
    """Dates that look equal are taken to be equal."""

    def depth(self) -> int:
        for at, kinds in enumerate(self._kinds[: self._limit]):
            if not self._is_known(at, kinds):
                return at
        return self._limit


class ContradictionsIgnored(SeenOrder):
    """Text that was said to be sorted by bytes is believed to be, whatever is seen."""

    def _compare(self, at: int, one: tuple[Kind, Any], other: tuple[Kind, Any]) -> None:
        if one[0] != other[0]:
            super()._compare(at, one, other)

    def learn_ids(self, ids: Sequence[str]) -> bool:
        return False


def _seeing(seen: type[SeenOrder]) -> type[Sorting]:
    class Seeing(Sorting):
        def start_over(self) -> None:
            super().start_over()
            self._seen = seen(self._own, self._text)

    Seeing.__name__ = seen.__name__
    return Seeing


KNOWLEDGE: tuple[type[RecordStates], ...] = (
    LackingEventsAreWhole,
    CreatedEventsAreWhole,
    NothingIsFilled,
    NothingIsHeldBack,
)
BRAINS: tuple[type[RecordEngine], ...] = (
    *(MissingByCodePoint, OnePageIsAll, OrderIsNoGap),
    *map(_passing, (NoTurns, TurnsBeginAnew, StampsAlone, NewShapesAreNothing)),
)
SORTINGS: tuple[type[Sorting], ...] = (
    *(TextByBytes, NothingMoves, OrderAnswersAreFinal, OrderNeverRests),
    *map(_seeing, (SqliteIsEverywhere, DatesTellTies, ContradictionsIgnored)),
)
