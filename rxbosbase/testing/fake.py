"""``FakeRealtime``: a client and its server in one process and in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from rxbosbase._runtime import ClientRuntime
from rxbosbase.auth.store import AuthStore
from rxbosbase.client import IDLE_TIMEOUT, BosBase, client_of
from rxbosbase.encoding.record import Record
from rxbosbase.errors import ClientResponseError
from rxbosbase.events import Action
from rxbosbase.realtime.protocol.frames import MAX_FRAME_BYTES
from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.runtime.scheduler import SerialScheduler

from .database import DATABASES
from .literals import Matches
from .memory import MemoryTransport
from .tables import NOTHING, Tables
from .virtual_time import VirtualClock, VirtualScheduler, VirtualTime

__all__ = ("FakeRealtime",)


_REASONS = {400: "Something went wrong.", 403: "Only superusers can perform this action."}


class FakeRealtime:
    """A client without a server, in virtual time: a drop-in for code that takes a `BosBase`.

    `client` is a real `BosBase`, with the library's own streams, reconnection, checks, delivery
    and live views; only the sockets, the threads and the clock are replaced. Everything runs on
    the calling thread, and when a method of the fake returns, everything that is due has run; an
    error of the test's own code in it is raised there, as by `advance`. Only `advance` lets time
    pass, also the waits of a live view, such as the 0.2 s until a record that has left the filter
    disappears. The server consists of a few tables: see `records`, `filters` and `answers`. Its
    streams end only by a method of the fake.

    Args:
        backoff: the client's waits between attempts; without jitter by default, so that a test
            can compute them.
        on_auth_lost: as for `BosBase`.
        order: the order of text on the server. ``"sqlite"`` is PocketBase's: by bytes, nulls
            first. ``"postgres"`` is BosBase's, with the collation ``en_US``: case, accents and
            punctuation count last (``'' 🦊 10 9 -a a A á 'a b' … Z``), also in filters, and nulls
            are above all values. Ids are UUIDs in the order of time there, records have
            ``createdBy`` and ``updatedBy``, and a sort by a relation's field is a 400.

    Raises:
        ValueError: no such `order`.

    Attributes:
        client: the `BosBase` for the code under test.
        clock: `VirtualClock`; its ``now`` is in seconds.
        records: the records of the server: ``{collection: {id: record}}``. Fill it before the
            test: a change of it sends no event.
        filters: the function of the record that each filter text stands for. The fake itself
            evaluates what the library adds to it, such as ``(…) && id > 'x'``, and comparisons
            of two quoted texts, such as ``'Z' < 'a'``. A filter that is missing here is a
            ValueError, raised by `push` or by the call that lets time pass.
        hidden: ``{collection: {field}}``: fields that events do not have, but lists and views
            have, as the hidden fields of a collection for a superuser on BosBase and
            PocketBase ≤ 0.39.0.
        answers: ``{(method, path): answer}`` for other requests: a value, an exception to raise,
            or a function of the body. For a stream (``GET``) and its topics (``POST``), both of
            ``/api/realtime``, only an exception is an answer.

    Example:
        >>> with FakeRealtime() as fake:
        ...     posts = fake.client.collection("posts")
        ...     unsubscribe = posts.subscribe("*", lambda event: print(event.action))
        ...     delivered = fake.push("posts", "create", {"title": "Hi"})
        ...     fake.drop()
        ...     fake
        ...     fake.advance(0.2)
        ...     fake
        create
        <FakeRealtime waiting, at 0 s, 1 records>
        <FakeRealtime active, at 0.2 s, 1 records>
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
        self.clock: VirtualClock = VirtualClock()
        self._tables = Tables(self._written, DATABASES[order](), lambda: self.clock.now)
        store = AuthStore()
        self._network = MemoryTransport(self._tables, self.clock, lambda: store.token)
        client_runtime = ClientRuntime(
            self._network, store, backoff or BackoffPolicy(jitter=False), IDLE_TIMEOUT,
            MAX_FRAME_BYTES, on_auth_lost, runtime=VirtualTime(self.clock),
        )  # fmt: skip
        self.client: BosBase = client_of(client_runtime)
        self.records: dict[str, dict[str, Record]] = self._tables.rows
        self.filters: dict[str, Matches] = self._tables.filters
        self.answers: dict[tuple[str, str], Any] = self._tables.answers
        self.hidden: dict[str, set[str]] = self._tables.hidden

    def __repr__(self) -> str:
        state, count = self.client.realtime.status.value.state, sum(map(len, self.records.values()))
        return f"<FakeRealtime {state}, at {self.clock.now:g} s, {count} records>"

    def __enter__(self) -> FakeRealtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def scheduler(self) -> SerialScheduler:
        """The client's scheduler, in virtual time: for tests that schedule their own events."""
        return self.client.scheduler

    @property
    def topics(self) -> set[str]:
        """The topics that the server has now, also those of live views, without options."""
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
        """Add a user that can log in, as a ``create`` that its collection's subscribers get.

        After that record is deleted the login is lost: `BosBase.auto_refresh` detects it.

        Args:
            identity: the email, or another name to log in with.
            password: the password.
            record: more fields of the record, which has ``email`` already; with an ``id``, that id.
            collection: the auth collection.

        Returns:
            a copy of the record in `records`, with its id.

        Raises:
            TypeError, ValueError: `record` has no JSON form.

        Example:
            >>> with FakeRealtime() as fake:
            ...     ada = fake.add_user("ada@example.com", "password123", {"name": "Ada"})
            ...     users = fake.client.collection("users")
            ...     users.auth_with_password("ada@example.com", "password123")["record"] == ada
            True
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
        """Change a record on the server: `records` changes, and subscribers get an event.

        An update takes only the changed fields (with the id) and sends the whole record. Without
        a connection the event is lost, as on a real server.

        Args:
            collection: the collection's name.
            action: ``"create"``, ``"update"`` or ``"delete"``.
            record: the fields; `create` makes an id where there is none.
            delay: seconds until the event arrives: those pushed meanwhile overtake it. None: it
                is lost.

        Returns:
            the number of topics that it was sent on, without those of live views; 0 if it is lost.

        Raises:
            ValueError: an unknown action, no id, a delay below 0, or a filter that is not in
                `filters`.
            TypeError, ValueError: `record` has no JSON form.

        Example:
            >>> with FakeRealtime() as fake:
            ...     posts = fake.client.collection("posts").observe("*")
            ...     _ = posts.subscribe(lambda event: print(event.action, event.record))
            ...     fake.push("posts", "create", {"id": "a", "title": "Hi", "likes": 0})
            ...     fake.push("posts", "update", {"id": "a", "likes": 1})
            create {'id': 'a', 'title': 'Hi', 'likes': 0}
            1
            update {'id': 'a', 'title': 'Hi', 'likes': 1}
            1
        """
        if action not in ("create", "update", "delete"):
            raise ValueError(f"action must be 'create', 'update' or 'delete', not {action!r}")
        if delay is not None and not delay >= 0:
            raise ValueError(f"delay must be 0 or more seconds, or None, not {delay!r}")
        self.clock.run()  # subscriptions made before this call get the event
        changed = self._tables.change(collection, action, record)
        return self._written(collection, action, changed, delay)

    def send(self, topic: str, data: Any) -> int:
        """Send a message on a custom topic, for ``client.realtime.observe(topic)``.

        Args:
            topic: the topic's name.
            data: the content: any value that JSON can hold.

        Returns:
            the number of topics that it was sent on: 0 without a connection or a subscriber.

        Raises:
            TypeError, ValueError: `data` has no JSON form.

        Example:
            >>> with FakeRealtime() as fake:
            ...     _ = fake.client.realtime.observe("jobs").subscribe(lambda m: print(m["done"]))
            ...     fake.send("jobs", {"done": 3})
            3
            1
        """
        self.clock.run()
        sent = self._network.publish(lambda name, _: data if name == topic else NOTHING)
        self.clock.run()
        return sum(sent.values())

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass: debounces, samples, backoffs and timeouts run, in their order.

        Args:
            seconds: how long, in virtual seconds, 0 or more; it takes no real time.

        Raises:
            ValueError: `seconds` is negative, infinite or NaN.
            RuntimeError: 100 000 actions follow from one another at one moment: an endless loop.
            Exception: the error of a function of the test, in `later`, `filters` or `answers`; a
                filter that is not in `filters` is a ValueError.

        Example:
            >>> with FakeRealtime() as fake:
            ...     fake.later(60, lambda: print("after a minute"))
            ...     fake.advance(3600)
            ...     fake.clock.now
            after a minute
            3600.0
        """
        self.clock.advance(seconds)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Call ``call()`` once `seconds` have passed, for a test that is written as a script.

        Args:
            seconds: virtual seconds from now; with 0 it runs at the next call that lets work run.
            call: called without arguments; the method that let the time pass raises its error.

        Example:
            >>> with FakeRealtime() as fake, fake.client.collection("posts").events("*") as events:
            ...     fake.later(1.5, lambda: fake.push("posts", "create", {"id": "a"}))
            ...     next(events)
            RecordEvent(create on 'posts/*', id='a')
        """
        self.clock.put(VirtualScheduler(self.clock, "test", raises=True), seconds, call)

    def drop(self) -> None:
        """Break the connection; the client reconnects after its backoff (`advance`).

        Example:
            >>> with FakeRealtime() as fake:
            ...     _ = fake.client.collection("posts").observe("*").subscribe()
            ...     fake.drop()
            ...     fake.client.realtime.is_connected
            ...     fake.advance(0.2)  # the first wait of BackoffPolicy(jitter=False)
            ...     fake.client.realtime.is_connected
            False
            True
        """
        self.clock.run()
        self._network.drop()
        self.clock.run()

    def end_streams(self) -> None:
        """End all streams regularly, as a server does after a while; the client reconnects at once.

        A stream that is younger than 5 s counts as broken: the client waits as after `drop`.

        Example:
            >>> with FakeRealtime() as fake:
            ...     _ = fake.client.collection("posts").observe("*").subscribe()
            ...     fake.advance(5)
            ...     fake.end_streams()
            ...     fake.client.realtime.status.value.state
            'active'
        """
        self.clock.run()
        self._network.end()
        self.clock.run()

    def stop(self) -> None:
        """Stop the server: connections break, and every request fails until `start`.

        A request raises `ConnectionFailedError`; streams are retried, as `BackoffPolicy` says.

        Example:
            >>> with FakeRealtime() as fake:
            ...     _ = fake.client.collection("posts").observe("*").subscribe()
            ...     fake.stop()
            ...     fake.client.realtime.status.value.state
            'waiting'
        """
        self.clock.run()
        self._network.accepts = False
        self.drop()

    def start(self) -> None:
        """Start the server again; the client connects at its next attempt.

        Example:
            >>> with FakeRealtime() as fake:
            ...     fake.stop()
            ...     fake.start()
            ...     fake.client.collection("posts").get_full_list()
            []
        """
        self._network.accepts = True
        self.clock.run()

    def refuse(self, collection: str, status: int = 403, message: str = "") -> None:
        """Refuse new subscriptions and requests of the collection with this error.

        Existing subscriptions get no more events, as on a server; a live view ends after 30 s of
        refusals. A subscription within 30 s after another is not checked again.

        Args:
            collection: the collection's name.
            status: the HTTP status of the error. ``404`` stands for a collection that does not
                exist, ``400`` for an invalid filter: requests without a filter are answered.
            message: its message; by default that of the server for `status`.

        Example:
            >>> with FakeRealtime() as fake:
            ...     fake.refuse("audit")
            ...     audit = fake.client.collection("audit").observe("*")
            ...     _ = audit.subscribe(on_error=lambda error: print(error.status, error.message))
            ...     fake.advance(0)
            403 Only superusers can perform this action.
        """
        self.clock.run()
        text = message or _REASONS.get(status, "The requested resource wasn't found.")
        path = f"/api/collections/{collection}/records"
        self._tables.refused[collection] = ClientResponseError(status, path, message=text)

    def allow(self, collection: str) -> None:
        """End the effect of `refuse`; a stream that has ended stays so.

        Args:
            collection: its name.

        Example:
            >>> with FakeRealtime() as fake:
            ...     fake.refuse("audit")
            ...     fake.allow("audit")
            ...     fake.client.collection("audit").get_full_list()
            []
        """
        self._tables.refused.pop(collection, None)

    def close(self) -> None:
        """Close the client: its streams complete. May be called again.

        Example:
            >>> fake = FakeRealtime()
            >>> fake.close()
            >>> fake.client.is_closed
            True
        """
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
        if not self.client.scheduler.is_current:  # a callback continues first, as with threads
            self.clock.run()
        return sum(count for client_id, count in sent.items() if client_id in mine)
