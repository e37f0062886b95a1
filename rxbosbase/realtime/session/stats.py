"""Counters of a client's connections, for dashboards and for looking into trouble."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Stats"]


@dataclass(frozen=True, slots=True)
class Stats:
    """The counts since the client was made, over all its connections.

    Attributes:
        frames: frames that came, ``PB_CONNECT`` included.
        bytes: bytes of event streams that came.
        events: frames that were handed to somebody.
        skipped: frames that were too large or malformed, and were left out.
        connects: connections that were opened.
        reconnects: those of them that took the place of an earlier one.
        posts: POSTs of topics.
        queue_events, queue_bytes: what waits for the delivery thread now.
        last_event_age: seconds since a frame came last; None before the first.
        topics: topics wanted now.
    """

    frames: int = 0
    bytes: int = 0
    events: int = 0
    skipped: int = 0
    connects: int = 0
    reconnects: int = 0
    posts: int = 0
    queue_events: int = 0
    queue_bytes: int = 0
    last_event_age: float | None = None
    topics: int = 0

    def __add__(self, other: Stats) -> Stats:
        """Both together; of the ages the smaller."""
        counts = {
            each.name: getattr(self, each.name) + getattr(other, each.name)
            for each in fields(self)
            if each.name != "last_event_age"
        }
        ages = [each.last_event_age for each in (self, other) if each.last_event_age is not None]
        return Stats(**counts, last_event_age=min(ages, default=None))
