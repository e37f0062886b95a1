"""From frames to subscribers, on the delivery thread: look up, decode once, call each.

This is the hot path. It takes no lock, copies nothing, and pays for isolation only when a
subscriber raises.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from .connection import Batch
from .events import MalformedEvent, decode_message, decode_record_event, usual_action
from .registry import Registry, Subscriber

__all__ = ["Delivery", "dispatch", "guarded"]

log = logging.getLogger("rxbosbase.delivery")


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
        except BaseException:  # also sys.exit(): the others' events go on
            name = getattr(event, "topic", "")
            log.exception("a subscriber of %r raised; the others go on", name)
            if subscriber is not None and not subscriber.keeps:
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
        find = self._entries.get
        expel = self._expel
        delivered = 0
        for wire, data in batch.frames:
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
            if self._registry.everything:
                name = wire.partition("?")[0]
                dispatch(self._registry.everything, decode_message(name, data), expel)
        self.events += delivered
        for frame in batch.skipped:
            name = (frame.topic or "an unknown topic").partition("?")[0]
            self._skip(MalformedEvent(name, f"{frame.reason} (it has {frame.size} bytes)"))

    def _skip(self, error: MalformedEvent) -> None:
        self.skipped += 1
        self._skipped(error)


def _is_wanted(data: bytes, actions: frozenset[str]) -> bool:
    """False for an event that all its subscribers would drop: it need not be decoded."""
    action = usual_action(data)
    return action is None or action in actions
