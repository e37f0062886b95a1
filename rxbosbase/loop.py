"""A scheduler that runs all its work on one named thread, and a bounded intake for batches.

Why not ``EventLoopScheduler``: that one is dead after a single action raised, measures time by
the wall clock, and keeps its thread for ever. This one logs what raised and goes on, measures
by the monotonic clock, and lets an idle thread go until there is work again.
"""

from __future__ import annotations

import heapq
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic, sleep
from typing import Any, TypeVar

from reactivex import abc, typing
from reactivex.disposable import SingleAssignmentDisposable
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from .process import is_ending

__all__ = ["LoopScheduler"]

log = logging.getLogger("rxbosbase.loop")

State = TypeVar("State")

IDLE_SECONDS = 5.0
"""How long a thread without work stays: long enough to serve bursts, short enough to be gone."""

LONGEST_WAIT = 3600.0
"""Seconds the thread sleeps at a stretch: the system refuses to wait for a timer of 300 years."""

FEW = 8
"""Up to so many items at once are no burst, and `feed` makes way for the thread that it woke: that
halves what crossing threads costs an event, and would cost a burst."""

SIGNAL_SECONDS = 0.5
"""How often a main thread that waits for the loop's work looks for signals."""

MANY_CANCELLED = 1000
"""From so many cancelled timers on the heap is swept once they are the majority: a debounce of
an hour must not keep an hour's worth of them."""


class _Lent(threading.local):
    depth = 0


