"""``FakeRealtime``: a client and its server in one process and in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, cast

from rxbosbase.auth import AuthStore
from rxbosbase.client import BosBase
from rxbosbase.errors import ClientResponseError, StreamLostError
from rxbosbase.live.hub import LiveHub
from rxbosbase.loop import LoopScheduler
from rxbosbase.pool import ReadPool
from rxbosbase.realtime.monitor import ConnectionMonitor
from rxbosbase.realtime.preflight import Preflight
from rxbosbase.realtime.reconnect import BackoffPolicy
from rxbosbase.realtime.settings import Settings
from rxbosbase.rooms import Rooms

from .clock import VirtualClock, VirtualCondition, VirtualLoop
from .database import DATABASES
from .tables import Matches, Record, Tables
from .views import FakeHub
from .wire import FakeService, FakeTransport

__all__ = ["FakeRealtime"]

Action = Literal["create", "update", "delete"]

_REASONS = {400: "Something went wrong.", 403: "Only superusers can perform this action."}


class FakeRealtime:
    """A client without a server, in virtual time: a drop-in for code that takes a `BosBase`.

    `client` is a real `BosBase`, with the library's own streams, reconnection, checks and
    delivery; only the sockets, the threads and the clock are replaced. Everything runs on the
    calling thread, and has happened when a method of the fake returns. There are no timers but
    `advance`. The server behind it is a few tables: see `records`, `filters` and `answers`.

    Args:
        backoff: how the client waits between attempts; without jitter by default, so that a test
            can count.
        on_auth_lost: as for `BosBase`.
        order: whose order the server has. ``"sqlite"`` is PocketBase's: text by its bytes, nulls
            first. ``"postgres"`` is BosBase's, a PostgreSQL with the collation ``en_US``: case,
            accents and punctuation count last (``'' 🦊 10 9 -a a A á 'a b' … Z``), also for
            ``id > "x"`` and for ``'Z' < 'a'`` in a filter, and nulls are above all values: last,
            and first where the order is descending. Ids are UUIDs in the order of time there,
            records have ``createdBy`` and ``updatedBy``, and a sort by a relation's field is a
            400.

    Raises:
        ValueError: no such `order`.

    Attributes:
        client: what the code under test gets.
        clock: `VirtualClock`; its ``now`` is in seconds.
        records: what the server holds: ``{collection: {id: record}}``. Fill it before the test.
        filters: what each filter text means, as a function of the record; the fake reads
            none but comparisons of two quoted texts, such as ``'Z' < 'a'``.
        hidden: ``{collection: {field}}``: what events lack, while lists and views have it. So are
            the hidden fields of a collection to a superuser, on BosBase and PocketBase ≤ 0.39.0.
        answers: ``{(method, path): answer}`` for other requests: a value, an exception to raise,
            or a function of the body.

    Example:
        >>> with FakeRealtime() as fake:
        ...     posts = fake.client.collection("posts")
        ...     unsubscribe = posts.subscribe("*", lambda event: print(event.action))
        ...     delivered = fake.push("posts", "create", {"title": "Hi"})
        ...     fake.drop()
        ...     print(fake.client.realtime.status.value.state)
        ...     fake.advance(0.2)
        ...     print(fake.client.realtime.status.value.state)
        create
        waiting
        active
    """

    def __init__(
        self,
        *,
        backoff: BackoffPolicy | None = None,
        on_auth_lost: Literal["error", "guest"] = "error",
        order: Literal["sqlite", "postgres"] = "sqlite",
    ) -> None:
        if order not in DATABASES:
            raise ValueError(f"order must be 'sqlite' or 'postgres', not {order!r}")
        self.clock = VirtualClock()
        self._tables = Tables(self._written, DATABASES[order](), lambda: self.clock.now)
        self._policy = backoff or BackoffPolicy(jitter=False)
        self._rooms = _FakeRooms(self.clock, self._tables, self._policy, on_auth_lost)
        self._hub = self._rooms.hub
        self.client: BosBase = _FakeClient(self._rooms)
        self.records = self._tables.rows
        self.filters: dict[str, Matches] = self._tables.filters
        self.answers: dict[tuple[str, str], Any] = self._tables.answers
        self.hidden: dict[str, set[str]] = {}

    def __enter__(self) -> FakeRealtime:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def scheduler(self) -> LoopScheduler:
        """The client's own, in virtual time: for tests that schedule their own events."""
        return self.client.scheduler

    @property
    def topics(self) -> set[str]:
        """The topics that the server holds now, those of live views too, without options."""
        self.clock.run()
        return {
            name
            for wire in self._rooms.wires
            for line in wire.lines
            for name, _ in line.topics.values()
        }

    def add_user(
        self,
        identity: str,
        password: str,
        record: Mapping[str, Any] | None = None,
        *,
        collection: str = "users",
    ) -> Record:
        """Somebody who can log in: ``fake.add_user("ada@example.com", "password123")``.

        Delete that record, and the login is lost: `BosBase.auto_refresh` notices it.

        Returns:
            the record, with an id, in `records`; the fields of `record` are put into it.
        """
        made = self._tables.change(collection, "create", {"email": identity, **(record or {})})
        self._tables.logins.add(collection, identity, password, made["id"])
        self._changed()
        return dict(made)

    def push(self, collection: str, action: Action, record: Mapping[str, Any]) -> int:
        """Something happens on the server: `records` changes, and the subscribers hear of it.

        An update takes the changed fields alone (with the id) and sends the whole record. While
        nobody is connected the event is lost, as it would be.

        Returns:
            on how many topics it went out, those of live views not counted.

        Raises:
            ValueError: no such action, no id, or a filter whose meaning is not in `filters`.
        """
        if action not in ("create", "update", "delete"):
            raise ValueError(f"action must be 'create', 'update' or 'delete', not {action!r}")
        self.clock.run()  # whoever has subscribed before this line hears it
        return self._written(collection, action, self._tables.change(collection, action, record))

    def send(self, topic: str, data: Any) -> int:
        """A message on a custom topic, for ``client.realtime.observe(topic)``."""
        self.clock.run()
        lines = list(self._rooms.wire.lines)
        sent = 0
        for line in lines:
            wires = [wire for wire, (name, _) in line.topics.items() if name == topic]
            line.send(wires, data)
            sent += len(wires)
        self._settle()
        return sent

    def advance(self, seconds: float) -> None:
        """Lets time pass: debounces, samples, backoffs and timeouts run, in their order."""
        self.clock.advance(seconds)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Calls ``call()`` once `seconds` have passed, for a test that is written as a script:
        ``fake.later(1.5, lambda: fake.push(…))``. What it raises is raised by `advance`."""
        self.clock.put(VirtualLoop(self.clock, "test", raises=True), seconds, call)

    def drop(self) -> None:
        """The connection breaks; the client comes back after its backoff (`advance`)."""
        self._lose()
        wait = self._policy.delay(1)
        self._rooms.control.call_later(wait, self._recover)

    def stop(self) -> None:
        """The server goes down: connections break, and no request is answered until `start`."""
        for wire in self._rooms.wires:
            wire.accepts = False
        self._lose()

    def start(self) -> None:
        """The server is back; the client finds it at its next attempt, live views at once."""
        for wire in self._rooms.wires:
            wire.accepts = True
        self._recover()
        self._settle()

    def refuse(self, collection: str, status: int = 403, message: str = "") -> None:
        """From now on the collection's subscriptions and requests end with this error.

        Subscriptions that stand go silent, as on the server. ``404`` stands for a collection
        that does not exist, ``400`` for a broken filter.
        """
        text = message or _REASONS.get(status, "The requested resource wasn't found.")
        path = f"/api/collections/{collection}/records"
        self._tables.refused[collection] = ClientResponseError(status, path, message=text)
        self._rooms.preflight._trusted.clear()
        self._changed()

    def allow(self, collection: str) -> None:
        """Takes `refuse` back."""
        self._tables.refused.pop(collection, None)
        self._changed()

    def close(self) -> None:
        """Closes the client, as it does itself: its streams complete."""
        self.client.close()

    def _written(self, collection: str, action: str, record: Record) -> int:
        sent = 0
        if collection not in self._tables.refused:
            hidden = self.hidden.get(collection, ())
            told = {name: value for name, value in record.items() if name not in hidden}
            content = {"record": told, "action": action}
            lines = list(self._rooms.wire.lines)
            wires = [
                list(self._tables.matching_topics(line.topics, collection, record))
                for line in lines
            ]
            for line, topics in zip(lines, wires, strict=True):
                line.send(topics, content)
                sent += len(topics)
        self._changed()
        return sent

    def _lose(self) -> None:
        self.clock.run()
        self._hub.reachable = False
        for wire in self._rooms.wires:
            for line in list(wire.lines):
                line.end(StreamLostError("the fake broke the connection"))
        self._changed()

    def _recover(self) -> None:
        if self._rooms.wire.accepts:
            self._hub.reachable = True
            self._hub.refresh()

    def _changed(self) -> None:
        self._hub.refresh()
        self._settle()

    def _settle(self) -> None:
        # Inside a callback it goes on by itself when that returns.
        if not self._rooms.delivery.is_current:
            self.clock.run()


class _LoopPool(ReadPool):
    """Runs reads on the control loop: they answer at once."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self.submit = loop.post  # type: ignore[method-assign]


