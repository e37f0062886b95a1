"""The network's effect on a request in flight, and that of an abandoned request on the network."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from support import wire_server as wire

from rxbosbase import BosBase, BosBaseError, ConnectionFailedError, ProtocolError
from rxbosbase.errors import AnswerTooLargeError


def lose_host(*_: Any) -> NoReturn:
    """Raise the system's error for a host that has not responded for long enough."""
    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def lose_while_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lose_host)


def lose_before_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.SocketIO, "readinto", lose_host)


def lose_in_mid_body(monkeypatch: pytest.MonkeyPatch) -> None:
    read = socket.SocketIO.readinto
    received = bytearray()

    def readinto(self: socket.SocketIO, buffer: Any) -> int | None:
        if b"\r\n\r\n" in received:
            lose_host()
        count = read(self, buffer)
        received.extend(memoryview(buffer)[: count or 0])
        return count

    monkeypatch.setattr(socket.SocketIO, "readinto", readinto)


@pytest.mark.parametrize("lose", [lose_while_connecting, lose_before_the_head, lose_in_mid_body])
def test_a_timeout_of_the_system_is_a_failed_connection(
    monkeypatch: pytest.MonkeyPatch, lose: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """An ETIMEDOUT of the system raises `ConnectionFailedError`, not a timeout."""
    with wire.WireServer() as server, BosBase(server.url) as client:
        server.on_request = lambda _: wire.status(200, "{", {"Content-Length": "100"})
        lose(monkeypatch)
        with pytest.raises(ConnectionFailedError, match=os.strerror(errno.ETIMEDOUT)) as caught:
            client.health()
        assert isinstance(caught.value.__cause__, TimeoutError)
        assert caught.value.__cause__.errno == errno.ETIMEDOUT


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Content-Length": "1000000000"}, AnswerTooLargeError),
        ({"Content-Encoding": "br"}, ProtocolError),
    ],
    ids=["too large", "in an encoding"],
)
def test_a_refused_response_closes_its_connection(
    headers: dict[str, str], kind: type[BosBaseError]
) -> None:
    """A response that is too large or in an unknown encoding closes its connection."""
    with wire.WireServer() as server, BosBase(server.url) as client:
        server.on_request = lambda _: wire.status(200, "{", {"Content-Length": "100", **headers})
        with pytest.raises(kind) as caught:
            client.health()
        error = caught.value  # as a program may keep it: its traceback holds the open response
        server.wait_connections(0)
        assert (server.connections, type(error)) == (1, kind)
