"""Live views of a scripted server: races, refusals and limits at exact moments."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from support import wire_server as wire
from support.realtime_client import connect, library_threads, wait_until
from support.seen import LIMIT, Seen, run_thread, wait_event

from rxbosbase import BackoffPolicy, BosBase, BosBaseError, ClientClosedError, ClientResponseError
from rxbosbase.access.refusals import ATTEMPTS, REFUSALS
from rxbosbase.live import Snapshot, factory
from rxbosbase.live.driver import LOSS_PAUSE
from rxbosbase.realtime import connection
from rxbosbase.runtime import retry_delay as backoff

Record = dict[str, Any]
Shown = Seen[Snapshot[Record]]


def row(id: str, n: int = 0) -> Record:
    """A record written at second `n`."""
    return {"id": id, "n": n, "updated": f"2026-01-01 00:00:{n:02d}.000Z"}


class Table:
    """The rows of a collection, returned by any read; a gate can delay the next response."""

    def __init__(self, server: wire.WireServer, name: str, *rows: Record) -> None:
        self.rows = list(rows)
        self.gate: wire.Gate | None = None
        self.asked: list[dict[str, str]] = []
        server.collections[name] = self._answer

    def _answer(self, request: wire.Request) -> wire.Answer:
        self.asked.append(dict(request.query))
        page = {"page": 1, "perPage": 1000, "totalItems": -1, "totalPages": -1}
        answer = wire.reply_json({**page, "items": list(self.rows)})
        gate, self.gate = self.gate, None
        return answer if gate is None else wire.delay(gate, answer)


def ids(snapshot: Snapshot[Record]) -> list[str]:
    return [each["id"] for each in snapshot.records]


# -- races --------------------------------------------------------------------------


def test_a_view_reads_nothing_before_the_acknowledgement(
    server: wire.WireServer, client: BosBase
) -> None:
    """A view reads nothing before its topics are acknowledged."""
    table, gate = Table(server, "posts", row("a")), wire.Gate()
    server.post_answers.append(wire.delay(gate))
    shown: Shown = Seen()
    with client.collection("posts").live(filter="n < 5").subscribe(shown):
        topics = server.wait_post(1)
        assert len(topics) == 2 and all(topic.startswith("posts/*?options=") for topic in topics)
        assert not table.asked
        gate.set()
        assert ids(shown.wait(1)[0]) == ["a"]


def test_a_record_deleted_while_the_snapshot_loads_is_not_shown(
    server: wire.WireServer, client: BosBase
) -> None:
    """A record that is deleted while the snapshot loads is not in the view."""
    table = Table(server, "posts", row("a"), row("b"))
    gate = table.gate = wire.Gate()
    view = client.collection("posts").live()
    shown: Shown = Seen()
    with view.subscribe(shown):
        server.wait_requests(1, "/api/collections/posts")
        table.rows = [row("a")]
        assert server.send("posts/*", row("b"), "delete") == 1
        server.send("posts/*", row("a", 1), "update")
        wait_until(client, lambda: client.live_manager.service.stats.events == 2)
        table.rows = [row("a", 1)]
        gate.set()
        shown.until(lambda items: items and items[-1].by_id["a"]["n"] == 1)
        wait_until(client, lambda: ids(view.current) == ["a"])


def test_a_view_is_stale_from_a_loss_until_its_catch_up(
    server: wire.WireServer, client: BosBase
) -> None:
    """A view is stale at once after a loss; the next catch-up emits what changed."""
    table = Table(server, "posts", row("a"), row("b"))
    shown: Shown = Seen()
    with client.collection("posts").live().subscribe(shown):
        assert shown.wait(1)[0].fresh
        gate = wire.Gate()
        server.post_answers.append(wire.delay(gate))
        table.rows = [row("b", 1), row("c")]
        server.stream.cut()
        assert not shown.wait(2)[1].fresh
        server.wait_post(2)
        gate.set()
        last = shown.until(lambda items: items and items[-1].fresh and len(items) > 2)[-1]
        assert {row["id"]: row["n"] for row in last.records} == {"b": 1, "c": 0}
        changes = {c.record["id"]: c for s in shown.items[2:] for c in s.changes}
        assert {id: change.type for id, change in changes.items()} == {
            "a": "removed", "b": "modified", "c": "added",
        }  # fmt: skip
        assert all(change.caught_up for change in changes.values())


RENEWALS: dict[str, Callable[[wire.WireServer, BosBase], object]] = {
    "the server's limit": lambda server, client: server.stream.finish(),
    "reconnect_now": lambda server, client: client.realtime.reconnect_now(),
}


@pytest.mark.parametrize("renew", RENEWALS.values(), ids=RENEWALS.keys())
def test_a_view_is_stale_while_its_stream_is_renewed_as_routine(
    server: wire.WireServer,
    client: BosBase,
    monkeypatch: pytest.MonkeyPatch,
    renew: Callable[[wire.WireServer, BosBase], object],
) -> None:
    """A routine renewal makes a view stale until the catch-up, without `on_disconnect`."""
    monkeypatch.setattr(connection, "HEALTHY_AFTER", 0.0)
    table, gate = Table(server, "posts", row("a")), wire.Gate()
    server.stream_answers.extend([wire.stream(), wire.delay(gate)])
    lost, shown = Seen[list[str]](), Shown()
    client.realtime.on_disconnect = lost
    view = client.collection("posts").live()
    with view.subscribe(shown):
        assert shown.wait(1)[0].fresh
        renew(server, client)
        server.wait_gets(2)
        assert not shown.wait(2)[1].fresh
        assert not view.current.fresh
        table.rows.append(row("b"))
        gate.set()
        shown.until(lambda items: items[-1].fresh and ids(items[-1]) == ["a", "b"])
        assert lost.items == []


def test_events_of_an_ended_connection_reach_no_view(
    server: wire.WireServer, client: BosBase
) -> None:
    """Events that an ended connection received but did not deliver reach no view."""
    table, manager = Table(server, "posts", row("a")), client.live_manager
    shown, gate = Shown(), wire.Gate()
    with client.collection("posts").live().subscribe(shown):
        assert ids(shown.wait(1)[0]) == ["a"]
        go_on, frames = threading.Event(), manager.service.stats.frames
        manager.scheduler.post(lambda: go_on.wait(LIMIT))
        server.send("posts/*", row("b"), "create")
        wait_until(client, lambda: manager.service.stats.frames > frames)
        table.gate = gate
        client.realtime.reconnect_now()
        go_on.set()
        server.wait_post(2)
        shown.until(lambda items: not items[-1].fresh)
        gate.set()
        shown.until(lambda items: items[-1].fresh and items[-1].version > 1)
        assert {tuple(ids(snapshot)) for snapshot in shown.items} == {("a",)}
        table.rows.append(row("c"))
        server.send("posts/*", row("c"), "create")  # those of the new connection do
        shown.until(lambda items: ids(items[-1]) == ["a", "c"])


def test_an_undecodable_frame_is_a_gap_of_its_topic_alone(
    server: wire.WireServer, client: BosBase
) -> None:
    """A malformed frame causes a catch-up of its topic's view and of no other."""
    posts, others = Table(server, "posts", row("a")), Table(server, "others", row("x"))
    shown, other = Shown(), Shown()
    with (
        client.collection("posts").live().subscribe(shown),
        client.collection("others").live().subscribe(other),
    ):
        wait_until(client, lambda: shown.items and other.items and shown.items[-1].fresh)
        client.realtime.wait_active(LIMIT)
        wait_until(client, lambda: shown.items[-1].fresh and other.items[-1].fresh)
        reads = len(others.asked)
        posts.rows.append(row("b"))
        gate = posts.gate = wire.Gate()
        server.stream.send_raw(wire.frame(server.stream.client_id, "posts/*", b'{"record":'))
        shown.until(lambda items: not items[-1].fresh)
        gate.set()
        shown.until(lambda items: ids(items[-1]) == ["a", "b"] and items[-1].fresh)
        assert len(others.asked) == reads


