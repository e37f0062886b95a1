"""One accepted connection whose every wait can be ended from outside.

A thread blocked in ``recv`` cannot be woken by closing the socket, so the socket never blocks:
all waiting is one ``poll`` on the socket and on a wake-up pair beside it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Literal

__all__ = ["Ending", "Gate", "Wire"]

Ending = Literal["cut", "reset"]

WRITE_LIMIT = 10.0
"""Seconds a client may leave its socket full before a write raises."""
STOP_LIMIT = 5.0
"""Seconds to wait for the thread that owns a connection to close it."""
READ_SIZE = 65536
HEAD_LIMIT = 1 << 20
"""Bytes of one request's head; a longer one is a mistake in the test."""

_PEER_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Gate(threading.Event):
    """An event that also wakes the connections that wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._nudges: list[Callable[[], None]] = []

    def on_set(self, nudge: Callable[[], None]) -> None:
        """Call ``nudge`` whenever the gate is set."""
        self._nudges.append(nudge)

    def set(self) -> None:
        """Open the gate for everything that waits for it."""
        super().set()
        for nudge in list(self._nudges):
            nudge()


class Wire:
    """One connection. A single thread, the owner, reads and closes; any thread may write.

    Attributes:
        number: 1 for the server's first connection, 2 for the second, …
        writing: held for the length of one write, so that frames do not interleave.
        closed: set once the socket is closed.
        buffer: bytes received and not yet used.
    """

    def __init__(self, sock: socket.socket, number: int, tls: ssl.SSLContext | None = None) -> None:
        sock.setblocking(False)
        self.number = number
        self.writing = threading.RLock()
        self.closed = threading.Event()
        self.buffer = bytearray()
        self.owner: threading.Thread | None = None
        self._sock = sock
        self._tls = tls
        # One TLS session must not be used by two threads at once.
        self._session = threading.Lock()
        self._ending: Ending | None = None
        self._wake_out, self._wake_in = socket.socketpair()

    def handshake(self) -> bool:
        """Finish the TLS handshake if there is one; False when it failed."""
        if self._tls is None:
            return True
        try:
            # The lock keeps writers and the closing off the socket while it is exchanged.
            with self.writing:
                sock = self._tls.wrap_socket(
                    self._sock, server_side=True, do_handshake_on_connect=False
                )
                self._sock = sock
        except OSError:
            return False  # the peer disconnected before it sent anything
        while not self._ends():
            try:
                sock.do_handshake()
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)
            except OSError:
                return False
            else:
                return True
        return False

    def receive(self, enough: Callable[[], bool] = lambda: False) -> bool:
        """Read more into the buffer; False at the end, after ``stop`` or once ``enough()``."""
        while not self._ends() and not enough():
            try:
                with self._session:
                    data = self._sock.recv(READ_SIZE)
                self.buffer += data
                return bool(data)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)
            except OSError:
                return False
        return False

    def take_until(self, mark: bytes) -> bytes | None:
        """The bytes up to and with ``mark``, or None when the connection ended first."""
        while (at := self.buffer.find(mark)) < 0:
            if len(self.buffer) > HEAD_LIMIT or not self.receive():
                return None
        return self.take(at + len(mark))

    def take(self, size: int) -> bytes | None:
        """The next ``size`` bytes, or None when the connection ended first."""
        while len(self.buffer) < size:
            if not self.receive():
                return None
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def hold(self, enough: Callable[[], bool] = lambda: False) -> bool:
        """Read and write nothing until ``enough()`` (True), ``stop`` or the peer's end (False)."""
        while not self._ends():
            if enough():
                return True
            if self._wait(0) & _PEER_GONE:
                return False
        return False

    def hold_for(self, gate: Gate) -> bool:
        """Like ``hold``, until the gate is set."""
        gate.on_set(self.nudge)
        return self.hold(gate.is_set)

    def write(self, data: bytes) -> bool:
        """Send everything; False when the connection is gone.

        Raises:
            TimeoutError: the peer left its socket full for ``WRITE_LIMIT`` seconds.
        """
        with self.writing:
            rest = memoryview(data)
            deadline = time.monotonic() + WRITE_LIMIT
            while rest and not self._ends() and not self.closed.is_set():
                try:
                    with self._session:
                        rest = rest[self._sock.send(rest) :]
                    deadline = time.monotonic() + WRITE_LIMIT
                except (BlockingIOError, ssl.SSLWantWriteError):
                    self._wait(select.POLLOUT, deadline)
                except ssl.SSLWantReadError:
                    self._wait(select.POLLIN, deadline)
                except OSError:
                    return False
            return not rest

    def nudge(self) -> None:
        """Make the waiting threads look at their conditions again."""
        with contextlib.suppress(OSError):  # closed already: no thread waits
            self._wake_in.send(b"x")

    def end(self, ending: Ending = "cut") -> None:
        """Have the owner close the connection as soon as it can."""
        if not self._ends():
            self._ending = ending
        self.nudge()

    def stop(self, ending: Ending = "cut") -> None:
        """Like ``end``, and wait until it is closed (unless the owner itself calls)."""
        self.end(ending)
        if threading.current_thread() is not self.owner and not self.closed.wait(STOP_LIMIT):
            raise TimeoutError(f"connection {self.number} is still in use: end its handler first")

    def close(self) -> None:
        """Close the socket: with RST after ``stop("reset")``, else with FIN. For the owner."""
        self._ending = self._ending or "cut"
        self.nudge()  # a writer lets go of the socket before it is closed
        with self.writing:
            if self._ending == "reset":
                linger = struct.pack("ii", 1, 0)
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            for sock in (self._sock, self._wake_in, self._wake_out):
                sock.close()
            self.closed.set()

    def _ends(self) -> bool:
        return self._ending is not None

    def _wait(self, events: int, deadline: float | None = None) -> int:
        poller = select.poll()
        poller.register(self._sock, events | (0 if events else select.POLLRDHUP))
        poller.register(self._wake_out, select.POLLIN)
        limit = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = dict(poller.poll(limit))
        if not ready:
            raise TimeoutError(f"the client did not read from its socket for {WRITE_LIMIT:g} s")
        # Only the owner takes the bytes of a nudge: they are meant for what it waits for.
        mine = threading.current_thread() is self.owner
        if mine and self._wake_out.fileno() in ready and not self._ends():
            self._wake_out.recv(READ_SIZE)
            if self._ends():
                self.nudge()  # but this one was meant for a waiting writer too
        return ready.get(self._sock.fileno(), 0)
