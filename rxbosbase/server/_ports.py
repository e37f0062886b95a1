"""Loopback ports that a server can use again after a restart."""

from __future__ import annotations

import secrets
import socket

from rxbosbase.errors import ConnectionFailedError

__all__ = ("LOOPBACK", "free_port", "is_free")

LOOPBACK = "127.0.0.1"

# Below the range from which systems choose the ports of outgoing connections. Any connection could
# use a port of that range while the server is down; a client that reconnects on loopback may even
# get the port that it connects to as its own, and then be connected to itself.
PORTS = range(20_000, 32_000)
ATTEMPTS = 100


def is_free(port: int) -> bool:
    """Return True if a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections in TIME_WAIT do not make a port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a loopback port on which no program listens; another may use it before the caller.

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
