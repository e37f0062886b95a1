"""Automatic refresh: the token is renewed before it expires, and its loss is detected.

The server sends no notice that a token is no longer valid (a changed password, a deleted user):
a stream continues, without a login. Only a refresh shows it, so one is made at intervals.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from functools import partial
from time import time
from typing import Any

from reactivex import abc
from reactivex.disposable import Disposable

from rxbosbase.access.questions import BelievedRefusal
from rxbosbase.access.refusals import REPEAT_SECONDS
from rxbosbase.encoding.narrowing import is_object
from rxbosbase.errors import AuthLostError, ProtocolError
from rxbosbase.runtime.actions import calling
from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.runtime.retry_delay import asked_to_wait

from .store import AuthState, AuthStore, check_token

__all__ = ("AutoRefresh", "SingleFlight", "login_of", "refresh_key")

log = logging.getLogger("rxbosbase.auth")

SHORTEST_LIFE = 1.0
"""Seconds that a renewed token is used at least, so that a server whose tokens live shorter than
the threshold, or whose clock differs, gets no refresh requests without a pause."""

LONGEST_TIMER = 24 * 3600.0
"""Seconds; a wait for longer is cut into such pieces, so that a changed clock is noticed."""


def refresh_key(
    collection: str, identity: str, body: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> str:
    """Return the key that is equal for two refreshes if one request may serve both."""
    return f"{collection} {identity} {dict(body or {})} {dict(options)}"


def login_of(answer: Any) -> tuple[str, dict[str, Any]]:
    """Return token and record of the server's response to a login or a refresh.

    Raises:
        ProtocolError: it has none, a record without id, or a token that no request could carry.
    """
    fields = answer if is_object(answer) else {}
    token, record = fields.get("token"), fields.get("record")
    if not isinstance(token, str) or not is_object(record):
        raise ProtocolError("a login was answered without token and record")
    if not isinstance(record.get("id"), str) or not record["id"]:
        raise ProtocolError("a login was answered with a record without id")
    try:
        check_token(token)
    except ValueError:
        token = ""
    if not token:
        raise ProtocolError("a login was answered with a token that is none")
    return token, record


class SingleFlight:
    """Runs equal calls at the same time once, and gives all callers its result.

    The call must not wait for other callers: it makes a request and nothing else. An equal call
    inside of it, by a user's own token store for example, is refused.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}

    def run(self, key: str, call: Callable[[], Any]) -> Any:
        """Return the result, or raise the error, of ``call()`` or of the equal one under way.

        Raises:
            RuntimeError: the call under way is on this thread.
        """
        while True:
            with self._lock:
                flight = self._flights.get(key)
                if flight is None:
                    own = self._flights[key] = _Flight()
                    break
            if flight.thread == threading.get_ident():
                raise RuntimeError("a refresh inside the same refresh would wait for itself")
            flight.done.wait()
            if flight.error is not None:
                raise flight.error
            if flight.completed:
                return flight.result
            # It was interrupted (Ctrl-C in its thread, for example): no result for others.
        try:
            own.result = call()
            own.completed = True
            return own.result
        except Exception as error:
            own.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
            own.done.set()


class _Flight:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.thread = threading.get_ident()
        self.completed = False
        self.result: Any = None
        self.error: Exception | None = None


