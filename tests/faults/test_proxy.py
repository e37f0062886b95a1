"""The proxy itself: it leaves no socket open, also for connections while it closes."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from faults.proxy import HOST, FaultProxy
from support.seen import LIMIT

ROUNDS = 30


@pytest.fixture
def target() -> Iterator[str]:
    """A server that closes every connection at once."""
    with socket.create_server((HOST, 0)) as listener:

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    listener.accept()[0].close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        yield f"http://{HOST}:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT)


def test_connections_during_close_leave_no_socket(target: str) -> None:
    """A connection made while the proxy closes leaves no socket open."""
    for _ in range(ROUNDS):
        proxy = FaultProxy(target)
        knocked = threading.Event()

        def knock(port: int = proxy.port, knocked: threading.Event = knocked) -> None:
            with suppress(OSError):
                while True:
                    socket.create_connection((HOST, port), timeout=LIMIT).close()
                    knocked.set()

        thread = threading.Thread(target=knock)
        with proxy:
            thread.start()
            assert knocked.wait(LIMIT)
        thread.join(LIMIT)
    gc.collect()
