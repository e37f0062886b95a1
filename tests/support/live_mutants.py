"""Reducers with one rule of their theory removed. The model must find each of them wrong.

Each mutant is the smallest possible: one method overridden, or one number changed. Its docstring
says which rule it breaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.engine import RecordEngine
from rxbosbase.live.engine.hint_matching import HintMatcher, RecordFrames
from rxbosbase.live.engine.messages import Effects, Rules
from rxbosbase.live.engine.recheck_queue import RecheckQueue
from rxbosbase.live.engine.reconcile_pass import ReconcilePass
from rxbosbase.live.engine.record_state import RecordStates
from rxbosbase.live.engine.relations import Relations
from rxbosbase.live.engine.update_clock import UpdateClock, is_newer
from support.live_view_mutants import ENGINES, SORTINGS, STATES, engine_with
from support.live_world import Make, make_engine

__all__ = ["MUTANTS", "RARE"]


class NoTombstones(RecordStates):
    """A delete leaves no tombstone."""

    def _deleted(self, id: str, updated: str, frames: RecordFrames) -> None:
        super()._deleted(id, updated, frames)
        self._tombstones.pop(id, None)


class TombstonesFreedEarly(RecordStates):
    """A comparison frees a tombstone whose late frames are still on their way."""

    def free_tombstones(self, compared_since: float) -> None:
        super().free_tombstones(compared_since + self._rules.remember)


class NotOlderIsNewer(UpdateClock):
    """An equal ``updated`` counts as newer."""

    def observe_write(self, action: str, held: Record, record: Record) -> bool:
        super().observe_write(action, held, record)
        return not is_newer(held, record)


class EqualIsNewer(RecordStates):
    __doc__ = NotOlderIsNewer.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.clock = NotOlderIsNewer(rules)


class SwapsIgnored(RecordStates):
    """Two changes shortly after one another are applied in the order they came."""

    def _is_single_change(self, frames: RecordFrames, window: float) -> bool:
        return not self._is_after_gap()


class NoHints(RecordStates):
    """The frames of the unfiltered watch are ignored."""

    def hint(self, action: str, id: str, updated: str) -> None:
        return


class HintsForgotten(RecordStates):
    """A hint for a record that is not held is not remembered."""

    def _may_be_outdated(
        self, id: str, held: Record | None, updated: str, frames: RecordFrames
    ) -> bool:
        has_tombstone = id in self._tombstones
        return has_tombstone or (
            held is not None and super()._may_be_outdated(id, held, updated, frames)
        )

    def hint(self, action: str, id: str, updated: str) -> None:
        if id in self.held:
            super().hint(action, id, updated)


class OlderIsDropped(RecordStates):
    """An event that is older than what is held is dropped, and that is all."""

    def _written(self, id: str, action: str, record: Record, frames: RecordFrames) -> None:
        held = self.held.get(id)
        if held is None or not is_newer(held, record):
            super()._written(id, action, record, frames)


class RacedAnswersAreFinal(RecordStates):
    """An answer that raced with frames is shown, and the record is not asked about again."""

    def _apply_raced_row(
        self, id: str, row: Record | None, frames: RecordFrames, by_event: bool, caught_up: bool
    ) -> None:
        self._accept(id, row, caught_up)
        self.rechecks.remove(id)


class PagesOverEvents(RecordStates):
    """Pages and answers are applied over the frames received while they were read."""

    def apply_row(self, id: str, row: Record | None, read_step: int, *, caught_up: bool) -> None:
        self.rechecks.remove(id)
        self._accept(id, row, caught_up)


class GapsEndAtOnce(RecordStates):
    """Events shortly after a gap are trusted like any other."""

    def _is_after_gap(self) -> bool:
        return False


class HintsPairAfterGaps(RecordStates):
    """A hint goes with an event whose own hint may have been lost in a gap."""

    def hint(self, action: str, id: str, updated: str) -> None:
        frames = self._frame_received(id, updated)
        frames.add_hint(action, updated, self._now, self._step)
        if id in self.held and frames.is_unpaired(action, updated):
            self.rechecks.add(id, self._now, firm=False)


class EqualVersionsAreProof(RecordStates):
    """An equal row version is proof also for records changed shortly before a loss."""

    def lose_frames(self) -> set[str]:
        super().lose_frames()
        return set(self.rechecks.ids())


class RechecksEndWithTheStream(RecordStates):
    """What was to be rechecked when the stream was lost is not rechecked."""

    def lose_frames(self) -> set[str]:
        found, pending = super().lose_frames(), self.rechecks.ids()
        for id in pending:
            self.rechecks.remove(id)
        return found - set(pending)


class UrgentOnlyIfNew(RecheckQueue):
    """What was to be rechecked when frames were lost keeps waiting for a quiet moment."""

    def add(self, id: str, now: float, *, firm: bool = True, urgent: bool = False) -> None:
        super().add(id, now, firm=firm, urgent=urgent and id not in self)


class OldRechecksAreNotUrgent(RecordStates):
    __doc__ = UrgentOnlyIfNew.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.rechecks = UrgentOnlyIfNew(rules.quiet, rules.patience)


class RacedFramesForgotten(HintMatcher):
    """Frames received while a read is under way are forgotten like any others."""

    def forget(self, now: float, reading_since: int | None) -> None:
        super().forget(now, None)


class EventsForgottenWhileReading(RecordStates):
    __doc__ = RacedFramesForgotten.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.frames = RacedFramesForgotten(rules.remember)


class RelatedRacesForgotten(Relations):
    """Changes of expanded records while a read is under way are forgotten like any others."""

    def forget(self, before: float, reading_since: int | None) -> None:
        super().forget(before, None)


class RelatedForgottenWhileReading(RecordStates):
    __doc__ = RelatedRacesForgotten.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.relations = RelatedRacesForgotten()


class RelationsUnwatched(RecordStates):
    """A change of an expanded record causes no recheck."""

    def related(self, id: str) -> None:
        return


class RenamedBefore(Relations):
    """A frame is taken to expand its record as it is now."""

    def changed_after(self, record: Mapping[str, Any], step: int = -1) -> bool:
        return step >= 0 and super().changed_after(record, step)


class ExpansionsAreNew(RecordStates):
    __doc__ = RenamedBefore.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.relations = RenamedBefore()


class RenamedWhileRead(Relations):
    """An answer is taken to expand its record as it is now."""

    def changed_after(self, record: Mapping[str, Any], step: int = -1) -> bool:
        return step < 0 and super().changed_after(record, step)


class AnsweredExpansionsAreNew(RecordStates):
    __doc__ = RenamedWhileRead.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.relations = RenamedWhileRead()


class OwnVersionsAlone(RecordStates):
    """A comparison looks at the record's own ``updated``, not at those of what it expands."""

    def compare_version(self, id: str, row: Record) -> bool:
        held = self.held.get(id)
        if held is not None and held.get("updated") == row.get("updated"):
            return False
        return super().compare_version(id, row)


