"""Who the client is: a token and a record, kept where everyone who cares is told of changes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import time
from typing import Any

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxbosbase.encoding.json import decode

__all__ = ["AuthState", "AuthStore", "check_token", "token_claims"]

log = logging.getLogger("rxbosbase.auth")

EARLY_SECONDS = 30.0
"""A token counts as expired this much early: clocks differ, and a request takes time."""


def token_claims(token: str) -> dict[str, Any]:
    """What a JWT says of itself (``exp``, ``id``, ``collectionId``, …); {} if it is no JWT.

    Not verified: that is the server's business.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = decode(text)
    except (ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}


def check_token(token: object) -> None:
    """Refuses what cannot be sent as a header."""
    if not isinstance(token, str):
        raise TypeError(f"token must be a str, not {type(token).__name__}")
    if not token.isascii() or not token.isprintable() or token != token.strip():
        raise ValueError("the token is not printable ASCII: pass it as it came")


@dataclass(frozen=True, slots=True)
class AuthState:
    """One moment's login: a token (never shown) and the record it belongs to."""

    token: str = field(default="", repr=False)
    record: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def is_valid(self) -> bool:
        """True while there is a token that has not expired (or is about to)."""
        expires = self.expires
        return bool(self.token) and expires is not None and expires - EARLY_SECONDS > time()

    @property
    def expires(self) -> float | None:
        """When the token expires, in seconds since the epoch; None if it does not say."""
        expires = token_claims(self.token).get("exp")
        try:
            return float(expires) if isinstance(expires, (int, float)) else None
        except OverflowError:  # JSON has integers that no float holds
            return None

    @property
    def identity(self) -> str:
        """Who this is: collection and record id, or "" for a guest. The same after a refresh."""
        if not self.token:
            return ""
        claims = token_claims(self.token)
        if isinstance(claims.get("id"), str):
            return f"{claims.get('collectionId', '')}/{claims['id']}"
        return "token " + hashlib.sha256(self.token.encode()).hexdigest()[:16]


class AuthStore:
    """Keeps the login in memory. Subclass it and override `save` to keep it elsewhere.

    Example:
        >>> store = AuthStore()
        >>> seen = store.changes.subscribe(lambda state: print(bool(state.token)))
        False
        >>> store.save("a.b.c", {"id": "u1"})
        True
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
        """The raw token, "" for a guest."""
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
        return Observable(self._attach)

    def save(self, token: str, record: Mapping[str, Any] | None = None) -> None:
        """Logs in with a token that the server gave."""
        check_token(token)
        self._set(AuthState(token, record))

    def clear(self) -> None:
        """Logs out. The server is not asked: a token is valid until it expires."""
        self._set(AuthState())

    def _set(self, state: AuthState) -> None:
        self._tell(self._swap(state), state)

    def _swap(self, state: AuthState) -> tuple[abc.ObserverBase[AuthState], ...]:
        """Makes `state` the current one; gives whom to tell: nobody where nothing changed."""
        with self._lock:
            if state == self._state:
                return ()
            self._state = state
            return self._observers

    def _tell(self, observers: tuple[abc.ObserverBase[AuthState], ...], state: AuthState) -> None:
        for observer in observers:
            if self._state is not state:
                return  # an observer has changed it again: all have been told of that already
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
