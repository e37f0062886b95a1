"""The faults of the scripted server: every way to end, refuse, hang and close."""

from __future__ import annotations

import contextlib
import gc
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support import wire_server as wire
from support.wire_client import CLIENT_LIMIT, RawClient, ask, subscribe


def test_a_finished_stream_ends_its_body_and_keeps_the_connection(
    server: wire.WireServer,
) -> None:
    """`finish` ends the body of a stream and keeps its connection usable."""
    with RawClient(server) as client:
        name = client.open_stream()
        server.stream.finish()
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"
        assert server.streams == []
        assert subscribe(server, name, "t")[0] == 404
        client.ask("GET", "/api/health")
        assert client.until(b"\r\n").startswith(b"HTTP/1.1 200")
        assert client.open_stream() != name
        assert server.requests[-1].connection == 1


def test_a_cut_ends_the_stream_without_its_last_chunk(server: wire.WireServer) -> None:
    """`cut` closes a stream's connection without the last chunk."""
    with RawClient(server) as client:
        client.open_stream()
        held = server.stream
        held.send_unframed(b"ff\r\nhalf")
        held.cut()
        assert client.rest() == b"ff\r\nhalf"
        assert held.ended_by == "server"
        assert not held.send_frame("t", {})


def test_a_reset_is_a_reset(server: wire.WireServer) -> None:
    """`reset` ends a stream with a TCP reset."""
    with RawClient(server) as client:
        client.open_stream()
        server.stream.reset()
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_a_client_that_leaves_is_noticed(server: wire.WireServer) -> None:
    """A stream whose client disconnects is removed and marked as ended by the client."""
    with RawClient(server) as client:
        client.open_stream()
        (held,) = server.wait_streams(1)
    assert server.wait_streams(0) == []
    assert held.ended_by == "client"


def test_a_stalled_stream_stays_open_and_says_nothing(server: wire.WireServer) -> None:
    """A stream after `stall` stays open and sends nothing."""
    with RawClient(server) as client:
        client.open_stream()
        server.stream.stall()
        assert not server.stream.send_frame("t", {})
        assert client.silent()


def test_many_frames_are_chunks_of_their_own_in_one_write(server: wire.WireServer) -> None:
    """`send_many` sends each frame as a chunk of its own."""
    with RawClient(server) as client:
        client.open_stream()
        frames = [server.stream.frame("t", str(n)) for n in range(3)]
        assert server.stream.send_many(frames)
        for each in frames:
            assert client.until(b"\n\n\r\n") == wire.chunk(each)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (wire.status(500), b"HTTP/1.1 500 "),
        (wire.status(429, headers={"Retry-After": "1"}), b"Retry-After: 1\r\n"),
        (wire.status(302, headers={"Location": "http://x/"}), b"Location: http://x/\r\n"),
        (wire.status(200, "<html>", {"Content-Type": "text/html"}), b"\r\n\r\n<html>"),
        (wire.problem(400, "No."), b'{"status":400,"message":"No.","data":{}}'),
        (wire.raw(b"rubbish"), b"rubbish"),
    ],
)
def test_the_next_answer_alone_is_the_scripted_one(
    server: wire.WireServer, answer: wire.Answer, expected: bytes
) -> None:
    """A scripted response is used for the next GET or POST of the realtime API alone."""
    server.stream_answers.append(answer)
    with RawClient(server) as client:
        client.ask()
        client.until(expected)
        assert server.streams == []
    with RawClient(server) as client:
        client.open_stream()
    server.post_answers.append(answer)
    with RawClient(server) as client:
        client.ask("POST", body=b'{"clientId":"x","subscriptions":["t"]}')
        client.until(expected)
    assert server.posts == [["t"]]
    assert server.accepted == 0


def test_a_dropped_request_ends_and_a_reset_one_is_reset(server: wire.WireServer) -> None:
    """`drop` closes a request's connection without a response, `reset` resets it."""
    server.stream_answers.extend([wire.drop(), wire.reset()])
    with RawClient(server) as client:
        client.ask()
        assert client.rest() == b""
    with RawClient(server) as client:
        client.ask()
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_a_hanging_request_is_not_answered(server: wire.WireServer) -> None:
    """A request scripted with `hang` gets no response; its connection stays open."""
    server.stream_answers.append(wire.hang())
    with RawClient(server) as client:
        client.ask()
        server.wait_gets(1)
        assert client.silent()
        server.wait_connections(1)
    server.wait_connections(0)


