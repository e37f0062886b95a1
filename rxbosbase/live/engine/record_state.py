"""The state of each record, and how each input changes it.

The theory
==========
Events are hints; the server's tables are the truth. A record is in one of these states::

    absent      not held; the server is not known to have it in the query
    held        shown as it was last received or read
    to recheck  absent or held, and the server will be asked for its row
    tombstone   absent, its delete was received: what is received later may be outdated

    input                              absent            held                 tombstone
    ---------------------------------  ----------------  -------------------  ----------------
    event, newer                       show (1)          show                 recheck
    event, equal or no ``updated``     show (1),recheck  show, recheck        recheck
    event, older                       —                 recheck              recheck
    event, equal to the row held       —                 nothing new          —
    delete, not older                  tombstone         remove, tombstone(2) tombstone
    delete, older                      —                 recheck              —
    hint with no event                 remember          recheck, unless its  remember
                                                         event comes soon
    answer, no frame since             accept            accept               accept
    answer, only hints since           show, recheck (3) show, recheck (3)    show, recheck (3)
    answer, an event since             recheck           show if newer,       recheck
                                                         recheck if different

(1) Not if a remembered hint without event is as new: then recheck, so that a record that entered
the query and left it again is not shown. (2) And recheck if another frame of it was received
lately. (3) No recheck if the answer has no row: a hint about a record that is not held causes no
recheck, and whatever brings the record back is an event.

Whatever the table has, an event also causes a recheck if another change of its record was received
within the last 2 s, as the two may have arrived swapped; and within 5 s after an acknowledgement
or a lost frame, as a later change may be what was lost. The same if a frame of a record that it
expands was received within the last 5 s: the expansion may have been made before that change, and
its frame have come after. An answer causes a recheck, too, if it expands a record of which a frame
was received since its read began. So does an event with a number that the database stores with
other digits (`is_stored_differently`), and so does one whose fields are not those of the row that
is held: hidden fields are in no event for a superuser of some servers, and a schema can change.
The fields it lacks are shown as they are held. If nothing is held and it lacks fields that other
rows have, it is not shown before it was read, at once.

Why it converges
----------------
*An answer is the truth* of a moment after the writes of all frames received before its read began,
since a frame is sent after its write. If no frame came after, then what was not received yet will
be. So it suffices that, when the last frame about a record has come, the record either shows the
last write or is to be rechecked: a recheck ends only in an answer, and the one after the last frame
is right.

Let W be the record's last write that the stream reports, V any earlier one, received later than W.
Where ``updated`` puts V before W or beside it, V is dropped or shown with a recheck. Where it puts
V after W (it is set before the write gets its lock), the two are received within 2 s of one another
and cause a recheck. If W left the filter, only its hint is received: with the record held the hint
finds no event and causes a recheck; with the record absent V counts as outdated for 5 s. If W is a
delete, its tombstone turns whatever comes later into a recheck. If W and V are received in order,
W is newer and shown, or it is not and causes a recheck. Hence the bounds: **frames are late by less
than 2 s; or by less than 5 s, where** ``updated`` **never falls from one write of a record to its
next.**

*Across a gap* nothing was received, so all is compared, after the acknowledgement: whatever happens
later is received again. An equal row version proves nothing if the record changed shortly before
the stream was last known to be alive, so those are rechecked, and so is whatever was to be
rechecked. What the stream never reports waits for the next comparison, ``reconcile`` seconds later
at most; and what no row version shows either, for the next comparison of whole rows
(`reconcile_schedule`).

*Fresh* means: acknowledged, a first snapshot complete, every gap closed, and every record that a
gap left to recheck answered. Rechecks caused by the stream alone do not make the view stale: they
end within moments, and what is shown was true moments ago. Neither does a periodic comparison.

*It ends*: an answer causes a recheck only if a frame came while it was under way, and each recheck
waits until the record is quiet, or 2 s: a hot record costs one read in 2 s, not a loop. Many hot
records share their reads, which begin 0.1 s apart.

Details of the rules
--------------------
- The first 5 s after a gap every event causes a recheck: the gap may have swallowed a later one. No
  hint pairs with such an event for certain: it may be the hint of a later change in the same tick,
  and the event's own hint be what the gap has swallowed.
- "Shortly before the loss" is counted by the server's ``updated`` from the last frame received, not
  from the moment the loss was noticed: a dead link may go unnoticed for minutes.
- An answer that raced with an event is shown only if it is newer, so that the view does not step
  back; one that raced with hints alone is shown as it is, or a record that left the filter and
  is written all the time would stay without limit.
- A delete causes a recheck if any frame of the record was received within 5 s, not 2 s: a delete
  has the ``updated`` of the write before it, so it cannot be distinguished from the delete of an
  earlier record with this id.
- A tombstone is freed by a comparison begun 5 s after it, not at once: the frames it guards against
  are still on their way.
- Whether ``updated`` moves must be seen before it counts (``Rules.trust_updated``): until an
  update came with a newer one, comparisons read whole rows.
- A read of the recent rows, after a re-submit, cannot show what left or was deleted in that gap,
  nor an expanded record that was written twice in one tick, the second time in the gap: no
  comparison of row versions would show that. Views that expand are compared in full instead, and
  those of one page, at the same price; other large ones wait for ``reconcile`` with what left.
- If rechecks would take more reads than reading all, all is read.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TypeAlias

from rxbosbase.encoding.record import Record
from rxbosbase.encoding.unreadable import UnreadableRow

from .hint_matching import HintMatcher, RecordFrames
from .messages import Edit, Rules
from .recheck_queue import RecheckQueue
from .relations import Relations
from .row_shapes import RowShapes, filled, have_other_keys
from .row_versions import (
    are_equal,
    is_stored_differently,
    updated_of,
    version_of,
)
from .update_clock import UpdateClock, is_newer

__all__ = ("RecordStates",)


Put: TypeAlias = Callable[[Record | None, Record | None], object]
"""Called with what a row was, and what it is."""


class RecordStates:
    """The records held, the tombstones of those deleted, and the rechecks of both.

    Attributes:
        held: the rows shown, by id.
        rechecks: the records to read again.
        unbroken_since: every frame sent since then was received; ``inf`` while there is no stream.
        frames: what was received of each record within the last `Rules.remember` seconds.
        relations: which records that are held show others inside them.
        clock: what is known of ``updated``.
        shapes: which fields rows have.
        has_new_shape: a read gave a row with fields that none had before.
    """

    def __init__(self, rules: Rules, on_put: Put) -> None:
        self._rules = rules
        self._on_put = on_put
        self._now = 0.0
        self._step = 0
        self._tombstones: dict[str, float] = {}
        self.frames = HintMatcher(rules.remember)
        self.relations = Relations()
        self.clock = UpdateClock(rules)
        self.shapes = RowShapes()
        self.has_new_shape = False
        self.held: dict[str, Record] = {}
        self.rechecks = RecheckQueue(rules.quiet, rules.patience)
        self._edits: dict[str, Edit] = {}
        self.unbroken_since = inf

    def begin(self, now: float, step: int, reading_since: int | None) -> None:
        """Begin the next input: free what is too old to matter."""
        self._now, self._step = now, step
        self.frames.forget(now, reading_since)
        self.relations.forget(now - self._rules.remember, reading_since)

    # -- Frames ----------------------------------------------------------------------------------

    def event(self, action: str, record: Record) -> None:
        """Apply a frame of the view's own topic."""
        id, updated = record["id"], updated_of(record)
        frames = self._frame_received(id, updated)
        is_repeat = are_equal(record, self.held.get(id))
        after_gap = self._is_after_gap()
        frames.add_event(
            action, updated, self._now, self._step, is_repeat=is_repeat, is_after_gap=after_gap
        )
        if id in self.rechecks and not frames.has_unpaired():
            self.rechecks.withdraw(id)
        if action == "delete":
            self._deleted(id, updated, frames)
        else:
            self._written(id, action, record, frames)

    def hint(self, action: str, id: str, updated: str) -> None:
        """Apply a frame of the unfiltered watch: if the record is held, its event should come
        too."""
        frames = self._frame_received(id, updated)
        frames.add_hint(action, updated, self._now, self._step)
        if id not in self.held:
            return
        if frames.may_be_unpaired(action, updated):
            self._recheck(id)
        elif frames.is_unpaired(action, updated):
            self.rechecks.add(id, self._now, firm=False)

    def related(self, id: str) -> None:
        """Apply the change of a record that others expand, or may turn out to expand."""
        self.relations.record_changed(id, self._now, self._step)
        for holder in self.relations.holders(id):
            self.frames.touch(holder, self._now).mark(self._now, self._step)
            self._recheck(holder)

    def _frame_received(self, id: str, updated: str) -> RecordFrames:
        self.rechecks.touch(id, self._now)
        self.clock.frame_received(updated)
        return self.frames.touch(id, self._now)

    def _written(self, id: str, action: str, record: Record, frames: RecordFrames) -> None:
        held, updated = self.held.get(id), updated_of(record)
        if self._may_be_outdated(id, held, updated, frames):
            self._recheck(id)
            return
        if held is None and self._lacks_fields(record):
            self.rechecks.add(id, self._now, urgent=True)
            return
        certain = bool(updated) and self._is_single_change(frames, self._rules.swap_window)
        if held is not None and not are_equal(held, record):
            certain = self.clock.observe_write(action, held, record) and certain
        # A related record may have changed so lately that the frame shows it as it was.
        certain = certain and not self.relations.changed_after(record)
        # A read has more of the stack to itself than a frame: it may decode what a frame could not.
        certain = certain and not isinstance(record, UnreadableRow)
        certain = certain and not is_stored_differently(record)
        if held is None:
            certain = certain and self.shapes.are_known(record)
        elif have_other_keys(record, held):
            certain, record = False, self._filled(record, held)
        self._put(id, record)
        if not certain:
            self._recheck(id)

    def _lacks_fields(self, record: Record) -> bool:
        """Return True if reads give more fields than the frame has: hidden ones, for a
        superuser."""
        return not isinstance(record, UnreadableRow) and self.shapes.lacks(record)

    def _filled(self, record: Record, held: Record) -> Record:
        """Return the record with the fields that its frame may have left out."""
        return record if isinstance(record, UnreadableRow) else filled(record, held)

    def _may_be_outdated(
        self, id: str, held: Record | None, updated: str, frames: RecordFrames
    ) -> bool:
        if id in self._tombstones:
            return True
        if held is None:
            return frames.may_be_outdated(updated)  # it may have left the query since this event
        return bool(updated) and updated < updated_of(held)

    def _deleted(self, id: str, updated: str, frames: RecordFrames) -> None:
        held = self.held.get(id)
        if held is not None and updated and updated < updated_of(held):
            self._recheck(id)  # of an earlier record with this id, or swapped with an update
            return
        self._tombstones[id] = self._now
        if held is not None:
            self._put(id, None)
            if not updated or not self._is_single_change(frames, self._rules.remember):
                self._recheck(id)

    def _recheck(self, id: str) -> None:
        self.rechecks.add(id, self._now)

    def _is_single_change(self, frames: RecordFrames, window: float) -> bool:
        """Return True if no other change was received so shortly before, or may be missing."""
        return not self._is_after_gap() and frames.is_single_change(self._now - window)

    def _is_after_gap(self) -> bool:
        return self._now - self.unbroken_since < self._rules.remember

    # -- Answers ---------------------------------------------------------------------------------

    def apply_row(self, id: str, row: Record | None, read_step: int, *, caught_up: bool) -> None:
        """Apply ``row``, or None, found under this id by a read that began after ``read_step``."""
        if row is not None and not isinstance(row, UnreadableRow):
            self.has_new_shape |= self.shapes.learn(row)
        frames = self.frames.get(id)
        if frames is None or frames.step <= read_step:
            self.rechecks.remove(id)
            self._accept(id, row, caught_up)
            if row is not None and self.relations.changed_after(row, read_step):
                self._recheck(id)
        elif not are_equal(row, self.held.get(id)):
            self._apply_raced_row(id, row, frames, frames.event_step > read_step, caught_up)

    def _apply_raced_row(
        self, id: str, row: Record | None, frames: RecordFrames, by_event: bool, caught_up: bool
    ) -> None:
        """Apply a row as `apply_row` does, where frames of the record came during the read."""
        held = self.held.get(id)
        if not by_event:
            self._accept(id, row, caught_up)
        elif row is not None and held is not None:
            self._put(id, row if is_newer(row, held) else self._filled(held, row), caught_up)
        elif row is not None and not self._may_be_outdated(id, None, updated_of(row), frames):
            self._put(id, row, caught_up)  # its events lacked fields, or they would have been shown
        if by_event or row is not None:
            self._recheck(id)

    def withhold_incomplete(self) -> None:
        """Remove the rows that lack fields: after the first read of all rows they can be
        recognised."""
        for id in self.rechecks.ids():
            row = self.held.get(id)
            if row is not None and self._lacks_fields(row):
                self._put(id, None)
                self.rechecks.add(id, self._now, urgent=True)

    def compare_version(self, id: str, row: Record) -> bool:
        """Compare a row version from the server; if it is not the one held, recheck the record,
        and return True."""
        held = self.held.get(id)
        if held is not None and version_of(held) == version_of(row):
            return False
        self.rechecks.add(id, self._now, urgent=True)
        return True

    def _accept(self, id: str, row: Record | None, caught_up: bool) -> None:
        if row is not None:
            self._tombstones.pop(id, None)
        self._put(id, row, caught_up)

    def _put(self, id: str, record: Record | None, caught_up: bool = False) -> None:
        before = self.held.get(id)
        if are_equal(record, before):
            return
        if record is None:
            del self.held[id]
        else:
            self.held[id] = record
            self.clock.row_held(record)
        self.relations.replace(id, before, record)
        self._on_put(before, record)
        edited = self._edits.pop(id, None)
        first = before if edited is None else edited.before
        if not are_equal(record, first):
            self._edits[id] = Edit(id, first, record, caught_up)

    def take_edits(self) -> tuple[Edit, ...]:
        """Return what has changed in ``held`` since the last call: one edit for each record."""
        edits, self._edits = tuple(self._edits.values()), {}
        return edits

    # -- Gaps ------------------------------------------------------------------------------------

    def lose_frames(self) -> set[str]:
        """Note that frames were lost. Return the records for which an equal row version will prove
        nothing."""
        self.frames.forget_events()  # their hints may be among the lost
        floor, held = self.clock.floor(), self.held.items()
        changed = {id for id, row in held if id in self.frames or self.clock.may_tie(row, floor)}
        return {*self.rechecks.ids(), *changed}

    def free_tombstones(self, compared_since: float) -> None:
        """Free the tombstones that no frame can concern any more: all was compared since then."""
        freed = compared_since - self._rules.remember
        self._tombstones = {id: at for id, at in self._tombstones.items() if at > freed}
