"""``debounce_by_id``: a record's newest event, once the record has been quiet for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxbosbase.operators._common import Alarm, clock_of, newest_of, record_id, seconds
from rxbosbase.operators._outbox import Outbox
from rxbosbase.realtime.events import RecordEvent

__all__ = ["debounce_by_id"]

R = TypeVar("R")


def debounce_by_id(
    interval: float | timedelta, *, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]:
    """Give a record's newest event once that record has been quiet for `interval` seconds.

    Unlike ``ops.debounce`` each record has a clock of its own, so a busy one hides no other::

        source:  a1-a2b1-a3--------|
        call:    debounce_by_id(5)
        result:  ----------b1-a3---|

    A delete is never lost: when the record is created again before it was given, both are given.
    A completion, and an error too, comes after what is held, in order of first arrival::

        source:  a1b1~a1+a2--|
        call:    debounce_by_id(100)
        result:  ------------(~a1+a2b1|)

    Args:
        interval: seconds (or a timedelta), more than 0.
        scheduler: runs the timer, a single one for all records; by default the subscriber's, else
            ``TimeoutScheduler``.

    Raises:
        ValueError: no positive interval. An event without a record id is one in ``on_error``.
    """
    wait = timedelta(seconds=seconds(interval, "interval"))

    def operator(source: Observable[RecordEvent[R]]) -> Observable[RecordEvent[R]]:
        def subscribe(
            observer: abc.ObserverBase[RecordEvent[R]],
            scheduler_: abc.SchedulerBase | None = None,
        ) -> abc.DisposableBase:
            debounce = _Debounce(wait, clock_of(scheduler, scheduler_), Outbox(observer))
            subscription = source.subscribe(
                debounce.on_next, debounce.end, debounce.end, scheduler=scheduler_
            )
            return CompositeDisposable(subscription, debounce.timer)

        return Observable(subscribe)

    return operator


class _Debounce(Generic[R]):
    """One subscription. All records wait equally long, so the one quiet for longest is due first:
    ``_since`` is in the order of the last events, and one timer serves its head. ``_held`` is in
    the order of the first ones.
    """

    def __init__(
        self, wait: timedelta, clock: abc.SchedulerBase, outbox: Outbox[RecordEvent[R]]
    ) -> None:
        self._wait, self._clock, self._outbox = wait, clock, outbox
        self._held: dict[str, list[RecordEvent[R]]] = {}
        self._since: OrderedDict[str, datetime] = OrderedDict()
        self.timer = Alarm(clock)

    def on_next(self, event: RecordEvent[R]) -> None:
        try:
            key = record_id(event)
        except ValueError as error:
            self.end(error)
            return
        now = self._clock.now
        with self._outbox.lock:
            idle = not self._held
            self._held[key] = newest_of(self._held.get(key, []), event)
            self._since[key] = now
            self._since.move_to_end(key)
        if idle:
            self.timer.set(self._wait, self._elapsed)

    def _elapsed(self) -> None:
        with self._outbox.lock:
            # A slow observer gets fewer events, not a longer queue.
            left = self._wait if self._outbox.busy else self._release_due(self._clock.now)
        if left is not None:
            self.timer.set(left, self._elapsed)
        self._outbox.drain()

    def _release_due(self, now: datetime) -> timedelta | None:
        while self._since:
            key, since = next(iter(self._since.items()))
            left = since + self._wait - now
            if timedelta(0) < left <= self._wait:  # more than that: the clock was put back
                return left
            del self._since[key]
            self._outbox.put(*self._held.pop(key))
        return None

    def end(self, error: Exception | None = None) -> None:
        with self._outbox.lock:
            for events in self._held.values():
                self._outbox.put(*events)
            self._held.clear()
            self._since.clear()
            self._outbox.put_end(error)
        self._outbox.drain()
