"""A server whose database is away refuses what it would answer: the client waits, and nothing ends.

The refusals are those of `BosBaseServer`, as measured on BosBase. What is refused for good once the
server is well again is in `test_true_refusals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from reactivex import Observable
from support.bosbase_server import BosBaseServer
from support.realtime_client import connect, ignore, statuses, wait_state, wait_until
from support.seen import LIMIT, Seen, run_thread
from support.wire_server import Request, make_token

from rxbosbase import BosBase, Collection, RecordEvent
from rxbosbase.live import Snapshot
from rxbosbase.realtime.session.stream_identity import IS_A_GUESTS

Record = dict[str, Any]

ANN = make_token("ann")
ROOT = make_token("root", "_pb__superusers_auth_")
REFRESH = "/api/collections/_pb_users_auth_/auth-refresh"

LOGINS = {"guest": ("public", ""), "user": ("login", ANN), "superuser": ("locked", ROOT)}
"""Who reads which collection: the one that would not be visible without the login."""

VIEWS: dict[str, Callable[[Collection[Record]], Observable[Snapshot[Record]]]] = {
    "all": lambda posts: posts.live(),
    "filter": lambda posts: posts.live(filter="n > 0", sort="n"),
    "limit": lambda posts: posts.live(sort="n", limit=5),
}


@pytest.fixture
def server() -> Iterator[BosBaseServer]:
    with BosBaseServer() as started:
        for rule in ("public", "login", "locked"):
            started.set_rule(rule, rule)
            started.fill(rule, [{"id": "a", "n": 1}, {"id": "b", "n": 2}])
        yield started


@pytest.fixture
def client(server: BosBaseServer) -> Iterator[BosBase]:
    """A client with a login."""
    with connect(server) as connected:
        connected.auth_store.save(ANN, {"id": "ann"})
        yield connected


class Watched(Seen[Any]):
    """An observer, and how it ended."""

    def __init__(self, stream: Observable[Any]) -> None:
        super().__init__()
        self.errors = Seen[Exception]()
        self.ends = 0
        stream.subscribe(self, self.errors, self._completed)

    def _completed(self) -> None:
        self.ends += 1

    def assert_goes_on(self) -> None:
        assert not self.errors.items and not self.ends


def lose_for_a_while(server: BosBaseServer) -> None:
    """Lose the database and every stream; restore it after a few refusals of each kind."""
    with server.database_away():
        reads, posts, gets = len(server.reads_of("refused")), len(server.posts), server.gets
        for stream in server.streams:
            stream.cut()
        server.wait_gets(gets + 1)
        server.wait_post(posts + 1)
        server.wait_reads(reads + 3, "refused")


def probes(server: BosBaseServer) -> list[Request]:
    """Return the POSTs of topics without a token."""
    posts = server.requests_to("/api/realtime", "POST")
    return [request for request in posts if not request.auth and request.json()["subscriptions"]]


# -- views ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("login", LOGINS)
def test_a_view_keeps_its_records_and_goes_on(
    server: BosBaseServer, client: BosBase, login: str, view: str
) -> None:
    """A view neither ends nor loses a record while the database is away, and then catches up."""
    name, token = LOGINS[login]
    client.auth_store.save(token, {"id": "x"}) if token else client.auth_store.clear()
    seen = Watched(VIEWS[view](client.collection(name)))
    seen.until(lambda items: items and items[-1].fresh)
    lose_for_a_while(server)
    server.create(name, {"id": "c", "n": 3})
    last = seen.until(lambda items: items[-1].fresh and len(items[-1].records) == 3)[-1]
    seen.assert_goes_on()
    assert {record["n"] for record in last.records} == {1, 2, 3}
    assert {len(snapshot.records) for snapshot in seen.items} == {2, 3}
    server.create(name, {"id": "d", "n": 4})  # told by an event: the stream is the login's
    seen.until(lambda items: len(items[-1].records) == 4)


@pytest.mark.parametrize("login", LOGINS)
def test_a_view_that_begins_without_a_database_waits_for_it(
    server: BosBaseServer, client: BosBase, login: str
) -> None:
    """A view that begins while the database is away shows its records once it is back."""
    name, token = LOGINS[login]
    client.auth_store.save(token, {"id": "x"}) if token else client.auth_store.clear()
    with server.database_away():
        seen = Watched(client.collection(name).live())
        server.wait_reads(3, "refused")
    seen.until(lambda items: items and items[-1].fresh and len(items[-1].records) == 2)
    server.create(name, {"id": "c", "n": 3})
    seen.until(lambda items: len(items[-1].records) == 3)
    seen.assert_goes_on()


@pytest.mark.parametrize("login", LOGINS)
def test_a_record_is_not_shown_as_deleted(
    server: BosBaseServer, client: BosBase, login: str
) -> None:
    """`live_record` shows no deletion while the database is away, and the next change after it."""
    name, token = LOGINS[login]
    client.auth_store.save(token, {"id": "x"}) if token else client.auth_store.clear()
    seen = Watched(client.collection(name).live_record("a"))
    seen.wait(1)
    lose_for_a_while(server)
    server.update(name, "a", {"n": 5})
    seen.until(lambda items: items[-1] and items[-1]["n"] == 5)
    seen.assert_goes_on()
    assert None not in seen.items


def test_a_record_that_is_deleted_meanwhile_is_shown_as_that(
    server: BosBaseServer, client: BosBase, soon: None
) -> None:
    """`live_record` shows a deletion that no event told, after refusals that are believed."""
    seen = Watched(client.collection("login").live_record("a"))
    seen.wait(1)
    with server.database_away():
        server.sql_delete("login", "a")
        server.stream.cut()
        server.wait_reads(3, "refused")
        assert None not in seen.items
    seen.until(lambda items: items[-1] is None, 3 * LIMIT)  # after a dozen reads
    seen.assert_goes_on()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("count", [1, 2])
def test_a_view_survives_a_change_of_the_schema(
    server: BosBaseServer, client: BosBase, view: str, count: int
) -> None:
    """Reads that are refused once after a change of the fields do not end a view."""
    seen = Watched(VIEWS[view](client.collection("login")))
    seen.until(lambda items: items and items[-1].fresh)
    server.add_field("login", "k", 0)
    server.table("login").stale_plans = count
    server.update("login", "b", {"n": 9})
    wait_until(client, lambda: not server.table("login").stale_plans)
    server.create("login", {"id": "c", "n": 3})
    seen.until(lambda items: len(items[-1].records) == 3 and items[-1].by_id["b"]["n"] == 9)
    seen.assert_goes_on()


def test_a_new_view_survives_a_change_of_the_schema(server: BosBaseServer, client: BosBase) -> None:
    """A view begins although its first two reads are refused and a list without filter is not."""
    refusals = iter([400, 400])

    def refuse(request: Request) -> int | None:
        return next(refusals, None) if "filter" in request.query else None

    server.on_request = refuse
    seen = Watched(client.collection("login").live(filter="n > 1"))
    assert [
        record["id"] for record in seen.until(lambda items: items and items[-1].fresh)[-1].records
    ] == ["b"]
    assert not list(refusals)
    seen.assert_goes_on()


@pytest.mark.parametrize("view", VIEWS)
def test_rows_that_a_guest_would_not_get_are_not_removed(
    server: BosBaseServer, client: BosBase, view: str
) -> None:
    """A view loses no record by a read that is answered as to a guest, with 200."""
    seen = Watched(VIEWS[view](client.collection("login")))
    seen.until(lambda items: items and items[-1].fresh)
    server.failing_lookups = 1  # of the next read
    server.update("login", "b", {"n": 9})
    server.update("login", "b", {"n": 10})  # close to the first: a doubt, which a read settles
    wait_until(client, lambda: not server.failing_lookups)
    seen.until(lambda items: items[-1].fresh and items[-1].by_id.get("b", {}).get("n") == 10)
    assert {len(snapshot.records) for snapshot in seen.items} == {2}
    seen.assert_goes_on()


# -- topics ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", LOGINS)
def test_topics_go_on(server: BosBaseServer, client: BosBase, login: str) -> None:
    """`observe` goes on after an outage, with the events that only the login may see."""
    name, token = LOGINS[login]
    client.auth_store.save(token, {"id": "x"}) if token else client.auth_store.clear()
    seen = Watched(client.collection(name).observe("*"))
    client.realtime.wait_active(LIMIT)
    lose_for_a_while(server)
    client.realtime.wait_active(LIMIT)
    server.update(name, "a", {"n": 5})
    assert [event.record["n"] for event in seen.wait(1)] == [5]
    seen.assert_goes_on()


@pytest.mark.parametrize("login", LOGINS)
def test_a_topic_that_begins_without_a_database_waits_for_it(
    server: BosBaseServer, client: BosBase, login: str
) -> None:
    """`observe` with a check that is refused while the database is away delivers after it."""
    name, token = LOGINS[login]
    client.auth_store.save(token, {"id": "x"}) if token else client.auth_store.clear()
    with server.database_away():
        seen = Watched(client.collection(name).observe("*"))
        one = Watched(client.collection(name).observe("a", filter="n > 0"))
        server.wait_reads(4, "refused")
        if token:  # the client has noted the trouble, and the stream counts no longer as active
            server.wait_for(lambda: probes(server), LIMIT, "a probe")
    client.realtime.wait_active(LIMIT)
    server.update(name, "a", {"n": 5})
    assert [event.record["n"] for event in seen.wait(1) + one.wait(1)] == [5, 5]
    seen.assert_goes_on()
    one.assert_goes_on()


def test_subscribe_waits_for_the_database(server: BosBaseServer, client: BosBase) -> None:
    """`subscribe` blocks while the database is away, and returns once it is back."""
    seen: Seen[RecordEvent[Record]] = Seen()
    with server.database_away():
        result = run_thread(lambda: client.collection("login").subscribe("*", seen, timeout=LIMIT))
        server.wait_reads(3, "refused")
        assert client.realtime.status.value.state != "active"
    with result():
        server.update("login", "a", {"n": 5})
        assert [event.record["n"] for event in seen.wait(1)] == [5]


def test_a_refused_check_is_on_the_status_until_it_passes(
    server: BosBaseServer, client: BosBase
) -> None:
    """`status.error` has the refusal of a check that is not believed, until the check passes."""
    client.auth_store.clear()  # of a login the status shows first that its stream is a guest's
    with server.database_away():
        client.collection("public").observe("*").subscribe(ignore)
        wait_until(client, lambda: getattr(client.realtime.status.value.error, "status", 0) == 400)
    wait_until(client, lambda: client.realtime.status.value.error is None)
    assert wait_state(client, "active").topics == ("public/*",)


# -- whose a stream is ----------------------------------------------------------------------------


def test_a_stream_of_a_guest_is_not_active(server: BosBaseServer, client: BosBase) -> None:
    """A stream that the server takes for a guest's is not active until it is the login's."""
    client.collection("login").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    seen = statuses(client)
    with server.database_away():
        server.stream.cut()
        server.wait_accepted(4)
        before = seen.until(lambda items: items and IS_A_GUESTS in str(items[-1].error))
    client.realtime.wait_active(LIMIT)
    later = [status.state for status in before if status.client_id != before[0].client_id]
    assert later and "active" not in later
    assert server.stream.auth != ""


def test_only_streams_after_the_first_are_probed(server: BosBaseServer, client: BosBase) -> None:
    """The first stream is not probed on a healthy server; each one after it is, once."""
    client.collection("login").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    assert not probes(server)
    for count in (1, 2):
        gets = server.gets
        server.stream.cut()
        server.wait_gets(gets + 1)
        wait_until(client, lambda n=count: len(probes(server)) == n)  # type: ignore[misc]
        client.realtime.wait_active(LIMIT)
    assert len(probes(server)) == 2


def test_a_first_stream_near_trouble_is_probed(server: BosBaseServer, client: BosBase) -> None:
    """A first stream whose check is refused without being believed is probed, and repaired."""
    with server.database_away():
        seen = Watched(client.collection("login").observe("*"))
        server.wait_accepted(1)
        assert server.stream.auth == ""
        server.wait_for(lambda: probes(server), LIMIT, "a probe")
    client.realtime.wait_active(LIMIT)
    server.update("login", "a", {"n": 5})
    assert [event.record["n"] for event in seen.wait(1)] == [5]


def test_a_first_stream_is_probed_after_trouble_that_was_over_at_once(
    server: BosBaseServer, client: BosBase
) -> None:
    """A first stream is repaired if its check was refused, and answered once it was repeated."""
    server.lose_database()
    paths: list[str] = []

    def restore_after_the_first_refusal(request: Request) -> None:
        paths.append(request.path)
        if len(paths) == 1:
            server.wait_accepted(1)
        else:
            server.restore_database()

    server.on_request = restore_after_the_first_refusal
    seen = Watched(client.collection("login").observe("*", filter="n > 0"))
    server.wait_for(lambda: server.streams and server.stream.auth, LIMIT, "a stream of the login")
    client.realtime.wait_active(LIMIT)
    server.update("login", "a", {"n": 5})
    assert [event.record["n"] for event in seen.wait(1)] == [5]


def test_a_guest_is_not_probed(server: BosBaseServer, client: BosBase) -> None:
    """Without a login no stream is probed, after an outage either."""
    client.auth_store.clear()
    client.collection("public").observe("*").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    lose_for_a_while(server)
    client.realtime.wait_active(LIMIT)
    posts = server.requests_to("/api/realtime", "POST")
    assert len(posts) == len(server.streams) + 1


# -- logins ---------------------------------------------------------------------------------------


def test_a_token_in_the_headers_is_a_login_too(server: BosBaseServer) -> None:
    """A 403 to a token in `headers=` is not believed as a guest's while the database is away."""
    with connect(server, headers={"Authorization": f"Bearer {ROOT}"}) as client:
        running = client.collection("locked").live()
        seen = Watched(running)
        running.wait_fresh(LIMIT)
        with server.database_away():
            begun = Watched(client.collection("locked").observe("*"))
            later = client.collection("locked").live(filter="n > 0")
            view = Watched(later)
            server.wait_reads(len(server.reads_of("refused")) + 4, "refused")
        assert len(later.wait_fresh(LIMIT).records) == 2
        for each in (seen, begun, view):
            each.assert_goes_on()


