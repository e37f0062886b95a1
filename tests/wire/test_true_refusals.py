"""What a well server refuses ends in `on_error`: at first use at once, later after three refusals.

How long the three refusals take at least is counted by `RefusalCount`, whose tests need no server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.bosbase_server import BosBaseServer
from support.realtime_client import connect, ignore, wait_until
from support.seen import LIMIT, Seen, wait_event
from support.wire_server import make_token, problem

from rxbosbase import AuthLostError, AuthStore, BosBase, ClientResponseError
from rxbosbase.access.refusals import ATTEMPTS, REFUSALS
from rxbosbase.live import Snapshot

ANN = make_token("ann")
BOB = make_token("bob")
REFRESH = "/api/collections/_pb_users_auth_/auth-refresh"
AT_ONCE = ATTEMPTS + 1
"""The most requests of one believed refusal, with its control question. None follows a wait, so
that they take less than a second unless the machine is busy."""


@pytest.fixture
def server() -> Iterator[BosBaseServer]:
    with BosBaseServer() as started:
        started.set_rule("posts", "login")
        started.set_rule("locked", "locked")
        started.fill("posts", [{"id": "a", "n": 1, "k": 1}])
        yield started


@pytest.fixture
def client(server: BosBaseServer) -> Iterator[BosBase]:
    """A client with a login."""
    with connect(server) as connected:
        connected.auth_store.save(ANN, {"id": "ann"})
        yield connected


def reads(server: BosBaseServer) -> int:
    """Return how many requests were made outside the realtime route."""
    return len(server.requests_to("/api/collections/"))


def status_of(error: Exception) -> int:
    return error.status if isinstance(error, ClientResponseError) else 0


# -- at first use ---------------------------------------------------------------------------------

TYPOS: dict[str, tuple[str, dict[str, Any], int]] = {
    "collection": ("psts", {}, 404),
    "filter": ("posts", {"filter": "m > 0"}, 400),
    "locked": ("locked", {}, 403),
}
STARTS: dict[str, Callable[[BosBase, str, dict[str, Any], Callable[[Exception], None]], object]] = {
    "observe": lambda client, name, options, failed: (
        client.collection(name).observe("*", **options).subscribe(ignore, failed)
    ),
    "live": lambda client, name, options, failed: (
        client.collection(name).live(**options).subscribe(ignore, failed)
    ),
}


@pytest.mark.parametrize("token", ["", ANN], ids=["guest", "user"])
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("typo", TYPOS)
def test_a_typo_is_reported_within_a_second(
    server: BosBaseServer, client: BosBase, typo: str, start: str, token: str
) -> None:
    """A wrong collection or filter, and a locked collection, are in `on_error` without a wait."""
    name, options, status = TYPOS[typo]
    client.auth_store.save(token, {"id": "x"}) if token else client.auth_store.clear()
    errors: Seen[Exception] = Seen()
    STARTS[start](client, name, options, errors)
    assert [status_of(error) for error in errors.wait(1)] == [status]
    assert reads(server) <= AT_ONCE


def test_a_typo_is_raised_by_subscribe(server: BosBaseServer, client: BosBase) -> None:
    """`subscribe` raises the refusal of a wrong filter without a wait."""
    with pytest.raises(ClientResponseError) as refused:
        client.collection("posts").subscribe("*", ignore, filter="m > 0")
    assert refused.value.status == 400
    assert reads(server) <= AT_ONCE


def test_a_missing_record_is_shown_within_a_second(server: BosBaseServer, client: BosBase) -> None:
    """`live_record` shows None without a wait for a missing record, and the record once it is."""
    seen: Seen[Any] = Seen()
    client.collection("posts").live_record("b").subscribe(seen)
    assert seen.wait(1) == [None]
    assert reads(server) <= AT_ONCE
    server.create("posts", {"id": "b", "n": 2})
    assert seen.wait(2)[1]["n"] == 2


def test_a_newcomer_fails_beside_one_that_goes_on(server: BosBaseServer, client: BosBase) -> None:
    """A refusal at first use ends the newcomer alone, not the topic that was accepted before."""
    first, second = Seen[Exception](), Seen[Exception]()
    posts = client.collection("posts")
    posts.observe("*", filter="k > 0").subscribe(ignore, first)
    client.realtime.wait_active(LIMIT)
    server.wait_reads(1)
    server.remove_field("posts", "k")
    posts.observe("*", filter="k > 1").subscribe(ignore, second)
    assert status_of(second.wait(1)[0]) == 400
    assert not first.items


# -- after the query was accepted -----------------------------------------------------------------

CHANGES: dict[str, tuple[Callable[[BosBaseServer], object], int]] = {
    "renamed": (lambda server: server.rename_collection("posts", "articles"), 404),
    "deleted": (lambda server: server.delete_collection("posts"), 404),
    "closed": (lambda server: server.set_rule("posts", "locked"), 403),
    "field removed": (lambda server: server.remove_field("posts", "k"), 400),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_topic_that_cannot_deliver_any_more_ends(
    server: BosBaseServer, soon: None, change: str
) -> None:
    """`observe` ends with the refusal once its question is asked again and refused three times."""
    errors: Seen[Exception] = Seen()
    apply, status = CHANGES[change]
    with connect(server, preflight_every=0.02) as client:
        client.auth_store.save(ANN, {"id": "ann"})
        client.collection("posts").observe("*", filter="k > 0").subscribe(ignore, errors)
        client.realtime.wait_active(LIMIT)
        server.wait_reads(3, "rows")
        apply(server)
        assert [status_of(error) for error in errors.wait(1)] == [status]
    path = "/api/collections/posts/records"
    refused = [request for request in server.requests_to(path) if "filter" in request.query]
    assert len(refused) >= 3 + REFUSALS


@pytest.mark.parametrize("change", CHANGES)
def test_a_view_whose_query_is_refused_for_good_ends(
    server: BosBaseServer, client: BosBase, soon: None, change: str
) -> None:
    """A view ends with the refusal once it is refused three times after a reconnection."""
    errors: Seen[Exception] = Seen()
    apply, status = CHANGES[change]
    view = client.collection("posts").live(filter="k > 0")
    view.subscribe(ignore, errors)
    view.wait_fresh(LIMIT)
    apply(server)
    server.stream.cut()
    ended = errors.wait(1, 3 * LIMIT)  # after a dozen reads
    assert [status_of(error) for error in ended] == [status]


def test_a_topic_is_asked_about_after_each_reconnection(server: BosBaseServer, soon: None) -> None:
    """With `preflight_every=0` the question is asked again after a reconnection, and only then."""
    errors: Seen[Exception] = Seen()
    with connect(server, preflight_every=0) as client:
        client.auth_store.save(ANN, {"id": "ann"})
        client.collection("posts").observe("*").subscribe(ignore, errors)
        client.realtime.wait_active(LIMIT)
        server.wait_reads(1)
        server.stream.cut()
        server.wait_reads(2)
        server.set_rule("posts", "locked")
        server.stream.cut()
        assert status_of(errors.wait(1)[0]) == 403


def test_many_topics_of_one_question_need_one_read(server: BosBaseServer) -> None:
    """Each time the question of many equal topics is asked again costs one read."""
    names = [f"record{number}" for number in range(20)]
    server.fill("public", [{"id": name} for name in names])
    with connect(server, preflight_every=0) as client:
        public = client.collection("public")
        for name in names:
            public.observe(name).subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        for count in (2, 3):
            server.wait_reads(count - 1)
            gets = server.gets
            server.stream.cut()
            server.wait_gets(gets + 1)
            server.wait_reads(count)
            client.realtime.wait_active(LIMIT)
    assert [read.kind for read in server.reads] == ["record"] * 3


# -- logins ---------------------------------------------------------------------------------------


def test_a_login_that_is_refused_for_good_is_lost(
    server: BosBaseServer, client: BosBase, soon: None
) -> None:
    """`auto_refresh` ends the streams and clears the store after three refusals of a login."""
    errors: Seen[Exception] = Seen()
    client.collection("posts").observe("*").subscribe(ignore, errors)
    client.realtime.wait_active(LIMIT)
    client.auto_refresh(check_every=0.01)
    server.wait_requests(1, REFRESH)
    server.delete_user("ann")
    server.forget_tokens()
    assert isinstance(errors.wait(1)[0], AuthLostError)
    assert not client.auth_store.token
    assert len(server.requests_to(REFRESH)) >= 1 + REFUSALS


def test_a_login_in_on_error_outlasts_the_loss(server: BosBaseServer, soon: None) -> None:
    """The next login may be made in the `on_error` of a stream that the lost one has ended."""
    again = threading.Event()

    class SlowStore(AuthStore):
        def clear(self) -> None:
            again.wait(0.3)  # long enough for an `on_error` that comes too early
            super().clear()

    def log_in(error: Exception) -> None:
        logins.save(BOB, {"id": "bob"})
        again.set()

    logins = SlowStore()
    logins.save(ANN, {"id": "ann"})
    with connect(server, auth_store=logins) as client:
        client.collection("posts").observe("*").subscribe(ignore, log_in)
        view: Seen[Snapshot[Any]] = Seen()
        client.collection("posts").live().subscribe(view, ignore)
        view.until(lambda items: items and items[-1].records)
        first = view.count - 1
        client.auto_refresh(check_every=0.01)
        server.delete_user("ann")
        server.forget_tokens()
        wait_event(again)
        client.collection("posts").subscribe("*", ignore)
        assert logins.token == BOB
        assert all(snapshot.records for snapshot in view.items[first:])  # not those of a guest


@pytest.mark.parametrize("choice", ["error", "guest"])
def test_a_login_that_cannot_be_cleared_is_lost_all_the_same(
    server: BosBaseServer, soon: None, caplog: pytest.LogCaptureFixture, choice: Any
) -> None:
    """A store that raises in `clear` is logged; streams end, or go on as a guest's."""

    class StuckStore(AuthStore):
        def clear(self) -> None:
            raise OSError("the file cannot be removed")

    server.set_rule("public", "public")
    logins = StuckStore()
    logins.save(ANN, {"id": "ann"})
    errors: Seen[Exception] = Seen()
    with connect(server, auth_store=logins, on_auth_lost=choice) as client:
        client.collection("public").observe("*").subscribe(ignore, errors)
        client.realtime.wait_active(LIMIT)
        assert server.stream.auth
        client.auto_refresh(check_every=0.01)
        server.delete_user("ann")
        server.forget_tokens()
        if choice == "error":
            assert isinstance(errors.wait(1)[0], AuthLostError)
        else:
            server.wait_for(
                lambda: server.streams and not server.stream.auth, LIMIT, "a guest's stream"
            )
            client.realtime.wait_active(LIMIT)
            assert not errors.items
    assert "cannot be removed from the auth store" in caplog.text


