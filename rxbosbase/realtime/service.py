"""The realtime service behind ``client.realtime`` and ``collection.observe``: it joins the rooms.

Topics live in the registry, connections in the drivers, decoding and isolation in delivery, what
the user is told of all connections in the monitor. Here is what ties them: subscribing,
unsubscribing, and the ends of streams.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from rxbosbase.errors import BosBaseError
from rxbosbase.events import MalformedEvent, Message
from rxbosbase.realtime.protocol.topics import Topic
from rxbosbase.realtime.session.registry import Registry, Subscriber, TopicEntry, TopicShard
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.realtime.session.status import Status
from rxbosbase.runtime.fork_guard import check_process
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.streams import Latest

from .connection import CONNECT_TOPIC, Batch, ConnectionSettings
from .delivery import Delivery, guarded, once_each
from .driver import Driver
from .monitor import ConnectionMonitor
from .notification_queue import NotificationQueue
from .preflight import Preflight, Question

__all__ = ["Listener", "RealtimeService"]

log = logging.getLogger("rxbosbase.realtime")

LOCAL_TOPICS = frozenset({CONNECT_TOPIC})


class Listener(Protocol):
    """One who makes up for what its streams may have lost. Called under the lock, or on the
    delivery loop (`on_skipped`); it returns at once."""

    def on_held(self, share: TopicShard, version: int) -> None:
        """The server has a share's topics up to `version`."""

    def on_gap(self, share: TopicShard) -> None:
        """The connection of a share has ended: nothing it has read yet will be delivered."""

    def on_skipped(self, error: MalformedEvent, records: tuple[Subscriber, ...]) -> None:
        """An event was left out that `records` would have got."""


