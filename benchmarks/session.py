"""One contender's server: the realtime endpoint, a table to read, and counters."""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from . import payloads
from .table import Table

__all__ = ["Session"]

BLOCK = 256 * 1024  # least bytes of a write: with few writes the server is not the limit
DISTINCT = 16  # different records in a stream, unless a table is served
_numbers = itertools.count(1)


class Stream:
    """One open event stream and its topics."""

    def __init__(self, sock: socket.socket, *, chunked: bool) -> None:
        self.sock = sock
        self.client_id = f"c{next(_numbers):039d}"
        self.topics: list[str] = []
        self.work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.wrap: Callable[[bytes], bytes] = payloads.chunk if chunked else bytes

    def serve(self) -> None:
        """Send PB_CONNECT, then run the queued work, on this connection's thread."""
        hello = b'id:%s\nevent:PB_CONNECT\ndata:{"clientId":"%s"}\n\n'
        name = self.client_id.encode()
        self.sock.sendall(self.wrap(hello % (name, name)))
        with contextlib.suppress(OSError):
            while (work := self.work.get()) is not None:
                work()

    def blocks(self, records: list[bytes], events: int, last_action: str) -> list[bytes]:
        """Return `events` events as bytes, the last of them with `last_action`."""
        size = len(self._event(self.topics[0], records[0]))
        length = max(len(self.topics), len(records), BLOCK // size)
        pairs = zip(itertools.cycle(self.topics), itertools.cycle(records), strict=False)
        parts = [
            self._event(topic, record)
            for topic, record in itertools.islice(pairs, min(length, events - 1))
        ]
        times, rest = divmod(events - 1, max(1, len(parts)))
        last = self._event(self.topics[0], records[(events - 1) % len(records)], last_action)
        return [b"".join(parts)] * times + [b"".join(parts[:rest]) + last]

    def _event(self, topic: str, record: bytes, action: str = "update") -> bytes:
        return self.wrap(payloads.frame(self.client_id, topic, record, action))

    def send(self, blocks: list[bytes]) -> None:
        """Send blocks as fast as the client reads."""
        for block in blocks:
            self.sock.sendall(block)

    def pace(self, event: bytes, events: int, rate: float) -> None:
        """Send an event every 1/rate seconds, each with its time of sending."""
        begin = time.monotonic()
        for number in range(events):
            time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            self.sock.sendall(payloads.stamped(event, time.monotonic_ns()))


class Session:
    """Listens on `port` for one contender.

    Args:
        size: bytes of a record.
        records: the number of records in the table; each event is of the next of them.
        last_action: the action of the last event of a run; all others are updates.
    """

    def __init__(self, size: int = 300, records: int = 0, last_action: str = "delete") -> None:
        self._size = size
        self._table = Table(size, records) if records else None
        self._records = payloads.payloads(size, records or DISTINCT)
        self._last_action = last_action
        self._runs = 0
        self._streams: list[Stream] = []
        self._prepared: list[tuple[Stream, Callable[[], None]]] = []
        self._changed = threading.Condition()
        self._topic_counts: list[tuple[int, float]] = []  # numbers of topics, and since when
        self._posts = self._post_bytes = self._open = self._peak = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    # -- control ---------------------------------------------------------------------------------

    def wait(self, topics: int, timeout: float = 15.0) -> dict[str, Any]:
        """Wait until the server has so many topics; return the time and the counters."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._since(topics) is not None, timeout):
                raise TimeoutError(f"{topics} topics are not there after {timeout:g} s")
            return {**self.stats(), "at": self._since(topics)}

    def _since(self, topics: int) -> float | None:
        return next((at for count, at in self._topic_counts if count >= topics), None)

    def prepare(self, events: int, rate: float = 0.0) -> dict[str, Any]:
        """Build `events` events, distributed over the streams by their number of topics."""
        streams = [stream for stream in self._streams if stream.topics]
        if not streams:
            raise RuntimeError("nobody has subscribed")
        self._runs += 1
        if self._table is not None:
            self._records = self._table.renew(self._runs, events)
        total = sum(len(stream.topics) for stream in streams)
        size, left = 0, events
        self._prepared = []
        for stream in streams:
            share = left if stream is streams[-1] else events * len(stream.topics) // total
            left -= share
            if rate:
                event = stream.blocks(self._records, 1, "update")[0]
                self._prepared.append((stream, _call(stream.pace, event, share, rate)))
                continue
            blocks = stream.blocks(self._records, share, self._last_action)
            size += sum(map(len, blocks))
            self._prepared.append((stream, _call(stream.send, blocks)))
        return {"bytes": size}

    def go(self) -> None:
        """Send the prepared events."""
        for stream, work in self._prepared:
            stream.work.put(work)
        self._prepared = []

    def stats(self) -> dict[str, Any]:
        """Return the numbers of POSTs, their bytes, and open connections now and at most."""
        return {
            "posts": self._posts, "bytes": self._post_bytes,
            "open": self._open, "connections": self._peak,
        }  # fmt: skip

    def reset(self) -> dict[str, Any]:
        """Forget all clients and reset the counters."""
        with self._changed:
            streams, self._streams = self._streams, []
            self._topic_counts.clear()
            self._posts = self._post_bytes = 0
            self._peak = self._open
        for stream in streams:
            stream.work.put(None)
        return {}

    def close(self) -> None:
        """End the session."""
        self._listener.close()
        self.reset()

    # -- HTTP ------------------------------------------------------------------------------------

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with self._changed:
            self._open += 1
            self._peak = max(self._peak, self._open)
        try:
            with sock, sock.makefile("rb") as file, contextlib.suppress(OSError):
                while self._answer(sock, file):
                    pass
        finally:
            with self._changed:
                self._open -= 1

    def _answer(self, sock: socket.socket, file: Any) -> bool:
        head = file.readline()
        if not head:
            return False
        method, target, version = head.split()
        size, length = len(head), 0
        while (line := file.readline()) not in (b"\r\n", b""):
            size += len(line)
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = file.read(length)
        if target.startswith(b"/api/realtime") and method == b"GET":
            self._stream(sock, chunked=version == b"HTTP/1.1")
            return False
        if target.startswith(b"/api/realtime"):
            self._subscribe(sock, json.loads(body), size + length)
            return True
        page = self._table.read(target.decode()) if self._table is not None else {"items": []}
        content = json.dumps(page).encode()
        sock.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(content), content)
        )
        return True

    def _stream(self, sock: socket.socket, *, chunked: bool) -> None:
        coding = b"Transfer-Encoding: chunked\r\n" if chunked else b""
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + coding + b"\r\n")
        stream = Stream(sock, chunked=chunked)
        with self._changed:
            self._streams.append(stream)
        try:
            stream.serve()
        finally:
            with self._changed, contextlib.suppress(ValueError):
                self._streams.remove(stream)

    def _subscribe(self, sock: socket.socket, wanted: dict[str, Any], size: int) -> None:
        with self._changed:
            self._posts += 1
            self._post_bytes += size
            for stream in self._streams:
                if stream.client_id == wanted["clientId"]:
                    stream.topics = wanted["subscriptions"]
            total = sum(len(stream.topics) for stream in self._streams)
            self._topic_counts.append((total, time.monotonic()))
            self._changed.notify_all()
        sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def _call(method: Callable[..., None], *args: Any) -> Callable[[], None]:
    return lambda: method(*args)
