"""Snapshots are immutable, and their changes are exact."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.encoding.record import Record
from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.live.engine import persistent_rows as rows_module
from rxbosbase.live.engine.messages import Edit
from rxbosbase.live.engine.ordering import Order, UnorderableError
from rxbosbase.live.engine.persistent_rows import RecordSequence
from rxbosbase.live.engine.sequence_diff import sequence_diff
from rxbosbase.live.engine.snapshot import Change, Reordered, Snapshot, apply_changes
from rxbosbase.live.engine.sorting import ServerOrder

ID = st.sampled_from("abcdefghijkl")
STEPS = st.lists(
    st.lists(st.tuples(ID, st.none() | st.integers(0, 3)), max_size=5, unique_by=lambda x: x[0]),
    max_size=20,
)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that split after a few rows, and batches that are built at once."""
    monkeypatch.setattr(rows_module, "CHUNK", 2)
    monkeypatch.setattr("rxbosbase.live.engine.snapshot.REBUILD", 4)


def row(id: str, n: int | None) -> Record | None:
    return None if n is None else {"id": id, "n": n // 2, "odd": n % 2}


def play(steps: list[list[tuple[str, int | None]]]) -> tuple[list[Snapshot[Any]], list[Any]]:
    """All versions of a view, and the rows each should show."""
    held: dict[str, Record] = {}
    versions: list[Snapshot[Any]] = [Snapshot.empty(Order.parse("-n"))]
    expected: list[list[Record]] = [[]]
    for step in steps:
        edits = [Edit(id, held.get(id), row(id, n)) for id, n in step]
        held = {id: r for id, r in {**held, **{e.id: e.record for e in edits}}.items() if r}
        versions.append(versions[-1].advance(edits, fresh=True))
        expected.append(sorted(held.values(), key=lambda r: (-r["n"], r["id"])))
    return versions, expected


@pytest.mark.usefixtures("small_chunks")
@given(steps=STEPS)
def test_changes_lead_from_each_version_to_the_next(
    steps: list[list[tuple[str, int | None]]],
) -> None:
    """`changes` lead from each version to the next; older versions stay as they were."""
    versions, expected = play(steps)
    for before, after in pairwise(versions):
        assert apply_changes(before.records, after.changes) == list(after.records)
    for version, rows in zip(versions, expected, strict=True):
        assert version.records == rows
        assert dict(version.by_id) == {r["id"]: r for r in rows}
        assert len(version.by_id) == len(rows)
        assert all(len(chunk.keys) < 2 * rows_module.CHUNK for chunk in version._rows._chunks)
        assert [version.records[i] for i in range(-len(rows), len(rows))] == rows + rows


@pytest.mark.usefixtures("small_chunks")
@given(steps=STEPS, data=st.data())
def test_since_leads_from_any_version_to_any_later_one(
    steps: list[list[tuple[str, int | None]]], data: st.DataObject
) -> None:
    """`since` has one change for each record that differs, and none for the others."""
    versions, _ = play(steps)
    newer = data.draw(st.sampled_from(versions))
    older = data.draw(st.sampled_from(versions[: newer.version + 1]))
    changes = newer.since(older)
    assert apply_changes(older.records, changes) == list(newer.records)
    was, now = dict(older.by_id), dict(newer.by_id)
    differing = {id for id in {*was, *now} if was.get(id) != now.get(id)}
    assert sorted(change.record["id"] for change in changes) == sorted(differing)
    assert not any(change.caught_up for change in changes)


ARRANGED = st.lists(st.tuples(ID, st.integers(0, 2)), max_size=8, unique_by=lambda x: x[0])


@given(st.lists(ARRANGED, max_size=8), st.data())
def test_changes_are_exact_in_the_servers_order(
    windows: list[list[tuple[str, int]]], data: st.DataObject
) -> None:
    """`changes` and `since` are exact for any rows in any order that the server returns."""
    versions: list[Snapshot[Any]] = [Snapshot.empty(None)]
    for window in windows:
        shown = [{"id": id, "n": n} for id, n in window]
        after = versions[-1].with_rows(shown, fresh=True, caught_up=False)
        assert after.records == shown
        assert apply_changes(versions[-1].records, after.changes) == shown
        versions.append(after)
    newer = data.draw(st.sampled_from(versions))
    older = data.draw(st.sampled_from(versions[: newer.version + 1]))
    assert apply_changes(older.records, newer.since(older)) == list(newer.records)


@pytest.mark.usefixtures("small_chunks")
@given(steps=STEPS, windows=st.lists(ARRANGED, min_size=1, max_size=4), data=st.data())
def test_a_view_that_is_handed_to_the_server_keeps_exact_changes_across_it(
    steps: list[list[tuple[str, int | None]]],
    windows: list[list[tuple[str, int]]],
    data: st.DataObject,
) -> None:
    """`changes` and `since` stay exact when a view goes over to the server's order."""
    versions, _ = play(steps)
    for window in windows:
        shown = [{"id": id, "n": n} for id, n in window]
        stale = versions[-1].refreshed(False)
        after = stale.with_rows(shown, fresh=True, caught_up=False)
        assert apply_changes(stale.records, after.changes) == shown
        versions += [stale, after]
    assert [version.version for version in versions] == list(range(len(versions)))
    newer = data.draw(st.sampled_from(versions))
    older = data.draw(st.sampled_from(versions[: newer.version + 1]))
    assert apply_changes(older.records, newer.since(older)) == list(newer.records)


@given(
    old=st.lists(ID, unique=True, max_size=6),
    new=st.lists(ID, unique=True, max_size=6),
    changed=st.sets(ID, max_size=3),
)
def test_an_arrangement_moves_no_more_than_it_must(
    old: list[str], new: list[str], changed: set[str]
) -> None:
    """A sequence diff moves only rows outside the longest run that keeps its order."""
    steps = list(sequence_diff(old, new, changed))
    work = list(old)
    for id, was, now in steps:
        if was is not None:
            assert work.pop(was) == id
        if now is not None:
            work.insert(now, id)
    assert work == new
    both = [id for id in old if id in new]
    longest = next(
        length
        for length in range(len(both), -1, -1)
        if any(list(run) == [id for id in new if id in run] for run in combinations(both, length))
    )
    moved = {id for id, was, now in steps if None not in (was, now)} - changed
    assert len({id for id, *_ in steps}) == len(steps)
    assert changed.intersection(both) <= {id for id, *_ in steps}
    assert len(moved) <= len(both) - longest <= len(moved) + len(changed)


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ("abcde", "bcdea", [("a", 0, 4)]),
        ("abc", "xabc", [("x", None, 0)]),
        ("abcd", "dabc", [("d", 3, 0)]),
        ("dabce", "abcde", [("d", 0, 3)]),
    ],
)
def test_a_row_that_moves_is_one_step(
    old: str, new: str, steps: list[tuple[str, Any, int]]
) -> None:
    """A row that moves is one step of the sequence diff, not a step of all the others."""
    assert list(sequence_diff(old, new, ())) == steps


