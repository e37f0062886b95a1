"""A client of one topic behind a fault proxy, with all that it emits, and a writer."""

from __future__ import annotations

import itertools
import logging
import threading
import time
import tracemalloc
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rxbosbase import BackoffPolicy, BosBase, Status
from rxbosbase.server import EmbeddedServer

from .proxy import FaultProxy

__all__ = [
    "DELIVERS_WITHIN",
    "PATIENCE",
    "QUICK",
    "Log",
    "WatchedClient",
    "make_collection",
    "peak_of",
]

PATIENCE = 20.0
"""Seconds that a wait may take on a busy machine; usually it takes far less."""

DELIVERS_WITHIN = 10.0
"""The same until events are delivered again."""

QUICK = BackoffPolicy(initial=0.02, maximum=0.1)

_names = itertools.count(1)


class Log(logging.Handler):
    """Collects what the library logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def __enter__(self) -> Self:
        logging.getLogger("rxbosbase").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("rxbosbase").removeHandler(self)

    def at_least(self, level: int) -> list[str]:
        """Return the messages of this level and above."""
        return [record.getMessage() for record in self.records if record.levelno >= level]


AUTODATES = [
    {"name": "created", "type": "autodate", "onCreate": True},
    {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
]


def make_collection(admin: BosBase, stem: str, *, rule: str = "") -> str:
    """Create a collection with a number, a kind and times, open to all unless the rule says
    otherwise; return its name."""
    name = f"{stem}_{next(_names)}_{time.monotonic_ns() % 10**9}"
    admin.collections.create(
        {
            "name": name,
            "type": "base",
            "fields": [
                {"name": "n", "type": "number"},
                {"name": "kind", "type": "text"},
                *AUTODATES,
            ],
            **dict.fromkeys(["listRule", "viewRule", "createRule", "updateRule"], rule),
            "deleteRule": rule,
        }
    )
    return name


def peak_of(call: Callable[[], object]) -> int:
    """Return the peak of the memory that all threads allocate while `call` runs, in bytes."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class WatchedClient:
    """A client behind a fault proxy that observes one topic of the real server.

    Attributes:
        seen: the numbers of the records whose creation arrived, in that order.
        errors, completed: errors and completions of the observer.
        lost: the arguments of `on_disconnect`.
        states: every `Status`, in order.
    """

    def __init__(self, server: EmbeddedServer, collection: str, **settings: Any) -> None:
        settings = {"timeout": 3.0, "backoff": QUICK, **settings}
        self.server = server
        self.collection = collection
        self.proxy = FaultProxy(server.url)
        self.client = BosBase(self.proxy.url, **settings)
        self.writer = BosBase(server.url)
        self.log = Log()
        self.seen: list[int] = []
        self.errors: list[Exception] = []
        self.completed = 0
        self.lost: list[list[str]] = []
        self.states: list[Status] = []
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self.log.__enter__()
        self.proxy.__enter__()
        self.client.realtime.status.subscribe(self._note(self.states.append))
        self.client.realtime.on_disconnect = self._note(self.lost.append)
        topic = self.client.collection(self.collection).observe("*")
        topic.subscribe(
            self._note(lambda event: self.seen.append(int(event.record["n"]))),
            self._note(self.errors.append),
            lambda: self._note(self._complete)(None),
        )
        self.client.realtime.wait_active(PATIENCE)
        self.wait_delivery()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()
        self.writer.close()
        self.proxy.close()
        self.log.__exit__()
        if error is None:
            assert self.proxy.injected.total() == self.proxy.asked, "a fault did not happen"

    def write(self) -> int:
        """Create a record, not through the proxy; return its number."""
        number = next(self._numbers)
        self.writer.collection(self.collection).create({"n": number})
        return number

    def wait(self, what: Callable[[], object], timeout: float = PATIENCE) -> None:
        """Wait until `what()` is true; it is checked after each call of an observer."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(what()), timeout):
                raise AssertionError(f"not within {timeout:g} s; {self.client!r}: {self.history()}")

    def wait_delivery(self) -> float:
        """Write until a new record arrives; return the seconds that took."""
        began = time.monotonic()
        while time.monotonic() - began < DELIVERS_WITHIN:
            number = self.write()
            with self._changed:
                if self._changed.wait_for(lambda n=number: n in self.seen, 0.1):  # type: ignore[misc]
                    return time.monotonic() - began
        raise AssertionError(f"nothing arrives any more; {self.history()}")

    def history(self) -> str:
        """Return the states so far as a text, for a failing test."""
        return " -> ".join(f"{each.state}({each.error or ''})" for each in self.states)

    def assert_unharmed(self) -> None:
        """Assert that the observer got no error, end or duplicate, and no error is logged."""
        assert not self.errors
        assert not self.completed
        assert len(self.seen) == len(set(self.seen)), "an event came twice"
        assert not self.log.at_least(logging.ERROR)

    def _complete(self, _: object) -> None:
        self.completed += 1

    def _note(self, call: Callable[[Any], object]) -> Callable[[Any], None]:
        def noted(value: Any) -> None:
            with self._changed:
                call(value)
                self._changed.notify_all()

        return noted
