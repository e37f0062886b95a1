"""Live views of a server that sorts by collation: every id, the order, and whole rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from support.bosbase_server import BosBaseServer, mixed_ids
from support.realtime_client import connect, wait_until
from support.seen import LIMIT, Seen

from rxbosbase import BosBase
from rxbosbase.live import Snapshot, factory
from rxbosbase.live.driver import ViewDriver
from rxbosbase.live.engine.engine import RecordEngine
from rxbosbase.live.engine.messages import Rules
from rxbosbase.live.engine.ordering import UnorderableError
from rxbosbase.live.engine.sorting import Sorting
from rxbosbase.live.view import LiveView

Record = dict[str, Any]
View = LiveView[Record]
Shown = Seen[Snapshot[Record]]

MANY = 2500
PAGES = 3
NEVER = 1000.0  # seconds; longer than any test
OFTEN = 0.1  # seconds between two reconcile passes
SOON = 0.05  # seconds between two reads of the order

QUIET = 0.35
"""Seconds in which a read would have begun, by the rules of `hasty`."""

MEASURED = ["", "🦊", "10", "9", "-a", "a", "A", "á", "a b", "Z"]
"""Titles in the order in which BosBase lists them by ``sort=title``."""


@pytest.fixture
def server() -> Iterator[BosBaseServer]:
    with BosBaseServer(hidden={"posts": {"secret"}}) as started:
        yield started


@pytest.fixture
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events count as lone ones a moment after the acknowledgement, not 5 s after it."""
    short = partial(Rules, remember=0.2, swap_window=0.1)
    monkeypatch.setattr(factory, "Rules", short)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, and records are rechecked at once."""
    short = partial(Rules, remember=0.2, swap_window=0.1, quiet=SOON, spacing=SOON)
    monkeypatch.setattr(factory, "Rules", short)


def ids(snapshot: Snapshot[Record]) -> list[str]:
    return [row["id"] for row in snapshot.records]


def shows(view: View, server: BosBaseServer) -> bool:
    """Return whether the view has each record as a read returns it, in any order."""
    rows = {id: server.record("posts", id) for id in server.ids("posts")}
    return dict(view.current.by_id) == rows


def no_read_follows(server: BosBaseServer, before: int) -> None:
    """Check that no read follows the first `before` within `QUIET` seconds."""
    with pytest.raises(TimeoutError):
        server.wait_reads(before + 1, timeout=QUIET)
    assert len(server.reads) == before


def settle(server: BosBaseServer, quiet: float = QUIET) -> None:
    """Wait until `quiet` seconds have passed without a read."""
    while True:
        try:
            server.wait_reads(len(server.reads) + 1, timeout=quiet)
        except TimeoutError:
            break


# -- every id -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", [None, "title", "-n"])
def test_a_view_of_mixed_case_ids_has_each_after_loading_and_reconciling(
    server: BosBaseServer, client: BosBase, sort: str | None
) -> None:
    """A view of 2500 mixed-case ids has each one after loading and each reconcile pass."""
    made = server.fill("posts", ({"id": id, "title": id[::-1], "n": 0} for id in mixed_ids(MANY)))
    shown = Shown()
    with client.collection("posts").live(sort=sort, reconcile=OFTEN) as view, view.subscribe(shown):
        assert set(ids(view.wait_fresh())) == set(made)
        begun = len(server.reads)
        server.wait_reads(begun + 4 * (PAGES + 1), timeout=4 * LIMIT)
        assert {len(snapshot.records) for snapshot in shown.items} == {MANY}
        changes = [change for snapshot in shown.items[1:] for change in snapshot.changes]
        assert [change.type for change in changes if change.type != "modified"] == []


def test_rows_deleted_by_sql_are_removed_and_no_others(
    server: BosBaseServer, client: BosBase
) -> None:
    """A reconcile pass removes the rows that SQL has deleted, and no others."""
    made = server.fill("posts", ({"id": id} for id in mixed_ids(MANY)))
    by_collation = server.ids("posts", sort="id")
    gone = {by_collation[at] for at in (0, 999, 1000, 1001, MANY - 1)}
    shown = Shown()
    with client.collection("posts").live(reconcile=OFTEN) as view, view.subscribe(shown):
        assert set(ids(view.wait_fresh())) == set(made)
        for id in gone:
            server.sql_delete("posts", id)
        shown.until(lambda items: items and len(items[-1].records) <= MANY - len(gone))
        begun = len(server.reads)
        server.wait_reads(begun + 2 * (PAGES + 1), timeout=2 * LIMIT)
        assert set(ids(view.current)) == set(made) - gone
        removed = [
            change.record["id"]
            for snapshot in shown.items
            for change in snapshot.changes
            if change.type == "removed"
        ]
        assert sorted(removed) == sorted(gone)


def test_a_view_of_mixed_case_ids_catches_up_after_a_loss(
    server: BosBaseServer, client: BosBase
) -> None:
    """A view of mixed-case ids catches up with lost events after a reconnect."""
    made = server.fill("posts", ({"id": id, "n": 0} for id in mixed_ids(MANY)))
    shown = Shown()
    with client.collection("posts").live() as view, view.subscribe(shown):
        view.wait_fresh()
        with server.held_frames() as frames:
            server.delete("posts", made[7])
            server.update("posts", made[8], {"n": 1})
            new = server.create("posts", {"id": "aZ", "n": 2})["id"]
            frames.clear()
        server.stream.cut()
        shown.until(lambda items: items and new in items[-1].by_id and items[-1].fresh)
        assert shows(view, server)
        changes = [change for snapshot in shown.items[1:] for change in snapshot.changes]
        assert sorted((change.type, change.record["id"]) for change in changes) == sorted(
            [("removed", made[7]), ("modified", made[8]), ("added", new)]
        )


# -- the server's order ---------------------------------------------------------------------------


def test_a_view_without_a_sort_has_the_servers_order_of_ids(
    server: BosBaseServer, client: BosBase
) -> None:
    """A view without a `sort` has the server's order of ids, also after writes."""
    server.fill("posts", ({"id": id} for id in mixed_ids(50)))
    with client.collection("posts").live() as view:
        assert ids(view.wait_fresh()) == server.ids("posts", sort="id")
        server.create("posts", {"id": "aZ"})
        server.create("posts", {"id": "Zb"})
        server.delete("posts", server.ids("posts", sort="id")[3])
        wait_until(client, lambda: ids(view.current) == server.ids("posts", sort="id"))
        assert len(view.current.records) == 51


