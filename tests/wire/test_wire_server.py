"""The scripted server without faults, tested with raw sockets and ``http.client``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from support import wire_server as wire
from support.wire_client import RawClient, ask, subscribe


def test_a_stream_begins_with_the_client_id_as_one_chunk(server: wire.WireServer) -> None:
    """A stream of `WireServer` begins with PB_CONNECT and its client id in one chunk."""
    with RawClient(server) as client:
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
    """A POST replaces the topics, and events are sent for exactly those."""
    filtered = "posts/*?options=%7B%7D"
    with RawClient(server) as client:
        name = client.open_stream()
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
    """More than 1000 topics, or one of more than 2500 bytes, are refused with 400."""
    with RawClient(server) as client:
        assert subscribe(server, client.open_stream(), *topics)[0] == code


def test_an_unknown_client_is_not_found(server: wire.WireServer) -> None:
    """A POST of topics for an unknown client id gets 404."""
    code, body = subscribe(server, "nobody", "posts/*")
    assert code == 404
    assert json.loads(body)["status"] == 404


def test_a_stream_takes_an_identity_once(server: wire.WireServer) -> None:
    """A stream without a login takes an identity once; a POST of another one gets 403."""
    ann, again, bob = wire.make_token("ann"), wire.make_token("ann", n=2), wire.make_token("bob")
    assert ann != again
    with RawClient(server) as client:
        name = client.open_stream()
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
    """Requests are recorded with path, query, headers, body, connection and time."""
    with RawClient(server) as client:
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
    """List and record reads of a collection return the scripted status or records."""
    server.collections["posts"] = script
    assert ask(server, "GET", "/api/collections/posts/records?perPage=1")[0] == list_code
    assert ask(server, "GET", "/api/collections/posts/records/r1")[0] == one_code


def test_unscripted_routes_answer_like_an_empty_server(server: wire.WireServer) -> None:
    """A route without a script gets the response of a server without records."""
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
    """A scripted response of a collection or request can wait for a `Gate`."""
    gate = wire.Gate()
    if by == "collection":
        server.collections["posts"] = wire.delay(gate)
    else:
        server.on_request = lambda _: wire.delay(gate)
    with RawClient(server) as client:
        client.ask("GET", "/api/collections/posts/records")
        server.wait_requests(1)
        assert client.silent()
        gate.set()
        client.until(b'"items":[]}')


def test_logging_in_and_refreshing_give_new_tokens_of_one_identity(
    server: wire.WireServer,
) -> None:
    """A login and a refresh return different tokens of the same identity."""
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
    with RawClient(server) as client:
        name = client.open_stream()
        assert subscribe(server, name, auth=first["token"])[0] == 204
        assert subscribe(server, name, auth=second["token"])[0] == 204