def test_an_automatic_refresh_keeps_the_login(server: BosBaseServer, client: BosBase) -> None:
    """`auto_refresh` keeps the login while `auth-refresh` is refused without a database."""
    seen = Watched(client.collection("login").observe("*"))
    client.realtime.wait_active(LIMIT)
    client.auto_refresh(check_every=0.01)
    server.wait_requests(1, REFRESH)
    with server.database_away():
        server.wait_requests(len(server.requests_to(REFRESH)) + 5, REFRESH)
    server.wait_requests(len(server.requests_to(REFRESH)) + 2, REFRESH)
    assert client.auth_store.token == ANN
    seen.assert_goes_on()


def test_a_deleted_user_stays_logged_in_as_long_as_the_cache(
    server: BosBaseServer, client: BosBase
) -> None:
    """A login whose token the server still accepts stays, although its user is deleted."""
    seen = Watched(client.collection("login").observe("*"))
    client.realtime.wait_active(LIMIT)
    client.auto_refresh(check_every=0.01)
    server.wait_requests(1, REFRESH)
    server.delete_user("ann")
    server.wait_requests(len(server.requests_to(REFRESH)) + 2, REFRESH)
    server.update("login", "a", {"n": 5})
    assert [event.record["n"] for event in seen.wait(1)] == [5]
    assert client.auth_store.token == ANN
    seen.assert_goes_on()
