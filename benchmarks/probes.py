"""Contenders without a stream of events: subscribing, closing, memory. Each run starts anew."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from rxbosbase import BosBase

from .bench import Bench, Ready, Skip, resident
from .payloads import COLLECTION
from .peers import _ignore, _peer

__all__ = ["close_busy", "memory", "subscribe", "subscribe_bosbase"]

BUSY_EVENTS = 200_000


def _nothing() -> None:
    """Do nothing: each run closes its client."""


def subscribe(bench: Bench) -> Ready:
    """``observe(…).subscribe(f)``, topic by topic, until the server has them all; then close."""

    def run(topics: int) -> dict[str, Any]:
        bench.command("reset")
        start, cpu = time.monotonic(), time.process_time()
        client = BosBase(bench.url)
        posts = client.collection(COLLECTION)
        for number in range(topics):
            posts.observe(f"t{number:05d}").subscribe(_ignore)
        answer = bench.command("wait", topics=topics)
        cpu = time.process_time() - cpu
        begin = time.perf_counter()
        client.close()
        return _submitted(answer, start, cpu, topics) | {"close": time.perf_counter() - begin}

    return Ready(run, _nothing)


def subscribe_bosbase(bench: Bench) -> Ready:
    """The official SDK, which blocks for each topic."""
    library = _peer("bosbase", "bosbase")

    def run(topics: int) -> dict[str, Any]:
        bench.command("reset")
        start, cpu = time.monotonic(), time.process_time()
        client = library.BosBase(bench.url)
        for number in range(topics):
            client.collection(COLLECTION).subscribe(f"t{number:05d}", _ignore)
        answer = bench.command("wait", topics=topics)
        return _submitted(answer, start, time.process_time() - cpu, topics)

    return Ready(run, _nothing)


def _submitted(answer: dict[str, Any], start: float, cpu: float, topics: int) -> dict[str, Any]:
    return {
        "events": topics, "seconds": answer["at"] - start, "cpu": cpu, "posts": answer["posts"],
        "bytes": answer["bytes"], "connections": answer["connections"],
    }  # fmt: skip


def close_busy(bench: Bench) -> Ready:
    """``close()`` in the middle of a burst."""

    def run(_: int) -> dict[str, Any]:
        bench.command("reset")
        client = BosBase(bench.url)
        client.collection(COLLECTION).observe("*").subscribe(_ignore)
        bench.command("wait", topics=1)
        bench.command("prepare", events=BUSY_EVENTS)
        bench.go()
        time.sleep(0.05)
        begin = time.perf_counter()
        client.close()
        return {"close": time.perf_counter() - begin}

    return Ready(run, _nothing)


def memory(bench: Bench) -> Ready:
    """Bytes of RSS: with one idle topic, for 1000 more of them, for 10 000 live records."""

    def run(records: int) -> dict[str, Any]:
        client = BosBase(bench.url)
        posts = client.collection(COLLECTION)
        posts.observe("*").subscribe(_ignore)
        bench.command("wait", topics=1)
        idle = _settled()
        for number in range(999):
            posts.observe(f"t{number:05d}", check=False).subscribe(_ignore)
        bench.command("wait", topics=1000)
        figures: dict[str, Any] = {"idle": idle, "topics": _settled() - idle}
        with_topics = _settled()
        build: Callable[[], Any] | None = getattr(posts, "live", None)
        if build is not None:
            view = build()
            view.subscribe(_ignore)
            view.wait_fresh(30.0)
            figures["records"] = _settled() - with_topics
        client.close()
        return figures

    if not bench.options.records:
        raise Skip("memory needs a table: records must be more than 0")
    return Ready(run, _nothing)


def _settled() -> int:
    gc.collect()
    return resident()
