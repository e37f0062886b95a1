"""``conflate_by_id``: at most the newest event of each record per interval."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

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
            outbox = Outbox(observer)
            held: dict[str, list[RecordEvent[R]]] = {}
            timer = Alarm(clock_of(scheduler, scheduler_))

            def release() -> None:
                for events in held.values():
                    outbox.put(*events)
                held.clear()

            def elapsed() -> None:
                with outbox.lock:
                    busy = outbox.busy  # a slow observer gets fewer events, not a longer queue
                    if not busy:
                        release()
                if busy:
                    timer.set(wait, elapsed)
                outbox.drain()

            def on_next(event: RecordEvent[R]) -> None:
                try:
                    key = record_id(event)
                except ValueError as error:
                    end(error)
                    return
                with outbox.lock:
                    first = not held
                    held[key] = newest_of(held.get(key, []), event)
                if first:
                    timer.set(wait, elapsed)

            def end(error: Exception | None = None) -> None:
                with outbox.lock:
                    release()
                    outbox.put_end(error)
                outbox.drain()

            subscription = source.subscribe(on_next, end, end, scheduler=scheduler_)
            return CompositeDisposable(subscription, timer)

        return Observable(subscribe)

    return operator
