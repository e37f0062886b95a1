"""Loopback ports for a server that has to get the same one again after a restart."""

from __future__ import annotations

import secrets
import socket

from rxbosbase.errors import ConnectionFailedError

__all__ = ["LOOPBACK", "free_port", "is_free"]

LOOPBACK = "127.0.0.1"

# Below the range systems take the ports of outgoing connections from. A port out of that range
# could be lost to any connection while the server is down; worse, a client that keeps trying to
# reconnect on loopback may get the very port it calls as its own, and then talks to itself.
PORTS = range(20_000, 32_000)
ATTEMPTS = 100


def is_free(port: int) -> bool:
    """True if a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that are fading away do not make a port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port nobody listens on; it may be taken before it is used.

    Raises:
        ConnectionFailedError: no free port was found.
    """
    for _ in range(ATTEMPTS):
        port = PORTS[secrets.randbelow(len(PORTS))]
        if is_free(port):
            return port
    raise ConnectionFailedError(
        f"No free port found between {PORTS.start} and {PORTS.stop}: give one with port=…"
    )
