"""Reducers with one rule of their theory removed. The model must find each of them wrong.

Each mutant is the smallest possible: one method overridden, or one number changed. Its docstring
says which rule it breaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from rxbosbase.live.engine.engine import RecordEngine
from rxbosbase.live.engine.hint_matching import HintMatcher, Trace
from rxbosbase.live.engine.messages import Effects, Record, Rules
from rxbosbase.live.engine.recheck_queue import RecheckQueue
from rxbosbase.live.engine.reconcile_pass import ReconcilePass
from rxbosbase.live.engine.record_state import RecordStates
from rxbosbase.live.engine.relations import Relations
from rxbosbase.live.engine.update_clock import UpdateClock, is_newer
from support.live_view_mutants import BRAINS, KNOWLEDGE, SORTINGS, brain_with
from support.live_world import Make, make_brain

__all__ = ["MUTANTS", "RARE"]


class NoGraves(RecordStates):
    """A delete leaves no tombstone."""

    def _deleted(self, id: str, updated: str, trace: Trace) -> None:
        super()._deleted(id, updated, trace)
        self._graves.pop(id, None)


class GravesFreedEarly(RecordStates):
    """A comparison frees a grave whose late frames are still on their way."""

    def free_graves(self, compared_since: float) -> None:
        super().free_graves(compared_since + self._rules.remember)


class NotOlderIsNewer(UpdateClock):
    """An equal ``updated`` counts as newer."""

    def judge(self, action: str, held: Record, record: Record) -> bool:
        super().judge(action, held, record)
        return not is_newer(held, record)


class EqualIsNewer(RecordStates):
    __doc__ = NotOlderIsNewer.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.ages = NotOlderIsNewer(rules)


class NobodySwaps(RecordStates):
    """Two changes shortly after one another are taken in the order they came."""

    def _is_lone(self, trace: Trace, window: float) -> bool:
        return not self._is_after_gap()


class NoHints(RecordStates):
    """The unfiltered watch is not listened to."""

    def hint(self, action: str, id: str, updated: str) -> None:
        return


class HintsForgotten(RecordStates):
    """A hint for a record that is not held is not remembered."""

    def _may_be_history(self, id: str, held: Record | None, updated: str, trace: Trace) -> bool:
        is_buried = id in self._graves
        return is_buried or (held is not None and super()._may_be_history(id, held, updated, trace))

    def hint(self, action: str, id: str, updated: str) -> None:
        if id in self.held:
            super().hint(action, id, updated)


class OlderIsDropped(RecordStates):
    """An event that is older than what is held is dropped, and that is all."""

    def _written(self, id: str, action: str, record: Record, trace: Trace) -> None:
        held = self.held.get(id)
        if held is None or not is_newer(held, record):
            super()._written(id, action, record, trace)


class RacedAnswersAreFinal(RecordStates):
    """An answer that raced with frames is shown, and the record is not asked about again."""

    def _learn_raced(
        self, id: str, row: Record | None, trace: Trace, by_event: bool, caught_up: bool
    ) -> None:
        self._believe(id, row, caught_up)
        self.doubts.close(id)


class PagesOverEvents(RecordStates):
    """Pages and answers are applied over what was heard while they were read."""

    def learn(self, id: str, row: Record | None, asked_step: int, *, caught_up: bool) -> None:
        self.doubts.close(id)
        self._believe(id, row, caught_up)


class GapsEndAtOnce(RecordStates):
    """Events shortly after a gap are trusted like any other."""

    def _is_after_gap(self) -> bool:
        return False


class HintsPairAfterGaps(RecordStates):
    """A hint goes with an event whose own hint may have been lost in a gap."""

    def hint(self, action: str, id: str, updated: str) -> None:
        trace = self._hear(id, updated)
        trace.note_hint(action, updated, self._now, self._step)
        if id in self.held and trace.is_unpaired(action, updated):
            self.doubts.open(id, self._now, firm=False)


class StampsAreProof(RecordStates):
    """An equal stamp is proof also for records changed shortly before a loss."""

    def lose_frames(self) -> set[str]:
        super().lose_frames()
        return set(self.doubts.ids())


class DoubtsEndWithTheStream(RecordStates):
    """What was in doubt when the stream was lost is not asked about again."""

    def lose_frames(self) -> set[str]:
        found, doubted = super().lose_frames(), self.doubts.ids()
        for id in doubted:
            self.doubts.close(id)
        return found - set(doubted)


class UrgentOnlyIfNew(RecheckQueue):
    """What was in doubt when frames were lost keeps waiting for a quiet moment."""

    def open(self, id: str, now: float, *, firm: bool = True, urgent: bool = False) -> None:
        super().open(id, now, firm=firm, urgent=urgent and id not in self)


class OldDoubtsAreNotUrgent(RecordStates):
    __doc__ = UrgentOnlyIfNew.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.doubts = UrgentOnlyIfNew(rules.quiet, rules.patience)


class RacesForgotten(HintMatcher):
    """What was heard while a read is under way is forgotten like anything else."""

    def forget(self, now: float, reading_since: int | None) -> None:
        super().forget(now, None)


class EventsForgottenWhileReading(RecordStates):
    __doc__ = RacesForgotten.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.traces = RacesForgotten(rules.remember)


class RelatedRacesForgotten(Relations):
    """What was heard of expanded records while a read is under way is forgotten likewise."""

    def forget(self, before: float, reading_since: int | None) -> None:
        super().forget(before, None)


class RelatedForgottenWhileReading(RecordStates):
    __doc__ = RelatedRacesForgotten.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.relations = RelatedRacesForgotten()


class RelationsUnwatched(RecordStates):
    """What is heard of an expanded record asks nothing."""

    def related(self, id: str) -> None:
        return


class RenamedBefore(Relations):
    """A frame is taken to expand its record as it is now."""

    def heard_after(self, record: Mapping[str, Any], step: int = -1) -> bool:
        return step >= 0 and super().heard_after(record, step)


class ExpansionsAreNew(RecordStates):
    __doc__ = RenamedBefore.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.relations = RenamedBefore()


class RenamedWhileRead(Relations):
    """An answer is taken to expand its record as it is now."""

    def heard_after(self, record: Mapping[str, Any], step: int = -1) -> bool:
        return step < 0 and super().heard_after(record, step)


class AnsweredExpansionsAreNew(RecordStates):
    __doc__ = RenamedWhileRead.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.relations = RenamedWhileRead()


class OwnStampsAlone(RecordStates):
    """A comparison looks at the record's own stamp, and not at those of what it expands."""

    def differs(self, id: str, row: Record) -> bool:
        held = self.held.get(id)
        if held is not None and held.get("updated") == row.get("updated"):
            return False
        return super().differs(id, row)


