"""Tokens in the right format without a valid signature."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from support.wire_http import Request

__all__ = ["claims_of", "identity_of", "make_token"]

USERS = "_pb_users_auth_"


def make_token(
    record_id: str, collection_id: str = USERS, exp: float | None = None, **claims: Any
) -> str:
    """A JWT that expires at ``exp`` (seconds since 1970; an hour from now by default)."""
    payload = {
        "collectionId": collection_id,
        "exp": int(time.time() + 3600 if exp is None else exp),
        "id": record_id,
        "refreshable": True,
        "type": "auth",
        **claims,
    }
    parts = (_encode(json.dumps(part).encode()) for part in ({"alg": "HS256"}, payload))
    return ".".join([*parts, _encode(b"signed by nobody")])


def claims_of(token: str) -> dict[str, Any] | None:
    """Return the claims of a JWT, or None for any other text."""
    parts = token.removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def identity_of(request: Request) -> str:
    """Return the identity of a request: the same for two tokens of one user, "" if expired.

    Text that is no JWT is an identity by itself, so that tests may send ``alice`` and ``bob``.
    """
    claims = claims_of(request.auth)
    if claims is None:
        return request.auth
    if claims.get("exp", 0) <= time.time():
        return ""
    return f"{claims.get('collectionId')}/{claims.get('id')}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
