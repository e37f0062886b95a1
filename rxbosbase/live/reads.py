"""Which read comes next: one at a time, pages and questions by turns, pauses after failures."""

from __future__ import annotations

from math import inf

from rxbosbase.live.doubts import Doubts
from rxbosbase.live.messages import Ask, ReadRequest, Rules
from rxbosbase.live.sweep import Sweep

__all__ = ["Reads"]


class Reads:
    """The one read of a view.

    Attributes:
        current: the read in flight.
        step: the reducer's step at which it was asked for, so that it began after all heard till
            then.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.current: ReadRequest | None = None
        self.step = 0
        self._page_has_turn = False
        self._pause = 0.0
        self._retry_at = 0.0

    @property
    def asked(self) -> tuple[str, ...]:
        """The ids of the question in flight."""
        return self.current.ids if isinstance(self.current, Ask) else ()

    def can_begin(self, now: float) -> bool:
        """True if none is in flight and no pause is on."""
        return self.current is None and now >= self._retry_at

    def begin(
        self, now: float, step: int, sweep: Sweep | None, doubts: Doubts
    ) -> ReadRequest | None:
        """Chooses the read to begin now, if there is anything to read."""
        self.current = self._choose(now, sweep, doubts)
        self.step = step
        return self.current

    def _choose(self, now: float, sweep: Sweep | None, doubts: Doubts) -> ReadRequest | None:
        if sweep is not None and (sweep.whole or self._page_has_turn):
            self._page_has_turn = False  # whole pages answer what a question would ask
            return sweep.next_page()
        self._page_has_turn = True
        ids = doubts.take_due(now, self._rules.batch)
        if ids:
            return Ask(ids)
        return sweep.next_page() if sweep is not None else None

    def end(self, read: ReadRequest) -> bool:
        """The read was answered. False if it is a stale one, whose answer means nothing."""
        if read is not self.current:
            return False
        self.current = None
        self._pause = 0.0
        return True

    def fail(self, read: ReadRequest, now: float, retry_after: float) -> bool:
        """The read failed: the next waits, twice as long at each failure in a row."""
        pause = min(self._pause * 2 or self._rules.retry, self._rules.retry_at_most)
        if not self.end(read):
            return False
        self._pause = pause
        self._retry_at = now + max(pause, retry_after)
        return True

    def abandon(self) -> None:
        """Whatever the read in flight will say, it is too old."""
        self.current = None

    def hurry(self, now: float) -> None:
        """The server has just answered something else: no need for a long pause any more."""
        self._pause = 0.0
        self._retry_at = min(self._retry_at, now + self._rules.retry)

    def wake(self, wanted_at: float) -> float | None:
        """When to look again, if something is to be read at ``wanted_at``."""
        if self.current is not None or wanted_at == inf:
            return None
        return max(wanted_at, self._retry_at)
