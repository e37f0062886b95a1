"""The demo's plot: users write, the server is killed, it comes back, the books are balanced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic, sleep
from typing import Any

from reactivex.disposable import CompositeDisposable

from rxbosbase.cli.demo.books import Books
from rxbosbase.cli.demo.delivery_audit import Summary, ViewCheck
from rxbosbase.cli.demo.displays import NoDisplay
from rxbosbase.cli.demo.metrics import OPEN_ORDERS, open_orders, watch
from rxbosbase.cli.writers import Writers, new_password, writing
from rxbosbase.client import BosBase
from rxbosbase.live.view import LiveView
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_USERS, create_sample

__all__ = ["tell"]

TICK_SECONDS = 0.05
MOST_DOWN_SECONDS = 1.5
DOWN_SHARE = 1 / 8  # of the whole, so that a short demo has time to recover
BACK_SECONDS = 10.0  # waited at most for the stream to come back
SETTLE_SECONDS = 3.0  # waited at most for the last events


def tell(seconds: float, rate: float, view: NoDisplay) -> Summary:
    """Plays the demo for `seconds` of writing, and says how it went."""
    view.say("starting a server, with sample collections and users")
    password = new_password()
    with EmbeddedServer() as server, server.client(superuser=True) as client:
        create_sample(client, password=password)
        books = Books()
        orders = open_orders(client)
        with orders, _watching(client, books, view):
            client.realtime.wait_active(BACK_SECONDS)
            view.say(f"watching {server.url}; {len(SAMPLE_USERS)} users begin to write")
            with writing(server.url, rate, password=password, listener=books) as writers:
                _Play(server, books, view, writers, seconds).play()
            stopped = monotonic()
            _wait(lambda: books.is_settled, SETTLE_SECONDS)
            return replace(books.summary(), view=_check(client, orders, stopped))


def _check(client: BosBase, view: LiveView[dict[str, Any]], stopped: float) -> ViewCheck:
    """Asks the server, and gives the view the time it may take to settle."""
    query = client.collection("orders").get_full_list(
        filter=OPEN_ORDERS["filter"],
        sort=f"{OPEN_ORDERS['sort']},id",
        expand=OPEN_ORDERS["expand"],
    )
    _wait(lambda: view.current.records == query, SETTLE_SECONDS)
    shown = view.current
    return ViewCheck(len(shown.records), shown.records == query, monotonic() - stopped)


def _watching(client: BosBase, books: Books, view: NoDisplay) -> CompositeDisposable:
    return CompositeDisposable(
        client.realtime.status.subscribe(books.status),
        watch(client, books.received).subscribe(view.show),
    )


class _Play:
    def __init__(
        self,
        server: EmbeddedServer,
        books: Books,
        view: NoDisplay,
        writers: Writers,
        seconds: float,
    ) -> None:
        self._server = server
        self._books = books
        self._view = view
        self._writers = writers
        self._seconds = seconds
        self._began = monotonic()

    def play(self) -> None:
        """The three acts."""
        view, books = self._view, self._books
        self._until(self._seconds / 2)
        books.killed()
        self._server.kill()
        view.say("killed the server (SIGKILL): writers retry, the stream backs off")
        down = min(MOST_DOWN_SECONDS, self._seconds * DOWN_SHARE)
        self._until(self._seconds / 2 + down)
        self._server.restart()
        books.healthy()
        view.say("restarted the server; the stream finds its way back by itself")
        healthy = self._elapsed
        self._until(healthy + BACK_SECONDS, lambda: books.is_back)
        if books.is_back:
            view.say("the stream is back, and every topic is subscribed again")
        self._until(self._seconds)

    @property
    def _elapsed(self) -> float:
        return monotonic() - self._began

    def _until(self, elapsed: float, done: Callable[[], bool] = lambda: False) -> None:
        while self._elapsed < elapsed and not done():
            self._writers.check()
            self._view.tick(self._elapsed)
            sleep(TICK_SECONDS)


def _wait(done: Callable[[], bool], seconds: float) -> None:
    deadline = monotonic() + seconds
    while not done() and monotonic() < deadline:
        sleep(TICK_SECONDS)
