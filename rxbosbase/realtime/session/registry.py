"""Who wants which topic, and which connection carries it. Pure: the wanted set lives here alone.

`entries` is also the routing table. Delivery reads it without a lock: an entry's tuples of
subscribers are replaced, never changed, and looking a key up in a dict is one step of the
interpreter. All other methods are to be called under their owner's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rxbosbase.realtime.protocol.topics import MAX_TOPICS, Topic

__all__ = ["Registry", "Subscriber", "TopicEntry", "TopicShard"]


def _ignore(_: Any) -> None:
    """What a disposed subscriber's events go to: cheaper than a flag asked for each event."""


class Subscriber:
    """One observer or callback of one topic.

    Attributes:
        on_next, on_error, on_completed: where its events go.
        entry: the topic it is subscribed to; None once it is out.
        raw: True for one that takes `Message`s, whatever the topic; else `RecordEvent`s.
        check: True if the preflight's verdict may end it.
        keeps: True if it stays subscribed though it raised (a callback; an observer does not).
        actions: the only actions it lets through; None for all.
        checked: True once the preflight has spoken, or was not asked for.
        error: why it was ended, for one who waits.
    """

    __slots__ = (
        "actions", "check", "checked", "entry", "error", "keeps", "on_completed", "on_error",
        "on_next", "raw",
    )  # fmt: skip

    def __init__(
        self,
        on_next: Callable[[Any], object],
        on_error: Callable[[Exception], object],
        on_completed: Callable[[], object],
        *,
        raw: bool = False,
        check: bool = False,
        keeps: bool = False,
        actions: frozenset[str] | None = None,
    ) -> None:
        self.on_next = on_next
        self.on_error = on_error
        self.on_completed = on_completed
        self.raw = raw
        self.check = check
        self.checked = not check
        self.keeps = keeps
        self.actions = actions
        self.entry: TopicEntry | None = None
        self.error: Exception | None = None

    def silence(self) -> None:
        """Nothing reaches it from now on, not even the event that is being delivered."""
        self.on_next = self.on_error = _ignore
        self.on_completed = _nothing


def _nothing() -> None:
    """As `_ignore`, for completion."""


class TopicEntry:
    """One wanted topic: its subscribers, and the share that carries it.

    Attributes:
        records, messages: the subscribers that take events, and those that take `Message`s.
        actions: what any of `records` wants; None if one wants all.
        is_plain: True if all subscribers take events, whatever their action. Kept, not computed:
            each event of a burst asks for it.
    """

    __slots__ = (
        "actions", "is_plain", "messages", "name", "records", "share", "topic", "version"
    )  # fmt: skip

    def __init__(self, topic: Topic, share: TopicShard, version: int) -> None:
        self.topic = topic
        self.name = topic.name
        self.share = share
        self.version = version
        self.records: tuple[Subscriber, ...] = ()
        self.messages: tuple[Subscriber, ...] = ()
        self.actions: frozenset[str] | None = None
        self.is_plain = False

    def set_records(self, records: tuple[Subscriber, ...]) -> None:
        """Replaces the subscribers that take events."""
        wanted = [subscriber.actions for subscriber in records if subscriber.actions is not None]
        # Wide before, narrow after: delivery reads the two one after the other.
        self.actions = None
        self.records = records
        if records and len(wanted) == len(records):
            self.actions = frozenset().union(*wanted)
        self._set_plain()

    def set_messages(self, messages: tuple[Subscriber, ...]) -> None:
        """Replaces the subscribers that take `Message`s."""
        self.messages = messages
        self._set_plain()

    def _set_plain(self) -> None:
        self.is_plain = bool(self.records) and not self.messages and self.actions is None

    @property
    def subscribers(self) -> tuple[Subscriber, ...]:
        """All of them, of both kinds."""
        return self.records + self.messages


class TopicShard:
    """The topics one connection carries. `version` grows with every change of the set.

    Args:
        index: the number of the connection.
        local: topics that are listened to, never submitted: the server sends them unasked.
    """

    __slots__ = ("entries", "index", "local", "version")

    def __init__(self, index: int, local: frozenset[str] = frozenset()) -> None:
        self.index = index
        self.local = local
        self.entries: dict[str, TopicEntry] = {}
        self.version = 0

    @property
    def is_empty(self) -> bool:
        """True if nobody wants any topic of it."""
        return not self.entries

    def topics(self) -> tuple[str, ...]:
        """The texts to submit."""
        return tuple(wire for wire in self.entries if wire not in self.local)


class Registry:
    """The wanted topics.

    Args:
        local: topics that are listened to, never submitted (``PB_CONNECT``).
        limit: topics a connection carries at most.
    """

    def __init__(self, local: frozenset[str] = frozenset(), limit: int = MAX_TOPICS) -> None:
        self.entries: dict[str, TopicEntry] = {}
        self.everything: tuple[Subscriber, ...] = ()
        self.shares: list[TopicShard] = []
        self.local = local
        self._limit = limit

    def add(self, topic: Topic, subscriber: Subscriber) -> TopicEntry:
        """Subscribes; the topic's share has a new version if the topic is new."""
        entry = self.entries.get(topic.wire)
        if entry is None:
            share = self._share_with_room(topic.wire)
            share.version += 1
            entry = TopicEntry(topic, share, share.version)
            share.entries[topic.wire] = self.entries[topic.wire] = entry
        if subscriber.raw:
            entry.set_messages((*entry.messages, subscriber))
        else:
            entry.set_records((*entry.records, subscriber))
        subscriber.entry = entry
        return entry

    def remove(self, subscriber: Subscriber) -> TopicEntry | None:
        """Unsubscribes; the entry if that took its topic out of the wanted set."""
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

    def take_out(self, entry: TopicEntry) -> tuple[Subscriber, ...]:
        """Removes the topic with all its subscribers, and returns them unsilenced."""
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
        """The entries whose topic's name (without options) is wanted."""
        return [entry for entry in self.entries.values() if wanted(entry.name)]

    def __iter__(self) -> Iterator[TopicEntry]:
        return iter(tuple(self.entries.values()))

    def _drop(self, entry: TopicEntry) -> TopicEntry:
        entry.share.version += 1
        del self.entries[entry.topic.wire]
        del entry.share.entries[entry.topic.wire]
        return entry

    def _share_with_room(self, wire: str) -> TopicShard:
        for share in self.shares:
            # A local topic costs no room on the server.
            topics = len(share.entries) - len(share.entries.keys() & self.local)
            if wire in self.local or topics < self._limit:
                return share
        self.shares.append(TopicShard(len(self.shares), self.local))
        return self.shares[-1]
