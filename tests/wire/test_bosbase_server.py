"""The BosBase-like server behaves as measured on BosBase; the client's lists on it."""

from __future__ import annotations

import doctest
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
from support import bosbase_data, bosbase_filter, bosbase_table, collation
from support.bosbase_server import BosBaseServer, mixed_ids
from support.collation import by_bytes, en_us
from support.seen import Seen
from support.wire_client import RawClient, ask, subscribe

from rxbosbase import BosBase, ClientResponseError, RecordEvent
from rxbosbase.records.filters import GUARDS

Record = dict[str, Any]

MEASURED = ["", "🦊", "10", "9", "-a", "a", "A", "á", "a b", "Z"]
"""A list of BosBase (PostgreSQL 15, en_US.utf8), ``sort=title``."""

BY_EN_US = [
    ("capitals", "a", "Z"), ("punctuation last", "a-b", "aB"), ("before letters", "a b", "ab"),
    ("accents before case", "aB", "áb"), ("case after letters", "B", "c"), ("case", "a", "A"),
    ("where punctuation stands", "-ab", "a-b"), ("and what it is", "a b", "a-b"),
    ("symbols", "a🦊b", "ab"), ("digits first", "9z", "a"), ("digits one by one", "10", "9"),
    ("more is later", "a", "a🦊"), ("the first accent", "resumé", "résume"),
    ("composed or not", "e\u0301", "é"), ("currency like a letter", "$b", "a"),
]  # fmt: skip
"""The order of ``strcoll`` of the C library: the first is before the second."""


@pytest.fixture
def server() -> Iterator[BosBaseServer]:
    with BosBaseServer() as started:
        yield started


def get(server: BosBaseServer, name: str = "posts", **query: Any) -> tuple[int, Any]:
    """Read a list; return the status and the body."""
    code, body = ask(server, "GET", f"/api/collections/{name}/records?{urlencode(query)}")
    return code, json.loads(body)


def items(server: BosBaseServer, **query: Any) -> list[Record]:
    code, body = get(server, **query)
    assert code == 200, body
    return list(body["items"])


def ids(server: BosBaseServer, **query: Any) -> list[str]:
    return [item["id"] for item in items(server, **query)]


def titles(server: BosBaseServer, **query: Any) -> list[Any]:
    return [item["title"] for item in items(server, **query)]


def with_titles(*titles: str | None) -> list[Record]:
    return [{"title": title} for title in titles]


# -- collation ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("_why", "low", "high"), BY_EN_US, ids=[why for why, _, _ in BY_EN_US])
def test_text_is_collated_as_by_the_c_library(_why: str, low: str, high: str) -> None:
    """`en_us` orders text as `strcoll` of the C library does for en_US.utf8."""
    assert en_us(low) < en_us(high)


def test_a_list_is_sorted_by_collation(server: BosBaseServer) -> None:
    """`BosBaseServer` sorts a list by the en_US collation, in both directions."""
    server.fill("posts", with_titles(*reversed(MEASURED)))
    assert titles(server, sort="title") == MEASURED
    assert titles(server, sort="-title") == MEASURED[::-1]


def test_with_the_collation_c_a_list_is_sorted_by_bytes() -> None:
    """With `order='bytes'` the server sorts and compares text by its bytes."""
    with BosBaseServer(order="bytes") as server:
        server.fill("posts", with_titles(*MEASURED))
        assert titles(server, sort="title") == sorted(MEASURED, key=by_bytes)
        assert titles(server, filter="'Z' < 'a'", sort="title") == titles(server, sort="title")


