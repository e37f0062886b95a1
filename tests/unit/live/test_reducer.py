"""The reducer's rules, one by one: what each input shows, asks and promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rxbosbase import ProtocolError
from rxbosbase.live.messages import Ask, Edit, Effects, ReadPage, Record, Rules
from rxbosbase.live.reducer import Reducer
from rxbosbase.live.stamps import WITH_EXPONENT

START = 100.0  # s: long after the acknowledgement, so that no gap casts doubt


def row(id: str, second: int = 0, **more: Any) -> Record:
    return {"id": id, "updated": f"2026-01-01 00:00:{second:02d}.000Z", **more}


def page_of(effects: Effects) -> ReadPage:
    assert isinstance(effects.read, ReadPage)
    return effects.read


def ask_of(effects: Effects) -> Ask:
    assert isinstance(effects.read, Ask)
    return effects.read


def loaded(*rows: Record, trust: bool = True, **rules: Any) -> Reducer:
    """A view that shows these rows, at ease."""
    reducer = Reducer(Rules(trust_updated=trust, reconcile=1000.0, **rules))
    assert reducer.page(page_of(reducer.acknowledged(0.0)), rows, True, 0.1).fresh
    return reducer


def shown(effects: Effects) -> list[tuple[str, Record | None]]:
    return [(edit.id, edit.record) for edit in effects.edits]


def test_nothing_is_read_before_the_acknowledgement() -> None:
    assert Reducer().tick(5.0) == Effects((), None, loaded=False, fresh=False, wake=None)


def test_a_snapshot_is_read_by_pages_and_shown_when_it_is_complete() -> None:
    reducer = Reducer(Rules(page=2))
    effects = reducer.page(page_of(reducer.acknowledged(0)), [row("a"), row("b")], False, 1)
    assert (effects.edits, effects.loaded, effects.fresh) == ((), False, False)
    assert effects.read == ReadPage(after="b")
    effects = reducer.page(page_of(effects), [row("c")], True, 2)
    assert [edit.id for edit in effects.edits] == ["a", "b", "c"]
    assert not any(edit.caught_up for edit in effects.edits)
    assert (effects.loaded, effects.fresh, effects.wake) == (True, True, 62.0)


def test_a_lone_change_is_shown_at_once_and_costs_no_read() -> None:
    reducer = loaded(row("a", 1))
    effects = reducer.event("update", row("a", 2), START)
    assert shown(effects) == [("a", row("a", 2))]
    assert (effects.read, effects.wake) == (None, 1000.1)


def test_two_changes_within_2_s_are_shown_and_settled_once_quiet() -> None:
    reducer = loaded(row("a", 1))
    reducer.event("update", row("a", 2), START)
    effects = reducer.event("update", row("a", 3), START + 1.9)
    assert shown(effects) == [("a", row("a", 3))]
    assert effects.wake == pytest.approx(START + 2.1)
    assert ask_of(reducer.tick(START + 2.2)).ids == ("a",)


def test_a_record_that_is_never_quiet_is_asked_about_every_2_s() -> None:
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
    reducer = loaded(row("a", 5, n=1))
    effects = reducer.event("update", record, START)
    assert shown(effects) == [("a", record)]
    assert effects.wake == pytest.approx(START + 0.2)


@pytest.mark.parametrize("action", ["create", "update"])
@pytest.mark.parametrize("number", [9223372036854776000, -9223372036854776000, 10**40 + 1])
def test_an_integer_that_the_database_makes_a_float_of_is_settled(action: str, number: int) -> None:
    reducer = loaded(row("b", 1))
    written = row("a" if action == "create" else "b", 5, data=number)
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
    reducer = loaded(row("a", 5))
    effects = reducer.event("update", row("a", 4), START)
    assert effects.edits == ()
    assert effects.wake == pytest.approx(START + 0.2)


def test_what_is_heard_after_a_delete_does_not_bring_the_record_back() -> None:
    """Not before the server was asked; then it does, if it was made again."""
    reducer = loaded(row("a", 5))
    assert shown(reducer.event("delete", row("a", 5), START)) == [("a", None)]
    assert reducer.event("create", row("a", 9), START + 30).edits == ()
    read = ask_of(reducer.tick(START + 30.2))
    assert shown(reducer.answer(read, [row("a", 9)], START + 30.3)) == [("a", row("a", 9))]


def test_the_delete_of_an_earlier_life_removes_nothing() -> None:
    reducer = loaded(row("a", 9))
    effects = reducer.event("delete", row("a", 5), START)
    assert effects.edits == () and effects.wake == pytest.approx(START + 0.2)


@pytest.mark.parametrize("event_first", [True, False])
def test_a_hint_and_its_event_cancel_in_either_order(event_first: bool) -> None:
    reducer = loaded(row("a", 1))
    inputs: list[Callable[[], Effects]] = [
        lambda: reducer.event("update", row("a", 2), START),
        lambda: reducer.hint("update", "a", row("a", 2)["updated"], START + 0.1),
    ]
    wakes = [each().wake for each in (inputs if event_first else reversed(inputs))]
    assert wakes[-1] == 1000.1


def test_a_hint_that_finds_no_event_asks_after_200_ms() -> None:
    """So a record that left the filter goes."""
    reducer = loaded(row("a", 1))
    effects = reducer.hint("update", "a", row("a", 2)["updated"], START)
    assert effects.wake == pytest.approx(START + 0.2)
    read = ask_of(reducer.tick(START + 0.2))
    effects = reducer.answer(read, [], START + 0.3)
    assert shown(effects) == [("a", None)] and effects.wake == 1000.1


def test_entering_and_leaving_shows_no_ghost() -> None:
    """An event that is not newer than a hint about a record not held waits for an answer."""
    reducer = loaded()
    effects = reducer.hint("update", "a", row("a", 3)["updated"], START)
    assert effects.wake == 1000.1
    assert reducer.event("update", row("a", 2), START + 4).edits == ()
    assert shown(reducer.event("update", row("b", 2), START + 4)) == [("b", row("b", 2))]
    assert ask_of(reducer.tick(START + 4.2)).ids == ("a",)


def test_no_hint_pairs_with_an_event_from_before_a_gap() -> None:
    """The event's own hint may be what was lost, and this hint that of a leave in the same tick."""
    reducer = loaded(row("a", 1))
    reducer.event("update", row("a", 2), START)
    effects = reducer.skipped(START + 0.1)
    effects = reducer.page(page_of(effects), [row("a", 2)], True, START + 0.2)
    read = ask_of(effects if effects.read else reducer.tick(START + 0.3))
    reducer.answer(read, [row("a", 2)], START + 0.4)
    effects = reducer.hint("update", "a", row("a", 2)["updated"], START + 0.5)
    assert effects.wake == pytest.approx(START + 0.7)


