"""Minimal clients to test the wire server."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["CLIENT_LIMIT", "RawClient", "ask", "client_id_of", "subscribe"]

CLIENT_LIMIT = 5.0
"""Seconds each read may take."""
HEADERS = {"Content-Type": "application/json"}


class HasPort(Protocol):
    """A server on loopback."""

    @property
    def port(self) -> int:
        """Its port."""
        ...


class RawClient:
    """A client on a bare socket."""

    def __init__(self, server: HasPort, sock: socket.socket | None = None) -> None:
        """``sock``: one that is connected already, with TLS for example."""
        self.sock = sock or socket.create_connection(("127.0.0.1", server.port), CLIENT_LIMIT)
        self.got = b""

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, method: str = "GET", path: str = "/api/realtime", body: bytes = b"") -> None:
        """Send a request; its answer is left to the reading methods."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self.sock.sendall(head.encode() + body)

    def until(self, mark: bytes) -> bytes:
        """Read up to and with ``mark``; what came after it is kept for the next read."""
        while mark not in self.got:
            data = self.sock.recv(65536)
            assert data, f"ended before {mark!r}: {self.got!r}"
            self.got += data
        head, _, self.got = self.got.partition(mark)
        return head + mark

    def rest(self) -> bytes:
        """Read to the end of the connection."""
        while data := self.sock.recv(65536):
            self.got += data
        return self.got

    def open_stream(self) -> str:
        """Open a stream; return its client id."""
        self.ask()
        self.until(b"\r\n\r\n")
        return client_id_of(self.until(b"\n\n\r\n"))

    def silent(self) -> bool:
        """Return True if no more data has arrived and the connection is open."""
        self.sock.setblocking(False)
        try:
            self.sock.recv(1)
            return False
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(CLIENT_LIMIT)


def client_id_of(frame: bytes) -> str:
    """Return the client id in a PB_CONNECT frame."""
    data = frame.split(b"data:")[1].split(b"\n")[0]
    return str(json.loads(data)["clientId"])


def ask(
    server: HasPort,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Make one request on a connection of its own; return its status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=CLIENT_LIMIT)
    text = None if body is None else json.dumps(body)
    try:
        connection.request(method, path, text, {**HEADERS, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def subscribe(server: HasPort, client_id: str, *topics: str, auth: str = "") -> tuple[int, bytes]:
    """Replace the topics of a stream; return the status and the body."""
    body = {"clientId": client_id, "subscriptions": list(topics)}
    return ask(server, "POST", "/api/realtime", body, {"Authorization": auth} if auth else {})
