"""Connections that can be ended from another thread, at any moment of their life.

Closing a `requests` response does not wake a thread that is blocked in ``recv``, and the socket
object is replaced when TLS begins. So each connection is registered by a duplicate of its
descriptor when it is made: shutting that down ends a blocked connect, handshake, send or receive.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import traceback
from functools import partial
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from .response_head import DeadlineResponse, TimedReader

__all__ = ("AbortableAdapter", "Sockets", "keep_alive_options")

# A host that vanishes is noticed within 45 s: 15 s of silence, then four probes
# 7 s apart; the user timeout bounds data that was sent and never acknowledged.
KEEP_ALIVE_IDLE = 15
KEEP_ALIVE_INTERVAL = 7
KEEP_ALIVE_PROBES = 4
USER_TIMEOUT_MS = 43_000


def keep_alive_options() -> list[tuple[int, int, int]]:
    """Return the socket options for noticing a dead peer, of those that the platform has."""
    options = [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ]
    known = [
        ("TCP_KEEPIDLE", KEEP_ALIVE_IDLE),
        ("TCP_KEEPALIVE", KEEP_ALIVE_IDLE),  # the name of the same on macOS
        ("TCP_KEEPINTVL", KEEP_ALIVE_INTERVAL),
        ("TCP_KEEPCNT", KEEP_ALIVE_PROBES),
        ("TCP_USER_TIMEOUT", USER_TIMEOUT_MS),
    ]
    for name, value in known:
        number = getattr(socket, name, None)
        if isinstance(number, int):
            options.append((socket.IPPROTO_TCP, number, value))
    return options


class Sockets:
    """The open sockets of one owner; `abort` ends them all and refuses new ones."""

    def __init__(self) -> None:
        # Re-entrant: the garbage collector may close a response, and so release, at any moment.
        self._lock = threading.RLock()
        self._open: set[socket.socket] = set()
        self.aborted = False

    def track(self, sock: socket.socket) -> socket.socket:
        """Register `sock`; give the returned handle to `release` when it is closed."""
        # Not `sock.dup()`, which a TLS socket refuses.
        handle = socket.socket(fileno=socket.dup(sock.fileno()))
        with self._lock:
            if not self.aborted:
                self._open.add(handle)
                return handle
        handle.close()
        raise ConnectionAbortedError("closed by this side")

    def release(self, handle: socket.socket) -> None:
        """Forget a connection that was closed in the ordinary way."""
        with self._lock:
            self._open.discard(handle)
        handle.close()

    def abort(self) -> None:
        """End every connection at once, from any thread. Never waits."""
        with self._lock:
            self.aborted = True
            handles, self._open = self._open, set()
        for handle in handles:
            with contextlib.suppress(OSError):  # no longer connected, which is the aim
                handle.shutdown(socket.SHUT_RDWR)
            handle.close()


class _Tracked:
    """Makes a connection abortable; mixed into urllib3's two classes."""

    sockets: Sockets
    handle: socket.socket | None = None
    reader: TimedReader | None = None  # of the last response

    def response_class(self, *args: Any, **kwargs: Any) -> DeadlineResponse:
        response = DeadlineResponse(*args, **kwargs)
        self.reader = response.reader
        return response

    def request(self: Any, *args: Any, **kwargs: Any) -> None:
        # Bytes after the last response must not be read as the next one. urllib3 checks the
        # socket, which does not show those that TLS has decrypted already.
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            self.close()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def _new_conn(self: Any) -> socket.socket:
        # As urllib3's own, but `sockets` tracks the socket before it connects.
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError as error:
            raise NewConnectionError(self, f"'{self.host}' is not a host name") from error
        problem: OSError = OSError("the name has no address")
        for family, kind, protocol, _, address in found:
            try:
                connected: socket.socket = self._connected(family, kind, protocol, address)
                return connected
            except OSError as error:
                problem = error
                if self.sockets.aborted:
                    break
        if isinstance(problem, TimeoutError):
            raise ConnectTimeoutError(self, "the connection timed out") from problem
        raise NewConnectionError(self, str(problem)) from problem

    def _connected(self: Any, family: int, kind: int, protocol: int, to: Any) -> socket.socket:
        # Raises for a family that this system cannot speak, too: IPv6 may be switched off.
        sock = socket.socket(family, kind, protocol)
        try:
            self.handle = self.sockets.track(sock)
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(self.timeout)
            sock.connect(to)
        except BaseException:
            sock.close()
            self._release()
            raise
        return sock

    def connect(self: Any) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except OSError as error:
            # Where the peer resets before TLS begins, the ssl module leaves its half-made socket
            # open, and only the traceback knows it.
            for frame, _ in traceback.walk_tb(error.__traceback__):
                if isinstance(made := frame.f_locals.get("self"), ssl.SSLSocket):
                    made.close()
            raise

    def _release(self) -> None:
        handle, self.handle = self.handle, None
        reader, self.reader = self.reader, None
        if handle is None:
            return
        if reader is None or reader.closed:
            self.sockets.release(handle)
        else:  # the connection ends with this response, and its body is still to be read
            reader.on_close = partial(self.sockets.release, handle)

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        self._release()


class AbortableAdapter(HTTPAdapter):
    """A `requests` adapter whose connections belong to a `Sockets` and use TCP keep-alive.

    Args:
        folders: of trusted certificates, beside those of ``verify``; a list as of ``PATH``.
    """

    def __init__(self, sockets: Sockets, folders: str = "") -> None:
        self._sockets = sockets
        self._folders = folders
        super().__init__(pool_maxsize=16)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        conn.ca_cert_dir = self._folders or conn.ca_cert_dir  # `requests` takes one place only

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, socket_options=keep_alive_options())
        self._track(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not known:
            self._track(manager)
        return manager

    def _track(self, manager: urllib3.PoolManager) -> None:
        plain = type("Connection", (_Tracked, HTTPConnection), {"sockets": self._sockets})
        secure = type("SecureConnection", (_Tracked, HTTPSConnection), {"sockets": self._sockets})
        pools: Any = manager
        pools.pool_classes_by_scheme = {
            "http": type("Pool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
        # urllib3 leaves that to finalizers, which do nothing when a program ends.
        manager.pools.dispose_func = lambda pool: pool.close()