def test_unchanged_rows_keep_their_objects() -> None:
    """A row read again unchanged stays the same object; each other row is one change."""
    a, b, c = ({"id": id, "n": 1} for id in "abc")
    first = Snapshot.empty(None).with_rows([a, b, c], fresh=True, caught_up=False)
    newer, d = {"id": "c", "n": 2}, {"id": "d", "n": 1}
    second = first.with_rows([newer, dict(a), d], fresh=True, caught_up=True)
    assert second.records[1] is a
    assert second.changes == (
        Change("removed", b, b, 1, None, True),
        Change("modified", newer, c, 1, 0, True),
        Change("added", d, None, None, 2, True),
    )
    expected = tuple(replace(change, caught_up=False) for change in second.changes)
    assert second.since(first) == expected
    assert (
        second.with_rows([dict(newer), dict(a), dict(d)], fresh=True, caught_up=True).changes == ()
    )


def test_a_change_carries_the_record_before_and_whether_it_was_caught_up() -> None:
    """A change carries the record before it, both indexes and whether it was caught up."""
    view = Snapshot.empty(Order.parse())
    first = view.advance([Edit("a", None, {"id": "a", "n": 1})], fresh=False)
    second = first.advance([Edit("a", {"id": "a"}, {"id": "a", "n": 2}, True)], fresh=True)
    (change,) = second.changes
    assert (change.type, change.before, change.record) == (
        "modified",
        {"id": "a", "n": 1},
        {"id": "a", "n": 2},
    )
    assert change.caught_up and (change.old_index, change.new_index) == (0, 0)
    assert first.changes == (Change("added", {"id": "a", "n": 1}, None, None, 0),)
    assert (first.fresh, second.fresh, second.version) == (False, True, 2)
    third = second.advance([Edit("a", change.record, None)], fresh=True)
    assert third.changes == (Change("removed", change.record, change.record, 0, None),)
    assert (view.fresh, view.version, view.changes) == (False, 0, ())


