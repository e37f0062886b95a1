"""When all of a view is compared with the server, and how.

A comparison finds what the stream does not report. There are four passes:

- *The snapshot*, and where ``updated`` proves nothing: whole rows of all pages.
- *Row versions*, ids and ``updated`` of all pages: after a gap, and every ``reconcile`` seconds.
- *A page check*, every ``reconcile`` seconds: whole rows of one page, the next one each time. Row
  versions do not move where a write bypasses the server's hooks, nor where a field comes or goes.
  So each row is verified within as many ``reconcile`` intervals as there are pages.
- *Whole rows of one page that has them all*, which is both at once, in the view's own order. The
  snapshot begins like that, too: with a view of one page the order comes along.

A row with fields that none had before may mean a changed schema: then all pages are read whole.
"""

from __future__ import annotations

from math import inf

from .messages import Rules
from .reconcile_pass import ReconcilePass
from .record_state import RecordStates

__all__ = ("ReconcileSchedule",)


class ReconcileSchedule:
    """The passes of one view; ``is_by_id``: its rows are in the order of their ids."""

    def __init__(self, rules: Rules, states: RecordStates, *, is_by_id: bool) -> None:
        self._rules = rules
        self._states = states
        self._is_by_id = is_by_id
        self._compare_at = self._page_check_at = inf
        self._reshape_from = -inf  # new fields cause no complete pass before
        self._page_check_after = ""  # the id that the last page check ended with
        self._whole_passes = 0  # since the order was verified
        self._overflows = False  # fewer rows than a page may have are too large for one answer

    def due(self, next_recheck: float) -> float:
        """Return when a pass over all rows is due."""
        at = (
            min(self._compare_at, self._page_check_at)
            if self._fits_one_page()
            else self._compare_at
        )
        if self._states.has_new_shape:
            at = min(at, self._reshape_from)
        return min(at, next_recheck) if self._are_too_many() else at

    def page_check_due(self) -> float:
        """Return when a page check is due."""
        return inf if self._fits_one_page() else self._page_check_at

    def begin_pass(self, now: float, step: int, *, loaded: bool, closes_gap: bool) -> ReconcilePass:
        """Begin a pass over all rows."""
        states, fits = self._states, self._fits_one_page()
        whole = (
            not loaded or self._must_be_whole() or (fits and not closes_gap) or states.has_new_shape
        )
        if whole:
            states.shapes.collect()
        ids = {*states.held, *states.rechecks.ids()}
        # With as many rows as a page may have, only another page shows that there are no more.
        is_one_page = whole and fits and len(states.held) < self._rules.page
        in_view_order = is_one_page and not self._is_by_id
        is_one_page = is_one_page and (loaded or in_view_order)
        return ReconcilePass(
            now, step, whole, closes_gap, ids, is_one_page=is_one_page, in_view_order=in_view_order
        )

    def begin_page_check(self, now: float, step: int) -> ReconcilePass:
        """Begin a page check."""
        return ReconcilePass(
            now,
            step,
            whole=True,
            closes_gap=False,
            is_page_check=True,
            after=self._page_check_after,
        )

    def overflowed(self, pass_: ReconcilePass, *, loaded: bool) -> None:
        """Note that the rows expected in one page do not fit into it."""
        self._overflows = loaded and len(self._states.held) < self._rules.page
        whole = not loaded or self._must_be_whole() or self._states.has_new_shape
        pass_.continue_over_all(whole=whole)

    def ended(self, pass_: ReconcilePass, now: float, *, last: bool) -> None:
        """Note that a pass ended; ``last``: at the end of the table."""
        next_time = now + self._rules.reconcile
        if pass_.is_page_check:
            self._page_check_at = next_time
            self._overflows = self._overflows and not (last and self._page_check_after == "")
            self._page_check_after = "" if last else pass_.after
        elif pass_.is_complete:
            self._compare_at = next_time
            self._states.free_tombstones(pass_.begun)
            if pass_.whole:
                self._page_check_at = next_time
                if self._states.shapes.collected():
                    self._states.withhold_incomplete()
                if self._states.has_new_shape:
                    self._reshape_from = next_time
                self._states.has_new_shape = False

    def must_check_order(self, pass_: ReconcilePass, *, last: bool) -> bool:
        """Return True as often as page checks have gone over all rows: then the order is read
        again, too.

        Where each pass is of whole rows there are no page checks, and it is True after as many
        passes.
        """
        if pass_.is_page_check or not (pass_.is_complete and pass_.whole):
            return pass_.is_page_check and last
        self._whole_passes += 1
        if self._whole_passes * self._rules.page < len(self._states.held):
            return False
        self._whole_passes = 0
        return True

    def _fits_one_page(self) -> bool:
        return len(self._states.held) <= self._rules.page and not self._overflows

    def _must_be_whole(self) -> bool:
        return not self._states.clock.trusted or self._are_too_many()

    def _are_too_many(self) -> bool:
        """Return True if rechecks would take more reads than reading all."""
        pages = 1 + len(self._states.held) // self._rules.page
        return len(self._states.rechecks) > pages * self._rules.batch
