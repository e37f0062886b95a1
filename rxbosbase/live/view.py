"""Live views as users hold them: observables of snapshots, and what is made of these."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable

from rxbosbase.live.engine.snapshot import Change, Snapshot
from rxbosbase.realtime.api import check_seconds
from rxbosbase.realtime.session.registry import Subscriber
from rxbosbase.runtime.streams import Stream

from .driver import ViewDriver
from .manager import LiveViewManager

__all__ = ["LiveView"]

T = TypeVar("T")


class LiveView(Stream[Snapshot[T]], Generic[T]):
    """A query that stays true: an observable of `Snapshot`. Get it by ``collection.live(…)``.

    It begins with its first subscriber, or on entering ``with view:``, and ends with the last.
    Equal views of a client share one. A late subscriber gets the current snapshot at once.

    Example:
        ``with posts.live(filter="n > 1") as view: print(len(view.wait_fresh(10).records))``
    """

    def __init__(
        self, hub: LiveViewManager, key: Hashable, make: Callable[[], ViewDriver[T]], owner: object
    ) -> None:
        super().__init__(self._attach, hub.delivery)
        self._hub = hub
        self._key = key
        self._make = make
        self._owner = owner
        self._entered: list[ViewDriver[T]] = []
        self._cores: list[ViewDriver[T]] = []  # those this object holds: an ended one tells why

    def __enter__(self) -> LiveView[T]:
        self._entered.append(self._acquire())
        return self

    def __exit__(self, *_: object) -> None:
        self._release(self._entered.pop())

    @property
    def current(self) -> Snapshot[T]:
        """The newest snapshot; an empty one of version 0 until the first read is complete.

        Raises:
            RuntimeError: nobody is subscribed, and this is not inside ``with view:``.
        """
        return self._core().screen.current

    def wait_fresh(self, timeout: float = 10.0) -> Snapshot[T]:
        """Waits until the view is complete and connected, and returns its snapshot.

        Raises:
            RequestTimeoutError: not within `timeout` seconds.
            ClientResponseError: the query is refused: 400, 403 or 404.
            RuntimeError: nobody is subscribed, and this is not inside ``with view:``; or a model of
                this view waits for it.
        """
        check_seconds("timeout", timeout)
        return self._core().screen.wait_fresh(timeout)

    def changes(self) -> Observable[Change[T]]:
        """The changes alone; a subscriber first gets each record there is as ``"added"``."""

        def subscribe(
            observer: abc.ObserverBase[Change[T]], scheduler: abc.SchedulerBase | None
        ) -> abc.DisposableBase:
            begun = False

            def on_next(snapshot: Snapshot[T]) -> None:
                nonlocal begun
                changes = snapshot.changes if begun else _all_added(snapshot)
                begun = True
                for change in changes:
                    observer.on_next(change)

            return self.subscribe(
                on_next, observer.on_error, observer.on_completed, scheduler=scheduler
            )

        return Stream(subscribe, self.scheduler)

    def record(self, id: str) -> Observable[T | None]:
        """One record of the view: its value now, then each new one; None while it is not there.

        While it cannot be decoded there is nothing new to show: the last value stands.
        """
        return self.pipe(  # type: ignore[no-any-return]
            ops.filter(lambda snapshot: id not in snapshot.unreadable),
            ops.map(lambda snapshot: snapshot.by_id.get(id)),
            ops.distinct_until_changed(),
        )

    def _core(self) -> ViewDriver[Any]:
        for core in self._cores[-1:]:
            return core
        running = self._hub.find(self._key)
        if running is None:
            raise RuntimeError("the view is not running: subscribe to it, or use `with view:`")
        return running

    def _acquire(self) -> ViewDriver[T]:
        core = self._hub.acquire(self._key, self._make)
        self._cores.append(core)
        return core

    def _release(self, core: ViewDriver[T]) -> None:
        self._cores.remove(core)
        self._hub.release(self._key, core)

    def _attach(
        self, observer: abc.ObserverBase[Snapshot[T]], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        subscriber = Subscriber(observer.on_next, observer.on_error, observer.on_completed)
        core = self._acquire()

        def leave(_: object = self._owner) -> None:
            core.screen.detach(subscriber)
            self._release(core)

        held = Disposable(leave)
        core.screen.attach(subscriber, held.dispose)
        return held


def _all_added(snapshot: Snapshot[T]) -> list[Change[T]]:
    if snapshot.version == 1:
        return list(snapshot.changes)
    return [Change("added", record, None, None, at) for at, record in enumerate(snapshot.records)]
