"""Observables that carry a scheduler, and the two hot sources made of them.

RxPY's timed operators start a thread per timer unless they are given a scheduler. A `Stream`
hands its own down to everything that is piped onto it, in both spellings.

Only what takes time runs there. Work that is due at once (how ``merge``, ``repeat`` and
``start_with`` subscribe) is done where it is asked for, as RxPY does it: on the loop it would
wait behind slow user code, and ``subscribe`` would return before its topic is wanted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from reactivex import ConnectableObservable, Observable, abc, typing
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.run import run
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.subject import AsyncSubject

from .scheduler import SerialScheduler

__all__ = ["Latest", "Stream"]

log = logging.getLogger("rxbosbase.streams")

T = TypeVar("T")
State = TypeVar("State")

Subscribe = Callable[[abc.ObserverBase[T], abc.SchedulerBase | None], abc.DisposableBase]


class _NowOrOnLoop(PeriodicScheduler):
    """Runs what is due at once on the calling thread, and everything timed on the loop."""

    def __init__(self, loop: abc.SchedulerBase) -> None:
        super().__init__()
        self._loop = loop

    @property
    def now(self) -> datetime:
        return self._loop.now

    def schedule(
        self, action: typing.ScheduledAction[State], state: State | None = None
    ) -> abc.DisposableBase:
        def act(_: abc.SchedulerBase, given: State | None = None) -> abc.DisposableBase | None:
            return action(self, given)

        return CurrentThreadScheduler.singleton().schedule(act, state)

    def schedule_relative(
        self,
        duetime: typing.RelativeTime,
        action: typing.ScheduledAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        return self._loop.schedule_relative(duetime, action, state)

    def schedule_absolute(
        self,
        duetime: typing.AbsoluteTime,
        action: typing.ScheduledAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        return self._loop.schedule_absolute(duetime, action, state)


class Stream(Observable[T]):
    """An `Observable` whose operators run their timers on `scheduler` unless told otherwise.

    Example:
        ``stream.pipe(ops.debounce(0.25))`` and ``stream.debounce(0.25)`` both run their timer
        on the client's delivery thread.
    """

    def __init__(self, source: Observable[T] | Subscribe[T], scheduler: abc.SchedulerBase) -> None:
        super().__init__()
        # A pipeline's end is subscribed to as it is: no observer more, at no cost per event.
        self._inner = source if isinstance(source, Observable) else Observable(source)
        self.scheduler = scheduler
        self._default = _NowOrOnLoop(scheduler)

    def subscribe(
        self,
        on_next: abc.ObserverBase[T] | abc.OnNext[T] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """As RxPY's, with the stream's own scheduler as the default."""
        return self._inner.subscribe(
            on_next, on_error, on_completed, scheduler=scheduler or self._default
        )

    def run(self, scheduler: abc.SchedulerBase | None = None) -> T:
        """Waits until the stream completes, and returns its last value.

        As RxPY's, with the stream's own scheduler as the default.

        Raises:
            RuntimeError: this is inside a callback of the client, which holds the stream up.
            reactivex.internal.SequenceContainsNoElementsError: it completed without a value.
            Exception: the stream's own error.

        Example:
            ``posts.live().pipe(ops.first(lambda s: len(s.records) > 9)).run()``
        """
        return _last_of(self, self.scheduler, scheduler or self._default)

    # Operators of `Observable[Any]` let type checkers accept `lambda event: event.action`:
    # RxPY's overloads, and operators of plain `Any`, leave the lambda's argument without a type.
    def pipe(  # type: ignore[override]
        self, *operators: Callable[[Observable[Any]], Any]
    ) -> Any:
        """As RxPY's; what comes out carries the scheduler on."""
        return _carrying(super().pipe(*operators), self.scheduler)


def _carrying(result: Any, scheduler: abc.SchedulerBase) -> Any:
    """What a pipeline came to, with the scheduler carried on where it is an observable."""
    if isinstance(result, (Stream, _Connectable)) or not isinstance(result, Observable):
        return result
    if isinstance(result, ConnectableObservable):
        return _Connectable(result, scheduler)
    return Stream(result, scheduler)


