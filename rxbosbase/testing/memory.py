"""A transport in memory: requests go to the fake's tables, and their changes come back as the bytes
that a server sends. The library's own code parses them, decides and retries."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from rxbosbase.encoding.json import decode, encode
from rxbosbase.errors import (
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
)
from rxbosbase.http.urls import url_below
from rxbosbase.realtime.connection import CONNECT_TOPIC
from rxbosbase.realtime.protocol.topics import parse_topic
from rxbosbase.runtime.network import Receiver

from .tables import NOTHING, Tables, resolve_answer
from .virtual_time import VirtualClock, VirtualScheduler

__all__ = ("MemoryStream", "MemoryTransport")

_BREAK = b""
_END = b"0\r\n\r\n"  # the last chunk of a body


class MemoryStream:
    """One event stream: the client's end (a `Channel`) and the server's end.

    Attributes:
        aborted: True once it was ended.
        client_id: the server's name for it.
        topics: the subscribed topics: name and query, by the topic's text.
    """

    def __init__(self, transport: MemoryTransport) -> None:
        self.aborted = False
        self.client_id = ""
        self.topics: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._transport = transport
        self._receiver: Receiver | None = None
        self._identity = ""

    @property
    def address(self) -> str:
        """The base URL of its node."""
        return self._transport.base_url

    # -- the client's end ------------------------------------------------------------------------

    def listen(self, path: str, receiver: Receiver) -> None:
        """Open the stream on the network's scheduler."""
        self._receiver = receiver
        self._transport.scheduler.post(partial(self._open, path, receiver))

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any,
        timeout: float | None,
        token: str | None,
        only: int | None,
        fresh: bool = False,
    ) -> None:
        """Replace the topics by those of `body`, as the server does."""
        transport, body = self._transport, decode(encode(body))
        url = transport.check_reachable(method, path, body)
        if self not in transport.streams:
            raise ClientResponseError(404, url, message="Missing or invalid client id.")
        token = transport.token() if token is None else token
        identity = transport.tables.logins.identity(token)
        if self._identity not in ("", identity):
            message = "The current and the previous request authorization don't match."
            raise ClientResponseError(403, url, message=message)
        self._identity = identity
        self.topics = {wire: parse_topic(wire)[:2] for wire in body["subscriptions"]}

    def hold_stream(self, path: str, *, timeout: float) -> None:
        """Do nothing: no balancer counts the streams of the fake."""

    def release(self) -> None:
        """Do nothing: nothing is held."""

    def abort(self) -> None:
        """End the stream; data in flight is not read."""
        self.aborted = True
        self._transport.remove(self)
        self._transport.scheduler.post(partial(self._end, None))

    def close(self) -> None:
        """Mark the stream as ended; there are no resources to release."""
        self.aborted = True

    # -- the server's end ------------------------------------------------------------------------

    def _open(self, path: str, receiver: Receiver) -> None:
        if self.aborted:
            return
        try:
            self._transport.check_reachable("GET", path, None)
        except Exception as error:
            self._end(error)
            return
        self.client_id = self._transport.add(self)
        receiver.opened(chunked=True, length=-1)
        self._read(self._chunk(CONNECT_TOPIC, {"clientId": self.client_id}))

    def send(self, events: Iterable[tuple[str, Any]], delay: float) -> None:
        """Send events, as pairs of topic and content, that arrive after `delay` seconds."""
        data = b"".join(self._chunk(topic, content) for topic, content in events)
        if data:
            self._transport.scheduler.call_later(delay, partial(self._read, data))

    def finish(self, last: bytes) -> None:
        """Send the last bytes."""
        self._transport.remove(self)
        self._transport.scheduler.post(partial(self._read, last))

    def _chunk(self, topic: str, content: Any) -> bytes:
        frame = b"id:%b\nevent:%b\ndata:%b\n\n" % (
            self.client_id.encode(), topic.encode(), encode(content),
        )  # fmt: skip
        return b"%x\r\n%b\r\n" % (len(frame), frame)

    def _read(self, data: bytes) -> None:
        if self._receiver is None or self.aborted:
            return
        try:
            if not self._receiver.received(data):
                self._end(None)
        except Exception as error:
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        self.aborted = True
        self._transport.remove(self)
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.ended(error)


