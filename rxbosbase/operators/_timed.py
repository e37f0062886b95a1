"""What the operators with a timer share: the operator, and one subscription of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable

from rxbosbase.events import RecordEvent
from rxbosbase.runtime.scheduler import RestartableTimer, clock_of

from ._common import newest_of, record_id
from ._outbox import Outbox

__all__ = ("Holding", "Timed", "timed")

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")


class Timed(ABC, Generic[A, B]):
    """One subscription; its ``timer`` is disposed with it."""

    def __init__(self, clock: abc.SchedulerBase, observer: abc.ObserverBase[B]) -> None:
        self.clock = clock
        self.outbox = Outbox(observer)
        self.timer = RestartableTimer(clock)

    @abstractmethod
    def on_next(self, value: A, /) -> None:
        """Take a value of the source."""

    def rest(self) -> Iterable[B]:
        """Return what is to be emitted before the end. Runs under the outbox's lock."""
        return ()

    def end(self, error: Exception | None = None) -> None:
        with self.outbox.lock:
            self.outbox.put(*self.rest())
            self.outbox.put_end(error)
        self.outbox.drain()


def timed(
    make: Callable[[abc.SchedulerBase, abc.ObserverBase[B]], Timed[A, B]],
    scheduler: abc.SchedulerBase | None,
) -> Callable[[Observable[A]], Observable[B]]:
    """Return the operator that calls `make` for each subscription."""

    def operator(source: Observable[A]) -> Observable[B]:
        def subscribe(
            observer: abc.ObserverBase[B], scheduler_: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            one = make(clock_of(scheduler, scheduler_), observer)
            subscription = source.subscribe(one.on_next, one.end, one.end, scheduler=scheduler_)
            return CompositeDisposable(subscription, one.timer)

        return Observable(subscribe)

    return operator


class Holding(Timed[RecordEvent[R], RecordEvent[R]]):
    """Holds the newest events of each record, by its id, in the order of their first ones."""

    def __init__(
        self,
        wait: timedelta | float,
        clock: abc.SchedulerBase,
        observer: abc.ObserverBase[RecordEvent[R]],
    ) -> None:
        super().__init__(clock, observer)
        self.wait = wait
        self.held: dict[str, list[RecordEvent[R]]] = {}

    def on_next(self, event: RecordEvent[R], /) -> None:
        try:
            key = record_id(event)
        except ValueError as error:
            self.end(error)
            return
        with self.outbox.lock:
            is_first = not self.held
            self.held[key] = newest_of(self.held.get(key, []), event)
            self.on_held(key)
        if is_first:
            self.timer.set(self.wait, self.elapsed)

    def on_held(self, key: str) -> None:
        """Handle that an event of this record is held. Runs under the outbox's lock."""

    def elapsed(self) -> None:
        """Run `wait` seconds after the first event that is held."""
        with self.outbox.lock:
            # A slow observer gets fewer events, not a longer queue.
            left = self.wait if self.outbox.busy else self.release()
        if left is not None:
            self.timer.set(left, self.elapsed)
        self.outbox.drain()

    def release(self) -> timedelta | float | None:
        """Emit what is due; return the time until more is. Runs under the outbox's lock."""
        self.outbox.put(*self.rest())
        return None

    def rest(self) -> Iterable[RecordEvent[R]]:
        held, self.held = self.held, {}
        return [event for events in held.values() for event in events]
