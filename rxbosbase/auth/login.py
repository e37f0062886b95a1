"""The response to a login: a dict whose repr hides its token. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rxbosbase.encoding.narrowing import is_object

__all__ = ("Login", "as_login")

SECRETS = frozenset({"token", "meta"})
"""The keys not shown; ``meta`` of an OAuth2 login holds the provider's tokens."""

_LOGINS = r"/api/(collections/[^/]+/(auth-[^/]+|impersonate/[^/]+)|files/token)/?(\?.*)?"
"""The paths of requests whose response holds a login, or a token of another kind."""


class Login(dict[str, Any]):
    """``{"token": …, "record": {…}}``, a dict except for its repr.

    A notebook shows the last value of a cell, and stores it in its file; so does the history of a
    REPL. The repr has no token for them to show. The token is there by its key, and in JSON.

    >>> login = Login(token="head.body.signature", record={"id": "u1"})
    >>> login
    {'token': '…', 'record': {'id': 'u1'}}
    >>> login["token"]
    'head.body.signature'
    """

    def __repr__(self) -> str:
        return repr(self._shown())

    def __rich_repr__(self) -> Iterator[tuple[str, Any]]:
        """Yield what rich shows; without this method, rich shows the items of the dict."""
        yield from self._shown().items()

    def copy(self) -> Login:
        """Return a copy that hides its token, too."""
        return type(self)(self)

    def __or__(self, other: Any) -> Any:
        return type(self)(dict(self) | other) if is_object(other) else NotImplemented

    def __ror__(self, other: Any) -> Any:
        return type(self)(other | dict(self)) if is_object(other) else NotImplemented

    def _shown(self) -> dict[str, Any]:
        return {key: "…" if key in SECRETS and value else value for key, value in self.items()}


def as_login(path: str, answer: Any) -> Any:
    """Return the response to a request, as a `Login` if the request was for a token.

    >>> as_login("/api/files/token", {"token": "head.body.signature"})
    {'token': '…'}
    """
    return Login(answer) if is_object(answer) and re.fullmatch(_LOGINS, path) else answer
