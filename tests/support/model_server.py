"""A server with faults on demand, and a check of the topics that it has.

It is the wire server, because it tests the drivers and the service with their threads and sockets,
which a virtual clock would replace. So it converges in real time, and each wait is short::

    with ModelServer() as server:
        server.fail_next_post("500")          # the next POST of topics
        ...
        server.wait_converged({"posts/*"})
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import TracebackType
from typing import Literal, Self

from support import wire_server as wire

__all__ = ["END_NAMES", "FAILURE_NAMES", "ModelServer"]

CONVERGES_WITHIN = 10.0
"""Seconds; usually it takes some hundredths of a second."""

_ENDS: dict[str, Callable[[wire.Stream], None]] = {
    "cut": wire.Stream.cut,
    "reset": wire.Stream.reset,
    "finish": wire.Stream.finish,
}
_FAILURES: dict[str, Callable[[], wire.Answer]] = {
    "500": lambda: wire.status(500),
    "429": lambda: wire.status(429, headers={"Retry-After": "0"}),
    "404": lambda: wire.problem(404, "Missing or invalid client id."),
    "403": lambda: wire.problem(403, "The authorization doesn't match."),
    "drop": wire.drop,
    "reset": wire.reset,
    "hang": wire.hang,
    "no JSON": lambda: wire.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<p>"),
    "lost answer": lambda: wire.applied_then(wire.drop()),
    "late answer": lambda: wire.applied_then(wire.hang()),
    "applied and 500": lambda: wire.applied_then(wire.status(500)),
}
END_NAMES = sorted(_ENDS)
FAILURE_NAMES = sorted(_FAILURES)


class ModelServer:
    """See the module. `wire` is the server itself."""

    def __init__(self) -> None:
        self.wire = wire.WireServer()

    def __enter__(self) -> Self:
        self.wire.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wire.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Its address."""
        return self.wire.url

    @property
    def client_id(self) -> str:
        """The client id of the newest open stream, "" if there is none."""
        streams = self.wire.streams
        return streams[-1].client_id if streams else ""

    def fail_next_post(self, how: str) -> None:
        """Answer the next POST of topics in one of the ways of `FAILURE_NAMES`."""
        self.wire.post_answers.append(_FAILURES[how]())

    def refuse_stream(self, code: int) -> None:
        """Answer the next GET of a stream with an error."""
        self.wire.stream_answers.append(wire.status(code))

    def end_stream(self, how: str) -> None:
        """End the open streams in one of the ways of `END_NAMES`."""
        for stream in self.wire.streams:
            _ENDS[how](stream)

    def refuse_connections(self, streams: Literal["keep", "cut", "reset"]) -> None:
        """Refuse connections until `accept_connections`."""
        self.wire.refuse_connections(streams)

    def accept_connections(self) -> None:
        """Accept connections again."""
        self.wire.accept_connections()

    def has_topics(self, wanted: Collection[str]) -> bool:
        """Return True if one stream has exactly these topics, or, without topics, none is open."""
        topics = [sorted(stream.topics) for stream in self.wire.streams]
        return topics == ([sorted(wanted)] if wanted else [])

    def wait_converged(self, wanted: Collection[str]) -> None:
        """Wait until it has exactly the wanted topics.

        Raises:
            TimeoutError: it does not within 10 seconds.
        """
        self.wire.wait_for(
            lambda: self.has_topics(wanted), CONVERGES_WITHIN, f"holding exactly {sorted(wanted)}"
        )

    def send(self, topic: str, record_id: str) -> int:
        """Send an event on a wire topic; return the number of streams that got it."""
        return self.wire.send(topic, {"id": record_id}, "create")
