"""Who wants what: reference counts, versions, and the spreading over connections."""

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


def test_a_topic_is_wanted_from_its_first_to_its_last_subscriber() -> None:
    """A topic is registered from its first to its last subscriber; others change no version."""
    registry = Registry()
    first, second = subscriber(), subscriber()
    entry = registry.add(POSTS, first)
    assert (entry.name, entry.share.version, entry.version) == ("posts/*", 1, 1)
    assert registry.add(POSTS, second) is entry
    assert entry.share.version == 1  # nothing to submit
    assert registry.remove(first) is None
    assert entry.subscribers == (second,)
    assert registry.remove(second) is entry
    assert entry.share.version == 2
    assert list(registry) == []
    assert registry.remove(second) is None  # again: nothing


def test_subscribers_of_messages_and_of_records_share_a_topic() -> None:
    """Subscribers of messages and of records share a topic entry."""
    registry = Registry()
    records, messages = subscriber(), subscriber(raw=True)
    entry = registry.add(POSTS, records)
    assert registry.add(POSTS, messages) is entry
    assert (entry.records, entry.messages) == ((records,), (messages,))
    assert registry.remove(messages) is None
    assert registry.remove(records) is entry


def test_a_subscriber_gets_all_events_as_records_unless_it_is_told_otherwise() -> None:
    """By default a subscriber receives all events as records and needs no check."""
    log: list[Any] = []
    one = Subscriber(log.append, log.append, lambda: log.append("completed"))
    assert (one.raw, one.check, one.checked, one.keeps) == (False, False, True, False)
    assert (one.actions, one.entry, one.error) == (None, None, None)
    why = ValueError()
    one.on_next("event")
    one.on_error(why)
    one.on_completed()
    assert log == ["event", why, "completed"]
    some = frozenset({"create"})
    two = Subscriber(log.append, log.append, print, check=True, keeps=True, actions=some)
    assert (two.check, two.checked, two.keeps, two.actions) == (True, False, True, some)


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
def test_an_entry_knows_what_its_subscribers_let_through(
    records: list[set[str] | None], messages: int, actions: set[str] | None, is_plain: bool
) -> None:
    """A topic entry has the combined actions of its subscribers, and none without them."""
    registry = Registry()
    entry = TopicEntry(POSTS, TopicShard(0), 0)
    assert (entry.actions, entry.is_plain) == (None, False)
    held = [
        *(
            Subscriber(print, print, print, actions=None if some is None else frozenset(some))
            for some in records
        ),
        *(subscriber(raw=True) for _ in range(messages)),
    ]
    for each in held:
        entry = registry.add(POSTS, each)
    assert entry.actions == actions
    assert entry.is_plain is is_plain
    for each in held:
        registry.remove(each)
    assert entry.actions is None
    assert entry.is_plain is False


def test_a_registry_begins_with_nobody() -> None:
    """A new registry has no entries, no shards and no subscribers to everything."""
    registry = Registry()
    assert (registry.entries, registry.everything, registry.shares) == ({}, (), [])


def test_a_removed_subscriber_hears_nothing_any_more() -> None:
    """A removed subscriber receives no event, error or completion any more."""
    registry = Registry()
    log: list[Any] = []
    gone = subscriber(log=log)
    registry.add(POSTS, gone)
    registry.remove(gone)
    gone.on_next("event")
    gone.on_error(ValueError())
    gone.on_completed()
    assert log == []
    assert gone.entry is None


def test_the_tuples_of_an_entry_are_replaced_and_never_changed() -> None:
    """The tuples of a topic entry are replaced by a change and never modified."""
    registry = Registry()
    entry = registry.add(POSTS, subscriber())
    seen = entry.records
    registry.add(POSTS, subscriber())
    assert len(seen) == 1
    assert len(entry.records) == 2


def test_taking_a_topic_out_gives_its_subscribers_back_unsilenced_and_once() -> None:
    """`take_out` returns an entry's subscribers once; they still receive their completion."""
    registry = Registry()
    log: list[Any] = []
    one, two = subscriber(log=log), subscriber(raw=True, log=log)
    entry = registry.add(POSTS, one)
    registry.add(POSTS, two)
    assert registry.take_out(entry) == (one, two)
    assert registry.take_out(entry) == ()
    assert (one.entry, entry.subscribers, registry.entries) == (None, (), {})
    one.on_completed()
    assert log == ["completed"]
    again = registry.add(POSTS, one)
    assert again is not entry
    assert registry.take_out(entry) == ()  # an entry of former days harms no new one
    assert registry.entries == {"posts/*": again}


def test_entries_are_found_by_their_name_without_options() -> None:
    """`matching` finds topic entries by their name without options."""
    registry = Registry()
    for topic in (POSTS, record_topic("posts", "*", filter="a=1"), record_topic("posts", "r1")):
        registry.add(topic, subscriber())
    assert len(registry.matching(lambda name: name == "posts/*")) == 2
    assert len(registry.matching(lambda name: name.startswith("posts/"))) == 3


def test_row_12_topics_beyond_the_limit_go_to_further_shares_and_fill_gaps_first() -> None:
    """Topics beyond the limit go to further shards, and free places are used first."""
    registry = Registry(limit=2)
    held = [subscriber() for _ in range(5)]
    for n, each in enumerate(held):
        registry.add(Topic(f"t{n}", f"t{n}"), each)
    carried = [list(share.entries) for share in registry.shares]
    assert carried == [["t0", "t1"], ["t2", "t3"], ["t4"]]
    assert [share.index for share in registry.shares] == [0, 1, 2]
    registry.remove(held[1])
    registry.add(Topic("new", "new"), subscriber())
    assert list(registry.shares[0].entries) == ["t0", "new"]


def test_a_local_topic_costs_no_room_and_is_never_submitted() -> None:
    """A local topic joins a full shard and is never submitted."""
    registry = Registry(frozenset({LOCAL.wire}), limit=1)
    share = registry.add(Topic("t0", "t0"), subscriber()).share
    assert registry.add(LOCAL, subscriber(raw=True)).share is share
    assert share.topics() == ("t0",)
    assert list(share.entries) == ["t0", "PB_CONNECT"]


def test_a_local_topic_takes_no_room_from_the_others() -> None:
    """A local topic takes no place from topics registered after it."""
    registry = Registry(frozenset({LOCAL.wire}), limit=1)
    registry.add(LOCAL, subscriber(raw=True))
    registry.add(Topic("t0", "t0"), subscriber())
    assert [list(share.entries) for share in registry.shares] == [["PB_CONNECT", "t0"]]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60))
def test_after_any_sequence_the_shares_hold_exactly_what_somebody_wants(
    steps: list[tuple[int, bool]],
) -> None:
    """After any sequence the shards hold exactly the topics that have subscribers."""
    registry = Registry(limit=2)
    held: dict[int, list[Subscriber]] = {}
    versions: dict[int, int] = {}
    for n, adds in steps:
        before = {wire for share in registry.shares for wire in share.entries}
        if adds:
            each = subscriber(raw=n % 2 == 0)
            registry.add(Topic(f"t{n}", f"t{n}"), each)
            held.setdefault(n, []).append(each)
        elif held.get(n):
            registry.remove(held[n].pop())
        wanted = {f"t{n}" for n, subscribers in held.items() if subscribers}
        carried = [wire for share in registry.shares for wire in share.entries]
        assert sorted(carried) == sorted(wanted) == sorted(registry.entries)
        assert all(len(share.entries) <= 2 for share in registry.shares)
        grown = sum(share.version for share in registry.shares)
        assert (grown > versions.get(0, 0)) == (set(carried) != before)
        versions[0] = grown
