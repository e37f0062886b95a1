"""How long to wait before trying again, and the operator that does it.

Time comes from a scheduler and chance from an argument, so that a test runs hours of backoff in
milliseconds. Nothing here sleeps and nothing here knows what a connection is.
"""

from __future__ import annotations

import math
import random as _random
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import (
    CompositeDisposable,
    SerialDisposable,
    SingleAssignmentDisposable,
)
from reactivex.scheduler import TimeoutScheduler

from .backoff import asked_to_wait, is_number, longest_wait

__all__ = ["RESET_AFTER", "BackoffPolicy", "retry_with_backoff"]

T = TypeVar("T")

RESET_AFTER = 5.0
"""Seconds an attempt must have lived for its end to begin a new count of failures."""


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """How long to wait before each new attempt. An immutable value; times are seconds.

    With ``jitter`` the wait is drawn evenly between 0 and the bound ("full jitter"), so that a
    thousand clients of a restarted server do not come back in step.

    >>> calm = BackoffPolicy(jitter=False)
    >>> [calm.delay(attempt) for attempt in range(1, 7)]
    [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]

    Raises:
        ValueError: a negative or infinite time, a factor below 1, ``max_attempts`` below 1.
    """

    initial: float = 0.2
    factor: float = 2.0
    maximum: float = 2.0
    jitter: bool = True
    max_attempts: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("initial", 0), ("factor", 1), ("maximum", 0)):
            value = getattr(self, name)
            if not is_number(value) or not math.isfinite(value) or value < least:
                raise ValueError(f"{name} must be a finite number, {least} or more, not {value!r}")
        most: object = self.max_attempts
        if most is not None and (not isinstance(most, int) or most is True or most < 1):
            raise ValueError(
                f"max_attempts must be 1 or more, or None to retry for ever, not {most!r}"
            )

    def delay(self, attempt: int, random: Callable[[], float] = _random.random) -> float:
        """Seconds to wait after failure number ``attempt`` (the first is 1).

        ``random`` gives numbers in [0, 1); it is asked only when ``jitter`` is on.
        """
        if attempt < 1:
            raise ValueError(f"attempt counts failures from 1, not {attempt!r}")
        bound = longest_wait(
            attempt, initial=self.initial, factor=self.factor, maximum=self.maximum
        )
        return bound * random() if self.jitter else bound

    def exhausted(self, attempt: int) -> bool:
        """True when failure number ``attempt`` is the last one this policy allows."""
        return self.max_attempts is not None and attempt >= self.max_attempts


def retry_with_backoff(
    policy: BackoffPolicy,
    *,
    scheduler: abc.SchedulerBase | None = None,
    random: Callable[[], float] = _random.random,
    resets: Callable[[Exception], bool] | None = None,
    until: Callable[[Exception], bool] | None = None,
    on_wait: Callable[[int, float, Exception], None] | None = None,
    wake: Observable[Any] | None = None,
) -> Callable[[Observable[T]], Observable[T]]:
    """Subscribe to the source again after each of its errors, waiting as ``policy`` says.

    A completion passes through, so a ``repeat()`` behind this begins with a fresh count. Here the
    source fails three seconds after each subscription::

        source:  -a1#
        call:    retry_with_backoff(BackoffPolicy(initial=1, jitter=False, max_attempts=3))
        result:  -a1--a1---a1#

    Args:
        policy: the waits, and how many failures in a row are too many.
        scheduler: runs the waits and the new subscriptions; by default the subscriber's, else
            ``TimeoutScheduler``.
        random: the source of jitter, numbers in [0, 1).
        resets: True when the attempt that ended with this error had been healthy: its failure
            counts as the first again. By default an attempt is healthy that gave at least one
            value and lived for ``RESET_AFTER`` seconds.
        until: True for an error that retrying cannot mend; it is passed on at once.
        on_wait: told ``(attempt, delay, error)`` before each wait.
        wake: a value of it ends a running wait at once, the count is kept. Subscribed to once,
            for as long as the whole; its own error ends the whole.

    An error with a number in its attribute ``retry_after`` (seconds) makes the wait at least that
    long, up to ``MAX_RETRY_AFTER``. After ``policy.max_attempts`` failures in a row the last error
    is passed on; so is what ``resets``, ``until`` or ``on_wait`` raise.
    """

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler_: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            clock = scheduler or scheduler_ or TimeoutScheduler.singleton()
            retry: _Retry[T] = _Retry(policy, clock, random, resets, until, on_wait)
            return retry.run(source, observer, scheduler_, wake)

        return Observable(subscribe)

    return operator


