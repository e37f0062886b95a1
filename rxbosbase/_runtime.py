"""What one client runs on, built and closed together. Threads refer to it, never to the client."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from math import inf
from time import time
from typing import TYPE_CHECKING, Any, Literal, TypedDict
from urllib.parse import quote

from msgspec.structs import replace

from .access.questions import AccessQuestions
from .access.refusals import REPEAT_SECONDS
from .auth.refresh import AutoRefresh, SingleFlight, login_of, refresh_key
from .auth.store import AuthState, AuthStore, token_claims
from .errors import AuthLostError, ClientClosedError, ClientResponseError, SameNodeError
from .realtime.connection import ConnectionSettings
from .realtime.monitor import ConnectionMonitor
from .realtime.nodes import NodeSet
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

__all__ = ("PREFLIGHT_EVERY", "ClientOptions", "ClientRuntime", "close_later")

log = logging.getLogger("rxbosbase.auth")

PREFLIGHT_EVERY = 300.0
"""Seconds between two checks of a topic: no event reports that its collection was deleted."""

MAX_CONTROLS = 5
"""Lists that are read at most, to distinguish a login that is not valid from trouble."""

JOIN_SECONDS = 0.04
"""How long `close` waits for each of the two threads; a thread that takes longer still ends."""


class ClientOptions(TypedDict, total=False):
    """The keywords of `BosBase`, which describes them."""

    auth_store: AuthStore | None
    timeout: float
    headers: Mapping[str, str] | None
    backoff: BackoffPolicy | None
    idle_timeout: float
    verify: bool | str | os.PathLike[str]
    max_event_bytes: int
    max_answer_bytes: int
    on_auth_lost: Literal["error", "guest"]
    topic_headers: Mapping[str, str | None] | None
    filter_dialect: Dialect | None
    preflight_every: float
    nodes: Sequence[str] | None


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
        preflight_every: float = PREFLIGHT_EVERY,
        nodes: Sequence[str] = (),
        runtime: Runtime | None = None,
    ) -> None:
        self.closed = False
        self._closing = threading.RLock()  # a signal's handler may close while it is held
        self._making = threading.RLock()  # of streams; not held by `close`, as it waits for others
        self.transport = transport
        self.auth_store = auth_store
        self._runtime = runtime = runtime or Threads()
        self.control = runtime.scheduler("rxbosbase-control")
        self.delivery = runtime.scheduler("rxbosbase-delivery")
        self.pool = runtime.pool()
        self._policy = backoff
        self.monitor = ConnectionMonitor(self.delivery)
        self.questions = AccessQuestions(
            self._read, self._refresh, self._other_collections, self._sent_token,
            self._has_expired, self._troubled, self._on_login, self.control.time,
        )  # fmt: skip
        self._settings = ConnectionSettings(
            transport=transport, control=self.control, delivery=self.delivery, policy=backoff,
            idle_timeout=idle_timeout, max_event_bytes=max_event_bytes,
            identity=self._sent_identity, on_guest=self._recheck_login, quiet=runtime.quiet,
        )  # fmt: skip
        self._preflight = self._make_preflight(preflight_every)
        self._nodes = NodeSet(transport, runtime, self._nodes_compared, self._renew_node)
        self._nodes.set(nodes)
        self.realtime = RealtimeService(
            self._settings, self._preflight, self.monitor,
            nodes=self._nodes.settings(self._settings),
        )  # fmt: skip
        self.dialect = FilterDialect(self._read, filter_dialect)
        self._live: LiveViewManager | None = None
        self._identity = self._sent_identity()
        self._recheck_from = -inf
        self._is_losing_login = False  # its streams fail before they could go on as a guest's
        self._on_auth_lost = on_auth_lost
        self._fork_guard = ForkGuard()
        self.single_flight = SingleFlight()
        self._refreshers: list[AutoRefresh] = []
        self._auth = auth_store.changes.subscribe(self._auth_changed)
        # Threads can still end in order now; later the interpreter stops them at any point.
        # No user code runs then: parts of its program may be gone.
        atexit.register(self.close, silently=True)

    def _make_preflight(self, every: float) -> Preflight:
        return Preflight(
            self._read, self.questions, self.pool, self.control, self._policy, self._sent_identity,
            every=every, report=self.monitor.set_check_problem,
        )  # fmt: skip

    @property
    def live(self) -> LiveViewManager:
        """The manager of the live views, made for the first of them."""
        from .live.manager import LiveViewManager

        self._fork_guard.check()  # before the lock: a forked child may inherit it locked
        with self._making:
            if self._live is None:
                settings = replace(
                    self._settings, delivery=self._runtime.scheduler("rxbosbase-live")
                )
                manager = LiveViewManager(
                    settings, self._preflight, self.monitor, self.pool, self._read,
                    self.questions, self.dialect, self.delivery, self._nodes.settings(settings),
                )  # fmt: skip
                self._live = manager
                if self.closed:  # before `close` could see it, or after
                    manager.close()
            return self._live

    def renew(self) -> None:
        """Open new connections at once, also those of the live views."""
        self.realtime.renew()
        if self._live is not None:
            self._live.service.renew()

    def set_nodes(self, addresses: Sequence[str]) -> None:
        """Keep streams to these nodes, or without any to the client's own server. Never waits.

        Raises:
            ClientClosedError: the client is closed, or belongs to the parent process.
        """
        self._fork_guard.check()
        with self._making:
            if self.closed:
                raise ClientClosedError("the client is closed; make a new one")
            before, left = self._nodes.addresses, self._nodes.set(addresses)
            if self._nodes.addresses != before:
                self.monitor.set_nodes_problem(None)
            self.realtime.set_nodes(self._nodes.settings(self._settings))
            if self._live is not None:
                self._live.service.set_nodes(self._nodes.settings(self._live.settings))
        for node in left:
            node.close()

    def _renew_node(self, address: str) -> None:
        self.realtime.renew(address)
        if self._live is not None:
            self._live.service.renew(address)

    def _nodes_compared(self, problem: SameNodeError | None) -> None:
        self.monitor.set_nodes_problem(problem)
        if problem is not None:
            self._fail_streams(problem)

    def _fail_streams(self, error: Exception) -> None:
        self.monitor.streams_fail(error)
        self.realtime.fail_all(error)
        if self._live is not None:
            self._live.service.fail_all(error)

    def _auth_changed(self, _: AuthState) -> None:
        if self._fork_guard.is_child:
            return  # the streams belong to the parent process
        if self.auth_store.state.identity:
            self.monitor.logged_in()
        if not self._is_losing_login:
            self._identity_changed()

    def _identity_changed(self) -> None:
        self.realtime.identity_changed()
        # The current one: of two logins at the same time, the older may be reported last.
        before, self._identity = self._identity, self._sent_identity()
        if self._live is not None:
            self._live.identity_changed(other=before != self._identity)

    def _sent_token(self) -> str:
        return self._sent_state().token

    def _sent_state(self) -> AuthState:
        """Return the login that requests carry: that of the store, or of a token in ``headers=``,
        which takes its place. Credentials for a gateway are no login."""
        own = self.transport.own_authorization
        if not own:
            return self.auth_store.state
        token = own.removeprefix("Bearer ")
        return AuthState(token) if "collectionId" in token_claims(token) else AuthState()

    def _has_expired(self) -> bool:
        expires = self._sent_state().expires
        return expires is not None and expires <= time()

    def _sent_identity(self) -> str:
        """Return the login that streams have; "" for one that the server refuses for good, which it
        takes for a guest, and for a token in ``headers=``: no POST can leave that out as a probe
        does."""
        is_own = bool(self.transport.own_authorization)
        return self.auth_store.state.identity if self.questions.has_login and not is_own else ""

    def _on_login(self, lost: AuthLostError | None) -> None:
        """Handle that the login is lost, or accepted again. Without `auto_refresh` it stays in the
        store, and the client goes on as a guest, as the server does."""
        if lost is None:
            self.monitor.logged_in()
            self._identity_changed()
            return
        log.warning("%s", lost)
        if any(not each.is_disposed for each in self._refreshers):
            self._auth_lost(lost)
        else:
            self.monitor.login_lost(lost)
            self._identity_changed()

    def _recheck_login(self) -> None:
        """Ask whether the login is valid, since the server takes a stream for a guest's."""
        self.questions.doubt()
        if self.control.time() >= self._recheck_from:
            self._recheck_from = self.control.time() + REPEAT_SECONDS
            self.pool.submit(self.questions.recheck_login)

    def _troubled(self) -> None:
        self.realtime.troubled()
        if self._live is not None:
            self._live.service.troubled()

    def _read(self, path: str, query: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        return self.transport.request("GET", path, query=query, headers=headers)

    def auto_refresh(self, threshold: float, check_every: float) -> AutoRefresh:
        """Start to renew the token."""
        refresher = AutoRefresh(
            self.auth_store, self.questions.refresh, self._save_login, self._auth_lost,
            threshold=threshold, check_every=check_every,
            scheduler=self.control, submit=self.pool.submit, policy=self._policy,
        )  # fmt: skip
        self._refreshers.append(refresher)
        return refresher

    def _other_collections(self) -> tuple[str, ...]:
        """Return collections that a guest, too, may list, as far as any is known: the login's own,
        those with topics, and the usual one."""
        used = (name.partition("/")[0] for name in self.monitor.topics if "/" in name)
        names = dict.fromkeys([self._auth_collection(), "users", *used])
        return tuple(names)[:MAX_CONTROLS]

    def _auth_collection(self) -> str:
        state = self._sent_state()
        claims, record = token_claims(state.token), state.record or {}
        # By its id, which stays when the collection is renamed.
        return str(claims.get("collectionId") or record.get("collectionName") or "users")

    def _refresh(self) -> dict[str, Any]:
        state, collection = self._sent_state(), self._auth_collection()
        name = str((state.record or {}).get("collectionName") or collection)
        path = f"/api/collections/{quote(collection, safe='')}/auth-refresh"
        try:
            result: dict[str, Any] = self.single_flight.run(
                refresh_key(name, state.identity, None, {}),
                lambda: self.transport.request("POST", path, body={}),
            )
        except ClientResponseError as error:
            # PocketBase 0.23 refuses to renew a token that was made by impersonation. It has looked
            # it up for that.
            if error.status != 403 or token_claims(state.token).get("refreshable") is not False:
                raise
            result = {"token": state.token, "record": dict(state.record or {})}
        return result

    def _save_login(self, answer: dict[str, Any]) -> None:
        self.auth_store.save(*login_of(answer))

    def _auth_lost(self, lost: AuthLostError) -> None:
        self.monitor.login_lost(lost)
        self._is_losing_login = True
        try:
            self.auth_store.clear()  # before `on_error`, in which the user may log in again
        except Exception:  # of the file, or of the user's own store
            log.exception("the lost login cannot be removed from the auth store")
        if self._on_auth_lost == "error":
            self._fail_streams(lost)
        self._is_losing_login = False
        self._identity_changed()

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
        self._nodes.close()
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
