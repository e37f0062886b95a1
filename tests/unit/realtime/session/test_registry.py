"""The registry: reference counts, versions, and the distribution over connections."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.realtime.protocol.topics import Topic, custom_topic, record_topic
from rxbosbase.realtime.session.registry import Registry, Subscriber, TopicEntry, TopicShard

POSTS = record_topic("posts", "*")
LOCAL = custom_topic("PB_CONNECT")


def subscriber(raw: bool = False, log: list[Any] | None = None) -> Subscriber:
    kept = log if log is not None else []
    return Subscriber(kept.append, kept.append, lambda: kept.append("completed"), raw=raw)


def test_a_topic_is_registered_from_its_first_to_its_last_subscriber() -> None:
    """A topic is registered from its first to its last subscriber; others change no version."""
    registry = Registry()
    first, second = subscriber(), subscriber()
    entry = registry.add(POSTS, first)
    assert (entry.name, entry.shard.version, entry.version) == ("posts/*", 1, 1)
    assert registry.add(POSTS, second) is entry
    assert entry.shard.version == 1  # nothing to submit
    assert registry.remove(first) is None
    assert entry.subscribers == (second,)
    assert registry.remove(second) is entry
    assert entry.shard.version == 2
    assert list(registry) == []
    assert registry.remove(second) is None  # removed already


def test_subscribers_of_messages_and_of_records_share_a_topic() -> None:
    """Subscribers of messages and of records share a topic entry."""
    registry = Registry()
    records, messages = subscriber(), subscriber(raw=True)
    entry = registry.add(POSTS, records)
    assert registry.add(POSTS, messages) is entry
    assert (entry.records, entry.messages) == ((records,), (messages,))
    assert registry.remove(messages) is None
    assert registry.remove(records) is entry


def test_a_subscriber_receives_all_events_as_records_by_default() -> None:
    """By default a subscriber receives all events as records and needs no check."""
    log: list[Any] = []
    one = Subscriber(log.append, log.append, lambda: log.append("completed"))
    assert (one.raw, one.check, one.checked, one.keep_on_error) == (False, False, True, False)
    assert (one.actions, one.entry, one.error) == (None, None, None)
    why = ValueError()
    one.on_next("event")
    one.on_error(why)
    one.on_completed()
    assert log == ["event", why, "completed"]
    some = frozenset({"create"})
    two = Subscriber(log.append, log.append, print, check=True, keep_on_error=True, actions=some)
    assert (two.check, two.checked, two.keep_on_error, two.actions) == (True, False, True, some)


@pytest.mark.parametrize(
    ("records", "messages", "actions", "is_plain"),
    [
        ([], 0, None, False),
        ([None], 0, None, True),
        ([None, None], 0, None, True),
        ([None], 1, None, False),
        ([], 1, None, False),
        ([{"create"}], 0, {"create"}, False),
        ([{"create"}, {"delete"}], 0, {"create", "delete"}, False),
        ([{"create"}, None], 0, None, True),
        ([{"create"}, None], 1, None, False),
        ([{"create"}], 1, {"create"}, False),
    ],
)
def test_an_entry_has_the_combined_actions_of_its_subscribers(
    records: list[set[str] | None], messages: int, actions: set[str] | None, is_plain: bool
) -> None:
    """A topic entry has the combined actions of its subscribers, and none without them."""
    registry = Registry()
    entry = TopicEntry(POSTS, TopicShard(0), 0)
    assert (entry.actions, entry.is_plain) == (None, False)
    subscribers = [
        *(
            Subscriber(print, print, print, actions=None if some is None else frozenset(some))
            for some in records
        ),
        *(subscriber(raw=True) for _ in range(messages)),
    ]
    for each in subscribers:
        entry = registry.add(POSTS, each)
    assert entry.actions == actions
    assert entry.is_plain is is_plain
    for each in subscribers:
        registry.remove(each)
    assert entry.actions is None
    assert entry.is_plain is False


def test_a_new_registry_is_empty() -> None:
    """A new registry has no entries, no shards and no global subscribers."""
    registry = Registry()
    assert (registry.entries, registry.global_subscribers, registry.shards) == ({}, (), [])


def test_a_removed_subscriber_is_not_called_any_more() -> None:
    """A removed subscriber receives no event, error or completion any more."""
    registry = Registry()
    log: list[Any] = []
    removed = subscriber(log=log)
    registry.add(POSTS, removed)
    registry.remove(removed)
    removed.on_next("event")
    removed.on_error(ValueError())
    removed.on_completed()
    assert log == []
    assert removed.entry is None


def test_the_tuples_of_an_entry_are_replaced_and_never_modified() -> None:
    """The tuples of a topic entry are replaced by a change and never modified."""
    registry = Registry()
    entry = registry.add(POSTS, subscriber())
    seen = entry.records
    registry.add(POSTS, subscriber())
    assert len(seen) == 1
    assert len(entry.records) == 2


def test_remove_topic_returns_the_subscribers_once_and_callable() -> None:
    """`remove_topic` returns an entry's subscribers once; they still receive their completion."""
    registry = Registry()
    log: list[Any] = []
    one, two = subscriber(log=log), subscriber(raw=True, log=log)
    entry = registry.add(POSTS, one)
    registry.add(POSTS, two)
    assert registry.remove_topic(entry) == (one, two)
    assert registry.remove_topic(entry) == ()
    assert (one.entry, entry.subscribers, registry.entries) == (None, (), {})
    one.on_completed()
    assert log == ["completed"]
    again = registry.add(POSTS, one)
    assert again is not entry
    assert registry.remove_topic(entry) == ()  # an old entry does not affect a new one
    assert registry.entries == {"posts/*": again}


