"""Connecting, by every address of a name, and waiting no longer than the timeout."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress
from typing import Any

import pytest
from support import wire_server as wire
from support.seen import run_thread

from rxbosbase import BosBase, ClientClosedError, ConnectionFailedError, RequestTimeoutError

NO_FAMILY = 9999


def answer_first(monkeypatch: pytest.MonkeyPatch, *found: tuple[Any, ...]) -> None:
    """Let the system's resolver return these addresses before its own."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *args, **options: [*found, *resolve(*args, **options)]
    )


def test_an_address_of_an_unsupported_family_is_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An address of an unsupported family is skipped and the next one tried."""
    answer_first(monkeypatch, (NO_FAMILY, socket.SOCK_STREAM, 0, "", ("::1", 1, 0, 0)))
    with wire.WireServer() as server, BosBase(server.url) as client:
        assert client.health()


def test_an_address_that_refuses_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that refuses the connection is skipped and the next one tried."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # without a listener
        answer_first(monkeypatch, (socket.AF_INET, socket.SOCK_STREAM, 0, "", unused.getsockname()))
        with wire.WireServer() as server, BosBase(server.url) as client:
            assert client.health()


def test_the_last_problem_is_raised_where_no_address_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no address of a name works, the error has the last one's problem."""
    only = [(NO_FAMILY, socket.SOCK_STREAM, 0, "", ("::1", 1, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: only)
    with (
        BosBase("http://localhost:1") as client,
        pytest.raises(ConnectionFailedError, match=r"[Aa]ddress family"),
    ):
        client.health()


@pytest.mark.parametrize(
    "answer",
    [wire.hang(), wire.status(200, "{", {"Content-Length": "100"})],
    ids=["before the head", "in mid-body"],
)
@pytest.mark.parametrize(("of_all", "of_one"), [(0.1, None), (60.0, 0.1)])
def test_a_response_that_stalls_anywhere_is_a_timeout(
    answer: wire.Answer, of_all: float, of_one: float | None
) -> None:
    """A response that stalls raises `RequestTimeoutError`; the request's own limit wins."""
    with wire.WireServer() as server, BosBase(server.url, timeout=of_all) as client:
        server.on_request = lambda _: answer
        with pytest.raises(RequestTimeoutError, match=r"no answer from .* in time") as caught:
            client.send("GET", "/api/health", timeout=of_one)
        assert isinstance(caught.value.__cause__, TimeoutError)


def test_close_ends_a_request_in_flight() -> None:
    """`close` ends a request in flight with `ClientClosedError`."""
    with wire.WireServer() as server:
        client = BosBase(server.url)
        server.on_request = lambda _: wire.hang()
        answer = run_thread(client.health)
        server.wait_for(lambda: server.requests)
        client.close()
        with pytest.raises(ClientClosedError, match="closed during the request"):
            answer()


def test_a_reset_before_tls_begins_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reset before the TLS handshake raises an error and leaves no open socket."""
    wrap = ssl.SSLContext.wrap_socket

    def wrap_later(context: ssl.SSLContext, sock: socket.socket, *args: Any, **options: Any) -> Any:
        peer, _ = listener.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with suppress(OSError):
            while sock.getpeername():
                pass
        return wrap(context, sock, *args, **options)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap_later)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with BosBase(url) as client, pytest.raises(ConnectionFailedError):
            client.health()
