"""A contender's own process: ``python -m benchmarks.worker NAME CONTROL_PORT OPTIONS``.

It says in one line that it is ready, or why not; then it takes a number of events a line and
answers each with the run's figures. It ends with its standard input.
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
    "best cut": "limit.best_cut",
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
"""Name -> where it is. Only the contender's own module is imported in its process."""


def main() -> None:
    """Runs one contender until standard input ends."""
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
        _say({"skip": str(reason)})
    else:
        _say({"ready": True})
        for line in sys.stdin:
            try:
                _say(ready.run(int(line)))
            except Exception as error:
                _say({"error": f"{type(error).__name__}: {error}"})
        with contextlib.suppress(Exception):
            ready.close()
    # Peers leave threads that wait for ever; nothing here needs an orderly end.
    os._exit(0)


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