@pytest.mark.parametrize(
    ("nulls", "sort", "expected"),
    [
        ("last", "title", ["a", "b", None]), ("last", "-title", [None, "b", "a"]),
        ("first", "title", [None, "a", "b"]), ("first", "-title", ["b", "a", None]),
    ],
)  # fmt: skip
def test_nulls_stand_at_one_end(nulls: Any, sort: str, expected: list[Any]) -> None:
    """`nulls` sets the end at which nulls are in ascending order; `-` reverses it."""
    with BosBaseServer(nulls=nulls) as server:
        server.fill("posts", with_titles("b", None, "a"))
        assert titles(server, sort=sort) == expected


def test_numbers_dates_and_bools_sort_by_what_they_are(server: BosBaseServer) -> None:
    """Numbers, dates and bools are sorted by value, not as text."""
    numbers = server.fill("posts", [{"n": n} for n in (10, -1, 9.5)])
    assert ids(server, sort="n") == [numbers[1], numbers[2], numbers[0]]
    assert ids(server, sort="-created") == numbers[::-1]
    assert ids(server, sort="id") == numbers
    server.fill("flags", [{"b": True}, {"b": False}])
    assert [item["b"] for item in get(server, "flags", sort="b")[1]["items"]] == [False, True]


def test_ties_are_in_heap_order(
    server: BosBaseServer,
) -> None:
    """Rows with equal sort keys are in heap order unless a further key orders them."""
    first, second = server.fill("posts", with_titles("a", "a"))
    server.update("posts", first, {"n": 1})
    assert ids(server, sort="title") == [second, first] == ids(server)
    assert ids(server, sort="title,id") == [first, second]
    assert ids(server, sort="title,-id") == [second, first]
    [third] = server.fill("posts", with_titles("b"))
    assert ids(server, sort="-title,id") == [third, first, second]


def test_ids_are_compared_by_collation(server: BosBaseServer) -> None:
    """The filter `id > x` selects the ids after `x` in collation order."""
    server.fill("posts", [{"id": id} for id in ("Zb", "a1", "B2", "c3")])
    assert ids(server, sort="id") == ["a1", "B2", "c3", "Zb"]
    assert ids(server, sort="id", filter="id > 'B2'") == ["c3", "Zb"]
    assert ids(server, sort="id", filter="(id > 'a1') && (id < \"Zb\")") == ["B2", "c3"]


@pytest.mark.parametrize(
    ("filter", "holds"),
    [
        ("'Z' < 'a'", False), ("'a' < 'Z'", True), ("'a b' < 'ab'", True),
        ("'a' < 'A' && 'A' < 'á' && 'á' < 'a b'", True), ("'a' < 'A' && 'Z' < 'a'", False),
        ("'Z' < 'a' || '' < '9'", True), ("'a' = 'A'", False), ("('-a' <= 'a')", True),
    ],
)  # fmt: skip
def test_literals_are_compared_by_collation(
    server: BosBaseServer, filter: str, holds: bool
) -> None:
    """A filter of literals alone is compared by collation and recorded as a probe."""
    made = server.fill("posts", with_titles("x", "y"))
    assert ids(server, filter=filter) == (made if holds else [])
    assert [read.kind for read in server.reads] == ["probe"]


@pytest.mark.parametrize("module", [bosbase_data, bosbase_filter, bosbase_table, collation])
def test_doctests_pass(module: ModuleType) -> None:
    """Each module of `BosBaseServer` has doctests, and they pass."""
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


# -- filters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("title = 'a'", [1]), ("title != 'a'", [2, 3]), ("n > 1", [2]), ("n >= 1 && n < 2", [1]),
        ("title = 'a' || title = 'b'", [1, 2]), ("n = 1 || n = 2 && title = 'x'", [1]),
        ("(n = 1 || n = 2) && title = 'b'", [2]), ("title ~ 'b'", [2]), ("title ~ 'B'", []),
        ("n = '2' // of few", [2]), ("'1' < n", [2]),
        ("id = '1' || id = '3'", [1, 3]), ("has a title", [1, 2]),
        ("(has a title) && (n > 1)", [2]), ("(n > 0) && (has a title)", [1, 2]),
    ],
)  # fmt: skip
def test_filters_are_read_or_mean_what_the_test_says(
    server: BosBaseServer, filter: str, found: list[int]
) -> None:
    """Supported filters, and those that a test defines, select the right rows."""
    server.filters["has a title"] = lambda row: row["title"] is not None
    rows: list[Record] = [
        {"id": "1", "n": 1, "title": "a"},
        {"id": "2", "n": 2, "title": "b"},
        {"id": "3"},
    ]
    server.fill("posts", rows)
    assert ids(server, filter=filter, sort="id") == [str(number) for number in found]


