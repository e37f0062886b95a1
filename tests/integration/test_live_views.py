"""Live views of the real server: in the end each view equals its query."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from faults.kinds import Fault, Kind
from faults.proxy import FaultProxy
from faults.watching import QUICK
from support.live_schema import CLOSED, PASSWORD, Received, World, collect, eventually
from support.tested_server import GIVEN_SERVER, NO_VIEW_COLLECTIONS, gap

from rxbosbase import (
    AuthStore,
    BosBase,
    ClientClosedError,
    ClientResponseError,
    Collection,
    RequestTimeoutError,
)
from rxbosbase.live import Change, Snapshot, apply_changes
from rxbosbase.live.view import LiveView

pytest_plugins = ["support.live_fixtures"]

Record = dict[str, Any]
Posts = Collection[Record]

NEVER = 3600.0
"""Seconds of `reconcile`, longer than any test: all changes come from the stream."""

SECRET: dict[str, Any] = dict(CLOSED)
VIEW_ONLY: dict[str, Any] = {**CLOSED, "viewRule": ""}

JSON = ({"name": "data", "type": "json"},)
EXTRA = (
    {"name": "flag", "type": "bool"},
    {"name": "day", "type": "date"},
    *JSON,
)


def query(posts: Posts, **options: Any) -> list[Record]:
    """Return the rows of the query now, in order."""
    size = options.pop("limit", None) or 500
    keys = [key for key in (options.pop("sort", None), "id") if key]
    found: list[Record] = posts.get_list(1, size, sort=",".join(keys), **options)["items"]
    return found


def wait_until_equal(view: LiveView[Record], posts: Posts, **options: Any) -> None:
    """Wait until the view equals the query, for 5 s: less than any `reconcile`."""
    try:
        eventually(lambda: list(view.current.records) == query(posts, **options), 5.0)
    except AssertionError:
        assert list(view.current.records) == query(posts, **options)


def names_of(rows: Sequence[Record]) -> list[str]:
    return [row["title"] for row in rows]


def has(view: LiveView[Record], count: int) -> bool:
    return len(view.current.records) == count


def is_by(view: LiveView[Record], name: str) -> bool:
    """Return whether the view shows this name for the author of the first post."""
    author: Record = view.current.records[0]["expand"]["author"]
    return bool(author["title"] == name)


def author_relation(world: World, authors: Posts) -> dict[str, Any]:
    id = world.admin.collections.get(authors.name)["id"]
    return {"name": "author", "type": "relation", "collectionId": id, "maxSelect": 1}


# -- snapshots -------------------------------------------------------------------------------------


def test_the_first_snapshot_adds_all_and_changes_lead_from_each_to_the_next(world: World) -> None:
    """A view's first snapshot adds all rows; the changes of each lead from the one before."""
    posts = world.collection()
    for number in range(5):
        posts.create({"title": f"t{number}", "n": number})
    received: Received[Snapshot[Record]] = collect(posts.live(sort="-n", reconcile=NEVER))
    first = received.first(lambda s: s.fresh)
    assert first.version == 1
    assert [c.type for c in first.changes] == ["added"] * 5
    assert names_of(first.records) == ["t4", "t3", "t2", "t1", "t0"]
    posts.update(first.records[4]["id"], {"n": 10})
    posts.delete(first.records[1]["id"])
    posts.create({"title": "new", "n": 3.5})
    received.first(lambda s: names_of(s.records) == ["t0", "t4", "new", "t2", "t1"])
    received.dispose()
    records: list[Record] = []
    for before, snapshot in zip([None, *received.items], received.items, strict=False):
        assert snapshot.version == (before.version if before else 0) + 1
        records = apply_changes(records, snapshot.changes)
        assert records == snapshot.records
        assert dict(snapshot.by_id) == {row["id"]: row for row in records}
    for older in received.items:
        newest = received.items[-1]
        assert apply_changes(older.records, newest.since(older)) == newest.records