def test_the_first_version_lists_every_record_as_added() -> None:
    """The first version lists each record as added, in order, also where there are 2000."""
    ids = [f"{n:04d}" for n in reversed(range(2000))]
    edits = [Edit(id, None, {"id": id}, id < "0500") for id in ids]
    first = Snapshot.empty(Order.parse()).advance(edits, fresh=True)
    assert [change.new_index for change in first.changes] == list(range(2000))
    assert {change.type for change in first.changes} == {"added"}
    assert [change.caught_up for change in first.changes] == [True] * 500 + [False] * 1500
    assert apply_changes([], first.changes) == list(first.records)


def test_since_refuses_what_is_not_an_older_snapshot_of_the_view() -> None:
    """`since` raises `ValueError` for a newer snapshot or one of another view."""
    view = Snapshot.empty(Order.parse())
    later = view.refreshed(True)
    for stranger in (Snapshot.empty(Order.parse()), later):
        with pytest.raises(ValueError, match="older snapshot of the same view"):
            view.since(stranger)
    assert later.since(view) == ()


def test_a_record_without_a_place_leaves_the_snapshot_as_it_was() -> None:
    """A record that has no place raises `UnorderableError`; the snapshot stays as it was."""
    view = Snapshot.empty(Order.parse("tags"))
    with pytest.raises(UnorderableError):
        view.advance([Edit("a", None, {"id": "a", "tags": []})], fresh=True)
    assert len(view.records) == 0


def test_rows_that_decode_hides_are_not_shown() -> None:
    """Rows for which the model returns None are hidden, whichever side orders the view."""

    def shown(record: Record) -> str | None:
        return record.get("title")

    rows = [{"id": "a"}, {"id": "b", "title": "x"}, {"id": "c"}, {"id": "d", "title": "y"}]
    edits = [Edit(row["id"], None, row) for row in rows]
    by_client = Snapshot.empty(Order.parse(), shown).advance(edits, fresh=True)
    by_server = Snapshot.empty(None, shown).with_rows(rows, fresh=True, caught_up=False)
    assert list(by_client.records) == list(by_server.records) == ["x", "y"]
    assert set(by_client.by_id) == set(by_server.by_id) == {"b", "d"}


def test_decode_is_called_once_for_each_version_of_a_row() -> None:
    """The model is called once for each row version; an equal result is no change."""
    calls: list[Record] = []

    def title(record: Record) -> str:
        calls.append(record)
        return str(record["title"])

    view = Snapshot.empty(Order.parse("title"), title)
    first = view.advance([Edit("a", None, {"id": "a", "title": "x", "updated": "1"})], fresh=True)
    second = first.advance([Edit("a", {}, {"id": "a", "title": "x", "updated": "2"})], fresh=True)
    assert first.records == ["x"] and second.changes == ()
    assert len(calls) == 2


def test_a_change_of_place_alone_moves_the_record_later_on() -> None:
    """A new sort value that the model hides is a change only once it moves the record."""
    view = Snapshot.empty(Order.parse("n"), lambda record: str(record["id"]))
    rows = [Edit("a", None, {"id": "a", "n": 1}), Edit("b", None, {"id": "b", "n": 5})]
    first = view.advance(rows, fresh=True)
    second = first.advance([Edit("a", {}, {"id": "a", "n": 2})], fresh=True)
    third = second.advance([Edit("a", {}, {"id": "a", "n": 9})], fresh=True)
    assert second.changes == ()
    assert [(c.type, c.old_index, c.new_index) for c in third.changes] == [("modified", 0, 1)]
    assert third.records == ["b", "a"]


def test_records_behave_like_a_sequence() -> None:
    """`records` has indexes, slices, `in`, `index`, equality and `repr` of a sequence."""
    first = Snapshot.empty(Order.parse()).advance(
        [Edit(id, None, {"id": id}) for id in "abc"], fresh=True
    )
    records: Any = first.records
    assert records[-1] == {"id": "c"} and records[1:] == [{"id": "b"}, {"id": "c"}]
    assert {"id": "b"} in records and records.index({"id": "c"}) == 2
    assert records != [{"id": "a"}] and records != {"id": "a"}
    assert repr(records) == "RecordSequence([{'id': 'a'}, {'id': 'b'}, {'id': 'c'}])"
    for index in (3, -4):
        with pytest.raises(IndexError, match="no record has this index"):
            records[index]


