"""The reducer of a live view: which rows to show, and what to read.

A pure state machine. Its inputs are methods, each takes the time (``now``, seconds of a clock that
never goes back) and returns `Effects`: edits to show, at most one read to begin, whether the view
is fresh, and when to call ``tick``. This module has the inputs from the driver; `record_state` has
the theory and the transitions, `reconcile_schedule` decides when all is compared, `sorting` whose
order the rows have, `read_schedule` which read is next.

For the driver
==============
1. Submit the view's topic and, if it has a filter, the watch (``fields=id,updated``) in one POST.
   When that is acknowledged call ``acknowledged``; reads begin there, not earlier.
2. Feed frames in the order they came: ``event``, ``hint``, and ``related`` for a hint about an
   expanded record. They may come before the acknowledgement. Frames of a connection must not be
   fed after its ``lost``.
3. Begin ``effects.read``, at once or a little later, and give its result to ``answer``, ``page``,
   ``order_read`` (of a `ReadOrder`) or ``literals_read`` (of `ReadLiterals`), with the very object,
   or ``failed``. Frames that came before the read began should be fed before its result. Stale
   results are ignored, so nothing has to be cancelled.
4. Keep one timer, at ``effects.wake``, for ``tick``.
5. ``lost`` when the connection ends, then ``acknowledged`` again; and that, too, whenever a later
   POST with the same topics is acknowledged on the same connection. ``skipped`` when a frame had
   to be dropped. ``reset`` when the identity changes, then ``acknowledged`` as at the start.
6. Show a snapshot if there are edits, or ``loaded`` or ``fresh`` changed; before the first
   ``loaded`` there is nothing to show.

Collections that send no events need no stream: ``acknowledged`` once, and all is compared every
``reconcile`` seconds. What retrying cannot repair (400, 403, 404) is for the driver to report.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from rxbosbase.encoding.record import Record
from rxbosbase.errors import ProtocolError

from .messages import (
    Edit,
    Effects,
    ReadIds,
    ReadLiterals,
    ReadOrder,
    ReadPage,
    ReadRequest,
    Rules,
)
from .read_schedule import ReadSchedule
from .reconcile_pass import ReconcilePass
from .reconcile_schedule import ReconcileSchedule
from .record_state import RecordStates
from .sorting import Sorting, Unsorted

__all__ = ("Reducer",)


class Reducer:
    """The state of one view. Not thread-safe: its driver feeds it one input at a time.

    >>> reducer = Reducer()
    >>> read = reducer.acknowledged(now=0.0).read
    >>> read
    ReadPage(after='', whole=True, since='', in_view_order=False)
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
        self._states = RecordStates(self._rules, self._sorting.row_changed)
        self._reads = ReadSchedule(self._rules)
        self._schedule = ReconcileSchedule(
            self._rules, self._states, is_by_id=self._sorting.is_by_id
        )
        self._pass: ReconcilePass | None = None
        self._acknowledged = False
        self._read_all = False  # a first pass has ended
        self._gap_open = True  # until a pass has closed it
        self._gap_rechecks: set[str] = set()  # what a gap left to recheck
        self._order_may_be_stale = True  # the same for the order of the rows
        self._order_deferred = False  # a read of the order failed: whatever else is due comes first

    @property
    def _loaded(self) -> bool:
        return self._read_all and self._sorting.is_ready

    # -- Inputs: the connection ------------------------------------------------------------------

    def acknowledged(self, now: float) -> Effects:
        """The server has acknowledged the view's topics: from here on changes are received.

        If it had acknowledged them before, and the connection was not `lost` since, its set of
        topics was replaced by one that has them again.
        """
        if self._acknowledged:
            return self._resubmitted(now)
        self._begin(now)
        self._acknowledged = True
        self._states.clock.acknowledged()
        self._reads.backoff.shorten(now)
        self._begin_catch_up()
        return self._finish()

    def _resubmitted(self, now: float) -> Effects:
        # Frames may be lost in the tiny gap, so what changed lately is read again: a large view
        # reads the recent rows, a small one is compared in full, and so is one that expands: the
        # change of an expanded record leaves the row's own `updated`, so it is not among them.
        since = self._states.clock.recent()
        is_small = len(self._states.held) <= self._rules.page
        must_compare = is_small or bool(self._states.relations) or not since
        if must_compare or self._pass is not None:
            return self.skipped(now)
        self._begin(now)
        self._states.unbroken_since = now
        self._states.lose_frames()
        self._gap_open = self._order_may_be_stale = True
        self._pass = ReconcilePass(now, self._step, whole=True, closes_gap=True, since=since)
        return self._finish()

    def lost(self, now: float) -> Effects:
        """The connection ended. Nothing is read before the next acknowledgement."""
        self._begin(now)
        self._acknowledged = False
        self._states.unbroken_since = inf
        self._open_gap()
        return self._finish()

    def skipped(self, now: float) -> Effects:
        """A frame of the view's topics was dropped: a loss, though the connection lives."""
        self._begin(now)
        self._open_gap()
        if self._acknowledged:
            self._begin_catch_up()
        return self._finish()

    def reset(self, now: float) -> Effects:
        """The identity changed: the view empties, and waits for an acknowledgement."""
        self._begin(now)
        shown = self._states.held if self._loaded else {}
        self._start_over()
        emptied = tuple(Edit(id, record, None) for id, record in shown.items())
        return Effects(emptied, None, loaded=False, fresh=False, wake=None)

    # -- Inputs: the stream ----------------------------------------------------------------------

    def event(self, action: str, record: Record, now: float) -> Effects:
        """A frame of the view's own topic: the record was written or deleted."""
        self._begin(now)
        self._states.event(action, record)
        return self._finish()

    def hint(self, action: str, id: str, updated: str, now: float) -> Effects:
        """A frame of the unfiltered watch: something happened to this record."""
        self._begin(now)
        self._states.hint(action, id, updated)
        return self._finish()

    def related(self, id: str, now: float) -> Effects:
        """A record that others may expand was created, updated or deleted."""
        self._begin(now)
        self._states.related(id)
        return self._finish()

    # -- Inputs: reads and time ------------------------------------------------------------------

    def answer(self, read: ReadIds, rows: Iterable[Record], now: float) -> Effects:
        """A recheck found these rows; an id without a row is not in the query."""
        self._begin(now)
        if self._reads.end(read):
            found = {row["id"]: row for row in rows}
            for id in read.ids:
                if self._pass is not None and id in found:
                    self._pass.missing.discard(id)
                self._apply_row(id, found.get(id), self._reads.step)
        return self._finish()

    def page(self, read: ReadPage, rows: Iterable[Record], last: bool, now: float) -> Effects:
        """A page has these rows, in the order of their ids; ``last`` if there are no more.

        Raises:
            ProtocolError: an earlier page ended in the same place. The pass begins again once the
                driver has reported that the read `failed`.
        """
        rows = list(rows)
        if read is self._reads.current and self._pass is not None and not last:
            try:
                self._pass.check(rows[-1]["id"])
            except ProtocolError:
                self._reads.pages_repeat = True
                self._begin_pass(closes_gap=self._pass.closes_gap)
                raise
        self._begin(now)
        if self._reads.end(read) and self._pass is not None:
            self._apply_page(self._pass, rows, last)
        return self._finish()

    def order_read(
        self, read: ReadOrder, rows: Iterable[Record], in_one: bool, now: float
    ) -> Effects:
        """All rows in the view's order, each with the values it is sorted by; ``in_one`` answer or
        more."""
        self._begin(now)
        if self._reads.end(read):
            held, recent = self._states.held, self._states.frames
            differing = self._sorting.order_read(
                list(rows), held, now, in_one=in_one, recent=recent
            )
            for id in differing:
                self._states.rechecks.add(id, now)
            self._order_was_read()
        return self._finish()

    def literals_read(self, read: ReadLiterals, found: bool, now: float) -> Effects:
        """``found``: there was a row, so the condition about literals is true."""
        self._begin(now)
        if self._reads.end(read):
            self._sorting.literals_read(read, found, now)
        return self._finish()

    def failed(self, read: ReadRequest, now: float, retry_after: float = 0.0) -> Effects:
        """The read failed. It is made again a little later, or after ``retry_after``."""
        self._begin(now)
        if self._reads.fail(read, now, retry_after):
            self._sorting.read_failed()
            self._order_deferred = isinstance(read, ReadOrder | ReadLiterals)
            for id in read.ids if isinstance(read, ReadIds) else ():
                self._states.rechecks.add(id, now, urgent=True)
        return self._finish()

    def tick(self, now: float) -> Effects:
        """Time has passed: at ``Effects.wake``, or at any time."""
        self._begin(now)
        return self._finish()

    def _begin(self, now: float) -> None:
        self._now = now
        self._step += 1
        reading_since = None if self._reads.current is None else self._reads.step
        if self._pass is not None:  # a row that a pass misses may have been missing at any moment
            reading_since = min(self._pass.step, reading_since or self._pass.step)
        self._states.begin(now, self._step, reading_since)

    def _finish(self) -> Effects:
        if self._read_all:
            self._sorting.refresh(self._states.held)
        is_settled = self._loaded and not self._is_catching_up() and not self._sorting.is_dirty
        self._order_may_be_stale = self._order_may_be_stale and not is_settled
        read = self._next_read()
        if read is not None:
            self._reads.current, self._reads.step = read, self._step
        edits = self._states.take_edits() if self._loaded else ()
        return Effects(edits, read, self._loaded, self._is_fresh(), self._wake())

    # -- Gaps and passes -------------------------------------------------------------------------

    def _open_gap(self) -> None:
        """Frames were lost: drop what was under way, since it proves nothing any more."""
        self._gap_open = self._order_may_be_stale = True
        for id in {*self._states.lose_frames(), *self._reads.rechecked_ids}:
            self._gap_rechecks.add(id)
            self._states.rechecks.add(id, self._now, urgent=True)
        self._pass = None
        self._reads.current = None
        self._sorting.read_failed()

    def _begin_catch_up(self) -> None:
        """Frames are received again: compare all that is known with the server."""
        self._states.unbroken_since = self._now
        self._begin_pass(closes_gap=True)

    def _begin_pass(self, *, closes_gap: bool) -> None:
        begun = (self._now, self._step)
        self._pass = self._schedule.begin_pass(*begun, loaded=self._read_all, closes_gap=closes_gap)

    def _apply_page(self, pass_: ReconcilePass, rows: list[Record], last: bool) -> None:
        pass_.advance(rows)
        for row in rows:
            if pass_.whole:
                self._apply_row(row["id"], row, self._reads.step)
            else:
                self._compare_version(row)
        if not pass_.in_view_order:
            self._sorting.ids_read([row["id"] for row in rows])
        elif not last:
            self._sorting.first_page_read(rows)
        if pass_.is_one_page and not last:
            self._schedule.overflowed(pass_, loaded=self._read_all)
        if last or pass_.is_page_check:
            self._end_pass(pass_, rows, last=last)

    def _apply_row(self, id: str, row: Record | None, read_step: int) -> None:
        caught_up = self._loaded and self._is_catching_up()
        self._gap_rechecks.discard(id)
        self._states.apply_row(id, row, read_step, caught_up=caught_up)

    def _compare_version(self, row: Record) -> None:
        if self._states.compare_version(row["id"], row) and self._gap_open:
            self._gap_rechecks.add(row["id"])

    def _end_pass(self, pass_: ReconcilePass, rows: list[Record], *, last: bool) -> None:
        for id in sorted(pass_.missing):
            self._apply_row(id, None, pass_.step)
        has_order = pass_.in_view_order
        if pass_.in_view_order:
            self._sorting.page_read(rows, self._states.held, self._now)
        elif pass_.is_complete:
            has_order = self._sorting.all_ids_read(pass_.ids, self._states.held)
        self._pass = None
        self._reads.pages_repeat = False
        self._gap_open = self._gap_open and not pass_.closes_gap
        self._schedule.ended(pass_, self._now, last=last)
        self._read_all = self._read_all or pass_.is_complete
        if has_order:
            self._order_was_read()
        elif self._schedule.must_check_order(pass_, last=last):
            self._sorting.read_again()

    def _order_was_read(self) -> None:
        """Note that the order after a gap is known; later changes of it come from the stream."""
        self._order_may_be_stale = self._order_may_be_stale and self._is_catching_up()

    # -- What comes next -------------------------------------------------------------------------

    def _next_read(self) -> ReadRequest | None:
        if not self._may_read() or not self._reads.can_begin(self._now):
            return None
        if self._pass is None and self._now >= self._sorting.due() and not self._order_deferred:
            return self._sorting.next_read(
                self._now
            )  # first: it rests three times as long as it takes
        if self._pass is None and self._now >= self._schedule.due(self._next_recheck()):
            self._begin_pass(closes_gap=False)
        elif self._pass is None and self._now >= self._schedule.page_check_due():
            self._pass = self._schedule.begin_page_check(self._now, self._step)
        read = self._reads.choose(self._now, self._pass, self._states.rechecks)
        if isinstance(read, ReadPage) and read.in_view_order:
            self._sorting.read_began(self._now)
        self._order_deferred = False
        is_idle = read is None and self._now >= self._sorting.due()
        return self._sorting.next_read(self._now) if is_idle else read

    def _may_read(self) -> bool:
        return self._acknowledged

    def _next_recheck(self) -> float:
        due = self._states.rechecks.next_due()
        return inf if due is None else max(due, self._reads.rechecks_from)

    def _is_catching_up(self) -> bool:
        """Return True if rows may still be as they were before a gap."""
        return self._gap_open or bool(self._gap_rechecks)

    def _is_fresh(self) -> bool:
        is_true = self._loaded and not self._is_catching_up() and not self._order_may_be_stale
        return is_true and self._acknowledged

    def _wake(self) -> float | None:
        if not self._may_read():
            return None
        recheck = self._next_recheck()
        passes, turn = self._schedule.due(recheck), self._schedule.page_check_due()
        at = min(recheck, passes, turn, self._sorting.due())
        return self._reads.wake(self._now if self._pass is not None else at)
