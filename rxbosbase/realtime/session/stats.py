"""Counters of a client's connections, for dashboards and diagnosis."""

from __future__ import annotations

import msgspec

__all__ = ("Stats",)


class Stats(msgspec.Struct, frozen=True):
    """The counts since the client was made, of all its connections.

    Attributes:
        frames: frames that were received, ``PB_CONNECT`` included.
        bytes: bytes of event streams that were received.
        events: frames that were delivered to a subscriber.
        skipped: frames that were left out as too large or malformed.
        connects: connections that were opened.
        reconnects: those of them that replaced an earlier one.
        posts: POSTs of topics.
        misrouted: those of them that a balancer sent to another server than the stream's (404).
        queue_events, queue_bytes: events, and their bytes, in the delivery queue now.
        last_event_age: seconds since the newest frame; None before the first.
        topics: topics wanted now.

    >>> with FakeRealtime() as fake:
    ...     _ = fake.client.collection("posts").observe("*").subscribe()
    ...     fake.drop()
    ...     fake.advance(1)
    ...     fake.client.realtime.stats.reconnects
    1
    """

    frames: int = 0
    bytes: int = 0
    events: int = 0
    skipped: int = 0
    connects: int = 0
    reconnects: int = 0
    posts: int = 0
    misrouted: int = 0
    queue_events: int = 0
    queue_bytes: int = 0
    last_event_age: float | None = None
    topics: int = 0

    def __add__(self, other: Stats) -> Stats:
        """Return the sums, and the smaller age."""
        counts = {
            name: getattr(self, name) + getattr(other, name)
            for name in self.__struct_fields__
            if name != "last_event_age"
        }
        ages = [each.last_event_age for each in (self, other) if each.last_event_age is not None]
        return Stats(**counts, last_event_age=min(ages, default=None))
