"""Alternatives from PyPI. Each adapter follows that package's README."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import threading
from importlib import metadata
from typing import Any

from .bench import Bench, Ready, Skip
from .payloads import COLLECTION

__all__ = ["bosbase", "pocketbase", "pocketbase_async", "sseclient"]

READ = 64 * 1024  # bytes; with requests' default of 128 for sseclient it takes twice as long
ATTEMPTS = 5


def _peer(distribution: str, module: str) -> Any:
    try:
        metadata.version(distribution)
        return importlib.import_module(module)
    except (metadata.PackageNotFoundError, ImportError):
        raise Skip(
            f"{distribution} is not installed: pip install --target build/peers/{distribution} "
            f"{distribution}"
        ) from None


def _nothing() -> None:
    """Do nothing: the process ends with its contender."""


def _ignore(_: object) -> None:
    """Do nothing: the callback of subscribers that do not count."""


def bosbase(bench: Bench) -> Ready:
    """The official SDK."""
    client = _peer("bosbase", "bosbase").BosBase(bench.url)
    options = bench.options
    for number in range(options.topics):
        name = "*" if options.topics == 1 else f"t{number:05d}"
        for _ in range(options.subscribers - 1):
            client.collection(COLLECTION).subscribe(name, _ignore)
        client.collection(COLLECTION).subscribe(name, bench.count)
    return bench.ready(_nothing, options.topics)


def pocketbase(bench: Bench) -> Ready:
    """``pocketbase``, the most used one."""
    library = _peer("pocketbase", "pocketbase")
    for _ in range(ATTEMPTS):  # it misses a PB_CONNECT that arrives before its listener exists
        library.PocketBase(bench.url).realtime.subscribe(f"{COLLECTION}/*", bench.count)
        with contextlib.suppress(RuntimeError):
            bench.command("wait", topics=1, timeout=2.0)
            break
    return bench.ready(_nothing)


def pocketbase_async(bench: Bench) -> Ready:
    """``pocketbase-async``; it quotes the star, so it gets a topic of equal length."""
    client = _peer("pocketbase-async", "pocketbase").PocketBase(bench.url)

    async def consume(event: object) -> None:
        bench.count(event)

    async def serve() -> None:
        await client.realtime.subscribe(f"{COLLECTION}/a", consume)
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    return bench.ready(_nothing)


def sseclient(bench: Bench) -> Ready:
    """``sseclient-py`` on ``requests``, fed in large reads, with the standard library's JSON."""
    import requests

    library = _peer("sseclient-py", "sseclient")
    response = requests.get(f"{bench.url}/api/realtime", stream=True, timeout=None)

    def serve() -> None:
        for event in library.SSEClient(response.iter_content(READ)).events():
            data = json.loads(event.data)
            if event.event == "PB_CONNECT":
                wanted = {"clientId": data["clientId"], "subscriptions": [f"{COLLECTION}/*"]}
                requests.post(f"{bench.url}/api/realtime", json=wanted, timeout=60)
            else:
                bench.count(data)

    threading.Thread(target=serve, daemon=True).start()
    return bench.ready(_nothing)
