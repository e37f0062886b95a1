"""Which read comes next: one at a time, pages and questions by turns, pauses after failures."""

from __future__ import annotations

from math import inf

from rxbosbase.live.engine.messages import Ask, ReadRequest, Rules
from rxbosbase.live.engine.recheck_queue import RecheckQueue
from rxbosbase.live.engine.reconcile_pass import ReconcilePass
from rxbosbase.runtime.retry_delay import Backoff

__all__ = ["ReadSchedule"]


class ReadSchedule:
    """The one read of a view.

    Attributes:
        current: the read in flight.
        step: the reducer's step at which it was asked for, so that it began after all heard till
            then.
        questions_from: no question before this time.
        distrusts: the pages of the last pass came again: until a pass ends, the pauses of those
            that do get longer, whatever else is answered.
        backoff: the pauses after failures.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.current: ReadRequest | None = None
        self.step = 0
        self.questions_from = -inf
        self.distrusts = False
        self._page_has_turn = False
        self.backoff = Backoff(rules.delay)

    @property
    def asked(self) -> tuple[str, ...]:
        """The ids of the question in flight."""
        return self.current.ids if isinstance(self.current, Ask) else ()

    def can_begin(self, now: float) -> bool:
        """True if none is in flight and no pause is on."""
        return self.current is None and now >= self.backoff.until

    def choose(
        self, now: float, sweep: ReconcilePass | None, doubts: RecheckQueue
    ) -> ReadRequest | None:
        """The read to begin now, if there is anything to read."""
        if sweep is not None and (sweep.whole or self._page_has_turn):
            self._page_has_turn = False  # whole pages answer what a question would ask
            return sweep.next_page()
        self._page_has_turn = True
        if now >= self.questions_from:
            ids = doubts.take_due(now, self._rules.batch)
            if ids:
                is_full = len(ids) == self._rules.batch
                self.questions_from = now + (0.0 if is_full else self._rules.spacing)
                return Ask(ids)
        return sweep.next_page() if sweep is not None else None

    def end(self, read: ReadRequest) -> bool:
        """The read was answered. False if it is a stale one, whose answer means nothing."""
        if read is not self.current:
            return False
        self.current = None
        if not self.distrusts:
            self.backoff.succeeded()
        return True

    def fail(self, read: ReadRequest, now: float, retry_after: float) -> bool:
        """The read failed: the next waits. False if it is a stale one."""
        if read is not self.current:
            return False
        self.current = None
        self.backoff.failed(now, retry_after)
        return True

    def wake(self, wanted_at: float) -> float | None:
        """When to look again, if something is to be read at ``wanted_at``."""
        if self.current is not None or wanted_at == inf:
            return None
        return max(wanted_at, self.backoff.until)
