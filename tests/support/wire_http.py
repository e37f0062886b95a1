"""The requests, scripted answers, chunks and frames of the wire server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from support.wire_socket import Gate, Wire

if TYPE_CHECKING:
    from support.wire_stream import Stream

__all__ = [
    "NORMAL",
    "Answer",
    "Request",
    "applied_then",
    "chunk",
    "delay",
    "drop",
    "frame",
    "hang",
    "play",
    "problem",
    "raw",
    "read_request",
    "reply_json",
    "reset",
    "status",
    "stream",
]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived. Header names are lower case; ``query`` and ``path`` decoded."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    time: float
    """``time.monotonic()`` at its arrival."""
    target: str
    """The undecoded path and query."""
    connection: int
    """The number of the TCP connection: equal numbers mean a connection was kept alive."""

    @property
    def auth(self) -> str:
        """The ``Authorization`` header, or ``""``."""
        return self.headers.get("authorization", "")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


Kind = Literal["normal", "status", "raw", "drop", "reset", "hang"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How one request is answered. Made by the functions of this module."""

    kind: Kind = "normal"
    code: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: Gate | None = None
    """Answer only after this gate was set."""
    applied: bool = False
    """A subscribing POST takes effect although its answer is another."""
    chunked: bool = True
    """False: a stream body without chunks that ends with the connection, as in HTTP/1.0."""
    greet: bool = True
    """False: a stream without the PB_CONNECT frame."""
    then: Callable[[Stream], object] | None = None
    """Called with the stream once it is open and greeted."""


NORMAL = Answer()


def status(code: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """A plain answer: bytes and text go out as they are, anything else as JSON."""
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, bytes):
        return Answer("status", code, body, dict(headers or {}))
    return reply_json(body, code, headers)


def reply_json(value: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    fields = {"Content-Type": "application/json", **(headers or {})}
    return Answer("status", code, _json_bytes(value), fields)


def problem(
    code: int, message: str = "", data: Any = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """An error in the server's own shape: ``{"status", "message", "data"}``."""
    text = message or HTTPStatus(code).phrase
    return reply_json({"status": code, "message": text, "data": data or {}}, code, headers)


def raw(data: bytes) -> Answer:
    """Exactly these bytes, then the end of the connection."""
    return Answer("raw", body=data)


def drop() -> Answer:
    """The connection ends (FIN) without an answer."""
    return Answer("drop")


def reset() -> Answer:
    """The connection is reset (RST) without an answer."""
    return Answer("reset")


def hang() -> Answer:
    """No answer ever; the connection stays open."""
    return Answer("hang")


def delay(gate: Gate, then: Answer = NORMAL) -> Answer:
    """The ordinary answer, or ``then``, once the gate is set."""
    return replace(then, gate=gate)


def applied_then(answer: Answer) -> Answer:
    """A POST takes effect, but what the client gets for it is ``answer``."""
    return replace(answer, applied=True)


def stream(
    *, chunked: bool = True, greet: bool = True, then: Callable[[Stream], object] | None = None
) -> Answer:
    """A stream other than the ordinary one: see ``Answer`` for the three."""
    return Answer(chunked=chunked, greet=greet, then=then)


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def frame(client_id: str, topic: str, data: Mapping[str, Any] | bytes | str) -> bytes:
    """One event as the server writes it."""
    if isinstance(data, str):
        data = data.encode()
    body = data if isinstance(data, bytes) else _json_bytes(data)
    return b"id:%b\nevent:%b\ndata:%b\n\n" % (client_id.encode(), topic.encode(), body)


def read_request(wire: Wire) -> Request | None:
    """The next request of a connection, or None at its end."""
    head = wire.take_until(b"\r\n\r\n")
    if head is None:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise ValueError("the wire server reads no chunked request bodies: send a Content-Length")
    body = wire.take(int(headers.get("content-length", "0")))
    if body is None:
        return None
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Request(
        method, unquote(parts.path), query, headers, body, time.monotonic(), target, wire.number
    )


def play(wire: Wire, answer: Answer) -> bool:
    """Give an answer that is not a stream; True where the connection may carry another request."""
    if answer.kind == "status":
        closing = any(name.lower() == "connection" for name in answer.headers)
        return wire.write(_response(answer)) and not closing
    if answer.kind == "raw":
        wire.write(answer.body)
    elif answer.kind == "reset":
        wire.stop("reset")
    elif answer.kind == "hang":
        wire.hold()
    return False


def _response(answer: Answer) -> bytes:
    headers = dict(answer.headers)
    if answer.code != HTTPStatus.NO_CONTENT and "Content-Length" not in headers:
        headers["Content-Length"] = str(len(answer.body))
    return _head("HTTP/1.1", answer.code, headers) + answer.body


def _head(version: str, code: int, headers: Mapping[str, str]) -> bytes:
    try:
        phrase = HTTPStatus(code).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"{version} {code} {phrase}", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def stream_head(chunked: bool) -> bytes:
    """The head of the answer that carries events."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Type": "text/event-stream",
        "X-Accel-Buffering": "no",
    }
    if chunked:
        return _head("HTTP/1.1", 200, {**headers, "Transfer-Encoding": "chunked"})
    return _head("HTTP/1.0", 200, headers)


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
