"""The client orders records as SQLite does, and says where it cannot."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.live.messages import Record
from rxbosbase.live.ordering import Order, UnorderableError, orderable

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | NUMBERS | st.booleans() | TEXT | st.just("2026-01-01 00:00:00.000Z")
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=12)


def sqlite_order(rows: list[tuple[Any, Any]], order_by: str) -> list[str]:
    with sqlite3.connect(":memory:") as base:
        base.execute("CREATE TABLE t (id TEXT, a, b)")
        base.executemany(
            "INSERT INTO t VALUES (?, ?, ?)", [(f"{n:02d}", *row) for n, row in enumerate(rows)]
        )
        found = [id for (id,) in base.execute(f"SELECT id FROM t ORDER BY {order_by}")]
    base.close()
    return found


@pytest.mark.parametrize(
    ("sort", "order_by"),
    [
        ("a", "a, id"),
        ("-a", "a DESC, id"),
        ("+a,-b", "a, b DESC, id"),
        (" -a , b ,-id", "a DESC, b, id DESC"),
        (None, "id"),
        ("", "id"),
    ],
)
@given(rows=ROWS)
def test_records_are_ordered_as_sqlite_does(
    sort: str | None, order_by: str, rows: list[tuple[Any, Any]]
) -> None:
    """Nulls, numbers, bools and text of any script, in both directions, `id` last."""
    records = [{"id": f"{n:02d}", "a": a, "b": b} for n, (a, b) in enumerate(rows)][::-1]
    ordered = sorted(records, key=Order.parse(sort).key)
    assert [record["id"] for record in ordered] == sqlite_order(rows, order_by)


@pytest.mark.parametrize(
    "sort",
    [
        "@random",
        "-@rowid",
        "title:lower",
        "a.b",
        "posts_via_author.title",
        "a,,@random",
        "a b",
        "-",
    ],
)
def test_what_only_the_server_can_order_is_not_orderable(sort: str) -> None:
    assert not orderable(sort)


def test_a_path_through_a_relation_needs_it_expanded() -> None:
    """Also if it is expanded only on the way to another relation."""
    assert not orderable("author.name", expand="editor")
    assert orderable("author.name", expand="author,editor")
    assert orderable("author.name", expand="editor, author")
    assert orderable("author.name", expand="author.team")
    assert orderable("author.team.name", expand="author.team")
    assert not orderable("author.team.name", expand="author")


def test_a_back_relation_is_not_orderable_though_it_is_expanded() -> None:
    """It leads to several records, of which the server alone knows which one counts."""
    assert not orderable("posts_via_author.title", expand="posts_via_author")


def test_a_relation_sorts_by_its_expanded_record() -> None:
    """No related record counts as null, which comes first."""
    order = Order.parse("author.name", expand="author")
    ann: Record = {"id": "1", "author": "u1", "expand": {"author": {"id": "u1", "name": "ann"}}}
    bob: Record = {"id": "2", "author": "u2", "expand": {"author": {"id": "u2", "name": "bob"}}}
    nobody: Record = {"id": "3", "author": ""}
    assert sorted([bob, ann, nobody], key=order.key) == [nobody, ann, bob]


@pytest.mark.parametrize(
    "record",
    [
        {"id": "a"},
        {"id": "a", "x": [1]},
        {"id": "a", "x": {"lon": 1}},
    ],
)
def test_a_record_that_does_not_tell_its_place_is_refused(record: dict[str, Any]) -> None:
    """A field this client may not see, a list of relations, a JSON object."""
    with pytest.raises(UnorderableError, match="x"):
        Order.parse("x").key(record)


@pytest.mark.parametrize(
    "record",
    [
        {"id": "a", "by": "u"},
        {"id": "a", "by": ["u"], "expand": {"by": [{"id": "u", "name": "n"}]}},
        {"id": "a", "by": "u", "expand": {"by": {"id": "u"}}},
    ],
)
def test_a_relation_that_is_not_shown_as_one_record_is_refused(record: dict[str, Any]) -> None:
    """Not expanded for this client, a list of relations, a field it may not see."""
    with pytest.raises(UnorderableError, match="by"):
        Order.parse("by.name", expand="by").key(record)
