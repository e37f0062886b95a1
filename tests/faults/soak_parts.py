"""The parts of the soak: observers that check events, writers, and a subscriber of short life."""

from __future__ import annotations

import itertools
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

from .error_log import ErrorLog

__all__ = ["CheckedObserver", "Churner", "RecordWriter", "ResourceUsage", "WriteNumbers"]

Record = Mapping[str, Any]
WRITE_PAUSE = 0.015
"""Seconds between two writes of one writer."""
KEPT_RECORDS = 20
"""Records of a writer that stay; it deletes older ones, which makes events too."""


class WriteNumbers:
    """Numbers the writes in ascending order; all writers share it."""

    def __init__(self) -> None:
        self._next = itertools.count(1)
        self.latest = 0

    def next(self) -> int:
        self.latest = number = next(self._next)
        return number


class CheckedObserver:
    """A subscriber that checks that each event is new and belongs to its topic.

    Attributes:
        newest: the largest number received; the order of events is not guaranteed.
        received: how many events came.
        ended: True after its completion.
    """

    def __init__(self, name: str, belongs: Callable[[Record], bool], problems: ErrorLog) -> None:
        self.name = name
        self.newest = 0
        self.received = 0
        self.ended = False
        self._belongs = belongs
        self._problems = problems
        self._known: set[tuple[str, str, int]] = set()
        self._known_before: set[tuple[str, str, int]] = set()

    def on_next(self, event: RecordEvent[dict[str, Any]]) -> None:
        record = event.record
        key = (event.action, str(record["id"]), int(record["n"]))
        if key in self._known or key in self._known_before:
            self._problems.add(f"{self.name}: {key} came twice")
        if not self._belongs(record):
            self._problems.add(f"{self.name}: {key} does not belong here")
        self._known.add(key)
        self.received += 1
        self.newest = max(self.newest, key[2])

    def on_error(self, error: Exception) -> None:
        self._problems.add(f"{self.name}: on_error {error!r}")

    def on_completed(self) -> None:
        self.ended = True

    def forget(self) -> None:
        """Forget events from before the last quiet point: memory must not grow."""
        self._known_before, self._known = self._known, set()


class _Worker(threading.Thread):
    def __init__(self, name: str, chance: random.Random, problems: ErrorLog) -> None:
        super().__init__(name=name, daemon=True)
        self._chance = chance
        self._problems = problems
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step()
        except Exception as error:
            self._problems.add(f"{self.name} ended: {error!r}")

    def _step(self) -> None:
        raise NotImplementedError


class RecordWriter(_Worker):
    """Creates, updates and deletes records of all topics in turn, without the proxy."""

    def __init__(
        self,
        client: BosBase,
        targets: list[tuple[str, str]],
        numbers: WriteNumbers,
        chance: random.Random,
        problems: ErrorLog,
    ) -> None:
        super().__init__("soak-writer", chance, problems)
        self._client = client
        self._targets = itertools.cycle(targets)
        self._numbers = numbers
        self._made: deque[tuple[str, str]] = deque()

    def _step(self) -> None:
        name, fixed = next(self._targets)
        records = self._client.collection(name)
        kind = self._chance.choice(["red", "red", "blue"])
        made = records.create({"n": self._numbers.next(), "kind": kind})
        self._made.append((name, made["id"]))
        self._stopping.wait(WRITE_PAUSE)
        records.update(fixed, {"n": self._numbers.next()})
        if len(self._made) > KEPT_RECORDS:
            old, record_id = self._made.popleft()
            self._client.collection(old).delete(record_id)
        self._stopping.wait(WRITE_PAUSE)


class Churner(_Worker):
    """Subscribes to a topic for a moment, again and again, in both forms of subscription."""

    def __init__(
        self, client: BosBase, names: list[str], chance: random.Random, problems: ErrorLog
    ) -> None:
        super().__init__("soak-churner", chance, problems)
        self._client = client
        self._names = names

    def _step(self) -> None:
        records = self._client.collection(self._chance.choice(self._names))
        filter = f"n > {self._chance.randrange(50)}"
        observer = CheckedObserver(f"churner {filter}", lambda _: True, self._problems)
        pause = self._chance.uniform(0.0, 0.3)
        if self._chance.random() < 0.5:
            with records.observe("*", filter=filter).subscribe(observer.on_next, observer.on_error):
                self._stopping.wait(pause)
            return
        try:
            with records.subscribe("*", observer.on_next, filter=filter, timeout=0.5):
                self._stopping.wait(pause)
        except RequestTimeoutError:
            pass  # a fault delayed it: the timeout is for this case
        except BosBaseError as error:
            self._problems.add(f"subscribe raised {error!r}")


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """Resources of a process; `memory` is its resident set in bytes."""

    threads: int
    descriptors: int
    memory: int

    @classmethod
    def now(cls) -> ResourceUsage:
        """Return that of this process."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            len(_client_threads()),
            len(os.listdir("/proc/self/fd")),
            pages * os.sysconf("SC_PAGE_SIZE"),
        )

    @classmethod
    def settled(cls, wanted: int, patience: float) -> ResourceUsage:
        """Wait until at most `wanted` threads run, for `patience` seconds; return the usage."""
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
