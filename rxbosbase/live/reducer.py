"""The heart of a live view: what is known of each record, what to show, and what to ask.

A pure state machine. Its inputs are methods, each takes the time (``now``, seconds of a clock that
never goes back) and returns `Effects`: edits to show, at most one read to begin, whether the view
is fresh, and when to call ``tick``. This file holds the theory and the conversation with the
driver; ``knowledge`` has the transitions, ``reads`` chooses what to read.

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
An event with a number that the database keeps with other digits does as well (`is_kept_otherwise`).

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
stream never tells waits for the next comparison, ``reconcile`` seconds later at most. (One thing
no stamp can tell: a record hidden by the list rule, written in the very tick of the write last
heard, and shown again untouched.)

*Fresh* means: acknowledged, a first snapshot complete, every gap mended, and every record that a
gap left in doubt answered for. Doubt from the stream alone does not make the view stale: it ends
within moments, and what is shown was true moments ago. Neither does a periodic comparison.

*It ends*: an answer raises doubt only if something was heard while it was under way, and each
doubt waits until the record is quiet, or 2 s: a hot record costs one read in 2 s, not a loop.
Many hot records share their questions, which begin 0.1 s apart.

Where this mends the rules it was built from
--------------------------------------------
- The first 5 s after a gap settle every event: the gap may have swallowed a later one.
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
  nor an expanded record that was written twice in one tick, the second time in the gap: no later
  comparison of stamps would show that. Views that expand are compared in full instead, and those
  of one page, at the same price; other large ones wait for ``reconcile`` with what left.
- If asking one by one would take more reads than reading all, all is read.

For the driver
==============
1. Submit the view's topic and, if it has a filter, the watch (``fields=id,updated``) in one POST.
   When that is acknowledged call ``acknowledged``; reads begin there, not earlier.
2. Feed frames in the order they came: ``event``, ``hint``, and ``related`` for a hint about an
   expanded record. They may come before the acknowledgement. Frames of a connection must not be
   fed after its ``lost``.
3. Begin ``effects.read``, at once or a little later, and give its result to ``answer`` or ``page``
   with the very object that was given, or ``failed``. Frames that came before the read began should
   be fed before its result. Stale results are ignored, so nothing has to be cancelled.
4. Keep one timer, at ``effects.wake``, for ``tick``.
5. ``lost`` when the connection ends, then ``acknowledged`` again. ``skipped`` when a frame had to
   be dropped. ``resubmitted`` when a later POST with the same topics is acknowledged. ``reset``
   when the identity changes, then ``acknowledged`` as at the start.
6. Show a snapshot if there are edits, or ``loaded`` or ``fresh`` changed; before the first
   ``loaded`` there is nothing to show.

Collections that send no events need no stream: ``acknowledged`` once, and all is compared every
``reconcile`` seconds. What retrying cannot mend (400, 403, 404) is the driver's to report.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import ClassVar

from rxbosbase.errors import ProtocolError
from rxbosbase.live.knowledge import Knowledge
from rxbosbase.live.messages import Ask, Edit, Effects, ReadPage, ReadRequest, Record, Rules
from rxbosbase.live.reads import Reads
from rxbosbase.live.sweep import Sweep

__all__ = ["Reducer"]


class Reducer:
    """The state of one view. Not thread-safe: its driver feeds it one input at a time.

    >>> reducer = Reducer()
    >>> read = reducer.acknowledged(now=0.0).read
    >>> read
    ReadPage(after='', whole=True, since='')
    >>> effects = reducer.page(read, [{"id": "a", "updated": "2026"}], last=True, now=0.1)
    >>> effects.edits
    (Edit(id='a', before=None, record={'id': 'a', 'updated': '2026'}, caught_up=False),)
    >>> effects.fresh, effects.wake
    (True, 60.1)
    """

    knowledge: ClassVar[type[Knowledge]] = Knowledge

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self._now = 0.0
        self._step = 0  # counts the inputs: a clock without ties
        self._start_over()

    def _start_over(self) -> None:
        self._known = self.knowledge(self._rules)
        self._reads = Reads(self._rules)
        self._sweep: Sweep | None = None
        self._reconcile_at = inf
        self._acknowledged = False
        self._loaded = False
        self._gap_open = True  # until a sweep has mended it
        self._owed: set[str] = set()  # what a gap left in doubt

    # -- Inputs: the connection ------------------------------------------------------------------

    def acknowledged(self, now: float) -> Effects:
        """The server has accepted the view's topics: from here on changes are heard."""
        if self._acknowledged:
            return self.resubmitted(now)
        self._begin(now)
        self._acknowledged = True
        self._known.ages.acknowledged()
        self._reads.hurry(now)
        self._mend_gap()
        return self._finish()

    def lost(self, now: float) -> Effects:
        """The connection ended. Nothing is read before the next acknowledgement."""
        self._begin(now)
        self._acknowledged = False
        self._known.unbroken_since = inf
        self._open_gap()
        return self._finish()

    def skipped(self, now: float) -> Effects:
        """A frame of the view's topics was dropped: a loss, though the connection lives."""
        self._begin(now)
        self._open_gap()
        if self._acknowledged:
            self._mend_gap()
        return self._finish()

    def resubmitted(self, now: float) -> Effects:
        """A POST replaced the server's set by one that has the view's topics again.

        Frames may be lost in its tiny gap, so what changed lately is read again: a large view
        reads the recent rows, a small one is compared in full, and so is one that expands: the
        change of an expanded record leaves the row's own stamp, and so is not among the recent.
        """
        since = self._known.ages.recent()
        is_small = len(self._known.held) <= self._rules.page
        must_compare = is_small or self._known.expands or not since
        if must_compare or self._sweep is not None or not self._acknowledged:
            return self.skipped(now)
        self._begin(now)
        self._known.unbroken_since = now
        self._known.lose_frames()
        self._gap_open = True
        self._sweep = Sweep((), now, whole=True, mends=True, since=since)
        return self._finish()

    def reset(self, now: float) -> Effects:
        """The identity changed: the view empties, and waits for an acknowledgement."""
        self._begin(now)
        shown = self._known.held if self._loaded else {}
        self._start_over()
        emptied = tuple(Edit(id, record, None) for id, record in shown.items())
        return Effects(emptied, None, loaded=False, fresh=False, wake=None)

    # -- Inputs: the stream ----------------------------------------------------------------------

    def event(self, action: str, record: Record, now: float) -> Effects:
        """A frame of the view's own topic: the record was written or deleted."""
        self._begin(now)
        self._known.event(action, record)
        return self._finish()

    def hint(self, action: str, id: str, updated: str, now: float) -> Effects:
        """A frame of the unfiltered watch: something happened to this record."""
        self._begin(now)
        self._known.hint(action, id, updated)
        return self._finish()

    def related(self, id: str, now: float) -> Effects:
        """A record that others may expand has changed, been made or been deleted."""
        self._begin(now)
        self._known.related(id)
        return self._finish()

    # -- Inputs: reads and time ------------------------------------------------------------------

    def answer(self, read: Ask, rows: Iterable[Record], now: float) -> Effects:
        """The rows found for a question; what is not among them is not in the query."""
        self._begin(now)
        if self._reads.end(read):
            found = {row["id"]: row for row in rows}
            for id in read.ids:
                self._learn(id, found.get(id))
        return self._finish()

    def page(self, read: ReadPage, rows: Iterable[Record], last: bool, now: float) -> Effects:
        """The rows of a page, in the order of their ids; ``last`` if there are no more.

        Raises:
            ProtocolError: an earlier page ended in the same place. The pass begins anew once the
                driver has said that the read `failed`.
        """
        rows = list(rows)
        if read is self._reads.current and self._sweep is not None and not last:
            try:
                self._sweep.check(rows[-1]["id"])
            except ProtocolError:
                self._reads.distrusts = True
                self._begin_sweep(mends=self._sweep.mends)
                raise
        self._begin(now)
        if self._reads.end(read) and self._sweep is not None:
            self._absorb(self._sweep, rows, last)
        return self._finish()

    def failed(self, read: ReadRequest, now: float, retry_after: float = 0.0) -> Effects:
        """The read gave no answer. It is made again a little later, or after ``retry_after``."""
        self._begin(now)
        if self._reads.fail(read, now, retry_after):
            for id in read.ids if isinstance(read, Ask) else ():
                self._known.doubts.open(id, now, urgent=True)
        return self._finish()

    def tick(self, now: float) -> Effects:
        """Time has passed: at ``Effects.wake``, or at any time."""
        self._begin(now)
        return self._finish()

    def reconcile(self, now: float) -> Effects:
        """Compares the view with the server now, instead of when it is next due."""
        self._begin(now)
        self._reconcile_at = now
        return self._finish()

    def _begin(self, now: float) -> None:
        self._now = now
        self._step += 1
        reading_since = None if self._reads.current is None else self._reads.step
        self._known.begin(now, self._step, reading_since)

    def _finish(self) -> Effects:
        read = self._next_read()
        edits = self._known.take_edits() if self._loaded else ()
        return Effects(edits, read, self._loaded, self._is_fresh(), self._wake())

    # -- Gaps and sweeps -------------------------------------------------------------------------

    def _open_gap(self) -> None:
        """Frames were lost: nothing that was under way proves anything any more."""
        self._gap_open = True
        for id in {*self._known.lose_frames(), *self._reads.asked}:
            self._owed.add(id)
            self._known.doubts.open(id, self._now, urgent=True)
        self._sweep = None
        self._reads.abandon()

    def _mend_gap(self) -> None:
        """Frames are heard again: compares all that is known with the server."""
        self._known.unbroken_since = self._now
        self._begin_sweep(mends=True)

    def _begin_sweep(self, *, mends: bool) -> None:
        whole = not self._loaded or not self._known.ages.trusted or self._are_too_many()
        ids = {*self._known.held, *self._known.doubts.ids()}
        self._sweep = Sweep(ids, self._now, whole=whole, mends=mends)

    def _are_too_many(self) -> bool:
        """True if asking about the doubts would take more reads than reading all."""
        pages = 1 + len(self._known.held) // self._rules.page
        return len(self._known.doubts) > pages * self._rules.batch

    def _absorb(self, sweep: Sweep, rows: list[Record], last: bool) -> None:
        found = {row["id"] for row in rows}
        for id in sweep.advance(None if last else rows[-1]["id"]):
            if id not in found:
                self._learn(id, None)
        for row in rows:
            if sweep.whole:
                self._learn(row["id"], row)
            else:
                self._compare(row)
        if last:
            self._end_sweep(sweep)

    def _learn(self, id: str, row: Record | None) -> None:
        caught_up = self._loaded and not self._is_fresh()
        self._owed.discard(id)
        self._known.learn(id, row, self._reads.step, caught_up=caught_up)

    def _compare(self, row: Record) -> None:
        if self._known.differs(row["id"], row) and self._gap_open:
            self._owed.add(row["id"])

    def _end_sweep(self, sweep: Sweep) -> None:
        self._sweep = None
        self._reads.distrusts = False
        self._gap_open = self._gap_open and not sweep.mends
        if sweep.since:
            return
        self._reconcile_at = self._now + self._rules.reconcile
        self._known.free_graves(sweep.begun)
        self._loaded = True

    # -- What comes next -------------------------------------------------------------------------

    def _next_read(self) -> ReadRequest | None:
        if not self._may_read() or not self._reads.can_begin(self._now):
            return None
        if self._sweep is None and self._is_sweep_due():
            self._begin_sweep(mends=False)
        return self._reads.begin(self._now, self._step, self._sweep, self._known.doubts)

    def _may_read(self) -> bool:
        return self._acknowledged

    def _is_sweep_due(self) -> bool:
        if self._now >= self._reconcile_at:
            return True
        return self._are_too_many() and self._next_doubt() <= self._now

    def _next_doubt(self) -> float:
        due = self._known.doubts.next_due()
        return inf if due is None else max(due, self._reads.questions_from)

    def _is_fresh(self) -> bool:
        settled = self._loaded and not self._gap_open and not self._owed
        return settled and self._acknowledged

    def _wake(self) -> float | None:
        if not self._may_read():
            return None
        at = min(self._reconcile_at, self._next_doubt())
        return self._reads.wake(self._now if self._sweep is not None else at)
