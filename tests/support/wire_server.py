"""A local HTTP server that speaks the realtime protocol, and misbehaves on demand.

Real sockets and threads, nothing mocked: what a client meets here it meets the same way on the
network. Everything that happens is recorded, and can be waited for without a sleep::

    from support import wire_server as wire

    with wire.WireServer() as server:
        client = BosBase(server.url)
        client.collection("posts").observe("*").subscribe(seen.append)
        server.wait_post(1)                                   # -> ["posts/*"]; in effect now
        server.send("posts/*", {"id": "a"}, "create")         # -> 1, the streams that got it

        server.stream.cut()                                   # or .reset(), .finish(), .stall()
        server.wait_gets(2)                                   # the client came back

What comes next is scripted beforehand, one entry an answer; without one it is the ordinary::

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

``wire.make_token("user1")`` gives a token whose identity the subscribing POST recognises. A
stream's ``send_raw``, ``send_many`` and ``send_unframed`` write any bytes. Leaving the ``with``
closes all sockets, ends all threads, and raises if a handler of the test had raised.
"""

from __future__ import annotations

import errno
import socket
import ssl
import tempfile
import threading
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
from support.wire_log import WireLog
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
JOIN_LIMIT = 5.0
"""Seconds ``close`` gives each thread; only a handler of the test can need them."""

Streams = Literal["keep", "cut", "reset"]


class WireServer(WireLog, WireApi):
    """The server; see the module for its use, and the two bases for what they record and answer.

    Attributes:
        port, url: where it listens; the port stays the same while connections are refused.
        ca_file: the certificate a client has to trust (with ``tls=True``).
        stream_answers, post_answers: the coming answers to GETs and POSTs of ``/api/realtime``.
        on_stream, on_post: asked, when no answer is queued, with the number of the GET or POST.
        identify: whose request it is, ``""`` for a guest.
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
        self._send_buffer = send_buffer
        self._context: ssl.SSLContext | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._dark = False
        self._wires: dict[Wire, threading.Thread] = {}
        self._listening: tuple[socket.socket, threading.Thread] | None = None
        self._reservation = _bound(0)
        self.port: int = self._reservation.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        if self._tls:
            self._folder = tempfile.TemporaryDirectory(prefix="wire-")
            cert, key = make_certificate(Path(self._folder.name))
            self.ca_file = str(cert)
            self._context = server_context(cert, key)
        self.accept_connections()
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
        self._stop_listening()
        for each in self.streams:
            self._leave(each, "server")
        left = self._snapshot()
        for wire, _ in left:
            wire.end()
        for _, thread in left:
            thread.join(JOIN_LIMIT)
        self._reservation.close()
        if self._folder is not None:
            self._folder.cleanup()
        stuck = [thread.name for _, thread in left if thread.is_alive()]
        if stuck:
            raise RuntimeError(f"{stuck} did not end: a handler of the test still runs there")

    # Sending

    def send(self, topic: str, record: Mapping[str, Any], action: str = "update") -> int:
        """Send a change to every stream that holds exactly this wire topic; how many got it."""
        return sum(
            each.send_record(topic, record, action) for each in self.streams if topic in each.topics
        )

    def send_to_matching(self, name: str, record: Mapping[str, Any], action: str = "update") -> int:
        """Send a change on every topic that is ``name`` with any options; how many frames."""
        return sum(
            each.send_record(topic, record, action)
            for each in self.streams
            for topic in list(each.topics)
            if topic.partition("?")[0] == name
        )

    # Misbehaving as a whole

    def refuse_connections(self, streams: Streams = "keep") -> None:
        """Refuse new connections and cut those without a stream; open streams as told."""
        self._stop_listening()
        kept = {each.wire for each in self.streams}
        for wire, _ in self._snapshot():
            if wire not in kept:
                wire.stop()
        self._end_streams(streams)

    def black_hole(self, streams: Streams = "keep") -> None:
        """Accept connections and answer nothing any more; kept streams stall."""
        self._dark = True
        for each in self.streams:
            each.stall()
        self._end_streams(streams)

    def accept_connections(self) -> None:
        """Serve new connections as usual again, after one of the two above."""
        self._dark = False
        if self._listening is not None:
            return
        listener = _bound(self.port)
        if self._send_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        listener.listen(128)
        thread = threading.Thread(
            target=self._accept, args=(listener,), name="wire-accept", daemon=True
        )
        self._listening = listener, thread
        thread.start()

    def _end_streams(self, how: Streams) -> None:
        for each in self.streams:
            if how == "cut":
                each.cut()
            elif how == "reset":
                each.reset()

    # Connections

    def _stop_listening(self) -> None:
        if self._listening is None:
            return
        listener, thread = self._listening
        self._listening = None
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        thread.join(JOIN_LIMIT)
        listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError as error:
                if error.errno != errno.EINVAL:  # what a shut down listener says
                    self.errors.append(error)
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                self.connections += 1
                number = self.connections
                self.changed.notify_all()
            wire = Wire(sock, number, self._context)
            thread = threading.Thread(
                target=self._serve, args=(wire,), name=f"wire-{number}", daemon=True
            )
            wire.owner = thread
            with self.changed:
                self._wires[wire] = thread
            thread.start()

    def _snapshot(self) -> list[tuple[Wire, threading.Thread]]:
        with self.changed:
            return list(self._wires.items())

    def _serve(self, wire: Wire) -> None:
        try:
            if self._dark:
                wire.hold()
            elif wire.handshake():
                while (request := read_request(wire)) and self._answer(wire, request):
                    pass
        except Exception as error:
            self.errors.append(error)
        finally:
            wire.close()
            with self.changed:
                self._wires.pop(wire, None)
                self.changed.notify_all()

    def _answer(self, wire: Wire, request: Request) -> bool:
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
        if self._dark:
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
        opened = Stream(
            wire, request, f"client{number:034d}", chunked=answer.chunked, leave=self._leave
        )
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
        held = next((each for each in self.streams if each.client_id == body["clientId"]), None)
        if held is None:
            return problem(404, "Missing or invalid client id.")
        identity = self.identify(request)
        if held.auth not in ("", identity):
            return problem(403, "The current and the previous request authorization don't match.")
        held.auth = identity
        held.topics = list(topics)
        return status(204)


def _scripted(
    queue: deque[Answer], ask: Callable[[int], Answer | None] | None, number: int
) -> Answer:
    if queue:
        return queue.popleft()
    return (ask(number) if ask else None) or NORMAL


def _bound(port: int) -> socket.socket:
    """A bound socket that does not listen: it keeps the port and refuses connections."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock
