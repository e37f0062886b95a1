"""Sample users at work: one thread each, logged in, writing at a steady pace."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Generator
from contextlib import contextmanager
from random import Random
from time import monotonic
from typing import Any, Protocol

from rxbosbase.cli.sample_writes import Key, SampleWrites, Write
from rxbosbase.client import BosBase
from rxbosbase.errors import BosBaseError, ClientResponseError
from rxbosbase.server.sample import SAMPLE_PASSWORD, SAMPLE_USERS, SampleUser

__all__ = ["Listener", "Writers", "new_password", "writing"]

REQUEST_TIMEOUT = 5.0
RETRY_SECONDS = 0.1
"""Between two attempts at a server that does not answer."""

UNEVEN = (0.5, 1.5)  # times the usual pause: people are no clocks

JOIN_SECONDS = 2 * REQUEST_TIMEOUT


def new_password() -> str:
    """One for sample users that nobody can know; easy to copy."""
    return secrets.token_hex(8)


class Listener(Protocol):
    """Who wants to know what is written; called from the writers' threads."""

    def began(self, key: Key) -> None:
        """The request is about to be sent; again before each further attempt."""

    def answered(self, key: Key) -> None:
        """The server has said that it is done."""

    def unanswered(self, key: Key) -> None:
        """The connection broke: it may be done, or not."""


class Writers:
    """The threads of all sample users. Use ``writing`` to have them end."""

    def __init__(self, url: str, rate: float, password: str, listener: Listener | None) -> None:
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
        """Let them begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let them finish what they are at, and wait for it."""
        self._stop.set()
        deadline = monotonic() + JOIN_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - monotonic()))

    def check(self) -> None:
        """Raises what one of them failed with, if any did."""
        if self.failures:
            raise self.failures[0]

    def _run(self, user: SampleUser, random: Random) -> None:
        scribe = SampleWrites(user, random)
        try:
            with BosBase(self._url, timeout=REQUEST_TIMEOUT) as client:
                client.collection("users").auth_with_password(user.email, self._password)
                due = monotonic() + random.uniform(0, self._interval)
                while not self._stop.wait(max(0.0, due - monotonic())):
                    self._carry_out(client, scribe.next())
                    # After an outage they go on at their pace; they do not make up for it.
                    wait = self._interval * random.uniform(*UNEVEN)
                    due = max(due + wait, monotonic() - self._interval)
        except Exception as error:  # told where the main thread looks
            self.failures.append(error)

    def _carry_out(self, client: BosBase, write: Write) -> None:
        """Makes the request, again and again while there is no answer."""
        listener = self._listener
        in_doubt = False
        while True:
            if listener is not None:
                listener.began(write.key)
            try:
                _request(client, write)
            except BosBaseError as error:
                if in_doubt and _was_done_before(client, write, error):
                    return
                if not error.retryable:
                    raise
            else:
                if listener is not None:
                    listener.answered(write.key)
                return
            in_doubt = True
            if listener is not None:
                listener.unanswered(write.key)
            if self._stop.wait(RETRY_SECONDS):
                return


def _request(client: BosBase, write: Write) -> Any:
    records = client.collection(write.key.collection)
    if write.key.action == "create":
        return records.create(write.body)
    if write.key.action == "update":
        return records.update(write.key.id, write.body)
    return records.delete(write.key.id)


def _was_done_before(client: BosBase, write: Write, error: BosBaseError) -> bool:
    """True if the refusal shows that an attempt without an answer had succeeded."""
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
    listener: Listener | None = None,
) -> Generator[Writers]:
    """Sample users write to the server at `url`, about `rate` times a second together.

    Args:
        password: the sample users' own.
        listener: is told of each write.
    """
    writers = Writers(url, rate, password, listener)
    writers.start()
    try:
        yield writers
    finally:
        writers.stop()