def test_a_late_subscriber_gets_the_current_snapshot_and_equal_views_share_one(
    world: World,
) -> None:
    """Equal views share topics and snapshots; a late subscriber gets the current one at once."""
    posts = world.collection()
    posts.create({"title": "a"})
    first = collect(posts.live(reconcile=NEVER))
    shown = first.have(1)[0]
    manager = world.admin.live_manager
    topics = manager.service.stats.topics
    late = collect(world.admin.collection(posts.name).live(reconcile=NEVER))
    assert late.have(1) == [shown]
    assert manager.service.stats.topics == topics
    first.dispose()
    posts.create({"title": "b"})
    assert late.first(lambda s: len(s.records) == 2).version == shown.version + 1
    late.dispose()
    eventually(lambda: manager.service.stats.topics == 0)


def test_views_of_acknowledged_topics_add_none(world: World) -> None:
    """A view whose topics another view has acknowledged starts at once, without a new topic."""
    posts = world.collection()
    posts.create({"title": "a", "n": 1})
    posts.create({"title": "b", "n": 2})
    filtered = partial(posts.live, filter="n > 0", reconcile=NEVER)
    with posts.live(reconcile=NEVER) as view, filtered() as part:
        view.wait_fresh()
        part.wait_fresh()
        world.admin.realtime.wait_active(5.0)
        topics = world.admin.live_manager.service.stats.topics
        with (
            posts.live(sort="-title", reconcile=NEVER) as turned,
            posts.live(limit=1, reconcile=NEVER) as window,
            filtered(sort="-n") as other,
        ):
            for each, size in ((turned, 2), (window, 1), (other, 2)):
                assert len(each.wait_fresh().records) == size
            assert world.admin.live_manager.service.stats.topics == topics
            posts.create({"title": "c", "n": 3})
            eventually(lambda: names_of(turned.current.records) == ["c", "b", "a"])
            eventually(lambda: names_of(other.current.records) == ["c", "b", "a"])


def test_current_and_wait_fresh_need_a_running_view(world: World) -> None:
    """`current` and `wait_fresh` raise RuntimeError unless the view is entered or subscribed."""
    posts = world.collection()
    view = posts.live()
    with pytest.raises(RuntimeError, match="use `with view:`"):
        _ = view.current
    with pytest.raises(RuntimeError, match="subscribe to it"):
        view.wait_fresh()
    with view:
        assert view.wait_fresh().fresh
        assert view.current.version == 1
    with pytest.raises(RuntimeError, match="not running"):
        _ = view.current


def test_wait_fresh_works_inside_a_callback_and_while_a_subscriber_sleeps(world: World) -> None:
    """`wait_fresh` returns in a callback, and outside also while a subscriber blocks."""
    posts = world.collection()
    posts.create({"title": "a"})
    gate, sizes, opened = threading.Event(), Received[int](), Received[bool]()

    def slow(_: object) -> None:
        with posts.live(filter="n = 0") as other:
            sizes(len(other.wait_fresh().records))
        opened(gate.wait(10))

    with posts.live(reconcile=NEVER) as view, view.subscribe(slow):
        assert sizes.have(1) == [1]
        posts.create({"title": "b"})  # not delivered before the gate opens
        eventually(lambda: len(view.current.records) == 2)
        assert len(view.wait_fresh().records) == 2
        assert opened.items == []
        gate.set()
        assert opened.have(1)[0]


# -- what a query may be ---------------------------------------------------------------------------


