"""``conflate_by_id``: at most the newest event of each record per interval."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from reactivex import Observable, abc

from rxbosbase.events import RecordEvent

from ._common import seconds
from ._timed import Holding, timed

__all__ = ("conflate_by_id",)

R = TypeVar("R")


def conflate_by_id(
    interval: float | timedelta, *, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]:
    """Hold events for `interval` seconds, then emit the newest one of each record.

    The interval begins with the first event that is held; with nothing held no timer runs. The
    records come in the order of their first events::

        source:  a1b1a2----------b3-------|
        call:    conflate_by_id(6)
        result:  ------(a2b1)----------b3-|

    A delete is never lost: when the record is created again within the interval, both are emitted.
    A record that is created and changed within an interval emits the change alone. A completion,
    and an error too, comes after what is held::

        source:  a1~a1+a2a3--#
        call:    conflate_by_id(100)
        result:  ------------(~a1a3#)

    Args:
        interval: seconds (or a timedelta), more than 0.
        scheduler: runs the timer; by default the subscriber's, else ``TimeoutScheduler``.

    Returns:
        an operator for ``pipe``: record events in, fewer of them out.

    Raises:
        ValueError: no positive, finite interval. An event without a record id is one in
            ``on_error``.
        TypeError: an interval that is neither a number nor a timedelta.

    >>> from rxbosbase.testing import FakeRealtime
    >>> with FakeRealtime() as fake:
    ...     posts = fake.client.collection("posts").observe("*").pipe(conflate_by_id(0.5))
    ...     _ = posts.subscribe(lambda event: print(fake.clock.now, event.record))
    ...     _ = fake.push("posts", "update", {"id": "a", "n": 1})
    ...     _ = fake.push("posts", "update", {"id": "a", "n": 2})
    ...     fake.advance(1)
    0.5 {'id': 'a', 'n': 2}
    """
    return timed(partial(Holding, seconds(interval, "interval")), scheduler)
