"""The realtime service behind ``client.realtime`` and ``collection.observe``.

The registry has the topics, the drivers the connections; delivery decodes and isolates, the monitor
has the status of all connections. The service connects them: it subscribes, unsubscribes, and ends
streams.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from math import inf
from typing import Protocol

from rxbosbase.errors import BosBaseError
from rxbosbase.events import MalformedEvent, Message
from rxbosbase.realtime.protocol.topics import Topic
from rxbosbase.realtime.session.registry import Registry, Subscriber, TopicEntry, TopicShard
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.realtime.session.status import Status
from rxbosbase.runtime.fork_guard import ForkGuard
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.streams import Latest

from .connection import CONNECT_TOPIC, Batch, ConnectionSettings
from .delivery import Delivery, guarded, without_repeats
from .driver import Driver
from .monitor import ConnectionMonitor
from .notification_queue import NotificationQueue
from .preflight import Preflight, PreflightRequest
from .shard_streams import ShardStreams

__all__ = ("Listener", "RealtimeService")

log = logging.getLogger("rxbosbase.realtime")

LOCAL_TOPICS = frozenset({CONNECT_TOPIC})


class Listener(Protocol):
    """Recovers events that its streams may have lost. Called under the lock, or on the delivery
    thread (`on_skipped`); must not wait."""

    def on_acknowledged(self, shard: TopicShard, version: int, *, complete: bool) -> None:
        """Handle the server's acknowledgement of the shard's topics up to `version`; with
        `complete` False, nodes are missing."""

    def on_gap(self, shard: TopicShard) -> None:
        """Handle the end of a shard's connection; what it has not delivered yet is dropped."""

    def on_skipped(self, error: MalformedEvent, records: tuple[Subscriber, ...]) -> None:
        """Handle that an event for the subscribers `records` was left out."""


