"""Latency of single events, from the moment the server wrote into them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .payloads import STAMP_DIGITS

__all__ = ["quantiles", "sent_at"]


def sent_at(record: Mapping[str, Any]) -> int:
    """The monotonic nanoseconds at which the event was sent; the same clock in all processes."""
    return int(record["title"][:STAMP_DIGITS])


def quantiles(nanoseconds: list[int]) -> dict[str, Any]:
    """p50, p99 and p99.9 in microseconds.

    >>> quantiles([1000, 2000, 3000])
    {'events': 3, 'p50': 2.0, 'p99': 3.0, 'p99.9': 3.0}
    """
    ordered = sorted(nanoseconds)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000

    return {"events": len(ordered), "p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999)}