@pytest.mark.parametrize("sort", ["title", "-title", "-title,id", "n,title", "-n,-title"])
@pytest.mark.parametrize(
    "server_of",
    [
        BosBaseServer,
        partial(BosBaseServer, order="bytes"),
        partial(BosBaseServer, order="bytes", nulls="first"),
    ],
    ids=["en_US", "C", "SQLite"],
)
def test_a_view_has_the_servers_order_also_after_writes(
    server_of: Callable[[], BosBaseServer], sort: str
) -> None:
    """A sorted view keeps the order of its server (en_US, C, SQLite) after writes."""

    def is_in_order() -> bool:
        by_server = sort if sort.endswith("id") else f"{sort},id"
        return ids(view.current) == server.ids("posts", sort=by_server)

    with server_of() as server, connect(server) as client:
        titles = [*reversed(MEASURED), None, "a"]
        made = server.fill(
            "posts", [{"title": t, "n": i % 3 or None} for i, t in enumerate(titles)]
        )
        with client.collection("posts").live(sort=sort, interval=0.05) as view:
            view.wait_fresh()
            assert is_in_order()
            server.create("posts", {"title": "-b", "n": None})
            wait_until(client, lambda: len(view.current.records) == 13 and is_in_order())
            server.update("posts", made[0], {"title": "Á"})
            wait_until(
                client, lambda: view.current.by_id[made[0]]["title"] == "Á" and is_in_order()
            )
            server.update("posts", made[1], {"title": None, "n": 7})
            server.update("posts", made[2], {"n": None})
            server.delete("posts", made[3])
            wait_until(client, lambda: len(view.current.records) == 12 and is_in_order())
            assert shows(view, server)


