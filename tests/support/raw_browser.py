"""What no browser would send: requests and WebSocket handshakes with headers of any kind."""

from __future__ import annotations

import base64
import http.client
import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Answer", "Socket", "ask", "handshake", "netloc", "page_token"]

Headers = Iterable[tuple[str, str]]

TIMEOUT = 10.0


@dataclass
class Answer:
    """An answer as it came."""

    status: int
    headers: http.client.HTTPMessage
    text: str


def netloc(url: str) -> str:
    """Host and port, as in ``127.0.0.1:5006``."""
    return urlsplit(url).netloc


def ask(
    url: str, path: str = "/", headers: Headers = (), *, method: str = "GET", body: str = ""
) -> Answer:
    """One request. Without a ``Host`` among the headers it has the right one."""
    connection = _sent(url, path, headers, method, body)
    answer = connection.getresponse()
    found = Answer(answer.status, answer.headers, answer.read().decode("utf-8", "replace"))
    connection.close()
    return found


def page_token(url: str) -> str:
    """Opens a page: the token its script would connect with."""
    found = re.search(r'"token":"([^"]+)"', ask(url).text)
    assert found is not None
    return found[1]


class Socket:
    """A WebSocket of a page, open until `close` if the server takes it: see its status."""

    def __init__(
        self, url: str, token: str, headers: Headers | None = None, path: str = "/ws"
    ) -> None:
        own = [("Origin", f"http://{netloc(url)}")] if headers is None else list(headers)
        key = base64.b64encode(b"0123456789abcdef").decode()
        upgrade = [
            ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Protocol", f"bokeh, {token}"),
        ]  # fmt: skip
        self._connection = _sent(url, path, [*own, *upgrade], "GET", "")
        assert self._connection.sock is not None
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        self.status = self._answer.status

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
        """What the server says first; b"" if it hangs up."""
        found: bytes = self._answer.fp.read1()  # where the answer's own bytes were read from
        return found

    def close(self) -> None:
        """Ends it, as a tab that is closed does."""
        self._answer.close()
        self._socket.close()
        self._connection.close()


def handshake(url: str, token: str, headers: Headers | None = None, path: str = "/ws") -> int:
    """The status that a WebSocket's handshake ends with; it is closed at once."""
    with Socket(url, token, headers, path) as tried:
        return tried.status


def _sent(
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
