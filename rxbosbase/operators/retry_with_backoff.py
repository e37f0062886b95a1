"""``retry_with_backoff``: subscribe to a source again after each of its errors and a wait.

Time comes from a scheduler and randomness from an argument, so that a test can run hours of backoff
in milliseconds.
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import Observable, abc

from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.runtime.retry import Retry

__all__ = ("retry_with_backoff",)

T = TypeVar("T")


def retry_with_backoff(
    policy: BackoffPolicy,
    *,
    scheduler: abc.SchedulerBase | None = None,
    random: Callable[[], float] = _random.random,
    resets: Callable[[Exception], bool] | None = None,
    until: Callable[[Exception], bool] | None = None,
    on_wait: Callable[[int, float, Exception], None] | None = None,
    wake: Observable[Any] | None = None,
) -> Callable[[Observable[T]], Observable[T]]:
    """Subscribe to the source again after each of its errors and the wait of ``policy``.

    The client's own streams have it already; it is for sources of yours. A completion passes
    through, so a ``repeat()`` behind this begins with a fresh count. Here the source fails three
    seconds after each subscription::

        source:  -a1#
        call:    retry_with_backoff(BackoffPolicy(initial=1, jitter=False, max_attempts=3))
        result:  -a1--a1---a1#

    Args:
        policy: the waits, and how many failures in a row are too many.
        scheduler: runs the waits and the new subscriptions; by default the subscriber's, else
            ``TimeoutScheduler``.
        random: the source of jitter, numbers in [0, 1).
        resets: True if the attempt that ended with this error was healthy: its failure counts as
            the first again. By default an attempt is healthy that emitted at least one value and
            lasted 5 s.
        until: True for an error that retrying cannot fix; it is passed on at once.
        on_wait: called with ``(attempt, delay, error)`` before each wait: the number of failures
            in a row, the seconds of the wait, and what failed.
        wake: each of its values ends a running wait at once and keeps the count. Subscribed to
            once, as long as the result; its own error ends the result.

    An error with a number in its attribute ``retry_after`` (seconds, as of the header
    ``Retry-After``: RFC 9110, 10.2.3) makes the wait at least that long, up to 300 s. After
    ``policy.max_attempts`` failures in a row the last error is passed on; so is what ``resets``,
    ``until`` or ``on_wait`` raise.

    Returns:
        an operator for ``pipe``: any values in, the same values out.

    >>> import reactivex
    >>> from rxbosbase.testing import VirtualScheduler
    >>> virtual = VirtualScheduler()
    >>> attempts = iter([reactivex.throw(OSError("down")), reactivex.of("data")])
    >>> source = reactivex.defer(lambda _: next(attempts))
    >>> retried = source.pipe(retry_with_backoff(BackoffPolicy(initial=0.2), scheduler=virtual))
    >>> _ = retried.subscribe(print)
    >>> virtual.clock.advance(0.2)
    data
    """

    return Retry(policy, scheduler, random, resets, until, on_wait, wake)
