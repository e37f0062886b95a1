"""A scheduler that runs all its work on one named thread, and has a bounded queue for batches.

Why not ``EventLoopScheduler``: that one runs nothing more after an action raised, measures time by
the wall clock, and never ends its thread. This one logs the exception and continues, measures by
the monotonic clock, and ends an idle thread until there is work again.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic, sleep
from time import time as wall_time

from .daemon import start_daemon
from .scheduler import Job, SerialScheduler

__all__ = ("ThreadScheduler",)

log = logging.getLogger("rxbosbase.loop")

IDLE_SECONDS = 5.0
"""Seconds after which a thread without work ends: enough to serve bursts."""

LONGEST_WAIT = 3600.0
"""Seconds of the longest single wait of the thread: the system refuses a timeout of 300 years."""

FEW = 8
"""With at most so many items in one call, `feed` yields the interpreter to the thread that it woke.
This halves the cost of the thread switch for a single event; in a burst it would add cost."""

SIGNAL_SECONDS = 0.5
"""Seconds between two checks for signals, of a main thread that waits for the scheduler's work."""

MANY_CANCELLED = 1000
"""With more cancelled timers than this on the heap, they are removed once they are the majority: a
debounce of an hour must not keep the cancelled timers of an hour."""


POLL_SECONDS = 0.05
"""Seconds between two checks of work that is held back whether the scheduler was closed."""


class ThreadScheduler(SerialScheduler):
    """Runs scheduled work in order on one daemon thread, which starts with the first piece of it.

    Args:
        name: the thread's name.
        max_items: how many items of `feed` may wait; if it is full, `feed` waits.
        max_bytes: how many bytes of them; a single larger one is taken when nothing else waits.
    """

    def __init__(
        self, name: str, *, max_items: int = 10_000, max_bytes: int = 64 * 1024 * 1024
    ) -> None:
        super().__init__()
        self._name = name
        self._max_items = max_items
        self._max_bytes = max_bytes
        # No lock is held while an action runs; this one guards the queues alone.
        lock = threading.Lock()
        self._gate = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._ready: deque[tuple[Callable[[], object], int, int]] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._sequence = 0
        self._cancelled = 0
        self._items = 0
        self._bytes = 0
        self._thread: threading.Thread | None = None
        self._last: Callable[[], object] | None = None
        self._asleep = False
        self._closed = False

    def __repr__(self) -> str:
        waiting = f"{len(self._ready)} calls and {len(self._timers)} timers waiting"
        return f"<ThreadScheduler {self._name!r}, {'closed' if self._closed else waiting}>"

    def time(self) -> float:
        return monotonic()

    def wall_time(self) -> float:
        return wall_time()

    def post(self, call: Callable[[], object]) -> None:
        with self._gate:
            if not self._closed:
                self._ready.append((call, 0, 0))
                self._wake()

    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        with self._gate:
            if self._closed:
                return
            if self._cancelled > MANY_CANCELLED and self._cancelled * 2 > len(self._timers):
                self._timers = [entry for entry in self._timers if entry[2].call is not None]
                heapq.heapify(self._timers)
                self._cancelled = 0
            self._sequence += 1
            timer = _Timer(call)
            heapq.heappush(self._timers, (monotonic() + seconds, self._sequence, timer))
            if isinstance(call, Job):
                call.timer = timer
            self._wake()

    def feed(
        self, call: Callable[[], object], items: int, size: int, given_up: Callable[[], bool]
    ) -> None:
        with self._gate:
            while self._is_full(items, size) and not self._closed and not given_up():
                self._room.wait()
            if not self._closed:
                self._items += items
                self._bytes += size
                self._ready.append((call, items, size))
                self._wake()
            wakes = self._asleep
        if wakes and items <= FEW:
            # The woken thread would find the interpreter locked, sleep again, and be woken twice.
            sleep(0)

    def release(self) -> None:
        with self._gate:
            self._room.notify_all()

    @property
    def depth(self) -> tuple[int, int]:
        return self._items, self._bytes

    @property
    def is_closed(self) -> bool:
        return self._closed

    def condition(self) -> threading.Condition:
        return threading.Condition()

    @property
    def is_current(self) -> bool:
        return threading.current_thread() is self._thread

    def wait(self, gate: threading.Condition, done: Callable[[], object]) -> None:
        # A Ctrl-C that another thread received does not wake this one: it polls.
        while not gate.wait_for(done, SIGNAL_SECONDS):
            pass

    def hold_back(self, gate: threading.Condition, has_room: Callable[[], object]) -> bool:
        while not has_room():
            gate.wait(POLL_SECONDS)
            if self._closed:
                return False
        return True

    def close(self, last: Callable[[], object] | None = None) -> None:
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._last = last
            self._ready.clear()
            self._timers.clear()
            self._items = self._bytes = 0
            self._room.notify_all()
            if last is not None:
                self._wake()
            else:
                self._gate.notify()

    def join(self, timeout: float) -> None:
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def cancelled(self, job: Job) -> None:
        if job.timer is not None and job.timer.call is not None:
            job.timer.call = None
            self._cancelled += 1

    # -- the thread ------------------------------------------------------------------------------

    def _is_full(self, items: int, size: int) -> bool:
        return self._items > 0 and (
            self._items + items > self._max_items or self._bytes + size > self._max_bytes
        )

    def _wake(self) -> None:
        if self._thread is None:
            try:
                self._thread = start_daemon(self._run, self._name)
            except RuntimeError as error:
                # Raising would end the stream that feeds. The next piece of work tries again.
                log.error("work on %s has to wait: %s", self._name, error)
        else:
            self._gate.notify()

    def _run(self) -> None:
        while True:
            with self._gate:
                call = self._next()
            if call is None:
                break
            try:
                call()
            except BaseException:  # a sys.exit() in user code must not stop other events
                log.exception("work on %s raised; the thread goes on", self._name)
            # A reference kept here would hold the last event until the next one comes.
            del call

    def _next(self) -> Callable[[], object] | None:
        """Return the next due piece of work; None if the thread is to end. Under the gate."""
        while not self._closed:
            wait = IDLE_SECONDS
            if self._timers:
                wait = self._timers[0][0] - monotonic()
                if wait <= 0:
                    call = heapq.heappop(self._timers)[2].call
                    if call is not None:
                        return call
                    continue
            if self._ready:
                work, items, size = self._ready.popleft()
                if items or size:
                    self._items -= items
                    self._bytes -= size
                    self._room.notify_all()
                return work
            wait = min(wait, LONGEST_WAIT)
            self._asleep = True
            notified = self._gate.wait(wait)
            self._asleep = False
            if not notified and not self._timers and not self._ready:
                # Under the gate, so that the next call that queues work sees no thread.
                self._thread = None
                return None
        # Taken out, so that a thread that is about to end for lack of work cannot run it too.
        last, self._last = self._last, None
        return last


class _Timer:
    """A timer; a cancelled one releases its work at once and leaves the heap when it is due."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call