class LoopScheduler(PeriodicScheduler):
    """Runs scheduled work in order on one daemon thread, which starts with the first piece of it.

    Args:
        name: the thread's name.
        max_items: how many items of `feed` may wait; full, `feed` waits.
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
        self._lent = _Lent()

    # -- the scheduler's interface ---------------------------------------------------------------

    def schedule(
        self, action: typing.ScheduledAction[State], state: State | None = None
    ) -> abc.DisposableBase:
        """Runs ``action(self, state)`` on the thread, after the work that is already waiting."""
        job = _Job(self, action, state)
        self.post(job)
        return job

    def schedule_relative(
        self,
        duetime: typing.RelativeTime,
        action: typing.ScheduledAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        """Runs ``action`` after `duetime` seconds (or a timedelta); never, after infinity."""
        seconds = self.to_seconds(duetime)
        if math.isnan(seconds):
            raise ValueError("a time to wait must be a number of seconds, not NaN")
        if seconds <= 0:
            return self.schedule(action, state)
        job = _Job(self, action, state)
        self.call_later(seconds, job)
        return job

    def schedule_absolute(
        self,
        duetime: typing.AbsoluteTime,
        action: typing.ScheduledAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        """Runs ``action`` at `duetime` (a datetime in UTC, or seconds since the epoch)."""
        due: datetime = self.to_datetime(duetime)
        return self.schedule_relative(due - self.now, action, state)

    # -- cheaper entrances for the library's own use ---------------------------------------------

    def post(self, call: Callable[[], object]) -> None:
        """Queues ``call()``. Never waits; ignored once the loop is closed."""
        with self._gate:
            if not self._closed:
                self._ready.append((call, 0, 0))
                self._wake()

    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        """Queues ``call()`` for `seconds` from now."""
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
            if isinstance(call, _Job):
                call.timer = timer
            self._wake()

    def feed(
        self, call: Callable[[], object], items: int, size: int, given_up: Callable[[], bool]
    ) -> None:
        """Queues ``call()``, which stands for `items` events of `size` bytes.

        Waits while the queue is full. It never drops: once `given_up()` is true the call is
        queued over the limit, so that nothing that was received is lost.
        """
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
            # The woken thread would find the interpreter taken, sleep again, and be woken twice.
            sleep(0)

    def release(self) -> None:
        """Wakes every waiting `feed`, so that it looks at `given_up` again."""
        with self._gate:
            self._room.notify_all()

    @property
    def depth(self) -> tuple[int, int]:
        """How many events, and bytes of them, are waiting."""
        return self._items, self._bytes

    @property
    def is_closed(self) -> bool:
        """True once `close` was called."""
        return self._closed

    can_wait = True
    """Whether its work may wait for another thread: virtual time has none."""

    def condition(self) -> threading.Condition:
        """What other threads wait with for the loop's work."""
        return threading.Condition()

    @property
    def is_current(self) -> bool:
        """True on the loop's own thread."""
        return threading.current_thread() is self._thread

    @contextmanager
    def lent(self) -> Generator[None]:
        """Inside, this thread does work that the loop's own may do as well: what `check_wait`
        refuses there is refused here, so that a callback does not wait by luck."""
        self._lent.depth += 1
        try:
            yield
        finally:
            self._lent.depth -= 1

    def check_wait(self, what: str) -> None:
        """Refuses a wait without an end for the loop's work where that work waits for this thread.

        Raises:
            RuntimeError: this is inside a callback.
        """
        if self.is_current or self._lent.depth:
            raise RuntimeError(
                f"{what} in a callback would wait for itself: subscribe instead, or ask the "
                "server with a request, such as get_list()"
            )

    def wait(self, gate: threading.Condition, done: Callable[[], object]) -> None:
        """Waits until `done()`, which the loop's work brings about.

        Args:
            gate: a `condition`, held.
        """
        # Ctrl-C that another thread took does not wake this one: it looks by itself.
        look = SIGNAL_SECONDS if self.can_wait else None
        while not gate.wait_for(done, look):
            pass

    def close(self, last: Callable[[], object] | None = None) -> None:
        """Discards all that waits; `last` runs after the running action. Never waits."""
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
        """Waits up to `timeout` seconds for the thread to end; returns at once on that thread."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    # -- the thread ------------------------------------------------------------------------------

    def _is_full(self, items: int, size: int) -> bool:
        return self._items > 0 and (
            self._items + items > self._max_items or self._bytes + size > self._max_bytes
        )

    def _wake(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # Raised, it would end the stream that feeds. The next piece of work tries again.
                if not is_ending(error):
                    log.error("work on %s has to wait: %s", self._name, error)
            else:
                self._thread = thread
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
            except BaseException:  # a sys.exit() in user code must not end the others' events
                log.exception("work on %s raised; the thread goes on", self._name)
            # A reference kept here would hold the last event until the next one comes.
            del call

    def _next(self) -> Callable[[], object] | None:
        """The next due piece of work; None when the thread shall end. Runs under the gate."""
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
            rung = self._gate.wait(wait)
            self._asleep = False
            if not rung and not self._timers and not self._ready:
                # Under the gate, so that whoever queues next sees there is no thread.
                self._thread = None
                return None
        # Taken, so that a thread that was about to leave for lack of work cannot run it too.
        last, self._last = self._last, None
        return last


class _Timer:
    """A cancelled timer lets its work go at once; the heap drops the shell when it is due."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call


class _Job(abc.DisposableBase):
    """One scheduled action; disposing it before it ran cancels it."""

    __slots__ = ("_action", "_inner", "_scheduler", "_state", "timer")

    def __init__(
        self, scheduler: LoopScheduler, action: typing.ScheduledAction[Any] | None, state: Any
    ) -> None:
        self._scheduler = scheduler
        self._action = action
        self._state = state
        self._inner = SingleAssignmentDisposable()
        self.timer: _Timer | None = None

    def __call__(self) -> None:
        state = self._state  # read first: `dispose` on another thread clears both
        action, self._action = self._action, None
        if action is None:
            return
        result = action(self._scheduler, state)
        if result is not None:
            self._inner.disposable = result

    def dispose(self) -> None:
        self._action = self._state = None
        if self.timer is not None and self.timer.call is not None:
            self.timer.call = None
            self._scheduler._cancelled += 1
        self._inner.dispose()