@pytest.mark.parametrize(
    "filter",
    [
        "n = null", "created = ''", "b = true", "b = 1", "missing = 1", "n >", "(n > 1", "n > 1)",
        "what is it", GUARDS["escaped"], "n = 'x'", "n > created", " || ".join(["n = 1"] * 201),
        "n = 1" + " " * 3500,
    ],
)  # fmt: skip
def test_other_filters_are_refused(server: BosBaseServer, filter: str) -> None:
    """A filter that is unsupported, malformed or too long is refused with 400."""
    server.fill("posts", [{"n": 1, "b": True}])
    assert get(server, filter=filter)[0] == 400


def test_a_backslash_is_read_as_in_the_older_dialect(server: BosBaseServer) -> None:
    """A backslash is literal except before a quote, as in the plain dialect."""
    made = server.fill("posts", [{"id": r"a\b"}, {"id": "it's"}])
    assert ids(server, filter=r"id = 'a\b'") == made[:1]
    assert ids(server, filter=r"id = 'it\'s'") == ids(server, filter='id = "it\'s"') == made[1:]
    assert ids(server, filter=f"{GUARDS['plain']} && (id = 'it\\'s')") == made[1:]


@pytest.mark.parametrize("sort", ["author.name", "missing", ",".join(["id"] * 9)])
def test_other_sorts_are_refused(server: BosBaseServer, sort: str) -> None:
    """An unsupported sort is refused with 400, an unknown collection with 404."""
    server.fill("posts", with_titles("a"))
    assert get(server, sort=sort)[0] == 400
    assert get(server, "others", sort="id")[0] == 404


# -- records --------------------------------------------------------------------------------------


def test_a_record_has_a_uuid_and_tells_who_wrote_it_and_when(server: BosBaseServer) -> None:
    """A record has an ascending UUID as id and the system fields of BosBase."""
    server.fill("posts", with_titles("a", "b"))
    first, second = items(server)
    assert len(first["id"]) == 36 and server.id_pattern.fullmatch(first["id"])
    assert first["id"] < second["id"] and en_us(first["id"]) < en_us(second["id"])
    assert first.keys() == {
        "collectionId", "collectionName", "id", "createdBy", "updatedBy", "created", "updated",
        "title",
    }  # fmt: skip
    assert first["created"] == first["updated"] == "2026-01-01 00:00:01.000Z"


def test_stamps_are_shown_in_milliseconds_and_kept_in_microseconds(server: BosBaseServer) -> None:
    """`updated` is returned in milliseconds but compared in microseconds."""
    id = server.sql_insert("posts", {"title": "a"})
    shown = server.record("posts", id)["updated"]
    assert ids(server, filter=f"updated >= '{shown}'") == [id]
    assert ids(server, filter=f"updated > '{shown}'") == [id]
    assert ids(server, filter=f"updated = '{shown}'") == []


def test_writes_past_the_hooks_may_leave_the_stamp_that_is_shown(server: BosBaseServer) -> None:
    """`sql_update` moves `updated` only by `microseconds`, not shown below 1 ms."""
    id = server.sql_insert("posts", {"title": "a"})
    before = server.record("posts", id)
    server.sql_update("posts", id, {"title": "b"})
    server.sql_update("posts", id, {"n": 1}, microseconds=900)
    assert server.record("posts", id) == {**before, "title": "b", "n": 1}
    server.sql_update("posts", id, {}, microseconds=99)
    assert server.record("posts", id)["updated"] == "2026-01-01 00:00:01.001Z" > before["updated"]
    server.sql_delete("posts", id)
    assert ids(server) == []