@pytest.mark.parametrize("nulls", ["last", "first"])
@pytest.mark.parametrize("sort", ["n", "-n"])
def test_numbers_are_ordered_without_a_read_once_the_place_of_nulls_is_known(
    sort: str, nulls: Any, hasty: None
) -> None:
    """A view sorted by numbers moves a row without a read if it knows where nulls are."""
    with BosBaseServer(nulls=nulls) as server, connect(server) as client:
        made = server.fill("posts", [{"n": n} for n in (3, None, 1, 2, None)])
        with client.collection("posts").live(sort=sort, interval=SOON) as view:
            assert ids(view.wait_fresh()) == server.ids("posts", sort=f"{sort},id")
            settle(server)
            before = len(server.reads)
            server.update("posts", made[0], {"n": 1.5})
            wait_until(client, lambda: ids(view.current) == server.ids("posts", sort=f"{sort},id"))
            no_read_follows(server, before)


def test_many_records_keep_the_servers_text_order(server: BosBaseServer, client: BosBase) -> None:
    """A view of 2500 records keeps the server's text order, also after writes."""
    names = zip(mixed_ids(MANY), mixed_ids(MANY, seed=3), strict=True)
    made = server.fill("posts", ({"id": id, "title": title} for id, title in names))
    with client.collection("posts").live(sort="title") as view:
        assert ids(view.wait_fresh()) == server.ids("posts", sort="title,id")
        server.update("posts", made[0], {"title": "-aZ"})
        server.delete("posts", made[1])
        server.create("posts", {"id": "aB", "title": "m"})
        wait_until(client, lambda: ids(view.current) == server.ids("posts", sort="title,id"))
        assert len(view.current.records) == MANY


@pytest.mark.parametrize("limit", [None, 4])
def test_a_filtered_view_has_what_matches_in_the_servers_order(
    server: BosBaseServer, client: BosBase, limit: int | None
) -> None:
    """A filtered view has the matching rows in the server's order, also after writes."""

    def is_in_order() -> bool:
        return ids(view.current) == server.ids("posts", "n > 0", "title,id")[:limit]

    made = server.fill("posts", [{"title": title, "n": 1} for title in reversed(MEASURED)])
    posts = client.collection("posts")
    with posts.live(filter="n > 0", sort="title", limit=limit, interval=0.05) as view:
        view.wait_fresh()
        assert any("fields%22%3A%22id%2Cupdated" in topic for topic in server.stream.topics)
        wait_until(client, is_in_order)
        first, second = ids(view.current)[:2]
        server.update("posts", first, {"n": 0})
        wait_until(client, lambda: first not in view.current.by_id and is_in_order())
        server.update("posts", second, {"title": "Zz"})
        server.update("posts", first, {"n": 2, "title": "-A"})
        server.delete("posts", made[2])
        wait_until(client, is_in_order)
        assert len(view.current.records) == (limit or len(MEASURED) - 1)


# -- whole rows -----------------------------------------------------------------------------------

WITHIN = 3.0
"""Seconds until a view has what an event lacked: 1 is promised, a busy machine may take longer, and
the next reconcile pass is a minute away."""


def test_fields_that_an_event_lacks_are_shown_within_a_second(
    server: BosBaseServer, client: BosBase, short_memory: None
) -> None:
    """A field that is hidden from events is shown within 1 s of a write."""
    made = server.fill("posts", [{"title": title, "secret": title} for title in "abc"])
    with client.collection("posts").live() as view:
        view.wait_fresh()
        settle(server, 2 * QUIET)
        assert shows(view, server)
        writes: list[Callable[[], object]] = [
            lambda: server.update("posts", made[0], {"title": "d"}),
            lambda: server.update("posts", made[1], {"secret": "e"}),
            lambda: server.create("posts", {"title": "f", "secret": "f"}),
        ]
        for write in writes:
            begun = time.monotonic()
            write()
            wait_until(client, lambda: shows(view, server))
            assert time.monotonic() - begun < WITHIN


def test_the_first_record_of_a_view_is_shown_as_it_is_read(
    server: BosBaseServer, client: BosBase, hasty: None
) -> None:
    """The first record of an empty view is shown with the fields hidden from events."""
    server.add_field("posts", "secret")
    with client.collection("posts").live(interval=SOON) as view:
        view.wait_fresh()
        settle(server)
        server.create("posts", {"title": "f", "secret": "f"})
        wait_until(client, lambda: shows(view, server))
        assert len(view.current.records) == 1


