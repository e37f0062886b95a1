"""How long to wait after failures: the one rule of the library, for streams, POSTs and reads.

Pure. How long a wait is at most follows from the number of failures in a row; how much of that is
waited, jitter included, is an argument: the library passes `BackoffPolicy.delay`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeGuard

__all__ = ("MAX_RETRY_AFTER", "Backoff", "Delay", "asked_to_wait", "is_number", "longest_wait")

MAX_RETRY_AFTER = 300.0
"""Seconds of the longest wait that a server may ask for (``Retry-After``); longer ones are cut."""

Delay: TypeAlias = Callable[[int], float]
"""Seconds to wait after so many failures in a row; the first is 1."""


def longest_wait(failures: int, *, initial: float, factor: float, maximum: float) -> float:
    """Return the seconds that the wait after so many failures in a row takes at most.

    >>> [longest_wait(n, initial=0.2, factor=2.0, maximum=1.0) for n in (1, 2, 3, 4, 5000)]
    [0.2, 0.4, 0.8, 1.0, 1.0]
    """
    try:
        return min(maximum, initial * float(factor) ** (failures - 1))
    except OverflowError:  # far beyond any maximum, unless the initial wait is 0
        return maximum if initial else 0.0


class Backoff:
    """The count of failures in a row, and the time of the next try.

    Args:
        delay: the wait after so many failures.

    Attributes:
        failures: how many there were since the last success.
        until: the time of the next try at the earliest.

    >>> backoff = Backoff(lambda failures: 2.0**failures)
    >>> backoff.failed(now=10.0), backoff.failed(now=12.0, at_least=9.0), backoff.failures
    (2.0, 9.0, 2)
    >>> backoff.succeeded()
    >>> backoff.failed(now=30.0), backoff.until
    (2.0, 32.0)
    """

    __slots__ = ("_delay", "failures", "until")

    def __init__(self, delay: Delay) -> None:
        self._delay = delay
        self.failures = 0
        self.until = 0.0

    def failed(self, now: float, at_least: float = 0.0) -> float:
        """Count a failure; return the seconds to wait, `at_least` what the server asked for."""
        self.failures += 1
        wait = max(self._delay(self.failures), at_least)
        self.until = now + wait
        return wait

    def succeeded(self) -> None:
        """Count the next failure as the first again. A running wait continues."""
        self.failures = 0

    def shorten(self, now: float) -> None:
        """Cut what is left of a long wait to that of a first failure, because a success has become
        likely; the next failure counts as the first again."""
        self.failures = 0
        self.until = min(self.until, now + self._delay(1))


def asked_to_wait(error: Exception) -> float:
    """Return the seconds that the server asked to wait, up to ``MAX_RETRY_AFTER``; 0 if it did not.

    >>> from rxbosbase.errors import ClientResponseError
    >>> asked_to_wait(ClientResponseError(429, retry_after=1e9)), asked_to_wait(ValueError())
    (300.0, 0.0)
    """
    asked = getattr(error, "retry_after", None)
    if not is_number(asked) or not asked > 0:  # "not >" lets NaN go, too
        return 0.0
    return min(float(asked), MAX_RETRY_AFTER)


def is_number(value: object) -> TypeGuard[float]:
    """Return True for an int or a float; a bool is none.

    >>> is_number(1.5), is_number(True)
    (True, False)
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool)
