"""One event stream, by the bytes it gets: opened, read, and ended one way or the other."""

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
from rxbosbase.realtime.connection import HEALTHY_AFTER, Batch, Connection, Opened, connect
from rxbosbase.runtime.network import Receiver, Transport

HELLO = b'id:c1\nevent:PB_CONNECT\ndata:{"clientId":"c1"}\n\n'
EVENT = b'id:c1\nevent:a/*\ndata:{"record":{"id":"r"},"action":"create"}\n\n'
TIMEOUT, IDLE, POST_AT_MOST = 30.0, 330.0, 10.0


class Wire:
    """A channel and its transport; the test is what reads for it.

    Attributes:
        receiver: takes what is read; None until the stream is asked for.
        requests: what was sent.
        answers: errors that requests end with.
    """

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self.now = 1000.0
        self.aborted = self.is_closed = False
        self.receiver: Receiver | None = None
        self.requests: list[tuple[Any, ...]] = []
        self.answers: list[Exception] = []
        self.is_gone = False

    def channel(self) -> Wire:
        if self.is_gone:
            raise ClientClosedError("the client is closed")
        return self

    def listen(self, path: str, receiver: Receiver) -> None:
        assert path == "/api/realtime"
        self.receiver = receiver

    def request(
        self, method: str, path: str, *, body: Any, timeout: float | None, only: int | None
    ) -> None:
        self.requests.append((method, path, body, timeout, only))
        for error in self.answers:
            raise error

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.is_closed = self.aborted = True

    # -- what the server does

    def chunk(self, data: bytes) -> bytes:
        return b"%x\r\n%s\r\n" % (len(data), data)

    def answers_with(self, *parts: bytes, chunked: bool = True, length: int = -1) -> bool:
        """Whether more is to be read."""
        assert self.receiver is not None
        self.receiver.opened(chunked=chunked, length=length)
        return self.reads(*parts, chunked=chunked)

    def reads(self, *parts: bytes, chunked: bool = True) -> bool:
        assert self.receiver is not None
        more = True
        for part in parts:
            more = self.receiver.received(self.chunk(part) if chunked and part else part)
        return more


def connection_over(wire: Wire) -> Connection:
    transport = cast(Transport, wire)
    return Connection(transport, lambda: wire.now, idle_timeout=IDLE, max_event_bytes=1000)


