"""Check that live views converge on two nodes of one database, by a query at quiet points::

    PYTHONPATH=tests python -m faults.converge_nodes --seeds 20 --seconds 60

Both nodes are scripted, and each tells only of the writes made at itself. Four writers create,
update and delete at either of them. One client has a stream to each node, over proxies that cut
them; at times a node's network is gone for a while, though it goes on writing, or a node leaves the
list and joins it again. Another client has one stream, through a balancer: no event tells it what
the other node writes, and its views have to find it by ``reconcile``. It prints a table, and exits
with 1 if a view did not equal its query.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import ExitStack
from typing import Any

from support.balancer import Balancer
from support.bosbase_server import BosBaseServer

from rxbosbase import BackoffPolicy, BosBase

from .converge_parts import Report, Watcher, Writer, check_all, query_of, rest, run_seeds
from .error_log import ErrorLog
from .kinds import Fault, Kind
from .proxy import FaultProxy

__all__ = ["converge_nodes"]

WRITERS = 4
ROUND = 3.0
"""Seconds of writing between two quiet points."""
AWAY = 0.6
"""Seconds for which a node's network is gone."""
TICK_US = 1700
"""Microseconds between two writes by the database's clock: some share a millisecond."""

LOSSES = (Kind.CUT, Kind.RESET, Kind.TRUNCATE, Kind.CORRUPT_DATA, Kind.STALL)
IDS = tuple(f"00000000-0000-7000-8000-{number:012x}" for number in range(60))

SETTINGS: dict[str, Any] = {
    "timeout": 3.0,
    "backoff": BackoffPolicy(initial=0.05, maximum=0.5),
}
VIEWS: dict[str, dict[str, Any]] = {
    "all": {},
    "filtered": {"filter": 'status = "published"'},
    "sorted": {"sort": "-n,title"},
    "windowed": {"sort": "n,-title", "limit": 10, "filter": "n >= 10"},
}


class NodeWriter(Writer):
    """Writes at either node."""

    PAUSE = 0.02

    def __init__(
        self, nodes: list[BosBaseServer], chance: random.Random, go: threading.Event
    ) -> None:
        self._nodes = nodes
        super().__init__(chance, go)

    def _write(self) -> bool:
        chance, node = self._chance, self._chance.choice(self._nodes)
        id = chance.choice(IDS[:6] if chance.random() < 0.3 else IDS)
        content = self._content()
        try:
            if chance.random() < 0.2:
                node.delete("posts", id)
            else:
                node.update("posts", id, content)
        except KeyError:  # it does not exist
            node.create("posts", {"id": id, **content})
        return True


def converge_nodes(seconds: float, seed: int) -> Report:
    """Run one seed for so many seconds of writing; return the report."""
    chance = random.Random(seed)
    problems = ErrorLog()
    log = logging.getLogger("rxbosbase")
    with ExitStack() as stack:
        log.addHandler(problems)
        stack.callback(log.removeHandler, problems)
        one = stack.enter_context(BosBaseServer())
        other = stack.enter_context(BosBaseServer(database=one.database))
        one.database.tick = one.database.tick.resolution * TICK_US
        nodes = [one, other]
        one.fill("posts", [{"id": id, "title": "", "n": 1, "status": "draft"} for id in IDS[:30]])
        proxies = [stack.enter_context(FaultProxy(node.url)) for node in nodes]
        front = stack.enter_context(
            Balancer([node.url for node in nodes], "request", chance.choice(("turns", "least")))
        )
        asking = stack.enter_context(BosBase(one.url))
        client = stack.enter_context(
            BosBase(one.url, nodes=[proxy.url for proxy in proxies], **SETTINGS)
        )
        balanced = stack.enter_context(BosBase(front.url, **SETTINGS))
        watchers = [
            _watcher(stack, name, who, asking, problems, options)
            for who, extra in ((client, {}), (balanced, {"reconcile": 1.0}))
            for name, options in {
                f"{name}{', balanced' * bool(extra)}": {**options, **extra}
                for name, options in VIEWS.items()
            }.items()
        ]
        go = threading.Event()
        writers = [NodeWriter(nodes, random.Random(chance.random()), go) for _ in range(WRITERS)]
        for writer in writers:
            stack.callback(writer.close)
        away = 0
        for number in range(max(1, round(seconds / ROUND))):
            go.set()
            away += _inject_faults(nodes, proxies, client, chance, number)
            rest(writers, go)
            for proxy in proxies:
                proxy.calm()
            check_all(watchers)
        losses = sum(proxy.injected.total() for proxy in proxies)
        return Report(
            seed, watchers, problems.found, sum(writer.done for writer in writers), losses, away
        )


def _watcher(
    stack: ExitStack,
    name: str,
    client: BosBase,
    asking: BosBase,
    problems: ErrorLog,
    options: dict[str, Any],
) -> Watcher:
    asked: dict[str, Any] = {name: each for name, each in options.items() if name != "reconcile"}
    query: Any = query_of(asking, asked)
    watcher = Watcher(name, client, options, problems, query)
    stack.callback(watcher.close)
    return watcher


def _inject_faults(
    nodes: list[BosBaseServer],
    proxies: list[FaultProxy],
    client: BosBase,
    chance: random.Random,
    number: int,
) -> int:
    """Cut streams at random moments of a round; in two of three a node is away or leaves. Return
    how often one was away."""
    ends = time.monotonic() + ROUND
    addresses = [proxy.url for proxy in proxies]
    chosen = chance.randrange(len(nodes))
    time.sleep(chance.uniform(0.0, ROUND / 3))
    if number % 3 == 0:
        nodes[chosen].refuse_connections()
        for stream in nodes[chosen].streams:
            stream.cut()
        time.sleep(AWAY)
        nodes[chosen].accept_connections()
    elif number % 3 == 1:
        client.realtime.set_nodes([addresses[1 - chosen]])
        time.sleep(chance.uniform(0.0, AWAY))
        client.realtime.set_nodes(addresses)
    else:
        chance.choice(proxies).inject(Fault(chance.choice(LOSSES), chance.uniform(0.1, 1.0)))
    time.sleep(max(0.0, ends - time.monotonic()))
    return int(number % 3 == 0)


if __name__ == "__main__":
    raise SystemExit(run_seeds("Check that views converge on two nodes.", converge_nodes))
