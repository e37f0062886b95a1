"""What one client runs on, built and closed together. Threads refer to it, never to the client."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec.structs import replace

from .auth.refresh import AutoRefresh, SingleFlight, login_of, refresh_key
from .auth.store import AuthState, AuthStore, token_claims
from .errors import AuthLostError
from .realtime.connection import ConnectionSettings
from .realtime.monitor import ConnectionMonitor
from .realtime.preflight import Preflight
from .realtime.service import RealtimeService
from .records.filter_dialect import FilterDialect
from .records.filters import Dialect
from .runtime.backoff import BackoffPolicy
from .runtime.fork_guard import ForkGuard
from .runtime.network import Transport
from .runtime.threads import Runtime, Threads

if TYPE_CHECKING:
    from .live.manager import LiveViewManager

__all__ = ("ClientRuntime", "close_later")

JOIN_SECONDS = 0.04
"""How long `close` waits for each of the two threads; a thread that takes longer still ends."""


class ClientRuntime:
    """What must live while threads run. The threads refer to it and never to the client itself,
    so that the garbage collector closes a client without references."""

    def __init__(
        self,
        transport: Transport,
        auth_store: AuthStore,
        backoff: BackoffPolicy,
        idle_timeout: float,
        max_event_bytes: int,
        on_auth_lost: str,
        filter_dialect: Dialect | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self.closed = False
        self._closing = threading.RLock()  # a signal's handler may close while it is held
        self.transport = transport
        self.auth_store = auth_store
        self._runtime = runtime = runtime or Threads()
        self.control = runtime.scheduler("rxbosbase-control")
        self.delivery = runtime.scheduler("rxbosbase-delivery")
        self.pool = runtime.pool()
        settings = ConnectionSettings(
            transport=transport,
            control=self.control,
            delivery=self.delivery,
            policy=backoff,
            idle_timeout=idle_timeout,
            max_event_bytes=max_event_bytes,
            identity=lambda: auth_store.state.identity,
            quiet=runtime.quiet,
        )
        preflight = Preflight(self._read, self.pool, self.control, backoff, settings.identity)
        self.monitor = ConnectionMonitor(self.delivery)
        self.realtime = RealtimeService(settings, preflight, self.monitor)
        self._settings = settings
        self._preflight = preflight
        self.dialect = FilterDialect(self._read, filter_dialect)
        self._live: LiveViewManager | None = None
        self._identity = auth_store.state.identity
        self._policy = backoff
        self._on_auth_lost = on_auth_lost
        self._fork_guard = ForkGuard()
        self.single_flight = SingleFlight()
        self._refreshers: list[AutoRefresh] = []
        self._auth = auth_store.changes.subscribe(self._auth_changed)
        # Threads can still end in order now; later the interpreter stops them at any point.
        # No user code runs then: parts of its program may be gone.
        atexit.register(self.close, silently=True)

    @property
    def live(self) -> LiveViewManager:
        """The manager of the live views, made for the first of them."""
        from .live.manager import LiveViewManager

        self._fork_guard.check()  # before the lock: a forked child may inherit it locked
        with self._closing:
            if self._live is None:
                settings = replace(
                    self._settings, delivery=self._runtime.scheduler("rxbosbase-live")
                )
                manager = LiveViewManager(
                    settings, self._preflight, self.monitor, self.pool, self._read, self.dialect,
                    self.delivery,
                )  # fmt: skip
                if self.closed:
                    manager.close()
                self._live = manager
            return self._live

    def renew(self) -> None:
        """Open new connections at once, also those of the live views."""
        self.realtime.renew()
        if self._live is not None:
            self._live.service.renew()

    def _auth_changed(self, _: AuthState) -> None:
        if self._fork_guard.is_child:
            return  # the streams belong to the parent process
        if self.auth_store.state.identity:
            self.monitor.logged_in()
        self.realtime.identity_changed()
        # The current one: of two logins at the same time, the older may be reported last.
        before, self._identity = self._identity, self.auth_store.state.identity
        if self._live is not None:
            self._live.identity_changed(other=before != self._identity)

    def _read(self, path: str, query: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        return self.transport.request("GET", path, query=query, headers=headers)

    def auto_refresh(self, threshold: float, check_every: float) -> AutoRefresh:
        """Start to renew the token."""
        refresher = AutoRefresh(
            self.auth_store, self._refresh, self._save_login, self._auth_lost,
            threshold=threshold, check_every=check_every,
            scheduler=self.control, submit=self.pool.submit, policy=self._policy,
        )  # fmt: skip
        self._refreshers.append(refresher)
        return refresher

    def _refresh(self) -> dict[str, Any]:
        state = self.auth_store.state
        claims, record = token_claims(state.token), state.record or {}
        name = str(record.get("collectionName") or claims.get("collectionId") or "users")
        path = f"/api/collections/{quote(name, safe='')}/auth-refresh"
        result: dict[str, Any] = self.single_flight.run(
            refresh_key(name, state.identity, None, {}),
            lambda: self.transport.request("POST", path, body={}),
        )
        return result

    def _save_login(self, answer: dict[str, Any]) -> None:
        self.auth_store.save(*login_of(answer))

    def _auth_lost(self, error: Exception) -> None:
        lost = AuthLostError(f"the server does not accept the login any more, log in: {error}")
        lost.__cause__ = error
        self.monitor.login_lost(lost)
        if self._on_auth_lost == "error":
            self.realtime.fail_all(lost)
            if self._live is not None:
                self._live.service.fail_all(lost)
        self.auth_store.clear()

    def close(self, *, silently: bool = False) -> None:
        """End everything, without waiting for user code. Streams complete, unless `silently`."""
        if self._fork_guard.is_child:
            return  # in a forked child the sockets belong to the parent process
        with self._closing:
            if self.closed:
                return
            self.closed = True
        atexit.unregister(self.close)
        self._auth.dispose()
        for refresher in self._refreshers:
            refresher.dispose()
        was_open = self.monitor.close()
        self.realtime.close()
        if self._live is not None:
            self._live.close()
        self.transport.close()
        self.pool.close()
        self.control.close()
        self.delivery.close(None if silently else partial(self._complete, was_open))
        self.control.join(JOIN_SECONDS)
        self.delivery.join(JOIN_SECONDS)

    def _complete(self, was_open: bool) -> None:
        if self._live is not None:
            self._live.finish()
        self.monitor.report_losses(was_open)
        self.realtime.finish()
        self.monitor.complete()


def close_later(runtime: ClientRuntime) -> None:
    """Close the runtime of a client that was garbage-collected. The collector may call this on
    any thread and under any lock, so a new thread closes it."""
    try:
        threading.Thread(target=runtime.close, name="rxbosbase-closer", daemon=True).start()
    except RuntimeError:  # no thread can be started
        runtime.close()
