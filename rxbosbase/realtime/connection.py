"""One event stream as a cold Observable: subscribing connects, disposing hangs up.

It emits `Opened` once, then `Batch` after `Batch`, on the thread that reads it. A routine end (the
server's idle and age limits, our own renewals) completes it; any other end is an error. What
is wanted of the server, and who gets the events, is not its business; the socket is its channel's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxbosbase.backoff import BackoffPolicy
from rxbosbase.encoding.control_characters import one_line
from rxbosbase.errors import ClientClosedError, ProtocolError, RequestTimeoutError, StreamLostError
from rxbosbase.events import decode_message
from rxbosbase.realtime.protocol.body_decoder import BodyDecoder
from rxbosbase.realtime.protocol.frames import Frame, FrameParser, Skipped
from rxbosbase.runtime.network import Channel, Transport
from rxbosbase.runtime.scheduler import SerialScheduler

__all__ = [
    "CONNECT_TOPIC",
    "HEALTHY_AFTER",
    "Batch",
    "Connection",
    "ConnectionSettings",
    "Opened",
    "connect",
]

log = logging.getLogger("rxbosbase.connection")
log_submit = logging.getLogger("rxbosbase.submit")

PATH = "/api/realtime"
CONNECT_TOPIC = "PB_CONNECT"

HEALTHY_AFTER = 5.0
"""Seconds that an acknowledged connection must live; one that ends earlier is a failure, so
that a server which accepts and hangs up is not hammered."""

POST_TIMEOUT = 10.0
"""Seconds a POST of topics may take, if the client's own timeout is not shorter: the server
answers it from memory, and nothing else is submitted meanwhile."""

Observer = abc.ObserverBase["Opened | Batch"]


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """The means and the limits of every connection.

    Attributes:
        transport: where the server is.
        control: runs what connects and submits, one thing at a time.
        delivery: runs user code.
        policy: how long to wait between attempts.
        idle_timeout: seconds a stream may be silent before it is renewed.
        max_event_bytes: a larger event is skipped.
        identity: who is logged in now.
        quiet: seconds without a change after which a burst of changes counts as over.
    """

    transport: Transport
    control: SerialScheduler
    delivery: SerialScheduler
    policy: BackoffPolicy
    idle_timeout: float
    max_event_bytes: int
    identity: Callable[[], str]
    quiet: float


@dataclass(frozen=True, slots=True)
class Opened:
    """The server gave the connection its client id."""

    connection: Connection


class Batch:
    """The frames of one read: `frames`, their `size` in bytes, and what was `skipped`."""

    __slots__ = ("connection", "frames", "size", "skipped")

    def __init__(
        self, connection: Connection, frames: list[Frame], size: int, skipped: list[Skipped]
    ) -> None:
        self.connection = connection
        self.frames = frames
        self.size = size
        self.skipped = skipped


class Connection:
    """One stream's life, from dialling to its end; what its channel reads, it takes.

    Args:
        transport: where the server is.
        clock: seconds that only grow.
        idle_timeout: seconds an open stream may be silent.
        max_event_bytes: a larger event is skipped.

    Attributes:
        client_id: the server's name for it, "" until it is open.
        ending: True once it was told to end; what it has read by then is still delivered.
        is_abandoned: True if it is not to begin.
        timeout: seconds that the channel may wait for the next bytes.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Callable[[], float],
        *,
        idle_timeout: float,
        max_event_bytes: int,
    ) -> None:
        self.client_id = ""
        self.ending = self.is_abandoned = False
        self.timeout = transport.timeout
        self._transport = transport
        self._channel: Channel | None = None  # until it begins
        self._clock = clock
        self._post_timeout = min(POST_TIMEOUT, transport.timeout)
        self._idle_timeout = idle_timeout
        self._parser = FrameParser(max_event_bytes)
        self._acknowledged = False
        self._error: Exception | None = None
        self._deadline = self._opened_at = 0.0
        self._size = 0  # of all reads since the last batch: a large event takes many

    # -- from any thread -------------------------------------------------------------------------

    def retire(self) -> None:
        """Ends the stream as a matter of routine. Never waits."""
        self._end(None)

    def fail(self, error: Exception) -> None:
        """Ends the stream as a failure. Never waits."""
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if not self.ending:
            self._error = error
            self.ending = True
        if self._channel is not None:
            self._channel.abort()

    def abandon(self) -> None:
        """It is not needed, and is not to begin: nobody listens to it."""
        self.is_abandoned = True

    def acknowledge(self) -> None:
        """The server took a set of topics, or none was due."""
        self._acknowledged = True

    def submit(self, topics: Sequence[str]) -> None:
        """Replaces the server's whole set by `topics`, once it is open.

        Raises:
            ClientClosedError: the stream has ended meanwhile; its own end tells why.
            BosBaseError: what `Channel.request` raises.
        """
        log_submit.debug("submitting %d topics for %s", len(topics), one_line(self.client_id[:100]))
        channel = self._channel
        assert channel is not None
        try:
            channel.request(
                "POST",
                PATH,
                body={"clientId": self.client_id, "subscriptions": topics},
                timeout=self._post_timeout,
                only=204,  # whatever else it is, the server has not taken the topics
            )
        except Exception as error:
            if channel.aborted:
                raise ClientClosedError("the stream has ended") from error
            raise

    def begin(self, observer: Observer, scheduler: abc.SchedulerBase | None) -> None:
        """Opens the stream, and tells `observer` of all that comes, and of its end. Never waits.

        Raises:
            ClientClosedError: there is no transport any more.
        """
        self._observer, self._scheduler = observer, scheduler
        self._channel = channel = self._transport.channel()
        if self.ending:  # ended before it had a channel
            channel.abort()
        channel.listen(PATH, self)

    # -- on the thread that reads ----------------------------------------------------------------

    def opened(self, *, chunked: bool, length: int) -> None:
        """The server has answered with an event stream."""
        self._intake = BodyDecoder(self._parser, chunked=chunked, length=length)
        self._deadline = self._clock() + self.timeout

    def received(self, data: bytes) -> bool:
        """Takes what was read, ``b""`` for the connection's end; False if no more is to be read.

        Raises:
            StreamLostError: it ended, or broke, otherwise than it may.
            RequestTimeoutError: the stream was not open in time.
        """
        intake = self._intake
        if not data and not intake.finished:
            if not intake.may_end:
                raise StreamLostError("the connection ended in the middle of the event stream")
            intake.finished = True
        self._size += len(data)
        frames = self._cut(data)
        if not self.client_id:
            self._shake_hands(frames)
            if not frames:
                return True
        skipped = self._parser.take_skipped() if self._parser.skipped else []
        if frames or skipped:
            size, self._size = self._size, 0
            self._observer.on_next(Batch(self, frames, size, skipped))
        return not intake.finished

    def ended(self, error: Exception | None) -> None:
        """The channel reads no more: because of `error`, or since the stream is at its end."""
        error = self._error if self.ending else self._verdict(error)
        if isinstance(error, StreamLostError):
            error.healthy = self._is_healthy
        observer, scheduler = self._observer, self._scheduler
        if error is not None:
            observer.on_error(error)
        elif scheduler is None:
            observer.on_completed()
        else:
            # RxPY's `repeat` notes what it has scheduled after it was scheduled: on another thread
            # than the scheduler's it could come too late, and cancel the next connection.
            scheduler.schedule(lambda *_: observer.on_completed())

    @property
    def _is_healthy(self) -> bool:
        """True if it was acknowledged and has lived long enough for its end to be routine."""
        return self._acknowledged and self._clock() - self._opened_at >= HEALTHY_AFTER

    def _verdict(self, error: Exception | None) -> Exception | None:
        """The error to report; None for a routine end."""
        if isinstance(error, RequestTimeoutError) and self.client_id:
            # Silence past idle_timeout is how a proxy that swallows bytes shows itself. It is
            # renewed like the server's own idle close.
            return None
        if error is None and not self._is_healthy:
            return StreamLostError(
                "the server closed the event stream right after it had opened it"
            )
        return error

    def _cut(self, data: bytes) -> list[Frame]:
        try:
            return self._intake.feed(data) if data else []
        except ProtocolError as error:
            raise StreamLostError(f"the event stream broke: {error}") from error

    def _shake_hands(self, frames: list[Frame]) -> None:
        now = self._clock()
        if not frames:
            if self._intake.finished:
                raise StreamLostError("the server closed the event stream before PB_CONNECT")
            if now > self._deadline:
                raise RequestTimeoutError("no PB_CONNECT came in time")
            return
        self.client_id = _client_id(*frames[0])
        self._opened_at = now
        self.timeout = self._idle_timeout
        log.info("connected as %s", one_line(self.client_id[:100]))
        self._observer.on_next(Opened(self))


def _client_id(topic: str, payload: bytes) -> str:
    data = decode_message(topic, payload).data
    client_id = data.get("clientId") if isinstance(data, dict) else None
    if topic != CONNECT_TOPIC or not isinstance(client_id, str) or not client_id:
        raise ProtocolError("the event stream does not begin with PB_CONNECT and a client id")
    return client_id


def connect(dial: Callable[[], Connection]) -> Observable[Opened | Batch]:
    """The cold Observable: each subscription dials one connection."""

    def subscribe(
        observer: Observer, scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        connection = dial()
        if connection.is_abandoned:
            return Disposable()
        try:
            connection.begin(observer, scheduler)
        except ClientClosedError:  # closed between two attempts: there is nothing to do
            return Disposable()
        return Disposable(connection.retire)

    return Observable(subscribe)
