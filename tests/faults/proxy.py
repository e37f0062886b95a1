"""``FaultProxy``: a TCP proxy on loopback that injects faults on demand.

It is between the library and a server, and parses enough HTTP to distinguish the event stream, a
POST of topics and other requests::

    with FaultProxy(server.url) as proxy, BosBase(proxy.url) as client:
        ...
        proxy.inject(Fault(Kind.RESET))               # now, to the open stream
        proxy.inject(Fault(Kind.POST_STATUS, 502))    # to the next POST of topics
        proxy.calm()                                  # ends active faults, drops queued ones

It runs on an asyncio loop in a thread of its own; the public methods are for any thread, and
return when the fault is in effect (or queued).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from .database_away import as_guest, without_database
from .kinds import ON_HEAD, ON_POST, ON_STREAM, Fault, Kind
from .relay import READ_SIZE, StreamRelay, hang_up, shatter

__all__ = ["RETRY_AFTER", "FaultProxy", "ProxiedRequest"]

T = TypeVar("T")

HOST = "127.0.0.1"
REALTIME = "/api/realtime"
RETRY_AFTER = 1
"""The ``Retry-After`` of responses with 429 and 503, in seconds."""
BACKLOG = 100  # connections that may wait to be accepted
HEAD_LIMIT = 64 * 1024
SEEN_LIMIT = 2000  # requests that are kept: a soak makes many more
JOIN_SECONDS = 5.0
HTML = b"<!doctype html><title>Sign in</title><p>Welcome to the hotel's network!</p>"


@dataclass(frozen=True, slots=True)
class ProxiedRequest:
    """One request to the proxy, with its time (`time.monotonic`)."""

    role: str
    head: bytes
    body: bytes
    at: float


class FaultProxy:
    """The proxy; see the module for its use.

    Attributes:
        port, url: its address, which never changes.
        seen: the last requests in order; `role` is "stream", "post" or "other".
        streams: the number of GETs of a stream.
        asked: the number of faults passed to `inject`.
        injected: the number of faults of each kind that took effect.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or HOST, parts.port or 80)
        # Bound but not listening: while it refuses, no other process gets the port.
        self._reservation = _bound(0)
        self.port: int = self._reservation.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        self.seen: deque[ProxiedRequest] = deque(maxlen=SEEN_LIMIT)
        self.streams = 0
        self.asked = 0
        self.injected: Counter[Kind] = Counter()
        self._relays: set[StreamRelay] = set()
        self._waiting: dict[str, deque[Fault]] = {
            name: deque() for name in ("live", "stream", "post")
        }
        self._tasks: set[asyncio.Task[None]] = set()
        self._knocking: set[socket.socket] = set()  # accepted, and not served yet
        self._listener: socket.socket | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._database_is_back = asyncio.Event()
        self._database_is_back.set()
        self._returning: asyncio.TimerHandle | None = None
        self._calmed = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- for any thread --------------------------------------------------------------------------

    def inject(self, fault: Fault) -> None:
        """Queues the fault, or does it now if it is one to open streams or to the port."""
        self.asked += 1
        self._do(self._inject(fault))

    def calm(self) -> None:
        """End active faults (stalls, delays, refusals) and drop queued ones."""
        self._do(self._calm())

    @property
    def open_streams(self) -> int:
        """How many streams go through at the moment, black holes included."""
        return len(self._relays)

    def wait_database(self) -> None:
        """Wait until the server's database is not away (any more)."""
        self._do(self._database_is_back.wait(), timeout=None)

    def count(self, role: str) -> int:
        """How many requests of this role came so far."""
        return sum(seen.role == role for seen in list(self.seen))

    def close(self) -> None:
        """End every connection, the thread and the port. Idempotent."""
        if self._loop.is_closed():
            return
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(JOIN_SECONDS)
        self._loop.close()
        self._reservation.close()

    def _do(self, work: Coroutine[Any, Any, T], timeout: float | None = JOIN_SECONDS) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    # -- on the loop -----------------------------------------------------------------------------

    async def _open(self) -> None:
        if self._listener is None:
            self._listener = _bound(self.port)
            self._listener.listen(BACKLOG)
            self._listener.setblocking(False)
            self._loop.add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        # In place of `asyncio.start_server`, which forgets to close what it has accepted and not
        # handed over yet when it is closed itself.
        try:
            knocking, _ = listener.accept()
        except OSError:  # the client has disconnected already
            return
        knocking.setblocking(False)
        self._knocking.add(knocking)
        self._keep(self._loop.create_task(self._let_in(knocking)))

    async def _let_in(self, knocking: socket.socket) -> None:
        self._knocking.discard(knocking)
        await self._serve(*await asyncio.open_connection(sock=knocking, limit=HEAD_LIMIT))

    async def _close(self) -> None:
        self._shut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for knocking in self._knocking:  # whose tasks were cancelled before their first step
            knocking.close()

    def _shut(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def _inject(self, fault: Fault) -> None:
        if fault.kind is Kind.REFUSE:
            self._shut()
            self._reopening = self._loop.call_later(
                fault.value, lambda: self._keep(self._loop.create_task(self._open()))
            )
            self._happened(fault)
        elif fault.kind is Kind.DATABASE_AWAY:
            self._lose_database(fault.value)
            self._happened(fault)
        elif fault.kind in ON_HEAD:
            self._waiting["stream"].append(fault)
        elif fault.kind in ON_POST:
            self._waiting["post"].append(fault)
        elif fault.kind in ON_STREAM and self._relays:
            for relay in self._relays:
                relay.apply(fault)
        else:
            self._waiting["live"].append(fault)

    def _lose_database(self, seconds: float) -> None:
        if self._returning is not None:
            self._returning.cancel()
        self._database_is_back.clear()
        self._returning = self._loop.call_later(seconds, self._database_is_back.set)

    async def _calm(self) -> None:
        self._database_is_back.set()
        for queue in self._waiting.values():
            queue.clear()
        for relay in self._relays:
            relay.calm()
        self._calmed.set()
        self._calmed = asyncio.Event()
        if self._listener is None:
            self._shut()
            await self._open()

    def _happened(self, fault: Fault) -> None:
        self.injected[fault.kind] += 1

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            upstream = await asyncio.open_connection(*self._target, limit=HEAD_LIMIT)
            while await self._exchange(reader, writer, *upstream):
                pass
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # either side has left, or the server is down: the other side sees it, too
        finally:
            if upstream is not None:
                upstream[1].transport.abort()
            await hang_up(writer)

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
    ) -> bool:
        """One request and its answer; False when the connection is of no use any more."""
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(head))
        role = _role(head)
        self.seen.append(ProxiedRequest(role, head, body, time.monotonic()))
        self.streams += role == "stream"
        fault = self._waiting[role].popleft() if self._waiting.get(role) else None
        if fault is not None:
            self._happened(fault)
            answer = _canned(fault)
            if answer is not None:
                writer.write(answer)
                await writer.drain()
                return True
            if fault.kind is Kind.POST_RESET:
                shatter(writer, reset=True)
                return False
            if fault.kind is Kind.POST_DELAY:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._calmed.wait(), fault.value)
        if not self._database_is_back.is_set():
            refusal = without_database(head)
            if refusal is not None:
                writer.write(_refused(*refusal))
                await writer.drain()
                return True
            head = as_guest(head)
        target.write(head + body)
        answered = await source.readuntil(b"\r\n\r\n")
        if fault is not None and fault.kind is Kind.CORRUPT_HEAD:
            at = int(fault.value) % len(answered)
            answered = answered[:at] + b"\xff" + answered[at + 1 :]
        if role == "stream":
            await self._stream(reader, writer, source, answered)
            return False
        rest = await _body(source, answered)
        if fault is not None and fault.kind is Kind.POST_LOST:
            shatter(writer, reset=False)
            return False
        writer.write(answered + rest)
        await writer.drain()
        return True

    async def _stream(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        source: asyncio.StreamReader,
        head: bytes,
    ) -> None:
        relay = StreamRelay(source, writer, self._happened)
        writer.write(head)
        self._relays.add(relay)
        pump = self._loop.create_task(relay.run())
        left = self._loop.create_task(_until_end(reader))
        try:
            while self._waiting["live"]:
                relay.apply(self._waiting["live"].popleft())
            await asyncio.wait({pump, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._relays.discard(relay)
            relay.end()
            for task in (pump, left):
                task.cancel()
            await asyncio.gather(pump, left, return_exceptions=True)


async def _until_end(reader: asyncio.StreamReader) -> None:
    while await reader.read(READ_SIZE):
        pass


async def _body(source: asyncio.StreamReader, head: bytes) -> bytes:
    if b"transfer-encoding: chunked" not in head.lower():
        return await source.readexactly(_length(head))
    body = b""
    size = -1
    while size:
        line = await source.readuntil(b"\r\n")
        size = int(line, 16)
        body += line + await source.readexactly(size + 2)
    return body


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    return sock


def _role(head: bytes) -> str:
    method, path, _ = head.split(b" ", 2)
    if path.partition(b"?")[0].decode() != REALTIME:
        return "other"
    return "post" if method == b"POST" else "stream"


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _canned(fault: Fault) -> bytes | None:
    """The proxy's own answer, or None where the server answers."""
    kind = fault.kind
    if kind in (Kind.HTML, Kind.POST_HTML):
        return _answer("200 OK", "text/html; charset=utf-8", HTML)
    if kind in (Kind.STREAM_REDIRECT, Kind.POST_REDIRECT):
        return _answer("307 Temporary Redirect", "text/html", b"", f"Location: {fault.text}\r\n")
    if kind in (Kind.STREAM_STATUS, Kind.POST_STATUS):
        code = int(fault.value)
        more = f"Retry-After: {RETRY_AFTER}\r\n" if code in (429, 503) else ""
        return _refused(code, b'{"status":%d,"message":"injected","data":{}}' % code, more)
    return None


def _refused(code: int, body: bytes, more: str = "") -> bytes:
    return _answer(f"{code} Injected", "application/json", body, more)


def _answer(status: str, kind: str, body: bytes, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body
