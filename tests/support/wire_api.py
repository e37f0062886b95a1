"""The wire server's normal responses outside the realtime routes: records, auth, health."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from support.wire_http import Answer, Request, problem, reply_json, status
from support.wire_tokens import claims_of, make_token

__all__ = ["Handler", "Reply", "WireApi", "auth_collection_id", "to_answer", "user_id"]

Reply = int | Answer | Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A status, a scripted answer, a JSON body, or the records of a collection."""
Handler = Callable[[Request], Reply | None]

EMPTY_PAGE = {"page": 1, "perPage": 1, "totalItems": -1, "totalPages": -1, "items": []}

_COLLECTION = re.compile(r"/api/collections/([^/]+)/([^/]+)(?:/([^/]+))?$")


class WireApi:
    """Scripted collections.

    Attributes:
        collections: the responses by the collection's name in the path. An ``int`` is a status, a
            mapping a JSON body, a list the records (without filters), an ``Answer`` is sent,
            a callable is called. A missing name is an empty collection.
        on_request: called first for every request outside ``/api/realtime``; None continues.
        passwords: by identity; empty accepts every password.
        token_life: seconds until the tokens made here expire.
    """

    def __init__(self) -> None:
        self.collections: dict[str, Reply | Handler] = {}
        self.on_request: Handler | None = None
        self.passwords: dict[str, str] = {}
        self.token_life = 3600.0
        self._serial = itertools.count(1)

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request outside the realtime routes."""
        reply = self.on_request(request) if self.on_request else None
        if reply is None:
            return self._ordinary(request)
        answer = to_answer(reply)
        if answer.kind == "normal":
            return replace(self._ordinary(request), gate=answer.gate)
        return answer

    def _ordinary(self, request: Request) -> Answer:
        if request.path == "/api/health":
            return reply_json({"code": 200, "message": "API is healthy.", "data": {}})
        match = _COLLECTION.match(request.path)
        if match is None:
            return problem(404, "The requested resource wasn't found.")
        name, action, record_id = match.groups()
        if action == "records":
            return self._records(request, name, record_id)
        if action == "auth-with-password" and request.method == "POST":
            return self._log_in(request, name)
        if action == "auth-methods" and request.method == "GET":
            return reply_json({"password": {"enabled": True, "identityFields": ["email"]}})
        if action == "auth-refresh" and request.method == "POST":
            return self._refresh(request)
        return problem(404, "The requested resource wasn't found.")

    def _records(self, request: Request, name: str, record_id: str | None) -> Answer:
        script = self.collections.get(name)
        reply = script(request) if callable(script) else script
        if reply is None or reply == 200:
            return _plain(request, name, record_id)
        if isinstance(reply, Sequence):
            return _of_list(reply, record_id)
        answer = to_answer(reply)
        if answer.kind == "normal":
            return replace(_plain(request, name, record_id), gate=answer.gate)
        return answer

    def _log_in(self, request: Request, name: str) -> Answer:
        body = request.json()
        identity = body.get("identity", "")
        if self.passwords and self.passwords.get(identity) != body.get("password"):
            return problem(400, "Failed to authenticate.")
        return self._token(user_id(identity), auth_collection_id(name), name, identity)

    def _refresh(self, request: Request) -> Answer:
        claims = claims_of(request.auth)
        if claims is None or claims.get("exp", 0) <= time.time():
            return problem(401, "The request requires valid record authorization token.")
        return self._token(
            claims["id"], claims["collectionId"], claims.get("name", ""), claims.get("email", "")
        )

    def _token(self, record_id: str, collection_id: str, name: str, email: str) -> Answer:
        token = make_token(
            record_id,
            collection_id,
            exp=time.time() + self.token_life,
            # Two tokens made within one second would be the same text.
            serial=next(self._serial),
            name=name,
            email=email,
        )
        record = {
            "id": record_id,
            "collectionId": collection_id,
            "collectionName": name,
            "email": email,
        }
        return reply_json({"token": token, "record": record})


def auth_collection_id(name: str) -> str:
    """Return the id of a collection of users, as in the claims of its tokens.

    >>> auth_collection_id("users")
    '_pb_users_auth_'
    """
    return f"_pb_{name}_auth_"


def user_id(identity: str) -> str:
    """Return the id of the user who logs in with this e-mail address or name.

    >>> user_id("ann@example.com")
    'annexamplecom00'
    """
    return re.sub(r"\W", "", identity)[:15].ljust(15, "0")


def to_answer(reply: Reply) -> Answer:
    """Convert the result of a handler to an answer."""
    if isinstance(reply, Answer):
        return reply
    if isinstance(reply, int):
        return problem(reply) if reply >= 400 else status(reply)
    return reply_json(reply)


def _plain(request: Request, name: str, record_id: str | None) -> Answer:
    if request.method == "DELETE":
        return status(204)
    if request.method == "GET" and record_id is None:
        return reply_json(EMPTY_PAGE)
    body = request.json() if request.body else {}
    return reply_json({"id": record_id or "record000000001", "collectionName": name, **body})


def _of_list(records: Sequence[Mapping[str, Any]], record_id: str | None) -> Answer:
    if record_id is None:
        return reply_json({**EMPTY_PAGE, "perPage": len(records), "items": list(records)})
    for record in records:
        if record.get("id") == record_id:
            return reply_json(record)
    return problem(404, "The requested resource wasn't found.")
