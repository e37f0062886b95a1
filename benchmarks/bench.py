"""The part of a run that all contenders share: a server, a callback that counts, and clocks.

A run is the same for all: the events are built before it, and the clocks start before the server
gets the command to send and stop in the callback of the last event, so that they measure all the
work of these events, on all threads, and no other work.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

__all__ = ["Bench", "Options", "Ready", "Skip", "resident"]

RUN_TIMEOUT = 20.0  # seconds a single run may take


class Skip(Exception):
    """The contender cannot run here; the message has the reason and the remedy."""


@dataclass(frozen=True)
class Options:
    """The size of a contender's task.

    Attributes:
        size: bytes of a record.
        topics, subscribers: their numbers; subscribers are those of each topic.
        records: the number of records in the table, for live views.
        rate: events a second; 0 is as fast as they are read.
    """

    size: int = 300
    topics: int = 1
    subscribers: int = 1
    records: int = 0
    rate: float = 0.0


@dataclass(frozen=True)
class Ready:
    """A contender that is subscribed: `run` takes a number of events and returns its figures."""

    run: Callable[[int], dict[str, Any]]
    close: Callable[[], object]


class Bench:
    """A session of the stream server, from its client's side.

    Attributes:
        url: of the session's server.
        count: the callback to subscribe: it only counts.
    """

    def __init__(self, control_port: int, options: Options) -> None:
        self.options = options
        self._control = socket.create_connection(("127.0.0.1", control_port), timeout=RUN_TIMEOUT)
        self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._control.makefile("rb")
        last = "update" if options.records else "delete"
        opened = self.command("open", size=options.size, records=options.records, last_action=last)
        self.port: int = opened["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self._done = threading.Event()
        self._end = (0.0, 0.0)
        self.count, self._arm = _counter(self.stop)

    def command(self, kind: str, **arguments: Any) -> dict[str, Any]:
        """Send a command to the session; return its answer."""
        self._control.sendall(json.dumps({"do": kind, **arguments}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(self._answers.readline())
        if "error" in answer:
            raise RuntimeError(f"the stream server: {answer['error']}")
        return answer

    def go(self) -> None:
        """Let the server send the prepared events."""
        self._control.sendall(b'{"do":"go"}\n')

    def stop(self) -> None:
        """Stop the clocks; `count` calls it at the last event."""
        self._end = (perf_counter(), process_time())
        self._done.set()

    def run(self, events: int, *, expect: int | None = None) -> dict[str, Any]:
        """Stream `events` events and wait until `expect` of them (by default all) are counted."""
        # Before `prepare`: a live view may read the new rows before their events arrive.
        self._done.clear()
        self._arm(events if expect is None else expect)
        self.command("prepare", events=events, rate=self.options.rate)
        gc.collect()
        start = (perf_counter(), process_time())
        self.go()
        if not self._done.wait(RUN_TIMEOUT):
            raise TimeoutError(f"not all of {events} events came within {RUN_TIMEOUT:g} s")
        return cost(events, start, self._end)

    def ready(self, close: Callable[[], object], topics: int = 1) -> Ready:
        """Wait until the server has the subscribed topics; return the contender."""
        self.command("wait", topics=topics)
        return Ready(self.run, close)


def cost(
    events: int, start: tuple[float, float], end: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Return a run's figures: seconds, and CPU seconds of the whole process."""
    wall, cpu = end or (perf_counter(), process_time())
    return {
        "events": events, "seconds": wall - start[0], "cpu": cpu - start[1],
        "threads": threading.active_count(),
    }  # fmt: skip


def _counter(done: Callable[[], None]) -> tuple[Callable[[object], None], Callable[[int], None]]:
    # A closure: the cheapest subscriber that can stop at a given count.
    seen = target = 0

    def count(_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == target:
            done()

    def arm(events: int) -> None:
        nonlocal seen, target
        seen, target = 0, events

    return count, arm


def resident() -> int:
    """Return the resident bytes of this process (their maximum, where there is no /proc)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
