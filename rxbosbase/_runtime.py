"""The rooms of one client, built and closed together. Threads know these, never the client."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .auth.refresh import AutoRefresh, SingleFlight, login_of, refresh_key
from .auth.store import AuthState, AuthStore, token_claims
from .backoff import BackoffPolicy
from .errors import AuthLostError
from .realtime.connection import ConnectionSettings
from .realtime.monitor import ConnectionMonitor
from .realtime.preflight import Preflight
from .realtime.service import RealtimeService
from .records.filter_dialect import FilterDialect
from .records.filters import Dialect
from .runtime.fork_guard import check_process
from .runtime.network import Transport
from .runtime.threads import Runtime, Threads

if TYPE_CHECKING:
    from .live.manager import LiveViewManager

__all__ = ["ClientRuntime"]

JOIN_SECONDS = 0.04
"""How long `close` waits for each of the two threads; they end by themselves all the same."""


class ClientRuntime:
    """What must live while threads run. The threads know these and never the client itself, so
    that a client nobody holds any more is closed by the garbage collector."""

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
        self.control = runtime.loop("rxbosbase-control")
        self.delivery = runtime.loop("rxbosbase-delivery")
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
        self._process = os.getpid()
        self.single_flight = SingleFlight()
        self._refreshers: list[AutoRefresh] = []
        self._auth = auth_store.changes.subscribe(self._auth_changed)
        # While threads can still end in good order: later the interpreter stops them anywhere.
        # No user code then, which would find a half of its program gone.
        atexit.register(self.close, silently=True)

    @property
    def live(self) -> LiveViewManager:
        """What the live views share, built for the first of them."""
        from .live.manager import LiveViewManager

        check_process(self._process)  # before the lock: a child may have inherited it taken
        with self._closing:
            if self._live is None:
                settings = replace(self._settings, delivery=self._runtime.loop("rxbosbase-live"))
                hub = LiveViewManager(
                    settings, self._preflight, self.monitor, self.pool, self._read, self.dialect,
                    self.delivery,
                )  # fmt: skip
                if self.closed:
                    hub.close()
                self._live = hub
            return self._live

    def renew(self) -> None:
        """New connections at once, the live views' too."""
        self.realtime.renew()
        if self._live is not None:
            self._live.service.renew()

    def _auth_changed(self, _: AuthState) -> None:
        if os.getpid() != self._process:
            return  # the streams are still the parent's
        if self.auth_store.state.identity:
            self.monitor.logged_in()
        self.realtime.identity_changed()
        # As it is now: of two logins at one time, the older may be told last.
        before, self._identity = self._identity, self.auth_store.state.identity
        if self._live is not None:
            self._live.identity_changed(other=before != self._identity)

    def _read(self, path: str, query: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        return self.transport.request("GET", path, query=query, headers=headers)

    def auto_refresh(self, threshold: float, check_every: float) -> AutoRefresh:
        """Starts to renew the token."""
        refresher = AutoRefresh(
            self.auth_store, self._refresh, self._keep, self._auth_lost,
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

    def _keep(self, answer: dict[str, Any]) -> None:
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
        """Ends everything; never waits for user code. Streams complete, unless `silently`."""
        if os.getpid() != self._process:
            return  # in a child the sockets are still the parent's: nothing here is ours to end
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
        self.delivery.close(None if silently else partial(self._finish, was_open))
        self.control.join(JOIN_SECONDS)
        self.delivery.join(JOIN_SECONDS)

    def _finish(self, was_open: bool) -> None:
        if self._live is not None:
            self._live.finish()
        self.monitor.tell_losses(was_open)
        self.realtime.finish()
        self.monitor.end()
