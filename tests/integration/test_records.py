"""Reading and writing records on the real server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from support.hostile_strings import HOSTILE_STRINGS, writable
from support.live_schema import World
from support.tested_server import gap

from rxbosbase import ClientResponseError, Collection, ConnectionFailedError, RequestTimeoutError

pytest_plugins = ["support.live_fixtures"]


def numbered(world: World, count: int) -> Collection:
    """A collection with records of n = 0, 1, 2, …"""
    posts = world.collection()
    for number in range(count):
        posts.create({"n": number, "title": f"t{number}"})
    return posts


def numbers(records: list[dict[str, Any]]) -> list[int]:
    return [record["n"] for record in records]


# -- one record ------------------------------------------------------------------------------------


def test_what_create_and_update_return_is_what_get_one_reads(world: World) -> None:
    """`create` and `update` return the record as `get_one` reads it; after `delete` it is a 404."""
    posts = world.collection()
    created = posts.create({"title": "Zażółć 🫠", "n": 1.5})
    assert posts.get_one(created["id"]) == created
    assert created["title"] == "Zażółć 🫠"
    updated = posts.update(created["id"], {"n": 2})
    assert posts.get_one(created["id"]) == updated
    assert (updated["n"], updated["title"]) == (2, "Zażółć 🫠")
    assert posts.delete(created["id"]) is None  # type: ignore[func-returns-value]
    with pytest.raises(ClientResponseError, match="404") as caught:
        posts.get_one(created["id"])
    assert caught.value.status == 404


def test_expand_fields_query_and_headers_are_sent_by_every_request(world: World) -> None:
    """Every record request sends `expand`, `fields`, `query` and `headers`."""
    authors = world.collection("authors")
    relation = {
        "name": "author",
        "type": "relation",
        "maxSelect": 1,
        "collectionId": world.admin.collections.get(authors.name)["id"],
    }
    rule = '@request.headers.x_key = "k" && @request.query.room = "7"'
    rules = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"), rule)
    posts = world.collection(fields=(relation,), **rules)
    author = authors.create({"title": "Ann"})
    mine = world.client().collection(posts.name)
    key: dict[str, Any] = {"headers": {"X-Key": "k"}, "query": {"room": 7}}
    shape: dict[str, Any] = {"expand": "author", "fields": "id,expand.author.title", **key}
    created = mine.create({"author": author["id"]}, **shape)
    ident = created["id"]
    wanted = {"id": ident, "expand": {"author": {"title": "Ann"}}}
    assert created == wanted
    assert mine.get_one(ident, **shape) == wanted
    assert mine.update(ident, {"n": 1}, **shape) == wanted
    assert mine.get_list(**shape)["items"] == [wanted]
    assert mine.get_full_list(**shape) == [wanted]
    assert list(mine.iter_records(**shape)) == [wanted]
    assert mine.get_first_list_item("n = 1", **shape) == wanted
    for refused in (
        lambda: mine.get_one(ident),
        lambda: mine.update(ident, {}),
        lambda: mine.delete(ident),
        lambda: mine.create({}),
    ):
        with pytest.raises(ClientResponseError):
            refused()
    mine.delete(ident, **key)
    assert posts.get_full_list(**key) == []


def test_a_request_raises_after_its_own_timeout(fragile: World) -> None:
    """`get_list(timeout=0.1)` of a paused server raises RequestTimeoutError."""
    posts = fragile.collection()
    fragile.server.pause()
    with pytest.raises(RequestTimeoutError, match="in time"):
        posts.get_list(timeout=0.1)
    fragile.server.resume()
    posts.get_list()


def test_a_server_that_is_gone_is_a_connection_error_that_names_it(fragile: World) -> None:
    """A request to a killed server raises ConnectionFailedError that names its address."""
    posts = fragile.collection()
    fragile.server.kill()
    with pytest.raises(ConnectionFailedError, match="cannot reach http://127") as caught:
        posts.get_list()
    assert isinstance(caught.value, ConnectionError)


@pytest.mark.parametrize("id", ["../../collections", "..", "a/../b", "..\\a", "a/b", "a?b"])
def test_an_id_that_would_leave_its_path_is_refused_before_any_request(
    fragile: World, id: str
) -> None:
    """An id that would leave its path raises ValueError before any request."""
    posts = fragile.admin.collection("posts")
    fragile.server.kill()  # any request would be another error
    uses: list[Callable[[], object]] = [
        lambda: posts.observe(id),
        lambda: posts.subscribe(id, print),
        lambda: fragile.admin.collection(id),
        lambda: fragile.admin.collections.get(id),
        lambda: fragile.admin.collections.delete(id),
    ]
    if ".." in id:  # any other is one segment of the path
        uses += [
            lambda: posts.get_one(id),
            lambda: posts.update(id, {}),
            lambda: posts.delete(id),
        ]
    for use in uses:
        with pytest.raises(ValueError, match=r"must (not hold|hold no|have no)"):
            use()


@pytest.mark.parametrize("id", ["%2e%2e", "ąę", "a b", "a%2Fb", "日本語", "*"])
def test_an_odd_id_stays_one_id_on_the_wire(world: World, id: str) -> None:
    """An id with `%`, blanks or non-ASCII stays one path segment: `get_one` is a 404."""
    posts = world.collection()
    posts.create({})
    with pytest.raises(ClientResponseError) as caught:
        posts.get_one(id)
    assert caught.value.status == 404
    assert f"/api/collections/{posts.name}/records/" in caught.value.url


# -- errors ----------------------------------------------------------------------------------------


def test_an_error_has_status_message_field_and_url(world: World) -> None:
    """A ClientResponseError's text has status, message, field and URL; its `data` the code."""
    posts = world.collection(
        fields=({"name": "code", "type": "text", "required": True, "pattern": "^[a-z]+$"},)
    )
    with pytest.raises(ClientResponseError) as caught:
        posts.create({"code": ""})
    error = caught.value
    assert error.status == 400
    assert error.data["code"]["code"] == "validation_required"
    assert not error.retryable
    assert str(error) == (
        "400: Failed to create record. (code: Cannot be blank.) "
        f"[{world.server.url}/api/collections/{posts.name}/records]"
    )


