"""Live views of the fake: what its tables hold, shown while it is reachable.

The real view's work is to repair what a stream loses. Nothing is lost between the fake's tables
and this, so it reads them whole; what an observer sees (snapshots, changes, fresh) is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from rxbosbase.dialect import FilterDialect
from rxbosbase.errors import (
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    RequestTimeoutError,
)
from rxbosbase.live.core import ViewCore
from rxbosbase.live.evidence import TextOrder
from rxbosbase.live.messages import Edit
from rxbosbase.live.ordering import UnorderableError
from rxbosbase.live.snapshot import Snapshot
from rxbosbase.live.source import RecordSource
from rxbosbase.realtime.delivery import dispatch, guarded
from rxbosbase.realtime.registry import Subscriber
from rxbosbase.realtime.service import RealtimeService

from .clock import VirtualLoop
from .tables import Record, Tables

__all__ = ["FakeHub"]


class _View:
    """One shared view, in the place of a `ViewCore`, and its screen."""

    def __init__(self, hub: FakeHub, core: ViewCore[Any]) -> None:
        self.users = 0
        self.screen = self
        self._hub = hub
        self._source = core._source
        self._snapshot: Snapshot[Any] = core.screen.current
        self._rows: dict[str, Record] = {}
        self._error: Exception | None = None
        self._ended = False
        self._completed = False
        self._topics: list[Subscriber] = []
        self._leaving: dict[Subscriber, Callable[[], object]] = {}
        self._observers: tuple[Subscriber, ...] = ()

    @property
    def current(self) -> Snapshot[Any]:
        if self._error is not None:
            raise self._error
        return self._snapshot

    def wait_fresh(self, timeout: float) -> Snapshot[Any]:
        clock = self._hub.delivery.clock
        clock.wait_for(lambda: self._snapshot.fresh or self._ended, timeout)
        if not self.current.fresh or self._completed:
            if self._ended:
                raise ClientClosedError("the view has ended")
            raise RequestTimeoutError(f"the view was not fresh within {timeout:g} s")
        return self._snapshot

    def attach(self, observer: Subscriber, leave: Callable[[], object]) -> None:
        self._leaving[observer] = leave
        self._observers += (observer,)
        if self._error is not None:
            error = self._error
            self._hub.delivery.post(lambda: observer.on_error(error))
        elif self._snapshot.version:
            shown = self._snapshot
            self._hub.delivery.post(lambda: dispatch((observer,), shown, self._expel))

    def detach(self, observer: Subscriber) -> None:
        observer.silence()
        self._leaving.pop(observer, None)
        self._observers = tuple(other for other in self._observers if other is not observer)

    def _expel(self, observer: Subscriber) -> None:
        leave = self._leaving.get(observer)
        if leave is not None:
            leave()

    def begin(self) -> None:
        for topic in (self._source.topic(), self._source.watch()):
            if topic is not None:
                subscriber = Subscriber(_unheard, self.fail, _nothing, keeps=True)
                self._topics.append(subscriber)
                self._hub.service.attach(topic, subscriber, None, urgent=False)
        self._hub.delivery.post(self.refresh)

    def end(self) -> None:
        self._ended = True
        topics, self._topics = self._topics, []
        for topic in topics:
            self._hub.service.detach(topic)

    def complete(self) -> None:
        self.end()
        self._completed = True
        observers, self._observers = self._observers, ()
        for observer in observers:
            guarded(observer.on_completed)

    def refresh(self) -> None:
        """Shows what the tables hold, or that the fake cannot be reached."""
        if self._ended:
            return
        try:
            snapshot = self._read() if self._hub.reachable else self._snapshot
        except (BosBaseError, ValueError) as error:
            self.fail(error)
            return
        if snapshot.fresh != self._hub.reachable and snapshot.version:
            snapshot = snapshot.refreshed(self._hub.reachable)
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            dispatch(self._observers, snapshot, self._expel)

    def _read(self) -> Snapshot[Any]:
        before, query, tables = self._snapshot, self._source.query, self._hub.tables
        tables.check(query.path)
        found = tables.select(query.collection, query.get("filter"), query.sort, query.limit)
        if isinstance(self._source, RecordSource):
            found = [row for row in found if row["id"] == self._source._id]
        rows = {row["id"]: row for row in found}
        if before.version and before.fresh and list(rows.items()) == list(self._rows.items()):
            return before
        caught_up = before.version > 0 and not before.fresh
        old, self._rows = self._rows, rows
        if before._order is None or not tables.database.is_ordered_by_clients:
            return before.arrange(found, fresh=True, caught_up=caught_up)
        gone = [Edit(id, row, None, caught_up) for id, row in old.items() if id not in rows]
        here = [
            Edit(id, old.get(id), row, caught_up) for id, row in rows.items() if old.get(id) != row
        ]
        try:
            return before.advance([*gone, *here], fresh=True)
        except UnorderableError:  # from here on the server arranges it, as a real one would
            return before.arrange(found, fresh=True, caught_up=caught_up)

    def fail(self, error: Exception) -> None:
        """Ends with `error`."""
        self._error = error
        self._hub.forget(self)
        self.end()
        observers, self._observers = self._observers, ()
        for observer in observers:
            guarded(partial(observer.on_error, error))


def _unheard(_: object) -> None:
    """The views read the tables; their topics are there for the status."""


def _nothing() -> None:
    """A view completes with the client."""


class FakeHub:
    """The views of the fake's client, in the place of a `LiveHub`."""

    def __init__(self, tables: Tables, loop: VirtualLoop, service: RealtimeService) -> None:
        self.tables = tables
        self.delivery = self.loop = loop
        self.service = service
        self.dialect = FilterDialect(self.read)
        self.text_order = TextOrder()
        self.reachable = True
        self.pool = None
        self._views: dict[Hashable, _View] = {}
        self._closed = False

    def read(self, *_: object) -> Any:
        """Never asked: the views read the tables."""
        raise ClientResponseError(404, message="the fake's views make no reads")

    def show_trouble(self) -> None:
        """The tables hold values, not JSON: each can be read, and at once."""

    def refresh(self) -> None:
        """Something changed: the views look, one after the other, on the delivery loop."""
        for view in list(self._views.values()):
            self.delivery.post(view.refresh)

    def acquire(self, key: Hashable, make: Callable[[], ViewCore[Any]]) -> _View:
        """The view of this key, begun by the first who asks."""
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = _View(self, make())
            view.begin()
        view.users += 1
        return view

    def release(self, key: Hashable, view: _View) -> None:
        """One user less; the last one ends the view."""
        view.users -= 1
        if not view.users:
            view.end()
            if self._views.get(key) is view:
                del self._views[key]

    def find(self, key: Hashable) -> _View | None:
        """The running view of this key."""
        return self._views.get(key)

    def forget(self, view: _View) -> None:
        """A view that has failed is shared no more."""
        self._views = {key: other for key, other in self._views.items() if other is not view}

    def identity_changed(self, *, other: bool) -> None:
        """Whoever is logged in sees the same here; the stream is another's."""
        self.service.identity_changed()

    def close(self) -> None:
        """No view begins any more."""
        self._closed = True
        self.service.close()
        for view in list(self._views.values()):
            view.end()

    def finish(self) -> None:
        """Completes all views."""
        for view in list(self._views.values()):
            view.complete()