class RealtimeService:
    """Everything behind the facade. One lock guards the wanted set; it is never held while user
    code or I/O runs.

    Args:
        listener: makes up for losses; without one the user is told of what was skipped.
        delivers_retired: False to leave out what a connection had read before it was ended: it
            would come behind its gap.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        preflight: Preflight,
        monitor: ConnectionMonitor,
        listener: Listener | None = None,
        *,
        delivers_retired: bool = True,
    ) -> None:
        self.monitor = monitor
        self._listener = listener
        self._delivers_retired = delivers_retired
        self._settings = settings
        self._preflight = preflight
        self._changed = monitor.changed
        self._registry = Registry(LOCAL_TOPICS)
        self._drivers: list[Driver] = []
        self._closed = False
        self._left: tuple[Subscriber, ...] = ()  # those that `finish` has to complete
        self._notices = NotificationQueue(settings.delivery)
        self._process = os.getpid()
        self._delivery = Delivery(self._registry, self.detach, self._on_skipped)
        monitor.watch(self)

    @property
    def drivers(self) -> Sequence[Driver]:
        """One for each connection."""
        return self._drivers

    @property
    def topics(self) -> Iterable[str]:
        """The wanted topics, as the server knows them."""
        return self._registry.entries

    @property
    def status(self) -> Latest[Status]:
        """The client's."""
        return self.monitor.status

    # -- subscribing -----------------------------------------------------------------------------

    def attach(
        self, topic: Topic, subscriber: Subscriber, question: Question | None, *, urgent: bool
    ) -> None:
        """Adds a subscriber; the topic goes up in the background. Never waits."""
        check_process(self._process)  # before the lock: a child may have inherited it taken
        with self._changed:
            self.monitor.check_open()
            if topic.wire == CONNECT_TOPIC:
                subscriber.on_next = once_each(subscriber.on_next)
            entry = self._registry.add(topic, subscriber)
            driver = self._driver_of(entry.share)
            if entry.version > driver.held:
                driver.touch(urgent=urgent)
            if topic.wire == CONNECT_TOPIC and driver.session.is_open:
                now = Message(CONNECT_TOPIC, {"clientId": driver.status.client_id})
                self._settings.delivery.post(lambda: subscriber.on_next(now))
        if question is not None and subscriber.check:
            self._preflight.ask(
                question, partial(self._judged, subscriber), lambda: subscriber.entry is not None
            )

    def detach(self, subscriber: Subscriber) -> None:
        """Removes a subscriber, and its topic with the last one. Never waits."""
        if os.getpid() != self._process:
            return  # in a child process there is nothing to end
        with self._changed:
            entry = self._registry.remove(subscriber)
            if entry is not None:
                self._drivers[entry.share.index].touch()
                self._changed.notify_all()

    def wait_acknowledged(self, subscriber: Subscriber, timeout: float) -> None:
        """Waits until the server has taken the subscriber's topic and the preflight passed.

        Raises:
            RequestTimeoutError: after `timeout` seconds; the subscriber stays.
            BosBaseError: what ended the subscriber in the meantime.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: self._is_settled(subscriber), timeout)
            if subscriber.error is not None:
                raise subscriber.error
            self.monitor.check_open()
        if not done:
            raise self.monitor.late("the topic was not acknowledged", timeout)

    def _is_settled(self, subscriber: Subscriber) -> bool:
        if self._closed or subscriber.error is not None or subscriber.entry is None:
            return True
        entry = subscriber.entry
        return subscriber.checked and entry.version <= self._drivers[entry.share.index].held

    def complete(self, wanted: Callable[[str], bool]) -> None:
        """Takes topics off the server by their name without options; their streams complete."""
        check_process(self._process)
        with self._changed:
            self._end(self._registry.matching(wanted), None)

    def listen(self, subscriber: Subscriber) -> None:
        """Adds one who gets every message, whoever asked for its topic."""
        check_process(self._process)
        with self._changed:
            self.monitor.check_open()
            self._registry.everything += (subscriber,)

    def unlisten(self, subscriber: Subscriber) -> None:
        """Removes one who got every message."""
        subscriber.silence()
        if os.getpid() != self._process:
            return
        with self._changed:
            self._registry.everything = tuple(
                other for other in self._registry.everything if other is not subscriber
            )

    @property
    def scheduler(self) -> SerialScheduler:
        """The delivery thread's."""
        return self._settings.delivery

    @property
    def stats(self) -> Stats:
        """The counters, added up over all connections."""
        drivers = self._drivers
        waiting, size = self._settings.delivery.depth
        now = self._settings.control.time()
        ages = [now - each.last_frame_at for each in drivers if each.last_frame_at is not None]
        return Stats(
            frames=sum(each.frames for each in drivers),
            bytes=sum(each.bytes for each in drivers),
            events=self._delivery.events,
            skipped=self._delivery.skipped,
            connects=sum(each.opened for each in drivers),
            reconnects=sum(max(0, each.opened - 1) for each in drivers),
            posts=sum(each.posts for each in drivers),
            queue_events=waiting,
            queue_bytes=size,
            last_event_age=min(ages, default=None),
            topics=len(self._registry.entries),
        )

    # -- the connections -------------------------------------------------------------------------

    def renew(self) -> None:
        """A new connection now: a wait is cut short, an open stream is begun anew."""
        check_process(self._process)
        with self._changed:
            self.monitor.check_open()
            for driver in self._drivers:
                driver.renew()

    def identity_changed(self) -> None:
        """Somebody logged in or out, or a token was renewed. Never waits."""
        identity = self._settings.identity()  # before the lock: a store may be a user's own code
        with self._changed:
            for driver in self._drivers:
                driver.identity_changed(identity)

    def close(self) -> None:
        """Ends every connection. The streams end with `finish`."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            for driver in self._drivers:
                driver.shut()
            # Out of the routing table now: what a callback has before it is not delivered any more.
            self._left = self._take_out(list(self._registry)) + self._registry.everything
            self._registry.everything = ()
            self._changed.notify_all()

    def finish(self) -> None:
        """Completes all streams, on the calling thread, once no event can come any more."""
        self._notices.flush()
        gone, self._left = self._left, ()
        for subscriber in gone:
            guarded(subscriber.on_completed)

    # -- what the drivers tell -------------------------------------------------------------------

    def on_batch(self, batch: Batch) -> None:
        if self._delivers_retired or not batch.connection.ending:
            self._delivery.deliver(batch)

    def on_held(self, share: TopicShard, version: int) -> None:
        if self._listener is not None:
            self._listener.on_held(share, version)

    def on_gap(self, share: TopicShard) -> None:
        if self._listener is not None:
            self._listener.on_gap(share)

    def on_refused(self, share: TopicShard, since: int, upto: int, error: Exception) -> None:
        with self._changed:
            # Those that came since were not in the POST; those the server took before are not
            # to blame, unless there are no others.
            asked = [entry for entry in share.entries.values() if entry.version <= upto]
            newer = [entry for entry in asked if entry.version > since] or asked
            self._end(newer, error)

    def fail_all(self, error: Exception) -> None:
        """Ends every stream with `error`."""
        with self._changed:
            self._end(self._registry, error)

    def on_failed(self, share: TopicShard, error: Exception) -> None:
        self._end(list(share.entries.values()), error)

    def _judged(self, subscriber: Subscriber, error: BosBaseError | None) -> None:
        with self._changed:
            subscriber.checked = True
            if error is None or subscriber.entry is None:
                self._changed.notify_all()
                return
            on_error = subscriber.on_error
            self.detach(subscriber)
            subscriber.error = error
            self._notices.put(partial(on_error, error))
            self._changed.notify_all()

    def _on_skipped(self, error: MalformedEvent, records: tuple[Subscriber, ...]) -> None:
        if self._listener is not None:
            self._listener.on_skipped(error, records)
            return
        log.warning("%s", error)
        self.monitor.on_skipped(error)

    # -- small parts -----------------------------------------------------------------------------

    def _driver_of(self, share: TopicShard) -> Driver:
        if share.index == len(self._drivers):
            self._drivers.append(Driver(share, self._settings, self._changed, self))
        return self._drivers[share.index]

    def _take_out(self, entries: Iterable[TopicEntry]) -> tuple[Subscriber, ...]:
        gone: tuple[Subscriber, ...] = ()
        for entry in entries:
            gone += self._registry.take_out(entry)
            self._drivers[entry.share.index].touch()
        return gone

    def _end(self, entries: Iterable[TopicEntry], error: Exception | None) -> None:
        """Takes topics out, and tells their subscribers: of `error`, or of the completion. Runs
        under the lock, so that `close` comes before all of it or after."""
        for subscriber in self._take_out(entries):
            subscriber.error = error
            self._notices.put(partial(_tell_end, subscriber))
        self._changed.notify_all()


def _tell_end(subscriber: Subscriber) -> None:
    if subscriber.error is not None:
        subscriber.on_error(subscriber.error)
    else:
        subscriber.on_completed()