def test_an_event_copies_a_few_hundred_slots_of_ten_thousand() -> None:
    """An event in a snapshot of 10 000 rows replaces one chunk and shares all others."""
    edits = [Edit(f"{n:05d}", None, {"id": f"{n:05d}"}) for n in range(10_000)]
    first = Snapshot.empty(Order.parse()).advance(edits, fresh=True)
    second = first.advance([Edit("05000x", None, {"id": "05000x"})], fresh=True)
    old: RecordSequence[Any] = first._rows
    shared = {id(chunk) for chunk in old._chunks} & {id(chunk) for chunk in second._rows._chunks}
    assert len(shared) == len(old._chunks) - 1


# -- another order ---------------------------------------------------------------------------------

ORDERS = st.permutations("abcdefghijkl")


@pytest.mark.usefixtures("small_chunks")
@given(steps=STEPS, orders=st.lists(st.none() | ORDERS, max_size=20), data=st.data())
def test_changes_are_exact_across_other_orders(
    steps: list[list[tuple[str, int | None]]], orders: list[list[str] | None], data: st.DataObject
) -> None:
    """`changes` and `since` are exact across changes of the server's order."""
    held: dict[str, Record] = {}
    order: Order | ServerOrder = Order.parse("-n")
    versions: list[Snapshot[Any]] = [Snapshot.empty(order)]
    for step, ids in zip(steps, [*orders, *[None] * len(steps)], strict=False):
        edits = [Edit(id, held.get(id), row(id, n)) for id, n in step]
        held = {id: r for id, r in {**held, **{e.id: e.record for e in edits}}.items() if r}
        reordered = None
        if ids is not None:
            own = Order.parse("-n")
            order = ServerOrder(own, 0, {id: own.values(held[id]) for id in ids if id in held})
            reordered = Reordered(order, dict(held))
        before = versions[-1]
        after = before.advance(edits, fresh=True, reordered=reordered)
        assert after.records == sorted(held.values(), key=order.key)
        assert dict(after.by_id) == held
        if after.version == before.version:
            assert after.records == before.records and after.changes == before.changes
        else:
            assert apply_changes(before.records, after.changes) == list(after.records)
        versions.append(after)
    newer = data.draw(st.integers(0, len(versions) - 1))
    older = data.draw(st.integers(0, newer))
    changes = versions[newer].since(versions[older])
    assert apply_changes(versions[older].records, changes) == list(versions[newer].records)


def numbered(*ids: str) -> Snapshot[Any]:
    """The first snapshot of a view with these rows, all of one number."""
    edits = [Edit(id, None, {"id": id, "n": 1}) for id in ids]
    return Snapshot.empty(Order.parse("n")).advance(edits, fresh=True)


def in_order(*ids: str) -> Reordered:
    """The server has them so."""
    rows = {id: {"id": id, "n": 1} for id in ids}
    own = Order.parse("n")
    return Reordered(ServerOrder(own, 1, {id: own.values(rows[id]) for id in ids}), rows)


def test_another_order_moves_no_more_rows_than_it_must() -> None:
    """Another order moves as few rows as possible: one that moved is one change."""
    first = numbered("a", "b", "c", "d")
    second = first.advance([], fresh=True, reordered=in_order("b", "c", "d", "a"))
    moved = first.by_id["a"]
    assert second.changes == (Change("modified", moved, moved, 0, 3),)
    assert (second.version, second.fresh) == (2, True)
    assert second.since(first) == second.changes
    assert [row["id"] for row in second.records] == ["b", "c", "d", "a"]


def test_an_order_in_which_nothing_differs_makes_no_version() -> None:
    """An order that moves no row makes no version, but later edits are placed by it."""
    first = numbered("a", "b", "d")
    second = first.advance([], fresh=True, reordered=in_order("a", "b", "d"))
    assert second is not first
    assert (second.version, second.changes, second.records) == (1, first.changes, first.records)
    third = second.advance([Edit("b", {}, {"id": "b", "n": 2})], fresh=True)
    assert [row["id"] for row in third.records] == ["a", "d", "b"] and third.version == 2
    assert apply_changes(first.records, third.since(first)) == list(third.records)


