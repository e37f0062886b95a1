"""The reducer's rules, one by one: what each input shows, asks and promises."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from rxbosbase import ProtocolError
from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.messages import Edit, Effects, ReadIds, ReadPage, Rules
from rxbosbase.live.engine.reducer import Reducer
from rxbosbase.live.engine.row_versions import WITH_EXPONENT
from rxbosbase.runtime.backoff import BackoffPolicy

START = 100.0  # s: so long after the acknowledgement that each event is trusted


def row(id: str, second: int = 0, **more: Any) -> Record:
    return {"id": id, "updated": f"2026-01-01 00:00:{second:02d}.000Z", **more}


def page_of(effects: Effects) -> ReadPage:
    assert isinstance(effects.read, ReadPage)
    return effects.read


def ask_of(effects: Effects) -> ReadIds:
    assert isinstance(effects.read, ReadIds)
    return effects.read


def loaded(*rows: Record, trust: bool = True, **rules: Any) -> Reducer:
    """A view that shows these rows, at ease."""
    reducer = Reducer(Rules(**{"trust_updated": trust, "reconcile": 1000.0, **rules}))
    rows = rows or (row("other"),)  # so that it knows which fields there are
    assert reducer.page(page_of(reducer.acknowledged(0.0)), rows, True, 0.1).fresh
    return reducer


def shown(effects: Effects) -> list[tuple[str, Record | None]]:
    return [(edit.id, edit.record) for edit in effects.edits]


def test_nothing_is_read_before_the_acknowledgement() -> None:
    """Before the acknowledgement nothing is read and no event is shown."""
    reducer = Reducer()
    nothing = Effects((), None, loaded=False, fresh=False, wake=None)
    assert reducer.event("create", row("a", 1), 0.0) == nothing
    assert reducer.tick(5.0) == nothing


def test_a_snapshot_is_read_by_pages_and_shown_when_it_is_complete() -> None:
    """A snapshot is read page by page and shown as a whole with its last page."""
    reducer = Reducer(Rules(page=2))
    effects = reducer.page(page_of(reducer.acknowledged(0)), [row("a"), row("b")], False, 1)
    assert (effects.edits, effects.loaded, effects.fresh) == ((), False, False)
    assert effects.read == ReadPage(after="b")
    effects = reducer.page(page_of(effects), [row("c")], True, 2)
    assert [edit.id for edit in effects.edits] == ["a", "b", "c"]
    assert not any(edit.caught_up for edit in effects.edits)
    assert (effects.loaded, effects.fresh, effects.wake) == (True, True, 62.0)


def test_a_lone_change_is_shown_at_once_and_costs_no_read() -> None:
    """A lone change of a quiet record is shown at once and costs no read."""
    reducer = loaded(row("a", 1))
    effects = reducer.event("update", row("a", 2), START)
    assert effects.edits == (Edit("a", row("a", 1), row("a", 2), caught_up=False),)
    assert (effects.read, effects.wake) == (None, 1000.1)


@pytest.mark.parametrize("after", [1.9, 2.0])
def test_two_changes_within_2_s_are_shown_and_settled_once_quiet(after: float) -> None:
    """Two changes within 2 s are shown at once and rechecked once the record is quiet."""
    reducer = loaded(row("a", 1))
    reducer.event("update", row("a", 2), START)
    effects = reducer.event("update", row("a", 3), START + after)
    assert shown(effects) == [("a", row("a", 3))]
    assert effects.wake == pytest.approx(START + after + 0.2)
    asked = reducer.tick(START + after + 0.3)
    assert ask_of(asked).ids == ("a",) and asked.wake is None  # its end is the next input


@pytest.mark.parametrize(("after", "is_settled"), [(4.9, True), (5.0, False)])
def test_each_change_within_5_s_after_an_acknowledgement_is_settled(
    after: float, is_settled: bool
) -> None:
    """A change less than 5 s after an acknowledgement is shown at once and rechecked."""
    reducer = Reducer(Rules(trust_updated=True, reconcile=1000.0))
    reducer.page(page_of(reducer.acknowledged(START)), [row("a", 1)], True, START + 1)
    effects = reducer.event("update", row("a", 2), START + after)
    assert shown(effects) == [("a", row("a", 2))]
    assert effects.wake == (pytest.approx(START + after + 0.2) if is_settled else START + 1001)


def test_a_record_that_is_never_quiet_is_rechecked_every_2_s() -> None:
    """A record that changes all the time is rechecked about every 2 s."""
    reducer = loaded(row("a", 1))
    asked_at = []
    for tenth in range(100):
        now = START + tenth / 10
        effects = reducer.event("update", row("a", 2, n=tenth), now)
        if effects.read is not None:
            asked_at.append(now)
            reducer.answer(ask_of(effects), [row("a", 2, n=tenth)], now)
    assert 4 <= len(asked_at) <= 5


@pytest.mark.parametrize("record", [row("a", 5, n=2), {"id": "a", "n": 2}])
def test_equal_or_missing_updated_is_shown_and_settled(record: Record) -> None:
    """An event with an equal or missing `updated` is shown and rechecked after 0.2 s."""
    reducer = loaded(row("a", 5, n=1))
    effects = reducer.event("update", record, START)
    assert shown(effects) == [("a", record)]
    assert effects.wake == pytest.approx(START + 0.2)


@pytest.mark.parametrize("action", ["create", "update"])
@pytest.mark.parametrize("number", [9223372036854776000, -9223372036854776000, 10**40 + 1])
def test_an_integer_that_the_database_makes_a_float_of_is_settled(action: str, number: int) -> None:
    """An event with an integer that the database stores as a float is shown and rechecked."""
    reducer = loaded(row("b", 1, data=0, n=0))
    written = row("a" if action == "create" else "b", 5, data=number, n=0)
    effects = reducer.event(action, written, START)
    assert shown(effects) == [(written["id"], written)]
    effects = reducer.tick(START + 0.3)
    read = {**written, "data": float(number)}
    assert shown(reducer.answer(ask_of(effects), [read], START + 0.4)) == [(read["id"], read)]
    # Another field changes: the frame has the number as it was read from the database. With an
    # exponent it may have fewer digits than a read from PostgreSQL: that is settled once more.
    effects = reducer.event("update", {**read, **row(read["id"], 9), "n": 1}, START + 9)
    again = START + 9.2 if abs(number) >= WITH_EXPONENT else 1000.1
    assert (effects.read, effects.wake) == (None, again)


def test_an_older_event_is_not_shown_but_settled() -> None:
    """An event older than the record held is not shown, but the record is rechecked."""
    reducer = loaded(row("a", 5))
    effects = reducer.event("update", row("a", 4), START)
    assert effects.edits == ()
    assert effects.wake == pytest.approx(START + 0.2)


def test_an_event_after_a_delete_waits_for_a_recheck() -> None:
    """After a delete, a create is not shown before a recheck has found the record."""
    reducer = loaded(row("a", 5))
    assert shown(reducer.event("delete", row("a", 5), START)) == [("a", None)]
    assert reducer.event("create", row("a", 9), START + 30).edits == ()
    read = ask_of(reducer.tick(START + 30.2))
    assert shown(reducer.answer(read, [row("a", 9)], START + 30.3)) == [("a", row("a", 9))]
    effects = reducer.event("update", row("a", 10), START + 60)
    assert shown(effects) == [("a", row("a", 10))] and effects.wake == 1000.1


@pytest.mark.parametrize(
    ("received", "deleted", "is_settled"),
    [(0.0, row("a", 5), False), (4.9, row("a", 5), True), (0.0, {"id": "a"}, True)],
)
def test_a_delete_that_may_be_of_an_earlier_record_with_its_id_is_settled(
    received: float, deleted: Record, is_settled: bool
) -> None:
    """A delete is rechecked if another change came within 5 s or if it has no `updated`."""
    reducer = loaded(row("a", 1))
    reducer.event("update", row("a", 5), START + received)
    effects = reducer.event("delete", deleted, START + 9)
    assert shown(effects) == [("a", None)]
    assert effects.wake == (pytest.approx(START + 9.2) if is_settled else 1000.1)


def test_a_comparison_shortly_after_a_delete_does_not_let_a_late_update_through() -> None:
    """Only a pass that begins 5 s after a delete lets updates of that id through again."""
    reducer = loaded(row("a", 5), reconcile=4.0)
    reducer.page(page_of(reducer.tick(10.0)), [row("a", 5)], True, 10.0)
    reducer.event("delete", row("a", 5), 13.0)
    reducer.page(page_of(reducer.tick(14.0)), [], True, 14.0)
    assert reducer.event("update", row("a", 4), 17.0).edits == ()
    asked = ask_of(reducer.tick(17.2))
    assert reducer.answer(asked, [], 17.3).edits == ()
    assert reducer.event("update", row("a", 4), 17.4).edits == ()
    reducer.answer(ask_of(reducer.tick(17.7)), [], 17.8)
    reducer.page(page_of(reducer.tick(18.0)), [], True, 18.2)
    made = reducer.event("create", row("a", 9), 21.0)
    assert shown(made) == [("a", row("a", 9))] and made.wake == pytest.approx(22.2)


def test_the_delete_of_an_earlier_record_with_its_id_removes_nothing() -> None:
    """A delete older than the record held removes nothing, but the record is rechecked."""
    reducer = loaded(row("a", 9))
    effects = reducer.event("delete", row("a", 5), START)
    assert effects.edits == () and effects.wake == pytest.approx(START + 0.2)


@pytest.mark.parametrize("held", [(row("a", 1),), (), (row("a", 2),)])
@pytest.mark.parametrize("event_first", [True, False])
def test_a_hint_and_its_event_cancel_in_either_order(
    event_first: bool, held: tuple[Record, ...]
) -> None:
    """A hint and its event match in either order and cause no recheck."""
    reducer = loaded(*held)
    inputs: list[Callable[[], Effects]] = [
        lambda: reducer.event("update", row("a", 2), START),
        lambda: reducer.hint("update", "a", row("a", 2)["updated"], START + 0.1),
    ]
    effects = [each() for each in (inputs if event_first else reversed(inputs))]
    edits = [edit for each in effects for edit in shown(each)]
    assert edits == [("a", row("a", 2))] * (held != (row("a", 2),))
    assert effects[-1].wake == 1000.1


def test_a_matched_hint_keeps_other_rechecks() -> None:
    """A hint that matches its event leaves other pending rechecks of the record in place."""
    reducer = loaded(row("a", 1), row("b", 5), row("c", 5))
    reducer.event("update", row("b", 4), START)
    reducer.failed(ask_of(reducer.tick(START + 0.2)), START + 0.2, retry_after=60.0)
    reducer.event("update", row("c", 4), START + 1)
    reducer.hint("update", "a", row("a", 2)["updated"], START + 1)
    reducer.hint("update", "a", row("a", 3)["updated"], START + 1)
    reducer.event("update", row("a", 2), START + 4)
    reducer.hint("update", "c", row("c", 6)["updated"], START + 4)
    reducer.event("update", row("c", 6), START + 4)
    assert set(ask_of(reducer.tick(START + 61)).ids) == {"a", "b", "c"}


def test_two_changes_with_one_updated_pair_with_two_hints() -> None:
    """Two events with one `updated` match two hints, which cause no further recheck."""
    reducer = loaded(row("a", 1))
    reducer.event("update", row("a", 2, n=1), START)
    reducer.event("update", row("a", 2, n=2), START + 0.1)
    reducer.answer(ask_of(reducer.tick(START + 0.4)), [row("a", 2, n=2)], START + 0.5)
    for _ in range(2):
        effects = reducer.hint("update", "a", row("a", 2)["updated"], START + 0.6)
        assert effects.wake == 1000.1


def test_an_unmatched_hint_rechecks_after_200_ms() -> None:
    """A hint without an event rechecks the record after 200 ms, so that one that left goes."""
    reducer = loaded(row("a", 1))
    effects = reducer.hint("update", "a", row("a", 2)["updated"], START)
    assert effects.wake == pytest.approx(START + 0.2)
    read = ask_of(reducer.tick(START + 0.2))
    effects = reducer.answer(read, [], START + 0.3)
    assert shown(effects) == [("a", None)] and effects.wake == 1000.1


def test_an_event_not_newer_than_a_hint_waits_for_a_recheck() -> None:
    """An event not newer than a hint about a record not held waits for a recheck."""
    reducer = loaded()
    effects = reducer.hint("update", "a", row("a", 3)["updated"], START)
    assert effects.wake == 1000.1
    assert reducer.event("update", row("a", 2), START + 4).edits == ()
    assert shown(reducer.event("update", row("b", 2), START + 4)) == [("b", row("b", 2))]
    assert ask_of(reducer.tick(START + 4.2)).ids == ("a",)


@pytest.mark.parametrize(
    ("hinted", "updated", "is_shown"),
    [("3", "2", False), ("3", "3", False), ("3", "4", True), ("", "4", False), ("3", "", False)],
)
def test_an_event_is_shown_if_it_is_surely_newer_than_a_hint_without_event(
    hinted: str, updated: str, is_shown: bool
) -> None:
    """After a hint without an event, only a surely newer event is shown without a recheck."""
    reducer = loaded()
    reducer.hint("update", "a", hinted, START)
    record = {"id": "a", "updated": updated}
    effects = reducer.event("create", record, START + 4)
    assert shown(effects) == [("a", record)] * is_shown
    assert effects.wake == (1000.1 if is_shown else pytest.approx(START + 4.2))


def test_no_hint_pairs_with_an_event_from_before_a_gap() -> None:
    """A hint received after a gap matches no event from before it and causes a recheck."""
    reducer = loaded(row("a", 1))
    reducer.event("update", row("a", 2), START)
    effects = reducer.skipped(START + 0.1)
    effects = reducer.page(page_of(effects), [row("a", 2)], True, START + 0.2)
    read = ask_of(effects if effects.read else reducer.tick(START + 0.3))
    reducer.answer(read, [row("a", 2)], START + 0.4)
    effects = reducer.hint("update", "a", row("a", 2)["updated"], START + 0.5)
    assert effects.wake == pytest.approx(START + 0.7)


def test_a_second_copy_of_an_event_pairs_with_no_hint() -> None:
    """A second copy of an event matches no hint: a second hint causes a recheck."""
    reducer = loaded(row("a", 1))
    for _ in range(2):
        reducer.event("update", row("a", 2), START)
    reducer.hint("update", "a", row("a", 2)["updated"], START + 0.1)
    effects = reducer.hint("update", "a", row("a", 2)["updated"], START + 3)
    assert effects.wake == pytest.approx(START + 3.2)


@pytest.mark.parametrize("found", [[], [row("a", 5)], [row("a", 7)]])
@pytest.mark.parametrize("taken", [0.2, 10.0])
def test_a_record_whose_answer_raced_with_a_frame_is_rechecked(
    taken: float, found: list[Record]
) -> None:
    """A recheck during which an event arrived is repeated, however long the read took."""
    reducer = loaded(row("a", 5))
    reducer.event("update", row("a", 4), START)
    read = ask_of(reducer.tick(START + 0.2))
    reducer.event("update", row("a", 6), START + 0.3)
    effects = reducer.answer(read, found, START + 0.2 + taken)
    is_newer = found == [row("a", 7)]  # otherwise the view does not step back
    assert shown(effects) == [("a", row("a", 7))] * is_newer
    again = ask_of(effects if effects.read else reducer.tick(START + 3))
    assert again.ids == ("a",)


def test_a_page_that_raced_with_a_newer_event_catches_up() -> None:
    """A page row newer than the event received during its read replaces it, as caught up."""
    reducer = loaded(row("a", 1), trust=False)
    reducer.lost(START)
    read = page_of(reducer.acknowledged(START + 1))
    reducer.event("update", row("a", 2), START + 1.1)
    effects = reducer.page(read, [row("a", 3)], True, START + 1.2)
    assert effects.edits == (Edit("a", row("a", 2), row("a", 3), caught_up=True),)


def test_a_page_that_raced_with_a_hint_is_shown_and_settled() -> None:
    """A page row that raced with a hint is shown and rechecked, unless it is shown already."""
    reducer = Reducer(Rules(trust_updated=False, reconcile=1000.0))
    read = page_of(reducer.acknowledged(0.0))
    reducer.hint("create", "a", row("a", 1)["updated"], 0.1)
    effects = reducer.page(read, [row("a", 1), row("b", 1)], True, 0.2)
    assert shown(effects) == [("a", row("a", 1)), ("b", row("b", 1))]
    assert effects.wake == pytest.approx(0.4)
    reducer.answer(ask_of(reducer.tick(0.4)), [row("a", 1)], 0.5)
    read = page_of(reducer.tick(1000.2))
    reducer.hint("update", "c", row("c", 1)["updated"], 1000.3)
    reducer.related("u1", 1000.3)
    reducer.event("update", row("a", 1), 1000.3)
    reducer.hint("update", "a", row("a", 1)["updated"], 1000.3)
    effects = reducer.page(read, [row("a", 1), row("b", 1)], True, 1000.4)
    assert effects.edits == () and effects.wake == pytest.approx(2000.4)


def test_a_frame_before_a_page_was_requested_did_not_race_with_it() -> None:
    """An event in the input that begins a read does not count as racing with that read."""
    reducer = loaded(row("a", 1), row("b", 1), trust=False)
    read = page_of(reducer.event("update", row("a", 2), 1000.1))
    effects = reducer.page(read, [row("a", 3), row("b", 1)], True, 1000.2)
    assert shown(effects) == [("a", row("a", 3))] and effects.wake == 2000.2
    read = page_of(reducer.event("update", row("a", 4), 2000.2))
    reducer.hint("update", "a", row("a", 5)["updated"], 2000.3)  # and so it left the filter
    effects = reducer.page(read, [row("b", 1)], True, 2000.4)
    assert shown(effects) == [("a", None)]


def test_a_record_that_left_and_is_written_all_the_time_goes() -> None:
    """A record that left the filter goes, though hints about it race with each recheck."""
    reducer = loaded(row("a", 1))
    reducer.hint("update", "a", row("a", 2)["updated"], START)
    read = ask_of(reducer.tick(START + 0.2))
    reducer.hint("update", "a", row("a", 3)["updated"], START + 0.3)
    assert shown(reducer.answer(read, [], START + 0.4)) == [("a", None)]
    for second in range(4, 9):
        assert reducer.hint("update", "a", row("a", second)["updated"], START + second).edits == ()


def test_rechecks_are_batched_and_one_at_a_time() -> None:
    """A recheck has at most `batch` ids; after a full one the next follows at once."""
    reducer = loaded(*(row(f"{n:03d}", 5) for n in range(250)), page=100, batch=100)
    for n in range(150):
        reducer.event("update", row(f"{n:03d}", 4), START)
    read = ask_of(reducer.tick(START + 0.2))
    assert len(read.ids) == 100
    assert reducer.tick(START + 0.2).read is None
    effects = reducer.answer(read, [row(id, 5) for id in read.ids], START + 0.21)
    assert len(ask_of(effects).ids) == 50  # at once, as the first was full


def test_rechecks_gather_for_100_ms() -> None:
    """A lone recheck starts when it is due; the next ones gather for 0.1 s."""
    reducer = loaded(row("a", 5), row("b", 5))
    reducer.event("update", row("a", 4), START)
    reducer.event("update", row("b", 4), START + 0.01)
    read = ask_of(reducer.tick(START + 0.205))
    effects = reducer.answer(read, [row("a", 5)], START + 0.206)
    assert read.ids == ("a",) and effects.wake == pytest.approx(START + 0.305)
    assert effects.wake is not None and ask_of(reducer.tick(effects.wake)).ids == ("b",)


def test_a_loss_makes_the_view_stale_until_all_is_compared() -> None:
    """After a loss the view is stale until versions are compared and open records rechecked."""
    reducer = loaded(
        *(row("a", 1), row("b", 1), row("c", 41), row("d", 1), row("e", 40), row("f", 29))
    )
    reducer.event("update", row("f", 30), START)  # its `updated` is old, the frame is not
    reducer.event("update", row("d", 51), START)
    effects = reducer.lost(START + 1)
    assert (effects.fresh, effects.read, effects.wake) == (False, None, None)
    assert reducer.skipped(START + 1).read is None
    effects = reducer.acknowledged(START + 2)
    seen: list[Any] = []
    edits: list[Edit] = []
    rows = (row("b", 2), row("c", 41, n=1), row("d", 51), row("e", 40), row("f", 30))
    table = {each["id"]: each for each in rows}
    now = START + 2
    while not effects.fresh:
        now += 0.1
        read = effects.read
        seen.append(read)
        if isinstance(read, ReadIds):
            effects = reducer.answer(read, [table[id] for id in read.ids if id in table], now)
        else:
            effects = reducer.page(page_of(effects), list(table.values()), True, now)
        edits += effects.edits
    page, recheck = seen
    assert page == ReadPage(whole=False)
    # b differs; c and d changed shortly before the loss, and f had a frame
    assert set(recheck.ids) == {"b", "c", "d", "f"}
    assert {(edit.id, edit.record is None) for edit in edits} == {
        ("a", True),
        ("b", False),
        ("c", False),
    }
    assert all(edit.caught_up for edit in edits)


def test_open_rechecks_are_made_at_once_after_a_loss() -> None:
    """A record to recheck before a loss is rechecked right after the catch-up page."""
    reducer = loaded(row("a", 5))
    assert reducer.event("update", row("a", 4), START).wake == pytest.approx(START + 0.2)
    reducer.lost(START + 0.05)
    effects = reducer.acknowledged(START + 0.1)
    effects = reducer.page(page_of(effects), [row("a", 5)], True, START + 0.12)
    assert ask_of(effects).ids == ("a",)


def test_whole_rows_are_compared_until_updated_was_seen_to_move() -> None:
    """Whole rows are compared until an update has proved that `updated` moves."""
    reducer = loaded(row("a", 1), trust=False)
    reducer.lost(START)
    assert page_of(reducer.acknowledged(START + 1)).whole
    reducer = Reducer()
    reducer.page(page_of(reducer.acknowledged(0)), [row("a", 1)], True, 1)
    reducer.event("update", row("a", 40), START)
    reducer.hint("update", "b", row("b", 59)["updated"], START + 1)
    reducer.lost(START + 2)
    effects = reducer.acknowledged(START + 3)
    while isinstance(effects.read, ReadIds):
        effects = reducer.answer(effects.read, [row("a", 40)], START + 4)
    assert not page_of(effects).whole


def test_a_loss_in_the_middle_of_a_snapshot_starts_it_again() -> None:
    """A loss during the first snapshot starts it again; a page of the old read is ignored."""
    reducer = Reducer()
    stale = page_of(reducer.acknowledged(0))
    reducer.lost(1)
    read = page_of(reducer.acknowledged(2))
    assert not reducer.page(stale, [row("a")], True, 3).loaded
    assert [e.id for e in reducer.page(read, [row("b")], True, 4).edits] == ["b"]


def test_a_large_view_reads_the_recent_rows_after_a_resubmit() -> None:
    """After a new submission, a large view reads only rows up to 5 s older than the newest."""
    rows = [row(f"{n}", n) for n in range(9)]
    reducer = loaded(*rows, page=5)
    effects = reducer.acknowledged(START)
    assert page_of(effects).since == "2026-01-01 00:00:03.000Z" and not effects.fresh
    effects = reducer.page(page_of(effects), [row("5", 7)], True, START + 1)
    assert shown(effects) == [("5", row("5", 7))] and effects.fresh


@pytest.mark.parametrize(
    ("count", "trust", "compared_already"), [(5, True, False), (6, False, False), (6, True, True)]
)
def test_a_view_is_compared_in_full_after_a_resubmit(
    count: int, trust: bool, compared_already: bool
) -> None:
    """After a new submission, a small view or one without a trusted `updated` reads all."""
    rows = [row(f"{n}", n) for n in range(count)]
    reducer = loaded(*rows, page=5, trust=trust)
    now = 1000.1 if compared_already else START
    assert (reducer.tick(now).read is not None) == compared_already
    effects = reducer.acknowledged(now)
    while isinstance(effects.read, ReadIds):
        effects = reducer.answer(effects.read, rows, now + 1)
    assert page_of(effects) == ReadPage(whole=not trust)


def test_a_large_view_that_expands_is_compared_in_full_after_a_resubmit() -> None:
    """After a new submission, a large view that expands relations is compared in full."""
    author = row("u1", 1)
    reducer = loaded(*(row(f"{n}", n, expand={"author": author}) for n in range(9)), page=5)
    effects = reducer.acknowledged(START)
    while isinstance(effects.read, ReadIds):
        rows = [row(id, int(id), expand={"author": author}) for id in effects.read.ids]
        effects = reducer.answer(effects.read, rows, START + 1)
    assert page_of(effects).since == ""


def test_the_view_is_compared_again_every_reconcile_and_stays_fresh() -> None:
    """A view is compared again every `reconcile` seconds and stays fresh meanwhile."""
    reducer = loaded(row("a", 1), row("b", 1))
    effects = reducer.tick(1000.1)
    assert page_of(effects) == ReadPage(whole=True) and effects.fresh
    effects = reducer.page(page_of(effects), [row("b", 1)], True, 1000.2)
    assert shown(effects) == [("a", None)] and not effects.edits[0].caught_up


def test_a_comparison_removes_what_none_of_its_pages_has() -> None:
    """A pass removes the rows that none of its pages has, whatever order the pages have."""
    reducer = loaded(*(row(id, 1) for id in "aBcDeF"), page=2)
    effects = reducer.tick(1000.1)
    effects = reducer.page(page_of(effects), [row("a", 1), row("B", 1)], False, 1000.2)
    assert effects.edits == ()
    assert effects.read == ReadPage(after="B", whole=False)
    effects = reducer.page(page_of(effects), [row("e", 1)], True, 1000.3)
    assert shown(effects) == [("D", None), ("F", None), ("c", None)]


def test_a_failed_read_is_made_again_later_and_later() -> None:
    """A failed read is repeated after growing pauses, which a reconnect resets."""
    reducer = Reducer(Rules(delay=BackoffPolicy(0.5, maximum=30.0, jitter=False).delay))
    effects, now, pauses = reducer.acknowledged(0), 0.0, []
    for _ in range(7):
        effects = reducer.failed(page_of(effects), now)
        assert effects.wake is not None and effects.read is None
        pauses.append(effects.wake - now)
        now = effects.wake
        effects = reducer.tick(now)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30]
    effects = reducer.failed(page_of(effects), now, retry_after=120)
    assert effects.wake == now + 120
    reducer.lost(now + 1)
    effects = reducer.acknowledged(now + 2)
    assert (effects.read, effects.wake) == (None, now + 2.5)


def test_a_page_that_is_answered_ends_the_pauses() -> None:
    """A page that is read successfully resets the pauses after failures."""
    reducer = Reducer(Rules(page=1))
    reducer.failed(page_of(reducer.acknowledged(0.0)), 0.0)
    effects = reducer.page(page_of(reducer.tick(1.0)), [row("a")], False, 1.0)
    assert reducer.failed(page_of(effects), 1.0).wake == 2.0


def test_repeated_pages_are_requested_after_longer_and_longer_pauses() -> None:
    """A page that comes twice raises `ProtocolError`; the read restarts after a pause."""
    reducer = Reducer(Rules(page=3, trust_updated=True))
    effects, now, pauses = reducer.acknowledged(0), 0.0, []
    for _ in range(6):
        effects = reducer.page(page_of(effects), [row("a")], False, now)
        effects = reducer.page(page_of(effects), [row("b")], False, now)
        read = page_of(effects)
        with pytest.raises(ProtocolError, match="the same page again"):
            reducer.page(read, [row("a")], False, now)
        effects = reducer.failed(read, now)
        assert effects.wake is not None and not effects.loaded
        pauses.append(effects.wake - now)
        now = effects.wake
        effects = reducer.tick(now)
        assert page_of(effects) == ReadPage()  # from the beginning
    assert pauses == [1, 2, 4, 8, 16, 30]
    effects = reducer.page(page_of(effects), [row("c")], True, now)
    assert [edit.id for edit in effects.edits] == ["c"] and effects.fresh
    now += 60.0
    effects = reducer.page(page_of(reducer.tick(now)), [row("c")], True, now)
    now += 60.0
    assert reducer.failed(page_of(reducer.tick(now)), now).wake == now + 1  # as at first


def test_a_failed_recheck_is_repeated() -> None:
    """A failed recheck is repeated after the pause, though the record is not quiet."""
    reducer = loaded(row("a", 5))
    reducer.event("update", row("a", 4), START)
    read = ask_of(reducer.tick(START + 0.2))
    reducer.failed(read, START + 0.3)
    reducer.event("update", row("a", 4), START + 1.25)
    again = ask_of(reducer.tick(START + 1.3))
    assert again.ids == ("a",)
    assert reducer.answer(again, [row("a", 5)], START + 1.4).wake == 1000.1
    assert reducer.failed(read, START + 1.5).wake == 1000.1


def test_related_changes_are_forgotten_during_a_pause() -> None:
    """A related change is forgotten after 5 s, also during a long pause after a failed read."""
    reducer = loaded(row("a", 5), by(row("u0", 0), id="c"))
    reducer.event("update", row("a", 4), START)
    reducer.failed(ask_of(reducer.tick(START + 0.2)), START + 0.2, retry_after=60.0)
    reducer.related("u1", START + 1)
    reducer.event("create", by(row("u1", 0), id="b"), START + 7)
    assert ask_of(reducer.tick(START + 61)).ids == ("a",)


def test_a_view_that_is_never_compared_waits_for_nothing() -> None:
    """With an infinite `reconcile` a loaded view has no next wake time."""
    reducer = Reducer(Rules(reconcile=inf))
    effects = reducer.page(page_of(reducer.acknowledged(0.0)), [row("a", 1)], True, 0.1)
    assert effects.fresh and effects.wake is None


def test_another_identity_empties_the_view_and_reads_again() -> None:
    """`reset` empties the view, and the next acknowledgement reads the whole rows again."""
    reducer = loaded(row("a", 1))
    effects = reducer.reset(START)
    emptied = (Edit("a", row("a", 1), None),)
    assert effects == Effects(emptied, None, loaded=False, fresh=False, wake=None)
    read = page_of(reducer.acknowledged(START + 1))
    assert read.whole
    assert shown(reducer.page(read, [row("a", 1)], True, START + 2)) == [("a", row("a", 1))]


def test_another_identity_takes_away_nothing_that_was_not_shown_yet() -> None:
    """`reset` during the first snapshot emits no edit, since no row was shown."""
    reducer = Reducer(Rules(page=1))
    reducer.page(page_of(reducer.acknowledged(0.0)), [row("a", 1)], False, 0.1)
    assert reducer.reset(0.2).edits == ()


def test_a_changed_relation_asks_about_the_records_that_expand_it() -> None:
    """A change of a related record rechecks the records that expand it after 0.2 s."""
    post = {**row("a", 1), "expand": {"author": row("u1", 1, name="ann")}}
    reducer = loaded(post, row("b", 1))
    assert reducer.related("u2", START).wake == 1000.1
    assert reducer.related("u1", START).wake == pytest.approx(START + 0.2)
    read = ask_of(reducer.tick(START + 0.2))
    renamed = {**row("a", 1), "expand": {"author": row("u1", 2, name="bea")}}
    assert shown(reducer.answer(read, [renamed], START + 0.3)) == [("a", renamed)]


def test_a_comparison_sees_that_a_relation_changed() -> None:
    """A catch-up rechecks a record whose expanded relation has another `updated`."""
    post = {**row("a", 1), "expand": {"author": row("u1", 1, name="ann")}}
    reducer = loaded(post)
    reducer.lost(START)
    read = page_of(reducer.acknowledged(START + 20.0))
    assert not read.whole
    versions = {**row("a", 1), "expand": {"author": row("u1", 2)}}
    assert ask_of(reducer.page(read, [versions], True, START + 20.1)).ids == ("a",)


@pytest.mark.parametrize(("changed", "reads_all"), [(6, False), (7, True), (25, True)])
def test_reading_all_is_preferred_to_more_rechecks_than_pages(
    changed: int, reads_all: bool
) -> None:
    """All rows are read again where rechecks would take more reads than there are pages."""
    rows = [row(f"{n:02d}", 5) for n in range(25)]
    reducer = loaded(*rows, batch=2, page=10)  # 3 pages
    for each in rows[:changed]:
        reducer.event("update", {**each, "n": 1}, START)
    read = reducer.tick(START + 0.2).read
    assert read == (ReadPage(whole=True) if reads_all else ReadIds(("00", "01")))


def by(author: Record, second: int = 1, id: str = "a") -> Record:
    return row(id, second, expand={"author": author})


def test_a_record_is_rechecked_for_what_it_expands_now() -> None:
    """A related change rechecks the records that expand the relation now, no earlier ones."""
    old, new = row("u1", 1), row("u2", 1)
    twice = row("a", 1, expand={"author": old, "editors": [old]})
    reducer = loaded(twice, by(old, id="b"), by(old, id="c"))
    reducer.event("update", by(new, 2), START)
    reducer.event("update", by(new, 2, id="b"), START)
    reducer.related("u1", START + 10)
    assert ask_of(reducer.tick(START + 10.2)).ids == ("c",)
    reducer = loaded(by(old))
    reducer.event("update", by(new, 2), START)
    assert reducer.related("u1", START + 10).wake == 1000.1


def test_an_expansion_older_than_a_change_is_rechecked() -> None:
    """An event that expands a relation changed shortly before is shown and rechecked."""
    reducer = loaded()
    reducer.related("u1", START)
    late = reducer.event("create", by(row("u1", 0, name="before")), START + 1.0)
    assert shown(late) == [("a", by(row("u1", 0, name="before")))]
    asked = reducer.tick(START + 1.3)
    assert ask_of(asked).ids == ("a",)
    mended = reducer.answer(ask_of(asked), [by(row("u1", 1, name="after"))], START + 1.4)
    assert shown(mended) == [("a", by(row("u1", 1, name="after")))]
    assert reducer.tick(START + 10.0).read is None


@pytest.mark.parametrize("answered", [0.6, 10.6])
def test_an_answer_older_than_a_related_change_is_rechecked(
    answered: float,
) -> None:
    """A recheck that began before a related change is repeated, however long it took."""
    reducer = loaded(row("a", 0))
    reducer.event("update", row("a", 0), START)
    reducer.event("update", {"id": "a", "n": 1}, START + 0.1)
    asked = ask_of(reducer.tick(START + 0.4))
    reducer.related("u1", START + 0.5)
    reducer.answer(asked, [by(row("u1", 0, name="before"))], START + answered)
    again = ask_of(reducer.tick(START + answered + 0.4))
    assert again.ids == ("a",)
    reducer.answer(again, [by(row("u1", 1, name="after"))], START + answered + 0.5)
    assert reducer.tick(START + answered + 10.0).read is None


@pytest.mark.parametrize(("after", "asked"), [(5.0, ReadIds(("a",))), (5.1, None)])
def test_a_related_change_more_than_5_s_ago_asks_nothing(
    after: float, asked: ReadIds | None
) -> None:
    """A related change more than 5 s before an event causes no recheck of its record."""
    reducer = loaded(by(row("u0", 0), id="c"))
    reducer.related("u1", START)
    reducer.event("create", by(row("u1", 0)), START + after)
    assert reducer.tick(START + 7.0).read == asked
