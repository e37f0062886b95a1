"""Which read comes next: one at a time, pages and rechecks by turns, pauses after failures."""

from __future__ import annotations

from math import inf

from rxbosbase.runtime.retry_delay import Backoff

from .messages import ReadIds, ReadRequest, Rules
from .recheck_queue import RecheckQueue
from .reconcile_pass import ReconcilePass

__all__ = ("ReadSchedule",)


class ReadSchedule:
    """The one read of a view.

    Attributes:
        current: the read in flight.
        step: the reducer's step at which it was returned: it began after all frames received till
            then.
        rechecks_from: no recheck before this time.
        pages_repeat: a page of the last pass came twice: until a pass ends, the pauses after such
            failures get longer, whatever other reads bring.
        backoff: the pauses after failures.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.current: ReadRequest | None = None
        self.step = 0
        self.rechecks_from = -inf
        self.pages_repeat = False
        self._page_has_turn = False
        self.backoff = Backoff(rules.delay)

    @property
    def rechecked_ids(self) -> tuple[str, ...]:
        """The ids of the recheck in flight."""
        return self.current.ids if isinstance(self.current, ReadIds) else ()

    def can_begin(self, now: float) -> bool:
        """Return True if no read is in flight and no pause is on."""
        return self.current is None and now >= self.backoff.until

    def choose(
        self, now: float, pass_: ReconcilePass | None, rechecks: RecheckQueue
    ) -> ReadRequest | None:
        """Return the read to begin now, if there is anything to read."""
        if pass_ is not None and (pass_.whole or self._page_has_turn):
            self._page_has_turn = False  # whole pages answer rechecks, too
            return pass_.next_page()
        self._page_has_turn = True
        if now >= self.rechecks_from:
            ids = rechecks.take_due(now, self._rules.batch)
            if ids:
                is_full = len(ids) == self._rules.batch
                self.rechecks_from = now + (0.0 if is_full else self._rules.spacing)
                return ReadIds(ids)
        return pass_.next_page() if pass_ is not None else None

    def end(self, read: ReadRequest) -> bool:
        """End an answered read. Return False if it is a stale one, whose answer is to be
        ignored."""
        if read is not self.current:
            return False
        self.current = None
        if not self.pages_repeat:
            self.backoff.succeeded()
        return True

    def fail(self, read: ReadRequest, now: float, retry_after: float) -> bool:
        """End a failed read, and delay the next. Return False if it is a stale one."""
        if read is not self.current:
            return False
        self.current = None
        self.backoff.failed(now, retry_after)
        return True

    def wake(self, due_at: float) -> float | None:
        """Return when to look again, if something is to be read at ``due_at``."""
        if self.current is not None or due_at == inf:
            return None
        return max(due_at, self.backoff.until)
