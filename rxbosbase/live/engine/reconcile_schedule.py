"""When all of a view is compared with the server, and how.

Whatever the stream tells, a comparison finds what it does not. There are four passes:

- *The snapshot*, and where ``updated`` proves nothing: whole rows of all pages.
- *Stamps*, ids and ``updated`` of all pages: after a gap, and every ``reconcile`` seconds.
- *A turn*, every ``reconcile`` seconds: whole rows of one page, the next one each time. Stamps do
  not move where somebody writes past the server's hooks, nor where a field comes or goes. So each
  row is verified within as many ``reconcile`` as there are pages.
- *Whole rows of one page that has them all*, which is both at once, in the view's own order. The
  snapshot begins like that, too: with a view of one page the order comes along.

A row with fields that none had before may come of a changed schema: then all pages are read whole.
"""

from __future__ import annotations

from math import inf

from rxbosbase.live.engine.messages import Rules
from rxbosbase.live.engine.reconcile_pass import ReconcilePass
from rxbosbase.live.engine.record_state import RecordStates

__all__ = ["ReconcileSchedule"]


class ReconcileSchedule:
    """The passes of one view; ``is_by_id``: its rows are in the order of their ids."""

    def __init__(self, rules: Rules, known: RecordStates, *, is_by_id: bool) -> None:
        self._rules = rules
        self._known = known
        self._is_by_id = is_by_id
        self._compare_at = self._turn_at = inf
        self._reshape_from = -inf  # not before that is all read again for the fields' sake
        self._turn_after = ""  # the id that the last turn ended with
        self._whole_passes = 0  # since the order was verified
        self._overflows = False  # fewer rows than a page may have are too large for one answer

    def due(self, next_doubt: float) -> float:
        """When a pass over all rows is due."""
        at = min(self._compare_at, self._turn_at) if self._fits_one_page() else self._compare_at
        if self._known.has_new_shape:
            at = min(at, self._reshape_from)
        return min(at, next_doubt) if self._are_too_many() else at

    def turn_due(self) -> float:
        """When a turn is due."""
        return inf if self._fits_one_page() else self._turn_at

    def sweep(self, now: float, step: int, *, loaded: bool, mends: bool) -> ReconcilePass:
        """A pass over all rows begins."""
        known, fits = self._known, self._fits_one_page()
        whole = not loaded or self._must_be_whole() or (fits and not mends) or known.has_new_shape
        if whole:
            known.shapes.collect()
        ids = {*known.held, *known.doubts.ids()}
        # With as many rows as a page may have, only another page tells that there are no more.
        is_one_page = whole and fits and len(known.held) < self._rules.page
        arranged = is_one_page and not self._is_by_id
        is_one_page = is_one_page and (loaded or arranged)
        return ReconcilePass(
            now, step, whole, mends, ids, is_one_page=is_one_page, arranged=arranged
        )

    def turn(self, now: float, step: int) -> ReconcilePass:
        """A turn begins."""
        return ReconcilePass(
            now, step, whole=True, mends=False, is_turn=True, after=self._turn_after
        )

    def overflowed(self, sweep: ReconcilePass, *, loaded: bool) -> None:
        """What was expected to fit into one page does not."""
        self._overflows = loaded and len(self._known.held) < self._rules.page
        whole = not loaded or self._must_be_whole() or self._known.has_new_shape
        sweep.goes_on(whole=whole)

    def ended(self, sweep: ReconcilePass, now: float, *, last: bool) -> None:
        """A pass is through; ``last``: up to the end of the table."""
        next_time = now + self._rules.reconcile
        if sweep.is_turn:
            self._turn_at = next_time
            self._overflows = self._overflows and not (last and self._turn_after == "")
            self._turn_after = "" if last else sweep.after
        elif sweep.is_complete:
            self._compare_at = next_time
            self._known.free_graves(sweep.begun)
            if sweep.whole:
                self._turn_at = next_time
                if self._known.shapes.collected():
                    self._known.hold_back()
                if self._known.has_new_shape:
                    self._reshape_from = next_time
                self._known.has_new_shape = False

    def verifies_order(self, sweep: ReconcilePass, *, last: bool) -> bool:
        """True as often as turns go over all rows: then it is time to read the order again, too.

        Where each pass is of whole rows there are no turns, and it is time after as many passes.
        """
        if sweep.is_turn or not (sweep.is_complete and sweep.whole):
            return sweep.is_turn and last
        self._whole_passes += 1
        if self._whole_passes * self._rules.page < len(self._known.held):
            return False
        self._whole_passes = 0
        return True

    def _fits_one_page(self) -> bool:
        return len(self._known.held) <= self._rules.page and not self._overflows

    def _must_be_whole(self) -> bool:
        return not self._known.ages.trusted or self._are_too_many()

    def _are_too_many(self) -> bool:
        """True if asking about the doubts would take more reads than reading all."""
        pages = 1 + len(self._known.held) // self._rules.page
        return len(self._known.doubts) > pages * self._rules.batch
