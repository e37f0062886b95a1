"""The fake with PostgreSQL's order, and with fields that events do not have."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from rxbosbase import ClientResponseError
from rxbosbase.testing import FakeRealtime
from rxbosbase.testing.collation import collation_key
from rxbosbase.testing.literals import UnknownFilterError, read_filter

Seen = list[Any]

TITLES = ["", "🦊", "10", "9", "-a", "a", "A", "á", "a b", "b", "Z"]
"""In the order of PostgreSQL with ``en_US.utf8``."""


@pytest.fixture
def fake() -> Iterator[FakeRealtime]:
    with FakeRealtime(order="postgres") as made:
        yield made


def fill(fake: FakeRealtime, values: list[Any]) -> None:
    """Create records with these values as ``n``, in another order."""
    rows = [{"id": f"{at:03}", "n": value} for at, value in enumerate(values)]
    fake.records["posts"] = {row["id"]: row for row in rows[1::2] + rows[::2]}


def read(fake: FakeRealtime, sort: str) -> Seen:
    return [row["n"] for row in fake.client.collection("posts").get_list(1, 99, sort=sort)["items"]]


def test_an_order_that_does_not_exist_is_refused_by_the_names_of_those_that_do() -> None:
    """An unknown `order` raises ValueError that names the two known ones."""
    with pytest.raises(ValueError, match="order must be 'sqlite' or 'postgres', not 'mysql'"):
        FakeRealtime(order="mysql")  # type: ignore[arg-type]


# -- lists


def test_text_is_sorted_by_collation_or_by_bytes() -> None:
    """With `postgres` text is sorted by collation, with `sqlite` by its bytes."""
    for order, expected in (("postgres", TITLES), ("sqlite", sorted(TITLES))):
        with FakeRealtime(order=order) as fake:  # type: ignore[arg-type]
            fill(fake, TITLES)
            assert read(fake, "n") == expected
            assert read(fake, "-n") == expected[::-1]


def test_nulls_are_last_and_first_where_the_order_is_descending(fake: FakeRealtime) -> None:
    """With `postgres` null is the last value, and the first in descending order."""
    fill(fake, [None, "b", "A", ""])
    assert read(fake, "n") == ["", "A", "b", None]
    assert read(fake, "-n") == [None, "b", "A", ""]


@pytest.mark.parametrize(
    "values",
    [
        [-3, 0, 0.5, 9, 10, None],
        [False, True, None],
        ["2025-12-31 23:59:59.999Z", "2026-01-01 00:00:00.000Z", "2026-01-01 00:00:00.001Z"],
        ["01890a5d-ac96-774b-bcce-b302099a8057", "019b76da-a800-7000-8000-00000000000a"],
    ],
    ids=["numbers", "bools", "dates", "UUIDs"],
)
def test_what_is_no_text_is_sorted_as_expected(fake: FakeRealtime, values: list[Any]) -> None:
    """With `postgres` numbers, booleans, dates and UUIDs are in order; null is last."""
    fill(fake, values)
    assert read(fake, "n") == values
    assert read(fake, "-n") == values[::-1]


def test_ties_are_ordered_by_the_next_keys_and_the_id(fake: FakeRealtime) -> None:
    """Records equal in the first sort key are ordered by the next key, then by id."""
    rows = [("b", 1, "x"), ("A", 1, "x"), ("a", 1, "y"), ("c", 0, "x")]
    fake.records["posts"] = {id: {"id": id, "n": n, "m": m} for id, n, m in rows}
    items = fake.client.collection("posts").get_list(sort="-n,m")["items"]
    assert [row["id"] for row in items] == ["A", "b", "a", "c"]


def test_a_sort_by_a_field_of_a_relation_is_refused(fake: FakeRealtime) -> None:
    """Sorting by a field of a relation gets a 400 that names the field."""
    fill(fake, ["a"])
    with pytest.raises(ClientResponseError, match=r"'author\.name'") as refused:
        read(fake, "author.name")
    assert refused.value.status == 400


def test_all_pages_are_read_where_ids_are_of_mixed_case(fake: FakeRealtime) -> None:
    """`get_full_list` returns all mixed-case ids in the order of the collation."""
    random.seed(14)
    ids = {"".join(random.choices("abcXYZ012-", k=4)) for _ in range(200)}
    fake.records["posts"] = {id: {"id": id} for id in ids}
    rows = fake.client.collection("posts").get_full_list(batch=7)
    assert [row["id"] for row in rows] == sorted(ids, key=collation_key)
    assert [row["id"] for row in rows] != sorted(ids)


# -- literals in filters

PAIRS = [("Z", "a"), ("a", "B"), ("_", "a"), ("10", "9"), ("a b", "aa"), ("A", "a"), ("a'", "a\\z")]


def shown(fake: FakeRealtime, condition: str) -> Seen:
    return fake.client.collection("posts").get_full_list(filter=condition)


@pytest.mark.parametrize("order", ["sqlite", "postgres"])
@pytest.mark.parametrize("pair", PAIRS)
def test_two_texts_compare_as_the_order_has_them(order: Any, pair: tuple[str, str]) -> None:
    """A filter that compares two texts has the result of the fake's order."""
    less = (
        (collation_key(pair[0]) < collation_key(pair[1]))
        if order == "postgres"
        else pair[0] < pair[1]
    )
    one, other = ("'{}'".format(text.replace("\\", "\\\\").replace("'", "\\'")) for text in pair)
    with FakeRealtime(order=order) as fake:
        fill(fake, [1, 2])
        fake.filters["n > 1"] = lambda record: record["n"] > 1
        assert len(shown(fake, f"{one} < {other}")) == 2 * less
        assert len(shown(fake, f"{one} > {other}")) == 2 * (not less)
        assert len(shown(fake, f"{one} < {other} && n > 1")) == less
        assert len(shown(fake, f"({one}<={other}) && (n > 1)")) == less
        assert len(shown(fake, f"n > 1 && {one} >= {other}")) == (not less)


