"""The scheduler that the library needs: work in order, one piece at a time, and a clock.

`ThreadScheduler` runs it on a thread of its own, `testing.virtual_time.VirtualScheduler` in virtual
time.
"""

from __future__ import annotations

import math
import threading
from abc import abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from reactivex import abc, typing
from reactivex.disposable import SerialDisposable, SingleAssignmentDisposable
from reactivex.scheduler import TimeoutScheduler
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

__all__ = ["Job", "RestartableTimer", "SerialScheduler", "clock_of"]

State = TypeVar("State")


class _Scheduled(threading.local):
    depth = 0


class SerialScheduler(PeriodicScheduler):
    """A scheduler of RxPY whose work never overlaps, with cheaper methods for the library."""

    def __init__(self) -> None:
        super().__init__()
        self._scheduled = _Scheduled()

    # -- abstract --------------------------------------------------------------------------------

    @abstractmethod
    def time(self) -> float:
        """Return the seconds of a clock that never goes back, by which `call_later` counts."""

    def wall_time(self) -> float:
        """Return the seconds since the epoch, to be shown to people."""
        return self.to_seconds(self.now)

    @abstractmethod
    def post(self, call: Callable[[], object]) -> None:
        """Queue ``call()``. Never waits; ignored once the scheduler is closed."""

    @abstractmethod
    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        """Queue ``call()`` for `seconds` from now."""

    @abstractmethod
    def feed(
        self, call: Callable[[], object], items: int, size: int, given_up: Callable[[], bool]
    ) -> None:
        """Queue ``call()``, which stands for `items` events of `size` bytes.

        Waits while the queue is full. It never drops: once `given_up()` is true the call is
        queued over the limit, so that nothing that was received is lost.
        """

    @abstractmethod
    def release(self) -> None:
        """Wake every waiting `feed`, so that it checks `given_up` again."""

    @property
    @abstractmethod
    def depth(self) -> tuple[int, int]:
        """The number of events that wait, and of their bytes."""

    @property
    @abstractmethod
    def is_closed(self) -> bool:
        """True once `close` was called."""

    @property
    @abstractmethod
    def is_current(self) -> bool:
        """True inside the scheduler's own work."""

    @abstractmethod
    def condition(self) -> threading.Condition:
        """Return a condition with which other threads wait for the scheduler's work."""

    @abstractmethod
    def wait(self, gate: threading.Condition, done: Callable[[], object]) -> None:
        """Wait until `done()` is true, which the scheduler's work makes it.

        Args:
            gate: a `condition`, locked.
        """

    @abstractmethod
    def hold_back(self, gate: threading.Condition, has_room: Callable[[], object]) -> bool:
        """Hold the running piece of work until another thread has made room; return False if the
        scheduler was closed meanwhile.

        Args:
            gate: a `condition`, locked.
        """

    @abstractmethod
    def close(self, last: Callable[[], object] | None = None) -> None:
        """Discard all that waits; `last` runs after the running action. Never waits."""

    @abstractmethod
    def join(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the work to end; return at once within it."""

    def cancelled(self, job: Job) -> None:
        """Note that a queued job will not run."""

    # -- the scheduler's interface ---------------------------------------------------------------

    def schedule(
        self, action: typing.ScheduledAction[State], state: State | None = None
    ) -> abc.DisposableBase:
        """Run ``action(self, state)``, after the work that is already waiting."""
        job = Job(self, action, state)
        self.post(job)
        return job

    def schedule_relative(
        self,
        duetime: typing.RelativeTime,
        action: typing.ScheduledAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        """Run ``action`` after `duetime` seconds (or a timedelta); never, after infinity."""
        seconds = self.to_seconds(duetime)
        if math.isnan(seconds):
            raise ValueError("a time to wait must be a number of seconds, not NaN")
        if seconds <= 0:
            return self.schedule(action, state)
        job = Job(self, action, state)
        self.call_later(seconds, job)
        return job

    def schedule_absolute(
        self,
        duetime: typing.AbsoluteTime,
        action: typing.ScheduledAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        """Run ``action`` at `duetime` (a datetime in UTC, or seconds since the epoch)."""
        due: datetime = self.to_datetime(duetime)
        return self.schedule_relative(due - self.now, action, state)

    # -- waits that would never end --------------------------------------------------------------

    @contextmanager
    def as_scheduled(self) -> Generator[None]:
        """Run work on this thread that the scheduler may also run: inside, `check_wait` refuses the
        same waits, so that whether a callback may wait does not depend on the thread."""
        self._scheduled.depth += 1
        try:
            yield
        finally:
            self._scheduled.depth -= 1

    def check_wait(self, what: str) -> None:
        """Refuse a wait for the scheduler's work on a thread that this work waits for.

        Raises:
            RuntimeError: this is inside a callback.
        """
        if self.is_current or self._scheduled.depth:
            raise RuntimeError(
                f"{what} in a callback would wait for itself: subscribe instead, or ask the "
                "server with a request, such as get_list()"
            )


class Job(abc.DisposableBase):
    """One scheduled action; disposing it before it ran cancels it."""

    __slots__ = ("_action", "_inner", "_scheduler", "_state", "timer")

    def __init__(
        self, scheduler: SerialScheduler, action: typing.ScheduledAction[Any] | None, state: Any
    ) -> None:
        self._scheduler = scheduler
        self._action = action
        self._state = state
        self._inner = SingleAssignmentDisposable()
        self.timer: Any = None  # the scheduler's own

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
        self._scheduler.cancelled(self)
        self._inner.dispose()


class RestartableTimer(SerialDisposable):
    """One timer that can be set again; disposing it cancels it for good."""

    def __init__(self, clock: abc.SchedulerBase) -> None:
        super().__init__()
        self._clock = clock

    def set(self, wait: timedelta | float, action: Callable[[], None]) -> None:
        """Call `action` after `wait` (seconds, or a timedelta) instead of what was set before."""
        timer = SingleAssignmentDisposable()
        self.disposable = timer  # first, so that an action that sets it again is not undone
        timer.disposable = self._clock.schedule_relative(wait, lambda *_: action())


def clock_of(
    argument: abc.SchedulerBase | None, subscriber: abc.SchedulerBase | None
) -> abc.SchedulerBase:
    """Return the scheduler for timed work: the argument, else the subscriber's, else RxPY's."""
    return argument or subscriber or TimeoutScheduler.singleton()