def test_what_leaves_a_filter_leaves_the_view_soon(world: World) -> None:
    """A record that leaves the filter leaves the view soon, without a reconcile pass."""
    posts = world.collection()
    made = posts.create({"title": "a", "owner": "ann"})
    options = {"filter": 'owner = "ann"'}
    with posts.live(filter='owner = "ann"', reconcile=NEVER) as view:
        assert len(view.wait_fresh().records) == 1
        posts.update(made["id"], {"owner": "bob"})  # the filtered topic has no event for it
        eventually(lambda: not view.current.records)
        posts.delete(made["id"])
        posts.create({"id": made["id"], "owner": "ann"})
        eventually(lambda: len(view.current.records) == 1)
        wait_until_equal(view, posts, **options)


RELATED_SORT = "a list is not sorted by a field of a relation: `sort` is a 400"

SORTS = [
    "n", "-n", "title", "-title,n", "flag,-title", "-day", "created", "-updated",
    *(() if GIVEN_SERVER else ("author.title,-n", "-author.n")), "data", "@random",
]  # fmt: skip


def test_every_sort_ends_in_the_servers_order(world: World) -> None:
    """Views with any kind of sort but `@random` have the server's order after writes."""
    authors = world.collection("authors")
    ids = [
        authors.create({"title": t, "n": n})["id"] for t, n in [("Zoë", 2), ("ann", 10), ("", 0)]
    ]
    posts = world.collection(fields=(*EXTRA, author_relation(world, authors)))
    made = [
        posts.create(
            {
                "title": title, "n": [3, -1.5, 0, 20][at % 4], "flag": at % 2 == 0,
                "day": ["", "2020-01-02 00:00:00.000Z"][at % 2], "author": [*ids, ""][at % 4],
                "data": [None, 1, "x", [1]][at % 4],
            }
        )["id"]
        for at, title in enumerate(["b", "B", "ä", "", "a b", "10", "9", "𝛼", "\uffff"])
    ]  # fmt: skip
    views = {sort: posts.live(sort=sort, expand="author", reconcile=NEVER) for sort in SORTS}
    subscriptions = [collect(view) for view in views.values()]
    for view in views.values():
        view.wait_fresh()
    posts.update(
        made[0], {"title": "zz", "n": 5, "flag": False, "author": ids[2], "data": {"a": 1}}
    )
    posts.update(made[3], {"day": "2021-01-02 00:00:00.000Z", "n": -7, "author": ""})
    posts.delete(made[5])
    posts.create({"title": "new", "n": 4, "author": ids[1]})
    for sort, view in views.items():
        if sort == "@random":
            eventually(partial(has, view, 9))
        else:
            wait_until_equal(view, posts, sort=sort, expand="author")
    for subscription in subscriptions:
        subscription.dispose()


def test_a_window_shows_the_first_rows_only(world: World) -> None:
    """A view with `limit` shows the first rows of the query after deletes and updates."""
    posts = world.collection()
    made = [posts.create({"title": str(n), "n": n})["id"] for n in range(6)]
    options: dict[str, Any] = {"sort": "-n", "limit": 3}
    with posts.live(**options, reconcile=NEVER, interval=0.05) as view:
        view.wait_fresh()
        wait_until_equal(view, posts, **options)
        posts.delete(made[5])  # a row that was not shown takes its place
        wait_until_equal(view, posts, **options)
        posts.update(made[0], {"n": 100})
        wait_until_equal(view, posts, **options)
        assert names_of(view.current.records) == ["0", "4", "3"]


def test_a_window_takes_as_many_sort_keys_as_the_server(world: World) -> None:
    """A view with `limit` accepts eight sort keys and has the server's order."""
    posts = world.collection()
    for n in range(6):
        posts.create({"title": "ab"[n % 2], "n": n})
    keys = "title,owner,-n,-title,-owner,created,updated,-created"
    with posts.live(sort=keys, limit=3, reconcile=NEVER) as view:
        assert [row["n"] for row in view.wait_fresh().records] == [4, 2, 0]


