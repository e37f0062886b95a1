"""Collections, users and clients of one test on the real server.

`Received` collects what a subscriber gets, so that a test awaits events instead of sleeping. The
fixtures that give out a `World` are in ``support.live_fixtures``.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc

from rxbosbase import AuthState, AuthStore, BosBase, Collection, RecordEvent, Status
from rxbosbase.server import EmbeddedServer

from .tested_server import GIVEN_SERVER

__all__ = [
    "CLOSED", "OPEN", "PASSWORD", "Event", "Received", "World",
    "collect", "eventually", "log_in", "status", "titles",
]  # fmt: skip

T = TypeVar("T")

Event = RecordEvent[dict[str, Any]]

WAIT = 10.0
"""Seconds an event may take on a busy machine; a test that passes never waits so long."""

PASSWORD = "correct horse battery"

_RULES = ("listRule", "viewRule", "createRule", "updateRule", "deleteRule")
OPEN: dict[str, str | None] = dict.fromkeys(_RULES, "")
"""Rules that allow everything without a login."""
CLOSED: dict[str, str | None] = dict.fromkeys(_RULES)
"""Rules that allow everything to superusers only."""

FIELDS: tuple[dict[str, Any], ...] = (
    {"name": "title", "type": "text", "max": 100_000},
    {"name": "n", "type": "number"},
    {"name": "owner", "type": "text"},
    {"name": "created", "type": "autodate", "onCreate": True},
    {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
)


class Received(Generic[T]):
    """The values that a subscriber received, in order. It is a callback and an observer.

    Attributes:
        items: the values so far.
        error: the error of the stream, or None.
        completed: True once it completed.
        threads: the names of the threads that called it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.items: list[T] = []
        self.error: Exception | None = None
        self.completed = False
        self.threads: set[str] = set()
        self.subscription: abc.DisposableBase | None = None

    def __call__(self, item: T) -> None:
        with self._changed:
            self.items.append(item)
            self.threads.add(threading.current_thread().name)
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        with self._changed:
            self.error = error
            self._changed.notify_all()

    def complete(self) -> None:
        with self._changed:
            self.completed = True
            self._changed.notify_all()

    def until(self, done: Callable[[Received[T]], object], timeout: float = WAIT) -> list[T]:
        """Wait until `done(self)` is true; return the items so far."""
        with self._changed:
            is_done = self._changed.wait_for(lambda: done(self), timeout)
            assert is_done, f"not received within {timeout:g} s; {self!r}"
            return list(self.items)

    def have(self, count: int, timeout: float = WAIT) -> list[T]:
        """Wait for `count` values."""
        return self.until(lambda received: len(received.items) >= count, timeout)

    def first(self, wanted: Callable[[T], object], timeout: float = WAIT) -> T:
        """Wait for the first value that is `wanted`; return it."""
        self.until(lambda received: any(wanted(item) for item in received.items), timeout)
        return next(item for item in self.items if wanted(item))

    def failure(self, timeout: float = WAIT) -> Exception:
        """Wait for the error; return it."""
        self.until(lambda received: received.error, timeout)
        assert self.error is not None
        return self.error

    def end(self, timeout: float = WAIT) -> None:
        """Wait for the completion."""
        self.until(lambda received: received.completed, timeout)

    def dispose(self) -> None:
        assert self.subscription is not None
        self.subscription.dispose()

    def __repr__(self) -> str:
        last = self.items[-3:]
        state = self.error or ("completed" if self.completed else "running")
        return f"<Received {len(self.items)} items, the last {last}, {state}>"


def collect(stream: Observable[T]) -> Received[T]:
    """Subscribe a new `Received` and return it."""
    received: Received[T] = Received()
    received.subscription = stream.subscribe(received, received.fail, received.complete)
    return received


def eventually(condition: Callable[[], object], timeout: float = WAIT) -> None:
    """Poll until a condition holds that no event reports."""
    deadline = monotonic() + timeout
    while not condition():
        assert monotonic() < deadline, f"not within {timeout:g} s"
        threading.Event().wait(0.005)


def titles(events: list[Event]) -> list[str]:
    """Return the records' titles, in order."""
    return [event.record["title"] for event in events]


def status(client: BosBase) -> Status:
    """Return the client's current status."""
    return client.service.status.value


class World:
    """Makes collections, users and clients, and closes the clients."""

    def __init__(self, server: EmbeddedServer, superuser: AuthState) -> None:
        self.server = server
        self._superuser = superuser
        self._clients: list[BosBase] = []
        self.admin = self.client(superuser)

    def name(self, stem: str) -> str:
        """Return a name that no other test uses."""
        return f"{stem}_{secrets.token_hex(6)}"

    def id(self, letter: str) -> str:
        """Return an id that this server accepts for a new record."""
        if GIVEN_SERVER:
            return f"0199{secrets.token_hex(2)}-0000-7000-8000-{secrets.token_hex(6)}"
        return letter * 15

    def settle(self) -> None:
        """Wait until a new collection may be changed: BosBase refuses that for 2 seconds."""
        if GIVEN_SERVER:
            threading.Event().wait(2.5)

    def collection(
        self,
        stem: str = "posts",
        *,
        fields: tuple[dict[str, Any], ...] = (),
        **rules: str | None,
    ) -> Collection:
        """Create a collection, open to all except for `rules`; return it for the superuser."""
        name = self.name(stem)
        body = {"name": name, "type": "base", "fields": [*FIELDS, *fields], **OPEN, **rules}
        self.admin.collections.create(body)
        return self.admin.collection(name)

    def users(self, **rules: str | None) -> str:
        """Create an auth collection, open to all except for `rules`; return its name."""
        name = self.name("users")
        fields = [{"name": "name", "type": "text"}]
        self.admin.collections.create(
            {"name": name, "type": "auth", "fields": fields, **OPEN, **rules}
        )
        return name

    def user(self, users: str, **values: Any) -> dict[str, Any]:
        """Create a user of auth collection `users`, with `PASSWORD`; return it with `email`."""
        email = f"{secrets.token_hex(6)}@example.com"
        body = {"email": email, "password": PASSWORD, "passwordConfirm": PASSWORD, **values}
        return {**self.admin.collection(users).create(body), "email": email}

    def client(self, login: AuthState | None = None, **options: Any) -> BosBase:
        """Return a new client: of a guest, or with `login`."""
        store = AuthStore()
        if login is not None:
            store.save(login.token, login.record)
        client = self.server.client(auth_store=store, **options)
        self._clients.append(client)
        return client

    def logged_in(self, users: str, user: Mapping[str, Any], **options: Any) -> BosBase:
        """Return a new client that is logged in as this user."""
        client = self.client(**options)
        client.collection(users).auth_with_password(user["email"], PASSWORD)
        return client

    def superuser(self, **options: Any) -> BosBase:
        """Return a new client of the superuser."""
        return self.client(self._superuser, **options)

    def wait_active(self) -> None:
        """Wait until the server has acknowledged every topic of every client."""
        for client in self._clients:
            if not client.is_closed:
                client.realtime.wait_active()

    def close(self) -> None:
        for client in self._clients:
            client.close()


def log_in(server: EmbeddedServer) -> AuthState:
    """Return the superuser's login."""
    with server.client(superuser=True) as client:
        return client.auth_store.state
