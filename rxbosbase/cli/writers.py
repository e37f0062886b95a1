"""The sample users: each has a thread, logs in, and writes at a steady rate."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Generator
from contextlib import contextmanager
from random import Random
from time import monotonic
from typing import Any, Protocol

from rxbosbase.client import BosBase
from rxbosbase.errors import BosBaseError, ClientResponseError
from rxbosbase.server.sample import SAMPLE_PASSWORD, SAMPLE_USERS, SampleUser

from .sample_writes import SampleWrites, Write, WriteKey

__all__ = ("WriteListener", "Writers", "new_password", "writing")

REQUEST_TIMEOUT = 5.0
RETRY_SECONDS = 0.1
"""Between two attempts at a server that does not respond."""

PAUSE_FACTORS = (0.5, 1.5)  # bounds of the random factor of each pause

JOIN_SECONDS = 2 * REQUEST_TIMEOUT


def new_password() -> str:
    """Return a random password for the sample users, which is easy to copy."""
    return secrets.token_hex(8)


class WriteListener(Protocol):
    """Receives the progress of each write; called on the writers' threads."""

    def began(self, key: WriteKey) -> None:
        """Handle that a request is about to be sent, for the first time or again."""

    def confirmed(self, key: WriteKey) -> None:
        """Handle that the server has confirmed the write."""

    def unconfirmed(self, key: WriteKey) -> None:
        """Handle that the connection broke: the write may be done or not."""


class Writers:
    """The threads of all sample users. ``writing`` starts and stops them."""

    def __init__(
        self, url: str, rate: float, password: str, listener: WriteListener | None
    ) -> None:
        self._url = url
        self._password = password
        self._listener = listener
        self._interval = len(SAMPLE_USERS) / rate
        self._stop = threading.Event()
        self.failures: list[Exception] = []
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(user, Random()),
                name=f"rxbosbase-demo-{user.name.lower()}",
                daemon=True,
            )
            for user in SAMPLE_USERS
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the threads, and wait until they have finished their requests."""
        self._stop.set()
        deadline = monotonic() + JOIN_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - monotonic()))

    def check(self) -> None:
        """Raise the first error of a thread, if there is one."""
        if self.failures:
            raise self.failures[0]

    def _run(self, user: SampleUser, random: Random) -> None:
        sample_writes = SampleWrites(user, random)
        try:
            with BosBase(self._url, timeout=REQUEST_TIMEOUT) as client:
                client.collection("users").auth_with_password(user.email, self._password)
                due = monotonic() + random.uniform(0, self._interval)
                while not self._stop.wait(max(0.0, due - monotonic())):
                    self._send(client, sample_writes.next())
                    # After an outage the rate is as before: missed writes are not made up.
                    wait = self._interval * random.uniform(*PAUSE_FACTORS)
                    due = max(due + wait, monotonic() - self._interval)
        except Exception as error:  # `check` raises it on the main thread
            self.failures.append(error)

    def _send(self, client: BosBase, write: Write) -> None:
        """Send the request; repeat it while there is no response."""
        listener = self._listener
        unconfirmed = False
        while True:
            if listener is not None:
                listener.began(write.key)
            try:
                _request(client, write)
            except BosBaseError as error:
                if unconfirmed and _succeeded_before(client, write, error):
                    return
                if not error.retryable:
                    raise
            else:
                if listener is not None:
                    listener.confirmed(write.key)
                return
            unconfirmed = True
            if listener is not None:
                listener.unconfirmed(write.key)
            if self._stop.wait(RETRY_SECONDS):
                return


def _request(client: BosBase, write: Write) -> Any:
    records = client.collection(write.key.collection)
    if write.key.action == "create":
        return records.create(write.body)
    if write.key.action == "update":
        return records.update(write.key.id, write.body)
    return records.delete(write.key.id)


def _succeeded_before(client: BosBase, write: Write, error: BosBaseError) -> bool:
    """Return True if the error shows that an earlier attempt without a response succeeded."""
    if not isinstance(error, ClientResponseError):
        return False
    if write.key.action == "delete":
        return error.status == 404
    return write.key.action == "create" and error.status == 400 and "id" in error.data


@contextmanager
def writing(
    url: str,
    rate: float,
    *,
    password: str = SAMPLE_PASSWORD,
    listener: WriteListener | None = None,
) -> Generator[Writers]:
    """Let the sample users write to the server at `url`, about `rate` times a second together.

    Args:
        password: of every sample user.
        listener: receives the progress of each write.
    """
    writers = Writers(url, rate, password, listener)
    writers.start()
    try:
        yield writers
    finally:
        writers.stop()
