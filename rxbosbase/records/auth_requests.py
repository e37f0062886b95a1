"""Logging in to an auth collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from rxbosbase.auth.refresh import login_of, refresh_key
from rxbosbase.encoding.utf8 import encodable

from .base import CollectionRequests
from .options import RecordOptions

__all__ = ("AuthRequests",)


class AuthRequests(CollectionRequests):
    """The requests that log in; their collection must be one of users or superusers."""

    def auth_with_password(
        self,
        identity: str,
        password: str,
        *,
        body: Mapping[str, Any] | None = None,
        **options: Unpack[RecordOptions],
    ) -> dict[str, Any]:
        """Log in to this auth collection; the client acts as that user from then on.

        Args:
            identity: the email, or another field that the collection logs in with.
            password: the password.
            body: further fields of the request's body, by name.
            options: the keywords of `RecordOptions`: ``expand``, ``fields``, ``query``,
                ``headers``, ``timeout``.

        Returns:
            ``{"token": …, "record": {…}}``, a dict whose repr hides the token. Streams continue
            under the new identity automatically.

        Raises:
            ClientResponseError: 400, identity or password is wrong.
            BosBaseError: the request failed otherwise, as `Records` says.
            TypeError, ValueError: an argument is no text, or cannot be encoded.

        >>> with FakeRealtime() as fake:
        ...     _ = fake.add_user("ada@example.com", "password123")
        ...     users = fake.client.collection("users")
        ...     _ = users.auth_with_password("ada@example.com", "password123")
        ...     fake.client.auth_store.is_valid
        True
        """
        for what, value in (("identity", identity), ("password", password)):
            if not isinstance(value, str):
                raise TypeError(f"{what} must be a str, not {type(value).__name__}")
            encodable(what, value)
        sent = {"identity": identity, "password": password, **(body or {})}
        path = f"{self._base}/auth-with-password"
        # Without a token: the server could refuse the request for an old one.
        return self._login(self._request("POST", path, options, body=sent, token=""))

    def auth_refresh(
        self, *, body: Mapping[str, Any] | None = None, **options: Unpack[RecordOptions]
    ) -> dict[str, Any]:
        """Exchange the current token for a new one of the same user; return as a login does.

        Calls of several threads at the same time share one request. `BosBase.auto_refresh` calls
        it in time.

        Args:
            body: fields of the request's body, by name.
            options: as for `auth_with_password`.

        Raises:
            ClientResponseError: 401, the token is not valid any more.
            BosBaseError: the request failed otherwise, as `Records` says.
            TypeError, ValueError: an argument is invalid.

        >>> with FakeRealtime() as fake:
        ...     _ = fake.add_user("ada@example.com", "password123")
        ...     users = fake.client.collection("users")
        ...     _ = users.auth_with_password("ada@example.com", "password123")
        ...     users.auth_refresh()["record"]["email"]
        'ada@example.com'
        """
        store = self._context.auth_store
        before = store.state
        answer: dict[str, Any] = self._context.single_flight.run(
            refresh_key(self.name, before.identity, body, options),
            lambda: self._refresh(body, options),
        )
        # The first caller saves it. A logout or another login meanwhile stays in effect.
        return self._login(answer) if store.state == before else answer

    def _refresh(self, body: Mapping[str, Any] | None, options: RecordOptions) -> dict[str, Any]:
        path = f"{self._base}/auth-refresh"
        result: dict[str, Any] = self._request("POST", path, options, body=dict(body or {}))
        return result

    def _login(self, answer: dict[str, Any]) -> dict[str, Any]:
        self._context.auth_store.save(*login_of(answer))
        return answer
