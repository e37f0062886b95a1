"""The login of a client: a token and a record, and an observable of their changes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import threading
from collections.abc import Mapping
from time import time
from typing import Any

import msgspec
from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxbosbase.encoding.control_characters import short_repr
from rxbosbase.encoding.json import decode
from rxbosbase.encoding.narrowing import is_object

__all__ = ("AuthState", "AuthStore", "check_token", "token_claims")

log = logging.getLogger("rxbosbase.auth")

EARLY_SECONDS = 30.0
"""A token counts as expired this much early: clocks differ, and a request takes time."""


def token_claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT (``exp``, ``id``, ``collectionId``, …); {} if it is no JWT.

    They are not verified: the server does that.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = decode(text)
    except (ValueError, binascii.Error):
        return {}
    return claims if is_object(claims) else {}


def check_token(token: object) -> None:
    """Raise TypeError or ValueError for a token that cannot be sent as a header."""
    if not isinstance(token, str):
        raise TypeError(f"token must be a str, not {type(token).__name__}")
    if not token.isascii() or not token.isprintable() or token != token.strip():
        raise ValueError("the token is not printable ASCII: pass it as it came")


class AuthState(msgspec.Struct, frozen=True):
    """The login at one moment: a token (not in the repr) and the record it belongs to.

    Attributes:
        token: the raw token, "" without a login.
        record: the record that is logged in, as the server sent it; None without one.

    >>> AuthState().is_valid, AuthState().identity
    (False, '')
    """

    token: str = ""
    record: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        if not self.token:  # which is never shown
            return "AuthState(guest)"
        state = "valid" if self.is_valid else "not valid"
        return f"AuthState({short_repr(self.identity)}, {state})"

    @property
    def is_valid(self) -> bool:
        """True while there is a token that has not expired (or is about to)."""
        expires = self.expires
        return bool(self.token) and expires is not None and expires - EARLY_SECONDS > time()

    @property
    def expires(self) -> float | None:
        """When the token expires, in seconds since the epoch; None if it has no ``exp`` (RFC 7519,
        4.1.4)."""
        expires = token_claims(self.token).get("exp")
        try:
            return float(expires) if isinstance(expires, (int, float)) else None
        except OverflowError:  # JSON has integers that no float holds
            return None

    @property
    def identity(self) -> str:
        """Collection and record id of the login, "" without one. The same after a refresh."""
        if not self.token:
            return ""
        claims = token_claims(self.token)
        if isinstance(claims.get("id"), str):
            return f"{claims.get('collectionId', '')}/{claims['id']}"
        return "token " + hashlib.sha256(self.token.encode()).hexdigest()[:16]


class _Changes(Observable[AuthState]):
    def __repr__(self) -> str:
        return "<Observable of AuthState>"


class AuthStore:
    """Keeps the login in memory. Subclass it and override `save` to keep it elsewhere.

    >>> store = AuthStore()
    >>> seen = store.changes.subscribe(lambda state: print(bool(state.token)))
    False
    >>> store.save("a.b.c", {"id": "u1"})
    True
    >>> store.clear()
    False
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = AuthState()
        self._observers: tuple[abc.ObserverBase[AuthState], ...] = ()

    def __repr__(self) -> str:
        kind = "logged in" if self._state.token else "guest"
        return f"<{type(self).__name__}: {kind}>"

    @property
    def state(self) -> AuthState:
        """Token and record of one moment, together."""
        return self._state

    @property
    def token(self) -> str:
        """The raw token, "" without a login."""
        return self._state.token

    @property
    def record(self) -> Mapping[str, Any] | None:
        """The record that is logged in, or None."""
        return self._state.record

    @property
    def is_valid(self) -> bool:
        """True while there is a token that has not expired."""
        return self._state.is_valid

    @property
    def changes(self) -> Observable[AuthState]:
        """The observable of logins and logouts: the current state at once, then each change,
        on the thread that made it."""
        return _Changes(self._attach)

    def save(self, token: str, record: Mapping[str, Any] | None = None) -> None:
        """Log in with a token of the server; observers of `changes` are called before it returns.

        Args:
            token: the raw token.
            record: the record that it belongs to.

        Raises:
            TypeError, ValueError: the token cannot be sent as a header.
        """
        check_token(token)
        self._set(AuthState(token, record))

    def clear(self) -> None:
        """Log out. No request is made: the token stays valid until it expires."""
        self._set(AuthState())

    def _set(self, state: AuthState) -> None:
        self._notify(self._swap(state), state)

    def _swap(self, state: AuthState) -> tuple[abc.ObserverBase[AuthState], ...]:
        """Make `state` the current one; return the observers to notify, () without a change."""
        with self._lock:
            if state == self._state:
                return ()
            self._state = state
            return self._observers

    def _notify(self, observers: tuple[abc.ObserverBase[AuthState], ...], state: AuthState) -> None:
        for observer in observers:
            if self._state is not state:
                return  # an observer has changed it again: all have been notified of that already
            try:
                observer.on_next(state)
            except Exception:
                log.exception("an observer of auth changes raised; the others go on")

    def _attach(
        self, observer: abc.ObserverBase[AuthState], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        with self._lock:
            self._observers += (observer,)
            state = self._state
        observer.on_next(state)
        return Disposable(lambda: self._detach(observer))

    def _detach(self, observer: abc.ObserverBase[AuthState]) -> None:
        with self._lock:
            self._observers = tuple(o for o in self._observers if o is not observer)