@pytest.mark.parametrize("microseconds", [0, 400], ids=["same updated", "same millisecond"])
def test_rows_changed_by_sql_are_found(
    server: BosBaseServer, client: BosBase, microseconds: int
) -> None:
    """Reconcile passes find rows that SQL has changed, even with an equal `updated`."""
    made = server.fill("posts", ({"id": id, "n": 0} for id in mixed_ids(MANY)))
    with client.collection("posts").live(reconcile=OFTEN) as view:
        view.wait_fresh()
        server.update("posts", made[0], {"n": 1})  # so that the view knows that `updated` moves
        wait_until(client, lambda: view.current.by_id[made[0]]["n"] == 1)
        by_collation = server.ids("posts", sort="id")
        before = server.record("posts", by_collation[0])["updated"]
        for id in by_collation[:: MANY // 5]:
            server.sql_update("posts", id, {"n": 2}, microseconds=microseconds)
        assert server.record("posts", by_collation[0])["updated"] == before
        wait_until(client, lambda: shows(view, server), 2 * LIMIT)
        assert [row["n"] for row in view.current.records].count(2) == 5


SCHEMA: dict[str, Callable[[BosBaseServer], object]] = {
    "added": lambda server: server.add_field("posts", "m", 0),
    "renamed": lambda server: server.rename_field("posts", "n", "m"),
    "removed": lambda server: server.remove_field("posts", "n"),
}


@pytest.mark.parametrize("change", SCHEMA.values(), ids=SCHEMA.keys())
@pytest.mark.parametrize("count", [3, MANY])
def test_a_changed_schema_is_found(
    server: BosBaseServer, client: BosBase, change: Callable[[BosBaseServer], object], count: int
) -> None:
    """Reconcile passes find a field that was added, renamed or removed."""
    made = server.fill("posts", ({"id": id, "n": 0, "k": 0} for id in mixed_ids(count)))
    with client.collection("posts").live(reconcile=OFTEN) as view:
        view.wait_fresh()
        server.update("posts", made[0], {"k": 1})  # so that the view knows that `updated` moves
        wait_until(client, lambda: view.current.by_id[made[0]]["k"] == 1)
        change(server)
        wait_until(client, lambda: shows(view, server), 2 * LIMIT)
        assert len(view.current.records) == count


def test_a_field_hidden_from_events_while_the_view_runs_stays_in_the_rows(
    server: BosBaseServer, client: BosBase, hasty: None
) -> None:
    """A field that becomes hidden from events stays in the rows of a running view."""
    made = server.fill("posts", [{"n": 0, "k": 0}])
    with client.collection("posts").live(interval=SOON) as view:
        view.wait_fresh()
        settle(server)
        server.update("posts", made[0], {"k": 1})
        wait_until(client, lambda: shows(view, server))
        settle(server)
        server.hide_field("posts", "n")
        server.update("posts", made[0], {"k": 2})
        wait_until(client, lambda: shows(view, server))
        assert view.current.by_id[made[0]]["n"] == 0


# -- what it costs --------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", [None, "title", "-title", "n"])
def test_a_lone_update_causes_no_read(
    server: BosBaseServer, client: BosBase, sort: str | None, hasty: None
) -> None:
    """A lone update of a quiet record causes no read."""
    made = server.fill("posts", [{"title": t, "n": i, "k": 0} for i, t in enumerate(MEASURED)])
    with client.collection("posts").live(sort=sort, interval=SOON) as view:
        view.wait_fresh()
        settle(server)
        before = len(server.reads)
        server.update("posts", made[3], {"k": 1})
        wait_until(client, lambda: view.current.by_id[made[3]]["k"] == 1)
        no_read_follows(server, before)


def test_a_quiet_view_reads_at_most_one_page_per_reconcile_pass(
    server: BosBaseServer, client: BosBase
) -> None:
    """A quiet view of one page makes at most one read per reconcile pass."""
    server.fill("posts", [{"title": title} for title in MEASURED])
    with client.collection("posts").live(sort="title", reconcile=OFTEN) as view:
        view.wait_fresh()
        server.wait_reads(5)
        begun, before = time.monotonic(), len(server.reads)
        server.wait_reads(before + 4)
        assert time.monotonic() - begun >= 3 * OFTEN
        assert shows(view, server)


def test_a_quiet_large_view_reads_one_whole_page_per_reconcile_pass(
    server: BosBaseServer, client: BosBase
) -> None:
    """A quiet view of 3 pages reads one of them whole per reconcile pass."""
    made = server.fill("posts", ({"id": id, "n": 0} for id in mixed_ids(MANY)))
    with client.collection("posts").live(reconcile=OFTEN) as view:
        view.wait_fresh()
        server.update("posts", made[0], {"n": 1})  # so that the view knows that `updated` moves
        wait_until(client, lambda: view.current.by_id[made[0]]["n"] == 1)
        settled = len(server.reads) + 2 * PAGES + 1
        reads = server.wait_reads(settled + 4 * (PAGES + 1), timeout=3 * LIMIT)[settled:]
        kinds = Counter(read.kind for read in reads[: 4 * (PAGES + 1)])
        assert kinds == {"versions": 4 * PAGES, "rows": 4}
        assert shows(view, server)


def test_a_burst_of_moves_reads_the_order_at_most_once_an_interval(
    server: BosBaseServer, client: BosBase, hasty: None
) -> None:
    """A burst of moves reads the server's order at most once per `interval`."""
    interval = 0.2
    made = server.fill("posts", ({"id": id, "title": id} for id in mixed_ids(100)))
    with client.collection("posts").live(sort="title", interval=interval) as view:
        view.wait_fresh()
        settle(server, QUIET + interval)
        begun, before = time.monotonic(), len(server.reads)
        for id in made:
            server.update("posts", id, {"title": id[::-1]})
        wait_until(client, lambda: shows(view, server))
        settle(server, QUIET + interval)
        assert ids(view.current) == server.ids("posts", sort="title,id")
        reads = [read for read in server.reads[before:] if read.query.get("sort", "id") != "id"]
        assert 1 <= len(reads) <= 1 + (time.monotonic() - begun) / interval


# -- several views, and the change of engine ------------------------------------------------


def test_what_one_view_learns_of_text_order_applies_to_all_at_once(
    server: BosBaseServer, client: BosBase
) -> None:
    """A view that finds text not sorted by bytes corrects the other views at once."""
    client.live_manager.text_order.by_bytes = True
    server.fill("posts", [{"title": "a"}])
    server.fill("drafts", [{"id": id} for id in ("B", "aZ")])
    with client.collection("posts").live(sort="title", reconcile=NEVER) as posts:
        posts.wait_fresh()
        driver: ViewDriver[Any] = posts._driver()
        assert isinstance(driver._engine, RecordEngine)
        sorting = driver._engine._sorting
        assert isinstance(sorting, Sorting) and sorting._by_bytes is True
        with client.collection("drafts").live(reconcile=NEVER) as drafts:
            assert ids(drafts.wait_fresh()) == ["aZ", "B"]
            wait_until(client, lambda: sorting._by_bytes is False)


@pytest.mark.parametrize("happens", ["lost", "reset"])
def test_a_loss_or_reset_during_the_change_of_engine_is_kept(
    server: BosBaseServer, client: BosBase, happens: str
) -> None:
    """A loss or reset while the server takes over the order leaves the view stale."""
    server.fill("posts", [{"title": title} for title in "ab"])
    with client.collection("posts").live(sort="title", reconcile=NEVER) as view:
        view.wait_fresh()
        driver: ViewDriver[Any] = view._driver()

        def take_over() -> None:
            driver._acknowledged = False
            if happens == "reset":
                driver._engine.reset(0.0)  # the publisher gets none of the effects
            else:
                driver._engine.lost(0.0)
            driver._replace_engine(UnorderableError("it holds a list"))

        client.live_manager.scheduler.post(take_over)
        wait_until(client, lambda: not view.current.fresh)
        assert len(view.current.records) == (0 if happens == "reset" else 2)
