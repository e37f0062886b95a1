"""One event stream as a cold Observable: subscribing connects, disposing hangs up.

It emits `Opened` once, then `Batch` after `Batch`, on its reader's thread. A routine end (the
server's idle and age limits, our own renewals) completes it; any other end is an error. What
is wanted of the server, and who gets the events, is not its business.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxbosbase.errors import (
    ClientClosedError,
    ProtocolError,
    RequestTimeoutError,
    StreamLostError,
)
from rxbosbase.eventstream import EventStream
from rxbosbase.oneline import one_line
from rxbosbase.process import is_ending
from rxbosbase.transport import Transport

from .events import decode_message
from .frames import Frame, FrameParser, Skipped
from .intake import Intake

__all__ = ["CONNECT_TOPIC", "HEALTHY_AFTER", "Batch", "Connection", "Opened", "connect"]

log = logging.getLogger("rxbosbase.connection")

PATH = "/api/realtime"
CONNECT_TOPIC = "PB_CONNECT"

HEALTHY_AFTER = 5.0
"""Seconds that an acknowledged connection must live; one that ends earlier is a failure, so
that a server which accepts and hangs up is not hammered."""

POST_TIMEOUT = 10.0
"""Seconds a POST of topics may take, if the client's own timeout is not shorter: the server
answers it from memory, and nothing else is submitted meanwhile."""

_numbers = itertools.count(1)


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
    """One stream's life, from dialling to its end.

    Attributes:
        channel: carries the stream and the POSTs that belong to it.
        client_id: the server's name for it, "" until it is open.
        acknowledged: set by the submitter once the server took a set of topics (or none was due).
        submitted: the topics that the server holds; None while that is not known.
        identity: as whom the topics were first submitted; None before.
        ending: True once it was told to end; what it has read by then is still delivered.
    """

    def __init__(self, transport: Transport, *, idle_timeout: float, max_event_bytes: int) -> None:
        self.channel = transport.channel()
        self.client_id = ""
        self.acknowledged = False
        self.submitted: set[str] | None = set()
        self.identity: str | None = None
        self.ending = False
        self.post_timeout = min(POST_TIMEOUT, transport.timeout)
        self._timeout = transport.timeout
        self._idle_timeout = idle_timeout
        self._parser = FrameParser(max_event_bytes)
        self._error: Exception | None = None
        self._opened_at = 0.0

    def retire(self) -> None:
        """Ends the stream as a matter of routine. From any thread; never waits."""
        self._end(None)

    def fail(self, error: Exception) -> None:
        """Ends the stream as a failure. From any thread; never waits."""
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if not self.ending:
            self._error = error
            self.ending = True
        self.channel.abort()

    @property
    def is_healthy(self) -> bool:
        """True if it was acknowledged and has lived long enough for its end to be routine."""
        return self.acknowledged and monotonic() - self._opened_at >= HEALTHY_AFTER

    def run(
        self, observer: abc.ObserverBase[Opened | Batch], scheduler: abc.SchedulerBase | None
    ) -> None:
        """The reader's whole work: connect, read, and tell `observer` how it ended."""
        try:
            error = self._read_all(observer)
        except Exception as problem:
            error = problem
        # First the POSTs: one in flight on a dead stream must not hold the next attempt up.
        self.channel.close()
        if self.ending:
            error = self._error
        if isinstance(error, StreamLostError):
            error.healthy = self.is_healthy
        if error is not None:
            observer.on_error(error)
        elif scheduler is None:
            observer.on_completed()
        else:
            # RxPY's `repeat` notes what it has scheduled after it was scheduled: on another thread
            # than the scheduler's it could come too late, and cancel the next connection.
            scheduler.schedule(lambda *_: observer.on_completed())

    def _read_all(self, observer: abc.ObserverBase[Opened | Batch]) -> Exception | None:
        """Reads until the stream ends; the error to report, or None for a routine end."""
        stream = EventStream(self.channel, PATH, self._timeout)
        try:
            intake = Intake(self._parser, chunked=stream.is_chunked, length=stream.length)
            self._handshake(stream, intake, observer)
            size = 0  # of all reads since the last batch: a large event takes many
            while not intake.finished:
                data = self._next(stream, intake)
                if not data:
                    break
                size += len(data)
                if self._emit(_cut(intake, data), size, observer):
                    size = 0
        except RequestTimeoutError as error:
            # Silence past idle_timeout is how a proxy that swallows bytes shows itself. It is
            # renewed like the server's own idle close.
            return None if self.client_id else error
        finally:
            stream.close()
        if self.is_healthy:
            return None
        return StreamLostError("the server closed the event stream right after it had opened it")

    def _next(self, stream: EventStream, intake: Intake) -> bytes:
        data = stream.read()
        if not data and not intake.may_end:
            raise StreamLostError("the connection ended in the middle of the event stream")
        return data

    def _handshake(
        self, stream: EventStream, intake: Intake, observer: abc.ObserverBase[Opened | Batch]
    ) -> None:
        deadline = monotonic() + self._timeout
        frames: list[Frame] = []
        size = 0
        while not frames:
            data = b"" if intake.finished else self._next(stream, intake)
            if not data:
                raise StreamLostError("the server closed the event stream before PB_CONNECT")
            if monotonic() > deadline:
                raise RequestTimeoutError("no PB_CONNECT came in time")
            size += len(data)
            frames = _cut(intake, data)
        topic, payload = frames[0]
        client_id = _client_id(topic, payload)
        self._opened_at = monotonic()
        self.client_id = client_id
        stream.set_timeout(self._idle_timeout)
        log.info("connected as %s", one_line(client_id[:100]))
        observer.on_next(Opened(self))
        self._emit(frames, size, observer)

    def _emit(
        self, frames: list[Frame], size: int, observer: abc.ObserverBase[Opened | Batch]
    ) -> bool:
        """Tells of what was read; False if there is nothing to tell yet."""
        skipped = self._parser.take_skipped() if self._parser.skipped else []
        if frames or skipped:
            observer.on_next(Batch(self, frames, size, skipped))
            return True
        return False


def _cut(intake: Intake, data: bytes) -> list[Frame]:
    try:
        return intake.feed(data)
    except ProtocolError as error:
        raise StreamLostError(f"the event stream broke: {error}") from error


def _client_id(topic: str, payload: bytes) -> str:
    data = decode_message(topic, payload).data
    client_id = data.get("clientId") if isinstance(data, dict) else None
    if topic != CONNECT_TOPIC or not isinstance(client_id, str) or not client_id:
        raise ProtocolError("the event stream does not begin with PB_CONNECT and a client id")
    return client_id


def connect(dial: Callable[[], Connection]) -> Observable[Opened | Batch]:
    """The cold Observable: each subscription dials one connection with a reader of its own."""

    def subscribe(
        observer: abc.ObserverBase[Opened | Batch], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        try:
            connection = dial()
        except ClientClosedError:  # closed between two attempts: there is nothing to do
            return Disposable()
        reader = threading.Thread(
            target=connection.run,
            args=(observer, scheduler),
            name=f"rxbosbase-reader-{next(_numbers)}",
            daemon=True,
        )
        try:
            reader.start()
        except RuntimeError as error:
            if not is_ending(error):
                raise
        return Disposable(connection.retire)

    return Observable(subscribe)
