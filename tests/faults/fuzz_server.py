"""A server on loopback with valid responses, except for a case, whose requests get its bytes."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from .fuzz_answers import Answer

__all__ = ["GREETING", "RECORD", "TOKEN", "FuzzServer", "Request"]

HANG_LIMIT = 8.0
"""Seconds after which an endless response is given up: the client has to do so before."""

KEPT_FOR = 0.05
"""Seconds after which a kept connection ends if its case still runs: the client waits for the rest
of a response that has none. Responses that ``hold`` test that too."""

HEAD_LIMIT = 32 * 1024
"""Bytes of a request's head that servers and balancers take; a longer one gets 431."""

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6InVzZXIwMDAwMDAwMDAwMSIsImV4cCI6OTk5OTk5OTk5OX0.nobody"
RECORD = {
    "id": "good00000000001",
    "collectionId": "pbc_1",
    "collectionName": "posts",
    "n": 1,
    "updated": "2026-01-01 00:00:00.000Z",
}
GREETING = b'id:c1\nevent:PB_CONNECT\ndata:{"clientId":"c1"}\n\n'
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that arrived; `path` is without the query."""

    method: str
    path: str
    query: dict[str, str]
    has_token: bool

    @property
    def kind(self) -> str:
        """``stream``, ``topics`` or ``plain``."""
        if self.path != "/api/realtime":
            return "plain"
        return "stream" if self.method == "GET" else "topics"


class FuzzServer:
    """Answers until it is closed.

    Attributes:
        url: the base URL.
        played: what was answered with the bytes of the case, in order.
    """

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.played: list[tuple[Request, Answer]] = []
        self._kind = ""
        self._answers: deque[Answer] = deque()
        self._over = threading.Event()  # set once the case is
        self._changed = threading.Condition()
        self._streams: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._playing: set[socket.socket] = set()
        self._accepting = threading.Thread(target=self._accept, name="fuzz-accept", daemon=True)
        self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.calm()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listening.close()
        with self._changed:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, HANG_LIMIT)

    def arm(self, kind: str, answers: tuple[Answer, ...]) -> None:
        """The next requests of this kind get these answers, one each; ``any`` is all kinds. Where
        a stream is among them it waits for the last one to end, so that there is a next."""
        with self._changed:
            if kind != "plain":
                self._changed.wait_for(lambda: not self._streams, HANG_LIMIT)
            self._over = threading.Event()
            self._kind, self._answers, self.played = kind, deque(answers), []

    def calm(self) -> None:
        """End the responses that hang; from now on all are valid. The faults of a case are done by
        then: a later reset would end a valid request."""
        with self._changed:
            self._answers.clear()
            self._over.set()
            self._changed.wait_for(lambda: not self._playing, HANG_LIMIT)

    def wait_played(self, count: int, patience: float) -> None:
        """Until so many answers have begun, or for `patience` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.played) >= count, patience)

    def wait_stream(self, patience: float) -> None:
        """Until a good stream is open, or for `patience` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._streams, patience)

    def send_event(self, id: str) -> None:
        """An event of a record with this id, on every good stream."""
        data = json.dumps({"action": "create", "record": {**RECORD, "id": id}})
        frame = f"id:c1\nevent:posts/*\ndata:{data}\n\n".encode()
        with self._changed:
            for sock in self._streams:
                with contextlib.suppress(OSError):  # its thread ends it
                    sock.sendall(b"%x\r\n%b\r\n" % (len(frame), frame))

    # -- one connection ------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:  # shut down
                return
            sock.settimeout(HANG_LIMIT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), name="fuzz", daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            while (request := _read_request(sock)) is not None:
                if not self._answer(sock, request):
                    return
        except OSError:
            pass  # the client has gone: nearly every case ends so
        finally:
            with self._changed:
                sock.close()
                self._open.discard(sock)
                self._playing.discard(sock)
                self._changed.notify_all()

    def _answer(self, sock: socket.socket, request: Request) -> bool:
        """False where that was the connection's end."""
        with self._changed:
            over, answer = self._over, None
            if self._answers and self._kind in ("any", request.kind):
                answer = self._answers.popleft()
                self.played.append((request, answer))
                self._playing.add(sock)
                self._changed.notify_all()
        if answer is not None:
            return _play(sock, answer, over) and self._is_kept(sock, over)
        if request.kind == "stream":
            self._stream(sock)
            return False
        sock.sendall(_good(request))
        return True

    def _is_kept(self, sock: socket.socket, over: threading.Event) -> bool:
        deadline = time.monotonic() + KEPT_FOR
        kept = False
        while not kept and time.monotonic() < deadline:
            kept = over.is_set() or bool(select.select([sock], [], [], 0.002)[0])
        if kept:
            with self._changed:
                self._playing.discard(sock)
                self._changed.notify_all()
        return kept

    def _stream(self, sock: socket.socket) -> None:
        sock.sendall(STREAM_HEAD + b"%x\r\n%b\r\n" % (len(GREETING), GREETING))
        with self._changed:
            self._streams.add(sock)
            self._changed.notify_all()
        try:
            sock.settimeout(None)
            sock.recv(1)  # sends nothing more, until the client disconnects
        finally:
            with self._changed:
                self._streams.discard(sock)
                self._changed.notify_all()


