"""A dead connection is detected without a packet of its end; a regular end is no loss."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import reactivex
from faults.vanishing_host import VanishingHost
from faults.watching import PATIENCE, Log
from reactivex import operators as ops
from reactivex.scheduler import VirtualTimeScheduler
from support import wire_server as wire

from rxbosbase import BackoffPolicy, BosBase, Status
from rxbosbase.errors import RequestTimeoutError, StreamLostError
from rxbosbase.http import abortable_sockets as sockets
from rxbosbase.operators.retry_with_backoff import retry_with_backoff
from rxbosbase.realtime import connection

LONG = os.environ.get("RXBOSBASE_LONG") == "1"
NOTICED_WITHIN = 45.0
SWITCHES = {(socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_NODELAY)}
SLOW = BackoffPolicy(initial=60, maximum=60, jitter=False)
"""So long that a backoff where none belongs makes the test fail."""


class WatchedStream:
    """A client with one subscription, and what it emits."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.log = Log()
        self.client = BosBase(url, backoff=SLOW, **settings)
        self.states: list[Status] = []
        self.lost: list[list[str]] = []
        self.seen: list[str] = []
        self.errors: list[Exception] = []

    def __enter__(self) -> WatchedStream:
        self.log.__enter__()
        posts = self.client.collection("posts").observe("*", check=False)
        posts.subscribe(lambda event: self.seen.append(event.record["id"]), self.errors.append)
        self.client.realtime.wait_active(PATIENCE)
        self.client.realtime.status.subscribe(self.states.append)
        self.client.realtime.on_disconnect = self.lost.append
        wait_until(lambda: self.states)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.log.__exit__()
        assert not self.errors

    def assert_routine(self) -> None:
        """Assert that no loss was reported, and no backoff began."""
        assert self.lost == []
        assert self.log.at_least(logging.WARNING) == []
        assert {each.state for each in self.states} <= {"connecting", "connected", "active"}
        assert all(each.error is None and each.attempt == 0 for each in self.states)


@pytest.fixture
def watch() -> Iterator[Callable[..., WatchedStream]]:
    with ExitStack() as stack:
        yield lambda url, **settings: stack.enter_context(WatchedStream(url, **settings))


def wait_until(what: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_the_streams_socket_has_the_keep_alive_options(
    server: wire.WireServer, watch: Callable[..., WatchedStream]
) -> None:
    """The stream's socket has the keep-alive options."""
    watched = watch(server.url)
    (driver,) = watched.client.service.drivers
    connection: Any = driver.session._stream
    handles = list(connection._channel.sockets._open)
    assert handles
    for handle in handles:
        for level, option, value in sockets.keep_alive_options():
            found = handle.getsockopt(level, option)
            # A switch that is on is 1 on Linux, and the option's own bit on macOS.
            assert found == value or ((level, option) in SWITCHES and found != 0)


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="the platform has no such options")
def test_by_default_silence_of_a_dead_host_is_noticed_within_45_seconds() -> None:
    """The default keep-alive options give up a dead host within 45 s."""
    options = {option: value for _, option, value in sockets.keep_alive_options()}
    idle = options[socket.TCP_KEEPIDLE]
    probes = options[socket.TCP_KEEPINTVL] * options[socket.TCP_KEEPCNT]
    assert idle + probes <= NOTICED_WITHIN
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert options[socket.TCP_USER_TIMEOUT] <= NOTICED_WITHIN * 1000


