"""What is known of each record, and how each input changes it.

The theory
==========
Events are hints; the server's tables are the truth. Of a record the view knows one of::

    absent     not held; the server is not known to have it in the query
    held       shown as it was last heard of or read
    in doubt   absent or held, and the server will be asked what it is now
    buried     absent, its delete was heard: what is heard later may be history

    input                              absent           held                 buried
    ---------------------------------  ---------------  -------------------  ----------------
    event, newer                       show (1)         show                 doubt
    event, equal or no ``updated``     show (1), doubt  show, doubt          doubt
    event, older                       —                doubt                doubt
    event, word for word what is held  —                nothing new          —
    delete, not older                  bury             remove, bury (2)     bury
    delete, older                      —                doubt                —
    hint with no event                 remember         doubt, unless its    remember
                                                        event comes soon
    answer, nothing heard since        it is so         it is so             it is so
    answer, only hints heard since     show, doubt (3)  show, doubt (3)      show, doubt (3)
    answer, an event heard since       doubt            show if newer,       doubt
                                                        doubt if different

(1) Not if a remembered hint without event is as new: then doubt, so that what entered the query
and left it again shows no ghost. (2) And doubt if anything else was heard of it lately.
(3) No doubt if the answer is "not there": a hint about what is not held asks nothing, and whatever
brings the record back is an event.

Whatever the table says, an event also raises doubt if another change of its record was heard
within the last 2 s, as the two may have arrived swapped; and within 5 s after an acknowledgement
or a lost frame, as a younger sibling may be what was lost. The same if a record that it expands
was heard of within the last 5 s: the expansion may have been made before that change, and its frame
have come after. An answer that expands what was heard of since its read began leaves doubt, too.
An event with a number that the database keeps with other digits does as well (`is_kept_otherwise`),
and so does one whose fields are not those of the row that is held: hidden fields are in no event
for a superuser of some servers, and a schema can change. What it lacks is shown as it is held. If
nothing is held and it lacks what other rows have, it is not shown before it was read, at once.

Why it converges
----------------
*An answer is the truth* of a moment after everything heard before its read began, since a frame
is sent after its write. If nothing was heard after, then what is still unheard will be heard.
So it suffices that, when the last frame about a record has come, the record either shows the last
write or is in doubt: a doubt ends only in an answer, and the one after the last frame is right.

Say W is the record's last write that the stream tells, V any earlier one, heard later than W.
Where ``updated`` puts V before W or beside it, V is dropped or shown with doubt. Where it puts V
after W (it is stamped before the write gets its lock), the two are heard within 2 s of one another
and raise doubt. If W left the filter, only its hint is heard: with the record held the hint finds
no event and raises doubt; with the record absent V is overshadowed for 5 s. If W is a delete, its
grave turns whatever comes later into doubt. If W and V are heard in order, W is newer and shown,
or it is not and raises doubt. Hence the bounds: **frames are late by less than 2 s; or by less
than 5 s, where** ``updated`` **never falls from one write of a record to its next.**

*Across a gap* nothing was heard, so all is compared, after the acknowledgement: whatever happens
later is heard again. An equal stamp proves nothing if the record changed shortly before the stream
was last known to be alive, so those are asked about, and so is whatever was in doubt. What the
stream never tells waits for the next comparison, ``reconcile`` seconds later at most; and what no
stamp tells either, for the next comparison of whole rows (`passes`).

*Fresh* means: acknowledged, a first snapshot complete, every gap mended, and every record that a
gap left in doubt answered for. Doubt from the stream alone does not make the view stale: it ends
within moments, and what is shown was true moments ago. Neither does a periodic comparison.

*It ends*: an answer raises doubt only if something was heard while it was under way, and each
doubt waits until the record is quiet, or 2 s: a hot record costs one read in 2 s, not a loop.
Many hot records share their questions, which begin 0.1 s apart.

Where this mends the rules it was built from
--------------------------------------------
- The first 5 s after a gap settle every event: the gap may have swallowed a later one. No hint
  pairs with such an event for certain: it may be the hint of a later change in the same tick, and
  the event's own hint be what the gap has swallowed.
- "Shortly before the loss" is counted by the server's stamps from the last frame heard, not from
  the moment the loss was noticed: a dead link may go unnoticed for minutes.
- An answer that raced with an event is shown only if it is newer, so that the view does not step
  back; one that raced with hints alone is shown as it is, or a record that left the filter and
  is written all the time would stay for ever.
- A delete is settled if anything was heard of the record within 5 s, not 2 s: a delete has the
  ``updated`` of the write before it, so it cannot be told from the delete of an earlier life.
- A grave is freed by a comparison begun 5 s after it, not at once: the frames it guards against
  are still on their way.
- Whether ``updated`` moves must be seen before it is trusted (``Rules.trust_updated``): until an
  update came with a newer one, comparisons read whole rows.
- A read of the recent rows, after a re-submit, cannot show what left or was deleted in that gap,
  nor an expanded record that was written twice in one tick, the second time in the gap: no
  comparison of stamps would show that. Views that expand are compared in full instead, and those
  of one page, at the same price; other large ones wait for ``reconcile`` with what left.
- If asking one by one would take more reads than reading all, all is read.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TypeAlias

from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.live.engine.hint_matching import HintMatcher, Trace
from rxbosbase.live.engine.messages import Edit, Record, Rules
from rxbosbase.live.engine.recheck_queue import RecheckQueue
from rxbosbase.live.engine.relations import Relations
from rxbosbase.live.engine.row_shapes import RowShapes, filled, have_other_keys
from rxbosbase.live.engine.row_versions import is_kept_otherwise, same, stamp_of, updated_of
from rxbosbase.live.engine.update_clock import UpdateClock, is_newer

__all__ = ["RecordStates"]


Put: TypeAlias = Callable[[Record | None, Record | None], object]
"""Told what a row was, and what it is."""


class RecordStates:
    """The records held, the graves of those deleted, and the doubts about both.

    Attributes:
        held: the rows shown, by id.
        doubts: the records to ask about.
        unbroken_since: every frame sent since then was heard; ``inf`` while there is no stream.
        traces: what was heard of each record within the last `Rules.remember` seconds.
        relations: which records that are held show others inside them.
        shapes: which fields rows have.
        has_new_shape: a read gave a row with fields that none had before.
    """

    def __init__(self, rules: Rules, on_put: Put) -> None:
        self._rules = rules
        self._on_put = on_put
        self._now = 0.0
        self._step = 0
        self._graves: dict[str, float] = {}
        self.traces = HintMatcher(rules.remember)
        self.relations = Relations()
        self.ages = UpdateClock(rules)
        self.shapes = RowShapes()
        self.has_new_shape = False
        self.held: dict[str, Record] = {}
        self.doubts = RecheckQueue(rules.quiet, rules.patience)
        self._edits: dict[str, Edit] = {}
        self.unbroken_since = inf

    def begin(self, now: float, step: int, reading_since: int | None) -> None:
        """The next input begins: frees what is too old to matter."""
        self._now, self._step = now, step
        self.traces.forget(now, reading_since)
        self.relations.forget(now - self._rules.remember, reading_since)

    # -- Frames ----------------------------------------------------------------------------------

    def event(self, action: str, record: Record) -> None:
        """A frame of the view's own topic."""
        id, updated = record["id"], updated_of(record)
        trace = self._hear(id, updated)
        is_known = same(record, self.held.get(id))
        after_gap = self._is_after_gap()
        trace.note_event(
            action, updated, self._now, self._step, is_known=is_known, is_after_gap=after_gap
        )
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
        if id not in self.held:
            return
        if trace.may_be_unpaired(action, updated):
            self._doubt(id)
        elif trace.is_unpaired(action, updated):
            self.doubts.open(id, self._now, firm=False)

    def related(self, id: str) -> None:
        """A record changed that others expand, or will turn out to expand."""
        self.relations.hear(id, self._now, self._step)
        for holder in self.relations.holders(id):
            self.traces.touch(holder, self._now).mark(self._now, self._step)
            self._doubt(holder)

    def _hear(self, id: str, updated: str) -> Trace:
        self.doubts.touch(id, self._now)
        self.ages.heard(updated)
        return self.traces.touch(id, self._now)

    def _written(self, id: str, action: str, record: Record, trace: Trace) -> None:
        held, updated = self.held.get(id), updated_of(record)
        if self._may_be_history(id, held, updated, trace):
            self._doubt(id)
            return
        if held is None and self._lacks_fields(record):
            self.doubts.open(id, self._now, urgent=True)
            return
        certain = bool(updated) and self._is_lone(trace, self._rules.together)
        if held is not None and not same(held, record):
            certain = self.ages.judge(action, held, record) and certain
        # A related record may have changed so lately that the frame shows it as it was.
        certain = certain and not self.relations.heard_after(record)
        # A read has more of the stack to itself than a frame: it may decode what a frame could not.
        certain = certain and not isinstance(record, UnreadableRow)
        certain = certain and not is_kept_otherwise(record)
        if held is None:
            certain = certain and self.shapes.are_known(record)
        elif have_other_keys(record, held):
            certain, record = False, self._filled(record, held)
        self._put(id, record)
        if not certain:
            self._doubt(id)

    def _lacks_fields(self, record: Record) -> bool:
        """True if reads give more fields than the frame has: hidden ones, for a superuser."""
        return not isinstance(record, UnreadableRow) and self.shapes.lacks(record)

    def _filled(self, record: Record, held: Record) -> Record:
        """The record, with what its frame may have left out."""
        return record if isinstance(record, UnreadableRow) else filled(record, held)

    def _may_be_history(self, id: str, held: Record | None, updated: str, trace: Trace) -> bool:
        if id in self._graves:
            return True
        if held is None:
            return trace.overshadows(updated)  # it may have left the query since this event
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

    def _is_lone(self, trace: Trace, window: float) -> bool:
        """True if no other change of the record was heard so shortly before, or may be missing."""
        return not self._is_after_gap() and trace.is_alone(self._now - window)

    def _is_after_gap(self) -> bool:
        return self._now - self.unbroken_since < self._rules.remember

    # -- Answers ---------------------------------------------------------------------------------

    def learn(self, id: str, row: Record | None, asked_step: int, *, caught_up: bool) -> None:
        """A read that began after ``asked_step`` found ``row``, or nothing, under this id."""
        if row is not None and not isinstance(row, UnreadableRow):
            self.has_new_shape |= self.shapes.learn(row)
        trace = self.traces.get(id)
        if trace is None or trace.step <= asked_step:
            self.doubts.close(id)
            self._believe(id, row, caught_up)
            if row is not None and self.relations.heard_after(row, asked_step):
                self._doubt(id)
        elif not same(row, self.held.get(id)):
            self._learn_raced(id, row, trace, trace.event_step > asked_step, caught_up)

    def _learn_raced(
        self, id: str, row: Record | None, trace: Trace, by_event: bool, caught_up: bool
    ) -> None:
        """As `learn`, and frames about the record came while the read was under way."""
        held = self.held.get(id)
        if not by_event:
            self._believe(id, row, caught_up)
        elif row is not None and held is not None:
            self._put(id, row if is_newer(row, held) else self._filled(held, row), caught_up)
        elif row is not None and not self._may_be_history(id, None, updated_of(row), trace):
            self._put(id, row, caught_up)  # but for missing fields its events had been shown
        if by_event or row is not None:
            self._doubt(id)

    def hold_back(self) -> None:
        """All rows were read for the first time: now it can be told which frames lacked fields."""
        for id in self.doubts.ids():
            row = self.held.get(id)
            if row is not None and self._lacks_fields(row):
                self._put(id, None)
                self.doubts.open(id, self._now, urgent=True)

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
        self.relations.replace(id, before, record)
        self._on_put(before, record)
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
        self.traces.forget_events()  # their hints may be among the lost
        floor, held = self.ages.floor(), self.held.items()
        changed = {id for id, row in held if id in self.traces or self.ages.may_tie(row, floor)}
        return {*self.doubts.ids(), *changed}

    def free_graves(self, compared_since: float) -> None:
        """All was compared since then: frees the graves that no frame can come back from."""
        freed = compared_since - self._rules.remember
        self._graves = {id: at for id, at in self._graves.items() if at > freed}
