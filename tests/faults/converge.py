"""Check that live views converge under writers, losses and kills, by a query at quiet points::

    python -m tests.faults.converge --seeds 20 --seconds 60

Eight writers create, update in and out of the filters, delete, create again under the same id, and
change authors, while a proxy cuts the client's stream every 3 s; the server is killed twice. Rounds
without a loss are between them: these test the rules for the stream alone, without a catch-up. At
every quiet point each of five views has to equal a new query. It prints a table, and exits with 1
if one did not.
"""

from __future__ import annotations

import argparse
import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from rxbosbase import AuthState, AuthStore, BackoffPolicy, BosBase
from rxbosbase.server import EmbeddedServer

from .converge_parts import Record, Watcher, Writer, make_tables
from .error_log import ErrorLog
from .kinds import Fault, Kind
from .proxy import FaultProxy

__all__ = ["Report", "converge", "main"]

WRITERS = 8
LOSS_EVERY = 3.0
ROUND = 6.0
"""Seconds of writing between two quiet points. Of two rounds with losses the second is followed by
one without: long enough to outlast the 5 s after a gap in which every record is rechecked."""
DOWN = 0.5  # seconds from a kill to the restart
TRUE_WITHIN = 6.0
"""Seconds of quiet within which a view has to be true: rechecks take up to 2, reconcile is 2."""
STAYS_TRUE = 0.3  # … and it still has to be after that

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


@dataclass
class Report:
    """The result of one seed."""

    seed: int
    watchers: list[Watcher]
    problems: list[str]
    writes: int
    losses: int
    kills: int

    @property
    def is_good(self) -> bool:
        """True if every view was right at every quiet point and there was no problem."""
        return not self.problems and all(not w.diverged and w.checks for w in self.watchers)

    def table(self) -> str:
        """Return a table with a line for each view."""
        lines = [
            f"seed {self.seed}: {self.writes} writes, {self.losses} losses, {self.kills} kills",
            "  view       snapshots quiet points diverged true within",
        ]
        lines += [
            f"  {w.name:10} {w.snapshots:9} {w.checks:12} {w.diverged:8} {w.slowest:9.2f} s"
            for w in self.watchers
        ]
        return "\n".join([*lines, *(f"  ! {text}" for text in self.problems)])


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
            Writer(server, login, random.Random(chance.random()), go) for _ in range(WRITERS)
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
            watcher = Watcher(name, watching, options, problems, _query(asking, options))
            watchers.append(watcher)
            stack.callback(watcher.close)
    return watchers


def _query(client: BosBase, options: dict[str, Any]) -> Callable[[], list[Record]]:
    asked = {name: options[name] for name in ("filter", "expand", "fields") if name in options}
    keys = [options["sort"], "id"] if "sort" in options else ["id"]

    def query() -> list[Record]:
        page = client.collection("posts").get_list(
            1, options.get("limit", 1000), sort=",".join(keys), **asked
        )
        return list(page["items"])

    return query


def _run_rounds(
    server: EmbeddedServer,
    proxy: FaultProxy,
    watchers: list[Watcher],
    writers: list[Writer],
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
        _rest(writers, go)
        _check(watchers)
        if number % 2 or number == rounds - 1:
            proxy.calm()
            go.set()
            time.sleep(ROUND)
            _rest(writers, go)
            _check(watchers)
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


def _rest(writers: list[Writer], go: threading.Event) -> None:
    go.clear()
    for writer in writers:
        writer.wait_idle()


def _check(watchers: list[Watcher]) -> None:
    """Check that each view becomes equal to its query in time, and stays so."""
    began = time.monotonic()
    waiting = list(watchers)
    while waiting and time.monotonic() < began + TRUE_WITHIN:
        for watcher in list(waiting):
            if watcher.is_true():
                waiting.remove(watcher)
                watcher.slowest = max(watcher.slowest, time.monotonic() - began)
        time.sleep(0.05)
    time.sleep(STAYS_TRUE)
    for watcher in watchers:
        watcher.checks += 1
        if not watcher.is_true():
            watcher.diverged += 1
            watcher.problems.add(watcher.difference())


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds that the arguments ask for; return the exit code."""
    parser = argparse.ArgumentParser(description="Check that live views converge.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seconds", type=float, default=60.0, help="of writing, for each seed")
    options = parser.parse_args(arguments)
    bad = 0
    for seed in range(options.first, options.first + options.seeds):
        with EmbeddedServer() as server:
            with server.client(superuser=True) as admin:
                make_tables(admin)
                login = admin.auth_store.state
            report = converge(server, login, options.seconds, seed)
        print(report.table(), flush=True)
        bad += not report.is_good
    print(f"{options.seeds - bad} of {options.seeds} seeds converged everywhere")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
