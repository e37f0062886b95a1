"""The records that a snapshot leaves out, in the snapshot and in the status."""

from __future__ import annotations

import time
from typing import Any

from rxbosbase.encoding.unreadable import UnreadableRecord, UnreadableRow
from rxbosbase.live.engine.messages import Edit
from rxbosbase.live.engine.ordering import Order
from rxbosbase.live.engine.snapshot import Snapshot


def bad(id: str) -> Edit:
    return Edit(id, None, UnreadableRow({"id": id}, "data", 1500))


def good(id: str) -> Edit:
    return Edit(id, None, {"id": id})


def gone(id: str) -> Edit:
    return Edit(id, {"id": id}, None)


def empty() -> Snapshot[Any]:
    return Snapshot.empty(Order.parse(), None, "posts")


def test_a_record_is_listed_until_it_is_readable_or_gone() -> None:
    """An unreadable record is listed until it becomes readable or is deleted."""
    two = empty().advance([bad("a"), bad("b"), good("c")], fresh=True)
    assert two.unreadable == {id: UnreadableRecord("posts", id, "data", 1500) for id in "ab"}
    assert [record["id"] for record in two.records] == ["c"]
    for later in (two.refreshed(False), two.advance([good("d"), gone("c")], fresh=True)):
        assert later.unreadable == two.unreadable
    after = two.advance([good("a"), gone("b")], fresh=True)
    assert after.unreadable == {}
    assert [record["id"] for record in after.records] == ["a", "c"]
    assert set(two.unreadable) == {"a", "b"}  # a snapshot never changes
    assert after.advance([bad("c"), gone("c")], fresh=True).unreadable == {}


def test_a_view_in_the_servers_order_lists_them_too() -> None:
    """A view in the server's order lists unreadable records and shows the other rows."""
    a, b, c = (UnreadableRow({"id": "a"}, "data", 1500), {"id": "b"}, {"id": "c"})
    first = empty().with_rows([a, b, c], fresh=True, caught_up=False)
    assert first.unreadable == {"a": UnreadableRecord("posts", "a", "data", 1500)}
    assert first.records == [b, c]
    assert repr(first) == "<Snapshot 1: 2 records, 1 unreadable, +2 ~0 -0, fresh>"
    second = first.with_rows([{"id": "a"}, b, c], fresh=False, caught_up=False)
    assert second.unreadable == {} and second.records == [{"id": "a"}, b, c]
    assert repr(second) == "<Snapshot 2: 3 records, +1 ~0 -0, stale>"


def test_a_record_is_listed_in_a_snapshot_that_is_built_at_once() -> None:
    """An unreadable record stays listed when 600 rows join at once."""
    many = [good(f"{n:06}") for n in range(600)]
    assert set(empty().advance([bad("a")], fresh=True).advance(many, fresh=True).unreadable) == {
        "a"
    }


def test_a_record_has_the_name_of_its_collection_if_the_view_has_none() -> None:
    """In a view without a collection the record's `collectionName` is reported."""
    row = UnreadableRow({"id": "a", "collectionName": "notes"}, "data", 1500)
    view = Snapshot.empty(Order.parse()).advance([Edit("a", None, row)], fresh=True)
    assert view.unreadable["a"].collection == "notes"


def test_many_such_records_take_no_more_than_their_number() -> None:
    """The cost of listing unreadable records is linear in their number."""

    def seconds(count: int) -> float:
        edits = [bad(f"{n:06}") for n in range(count)]
        start = time.process_time()
        assert len(empty().advance(edits, fresh=True).unreadable) == count
        return time.process_time() - start

    small = min(seconds(1_000) for _ in range(5))
    large = min(seconds(16_000) for _ in range(3))
    assert large < 64 * small  # linear work is 16 times as much, quadratic work 256 times
