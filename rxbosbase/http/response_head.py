"""The head of a response, its status line and headers, and the time that it and the body may take.

``http.client`` reads a head as long as a byte arrives now and then, accepts half of one, and
ignores what it cannot parse. Here a head has one deadline and one meaning.

Source: RFC 9112, 4 (status line), 5 (fields), 6.3 (lengths that differ), and RFC 9110, 15.2 (1xx).
"""

from __future__ import annotations

import email.errors
import http.client
import io
import re
import socket
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any

import requests

__all__ = ("DeadlineResponse", "MalformedHead", "TimedReader", "pace_body")

SLOWEST = 8 * 1024
"""Bytes a second at which a body has to arrive, after its first `timeout` seconds. Any link of
today is faster; without this a body in very small pieces would have no end."""

MAX_COOKIES = 20
"""Cookies of one response; more are ignored."""

MAX_COOKIE_BYTES = 4096
"""Bytes of one cookie (RFC 6265, 6.1); a longer one is ignored."""

_OF_THE_BODY = (
    email.errors.NoBoundaryInMultipartDefect,
    email.errors.StartBoundaryNotFoundDefect,
    email.errors.CloseBoundaryNotFoundDefect,
    email.errors.MultipartInvariantViolationDefect,
    email.errors.InvalidMultipartContentTransferEncodingDefect,
)
"""Defects that the parser, made for mail, reports because it gets no body."""

_LONG_NUMBER = "[0-9]{11}"
_CONTROL = "[\x00-\x08\x0a-\x1f\x7f]"


class TimedReader(io.RawIOBase):
    """Reads a socket until a deadline, however often a byte arrives.

    The socket's own timeout bounds the silence between two bytes: a header that arrives byte by
    byte, or one `100 Continue` after the other, never exceeds it.

    Args:
        raw: the socket's file, without a buffer.
        sock: the same socket; its timeout is how long the whole of what is read may take.

    Attributes:
        sock: the socket.
        ended: True once the other side has ended the connection.
        on_close: called once it is closed.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self.sock = sock
        self.ended = False
        self.on_close: Callable[[], object] | None = None
        self._silence = self._left = inf if (timeout := sock.gettimeout()) is None else timeout
        self._begun = monotonic()
        self._rate = inf
        self._received = 0

    def pace(self, timeout: float) -> None:
        """Limit silence to `timeout` seconds from now on, and the whole to that plus a second for
        every `SLOWEST` bytes."""
        self._silence = self._left = timeout
        self._begun = monotonic()
        self._rate = SLOWEST
        self._received = 0

    def remove_deadline(self) -> None:
        """Let the socket's own timeout alone count from now on."""
        self._left = inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._left < inf:
            allowed = self._left + self._received / self._rate
            left = self._begun + allowed - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self.sock.settimeout(min(left, self._silence))
        count = self._raw.readinto(buffer)
        self.ended = count == 0
        self._received += count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            on_close()


class MalformedHead(http.client.HTTPException):
    """The status line or the headers are malformed. The message quotes nothing of them."""


class DeadlineResponse(http.client.HTTPResponse):
    """A response whose status line and headers have one deadline, the connection's timeout, and
    are refused where they are ambiguous."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw: Any = self.fp.detach()
        self.reader = TimedReader(raw, sock)
        self.fp = io.BufferedReader(self.reader)

    def begin(self) -> None:
        super().begin()
        while self.status < 200:
            if self.status == http.client.SWITCHING_PROTOCOLS:  # no HTTP follows
                raise MalformedHead("it switches to a protocol that was not asked for")
            # An early hint; the response follows.
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        if self.reader.ended:  # http.client accepts half a head
            raise http.client.RemoteDisconnected("the connection ended amid the headers")
        lengths = ",".join(self.msg.get_all("Content-Length", [])).split(",")
        differ = len({length.strip() for length in lengths}) > 1
        if differ or re.search(_CONTROL, self.reason) or _has_unread(self.msg):
            raise MalformedHead("its status line or its headers are malformed")
        cookies = self.msg.get_all("Set-Cookie", [])
        if cookies:
            del self.msg["Set-Cookie"]
            for cookie in filter(_is_sane, cookies[:MAX_COOKIES]):
                self.msg["Set-Cookie"] = cookie


def _has_unread(head: http.client.HTTPMessage) -> bool:
    """Return True if the parser left a part of the head unread: urllib3 would log that, and a token
    may be in it."""
    if any(not isinstance(defect, _OF_THE_BODY) for defect in head.defects):
        return True
    return isinstance(rest := head.get_payload(), str) and bool(rest)


def _is_sane(cookie: str) -> bool:
    """Return False for a long cookie, or a time that overflows in `cookiejar`: no balancer's."""
    return len(cookie) <= MAX_COOKIE_BYTES and not re.search(_LONG_NUMBER, cookie.partition(";")[2])


def pace_body(response: requests.Response, timeout: float) -> None:
    """Limit the time that the body of a response may take, once its headers are read."""
    original = response.raw._original_response  # None where a test responds in place of a socket
    reader = getattr(getattr(original, "fp", None), "raw", None)
    if isinstance(reader, TimedReader):  # http.client closes an empty body at once
        reader.pace(timeout)
