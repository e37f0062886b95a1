"""Requests and WebSocket handshakes with any headers, also such that no browser sends."""

from __future__ import annotations

import base64
import http.client
import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Response", "Socket", "handshake", "netloc", "page_token", "send_request"]

Headers = Iterable[tuple[str, str]]

TIMEOUT = 10.0


@dataclass
class Response:
    """A response with its whole body."""

    status: int
    headers: http.client.HTTPMessage
    text: str


def netloc(url: str) -> str:
    """Return host and port, such as ``127.0.0.1:5006``."""
    return urlsplit(url).netloc


def send_request(
    url: str, path: str = "/", headers: Headers = (), *, method: str = "GET", body: str = ""
) -> Response:
    """Send one request, with the right ``Host`` unless the headers have one."""
    connection = _send(url, path, headers, method, body)
    response = connection.getresponse()
    found = Response(response.status, response.headers, response.read().decode("utf-8", "replace"))
    connection.close()
    return found


def page_token(url: str) -> str:
    """Open a page; return the token with which its script would connect."""
    found = re.search(r'"token":"([^"]+)"', send_request(url).text)
    assert found is not None
    return found[1]


class Socket:
    """A WebSocket of a page, open until `close` if the server accepts it: see `status`."""

    def __init__(
        self, url: str, token: str, headers: Headers | None = None, path: str = "/ws"
    ) -> None:
        own = [("Origin", f"http://{netloc(url)}")] if headers is None else list(headers)
        key = base64.b64encode(b"0123456789abcdef").decode()
        upgrade = [
            ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Protocol", f"bokeh, {token}"),
        ]  # fmt: skip
        self._connection = _send(url, path, [*own, *upgrade], "GET", "")
        assert self._connection.sock is not None
        self._socket = self._connection.sock
        self._response = self._connection.getresponse()
        self.status = self._response.status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def first(self) -> bytes:
        """Return the server's first bytes; b"" if it closes the connection."""
        found: bytes = self._response.fp.read1()  # the buffer that the response was read from
        return found

    def close(self) -> None:
        """Close it, as a closed tab does."""
        self._response.close()
        self._socket.close()
        self._connection.close()


def handshake(url: str, token: str, headers: Headers | None = None, path: str = "/ws") -> int:
    """Return the status of a WebSocket's handshake, and close it."""
    with Socket(url, token, headers, path) as attempt:
        return attempt.status


def _send(
    url: str, path: str, headers: Headers, method: str, body: str
) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
    headers = list(headers)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    if not any(name == "Host" for name, _ in headers):
        connection.putheader("Host", parts.netloc)
    for name, value in headers:
        if value:
            connection.putheader(name, value)
    if body:
        connection.putheader("Content-Type", "application/x-www-form-urlencoded")
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode() or None)
    return connection
