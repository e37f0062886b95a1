"""What several operators share: times, record ids, and what to keep of a record's events."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from reactivex import abc
from reactivex.disposable import SerialDisposable, SingleAssignmentDisposable
from reactivex.scheduler import TimeoutScheduler

from rxbosbase.events import RecordEvent

__all__ = ["Alarm", "Event", "clock_of", "newest_of", "record_id", "seconds"]

Event = RecordEvent[Any]


def clock_of(
    argument: abc.SchedulerBase | None, subscriber: abc.SchedulerBase | None
) -> abc.SchedulerBase:
    """The scheduler for timed work: the operator's argument, else the subscriber's, else RxPY's."""
    return argument or subscriber or TimeoutScheduler.singleton()


def seconds(value: float | timedelta, name: str) -> float:
    """A time as seconds; ``ValueError`` unless it is positive and finite."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise TypeError(f"{name} must be seconds or a timedelta, not {value!r}")
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be more than 0 seconds, not {value!r}")
    return float(number)


def record_id(event: Event) -> str:
    """The id of the event's record, a model's too; ``ValueError`` with a remedy if it has none."""
    try:
        record = event.record
        found: str = record["id"] if isinstance(record, Mapping) else record.id
    except (KeyError, AttributeError):
        raise ValueError(
            f"this operator needs events with record['id'] (or record.id, of a model), and got "
            f"{event!r}: where the stream was made with fields=…, add 'id' to them"
        ) from None
    return found


def newest_of(held: list[Event], event: Event) -> list[Event]:
    """What to keep of one record's events: the newest, and a delete that a new life followed.

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


class Alarm(SerialDisposable):
    """One timer that can be set again; disposing it cancels it for good."""

    def __init__(self, clock: abc.SchedulerBase) -> None:
        super().__init__()
        self._clock = clock

    def set(self, wait: timedelta | float, action: Callable[[], None]) -> None:
        """Call `action` after `wait` (seconds, or a timedelta) instead of what was set before."""
        timer = SingleAssignmentDisposable()
        self.disposable = timer  # first, so that an action that sets it again is not undone
        timer.disposable = self._clock.schedule_relative(wait, lambda *_: action())
