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

from .actions import calling

__all__ = ("Job", "RestartableTimer", "SerialScheduler", "clock_of")

State = TypeVar("State")


class _Scheduled(threading.local):
    depth = 0


class SerialScheduler(PeriodicScheduler):
    """A scheduler of RxPY whose work never overlaps: ``client.scheduler`` is one.

    Give it as ``scheduler=`` to operators of streams that were merged by hand, so that their timers
    run on the delivery thread, too. The methods beside ``schedule…`` are cheaper, for the library.

    >>> from rxbosbase.testing import VirtualScheduler
    >>> isinstance(VirtualScheduler(), SerialScheduler)
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self._scheduled = _Scheduled()

    # -- abstract --------------------------------------------------------------------------------

    @abstractmethod
    def time(self) -> float:
        """Return the seconds of a clock that never goes back, by which `call_later` counts.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> VirtualScheduler().time()
        0.0
        """

    def wall_time(self) -> float:
        """Return the seconds since the epoch (1970, UTC), to be shown to people.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> VirtualScheduler().wall_time()  # virtual time begins in 1970
        0.0
        """
        return self.to_seconds(self.now)

    @abstractmethod
    def post(self, call: Callable[[], object]) -> None:
        """Queue ``call()``. Never waits; ignored once the scheduler is closed.

        Args:
            call: called without arguments; an error of it is logged.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> scheduler = VirtualScheduler()
        >>> scheduler.post(lambda: print("now"))
        >>> scheduler.clock.run()
        now
        """

    @abstractmethod
    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        """Queue ``call()`` for `seconds` from now. Ignored once the scheduler is closed.

        Args:
            seconds: how long to wait, by the clock of `time`.
            call: called without arguments; an error of it is logged.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> scheduler = VirtualScheduler()
        >>> scheduler.call_later(1.5, lambda: print(scheduler.time()))
        >>> scheduler.clock.advance(2)
        1.5
        """

    @abstractmethod
    def feed(
        self, call: Callable[[], object], items: int, size: int, given_up: Callable[[], bool]
    ) -> None:
        """Queue ``call()``, which stands for `items` events of `size` bytes.

        Waits while the queue is full. It never drops: once `given_up()` is true the call is
        queued over the limit, so that nothing that was received is lost.

        Args:
            call: called without arguments.
            items: how many events it delivers.
            size: their bytes together.
            given_up: True if the caller must not wait any longer; asked after each `release`.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> scheduler = VirtualScheduler()
        >>> scheduler.feed(lambda: print("2 events"), items=2, size=512, given_up=lambda: False)
        >>> scheduler.clock.run()
        2 events
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
        """Return a condition with which other threads wait for the scheduler's work.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> gate = VirtualScheduler().condition()
        >>> with gate:
        ...     gate.wait_for(lambda: "done", timeout=1)
        'done'
        """

    @abstractmethod
    def wait(self, gate: threading.Condition, done: Callable[[], object]) -> None:
        """Wait until `done()` is true, which the scheduler's work makes it.

        Args:
            gate: a `condition`, locked.
            done: called with `gate` locked.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> scheduler, found = VirtualScheduler(), []
        >>> scheduler.call_later(2, lambda: found.append("it"))
        >>> gate = scheduler.condition()
        >>> with gate:
        ...     scheduler.wait(gate, lambda: found)
        >>> scheduler.time()
        2.0
        """

    @abstractmethod
    def hold_back(self, gate: threading.Condition, has_room: Callable[[], object]) -> bool:
        """Hold the running piece of work until another thread has made room.

        Args:
            gate: a `condition`, locked.
            has_room: called with `gate` locked.

        Returns:
            False if the scheduler was closed meanwhile.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> scheduler = VirtualScheduler()
        >>> gate = scheduler.condition()
        >>> with gate:
        ...     scheduler.hold_back(gate, lambda: True)
        True
        """

    @abstractmethod
    def close(self, last: Callable[[], object] | None = None) -> None:
        """Discard all that waits; `last` runs after the running action. Never waits.

        Args:
            last: called without arguments, once; by a first `close` alone.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> scheduler = VirtualScheduler()
        >>> scheduler.post(lambda: print("discarded"))
        >>> scheduler.close(lambda: print("the last"))
        the last
        """

    @abstractmethod
    def join(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the work to end; return at once within it.

        Args:
            timeout: real seconds.
        """

    def cancelled(self, job: Job) -> None:
        """Note that a queued job will not run.

        Args:
            job: what `schedule` returned, disposed of before it ran.
        """

    # -- the scheduler's interface ---------------------------------------------------------------

    def schedule(
        self, action: typing.ScheduledAction[State], state: State | None = None
    ) -> abc.DisposableBase:
        """Run ``action(self, state)``, after the work that is already waiting.

        Args:
            action: called with this scheduler and `state`; it may return a disposable.
            state: anything.

        Returns:
            a disposable that cancels the action, or disposes what it has returned.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> scheduler = VirtualScheduler()
        >>> _ = scheduler.schedule(lambda _, state: print(state), "now")
        >>> scheduler.clock.run()
        now
        """
        job = Job(self, action, state)
        self.post(job)
        return job

    def schedule_relative(
        self,
        duetime: typing.RelativeTime,
        action: typing.ScheduledAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        """Run ``action(self, state)`` after `duetime`; never, after infinity.

        Args:
            duetime: seconds, or a timedelta.
            action, state: as in `schedule`.

        Returns:
            a disposable, as `schedule`.

        Raises:
            ValueError: `duetime` is NaN.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> scheduler = VirtualScheduler()
        >>> _ = scheduler.schedule_relative(60, lambda *_: print("a minute later"))
        >>> scheduler.clock.advance(60)
        a minute later
        """
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
        """Run ``action(self, state)`` at `duetime`; at once if that is over.

        Args:
            duetime: a datetime in UTC, or seconds since the epoch.
            action, state: as in `schedule`.

        Returns:
            a disposable, as `schedule`.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> scheduler = VirtualScheduler()
        >>> _ = scheduler.schedule_absolute(scheduler.wall_time() + 2, lambda *_: print("then"))
        >>> scheduler.clock.advance(2)
        then
        """
        due: datetime = self.to_datetime(duetime)
        return self.schedule_relative(due - self.now, action, state)

    # -- waits that would never end --------------------------------------------------------------

    @contextmanager
    def as_scheduled(self) -> Generator[None]:
        """Return a context in which this thread runs work that the scheduler may also run.

        Inside, `check_wait` refuses the same waits, so that whether a callback may wait does not
        depend on the thread.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> scheduler = VirtualScheduler()
        >>> with scheduler.as_scheduled():
        ...     scheduler.check_wait("a wait")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        RuntimeError: a wait in a callback would wait for itself: subscribe instead, ...
        """
        self._scheduled.depth += 1
        try:
            yield
        finally:
            self._scheduled.depth -= 1

    def check_wait(self, what: str) -> None:
        """Refuse a wait for the scheduler's work on a thread that this work waits for.

        Args:
            what: the call that would wait, for the message.

        Raises:
            RuntimeError: this is inside a callback.

        >>> from rxbosbase.testing import VirtualScheduler
        >>> VirtualScheduler().check_wait("a wait")
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
        timer.disposable = self._clock.schedule_relative(wait, calling(action))


def clock_of(
    argument: abc.SchedulerBase | None, subscriber: abc.SchedulerBase | None
) -> abc.SchedulerBase:
    """Return the scheduler for timed work: the argument, else the subscriber's, else RxPY's."""
    return argument or subscriber or TimeoutScheduler.singleton()
