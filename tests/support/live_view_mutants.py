"""More reducers with one rule removed: those that keep rows whole and in the server's order.

As in `live_mutants`, each is the smallest possible, and its docstring says which rule it breaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import inf
from typing import Any

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.engine import RecordEngine
from rxbosbase.live.engine.order_evidence import OrderEvidence, Pair
from rxbosbase.live.engine.ordering import SQLITE, Kind, Values
from rxbosbase.live.engine.reconcile_pass import ReconcilePass
from rxbosbase.live.engine.reconcile_schedule import ReconcileSchedule
from rxbosbase.live.engine.record_state import RecordStates
from rxbosbase.live.engine.row_shapes import filled
from rxbosbase.live.engine.sorting import ServerOrder, Sorting

__all__ = ["ENGINES", "SORTINGS", "STATES", "engine_with"]


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


class NothingIsWithheld(RecordStates):
    """Rows from frames before the first read of all rows are shown as they are."""

    def withhold_incomplete(self) -> None:
        return


class NoPageChecks(ReconcileSchedule):
    """A large view compares row versions alone."""

    def page_check_due(self) -> float:
        return inf


class PageChecksStartOver(ReconcileSchedule):
    """A page check reads the first page, whichever the last one read."""

    def ended(self, pass_: ReconcilePass, now: float, *, last: bool) -> None:
        super().ended(pass_, now, last=last)
        self._page_check_after = ""


class VersionsAlone(ReconcileSchedule):
    """A small view compares row versions alone."""

    def due(self, next_recheck: float) -> float:
        return inf if self._compare_at > self._page_check_at else super().due(next_recheck)

    def begin_pass(self, now: float, step: int, *, loaded: bool, closes_gap: bool) -> ReconcilePass:
        return super().begin_pass(now, step, loaded=loaded, closes_gap=closes_gap or loaded)


class NewShapesIgnored(ReconcileSchedule):
    """A row with other fields than any before causes no read of the others."""

    def due(self, next_recheck: float) -> float:
        self._states.has_new_shape = False
        return super().due(next_recheck)


def engine_with(
    states: type[RecordStates] = RecordStates, schedule: type[ReconcileSchedule] = ReconcileSchedule
) -> type[RecordEngine]:
    """Return an engine with these record states and this reconcile schedule."""

    class Engine(RecordEngine):
        def _start_over(self) -> None:
            super()._start_over()
            self._states = states(self._rules, self._sorting.row_changed)
            self._schedule = schedule(self._rules, self._states, is_by_id=self._sorting.is_by_id)

    return Engine


def _with_schedule(schedule: type[ReconcileSchedule]) -> type[RecordEngine]:
    engine = engine_with(schedule=schedule)
    engine.__name__ = schedule.__name__
    return engine


# -- Pages


class MissingByCodePoint(RecordEngine):
    """A record is missing if a page of the ids around its own, by code point, does not have it."""

    def _apply_page(self, pass_: ReconcilePass, rows: list[Record], last: bool) -> None:
        end = "\U0010ffff" if last else rows[-1]["id"]
        ids = {row["id"] for row in rows}
        if not (pass_.in_view_order or pass_.is_page_check or pass_.since):
            for id in [id for id in self._states.held if pass_.after < id <= end and id not in ids]:
                self._apply_row(id, None, pass_.step)
        super()._apply_page(pass_, rows, last)


class OnePageIsAll(RecordEngine):
    """What is thought to fit into one page is taken to do so."""

    def _apply_page(self, pass_: ReconcilePass, rows: list[Record], last: bool) -> None:
        super()._apply_page(pass_, rows, last or pass_.in_view_order)


# -- Order


class OrderIsNotAwaited(RecordEngine):
    """A view is fresh again before it has the order of what came in the gap."""

    def _is_fresh(self) -> bool:
        self._order_may_be_stale = False
        return super()._is_fresh()


class TextByBytes(Sorting):
    """Text is taken to be sorted by bytes, unasked."""

    def start_over(self) -> None:
        super().start_over()
        self._text.by_bytes = True


class MovesIgnored(Sorting):
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

    def _apply_order(self, *answer: Any, **how: Any) -> list[str]:
        super()._apply_order(*answer, **how)
        self.is_dirty = False
        return []

    def _place(self, rows: Mapping[str, Values]) -> None:
        self.order = _BehindAll(self._own, self._depth, rows)


class OrderReadsNeverPause(Sorting):
    """The order is read as often as anything moves."""

    def _apply_order(self, *answer: Any, **how: Any) -> list[str]:
        differing = super()._apply_order(*answer, **how)
        self._not_before = 0.0
        return differing


class SqliteIsEverywhere(OrderEvidence):
    """Two kinds of values are taken to be where SQLite has them, unseen."""

    def _transitive_pairs(self, at: int) -> set[Pair]:
        seen = super()._transitive_pairs(at)
        pairs: set[Pair] = {(a, b) for a, b in product(SQLITE, SQLITE) if SQLITE[a] < SQLITE[b]}
        return seen.union(pair for pair in pairs if pair[::-1] not in seen)


class EqualDatesAreTies(OrderEvidence):
    """Dates that look equal are taken to be equal."""

    def depth(self) -> int:
        for at, kinds in enumerate(self._kinds[: self._limit]):
            if not self._is_known(at, kinds):
                return at
        return self._limit


class ContradictionsIgnored(OrderEvidence):
    """Text that literals show to be sorted by bytes counts as such, whatever rows show."""

    def _compare(self, at: int, one: tuple[Kind, Any], other: tuple[Kind, Any]) -> None:
        if one[0] != other[0]:
            super()._compare(at, one, other)

    def learn_ids(self, ids: Sequence[str]) -> bool:
        return False


def _with_evidence(seen: type[OrderEvidence]) -> type[Sorting]:
    class WithEvidence(Sorting):
        def start_over(self) -> None:
            super().start_over()
            self._evidence = seen(self._own, self._text)

    WithEvidence.__name__ = seen.__name__
    return WithEvidence


STATES: tuple[type[RecordStates], ...] = (
    LackingEventsAreWhole,
    CreatedEventsAreWhole,
    NothingIsFilled,
    NothingIsWithheld,
)
ENGINES: tuple[type[RecordEngine], ...] = (
    *(MissingByCodePoint, OnePageIsAll, OrderIsNotAwaited),
    *map(_with_schedule, (NoPageChecks, PageChecksStartOver, VersionsAlone, NewShapesIgnored)),
)
SORTINGS: tuple[type[Sorting], ...] = (
    *(TextByBytes, MovesIgnored, OrderAnswersAreFinal, OrderReadsNeverPause),
    *map(_with_evidence, (SqliteIsEverywhere, EqualDatesAreTies, ContradictionsIgnored)),
)
