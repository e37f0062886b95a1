"""Which fields rows have, and what an event lacks of them."""

from __future__ import annotations

from typing import Any

import pytest

from rxbosbase.live.engine.row_shapes import MAX_SHAPES, RowShapes, filled, have_other_keys

FULL = {"id": "a", "title": "x", "secret": "y"}
EVENT = {"id": "b", "title": "z"}


def known(*rows: dict[str, Any]) -> RowShapes:
    """All rows were read, and these were all."""
    shapes = RowShapes()
    for each in rows:
        shapes.learn(each)
    assert shapes.collected()
    return shapes


def by(author: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "p", "title": "x", "expand": {"author": author}, **more}


def test_fields_are_new_once() -> None:
    """`learn` returns True only for a row whose set of fields is new."""
    shapes = RowShapes()
    assert shapes.learn(FULL)
    assert not shapes.learn({**FULL, "id": "b", "title": "other"})
    assert shapes.learn({**FULL, "more": 1})
    assert not shapes.learn({**FULL, "more": None})


def test_a_record_with_the_very_fields_of_some_row_has_them_all() -> None:
    """A record with exactly the fields of a row is known; one with fewer lacks some."""
    shapes = known(FULL)
    assert shapes.are_known({**FULL, "id": "b"}) and not shapes.lacks({**FULL, "id": "b"})
    assert not shapes.are_known(EVENT) and shapes.lacks(EVENT)


def test_a_record_with_more_fields_than_a_row_lacks_none_but_is_not_known() -> None:
    """A record with more fields than a row lacks none, but is not known."""
    shapes = known(FULL)
    assert not shapes.are_known({**FULL, "more": 1}) and not shapes.lacks({**FULL, "more": 1})


def test_a_record_lacks_something_only_if_no_row_was_without_it() -> None:
    """A record lacks a field only if every row has that field."""
    shapes = known(FULL, EVENT)
    assert not shapes.lacks({"id": "c", "title": "x"})
    assert shapes.lacks({"id": "c", "secret": "x"})


def test_nothing_lacks_anything_before_all_rows_were_read() -> None:
    """No record lacks a field before all rows were read."""
    shapes = RowShapes()
    assert not shapes.lacks(EVENT)
    shapes.learn(FULL)
    assert not shapes.lacks(EVENT)
    assert shapes.collected()
    assert shapes.lacks(EVENT)


def test_where_no_row_was_read_at_all_every_record_lacks_what_they_have() -> None:
    """If no row was read at all, every record counts as unknown and as lacking fields."""
    assert known().lacks(EVENT)
    assert not known().are_known(EVENT)


def test_all_rows_are_read_for_the_first_time_once() -> None:
    """`collected` returns True only the first time."""
    shapes = RowShapes()
    assert shapes.collected()
    assert not shapes.collected()


def test_the_fields_that_no_row_has_any_more_are_forgotten_once_all_were_read_again() -> None:
    """Fields that no row has any more are forgotten once all rows were read again."""
    shapes = known(FULL)
    shapes.collect()
    assert not shapes.learn(FULL)
    assert shapes.learn(EVENT)
    shapes.collected()
    assert shapes.are_known(FULL) and shapes.are_known(EVENT)
    shapes.collect()
    shapes.learn(EVENT)
    assert shapes.are_known(FULL)  # it is not sure yet that there are none
    shapes.collected()
    assert not shapes.are_known(FULL) and shapes.are_known(EVENT) and not shapes.lacks(EVENT)


def test_rows_read_one_by_one_make_nothing_forgotten() -> None:
    """Rows read one by one, outside of a full read, cause no fields to be forgotten."""
    shapes = known(FULL)
    shapes.collect()
    shapes.collected()
    assert shapes.are_known(FULL)  # the view was empty then, so there was nothing to compare with
    shapes.learn(EVENT)
    shapes.collected()
    assert shapes.are_known(FULL) and shapes.are_known(EVENT)


