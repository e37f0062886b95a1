"""From frames to subscribers, on the delivery thread: look up the topic, decode once, call each.

It runs for every event: it takes no lock, copies nothing, and has a cost for isolation only when
a subscriber raises.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any, cast

from rxbosbase.events import (
    MalformedEvent,
    Message,
    ReceivedAt,
    decode_message,
    decode_record_event,
    decode_record_events,
    usual_action,
)
from rxbosbase.realtime.protocol.frames import Frame
from rxbosbase.realtime.session.registry import Registry, Subscriber, TopicEntry

from .connection import Batch

__all__ = ("Delivery", "dispatch", "guarded", "without_repeats")

log = logging.getLogger("rxbosbase.delivery")

BURST_SIZE = 8
"""Frames in one read from which on decoding them together is tried."""

_wire, _data = itemgetter(0), itemgetter(1)
_name, _is_plain = attrgetter("name"), attrgetter("is_plain")


def dispatch(
    subscribers: tuple[Subscriber, ...], event: Any, remove: Callable[[Subscriber], None]
) -> None:
    """Call all subscribers with `event`; an error that one raises is logged, and affects no other.

    A callback stays subscribed; `remove` is called with an observer, as RxPY disposes it.
    """
    rest = iter(subscribers)
    subscriber: Subscriber | None = None
    while True:
        try:
            for subscriber in rest:
                subscriber.on_next(event)
            return
        except BaseException as error:  # also sys.exit(): the others still get their events
            if subscriber is not None:
                _handle_error(subscriber, event, error, remove)


def _handle_error(
    subscriber: Subscriber,
    event: Any,
    error: BaseException,
    remove: Callable[[Subscriber], None],
) -> None:
    name = getattr(event, "topic", "")
    log.error("a subscriber of %r raised; the others go on", name, exc_info=error)
    if not subscriber.keep_on_error:
        remove(subscriber)


def guarded(call: Callable[[], object]) -> None:
    """Run user code; log what it raises, so that it affects nothing else."""
    try:
        call()
    except BaseException:
        log.exception("a callback raised; the others go on")


class Delivery:
    """Routes the frames of all connections.

    Args:
        registry: the routing table.
        remove: called with an observer that raised.
        skipped: called with each frame that was left out, and the subscribers it was for.

    Attributes:
        events: how many frames were delivered to a subscriber.
        skipped: how many were left out as too large or malformed.
    """

    def __init__(
        self,
        registry: Registry,
        remove: Callable[[Subscriber], None],
        skipped: Callable[[MalformedEvent, tuple[Subscriber, ...]], None],
    ) -> None:
        self._entries = registry.entries
        self._registry = registry
        self._remove = remove
        self._skipped = skipped
        self.events = 0
        self.skipped = 0

    def deliver(self, batch: Batch) -> None:
        """Deliver the frames of one read, in order."""
        frames = batch.frames
        if len(frames) < BURST_SIZE or not self._deliver_burst(frames, batch.received_at):
            self._deliver_each(frames, batch.received_at)
        for frame in batch.skipped:
            name = (frame.topic or "an unknown topic").partition("?")[0]
            self._skip(MalformedEvent(name, f"{frame.reason} (it has {frame.size} bytes)"), ())

    def _deliver_each(self, frames: list[Frame], received_at: ReceivedAt) -> None:
        find = self._entries.get
        remove = self._remove
        global_subscribers = self._registry.global_subscribers
        delivered = 0
        for wire, data in frames:
            entry = find(wire)
            if entry is not None:
                delivered += 1
                records = entry.records
                if records and (entry.actions is None or _is_wanted(data, entry.actions)):
                    try:
                        event = decode_record_event(entry.name, data, received_at)
                    except MalformedEvent as error:
                        self._skip(error, records)
                    else:
                        dispatch(records, event, remove)
                if entry.messages:
                    dispatch(entry.messages, decode_message(entry.name, data), remove)
            if global_subscribers:
                name = wire.partition("?")[0]
                dispatch(global_subscribers, decode_message(name, data), remove)
        self.events += delivered

    def _deliver_burst(self, frames: list[Frame], received_at: ReceivedAt) -> bool:
        """Deliver many frames, decoded together; return False, with no effect, if one of them needs
        more than that."""
        entries = list(map(self._entries.get, map(_wire, frames)))
        if self._registry.global_subscribers or None in entries:
            return False
        known = cast(list[TopicEntry], entries)
        if not all(map(_is_plain, known)):
            return False
        try:
            events = decode_record_events(map(_name, known), map(_data, frames), received_at)
        except (ValueError, RecursionError):
            return False  # delivered one by one, so that the malformed one is known
        self.events += len(frames)
        rest = zip(known, events, strict=True)
        subscriber: Subscriber | None = None
        event: Any = None
        while True:
            try:
                for entry, event in rest:
                    records = entry.records
                    if len(records) == 1:
                        subscriber = records[0]
                        subscriber.on_next(event)
                    else:
                        self._deliver_to_all(entry, event)
                return True
            except BaseException as error:  # also sys.exit(): the others still get their events
                if subscriber is not None:
                    _handle_error(subscriber, event, error, self._remove)

    def _deliver_to_all(self, entry: TopicEntry, event: Any) -> None:
        """Deliver one event of a burst, whose subscribers may change with each event.

        A topic that was unsubscribed and subscribed again meanwhile has a new entry.
        """
        now = entry if entry.records else self._entries.get(entry.topic.wire, entry)
        dispatch(now.records, event, self._remove)

    def _skip(self, error: MalformedEvent, records: tuple[Subscriber, ...]) -> None:
        self.skipped += 1
        self._skipped(error, records)


def _is_wanted(data: bytes, actions: frozenset[str]) -> bool:
    """Return False for an event that all its subscribers would drop: it need not be decoded."""
    action = usual_action(data)
    return action is None or action in actions


def without_repeats(on_next: Callable[[Message], object]) -> Callable[[Message], object]:
    """Return `on_next` without repeated messages: a subscriber that is added while the connection's
    own ``PB_CONNECT`` frame is still queued would receive the same message twice."""
    last: Message | None = None

    def called(message: Message) -> None:
        nonlocal last
        if message != last:
            last = message
            on_next(message)

    return called
