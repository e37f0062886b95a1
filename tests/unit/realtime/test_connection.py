"""One event stream, by its bytes: how it is opened, read and ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from reactivex import Observable
from reactivex.disposable import Disposable
from reactivex.scheduler import VirtualTimeScheduler

from rxbosbase.errors import (
    ClientClosedError,
    ClientResponseError,
    ProtocolError,
    RequestTimeoutError,
    StreamLostError,
)
from rxbosbase.events import ReceivedAt
from rxbosbase.realtime.connection import (
    COMPANION_TIMEOUT,
    HEALTHY_AFTER,
    Batch,
    Connection,
    Opened,
    connect,
)
from rxbosbase.realtime.protocol.frames import Skipped
from rxbosbase.realtime.session.commands import Post
from rxbosbase.runtime.network import Receiver, Transport

CONNECT = b'id:c1\nevent:PB_CONNECT\ndata:{"clientId":"c1"}\n\n'
EVENT = b'id:c1\nevent:a/*\ndata:{"record":{"id":"r"},"action":"create"}\n\n'
TIMEOUT, IDLE, MAX_POST = 30.0, 330.0, 10.0
WALL = 1.8e9  # seconds since the epoch when the channel's clock is at 0


class FakeChannel:
    """A channel and its transport; the test passes it what it reads.

    Attributes:
        receiver: the receiver of the stream; None until it is requested.
        requests: the requests that were sent.
        errors: the errors that requests raise.
    """

    base_url = "http://fake.invalid"

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self.now = 1000.0
        self.aborted = self.is_closed = False
        self.receiver: Receiver | None = None
        self.requests: list[tuple[Any, ...]] = []
        self.errors: list[Exception] = []
        self.is_transport_closed = False

    def channel(self) -> FakeChannel:
        if self.is_transport_closed:
            raise ClientClosedError("the client is closed")
        return self

    def listen(self, path: str, receiver: Receiver) -> None:
        assert path == "/api/realtime"
        self.receiver = receiver

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any,
        timeout: float | None,
        token: str | None,
        only: int | None,
        fresh: bool,
    ) -> None:
        self.requests.append((method, path, body, timeout, token, only, fresh))
        for error in self.errors:
            raise error

    def hold_stream(self, path: str, *, timeout: float) -> None:
        self.requests.append(("hold", path, timeout))

    def release(self) -> None:
        self.requests.append(("release",))

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.is_closed = self.aborted = True

    # -- the server

    def chunk(self, data: bytes) -> bytes:
        return b"%x\r\n%s\r\n" % (len(data), data)

    def opens(self, *parts: bytes, chunked: bool = True, length: int = -1) -> bool:
        """Return True if more is to be read."""
        assert self.receiver is not None
        self.receiver.opened(chunked=chunked, length=length)
        return self.receives(*parts, chunked=chunked)

    def receives(self, *parts: bytes, chunked: bool = True) -> bool:
        assert self.receiver is not None
        more = True
        for part in parts:
            more = self.receiver.received(self.chunk(part) if chunked and part else part)
        return more


def connection_over(channel: FakeChannel) -> Connection:
    transport = cast(Transport, channel)
    return Connection(
        transport,
        lambda: channel.now,
        lambda: WALL + channel.now,
        idle_timeout=IDLE,
        max_event_bytes=1000,
    )  # fmt: skip


def post(*topics: str, asks: int = 0, is_probe: bool = False) -> Post:
    return Post(None, 1, topics, is_probe, asks)


class Subscribed:
    """A connection with an observer, and all that it has emitted."""

    def __init__(self, channel: FakeChannel) -> None:
        self.channel = channel
        self.connection = connection_over(channel)
        self.emitted: list[Any] = []
        stream: Observable[Opened | Batch] = connect(lambda: self.connection)
        self.subscription = stream.subscribe(
            self.emitted.append, self.emitted.append, lambda: self.emitted.append("completed")
        )

    @property
    def topics(self) -> list[str]:
        return [
            topic for each in self.emitted if isinstance(each, Batch) for topic, _ in each.frames
        ]

    def ends(self, error: Exception | None = None) -> Any:
        """End the channel; return what the connection emits last."""
        assert self.channel.receiver is not None
        self.channel.receiver.ended(error)
        return self.emitted[-1]


@pytest.fixture
def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
def subscribed(channel: FakeChannel) -> Iterator[Subscribed]:
    made = Subscribed(channel)
    yield made
    made.subscription.dispose()
    assert channel.aborted


def open_for(subscribed: Subscribed, seconds: float, *, acknowledged: bool = True) -> None:
    assert subscribed.channel.opens(CONNECT)
    if acknowledged:
        subscribed.connection.acknowledge()
    subscribed.channel.now += seconds


# -- opening


def test_a_stream_emits_opened_with_its_client_id_and_then_frames(subscribed: Subscribed) -> None:
    """PB_CONNECT opens the stream with its client id; its frame and later ones follow."""
    assert subscribed.connection.timeout == TIMEOUT
    assert subscribed.channel.opens(CONNECT, EVENT)
    opened, first, second = subscribed.emitted
    assert isinstance(opened, Opened) and opened.connection is subscribed.connection
    assert subscribed.connection.client_id == "c1"
    assert subscribed.connection.timeout == IDLE
    assert (first.size, second.size) == (
        len(subscribed.channel.chunk(CONNECT)),
        len(subscribed.channel.chunk(EVENT)),
    )
    assert subscribed.topics == ["PB_CONNECT", "a/*"]


def test_frames_skipped_before_pb_connect_are_reported_with_it(subscribed: Subscribed) -> None:
    """A frame skipped before PB_CONNECT is reported together with it."""
    subscribed.channel.opens(b"data:" + b"x" * 2000 + b"\n\n")
    assert subscribed.emitted == []
    subscribed.channel.receives(CONNECT)
    assert isinstance(subscribed.emitted[0], Opened)
    assert [skipped.reason for skipped in subscribed.emitted[1].skipped] == [
        "it is larger than 1000 bytes"
    ]


def test_pb_connect_may_arrive_in_pieces(subscribed: Subscribed) -> None:
    """A PB_CONNECT that arrives in pieces opens the stream once it is complete."""
    assert subscribed.channel.opens(CONNECT[:10])
    assert subscribed.emitted == [] and subscribed.connection.client_id == ""
    subscribed.channel.receives(CONNECT[10:] + EVENT)
    assert subscribed.topics == ["PB_CONNECT", "a/*"]


def test_pb_connect_that_takes_too_long_is_a_timeout(subscribed: Subscribed) -> None:
    """A PB_CONNECT that is incomplete after the timeout raises `RequestTimeoutError`."""
    subscribed.channel.opens(CONNECT[:10])
    subscribed.channel.now += TIMEOUT + 1
    with pytest.raises(RequestTimeoutError, match="no PB_CONNECT came in time"):
        subscribed.channel.receives(CONNECT[10:20])
    error = RequestTimeoutError("as above")
    assert subscribed.ends(error) is error


@pytest.mark.parametrize(
    "frame", [EVENT, CONNECT.replace(b'"c1"', b'""'), b"event:PB_CONNECT\ndata:[]\n\n"]
)
def test_another_first_frame_is_no_event_stream(subscribed: Subscribed, frame: bytes) -> None:
    """A first frame other than a valid PB_CONNECT raises `ProtocolError`."""
    with pytest.raises(ProtocolError, match="does not begin with PB_CONNECT"):
        subscribed.channel.opens(frame)


def test_a_stream_that_ends_before_pb_connect_is_lost(subscribed: Subscribed) -> None:
    """A stream that ends before PB_CONNECT raises `StreamLostError`."""
    with pytest.raises(StreamLostError, match="before PB_CONNECT"):
        subscribed.channel.opens(b"", chunked=False, length=0)


def test_bytes_that_are_no_chunks_end_the_stream(subscribed: Subscribed) -> None:
    """Bytes that are no chunk raise `StreamLostError`."""
    subscribed.channel.opens()
    with pytest.raises(StreamLostError, match="the event stream broke"):
        subscribed.connection.received(b"no size\r\n")


def test_a_frame_that_is_too_large_is_reported_as_skipped(subscribed: Subscribed) -> None:
    """A frame larger than `max_event_bytes` is reported as skipped."""
    subscribed.channel.opens(CONNECT, b"data:" + b"x" * 2000 + b"\n\n")
    assert [len(each.skipped) for each in subscribed.emitted[1:]] == [0, 1]


def test_a_frame_of_many_reads_is_one_batch_of_their_size(subscribed: Subscribed) -> None:
    """A frame that arrives in several reads is one batch with the size of them all."""
    subscribed.channel.opens(CONNECT)
    parts = [EVENT[:20], EVENT[20:40], EVENT[40:]]
    subscribed.channel.receives(*parts)
    assert subscribed.emitted[-1].size == sum(len(subscribed.channel.chunk(part)) for part in parts)


# -- ends


def test_the_end_of_a_healthy_stream_is_routine(subscribed: Subscribed) -> None:
    """A healthy stream that the server ends completes without an error."""
    open_for(subscribed, HEALTHY_AFTER)
    assert subscribed.connection.received(b"0\r\n\r\n") is False
    assert subscribed.ends() == "completed"


@pytest.mark.parametrize(
    ("seconds", "acknowledged"), [(HEALTHY_AFTER - 0.1, True), (HEALTHY_AFTER * 9, False)]
)
def test_a_stream_that_ends_too_early_is_not_healthy(
    subscribed: Subscribed, seconds: float, acknowledged: bool
) -> None:
    """A stream that ends too early or unacknowledged fails as not healthy."""
    open_for(subscribed, seconds, acknowledged=acknowledged)
    error = subscribed.ends()
    assert isinstance(error, StreamLostError) and not error.healthy
    assert "right after it had opened" in str(error)


def test_the_error_of_a_broken_connection_has_its_health(subscribed: Subscribed) -> None:
    """A healthy stream that breaks fails with `StreamLostError` and stays `healthy`."""
    open_for(subscribed, HEALTHY_AFTER)
    with pytest.raises(StreamLostError, match="in the middle") as caught:
        subscribed.connection.received(b"")
    assert subscribed.ends(caught.value) is caught.value
    assert caught.value.healthy


def test_a_body_without_chunks_or_length_may_end_with_the_connection(
    subscribed: Subscribed,
) -> None:
    """A body without chunks and length may end with the connection, without an error."""
    subscribed.channel.opens(CONNECT, EVENT, chunked=False)
    assert subscribed.connection.received(b"") is False
    assert subscribed.topics == ["PB_CONNECT", "a/*"]


def test_silence_of_an_open_stream_renews_it_as_routine(subscribed: Subscribed) -> None:
    """Silence on an open stream completes it, so that it is renewed."""
    open_for(subscribed, 1.0)
    assert subscribed.ends(RequestTimeoutError("silent for too long")) == "completed"


def test_silence_before_it_is_open_is_an_error(subscribed: Subscribed) -> None:
    """Silence before the stream is open is emitted as an error."""
    error = RequestTimeoutError("no answer")
    assert subscribed.ends(error) is error


@pytest.mark.parametrize("reason", [None, StreamLostError("refused")])
def test_retire_or_fail_overrides_a_later_error_of_the_socket(
    subscribed: Subscribed, reason: Exception | None
) -> None:
    """The first `retire` or `fail` decides how the stream ends, before any socket error."""
    open_for(subscribed, 1.0)
    if reason is None:
        subscribed.connection.retire()
    else:
        subscribed.connection.fail(reason)
    subscribed.connection.retire()  # the second call has no effect
    assert subscribed.connection.ending and subscribed.channel.aborted
    assert subscribed.ends(OSError("bad file descriptor")) is (reason or "completed")


def test_the_completion_is_delivered_by_the_given_scheduler(channel: FakeChannel) -> None:
    """With a scheduler, the completion is delivered by that scheduler."""
    made = connection_over(channel)
    clock, emitted = VirtualTimeScheduler(), []
    connect(lambda: made).subscribe(
        on_completed=lambda: emitted.append("completed"), scheduler=clock
    )
    made.retire()
    made.ended(None)
    assert emitted == []
    clock.start()
    assert emitted == ["completed"]


def test_a_batch_has_the_time_of_its_read(subscribed: Subscribed) -> None:
    """Each batch has the time at which its bytes were read, on both clocks."""
    open_for(subscribed, 3.0)
    subscribed.channel.receives(EVENT)
    batch = subscribed.emitted[-1]
    assert batch.received_at == ReceivedAt(subscribed.channel.now, WALL + subscribed.channel.now)


# -- dialling, and POSTs


def test_disposing_ends_the_connection(subscribed: Subscribed) -> None:
    """`dispose` ends the connection and aborts its channel."""
    subscribed.subscription.dispose()
    assert subscribed.connection.ending and subscribed.channel.aborted


def test_an_abandoned_connection_does_not_begin(channel: FakeChannel) -> None:
    """A connection abandoned before its start sends no request and emits nothing."""
    made = connection_over(channel)
    made.abandon()
    emitted: list[Any] = []
    connect(lambda: made).subscribe(
        emitted.append, emitted.append, lambda: emitted.append("completed")
    )
    assert emitted == [] and channel.receiver is None


def test_a_connection_retired_before_it_began_completes(channel: FakeChannel) -> None:
    """A connection retired before its start starts aborted and completes."""
    made = connection_over(channel)
    made.retire()
    emitted: list[Any] = []
    connect(lambda: made).subscribe(
        emitted.append, emitted.append, lambda: emitted.append("completed")
    )
    assert channel.aborted and channel.receiver is made
    made.ended(ClientClosedError("aborted"))
    assert emitted == ["completed"]


def test_with_a_closed_client_nothing_is_dialled(channel: FakeChannel) -> None:
    """With a closed client nothing is dialled or emitted, and a disposable is returned."""
    channel.is_transport_closed = True
    emitted: list[Any] = []

    def dial() -> Connection:
        return connection_over(channel)

    held = connect(dial).subscribe(emitted.append, emitted.append)
    assert emitted == [] and isinstance(held, Disposable)


@pytest.mark.parametrize(("timeout", "expected"), [(TIMEOUT, MAX_POST), (3.0, 3.0)])
def test_a_post_has_the_whole_set_and_accepts_only_204(timeout: float, expected: float) -> None:
    """A POST has the client id and all topics, at most 10 s of time, and accepts only 204."""
    subscribed = Subscribed(FakeChannel(timeout))
    subscribed.channel.opens(CONNECT)
    subscribed.connection.submit(post("a/*", "b/*"))
    body = {"clientId": "c1", "subscriptions": ("a/*", "b/*")}
    sent = ("POST", "/api/realtime", body, expected, None, 204, False)
    assert subscribed.channel.requests == [sent, ("release",)]


def test_a_post_made_again_takes_a_new_connection_and_at_times_another_stream(
    subscribed: Subscribed,
) -> None:
    """A POST made again is fresh; before every second one another stream is opened and held."""
    subscribed.channel.opens(CONNECT)
    subscribed.channel.errors.append(ClientResponseError(404))
    for asks in (0, 1, 2):
        with pytest.raises(ClientResponseError):
            subscribed.connection.submit(post("a/*", asks=asks))
    subscribed.channel.errors.clear()
    subscribed.connection.submit(post("a/*", asks=3, is_probe=True))
    kinds = [(name, rest[-1]) for name, *rest in map(list, subscribed.channel.requests[:-1])]
    assert kinds == [
        ("POST", False), ("POST", True), ("hold", COMPANION_TIMEOUT), ("POST", True),
        ("POST", True),
    ]  # fmt: skip
    assert subscribed.channel.requests[-2][4] == ""
    assert subscribed.channel.requests[-1] == ("release",)


@pytest.mark.parametrize("error", [ClientResponseError(403), ClientResponseError(400), OSError()])
def test_any_other_failure_than_a_404_releases_what_is_held(
    subscribed: Subscribed, error: Exception
) -> None:
    """Only a 404 leaves the connections open that were made before."""
    subscribed.channel.opens(CONNECT)
    subscribed.channel.errors.append(error)
    with pytest.raises(type(error)):
        subscribed.connection.submit(post("a/*", asks=1))
    assert subscribed.channel.requests[-1] == ("release",)


def test_a_refused_post_raises_the_servers_error(subscribed: Subscribed) -> None:
    """A POST that the server refuses raises `ClientResponseError`."""
    subscribed.channel.errors.append(ClientResponseError(404))
    with pytest.raises(ClientResponseError):
        subscribed.connection.submit(post("a/*"))


def test_a_post_cut_off_by_its_streams_end_raises_client_closed(subscribed: Subscribed) -> None:
    """A POST cut off by the end of its stream raises `ClientClosedError`."""
    subscribed.channel.errors.append(ClientResponseError(404))
    subscribed.connection.retire()
    with pytest.raises(ClientClosedError, match="the stream has ended"):
        subscribed.connection.submit(post("a/*"))


def test_the_reprs_of_a_connection_and_of_its_batches_are_short() -> None:
    """The repr of a connection has its client id, that of a batch how much it holds."""
    connection = connection_over(FakeChannel())
    assert repr(connection) == "<Connection ''>"
    connection.client_id = "c1"
    connection.retire()
    assert repr(connection) == "<Connection 'c1', ending>"
    batch = Batch(connection, [("a/*", b"{}")], 9, [], ReceivedAt(1.0, 2.0))
    assert repr(batch) == "<Batch of 1 frames, 9 bytes>"
    batch.skipped.append(Skipped("it is odd", 9, None))
    assert repr(batch) == "<Batch of 1 frames, 9 bytes, 1 skipped>"
