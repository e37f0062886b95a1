"""From frames to subscribers, on the delivery thread: look up, decode once, call each.

This is the hot path. It takes no lock, copies nothing, and pays for isolation only when a
subscriber raises.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any, cast

from rxbosbase.events import (
    MalformedEvent,
    Message,
    decode_message,
    decode_record_event,
    decode_record_events,
    usual_action,
)
from rxbosbase.realtime.protocol.frames import Frame
from rxbosbase.realtime.session.registry import Registry, Subscriber, TopicEntry

from .connection import Batch

__all__ = ["Delivery", "dispatch", "guarded", "once_each"]

log = logging.getLogger("rxbosbase.delivery")

MANY = 8
"""From so many frames in one read it pays to look whether they are alike."""

_wire, _data = itemgetter(0), itemgetter(1)
_name, _is_plain = attrgetter("name"), attrgetter("is_plain")


def dispatch(
    subscribers: tuple[Subscriber, ...], event: Any, expel: Callable[[Subscriber], None]
) -> None:
    """Hands `event` to all subscribers; one that raises is logged and hurts itself alone.

    A callback stays subscribed; an observer is expelled, as RxPY disposes it.
    """
    rest = iter(subscribers)
    subscriber: Subscriber | None = None
    while True:
        try:
            for subscriber in rest:
                subscriber.on_next(event)
            return
        except BaseException as error:  # also sys.exit(): the others' events go on
            if subscriber is not None:
                _raised(subscriber, event, error, expel)


def _raised(
    subscriber: Subscriber,
    event: Any,
    error: BaseException,
    expel: Callable[[Subscriber], None],
) -> None:
    name = getattr(event, "topic", "")
    log.error("a subscriber of %r raised; the others go on", name, exc_info=error)
    if not subscriber.keeps:
        expel(subscriber)


def guarded(call: Callable[[], object]) -> None:
    """Runs user code that must hurt nobody else: what it raises is logged."""
    try:
        call()
    except BaseException:
        log.exception("a callback raised; the others go on")


class Delivery:
    """Routes the frames of all connections.

    Attributes:
        events: how many frames were handed to somebody.
        skipped: how many were left out, being too large or malformed.
    """

    def __init__(
        self,
        registry: Registry,
        expel: Callable[[Subscriber], None],
        skipped: Callable[[MalformedEvent, tuple[Subscriber, ...]], None],
    ) -> None:
        self._entries = registry.entries
        self._registry = registry
        self._expel = expel
        self._skipped = skipped
        self.events = 0
        self.skipped = 0

    def deliver(self, batch: Batch) -> None:
        """Delivers the frames of one read, in order."""
        frames = batch.frames
        if len(frames) < MANY or not self._deliver_burst(frames):
            self._deliver_each(frames)
        for frame in batch.skipped:
            name = (frame.topic or "an unknown topic").partition("?")[0]
            self._skip(MalformedEvent(name, f"{frame.reason} (it has {frame.size} bytes)"), ())

    def _deliver_each(self, frames: list[Frame]) -> None:
        find = self._entries.get
        expel = self._expel
        everything = self._registry.everything
        delivered = 0
        for wire, data in frames:
            entry = find(wire)
            if entry is not None:
                delivered += 1
                records = entry.records
                if records and (entry.actions is None or _is_wanted(data, entry.actions)):
                    try:
                        event = decode_record_event(entry.name, data)
                    except MalformedEvent as error:
                        self._skip(error, records)
                    else:
                        dispatch(records, event, expel)
                if entry.messages:
                    dispatch(entry.messages, decode_message(entry.name, data), expel)
            if everything:
                name = wire.partition("?")[0]
                dispatch(everything, decode_message(name, data), expel)
        self.events += delivered

    def _deliver_burst(self, frames: list[Frame]) -> bool:
        """Delivers many frames, decoded together; False where one of them is not for that."""
        entries = list(map(self._entries.get, map(_wire, frames)))
        if self._registry.everything or None in entries:
            return False
        known = cast(list[TopicEntry], entries)
        if not all(map(_is_plain, known)):
            return False
        try:
            events = decode_record_events(map(_name, known), map(_data, frames))
        except (ValueError, RecursionError):
            return False  # one by one it shows which
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
            except BaseException as error:  # also sys.exit(): the others' events go on
                if subscriber is not None:
                    _raised(subscriber, event, error, self._expel)

    def _deliver_to_all(self, entry: TopicEntry, event: Any) -> None:
        """Delivers one event of a burst, whose subscribers may change with each event.

        A topic that was left and wanted again meanwhile has a new entry.
        """
        now = entry if entry.records else self._entries.get(entry.topic.wire, entry)
        dispatch(now.records, event, self._expel)

    def _skip(self, error: MalformedEvent, records: tuple[Subscriber, ...]) -> None:
        self.skipped += 1
        self._skipped(error, records)


def _is_wanted(data: bytes, actions: frozenset[str]) -> bool:
    """False for an event that all its subscribers would drop: it need not be decoded."""
    action = usual_action(data)
    return action is None or action in actions


def once_each(on_next: Callable[[Message], object]) -> Callable[[Message], object]:
    """Leaves out what equals the message before: a subscriber that comes while the frame of the
    current connection waits to be delivered is greeted by both."""
    last: Message | None = None

    def called(message: Message) -> None:
        nonlocal last
        if message != last:
            last = message
            on_next(message)

    return called
