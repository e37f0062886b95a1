"""The listening socket of the wire server, and the connections it has accepted."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
from collections.abc import Callable

from support.wire_socket import Wire

__all__ = ["Listener"]

JOIN_LIMIT = 5.0
"""Seconds a thread gets to end; only a handler of the test can need them."""
BACKLOG = 128
HOST = "127.0.0.1"


class Listener:
    """Accepts on one port that it keeps for its whole life, also while it refuses.

    Attributes:
        port: the port of 127.0.0.1.
        context: the TLS settings, or None for plain TCP; set before ``start``.
        accepted: how many connections there have been.
    """

    def __init__(
        self,
        serve: Callable[[Wire], None],
        changed: threading.Condition,
        errors: list[BaseException],
        send_buffer: int | None,
    ) -> None:
        """``serve`` gets each connection in a thread of its own, and may raise."""
        self.context: ssl.SSLContext | None = None
        self.accepted = 0
        self._serve = serve
        self._changed = changed
        self._errors = errors
        self._send_buffer = send_buffer
        self._wires: dict[Wire, threading.Thread] = {}
        self._running: tuple[socket.socket, threading.Thread] | None = None
        # Bound but not listening: it refuses connections, and no other process gets the port.
        self._reservation = _bound(0)
        self.port: int = self._reservation.getsockname()[1]

    def start(self) -> None:
        """Accept connections. Nothing happens if it does so already."""
        if self._running is not None:
            return
        sock = _bound(self.port)
        if self._send_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        sock.listen(BACKLOG)
        thread = threading.Thread(
            target=self._accept, args=(sock,), name="wire-accept", daemon=True
        )
        self._running = sock, thread
        thread.start()

    def stop(self) -> None:
        """Refuse connections from now on; those accepted stay."""
        if self._running is None:
            return
        sock, thread = self._running
        self._running = None
        sock.shutdown(socket.SHUT_RDWR)  # wakes accept()
        thread.join(JOIN_LIMIT)
        sock.close()

    def wires(self) -> list[Wire]:
        """The open connections, oldest first."""
        with self._changed:
            return list(self._wires)

    def close(self) -> list[str]:
        """Refuse, end every connection and its thread; the names of threads that did not end."""
        self.stop()
        with self._changed:
            left = list(self._wires.items())
        for wire, _ in left:
            wire.end()
        for _, thread in left:
            thread.join(JOIN_LIMIT)
        self._reservation.close()
        return [thread.name for _, thread in left if thread.is_alive()]

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError as error:
                if error.errno != errno.EINVAL:  # the error of a listener that was shut down
                    self._errors.append(error)
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = Wire(sock, self.accepted + 1, self.context)
            thread = threading.Thread(
                target=self._run, args=(wire,), name=f"wire-{wire.number}", daemon=True
            )
            wire.owner = thread
            with self._changed:
                self.accepted += 1
                self._wires[wire] = thread
                self._changed.notify_all()
            thread.start()

    def _run(self, wire: Wire) -> None:
        try:
            self._serve(wire)
        except Exception as error:
            self._errors.append(error)
        finally:
            wire.close()
            with self._changed:
                self._wires.pop(wire, None)
                self._changed.notify_all()


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    return sock
