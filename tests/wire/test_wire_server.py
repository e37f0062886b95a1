"""The scripted server itself, met with raw sockets and ``http.client``."""

from __future__ import annotations

import contextlib
import gc
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from support import wire_server as wire

CLIENT_LIMIT = 5.0
HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def server() -> Iterator[wire.WireServer]:
    with wire.WireServer() as started:
        yield started


class Raw:
    """A client that sees every byte."""

    def __init__(self, server: wire.WireServer) -> None:
        self.sock = socket.create_connection(("127.0.0.1", server.port), CLIENT_LIMIT)
        self.got = b""

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, method: str = "GET", path: str = "/api/realtime", body: bytes = b"") -> None:
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self.sock.sendall(head.encode() + body)

    def until(self, mark: bytes) -> bytes:
        while mark not in self.got:
            data = self.sock.recv(65536)
            assert data, f"ended before {mark!r}: {self.got!r}"
            self.got += data
        head, _, self.got = self.got.partition(mark)
        return head + mark

    def rest(self) -> bytes:
        while data := self.sock.recv(65536):
            self.got += data
        return self.got

    def listen(self) -> str:
        """Open a stream; its client id."""
        self.ask()
        self.until(b"\r\n\r\n")
        return client_id_of(self.until(b"\n\n\r\n"))

    def silent(self) -> bool:
        """Nothing more has come, and the connection is open."""
        self.sock.setblocking(False)
        try:
            return not self.sock.recv(1) and False
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(CLIENT_LIMIT)


def client_id_of(frame: bytes) -> str:
    data = frame.split(b"data:")[1].split(b"\n")[0]
    return str(json.loads(data)["clientId"])


