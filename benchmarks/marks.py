"""The marks: the promises of this library, as ratios within one run. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from operator import ge, le
from typing import Any

from .figures import Row

__all__ = ["MARKS", "Mark", "judged"]


@dataclass(frozen=True)
class Mark:
    """A bound of `figure` of `row` in `suite`, at least or at most."""

    text: str
    suite: str
    row: str
    figure: str
    holds: Callable[[float, float], bool]
    bound: float


MARKS = (
    Mark("300 B: events/s against the limit", "300 B", "observe", "× limit", ge, 0.75),
    Mark("2 KB: events/s against the limit", "2 KB", "observe", "× limit", ge, 0.90),
    Mark("20 KB: events/s against the limit", "20 KB", "observe", "× limit", ge, 0.95),
    Mark("2 KB, all dropped by action", "2 KB", "of_action drops", "× limit", ge, 1.5),
    Mark("20 KB, all dropped by action", "20 KB", "of_action drops", "× limit", ge, 1.5),
    Mark("1000 topics against one: CPU an event",
         "topics", "1000 topics", "CPU × one topic", le, 1.1),
    Mark("100 callbacks: CPU µs a delivery",
         "fan-out", "100 callbacks", "CPU µs/delivery", le, 0.35),
    Mark("100 observers: CPU µs a delivery",
         "fan-out", "100 observers", "CPU µs/delivery", le, 0.6),
    Mark("1000 topics one by one: POSTs", "subscribe", "1000 topics", "posts", le, 3),
    Mark("1000 topics one by one: MB", "subscribe", "1000 topics", "MB", le, 0.1),
    Mark("1000 topics one by one: seconds", "subscribe", "1000 topics", "seconds", le, 0.1),
    Mark("latency p50 over the bare socket, µs", "latency", "observe", "p50 over bare µs", le, 100),
    Mark("latency p99 over the bare socket, µs", "latency", "observe", "p99 over bare µs", le, 300),
    Mark("import against reactivex and requests",
         "import", "import rxbosbase", "× needed", le, 1.15),
)  # fmt: skip


def judged(suites: Mapping[str, Mapping[str, Row]]) -> list[dict[str, Any]]:
    """Return each mark with its result; ``measured`` and ``met`` are None without one."""
    found = []
    for mark in MARKS:
        figure = suites.get(mark.suite, {}).get(mark.row, {}).get(mark.figure)
        value = figure["median"] if figure else None
        entry = {**asdict(mark), "holds": "≥" if mark.holds is ge else "≤", "measured": value}
        found.append({**entry, "met": None if value is None else mark.holds(value, mark.bound)})
    return found