def test_incomparable_sort_values_switch_to_the_servers_order(world: World) -> None:
    """A view whose sort values become incomparable takes the server's order; changes chain."""
    posts = world.collection(fields=JSON)
    posts.create({"title": "x", "data": 3})
    received: Received[Snapshot[Record]] = collect(posts.live(sort="-data,title", reconcile=NEVER))
    changes: Received[Change[Record]] = collect(posts.changes(sort="-data,title", reconcile=NEVER))
    first = received.first(lambda s: s.fresh)
    made = posts.create({"title": "list", "data": [1, 2]})
    received.first(lambda s: len(s.records) == 2)
    posts.create({"title": "y", "data": [0]})
    posts.delete(made["id"])
    last = received.first(lambda s: s.fresh and {*names_of(s.records)} == {"x", "y"})
    assert last.records == query(posts, sort="-data,title")
    assert [s.version for s in received.items] == list(range(1, len(received.items) + 1))
    records: list[Record] = []
    for snapshot in received.items:
        records = apply_changes(records, snapshot.changes)
        assert records == snapshot.records
        assert apply_changes(first.records, snapshot.since(first)) == snapshot.records
    assert apply_changes([], changes.items) == last.records
    for each in (received, changes):
        each.dispose()


def check_fields(world: World, sort: str) -> None:
    authors = world.collection("authors")
    ann = authors.create({"title": "Ann", "n": 1})["id"]
    posts = world.collection(fields=(author_relation(world, authors),))
    posts.create({"title": "a long title", "n": 2, "author": ann})
    for fields in (
        "title", "id,title", "*", "title:excerpt(3,true)", "expand.author.title",
        "title,expand.author", "expand", "author,n,expand.author.*",
    ):  # fmt: skip
        options: dict[str, Any] = {"fields": fields, "expand": "author"}
        with posts.live(**options, sort=sort, reconcile=NEVER) as view:
            assert list(view.wait_fresh().records) == query(posts, **options)


@gap(RELATED_SORT, bosbase=True)
def test_fields_are_the_requested_ones_where_a_relation_sorts(world: World) -> None:
    """Rows of a view sorted by a relation's field have the same `fields` as the query's."""
    check_fields(world, "-n,author.title")


def test_fields_are_the_requested_ones_alone(world: World) -> None:
    """Rows of a view have the requested `fields` alone, at the start and after updates."""
    check_fields(world, "-n,title")
    posts = world.collection()
    options: dict[str, Any] = {"fields": "title", "filter": "n > 0", "sort": "n"}
    with posts.live(**options, reconcile=NEVER) as view:
        view.wait_fresh()
        made = posts.create({"title": "b", "n": 1})
        wait_until_equal(view, posts, **options)
        posts.update(made["id"], {"n": 3})
        wait_until_equal(view, posts, **options)
        posts.update(made["id"], {"n": 0})
        wait_until_equal(view, posts, **options)


def test_a_field_that_the_user_has_cut_still_sorts_as_the_server_does(world: World) -> None:
    """A view sorts by the whole field although `fields` has only its excerpt."""
    posts = world.collection()
    for title in ("b2", "a", "b3", "b1"):
        posts.create({"title": title})
    options: dict[str, Any] = {"fields": "owner,title:excerpt(1)", "sort": "title"}
    with posts.live(**options, interval=0.05, reconcile=NEVER) as view:
        view.wait_fresh()
        last = posts.create({"title": "b0", "owner": "first of the bs"})
        eventually(partial(has, view, 5))
        wait_until_equal(view, posts, **options)
        assert view.current.records[1]["owner"] == last["owner"]