def test_several_comparisons_may_be_joined() -> None:
    """Comparisons of texts joined by `&&`, `||` and parentheses are evaluated by the order."""
    pairs = "'Z' < 'a' && ('B' < 'a' || \"x\" != 'x') && 'a' = 'a'"
    assert read_filter(pairs, {})({})
    assert not read_filter(pairs, {}, collation_key)({})
    assert read_filter("'a' < 'Z' || 'a' = 'b'", {}, collation_key)({})


@pytest.mark.parametrize(
    ("mine", "unknown"),
    [
        ("title < 'a'", "title < 'a'"),
        ("'Z' < 'a' || n > 1", "'Z' < 'a' || n > 1"),
        ("n > 1 && m > 1", "n > 1 && m > 1"),
        ("'(' = title", "'(' = title"),
        ("('a' < 'b'", "('a' < 'b'"),
        ("(n > 1 && m > 1) && id >= '0'", "n > 1 && m > 1"),
        ("'a' = 'a' && ((n > 1) && (id = '000' || id = 'b'))", "n > 1"),
    ],
)
def test_what_is_no_comparison_of_two_texts_is_left_to_the_test(
    fake: FakeRealtime, mine: str, unknown: str
) -> None:
    """An unknown condition raises an error that names only the user's part of the filter."""
    with pytest.raises(UnknownFilterError) as raised:
        read_filter(mine, {})
    assert f"fake.filters[{unknown!r}] = lambda record" in str(raised.value)
    fake.filters[unknown] = lambda record: bool(record["n"] == 1)
    fill(fake, [1, 2])
    assert [row["n"] for row in shown(fake, mine)] == [1]


