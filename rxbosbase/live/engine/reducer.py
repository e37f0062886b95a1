"""The heart of a live view: what is known of each record, what to show, and what to ask.

A pure state machine. Its inputs are methods, each takes the time (``now``, seconds of a clock that
never goes back) and returns `Effects`: edits to show, at most one read to begin, whether the view
is fresh, and when to call ``tick``. This file holds the conversation with the driver; ``knowledge``
has the theory and the transitions, ``passes`` says when all is compared, ``sorting`` whose order
the rows have, ``reads`` which read is next.

For the driver
==============
1. Submit the view's topic and, if it has a filter, the watch (``fields=id,updated``) in one POST.
   When that is acknowledged call ``acknowledged``; reads begin there, not earlier.
2. Feed frames in the order they came: ``event``, ``hint``, and ``related`` for a hint about an
   expanded record. They may come before the acknowledgement. Frames of a connection must not be
   fed after its ``lost``.
3. Begin ``effects.read``, at once or a little later, and give its result to ``answer``, ``page``,
   ``ordered`` (of a `ReadOrder`) or ``compared`` (of `ReadLiterals`), with the very object, or
   ``failed``. Frames that came before the read began should be fed before its result. Stale
   results are ignored, so nothing has to be cancelled.
4. Keep one timer, at ``effects.wake``, for ``tick``.
5. ``lost`` when the connection ends, then ``acknowledged`` again; and that, too, whenever a later
   POST with the same topics is acknowledged on the same connection. ``skipped`` when a frame had
   to be dropped. ``reset`` when the identity changes, then ``acknowledged`` as at the start.
6. Show a snapshot if there are edits, or ``loaded`` or ``fresh`` changed; before the first
   ``loaded`` there is nothing to show.

Collections that send no events need no stream: ``acknowledged`` once, and all is compared every
``reconcile`` seconds. What retrying cannot mend (400, 403, 404) is the driver's to report.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from rxbosbase.errors import ProtocolError
from rxbosbase.live.engine.messages import (
    Ask,
    Edit,
    Effects,
    ReadLiterals,
    ReadOrder,
    ReadPage,
    ReadRequest,
    Record,
    Rules,
)
from rxbosbase.live.engine.read_schedule import ReadSchedule
from rxbosbase.live.engine.reconcile_pass import ReconcilePass
from rxbosbase.live.engine.reconcile_schedule import ReconcileSchedule
from rxbosbase.live.engine.record_state import RecordStates
from rxbosbase.live.engine.sorting import Sorting, Unsorted

__all__ = ["Reducer"]


class Reducer:
    """The state of one view. Not thread-safe: its driver feeds it one input at a time.

    >>> reducer = Reducer()
    >>> read = reducer.acknowledged(now=0.0).read
    >>> read
    ReadPage(after='', whole=True, since='', arranged=False)
    >>> effects = reducer.page(read, [{"id": "a", "updated": "2026"}], last=True, now=0.1)
    >>> effects.edits
    (Edit(id='a', before=None, record={'id': 'a', 'updated': '2026'}, caught_up=False),)
    >>> effects.fresh, effects.wake
    (True, 60.1)
    """

    def __init__(self, rules: Rules | None = None, sorting: Sorting | None = None) -> None:
        self._rules = rules or Rules()
        self._sorting = sorting or Unsorted()
        self._now = 0.0
        self._step = 0  # counts the inputs: a clock without ties
        self._start_over()

    def _start_over(self) -> None:
        self._sorting.start_over()
        self._known = RecordStates(self._rules, self._sorting.row_changed)
        self._reads = ReadSchedule(self._rules)
        self._passes = ReconcileSchedule(self._rules, self._known, is_by_id=self._sorting.is_by_id)
        self._sweep: ReconcilePass | None = None
        self._acknowledged = False
        self._read_all = False  # a first pass is through
        self._gap_open = True  # until a sweep has mended it
        self._owed: set[str] = set()  # what a gap left in doubt
        self._owes_order = True  # the same for the order of the rows
        self._order_waits = False  # a read of the order failed: whatever else is due comes first

    @property
    def _loaded(self) -> bool:
        return self._read_all and self._sorting.is_ready

    # -- Inputs: the connection ------------------------------------------------------------------

    def acknowledged(self, now: float) -> Effects:
        """The server has accepted the view's topics: from here on changes are heard.

        If it had accepted them before, and the connection was not `lost` since, its set of topics
        was replaced by one that has them again.
        """
        if self._acknowledged:
            return self._resubmitted(now)
        self._begin(now)
        self._acknowledged = True
        self._known.ages.acknowledged()
        self._reads.backoff.shorten(now)
        self._mend_gap()
        return self._finish()

    def _resubmitted(self, now: float) -> Effects:
        # Frames may be lost in the tiny gap, so what changed lately is read again: a large view
        # reads the recent rows, a small one is compared in full, and so is one that expands: the
        # change of an expanded record leaves the row's own stamp, and so is not among the recent.
        since = self._known.ages.recent()
        is_small = len(self._known.held) <= self._rules.page
        must_compare = is_small or bool(self._known.relations) or not since
        if must_compare or self._sweep is not None:
            return self.skipped(now)
        self._begin(now)
        self._known.unbroken_since = now
        self._known.lose_frames()
        self._gap_open = self._owes_order = True
        self._sweep = ReconcilePass(now, self._step, whole=True, mends=True, since=since)
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
                if self._sweep is not None and id in found:
                    self._sweep.missing.discard(id)
                self._learn(id, found.get(id), self._reads.step)
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

    def ordered(self, read: ReadOrder, rows: Iterable[Record], in_one: bool, now: float) -> Effects:
        """All rows in the view's order, of each what it is sorted by; ``in_one`` answer or more."""
        self._begin(now)
        if self._reads.end(read):
            held, heard = self._known.held, self._known.traces
            odd = self._sorting.order_answered(list(rows), held, now, in_one=in_one, heard=heard)
            for id in odd:
                self._known.doubts.open(id, now)
            self._order_was_read()
        return self._finish()

    def compared(self, read: ReadLiterals, found: bool, now: float) -> Effects:
        """``found``: there was a row, so that what was asked about literals is true."""
        self._begin(now)
        if self._reads.end(read):
            self._sorting.literals_answered(read, found, now)
        return self._finish()

    def failed(self, read: ReadRequest, now: float, retry_after: float = 0.0) -> Effects:
        """The read gave no answer. It is made again a little later, or after ``retry_after``."""
        self._begin(now)
        if self._reads.fail(read, now, retry_after):
            self._sorting.read_failed()
            self._order_waits = isinstance(read, ReadOrder | ReadLiterals)
            for id in read.ids if isinstance(read, Ask) else ():
                self._known.doubts.open(id, now, urgent=True)
        return self._finish()

    def tick(self, now: float) -> Effects:
        """Time has passed: at ``Effects.wake``, or at any time."""
        self._begin(now)
        return self._finish()

    def _begin(self, now: float) -> None:
        self._now = now
        self._step += 1
        reading_since = None if self._reads.current is None else self._reads.step
        if self._sweep is not None:  # what a pass finds missing was so at any moment of it
            reading_since = min(self._sweep.step, reading_since or self._sweep.step)
        self._known.begin(now, self._step, reading_since)

    def _finish(self) -> Effects:
        if self._read_all:
            self._sorting.refresh(self._known.held)
        is_settled = self._loaded and not self._is_catching_up() and not self._sorting.is_dirty
        self._owes_order = self._owes_order and not is_settled
        read = self._next_read()
        if read is not None:
            self._reads.current, self._reads.step = read, self._step
        edits = self._known.take_edits() if self._loaded else ()
        return Effects(edits, read, self._loaded, self._is_fresh(), self._wake())

    # -- Gaps and sweeps -------------------------------------------------------------------------

    def _open_gap(self) -> None:
        """Frames were lost: nothing that was under way proves anything any more."""
        self._gap_open = self._owes_order = True
        for id in {*self._known.lose_frames(), *self._reads.asked}:
            self._owed.add(id)
            self._known.doubts.open(id, self._now, urgent=True)
        self._sweep = None
        self._reads.current = None
        self._sorting.read_failed()

    def _mend_gap(self) -> None:
        """Frames are heard again: compares all that is known with the server."""
        self._known.unbroken_since = self._now
        self._begin_sweep(mends=True)

    def _begin_sweep(self, *, mends: bool) -> None:
        begun = (self._now, self._step)
        self._sweep = self._passes.sweep(*begun, loaded=self._read_all, mends=mends)

    def _absorb(self, sweep: ReconcilePass, rows: list[Record], last: bool) -> None:
        sweep.advance(rows)
        for row in rows:
            if sweep.whole:
                self._learn(row["id"], row, self._reads.step)
            else:
                self._compare(row)
        if not sweep.arranged:
            self._sorting.sorted_by_id([row["id"] for row in rows])
        elif not last:
            self._sorting.begins_with(rows)
        if sweep.is_one_page and not last:
            self._passes.overflowed(sweep, loaded=self._read_all)
        if last or sweep.is_turn:
            self._end_sweep(sweep, rows, last=last)

    def _learn(self, id: str, row: Record | None, asked_step: int) -> None:
        caught_up = self._loaded and self._is_catching_up()
        self._owed.discard(id)
        self._known.learn(id, row, asked_step, caught_up=caught_up)

    def _compare(self, row: Record) -> None:
        if self._known.differs(row["id"], row) and self._gap_open:
            self._owed.add(row["id"])

    def _end_sweep(self, sweep: ReconcilePass, rows: list[Record], *, last: bool) -> None:
        for id in sorted(sweep.missing):
            self._learn(id, None, sweep.step)
        tells_order = sweep.arranged
        if sweep.arranged:
            self._sorting.page_answered(rows, self._known.held, self._now)
        elif sweep.is_complete:
            tells_order = self._sorting.all_by_id(sweep.ids, self._known.held)
        self._sweep = None
        self._reads.distrusts = False
        self._gap_open = self._gap_open and not sweep.mends
        self._passes.ended(sweep, self._now, last=last)
        self._read_all = self._read_all or sweep.is_complete
        if tells_order:
            self._order_was_read()
        elif self._passes.verifies_order(sweep, last=last):
            self._sorting.check()

    def _order_was_read(self) -> None:
        """What a gap has done to the order is known; what comes now is of the stream."""
        self._owes_order = self._owes_order and self._is_catching_up()

    # -- What comes next -------------------------------------------------------------------------

    def _next_read(self) -> ReadRequest | None:
        if not self._may_read() or not self._reads.can_begin(self._now):
            return None
        if self._sweep is None and self._now >= self._sorting.due() and not self._order_waits:
            return self._sorting.ask(self._now)  # first: it rests three times as long as it takes
        if self._sweep is None and self._now >= self._passes.due(self._next_doubt()):
            self._begin_sweep(mends=False)
        elif self._sweep is None and self._now >= self._passes.turn_due():
            self._sweep = self._passes.turn(self._now, self._step)
        read = self._reads.choose(self._now, self._sweep, self._known.doubts)
        if isinstance(read, ReadPage) and read.arranged:
            self._sorting.read_begins(self._now)
        self._order_waits = False
        is_idle = read is None and self._now >= self._sorting.due()
        return self._sorting.ask(self._now) if is_idle else read

    def _may_read(self) -> bool:
        return self._acknowledged

    def _next_doubt(self) -> float:
        due = self._known.doubts.next_due()
        return inf if due is None else max(due, self._reads.questions_from)

    def _is_catching_up(self) -> bool:
        """True if rows may still be as they were before a gap."""
        return self._gap_open or bool(self._owed)

    def _is_fresh(self) -> bool:
        is_true = self._loaded and not self._is_catching_up() and not self._owes_order
        return is_true and self._acknowledged

    def _wake(self) -> float | None:
        if not self._may_read():
            return None
        doubt = self._next_doubt()
        passes, turn = self._passes.due(doubt), self._passes.turn_due()
        at = min(doubt, passes, turn, self._sorting.due())
        return self._reads.wake(self._now if self._sweep is not None else at)