def test_a_second_copy_of_an_event_pairs_with_no_hint() -> None:
    reducer = loaded(row("a", 1))
    for _ in range(2):
        reducer.event("update", row("a", 2), START)
    reducer.hint("update", "a", row("a", 2)["updated"], START + 0.1)
    effects = reducer.hint("update", "a", row("a", 2)["updated"], START + 3)
    assert effects.wake == pytest.approx(START + 3.2)


def test_an_answer_that_raced_with_a_frame_is_asked_for_again() -> None:
    reducer = loaded(row("a", 5))
    reducer.event("update", row("a", 4), START)
    read = ask_of(reducer.tick(START + 0.2))
    reducer.event("update", row("a", 6), START + 0.3)
    effects = reducer.answer(read, [row("a", 5)], START + 0.4)
    assert effects.edits == ()  # the view does not step back
    assert ask_of(reducer.tick(START + 3)).ids == ("a",)


def test_a_record_that_left_and_is_written_all_the_time_goes() -> None:
    """Its answers race with hints for ever; they are shown nevertheless."""
    reducer = loaded(row("a", 1))
    reducer.hint("update", "a", row("a", 2)["updated"], START)
    read = ask_of(reducer.tick(START + 0.2))
    reducer.hint("update", "a", row("a", 3)["updated"], START + 0.3)
    assert shown(reducer.answer(read, [], START + 0.4)) == [("a", None)]
    for second in range(4, 9):
        assert reducer.hint("update", "a", row("a", second)["updated"], START + second).edits == ()


def test_questions_are_batched_and_one_at_a_time() -> None:
    reducer = loaded(*(row(f"{n:03d}", 5) for n in range(250)), page=100, batch=100)
    for n in range(150):
        reducer.event("update", row(f"{n:03d}", 4), START)
    read = ask_of(reducer.tick(START + 0.2))
    assert len(read.ids) == 100
    assert reducer.tick(START + 9).read is None
    effects = reducer.answer(read, [row(id, 5) for id in read.ids], START + 9)
    assert len(ask_of(effects).ids) == 50


