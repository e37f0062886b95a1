"""Everything has a bound, and a policy for when it is reached."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from faults.watching import PATIENCE, QUICK, Log
from support import wire_server as wire

from rxbosbase import AnswerTooLargeError, BosBase, RecordEvent, Status
from rxbosbase.http import channel_sessions
from rxbosbase.realtime.connection import Connection
from rxbosbase.realtime.protocol.frames import FrameParser

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("RXBOSBASE_LONG") == "1"
TOPIC = "posts/*"

SLOW_EVENTS, SLOW_SECONDS = (200_000, 0.001) if LONG else (20_000, 0.0001)
"""The short run, too, has twice the events that fit into the queue."""
EVENT_BYTES = 2048
MEMORY_BYTES = 150 * 1024 * 1024

QUEUE_EVENTS = 10_000
QUEUE_BYTES = 64 * 1024 * 1024


def wait_until(what: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def event(number: int, size: int = 0) -> bytes:
    record = {"id": str(number), "padding": "x" * size}
    return wire.frame("c", TOPIC, {"record": record, "action": "create"})


def observe(client: BosBase, call: Callable[[int], object]) -> None:
    posts = client.collection("posts")

    def take(event: RecordEvent[dict[str, Any]]) -> None:
        call(int(event.record["id"]))

    posts.observe("*", check=False).subscribe(take)
    client.realtime.wait_active(PATIENCE)


def parser_of(client: BosBase) -> FrameParser:
    (driver,) = client.service.drivers
    connection = driver.session._stream
    assert isinstance(connection, Connection)
    return connection._parser


def lives(server: wire.WireServer, seen: list[int], number: int) -> None:
    """A further event arrives on the first stream."""
    server.stream.send_raw(event(number))
    wait_until(lambda: number in seen)
    assert server.gets == 1


def test_an_event_beyond_its_bound_is_skipped_and_told_and_the_stream_lives_on(
    server: wire.WireServer,
) -> None:
    """An event larger than `max_event_bytes` is skipped and logged; the stream stays open."""
    seen: list[int] = []
    states: list[Status] = []
    with Log() as log, BosBase(server.url, max_event_bytes=1000) as client:
        observe(client, seen.append)
        client.realtime.status.subscribe(states.append)
        server.stream.send_raw(event(1, size=2000))
        lives(server, seen, 2)
        assert seen == [2]
        wait_until(lambda: states and states[-1].error is not None)
        assert "1000 bytes" in str(states[-1].error)
        assert client.realtime.stats.skipped == 1
        assert states[-1].state == "active"
    (warning,) = log.at_least(logging.WARNING)
    assert TOPIC in warning and "1000 bytes" in warning


@pytest.mark.parametrize(
    "head", [b"event:posts/*\ndata:", b"data:", b"x", b":", b"id:", b"event:"], ids=repr
)
def test_a_line_without_end_takes_no_more_memory_than_an_event_may(
    server: wire.WireServer, head: bytes
) -> None:
    """A line without end takes no more memory than an event may, and the stream stays open."""
    seen: list[int] = []
    with BosBase(server.url, max_event_bytes=100_000) as client:
        observe(client, seen.append)
        server.stream.send_raw(head)
        for _ in range(64):
            server.stream.send_raw(b"x" * 65_536)
        parser = parser_of(client)
        wait_until(lambda: parser.bytes > 4_000_000)
        assert parser.pending <= 100_000
        server.stream.send_raw(b"\n\n")
        lives(server, seen, 1)
        assert client.realtime.stats.skipped == 1


def test_lines_without_number_in_one_event_take_no_more_memory_than_an_event_may(
    server: wire.WireServer,
) -> None:
    """An event of 640 000 lines is skipped as too large, and the stream stays open."""
    seen: list[int] = []
    with BosBase(server.url, max_event_bytes=100_000) as client:
        observe(client, seen.append)
        for _ in range(64):
            server.stream.send_raw(b"data:x\n" * 10_000)
        server.stream.send_raw(b"\n")
        lives(server, seen, 1)
        assert client.realtime.stats.skipped == 1


ENDLESS_HEADS = {
    "one long line": [b"HTTP/1.1 200 OK\r\nx: ", *[b"y" * 65_536] * 64],
    "many lines": [b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n" * 10_000] * 64],
    "a long status": [b"HTTP/1.1 200 ", *[b"y" * 65_536] * 64],
}


@pytest.mark.parametrize("parts", ENDLESS_HEADS.values(), ids=ENDLESS_HEADS.keys())
@pytest.mark.parametrize("to", ["stream", "post"])
def test_headers_without_end_are_given_up_and_another_connection_is_tried(
    server: wire.WireServer, parts: list[bytes], to: str
) -> None:
    """Headers without end are given up, of a stream or a POST, and another attempt is made."""
    seen: list[int] = []
    answers = server.stream_answers if to == "stream" else server.post_answers
    answers.append(wire.raw(b"".join(parts)))
    with BosBase(server.url, backoff=QUICK) as client:
        observe(client, seen.append)
        server.stream.send_raw(event(1))
        wait_until(lambda: seen == [1])


def test_a_stream_of_comments_alone_calls_nobody_and_stays(server: wire.WireServer) -> None:
    """A stream of comments alone calls no subscriber and outlives `idle_timeout`."""
    seen: list[int] = []
    with BosBase(server.url, idle_timeout=1.0) as client:
        observe(client, seen.append)
        states: list[Status] = []
        client.realtime.status.subscribe(states.append)
        until = time.monotonic() + 1.5  # more than the idle time: comments are signs of life
        while time.monotonic() < until:
            server.stream.send_raw(b": still here\n\n" * 1000)
            time.sleep(0.02)
        lives(server, seen, 1)
        assert [each.state for each in states] == ["active"]
        assert parser_of(client).pending == 0


def test_a_stream_of_comments_in_place_of_a_greeting_is_given_up(server: wire.WireServer) -> None:
    """A stream of comments without PB_CONNECT is given up after `timeout`."""
    seen: list[int] = []

    def comment(stream: wire.Stream) -> None:
        until = time.monotonic() + PATIENCE
        while stream.send_raw(b": hello\n\n") and time.monotonic() < until:
            time.sleep(0.02)

    server.stream_answers.append(wire.stream(greet=False, then=comment))
    with BosBase(server.url, timeout=0.4, backoff=QUICK) as client:
        observe(client, seen.append)
        assert server.gets >= 2  # on a busy machine the next one may time out as well
        server.stream.send_raw(event(1))
        wait_until(lambda: seen == [1])


HUGE = b'{"a":"' + b"x" * 20_000_000 + b'"}'
ENDLESS_ANSWERS = {
    "until the connection ends": b"\r\n" + HUGE,
    "of a known length": b"Content-Length: %d\r\n\r\n" % len(HUGE) + HUGE,
    "of one chunk": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(HUGE) + HUGE,
    "packed": b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(HUGE),
}


@pytest.mark.parametrize("rest", ENDLESS_ANSWERS.values(), ids=ENDLESS_ANSWERS.keys())
@pytest.mark.parametrize("code", [200, 500])
def test_an_answer_without_end_takes_no_more_memory_than_an_answer_may(
    server: wire.WireServer, rest: bytes, code: int
) -> None:
    """A response of 20 MB raises `AnswerTooLargeError` and takes less than 10 MB."""
    answers = [wire.raw(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n" % code + rest)]
    server.on_request = lambda _: answers.pop() if answers else None
    with BosBase(server.url, max_answer_bytes=1_000_000) as client:
        tracemalloc.start()
        try:
            with pytest.raises(AnswerTooLargeError, match="ask for less"):
                client.health()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 10_000_000
        assert client.health()


def test_cookies_come_back_and_cookies_without_number_are_forgotten(
    server: wire.WireServer,
) -> None:
    """Cookies are sent back, and their number stays within the bound of the jar."""
    numbers = itertools.count()

    def answer(_: wire.Request) -> wire.Answer:
        return wire.status(204, headers={"Set-Cookie": f"c{next(numbers)}={'x' * 100}; Path=/"})

    server.on_request = answer
    with BosBase(server.url) as client:
        for _ in range(200):
            client.send("GET", "/api/x")
    sent = [request.headers.get("cookie", "").count("=") for request in server.requests]
    assert sent[:3] == [0, 1, 2]
    assert max(sent) < channel_sessions.MAX_COOKIE_JAR / 100


def test_the_posts_of_a_stream_send_back_the_cookie_of_its_balancer(
    server: wire.WireServer,
) -> None:
    """A cookie that the response to a POST sets is sent with the next POST."""
    chosen = b"HTTP/1.1 503 X\r\nSet-Cookie: server=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    server.post_answers.append(wire.raw(chosen))
    with BosBase(server.url, backoff=QUICK) as client:
        observe(client, lambda _: None)
    posts = [request for request in server.requests if request.method == "POST"]
    assert [request.headers.get("cookie") for request in posts] == [None, "server=b"]


def feed(server: wire.WireServer, frames: Iterable[bytes]) -> threading.Thread:
    """Send in a thread: the socket will be full for a while."""
    stream = server.stream

    def run() -> None:
        rest = iter(frames)
        while batch := list(itertools.islice(rest, 100)):
            stream.send_many(batch)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("count", "size"), [(200_000, 200), (120, 1024 * 1024)], ids=["count", "bytes"]
)
def test_a_full_queue_holds_the_reader_back_and_loses_nothing(
    server: wire.WireServer, count: int, size: int
) -> None:
    """A full queue holds the reader back, by count and by bytes, and loses no event."""
    # More than the buffers of both sockets hold: 32 MB and 4 MB on some machines.
    seen: list[int] = []
    gate = threading.Event()

    def slow(number: int) -> None:
        gate.wait(PATIENCE)
        seen.append(number)

    with BosBase(server.url) as client:
        observe(client, slow)
        feeder = feed(server, (event(number, size) for number in range(count)))
        stats: list[Any] = [client.realtime.stats]
        # Full, and held back: no more data is read although the server continues to send.
        while len(stats) < 5 or stats[-1].bytes != stats[-5].bytes or stats[-1].bytes < 10_000:
            time.sleep(0.1)
            stats.append(client.realtime.stats)
        assert feeder.is_alive(), "the server was not held back"
        assert 0 < stats[-1].queue_events <= QUEUE_EVENTS
        assert 0 < stats[-1].queue_bytes <= QUEUE_BYTES
        gate.set()
        wait_until(lambda: len(seen) == count)
        feeder.join(PATIENCE)
    assert seen == list(range(count))
    assert server.gets == 1


def test_a_reader_that_is_held_back_can_be_renewed_and_closed(server: wire.WireServer) -> None:
    """A reader that is held back can be renewed, and `close` returns within 1 s."""
    gate = threading.Event()
    with BosBase(server.url) as client:
        observe(client, lambda _: gate.wait(PATIENCE))
        feeder = feed(server, (event(number) for number in range(100_000)))
        wait_until(lambda: client.realtime.stats.queue_events > QUEUE_EVENTS / 2)
        client.realtime.reconnect_now()
        server.wait_gets(2)
        client.realtime.wait_active(PATIENCE)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 1.0  # promised are 0.1; the machine may be busy
        gate.set()
        feeder.join(PATIENCE)


SLOW_PROGRAM = """
    import json, sys, threading, time
    from rxbosbase import BosBase
    url, count, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    state = {"next": 0, "wrong": 0}
    done = threading.Event()
    def slow(event):
        time.sleep(pause)
        if int(event.record["id"]) != state["next"]:
            state["wrong"] += 1
        state["next"] += 1
        if state["next"] == count:
            done.set()
    with BosBase(url) as client:
        client.collection("posts").observe("*", check=False).subscribe(slow)
        done.wait(count * pause * 3 + 60)
        state["reconnects"] = client.realtime.stats.reconnects
    # Not ru_maxrss: that one begins with what the parent process had at the fork.
    with open("/proc/self/status") as status:
        (peak,) = [line.split()[1] for line in status if line.startswith("VmHWM")]
    state["peak"] = int(peak) * 1024
    print(json.dumps(state))
"""


@pytest.mark.timeout(SLOW_EVENTS * SLOW_SECONDS * 3 + 120)
def test_a_slow_subscriber_of_many_events_takes_little_memory_and_loses_nothing(
    server: wire.WireServer,
) -> None:
    """A slow subscriber of many events gets all of them in order, within 150 MiB."""
    program = subprocess.Popen(
        [
            sys.executable,
            "-c",
            dedent(SLOW_PROGRAM),
            server.url,
            str(SLOW_EVENTS),
            str(SLOW_SECONDS),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        server.wait_for(lambda: server.accepted, PATIENCE)
        feeder = feed(server, (event(number, EVENT_BYTES - 100) for number in range(SLOW_EVENTS)))
        out, _ = program.communicate()
        feeder.join(PATIENCE)
    finally:
        program.kill()
        program.wait()
    result = json.loads(out)
    print(result)
    assert result["next"] == SLOW_EVENTS
    assert result["wrong"] == 0
    assert result["reconnects"] == 0
    assert result["peak"] <= MEMORY_BYTES
