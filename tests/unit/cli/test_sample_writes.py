"""The sample users' writes: any of them must be one that the server accepts."""

from __future__ import annotations

from random import Random

import pytest

from rxbosbase import RecordEvent
from rxbosbase.cli.sample_writes import MOST_KEPT, Key, SampleWrites, key_of
from rxbosbase.server.sample import SAMPLE_USERS

ADA = SAMPLE_USERS[0]


@pytest.mark.parametrize("seed", range(5))
def test_only_what_is_there_is_changed_and_every_change_can_be_told_apart(seed: int) -> None:
    """Sample writes change existing records only, have unique keys, and are bounded."""
    scribe = SampleWrites(ADA, Random(seed))
    there: dict[tuple[str, str], int] = {}
    keys: set[Key] = set()
    for _ in range(2000):
        write = scribe.next()
        collection, id, action, revision = write.key
        assert write.key not in keys
        keys.add(write.key)
        if action == "create":
            assert (collection, id) not in there
            assert write.body["id"] == id and write.body["revision"] == revision == 1
            assert ADA.id in (write.body.get("author"), write.body.get("customer"))
        elif action == "update":
            assert write.body["revision"] == revision == there[collection, id] + 1
        else:
            assert there.pop((collection, id)) == revision and not write.body
            continue
        there[collection, id] = revision
    assert {key.collection for key in keys} == {"messages", "posts", "comments", "orders"}
    assert {key.action for key in keys} == {"create", "update", "delete"}
    assert sum(collection != "posts" for collection, _ in there) <= MOST_KEPT


def test_the_same_chance_writes_the_same() -> None:
    """Equal random seeds give equal sample writes."""
    one, other = SampleWrites(ADA, Random(7)), SampleWrites(ADA, Random(7))
    assert [one.next() for _ in range(50)] == [other.next() for _ in range(50)]


def test_an_event_leads_back_to_its_write() -> None:
    """The key of an event equals the key of the write that caused it."""
    write = SampleWrites(ADA, Random(1)).next()
    event = RecordEvent(f"{write.key.collection}/*", write.key.action, dict(write.body))
    assert key_of(event) == write.key
