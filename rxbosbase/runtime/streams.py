"""Observables that carry a scheduler, and the two hot sources made of them.

RxPY's timed operators start a thread per timer unless they are given a scheduler. A `Stream`
passes its own to everything that is piped onto it, and to the fluent methods.

Only what takes time runs there. Work that is due at once (how ``merge``, ``repeat`` and
``start_with`` subscribe) runs on the calling thread, as in RxPY: on the scheduler it would wait
behind slow user code, and ``subscribe`` would return before its topic is registered.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from reactivex import ConnectableObservable, Observable, abc, typing
from reactivex.disposable import Disposable
from reactivex.run import run
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.subject import AsyncSubject

from rxbosbase.encoding.control_characters import short_repr

from .scheduler import SerialScheduler

if TYPE_CHECKING:
    from .fluent import FluentStream
else:
    FluentStream = Observable

__all__ = ("ConnectableStream", "Latest", "Stream")

log = logging.getLogger("rxbosbase.streams")

T = TypeVar("T")
State = TypeVar("State")

Subscribe = Callable[[abc.ObserverBase[T], abc.SchedulerBase | None], abc.DisposableBase]


class _NowOrLater(PeriodicScheduler):
    """Runs what is due at once on the calling thread, and everything timed on the scheduler."""

    def __init__(self, delivery: abc.SchedulerBase) -> None:
        super().__init__()
        self._delivery = delivery

    @property
    def now(self) -> datetime:
        return self._delivery.now

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
        return self._delivery.schedule_relative(duetime, action, state)

    def schedule_absolute(
        self,
        duetime: typing.AbsoluteTime,
        action: typing.ScheduledAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        return self._delivery.schedule_absolute(duetime, action, state)


def _through_pipe(name: str) -> Any:
    """Return a fluent method that RxPY does not send through ``pipe``, so that it does."""
    plain = getattr(Observable, name)

    @wraps(plain)
    def method(self: Observable[Any], *args: Any, **kwargs: Any) -> Any:
        return self.pipe(lambda source: plain(source, *args, **kwargs))

    return method


_NOT_PIPED = ("__add__", "__iadd__", "dematerialize", "exclusive", "pluck", "switch_latest")


class Stream(FluentStream[T]):
    """An `Observable` whose operators run their timers on `scheduler` unless they get another one.

    It is what ``observe``, ``live`` and the like return, and what is piped onto them. All of RxPY's
    operators work on it, by `pipe` and as methods.

    >>> from reactivex import operators as ops
    >>> with FakeRealtime() as fake:
    ...     events = fake.client.collection("posts").observe("*")
    ...     quiet = events.pipe(ops.debounce(0.25))  # or events.debounce(0.25)
    ...     _ = quiet.subscribe(lambda event: print(fake.clock.now, event.action))
    ...     _ = fake.push("posts", "create", {"id": "a"})
    ...     fake.advance(1)  # the timer runs on the client's scheduler, here in virtual time
    0.25 create
    """

    _origin: Observable[Any] | None = None  # what it was piped from

    def __init__(self, source: Observable[T] | Subscribe[T], scheduler: abc.SchedulerBase) -> None:
        super().__init__()
        # The end of a pipeline is subscribed to directly: one observer less to call per event.
        self._inner: Any = source if isinstance(source, Observable) else Observable(source)
        self.scheduler = scheduler
        self._default = _NowOrLater(scheduler)

    def __repr__(self) -> str:
        origin = f" piped from {self._origin!r}" if self._origin is not None else ""
        return f"<{type(self).__name__}{origin}>"

    def subscribe(
        self,
        on_next: abc.ObserverBase[T] | Callable[[T], object] | None = None,
        on_error: Callable[[Exception], object] | None = None,
        on_completed: Callable[[], object] | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Subscribe as RxPY does, with the stream's own scheduler as the default.

        Args:
            on_next: called with each value; or an observer, without the other two.
            on_error: called with the error that ends the stream.
            on_completed: called at the end without an error.
            scheduler: runs the timers of operators that have got none.

        Returns:
            a disposable that ends the subscription.

        >>> with FakeRealtime() as fake:
        ...     status = fake.client.realtime.status
        ...     subscription = status.subscribe(lambda status: print(status.state))
        ...     fake.advance(0)
        ...     subscription.dispose()
        idle
        """
        subscription: abc.DisposableBase = self._inner.subscribe(
            on_next, on_error, on_completed, scheduler=scheduler or self._default
        )
        return subscription

    def run(self, scheduler: abc.SchedulerBase | None = None) -> T:
        """Wait until the stream completes, and return its last value.

        As RxPY's, with the stream's own scheduler as the default.

        Args:
            scheduler: as for `subscribe`.

        Raises:
            RuntimeError: this is inside a callback of the client, which the stream waits for.
            reactivex.internal.SequenceContainsNoElementsError: it completed without a value.
            Exception: the stream's own error.

        >>> from reactivex import operators as ops
        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a"}}
        ...     view = fake.client.collection("posts").live()
        ...     len(view.pipe(ops.first(lambda snapshot: snapshot.fresh)).run().records)
        1
        """
        return _last_of(self, self.scheduler, scheduler or self._default)

    if not TYPE_CHECKING:  # the types are in fluent.pyi and piped.pyi
        __add__, __iadd__, dematerialize, exclusive, pluck, switch_latest = map(
            _through_pipe, _NOT_PIPED
        )

        def pipe(self, *operators):
            """Apply the operators as RxPY does; the result carries the scheduler too.

            Args:
                operators: functions of an observable, such as those of ``reactivex.operators``.

            >>> from reactivex import operators as ops
            >>> with FakeRealtime() as fake:
            ...     states = fake.client.realtime.status.pipe(ops.map(lambda each: each.state))
            ...     states.pipe(ops.first()).run()
            'idle'
            """
            return _carrying(super().pipe(*operators), self)