class _FakeRooms(Rooms):
    """The library's rooms, with virtual loops and the fake's wire in place of the real ones."""

    def __init__(
        self, clock: VirtualClock, tables: Tables, policy: BackoffPolicy, on_auth_lost: str
    ) -> None:
        self.store = AuthStore()
        control, delivery = VirtualLoop(clock, "control"), VirtualLoop(clock, "delivery")
        self.wire = FakeTransport("fake-client", control, tables, lambda: self.store.token)
        super().__init__(self.wire, self.store, policy, 330.0, 2**24, on_auth_lost)
        settings = Settings(
            transport=self.wire,
            control=control,
            delivery=delivery,
            policy=policy,
            idle_timeout=330.0,
            max_event_bytes=2**24,
            identity=lambda: self.store.state.identity,
        )
        pool = _LoopPool(control)
        self.preflight = Preflight(self._check, pool, control, policy, settings.identity)
        self.control, self.delivery, self.pool = control, delivery, pool
        self.monitor = ConnectionMonitor(delivery, VirtualCondition(clock), lambda: clock.now)
        self.realtime = FakeService(settings, self.preflight, self.monitor)
        self.views_wire = FakeTransport("fake-views", control, tables, lambda: self.store.token)
        views = FakeService(
            replace(settings, transport=self.views_wire), self.preflight, self.monitor
        )
        self.hub = FakeHub(tables, delivery, views)
        self._live = cast(LiveHub, self.hub)

    @property
    def wires(self) -> tuple[FakeTransport, FakeTransport]:
        """The user's, and that of the live views."""
        return self.wire, self.views_wire

    def _check(self, path: str, *_: object) -> Any:
        return self.wire.check(path)


class _FakeClient(BosBase):
    """A client in the fake's rooms."""

    def __init__(self, rooms: _FakeRooms) -> None:
        super().__init__(rooms.wire.base_url, auth_store=rooms.store)
        self._finalizer.detach()
        self._rooms._auth.dispose()  # those rooms never came to life
        self.transport, self._rooms = rooms.wire, rooms
        self.single_flight = rooms.single_flight
