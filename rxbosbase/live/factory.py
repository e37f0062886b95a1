"""From the arguments of ``live`` to a view: which core keeps it, and which views are equal."""

from __future__ import annotations

from collections.abc import Callable
from random import uniform
from typing import TypeVar

from rxbosbase.live.engine.engine import Engine, RecordEngine, WindowEngine
from rxbosbase.live.engine.messages import DOUBLED, Record, Rules
from rxbosbase.live.engine.ordering import Order, UnorderableError
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.live.engine.sorting import Sorting
from rxbosbase.realtime.api import check_seconds
from rxbosbase.records.reader import RecordReader
from rxbosbase.runtime.retry_delay import Delay, longest_wait

from .driver import ViewDriver
from .manager import LiveViewManager
from .source import Query, QuerySource, RecordSource
from .view import LiveView

__all__ = ["make_record_view", "make_view"]

T = TypeVar("T")


def make_view(
    hub: LiveViewManager,
    query: Query,
    reader: RecordReader[T],
    *,
    reconcile: float,
    interval: float,
    owner: object,
) -> LiveView[T]:
    """The view of a query. Raises what makes its topic impossible, at once."""
    check_seconds("reconcile", reconcile)
    check_seconds("interval", interval)
    source = QuerySource(query, hub.read, hub.dialect)
    source.topic()
    rules = Rules(reconcile=reconcile, delay=_delay(hub))

    decode = _decoding(query, reader)

    def arranged(shown: Snapshot[T] | None = None) -> Engine:
        by_related = "." in query.sort
        return WindowEngine(rules, interval=interval, sorts_by_related=by_related, shown=shown)

    def make() -> ViewDriver[T]:
        order = _own_order(query)
        first = Snapshot.empty(order, decode, query.collection)
        if order is None:
            return ViewDriver(hub, source, arranged(), first)
        sorting = Sorting(order, hub.text_order, interval, rules)
        return ViewDriver(hub, source, RecordEngine(rules, sorting), first, arranged)

    return LiveView(hub, (query, reader.key, reconcile, interval), make, owner)


def make_record_view(
    hub: LiveViewManager,
    query: Query,
    id: str,
    reader: RecordReader[T],
    *,
    reconcile: float,
    owner: object,
) -> LiveView[T]:
    """The view of one record."""
    check_seconds("reconcile", reconcile)
    if id == "*":
        raise ValueError("live_record takes the id of one record; for all of them use live()")
    source = RecordSource(query, id, hub.read)
    source.topic()

    decode = _decoding(query, reader)

    def make() -> ViewDriver[T]:
        brain = RecordEngine(Rules(reconcile=reconcile, delay=_delay(hub)))
        empty = Snapshot.empty(Order.parse(), decode, query.collection)
        return ViewDriver(hub, source, brain, empty)

    return LiveView(hub, (query, id, reader.key, reconcile), make, owner)


def _own_order(query: Query) -> Order | None:
    """None for what the server arranges: a window that it cuts, and what it alone can order."""
    if query.limit is not None or query.plan.blurs:
        return None
    try:
        return Order.parse(query.sort, expand=query.get("expand"))
    except UnorderableError:
        return None


def _decoding(query: Query, reader: RecordReader[T]) -> Callable[[Record], T | None]:
    """From a row to what the user sees of it; None for what a model leaves out."""
    strip = query.plan.strip
    if strip is None:
        return reader.read
    return lambda row: reader.read(strip(row))


def _delay(hub: LiveViewManager) -> Delay:
    """As long as the client's backoff has jitter, all the views that a server failed at one moment
    do not come back at one; but never at once, for a read may be one of many pages."""
    return _jittered if hub.has_jitter else DOUBLED


def _jittered(failures: int) -> float:
    return longest_wait(failures, initial=1.0, factor=2.0, maximum=15.0) * uniform(1.0, 2.0)
