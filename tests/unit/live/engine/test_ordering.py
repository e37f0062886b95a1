"""The client orders records as SQLite does, and raises where it cannot."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.ordering import SQLITE, Order, Ranks, UnorderableError, kind_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | NUMBERS | st.booleans() | TEXT | st.just("2026-01-01 00:00:00.000Z")
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=12)


def is_orderable(sort: str, *, expand: str | None = None) -> bool:
    try:
        Order.parse(sort, expand=expand)
    except UnorderableError:
        return False
    return True


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
    """Nulls, numbers, bools and text sort as in SQLite, in both directions, with `id` last."""
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
    """A sort by `@random`, a modifier, an unexpanded path or a bad key is not orderable."""
    assert not is_orderable(sort)


def test_a_path_through_a_relation_needs_it_expanded() -> None:
    """A sort path through relations is orderable only if `expand` covers the whole path."""
    assert not is_orderable("author.name", expand="editor")
    assert is_orderable("author.name", expand="author,editor")
    assert is_orderable("author.name", expand="editor, author")
    assert is_orderable("author.name", expand="author.team")
    assert is_orderable("author.team.name", expand="author.team")
    assert not is_orderable("author.team.name", expand="author")


def test_a_back_relation_is_not_orderable_though_it_is_expanded() -> None:
    """A back relation is not orderable, though it is expanded: it leads to several records."""
    assert not is_orderable("posts_via_author.title", expand="posts_via_author")


def test_a_relation_sorts_by_its_expanded_record() -> None:
    """A path sorts by the field of the expanded record; no related record counts as null."""
    order = Order.parse("author.name", expand="author")
    ann: Record = {"id": "1", "author": "u1", "expand": {"author": {"id": "u1", "name": "ann"}}}
    bob: Record = {"id": "2", "author": "u2", "expand": {"author": {"id": "u2", "name": "bob"}}}
    no_author: Record = {"id": "3", "author": ""}
    assert sorted([bob, ann, no_author], key=order.key) == [no_author, ann, bob]


@pytest.mark.parametrize(
    "record",
    [
        {"id": "a"},
        {"id": "a", "x": [1]},
        {"id": "a", "x": {"lon": 1}},
    ],
)
def test_a_record_without_a_sortable_value_is_refused(record: dict[str, Any]) -> None:
    """A sort field that is missing, a list or an object raises `UnorderableError`."""
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
    """A relation unexpanded, of several records or without the field is not orderable."""
    with pytest.raises(UnorderableError, match="by"):
        Order.parse("by.name", expand="by").key(record)


# -- other orders than SQLite's --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (0, "number"),
        (-1.5, "number"),
        (True, "bool"),
        ("", "empty"),
        ("a", "text"),
        ("2026-01-02 03:04:05.678Z", "date"),
        ("2026-01-02 03:04:05.67Z", "text"),
        ("2026-01-02 03:04:05.6789Z", "text"),
        ("2026-01-02T03:04:05.678Z", "text"),
        ("2026-01-02 03:04:05.67xZ", "text"),
        ("2026-01-02 03:04:05.67\u0665Z", "text"),
        ("01890000-0000-7000-8000-00000000000a", "uuid"),
        ("01890000-0000-7000-8000-00000000000A", "text"),
        ("01890000-0000-7000-8000-00000000000", "text"),
        ("0189000000000-7000-8000-00000000000a", "text"),
    ],
)
def test_a_value_is_of_one_kind(value: Any, kind: str) -> None:
    """Each value has one kind; a date or UUID only in the server's exact form."""
    assert kind_of(value) == kind


def test_the_values_of_a_record_tell_what_it_is_sorted_by() -> None:
    """`values` returns the kind and value of each sort key, with `id` last."""
    order = Order.parse("-n,author.name", expand="author")
    record: Record = {"id": "a", "n": 1, "author": "", "other": "x"}
    assert order.values(record) == (("number", 1), ("null", None), ("text", "a"))


