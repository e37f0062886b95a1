"""Time that passes only when a test says so, and loops that run by it instead of in threads."""

from __future__ import annotations

import heapq
import logging
import math
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from rxbosbase.runtime.scheduler import SerialScheduler

__all__ = ["VirtualClock", "VirtualScheduler", "VirtualTime"]

log = logging.getLogger("rxbosbase.testing")

T = TypeVar("T")

MAX_STEPS = 100_000
"""Pieces of work without any time passing after which a test is told that it runs in circles."""

LONGEST_WAIT = 3600.0
"""Seconds of virtual time that a wait without a timeout takes: in a test it ends with an error."""


class VirtualClock:
    """A clock of seconds that stands still until `advance`. Its work runs on the caller's thread.

    >>> clock = VirtualClock()
    >>> loop = VirtualScheduler(clock)
    >>> _ = loop.schedule_relative(3600, lambda *_: print("an hour later"))
    >>> clock.advance(3600)
    an hour later
    >>> clock.now
    3600.0
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._lock = threading.Lock()
        self._sequence = 0
        self._depth = 0  # of waits inside waits
        self._problem: BaseException | None = None
        self._work: list[tuple[float, int, VirtualScheduler, Callable[[], object]]] = []

    def put(self, loop: VirtualScheduler, seconds: float, call: Callable[[], object]) -> None:
        """Queues ``call()`` of `loop` for `seconds` from now."""
        with self._lock:
            self._sequence += 1
            heapq.heappush(self._work, (self.now + seconds, self._sequence, loop, call))

    def discard(self, loop: VirtualScheduler) -> None:
        """Forgets what `loop` has waiting."""
        with self._lock:
            self._work = [work for work in self._work if work[2] is not loop]
            heapq.heapify(self._work)

    @property
    def is_running(self) -> bool:
        """True while it runs something."""
        return self._depth > 0

    def report(self, error: BaseException) -> None:
        """Lets whoever makes time pass raise this, whatever the library makes of it."""
        self._problem = self._problem or error

    def run(self) -> None:
        """Runs all that is due now, and what comes of it; no time passes."""
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Lets `seconds` pass, running what falls due in its order.

        Raises:
            ValueError: time does not go back, and not on for ever.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(
                f"time does not go back, nor on for ever: it takes 0 s or more, not {seconds!r}"
            )
        self.wait_for(lambda: False, seconds)

    def wait_for(self, done: Callable[[], T], timeout: float) -> T:
        """Lets time pass until ``done()``, at most `timeout` seconds; what that gave."""
        self._depth += 1
        try:
            return self._wait_for(done, self.now + timeout)
        finally:
            self._depth -= 1
            if self._problem is not None and not self.is_running:
                problem, self._problem = self._problem, None
                raise problem

    def _wait_for(self, done: Callable[[], T], end: float) -> T:
        steps = 0
        while not (result := done()):
            work = self._take(max(end, self.now))
            if work is None:
                if self.now >= end:
                    break
                self.now = end
                continue
            due, _, loop, call = work
            steps = steps + 1 if due <= self.now else 0
            if steps > MAX_STEPS:
                raise RuntimeError(
                    f"{MAX_STEPS} pieces of work came of one another at one moment, the last on "
                    f"{loop._name!r}: does a callback write what calls it again?"
                )
            self.now = max(self.now, due)
            loop.run(call)
        return result

    def _take(self, end: float) -> tuple[float, int, VirtualScheduler, Callable[[], object]] | None:
        """The next piece of work of a loop that is not at work itself: as with threads, a loop
        does one thing at a time, also where a callback waits for something."""
        with self._lock:
            if not any(loop.is_current for loop in {work[2] for work in self._work}):
                if not self._work or self._work[0][0] > end:
                    return None
                return heapq.heappop(self._work)
            free = [work for work in self._work if not work[2].is_current and work[0] <= end]
            if not free:
                return None
            work = min(free, key=lambda each: each[:2])
            self._work.remove(work)
            heapq.heapify(self._work)
            return work


class VirtualScheduler(SerialScheduler):
    """The library's scheduler on a `VirtualClock`: the same interface, and no thread.

    Args:
        raises: let out what its work raises, instead of logging it as the real loop does.
    """

    def __init__(
        self, clock: VirtualClock | None = None, name: str = "virtual", *, raises: bool = False
    ) -> None:
        super().__init__()
        self._name = name
        self._raises = raises
        self.clock = clock or VirtualClock()
        self._runs = False
        self._closed = False
        self._last: Callable[[], object] | None = None

    @property
    def now(self) -> datetime:
        """The clock's time, counted from 1970."""
        return self.to_datetime(self.clock.now)

    @property
    def is_current(self) -> bool:
        return self._runs

    @property
    def depth(self) -> tuple[int, int]:
        """Nothing ever waits for room here."""
        return 0, 0

    def run(self, call: Callable[[], object]) -> None:
        """Runs ``call()`` now; what it raises is logged, as the real loop does."""
        self._runs = True
        try:
            call()
        except BaseException as error:
            if self._raises:  # also from within a callback, which would log it
                self.clock.report(error)
            elif not isinstance(error, Exception):
                raise
            else:
                log.exception("work on %s raised; the loop goes on", self._name)
        finally:
            self._runs = False
        self._finish()

    def post(self, call: Callable[[], object]) -> None:
        self.call_later(0.0, call)

    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        if not self._closed:
            self.clock.put(self, seconds, call)

    def feed(
        self, call: Callable[[], object], items: int, size: int, given_up: Callable[[], bool]
    ) -> None:
        """Queues ``call()``; there is always room."""
        self.post(call)

    def release(self) -> None:
        """Nothing ever waits for room here."""

    def time(self) -> float:
        return self.clock.now

    @property
    def is_closed(self) -> bool:
        return self._closed

    def close(self, last: Callable[[], object] | None = None) -> None:
        if self._closed:
            return
        self._closed = True
        self.clock.discard(self)
        self._last = last
        if not self._runs:
            self._finish()

    def join(self, timeout: float) -> None:
        """There is no thread to wait for."""

    def condition(self) -> threading.Condition:
        return VirtualCondition(self.clock)

    def wait(self, gate: threading.Condition, done: Callable[[], object]) -> None:
        gate.wait_for(done)

    def hold_back(self, gate: threading.Condition, has_room: Callable[[], object]) -> bool:
        """There is always room: nobody could make any meanwhile."""
        return True

    def _finish(self) -> None:
        if self._closed and self._last is not None:
            last, self._last = self._last, None
            self._runs = True
            try:
                last()
            finally:
                self._runs = False


class VirtualTime:
    """The `Runtime` of one clock: each loop of a client, and its reads, run by it."""

    quiet = 0.0

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def loop(self, name: str) -> VirtualScheduler:
        """A loop of its own."""
        return VirtualScheduler(self._clock, name)

    def pool(self) -> VirtualPool:
        """Runs reads one after the other: no answer takes any time."""
        return VirtualPool(self.loop("reads"))


class VirtualPool:
    """Reads on a `VirtualScheduler`."""

    def __init__(self, loop: VirtualScheduler) -> None:
        self.submit = loop.post
        self.close = loop.close


class VirtualCondition(threading.Condition):
    """Waits by letting virtual time pass: what blocks in the library then blocks no test."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(threading.RLock())
        self._clock = clock

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """What `predicate` gave, at the latest after `timeout` seconds of virtual time.

        Raises:
            RuntimeError: no `timeout`, and nothing will come.
        """
        done = self._clock.wait_for(predicate, LONGEST_WAIT if timeout is None else timeout)
        if timeout is None and not done:
            raise RuntimeError(
                f"waited {LONGEST_WAIT:g} s of virtual time, and nothing came: let it happen "
                "before the wait, or script it: fake.later(1.0, lambda: fake.push(…))"
            )
        return done
