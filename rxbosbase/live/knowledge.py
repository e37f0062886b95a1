"""What is known of each record: the transitions of the table at the top of ``reducer``."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from rxbosbase.live.ages import Ages, is_newer
from rxbosbase.live.doubts import Doubts
from rxbosbase.live.messages import Edit, Record, Rules
from rxbosbase.live.relations import Relations
from rxbosbase.live.stamps import is_kept_otherwise, same, stamp_of, updated_of
from rxbosbase.live.traces import Trace, Traces
from rxbosbase.unreadable import UnreadableRow

__all__ = ["Knowledge"]


class Knowledge:
    """The records held, the graves of those deleted, and the doubts about both.

    Attributes:
        held: the rows shown, by id.
        doubts: the records to ask about.
        unbroken_since: every frame sent since then was heard; ``inf`` while there is no stream.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._now = 0.0
        self._step = 0
        self._graves: dict[str, float] = {}
        self._traces = Traces(rules.remember)
        self._relations = Relations()
        self.ages = Ages(rules)
        self.held: dict[str, Record] = {}
        self.doubts = Doubts(rules.quiet, rules.patience)
        self._edits: dict[str, Edit] = {}
        self.unbroken_since = inf

    def begin(self, now: float, step: int, reading_since: int | None) -> None:
        """The next input begins: frees what is too old to matter."""
        self._now, self._step = now, step
        self._traces.forget(now, reading_since)
        self._relations.forget(now - self._rules.remember, reading_since)

    @property
    def expands(self) -> bool:
        """True if any record that is held shows another one inside it."""
        return bool(self._relations)

    # -- Frames ----------------------------------------------------------------------------------

    def event(self, action: str, record: Record) -> None:
        """A frame of the view's own topic."""
        id, updated = record["id"], updated_of(record)
        trace = self._hear(id, updated)
        is_known = same(record, self.held.get(id))
        trace.note_event(action, updated, self._now, self._step, is_known=is_known)
        if id in self.doubts and not trace.has_unpaired():
            self.doubts.withdraw(id)
        if action == "delete":
            self._deleted(id, updated, trace)
        else:
            self._written(id, action, record, trace)

    def hint(self, action: str, id: str, updated: str) -> None:
        """A frame of the unfiltered watch: if the record is held, its event should come too."""
        trace = self._hear(id, updated)
        trace.note_hint(action, updated, self._now, self._step)
        if id in self.held and trace.is_unpaired(action, updated):
            self.doubts.open(id, self._now, firm=False)

    def related(self, id: str) -> None:
        """A record changed that others expand, or will turn out to expand."""
        self._relations.hear(id, self._now, self._step)
        for holder in self._relations.holders(id):
            self._traces.touch(holder, self._now).mark(self._now, self._step)
            self._doubt(holder)

    def _hear(self, id: str, updated: str) -> Trace:
        self.doubts.touch(id, self._now)
        self.ages.heard(updated)
        return self._traces.touch(id, self._now)

    def _written(self, id: str, action: str, record: Record, trace: Trace) -> None:
        held, updated = self.held.get(id), updated_of(record)
        if self._may_be_history(id, held, updated, trace):
            self._doubt(id)
            return
        certain = bool(updated) and self._is_lone(trace, self._rules.together)
        if held is not None and not same(held, record):
            self.ages.judge(action, held, record)
            certain = certain and self._proves_later(record, held)
        certain = certain and not self._may_expand_history(record)
        # A read has more of the stack to itself than a frame: it may decode what a frame could not.
        certain = certain and not isinstance(record, UnreadableRow)
        certain = certain and not is_kept_otherwise(record)
        self._put(id, record)
        if not certain:
            self._doubt(id)

    def _may_expand_history(self, record: Record) -> bool:
        """True if a related record changed so lately that the frame may show it as it was."""
        return self._relations.heard_of(record)

    def _may_be_history(self, id: str, held: Record | None, updated: str, trace: Trace) -> bool:
        if self._is_buried(id):
            return True
        if held is None:
            return self._is_overshadowed(trace, updated)
        return bool(updated) and updated < updated_of(held)

    def _deleted(self, id: str, updated: str, trace: Trace) -> None:
        held = self.held.get(id)
        if held is not None and updated and updated < updated_of(held):
            self._doubt(id)  # the delete of an earlier life, or an update swapped with one
            return
        self._graves[id] = self._now
        if held is not None:
            self._put(id, None)
            if not updated or not self._is_lone(trace, self._rules.remember):
                self._doubt(id)

    def _doubt(self, id: str) -> None:
        self.doubts.open(id, self._now)

    def _is_buried(self, id: str) -> bool:
        return id in self._graves

    def _is_overshadowed(self, trace: Trace, updated: str) -> bool:
        """True if the record may have left the query since this event."""
        return trace.overshadows(updated)

    def _proves_later(self, record: Record, held: Record) -> bool:
        """True if the stamps leave no doubt that ``record`` was written after ``held``."""
        return is_newer(record, held)

    def _is_lone(self, trace: Trace, window: float) -> bool:
        """True if no other change of the record was heard so shortly before, or may be missing."""
        return not self._is_after_gap() and trace.is_alone(self._now - window)

    def _is_after_gap(self) -> bool:
        return self._now - self.unbroken_since < self._rules.remember

    # -- Answers ---------------------------------------------------------------------------------

    def learn(self, id: str, row: Record | None, asked_step: int, *, caught_up: bool) -> None:
        """A read that began after ``asked_step`` found ``row``, or nothing, under this id."""
        trace = self._traces.get(id)
        if trace is None or trace.step <= asked_step:
            self.doubts.close(id)
            self._believe(id, row, caught_up)
            if row is not None and self._relations.heard_after(row, asked_step):
                self._doubt(id)
        elif not same(row, self.held.get(id)):
            self._learn_raced(id, row, trace.event_step > asked_step, caught_up)

    def _learn_raced(self, id: str, row: Record | None, by_event: bool, caught_up: bool) -> None:
        """As `learn`, and frames about the record came while the read was under way."""
        held = self.held.get(id)
        if not by_event:
            self._believe(id, row, caught_up)
        elif row is not None and held is not None and is_newer(row, held):
            self._put(id, row, caught_up)
        if by_event or row is not None:
            self._doubt(id)

    def differs(self, id: str, row: Record) -> bool:
        """Compares a stamp from the server; if it is not the one held, the record is in doubt."""
        held = self.held.get(id)
        if held is not None and stamp_of(held) == stamp_of(row):
            return False
        self.doubts.open(id, self._now, urgent=True)
        return True

    def _believe(self, id: str, row: Record | None, caught_up: bool) -> None:
        if row is not None:
            self._graves.pop(id, None)
        self._put(id, row, caught_up)

    def _put(self, id: str, record: Record | None, caught_up: bool = False) -> None:
        before = self.held.get(id)
        if same(record, before):
            return
        if record is None:
            del self.held[id]
        else:
            self.held[id] = record
            self.ages.saw(record)
        self._relations.replace(id, before, record)
        edited = self._edits.pop(id, None)
        first = before if edited is None else edited.before
        if not same(record, first):
            self._edits[id] = Edit(id, first, record, caught_up)

    def take_edits(self) -> tuple[Edit, ...]:
        """What has changed in ``held`` since they were taken last: one edit for each record."""
        edits, self._edits = tuple(self._edits.values()), {}
        return edits

    # -- Gaps ------------------------------------------------------------------------------------

    def lose_frames(self) -> set[str]:
        """Frames were lost: gives the records for which an equal stamp will prove nothing."""
        self._traces.forget_events()  # their hints may be among the lost
        return {*self.doubts.ids(), *self._changed_lately()}

    def _changed_lately(self) -> Iterator[str]:
        yield from (id for id in self._traces.ids() if id in self.held)
        floor = self.ages.floor()
        yield from (id for id, row in self.held.items() if self.ages.may_tie(row, floor))

    def free_graves(self, compared_since: float) -> None:
        """All was compared since then: frees the graves that no frame can come back from."""
        freed = compared_since - self._rules.remember
        self._graves = {id: at for id, at in self._graves.items() if at > freed}