def test_a_page_is_cut_as_asked(server: BosBaseServer) -> None:
    """`page`, `perPage` (at most 1000), `fields` and `skipTotal` shape a page."""
    made = server.fill("posts", with_titles(*"abcde"))
    _, page = get(server, page=2, perPage=2, sort="id", fields="id,updated")
    assert {name: page[name] for name in page.keys() - {"items"}} == {
        "page": 2, "perPage": 2, "totalItems": 5, "totalPages": 3,
    }  # fmt: skip
    assert [item["id"] for item in page["items"]] == made[2:4]
    assert all(item.keys() == {"id", "updated"} for item in page["items"])
    _, page = get(server, perPage=5000, skipTotal=1)
    assert (page["perPage"], page["totalItems"], page["totalPages"]) == (1000, -1, -1)


def test_a_field_can_be_added_renamed_hidden_and_removed(server: BosBaseServer) -> None:
    """A field can be added, renamed, hidden and removed; lists show it if hidden."""
    id = server.sql_insert("posts", {"title": "a"})
    before = server.record("posts", id)
    server.add_field("posts", "n", 0)
    assert server.record("posts", id) == {**before, "n": 0}
    server.rename_field("posts", "n", "count")
    server.hide_field("posts", "count")
    assert server.record("posts", id) == {**before, "count": 0}
    assert get(server, filter="n = 0")[0] == 400
    server.remove_field("posts", "count")
    assert items(server) == [before]


def test_a_scripted_response_takes_precedence(server: BosBaseServer) -> None:
    """A response scripted in `collections` takes precedence over the table."""
    made = server.fill("posts", with_titles("a"))
    server.collections["posts"] = 403
    assert get(server)[0] == 403
    del server.collections["posts"]
    assert ids(server) == made


def test_reads_are_counted_by_kind_with_their_bytes(server: BosBaseServer) -> None:
    """Each read is recorded with its kind, collection, ids, query and size."""
    id, *_ = server.fill("posts", with_titles("a", "b"))
    items(server, sort="title")
    items(server, sort="id", fields="id,updated", filter="id > 'x'")
    items(server, sort="id", filter=f"(title = 'a') && (id = '{id}')")
    items(server, sort="title,id", fields="id,title")
    ask(server, "GET", f"/api/collections/posts/records/{id}")
    kinds = Counter(read.kind for read in server.wait_reads(5))
    assert kinds == {"rows": 2, "versions": 1, "named": 1, "record": 1}
    assert server.bytes_sent == sum(read.size for read in server.reads)
    [named] = server.reads_of("named")
    assert named.ids == (id,) and named.query["sort"] == "id"
    assert server.reads_of(collection="others") == []


# -- streams --------------------------------------------------------------------------------------


def frames(raw: RawClient, count: int) -> list[tuple[str, str, Record]]:
    """Return topic, action and record of the next frames."""
    found = []
    for _ in range(count):
        text = raw.until(b"\n\n\r\n").decode()
        name, data = (text.split(f"\n{line}:")[1].split("\n")[0] for line in ("event", "data"))
        body = json.loads(data)
        found.append((name, body["action"], body["record"]))
    return found


def topic(name: str, **query: str) -> str:
    return f"{name}?{urlencode({'options': json.dumps({'query': query})})}"


