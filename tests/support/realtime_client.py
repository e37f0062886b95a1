"""A client of the wire server with short waits, and functions that wait for its state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rxbosbase import BackoffPolicy, BosBase, Status
from support.seen import LIMIT, Seen
from support.threads import started_threads
from support.wire_server import WireServer

__all__ = [
    "FAST",
    "client_threads",
    "connect",
    "ignore",
    "library_threads",
    "statuses",
    "wait_delivered",
    "wait_state",
    "wait_until",
]

FAST = BackoffPolicy(initial=0.01, factor=1.0, jitter=False)


def connect(server: WireServer, **options: Any) -> BosBase:
    """Return a client with a short backoff."""
    return BosBase(server.url, **{"backoff": FAST, "timeout": 5.0, **options})


def ignore(*_: object) -> None:
    """Do nothing: a callback for a subscription whose values are not checked."""


def statuses(client: BosBase) -> Seen[Status]:
    """Collect everything that ``status`` emits from now on."""
    seen: Seen[Status] = Seen()
    client.realtime.status.subscribe(seen)
    return seen


def wait_delivered(client: BosBase, seen: Seen[Status]) -> list[Status]:
    """Wait until an observer of the status has the current one; return all that it has.

    Observers are called later than the status changes.
    """
    return seen.until(lambda items: items and items[-1] == client.realtime.status.value)


def wait_state(client: BosBase, state: str, timeout: float = LIMIT) -> Status:
    """Wait until the state is ``state``; return the status."""
    seen: Seen[Status] = Seen()
    with client.realtime.status.subscribe(seen):
        seen.until(lambda items: items and items[-1].state == state, timeout)
    return seen.items[-1]


def wait_until(client: BosBase, holds: Callable[[], Any], timeout: float = LIMIT) -> None:
    """Poll until a condition holds that the client emits no event for."""
    deadline = time.monotonic() + timeout
    never = threading.Event()
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{timeout:g} s passed; the status is {client.service.status.value}")
        never.wait(0.002)


def client_threads() -> list[threading.Thread]:
    """Return the running threads of this test's clients, without those of an embedded server."""
    return [t for t in started_threads() if not t.name.startswith("rxbosbase-server-")]


def library_threads() -> list[str]:
    """Return the sorted names of `client_threads`."""
    return sorted(thread.name for thread in client_threads())
