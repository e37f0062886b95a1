"""The fake's wire: streams and POSTs that never leave the process, with the library's own link.

All that decides something is the library's: the lifecycle, the registry, reconnection, refusals,
delivery. Replaced are the socket with its reader thread, and the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable

from rxbosbase.errors import (
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    StreamLostError,
)
from rxbosbase.jsontext import decode, encode
from rxbosbase.realtime.connection import (
    CONNECT_TOPIC,
    HEALTHY_AFTER,
    Batch,
    Connection,
    Opened,
)
from rxbosbase.realtime.link import Link, _Run
from rxbosbase.realtime.reconnect import retry_with_backoff
from rxbosbase.realtime.registry import Share
from rxbosbase.realtime.service import RealtimeService
from rxbosbase.realtime.topics import parse_topic
from rxbosbase.transport import Channel, Transport

from .clock import VirtualLoop
from .tables import Tables

__all__ = ["FakeService", "FakeTransport", "Line"]

Signal = Opened | Batch


class Line:
    """One event stream, from dialling to its end."""

    def __init__(
        self, transport: FakeTransport, connection: Connection, observer: abc.ObserverBase[Signal]
    ) -> None:
        self.topics: dict[str, tuple[str, str]] = {}
        self.connection = connection
        self._transport = transport
        self._observer = observer
        self._ended = False
        self._opened_at = 0.0

    def open(self) -> None:
        """The server takes the connection, or is not there."""
        if self.connection.ending or not self._transport.accepts:
            self.end(ConnectionFailedError("cannot reach the fake server: it is stopped"))
            return
        self._opened_at = self._transport.loop.clock.now
        self._transport.lines.append(self)
        self._transport.opened += 1
        self.connection.client_id = f"{self._transport.name}-{self._transport.opened}"
        self._observer.on_next(Opened(self.connection))
        self.send([CONNECT_TOPIC], {"clientId": self.connection.client_id})

    def send(self, topics: list[str], content: object) -> None:
        """One event, in a frame for each of the topics."""
        data = encode(content)
        if topics:
            frames = [(topic, data) for topic in topics]
            self._observer.on_next(Batch(self.connection, frames, len(data) * len(topics), []))

    def end(self, error: Exception | None) -> None:
        """The stream ends: with an error, or as a routine."""
        if self._ended:
            return
        self._ended = True
        if self in self._transport.lines:
            self._transport.lines.remove(self)
        connection = self.connection
        age = self._transport.loop.clock.now - self._opened_at
        if connection.ending:
            error = connection._error
        connection.channel.close()
        if isinstance(error, StreamLostError):
            error.healthy = connection.acknowledged and age >= HEALTHY_AFTER
        if error is None:
            self._observer.on_completed()
        else:
            self._observer.on_error(error)


class _Channel:
    """Carries the POSTs of a stream."""

    def __init__(self, transport: FakeTransport) -> None:
        self._transport = transport
        self.sockets = SimpleNamespace(aborted=False)
        self.line: Line | None = None

    def request(self, method: str, path: str, *, body: Mapping[str, Any], **_: Any) -> None:
        line = self.line
        if line is None or line not in self._transport.lines:
            raise ClientResponseError(404, path, message="Missing or invalid client id.")
        line.topics = {}
        for wire in body["subscriptions"]:
            name, query, _headers = parse_topic(wire)
            line.topics[wire] = (name, query.get("filter", ""))

    def abort(self) -> None:
        self.sockets.aborted = True
        if self.line is not None:
            self._transport.loop.post(partial(self.line.end, None))

    def close(self) -> None:
        self.sockets.aborted = True


class FakeTransport(Transport):
    """Answers requests from memory."""

    def __init__(
        self, name: str, loop: VirtualLoop, tables: Tables, token: Callable[[], str]
    ) -> None:
        super().__init__("http://fake.invalid", timeout=30.0, headers=None, token=token)
        self.name = name
        self.loop = loop
        self.tables = tables
        self._current_token = token
        self.lines: list[Line] = []
        self.opened = 0
        self.accepts = True

    def channel(self) -> Channel:
        """For one stream and its POSTs."""
        if self._closed:
            raise ClientClosedError("the client is closed")
        return cast(Channel, _Channel(self))

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The fake server's answer, at once."""
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")
        if not self.accepts:
            raise ConnectionFailedError(f"cannot reach {self.url(path)}: the fake is stopped")
        body = options.get("body")
        sent = None if body is None else decode(encode(body))
        query = options.get("query") or {}
        return self.tables.answer(method, path, query, sent, self._current_token())

    def check(self, path: str) -> Any:
        """The answer to the read that a subscription makes beforehand."""
        if not self.accepts:
            raise ConnectionFailedError(f"cannot reach {self.url(path)}: the fake is stopped")
        return self.tables.check(path)

    def connect(self, dial: Callable[[], Connection]) -> Observable[Signal]:
        """The cold Observable of one stream, as the real one is."""

        def subscribe(
            observer: abc.ObserverBase[Signal], _: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            try:
                connection = dial()
            except ClientClosedError:
                return Disposable()
            line = Line(self, connection, observer)
            cast(_Channel, connection.channel).line = line
            self.loop.post(line.open)
            return Disposable(connection.retire)

        return Observable(subscribe)


class _FakeLink(Link):
    """The library's link, dialling the fake."""

    def _start(self, run: _Run) -> None:
        settings = self._settings
        transport = cast(FakeTransport, settings.transport)
        pipeline = transport.connect(partial(self._dial, run)).pipe(
            retry_with_backoff(
                settings.policy,
                scheduler=settings.control,
                resets=lambda error: isinstance(error, StreamLostError) and error.healthy,
                on_wait=partial(self._waiting, run),
                wake=self._wake,
            ),
            ops.repeat(),
        )
        run.subscription.disposable = pipeline.subscribe(
            partial(self._received, run),
            partial(self._exhausted, run),
            scheduler=settings.control,
        )

    def _pause(self) -> float:
        return 0.0  # a burst is over when the test goes on


class FakeService(RealtimeService):
    """The library's service, with links that dial the fake."""

    def _link_of(self, share: Share) -> Link:
        if share.index == len(self._links):
            self._links.append(
                _FakeLink(share, self._registry, self._settings, self._changed, self)
            )
        return self._links[share.index]
