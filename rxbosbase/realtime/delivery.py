"""From frames to subscribers, on the delivery thread: look up, decode once, call each.

This is the hot path. It takes no lock, copies nothing, and pays for isolation only when a
subscriber raises.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from .connection import Batch
from .events import (
    MalformedEvent,
    decode_message,
    decode_record_event,
    decode_record_events,
    usual_action,
)
from .frames import Frame
from .registry import Registry, Subscriber

__all__ = ["Delivery", "dispatch", "guarded"]

log = logging.getLogger("rxbosbase.delivery")

MANY = 8
"""From so many frames in one read it pays to look whether they are alike."""

_wire, _data = itemgetter(0), itemgetter(1)


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
        skipped: Callable[[MalformedEvent], None],
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
            self._skip(MalformedEvent(name, f"{frame.reason} (it has {frame.size} bytes)"))

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
                        self._skip(error)
                    else:
                        dispatch(records, event, expel)
                if entry.messages:
                    dispatch(entry.messages, decode_message(entry.name, data), expel)
            if everything:
                name = wire.partition("?")[0]
                dispatch(everything, decode_message(name, data), expel)
        self.events += delivered

    def _deliver_burst(self, frames: list[Frame]) -> bool:
        """Delivers many frames of one topic, decoded together; False where it is not that."""
        entry = self._entries.get(frames[0][0])
        if (
            entry is None or self._registry.everything or entry.messages
            or not entry.records or entry.actions is not None
            or len(set(map(_wire, frames))) > 1
        ):  # fmt: skip
            return False
        try:
            events = iter(decode_record_events(entry.name, list(map(_data, frames))))
        except MalformedEvent:
            return False  # one by one it shows which
        self.events += len(frames)
        expel = self._expel
        # The subscribers may change with each event, and `messages` may come to be among them:
        # those begin with the next read.
        for event in events:
            records = entry.records
            if len(records) == 1:
                subscriber = records[0]
                try:
                    subscriber.on_next(event)
                    for event in events:
                        if entry.records is not records:
                            dispatch(entry.records, event, expel)
                            break
                        subscriber.on_next(event)
                except BaseException as error:
                    _raised(subscriber, event, error, expel)
            else:
                dispatch(records, event, expel)
        return True

    def _skip(self, error: MalformedEvent) -> None:
        self.skipped += 1
        self._skipped(error)


def _is_wanted(data: bytes, actions: frozenset[str]) -> bool:
    """False for an event that all its subscribers would drop: it need not be decoded."""
    action = usual_action(data)
    return action is None or action in actions
