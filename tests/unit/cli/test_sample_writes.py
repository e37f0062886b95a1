"""The writes of the sample users: the server must accept each of them."""

from __future__ import annotations

from random import Random

import pytest

from rxbosbase import RecordEvent
from rxbosbase.cli.sample_writes import MAX_KEPT, SampleWrites, WriteKey, key_of
from rxbosbase.server.sample import SAMPLE_USERS

ADA = SAMPLE_USERS[0]


@pytest.mark.parametrize("seed", range(5))
def test_only_existing_records_are_changed_and_every_change_has_its_own_key(seed: int) -> None:
    """Sample writes change existing records only, have unique keys, and are bounded."""
    writes = SampleWrites(ADA, Random(seed))
    existing: dict[tuple[str, str], int] = {}
    keys: set[WriteKey] = set()
    for _ in range(2000):
        write = writes.next()
        collection, id, action, revision = write.key
        assert write.key not in keys
        keys.add(write.key)
        if action == "create":
            assert (collection, id) not in existing
            assert write.body["id"] == id and write.body["revision"] == revision == 1
            assert ADA.id in (write.body.get("author"), write.body.get("customer"))
        elif action == "update":
            assert write.body["revision"] == revision == existing[collection, id] + 1
        else:
            assert existing.pop((collection, id)) == revision and not write.body
            continue
        existing[collection, id] = revision
    assert {key.collection for key in keys} == {"messages", "posts", "comments", "orders"}
    assert {key.action for key in keys} == {"create", "update", "delete"}
    assert sum(collection != "posts" for collection, _ in existing) <= MAX_KEPT


def test_equal_seeds_give_equal_writes() -> None:
    """Equal random seeds give equal sample writes."""
    one, other = SampleWrites(ADA, Random(7)), SampleWrites(ADA, Random(7))
    assert [one.next() for _ in range(50)] == [other.next() for _ in range(50)]


def test_the_key_of_an_event_is_that_of_its_write() -> None:
    """The key of an event equals the key of the write that caused it."""
    write = SampleWrites(ADA, Random(1)).next()
    event = RecordEvent(f"{write.key.collection}/*", write.key.action, dict(write.body))
    assert key_of(event) == write.key