def test_on_stream_and_on_post_are_asked_with_the_number(server: wire.WireServer) -> None:
    """`on_stream` and `on_post` are called with the number of the GET or POST."""
    server.on_stream = lambda n: wire.status(503) if n < 3 else None
    server.on_post = lambda n: wire.status(500) if n == 1 else None
    assert [ask(server, "GET", "/api/realtime")[0] for _ in range(2)] == [503, 503]
    with RawClient(server) as client:
        name = client.open_stream()
        assert [subscribe(server, name, "t")[0] for _ in range(2)] == [500, 204]
        assert server.stream.topics == ["t"]


def test_a_stream_may_be_opened_without_a_greeting(server: wire.WireServer) -> None:
    """`stream(greet=False)` opens a stream without PB_CONNECT."""
    server.stream_answers.append(wire.stream(greet=False))
    with RawClient(server) as client:
        client.ask()
        client.until(b"\r\n\r\n")
        server.wait_streams(1)
        server.stream.send_raw(b": hello\n\n")
        assert client.until(b"\n\n\r\n") == wire.chunk(b": hello\n\n")


def test_a_stream_without_chunks_ends_with_its_connection(server: wire.WireServer) -> None:
    """`stream(chunked=False)` sends plain data; its end closes the connection."""
    server.stream_answers.append(wire.stream(chunked=False))
    with RawClient(server) as client:
        client.ask()
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.0 200 OK")
        client.until(b"\n\n")
        server.stream.send_raw(b"plain")
        server.stream.finish()
        assert client.rest() == b"plain"


@pytest.mark.parametrize("end", [wire.Stream.finish, wire.Stream.cut])
def test_a_stream_may_end_right_after_its_greeting(
    server: wire.WireServer, end: Callable[[wire.Stream], None]
) -> None:
    """`stream(then=...)` can finish or cut a stream right after PB_CONNECT."""
    server.stream_answers.append(wire.stream(then=end))
    with RawClient(server) as client:
        client.open_stream()
        if end is wire.Stream.cut:
            assert client.rest() == b""
        else:
            client.until(b"0\r\n\r\n")


def test_a_delayed_post_takes_effect_when_its_gate_opens(server: wire.WireServer) -> None:
    """A delayed POST sets the topics and gets its response when its gate opens."""
    gate = wire.Gate()
    server.post_answers.append(wire.delay(gate))
    with RawClient(server) as stream, RawClient(server) as client:
        body = {"clientId": stream.open_stream(), "subscriptions": ["t"]}
        client.ask("POST", body=json.dumps(body).encode())
        server.wait_post(1)
        assert client.silent()
        assert server.stream.topics == []
        gate.set()
        client.until(b"HTTP/1.1 204 ")
        assert server.stream.topics == ["t"]
        server.wait_accepted(1)


def test_a_post_may_take_effect_without_an_answer(server: wire.WireServer) -> None:
    """`applied_then(drop())` sets the topics and closes without a response."""
    server.post_answers.append(wire.applied_then(wire.drop()))
    with RawClient(server) as client:
        name = client.open_stream()
        with pytest.raises(http.client.RemoteDisconnected):
            subscribe(server, name, "t")
        assert server.stream.topics == ["t"]
        assert server.accepted == 0


@pytest.mark.parametrize("streams", ["keep", "cut", "reset"])
def test_refusing_keeps_the_port_and_treats_open_streams_as_told(
    server: wire.WireServer, streams: Any
) -> None:
    """`refuse_connections` keeps, cuts or resets the open streams and keeps the port."""
    with RawClient(server) as client, RawClient(server) as idle:
        client.open_stream()
        idle.ask("GET", "/api/health")
        idle.until(b"{}}")
        server.refuse_connections(streams)
        assert idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            RawClient(server)
        if streams == "keep":
            assert server.stream.send_frame("t", "x")
            client.until(b"data:x\n\n\r\n")
        elif streams == "cut":
            assert client.rest() == b""
        else:
            with pytest.raises(ConnectionResetError):
                client.rest()
        server.accept_connections()
        assert ask(server, "GET", "/api/health")[0] == 200


