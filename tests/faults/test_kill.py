"""The server is killed under load, several times."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from faults.watching import PATIENCE, make_collection

from rxbosbase import BosBase, BosBaseError, RecordEvent
from rxbosbase.server import EmbeddedServer

KILLS = 10 if os.environ.get("RXBOSBASE_LONG") == "1" else 2
BACK_WITHIN = 2.5
"""Seconds from the restart of the server until events are delivered."""
IN_FLIGHT = 0.1
"""Seconds before the kill in which events may be lost with the server."""
RATE = 500
"""Events a second; each write is one on each topic."""
FILTERS = [None, "n > 0", "kind = 'a'", "n >= 0 && kind = 'a'"]
WRITERS = 2
UNDER_LOAD = 1.0
"""Seconds of writing between a recovery and the next kill."""


@dataclass(frozen=True, slots=True)
class Write:
    """One record: its number, whether the client was active, and when it was written."""

    number: int
    active: bool
    done: float


class Load:
    """Writers that do not use the client, and subscriptions of the client."""

    def __init__(self, server: EmbeddedServer, stack: ExitStack) -> None:
        with server.client(superuser=True) as admin:
            self.collection = make_collection(admin, "load")
        self.client = stack.enter_context(BosBase(server.url))
        self.url = server.url
        self.received: list[dict[int, float]] = [{} for _ in FILTERS]
        self.twice: list[int] = []
        self.ended: list[Exception] = []
        self.writes: list[Write] = []
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._writers = [threading.Thread(target=self._write, daemon=True) for _ in range(WRITERS)]
        for filter, received in zip(FILTERS, self.received, strict=True):
            self._subscribe(filter, received)
        self.client.realtime.wait_active(PATIENCE)
        stack.callback(self.stop)
        for writer in self._writers:
            writer.start()

    def stop(self) -> None:
        """End the writing."""
        self._stopping.set()
        for writer in self._writers:
            writer.join(PATIENCE)

    def wait_delivery_since(self, moment: float, patience: float) -> float:
        """Wait until each topic delivers an event after `moment`; return the time."""
        deadline = time.monotonic() + patience
        while True:
            newest = [max(list(received.values()), default=0.0) for received in self.received]
            if min(newest) > moment:
                return time.monotonic()
            assert time.monotonic() < deadline, f"silent; {self.client!r}"
            time.sleep(0.01)

    def wait_missing(self, numbers: list[int]) -> list[list[int]]:
        """Wait until each topic has delivered these numbers; return those that do not come."""
        deadline = time.monotonic() + PATIENCE
        while True:
            missing = [
                [number for number in numbers if number not in received]
                for received in self.received
            ]
            if not any(missing) or time.monotonic() > deadline:
                return missing
            time.sleep(0.01)

    def _subscribe(self, filter: str | None, received: dict[int, float]) -> None:
        def receive(event: RecordEvent[dict[str, int]]) -> None:
            number = event.record["n"]
            if number in received:
                self.twice.append(number)
            received[number] = time.monotonic()

        stream = self.client.collection(self.collection).observe("*", filter=filter)
        stream.subscribe(receive, self.ended.append)

    def _write(self) -> None:
        pause = len(FILTERS) * WRITERS / RATE
        due = time.monotonic()
        with BosBase(self.url, timeout=1.0) as writer:
            records = writer.collection(self.collection)
            while not self._stopping.is_set():
                number = next(self._numbers)
                active = self.client.service.status.value.state == "active"
                try:
                    records.create({"n": number, "kind": "a"})
                except BosBaseError:
                    due = time.monotonic() + 0.05  # the server is down
                else:
                    self.writes.append(Write(number, active, time.monotonic()))
                due = max(due + pause, time.monotonic() - 0.1)
                time.sleep(max(0.0, due - time.monotonic()))


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        yield running


@pytest.mark.timeout(60 + KILLS * 20)
def test_a_killed_server_costs_only_what_was_on_its_way(server: EmbeddedServer) -> None:
    """A killed server costs only events in flight; each topic delivers again within 2.5 s."""
    away: list[tuple[float, float]] = []  # from the kill until the server was back
    came_back: list[float] = []
    with ExitStack() as stack:
        load = Load(server, stack)
        load.wait_delivery_since(0.0, PATIENCE)
        for _ in range(KILLS):
            time.sleep(UNDER_LOAD)
            killed = time.monotonic()
            server.kill()
            server.restart()
            up = time.monotonic()
            away.append((killed, up))
            came_back.append(load.wait_delivery_since(up, PATIENCE) - up)
        time.sleep(UNDER_LOAD)
        load.stop()
        load.client.realtime.wait_active(PATIENCE)
        promised = [
            write
            for write in load.writes
            if write.active and not any(at - IN_FLIGHT < write.done < up for at, up in away)
        ]
        missing = load.wait_missing([write.number for write in promised])
    took = sum(len(received) for received in load.received)
    print(f"back after {[f'{each:.2f}' for each in came_back]} s, {took} events,")
    print(f"{len(load.writes)} writes, {len(promised)} of them promised, missing {missing}")
    assert max(came_back) <= BACK_WITHIN
    assert missing == [[] for _ in FILTERS]
    assert load.twice == []
    assert load.ended == []
    assert len(promised) > KILLS * 50
