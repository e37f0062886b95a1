"""``debounce_by_id``: a record's newest event, once the record has been quiet for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from reactivex import Observable, abc

from rxbosbase.events import RecordEvent

from ._common import seconds
from ._timed import Holding, timed

__all__ = ("debounce_by_id",)

R = TypeVar("R")


def debounce_by_id(
    interval: float | timedelta, *, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]:
    """Emit a record's newest event once that record has been quiet for `interval` seconds.

    Unlike ``ops.debounce`` each record has a delay of its own, so a busy one delays no other::

        source:  a1-a2b1-a3--------|
        call:    debounce_by_id(5)
        result:  ----------b1-a3---|

    A delete is never lost: when the record is created again before that, both are emitted.
    A completion, and an error too, comes after what is held, in order of first arrival::

        source:  a1b1~a1+a2--|
        call:    debounce_by_id(100)
        result:  ------------(~a1+a2b1|)

    Args:
        interval: seconds (or a timedelta), more than 0.
        scheduler: runs the timer, a single one for all records; by default the subscriber's, else
            ``TimeoutScheduler``.

    Returns:
        an operator for ``pipe``: record events in, fewer of them out.

    Raises:
        ValueError: no positive, finite interval. An event without a record id is one in
            ``on_error``.
        TypeError: an interval that is neither a number nor a timedelta.

    >>> from rxbosbase.testing import FakeRealtime
    >>> with FakeRealtime() as fake:
    ...     posts = fake.client.collection("posts").observe("*").pipe(debounce_by_id(0.5))
    ...     _ = posts.subscribe(lambda event: print(fake.clock.now, event.record))
    ...     _ = fake.push("posts", "update", {"id": "a", "n": 1})
    ...     fake.advance(0.25)
    ...     _ = fake.push("posts", "update", {"id": "a", "n": 2})
    ...     fake.advance(1)
    0.75 {'id': 'a', 'n': 2}
    """
    wait = timedelta(seconds=seconds(interval, "interval"))
    return timed(partial(_Debounce, wait), scheduler)


class _Debounce(Holding[R]):
    """One subscription. All records wait equally long, so the one quiet for longest is due first:
    ``_since`` is in the order of the last events, and one timer serves its head.
    """

    def __init__(
        self, wait: timedelta, clock: abc.SchedulerBase, observer: abc.ObserverBase[RecordEvent[R]]
    ) -> None:
        super().__init__(wait, clock, observer)
        self._quiet = wait
        self._since: OrderedDict[str, datetime] = OrderedDict()

    def on_held(self, key: str) -> None:
        self._since[key] = self.clock.now
        self._since.move_to_end(key)

    def release(self) -> timedelta | None:
        now = self.clock.now
        while self._since:
            key, since = next(iter(self._since.items()))
            left = since + self._quiet - now
            if timedelta(0) < left <= self._quiet:  # more than that: the clock was set back
                return left
            del self._since[key]
            self.outbox.put(*self.held.pop(key))
        return None

    def rest(self) -> Iterable[RecordEvent[R]]:
        self._since.clear()
        return super().rest()