def test_questions_gather_for_a_tenth_of_a_second() -> None:
    """Many hot records share their questions; a lone one waits for nothing."""
    reducer = loaded(row("a", 5), row("b", 5))
    reducer.event("update", row("a", 4), START)
    reducer.event("update", row("b", 4), START + 0.01)
    read = ask_of(reducer.tick(START + 0.205))
    effects = reducer.answer(read, [row("a", 5)], START + 0.206)
    assert read.ids == ("a",) and effects.wake == pytest.approx(START + 0.305)


def test_a_loss_makes_the_view_stale_until_all_is_compared() -> None:
    reducer = loaded(row("a", 1), row("b", 1), row("c", 50), row("d", 1))
    reducer.event("update", row("d", 51), START)
    effects = reducer.lost(START + 1)
    assert (effects.fresh, effects.read, effects.wake) == (False, None, None)
    effects = reducer.acknowledged(START + 2)
    seen: list[Any] = []
    edits: list[Edit] = []
    table = {"b": row("b", 2), "c": row("c", 50, n=1), "d": row("d", 51)}
    now = START + 2
    while not effects.fresh:
        now += 0.1
        read = effects.read
        seen.append(read)
        if isinstance(read, Ask):
            effects = reducer.answer(read, [table[id] for id in read.ids if id in table], now)
        else:
            effects = reducer.page(page_of(effects), list(table.values()), True, now)
        edits += effects.edits
    asked = {id for read in seen if isinstance(read, Ask) for id in read.ids}
    assert {read.whole for read in seen if isinstance(read, ReadPage)} == {False}
    assert asked == {"b", "c", "d"}  # b differs; c and d changed shortly before the loss
    assert {(edit.id, edit.record is None) for edit in edits} == {
        ("a", True),
        ("b", False),
        ("c", False),
    }
    assert all(edit.caught_up for edit in edits)


def test_whole_rows_are_compared_until_updated_was_seen_to_move() -> None:
    reducer = loaded(row("a", 1), trust=False)
    reducer.lost(START)
    assert page_of(reducer.acknowledged(START + 1)).whole
    reducer = Reducer()
    reducer.page(page_of(reducer.acknowledged(0)), [row("a", 1)], True, 1)
    reducer.event("update", row("a", 40), START)
    reducer.hint("update", "b", row("b", 59)["updated"], START + 1)
    reducer.lost(START + 2)
    effects = reducer.acknowledged(START + 3)
    while isinstance(effects.read, Ask):
        effects = reducer.answer(effects.read, [row("a", 40)], START + 4)
    assert not page_of(effects).whole


def test_a_loss_in_the_middle_of_a_snapshot_starts_it_again() -> None:
    reducer = Reducer()
    stale = page_of(reducer.acknowledged(0))
    reducer.lost(1)
    read = page_of(reducer.acknowledged(2))
    assert not reducer.page(stale, [row("a")], True, 3).loaded
    assert [e.id for e in reducer.page(read, [row("b")], True, 4).edits] == ["b"]


def test_a_large_view_reads_the_recent_rows_after_a_resubmit() -> None:
    rows = [row(f"{n}", n) for n in range(9)]
    reducer = loaded(*rows, page=5)
    effects = reducer.resubmitted(START)
    assert page_of(effects).since == "2026-01-01 00:00:03.000Z" and not effects.fresh
    effects = reducer.page(page_of(effects), [row("5", 7)], True, START + 1)
    assert shown(effects) == [("5", row("5", 7))] and effects.fresh


def test_a_small_view_is_compared_in_full_after_a_resubmit() -> None:
    reducer = loaded(row("a", 1))
    effects = reducer.resubmitted(START)
    while isinstance(effects.read, Ask):
        effects = reducer.answer(effects.read, [row("a", 1)], START + 1)
    assert page_of(effects).since == ""


def test_a_large_view_that_expands_is_compared_in_full_after_a_resubmit() -> None:
    """A change of the author leaves the post's stamp: it is not among the recent rows."""
    author = row("u1", 1)
    reducer = loaded(*(row(f"{n}", n, expand={"author": author}) for n in range(9)), page=5)
    effects = reducer.resubmitted(START)
    while isinstance(effects.read, Ask):
        rows = [row(id, int(id), expand={"author": author}) for id in effects.read.ids]
        effects = reducer.answer(effects.read, rows, START + 1)
    assert page_of(effects).since == ""


def test_the_view_is_compared_again_every_reconcile_and_stays_fresh() -> None:
    reducer = loaded(row("a", 1), row("b", 1))
    effects = reducer.tick(1000.1)
    assert page_of(effects) == ReadPage(whole=False) and effects.fresh
    effects = reducer.page(page_of(effects), [row("b", 1)], True, 1000.2)
    assert shown(effects) == [("a", None)] and not effects.edits[0].caught_up


