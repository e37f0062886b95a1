"""A transport of memory: requests reach the fake's tables, and their changes come back as the very
bytes that a server writes. Reading, deciding and retrying are the library's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from rxbosbase.auth.store import token_claims
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

from .tables import NOTHING, Tables, said
from .virtual_time import VirtualClock, VirtualScheduler

__all__ = ["MemoryStream", "MemoryTransport"]

_BREAK = b""
_END = b"0\r\n\r\n"  # the last chunk of a body


class MemoryStream:
    """One event stream, the client's end (a `Channel`) and the server's.

    Attributes:
        aborted: True once it was ended.
        client_id: the server's name for it.
        topics: what it is to be told of: name and query, by the topic's text.
    """

    def __init__(self, transport: MemoryTransport) -> None:
        self.aborted = False
        self.client_id = ""
        self.topics: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._transport = transport
        self._receiver: Receiver | None = None
        self._identity = ""

    # -- the client's end ------------------------------------------------------------------------

    def listen(self, path: str, receiver: Receiver) -> None:
        """The server answers on the network's loop."""
        self._receiver = receiver
        self._transport.loop.post(partial(self._open, path, receiver))

    def request(
        self, method: str, path: str, *, body: Any, timeout: float | None, only: int | None
    ) -> None:
        """Replaces the topics by those of `body`, as the server does."""
        transport, body = self._transport, decode(encode(body))
        url = transport.reach(method, path, body)
        if self not in transport.streams:
            raise ClientResponseError(404, url, message="Missing or invalid client id.")
        identity = token_claims(transport.token()).get("id", "")
        if self._identity not in ("", identity):
            message = "The current and the previous request authorization don't match."
            raise ClientResponseError(403, url, message=message)
        self._identity = identity
        self.topics = {wire: parse_topic(wire)[:2] for wire in body["subscriptions"]}

    def abort(self) -> None:
        """Nothing that was sent is read any more."""
        self.aborted = True
        self._transport.forget(self)
        self._transport.loop.post(partial(self._end, None))

    def close(self) -> None:
        """There is nothing to give back."""
        self.aborted = True

    # -- the server's end ------------------------------------------------------------------------

    def _open(self, path: str, receiver: Receiver) -> None:
        if self.aborted:
            return
        try:
            self._transport.reach("GET", path, None)
        except Exception as error:
            self._end(error)
            return
        self.client_id = self._transport.admit(self)
        receiver.opened(chunked=True, length=-1)
        self._read(self._chunk(CONNECT_TOPIC, {"clientId": self.client_id}))

    def tell(self, told: Iterable[tuple[str, Any]], delay: float) -> None:
        """Sends an event for each of these topics and contents, which takes `delay` seconds."""
        data = b"".join(self._chunk(topic, content) for topic, content in told)
        if data:
            self._transport.loop.call_later(delay, partial(self._read, data))

    def finish(self, last: bytes) -> None:
        """Sends the last bytes."""
        self._transport.forget(self)
        self._transport.loop.post(partial(self._read, last))

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
        self._transport.forget(self)
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.ended(error)


class MemoryTransport:
    """The fake server, as the client's transport.

    Args:
        token: whoever is logged in.

    Attributes:
        streams: those that are open.
        accepts: False while the server is down.
        loop: the network: what was sent arrives on it.
    """

    base_url = "http://fake.invalid"

    def __init__(self, tables: Tables, clock: VirtualClock, token: Callable[[], str]) -> None:
        self.timeout = 30.0
        self.tables = tables
        self.token = token
        self.streams: list[MemoryStream] = []
        self.accepts = True
        self.loop = VirtualScheduler(clock, "network")
        self._opened = 0
        self._closed = False

    def url(self, path: str) -> str:
        """The full URL of `path`."""
        return url_below(self.base_url, path)

    def reach(self, method: str, path: str, body: Any) -> str:
        """The URL of a stream, if the server is there and the test has no other answer to this.

        Raises:
            ConnectionFailedError: it is stopped.
            Exception: the answer of the test.
        """
        url = self._reachable(path)
        if (method, path) in self.tables.answers:
            self._heeding(url, partial(said, self.tables.answers[method, path], body))
        return url

    def _heeding(self, url: str, answer: Callable[[], Any]) -> Any:
        """The answer. A mistake of the test in it, which the library would take for the server's,
        is an error 400, and is raised by whoever lets time pass."""
        try:
            return answer()
        except BosBaseError:
            raise
        except Exception as error:
            if not self.loop.clock.is_running:
                raise
            self.loop.clock.report(error)
            raise ClientResponseError(400, url, message=str(error)) from error

    def _reachable(self, path: str) -> str:
        url = self.url(path)
        if not self.accepts:
            raise ConnectionFailedError(f"cannot reach {url}: the fake is stopped")
        return url

    def channel(self) -> MemoryStream:
        """For one stream and its POSTs."""
        if self._closed:
            raise ClientClosedError("the client is closed")
        return MemoryStream(self)

    def admit(self, stream: MemoryStream) -> str:
        """A new stream begins; its client id."""
        self.streams.append(stream)
        self._opened += 1
        return f"fake-client-{self._opened}"

    def forget(self, stream: MemoryStream) -> None:
        """A stream ends."""
        if stream in self.streams:
            self.streams.remove(stream)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The server's answer, at once.

        Raises:
            UnknownFilterError: the test asks, and has not said what its filter means.
            Exception: what a function of the test raised.
        """
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")
        url, body, token = self._reachable(path), options.get("body"), options.get("token")
        sent = None if body is None else decode(encode(body))
        token = self.token() if token is None else token
        query = options.get("query") or {}
        return self._heeding(url, partial(self.tables.answer, method, path, query, sent, token))

    def publish(
        self, tells: Callable[[str, Mapping[str, Any]], Any], delay: float | None = 0.0
    ) -> dict[str, int]:
        """Sends an event to each topic that is told something.

        Args:
            tells: what a topic is told, by its name and query; `NOTHING` for nothing.
            delay: seconds until it arrives; None if it is lost.

        Returns:
            on how many topics of each stream it went out, by client id.
        """
        sent = {
            stream: [
                (wire, content)
                for wire, (name, query) in stream.topics.items()
                if (content := tells(name, query)) is not NOTHING
            ]
            for stream in self.streams
        }
        if delay is None:
            return {}
        for stream, told in sent.items():
            stream.tell(told, delay)
        return {stream.client_id: len(told) for stream, told in sent.items()}

    def drop(self) -> None:
        """All streams break."""
        for stream in list(self.streams):
            stream.finish(_BREAK)

    def end(self) -> None:
        """All streams end as a routine."""
        for stream in list(self.streams):
            stream.finish(_END)

    def close(self) -> None:
        """Nothing arrives any more."""
        self._closed = True
        self.loop.close()
