"""`BackoffPolicy`: how long to wait before each new attempt, of a stream, a POST or a read.

The rule without jitter is pure: `retry_delay`. The operator that waits by a
policy is `rxbosbase.operators.retry_with_backoff`.
"""

from __future__ import annotations

import math
import random as _random
from collections.abc import Callable

import msgspec

from .retry_delay import is_number, longest_wait

__all__ = ("BackoffPolicy",)


class BackoffPolicy(msgspec.Struct, frozen=True):
    """How long to wait before each new attempt. An immutable value; times are seconds.

    With ``jitter`` the wait is drawn evenly between 0 and the bound ("full jitter"), so that a
    thousand clients of a restarted server do not come back in step.

    Attributes:
        initial: seconds before the first new attempt, 0 or more.
        factor: how many times as long each further wait is, 1 or more.
        maximum: seconds that no wait exceeds, 0 or more.
        jitter: draw each wait by chance; without it the waits are the bounds.
        max_attempts: after so many failures in a row the error is passed on; None: never.

    Raises:
        ValueError: a negative or infinite time, a factor below 1, ``max_attempts`` below 1.

    >>> calm = BackoffPolicy(jitter=False, max_attempts=9)
    >>> [calm.delay(attempt) for attempt in range(1, 7)]
    [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    >>> calm.exhausted(8), calm.exhausted(9)
    (False, True)
    """

    initial: float = 0.2
    factor: float = 2.0
    maximum: float = 2.0
    jitter: bool = True
    max_attempts: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("initial", 0), ("factor", 1), ("maximum", 0)):
            value = getattr(self, name)
            if not is_number(value) or not math.isfinite(value) or value < least:
                raise ValueError(f"{name} must be a finite number, {least} or more, not {value!r}")
        most: object = self.max_attempts
        if most is not None and (not isinstance(most, int) or most is True or most < 1):
            raise ValueError(
                f"max_attempts must be 1 or more, or None to retry without limit, not {most!r}"
            )

    def delay(self, attempt: int, random: Callable[[], float] = _random.random) -> float:
        """Return the seconds to wait after failure number ``attempt``.

        Args:
            attempt: how many attempts in a row have failed; the first is 1.
            random: returns numbers in [0, 1); it is called only when ``jitter`` is on.

        Raises:
            ValueError: `attempt` is below 1.
        """
        if attempt < 1:
            raise ValueError(f"attempt counts failures from 1, not {attempt!r}")
        bound = longest_wait(
            attempt, initial=self.initial, factor=self.factor, maximum=self.maximum
        )
        return bound * random() if self.jitter else bound

    def exhausted(self, attempt: int) -> bool:
        """Return True after the last attempt that the policy allows.

        Args:
            attempt: how many attempts in a row have failed.
        """
        return self.max_attempts is not None and attempt >= self.max_attempts