def test_the_values_of_true_and_1_differ() -> None:
    """`values` distinguishes `True` from 1, which Python takes for equal."""
    order = Order.parse("x")
    one, true = ({"id": "a", "x": x} for x in (1, True))
    assert order.values(one) != order.values(true)


@pytest.mark.parametrize(("sort", "expected"), [("x", "321"), ("-x", "123")])
def test_kinds_come_in_the_order_of_their_ranks(sort: str, expected: str) -> None:
    """Kinds sort by the ranks of their own key; a descending sort reverses them."""
    ranks: Ranks = {**SQLITE, "text": 0, "number": 1, "null": 2}
    order = Order.parse(sort).ranked((ranks, SQLITE))
    rows: list[Record] = [{"id": "1", "x": None}, {"id": "2", "x": 7}, {"id": "3", "x": "a"}]
    assert [row["id"] for row in sorted(rows, key=order.key)] == [*expected]
    assert order.keys == Order.parse(sort).keys
    assert order != Order.parse(sort) == order.ranked((SQLITE, SQLITE))
    back = Order.parse("n,x").ranked((SQLITE, ranks, SQLITE))
    rows = [{**row, "n": None} for row in rows]
    assert [row["id"] for row in sorted(rows, key=back.key)] == ["3", "2", "1"]


def guessed(sort: str, *texts: Any, depth: int = 0) -> list[Any]:
    """The texts in the order that is guessed, where so many keys are known."""
    order = Order.parse(sort)
    rows = [{"id": f"{n:02d}", "x": text} for n, text in enumerate(texts)]
    return [row["x"] for row in sorted(rows, key=lambda row: order.guess(order.values(row), depth))]


def test_a_guess_looks_at_letters_and_digits_first() -> None:
    """`guess` compares letters and digits first, and other characters only in a tie."""
    texts = ["Zz", "b", "-a", "a b", "A", "ab", "a", "9", "10"]
    assert guessed("x", *texts) == ["10", "9", "-a", "A", "a", "a b", "ab", "b", "Zz"]
    assert guessed("-x", *texts) == ["Zz", "b", "ab", "a b", "a", "A", "-a", "9", "10"]


def test_a_guess_is_right_as_far_as_the_order_is_known() -> None:
    """`guess` keeps the exact order of the first `depth` keys and guesses behind them."""
    assert guessed("x", "a", "B", "-c", depth=1) == ["-c", "B", "a"]
    order = Order.parse("x,y")
    rows = [{"id": "1", "x": "a", "y": "B"}, {"id": "2", "x": "a", "y": "a"}]
    for depth, expected in [(1, ["2", "1"]), (2, ["1", "2"])]:
        guesses = {row["id"]: order.guess(order.values(row), depth) for row in rows}
        assert sorted(guesses, key=guesses.__getitem__) == expected


def test_a_guess_is_right_for_all_but_text() -> None:
    """`guess` sorts nulls, numbers, empty text and dates exactly, up and down."""
    values = [None, 10, 9, "", "a", "2026-01-01 00:00:00.000Z"]
    assert guessed("x", *values) == [None, 9, 10, "", "2026-01-01 00:00:00.000Z", "a"]
    assert guessed("-x", *values) == ["a", "2026-01-01 00:00:00.000Z", "", 10, 9, None]


def test_a_sort_ends_with_the_id_wherever_it_stands() -> None:
    """Each sort ends with `id`; keys behind `id` are dropped."""
    assert [key.path for key in Order.parse("n,-id,title").keys] == [("n",), ("id",)]
    assert Order.parse("n,-id,title").keys[1].descending
    assert Order.parse("id").keys == Order.parse().keys == Order.parse("id,id").keys
    assert len(Order.parse("n,id").ranks) == 2


def test_a_path_may_lead_through_several_relations() -> None:
    """A sort path may lead through several expanded relations to the last record's field."""
    order = Order.parse("author.team.name", expand="author.team")
    team = {"id": "t", "name": "x", "team": "no"}
    author = {"id": "u", "team": "t", "expand": {"team": team}}
    record: Record = {"id": "a", "author": "u", "team": "no", "expand": {"author": author}}
    assert order.values(record)[0] == ("text", "x")
