"""A server whose responses do not end: some bytes first, then a piece at intervals."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from types import TracebackType
from typing import Self

__all__ = ["EndlessServer"]


class EndlessServer:
    """Responds to each request with `head`, then with `piece` every `pause` seconds, without
    limit; without a piece, only with the head.

    Args:
        tls: a context to speak TLS with.

    Attributes:
        url: its address.
        connections: number of connections so far.
        sent: number of pieces sent so far.
    """

    def __init__(
        self,
        head: bytes,
        piece: bytes = b"",
        pause: float = 0.02,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._head, self._piece, self._pause = head, piece, pause
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._tls = tls
        self.url = (
            f"{'http' if tls is None else 'https'}://127.0.0.1:{self._listener.getsockname()[1]}"
        )
        self.connections = self.sent = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                sock = self._listener.accept()[0]
                self.connections += 1
                self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:  # the client has gone
            stack.enter_context(sock).settimeout(5)
            if self._tls is not None:
                sock = stack.enter_context(self._tls.wrap_socket(sock, server_side=True))
            while sock.recv(65536) and not self._over.is_set():
                sock.sendall(self._head)
                while self._piece and not self._over.wait(self._pause):
                    sock.sendall(self._piece)
                    self.sent += 1
