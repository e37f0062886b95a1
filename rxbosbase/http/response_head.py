"""The head of an answer, its status line and headers, and the time that it and the body may take.

``http.client`` reads a head for as long as a byte arrives now and then, takes half of one for the
whole, and leaves to others what it could not read. Here it has one deadline, and one meaning.
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

__all__ = ["Answer", "MalformedHead", "TimedReader", "pace_body"]

SLOWEST = 8 * 1024
"""Bytes a second that a body has to come with, beyond its first `timeout` seconds. Any link of
today is faster; a body that drips would have no end."""

MAX_COOKIES = 20
"""Of one answer; more are left out."""

MAX_COOKIE_BYTES = 4096
"""Of one cookie (RFC 6265, 6.1); a longer one is left out."""

_OF_THE_BODY = (
    email.errors.NoBoundaryInMultipartDefect,
    email.errors.StartBoundaryNotFoundDefect,
    email.errors.CloseBoundaryNotFoundDefect,
    email.errors.MultipartInvariantViolationDefect,
    email.errors.InvalidMultipartContentTransferEncodingDefect,
)
"""Defects that the parser, made for mails, reports where it gets no body."""

_LONG_NUMBER = re.compile("[0-9]{11}")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


class TimedReader(io.RawIOBase):
    """Reads a socket until a deadline, however often a byte arrives.

    The socket's own timeout bounds the silence between two bytes: a header that comes byte by
    byte, or one `100 Continue` after the other, never meets it.

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
        """From now on silence may last `timeout` seconds, and all that comes as long and a
        second for every `SLOWEST` bytes more."""
        self._silence = self._left = timeout
        self._begun = monotonic()
        self._rate = SLOWEST
        self._received = 0

    def free(self) -> None:
        """From now on the socket's own timeout alone counts."""
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
    """The status line or the headers of an answer are none. The message quotes nothing of them."""


class Answer(http.client.HTTPResponse):
    """An answer whose status line and headers have one deadline, the connection's timeout, and
    are refused where they can be read in more than one way."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw: Any = self.fp.detach()
        self.reader = TimedReader(raw, sock)
        self.fp = io.BufferedReader(self.reader)

    def begin(self) -> None:
        super().begin()
        while self.status < 200:
            if self.status == http.client.SWITCHING_PROTOCOLS:  # no HTTP comes behind it
                raise MalformedHead("it switches to a protocol that was not asked for")
            # An early hint; the answer comes behind it.
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        if self.reader.ended:  # http.client takes half a head for the whole
            raise http.client.RemoteDisconnected("the connection ended amid the headers")
        lengths = ",".join(self.msg.get_all("Content-Length", [])).split(",")
        differ = len({length.strip() for length in lengths}) > 1
        if differ or _CONTROL.search(self.reason) or _has_unread(self.msg):
            raise MalformedHead("its status line or its headers are malformed")
        cookies = self.msg.get_all("Set-Cookie", [])
        if cookies:
            del self.msg["Set-Cookie"]
            for cookie in filter(_is_sane, cookies[:MAX_COOKIES]):
                self.msg["Set-Cookie"] = cookie


def _has_unread(head: http.client.HTTPMessage) -> bool:
    """True if the parser left a part of the head, or of the body, unread: urllib3 would write that
    to its log, and a token may be in it."""
    if any(not isinstance(defect, _OF_THE_BODY) for defect in head.defects):
        return True
    return isinstance(rest := head.get_payload(), str) and bool(rest)


def _is_sane(cookie: str) -> bool:
    """False for what no balancer sends: a long one, or a time at which `cookiejar` overflows."""
    return len(cookie) <= MAX_COOKIE_BYTES and not _LONG_NUMBER.search(cookie.partition(";")[2])


def pace_body(response: requests.Response, timeout: float) -> None:
    """Gives the body of an answer, whose headers are there, the time that it may take."""
    original = response.raw._original_response  # None where a test answers in place of a socket
    reader = getattr(getattr(original, "fp", None), "raw", None)
    if isinstance(reader, TimedReader):  # http.client lets an empty body go at once
        reader.pace(timeout)