def test_a_write_is_told_on_each_topic_that_matches(server: BosBaseServer) -> None:
    """A write sends one event to each topic whose collection, id and filter match."""
    high, low = server.fill("posts", [{"id": "a", "n": 9}, {"id": "b", "n": 1}])
    server.fill("others", [{"id": "a"}])
    filtered = topic("posts/*", filter="n > 5", fields="id,n")
    topics = ["posts/*", "pbc_posts/a", "others/*", filtered, topic("posts/*", filter="n >")]
    with RawClient(server) as raw:
        assert subscribe(server, raw.open_stream(), *topics)[0] == 204
        server.update("posts", low, {"n": 2})
        assert frames(raw, 1) == [("posts/*", "update", server.record("posts", low))]
        server.update("posts", high, {"n": 8})
        now = server.record("posts", high)
        assert sorted(frames(raw, 3), key=lambda frame: len(frame[0])) == [
            ("posts/*", "update", now), ("pbc_posts/a", "update", now),
            (filtered, "update", {"id": "a", "n": 8}),
        ]  # fmt: skip
        server.delete("posts", high)
        assert [(action, record["n"]) for _, action, record in frames(raw, 3)] == [
            ("delete", 8)
        ] * 3
        created = server.create("posts", {"n": 3})
        assert frames(raw, 1) == [("posts/*", "create", created)]
        assert raw.silent()
        assert server.bytes_sent > 0


def test_an_update_that_leaves_a_filter_is_not_told_there(server: BosBaseServer) -> None:
    """An update after which a record fails a filter sends no event to that topic."""
    [id] = server.fill("posts", [{"n": 9}])
    filtered = topic("posts/*", filter="n > 5")
    with RawClient(server) as raw:
        subscribe(server, raw.open_stream(), filtered, "posts/*")
        server.update("posts", id, {"n": 1})
        server.delete("posts", id)
        assert [(name, action) for name, action, _ in frames(raw, 2)] == [
            ("posts/*", "update"), ("posts/*", "delete"),
        ]  # fmt: skip
        assert raw.silent()


def test_hidden_fields_are_missing_in_events_and_not_in_lists() -> None:
    """Hidden fields are in lists but not in events, even if `fields` names them."""
    with BosBaseServer(hidden={"posts": {"secret"}}) as server, RawClient(server) as raw:
        asked = topic("posts/*", fields="id,secret")
        subscribe(server, raw.open_stream(), "posts/*", asked)
        made = server.create("posts", {"secret": 1, "title": "a"})
        sent = {name: record for name, _, record in frames(raw, 2)}
        assert made == items(server)[0] == {**sent["posts/*"], "secret": 1}
        assert sent[asked] == {"id": made["id"]}


def test_sql_and_schema_changes_send_no_events(server: BosBaseServer) -> None:
    """SQL writes and schema changes send no events."""
    [id] = server.fill("posts", [{"n": 9}])
    with RawClient(server) as raw:
        subscribe(server, raw.open_stream(), "posts/*")
        server.sql_update("posts", id, {"n": 1}, microseconds=5)
        server.sql_delete("posts", server.sql_insert("posts", {"n": 2}))
        server.add_field("posts", "k", 0)
        server.hide_field("posts", "n")
        expected = server.update("posts", id, {"k": 1})
        del expected["n"]
        assert frames(raw, 1) == [("posts/*", "update", expected)]
        server.rename_field("posts", "n", "m")
        expected = server.update("posts", id, {"k": 2})
        del expected["m"]
        assert frames(raw, 1) == [("posts/*", "update", expected)]
        server.remove_field("posts", "m")
        expected = server.update("posts", id, {"m": 3})
        assert frames(raw, 1) == [("posts/*", "update", expected)]
        assert raw.silent()


