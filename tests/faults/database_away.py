"""A server's requests while its database is away: what the proxy answers in place of the server.

As measured on BosBase. It cannot look a token up and takes each request for a guest's, so its own
answers to all that needs no database, such as the POST of topics, are those to a guest.
"""

from __future__ import annotations

import json
import re

__all__ = ["as_guest", "status_without_database", "without_database"]

FAILED = "Something went wrong while processing your request."

_ROUTE = re.compile(rb"(\w+) /api/collections/[^/? ]+/([a-z-]+)(/[^? ]+)?[? ]")


def as_guest(head: bytes) -> bytes:
    r"""Return the head of a request without its token.

    >>> as_guest(b"GET / HTTP/1.1\r\nauthorization: x\r\nHost: y\r\n\r\n")
    b'GET / HTTP/1.1\r\nHost: y\r\n\r\n'
    """
    lines = head.split(b"\r\n")
    return b"\r\n".join(
        line for line in lines if line.partition(b":")[0].strip().lower() != b"authorization"
    )


def without_database(head: bytes) -> tuple[int, bytes] | None:
    """Return the status and the body of the answer, or None if the request needs no database."""
    status = status_without_database(head)
    if status is None:
        return None
    return status, json.dumps({"status": status, "message": FAILED, "data": {}}).encode()


def status_without_database(head: bytes) -> int | None:
    """Return the status of the answer, or None if the request needs no database.

    >>> [
    ...     status_without_database(line.encode() + b" HTTP/1.1")
    ...     for line in (
    ...         "GET /api/collections/posts/records?perPage=1",
    ...         "GET /api/collections/posts/records/x",
    ...         "PATCH /api/collections/posts/records/x",
    ...         "POST /api/collections/users/auth-refresh",
    ...         "POST /api/collections/users/auth-with-password",
    ...         "GET /api/collections/users/auth-methods",
    ...         "POST /api/realtime",
    ...     )
    ... ]
    [400, 404, 404, 401, 500, None, None]
    """
    match = _ROUTE.match(head)
    if match is None:
        return None
    method, action, id = match.groups()
    if action == b"records":
        return 404 if id else 400
    if method == b"POST":
        return {b"auth-refresh": 401, b"auth-with-password": 500}.get(action)
    return None
