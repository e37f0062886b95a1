"""A balancer in front of several scripted nodes: by connection or by request, by turns or by load.

The four kinds are those of real balancers. One that works by connection passes bytes on (HAProxy in
TCP mode, most balancers of clouds); one that works by request parses HTTP (nginx, Caddy, HAProxy,
Traefik). An open event stream counts as one connection, or as one request in flight::

    with Balancer([one.url, other.url], "request", "least") as front:
        client = BosBase(front.url)
        front.counts            # -> [1, 0]: what each node has in progress
        front.routed            # -> [("GET", 0), ("POST", 1)]

With ``sticky`` it sets a cookie with the first answer, and sends requests with it to the same node.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Awaitable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

__all__ = ["Balancer", "Choice", "Unit"]

Unit = Literal["connection", "request"]
Choice = Literal["turns", "least"]

HOST = "127.0.0.1"
JOIN_LIMIT = 5.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_COOKIE = re.compile(rb"\r\ncookie:[^\r\n]*\bnode=(\d+)", re.IGNORECASE)
_NO_NODE = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


class Balancer:
    """See the module.

    Args:
        nodes: their URLs.
        unit: what is sent to a node as a whole.
        choice: by turns, or to the node with the least in progress; by turns among equals.
        sticky: remember the node in a cookie; by request only.

    Attributes:
        url, port: its own address.
        counts: connections, or requests in flight, of each node now.
        down: the nodes that it does not send to, by their places.
        routed: method and node of each request; of each connection, "" and its node.
    """

    def __init__(
        self, nodes: Sequence[str], unit: Unit, choice: Choice, *, sticky: bool = False
    ) -> None:
        self._ports = [urlsplit(node).port for node in nodes]
        self._serve = {"connection": self._pass_bytes, "request": self._pass_requests}[unit]
        self._choice = choice
        self._sticky = sticky
        self._turn = -1
        self.counts = [0] * len(nodes)
        self.routed: list[tuple[str, int]] = []
        self.down: set[int] = set()
        self.url, self.port = "", 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._accept, HOST, 0, backlog=128))
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(JOIN_LIMIT)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(JOIN_LIMIT)

    async def _close(self) -> None:
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- on the loop -----------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            await _closed(writer)

    def _next(self) -> int:
        size = len(self.counts)
        turns = ((self._turn + 1 + at) % size for at in range(size))
        order = [node for node in turns if node not in self.down]
        if self._choice == "least":
            order.sort(key=lambda node: self.counts[node])
        self._turn = order[0]
        return order[0]

    async def _pass_bytes(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node = self._next()
        self.routed.append(("", node))
        self.counts[node] += 1
        try:
            up_reader, up_writer = await asyncio.open_connection(HOST, self._ports[node])
            try:
                await _first(_copied(reader, up_writer), _copied(up_reader, writer))
            finally:
                await _closed(up_writer)
        finally:
            self.counts[node] -= 1

    async def _pass_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            cookie = _COOKIE.search(head) if self._sticky else None
            chosen = int(cookie[1]) if cookie else None
            node = self._next() if chosen is None or chosen in self.down else chosen
            self.routed.append((head.split(b" ", 1)[0].decode(), node))
            self.counts[node] += 1
            try:
                is_last = await self._pass_request(node, head + body, reader, writer)
            finally:
                self.counts[node] -= 1
            if is_last:
                return

    async def _pass_request(
        self,
        node: int,
        request: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Pass a request and its response on; return True if the client's connection is over."""
        try:
            up_reader, up_writer = await asyncio.open_connection(HOST, self._ports[node])
        except OSError:
            writer.write(_NO_NODE)
            return False
        try:
            up_writer.write(request)
            head = await up_reader.readuntil(b"\r\n\r\n")
            if self._sticky:
                head = head.replace(b"\r\n", b"\r\nSet-Cookie: node=%d; Path=/\r\n" % node, 1)
            writer.write(head)
            length = _LENGTH.search(head)
            if length is None and b" 204 " not in head[:15]:
                await _first(_copied(up_reader, writer), reader.read(1))  # a stream
                return True
            writer.write(await up_reader.readexactly(int(length[1]) if length else 0))
            await writer.drain()
            return False
        finally:
            await _closed(up_writer)


async def _copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()


async def _first(*works: Awaitable[object]) -> None:
    """Wait until one of them is done; cancel the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()
