"""One open event stream of the wire server, and abrupt ends of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from support.wire_http import Request, chunk, frame, stream_head
from support.wire_socket import Ending, Wire

__all__ = ["FrameData", "Stream"]

FrameData = Mapping[str, Any] | bytes | str


class Stream:
    """One ``GET /api/realtime``. The sending methods give False once the client is gone.

    Attributes:
        client_id: 40 characters, as in the PB_CONNECT frame.
        topics: the wire topics of the last accepted POST, in its order.
        auth: the identity of the stream; ``""`` without a login. Set it to ``""`` to forget it.
        headers: the headers of the GET, names in lower case.
        request: the whole GET.
        ended_by: None while open, then ``"server"`` or ``"client"``.
    """

    def __init__(
        self,
        wire: Wire,
        request: Request,
        client_id: str,
        *,
        chunked: bool,
        leave: Callable[[Stream, Literal["server", "client"]], None],
    ) -> None:
        self.client_id = client_id
        self.topics: list[str] = []
        self.auth = ""
        self.request = request
        self.headers = request.headers
        self.ended_by: Literal["server", "client"] | None = None
        self.wire = wire
        self._chunked = chunked
        self._leave = leave
        self._stalled = False
        self._finished = False

    def __repr__(self) -> str:
        state = f"ended by {self.ended_by}" if self.ended_by else "open"
        return f"<Stream {self.client_id[-4:]} {state} {self.topics}>"

    def frame(self, topic: str, data: FrameData) -> bytes:
        """The bytes of one event, for ``send_raw`` and ``send_many``."""
        return frame(self.client_id, topic, data)

    def send_frame(self, topic: str, data: FrameData) -> bool:
        """Send one event: a mapping goes out as JSON, bytes and text as they are."""
        return self.send_raw(self.frame(topic, data))

    def send_record(self, topic: str, record: Mapping[str, Any], action: str) -> bool:
        """Send one change of a record."""
        return self.send_frame(topic, {"record": record, "action": action})

    def send_raw(self, data: bytes) -> bool:
        """Send any bytes of the body, as one HTTP chunk."""
        return self.send_many([data])

    def send_many(self, parts: Iterable[bytes]) -> bool:
        """Send many parts, each an HTTP chunk of its own, in a single write."""
        whole = b"".join(map(chunk, parts) if self._chunked else parts)
        return self.send_unframed(whole)

    def send_unframed(self, data: bytes) -> bool:
        """Send bytes past the chunk framing: half a chunk, a wrong length, rubbish."""
        with self.wire.writing:
            if self._stalled or self.ended_by:
                return False
            return self.wire.write(data)

    def stall(self) -> None:
        """Stay open and discard everything that is sent from now on."""
        self._stalled = True

    def finish(self) -> None:
        """End the body in the ordinary way, as the server does after five idle minutes."""
        self._leave(self, "server")
        if not self._chunked:
            self.wire.stop("cut")
            return
        self.wire.write(b"0\r\n\r\n")
        self._finished = True  # `watch` sees it at the client's next request or end

    def cut(self) -> None:
        """End the connection (FIN) in the middle of the body."""
        self._end("cut")

    def reset(self) -> None:
        """Reset the connection (RST), as a vanished host or a proxy does."""
        self._end("reset")

    def run(self, greet: bool, enter: Callable[[], None]) -> None:
        """Send the head and PB_CONNECT; for the server's connection thread."""
        # Registered before PB_CONNECT, or a fast POST would find no such client; and no frame
        # of a test may be sent before PB_CONNECT.
        with self.wire.writing:
            enter()
            self.wire.write(stream_head(self._chunked))
            if greet:
                self.send_frame("PB_CONNECT", {"clientId": self.client_id})

    def watch(self) -> bool:
        """Wait for the end; True where the connection may carry another request."""
        while self.wire.receive(lambda: self._finished):
            pass  # what a client sends meanwhile stays in the buffer
        self._leave(self, "client")
        return self._finished

    def _end(self, how: Ending) -> None:
        self._leave(self, "server")
        self.wire.stop(how)
