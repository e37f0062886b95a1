"""The client: it builds the rooms, gives out what users work with, and closes everything."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Any

from .auth import AuthState, AuthStore
from .errors import ClientClosedError
from .filters import build_filter
from .loop import LoopScheduler
from .pool import ReadPool
from .realtime.facade import Realtime, check_seconds
from .realtime.frames import MAX_FRAME_BYTES
from .realtime.link import Settings
from .realtime.preflight import Preflight
from .realtime.reconnect import BackoffPolicy
from .realtime.service import RealtimeService
from .records import Collection
from .schema import Collections
from .transport import Transport, check_headers

__all__ = ["BosBase"]

IDLE_TIMEOUT = 330.0
"""Above the 5 minutes after which the server itself closes an idle stream."""

JOIN_SECONDS = 0.04
"""How long `close` waits for each of the two threads; they end by themselves all the same."""


class _Rooms:
    """What must live while threads run. The threads know these and never the client itself, so
    that a client nobody holds any more is closed by the garbage collector."""

    def __init__(
        self,
        transport: Transport,
        auth_store: AuthStore,
        backoff: BackoffPolicy,
        idle_timeout: float,
        max_event_bytes: int,
    ) -> None:
        self.closed = False
        self._closing = threading.Lock()
        self.transport = transport
        self.control = LoopScheduler("rxbosbase-control")
        self.delivery = LoopScheduler("rxbosbase-delivery")
        self.pool = ReadPool()
        settings = Settings(
            transport=transport,
            control=self.control,
            delivery=self.delivery,
            policy=backoff,
            idle_timeout=idle_timeout,
            max_event_bytes=max_event_bytes,
            identity=lambda: auth_store.state.identity,
        )
        preflight = Preflight(self._read, self.pool, self.control, backoff)
        self.realtime = RealtimeService(settings, preflight)
        self._auth = auth_store.changes.subscribe(self._auth_changed)

    def _auth_changed(self, _: AuthState) -> None:
        self.realtime.identity_changed()

    def _read(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Any:
        return self.transport.request("GET", path, query=query, headers=headers)

    def close(self) -> None:
        """Ends everything; never waits for user code."""
        with self._closing:
            if self.closed:
                return
            self.closed = True
        self._auth.dispose()
        was_open = self.realtime.close()
        self.transport.close()
        self.pool.close()
        self.control.close()
        self.delivery.close(partial(self.realtime.finish, was_open))
        self.control.join(JOIN_SECONDS)
        self.delivery.join(JOIN_SECONDS)


class BosBase:
    """A client of one BosBase (or PocketBase) server. Making it does no I/O.

    Args:
        base_url: for example ``"http://127.0.0.1:8090"``.
        auth_store: where the login is kept; in memory by default.
        timeout: seconds each request may wait for the server.
        headers: sent with every request.
        backoff: how to wait between attempts to connect.
        idle_timeout: seconds a stream may be silent before it is renewed.
        verify: check the server's certificate; a path names a file of authorities.
        max_event_bytes: a larger event is skipped, and told in the log.

    Raises:
        ValueError, TypeError: an argument that cannot be right, at once.

    Example:
        ``with BosBase("http://127.0.0.1:8090") as client:
        client.collection("posts").observe("*").subscribe(print)``
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth_store: AuthStore | None = None,
        timeout: float = 30.0,
        headers: Mapping[str, str] | None = None,
        backoff: BackoffPolicy | None = None,
        idle_timeout: float = IDLE_TIMEOUT,
        verify: bool | str = True,
        max_event_bytes: int = MAX_FRAME_BYTES,
    ) -> None:
        check_seconds("timeout", timeout)
        check_seconds("idle_timeout", idle_timeout)
        if not math.isfinite(timeout) or not math.isfinite(idle_timeout):
            raise ValueError("timeout and idle_timeout must be finite")
        if auth_store is not None and not isinstance(auth_store, AuthStore):
            raise TypeError(f"auth_store must be an AuthStore, not {type(auth_store).__name__}")
        if backoff is not None and not isinstance(backoff, BackoffPolicy):
            raise TypeError(f"backoff must be a BackoffPolicy, not {type(backoff).__name__}")
        self.auth_store = auth_store or AuthStore()
        store = self.auth_store
        self.transport = Transport(
            base_url, timeout=timeout, headers=headers, token=lambda: store.token, verify=verify
        )
        self._rooms = _Rooms(
            self.transport, store, backoff or BackoffPolicy(), idle_timeout, max_event_bytes
        )
        self._finalizer = weakref.finalize(self, _close_later, self._rooms)

    def __repr__(self) -> str:
        return f"<BosBase {self.base_url} {self.service.status.value.state}>"

    def __enter__(self) -> BosBase:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """The server's address, without a trailing slash."""
        return self.transport.base_url

    @property
    def service(self) -> RealtimeService:
        """The library's own entrance to the realtime rooms."""
        return self._rooms.realtime

    @property
    def scheduler(self) -> LoopScheduler:
        """Runs timed work on the delivery thread; pass it to operators on merged streams."""
        return self._rooms.delivery

    @property
    def realtime(self) -> Realtime:
        """Custom topics, the connection's status, and its end."""
        return Realtime(self.service, self)

    @property
    def collections(self) -> Collections:
        """Creates and changes collections, for superusers."""
        return Collections(self.send)

    def collection(self, name: str) -> Collection:
        """The collection of this name (or id); no request is made."""
        return Collection(self, name)

    def filter(self, expression: str, /, **values: Any) -> str:
        """A filter with values put in safely, whatever they hold.

        Example:
            >>> BosBase("http://localhost").filter("author = {:who}", who="o'neil")
            "author = 'o\\\\'neil'"
        """
        return build_filter(expression, **values)

    def health(self) -> dict[str, Any]:
        """The server's answer to ``GET /api/health``."""
        result: dict[str, Any] = self.send("GET", "/api/health")
        return result

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        token: str | None = None,
    ) -> Any:
        """Any request to the server; the decoded JSON of the answer, None if it is empty.

        Args:
            path: below the base URL, for example ``"/api/health"``.
            body: sent as JSON.
            timeout: seconds; the client's own by default.
            token: sent in place of the login's; "" sends none.

        Raises:
            ClientResponseError, RequestTimeoutError, ConnectionFailedError, ProtocolError.
        """
        if not isinstance(path, str) or not path.startswith("/"):
            raise ValueError(f"path must begin with '/', such as '/api/health', not {path!r}")
        if timeout is not None:
            check_seconds("timeout", timeout)
        if self.is_closed:
            raise ClientClosedError("the client is closed; make a new one")
        return self.transport.request(
            method, path, query=query, body=body, headers=check_headers(headers),
            timeout=timeout, token=token,
        )  # fmt: skip

    @property
    def is_closed(self) -> bool:
        """True once `close` was called."""
        return self._rooms.closed

    def close(self) -> None:
        """Ends streams, requests in flight and threads; idempotent, from any thread.

        Returns within 100 ms. Events not delivered yet are discarded, and the streams complete
        once the running callback has returned.
        """
        self._finalizer.detach()
        self._rooms.close()


def _close_later(rooms: _Rooms) -> None:
    """Closes what a client that nobody holds any more has left. The garbage collector may call
    this on any thread, under any lock: so a thread of its own does it."""
    try:
        threading.Thread(target=rooms.close, name="rxbosbase-closer", daemon=True).start()
    except RuntimeError:  # the interpreter is ending and starts no threads any more
        rooms.close()