@pytest.mark.timeout(150)
def test_a_vanished_host_is_noticed_by_keep_alive_and_told_as_a_loss(
    watch: Callable[..., WatchedStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that vanishes is noticed by keep-alive and reported as a loss."""
    if why := VanishingHost.possible():
        pytest.skip(f"NOT TESTED: a host that vanishes. {why}")
    within = NOTICED_WITHIN
    if not LONG:
        monkeypatch.setattr(sockets, "KEEP_ALIVE_IDLE", 1)
        monkeypatch.setattr(sockets, "KEEP_ALIVE_INTERVAL", 1)
        monkeypatch.setattr(sockets, "KEEP_ALIVE_PROBES", 2)
        monkeypatch.setattr(sockets, "USER_TIMEOUT_MS", 2500)
        within = 10.0
    with VanishingHost() as host:
        watched = watch(host.url, timeout=5.0)
        host.vanish()
        began = time.monotonic()
        wait_until(lambda: watched.states and watched.states[-1].state == "waiting", within)
        print(f"noticed after {time.monotonic() - began:.1f} s: {watched.states[-1].error}")
        assert isinstance(watched.states[-1].error, StreamLostError)
        wait_until(lambda: watched.lost == [["posts/*"]])
        host.appear()
        watched.client.realtime.on_disconnect = None
        for _ in range(20):  # for a moment more the near side remembers that there is no host
            watched.client.realtime.reconnect_now()
            with contextlib.suppress(RequestTimeoutError):
                watched.client.realtime.wait_active(1.0)
                break
        watched.client.realtime.wait_active(1.0)


def test_a_host_that_the_system_gave_up_is_told_as_a_loss(
    server: wire.WireServer, watch: Callable[..., WatchedStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that the system's keep-alive gives up is reported as a loss, not as routine."""
    read = socket.SocketIO.readinto

    def readinto(self: socket.SocketIO, buffer: Any) -> int | None:
        if not is_there:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        return read(self, buffer)

    monkeypatch.setattr(socket.SocketIO, "readinto", readinto)
    is_there = True
    watched = watch(server.url)
    is_there = False
    server.send("posts/*", {"id": "a"}, "create")  # wakes the reader up
    wait_until(lambda: watched.states[-1].state == "waiting")
    assert isinstance(watched.states[-1].error, StreamLostError)
    assert os.strerror(errno.ETIMEDOUT) in str(watched.states[-1].error)
    wait_until(lambda: watched.lost == [["posts/*"]])
    is_there = True


def test_a_proxy_that_swallows_everything_is_noticed_by_the_silence_and_renewed_as_routine(
    server: wire.WireServer, watch: Callable[..., WatchedStream]
) -> None:
    """A stream that a proxy silences is renewed after `idle_timeout`, without a loss."""
    watched = watch(server.url, idle_timeout=0.2)
    for number in (2, 3, 4):
        server.wait_for(lambda: server.streams)[-1].stall()
        server.wait_gets(number)
        server.wait_post(number)
    watched.client.realtime.wait_active(PATIENCE)
    # Again and again: on a busy machine the stream is renewed before the first is read.
    wait_until(lambda: server.send("posts/*", {"id": "a"}, "create") and watched.seen)
    watched.assert_routine()


def test_a_stream_with_events_is_not_renewed(
    server: wire.WireServer, watch: Callable[..., WatchedStream]
) -> None:
    """A stream that delivers events is not renewed after `idle_timeout`."""
    watched = watch(server.url, idle_timeout=1.0)
    for number in range(6):
        server.send("posts/*", {"id": str(number)}, "create")
        time.sleep(0.25)
    wait_until(lambda: len(watched.seen) == 6)
    assert server.gets == 1


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "HTTP/1.0"])
def test_the_servers_own_closes_are_routine_and_a_new_stream_follows_at_once(
    server: wire.WireServer,
    watch: Callable[..., WatchedStream],
    monkeypatch: pytest.MonkeyPatch,
    chunked: bool,
) -> None:
    """A healthy stream that the server closes is replaced at once, without a loss."""
    monkeypatch.setattr(connection, "HEALTHY_AFTER", 0.0)
    server.on_stream = lambda number: wire.stream(chunked=chunked)
    watched = watch(server.url)
    for number in (2, 3, 4):
        server.stream.finish()
        server.wait_post(number)  # there is no wait before it: that of `SLOW` is longer
        watched.client.realtime.wait_active(PATIENCE)
    server.send("posts/*", {"id": "a"}, "create")
    wait_until(lambda: watched.seen)
    watched.assert_routine()


@pytest.mark.parametrize("life", [300.0, 1800.0])
def test_a_day_of_routine_closes_has_no_backoff_in_virtual_time(life: float) -> None:
    """A day of streams that the server closes after 5 or 30 minutes has no backoff."""
    clock: VirtualTimeScheduler = VirtualTimeScheduler()
    opened: list[float] = []

    def connect() -> reactivex.Observable[int]:
        opened.append(float(clock.clock))
        return reactivex.timer(life, scheduler=clock).pipe(ops.take(1))

    waits: list[float] = []
    pipeline = reactivex.defer(lambda _: connect()).pipe(
        retry_with_backoff(
            BackoffPolicy(), scheduler=clock, on_wait=lambda *wait: waits.append(wait[1])
        ),
        ops.repeat(),
    )
    with pipeline.subscribe(scheduler=clock):
        clock.advance_to(24 * 3600.0 - 1)
    assert opened == [number * life for number in range(int(24 * 3600 / life))]
    assert waits == []


def test_the_servers_close_of_a_stream_that_has_just_begun_is_a_failure(
    server: wire.WireServer, watch: Callable[..., WatchedStream]
) -> None:
    """A stream that the server closes right after it opened is a loss and causes a wait."""
    watched = watch(server.url)
    server.stream.finish()
    wait_until(lambda: watched.states and watched.states[-1].state == "waiting")
    wait_until(lambda: watched.lost == [["posts/*"]])
