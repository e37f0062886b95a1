"""``distinct_record``: not the same record twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import reactivex
from reactivex import Observable
from reactivex import operators as ops

from rxbosbase.events import RecordEvent
from rxbosbase.operators._common import record_id

__all__ = ["distinct_record"]

R = TypeVar("R")


def distinct_record() -> Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]:
    """Drop an event whose record equals that of the preceding event of the same id.

    A delete always passes and forgets the record, so that what comes after it passes, too. Here
    the writers save twice without a change, and then delete and restore::

        source:  +a1-a1-+b1-a2-a2-~a2-+a2--|
        call:    distinct_record()
        result:  +a1----+b1-a2----~a2-+a2--|

    Keeps a reference to the last record of each living id, per subscription. With ``fields=`` on
    the stream, equal means equal in these fields (``updated`` differs after each save: leave it
    out). An event without a record id is a ``ValueError`` in ``on_error``.

    >>> event = RecordEvent("posts/*", "update", {"id": "a", "n": 1})
    >>> reactivex.of(event, event, event).pipe(distinct_record(), ops.count()).run()
    1
    """

    def operator(source: Observable[RecordEvent[R]]) -> Observable[RecordEvent[R]]:
        def per_subscription(_: object) -> Observable[RecordEvent[R]]:
            last: dict[str, Any] = {}

            def differs(event: RecordEvent[R]) -> bool:
                key = record_id(event)
                if event.action == "delete":
                    last.pop(key, None)
                    return True
                if key in last and last[key] == event.record:
                    return False
                last[key] = event.record
                return True

            return source.pipe(ops.filter(differs))

        return reactivex.defer(per_subscription)

    return operator