def test_entries_are_found_by_their_name_without_options() -> None:
    """`matching` finds topic entries by their name without options."""
    registry = Registry()
    for topic in (POSTS, record_topic("posts", "*", filter="a=1"), record_topic("posts", "r1")):
        registry.add(topic, subscriber())
    assert len(registry.matching(lambda name: name == "posts/*")) == 2
    assert len(registry.matching(lambda name: name.startswith("posts/"))) == 3


def test_topics_beyond_the_limit_go_to_further_shards_and_fill_free_places_first() -> None:
    """Topics beyond the limit go to further shards, and free places are used first."""
    registry = Registry(limit=2)
    subscribers = [subscriber() for _ in range(5)]
    for n, each in enumerate(subscribers):
        registry.add(Topic(f"t{n}", f"t{n}"), each)
    carried = [list(shard.entries) for shard in registry.shards]
    assert carried == [["t0", "t1"], ["t2", "t3"], ["t4"]]
    assert [shard.index for shard in registry.shards] == [0, 1, 2]
    registry.remove(subscribers[1])
    registry.add(Topic("new", "new"), subscriber())
    assert list(registry.shards[0].entries) == ["t0", "new"]


def test_a_local_topic_joins_a_full_shard_and_is_never_submitted() -> None:
    """A local topic joins a full shard and is never submitted."""
    registry = Registry(frozenset({LOCAL.wire}), limit=1)
    shard = registry.add(Topic("t0", "t0"), subscriber()).shard
    assert registry.add(LOCAL, subscriber(raw=True)).shard is shard
    assert shard.topics() == ("t0",)
    assert list(shard.entries) == ["t0", "PB_CONNECT"]


def test_a_local_topic_takes_no_place_from_others() -> None:
    """A local topic takes no place from topics registered after it."""
    registry = Registry(frozenset({LOCAL.wire}), limit=1)
    registry.add(LOCAL, subscriber(raw=True))
    registry.add(Topic("t0", "t0"), subscriber())
    assert [list(shard.entries) for shard in registry.shards] == [["PB_CONNECT", "t0"]]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60))
def test_after_any_sequence_the_shards_have_exactly_the_subscribed_topics(
    steps: list[tuple[int, bool]],
) -> None:
    """After any sequence the shards hold exactly the topics that have subscribers."""
    registry = Registry(limit=2)
    subscribers: dict[int, list[Subscriber]] = {}
    versions: dict[int, int] = {}
    for n, adds in steps:
        before = {wire for shard in registry.shards for wire in shard.entries}
        if adds:
            each = subscriber(raw=n % 2 == 0)
            registry.add(Topic(f"t{n}", f"t{n}"), each)
            subscribers.setdefault(n, []).append(each)
        elif subscribers.get(n):
            registry.remove(subscribers[n].pop())
        wanted = {f"t{n}" for n, each in subscribers.items() if each}
        carried = [wire for shard in registry.shards for wire in shard.entries]
        assert sorted(carried) == sorted(wanted) == sorted(registry.entries)
        assert all(len(shard.entries) <= 2 for shard in registry.shards)
        grown = sum(shard.version for shard in registry.shards)
        assert (grown > versions.get(0, 0)) == (set(carried) != before)
        versions[0] = grown