def test_frames_can_be_held_swapped_and_lost(server: BosBaseServer) -> None:
    """`held_frames` holds frames back, and a test can reorder or drop them."""
    [id] = server.fill("posts", [{"n": 0}])
    with RawClient(server) as raw:
        subscribe(server, raw.open_stream(), "posts/*")
        with server.held_frames() as held:
            for n in (1, 2):
                server.update("posts", id, {"n": n})
            assert raw.silent()
            held.reverse()
        assert [record["n"] for _, _, record in frames(raw, 2)] == [2, 1]
        with server.held_frames() as held:
            server.update("posts", id, {"n": 3})
            held.clear()
        server.update("posts", id, {"n": 4})
        assert [record["n"] for _, _, record in frames(raw, 1)] == [4]
        with server.held_frames():
            server.update("posts", id, {"n": 5})
            subscribe(server, server.stream.client_id, "posts/no")
        assert raw.silent()


def test_nodes_of_one_database_share_all_but_the_streams(server: BosBaseServer) -> None:
    """A record, rule, field and time of one node is the other's; each tells of its own writes."""
    with BosBaseServer(database=server.database) as other, RawClient(other) as raw:
        first = server.create("posts", {"title": "a"})
        client_id = raw.open_stream()
        assert subscribe(server, client_id, "posts/*")[0] == 404
        assert subscribe(other, client_id, "posts/*")[0] == 204
        server.update("posts", first["id"], {"title": "b"})
        assert items(other) == items(server) == [server.record("posts", first["id"])]
        second = other.create("posts", {"title": "c"})
        assert frames(raw, 1) == [("posts/*", "create", second)]
        assert raw.silent()
        assert first["updated"] < server.record("posts", first["id"])["updated"] < second["updated"]
        server.set_rule("posts", "login")
        assert get(other)[1]["items"] == []
        server.set_rule("posts", "public")
        server.remove_field("posts", "title")
        assert [sorted(item) for item in items(other)] == [sorted(items(server)[0])] * 2
        assert "title" not in items(other)[0]


def test_what_a_client_writes_at_a_node_is_told_by_that_node_alone(server: BosBaseServer) -> None:
    """A client of both nodes gets each event once; one of the other node alone gets none."""
    with (
        BosBaseServer(database=server.database) as other,
        BosBase(server.url) as writing,
        BosBase(other.url, nodes=[server.url, other.url]) as both,
        BosBase(other.url) as deaf,
    ):
        server.table("posts")
        heard, missed = Seen[RecordEvent[Record]](), Seen[RecordEvent[Record]]()
        both.collection("posts").observe("*").subscribe(heard)
        deaf.collection("posts").observe("*").subscribe(missed)
        both.realtime.wait_active(5)
        deaf.realtime.wait_active(5)
        made = writing.collection("posts").create({"title": "a"})
        last = other.create("posts", {"title": "b"})
        ids = {event.record["id"] for event in heard.wait(2)}
        assert ids == {made["id"], last["id"]} and len(heard.items) == 2
        assert [event.record["id"] for event in missed.wait(1)] == [last["id"]]


# -- the client on it -----------------------------------------------------------------------------


def test_what_a_client_writes_is_told_as_what_the_server_writes(
    server: BosBaseServer, client: BosBase
) -> None:
    """A create, update and delete of a client send events with those records."""
    server.table("posts")
    posts, seen = client.collection("posts"), Seen[RecordEvent[Record]]()
    with posts.observe("*").subscribe(seen):
        client.realtime.wait_active(5)
        made = posts.create({"title": "a"})
        changed = posts.update(made["id"], {"title": "b"})
        posts.delete(made["id"])
        events = seen.wait(3)
    assert [event.action for event in events] == ["create", "update", "delete"]
    assert [event.record for event in events] == [made, changed, changed]
    assert changed["updated"] > made["updated"] and changed["created"] == made["created"]
    assert changed["updatedBy"] and not server.ids("posts")


def test_an_id_of_15_characters_is_refused(server: BosBaseServer, client: BosBase) -> None:
    """An id of 15 characters is refused: 400 to a create, 404 to an update."""
    server.table("posts")
    with pytest.raises(ClientResponseError) as refused:
        client.collection("posts").create({"id": "abcdefghijklmno"})
    assert refused.value.status == 400 and "id" in refused.value.data
    with pytest.raises(ClientResponseError) as missing:
        client.collection("posts").update("abcdefghijklmno", {})
    assert missing.value.status == 404