class _Connectable(ConnectableObservable[T]):
    """What ``publish`` and ``replay`` make, for ``ref_count`` and others to go on from."""

    def __init__(self, plain: ConnectableObservable[T], scheduler: abc.SchedulerBase) -> None:
        super().__init__(plain.source, plain.subject)
        self._scheduler = scheduler
        self._default = _NowOrOnLoop(scheduler)

    def connect(self, scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase | None:
        return super().connect(scheduler or self._default)

    def auto_connect(self, subscriber_count: int = 1) -> Observable[T]:
        return Stream(super().auto_connect(subscriber_count), self._scheduler)

    def ref_count(self) -> Observable[T]:
        return self.pipe(ops.ref_count())  # type: ignore[no-any-return]

    def run(self, scheduler: abc.SchedulerBase | None = None) -> T:
        return _last_of(self, self._scheduler, scheduler or self._default)

    def pipe(self, *operators: Callable[[Any], Any]) -> Any:
        return _carrying(super().pipe(*operators), self._scheduler)


def _last_of(source: Observable[T], loop: abc.SchedulerBase, scheduler: abc.SchedulerBase) -> T:
    """What RxPY's ``run`` gives, waited for as all of the library's waits are: never on the thread
    that has to bring it, in virtual time too, and with nothing left behind by Ctrl-C."""
    if not isinstance(loop, SerialScheduler):
        return run(source, scheduler)
    loop.check_wait("run()")
    gate = loop.condition()
    last: AsyncSubject[T] = AsyncSubject()
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        with gate:
            ended = True
            gate.notify_all()

    last.subscribe(None, end, end)
    with source.subscribe(last, scheduler=scheduler), gate:
        loop.wait(gate, lambda: ended)
    return last.run()


class Latest(Stream[T]):
    """A hot value: whoever subscribes gets the current one, then each that follows.

    Unlike a ``BehaviorSubject`` it calls nobody under its lock: all observers are called on the
    loop's thread, in the order in which the values were set, and one that raises is logged and
    harms no other.
    """

    def __init__(self, value: T, loop: SerialScheduler) -> None:
        super().__init__(self._attach, loop)
        self._loop = loop
        self._lock = threading.Lock()
        self._value = value
        self._observers: tuple[abc.ObserverBase[T], ...] = ()
        self._closed = False

    @property
    def value(self) -> T:
        """The current value."""
        return self._value

    def set(self, value: T) -> None:
        """Makes `value` the current one and queues it for the observers; never waits."""
        with self._lock:
            if self._closed:
                return
            self._value = value
            observers = self._observers
            # Queued under the lock: the loop only takes it in, and the order stays true.
            for observer in observers:
                self._loop.post(lambda observer=observer: observer.on_next(value))  # type: ignore[misc]

    def close(self, value: T) -> None:
        """Makes `value` the last one; the observers hear of it by `end`."""
        with self._lock:
            self._value = value
            self._closed = True

    def end(self) -> None:
        """Gives all observers the last value and completes them, on the calling thread."""
        with self._lock:
            observers, self._observers = self._observers, ()
        for observer in observers:
            _last_words(observer, self._value)

    def _attach(
        self, observer: abc.ObserverBase[T], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        with self._lock:
            value = self._value
            ended = self._closed
            if not ended:
                self._observers += (observer,)
                self._loop.post(lambda: observer.on_next(value))
        if ended:
            _last_words(observer, value)
        return Disposable(lambda: self._detach(observer))

    def _detach(self, observer: abc.ObserverBase[T]) -> None:
        with self._lock:
            self._observers = tuple(o for o in self._observers if o is not observer)


def _last_words(observer: abc.ObserverBase[T], value: T) -> None:
    try:
        observer.on_next(value)
        observer.on_completed()
    except BaseException:
        log.exception("an observer raised at the end; the others go on")
