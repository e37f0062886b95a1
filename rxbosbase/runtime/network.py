"""What a client asks of whoever speaks with its server: answers, and streams that are read."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Channel", "Receiver", "Transport"]


class Receiver(Protocol):
    """Takes what a channel reads, one call after the other, all on one thread.

    Attributes:
        timeout: seconds that the channel may wait for the answer, and for each read.
    """

    timeout: float

    def opened(self, *, chunked: bool, length: int) -> None:
        """The server has answered with an event stream; -1 stands for a body without a length."""
        ...

    def received(self, data: bytes) -> bool:
        """Takes what was read, ``b""`` for the connection's end; False if no more is to be read.
        What it raises ends the stream."""
        ...

    def ended(self, error: Exception | None) -> None:
        """The last call: nothing is read any more. The channel is closed."""
        ...


class Channel(Protocol):
    """The connections of one event stream and of the POSTs that belong to it."""

    @property
    def aborted(self) -> bool:
        """True once it was ended."""
        ...

    def listen(self, path: str, receiver: Receiver) -> None:
        """Opens an event stream and feeds the receiver until it ends. Never waits."""
        ...

    def request(
        self, method: str, path: str, *, body: Any, timeout: float | None, only: int | None
    ) -> Any:
        """The decoded JSON of the answer."""
        ...

    def abort(self) -> None:
        """Ends the stream and what is in flight, at once and from any thread."""
        ...

    def close(self) -> None:
        """Gives the descriptors back, where nothing is read any more."""
        ...


class Transport(Protocol):
    """Speaks with one server: `rxbosbase.http.transport.Transport` does so over HTTP.

    Attributes:
        base_url: the server's address, without a trailing slash.
        timeout: seconds that a request may take.
    """

    base_url: str
    timeout: float

    def url(self, path: str) -> str:
        """The full URL of `path`. Raises ValueError where that leads above the base."""
        ...

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The decoded JSON of the answer; options as for `http.transport.Channel.request`.

        Raises:
            ClientClosedError: the client is closed.
            BosBaseError: what the server, or the way there, makes of it.
        """
        ...

    def channel(self) -> Channel:
        """For one event stream. Raises `ClientClosedError` once the client is closed."""
        ...

    def close(self) -> None:
        """Ends the requests in flight."""
        ...