class MemoryTransport:
    """The fake server as the client's transport.

    Args:
        tables: the server's state.
        clock: the virtual time.
        token: returns the token of the current login.

    Attributes:
        server: the transport that the others were made of, by `at`.
        streams: the open streams, to all nodes.
        accepts: False while the server is down.
        scheduler: the network; data that was sent arrives on it.
    """

    base_url = "http://fake.invalid"
    own_authorization = ""

    def __init__(self, tables: Tables, clock: VirtualClock, token: Callable[[], str]) -> None:
        self.timeout = 30.0
        self.tables = tables
        self.token = token
        self.streams: list[MemoryStream] = []
        self.server = self
        self.accepts = True
        self.scheduler = VirtualScheduler(clock, "network")
        self._numbers = itertools.count(1)
        self._closed = False

    def url(self, path: str) -> str:
        """Return the full URL of `path`."""
        return url_below(self.base_url, path)

    def at(self, base_url: str) -> MemoryTransport:
        """Return the transport to another node on the same database."""
        node = copy.copy(self)
        node.base_url = base_url
        return node

    def check_reachable(self, method: str, path: str, body: Any) -> str:
        """Return the URL of a stream, unless the test has an answer that raises.

        Raises:
            ConnectionFailedError: the fake is stopped.
            Exception: the answer of the test.
        """
        url = self._reachable(path)
        if (method, path) in self.tables.answers:
            self._reporting_errors(
                url, partial(resolve_answer, self.tables.answers[method, path], body)
            )
        return url

    def _reporting_errors(self, url: str, answer: Callable[[], Any]) -> Any:
        """Return ``answer()``. An error of the test's own code in it becomes an error 400 for the
        library, and the call that advances the clock raises it."""
        try:
            return answer()
        except BosBaseError:
            raise
        except Exception as error:
            if not self.scheduler.clock.is_running:
                raise
            self.scheduler.clock.report(error)
            raise ClientResponseError(400, url, message=str(error)) from error

    def _reachable(self, path: str) -> str:
        url = self.url(path)
        if not self.server.accepts:
            raise ConnectionFailedError(f"cannot reach {url}: the fake is stopped")
        return url

    def channel(self) -> MemoryStream:
        """Return a channel for one stream and its POSTs."""
        if self._closed:
            raise ClientClosedError("the client is closed")
        return MemoryStream(self)

    def add(self, stream: MemoryStream) -> str:
        """Add a stream that opens; return its client id."""
        self.streams.append(stream)
        return f"fake-client-{next(self._numbers)}"

    def remove(self, stream: MemoryStream) -> None:
        """Remove a stream that ended."""
        if stream in self.streams:
            self.streams.remove(stream)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Return the server's response, without any delay.

        Raises:
            UnknownFilterError: the test itself makes the request and has not defined the filter.
            Exception: the error of a function of the test.
        """
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")
        url, body, token = self._reachable(path), options.get("body"), options.get("token")
        sent = None if body is None else decode(encode(body))
        token = self.token() if token is None else token
        query: dict[str, Any] = options.get("query") or {}
        return self._reporting_errors(
            url, partial(self.tables.answer, method, path, query, sent, token)
        )

    def publish(
        self, content_of: Callable[[str, Mapping[str, Any]], Any], delay: float | None = 0.0
    ) -> dict[str, int]:
        """Send an event to each topic that has a content, at the first node with a stream: a node
        tells only of its own writes.

        Args:
            content_of: returns the content for a topic's name and query; `NOTHING` for no event.
            delay: seconds until it arrives; None if it is lost.

        Returns:
            the number of topics of each stream that it was sent on, by client id.
        """
        sent = {
            stream: [
                (wire, content)
                for wire, (name, query) in stream.topics.items()
                if (content := content_of(name, query)) is not NOTHING
            ]
            for stream in self.streams
            if stream.address == self.streams[0].address
        }
        if delay is None:
            return {}
        for stream, events in sent.items():
            stream.send(events, delay)
        return {stream.client_id: len(events) for stream, events in sent.items()}

    def drop(self) -> None:
        """Break all streams."""
        for stream in list(self.streams):
            stream.finish(_BREAK)

    def end(self) -> None:
        """End all streams regularly."""
        for stream in list(self.streams):
            stream.finish(_END)

    def close(self) -> None:
        """Discard the data in flight and refuse further requests."""
        self._closed = True
        self.scheduler.close()