def test_a_failed_read_is_made_again_later_and_later() -> None:
    reducer = Reducer()
    effects, now, pauses = reducer.acknowledged(0), 0.0, []
    for _ in range(7):
        effects = reducer.failed(page_of(effects), now)
        assert effects.wake is not None and effects.read is None
        pauses.append(effects.wake - now)
        now = effects.wake
        effects = reducer.tick(now)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    effects = reducer.failed(page_of(effects), now, retry_after=120)
    assert effects.wake == now + 120


def test_pages_that_come_again_are_asked_for_after_longer_and_longer_pauses() -> None:
    reducer = Reducer(Rules(page=1, trust_updated=True))
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


def test_a_question_that_failed_is_asked_again() -> None:
    reducer = loaded(row("a", 5))
    reducer.event("update", row("a", 4), START)
    read = ask_of(reducer.tick(START + 0.2))
    reducer.failed(read, START + 0.3)
    assert ask_of(reducer.tick(START + 1.3)).ids == ("a",)


def test_another_identity_empties_the_view_and_reads_again() -> None:
    reducer = loaded(row("a", 1))
    effects = reducer.reset(START)
    assert shown(effects) == [("a", None)] and not effects.loaded
    read = page_of(reducer.acknowledged(START + 1))
    assert read.whole
    assert shown(reducer.page(read, [row("a", 1)], True, START + 2)) == [("a", row("a", 1))]


def test_a_changed_relation_asks_about_the_records_that_expand_it() -> None:
    post = {**row("a", 1), "expand": {"author": row("u1", 1, name="ann")}}
    reducer = loaded(post, row("b", 1))
    assert reducer.related("u2", START).wake == 1000.1
    assert reducer.related("u1", START).wake == pytest.approx(START + 0.2)
    read = ask_of(reducer.tick(START + 0.2))
    renamed = {**row("a", 1), "expand": {"author": row("u1", 2, name="bea")}}
    assert shown(reducer.answer(read, [renamed], START + 0.3)) == [("a", renamed)]


def test_a_comparison_sees_that_a_relation_changed() -> None:
    post = {**row("a", 1), "expand": {"author": row("u1", 1, name="ann")}}
    reducer = loaded(post)
    read = page_of(reducer.tick(1000.1))
    stamps = {**row("a", 1), "expand": {"author": row("u1", 2)}}
    assert ask_of(reducer.page(read, [stamps], True, 1000.2)).ids == ("a",)


def test_reading_all_is_preferred_to_asking_about_most() -> None:
    rows = [row(f"{n:02d}", 5) for n in range(20)]
    reducer = loaded(*rows, batch=2, page=10)
    for each in rows:
        reducer.event("update", {**each, "n": 1}, START)
    assert page_of(reducer.tick(START + 0.2)).whole


def by(author: Record, second: int = 1) -> Record:
    return row("a", second, expand={"author": author})


def test_an_expansion_made_before_its_record_changed_is_asked_about() -> None:
    """The hint about the author overtook the frame of the post that shows the author as before."""
    reducer = loaded()
    reducer.related("u1", START)
    late = reducer.event("create", by(row("u1", 0, name="before")), START + 1.0)
    assert shown(late) == [("a", by(row("u1", 0, name="before")))]
    asked = reducer.tick(START + 1.3)
    assert ask_of(asked).ids == ("a",)
    mended = reducer.answer(ask_of(asked), [by(row("u1", 1, name="after"))], START + 1.4)
    assert shown(mended) == [("a", by(row("u1", 1, name="after")))]
    assert reducer.tick(START + 10.0).read is None


def test_an_answer_that_began_before_a_related_record_changed_is_asked_again() -> None:
    reducer = loaded(row("a", 0))
    reducer.event("update", row("a", 0), START)
    reducer.event("update", {"id": "a", "n": 1}, START + 0.1)
    asked = ask_of(reducer.tick(START + 0.4))
    reducer.related("u1", START + 0.5)
    reducer.answer(asked, [by(row("u1", 0, name="before"))], START + 0.6)
    again = ask_of(reducer.tick(START + 1.0))
    assert again.ids == ("a",)
    reducer.answer(again, [by(row("u1", 1, name="after"))], START + 1.1)
    assert reducer.tick(START + 10.0).read is None


def test_a_related_change_of_long_ago_casts_no_doubt() -> None:
    reducer = loaded()
    reducer.related("u1", START)
    reducer.event("create", by(row("u1", 0)), START + 6.0)
    assert reducer.tick(START + 7.0).read is None
