"""A server that is also the model of one: it misbehaves by order, and knows what it should hold.

It is the wire server, because what it tests (the link and the service with their threads and
sockets) has no seam through which time could be taken away from it without replacing what is to
be tested. So it converges in real time, and each wait for that is short::

    with ModelServer() as server:
        server.misbehave("500")          # the next POST of topics
        ...
        server.wait_converged({"posts/*"})
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import TracebackType
from typing import Literal, Self

from support import wire_server as wire

__all__ = ["END_NAMES", "MISDEED_NAMES", "ModelServer"]

CONVERGES_WITHIN = 10.0
"""Seconds; an ordinary convergence takes some hundredths."""

_ENDS: dict[str, Callable[[wire.Stream], None]] = {
    "cut": wire.Stream.cut,
    "reset": wire.Stream.reset,
    "finish": wire.Stream.finish,
}
_MISDEEDS: dict[str, Callable[[], wire.Answer]] = {
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
MISDEED_NAMES = sorted(_MISDEEDS)


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
        """Where a client finds it."""
        return self.wire.url

    @property
    def client_id(self) -> str:
        """That of the newest open stream, "" if there is none."""
        streams = self.wire.streams
        return streams[-1].client_id if streams else ""

    def misbehave(self, how: str) -> None:
        """Answers the next POST of topics in one of the ways of `MISDEED_NAMES`."""
        self.wire.post_answers.append(_MISDEEDS[how]())

    def refuse_stream(self, code: int) -> None:
        """Answers the next GET of a stream with an error."""
        self.wire.stream_answers.append(wire.status(code))

    def end_stream(self, how: str) -> None:
        """Ends the open streams in one of the ways of `END_NAMES`."""
        for stream in self.wire.streams:
            _ENDS[how](stream)

    def go_away(self, streams: Literal["keep", "cut", "reset"]) -> None:
        """Refuses connections until `come_back`."""
        self.wire.refuse_connections(streams)

    def come_back(self) -> None:
        """Accepts connections again."""
        self.wire.accept_connections()

    def holds(self, wanted: Collection[str]) -> bool:
        """True if there is one stream with exactly these topics; with none, no stream at all."""
        held = [sorted(stream.topics) for stream in self.wire.streams]
        return held == ([sorted(wanted)] if wanted else [])

    def wait_converged(self, wanted: Collection[str]) -> None:
        """Until it holds exactly what is wanted.

        Raises:
            TimeoutError: it did not come to that.
        """
        self.wire.wait_for(
            lambda: self.holds(wanted), CONVERGES_WITHIN, f"holding exactly {sorted(wanted)}"
        )

    def send(self, topic: str, record_id: str) -> int:
        """One event on a wire topic; how many streams got it."""
        return self.wire.send(topic, {"id": record_id}, "create")