class Story:
    """A connection that was dialled, and all that it tells."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.connection = connection_over(wire)
        self.told: list[Any] = []
        stream: Observable[Opened | Batch] = connect(lambda: self.connection)
        self.subscription = stream.subscribe(
            self.told.append, self.told.append, lambda: self.told.append("completed")
        )

    @property
    def topics(self) -> list[str]:
        return [topic for each in self.told if isinstance(each, Batch) for topic, _ in each.frames]

    def ends(self, error: Exception | None = None) -> Any:
        """What it tells once its channel reads no more."""
        assert self.wire.receiver is not None
        self.wire.receiver.ended(error)
        return self.told[-1]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def story(wire: Wire) -> Iterator[Story]:
    made = Story(wire)
    yield made
    made.subscription.dispose()
    assert wire.aborted


def open_for(story: Story, seconds: float, *, acknowledged: bool = True) -> None:
    assert story.wire.answers_with(HELLO)
    if acknowledged:
        story.connection.acknowledge()
    story.wire.now += seconds


# -- opening


def test_the_stream_is_open_with_its_client_id_and_then_tells_of_frames(story: Story) -> None:
    """PB_CONNECT opens the stream with its client id; its frame and later ones follow."""
    assert story.connection.timeout == TIMEOUT
    assert story.wire.answers_with(HELLO, EVENT)
    opened, first, second = story.told
    assert isinstance(opened, Opened) and opened.connection is story.connection
    assert story.connection.client_id == "c1"
    assert story.connection.timeout == IDLE
    assert (first.size, second.size) == (len(story.wire.chunk(HELLO)), len(story.wire.chunk(EVENT)))
    assert story.topics == ["PB_CONNECT", "a/*"]


def test_what_is_skipped_before_the_greeting_comes_with_it(story: Story) -> None:
    """A frame skipped before PB_CONNECT is reported together with it."""
    story.wire.answers_with(b"data:" + b"x" * 2000 + b"\n\n")
    assert story.told == []
    story.wire.reads(HELLO)
    assert isinstance(story.told[0], Opened)
    assert [skipped.reason for skipped in story.told[1].skipped] == ["it is larger than 1000 bytes"]


def test_a_greeting_in_pieces_is_waited_for(story: Story) -> None:
    """A PB_CONNECT that arrives in pieces opens the stream once it is complete."""
    assert story.wire.answers_with(HELLO[:10])
    assert story.told == [] and story.connection.client_id == ""
    story.wire.reads(HELLO[10:] + EVENT)
    assert story.topics == ["PB_CONNECT", "a/*"]


def test_a_greeting_that_drips_for_too_long_is_a_timeout(story: Story) -> None:
    """A PB_CONNECT that is incomplete after the timeout raises `RequestTimeoutError`."""
    story.wire.answers_with(HELLO[:10])
    story.wire.now += TIMEOUT + 1
    with pytest.raises(RequestTimeoutError, match="no PB_CONNECT came in time"):
        story.wire.reads(HELLO[10:20])
    error = RequestTimeoutError("as above")
    assert story.ends(error) is error


@pytest.mark.parametrize(
    "frame", [EVENT, HELLO.replace(b'"c1"', b'""'), b"event:PB_CONNECT\ndata:[]\n\n"]
)
def test_another_first_frame_is_no_event_stream(story: Story, frame: bytes) -> None:
    """A first frame other than a valid PB_CONNECT raises `ProtocolError`."""
    with pytest.raises(ProtocolError, match="does not begin with PB_CONNECT"):
        story.wire.answers_with(frame)


def test_a_stream_that_ends_before_its_greeting_is_lost(story: Story) -> None:
    """A stream that ends before PB_CONNECT raises `StreamLostError`."""
    with pytest.raises(StreamLostError, match="before PB_CONNECT"):
        story.wire.answers_with(b"", chunked=False, length=0)


def test_bytes_that_are_no_chunks_end_the_stream(story: Story) -> None:
    """Bytes that are no chunk raise `StreamLostError`."""
    story.wire.answers_with()
    with pytest.raises(StreamLostError, match="the event stream broke"):
        story.connection.received(b"no size\r\n")


def test_a_frame_that_is_too_large_is_told_of_as_skipped(story: Story) -> None:
    """A frame larger than `max_event_bytes` is reported as skipped."""
    story.wire.answers_with(HELLO, b"data:" + b"x" * 2000 + b"\n\n")
    assert [len(each.skipped) for each in story.told[1:]] == [0, 1]


def test_what_came_in_many_reads_counts_as_one_batch_of_their_size(story: Story) -> None:
    """A frame that arrives in several reads is one batch with the size of them all."""
    story.wire.answers_with(HELLO)
    parts = [EVENT[:20], EVENT[20:40], EVENT[40:]]
    story.wire.reads(*parts)
    assert story.told[-1].size == sum(len(story.wire.chunk(part)) for part in parts)


# -- ends


def test_a_healthy_stream_that_ends_has_ended_as_routine(story: Story) -> None:
    """A healthy stream that the server ends completes without an error."""
    open_for(story, HEALTHY_AFTER)
    assert story.connection.received(b"0\r\n\r\n") is False
    assert story.ends() == "completed"


@pytest.mark.parametrize(
    ("seconds", "acknowledged"), [(HEALTHY_AFTER - 0.1, True), (HEALTHY_AFTER * 9, False)]
)
def test_a_server_that_accepts_and_hangs_up_is_not_healthy(
    story: Story, seconds: float, acknowledged: bool
) -> None:
    """A stream that ends too early or unacknowledged fails as not healthy."""
    open_for(story, seconds, acknowledged=acknowledged)
    error = story.ends()
    assert isinstance(error, StreamLostError) and not error.healthy
    assert "right after it had opened" in str(error)


def test_a_connection_that_breaks_was_healthy_or_not_before(story: Story) -> None:
    """A healthy stream that breaks fails with `StreamLostError` and stays `healthy`."""
    open_for(story, HEALTHY_AFTER)
    with pytest.raises(StreamLostError, match="in the middle") as caught:
        story.connection.received(b"")
    assert story.ends(caught.value) is caught.value
    assert caught.value.healthy


def test_a_body_without_chunks_or_length_may_end_with_the_connection(story: Story) -> None:
    """A body without chunks and length may end with the connection, without an error."""
    story.wire.answers_with(HELLO, EVENT, chunked=False)
    assert story.connection.received(b"") is False
    assert story.topics == ["PB_CONNECT", "a/*"]


def test_silence_of_an_open_stream_renews_it_as_routine(story: Story) -> None:
    """Silence on an open stream completes it, so that it is renewed."""
    open_for(story, 1.0)
    assert story.ends(RequestTimeoutError("silent for too long")) == "completed"


def test_silence_before_it_is_open_is_an_error(story: Story) -> None:
    """Silence before the stream is open is emitted as an error."""
    error = RequestTimeoutError("no answer")
    assert story.ends(error) is error


@pytest.mark.parametrize("reason", [None, StreamLostError("refused")])
def test_what_ended_it_from_here_goes_before_what_the_socket_says(
    story: Story, reason: Exception | None
) -> None:
    """The first `retire` or `fail` decides how the stream ends, before any socket error."""
    open_for(story, 1.0)
    if reason is None:
        story.connection.retire()
    else:
        story.connection.fail(reason)
    story.connection.retire()  # whoever comes second changes nothing
    assert story.connection.ending and story.wire.aborted
    assert story.ends(OSError("bad file descriptor")) is (reason or "completed")


def test_on_a_scheduler_the_completion_waits_for_its_turn(wire: Wire) -> None:
    """With a scheduler, the completion is delivered by that scheduler."""
    made = Connection(
        cast(Transport, wire), lambda: wire.now, idle_timeout=IDLE, max_event_bytes=1000
    )
    clock, told = VirtualTimeScheduler(), []
    connect(lambda: made).subscribe(on_completed=lambda: told.append("completed"), scheduler=clock)
    made.retire()
    made.ended(None)
    assert told == []
    clock.start()
    assert told == ["completed"]


# -- dialling, and POSTs


def test_disposing_hangs_up(story: Story) -> None:
    """`dispose` ends the connection and aborts its channel."""
    story.subscription.dispose()
    assert story.connection.ending and story.wire.aborted


def test_a_connection_that_nobody_wants_any_more_does_not_begin(wire: Wire) -> None:
    """A connection abandoned before its start sends no request and emits nothing."""
    made = Connection(
        cast(Transport, wire), lambda: wire.now, idle_timeout=IDLE, max_event_bytes=1000
    )
    made.abandon()
    told: list[Any] = []
    connect(lambda: made).subscribe(told.append, told.append, lambda: told.append("completed"))
    assert told == [] and wire.receiver is None


def test_one_that_was_ended_before_it_began_begins_and_ends_as_routine(wire: Wire) -> None:
    """A connection retired before its start starts aborted and completes."""
    made = Connection(
        cast(Transport, wire), lambda: wire.now, idle_timeout=IDLE, max_event_bytes=1000
    )
    made.retire()
    told: list[Any] = []
    connect(lambda: made).subscribe(told.append, told.append, lambda: told.append("completed"))
    assert wire.aborted and wire.receiver is made
    made.ended(ClientClosedError("aborted"))
    assert told == ["completed"]


def test_where_the_client_is_closed_nothing_is_dialled(wire: Wire) -> None:
    """With a closed client nothing is dialled or emitted, and a disposable is returned."""
    wire.is_gone = True
    told: list[Any] = []

    def dial() -> Connection:
        return Connection(
            cast(Transport, wire), lambda: wire.now, idle_timeout=IDLE, max_event_bytes=1000
        )

    held = connect(dial).subscribe(told.append, told.append)
    assert told == [] and isinstance(held, Disposable)


@pytest.mark.parametrize(("timeout", "expected"), [(TIMEOUT, POST_AT_MOST), (3.0, 3.0)])
def test_a_post_carries_the_whole_set_and_takes_no_other_answer(
    timeout: float, expected: float
) -> None:
    """A POST has the client id and all topics, at most 10 s of time, and accepts only 204."""
    story = Story(Wire(timeout))
    story.wire.answers_with(HELLO)
    story.connection.submit(("a/*", "b/*"))
    body = {"clientId": "c1", "subscriptions": ("a/*", "b/*")}
    assert story.wire.requests == [("POST", "/api/realtime", body, expected, 204)]


def test_a_post_that_the_server_refuses_says_so(story: Story) -> None:
    """A POST that the server refuses raises `ClientResponseError`."""
    story.wire.answers.append(ClientResponseError(404))
    with pytest.raises(ClientResponseError):
        story.connection.submit(("a/*",))


def test_a_post_that_the_end_of_its_stream_cut_off_says_only_that(story: Story) -> None:
    """A POST cut off by the end of its stream raises `ClientClosedError`."""
    story.wire.answers.append(ClientResponseError(404))
    story.connection.retire()
    with pytest.raises(ClientClosedError, match="the stream has ended"):
        story.connection.submit(("a/*",))