def test_a_renamed_author_is_seen_in_the_posts(world: World) -> None:
    """A change of an expanded record reaches views and windows without a reconcile pass."""
    authors = world.collection("authors")
    ann = authors.create({"title": "Ann"})["id"]
    posts = world.collection(fields=(author_relation(world, authors),))
    posts.create({"title": "a", "author": ann})
    options: dict[str, Any] = {"expand": "author", "fields": "title,expand.author.title"}
    with (
        posts.live(expand="author", reconcile=NEVER) as whole,
        posts.live(**options, reconcile=NEVER) as part,
        posts.live(expand="author", limit=5, interval=0.05, reconcile=NEVER) as window,
    ):
        for view in (whole, part, window):
            view.wait_fresh()
        world.admin.realtime.wait_active(5.0)  # the authors' topic came with the rows
        authors.update(ann, {"title": "Anna"})
        for view in (whole, part, window):
            eventually(partial(is_by, view, "Anna"))
        wait_until_equal(part, posts, **options)


@gap(RELATED_SORT, bosbase=True)
def test_a_renamed_author_brings_a_post_into_the_window_that_was_not_there(world: World) -> None:
    """A renamed relation brings a row into a window sorted by it, without a reconcile pass."""
    authors = world.collection("authors")
    ann, zoe = (authors.create({"title": name})["id"] for name in ("Ann", "Zoe"))
    posts = world.collection(fields=(author_relation(world, authors),))
    for author in (ann, zoe):
        posts.create({"title": "by", "author": author})
    options: dict[str, Any] = {"sort": "author.title", "expand": "author", "limit": 1}
    with posts.live(**options, reconcile=NEVER) as view:
        view.wait_fresh()
        world.admin.realtime.wait_active(5.0)
        assert is_by(view, "Ann")
        for hidden, name in ((zoe, "Abe"), (ann, "Abc"), (zoe, "Abb")):
            authors.update(hidden, {"title": name})
            eventually(partial(is_by, view, name))


def test_an_author_that_may_not_be_listed_is_seen_within_reconcile(world: World) -> None:
    """A reconcile pass updates an expanded record whose collection may not be listed."""
    authors = world.collection("authors", listRule=None)
    ann = authors.create({"title": "Ann"})["id"]
    posts = world.collection(fields=(author_relation(world, authors),))
    posts.create({"title": "a", "author": ann})
    seen = world.client().collection(posts.name)
    with seen.live(expand="author", reconcile=0.3) as view:
        assert view.wait_fresh().records[0]["expand"]["author"]["title"] == "Ann"
        authors.update(ann, {"title": "Anna"})
        wait_until_equal(view, seen, expand="author")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"filter": "author.title = 'Zoe'"}, id="filter"),
        pytest.param({"filter": "author.title = 'Zoe'", "expand": "author"}, id="expanded filter"),
        pytest.param({"expand": "{posts}_via_author", "of": "authors"}, id="back relation"),
        *(
            ()
            if GIVEN_SERVER  # `RELATED_SORT`
            else (pytest.param({"sort": "-author.title", "limit": 1}, id="sort"),)
        ),
    ],
)
def test_a_reconcile_pass_finds_changes_without_events(
    world: World, options: dict[str, Any]
) -> None:
    """A reconcile pass finds changes through relations in filter, sort and back relation."""
    authors = world.collection("authors")
    ann = authors.create({"title": "Ann"})["id"]
    posts = world.collection(fields=(author_relation(world, authors),))
    for author in (authors.create({"title": "Bo"})["id"], ann):
        posts.create({"title": "a", "author": author})
    of = {"authors": authors}.get(options.get("of", ""), posts)
    asked = {name: value for name, value in options.items() if name != "of"}
    if "expand" in asked:
        asked["expand"] = asked["expand"].format(posts=posts.name)
    with of.live(**asked, reconcile=0.3) as view:
        view.wait_fresh()
        before = query(of, **asked)
        wait_until_equal(view, of, **asked)
        authors.update(ann, {"title": "Zoe"})
        assert query(of, **asked) != before
        wait_until_equal(view, of, **asked)
        posts.create({"title": "b", "author": ann})
        wait_until_equal(view, of, **asked)


