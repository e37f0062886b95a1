"""What several operators share: times, record ids, and the scaffold of those with state by id."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from reactivex import Observable, abc

from rxbosbase.events import Event, RecordEvent

__all__ = ("Event", "by_id", "newest_of", "record_id", "seconds")

B = TypeVar("B")
R = TypeVar("R")


def seconds(value: float | timedelta, name: str) -> float:
    """Return a time as seconds; ``ValueError`` unless it is positive and finite."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise TypeError(f"{name} must be seconds or a timedelta, not {value!r}")
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be more than 0 seconds, not {value!r}")
    return float(number)


def record_id(event: Event) -> str:
    """Return the id of an event's record or model; ``ValueError`` with a remedy if it has none."""
    try:
        record: Mapping[str, str] | None = event.record
        found: str = record["id"] if isinstance(record, Mapping) else event.record.id
    except (KeyError, AttributeError):
        raise ValueError(
            f"this operator needs events with record['id'] (or record.id, of a model), and got "
            f"{event!r}: where the stream was made with fields=…, add 'id' to them"
        ) from None
    return found


def newest_of(held: list[Event], event: Event) -> list[Event]:
    """Return what to keep of one record's events: the newest, and a delete before a new create.

    >>> from rxbosbase.events import RecordEvent
    >>> gone = RecordEvent("posts/*", "delete", {"id": "a"})
    >>> new = RecordEvent("posts/*", "create", {"id": "a"})
    >>> newest_of([gone], new) == [gone, new]
    True
    >>> newest_of([gone, new], gone) == [gone]
    True
    """
    if event.action != "delete" and held and held[0].action == "delete":
        return [held[0], event]
    return [event]


def by_id(
    make: Callable[[], Callable[[RecordEvent[R], str], B | None]],
) -> Callable[[Observable[RecordEvent[R]]], Observable[B]]:
    """Return an operator that maps each event, with separate state for each subscription.

    Args:
        make: called at each subscription; returns the function from an event and the id of its
            record to what is emitted, or to None for nothing.
    """

    def operator(source: Observable[RecordEvent[R]]) -> Observable[B]:
        def subscribe(
            observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            convert = make()

            def on_next(event: RecordEvent[R]) -> None:
                try:
                    result = convert(event, record_id(event))
                except Exception as error:
                    observer.on_error(error)
                else:
                    if result is not None:
                        observer.on_next(result)

            return source.subscribe(
                on_next, observer.on_error, observer.on_completed, scheduler=scheduler
            )

        return Observable(subscribe)

    return operator
