"""What a snapshot and the status tell of records that are left out."""

from __future__ import annotations

import time
from typing import Any

from rxbosbase.live.messages import Edit
from rxbosbase.live.ordering import Order
from rxbosbase.live.snapshot import Snapshot
from rxbosbase.unreadable import UnreadableRecord, UnreadableRow


def bad(id: str) -> Edit:
    return Edit(id, None, UnreadableRow({"id": id}, "data", 1500))


def good(id: str) -> Edit:
    return Edit(id, None, {"id": id})


def gone(id: str) -> Edit:
    return Edit(id, {"id": id}, None)


def empty() -> Snapshot[Any]:
    return Snapshot.empty(Order.parse(), None, "posts")


def test_a_record_is_told_until_it_is_mended_or_gone() -> None:
    two = empty().advance([bad("a"), bad("b"), good("c")], fresh=True)
    assert two.unreadable == {id: UnreadableRecord("posts", id, "data", 1500) for id in "ab"}
    assert [record["id"] for record in two.records] == ["c"]
    after = two.advance([good("a"), gone("b")], fresh=True)
    assert after.unreadable == {}
    assert [record["id"] for record in after.records] == ["a", "c"]
    assert set(two.unreadable) == {"a", "b"}  # a snapshot never changes
    assert after.advance([bad("c"), gone("c")], fresh=True).unreadable == {}


def test_many_such_records_take_no_more_than_their_number() -> None:
    def seconds(count: int) -> float:
        edits = [bad(f"{n:06}") for n in range(count)]
        start = time.process_time()
        assert len(empty().advance(edits, fresh=True).unreadable) == count
        return time.process_time() - start

    small = min(seconds(1_000) for _ in range(3))
    assert seconds(16_000) < 100 * small + 0.5  # quadratic work would be 256 times as much