class AutoRefresh(abc.DisposableBase):
    """Refreshes the token `threshold` seconds before it expires, and checks it in between.

    A token that lives shorter than the threshold is renewed at half its life.

    Args:
        refresh: makes the request and returns the server's response; saves nothing. It raises
            `BelievedRefusal` for a refusal that is not final, `AuthLostError` for one that is.
        save: saves a response as the new login.
        lost: called once the server has refused the token for good: until then the login stands.
        scheduler: runs everything here except `refresh`.
        submit: runs `refresh` on a thread that may wait.
        clock: seconds since the epoch, to compare expiries with.

    Attributes:
        is_disposed: True once it was ended.
    """

    def __init__(
        self,
        store: AuthStore,
        refresh: Callable[[], dict[str, Any]],
        save: Callable[[dict[str, Any]], object],
        lost: Callable[[AuthLostError], object],
        *,
        threshold: float,
        check_every: float,
        scheduler: abc.SchedulerBase,
        submit: Callable[[Callable[[], object]], object],
        policy: BackoffPolicy,
        clock: Callable[[], float] = time,
    ) -> None:
        self._store = store
        self._refresh = refresh
        self._save = save
        self._lost = lost
        self._threshold = threshold
        self._check_every = check_every
        self._scheduler = scheduler
        self._submit = submit
        self._policy = policy
        self._clock = clock
        self._renew_at = math.inf
        self._renewed = ""  # the token that the last refresh gave
        self._failures = 0
        self._running = False
        self.is_disposed = False
        self._timer: abc.DisposableBase = Disposable()
        self._subscription = store.changes.subscribe(lambda _: self._post(self._begin))

    def dispose(self) -> None:
        """End the refreshing; a request under way is finished and its response ignored."""
        self.is_disposed = True
        self._subscription.dispose()
        self._timer.dispose()

    def _post(self, call: Callable[[], object]) -> None:
        def run(*_: object) -> None:
            call()

        self._scheduler.schedule(run)

    # -- on the scheduler ------------------------------------------------------------------------

    def _begin(self) -> None:
        """Plan the refresh of the current token, if there is one."""
        self._failures = 0
        self._renew_at = math.inf
        state = self._store.state
        if state.expires is not None:
            now = self._clock()
            left = state.expires - now
            wait = left - self._threshold
            if state.token == self._renewed:
                # A new token that has already expired shows that the clocks differ: it is checked.
                half = left / 2 if left > 0 else self._check_every
                wait = max(wait, half, SHORTEST_LIFE)
            self._renew_at = now + wait
        self._schedule()

    def _schedule(self, wait: float | None = None) -> None:
        self._timer.dispose()
        if self.is_disposed or not self._store.token:
            return
        if wait is None:
            wait = min(self._check_every, self._renew_at - self._clock())
        wait = min(max(wait, 0.0), LONGEST_TIMER)
        self._timer = self._scheduler.schedule_relative(wait, calling(self._start_refresh))

    def _start_refresh(self) -> None:
        if not self._running and not self.is_disposed and self._store.token:
            self._running = True
            self._submit(partial(self._run_refresh, self._store.state))

    def _on_done(self, wait: float | None) -> None:
        self._running = False
        self._schedule(wait)

    # -- on a thread that may wait: users' observers of logins run here too ----------------------

    def _run_refresh(self, state: AuthState) -> None:
        wait = None
        try:
            self._accept(state, self._refresh())
        except Exception as error:
            wait = self._on_failure(state, error)
        else:
            self._failures = 0
        self._post(partial(self._on_done, wait))

    def _is_stale(self, state: AuthState) -> bool:
        """True after a login or logout since the request: the response is not about them."""
        return self.is_disposed or state != self._store.state

    def _accept(self, state: AuthState, answer: dict[str, Any]) -> None:
        if self._is_stale(state):
            return
        if self._clock() < self._renew_at:
            return  # only a check: another token costs a POST of the topics, and its gap
        self._renewed = answer["token"]
        if self._renewed != state.token:
            self._save(answer)  # a change, which leads to `_begin`
        else:
            # A token of the same second is the same text; one that cannot be renewed is lost
            # when it expires. Half of its remaining life is a fitting wait for both.
            self._post(self._begin)

    def _on_failure(self, state: AuthState, error: Exception) -> float | None:
        """Handle a failure; return the seconds until the next attempt, None for the usual."""
        if self._is_stale(state):
            return None
        if isinstance(error, BelievedRefusal):
            log.warning("the login is refused, asked again: %s", error)
            return REPEAT_SECONDS
        if isinstance(error, AuthLostError):
            log.warning("the login is lost: %s", error)
            self._lost(error)
            return None
        self._failures += 1
        wait = max(self._policy.delay(self._failures), asked_to_wait(error))
        log.info("refreshing the token failed, again in %.1f s: %s", wait, error)
        return wait