def ask(
    server: wire.WireServer,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=CLIENT_LIMIT)
    text = None if body is None else json.dumps(body)
    try:
        connection.request(method, path, text, {**HEADERS, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def subscribe(
    server: wire.WireServer, client_id: str, *topics: str, auth: str = ""
) -> tuple[int, bytes]:
    body = {"clientId": client_id, "subscriptions": list(topics)}
    return ask(server, "POST", "/api/realtime", body, {"Authorization": auth} if auth else {})


def test_a_stream_begins_with_the_client_id_as_one_chunk(server: wire.WireServer) -> None:
    with Raw(server) as client:
        client.ask()
        head = client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Type: text/event-stream\r\n" in head
        assert b"Transfer-Encoding: chunked\r\n" in head
        size = int(client.until(b"\r\n"), 16)
        frame = client.until(b"\n\n\r\n")[:-2]
        assert len(frame) == size
        name = server.stream.client_id
        assert len(name) == 40
        assert frame == f'id:{name}\nevent:PB_CONNECT\ndata:{{"clientId":"{name}"}}\n\n'.encode()


def test_a_post_replaces_the_topics_and_events_reach_exactly_those(
    server: wire.WireServer,
) -> None:
    filtered = "posts/*?options=%7B%7D"
    with Raw(server) as client:
        name = client.listen()
        assert subscribe(server, name, "old/*") == (204, b"")
        assert subscribe(server, name, "posts/*", filtered) == (204, b"")
        assert server.posts == [["old/*"], ["posts/*", filtered]]
        server.wait_accepted(2)
        assert server.send("old/*", {"id": "a"}) == 0
        assert server.send("posts/*", {"id": "ä"}, "create") == 1
        client.until(b"\r\n")
        expected = f'id:{name}\nevent:posts/*\ndata:{{"record":{{"id":"ä"}},"action":"create"}}\n\n'
        assert client.until(b"\n\n") == expected.encode()
        assert server.send_to_matching("posts/*", {"id": "b"}) == 2
        assert b"event:posts/*\n" in client.until(b"\n\n")
        assert f"event:{filtered}\n".encode() in client.until(b"\n\n")


@pytest.mark.parametrize(
    ("topics", "code"),
    [
        (["t"] * 1000, 204),
        (["t"] * 1001, 400),
        (["x" * 2500], 204),
        (["x" * 2501], 400),
    ],
)
def test_too_many_or_too_long_topics_are_refused(
    server: wire.WireServer, topics: list[str], code: int
) -> None:
    with Raw(server) as client:
        assert subscribe(server, client.listen(), *topics)[0] == code


def test_an_unknown_client_is_not_found(server: wire.WireServer) -> None:
    code, body = subscribe(server, "nobody", "posts/*")
    assert code == 404
    assert json.loads(body)["status"] == 404


def test_only_a_guest_may_become_someone_else(server: wire.WireServer) -> None:
    ann, again, bob = wire.make_token("ann"), wire.make_token("ann", n=2), wire.make_token("bob")
    assert ann != again
    with Raw(server) as client:
        name = client.listen()
        assert subscribe(server, name, "t")[0] == 204
        assert subscribe(server, name, "t", auth=ann)[0] == 204
        assert subscribe(server, name, "t", auth=again)[0] == 204
        assert subscribe(server, name, "t", auth=bob)[0] == 403
        assert subscribe(server, name, "t")[0] == 403
        server.stream.auth = ""
        expired = wire.make_token("ann", exp=time.time() - 1)
        assert subscribe(server, name, "t", auth=expired)[0] == 204
        assert server.stream.auth == ""


def test_requests_are_recorded_with_query_headers_body_and_connection(
    server: wire.WireServer,
) -> None:
    with Raw(server) as client:
        for body in (b'{"a":1}', b"{}"):
            client.ask("POST", "/api/collections/p%20q/records?filter=a%3D%22b%26c%22&x=", body)
            client.until(b"}")
    first, second = server.requests
    assert (first.method, first.path) == ("POST", "/api/collections/p q/records")
    assert first.query == {"filter": 'a="b&c"', "x": ""}
    assert first.headers["host"] == "x"
    assert first.json() == {"a": 1}
    assert first.connection == second.connection == server.connections == 1
    assert first.time <= second.time


Script = int | list[dict[str, Any]] | dict[str, Any] | Callable[[wire.Request], int]


@pytest.mark.parametrize(
    ("script", "list_code", "one_code"),
    [
        (200, 200, 200),
        (403, 403, 403),
        (404, 404, 404),
        ([{"id": "r1"}], 200, 200),
        ([{"id": "r2"}], 200, 404),
        ({"any": "thing"}, 200, 200),
        (lambda request: 403 if request.path.endswith("r1") else 200, 200, 403),
    ],
)
def test_a_collection_answers_as_scripted(
    server: wire.WireServer, script: Script, list_code: int, one_code: int
) -> None:
    server.collections["posts"] = script
    assert ask(server, "GET", "/api/collections/posts/records?perPage=1")[0] == list_code
    assert ask(server, "GET", "/api/collections/posts/records/r1")[0] == one_code


def test_unscripted_routes_answer_like_an_empty_server(server: wire.WireServer) -> None:
    assert ask(server, "GET", "/api/health")[0] == 200
    assert ask(server, "GET", "/nowhere")[0] == 404
    code, body = ask(server, "GET", "/api/collections/posts/records")
    assert (code, json.loads(body)["items"]) == (200, [])
    assert ask(server, "DELETE", "/api/collections/posts/records/x") == (204, b"")
    server.on_request = lambda request: 418 if request.path == "/api/health" else None
    assert ask(server, "GET", "/api/health")[0] == 418
    assert ask(server, "GET", "/nowhere")[0] == 404


@pytest.mark.parametrize("by", ["collection", "request"])
def test_an_ordinary_answer_may_wait_for_a_gate(server: wire.WireServer, by: str) -> None:
    gate = wire.Gate()
    if by == "collection":
        server.collections["posts"] = wire.delay(gate)
    else:
        server.on_request = lambda _: wire.delay(gate)
    with Raw(server) as client:
        client.ask("GET", "/api/collections/posts/records")
        server.wait_requests(1)
        assert client.silent()
        gate.set()
        client.until(b'"items":[]}')


def test_logging_in_and_refreshing_give_new_tokens_of_one_identity(
    server: wire.WireServer,
) -> None:
    server.passwords["ann@example.com"] = "right"
    path = "/api/collections/users/"
    login = {"identity": "ann@example.com", "password": "wrong"}
    assert ask(server, "POST", path + "auth-with-password", login)[0] == 400
    login["password"] = "right"
    _, body = ask(server, "POST", path + "auth-with-password", login)
    first = json.loads(body)
    auth = {"Authorization": first["token"]}
    second = json.loads(ask(server, "POST", path + "auth-refresh", headers=auth)[1])
    assert first["record"] == second["record"]
    assert first["token"] != second["token"]
    assert ask(server, "POST", path + "auth-refresh")[0] == 401
    with Raw(server) as client:
        name = client.listen()
        assert subscribe(server, name, auth=first["token"])[0] == 204
        assert subscribe(server, name, auth=second["token"])[0] == 204


def test_a_finished_stream_ends_its_body_and_keeps_the_connection(
    server: wire.WireServer,
) -> None:
    with Raw(server) as client:
        name = client.listen()
        server.stream.finish()
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"
        assert server.streams == []
        assert subscribe(server, name, "t")[0] == 404
        client.ask("GET", "/api/health")
        assert client.until(b"\r\n").startswith(b"HTTP/1.1 200")
        assert client.listen() != name
        assert server.requests[-1].connection == 1


def test_a_cut_ends_the_stream_without_its_last_chunk(server: wire.WireServer) -> None:
    with Raw(server) as client:
        client.listen()
        held = server.stream
        held.send_unframed(b"ff\r\nhalf")
        held.cut()
        assert client.rest() == b"ff\r\nhalf"
        assert held.ended_by == "server"
        assert not held.send_frame("t", {})


def test_a_reset_is_a_reset(server: wire.WireServer) -> None:
    with Raw(server) as client:
        client.listen()
        server.stream.reset()
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_a_client_that_leaves_is_noticed(server: wire.WireServer) -> None:
    with Raw(server) as client:
        client.listen()
        (held,) = server.wait_streams(1)
    assert server.wait_streams(0) == []
    assert held.ended_by == "client"


def test_a_stalled_stream_stays_open_and_says_nothing(server: wire.WireServer) -> None:
    with Raw(server) as client:
        client.listen()
        server.stream.stall()
        assert not server.stream.send_frame("t", {})
        assert client.silent()


def test_many_frames_are_chunks_of_their_own_in_one_write(server: wire.WireServer) -> None:
    with Raw(server) as client:
        client.listen()
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
    server.stream_answers.append(answer)
    with Raw(server) as client:
        client.ask()
        client.until(expected)
        assert server.streams == []
    with Raw(server) as client:
        client.listen()
    server.post_answers.append(answer)
    with Raw(server) as client:
        client.ask("POST", body=b'{"clientId":"x","subscriptions":["t"]}')
        client.until(expected)
    assert server.posts == [["t"]]
    assert server.accepted == 0


def test_a_dropped_request_ends_and_a_reset_one_is_reset(server: wire.WireServer) -> None:
    server.stream_answers.extend([wire.drop(), wire.reset()])
    with Raw(server) as client:
        client.ask()
        assert client.rest() == b""
    with Raw(server) as client:
        client.ask()
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_a_hanging_request_is_not_answered(server: wire.WireServer) -> None:
    server.stream_answers.append(wire.hang())
    with Raw(server) as client:
        client.ask()
        server.wait_gets(1)
        assert client.silent()
        server.wait_connections(1)
    server.wait_connections(0)


def test_on_stream_and_on_post_are_asked_with_the_number(server: wire.WireServer) -> None:
    server.on_stream = lambda n: wire.status(503) if n < 3 else None
    server.on_post = lambda n: wire.status(500) if n == 1 else None
    assert [ask(server, "GET", "/api/realtime")[0] for _ in range(2)] == [503, 503]
    with Raw(server) as client:
        name = client.listen()
        assert [subscribe(server, name, "t")[0] for _ in range(2)] == [500, 204]
        assert server.stream.topics == ["t"]


def test_a_stream_may_be_opened_without_a_greeting(server: wire.WireServer) -> None:
    server.stream_answers.append(wire.stream(greet=False))
    with Raw(server) as client:
        client.ask()
        client.until(b"\r\n\r\n")
        server.wait_streams(1)
        server.stream.send_raw(b": hello\n\n")
        assert client.until(b"\n\n\r\n") == wire.chunk(b": hello\n\n")


def test_a_stream_without_chunks_ends_with_its_connection(server: wire.WireServer) -> None:
    server.stream_answers.append(wire.stream(chunked=False))
    with Raw(server) as client:
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
    server.stream_answers.append(wire.stream(then=end))
    with Raw(server) as client:
        client.listen()
        if end is wire.Stream.cut:
            assert client.rest() == b""
        else:
            client.until(b"0\r\n\r\n")


def test_a_delayed_post_takes_effect_when_its_gate_opens(server: wire.WireServer) -> None:
    gate = wire.Gate()
    server.post_answers.append(wire.delay(gate))
    with Raw(server) as stream, Raw(server) as client:
        body = {"clientId": stream.listen(), "subscriptions": ["t"]}
        client.ask("POST", body=json.dumps(body).encode())
        server.wait_post(1)
        assert client.silent()
        assert server.stream.topics == []
        gate.set()
        client.until(b"HTTP/1.1 204 ")
        assert server.stream.topics == ["t"]
        server.wait_accepted(1)


def test_a_post_may_take_effect_without_an_answer(server: wire.WireServer) -> None:
    server.post_answers.append(wire.applied_then(wire.drop()))
    with Raw(server) as client:
        name = client.listen()
        with pytest.raises(http.client.RemoteDisconnected):
            subscribe(server, name, "t")
        assert server.stream.topics == ["t"]
        assert server.accepted == 0


@pytest.mark.parametrize("streams", ["keep", "cut", "reset"])
def test_refusing_keeps_the_port_and_treats_open_streams_as_told(
    server: wire.WireServer, streams: Any
) -> None:
    with Raw(server) as client, Raw(server) as idle:
        client.listen()
        idle.ask("GET", "/api/health")
        idle.until(b"{}}")
        server.refuse_connections(streams)
        assert idle.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            Raw(server)
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
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(wire.WireServer())
        with Raw(server) as client, Raw(server) as kept_alive:
            client.listen()
            kept_alive.ask("GET", "/api/health")
            kept_alive.until(b"{}}")
            server.black_hole()
            with Raw(server) as late:
                late.ask("GET", "/api/health")
                server.wait_connections(3)
                kept_alive.ask("GET", "/api/health")
                server.wait_requests(2, "/api/health")
                assert not server.stream.send_frame("t", {})
                stack.close()
                # All is closed now: this is everything that was ever said.
                assert [kept_alive.rest(), client.rest()] == [b"", b""]
                with pytest.raises(ConnectionResetError):  # it was not even read
                    late.rest()


def test_a_black_hole_can_be_left(server: wire.WireServer) -> None:
    server.black_hole()
    server.accept_connections()
    assert ask(server, "GET", "/api/health")[0] == 200


def test_tls_carries_streams_and_verifies_with_the_ca_file() -> None:
    with wire.WireServer(tls=True) as server:
        context = ssl.create_default_context(cafile=server.ca_file)
        plain = socket.create_connection(("127.0.0.1", server.port), CLIENT_LIMIT)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
            client = Raw.__new__(Raw)
            client.sock, client.got = sock, b""
            client.listen()
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
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.skip.Exception, match="NOT TESTED"):
        wire.WireServer(tls=True).__enter__()


def test_waiting_in_vain_tells_what_did_happen(server: wire.WireServer) -> None:
    ask(server, "GET", "/api/health")
    with pytest.raises(TimeoutError, match=r"without POST 1; gets=0 .*'GET /api/health'"):
        server.wait_post(1, timeout=0.01)


def test_a_handler_that_raises_fails_the_test_that_wrote_it() -> None:
    def broken(_: wire.Request) -> int:
        raise KeyError("the test's own mistake")

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(wire.WireServer())
        server.collections["posts"] = broken
        assert ask(server, "GET", "/api/collections/posts/records")[0] == 500
        with pytest.raises(KeyError, match="own mistake"):
            stack.pop_all().close()


def test_a_writer_held_up_by_a_slow_reader_is_freed_by_the_end_of_the_stream() -> None:
    with wire.WireServer(send_buffer=4096) as server, Raw(server) as client:
        client.listen()
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
    before = set(threading.enumerate())
    gate = wire.Gate()
    server = wire.WireServer()
    with server:
        server.post_answers.extend([wire.hang(), wire.delay(gate)])
        clients = [Raw(server) for _ in range(5)]
        clients[0].listen()
        for client in clients[1:3]:
            client.ask("POST", body=b'{"clientId":"x","subscriptions":[]}')
        clients[3].sock.sendall(b"GET /half")
        server.wait_post(2)
        server.black_hole()
        clients.append(Raw(server))
        server.wait_for(lambda: server.connections == 6)
    server.close()
    assert set(threading.enumerate()) <= before
    assert server.stream_answers == server.post_answers == type(server.post_answers)()
    for client in clients:
        client.sock.close()
    gc.collect()
