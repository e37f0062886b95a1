"""What a contender is given: a server of its own, a callback that counts, and clocks.

A run is fair to all in the same way: the events are built beforehand, the clocks start before
the server is told to send and stop in the callback of the last event, so that all the work of
these events, on whatever thread, is in between and no other.
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
    """The contender cannot run here; the message says why, and what to do about it."""


@dataclass(frozen=True)
class Options:
    """What a contender is asked to do.

    Attributes:
        size: bytes of a record.
        topics, subscribers: how many; subscribers are those of each topic.
        records: how many the table holds, for live views.
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
        count: the callback to subscribe: it counts, and does nothing else.
    """

    def __init__(self, control_port: int, options: Options) -> None:
        self.options = options
        self._control = socket.create_connection(("127.0.0.1", control_port), timeout=RUN_TIMEOUT)
        self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._control.makefile("rb")
        last = "update" if options.records else "delete"
        opened = self.order("open", size=options.size, records=options.records, last_action=last)
        self.port: int = opened["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self._done = threading.Event()
        self._end = (0.0, 0.0)
        self.count, self._arm = _counter(self.stop)

    def order(self, kind: str, **arguments: Any) -> dict[str, Any]:
        """Tells the session to do something; its answer."""
        self._control.sendall(json.dumps({"do": kind, **arguments}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(self._answers.readline())
        if "error" in answer:
            raise RuntimeError(f"the stream server: {answer['error']}")
        return answer

    def go(self) -> None:
        """Lets the server send what was prepared."""
        self._control.sendall(b'{"do":"go"}\n')

    def stop(self) -> None:
        """Stops the clocks; called by `count` at the last event."""
        self._end = (perf_counter(), process_time())
        self._done.set()

    def run(self, events: int, *, expect: int | None = None) -> dict[str, Any]:
        """Streams `events` events and waits until `expect` of them (all) were counted."""
        # First: a live view may read what is prepared before it is told of it.
        self._done.clear()
        self._arm(events if expect is None else expect)
        self.order("prepare", events=events, rate=self.options.rate)
        gc.collect()
        start = (perf_counter(), process_time())
        self.go()
        if not self._done.wait(RUN_TIMEOUT):
            raise TimeoutError(f"not all of {events} events came within {RUN_TIMEOUT:g} s")
        return cost(events, start, self._end)

    def ready(self, close: Callable[[], object], topics: int = 1) -> Ready:
        """To be returned once all is subscribed; waits until the server knows of it."""
        self.order("wait", topics=topics)
        return Ready(self.run, close)


def cost(
    events: int, start: tuple[float, float], end: tuple[float, float] | None = None
) -> dict[str, Any]:
    """A run's figures: seconds and seconds of CPU of the whole process, from pairs of clocks."""
    wall, cpu = end or (perf_counter(), process_time())
    return {
        "events": events, "seconds": wall - start[0], "cpu": cpu - start[1],
        "threads": threading.active_count(),
    }  # fmt: skip


def _counter(done: Callable[[], None]) -> tuple[Callable[[object], None], Callable[[int], None]]:
    # A closure: the cheapest subscriber there is that knows when to stop.
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
    """Bytes of memory this process has now (where the system does not tell: at most had)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