class UpdatedIsTrusted(UpdateClock):
    """``updated`` is taken to move with every write, unseen."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(replace(rules, trust_updated=True))


class UpdatedAlwaysMoves(RecordStates):
    __doc__ = UpdatedIsTrusted.__doc__

    def __init__(self, rules: Rules, *more: Any) -> None:
        super().__init__(rules, *more)
        self.ages = UpdatedIsTrusted(rules)


class ReadsBeforeAcknowledged(RecordEngine):
    """The snapshot is read before the server has acknowledged the topics."""

    def _start_over(self) -> None:
        super()._start_over()
        self._begin_sweep(mends=True)

    def _may_read(self) -> bool:
        return True

    def _mend_gap(self) -> None:
        self._known.unbroken_since = self._now
        if self._loaded:
            self._begin_sweep(mends=True)


class NoCatchUp(RecordEngine):
    """Nothing is compared after a reconnect."""

    def _begin_sweep(self, *, mends: bool) -> None:
        if self._loaded and mends:
            self._gap_open = False
        else:
            super()._begin_sweep(mends=mends)


class SkipsAreNothing(RecordEngine):
    """A frame that had to be dropped is dropped, and that is all."""

    def skipped(self, now: float) -> Effects:
        return self.tick(now)


class AbsenceIsNoNews(RecordEngine):
    """What no page lists stays."""

    def _end_sweep(self, sweep: ReconcilePass, rows: list[Record], *, last: bool) -> None:
        sweep.missing.clear()
        super()._end_sweep(sweep, rows, last=last)


def _knowing(known: type[RecordStates]) -> Make:
    return partial(make_brain, brain=brain_with(known))


_BRAINS: tuple[type[RecordEngine], ...] = (
    *(ReadsBeforeAcknowledged, NoCatchUp, SkipsAreNothing, AbsenceIsNoNews),
)

MUTANTS: dict[str, Make] = {
    **{
        known.__name__: _knowing(known)
        for known in (
            *(NoGraves, GravesFreedEarly, EqualIsNewer, NobodySwaps, NoHints, HintsForgotten),
            *(OlderIsDropped, RacedAnswersAreFinal, PagesOverEvents, GapsEndAtOnce),
            *(StampsAreProof, DoubtsEndWithTheStream, OldDoubtsAreNotUrgent, UpdatedAlwaysMoves),
            *(EventsForgottenWhileReading, RelatedForgottenWhileReading),
            *(RelationsUnwatched, ExpansionsAreNew, AnsweredExpansionsAreNew, OwnStampsAlone),
            *KNOWLEDGE,
        )
    },
    **{brain.__name__: partial(make_brain, brain=brain) for brain in (*_BRAINS, *BRAINS)},
    **{sorting.__name__: partial(make_brain, sorting=sorting) for sorting in SORTINGS},
}

RARE: dict[str, Make] = {HintsPairAfterGaps.__name__: _knowing(HintsPairAfterGaps)}
"""What random stories do not find in tens of thousands: all stories within bounds do."""