def _play(sock: socket.socket, answer: Answer, over: threading.Event) -> bool:
    deadline = time.monotonic() + HANG_LIMIT
    if answer.pause:
        for byte in answer.data:
            sock.sendall(bytes([byte]))
            if over.wait(answer.pause) or time.monotonic() > deadline:
                return False
    else:
        sock.sendall(answer.data)
    flood = answer.again if answer.pause else answer.again * (1 + 4096 // (len(answer.again) or 1))
    while answer.again and time.monotonic() < deadline and not over.wait(answer.pause):
        sock.sendall(flood)
    if answer.ending == "hold":
        over.wait(HANG_LIMIT)
    elif answer.ending == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return answer.ending == "keep" and not answer.again


def _read_request(sock: socket.socket) -> Request | None:
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0 and len(data) <= HEAD_LIMIT:
        if not (more := sock.recv(65536)):
            return None
        data += more
    if end < 0 or end > HEAD_LIMIT:
        sock.sendall(b"HTTP/1.1 431 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        return None
    head, body = data[:end].decode("latin-1"), data[end + 4 :]
    length = re.search(r"(?im)^content-length: (\d+)", head)
    left = int(length[1]) - len(body) if length else 0
    while left > 0 and (more := sock.recv(min(left, 65536))):
        left -= len(more)
    method, target, _ = head.split("\r\n")[0].split(" ")
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    has_token = re.search(r"(?im)^authorization: .", head) is not None
    return Request(method, parts.path, query, has_token)


def _good(request: Request) -> bytes:
    """What a server in good order answers to a client that has a login."""
    value: Any = RECORD
    last = request.path.rpartition("/")[2]
    if request.kind == "topics" and not request.has_token:  # a probe: the stream is the login's
        return _json("403 Forbidden", {"status": 403, "message": "No match.", "data": {}})
    if request.kind == "topics" or request.method == "DELETE":
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    if "/echo/" in request.path:
        value = {"echo": last}
    elif last == "health":
        value = {"code": 200, "message": "API is healthy.", "data": {}}
    elif last.startswith("auth-"):
        value = {"token": TOKEN, "record": RECORD}
    elif last == "records" and request.method == "GET":
        beyond = request.query.get("page", "1") != "1" or "id >" in request.query.get("filter", "")
        items = [] if beyond else [RECORD]
        value = {"page": 1, "perPage": 30, "totalItems": 1, "totalPages": 1, "items": items}
    return _json("200 OK", value)


def _json(status: str, value: Any) -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body