def test_a_relation_changed_before_its_topic_is_acknowledged_is_shown(
    server: wire.WireServer, client: BosBase
) -> None:
    """A relation that changes before its collection is watched is shown as changed."""

    def post(n: int, name: str) -> Record:
        author = {**row("u", n), "collectionName": "authors", "name": name}
        return {**row("a"), "expand": {"author": author}}

    def names(snapshot: Snapshot[Record]) -> list[str]:
        return [each["expand"]["author"]["name"] for each in snapshot.records]

    table, posts = Table(server, "posts", post(1, "Ann")), client.collection("posts")
    with posts.live(expand="author") as first:
        wait_until(client, lambda: client.live_manager.service.stats.topics == 2)
        client.realtime.wait_active(LIMIT)
        wait_until(client, lambda: first.current.fresh and len(table.asked) == 2)
        gate = table.gate = wire.Gate()
        reads = len(table.asked)
        with posts.live(expand="author", sort="-n") as third:
            wait_until(client, lambda: len(table.asked) > reads)
            table.rows = [post(2, "Bea")]  # no event reports it to the third view
            gate.set()
            wait_until(client, lambda: names(third.current) == ["Bea"])


@pytest.mark.parametrize("limit", [None, 10], ids=["all", "a window"])
def test_1000_undecodable_frames_cause_fewer_than_50_reads(
    server: wire.WireServer, client: BosBase, limit: int | None
) -> None:
    """1000 malformed frames cause fewer than 50 reads."""
    table = Table(server, "posts", row("a"))
    with client.collection("posts").live(limit=limit) as view:
        view.wait_fresh(LIMIT)
        before = len(table.asked)
        table.gate = wire.Gate()  # delays the first of their reads
        gate = table.gate
        bad = wire.frame(server.stream.client_id, "posts/*", b'{"record":')
        for _ in range(50):
            server.stream.send_many([bad] * 20)
        wait_until(client, lambda: client.live_manager.service.stats.skipped == 1000)
        gate.set()
        table.rows.append(row("b"))
        server.stream.send_raw(bad)
        wait_until(client, lambda: ids(view.wait_fresh(LIMIT)) == ["a", "b"])
        assert len(table.asked) - before < 50


