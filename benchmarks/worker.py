"""The process of a contender: ``python -m benchmarks.worker NAME CONTROL_PORT OPTIONS``.

It prints a line when it is ready, or with the reason why not; then it reads a number of events a
line and prints the run's figures for each. It ends with its standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .bench import Bench, Options, Ready, Skip

__all__ = ["CONTENDERS", "main"]

CONTENDERS = {
    "sink": "limit.sink",
    "limit": "limit.limit",
    "best cut": "limit.best_split",
    "bare latency": "limit.bare_latency",
    "observe": "ours.observe",
    "filter+map": "ours.filter_map",
    "of_action drops": "ours.dropping",
    "aio.events": "ours.aio_events",
    "observers": "ours.observers",
    "callbacks": "ours.callbacks",
    "topics": "ours.topics",
    "live view": "ours.live_view",
    "1 ms subscriber": "ours.slow",
    "latency": "ours.latency",
    "bosbase": "peers.bosbase",
    "pocketbase": "peers.pocketbase",
    "pocketbase-async": "peers.pocketbase_async",
    "sseclient-py": "peers.sseclient",
    "subscribe": "probes.subscribe",
    "subscribe bosbase": "probes.subscribe_bosbase",
    "close busy": "probes.close_busy",
    "memory": "probes.memory",
}
"""Name -> function. Only the contender's own module is imported in its process."""


def main() -> None:
    """Run one contender until standard input ends."""
    name, port, options = sys.argv[1:]
    bench = Bench(int(port), Options(**json.loads(options)))
    module, _, function = CONTENDERS[name].rpartition(".")
    ready: Ready | None = None
    try:
        begin: Callable[[Bench], Ready] = getattr(
            import_module(f".{module}", __package__), function
        )
        ready = begin(bench)
    except Skip as reason:
        _print({"skip": str(reason)})
    else:
        _print({"ready": True})
        for line in sys.stdin:
            try:
                _print(ready.run(int(line)))
            except Exception as error:
                _print({"error": f"{type(error).__name__}: {error}"})
        with contextlib.suppress(Exception):
            ready.close()
    # Some packages leave threads that never end.
    os._exit(0)


def _print(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
