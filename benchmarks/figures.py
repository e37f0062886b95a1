"""Compute medians, spreads and ratios from the figures of the rounds. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Row", "Spread", "number", "spread", "stream_row"]

Spread = dict[str, float]
"""``median``, ``low`` and ``high`` of the rounds."""

Row = dict[str, Any]
"""A line of a table: the name of a figure -> its `Spread`; ``note`` where there is none."""

Rounds = list[dict[str, Any]]


def spread(values: Iterable[float]) -> Spread:
    """Return the median of `values`, and the least and greatest of them.

    >>> spread([3.0, 1.0, 2.0])
    {'median': 2.0, 'low': 1.0, 'high': 3.0}
    """
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "low": ordered[0], "high": ordered[-1]}


def stream_row(rounds: Rounds, limit: Rounds = [], deliveries: int = 1) -> Row:  # noqa: B006
    """Return events a second and CPU an event, and their ratios to `limit` in each round."""
    if not rounds:
        return {}
    row: Row = {
        "events/s": spread(one["events"] / one["seconds"] for one in rounds),
        "CPU µs/event": spread(_cpu(one) * 1e6 for one in rounds),
        "threads": spread(one["threads"] for one in rounds),
    }
    if deliveries > 1:
        row["CPU µs/delivery"] = spread(_cpu(one) * 1e6 / deliveries for one in rounds)
    if limit:
        row["× limit"] = _ratios(limit, rounds, lambda one: one["seconds"] / one["events"])
        row["CPU × limit"] = _ratios(limit, rounds, _cpu)
    return row


def _cpu(one: dict[str, Any]) -> float:
    return float(one["cpu"] / one["events"])


def _ratios(above: Rounds, below: Rounds, cost: Callable[[dict[str, Any]], float]) -> Spread:
    return spread(cost(a) / max(1e-12, cost(b)) for a, b in zip(above, below, strict=False))


def number(value: float) -> str:
    """Format a figure with three digits.

    >>> number(1_234_567.0), number(12_340.0), number(0.7512)
    ('1.23 M', '12.3 k', '0.751')
    """
    for factor, unit in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            return f"{_digits(value / factor)}{unit}"
    return _digits(value)


def _digits(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
