"""Check that live views converge under writers, losses and kills, by a query at quiet points::

    python -m tests.faults.converge --seeds 20 --seconds 60

Eight writers create, update in and out of the filters, delete, create again under the same id, and
change authors, while a proxy cuts the client's stream every 3 s; the server is killed twice. Rounds
without a loss are between them: these test the rules for the stream alone, without a catch-up. At
every quiet point each of five views has to equal a new query. It prints a table, and exits with 1
if one did not.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import ExitStack
from typing import Any

from rxbosbase import AuthState, AuthStore, BackoffPolicy, BosBase
from rxbosbase.server import EmbeddedServer

from .converge_parts import (
    Report,
    ServerWriter,
    Watcher,
    check_all,
    make_tables,
    query_of,
    rest,
    run_seeds,
)
from .error_log import ErrorLog
from .kinds import Fault, Kind
from .proxy import FaultProxy

__all__ = ["converge", "converge_server"]

WRITERS = 8
LOSS_EVERY = 3.0
ROUND = 6.0
"""Seconds of writing between two quiet points. Of two rounds with losses the second is followed by
one without: long enough to outlast the 5 s after a gap in which every record is rechecked."""
DOWN = 0.5  # seconds from a kill to the restart

LOSSES = (Kind.CUT, Kind.RESET, Kind.TRUNCATE, Kind.CORRUPT_DATA, Kind.STALL)
"""No black holes: only a renewed connection detects them, and it would repair other errors too."""

SETTINGS: dict[str, Any] = {
    "timeout": 3.0,
    "backoff": BackoffPolicy(initial=0.05, maximum=0.5),
}

VIEWS: dict[str, dict[str, Any]] = {
    "filtered": {"filter": 'status = "published"'},
    "sorted": {"sort": "-n,title"},
    "windowed": {"sort": "n,-title", "limit": 15, "filter": "n >= 10"},
    "expanded": {"expand": "author", "sort": "author.name", "filter": 'status != "hidden"'},
    "guest": {"reconcile": 2.0, "sort": "-updated", "fields": "id,title,n,public"},
}


def converge(server: EmbeddedServer, login: AuthState, seconds: float, seed: int) -> Report:
    """Run one seed on a server whose tables `make_tables` has made; return the report."""
    chance = random.Random(seed)
    problems = ErrorLog()
    log = logging.getLogger("rxbosbase")
    with ExitStack() as stack:
        log.addHandler(problems)
        stack.callback(log.removeHandler, problems)
        proxy = stack.enter_context(FaultProxy(server.url))
        go = threading.Event()
        watchers = _watchers(stack, server, proxy, login, problems)
        writers = [
            ServerWriter(server, login, random.Random(chance.random()), go) for _ in range(WRITERS)
        ]
        for writer in writers:
            stack.callback(writer.close)
        kills = _run_rounds(server, proxy, watchers, writers, go, chance, seconds)
        return Report(
            seed, watchers, problems.found,
            sum(writer.done for writer in writers), proxy.injected.total(), kills,
        )  # fmt: skip


def _watchers(
    stack: ExitStack,
    server: EmbeddedServer,
    proxy: FaultProxy,
    login: AuthState,
    problems: ErrorLog,
) -> list[Watcher]:
    def client(url: str, who: AuthState | None, **settings: Any) -> BosBase:
        store = AuthStore()
        if who is not None:
            store.save(who.token, who.record)
        return stack.enter_context(BosBase(url, auth_store=store, **settings))

    watchers = []
    for who, names in ((login, list(VIEWS)[:4]), (None, ["guest"])):
        watching, asking = client(proxy.url, who, **SETTINGS), client(server.url, who)
        for name in names:
            options = VIEWS[name]
            watcher = Watcher(name, watching, options, problems, query_of(asking, options))
            watchers.append(watcher)
            stack.callback(watcher.close)
    return watchers


def _run_rounds(
    server: EmbeddedServer,
    proxy: FaultProxy,
    watchers: list[Watcher],
    writers: list[ServerWriter],
    go: threading.Event,
    chance: random.Random,
    seconds: float,
) -> int:
    rounds = max(1, round(seconds / ROUND))
    kills = 0
    for number in range(rounds):
        crashes = (number == 0) + (number == rounds // 2)
        kills += crashes
        go.set()
        _inject_faults(server, proxy, chance, seconds / rounds, crashes)
        rest(writers, go)
        check_all(watchers)
        if number % 2 or number == rounds - 1:
            proxy.calm()
            go.set()
            time.sleep(ROUND)
            rest(writers, go)
            check_all(watchers)
    return kills


def _inject_faults(
    server: EmbeddedServer,
    proxy: FaultProxy,
    chance: random.Random,
    length: float,
    crashes: int,
) -> None:
    """Inject losses and kill the server, at random moments."""
    # The last loss of a round is at a random time before its end, and so sometimes at the end.
    moments = [(chance.uniform(0, length), False) for _ in range(round(length / LOSS_EVERY))]
    moments += [(chance.uniform(0, length - DOWN), True) for _ in range(crashes)]
    started = time.monotonic()
    for at, is_kill in sorted(moments):
        time.sleep(max(0.0, started + at - time.monotonic()))
        if is_kill:
            server.kill()
            time.sleep(DOWN)
            server.restart()
        else:
            proxy.inject(Fault(chance.choice(LOSSES), chance.uniform(0.1, 1.0)))
    time.sleep(max(0.0, started + length - time.monotonic()))


def converge_server(seconds: float, seed: int) -> Report:
    """Run one seed on a server of its own."""
    with EmbeddedServer() as server:
        with server.client(superuser=True) as admin:
            make_tables(admin)
            login = admin.auth_store.state
        return converge(server, login, seconds, seed)


if __name__ == "__main__":
    raise SystemExit(run_seeds("Check that live views converge.", converge_server))
