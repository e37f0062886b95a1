"""Live views from the arguments of ``live``: their drivers, and which views are equal."""

from __future__ import annotations

from collections.abc import Callable
from random import uniform
from typing import TypeVar

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.engine import Engine, RecordEngine, WindowEngine
from rxbosbase.live.engine.messages import DOUBLING_DELAY, Rules
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

__all__ = ("make_record_view", "make_view")

T = TypeVar("T")


def make_view(
    manager: LiveViewManager,
    query: Query,
    reader: RecordReader[T],
    *,
    reconcile: float,
    interval: float,
    owner: object,
) -> LiveView[T]:
    """Return the view of a query; raise at once what makes its topic impossible."""
    check_seconds("reconcile", reconcile)
    check_seconds("interval", interval)
    source = QuerySource(query, manager.read, manager.dialect)
    source.topic()
    rules = Rules(reconcile=reconcile, delay=_delay(manager))

    decode = _decoding(query, reader)

    def make_window(shown: Snapshot[T] | None = None) -> Engine:
        by_related = "." in query.sort
        return WindowEngine(rules, interval=interval, sorts_by_related=by_related, shown=shown)

    def make() -> ViewDriver[T]:
        order = _own_order(query)
        first = Snapshot.empty(order, decode, query.collection)
        if order is None:
            return ViewDriver(manager, source, make_window(), first)
        sorting = Sorting(order, manager.text_order, interval, rules)
        return ViewDriver(manager, source, RecordEngine(rules, sorting), first, make_window)

    return LiveView(manager, (query, reader.key, reconcile, interval), make, owner, query)


def make_record_view(
    manager: LiveViewManager,
    query: Query,
    id: str,
    reader: RecordReader[T],
    *,
    reconcile: float,
    owner: object,
) -> LiveView[T]:
    """Return the view of one record."""
    check_seconds("reconcile", reconcile)
    if id == "*":
        raise ValueError("live_record takes the id of one record; for all of them use live()")
    source = RecordSource(query, id, manager.read)
    source.topic()

    decode = _decoding(query, reader)

    def make() -> ViewDriver[T]:
        engine = RecordEngine(Rules(reconcile=reconcile, delay=_delay(manager)))
        empty = Snapshot.empty(Order.parse(), decode, query.collection)
        return ViewDriver(manager, source, engine, empty)

    return LiveView(manager, (query, id, reader.key, reconcile), make, owner, query)


def _own_order(query: Query) -> Order | None:
    """Return the view's order; None for a window, and for an order that only the server knows."""
    if query.limit is not None or query.plan.alters_sort_field:
        return None
    try:
        return Order.parse(query.sort, expand=query.get("expand"))
    except UnorderableError:
        return None


def _decoding(query: Query, reader: RecordReader[T]) -> Callable[[Record], T | None]:
    """Return the function from a row to the user's record, or to None for a row to leave out."""
    strip = query.plan.strip
    if strip is None:
        return reader.read
    return lambda row: reader.read(strip(row))


def _delay(manager: LiveViewManager) -> Delay:
    """Return the pause after failed reads. If the client's backoff has jitter, views that failed at
    one moment retry at different times; never at once, since a read may be one of many pages."""
    return _jittered if manager.has_jitter else DOUBLING_DELAY


def _jittered(failures: int) -> float:
    return longest_wait(failures, initial=1.0, factor=2.0, maximum=15.0) * uniform(1.0, 2.0)
