"""The users of the fake, their logins, and tokens without a valid signature."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from rxbosbase.auth.store import token_claims
from rxbosbase.encoding.json import encode
from rxbosbase.errors import ClientResponseError

__all__ = ("Logins",)

_LOGIN = re.compile(r"/api/collections/(?P<name>[^/]+)/auth-(?P<how>with-password|refresh)")

EXPIRES = 4_102_444_800
"""The year 2100: a test ends its logins, not the real clock."""


class Logins:
    """Responds to logins and refreshes.

    Args:
        find: returns the current record of a collection and id; None if there is none.
    """

    def __init__(self, find: Callable[[str, str], Mapping[str, Any] | None]) -> None:
        self._find = find
        self._known: dict[tuple[str, str], tuple[str, str]] = {}

    def add(self, collection: str, identity: str, password: str, id: str) -> None:
        """Let this identity and password log in as the record `id`."""
        self._known[collection, identity] = (password, id)

    def identity(self, token: str) -> str:
        """Return the id of a token's user; "" for a user of the fake that was deleted, whose
        requests are a guest's."""
        claims = token_claims(token)
        id, collection = str(claims.get("id", "")), claims.get("collectionId", "")
        is_known = any(collection == name for name, _ in self._known)
        return "" if is_known and self._find(collection, id) is None else id

    def answer(self, method: str, path: str, body: Any, token: str) -> Any:
        """Return the response to a login or a refresh; None, if the request is neither.

        Raises:
            ClientResponseError: 400, the identity or password is wrong; 401, no record has this
                token; 404, the collection has no users.
        """
        match = _LOGIN.fullmatch(path)
        if match is None or method != "POST":
            return None
        name = unquote(match["name"])
        if all(name != collection for collection, _ in self._known):
            message = f"nobody can log in to {name!r} of the fake: fake.add_user(…)"
            raise ClientResponseError(404, path, message=message)
        if match["how"] == "refresh":
            record = self._find(name, token_claims(token).get("id", ""))
            if record is None:
                raise ClientResponseError(401, path, message="The token is of nobody.")
        else:
            password, id = self._known.get((name, body["identity"]), ("", ""))
            record = self._find(name, id)
            if record is None or password != body["password"]:
                raise ClientResponseError(400, path, message="Failed to authenticate.")
        return {"token": _token(name, record["id"]), "record": dict(record)}


def _token(collection: str, id: str) -> str:
    claims = {"id": id, "collectionId": collection, "type": "auth", "exp": EXPIRES}
    parts = (encode({"alg": "none"}), encode(claims), b"signed by nobody")
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
