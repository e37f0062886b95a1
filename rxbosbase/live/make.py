"""From the arguments of ``live`` to a view: which core keeps it, and which views are equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rxbosbase.reader import RecordReader
from rxbosbase.realtime.facade import check_seconds

from .brain import Brain, RecordBrain, WindowBrain
from .core import ViewCore
from .hub import LiveHub
from .messages import Record, Rules
from .ordering import Order, orderable
from .snapshot import Snapshot
from .sorting import Sorting
from .source import Query, QuerySource, RecordSource
from .view import LiveView

__all__ = ["make_record_view", "make_view"]

T = TypeVar("T")


def make_view(
    hub: LiveHub,
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
    rules = Rules(reconcile=reconcile)

    decode = _decoding(query, reader)

    def arranged(shown: Snapshot[T] | None = None) -> Brain:
        by_related = "." in query.sort
        return WindowBrain(rules, interval=interval, sorts_by_related=by_related, shown=shown)

    def make() -> ViewCore[T]:
        # What the client cannot order as the server does, the server arranges, as it cuts a window.
        expand = query.get("expand")
        is_whole = query.limit is None and not query.plan.blurs
        if not is_whole or not orderable(query.sort, expand=expand):
            return ViewCore(hub, source, arranged(), Snapshot.empty(None, decode, query.collection))
        order = Order.parse(query.sort, expand=expand)
        sorting = Sorting(order, hub.text_order, interval, rules)
        first = Snapshot.empty(order, decode, query.collection)
        return ViewCore(hub, source, RecordBrain(rules, sorting), first, arranged)

    return LiveView(hub, (query, reader.key, reconcile, interval), make, owner)


def make_record_view(
    hub: LiveHub,
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

    def make() -> ViewCore[T]:
        brain = RecordBrain(Rules(reconcile=reconcile))
        empty = Snapshot.empty(Order.parse(), decode, query.collection)
        return ViewCore(hub, source, brain, empty)

    return LiveView(hub, (query, id, reader.key, reconcile), make, owner)


def _decoding(query: Query, reader: RecordReader[T]) -> Callable[[Record], T | None]:
    """From a row to what the user sees of it; None for what a model leaves out."""
    strip = query.plan.strip
    if strip is None:
        return reader.read
    return lambda row: reader.read(strip(row))