def _carrying(result: Any, origin: Stream[Any] | ConnectableStream[Any]) -> Any:
    """Return the result of a pipeline; an observable carries the scheduler of its origin."""
    if isinstance(result, (Stream, ConnectableStream)) or not isinstance(result, Observable):
        return result  # pyright: ignore[reportUnknownVariableType]
    source = cast(Any, result)
    if not isinstance(result, ConnectableObservable):
        return _derived(source, origin)
    connectable: ConnectableStream[Any] = ConnectableStream(source, origin.scheduler)
    connectable._origin = origin._origin or origin
    return connectable


def _derived(source: Observable[T], origin: Stream[Any] | ConnectableStream[Any]) -> Stream[T]:
    stream = Stream(source, origin.scheduler)
    stream._origin = origin._origin or origin
    return stream


class ConnectableStream(ConnectableObservable[T], FluentStream[T]):
    """The result of ``publish`` and ``replay``, with the scheduler for what is piped onto it."""

    _origin: Observable[Any] | None = None

    def __init__(self, plain: ConnectableObservable[T], scheduler: abc.SchedulerBase) -> None:
        super().__init__(plain.source, plain.subject)
        self.scheduler = scheduler
        self._default = _NowOrLater(scheduler)

    def __repr__(self) -> str:
        return f"<ConnectableStream piped from {self._origin!r}>"

    def connect(self, scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase | None:
        return super().connect(scheduler or self._default)

    def auto_connect(self, subscriber_count: int = 1) -> Stream[T]:
        return _derived(super().auto_connect(subscriber_count), self)

    def ref_count(self) -> Stream[T]:
        return _derived(super().ref_count(), self)

    def run(self, scheduler: abc.SchedulerBase | None = None) -> T:
        return _last_of(self, self.scheduler, scheduler or self._default)

    if not TYPE_CHECKING:
        __add__, __iadd__, dematerialize, exclusive, pluck, switch_latest = map(
            _through_pipe, _NOT_PIPED
        )

        def pipe(self, *operators):
            return _carrying(super().pipe(*operators), self)


def _last_of(source: Observable[T], delivery: abc.SchedulerBase, scheduler: abc.SchedulerBase) -> T:
    """Return the result of RxPY's ``run``, with a wait like the library's others: never on the
    thread that delivers it, in virtual time too, and with all disposed after Ctrl-C."""
    if not isinstance(delivery, SerialScheduler):
        return run(source, scheduler)
    delivery.check_wait("run()")
    gate = delivery.condition()
    last: AsyncSubject[T] = AsyncSubject()
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        with gate:
            ended = True
            gate.notify_all()

    last.subscribe(None, end, end)
    with source.subscribe(last, scheduler=scheduler), gate:
        delivery.wait(gate, lambda: ended)
    return last.run()


class Latest(Stream[T]):
    """A hot value: a subscriber gets the current one, then each that follows.

    Unlike a ``BehaviorSubject`` no observer is called under its lock: all are called on the thread
    of `delivery`, in the order in which the values were set, and one that raises is logged and
    affects no other.

    >>> with FakeRealtime() as fake:
    ...     _ = fake.client.realtime.status.subscribe(lambda status: print(status.state))
    ...     fake.advance(0)
    idle
    closed
    """

    def __init__(self, value: T, delivery: SerialScheduler) -> None:
        super().__init__(self._attach, delivery)
        self._delivery = delivery
        self._lock = threading.Lock()
        self._value = value
        self._observers: tuple[abc.ObserverBase[T], ...] = ()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Latest {short_repr(self._value, 300)}>"

    @property
    def value(self) -> T:
        """The current value."""
        return self._value

    def set(self, value: T) -> None:
        """Make `value` the current one and queue it for the observers. Never waits."""
        with self._lock:
            if self._closed:
                return
            self._value = value
            observers = self._observers
            # Queued under the lock: `post` only queues, and the order stays that of the values.
            for observer in observers:
                self._delivery.post(lambda observer=observer: observer.on_next(value))  # type: ignore[misc]

    def close(self, value: T) -> None:
        """Make `value` the last one; the observers get it by `end`."""
        with self._lock:
            self._value = value
            self._closed = True

    def end(self) -> None:
        """Deliver the last value to all observers and complete them, on the calling thread."""
        with self._lock:
            observers, self._observers = self._observers, ()
        for observer in observers:
            _complete(observer, self._value)

    def _attach(
        self, observer: abc.ObserverBase[T], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        with self._lock:
            value = self._value
            ended = self._closed
            if not ended:
                self._observers += (observer,)
                self._delivery.post(lambda: observer.on_next(value))
        if ended:
            _complete(observer, value)
        return Disposable(lambda: self._detach(observer))

    def _detach(self, observer: abc.ObserverBase[T]) -> None:
        with self._lock:
            self._observers = tuple(o for o in self._observers if o is not observer)


def _complete(observer: abc.ObserverBase[T], value: T) -> None:
    try:
        observer.on_next(value)
        observer.on_completed()
    except BaseException:
        log.exception("an observer raised at the end; the others go on")
