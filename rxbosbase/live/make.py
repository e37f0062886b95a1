"""From the arguments of ``live`` to a view: which core keeps it, and which views are equal."""

from __future__ import annotations

from typing import Any, TypeVar

from rxbosbase.reader import RecordReader
from rxbosbase.realtime.facade import check_seconds
from rxbosbase.realtime.topics import record_topic

from .brain import Brain, RecordBrain, WindowBrain
from .core import ViewCore
from .hub import LiveHub
from .messages import Rules
from .ordering import Order, orderable
from .snapshot import Snapshot
from .source import Query, QuerySource, RecordSource, Source
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
    source = QuerySource(query, hub.read)
    source.topic()
    rules = Rules(reconcile=reconcile)

    def make() -> ViewCore[Any]:
        # What the client cannot order as the server does, the server arranges, as it cuts a window.
        if query.limit is not None or not orderable(query.sort, expand=query.get("expand")):
            return _core(hub, source, WindowBrain(rules, interval=interval), None, reader)
        order = Order.parse(query.sort, expand=query.get("expand"))
        return _core(hub, source, RecordBrain(rules), order, reader)

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
    record_topic(query.collection, id)
    source = RecordSource(query, id, hub.read)
    source.topic()

    def make() -> ViewCore[Any]:
        brain = RecordBrain(Rules(reconcile=reconcile))
        return _core(hub, source, brain, Order.parse(), reader)

    return LiveView(hub, (query, id, reader.key, reconcile), make, owner)


def _core(
    hub: LiveHub, source: Source, brain: Brain, order: Order | None, reader: RecordReader[T]
) -> ViewCore[T]:
    empty: Snapshot[T] = Snapshot.empty(order, None if reader.is_plain else reader.read)
    expands = bool(source.query.get("expand"))
    return ViewCore(hub, source, brain, empty, expands=expands)
