"""``distinct_record``: no event whose record is the same as before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import Observable

from rxbosbase.events import RecordEvent

from ._common import by_id

__all__ = ("distinct_record",)

R = TypeVar("R")


def distinct_record() -> Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]:
    """Drop an event whose record equals that of the preceding event of the same id.

    A delete always passes and removes the record, so that the next event passes too. Here a record
    is saved twice without a change, and then deleted and restored::

        source:  +a1-a1-+b1-a2-a2-~a2-+a2--|
        call:    distinct_record()
        result:  +a1----+b1-a2----~a2-+a2--|

    Keeps a reference to the last record of each id that is not deleted, per subscription. With
    ``fields=`` on the stream, equal means equal in these fields (``updated`` differs after each
    save: leave it out).

    Returns:
        an operator for ``pipe``: record events in, fewer of them out.

    Raises:
        ValueError: in ``on_error``, an event without a record id.

    >>> import reactivex
    >>> from reactivex import operators as ops
    >>> event = RecordEvent("posts/*", "update", {"id": "a", "n": 1})
    >>> reactivex.of(event, event, event).pipe(distinct_record(), ops.count()).run()
    1
    """

    def make() -> Callable[[RecordEvent[R], str], RecordEvent[R] | None]:
        last: dict[str, Any] = {}

        def new_only(event: RecordEvent[R], key: str) -> RecordEvent[R] | None:
            if event.action == "delete":
                last.pop(key, None)
            elif key in last and last[key] == event.record:
                return None
            else:
                last[key] = event.record
            return event

        return new_only

    return by_id(make)
