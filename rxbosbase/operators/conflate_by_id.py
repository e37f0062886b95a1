"""``conflate_by_id``: at most the newest event of each record per interval."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxbosbase.operators._common import Alarm, clock_of, newest_of, record_id, seconds
from rxbosbase.operators._outbox import Outbox
from rxbosbase.realtime.events import RecordEvent

__all__ = ["conflate_by_id"]

R = TypeVar("R")


def conflate_by_id(
    interval: float | timedelta, *, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]:
    """Hold events for `interval` seconds, then give the newest one of each record.

    The interval begins with the first event that is held; with nothing held no timer runs. The
    records come in the order in which they were first heard of::

        source:  a1b1a2----------b3-------|
        call:    conflate_by_id(6)
        result:  ------(a2b1)----------b3-|

    A delete is never lost: when the record is created again within the interval, both are given.
    A record that is created and changed within an interval gives the change alone. A completion,
    and an error too, comes after what is held::

        source:  a1~a1+a2a3--#
        call:    conflate_by_id(100)
        result:  ------------(~a1a3#)

    Args:
        interval: seconds (or a timedelta), more than 0.
        scheduler: runs the timer; by default the subscriber's, else ``TimeoutScheduler``.

    Raises:
        ValueError: no positive interval. An event without a record id is one in ``on_error``.
    """
    wait = seconds(interval, "interval")

    def operator(source: Observable[RecordEvent[R]]) -> Observable[RecordEvent[R]]:
        def subscribe(
            observer: abc.ObserverBase[RecordEvent[R]],
            scheduler_: abc.SchedulerBase | None = None,
        ) -> abc.DisposableBase:
            conflate = _Conflate(wait, clock_of(scheduler, scheduler_), Outbox(observer))
            subscription = source.subscribe(
                conflate.on_next, conflate.end, conflate.end, scheduler=scheduler_
            )
            return CompositeDisposable(subscription, conflate.timer)

        return Observable(subscribe)

    return operator


class _Conflate(Generic[R]):
    """One subscription. The timer runs while anything is held."""

    def __init__(
        self, wait: float, clock: abc.SchedulerBase, outbox: Outbox[RecordEvent[R]]
    ) -> None:
        self._wait, self._outbox = wait, outbox
        self._held: dict[str, list[RecordEvent[R]]] = {}
        self.timer = Alarm(clock)

    def on_next(self, event: RecordEvent[R]) -> None:
        try:
            key = record_id(event)
        except ValueError as error:
            self.end(error)
            return
        with self._outbox.lock:
            first = not self._held
            self._held[key] = newest_of(self._held.get(key, []), event)
        if first:
            self.timer.set(self._wait, self._elapsed)

    def _elapsed(self) -> None:
        with self._outbox.lock:
            busy = self._outbox.busy  # a slow observer gets fewer events, not a longer queue
            if not busy:
                self._release()
        if busy:
            self.timer.set(self._wait, self._elapsed)
        self._outbox.drain()

    def _release(self) -> None:
        for events in self._held.values():
            self._outbox.put(*events)
        self._held.clear()

    def end(self, error: Exception | None = None) -> None:
        with self._outbox.lock:
            self._release()
            self._outbox.put_end(error)
        self._outbox.drain()
