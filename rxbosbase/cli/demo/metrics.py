"""The demo's pipeline: from the events of four collections to metrics, eight times a second.

::

    messages ─┐                 ┌─ group_by(action) ─ rate ──────── scan ─┐
    posts ────┤                 │                                         │
    comments ─┼─ merge ─ share ─┼─ buffer_with_time ─ scan ───────────────┼─ combine_latest ─ sample
    orders ───┘                 │                     (feed)              │
                                ├─ buffer_with_time ─ scan ───────────────┤
                                └─ count              (latencies)         │
    status ───────────────────────────────────────────────────────────────┤
    live view of the open orders ─────────────────────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from reactivex import GroupedObservable, Observable
from reactivex import operators as ops

from rxbosbase import operators as rxb
from rxbosbase.client import BosBase
from rxbosbase.events import Event
from rxbosbase.live import Snapshot
from rxbosbase.live.view import LiveView
from rxbosbase.realtime.session.status import Status
from rxbosbase.runtime.streams import Stream

from .delivery_audit import percentile

__all__ = ("OPEN_ORDERS", "WATCHED", "FeedLine", "Latency", "Metrics", "open_orders", "watch")

WATCHED = {
    "messages": "author",
    "posts": "author",
    "comments": "author,post",
    "orders": "customer",
}
"""The collections, and the relations to expand."""

OPEN_ORDERS: Mapping[str, str] = {
    "filter": 'status != "sent"', "sort": "-quantity,item", "expand": "customer",
}  # fmt: skip
"""The query of the live view: orders leave it when they are sent."""

SAMPLE_SECONDS = 0.125
RATE_WINDOW_SECONDS = 2.0
FEED_SECONDS = 0.4  # per line, so that the lines can be read
FEED_LINES = 12
LATENCY_SECONDS = 0.5
MAX_LATENCIES = 1000


class _Received(NamedTuple):
    event: Event
    latency: float | None


@dataclass(frozen=True, slots=True)
class FeedLine:
    """A line of the feed: the newest event, and the number of others that it stands for."""

    event: Event
    more: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from sending a write to receiving its event, for the latest `count` events."""

    p50: float | None = None
    p99: float | None = None
    count: int = 0


@dataclass(frozen=True, slots=True)
class Metrics:
    """The values to show at one moment. `rates` are events per second by action."""

    status: Status = field(default_factory=Status)
    rates: Mapping[str, float] = field(default_factory=dict[str, float])
    feed: tuple[FeedLine, ...] = ()
    latency: Latency = field(default_factory=Latency)
    received: int = 0
    view: Snapshot[dict[str, Any]] | None = None


def open_orders(client: BosBase) -> LiveView[dict[str, Any]]:
    """Return the live view of the open orders; equal views are shared."""
    return client.collection("orders").live(
        filter=OPEN_ORDERS["filter"], sort=OPEN_ORDERS["sort"], expand=OPEN_ORDERS["expand"]
    )


def watch(client: BosBase, latency_of: Callable[[Event], float | None]) -> Stream[Metrics]:
    """Return the metrics of what `client` receives. `latency_of` is called once for each event.

    All timers run on the client's delivery thread: it is the default scheduler of the streams.
    """
    streams = [
        client.collection(name).observe("*", expand=relations)
        for name, relations in WATCHED.items()
    ]
    events: Stream[_Received] = streams[0].pipe(
        ops.merge(*streams[1:]),
        ops.map(lambda event: _Received(event, latency_of(event))),
        ops.share(),
    )
    parts = [
        _rates(events, client),
        _feed(events),
        _latency(events),
        events.pipe(ops.scan(lambda count, _: count + 1, 0), ops.start_with(0)),
        open_orders(client).start_with(None),
    ]
    metrics: Stream[Metrics] = client.realtime.status.pipe(
        ops.combine_latest(*parts),
        ops.sample(SAMPLE_SECONDS),
        ops.map(lambda values: Metrics(*values)),
    )
    return metrics


def _rates(events: Stream[_Received], client: BosBase) -> Observable[dict[str, float]]:
    def of_group(group: GroupedObservable[str, _Received]) -> Observable[tuple[str, float]]:
        rate = rxb.rate(RATE_WINDOW_SECONDS, scheduler=client.scheduler)
        return group.pipe(rate, ops.map(lambda value: (group.key, value)))

    nothing: dict[str, float] = {}
    by_action = events.group_by(lambda received: received.event.action)
    return by_action.flat_map(of_group).pipe(
        ops.scan(lambda rates, new: {**rates, new[0]: new[1]}, nothing),
        ops.start_with(nothing),
    )


def _feed(events: Stream[_Received]) -> Observable[tuple[FeedLine, ...]]:
    nothing: tuple[FeedLine, ...] = ()

    def add(lines: tuple[FeedLine, ...], batch: list[_Received]) -> tuple[FeedLine, ...]:
        return (*lines, FeedLine(batch[-1].event, len(batch) - 1))[-FEED_LINES:]

    feed: Observable[tuple[FeedLine, ...]] = events.pipe(
        ops.buffer_with_time(FEED_SECONDS),
        ops.filter(lambda batch: len(batch) > 0),
        ops.scan(add, nothing),
        ops.start_with(nothing),
    )
    return feed


def _latency(events: Stream[_Received]) -> Observable[Latency]:
    nothing: list[float] = []
    latency: Observable[Latency] = events.pipe(
        ops.filter(lambda received: received.latency is not None),
        ops.map(lambda received: cast(float, received.latency)),
        ops.buffer_with_time(LATENCY_SECONDS),
        ops.filter(lambda batch: len(batch) > 0),
        ops.scan(lambda latest, batch: (latest + batch)[-MAX_LATENCIES:], nothing),
        ops.map(sorted),
        ops.map(
            lambda latest: Latency(percentile(latest, 0.5), percentile(latest, 0.99), len(latest))
        ),
        ops.start_with(Latency()),
    )
    return latency