def test_a_collection_without_updated_converges(world: World) -> None:
    """A view of a collection without `updated` equals the query after quick writes."""
    name = world.name("bare")
    world.admin.collections.create(
        {"name": name, "type": "base", "fields": [{"name": "title", "type": "text"}]}
    )
    bare = world.admin.collection(name)
    with bare.live(sort="title", reconcile=NEVER) as view:
        view.wait_fresh()
        ids = [bare.create({"title": title})["id"] for title in "cab"]
        for title in "xyz":
            bare.update(ids[0], {"title": title})
        bare.delete(ids[1])
        wait_until_equal(view, bare, sort="title")
        assert names_of(view.current.records) == ["b", "z"]


@gap(NO_VIEW_COLLECTIONS, bosbase=True)
def test_a_view_collection_is_polled(world: World) -> None:
    """A live view of a view collection is read again every `reconcile` seconds."""
    posts, name = world.collection(), world.name("view")
    query = f"SELECT id, title FROM {posts.name} WHERE title != ''"
    world.admin.collections.create({"name": name, "type": "view", "viewQuery": query})
    through = world.admin.collection(name)
    with through.live(reconcile=0.2) as polled:
        polled.wait_fresh()
        made = posts.create({"title": "a"})
        wait_until_equal(polled, through)
        posts.update(made["id"], {"title": "b"})
        wait_until_equal(polled, through)
        posts.update(made["id"], {"title": ""})
        wait_until_equal(polled, through)
        assert not polled.current.records


# -- one record, and changes alone -----------------------------------------------------------------


def test_live_record_follows_one_record_that_may_only_be_viewed(world: World) -> None:
    """`live_record` follows create, update and delete of a record with a view rule alone."""
    posts = world.collection(**VIEW_ONLY)
    guest = world.client().collection(posts.name)
    id = world.id("a")
    received: Received[Record | None] = collect(guest.live_record(id, reconcile=NEVER))
    assert received.have(1) == [None]
    posts.create({"id": id, "title": "a"})
    posts.create({"title": "another"})
    posts.update(id, {"title": "b"})
    received.first(lambda row: row and row["title"] == "b")
    posts.delete(id)
    received.until(lambda h: h.items and h.items[-1] is None)
    posts.create({"id": id, "title": "c"})
    received.first(lambda row: row and row["title"] == "c")
    late: Received[Record | None] = collect(guest.live_record(id, fields="title", reconcile=NEVER))
    assert late.have(1) == [{"title": "c"}]
    received.dispose()
    late.dispose()


def test_changes_emit_one_net_change_per_record_after_a_gap(world: World) -> None:
    """After a gap, `changes` emits one net change per record, with `caught_up` set."""
    posts = world.collection()
    ids = {title: posts.create({"title": title})["id"] for title in ("kept", "edited", "gone")}
    store = AuthStore()
    store.save(world.admin.auth_store.token, world.admin.auth_store.record)
    with (
        FaultProxy(world.server.url) as proxy,
        BosBase(proxy.url, auth_store=store, backoff=QUICK) as client,
    ):
        view = client.collection(posts.name).live(sort="title", reconcile=NEVER)
        shown: Received[Snapshot[Record]] = collect(view)
        received: Received[Change[Record]] = collect(
            client.collection(posts.name).changes(sort="title", reconcile=NEVER)
        )
        assert [c.caught_up for c in received.have(3)] == [False] * 3
        proxy.inject(Fault(Kind.REFUSE, 60.0))
        proxy.inject(Fault(Kind.CUT))
        shown.until(lambda h: not h.items[-1].fresh)
        for title in ("edited 1", "edited 2"):
            posts.update(ids["edited"], {"title": title})
        posts.delete(ids["gone"])
        posts.create({"title": "made"})
        posts.delete(posts.create({"title": "passing"})["id"])
        proxy.calm()
        shown.until(lambda h: h.items and h.items[-1].fresh)
        client.realtime.wait_active(5.0)
        eventually(lambda: len(received.items) >= 6)
        net = {change.record["title"]: change.type for change in received.items[3:]}
        assert net == {"edited 2": "modified", "gone": "removed", "made": "added"}
        assert all(change.caught_up for change in received.items[3:])
        assert names_of(apply_changes([], received.items)) == ["edited 2", "kept", "made"]
        assert view.current.records == query(posts, sort="title")
        shown.dispose()
        received.dispose()


