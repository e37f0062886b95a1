"""Live views, as ``collection.live`` returns them: observables of snapshots."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxbosbase.encoding.control_characters import short_repr
from rxbosbase.encoding.record import T
from rxbosbase.live.engine.snapshot import Change, Snapshot
from rxbosbase.realtime.api import check_seconds
from rxbosbase.realtime.session.registry import Subscriber
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.streams import Stream

from .driver import ViewDriver
from .manager import LiveViewManager
from .source import Query

__all__ = ("LiveView",)


class LiveView(Stream[Snapshot[T]], Generic[T]):
    """A query that stays true: an observable of `Snapshot`. Get it by ``collection.live(…)``.

    It begins with its first subscriber, or on entering ``with view:``, and ends with the last.
    Equal views of a client share one. A late subscriber gets the current snapshot at once.

    >>> with FakeRealtime() as fake:
    ...     fake.records["posts"] = {"a": {"id": "a", "n": 2}}
    ...     with fake.client.collection("posts").live(sort="n") as view:
    ...         print(len(view.wait_fresh(timeout=10).records))
    ...         _ = fake.push("posts", "create", {"id": "b", "n": 1})
    ...         print([record["id"] for record in view.current.records])
    1
    ['b', 'a']
    """

    scheduler: SerialScheduler

    def __init__(
        self,
        manager: LiveViewManager,
        key: Hashable,
        make: Callable[[], ViewDriver[T]],
        owner: object,
        query: Query,
    ) -> None:
        super().__init__(self._attach, manager.delivery)
        self._query = query
        self._manager = manager
        self._key = key
        self._make = make
        self._owner = owner
        self._entered: list[ViewDriver[T]] = []
        self._drivers: list[ViewDriver[T]] = []  # in use here; an ended one has the reason

    def __repr__(self) -> str:
        query = self._query
        given = {**query.given, "sort": query.sort, "limit": query.limit}
        options = "".join(f" {key}={short_repr(value)}" for key, value in given.items() if value)
        running = self._drivers[-1] if self._drivers else self._manager.find(self._key)
        state = "not running" if running is None else running.publisher.summary
        return f"<LiveView {short_repr(query.collection)}{options}, {state}>"

    def __enter__(self) -> LiveView[T]:
        self._entered.append(self._acquire())
        return self

    def __exit__(self, *_: object) -> None:
        self._release(self._entered.pop())

    @property
    def current(self) -> Snapshot[T]:
        """The newest snapshot; an empty one of version 0 until the first read is complete.

        Raises:
            RuntimeError: there is no subscriber, and this is not inside ``with view:``.
        """
        return self._driver().publisher.current

    def wait_fresh(self, timeout: float = 10.0) -> Snapshot[T]:
        """Wait until the view is complete and connected, and return its snapshot.

        Args:
            timeout: the longest wait in seconds.

        Raises:
            RequestTimeoutError: not within `timeout` seconds.
            ClientResponseError: the query is refused: 400, 403 or 404.
            ClientClosedError: the client was closed.
            RuntimeError: no subscriber, and not inside ``with view:``; or a model of
                this view waits for it.
            TypeError, ValueError: `timeout` is no finite number above 0.
        """
        check_seconds("timeout", timeout)
        return self._driver().publisher.wait_fresh(timeout)

    def changes(self) -> Stream[Change[T]]:
        """Return the changes alone; a subscriber first gets each record there is as ``"added"``.

        >>> with FakeRealtime() as fake:
        ...     changes = fake.client.collection("posts").live(limit=10).changes()
        ...     _ = changes.subscribe(lambda change: print(change.type, change.record))
        ...     _ = fake.push("posts", "create", {"id": "a"})
        ...     fake.advance(1)  # with a limit, the window is read again
        added {'id': 'a'}
        """

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

        return self.pipe(lambda _: Observable(subscribe))

    def record(self, id: str) -> Stream[T | None]:
        """Return one record of the view: its value now, then each new one; None while it is absent.

        While it cannot be decoded nothing is emitted: the last value stays.

        Args:
            id: the record's id.

        >>> with FakeRealtime() as fake:
        ...     _ = fake.client.collection("posts").live().record("a").subscribe(print)
        ...     _ = fake.push("posts", "create", {"id": "a"})
        None
        {'id': 'a'}
        """
        readable = self.filter(lambda snapshot: id not in snapshot.unreadable)
        return readable.map(lambda snapshot: snapshot.by_id.get(id)).distinct_until_changed()

    def _driver(self) -> ViewDriver[T]:
        for driver in self._drivers[-1:]:
            return driver
        running: ViewDriver[T] | None = self._manager.find(self._key)
        if running is None:
            raise RuntimeError("the view is not running: subscribe to it, or use `with view:`")
        return running

    def _acquire(self) -> ViewDriver[T]:
        driver = self._manager.acquire(self._key, self._make)
        self._drivers.append(driver)
        return driver

    def _release(self, driver: ViewDriver[T]) -> None:
        self._drivers.remove(driver)
        self._manager.release(self._key, driver)

    def _attach(
        self, observer: abc.ObserverBase[Snapshot[T]], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        subscriber = Subscriber(observer.on_next, observer.on_error, observer.on_completed)
        driver = self._acquire()

        def leave(_: object = self._owner) -> None:
            driver.publisher.detach(subscriber)
            self._release(driver)

        subscription = Disposable(leave)
        driver.publisher.attach(subscriber, subscription.dispose)
        return subscription


def _all_added(snapshot: Snapshot[T]) -> list[Change[T]]:
    if snapshot.version == 1:
        return list(snapshot.changes)
    return [Change("added", record, None, None, at) for at, record in enumerate(snapshot.records)]