class RealtimeService:
    """Subscribers, topics and connections of one kind: the user's, or those of the live views.

    One lock guards the wanted set; it is never held while user code or I/O runs.

    Args:
        settings: transport, schedulers and limits of the connections to the client's own server.
        preflight: checks new topics.
        monitor: publishes the status; its lock is used.
        listener: recovers lost events; without one, skipped events are logged and published.
        nodes: the settings for each node, by its address; None for the client's own server alone.
        delivers_retired: False to drop what an ended connection had read before its end: it would
            be delivered after the gap.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        preflight: Preflight,
        monitor: ConnectionMonitor,
        listener: Listener | None = None,
        *,
        nodes: Mapping[str, ConnectionSettings] | None = None,
        delivers_retired: bool = True,
    ) -> None:
        self.monitor = monitor
        self._listener = listener
        self._delivers_retired = delivers_retired
        self._settings = settings
        self._nodes = nodes or {"": settings}
        self._preflight = preflight
        self._changed = monitor.changed
        self._registry = Registry(LOCAL_TOPICS)
        self._shards: list[ShardStreams] = []
        self._closed = False
        self._gaps: set[TopicShard] = set()  # of which events may be missing
        self._troubled_at = -inf
        self._to_complete: tuple[Subscriber, ...] = ()  # those that `finish` has to complete
        self._notifications = NotificationQueue(settings.delivery)
        self._fork_guard = ForkGuard()
        self._delivery = Delivery(self._registry, self.detach, self._on_skipped)
        monitor.watch(self)

    @property
    def drivers(self) -> Sequence[Driver]:
        """One for each connection."""
        return [driver for streams in self._shards for driver in streams.drivers]

    @property
    def nodes(self) -> Iterable[str]:
        """The addresses of ``nodes=``."""
        return (address for address in self._nodes if address)

    @property
    def topics(self) -> Iterable[str]:
        """The wire texts of the wanted topics."""
        return self._registry.entries

    @property
    def status(self) -> Latest[Status]:
        """The status of the client, of all its connections."""
        return self.monitor.status

    # -- subscribing -----------------------------------------------------------------------------

    def attach(
        self,
        topic: Topic,
        subscriber: Subscriber,
        preflight: PreflightRequest | None,
        *,
        urgent: bool,
    ) -> None:
        """Add a subscriber; its topic is submitted in the background. Never waits.

        Raises:
            ClientClosedError: the client is closed, or belongs to the parent process.
        """
        self._fork_guard.check()  # before the lock: a child may have inherited it locked
        with self._changed:
            self.monitor.check_open()
            if topic.wire == CONNECT_TOPIC:
                subscriber.on_next = without_repeats(subscriber.on_next)
            entry = self._registry.add(topic, subscriber)
            streams = self._streams_of(entry.shard)
            if entry.version > streams.acknowledged_version:
                streams.topics_changed(urgent=urgent)
            if topic.wire == CONNECT_TOPIC:
                for driver in streams.drivers:
                    if driver.session.is_open:
                        now = Message(CONNECT_TOPIC, {"clientId": driver.status.client_id})
                        self._settings.delivery.post(partial(_pass_on, subscriber, now))
        if preflight is not None and subscriber.check:
            self._preflight.check(preflight, subscriber, partial(self._on_checked, subscriber))

    def detach(self, subscriber: Subscriber) -> None:
        """Remove a subscriber, and its topic with the last one. Never waits."""
        if self._fork_guard.is_child:
            return  # in a child process there is nothing to end
        with self._changed:
            entry = self._registry.remove(subscriber)
            if entry is not None:
                self._shards[entry.shard.index].topics_changed()
                self._changed.notify_all()

    def wait_acknowledged(self, subscriber: Subscriber, timeout: float) -> None:
        """Wait until the server has acknowledged the subscriber's topic and the preflight passed.

        Raises:
            RequestTimeoutError: after `timeout` seconds; the subscriber stays attached.
            BosBaseError: the error that ended the subscriber meanwhile.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: self._is_settled(subscriber), timeout)
            if subscriber.error is not None:
                raise subscriber.error
            self.monitor.check_open()
        if not done:
            raise self.monitor.timeout_error("the topic was not acknowledged", timeout)

    def _is_settled(self, subscriber: Subscriber) -> bool:
        if self._closed or subscriber.error is not None or subscriber.entry is None:
            return True
        entry = subscriber.entry
        streams = self._shards[entry.shard.index]
        return subscriber.checked and entry.version <= streams.acknowledged_version

    def complete(self, wanted: Callable[[str], bool]) -> None:
        """Unsubscribe the topics whose name without options is wanted; their streams complete."""
        self._fork_guard.check()
        with self._changed:
            self._end(self._registry.matching(wanted), None)

    def attach_global(self, subscriber: Subscriber) -> None:
        """Add a subscriber that receives every message of every topic."""
        self._fork_guard.check()
        with self._changed:
            self.monitor.check_open()
            self._registry.global_subscribers += (subscriber,)

    def detach_global(self, subscriber: Subscriber) -> None:
        """Remove a subscriber that `attach_global` added."""
        subscriber.silence()
        if self._fork_guard.is_child:
            return
        with self._changed:
            self._registry.global_subscribers = tuple(
                other for other in self._registry.global_subscribers if other is not subscriber
            )

    @property
    def scheduler(self) -> SerialScheduler:
        """The scheduler of the delivery thread."""
        return self._settings.delivery

    @property
    def stats(self) -> Stats:
        """The counters, added up over all connections."""
        drivers = self.drivers
        waiting, size = self._settings.delivery.depth
        now = self._settings.control.time()
        ages = [now - each.last_frame_at for each in drivers if each.last_frame_at is not None]
        counters = chain((each.stats for each in drivers), (each.left for each in self._shards))
        return sum(
            counters,
            Stats(
                events=self._delivery.events,
                skipped=self._delivery.skipped,
                queue_events=waiting,
                queue_bytes=size,
                last_event_age=min(ages, default=None),
                topics=len(self._registry.entries),
            ),
        )

    # -- the connections -------------------------------------------------------------------------

    def renew(self, node: str | None = None) -> None:
        """Open a new connection now, to this node or to all: end a wait, replace an open stream."""
        self._fork_guard.check()
        with self._changed:
            self.monitor.check_open()
            for driver in self.drivers:
                if node in (None, driver.node):
                    driver.renew()

    def troubled(self) -> None:
        """Check whose the streams are, after a sign that the server is in trouble. Never waits."""
        with self._changed:
            self._troubled_at = self._settings.control.time()
            for streams in self._shards:
                streams.troubled(self._troubled_at)

    def identity_changed(self) -> None:
        """Submit again after a login, a logout, or the renewal of a token. Never waits."""
        identity = self._settings.identity()  # before the lock: the store may be user code
        with self._changed:
            for driver in self.drivers:
                driver.identity_changed(identity)

    def set_nodes(self, nodes: Mapping[str, ConnectionSettings]) -> None:
        """Keep streams to these nodes alone, or without any to the client's own server. Never
        waits."""
        with self._changed:
            if self._closed:
                return
            self._nodes = nodes = nodes or {"": self._settings}
            for streams in self._shards:
                streams.set_nodes(nodes)
            self.monitor.on_status_changed()
            self._changed.notify_all()

    def close(self) -> None:
        """End every connection; `finish` completes the streams."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            for driver in self.drivers:
                driver.close()
            # Out of the routing table now: events that are still queued are not delivered.
            self._to_complete = (
                self._remove_topics(list(self._registry)) + self._registry.global_subscribers
            )
            self._registry.global_subscribers = ()
            self._changed.notify_all()

    def finish(self) -> None:
        """Complete all streams, on the calling thread, once no event can follow."""
        self._notifications.flush()
        gone, self._to_complete = self._to_complete, ()
        for subscriber in gone:
            guarded(subscriber.on_completed)

    # -- reports of the drivers (see `StreamsOwner`) ----------------------------------------------

    def on_batch(self, batch: Batch) -> None:
        if self._delivers_retired or not batch.connection.ending:
            self._delivery.deliver(batch)

    def on_acknowledged(self, shard: TopicShard, version: int, *, complete: bool) -> None:
        if shard in self._gaps:
            self._gaps.discard(shard)
            if self._listener is None:  # whose topics have no preflight
                self._settings.control.post(partial(self._preflight.check_again, shard))
        if self._listener is not None:
            self._listener.on_acknowledged(shard, version, complete=complete)
        self._changed.notify_all()

    def on_gap(self, shard: TopicShard) -> None:
        self._gaps.add(shard)
        if self._listener is not None:
            self._listener.on_gap(shard)

    def on_refused(self, shard: TopicShard, since: int, upto: int, error: Exception) -> None:
        with self._changed:
            # Topics added later were not in the POST; those the server accepted before are not
            # the cause, unless there are no others.
            posted = [entry for entry in shard.entries.values() if entry.version <= upto]
            newer = [entry for entry in posted if entry.version > since] or posted
            self._end(newer, error)

    def fail_all(self, error: Exception) -> None:
        """End every stream with `error`."""
        with self._changed:
            self._end(self._registry, error)

    def on_failed(self, shard: TopicShard, error: Exception) -> None:
        self._end(list(shard.entries.values()), error)

    def on_status_changed(self) -> None:
        self.monitor.on_status_changed()

    def on_lost(self, driver: Driver) -> None:
        self.monitor.on_lost(driver)

    def on_unwanted(self) -> None:
        self.monitor.on_unwanted()

    def _on_checked(self, subscriber: Subscriber, error: BosBaseError | None) -> None:
        with self._changed:
            subscriber.checked = True
            if error is None or subscriber.entry is None:
                self._changed.notify_all()
                return
            on_error = subscriber.on_error
            self.detach(subscriber)
            subscriber.error = error
            self._notifications.put(partial(on_error, error))
            self._changed.notify_all()

    def _on_skipped(self, error: MalformedEvent, records: tuple[Subscriber, ...]) -> None:
        if self._listener is not None:
            self._listener.on_skipped(error, records)
            return
        log.warning("%s", error)
        self.monitor.on_skipped(error)

    # -- helpers ---------------------------------------------------------------------------------

    def _streams_of(self, shard: TopicShard) -> ShardStreams:
        if shard.index == len(self._shards):
            streams = ShardStreams(shard, self._nodes, self._settings.control, self._changed, self)
            streams.troubled(self._troubled_at)
            self._shards.append(streams)
        return self._shards[shard.index]

    def _remove_topics(self, entries: Iterable[TopicEntry]) -> tuple[Subscriber, ...]:
        gone: tuple[Subscriber, ...] = ()
        for entry in entries:
            gone += self._registry.remove_topic(entry)
            self._shards[entry.shard.index].topics_changed()
        return gone

    def _end(self, entries: Iterable[TopicEntry], error: Exception | None) -> None:
        """Remove topics; notify their subscribers of `error`, or of the completion. Runs under the
        lock, so that `close` precedes all of it or follows it."""
        for subscriber in self._remove_topics(entries):
            subscriber.error = error
            self._notifications.put(partial(_notify_end, subscriber))
        self._changed.notify_all()


def _pass_on(subscriber: Subscriber, message: Message) -> None:
    """Deliver a message, unless the subscriber has unsubscribed while it was queued."""
    subscriber.on_next(message)


def _notify_end(subscriber: Subscriber) -> None:
    if subscriber.error is not None:
        subscriber.on_error(subscriber.error)
    else:
        subscriber.on_completed()