def test_the_client_learns_the_dialect(server: BosBaseServer, client: BosBase) -> None:
    """`learn_filter_dialect` returns `plain` for this server after two probes."""
    [id] = server.fill("posts", [{"title": r"a\'b"}])
    posts = client.collection("posts")
    assert posts.learn_filter_dialect() == "plain"
    assert [read.kind for read in server.reads] == ["probe", "probe"]
    text = client.filter("title = {:text}", text=r"a\'b")
    assert [record["id"] for record in posts.get_full_list(filter=text)] == [id]


MANY = 2500
BY_ID = ["iter_records", "iter_records, filtered", "get_full_list"]
BY_OFFSET = ["get_full_list by id", "get_full_list by title"]


def fill_many(server: BosBaseServer) -> set[str]:
    """Create records whose ids and titles have letters of both cases."""
    names = zip(mixed_ids(MANY), mixed_ids(MANY, seed=3), strict=True)
    return set(server.fill("posts", ({"id": id, "title": title, "n": 0} for id, title in names)))


def listed(how: str, client: BosBase, batch: int) -> list[str]:
    posts = client.collection("posts")
    ways: dict[str, Callable[[], Iterable[Record]]] = {
        "iter_records": lambda: posts.iter_records(batch),
        "iter_records, filtered": lambda: posts.iter_records(batch, filter="n < 5 // few"),
        "get_full_list": lambda: posts.get_full_list(batch),
        "get_full_list by id": lambda: posts.get_full_list(batch, sort="id"),
        "get_full_list by title": lambda: posts.get_full_list(batch, sort="-title"),
    }
    return [record["id"] for record in ways[how]()]


@pytest.mark.parametrize("batch", [1000, 300])
@pytest.mark.parametrize("how", [*BY_ID, *BY_OFFSET])
def test_a_list_of_ids_of_both_cases_has_each_once(
    server: BosBaseServer, client: BosBase, how: str, batch: int
) -> None:
    """A list of 2500 mixed-case ids has each record once, in the server's order."""
    fill_many(server)
    sort = "-title" if how == "get_full_list by title" else "id"
    assert listed(how, client, batch) == server.ids("posts", sort=sort)
    assert len(server.reads_of("rows")) == MANY // batch + 1


@pytest.mark.parametrize("how", BY_ID)
def test_records_that_others_delete_meanwhile_hide_none_that_stay(
    server: BosBaseServer, client: BosBase, how: str
) -> None:
    """Keyset pages return each remaining record once while others are deleted."""
    there = fill_many(server)
    victims = iter(mixed_ids(MANY))

    def delete_some(_: object) -> None:
        for id in itertools.islice(victims, 20):
            server.delete("posts", id)

    server.on_request = delete_some
    found = Counter(listed(how, client, 300))
    assert set(found.values()) == {1}
    left = set(server.ids("posts"))
    assert len(left) <= MANY - 160 and left <= found.keys() <= there


@pytest.mark.parametrize("how", [*BY_ID, *BY_OFFSET])
def test_records_that_others_insert_meanwhile_neither_hide_nor_double_any(
    server: BosBaseServer, client: BosBase, how: str
) -> None:
    """Inserts between pages neither hide nor duplicate a record of a list."""
    there = fill_many(server)
    strangers = iter(mixed_ids(MANY, seed=2))

    def insert_some(_: object) -> None:
        for id in itertools.islice(strangers, 20):
            server.create("posts", {"id": id, "title": id, "n": 0})

    server.on_request = insert_some
    found = Counter(listed(how, client, 300))
    assert set(found.values()) == {1}
    now = set(server.ids("posts"))
    assert len(now) >= MANY + 160 and there <= found.keys() <= now