def test_shapes_are_bounded() -> None:
    """Beyond `MAX_SHAPES` sets of fields, `learn` returns False for new ones."""
    shapes = RowShapes()
    news = [shapes.learn({"id": "a", f"f{n}": 1}) for n in range(MAX_SHAPES + 5)]
    assert news == [True] * MAX_SHAPES + [False] * 5
    shapes.collect()
    last = {"id": "a", f"f{MAX_SHAPES}": 1}
    assert not shapes.learn(last)
    shapes.collected()
    assert shapes.are_known(last)
    shapes.collect()
    for n in range(MAX_SHAPES + 5):
        shapes.learn({"id": "a", f"f{n}": 1})
    shapes.collected()
    assert not shapes.are_known(last) and shapes.are_known({"id": "a", f"f{MAX_SHAPES - 1}": 1})


# -- what a row expands ----------------------------------------------------------------------------


def test_whether_a_row_expands_anything_is_no_matter_of_its_fields() -> None:
    """Whether a row has `expand`, or an empty one, makes no difference to its fields."""
    shapes = known({"id": "a", "title": "x"}, by({"id": "u", "name": "ann"}))
    for record in ({"id": "b", "title": "y"}, by({"id": "u2", "name": "bea"})):
        assert shapes.are_known(record) and not shapes.lacks(record)
    assert not shapes.learn({"id": "c", "title": "z", "expand": {}})
    assert known(by({"id": "u"})).are_known({"id": "b", "title": "y"})


def test_a_related_record_has_fields_too() -> None:
    """The fields of an expanded record are compared as well, apart from those of rows."""
    shapes = RowShapes()
    assert shapes.learn(by({"id": "u", "name": "ann"}))
    assert shapes.learn(by({"id": "u", "name": "ann", "mail": "a@b"}))
    team = {"id": "t", "city": "x"}
    assert shapes.learn(by({"id": "u", "name": "ann", "expand": {"team": team}}))
    assert not shapes.learn(by({"id": "u", "name": "bea", "expand": {"team": team}}))
    assert shapes.learn(team)  # as a row it is another thing
    shapes = known(by({"id": "u", "name": "ann"}))
    assert not shapes.are_known(by({"id": "u"}))
    assert not shapes.lacks(by({"id": "u"}))


def test_whether_a_related_record_expands_anything_is_no_matter_of_its_fields() -> None:
    """Whether an expanded record has `expand` makes no difference to its fields."""
    shapes = RowShapes()
    assert shapes.learn(by({"id": "u", "name": "ann"}))
    assert not shapes.learn(by({"id": "u", "name": "ann", "expand": {}}))


def test_a_related_record_is_no_row_whose_fields_a_record_might_have() -> None:
    """A record with only the fields of an expanded record lacks those of the rows."""
    assert known(by({"id": "u"})).lacks({"id": "p"})


# -- two versions of a row -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "held", "differ"),
    [
        ({"id": "a", "n": 1}, {"id": "a", "n": 2}, False),
        ({"id": "a", "n": 1}, {"n": 2, "id": "a"}, False),
        ({"id": "a"}, {"id": "a", "n": 2}, True),
        ({"id": "a", "n": 2}, {"id": "a"}, True),
        (by({"id": "u"}), by({"id": "u"}), False),
        (by({"id": "u"}), by({"id": "u", "name": "ann"}), True),
        (by({"id": "u", "name": "ann"}), by({"id": "u"}), True),
        (by({"id": "u"}), by({"id": "v", "name": "ann"}), False),
        (by({"id": "u"}), {"id": "p", "title": "x"}, True),
    ],
)
def test_versions_differ_by_their_fields_and_those_of_what_both_expand(
    record: dict[str, Any], held: dict[str, Any], differ: bool
) -> None:
    """Two versions differ by their own keys and those of the records that both expand."""
    assert have_other_keys(record, held) is differ


def test_what_an_event_lacks_is_shown_as_it_is_held() -> None:
    """Fields that an event lacks are filled from the row, except `updated` and `expand`."""
    held = {"id": "a", "n": 1, "secret": "y", "updated": "2026", "expand": {"author": {}}}
    assert filled({"id": "a", "n": 2}, held) == {"id": "a", "n": 2, "secret": "y"}


def test_an_event_that_lacks_nothing_stays_the_object_that_it_is() -> None:
    """An event that lacks nothing stays the same object; filling changes neither record."""
    record = {"id": "a", "n": 2, "more": 3}
    assert filled(record, {"id": "a", "n": 1, "updated": "2026", "expand": {}}) is record
    held = {"id": "a", "n": 1, "secret": "y"}
    filled(record, held)
    assert record == {"id": "a", "n": 2, "more": 3} and held["n"] == 1
