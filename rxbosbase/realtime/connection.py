"""One event stream as a cold Observable: subscribing connects, disposing ends the stream.

It emits `Opened` once, then `Batch` after `Batch`, on the thread that reads it. A routine end (the
server's idle and age limits, the client's renewals) completes it; any other end is an error. It
knows neither the wanted topics nor the subscribers; its channel owns the socket.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxbosbase.encoding.control_characters import one_line, short_repr
from rxbosbase.encoding.narrowing import is_object
from rxbosbase.errors import ClientClosedError, ProtocolError, RequestTimeoutError, StreamLostError
from rxbosbase.events import ReceivedAt, decode_message
from rxbosbase.realtime.protocol.body_decoder import BodyDecoder
from rxbosbase.realtime.protocol.frames import Frame, FrameParser, Skipped
from rxbosbase.realtime.session.commands import Post
from rxbosbase.realtime.session.misrouting import is_misrouted, needs_companion
from rxbosbase.runtime.actions import calling
from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.runtime.network import Channel, Transport
from rxbosbase.runtime.scheduler import SerialScheduler

__all__ = (
    "CONNECT_TOPIC",
    "HEALTHY_AFTER",
    "PATH",
    "Batch",
    "Connection",
    "ConnectionSettings",
    "Opened",
    "connect",
)

log = logging.getLogger("rxbosbase.connection")
log_submit = logging.getLogger("rxbosbase.submit")

PATH = "/api/realtime"
CONNECT_TOPIC = "PB_CONNECT"

HEALTHY_AFTER = 5.0
"""Seconds that an acknowledged connection must last; one that ends earlier is a failure, so that a
server which accepts connections and ends them at once is not flooded with attempts."""

COMPANION_TIMEOUT = 1.0
"""Seconds that another stream may take to open, which is held beside this one: a POST waits."""

POST_TIMEOUT = 10.0
"""Seconds a POST of topics may take, if the client's own timeout is not shorter: the server
answers it from memory, and nothing else is submitted meanwhile."""

Observer = abc.ObserverBase["Opened | Batch"]


def _no_problem(_: str) -> None:
    """Accept the stream."""


class ConnectionSettings(msgspec.Struct, frozen=True):
    """Transport, schedulers and limits of every connection.

    Attributes:
        transport: opens channels to the server.
        control: runs what connects and submits, one action at a time.
        delivery: runs user code.
        policy: how long to wait between attempts.
        idle_timeout: seconds a stream may be silent before it is renewed.
        max_event_bytes: a larger event is skipped.
        identity: returns the current login.
        on_guest: called when the server takes a stream for a guest's, though it carries the topics
            of a login; must not wait.
        quiet: seconds without a change after which a burst of changes counts as over.
        node: the address of the node of ``nodes=``; "" for the client's own server.
        on_opened: called with the client id of each new stream, on the thread that reads it, before
            its topics are submitted; may wait. What it returns ends the stream.
    """

    transport: Transport
    control: SerialScheduler
    delivery: SerialScheduler
    policy: BackoffPolicy
    idle_timeout: float
    max_event_bytes: int
    identity: Callable[[], str]
    on_guest: Callable[[], object]
    quiet: float
    node: str = ""
    on_opened: Callable[[str], Exception | None] = _no_problem


class Opened(msgspec.Struct, frozen=True):
    """The server gave the connection its client id."""

    connection: Connection


class Batch:
    """The frames of one read: `frames`, their `size` in bytes, what was `skipped`, and when the
    read was."""

    __slots__ = ("connection", "frames", "received_at", "size", "skipped")

    def __init__(
        self,
        connection: Connection,
        frames: list[Frame],
        size: int,
        skipped: list[Skipped],
        received_at: ReceivedAt,
    ) -> None:
        self.connection = connection
        self.frames = frames
        self.size = size
        self.skipped = skipped
        self.received_at = received_at

    def __repr__(self) -> str:
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"<Batch of {len(self.frames)} frames, {self.size} bytes{skipped}>"


class Connection:
    """One stream, from dialling to its end; the receiver of what its channel reads.

    Args:
        transport: opens the channel to the server.
        clock: seconds of a monotonic clock.
        wall_clock: seconds since the epoch.
        idle_timeout: seconds an open stream may be silent.
        max_event_bytes: a larger event is skipped.

    Attributes:
        client_id: the id that the server gave it, "" until it is open.
        ending: True once `retire` or `fail` was called; what was read before is still delivered.
        is_abandoned: True if it must not begin.
        timeout: seconds that the channel may wait for the next bytes.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
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
        self._wall_clock = wall_clock
        self._post_timeout = min(POST_TIMEOUT, transport.timeout)
        self._idle_timeout = idle_timeout
        self._parser = FrameParser(max_event_bytes)
        self._acknowledged = False
        self._error: Exception | None = None
        self._deadline = self._opened_at = 0.0
        self._size = 0  # of all reads since the last batch: a large event needs many

    def __repr__(self) -> str:
        return f"<Connection {short_repr(self.client_id)}{', ending' if self.ending else ''}>"

    # -- from any thread -------------------------------------------------------------------------

    def retire(self) -> None:
        """End the stream as routine. Never waits."""
        self._end(None)

    def fail(self, error: Exception) -> None:
        """End the stream with `error`. Never waits."""
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if not self.ending:
            self._error = error
            self.ending = True
        if self._channel is not None:
            self._channel.abort()

    def abandon(self) -> None:
        """Prevent the stream from beginning: it has no observer any more."""
        self.is_abandoned = True

    def acknowledge(self) -> None:
        """Note that the server has acknowledged a set of topics, or that none was due."""
        self._acknowledged = True

    def submit(self, post: Post) -> None:
        """Replace the server's whole set by the topics of `post`; the stream must be open.

        Raises:
            ClientClosedError: the stream has ended meanwhile; its end has the reason.
            BosBaseError: the errors of `Channel.request`.
        """
        topics, client_id = post.topics, one_line(self.client_id[:100])
        log_submit.debug("submitting %d topics for %s", len(topics), client_id)
        channel = self._channel
        assert channel is not None
        keeps = False
        try:
            if needs_companion(post.asks):
                channel.hold_stream(PATH, timeout=COMPANION_TIMEOUT)
            channel.request(
                "POST",
                PATH,
                body={"clientId": self.client_id, "subscriptions": topics},
                timeout=self._post_timeout,
                token="" if post.is_probe else None,
                only=204,  # any other answer: the server has not accepted the topics
                fresh=post.asks > 0,
            )
        except Exception as error:
            if channel.aborted:
                raise ClientClosedError("the stream has ended") from error
            keeps = is_misrouted(error)
            if keeps and not post.asks:
                log_submit.info("another server answered than that of the stream %s", client_id)
            raise
        finally:
            if not keeps:
                channel.release()

    def begin(self, observer: Observer, scheduler: abc.SchedulerBase | None) -> None:
        """Open the stream; `observer` gets what is received, and the end. Never waits.

        Raises:
            ClientClosedError: the transport is closed.
        """
        self._observer, self._scheduler = observer, scheduler
        self._channel = channel = self._transport.channel()
        if self.ending:  # ended before it had a channel
            channel.abort()
        channel.listen(PATH, self)

    # -- on the thread that reads ----------------------------------------------------------------

    def opened(self, *, chunked: bool, length: int) -> None:
        """Prepare for the body of the answer, which is an event stream."""
        self._decoder = BodyDecoder(self._parser, chunked=chunked, length=length)
        self._deadline = self._clock() + self.timeout

    def received(self, data: bytes) -> bool:
        """Process what was read, ``b""`` at the connection's end; return False at the body's end.

        Raises:
            StreamLostError: the body is incomplete or malformed.
            RequestTimeoutError: the stream was not open in time.
        """
        decoder = self._decoder
        if not data and not decoder.finished:
            if not decoder.may_end:
                raise StreamLostError("the connection ended in the middle of the event stream")
            decoder.finished = True
        self._size += len(data)
        frames = self._decode(data)
        if not self.client_id:
            self._handshake(frames)
            if not frames:
                return True
        skipped = self._parser.take_skipped() if self._parser.skipped else []
        if frames or skipped:
            size, self._size = self._size, 0
            received_at = ReceivedAt(self._clock(), self._wall_clock())
            self._observer.on_next(Batch(self, frames, size, skipped, received_at))
        return not decoder.finished

    def ended(self, error: Exception | None) -> None:
        """Report the end: an `error` of the channel, or the end of the stream."""
        error = self._error if self.ending else self._final_error(error)
        if isinstance(error, StreamLostError):
            error.healthy = self._is_healthy
        observer, scheduler = self._observer, self._scheduler
        if error is not None:
            observer.on_error(error)
        elif scheduler is None:
            observer.on_completed()
        else:
            # RxPY's `repeat` stores the disposable of its action after scheduling it: on a thread
            # other than the scheduler's, that could come too late and cancel the next connection.
            scheduler.schedule(calling(observer.on_completed))

    @property
    def _is_healthy(self) -> bool:
        """True if it was acknowledged and has lasted long enough for its end to be routine."""
        return self._acknowledged and self._clock() - self._opened_at >= HEALTHY_AFTER

    def _final_error(self, error: Exception | None) -> Exception | None:
        """Return the error to report; None for a routine end."""
        if isinstance(error, RequestTimeoutError) and self.client_id:
            # No bytes for idle_timeout: a proxy may drop them. The stream is renewed, as after
            # the server's own idle close.
            return None
        if error is None and not self._is_healthy:
            return StreamLostError(
                "the server closed the event stream right after it had opened it"
            )
        return error

    def _decode(self, data: bytes) -> list[Frame]:
        try:
            return self._decoder.feed(data) if data else []
        except ProtocolError as error:
            raise StreamLostError(f"the event stream broke: {error}") from error

    def _handshake(self, frames: list[Frame]) -> None:
        now = self._clock()
        if not frames:
            if self._decoder.finished:
                raise StreamLostError("the server closed the event stream before PB_CONNECT")
            if now > self._deadline:
                raise RequestTimeoutError("no PB_CONNECT came in time")
            return
        self.client_id = _client_id(*frames[0])
        self._opened_at = now
        self.timeout = self._idle_timeout
        client_id = one_line(self.client_id[:100])
        log.info("connected as %s to %s", client_id, self._transport.base_url)
        self._observer.on_next(Opened(self))


def _client_id(topic: str, payload: bytes) -> str:
    data = decode_message(topic, payload).data
    client_id = data.get("clientId") if is_object(data) else None
    if topic != CONNECT_TOPIC or not isinstance(client_id, str) or not client_id:
        raise ProtocolError("the event stream does not begin with PB_CONNECT and a client id")
    return client_id


def connect(dial: Callable[[], Connection]) -> Observable[Opened | Batch]:
    """Return the cold Observable: each subscription dials one connection."""

    def subscribe(
        observer: Observer, scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        connection = dial()
        if connection.is_abandoned:
            return Disposable()
        try:
            connection.begin(observer, scheduler)
        except ClientClosedError:  # closed between two attempts
            return Disposable()
        return Disposable(connection.retire)

    return Observable(subscribe)