def test_a_black_hole_accepts_and_never_answers() -> None:
    """After `black_hole` connections are accepted but nothing is sent any more."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(wire.WireServer())
        with RawClient(server) as client, RawClient(server) as kept_alive:
            client.open_stream()
            kept_alive.ask("GET", "/api/health")
            kept_alive.until(b"{}}")
            server.black_hole()
            with RawClient(server) as late:
                late.ask("GET", "/api/health")
                server.wait_connections(3)
                kept_alive.ask("GET", "/api/health")
                server.wait_requests(2, "/api/health")
                assert not server.stream.send_frame("t", {})
                stack.close()
                # All is closed now: these are all bytes that were sent.
                assert [kept_alive.rest(), client.rest()] == [b"", b""]
                with pytest.raises(ConnectionResetError):  # it was not even read
                    late.rest()


def test_a_black_hole_can_be_left(server: wire.WireServer) -> None:
    """`accept_connections` ends `black_hole`: requests get responses again."""
    server.black_hole()
    server.accept_connections()
    assert ask(server, "GET", "/api/health")[0] == 200


def test_tls_carries_streams_and_verifies_with_the_ca_file() -> None:
    """With `tls=True` streams work, and `ca_file` verifies the certificate."""
    with wire.WireServer(tls=True) as server:
        context = ssl.create_default_context(cafile=server.ca_file)
        plain = socket.create_connection(("127.0.0.1", server.port), CLIENT_LIMIT)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
            client = RawClient(server, sock)
            client.open_stream()
            frames = [server.stream.frame("t", "x" * 1000)] * 500
            sender = threading.Thread(target=server.stream.send_many, args=(frames,))
            sender.start()
            for _ in frames:
                client.until(b"\n\n\r\n")
            sender.join(CLIENT_LIMIT)
        server.wait_streams(0)
        with socket.create_connection(("127.0.0.1", server.port), CLIENT_LIMIT) as plain:
            plain.sendall(b"no handshake at all\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                plain.recv(100)
    assert server.errors == []


def test_a_missing_openssl_skips_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `openssl`, `tls=True` skips the test with `NOT TESTED`."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.skip.Exception, match="NOT TESTED"):
        wire.WireServer(tls=True).__enter__()


def test_waiting_in_vain_tells_what_did_happen(server: wire.WireServer) -> None:
    """A wait that times out raises an error with what the server received."""
    ask(server, "GET", "/api/health")
    with pytest.raises(TimeoutError, match=r"without POST 1; gets=0 .*'GET /api/health'"):
        server.wait_post(1, timeout=0.01)


def test_a_handler_that_raises_fails_the_test_that_wrote_it() -> None:
    """An error of a scripted handler gives 500 and is raised when the server closes."""

    def broken(_: wire.Request) -> int:
        raise KeyError("the test's own mistake")

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(wire.WireServer())
        server.collections["posts"] = broken
        assert ask(server, "GET", "/api/collections/posts/records")[0] == 500
        with pytest.raises(KeyError, match="own mistake"):
            stack.pop_all().close()


def test_a_writer_held_up_by_a_slow_reader_is_freed_by_the_end_of_the_stream() -> None:
    """`reset` ends a `send_many` that waits for a slow reader; it returns False."""
    with wire.WireServer(send_buffer=4096) as server, RawClient(server) as client:
        client.open_stream()
        held = server.stream
        results: list[bool] = []
        frames = [held.frame("t", "x" * 100_000)] * 200
        sender = threading.Thread(target=lambda: results.append(held.send_many(frames)))
        sender.start()
        client.until(b"xxx")
        held.reset()
        sender.join(CLIENT_LIMIT)
        assert results == [False]


@pytest.mark.filterwarnings("error")
def test_close_ends_every_thread_and_socket_whatever_they_are_at() -> None:
    """`close` ends every thread and socket, whatever they wait for."""
    before = set(threading.enumerate())
    gate = wire.Gate()
    server = wire.WireServer()
    with server:
        server.post_answers.extend([wire.hang(), wire.delay(gate)])
        clients = [RawClient(server) for _ in range(5)]
        clients[0].open_stream()
        for client in clients[1:3]:
            client.ask("POST", body=b'{"clientId":"x","subscriptions":[]}')
        clients[3].sock.sendall(b"GET /half")
        server.wait_post(2)
        server.black_hole()
        clients.append(RawClient(server))
        server.wait_for(lambda: server.connections == 6)
    server.close()
    assert set(threading.enumerate()) <= before
    assert server.stream_answers == server.post_answers == type(server.post_answers)()
    for client in clients:
        client.sock.close()
    gc.collect()