def test_the_whole_filter_is_left_to_the_test(fake: FakeRealtime) -> None:
    """An unknown filter that begins with a comparison of texts is named as a whole."""
    fill(fake, [1])
    with pytest.raises(ValueError, match=r"fake\.filters\[\"'a' < 'Z' && n > 1\"\]"):
        shown(fake, "'a' < 'Z' && n > 1")


ROWS = [{"id": id, "updated": f"2026-0{at}"} for at, id in enumerate("aBc", 1)]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("id > 'a'", ["B", "c"]),
        ("id = 'B' || id = 'c'", ["B", "c"]),
        ("id='a'||id='c'", ["a", "c"]),
        ("(id != 'a') && (updated >= '2026-02')", ["B", "c"]),
        ("updated < '2026-02' || id = 'c' && 'a' = 'b'", ["a"]),
        ("(mine || 'yours') && (id = 'a' || id = 'B')", ["B"]),
        ("mine || 'yours' // a comment", ["B", "c"]),
    ],
)
def test_what_the_library_adds_to_a_filter_is_read(condition: str, ids: list[str]) -> None:
    """Conditions on `id` and `updated` are evaluated, beside the user's filter."""
    known = {"mine || 'yours' // of others": lambda row: row["id"] != "a"}
    matches = read_filter(condition, known, collation_key)
    assert [row["id"] for row in ROWS if matches(row)] == ids


# -- ids, and the fields of the writer


def test_ids_are_uuids_in_the_order_of_time_and_the_same_in_each_run(fake: FakeRealtime) -> None:
    """With `postgres` new ids are UUIDs in order of time, the same in each run."""
    posts = fake.client.collection("posts")
    posts.create({})
    fake.push("posts", "create", {})
    fake.advance(0.001)
    posts.create({})
    ids = [row["id"] for row in posts.get_full_list(sort="id")]
    assert (
        ids
        == list(fake.records["posts"])
        == [
            "019b76da-a800-7000-8000-000000000001",
            "019b76da-a800-7000-8000-000000000002",
            "019b76da-a801-7000-8000-000000000003",
        ]
    )


def test_records_have_the_user_who_wrote_them(fake: FakeRealtime) -> None:
    """With `postgres` a client's writes set `createdBy` and `updatedBy`; `push` does not."""
    posts = fake.client.collection("posts")
    made = posts.create({"n": 1})
    assert (made["createdBy"], made["updatedBy"]) == ("", "")
    ada = fake.add_user("ada@example.com", "password123")
    fake.client.collection("users").auth_with_password("ada@example.com", "password123")
    changed = posts.update(made["id"], {"n": 2})
    assert (changed["createdBy"], changed["updatedBy"]) == ("", ada["id"])
    assert posts.create({})["createdBy"] == ada["id"]
    fake.push("posts", "update", {"id": made["id"], "n": 3})
    assert fake.records["posts"][made["id"]]["updatedBy"] == ada["id"]


def test_sqlite_has_short_ids_and_no_writer_fields() -> None:
    """With `sqlite` records have short ids and neither `createdBy` nor `updatedBy`."""
    with FakeRealtime() as fake:
        assert fake.client.collection("posts").create({"n": 1}) == {"id": "fake00000000001", "n": 1}


# -- live views


@pytest.mark.parametrize("limit", [None, 2])
def test_a_live_view_shows_the_rows_in_the_servers_order(fake: FakeRealtime, limit: Any) -> None:
    """A live view shows its rows in the server's order within 0.25 s after each change."""
    fill(fake, ["Z", None, "a b"])
    view = fake.client.collection("posts").live(sort="n", limit=limit)
    shown: Seen = []
    view.subscribe(lambda snapshot: shown.append([row["n"] for row in snapshot.records]))
    fake.advance(1)
    seen = shown[-1:]
    for action, record in (
        ("create", {"id": "new", "n": "á"}),
        ("update", {"id": "000", "n": ""}),
        ("delete", {"id": "new"}),
    ):
        fake.push("posts", action, record)  # type: ignore[arg-type]
        fake.advance(0.25)  # the view reads the order from the server
        seen += shown[-1:]
    expected = [
        ["a b", "Z", None],
        ["á", "a b", "Z", None],
        ["", "á", "a b", None],
        ["", "a b", None],
    ]
    assert seen == [values[:limit] for values in expected]