def test_a_view_is_not_fresh_while_the_server_is_down(
    fragile: World,
) -> None:
    """While the server is down a view keeps its rows, not fresh; afterwards it is the query."""
    posts, client = fragile.collection(), fragile.superuser(backoff=QUICK)
    kept, gone = (posts.create({"title": title})["id"] for title in ("kept", "gone"))
    view = client.collection(posts.name).live(filter='title != ""', reconcile=NEVER)
    received: Received[Snapshot[Record]] = collect(view)
    received.first(lambda s: s.fresh)
    fragile.server.kill()
    received.until(lambda h: not h.items[-1].fresh)
    assert len(view.current.records) == 2
    with pytest.raises(RequestTimeoutError, match=r"not fresh within 0\.05 s"):
        view.wait_fresh(0.05)
    fragile.server.restart()
    posts.update(kept, {"title": "edited"})
    posts.delete(gone)
    received.until(lambda h: h.items and h.items[-1].fresh)
    wait_until_equal(view, posts, filter='title != ""')
    received.dispose()


# -- identities, errors and the end ---------------------------------------------------------------


def test_a_refused_query_ends_the_view_and_a_new_subscriber_begins_afresh(world: World) -> None:
    """A refused query fails the view with its status; once allowed, a new one succeeds."""
    posts = world.collection()
    hidden = world.collection("hidden", **SECRET)
    guest = world.client()
    for view, status in (
        (guest.collection(posts.name).live(filter="nosuch = 1"), 400),
        (guest.collection(posts.name).live(filter="n = 1", sort="nosuch", limit=3), 400),
        (guest.collection(hidden.name).live(), 403),
        (guest.collection("no_such_collection").live(), 404),
    ):
        for _ in range(2):
            error = collect(view).failure()
            assert isinstance(error, ClientResponseError) and error.status == status
        with view:
            collect(view).failure()
            for late in (view.wait_fresh, lambda view=view: view.current):
                with pytest.raises(ClientResponseError) as raised:
                    late()
                assert raised.value.status == status
    eventually(lambda: guest.live_manager.service.stats.topics == 0)
    world.settle()
    world.admin.collections.update(hidden.name, {"listRule": ""})
    with guest.collection(hidden.name).live() as allowed:
        assert allowed.wait_fresh().version == 1


def test_another_login_empties_the_view_and_reads_again(world: World) -> None:
    """A view empties when the login changes, then has only what the new user may list."""
    users = world.users()
    ann, bob = (world.user(users, name=name) for name in ("ann", "bob"))
    posts = world.collection(listRule="owner = @request.auth.id || owner = ''")
    for owner in (ann["id"], bob["id"], ""):
        posts.create({"title": owner or "all", "owner": owner})
    client = world.logged_in(users, ann)
    received: Received[Snapshot[Record]] = collect(
        client.collection(posts.name).live(sort="-title", reconcile=NEVER)
    )
    received.first(lambda s: {*names_of(s.records)} == {"all", ann["id"]})
    client.collection(users).auth_with_password(bob["email"], PASSWORD)
    received.until(lambda h: {*names_of(h.items[-1].records)} == {"all", bob["id"]})
    since = next(at for at, s in enumerate(received.items) if not s.records)
    emptied = received.items[since]
    assert not emptied.fresh and [c.type for c in emptied.changes] == ["removed"] * 2
    client.auth_store.clear()
    received.until(lambda h: names_of(h.items[-1].records) == ["all"] and h.items[-1].fresh)
    assert all(ann["id"] not in names_of(s.records) for s in received.items[since:])
    received.dispose()