@dataclass(eq=False)
class _Retry(Generic[T]):
    """One subscription of the operator.

    ``_current`` holds the attempt or the wait, whichever there is; disposing it ends all. Whoever
    takes the ``_wait`` token (the timer, or a wake) starts the next attempt, so only one does.
    """

    policy: BackoffPolicy
    clock: abc.SchedulerBase
    random: Callable[[], float]
    resets: Callable[[Exception], bool] | None
    until: Callable[[Exception], bool] | None
    on_wait: Callable[[int, float, Exception], None] | None

    def run(
        self,
        source: Observable[T],
        observer: abc.ObserverBase[T],
        scheduler: abc.SchedulerBase | None,
        wake: Observable[Any] | None,
    ) -> abc.DisposableBase:
        self._source, self._observer, self._scheduler = source, observer, scheduler
        self._lock = Lock()
        self._current = SerialDisposable()
        self._wait: SingleAssignmentDisposable | None = None
        self._hurried: SingleAssignmentDisposable | None = None
        self._is_telling = False  # of a wait that has not begun, which a wake cuts short already
        self._failures = 0
        self._due = self._connecting = False
        self._raised: Exception | None = None
        waking = SingleAssignmentDisposable()
        if wake is not None:
            waking.disposable = wake.subscribe(
                lambda _: self._woken(), observer.on_error, scheduler=scheduler
            )
        self._connect()
        return CompositeDisposable(self._current, waking)

    def _connect(self) -> None:
        # A loop, not a call from within a call: a scheduler may run the next attempt while the
        # source is still failing inside `subscribe`.
        with self._lock:
            self._due = True
            if self._connecting:
                return
            self._connecting = True
        try:
            while self._take_due():
                self._attempt()
        finally:
            with self._lock:
                self._connecting = False

    def _take_due(self) -> bool:
        with self._lock:
            due, self._due = self._due, False
            self._connecting = due
            return due

    def _attempt(self) -> None:
        attempt = SingleAssignmentDisposable()
        self._current.disposable = attempt
        if attempt.is_disposed:  # cancelling a timer is only best effort
            return
        began = self.clock.now
        delivered = False

        def on_next(value: T) -> None:
            nonlocal delivered
            delivered = True
            try:
                self._observer.on_next(value)
            except Exception as error:
                # RxPY hands what a subscriber raises inside `subscribe` to on_error: it is the
                # subscriber's failure, and asking the source again would not mend it.
                self._raised = error
                raise

        def on_error(error: Exception) -> None:
            def healthy() -> bool:
                lived = (self.clock.now - began).total_seconds()
                return delivered and lived >= RESET_AFTER

            self._failed(error, healthy)

        attempt.disposable = self._source.subscribe(
            on_next, on_error, self._observer.on_completed, scheduler=self._scheduler
        )

    def _failed(self, error: Exception, healthy: Callable[[], bool]) -> None:
        try:
            final = None if self._retries(error, healthy) else error
        except Exception as broken:  # a callback raised, or the scheduler has been shut down
            final = broken
        if final is not None:
            self._observer.on_error(final)

    def _retries(self, error: Exception, healthy: Callable[[], bool]) -> bool:
        if error is self._raised or (self.until is not None and self.until(error)):
            return False
        reset = healthy() if self.resets is None else self.resets(error)
        self._failures = 1 if reset else self._failures + 1
        if self.policy.exhausted(self._failures):
            return False
        self._start_wait(error)
        return True

    def _start_wait(self, error: Exception) -> None:
        attempt = self._failures
        delay = max(self.policy.delay(attempt, self.random), asked_to_wait(error))
        wait = SingleAssignmentDisposable()
        self._current.disposable = wait
        with self._lock:
            # From here a wake counts, also one during on_wait; the next attempt waits for that.
            self._wait, self._is_telling = wait, True
        if self.on_wait is not None:
            self.on_wait(attempt, delay, error)
        with self._lock:
            self._is_telling = False
            is_hurried = self._wait is self._hurried
        if is_hurried:
            delay = 0.0
        wait.disposable = self.clock.schedule_relative(delay, lambda *_: self._elapsed(wait))

    def _elapsed(self, wait: SingleAssignmentDisposable) -> None:
        with self._lock:
            if self._wait is not wait:
                return
            self._wait = None
        self._connect()

    def _woken(self) -> None:
        with self._lock:
            if self._wait is None or self._wait is self._hurried:
                return
            if self._is_telling:
                self._hurried = self._wait
                return
            self._wait = self._hurried = wait = SingleAssignmentDisposable()
        self._current.disposable = wait
        # Through the scheduler, so that an attempt starts on its thread and not on the waker's.
        wait.disposable = self.clock.schedule(lambda *_: self._elapsed(wait))
