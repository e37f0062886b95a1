"""Contenders of this library: its ways of receiving events."""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Callable
from typing import Any

from reactivex import operators as ops

from rxbosbase import BosBase
from rxbosbase import operators as rxb
from rxbosbase.collection import Collection

from .bench import Bench, Ready, Skip
from .latency import quantiles, sent_at
from .payloads import COLLECTION

__all__ = [
    "aio_events", "callbacks", "dropping", "filter_map", "latency", "live_view", "observe",
    "observers", "slow", "topics",
]  # fmt: skip

SLOW_SECONDS = 0.001


def _opened(bench: Bench) -> tuple[BosBase, Collection]:
    client = BosBase(bench.url)
    return client, client.collection(COLLECTION)


def _ignore(_: object) -> None:
    """Do nothing: the callback of subscribers that do not count."""


def observe(bench: Bench) -> Ready:
    """``observe("*").subscribe(f)``"""
    client, posts = _opened(bench)
    posts.observe("*").subscribe(bench.count)
    return bench.ready(client.close)


def filter_map(bench: Bench) -> Ready:
    """With a ``filter`` and a ``map``, which both use the event."""
    client, posts = _opened(bench)
    posts.observe("*").pipe(
        ops.filter(lambda event: event.action != "create"),
        ops.map(lambda event: event.record),
    ).subscribe(bench.count)
    return bench.ready(client.close)


def dropping(bench: Bench) -> Ready:
    """Through ``of_action`` that drops all but a run's last event."""
    client, posts = _opened(bench)
    posts.observe("*").pipe(rxb.of_action("delete")).subscribe(bench.count)
    ready = bench.ready(client.close)
    return Ready(lambda events: bench.run(events, expect=1), ready.close)


def observers(bench: Bench) -> Ready:
    """Many Rx observers of one topic."""
    client, posts = _opened(bench)
    stream = posts.observe("*")
    for _ in range(bench.options.subscribers - 1):
        stream.subscribe(_ignore)
    stream.subscribe(bench.count)
    return bench.ready(client.close)


def callbacks(bench: Bench) -> Ready:
    """Many callbacks of one topic."""
    client, posts = _opened(bench)
    for _ in range(bench.options.subscribers - 1):
        posts.subscribe("*", _ignore)
    posts.subscribe("*", bench.count)
    return bench.ready(client.close)


def topics(bench: Bench) -> Ready:
    """Many topics, with events on all of them in turn."""
    client, posts = _opened(bench)
    for number in range(bench.options.topics):
        posts.observe(f"t{number:05d}", check=False).subscribe(bench.count)
    return bench.ready(client.close, bench.options.topics)


def slow(bench: Bench) -> Ready:
    """A subscriber that sleeps 1 ms; the run also measures the sleeps alone."""
    client, posts = _opened(bench)

    def consume(event: object) -> None:
        time.sleep(SLOW_SECONDS)
        bench.count(event)

    posts.observe("*").subscribe(consume)
    ready = bench.ready(client.close)

    def run(events: int) -> dict[str, Any]:
        figures = ready.run(events)
        start = time.perf_counter()
        for _ in range(events):
            time.sleep(SLOW_SECONDS)
        return {**figures, "bare_seconds": time.perf_counter() - start}

    return Ready(run, ready.close)


def latency(bench: Bench) -> Ready:
    """The time from the server's send to the callback."""
    client, posts = _opened(bench)
    took: list[int] = []

    def consume(event: Any) -> None:
        took.append(time.monotonic_ns() - sent_at(event.record))
        bench.count(event)

    posts.observe("*").subscribe(consume)
    ready = bench.ready(client.close)

    def run(events: int) -> dict[str, Any]:
        took.clear()
        ready.run(events)
        return quantiles(took)

    return Ready(run, ready.close)


def aio_events(bench: Bench) -> Ready:
    """``async for event in aio.events(observable)``"""
    aio: Any = _optional("rxbosbase.aio")
    client, posts = _opened(bench)

    async def consume() -> None:
        async for event in aio.events(posts.observe("*")):
            bench.count(event)

    threading.Thread(target=lambda: asyncio.run(consume()), daemon=True).start()
    return bench.ready(client.close)


def live_view(bench: Bench) -> Ready:
    """A live view; each event changes one of its records, none of them twice in a run."""
    client, posts = _opened(bench)
    build: Callable[[], Any] | None = getattr(posts, "live", None)
    if build is None:
        raise Skip("live views do not exist yet")
    view = build()

    def consume(snapshot: Any) -> None:
        for change in snapshot.changes:
            bench.count(change)

    view.subscribe(consume)
    view.wait_fresh(30.0)
    bench.command("wait", topics=1)
    records = bench.options.records
    return Ready(lambda events: bench.run(min(events, records)), client.close)


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise Skip(f"{name} does not exist yet") from None