def test_the_changes_of_a_live_view_lead_to_what_it_shows(fake: FakeRealtime) -> None:
    """The changes of each snapshot, applied in order, lead to its sequence of records."""
    fill(fake, ["b", "A", "a"])
    with fake.client.collection("posts").live(sort="n") as view:
        view.wait_fresh()
        shown, moves = [row["id"] for row in view.current.records], []

        def follow(snapshot: Any) -> None:
            for change in snapshot.changes if snapshot.version > 1 else ():
                assert change.type == "modified"
                shown.insert(change.new_index, shown.pop(change.old_index))
                moves.append((change.record["id"], change.old_index, change.new_index))
            assert [row["id"] for row in snapshot.records] == shown

        view.subscribe(follow)
        fake.push("posts", "update", {"id": "000", "n": "A-"})
        assert moves == [("000", 2, 1)]  # near its position, until the view reads the order
        fake.advance(0.25)
        assert moves == [("000", 2, 1), ("001", 2, 1)]
    with fake.client.collection("posts").live(sort="n") as view:
        view.wait_fresh()
        fake.drop()
        fake.push("posts", "create", {"id": "new", "n": "-a"})
        fake.advance(1)
        assert [row["n"] for row in view.current.records] == ["-a", "a", "A", "A-"]
        assert view.current.fresh


def test_a_live_view_with_a_sort_that_the_server_refuses_ends_with_its_error(
    fake: FakeRealtime,
) -> None:
    """A live view whose sort the server refuses ends with its 400."""
    errors: Seen = []
    fill(fake, ["a"])
    posts = fake.client.collection("posts")
    posts.live(sort="author.name", expand="author").subscribe(on_error=errors.append)
    fake.advance(1)
    assert [error.status for error in errors] == [400]


# -- fields that events do not have


@pytest.mark.parametrize("order", ["sqlite", "postgres"])
def test_events_lack_hidden_fields_and_reads_have_them(order: Any) -> None:
    """Events lack the fields in `fake.hidden`; reads and live views contain them."""
    with FakeRealtime(order=order) as fake:
        fake.hidden["users"] = {"secret"}
        users, received, seen = fake.client.collection("users"), [], []
        users.observe("*").subscribe(lambda event: received.append((event.action, event.record)))
        users.live(sort="name").subscribe(lambda snapshot: seen.append(snapshot.records[:]))
        fake.push("users", "create", {"id": "a", "name": "Ada", "secret": 1})
        assert users.update("a", {"secret": 2})["secret"] == 2
        assert users.get_one("a")["secret"] == users.get_full_list()[0]["secret"] == 2
        fake.advance(0.2)  # the view reads what the event may not have
        assert [row["secret"] for rows in seen for row in rows] == [1, 2]
        fake.push("users", "delete", {"id": "a"})
        assert [action for action, _ in received] == ["create", "update", "delete"]
        assert all("secret" not in record and record["name"] == "Ada" for _, record in received)


def test_a_filter_sees_hidden_fields_and_other_collections_hide_nothing(fake: FakeRealtime) -> None:
    """Filters see hidden fields, and a field is hidden in its own collection only."""
    fake.hidden["users"] = {"secret"}
    fake.filters["secret = 1"] = lambda record: record["secret"] == 1
    received: Seen = []
    for name in ("users", "posts"):
        topic = fake.client.collection(name).observe("*", filter="secret = 1")
        topic.subscribe(lambda event: received.append("secret" in event.record))
    assert fake.push("users", "create", {"secret": 1}) == 1
    assert fake.push("users", "create", {"secret": 2}) == 0
    assert fake.push("posts", "create", {"secret": 1}) == 1
    assert received == [False, True]
