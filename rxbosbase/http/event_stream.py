"""The body of one event stream, as raw bytes: opened, read in large pieces, ended from outside.

It bypasses `requests`: `iter_content` costs several microseconds for each HTTP chunk, and the
server puts every event into a chunk of its own. The buffered socket returns all that has arrived
at once, and `BodyDecoder` decodes the chunks in bulk.

Source: HTML Living Standard, 9.2.3 (a stream is a 200 with ``text/event-stream``).
"""

from __future__ import annotations

import socket
from typing import Any

import requests
import urllib3

from rxbosbase.encoding.control_characters import one_line
from rxbosbase.encoding.json import decode
from rxbosbase.errors import (
    ConnectionFailedError,
    ProtocolError,
    RequestTimeoutError,
    StreamLostError,
)
from rxbosbase.runtime.network import Receiver

from .abortable_sockets import Sockets
from .body import read_body
from .responses import MAX_HEADER, redirect_error, response_error, without_token

__all__ = ("STREAM_HEADERS", "EventStream")

READ_SIZE = 256 * 1024
"""Bytes requested in one read: enough that a burst of events costs one call."""

ERROR_BODY_LIMIT = 64 * 1024
"""Bytes of an error's body that are read: enough for its message."""

STREAM_HEADERS = {
    "Accept": "text/event-stream",
    "Accept-Encoding": "identity",  # a compressed stream would be held back until a block is full
    "Cache-Control": "no-store",
}


class EventStream:
    """One open stream.

    Args:
        response: the response, whose body is not read yet.
        sockets: those of its channel; aborting them ends the stream.

    Raises:
        ClientResponseError: the server answered with an error.
        RedirectError: the response is 3xx.
        ProtocolError: it is no event stream.
    """

    def __init__(self, response: requests.Response, sockets: Sockets) -> None:
        self._response = response
        self._sockets = sockets
        try:
            self._check()
            raw: Any = self._response.raw
            self._file = raw._original_response.fp
            if self._file is None:  # http.client closes an empty body at once
                raise StreamLostError("the server answered with an empty event stream")
            self._file.raw.remove_deadline()
            self._socket: socket.socket = self._file.raw.sock
            self._handle = sockets.track(self._socket)
        except BaseException:
            self._response.close()
            raise
        self._is_chunked: bool = raw.chunked
        self._length = _length(raw.headers.get("Content-Length", ""))

    def _check(self) -> None:
        response = self._response
        kind = response.headers.get("Content-Type", "")
        if response.status_code >= 400:
            raise _error(response)
        if response.status_code >= 300:
            raise redirect_error(response)
        if response.status_code != 200:
            raise ProtocolError(f"the event stream was answered with {response.status_code}")
        if not kind.lower().startswith("text/event-stream"):
            raise ProtocolError(
                f"{response.url} answered {kind[:MAX_HEADER] or 'no content type'!r} in place of "
                "an event stream: is base_url a BosBase server, and does a proxy stand in between?"
            )
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ProtocolError("a proxy compresses the event stream; switch that off for it")

    def feed(self, receiver: Receiver) -> None:
        """Read until `receiver` returns False, or the stream ends, and pass on the bytes as
        received, chunked coding included. Close the connection then.

        Raises:
            StreamLostError: the connection broke.
            RequestTimeoutError: silence for longer than the receiver's timeout.
        """
        try:
            receiver.opened(chunked=self._is_chunked, length=self._length)
            timeout, more = -1.0, True
            while more:
                if receiver.timeout != timeout:
                    timeout = receiver.timeout
                    self._socket.settimeout(timeout)
                more = receiver.received(self._read() if self._length else b"")
        finally:
            self._sockets.release(self._handle)
            self._response.close()

    def _read(self) -> bytes:
        try:
            data: bytes = self._file.read1(READ_SIZE)
        except (OSError, ValueError) as error:
            # With an errno it is the system's: keep-alive found the host dead.
            if isinstance(error, TimeoutError) and error.errno is None:
                raise RequestTimeoutError("the stream was silent for too long") from error
            raise StreamLostError(f"the event stream broke: {error}") from error
        return data


def _length(text: str) -> int:
    """Return the length; -1 for none: then the body ends with the connection."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1


def _error(response: requests.Response) -> Exception:
    data: Any = None
    try:
        data = decode(without_token(response, read_body(response, ERROR_BODY_LIMIT)))
    except (ProtocolError, ValueError):
        pass  # the error below has the status, which is enough
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return ConnectionFailedError(one_line(f"the answer broke off: {error}"))
    return response_error(response, data)
