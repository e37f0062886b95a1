"""The demo's scenario: users write, the server is killed and restarted, the events are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

from reactivex.disposable import CompositeDisposable

from rxbosbase.cli.sample_writes import key_of
from rxbosbase.cli.writers import Writers, new_password, writing
from rxbosbase.client import BosBase
from rxbosbase.live.view import LiveView
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_USERS, create_sample

from .delivery_audit import DeliveryAudit, Summary, ViewCheck
from .displays import NoDisplay
from .metrics import OPEN_ORDERS, open_orders, watch

__all__ = ("run_scenario",)

TICK_SECONDS = 0.05
MAX_DOWN_SECONDS = 1.5
DOWN_SHARE = 1 / 8  # of all seconds, so that a short demo has time to recover
BACK_SECONDS = 10.0  # to wait at most until the stream is active again
SETTLE_SECONDS = 3.0  # to wait at most for the last events


def run_scenario(seconds: float, rate: float, display: NoDisplay) -> Summary:
    """Run the demo with `seconds` of writing, and return its result.

    Args:
        rate: writes per second, of all users together.
        display: shows the progress.

    Raises:
        BosBaseError: the server does not start, or a write fails.
    """
    display.show_message("starting a server, with sample collections and users")
    password = new_password()
    with EmbeddedServer() as server, server.client(superuser=True) as client:
        create_sample(client, password=password)
        audit = DeliveryAudit()
        orders = open_orders(client)
        with orders, _watching(client, audit, display):
            client.realtime.wait_active(BACK_SECONDS)
            display.show_message(f"watching {server.url}; {len(SAMPLE_USERS)} users begin to write")
            with writing(server.url, rate, password=password, listener=audit) as writers:
                _Run(server, audit, display, writers, seconds).run()
            stopped = monotonic()
            _wait(lambda: audit.is_settled, SETTLE_SECONDS)
            return replace(audit.summary(), view=_check(client, orders, stopped))


def _check(client: BosBase, view: LiveView[dict[str, Any]], stopped: float) -> ViewCheck:
    """Compare the view with a query, after the time that the view may take to settle."""
    query = client.collection("orders").get_full_list(
        filter=OPEN_ORDERS["filter"],
        sort=f"{OPEN_ORDERS['sort']},id",
        expand=OPEN_ORDERS["expand"],
    )
    _wait(lambda: view.current.records == query, SETTLE_SECONDS)
    shown = view.current
    return ViewCheck(len(shown.records), shown.records == query, monotonic() - stopped)


def _watching(client: BosBase, audit: DeliveryAudit, display: NoDisplay) -> CompositeDisposable:
    return CompositeDisposable(
        client.realtime.status.subscribe(lambda status: audit.status(status.state)),
        watch(client, lambda event: audit.received(key_of(event))).subscribe(display.show),
    )


class _Run:
    """One run of the scenario, on the main thread."""

    def __init__(
        self,
        server: EmbeddedServer,
        audit: DeliveryAudit,
        display: NoDisplay,
        writers: Writers,
        seconds: float,
    ) -> None:
        self._server = server
        self._audit = audit
        self._display = display
        self._writers = writers
        self._seconds = seconds
        self._began = monotonic()

    def run(self) -> None:
        """Let the users write for `seconds`; kill the server at half of them, and restart it."""
        display, audit = self._display, self._audit
        self._until(self._seconds / 2)
        audit.killed()
        self._server.kill()
        display.show_message("killed the server (SIGKILL): writers retry, the stream backs off")
        down = min(MAX_DOWN_SECONDS, self._seconds * DOWN_SHARE)
        self._until(self._seconds / 2 + down)
        self._server.restart()
        audit.healthy()
        display.show_message("restarted the server; the stream finds its way back by itself")
        healthy = self._elapsed
        self._until(healthy + BACK_SECONDS, lambda: audit.is_back)
        if audit.is_back:
            display.show_message("the stream is back, and every topic is subscribed again")
        self._until(self._seconds)

    @property
    def _elapsed(self) -> float:
        return monotonic() - self._began

    def _until(self, elapsed: float, done: Callable[[], bool] = lambda: False) -> None:
        while self._elapsed < elapsed and not done():
            self._writers.check()
            self._display.tick(self._elapsed)
            sleep(TICK_SECONDS)


def _wait(done: Callable[[], bool], seconds: float) -> None:
    deadline = monotonic() + seconds
    while not done() and monotonic() < deadline:
        sleep(TICK_SECONDS)
