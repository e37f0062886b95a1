"""The upper limit for any client: a bare socket in one loop."""

from __future__ import annotations

import gc
import json
import socket
from collections.abc import Callable
from time import monotonic_ns, perf_counter, process_time
from typing import Any

import orjson

from .bench import Bench, Ready, cost
from .latency import quantiles, sent_at
from .payloads import COLLECTION

__all__ = ["bare_latency", "best_split", "limit", "sink"]

READ = 64 * 1024  # bytes of a recv: few enough to be in the cache when they are split
TOPIC = f"{COLLECTION}/*"


def _subscribed(bench: Bench) -> socket.socket:
    """Return the socket of a stream that is subscribed to `TOPIC`; events follow."""
    stream = socket.create_connection(("127.0.0.1", bench.port))
    stream.sendall(b"GET /api/realtime HTTP/1.1\r\nHost: bench\r\n\r\n")
    seen = b""
    while not seen.endswith(b"\n\n\r\n"):
        seen += stream.recv(READ)
    client_id = seen.split(b'{"clientId":"')[1].split(b'"')[0].decode()
    body = json.dumps({"clientId": client_id, "subscriptions": [TOPIC]}).encode()
    with socket.create_connection(("127.0.0.1", bench.port)) as post:
        post.sendall(
            b"POST /api/realtime HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        post.recv(READ)
    return stream


def sink(bench: Bench) -> Ready:
    """The limit of the server: receive the bytes without parsing them."""
    stream = _subscribed(bench)
    buffer = bytearray(READ)

    def run(events: int) -> dict[str, Any]:
        left = bench.command("prepare", events=events)["bytes"]
        start = (perf_counter(), process_time())
        bench.go()
        while left:
            left -= stream.recv_into(buffer)
        return cost(events, start)

    return Ready(run, stream.close)


def limit(bench: Bench) -> Ready:
    """The limit: receive, split into frames, ``orjson.loads`` each."""
    return _looping(bench, _split)


def best_split(bench: Bench) -> Ready:
    """The fastest split we know: it finds the data of one event at a time, and copies only that."""
    return _looping(bench, _find)


def _looping(bench: Bench, loop: Callable[[socket.socket, int], None]) -> Ready:
    stream = _subscribed(bench)

    def run(events: int) -> dict[str, Any]:
        bench.command("prepare", events=events)
        gc.collect()
        start = (perf_counter(), process_time())
        bench.go()
        loop(stream, events)
        return cost(events, start)

    return Ready(run, stream.close)


# The lines of the chunked coding remain before `id:`, where they are not parsed.


def _split(stream: socket.socket, events: int) -> None:
    loads, rest, seen = orjson.loads, b"", 0
    while seen < events:
        frames = (rest + stream.recv(READ)).split(b"\n\n")
        rest = frames.pop()
        for frame in frames:
            loads(frame[frame.find(b"\ndata:") + 6 :])
        seen += len(frames)


def _find(stream: socket.socket, events: int) -> None:
    loads, rest, seen = orjson.loads, b"", 0
    while seen < events:
        data = rest + stream.recv(READ)
        find, end = data.find, 0
        while (start := find(b"\ndata:", end)) >= 0:
            newline = find(b"\n", start + 6)
            if newline < 0:
                break
            loads(data[start + 6 : newline])
            seen, end = seen + 1, newline
        rest = data[end:]


def bare_latency(bench: Bench) -> Ready:
    """The time from the server's send to the decoded event, on a bare socket."""
    stream = _subscribed(bench)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(events: int) -> dict[str, Any]:
        bench.command("prepare", events=events, rate=bench.options.rate)
        took: list[int] = []
        rest = b""
        bench.go()
        while len(took) < events:
            frames = (rest + stream.recv(READ)).split(b"\n\n")
            rest = frames.pop()
            for frame in frames:
                record = orjson.loads(frame[frame.find(b"\ndata:") + 6 :])["record"]
                took.append(monotonic_ns() - sent_at(record))
        return quantiles(took)

    return Ready(run, stream.close)
