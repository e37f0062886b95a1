"""The subscribers of each topic, and the connection that carries it. Pure.

The registry has the only copy of the wanted set.

`Registry.entries` is also the routing table. Delivery reads it without a lock: an entry's tuples
of subscribers are replaced, never changed, and the lookup of a key in a dict is atomic. All methods
must be called under the owner's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rxbosbase.encoding.control_characters import short_repr
from rxbosbase.realtime.protocol.topics import MAX_TOPICS, Topic

__all__ = ("Registry", "Subscriber", "TopicEntry", "TopicShard")


def _ignore(_: Any) -> None:
    """Ignore an event of a disposed subscriber: cheaper than a flag that is read for each event."""


class Subscriber:
    """One observer or callback of one topic.

    Attributes:
        on_next, on_error, on_completed: called with its events.
        entry: the topic it is subscribed to; None once it is removed.
        raw: True if it receives `Message`s, whatever the topic; else `RecordEvent`s.
        check: True if the preflight may end it.
        keep_on_error: True if it stays subscribed after it raised: a callback, not an observer.
        actions: the only actions it receives; None for all.
        checked: True once the preflight has passed, or if there is none.
        error: why it was ended, for a waiting thread.
    """

    __slots__ = (
        "actions", "check", "checked", "entry", "error", "keep_on_error", "on_completed",
        "on_error", "on_next", "raw",
    )  # fmt: skip

    def __init__(
        self,
        on_next: Callable[[Any], object],
        on_error: Callable[[Exception], object],
        on_completed: Callable[[], object],
        *,
        raw: bool = False,
        check: bool = False,
        keep_on_error: bool = False,
        actions: frozenset[str] | None = None,
    ) -> None:
        self.on_next = on_next
        self.on_error = on_error
        self.on_completed = on_completed
        self.raw = raw
        self.check = check
        self.checked = not check
        self.keep_on_error = keep_on_error
        self.actions = actions
        self.entry: TopicEntry | None = None
        self.error: Exception | None = None

    def __repr__(self) -> str:
        entry = self.entry
        return f"<Subscriber {f'of {short_repr(entry.name)}' if entry else 'of nothing'}>"

    def silence(self) -> None:
        """Stop all calls from now on, also for the event that is being delivered."""
        self.on_next = self.on_error = _ignore
        self.on_completed = _nothing


def _nothing() -> None:
    """Ignore the completion of a disposed subscriber."""


class TopicEntry:
    """One wanted topic: its subscribers, and the shard that carries it.

    Attributes:
        records, messages: the subscribers of `RecordEvent`s, and those of `Message`s.
        actions: the actions that any of `records` receives; None if one receives all.
        is_plain: True if all subscribers receive events of all actions. Stored, since it is read
            for each event of a burst.
    """

    __slots__ = (
        "actions", "is_plain", "messages", "name", "records", "shard", "topic", "version"
    )  # fmt: skip

    def __init__(self, topic: Topic, shard: TopicShard, version: int) -> None:
        self.topic = topic
        self.name = topic.name
        self.shard = shard
        self.version = version
        self.records: tuple[Subscriber, ...] = ()
        self.messages: tuple[Subscriber, ...] = ()
        self.actions: frozenset[str] | None = None
        self.is_plain = False

    def set_records(self, records: tuple[Subscriber, ...]) -> None:
        """Replace the subscribers of `RecordEvent`s."""
        wanted = [subscriber.actions for subscriber in records if subscriber.actions is not None]
        # Allow all actions in between: delivery reads `records` and `actions` without a lock.
        self.actions = None
        self.records = records
        if records and len(wanted) == len(records):
            self.actions = frozenset().union(*wanted)
        self._set_plain()

    def set_messages(self, messages: tuple[Subscriber, ...]) -> None:
        """Replace the subscribers of `Message`s."""
        self.messages = messages
        self._set_plain()

    def _set_plain(self) -> None:
        self.is_plain = bool(self.records) and not self.messages and self.actions is None

    @property
    def subscribers(self) -> tuple[Subscriber, ...]:
        """All subscribers, of both kinds."""
        return self.records + self.messages


class TopicShard:
    """The topics one connection carries. `version` grows with every change of the set.

    Args:
        index: the number of the connection.
        local: topics that are never submitted: the server sends them without a subscription.
    """

    __slots__ = ("entries", "index", "local", "version")

    def __init__(self, index: int, local: frozenset[str] = frozenset()) -> None:
        self.index = index
        self.local = local
        self.entries: dict[str, TopicEntry] = {}
        self.version = 0

    @property
    def is_empty(self) -> bool:
        """True if it has no topic."""
        return not self.entries

    def topics(self) -> tuple[str, ...]:
        """Return the texts to submit."""
        return tuple(wire for wire in self.entries if wire not in self.local)


class Registry:
    """The wanted topics.

    Args:
        local: topics that are never submitted (``PB_CONNECT``).
        limit: topics that a connection carries at most.

    Attributes:
        entries: the wanted topics by their wire text; the routing table.
        global_subscribers: those that receive every message of every topic.
        shards: one for each connection.
    """

    def __init__(self, local: frozenset[str] = frozenset(), limit: int = MAX_TOPICS) -> None:
        self.entries: dict[str, TopicEntry] = {}
        self.global_subscribers: tuple[Subscriber, ...] = ()
        self.shards: list[TopicShard] = []
        self.local = local
        self._limit = limit

    def add(self, topic: Topic, subscriber: Subscriber) -> TopicEntry:
        """Subscribe; a new topic gives its shard a new version."""
        entry = self.entries.get(topic.wire)
        if entry is None:
            shard = self._shard_with_room(topic.wire)
            shard.version += 1
            entry = TopicEntry(topic, shard, shard.version)
            shard.entries[topic.wire] = self.entries[topic.wire] = entry
        if subscriber.raw:
            entry.set_messages((*entry.messages, subscriber))
        else:
            entry.set_records((*entry.records, subscriber))
        subscriber.entry = entry
        return entry

    def remove(self, subscriber: Subscriber) -> TopicEntry | None:
        """Unsubscribe; return the entry if that removed its topic from the wanted set."""
        subscriber.silence()
        entry = subscriber.entry
        if entry is None:
            return None
        subscriber.entry = None
        if subscriber.raw:
            entry.set_messages(tuple(s for s in entry.messages if s is not subscriber))
        else:
            entry.set_records(tuple(s for s in entry.records if s is not subscriber))
        if entry.records or entry.messages:
            return None
        return self._drop(entry)

    def remove_topic(self, entry: TopicEntry) -> tuple[Subscriber, ...]:
        """Remove the topic; return its subscribers, which can still be completed."""
        subscribers = entry.subscribers
        if self.entries.get(entry.topic.wire) is not entry:
            return ()
        for subscriber in subscribers:
            subscriber.entry = None
        entry.set_records(())
        entry.set_messages(())
        self._drop(entry)
        return subscribers

    def matching(self, wanted: Callable[[str], bool]) -> list[TopicEntry]:
        """Return the entries whose topic's name without options is wanted."""
        return [entry for entry in self.entries.values() if wanted(entry.name)]

    def __iter__(self) -> Iterator[TopicEntry]:
        return iter(tuple(self.entries.values()))

    def _drop(self, entry: TopicEntry) -> TopicEntry:
        entry.shard.version += 1
        del self.entries[entry.topic.wire]
        del entry.shard.entries[entry.topic.wire]
        return entry

    def _shard_with_room(self, wire: str) -> TopicShard:
        for shard in self.shards:
            # A local topic does not count for the server's limit.
            topics = len(shard.entries) - len(shard.entries.keys() & self.local)
            if wire in self.local or topics < self._limit:
                return shard
        self.shards.append(TopicShard(len(self.shards), self.local))
        return self.shards[-1]
