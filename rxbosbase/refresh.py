"""Keeping a login alive: renewed before it expires, and its loss noticed.

The server tells nobody that a token has lost its worth (a changed password, a deleted user): a
stream goes on, as a guest's. Only a refresh shows it, so one is made now and then.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from time import time
from typing import Any

from reactivex import abc
from reactivex.disposable import Disposable

from .auth import AuthState, AuthStore
from .errors import BosBaseError, ClientResponseError
from .loop import LoopScheduler
from .pool import ReadPool
from .realtime.reconnect import BackoffPolicy

__all__ = ["AutoRefresh", "SingleFlight"]

log = logging.getLogger("rxbosbase.auth")

LOST = (400, 401, 403, 404)
"""Answers to a refresh after which the token will never be good again."""

LONGEST_TIMER = 24 * 3600.0
"""Seconds; a wait for longer is cut into such pieces, so that a changed clock is noticed."""


class SingleFlight:
    """Makes one call serve all who ask for it while it is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}

    def run(self, key: str, call: Callable[[], Any]) -> Any:
        """The result, or the error, of ``call()`` or of the equal one that is under way."""
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if not leads:
            flight.done.wait()
        else:
            try:
                flight.result = call()
            except BaseException as error:
                flight.error = error
            finally:
                with self._lock:
                    del self._flights[key]
                flight.done.set()
        if flight.error is not None:
            raise flight.error
        return flight.result


class _Flight:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None


class AutoRefresh(abc.DisposableBase):
    """Refreshes the token `threshold` seconds before it expires, and checks it in between.

    Args:
        refresh: makes the request and returns the server's answer; saves nothing.
        keep: saves an answer as the new login.
        lost: called once the server refuses the token for good.
    """

    def __init__(
        self,
        store: AuthStore,
        refresh: Callable[[], dict[str, Any]],
        keep: Callable[[dict[str, Any]], object],
        lost: Callable[[Exception], object],
        *,
        threshold: float,
        check_every: float,
        control: LoopScheduler,
        pool: ReadPool,
        policy: BackoffPolicy,
        clock: Callable[[], float] = time,
    ) -> None:
        self._store = store
        self._refresh = refresh
        self._keep = keep
        self._lost = lost
        self._threshold = threshold
        self._check_every = check_every
        self._control = control
        self._pool = pool
        self._policy = policy
        self._clock = clock
        self._failures = 0
        self._running = False
        self._disposed = False
        self._timer: abc.DisposableBase = Disposable()
        self._subscription = store.changes.subscribe(self._changed)

    def dispose(self) -> None:
        """Ends the refreshing; a request under way is finished and its answer ignored."""
        self._disposed = True
        self._subscription.dispose()
        self._timer.dispose()

    def check_now(self) -> None:
        """Looks at once whether the server still accepts the token."""
        self._control.post(self._work)

    def _changed(self, _: AuthState) -> None:
        self._failures = 0
        self._schedule()

    def _schedule(self, wait: float | None = None) -> None:
        self._timer.dispose()
        state = self._store.state
        if self._disposed or not state.token:
            return
        if wait is None:
            wait = self._check_every
            if state.expires is not None:
                wait = min(wait, state.expires - self._threshold - self._clock())
        wait = min(max(wait, 0.0), LONGEST_TIMER)
        self._timer = self._control.schedule_relative(wait, lambda *_: self._work())

    def _work(self) -> None:
        if not self._running and not self._disposed and self._store.token:
            self._running = True
            self._pool.submit(partial(self._ask, self._store.state))

    def _ask(self, state: AuthState) -> None:
        try:
            answer = self._refresh()
        except BosBaseError as error:
            self._control.post(partial(self._refused, state, error))
        else:
            self._control.post(partial(self._accepted, state, answer))

    def _accepted(self, state: AuthState, answer: dict[str, Any]) -> None:
        self._running = False
        self._failures = 0
        if self._disposed or state != self._store.state:
            return
        expires = state.expires
        if expires is not None and expires - self._threshold <= self._clock():
            self._keep(answer)  # which schedules the next, being a change
        else:
            # Only looked whether it is still good: a new token would cost a POST, and its gap.
            self._schedule()

    def _refused(self, state: AuthState, error: BosBaseError) -> None:
        self._running = False
        if self._disposed or state != self._store.state:
            return
        if isinstance(error, ClientResponseError) and error.status in LOST:
            log.warning("the login is lost: %s", error)
            self._lost(error)
            return
        self._failures += 1
        wait = self._policy.delay(self._failures)
        log.info("refreshing the token failed, again in %.1f s: %s", wait, error)
        self._schedule(wait)