def test_an_order_that_comes_with_something_else_makes_a_version() -> None:
    """An order that moves no row makes a version if freshness or unreadable rows change."""
    first = numbered("a", "b")
    order = in_order("a", "b")
    assert first.advance([], fresh=False, reordered=order).version == 2
    edit = Edit("u", None, UnreadableRow({"id": "u", "updated": ""}, "n", 0))
    second = first.advance([edit], fresh=True, reordered=order)
    assert (second.version, second.changes, list(second.unreadable)) == (2, (), ["u"])
    empty = Snapshot.empty(Order.parse("n"))
    assert empty.advance([], fresh=False, reordered=in_order()).version == 1


def test_rows_caught_up_along_with_another_order_say_so() -> None:
    """Rows caught up in a version with another order have `caught_up` in their changes."""
    first = numbered("a", "b", "c")
    edits = [Edit("d", None, {"id": "d", "n": 1}, True), Edit("b", {}, None)]
    second = first.advance(edits, fresh=True, reordered=in_order("c", "d", "a"))
    expected = {change.record["id"]: (change.type, change.caught_up) for change in second.changes}
    assert expected["d"] == ("added", True) and expected["b"] == ("removed", False)
    assert apply_changes(first.records, second.changes) == list(second.records)


def test_what_a_model_made_of_a_row_stays_in_another_order() -> None:
    """Another order calls the model for no row again; rows that it hides stay hidden."""
    calls: list[str] = []

    def model(record: Record) -> str | None:
        calls.append(record["id"])
        return None if record["id"] == "b" else f"{record['id']}!"

    edits = [Edit(id, None, {"id": id, "n": 1}) for id in "abc"]
    first = Snapshot.empty(Order.parse("n"), model).advance(edits, fresh=True)
    second = first.advance([], fresh=True, reordered=in_order("c", "b", "a"))
    assert second.records == ["c!", "a!"] and calls == ["a", "b", "c"]


def test_what_is_left_out_stays_left_out_in_another_order() -> None:
    """An unreadable row stays listed in another order until an edit makes it readable."""
    edits = [
        Edit("a", None, {"id": "a", "n": 1}),
        Edit("b", None, UnreadableRow({"id": "b", "updated": ""}, "n", 0)),
    ]
    first: Snapshot[Any] = Snapshot.empty(Order.parse("n"), None, "posts").advance(
        edits, fresh=True
    )
    second = first.advance([], fresh=False, reordered=in_order("a"))
    assert list(second.unreadable) == ["b"] and second.records == first.records
    edit = Edit("b", {}, {"id": "b", "n": 1})
    third = second.advance([edit], fresh=True, reordered=in_order("b", "a"))
    assert not third.unreadable and [row["id"] for row in third.records] == ["b", "a"]


def test_a_row_without_a_place_in_another_order_leaves_the_snapshot_as_it_was() -> None:
    """An order that cannot place a row raises `UnorderableError`; the snapshot stays."""
    first = numbered("a")
    with pytest.raises(UnorderableError):
        first.advance([], fresh=True, reordered=Reordered(Order.parse("x"), {"a": {"id": "a"}}))
    assert first.records == [{"id": "a", "n": 1}]


def test_snapshots_in_the_servers_order_can_be_pickled() -> None:
    """Pickled snapshots in the server's order keep their records, `changes` and `since`."""
    first = numbered("a", "b", "c")
    second = first.advance([], fresh=True, reordered=in_order("c", "b", "a"))
    edit = Edit("b", {}, {"id": "b", "n": 0})
    third = second.advance([edit], fresh=True)
    copies = pickle.loads(pickle.dumps([first, second, third]))
    for copy, made in zip(copies, [first, second, third], strict=True):
        assert copy.records == made.records and copy.changes == made.changes
        assert copy.since(copies[0]) == made.since(first)
    again = copies[1].advance([edit], fresh=True)
    assert again.records == third.records


def test_a_row_that_shows_nothing_new_is_no_change_in_another_order_either() -> None:
    """An edit that shows nothing new is no change, also in a version with another order."""
    edits = [Edit(id, None, {"id": id, "n": 1, "updated": "1"}) for id in "abc"]

    def shown(record: Record) -> str:
        return f"{record['id']}!"

    first = Snapshot.empty(Order.parse("n"), shown).advance(edits, fresh=True)
    edit = Edit("b", {}, {"id": "b", "n": 1, "updated": "2"})
    second = first.advance([edit], fresh=True, reordered=in_order("b", "c", "a"))
    assert [(change.record, change.new_index) for change in second.changes] == [("a!", 2)]
    assert second.since(first) == second.changes
