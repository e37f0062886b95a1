"""Latency of single events, from the time that the server writes into them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .payloads import STAMP_DIGITS

__all__ = ["quantiles", "sent_at"]


def sent_at(record: Mapping[str, Any]) -> int:
    """Return the monotonic nanoseconds of the sending; all processes have the same clock."""
    return int(record["title"][:STAMP_DIGITS])


def quantiles(nanoseconds: list[int]) -> dict[str, Any]:
    """Return p50, p99 and p99.9 in microseconds.

    >>> quantiles([1000, 2000, 3000])
    {'events': 3, 'p50': 2.0, 'p99': 3.0, 'p99.9': 3.0}
    """
    ordered = sorted(nanoseconds)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000

    return {"events": len(ordered), "p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999)}