class UpdatedIsTrusted(UpdateClock):
    """``updated`` is taken to move with every write, unseen."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(replace(rules, trust_updated=True))


class UpdatedAlwaysMoves(RecordStates):
    __doc__ = UpdatedIsTrusted.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.clock = UpdatedIsTrusted(rules)


class ReadsBeforeAcknowledged(RecordEngine):
    """The snapshot is read before the server has acknowledged the topics."""

    def _start_over(self) -> None:
        super()._start_over()
        self._begin_pass(closes_gap=True)

    def _may_read(self) -> bool:
        return True

    def _begin_catch_up(self) -> None:
        self._states.unbroken_since = self._now
        if self._loaded:
            self._begin_pass(closes_gap=True)


class NoCatchUp(RecordEngine):
    """Nothing is compared after a reconnect."""

    def _begin_pass(self, *, closes_gap: bool) -> None:
        if self._loaded and closes_gap:
            self._gap_open = False
        else:
            super()._begin_pass(closes_gap=closes_gap)


class SkipsIgnored(RecordEngine):
    """A frame that had to be dropped is dropped, and that is all."""

    def skipped(self, now: float) -> Effects:
        return self.tick(now)


class MissingRowsStay(RecordEngine):
    """What no page lists stays."""

    def _end_pass(self, pass_: ReconcilePass, rows: list[Record], *, last: bool) -> None:
        pass_.missing.clear()
        super()._end_pass(pass_, rows, last=last)


def _with_states(states: type[RecordStates]) -> Make:
    return partial(make_engine, engine=engine_with(states))


_ENGINES: tuple[type[RecordEngine], ...] = (
    *(ReadsBeforeAcknowledged, NoCatchUp, SkipsIgnored, MissingRowsStay),
)

MUTANTS: dict[str, Make] = {
    **{
        states.__name__: _with_states(states)
        for states in (
            *(
                NoTombstones,
                TombstonesFreedEarly,
                EqualIsNewer,
                SwapsIgnored,
                NoHints,
                HintsForgotten,
            ),
            *(OlderIsDropped, RacedAnswersAreFinal, PagesOverEvents, GapsEndAtOnce),
            *(
                EqualVersionsAreProof,
                RechecksEndWithTheStream,
                OldRechecksAreNotUrgent,
                UpdatedAlwaysMoves,
            ),
            *(EventsForgottenWhileReading, RelatedForgottenWhileReading),
            *(RelationsUnwatched, ExpansionsAreNew, AnsweredExpansionsAreNew, OwnVersionsAlone),
            *STATES,
        )
    },
    **{engine.__name__: partial(make_engine, engine=engine) for engine in (*_ENGINES, *ENGINES)},
    **{sorting.__name__: partial(make_engine, sorting=sorting) for sorting in SORTINGS},
}

RARE: dict[str, Make] = {HintsPairAfterGaps.__name__: _with_states(HintsPairAfterGaps)}
"""Found by no random scenario of tens of thousands, but by the exhaustive search."""
