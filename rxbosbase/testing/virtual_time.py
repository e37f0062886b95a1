"""A clock that only a test advances, and schedulers that run on it instead of on threads."""

from __future__ import annotations

import heapq
import logging
import math
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from rxbosbase.runtime.scheduler import SerialScheduler

__all__ = ("VirtualClock", "VirtualScheduler", "VirtualTime")

log = logging.getLogger("rxbosbase.testing")

T = TypeVar("T")

MAX_STEPS = 100_000
"""Actions that may run at one moment of virtual time: more of them count as an endless loop."""

LONGEST_WAIT = 3600.0
"""Seconds of virtual time after which a wait without a timeout ends with an error."""


class VirtualClock:
    """A clock in seconds that only `advance` moves. Its actions run on the caller's thread.

    `FakeRealtime` has one as ``clock``; make one yourself for operators without a client.

    Attributes:
        now: seconds since the clock was made.

    >>> clock = VirtualClock()
    >>> scheduler = VirtualScheduler(clock)
    >>> _ = scheduler.schedule_relative(3600, lambda *_: print("an hour later"))
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

    def __repr__(self) -> str:
        return f"<VirtualClock at {self.now:g} s, {len(self._work)} waiting>"

    def put(self, scheduler: VirtualScheduler, seconds: float, call: Callable[[], object]) -> None:
        """Queue ``call()`` of `scheduler` for `seconds` from now.

        Args:
            scheduler: runs the call: one at a time, in the order of their times.
            seconds: virtual seconds; with 0 or less it runs at the next `run` or `advance`.
            call: called without arguments.

        >>> clock = VirtualClock()
        >>> clock.put(VirtualScheduler(clock), 2.0, lambda: print(clock.now))
        >>> clock.advance(5)
        2.0
        """
        with self._lock:
            self._sequence += 1
            heapq.heappush(self._work, (self.now + seconds, self._sequence, scheduler, call))

    def discard(self, scheduler: VirtualScheduler) -> None:
        """Discard the queued actions of `scheduler`; those of other schedulers stay.

        Args:
            scheduler: one that runs on this clock.

        >>> clock = VirtualClock()
        >>> scheduler = VirtualScheduler(clock)
        >>> scheduler.post(lambda: print("never"))
        >>> clock.discard(scheduler)
        >>> clock.run()
        """
        with self._lock:
            self._work = [work for work in self._work if work[2] is not scheduler]
            heapq.heapify(self._work)

    @property
    def is_running(self) -> bool:
        """True while an action runs or a wait is active."""
        return self._depth > 0

    def report(self, error: BaseException) -> None:
        """Make the call that advances the clock raise this, even if the library catches it.

        Args:
            error: what to raise; of several the first is raised.

        >>> clock = VirtualClock()
        >>> VirtualScheduler(clock).post(lambda: clock.report(ValueError("a wrong fixture")))
        >>> clock.run()
        Traceback (most recent call last):
        ValueError: a wrong fixture
        """
        self._problem = self._problem or error

    def run(self) -> None:
        """Run all actions that are due now, and those they queue for now; no time passes.

        Raises:
            RuntimeError: as `advance`.

        >>> clock = VirtualClock()
        >>> VirtualScheduler(clock).post(lambda: print("now"))
        >>> clock.run()
        now
        """
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass and run the actions that become due, in their order.

        Args:
            seconds: how long, in virtual seconds; it takes no real time.

        Raises:
            ValueError: `seconds` is negative, infinite or NaN.
            RuntimeError: 100 000 actions follow from one another at one moment: an endless loop.
            Exception: what was given to `report`.

        >>> clock = VirtualClock()
        >>> clock.advance(0.5)
        >>> clock.now
        0.5
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"time goes forward by a finite 0 s or more, not {seconds!r}")
        self.wait_for(lambda: False, seconds)

    def wait_for(self, done: Callable[[], T], timeout: float) -> T:
        """Let time pass until ``done()`` is true, at most `timeout` seconds.

        Args:
            done: called after each action.
            timeout: virtual seconds.

        Returns:
            the last result of ``done()``: a false one after `timeout`.

        Raises:
            RuntimeError: as `advance`.
            Exception: what was given to `report`.

        >>> clock = VirtualClock()
        >>> found = []
        >>> clock.put(VirtualScheduler(clock), 2.0, lambda: found.append("it"))
        >>> clock.wait_for(lambda: found, timeout=60), clock.now
        (['it'], 2.0)
        """
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
            work = self._next(max(end, self.now))
            if work is None:
                if self.now >= end:
                    break
                self.now = end
                continue
            due, _, scheduler, call = work
            steps = steps + 1 if due <= self.now else 0
            if steps > MAX_STEPS:
                raise RuntimeError(
                    f"{MAX_STEPS} pieces of work came of one another at one moment, the last on "
                    f"{scheduler.name!r}: does a callback write what calls it again?"
                )
            self.now = max(self.now, due)
            scheduler.run(call)
        return result

    def _next(self, end: float) -> tuple[float, int, VirtualScheduler, Callable[[], object]] | None:
        """Remove and return the next action of a scheduler that runs none: as with threads, a
        scheduler runs one action at a time, also while a callback waits."""
        with self._lock:
            if not any(scheduler.is_current for scheduler in {work[2] for work in self._work}):
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
    """The library's scheduler on a `VirtualClock`, with the same interface and without a thread.

    It is a scheduler of RxPY too, for ``scheduler=`` of any timed operator.

    Args:
        clock: the clock; None for one of its own.
        name: its name in log messages.
        raises: raise the errors of its actions from the call that advances the clock, instead of
            logging them as the real scheduler does.

    Attributes:
        clock: the `VirtualClock`.
        name: its name.

    >>> import reactivex
    >>> scheduler = VirtualScheduler()
    >>> _ = reactivex.timer(60, scheduler=scheduler).subscribe(lambda _: print("a minute"))
    >>> scheduler.clock.advance(60)
    a minute
    """

    def __init__(
        self, clock: VirtualClock | None = None, name: str = "virtual", *, raises: bool = False
    ) -> None:
        super().__init__()
        self.name = name
        self._raises = raises
        self.clock: VirtualClock = clock or VirtualClock()
        self._runs = False
        self._closed = False
        self._last: Callable[[], object] | None = None

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<VirtualScheduler {self.name!r} at {self.clock.now:g} s{state}>"

    @property
    def now(self) -> datetime:
        """The clock's time, counted from 1970."""
        return self.to_datetime(self.clock.now)

    @property
    def is_current(self) -> bool:
        return self._runs

    @property
    def depth(self) -> tuple[int, int]:
        """Always zero: the queue has no limit here."""
        return 0, 0

    def run(self, call: Callable[[], object]) -> None:
        """Run ``call()`` now, on this thread; its errors are logged, as the real scheduler does.

        Args:
            call: called without arguments.

        Raises:
            BaseException: what the call raises, if it is no `Exception`, such as KeyboardInterrupt.
                With `raises` the clock reports it instead.

        >>> VirtualScheduler().run(lambda: print("now"))
        now
        """
        self._runs = True
        try:
            call()
        except BaseException as error:
            if self._raises:  # also inside a callback, where it would be logged
                self.clock.report(error)
            elif not isinstance(error, Exception):
                raise
            else:
                log.exception("work on %s raised; the scheduler goes on", self.name)
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
        """Queue ``call()``; the queue has no limit here."""
        self.post(call)

    def release(self) -> None:
        """Do nothing: no call waits for space in the queue here."""

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
        """Do nothing: there is no thread to wait for."""

    def condition(self) -> threading.Condition:
        return VirtualCondition(self.clock)

    def wait(self, gate: threading.Condition, done: Callable[[], object]) -> None:
        gate.wait_for(done)

    def hold_back(self, gate: threading.Condition, has_room: Callable[[], object]) -> bool:
        """Return True at once: no other thread could make space here."""
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
    """The `Runtime` of one clock: a client's schedulers and its reads run on it."""

    quiet = 0.0

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def scheduler(self, name: str) -> VirtualScheduler:
        """Return a new scheduler."""
        return VirtualScheduler(self._clock, name)

    def pool(self) -> VirtualPool:
        """Return a pool that runs reads one after the other: a response takes no time here."""
        return VirtualPool(self.scheduler("reads"))


class VirtualPool:
    """Reads on a `VirtualScheduler`."""

    def __init__(self, scheduler: VirtualScheduler) -> None:
        self.submit = scheduler.post
        self.close = scheduler.close


class VirtualCondition(threading.Condition):
    """A condition whose waits let virtual time pass, so that blocking calls block no test."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(threading.RLock())
        self._clock = clock

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Let virtual time pass until ``predicate()``, or for `timeout` seconds; return its result.

        Raises:
            RuntimeError: there is no `timeout`, and an hour of virtual time did not make it true.
        """
        done = self._clock.wait_for(predicate, LONGEST_WAIT if timeout is None else timeout)
        if timeout is None and not done:
            raise RuntimeError(
                f"waited {LONGEST_WAIT:g} s of virtual time, and nothing came: let it happen "
                "before the wait, or script it: fake.later(1.0, lambda: fake.push(…))"
            )
        return done
