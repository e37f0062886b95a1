"""How long to wait after reads that failed."""

from __future__ import annotations

from rxbosbase.live.messages import Rules

__all__ = ["Pause"]


class Pause:
    """Twice as long at each failure in a row, up to a bound; over at the first success.

    Attributes:
        until: no read before this time.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._length = 0.0
        self.until = 0.0

    def lengthen(self, now: float, retry_after: float) -> None:
        """A read failed; the server may have asked for more time."""
        self._length = min(self._length * 2 or self._rules.retry, self._rules.retry_at_most)
        self.until = now + max(self._length, retry_after)

    def end(self) -> None:
        """A read was answered."""
        self._length = 0.0

    def shorten(self, now: float) -> None:
        """The server has just answered something else: what is left of a long pause is dropped."""
        self._length = 0.0
        self.until = min(self.until, now + self._rules.retry)