def test_a_login_is_not_lost_by_two_refusals(server: BosBaseServer, client: BosBase) -> None:
    """A login that a well server refuses stays for the time of the rule."""
    client.auto_refresh(check_every=0.01)
    server.wait_requests(1, REFRESH)
    server.delete_user("ann")
    server.forget_tokens()
    server.wait_requests(len(server.requests_to(REFRESH)) + 1, REFRESH)
    wait_until(client, lambda: len(server.reads_of("rows")) >= 1)
    assert client.auth_store.token == ANN


def test_an_expired_login_is_a_guest_after_a_reconnection(server: BosBaseServer) -> None:
    """Without `auto_refresh` a stream of an expired login is active again soon, and says why."""
    with connect(server) as client:
        client.auth_store.save(make_token("ann", exp=time.time() - 60), {"id": "ann"})
        client.collection("posts").observe("*").subscribe(ignore)
        client.realtime.wait_active(LIMIT)
        gets = server.gets
        server.stream.cut()
        server.wait_gets(gets + 1)
        wait_until(client, lambda: isinstance(client.realtime.status.value.error, AuthLostError))
        client.realtime.wait_active(LIMIT)
        assert client.auth_store.token and server.stream.auth == ""


def test_a_token_that_cannot_be_renewed_is_no_lost_login(
    server: BosBaseServer, client: BosBase, soon: None
) -> None:
    """PocketBase 0.23 refuses to renew an impersonated token (403), and it stays the login."""
    server.on_request = lambda request: problem(403) if request.path == REFRESH else None
    token = make_token("ann", refreshable=False)
    client.auth_store.save(token, {"id": "ann"})
    client.auto_refresh(check_every=0.01)
    server.wait_requests(4 * REFUSALS, REFRESH)
    assert client.auth_store.token == token
