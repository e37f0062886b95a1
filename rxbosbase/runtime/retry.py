"""The mechanism of ``retry_with_backoff``: attempts, waits, and the count of failures.

It is here and not beside the operator, so that `realtime` uses it without loading all operators.
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

import msgspec
from reactivex import Observable, abc
from reactivex.disposable import (
    CompositeDisposable,
    SerialDisposable,
    SingleAssignmentDisposable,
)

from .actions import calling
from .backoff import BackoffPolicy
from .retry_delay import asked_to_wait
from .scheduler import clock_of

__all__ = ("RESET_AFTER", "Retry")

T = TypeVar("T")

RESET_AFTER = 5.0
"""Seconds an attempt must have lasted for its end to start a new count of failures."""


class Retry(msgspec.Struct, frozen=True, eq=False):
    """The operator that `operators.retry_with_backoff` returns; it documents the arguments."""

    policy: BackoffPolicy
    scheduler: abc.SchedulerBase | None = None
    random: Callable[[], float] = _random.random
    resets: Callable[[Exception], bool] | None = None
    until: Callable[[Exception], bool] | None = None
    on_wait: Callable[[int, float, Exception], None] | None = None
    wake: Observable[Any] | None = None

    def __call__(self, source: Observable[T]) -> Observable[T]:
        """Return the source, subscribed to again after each of its errors."""

        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return _Attempts(self, source, observer, scheduler).run()

        return Observable(subscribe)


class _Attempts(Generic[T]):
    """One subscription of the operator.

    ``_current`` holds the attempt or the wait, whichever there is; disposing it ends both. What
    clears the token ``_wait`` (the timer, or a wake) starts the next attempt, so only one does.
    """

    def __init__(
        self,
        options: Retry,
        source: Observable[T],
        observer: abc.ObserverBase[T],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        self._options = options
        self._clock = clock_of(options.scheduler, scheduler)
        self._source, self._observer, self._scheduler = source, observer, scheduler
        self._lock = Lock()
        self._current = SerialDisposable()
        self._wait: SingleAssignmentDisposable | None = None
        self._shortened: SingleAssignmentDisposable | None = None
        self._is_reporting = False  # while `on_wait` runs, a wake already cuts the wait short
        self._failures = 0
        self._due = self._connecting = False
        self._raised: Exception | None = None

    def run(self) -> abc.DisposableBase:
        """Start the first attempt; disposing the result ends all."""
        waking, wake = SingleAssignmentDisposable(), self._options.wake
        if wake is not None:
            waking.disposable = wake.subscribe(
                lambda _: self._woken(), self._observer.on_error, scheduler=self._scheduler
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
        began = self._clock.now
        delivered = False

        def on_next(value: T) -> None:
            nonlocal delivered
            delivered = True
            try:
                self._observer.on_next(value)
            except Exception as error:
                # RxPY passes what a subscriber raises inside `subscribe` to on_error: it is the
                # subscriber's failure, which another attempt of the source would not prevent.
                self._raised = error
                raise

        def on_error(error: Exception) -> None:
            def healthy() -> bool:
                lived = (self._clock.now - began).total_seconds()
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
        options = self._options
        if error is self._raised or (options.until is not None and options.until(error)):
            return False
        reset = healthy() if options.resets is None else options.resets(error)
        self._failures = 1 if reset else self._failures + 1
        if options.policy.exhausted(self._failures):
            return False
        self._start_wait(error)
        return True

    def _start_wait(self, error: Exception) -> None:
        attempt, options = self._failures, self._options
        delay = max(options.policy.delay(attempt, options.random), asked_to_wait(error))
        wait = SingleAssignmentDisposable()
        self._current.disposable = wait
        with self._lock:
            # From here a wake counts, also one during on_wait; the next attempt waits for that.
            self._wait, self._is_reporting = wait, True
        if options.on_wait is not None:
            options.on_wait(attempt, delay, error)
        with self._lock:
            self._is_reporting = False
            is_shortened = self._wait is self._shortened
        if is_shortened:
            delay = 0.0
        wait.disposable = self._clock.schedule_relative(delay, calling(lambda: self._elapsed(wait)))

    def _elapsed(self, wait: SingleAssignmentDisposable) -> None:
        with self._lock:
            if self._wait is not wait:
                return
            self._wait = None
        self._connect()

    def _woken(self) -> None:
        with self._lock:
            if self._wait is None or self._wait is self._shortened:
                return
            if self._is_reporting:
                self._shortened = self._wait
                return
            self._wait = self._shortened = wait = SingleAssignmentDisposable()
        self._current.disposable = wait
        # Through the scheduler, so that the attempt starts on its thread, not that of `wake`.
        wait.disposable = self._clock.schedule(calling(lambda: self._elapsed(wait)))
