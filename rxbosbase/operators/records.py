"""``records``: the records of the events, without the events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable
from reactivex import operators as ops

from rxbosbase.events import RecordEvent

__all__ = ("records",)

R = TypeVar("R")


def records() -> Callable[[Observable[RecordEvent[R]]], Observable[R]]:
    """Emit each event's record; that of a delete is the record before it.

    ::

        source:  +a1--a2----|
        call:    records()
        result:  A----B-----|
        where:   A = {"id": "a", "v": 1}
        where:   B = {"id": "a", "v": 2}

    The records are shared with all other subscribers: copy one before you change it.

    Returns:
        an operator for ``pipe``: record events in, records out: dicts, or models with ``model=``.

    >>> import reactivex
    >>> event = RecordEvent("posts/*", "update", {"id": "a", "title": "Hi"})
    >>> reactivex.of(event).pipe(records()).run()
    {'id': 'a', 'title': 'Hi'}
    """
    return ops.map(_record)


def _record(event: RecordEvent[R]) -> R:
    return event.record