def test_unsubscribing_all_topics_leaves_live_views_alone(world: World) -> None:
    """`realtime.unsubscribe()` completes streams but leaves live views running."""
    posts = world.collection()
    events = collect(posts.observe("*"))
    with posts.live(reconcile=NEVER) as view:
        view.wait_fresh()
        world.admin.realtime.unsubscribe()
        posts.unsubscribe()
        events.end()
        posts.create({"title": "a"})
        eventually(lambda: len(view.current.records) == 1)
        assert view.current.fresh


def test_a_record_with_an_oversized_event_is_still_shown(world: World) -> None:
    """A view shows a record whose event exceeds `max_event_bytes`, without a reconcile pass."""
    posts = world.collection()
    client = world.superuser(max_event_bytes=2000)
    received: Received[Snapshot[Record]] = collect(
        client.collection(posts.name).live(fields="n", reconcile=NEVER)
    )
    received.first(lambda s: s.fresh)
    whole = client.collection(posts.name).live(reconcile=NEVER)
    with whole:
        whole.wait_fresh()
        posts.create({"title": "x" * 5000, "n": 1})
        eventually(lambda: len(whole.current.records) == 1)
        received.first(lambda s: [dict(row) for row in s.records] == [{"n": 1}])
    received.dispose()


def test_an_observer_that_raises_is_removed_alone(world: World, caplog: Any) -> None:
    """An observer of a view that raises is logged once and removed; the others go on."""
    posts = world.collection()
    view = posts.live(reconcile=NEVER)

    def fail(_: object) -> None:
        raise RuntimeError("the user's own mistake")

    view.subscribe(fail)
    received: Received[Snapshot[Record]] = collect(view)
    received.have(1)
    posts.create({"title": "a"})
    received.first(lambda s: len(s.records) == 1)
    assert sum("raised; the others go on" in r.getMessage() for r in caplog.records) == 1
    received.dispose()  # the last one: the failed observer has released the view
    eventually(lambda: world.admin.live_manager.service.stats.topics == 0)


def test_a_slow_observer_gets_fewer_snapshots_whose_changes_still_chain(world: World) -> None:
    """A slow observer skips snapshots; the changes of those it gets still chain."""
    posts = world.collection()
    view = posts.live(sort="-n", reconcile=NEVER)
    gate, began = threading.Event(), threading.Event()
    seen: Received[Snapshot[Record]] = Received()

    def slow(snapshot: Snapshot[Record]) -> None:
        seen(snapshot)
        if snapshot.records and not gate.is_set():
            began.set()
            gate.wait(10)

    with view, view.subscribe(slow):
        view.wait_fresh()
        ids = [posts.create({"title": str(n), "n": n})["id"] for n in range(30)]
        assert began.wait(5)
        for id in ids[::2]:
            posts.delete(id)
        for id in ids[1::2]:
            posts.update(id, {"n": -1})
        assert len(seen.items) <= 3
        expected = query(posts, sort="-n")
        gate.set()
        seen.first(lambda s: list(s.records) == expected)
    records: list[Record] = []
    for snapshot in seen.items:
        records = apply_changes(records, snapshot.changes)
        assert records == snapshot.records
    assert len(seen.items) < 30


def test_closing_the_client_completes_views_and_ends_waits(world: World) -> None:
    """`close` completes views; `wait_fresh` and a new `subscribe` raise ClientClosedError."""
    posts = world.collection()
    client = world.superuser()
    view = client.collection(posts.name).live()
    received = collect(view)
    received.have(1)
    changes = collect(view.changes())
    record = collect(client.collection(posts.name).live_record("record000000001"))
    with view:
        client.close()
        for each in (received, changes, record):
            each.end()
        with pytest.raises(ClientClosedError):
            view.wait_fresh()
    with pytest.raises(ClientClosedError):
        view.subscribe(print)
