"""What the library asks of a scheduler: its work in order, one piece at a time, and a clock.

`ThreadScheduler` does it on a thread of its own, `testing.virtual_time.VirtualScheduler` in virtual
time.
"""

from __future__ import annotations

import math
import threading
from abc import abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from reactivex import abc, typing
from reactivex.disposable import SingleAssignmentDisposable
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

__all__ = ["Job", "SerialScheduler"]

State = TypeVar("State")


class _Lent(threading.local):
    depth = 0


class SerialScheduler(PeriodicScheduler):
    """A scheduler of RxPY whose work never overlaps, with cheaper entrances for the library."""

    def __init__(self) -> None:
        super().__init__()
        self._lent = _Lent()

    # -- to be provided --------------------------------------------------------------------------

    @abstractmethod
    def time(self) -> float:
        """Seconds of a clock that never goes back, by which `call_later` counts."""

    def wall_time(self) -> float:
        """Seconds since the epoch, to be shown to people."""
        return self.to_seconds(self.now)

    @abstractmethod
    def post(self, call: Callable[[], object]) -> None:
        """Queues ``call()``. Never waits; ignored once the loop is closed."""

    @abstractmethod
    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        """Queues ``call()`` for `seconds` from now."""

    @abstractmethod
    def feed(
        self, call: Callable[[], object], items: int, size: int, given_up: Callable[[], bool]
    ) -> None:
        """Queues ``call()``, which stands for `items` events of `size` bytes.

        Waits while the queue is full. It never drops: once `given_up()` is true the call is
        queued over the limit, so that nothing that was received is lost.
        """

    @abstractmethod
    def release(self) -> None:
        """Wakes every waiting `feed`, so that it looks at `given_up` again."""

    @property
    @abstractmethod
    def depth(self) -> tuple[int, int]:
        """How many events, and bytes of them, are waiting."""

    @property
    @abstractmethod
    def is_closed(self) -> bool:
        """True once `close` was called."""

    @property
    @abstractmethod
    def is_current(self) -> bool:
        """True for a caller that is a piece of the loop's own work."""

    @abstractmethod
    def condition(self) -> threading.Condition:
        """What others wait with for the loop's work."""

    @abstractmethod
    def wait(self, gate: threading.Condition, done: Callable[[], object]) -> None:
        """Waits until `done()`, which the loop's work brings about.

        Args:
            gate: a `condition`, held.
        """

    @abstractmethod
    def hold_back(self, gate: threading.Condition, has_room: Callable[[], object]) -> bool:
        """Holds the running piece of work until another thread has made room; False if the loop
        was closed meanwhile.

        Args:
            gate: a `condition`, held.
        """

    @abstractmethod
    def close(self, last: Callable[[], object] | None = None) -> None:
        """Discards all that waits; `last` runs after the running action. Never waits."""

    @abstractmethod
    def join(self, timeout: float) -> None:
        """Waits up to `timeout` seconds for the work to end; returns at once within it."""

    def cancelled(self, job: Job) -> None:
        """A job that was queued will not run."""

    # -- the scheduler's interface ---------------------------------------------------------------

    def schedule(
        self, action: typing.ScheduledAction[State], state: State | None = None
    ) -> abc.DisposableBase:
        """Runs ``action(self, state)``, after the work that is already waiting."""
        job = Job(self, action, state)
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
        job = Job(self, action, state)
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

    # -- waits that would never end --------------------------------------------------------------

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


class Job(abc.DisposableBase):
    """One scheduled action; disposing it before it ran cancels it."""

    __slots__ = ("_action", "_inner", "_loop", "_state", "timer")

    def __init__(
        self, loop: SerialScheduler, action: typing.ScheduledAction[Any] | None, state: Any
    ) -> None:
        self._loop = loop
        self._action = action
        self._state = state
        self._inner = SingleAssignmentDisposable()
        self.timer: Any = None  # the loop's own

    def __call__(self) -> None:
        state = self._state  # read first: `dispose` on another thread clears both
        action, self._action = self._action, None
        if action is None:
            return
        result = action(self._loop, state)
        if result is not None:
            self._inner.disposable = result

    def dispose(self) -> None:
        self._action = self._state = None
        self._loop.cancelled(self)
        self._inner.dispose()
