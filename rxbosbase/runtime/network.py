"""The interface between a client and its transport: responses, and streams that are read."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ("Channel", "Receiver", "Transport")


class Receiver(Protocol):
    """The receiver of what a channel reads: one call after the other, all on one thread.

    Attributes:
        timeout: seconds that the channel may wait for the response, and for each read.
    """

    timeout: float

    def opened(self, *, chunked: bool, length: int) -> None:
        """Start: the response is an event stream; a length of -1 means a body without one."""
        ...

    def received(self, data: bytes) -> bool:
        """Take what was read, ``b""`` at the connection's end; return False to end the reading.
        An exception ends the stream."""
        ...

    def ended(self, error: Exception | None) -> None:
        """End, as the last call: nothing is read any more, and the channel is closed."""
        ...


class Channel(Protocol):
    """The connections of one event stream and of the POSTs that belong to it."""

    @property
    def aborted(self) -> bool:
        """True once the connections were ended."""
        ...

    def listen(self, path: str, receiver: Receiver) -> None:
        """Open an event stream and feed the receiver until it ends. Never waits."""
        ...

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
    ) -> Any:
        """Return the decoded JSON of the response; a `token` of None is that of the login.

        `fresh`: over a new connection, which later requests use; the ones before are held open.
        """
        ...

    def hold_stream(self, path: str, *, timeout: float) -> None:
        """Open another event stream, and hold it open unread; a failure is logged at debug."""
        ...

    def release(self) -> None:
        """Close what is held open."""
        ...

    def abort(self) -> None:
        """End the stream and what is in flight, at once and from any thread."""
        ...

    def close(self) -> None:
        """Close the descriptors, once nothing is read any more."""
        ...


class Transport(Protocol):
    """Sends requests to one server, as `rxbosbase.http.transport.HTTPTransport` does over HTTP.

    Attributes:
        base_url: the server's address, without a trailing slash.
        timeout: seconds that a request may take.
        own_authorization: the ``Authorization`` that its requests carry instead of the login's
            token; "" for none.
    """

    base_url: str
    timeout: float
    own_authorization: str

    def url(self, path: str) -> str:
        """Return the full URL of `path`. Raises ValueError where that leads above the base."""
        ...

    def at(self, base_url: str) -> Transport:
        """Return a transport to another server, with the same headers, token and settings."""
        ...

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Return the decoded JSON of the response; options of `http.transport.HTTPChannel.request`.

        Raises:
            ClientClosedError: the client is closed.
            BosBaseError: an error of the server, or of the connection to it.
        """
        ...

    def channel(self) -> Channel:
        """Return a channel for one event stream.

        Raises:
            ClientClosedError: the client is closed.
        """
        ...

    def close(self) -> None:
        """End the requests in flight."""
        ...
