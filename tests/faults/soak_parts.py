"""The people of the soak: ears that listen and check, hands that write, and a churner."""

from __future__ import annotations

import itertools
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rxbosbase import BosBase, BosBaseError, RecordEvent, RequestTimeoutError

__all__ = ["Churner", "Complaints", "Ear", "Footprint", "Hand", "Numbers"]

Record = Mapping[str, Any]
WRITE_PAUSE = 0.015
"""Seconds between two writes of one hand."""
KEPT_RECORDS = 20
"""Records a hand leaves in the collection; older ones it deletes, which makes events, too."""
MOST_COMPLAINTS = 20


class Complaints(logging.Handler):
    """What must not happen: errors in the log, tracebacks, anything reported by hand."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self.add(self.format(record))

    def add(self, text: str) -> None:
        """Notes a complaint; after the first few they only repeat themselves."""
        if len(self.found) < MOST_COMPLAINTS:
            self.found.append(text)


class Numbers:
    """A number for each write, growing; shared by all hands."""

    def __init__(self) -> None:
        self._next = itertools.count(1)
        self.latest = 0

    def take(self) -> int:
        self.latest = number = next(self._next)
        return number


class Ear:
    """One subscriber: checks that each event is new, and one of its topic.

    Attributes:
        newest: the largest number heard; events are not promised in order.
        heard: how many events came.
    """

    def __init__(
        self, name: str, belongs: Callable[[Record], bool], complaints: Complaints
    ) -> None:
        self.name = name
        self.newest = 0
        self.heard = 0
        self._belongs = belongs
        self._complaints = complaints
        self._known: set[tuple[str, str, int]] = set()
        self._known_before: set[tuple[str, str, int]] = set()

    def on_next(self, event: RecordEvent[dict[str, Any]]) -> None:
        record = event.record
        key = (event.action, str(record["id"]), int(record["n"]))
        if key in self._known or key in self._known_before:
            self._complaints.add(f"{self.name}: {key} came twice")
        if not self._belongs(record):
            self._complaints.add(f"{self.name}: {key} does not belong here")
        self._known.add(key)
        self.heard += 1
        self.newest = max(self.newest, key[2])

    def on_error(self, error: Exception) -> None:
        self._complaints.add(f"{self.name}: on_error {error!r}")

    def on_completed(self) -> None:
        """The client was closed."""

    def forget(self) -> None:
        """Lets go of what was heard before the last quiet point: memory must not grow."""
        self._known_before, self._known = self._known, set()


class _Worker(threading.Thread):
    def __init__(self, name: str, chance: random.Random, complaints: Complaints) -> None:
        super().__init__(name=name, daemon=True)
        self._chance = chance
        self._complaints = complaints
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ends the thread, and waits for that."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step()
        except Exception as error:
            self._complaints.add(f"{self.name} ended: {error!r}")

    def _step(self) -> None:
        raise NotImplementedError


class Hand(_Worker):
    """Writes past the proxy: creates, updates and deletes, in all topics in turn."""

    def __init__(
        self,
        client: BosBase,
        targets: list[tuple[str, str]],
        numbers: Numbers,
        chance: random.Random,
        complaints: Complaints,
    ) -> None:
        super().__init__("soak-hand", chance, complaints)
        self._client = client
        self._targets = itertools.cycle(targets)
        self._numbers = numbers
        self._made: deque[tuple[str, str]] = deque()

    def _step(self) -> None:
        name, fixed = next(self._targets)
        records = self._client.collection(name)
        kind = self._chance.choice(["red", "red", "blue"])
        made = records.create({"n": self._numbers.take(), "kind": kind})
        self._made.append((name, made["id"]))
        self._stopping.wait(WRITE_PAUSE)
        records.update(fixed, {"n": self._numbers.take()})
        if len(self._made) > KEPT_RECORDS:
            old, record_id = self._made.popleft()
            self._client.collection(old).delete(record_id)
        self._stopping.wait(WRITE_PAUSE)


class Churner(_Worker):
    """Subscribes to topics that come and go, in both forms, while everything else happens."""

    def __init__(
        self, client: BosBase, names: list[str], chance: random.Random, complaints: Complaints
    ) -> None:
        super().__init__("soak-churner", chance, complaints)
        self._client = client
        self._names = names

    def _step(self) -> None:
        records = self._client.collection(self._chance.choice(self._names))
        filter = f"n > {self._chance.randrange(50)}"
        ear = Ear(f"churner {filter}", lambda _: True, self._complaints)
        pause = self._chance.uniform(0.0, 0.3)
        if self._chance.random() < 0.5:
            with records.observe("*", filter=filter).subscribe(ear.on_next, ear.on_error):
                self._stopping.wait(pause)
            return
        try:
            with records.subscribe("*", ear.on_next, filter=filter, timeout=0.5):
                self._stopping.wait(pause)
        except RequestTimeoutError:
            pass  # a fault was in the way: that is what the timeout is for
        except BosBaseError as error:
            self._complaints.add(f"subscribe raised {error!r}")


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process holds; `memory` is its resident set in bytes."""

    threads: int
    descriptors: int
    memory: int

    @classmethod
    def now(cls) -> Footprint:
        """That of this process."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            len(_client_threads()),
            len(os.listdir("/proc/self/fd")),
            pages * os.sysconf("SC_PAGE_SIZE"),
        )

    @classmethod
    def settled(cls, wanted: int, patience: float) -> Footprint:
        """The one once no more than `wanted` threads run, or after `patience` seconds."""
        deadline = time.monotonic() + patience
        while (found := cls.now()).threads > wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return found


def _client_threads() -> list[threading.Thread]:
    # Not from `support`: the soak also runs by `python -m`, where that is no package.
    return [
        thread
        for thread in threading.enumerate()
        if thread.name.startswith("rxbosbase-") and not thread.name.startswith("rxbosbase-server-")
    ]