def test_no_record_for_a_filter_is_a_404_with_a_message(world: World) -> None:
    """`get_first_list_item` without a match raises a 404; with `sort` it returns the first."""
    posts = numbered(world, 2)
    assert posts.get_first_list_item("n = 1")["n"] == 1
    assert posts.get_first_list_item("n >= 0", sort="-n")["n"] == 1
    with pytest.raises(ClientResponseError, match="404: no record matches the filter"):
        posts.get_first_list_item("n = 99")


@pytest.mark.parametrize("name", ["filter", "sort", "expand", "fields"])
def test_what_is_given_twice_is_refused(world: World, name: str) -> None:
    """`get_list` raises ValueError for an option given both by name and in `query`."""
    posts = world.admin.collection("posts")
    with pytest.raises(ValueError, match=f"{name} is given twice"):
        posts.get_list(**{name: "a"}, query={name: "b"})  # type: ignore[arg-type]


def test_an_unknown_keyword_is_refused(world: World) -> None:
    """`get_list` raises TypeError for an unknown keyword."""
    with pytest.raises(TypeError, match="filtre"):
        world.admin.collection("posts").get_list(filtre="n = 1")  # type: ignore[call-arg]


# -- many records ----------------------------------------------------------------------------------


def test_pages_have_totals_order_and_size(world: World) -> None:
    """`get_list` returns page, size and totals; `skip_total=True` makes `totalItems` -1."""
    posts = numbered(world, 7)
    page = posts.get_list(2, 3, sort="-n")
    assert numbers(page["items"]) == [3, 2, 1]
    assert (page["page"], page["perPage"], page["totalItems"], page["totalPages"]) == (2, 3, 7, 3)
    assert posts.get_list(skip_total=True)["totalItems"] == -1
    assert numbers(posts.get_list(filter="n > 4", sort="n")["items"]) == [5, 6]


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8, 1000])
def test_all_records_come_whatever_the_batch(world: World, batch: int) -> None:
    """`get_full_list` and `iter_records` return all records once, whatever `batch` is."""
    posts = numbered(world, 7)
    assert sorted(numbers(posts.get_full_list(batch))) == list(range(7))
    assert numbers(posts.get_full_list(batch, sort="-n")) == [6, 5, 4, 3, 2, 1, 0]
    by_id = list(posts.iter_records(batch))
    assert sorted(numbers(by_id)) == list(range(7))
    assert [r["id"] for r in by_id] == sorted(r["id"] for r in by_id)


def test_keyset_pages_keep_the_callers_filter_whole(world: World) -> None:
    """Keyset pages apply the whole filter, with `||` or a comment at its end."""
    posts = numbered(world, 9)
    condition = "n = 1 || n = 3 || n = 8"
    assert sorted(numbers(list(posts.iter_records(1, filter=condition)))) == [1, 3, 8]
    assert sorted(numbers(list(posts.iter_records(1, query={"filter": condition})))) == [1, 3, 8]
    commented = "n > 6 // the last ones"
    assert sorted(numbers(list(posts.iter_records(1, filter=commented)))) == [7, 8]


def test_fields_without_the_id_page_all_the_same(world: World) -> None:
    """Paging works with `fields` that leave the id out, and the records lack it too."""
    posts = numbered(world, 5)
    choices: list[dict[str, Any]] = [{"fields": "n"}, {"query": {"fields": "n"}}]
    for options in choices:
        records = list(posts.iter_records(2, **options))
        assert sorted(records, key=lambda r: r["n"]) == [{"n": number} for number in range(5)]
    assert posts.get_full_list(2, fields="n", sort="n") == [{"n": number} for number in range(5)]


def test_iterating_is_lazy(fragile: World) -> None:
    """`iter_records` requests the next page only when it is needed."""
    posts = numbered(fragile, 4)
    records = posts.iter_records(2)
    first = [next(records), next(records)]
    fragile.server.kill()
    with pytest.raises(ConnectionFailedError):
        next(records)
    assert len(first) == 2


