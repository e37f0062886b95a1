"""``FakeRealtime``: a client and its server in one process and in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from rxbosbase._runtime import ClientRuntime
from rxbosbase.auth.store import AuthStore
from rxbosbase.backoff import BackoffPolicy
from rxbosbase.client import IDLE_TIMEOUT, BosBase
from rxbosbase.errors import ClientResponseError
from rxbosbase.realtime.protocol.frames import MAX_FRAME_BYTES
from rxbosbase.runtime.scheduler import SerialScheduler

from .database import DATABASES
from .literals import Matches
from .memory import MemoryTransport
from .tables import NOTHING, Record, Tables
from .virtual_time import VirtualClock, VirtualScheduler, VirtualTime

__all__ = ["FakeRealtime"]

Action = Literal["create", "update", "delete"]

_REASONS = {400: "Something went wrong.", 403: "Only superusers can perform this action."}


class FakeRealtime:
    """A client without a server, in virtual time: a drop-in for code that takes a `BosBase`.

    `client` is a real `BosBase`, with the library's own streams, reconnection, checks, delivery
    and live views; only the sockets, the threads and the clock are replaced. Everything runs on
    the calling thread, and when a method of the fake returns, all that is due has happened. There
    are no timers but `advance`: a live view's waits pass by it, too, such as the 0.2 s until a
    record that has left the filter disappears. The server behind it is a few tables: see
    `records`, `filters` and `answers`. Its streams end when the test says so.

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
        records: what the server holds: ``{collection: {id: record}}``. Fill it before the test:
            no event tells of what is put there.
        filters: what each filter text means, as a function of the record. The fake reads by
            itself what the library puts beside it, such as ``(…) && id > 'x'``, and comparisons
            of two quoted texts, such as ``'Z' < 'a'``. Where a filter is missing here, a
            ValueError says so, which `push` raises, or whoever lets time pass.
        hidden: ``{collection: {field}}``: what events lack, while lists and views have it. So are
            the hidden fields of a collection to a superuser, on BosBase and PocketBase ≤ 0.39.0.
        answers: ``{(method, path): answer}`` for other requests: a value, an exception to raise,
            or a function of the body. For a stream (``GET``) and its topics (``POST``), both of
            ``/api/realtime``, an exception alone is an answer.

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
        store = AuthStore()
        self._network = MemoryTransport(self._tables, self.clock, lambda: store.token)
        rooms = ClientRuntime(
            self._network, store, backoff or BackoffPolicy(jitter=False), IDLE_TIMEOUT,
            MAX_FRAME_BYTES, on_auth_lost, runtime=VirtualTime(self.clock),
        )  # fmt: skip
        self.client: BosBase = BosBase._from_rooms(rooms)
        self.records = self._tables.rows
        self.filters: dict[str, Matches] = self._tables.filters
        self.answers: dict[tuple[str, str], Any] = self._tables.answers
        self.hidden: dict[str, set[str]] = self._tables.hidden

    def __enter__(self) -> FakeRealtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def scheduler(self) -> SerialScheduler:
        """The client's own, in virtual time: for tests that schedule their own events."""
        return self.client.scheduler

    @property
    def topics(self) -> set[str]:
        """The topics that the server holds now, those of live views too, without options."""
        self.clock.run()
        return {name for each in self._network.streams for name, _ in each.topics.values()}

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
        self._written(collection, "create", made)
        return dict(made)

    def push(
        self,
        collection: str,
        action: Action,
        record: Mapping[str, Any],
        *,
        delay: float | None = 0.0,
    ) -> int:
        """Something happens on the server: `records` changes, and the subscribers hear of it.

        An update takes the changed fields alone (with the id) and sends the whole record. While
        nobody is connected the event is lost, as it would be.

        Args:
            delay: seconds until the event arrives: those pushed meanwhile overtake it. None: it
                is lost on its way.

        Returns:
            on how many topics it went out, those of live views not counted; 0 if it is lost.

        Raises:
            ValueError: no such action, no id, a delay below 0, or a filter whose meaning is not in
                `filters`.
        """
        if action not in ("create", "update", "delete"):
            raise ValueError(f"action must be 'create', 'update' or 'delete', not {action!r}")
        if delay is not None and not delay >= 0:
            raise ValueError(f"delay must be 0 or more seconds, or None, not {delay!r}")
        self.clock.run()  # whoever has subscribed before this line hears it
        changed = self._tables.change(collection, action, record)
        return self._written(collection, action, changed, delay)

    def send(self, topic: str, data: Any) -> int:
        """A message on a custom topic, for ``client.realtime.observe(topic)``."""
        self.clock.run()
        sent = self._network.publish(lambda name, _: data if name == topic else NOTHING)
        self.clock.run()
        return sum(sent.values())

    def advance(self, seconds: float) -> None:
        """Lets time pass: debounces, samples, backoffs and timeouts run, in their order."""
        self.clock.advance(seconds)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Calls ``call()`` once `seconds` have passed, for a test that is written as a script:
        ``fake.later(1.5, lambda: fake.push(…))``. What it raises is raised by `advance`."""
        self.clock.put(VirtualScheduler(self.clock, "test", raises=True), seconds, call)

    def drop(self) -> None:
        """The connection breaks; the client comes back after its backoff (`advance`)."""
        self.clock.run()
        self._network.drop()
        self.clock.run()

    def end_streams(self) -> None:
        """The server ends all streams as it does after a while; the client is back at once. A
        stream that is younger than 5 s counts as broken."""
        self.clock.run()
        self._network.end()
        self.clock.run()

    def stop(self) -> None:
        """The server goes down: connections break, and no request is answered until `start`."""
        self.clock.run()
        self._network.accepts = False
        self.drop()

    def start(self) -> None:
        """The server is back; the client finds it at its next attempt."""
        self._network.accepts = True
        self.clock.run()

    def refuse(self, collection: str, status: int = 403, message: str = "") -> None:
        """From now on the collection's subscriptions and requests end with this error.

        What stands goes silent, as on the server: a live view ends when it reads next. Whoever
        subscribes within 30 s after another is not checked again. ``404`` stands for a collection
        that does not exist, ``400`` for a broken filter.
        """
        self.clock.run()
        text = message or _REASONS.get(status, "The requested resource wasn't found.")
        path = f"/api/collections/{collection}/records"
        self._tables.refused[collection] = ClientResponseError(status, path, message=text)

    def allow(self, collection: str) -> None:
        """Takes `refuse` back."""
        self._tables.refused.pop(collection, None)

    def close(self) -> None:
        """Closes the client, as it does itself: its streams complete."""
        self.client.close()

    def _written(
        self, collection: str, action: str, record: Record, delay: float | None = 0.0
    ) -> int:
        names = (f"{collection}/*", f"{collection}/{record['id']}")
        sent = self._network.publish(
            lambda name, query: (
                self._tables.event(collection, action, record, query) if name in names else NOTHING
            ),
            delay,
        )
        mine = {each.status.client_id for each in self.client.service.drivers}
        if not self.client.scheduler.is_current:  # a callback goes on first, as with threads
            self.clock.run()
        return sum(count for client_id, count in sent.items() if client_id in mine)
