"""A local HTTP server with the realtime protocol, and faults on demand.

It has real sockets and threads, without mocks, so that a client behaves as on a network. All
requests are recorded, and tests can wait for them without a sleep::

    from support import wire_server as wire

    with wire.WireServer() as server:
        client = BosBase(server.url)
        client.collection("posts").observe("*").subscribe(seen.append)
        server.wait_post(1)                                   # -> ["posts/*"]; in effect now
        server.send("posts/*", {"id": "a"}, "create")         # -> 1, the streams that got it

        server.stream.cut()                                   # or .reset(), .finish(), .stall()
        server.wait_gets(2)                                   # the client came back

The next responses are scripted before, one entry each; without an entry it is the normal one::

    server.stream_answers.append(wire.status(500))            # the next GET of a stream
    server.stream_answers.append(wire.status(429, headers={"Retry-After": "1"}))
    server.stream_answers.append(wire.stream(greet=False))    # never a PB_CONNECT
    server.stream_answers.append(wire.stream(then=wire.Stream.finish))    # greets, then ends
    server.stream_answers.append(wire.stream(chunked=False))  # HTTP/1.0
    server.post_answers.append(wire.hang())                   # also drop(), reset(), raw(b"…")
    server.post_answers.append(wire.delay(gate))              # gate = wire.Gate(); gate.set()
    server.post_answers.append(wire.applied_then(wire.drop()))
    server.on_stream = lambda n: wire.status(503) if n < 3 else None      # n counts from 1
    server.collections["posts"] = 404         # or [records], {json}, an answer, a callable
    server.refuse_connections(); server.accept_connections(); server.black_hole()

``wire.make_token("user1")`` returns a token whose identity the POST of topics recognises. A
stream's ``send_raw``, ``send_many`` and ``send_unframed`` write any bytes. Leaving the ``with``
closes all sockets, ends all threads, and raises if a handler of the test had raised.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from support.certs import make_certificate, server_context
from support.wire_api import WireApi
from support.wire_http import (
    NORMAL,
    Answer,
    Request,
    applied_then,
    chunk,
    delay,
    drop,
    frame,
    hang,
    play,
    problem,
    raw,
    read_request,
    reply_json,
    reset,
    status,
    stream,
)
from support.wire_listener import Listener
from support.wire_log import WAIT_LIMIT, WireLog
from support.wire_socket import Gate, Wire
from support.wire_stream import Stream
from support.wire_tokens import identity_of, make_token

__all__ = [
    "NORMAL",
    "Answer",
    "Gate",
    "Request",
    "Stream",
    "WireServer",
    "applied_then",
    "chunk",
    "delay",
    "drop",
    "frame",
    "hang",
    "make_token",
    "problem",
    "raw",
    "reply_json",
    "reset",
    "status",
    "stream",
]

MAX_TOPICS = 1000
MAX_TOPIC_LENGTH = 2500

Streams = Literal["keep", "cut", "reset"]


class WireServer(WireLog, WireApi):
    """The server; see the module for its use, and the two bases for the log and the responses.

    Attributes:
        port, url: its address; the port stays the same while connections are refused.
        ca_file: the certificate a client has to trust (with ``tls=True``).
        stream_answers, post_answers: the coming answers to GETs and POSTs of ``/api/realtime``.
        on_stream, on_post: called with the number of the GET or POST when no answer is queued.
        identify: returns the user of a request, ``""`` without a login.
    """

    def __init__(self, *, tls: bool = False, send_buffer: int | None = None) -> None:
        """``send_buffer``: bytes of ``SO_SNDBUF``, small to meet a slow reader early."""
        WireLog.__init__(self)
        WireApi.__init__(self)
        self.stream_answers: deque[Answer] = deque()
        self.post_answers: deque[Answer] = deque()
        self.on_stream: Callable[[int], Answer | None] | None = None
        self.on_post: Callable[[int], Answer | None] | None = None
        self.identify: Callable[[Request], str] = identity_of
        self.ca_file: str | None = None
        self._tls = tls
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._silent = False
        self._listener = Listener(self._serve, self.changed, self.errors, send_buffer)
        self.port = self._listener.port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        try:
            if self._tls:
                self._folder = tempfile.TemporaryDirectory(prefix="wire-")
                cert, key = make_certificate(Path(self._folder.name))
                self.ca_file = str(cert)
                self._listener.context = server_context(cert, key)
            self.accept_connections()
        except BaseException:  # a skip, too: without openssl there is no certificate
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if error is None and self.errors:
            raise self.errors[0]

    def close(self) -> None:
        """Close every socket and end every thread. Idempotent."""
        for each in self.streams:
            self._leave(each, "server")
        stuck = self._listener.close()
        if self._folder is not None:
            self._folder.cleanup()
        if stuck:
            raise RuntimeError(f"{stuck} did not end: a handler of the test still runs there")

    @property
    def connections(self) -> int:
        """The number of TCP connections accepted so far."""
        return self._listener.accepted

    def wait_connections(self, count: int, timeout: float = WAIT_LIMIT) -> None:
        """Wait until exactly ``count`` TCP connections are open, streams and idle ones together."""
        self.wait_for(
            lambda: len(self._listener.wires()) == count, timeout, f"{count} open connections"
        )

    # Sending

    def send(self, topic: str, record: Mapping[str, Any], action: str = "update") -> int:
        """Send a change to every stream with exactly this wire topic; return how many got it."""
        return sum(
            each.send_record(topic, record, action) for each in self.streams if topic in each.topics
        )

    def send_to_matching(self, name: str, record: Mapping[str, Any], action: str = "update") -> int:
        """Send a change on every topic ``name`` with any options; return the number of frames."""
        return sum(
            each.send_record(topic, record, action)
            for each in self.streams
            for topic in list(each.topics)
            if topic.partition("?")[0] == name
        )

    # Faults of the whole server

    def refuse_connections(self, streams: Streams = "keep") -> None:
        """Refuse new connections and cut those without a stream; ``streams`` for open ones."""
        self._listener.stop()
        kept = {each.wire for each in self.streams}
        for wire in self._listener.wires():
            if wire not in kept:
                wire.stop()
        self._end_streams(streams)

    def black_hole(self, streams: Streams = "keep") -> None:
        """Accept connections and answer nothing any more; kept streams stall for good."""
        self._silent = True
        for each in self.streams:
            each.stall()
        self._end_streams(streams)

    def accept_connections(self) -> None:
        """Serve new connections normally again, after one of the two methods above."""
        self._silent = False
        self._listener.start()

    def _end_streams(self, how: Streams) -> None:
        for each in self.streams:
            if how == "cut":
                each.cut()
            elif how == "reset":
                each.reset()

    # Answering

    def _serve(self, wire: Wire) -> None:
        if self._silent:
            wire.hold()
        elif wire.handshake():
            while (request := read_request(wire)) and self._answer(wire, request):
                pass

    def _answer(self, wire: Wire, request: Request) -> bool:
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
        if self._silent:
            return wire.hold()
        if request.path != "/api/realtime":
            answer = self._guarded(request)
            return (answer.gate is None or wire.hold_for(answer.gate)) and play(wire, answer)
        if request.method == "GET":
            return self._open_stream(wire, request)
        return self._subscribe(wire, request)

    def _guarded(self, request: Request) -> Answer:
        try:
            return self.answer(request)
        except Exception as error:
            self.errors.append(error)
            return problem(500, f"the test's handler raised {error!r}")

    # The realtime routes

    def _open_stream(self, wire: Wire, request: Request) -> bool:
        with self.changed:
            self.gets += 1
            number = self.gets
            answer = _scripted(self.stream_answers, self.on_stream, number)
            self.changed.notify_all()
        if answer.gate is not None and not wire.hold_for(answer.gate):
            return False
        if answer.kind != "normal":
            return play(wire, answer)
        client_id = f"client{self.port:05d}{number:029d}"  # another one at each server
        opened = Stream(wire, request, client_id, chunked=answer.chunked, leave=self._leave)
        opened.run(answer.greet, lambda: self._enter(opened))
        if answer.then is not None:
            answer.then(opened)
        return opened.watch()

    def _enter(self, opened: Stream) -> None:
        with self.changed:
            self.all_streams.append(opened)
            self.changed.notify_all()

    def _leave(self, ended: Stream, by: Literal["server", "client"]) -> None:
        with self.changed:
            ended.ended_by = ended.ended_by or by
            self.changed.notify_all()

    def _subscribe(self, wire: Wire, request: Request) -> bool:
        body = request.json()
        with self.changed:
            # Recorded and in effect at one moment, so that a test may send after wait_post.
            self.posts.append(list(body["subscriptions"]))
            answer = _scripted(self.post_answers, self.on_post, len(self.posts))
            waits = answer.gate is not None and not answer.applied
            applied = None
            if answer.applied or (answer.kind == "normal" and not waits):
                applied = self._apply(request, body)
            self.changed.notify_all()
        if answer.gate is not None and not wire.hold_for(answer.gate):
            return False
        if answer.kind == "normal":
            with self.changed:
                answer = applied or self._apply(request, body)
        alive = play(wire, answer)
        if answer.kind == "status" and answer.code == 204:
            with self.changed:
                self.accepted += 1
                self.changed.notify_all()
        return alive

    def _apply(self, request: Request, body: Mapping[str, Any]) -> Answer:
        topics: list[str] = body["subscriptions"]
        if len(topics) > MAX_TOPICS or any(len(topic) > MAX_TOPIC_LENGTH for topic in topics):
            fault = {"code": "validation_length_too_long", "message": "The length is too long."}
            return problem(400, data={"subscriptions": fault})
        stream = next((each for each in self.streams if each.client_id == body["clientId"]), None)
        if stream is None:
            return problem(404, "Missing or invalid client id.")
        identity = self.identify(request)
        if stream.auth not in ("", identity):
            return problem(403, "The current and the previous request authorization don't match.")
        stream.auth = identity
        stream.topics = list(topics)
        return status(204)


def _scripted(
    queue: deque[Answer], ask: Callable[[int], Answer | None] | None, number: int
) -> Answer:
    if queue:
        return queue.popleft()
    return (ask(number) if ask else None) or NORMAL