def test_no_record_is_skipped_while_others_delete(world: World) -> None:
    """`iter_records` yields every kept record once although read ones are deleted."""
    posts = numbered(world, 60)
    everything = posts.get_full_list()
    doomed, kept = everything[::2], {record["id"] for record in everything[1::2]}
    seen = []
    for count, record in enumerate(posts.iter_records(5)):
        seen.append(record["id"])
        if count % 5 == 0:
            for other in doomed[:3]:
                posts.delete(other["id"])
            del doomed[:3]
    assert kept <= set(seen)
    assert len(seen) == len(set(seen))


def test_no_record_is_skipped_while_a_thread_deletes(world: World) -> None:
    """`iter_records` yields every kept record once while a thread deletes others."""
    posts = numbered(world, 200)
    everything = posts.get_full_list()
    kept = {record["id"] for record in everything[1::2]}

    def delete() -> None:
        for record in everything[::2]:
            posts.delete(record["id"])

    deleter = threading.Thread(target=delete)
    deleter.start()
    try:
        while deleter.is_alive():
            seen = [record["id"] for record in posts.iter_records(7)]
            assert kept <= set(seen)
            assert len(seen) == len(set(seen))
    finally:
        deleter.join()
    assert {record["id"] for record in posts.iter_records(7)} == kept


def test_sort_is_refused_where_the_order_is_fixed(world: World) -> None:
    """`iter_records` raises ValueError for `sort`."""
    with pytest.raises(ValueError, match="leave sort out"):
        world.admin.collection("posts").iter_records(sort="n")


# -- filters ---------------------------------------------------------------------------------------


def test_every_hostile_text_comes_back_as_data_and_finds_itself_alone(world: World) -> None:
    """`client.filter` makes any text a value: `=` finds its record alone, `!=` all others."""
    posts = world.collection()
    client = world.admin
    dialect = posts.learn_filter_dialect()
    stored = {text: posts.create({"title": text})["id"] for text in writable(dialect)}
    for text, ident in stored.items():
        found = posts.get_full_list(filter=client.filter("title = {:text}", text=text))
        assert [(record["id"], record["title"]) for record in found] == [(ident, text)]
        others = posts.get_list(1, 1, filter=client.filter("title != {:text}", text=text))
        assert others["totalItems"] == len(stored) - 1
        part = client.filter("title ~ {:text} && title = {:text}", text=text)
        assert len(posts.get_full_list(filter=part)) <= 1  # an error would raise


@gap(
    "no filter of the server can hold a text that ends in a backslash: it is a `ValueError`",
    until="0.39.8",
    bosbase=True,
)
def test_a_text_that_ends_in_a_backslash_finds_itself_alone(world: World) -> None:
    """A filter finds the record whose text ends in a backslash."""
    posts = world.collection()
    posts.learn_filter_dialect()
    for text in HOSTILE_STRINGS:
        if text.endswith("\\"):
            posts.create({"title": text})
            found = posts.get_full_list(filter=world.admin.filter("title = {:t}", t=text))
            assert [record["title"] for record in found] == [text]


def test_values_of_every_kind_find_their_records(world: World) -> None:
    """`client.filter` finds records by small and large numbers, bools, dates and datetimes."""
    posts = world.collection(
        fields=(
            {"name": "on", "type": "bool"},
            {"name": "at", "type": "date"},
        )
    )
    moment = datetime(2026, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)
    yes = posts.create({"n": 1e-7, "on": True, "at": "2026-01-31 12:00:00.123Z"})
    no = posts.create({"n": -(10**12), "on": False, "at": "2026-01-30 00:00:00.000Z"})
    find = world.admin.filter
    for expression, values, wanted in (
        ("n = {:v}", 1e-7, yes),
        ("n = {:v}", -(10**12), no),
        ("on = {:v}", True, yes),
        ("on = {:v}", False, no),
        ("at = {:v}", moment, yes),
        ("at < {:v}", date(2026, 1, 31), no),
        ("at >= {:v}", date(2026, 1, 31), yes),
    ):
        found = posts.get_full_list(filter=find(expression, v=values))
        assert [record["id"] for record in found] == [wanted["id"]], (expression, values)


@gap("no filter finds the null of a JSON field", bosbase=True)
def test_null_finds_the_records_whose_json_is_null(world: World) -> None:
    """`client.filter` with None finds the records whose JSON field is null."""
    posts = world.collection(fields=({"name": "data", "type": "json"},))
    for data in (None, 1):
        posts.create({"data": data})
    found = posts.get_full_list(filter=world.admin.filter("data = {:v}", v=None))
    assert [record["data"] for record in found] == [None]


def test_a_value_cannot_widen_a_filter(world: World) -> None:
    """No text as a value of `client.filter` can match more than its own condition allows."""
    posts = numbered(world, 3)
    for text in writable(posts.learn_filter_dialect()):
        condition = world.admin.filter("title = {:text} && n = 1", text=text)
        assert posts.get_full_list(filter=condition) == []