def test_repeated_losses_cause_at_most_four_catch_ups_a_second(
    server: wire.WireServer, client: BosBase
) -> None:
    """Malformed frames one after the other cause at most four catch-ups a second."""
    table = Table(server, "posts", row("a"))
    bad = wire.frame("x", "posts/*", b'{"record":')
    with client.collection("posts").live() as view:
        view.wait_fresh(LIMIT)

        def has_caught_up(reads: int) -> bool:
            return len(table.asked) == reads and view.current.fresh

        before, begun = len(table.asked), time.monotonic()
        for number in (1, 2, 3):
            server.stream.send_raw(bad)
            wait_until(client, partial(has_caught_up, before + number))
        assert time.monotonic() - begun >= 2 * LOSS_PAUSE


# -- refusals and failures ------------------------------------------------------------------------


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed reads are repeated soon; tests in virtual time check the real pauses."""
    monkeypatch.setattr(factory, "_delay", lambda _: lambda _: 0.02)


def test_failed_reads_are_repeated(
    server: wire.WireServer, client: BosBase, short_pauses: None
) -> None:
    """A read that fails with a 503 or a dropped connection is repeated."""
    answers: list[Any] = [503, wire.drop()]
    server.collections["posts"] = lambda _: answers.pop(0) if answers else [row("a")]
    with client.collection("posts").live() as view:
        assert ids(view.wait_fresh(15.0)) == ["a"]


@pytest.mark.parametrize("sort", [None, "@random"], ids=["kept here", "sorted by the server"])
def test_a_read_whose_response_has_no_records_is_repeated(
    server: wire.WireServer, client: BosBase, short_pauses: None, sort: str | None
) -> None:
    """A read whose response has no records is repeated."""
    answers = [{"status": "we are back soon"}]
    server.on_request = lambda _: wire.reply_json(
        answers.pop() if answers else {"items": [row("a")]}
    )
    with client.collection("posts").live(sort=sort) as view:
        assert ids(view.wait_fresh(15.0)) == ["a"]


def test_a_read_that_cannot_be_made_is_logged_and_repeated(
    server: wire.WireServer,
    client: BosBase,
    short_pauses: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A read that raises an unexpected exception is logged and repeated."""
    server.collections["posts"] = [row("a")]
    broken = [ZeroDivisionError("a defect of a transport")]
    send = client.live_manager.read

    def read(*args: Any) -> Any:
        if broken:
            raise broken.pop()
        return send(*args)

    client.live_manager.read = read
    with client.collection("posts").live() as view:
        assert ids(view.wait_fresh(15.0)) == ["a"]
    assert "could not be made" in caplog.text


def test_the_retry_after_of_a_views_read_is_limited(
    server: wire.WireServer, client: BosBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read waits for `Retry-After`, but not longer than `MAX_RETRY_AFTER`."""
    monkeypatch.setattr(backoff, "MAX_RETRY_AFTER", 1.2)
    answers: list[Any] = [wire.status(503, headers={"Retry-After": "9" * 400})]
    server.collections["posts"] = lambda _: answers.pop(0) if answers else [row("a")]
    begun = time.monotonic()
    with client.collection("posts").live() as view:
        assert ids(view.wait_fresh(15.0)) == ["a"]
    assert time.monotonic() - begun >= 1.2


def test_invalid_collection_names_of_relations_are_not_watched(
    server: wire.WireServer, client: BosBase
) -> None:
    """At most 100 collections of expanded records are watched, no invalid ones."""
    odd = ["a/b", "", "\0", "x" * 3000, "..", 17, None, ["a"]]
    rows = [
        {**row(f"r{n:03d}"), "expand": {"by": {"id": "u", "collectionName": name}}}
        for n, name in enumerate([*odd, *(f"made_up_{n}" for n in range(300))])
    ]
    Table(server, "posts", *rows)
    with client.collection("posts").live(expand="by") as view:
        assert len(view.wait_fresh(15.0).records) == len(rows)
        client.realtime.wait_active(LIMIT)
        assert len(server.stream.topics) <= 101


def test_the_last_attempt_ends_the_view_and_a_new_subscriber_starts_it_again(
    server: wire.WireServer,
) -> None:
    """After `max_attempts` a view gets `on_error`; a new subscriber starts it again."""
    Table(server, "posts", row("a"))
    policy = BackoffPolicy(initial=0.01, max_attempts=2)
    with connect(server, backoff=policy) as client:
        view = client.collection("posts").live()
        server.refuse_connections()
        failed: Seen[Exception] = Seen()
        view.subscribe(on_error=failed)
        assert isinstance(failed.wait(1)[0], BosBaseError)
        server.accept_connections()
        shown: Shown = Seen()
        with view.subscribe(shown):
            assert shown.wait(1)[0].version == 1


# -- refusals -------------------------------------------------------------------------------------


class Refusing:
    """A collection whose next reads are refused, and the others answered; the bare list always is.

    Attributes:
        refusals: the statuses of the next responses.
        reads: how many reads there were without bare lists; `literals` of them compared literals.
        rows: what the other reads return.
    """

    def __init__(self, server: wire.WireServer, *refusals: int) -> None:
        self.refusals = list(refusals)
        self.rows = [row("a")]
        self.reads = self.literals = 0
        server.collections["posts"] = self._answer

    def _answer(self, request: wire.Request) -> wire.Answer:
        if request.query.keys() != {"perPage", "skipTotal"}:
            self.reads += 1
            self.literals += " < " in request.query.get("filter", "")
            if self.refusals:
                return wire.problem(self.refusals.pop(0))
        return wire.reply_json({"page": 1, "perPage": 1000, "items": self.rows})


OFTEN = 0.1  # seconds between two reconcile passes
LAST = ATTEMPTS * REFUSALS  # responses with 400 that end the view


@pytest.mark.usefixtures("short_pauses", "soon")
@pytest.mark.parametrize("count", [1, ATTEMPTS - 1, ATTEMPTS, LAST - 1])
def test_a_query_that_has_succeeded_survives_some_400(
    server: wire.WireServer, client: BosBase, count: int
) -> None:
    """A query that once succeeded survives up to 8 responses with 400 in a row."""
    posts = Refusing(server)
    failed: Seen[Exception] = Seen()
    view = client.collection("posts").live(reconcile=OFTEN)
    with view.subscribe(on_error=failed):
        view.wait_fresh(LIMIT)
        posts.refusals += [400] * count
        before = posts.reads
        wait_until(client, lambda: posts.reads >= before + count + 2 and not posts.refusals)
        assert not failed.items and view.wait_fresh(LIMIT).fresh
        posts.refusals += [400] * count  # they were not in a row with the first
        wait_until(client, lambda: posts.reads >= before + 2 * count + 4 and not posts.refusals)
        assert not failed.items and ids(view.current) == ["a"]


@pytest.mark.usefixtures("short_pauses", "soon")
def test_the_ninth_400_in_a_row_ends_the_view(server: wire.WireServer, client: BosBase) -> None:
    """The ninth 400 in a row to a query that once succeeded ends the view."""
    posts = Refusing(server)
    failed: Seen[Exception] = Seen()
    view = client.collection("posts").live(reconcile=OFTEN)
    view.subscribe(on_error=failed)
    view.wait_fresh(LIMIT)
    posts.refusals += [400] * 1000
    (error,) = failed.wait(1)
    assert isinstance(error, ClientResponseError) and error.status == 400
    assert 1000 - len(posts.refusals) == LAST == 9


@pytest.mark.usefixtures("short_pauses", "soon")
def test_reads_of_literals_do_not_count_for_the_query(
    server: wire.WireServer, client: BosBase
) -> None:
    """A refused read of literals neither adds to nor resets a query's refusals."""
    posts = Refusing(server)
    posts.rows = [{**row("a"), "title": "x"}]
    failed: Seen[Exception] = Seen()
    view = client.collection("posts").live(sort="title")
    view.subscribe(on_error=failed)
    view.wait_fresh(LIMIT)
    posts.refusals += [400] * 1000
    server.send("posts/*", {**row("b"), "title": "Y"}, "create")
    (error,) = failed.wait(1)
    assert isinstance(error, ClientResponseError) and error.status == 400
    assert 1000 - len(posts.refusals) - posts.literals == LAST and posts.literals >= 2


def test_the_first_400_ends_a_query_that_never_succeeded(
    server: wire.WireServer, client: BosBase
) -> None:
    """A query that never succeeded ends at once where 400 is given to three reads in a row."""
    posts = Refusing(server, *[400] * ATTEMPTS)
    failed: Seen[Exception] = Seen()
    client.collection("posts").live(filter="nosuch = 1").subscribe(on_error=failed)
    (error,) = failed.wait(1)
    assert isinstance(error, ClientResponseError) and error.status == 400
    assert posts.reads == ATTEMPTS


@pytest.mark.usefixtures("short_pauses", "soon")
@pytest.mark.parametrize("status", [403, 404])
def test_the_third_403_or_404_ends_a_view(
    server: wire.WireServer, client: BosBase, status: int
) -> None:
    """The third 403 or 404 in a row to a guest's query that once succeeded ends the view."""
    posts = Refusing(server)
    failed: Seen[Exception] = Seen()
    view = client.collection("posts").live(reconcile=OFTEN)
    view.subscribe(on_error=failed)
    view.wait_fresh(LIMIT)
    posts.refusals += [status] * 100
    (error,) = failed.wait(1)
    assert isinstance(error, ClientResponseError) and error.status == status
    assert 100 - len(posts.refusals) == REFUSALS


@pytest.mark.usefixtures("short_pauses", "soon")
def test_a_400_is_logged_if_it_is_repeated(
    server: wire.WireServer, client: BosBase, caplog: pytest.LogCaptureFixture
) -> None:
    """A 400 is logged as a failed read only if the reads after it are refused as well."""
    posts = Refusing(server)
    with client.collection("posts").live(reconcile=OFTEN) as view:
        view.wait_fresh(LIMIT)
        posts.refusals += [400] * (ATTEMPTS - 1)
        before = posts.reads
        wait_until(client, lambda: posts.reads > before + ATTEMPTS)
        assert "a read of a live view failed" not in caplog.text
        posts.refusals += [400] * ATTEMPTS
        before = posts.reads
        wait_until(client, lambda: posts.reads > before + ATTEMPTS)
        assert "a read of a live view failed: 400" in caplog.text


# -- what views cost the server -------------------------------------------------------------------


def test_the_users_topics_and_the_views_do_not_resubmit_each_other(
    server: wire.WireServer, client: BosBase
) -> None:
    """Changes of the user's topics do not submit the topics of views again."""
    table = Table(server, "posts", row("a"))
    with client.collection("posts").live() as view:
        view.wait_fresh()
        for number in range(3):
            client.collection("posts").subscribe(f"r{number}", print)()
        client.realtime.wait_active(LIMIT)
        assert len(server.streams) <= 2
        assert [topics for topics in server.posts if "posts/*" in topics] == [["posts/*"]]
        assert len([asked for asked in table.asked if "id > " not in asked.get("filter", "")]) <= 4
        assert view.current.version == 1


def test_the_last_dispose_ends_topics_stream_and_reader(
    server: wire.WireServer, client: BosBase
) -> None:
    """Equal views share a topic; the last dispose ends its stream and reader."""
    table, posts = Table(server, "posts", row("a")), client.collection("posts")
    shown, same = Shown(), Shown()
    first, second = posts.live().subscribe(shown), posts.live().subscribe(same)
    assert shown.wait(1) == same.wait(1)
    assert server.wait_post(1) == ["posts/*"]
    first.dispose()
    table.rows.append(row("b"))
    assert server.send("posts/*", row("b"), "create") == 1
    assert ids(same.wait(2)[1]) == ["a", "b"]
    assert shown.count == 1
    second.dispose()
    server.wait_streams(0)
    wait_until(client, lambda: not [t for t in library_threads() if "reader" in t])


def test_1000_views_take_one_more_connection_and_few_posts(server: wire.WireServer) -> None:
    """1000 filtered views take two streams and at most 4 POSTs."""
    Table(server, "posts", row("a"))
    gate = wire.Gate()  # all views subscribe during the first POST, however long that takes
    server.post_answers.append(wire.delay(gate))
    with connect(server) as client:
        posts = client.collection("posts")
        shown: Shown = Seen()
        views = [posts.live(filter=f"n < {n}") for n in range(1, 1001)]
        subscriptions = [view.subscribe(shown) for view in views]
        wait_until(client, lambda: client.live_manager.service.stats.topics == 1001)
        gate.set()
        client.realtime.wait_active(LIMIT)
        topics = {topic for stream in server.streams for topic in stream.topics}
        assert len(topics) == 1001  # all of them share the unfiltered topic
        assert [len(stream.topics) for stream in server.streams] == [1000, 1]
        assert len(server.posts) <= 4
        shown.until(lambda items: len({id(s) for s in items if s.fresh}) >= 1000, 30.0)
        for subscription in subscriptions:
            subscription.dispose()
        server.wait_streams(0)


@pytest.mark.parametrize("own", [f"n < 5 && title != '{'a' * 1500}'", "n=0" + "||n=0" * 150])
def test_rechecks_fit_into_the_servers_filter(
    server: wire.WireServer, client: BosBase, own: str
) -> None:
    """The filter of a recheck has at most 3500 characters and 200 terms."""
    table = Table(server, "posts", *(row(f"record{n:09d}") for n in range(100)))
    with client.collection("posts").live(filter=own) as view:
        view.wait_fresh()
        topic = next(topic for topic in server.posts[0] if "filter" in topic)
        for each in table.rows:  # an update without a newer `updated` is rechecked
            server.send(topic, {**each, "n": 3})
        wait_until(client, lambda: sum("id = " in asked["filter"] for asked in table.asked) >= 2)
    assert max(len(asked["filter"]) for asked in table.asked) <= 3500
    assert max(asked["filter"].count("||") for asked in table.asked) < 200


def test_closing_the_client_completes_views_while_a_read_hangs(server: wire.WireServer) -> None:
    """`close` completes a view and ends `wait_fresh` while a read is in flight."""
    server.collections["posts"] = wire.hang()
    with connect(server) as client:
        ended: Seen[str] = Seen()
        view = client.collection("posts").live()
        view.subscribe(on_completed=lambda: ended("completed"))
        server.wait_requests(1, "/api/collections/posts")
        waiting = run_thread(lambda: view.wait_fresh(LIMIT))
        client.close()
        assert ended.wait(1) == ["completed"]
        with pytest.raises(BosBaseError):
            waiting()


def test_closing_the_client_ends_a_wait_in_a_callback(server: wire.WireServer) -> None:
    """`close` ends a `wait_fresh` inside a callback with `ClientClosedError`."""
    server.collections["posts"] = wire.hang()
    with connect(server) as client, client.collection("posts").live() as view:
        entered, ended = threading.Event(), Seen[BosBaseError]()

        def wait() -> None:
            entered.set()
            try:
                view.wait_fresh(2 * LIMIT)
            except BosBaseError as error:
                ended(error)

        client.scheduler.post(wait)
        wait_event(entered)
        server.wait_requests(1, "/api/collections/posts")
        client.close()
        assert isinstance(ended.wait(1)[0], ClientClosedError)


def test_a_callback_that_closes_the_client_still_gets_a_fresh_snapshot(
    server: wire.WireServer,
) -> None:
    """`wait_fresh` after `close` in a callback returns a snapshot that is fresh."""
    Table(server, "posts", row("a"))
    with connect(server) as client, client.collection("posts").live() as view:
        view.wait_fresh()
        found: Seen[list[str] | BosBaseError] = Seen()

        def close() -> None:
            client.close()
            try:
                found(ids(view.wait_fresh()))
            except BosBaseError as error:
                found(error)

        client.scheduler.post(close)
        assert found.wait(1) == [["a"]]


def test_an_observer_subscribed_right_before_close_completes(server: wire.WireServer) -> None:
    """A view that is subscribed right before `close` completes."""
    with connect(server) as client:
        free, ended = threading.Event(), Seen[str]()
        client.scheduler.post(lambda: free.wait(LIMIT))
        client.collection("posts").live().subscribe(on_completed=lambda: ended("completed"))
        client.close()
        free.set()
        assert ended.wait(1) == ["completed"]


def test_reconnect_now_skips_the_wait_of_the_live_views_too(server: wire.WireServer) -> None:
    """`reconnect_now` ends the backoff of the live views' stream too."""
    Table(server, "posts", row("a"))
    policy = BackoffPolicy(initial=300, maximum=300, jitter=False)
    with BosBase(server.url, backoff=policy) as client:
        shown: Shown = Seen()
        client.collection("posts").live().subscribe(shown)
        shown.wait(1)
        server.refuse_connections("cut")
        status = client.live_manager.service.status
        wait_until(client, lambda: status.value.state == "waiting")
        shown.until(lambda items: not items[-1].fresh)
        server.accept_connections()
        client.realtime.reconnect_now()
        shown.until(lambda items: items[-1].fresh)


# -- ids that no filter can name -----------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"filter": "n < 9"}, {"limit": 9}], ids=str)
def test_a_record_whose_id_has_a_nul_is_shown_and_updated(
    server: wire.WireServer,
    client: BosBase,
    options: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A record whose id has a NUL is shown and updated, without a warning."""
    table = Table(server, "posts", row("a"), row("b\0"), row("\0"))
    shown: Shown = Seen()
    with client.collection("posts").live(**options).subscribe(shown):
        topics = server.wait_post(1)
        shown.until(lambda seen: seen and sorted(ids(seen[-1])) == ["\0", "a", "b\0"])
        table.rows[1] = row("b\0", 7)
        for topic in topics:  # a repeated event is rechecked
            server.send(topic, row("b\0", 7))
            server.send(topic, row("b\0", 7))
        shown.until(lambda seen: seen[-1].by_id["b\0"]["n"] == 7 and seen[-1].fresh)
    assert not [r for r in caplog.records if r.levelname in ("WARNING", "ERROR")]


def test_a_window_reads_a_record_too_large_for_a_response_once(server: wire.WireServer) -> None:
    """A window reads a record too large for a response once until it changes."""
    rows = {id: row(id) for id in ("a", "b", "c")}
    rows["b"]["title"] = "x" * 5000
    too_large = 0

    def answer(request: wire.Request) -> dict[str, Any]:
        nonlocal too_large
        asked = request.query
        named = re.findall(r"id = '(\w)'", asked.get("filter", "")) or list(rows)
        size = int(asked["perPage"])
        assert size <= 10
        start = (int(asked["page"]) - 1) * size
        found = [rows[id] for id in named[start : start + size]]
        if asked.get("fields", "").startswith("id,updated"):
            found = [{"id": each["id"], "updated": each["updated"]} for each in found]
        too_large += any("title" in each for each in found)
        return {"page": 1, "items": found}

    server.collections["posts"] = answer
    shown: Shown = Seen()
    with (
        connect(server, max_answer_bytes=2000) as client,
        client.collection("posts").live(limit=10, interval=0.01).subscribe(shown),
    ):
        shown.until(lambda seen: seen and ids(seen[-1]) == ["a", "c"])
        assert list(shown.items[-1].unreadable) == ["b"]
        before = too_large
        for n in range(1, 6):
            rows["a"] = row("a", n)
            server.send_to_matching("posts/*", rows["a"])
            shown.until(lambda seen, n=n: seen[-1].by_id["a"]["n"] == n)  # type: ignore[misc]
        assert too_large == before
        rows["b"] = row("b", 9)  # it fits again
        server.send_to_matching("posts/*", rows["b"])
        shown.until(lambda seen: ids(seen[-1]) == ["a", "b", "c"])
