"""Rules, logins and a database that is away: the BosBase-like server answers as measured."""

from __future__ import annotations

import doctest
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from support import bosbase_access, wire_api
from support.bosbase_server import BosBaseServer
from support.wire_client import RawClient, ask, subscribe
from support.wire_server import make_token

ANN = make_token("ann")
BOB = make_token("bob")
ROOT = make_token("root", "_pb__superusers_auth_")
LOGINS = {"guest": "", "user": ANN, "superuser": ROOT}


@pytest.fixture
def server() -> Iterator[BosBaseServer]:
    with BosBaseServer() as started:
        for name in ("public", "login", "locked"):
            started.set_rule(name, name)
            started.fill(name, [{"id": "a", "n": 1}])
        yield started


def request(
    server: BosBaseServer, method: str, path: str, token: str = "", body: Any = None
) -> tuple[int, Any]:
    headers = {"Authorization": token} if token else {}
    code, text = ask(server, method, f"/api/{path}", body, headers)
    return code, json.loads(text or b"{}")


def read(server: BosBaseServer, name: str, token: str = "", **query: Any) -> int:
    """Read a list; return the status."""
    return request(server, "GET", f"collections/{name}/records?{urlencode(query)}", token)[0]


def view(server: BosBaseServer, name: str, token: str = "") -> int:
    """Read the record ``a``; return the status."""
    return request(server, "GET", f"collections/{name}/records/a", token)[0]


def refresh(server: BosBaseServer, token: str) -> int:
    """Refresh a login; return the status."""
    return request(server, "POST", "collections/users/auth-refresh", token)[0]


def log_in(server: BosBaseServer) -> int:
    """Log in as ann; return the status."""
    body = {"identity": "ann", "password": "x"}
    return request(server, "POST", "collections/users/auth-with-password", body=body)[0]


def post(server: BosBaseServer, raw: RawClient, token: str, *topics: str) -> int:
    """Submit topics; return the status."""
    client_id = server.stream.client_id if server.streams else raw.open_stream()
    return subscribe(server, client_id, *topics, auth=token)[0]


# -- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "login", "listed", "viewed"),
    [
        ("public", "guest", 200, 200), ("public", "user", 200, 200),
        ("login", "guest", 200, 404), ("login", "user", 200, 200),
        ("locked", "guest", 403, 403), ("locked", "user", 403, 403),
        ("locked", "superuser", 200, 200), ("login", "superuser", 200, 200),
        ("missing", "superuser", 404, 404),
    ],
)  # fmt: skip
def test_a_rule_decides_by_the_login(
    server: BosBaseServer, name: str, login: str, listed: int, viewed: int
) -> None:
    """A list and a record are answered by the collection's rule and the request's login."""
    token = LOGINS[login]
    assert (read(server, name, token), view(server, name, token)) == (listed, viewed)


def test_a_guests_list_under_an_auth_rule_is_empty(server: BosBaseServer) -> None:
    """A guest's list of a collection under an auth rule has no rows, a login's has them."""
    path = "collections/login/records"
    assert request(server, "GET", path)[1]["items"] == []
    assert [row["id"] for row in request(server, "GET", path, ANN)[1]["items"]] == ["a"]


def test_single_records_may_have_another_rule(server: BosBaseServer) -> None:
    """With `view=` a list and a record are allowed to different logins."""
    server.set_rule("public", "locked", view="public")
    assert (read(server, "public"), view(server, "public")) == (403, 200)


def test_a_guest_does_not_write_under_an_auth_rule(server: BosBaseServer) -> None:
    """A create under an auth rule is 400 for a guest, an update 404; a login's are 200."""
    path = "collections/login/records"
    codes = [
        request(server, method, f"{path}{id}", token, {"n": 2})[0]
        for token in ("", ANN)
        for method, id in (("POST", ""), ("PATCH", "/a"))
    ]
    assert codes == [400, 404, 200, 200]


def test_events_follow_the_rules(server: BosBaseServer) -> None:
    """A stream gets the events that its login may see, and no others."""
    with RawClient(server) as raw:
        topics = ("public/*", "login/*", "locked/*")
        assert post(server, raw, "", *topics) == 204
        for name in ("login", "locked", "public"):
            server.update(name, "a", {"n": 2})
        assert b"event:public/*" in raw.until(b"\n\n\r\n")
        assert post(server, raw, ANN, *topics) == 204
        server.update("locked", "a", {"n": 3})
        server.update("login", "a", {"n": 3})
        assert b"event:login/*" in raw.until(b"\n\n\r\n")
        assert raw.silent()


@pytest.mark.parametrize("change", ["rename", "delete", "close"])
def test_a_topic_of_a_changed_collection_is_silent(server: BosBaseServer, change: str) -> None:
    """A topic gets no event once its collection is renamed, deleted or locked."""
    with RawClient(server) as raw:
        post(server, raw, ANN, "public/*", "login/*")
        if change == "rename":
            server.rename_collection("public", "other")
            server.update("other", "a", {"n": 2})
        elif change == "delete":
            server.delete_collection("public")
        else:
            server.set_rule("public", "locked")
            server.update("public", "a", {"n": 2})
        server.update("login", "a", {"n": 2})
        assert b"event:login/*" in raw.until(b"\n\n\r\n")
    assert read(server, "public", ANN) == (403 if change == "close" else 404)


def test_a_renamed_collection_keeps_its_id(server: BosBaseServer) -> None:
    """A topic of a collection's id gets its events under another name, too."""
    with RawClient(server) as raw:
        post(server, raw, "", "pbc_public/*")
        server.rename_collection("public", "other")
        server.update("other", "a", {"n": 2})
        frame = raw.until(b"\n\n\r\n")
    assert b'"collectionId":"pbc_public","collectionName":"other"' in frame


# -- the database is away -------------------------------------------------------------------------


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize(
    ("name", "listed", "viewed"),
    [("public", 400, 404), ("login", 400, 404), ("locked", 403, 403), ("missing", 404, 404)],
)
def test_reads_without_a_database_are_refused(
    server: BosBaseServer, login: str, name: str, listed: int, viewed: int
) -> None:
    """Without its database the server answers 400 to lists and 404 to records, to every login."""
    token = LOGINS[login]
    with server.database_away():
        assert (read(server, name, token), view(server, name, token)) == (listed, viewed)
    assert read(server, "public", token) == 200


def test_other_routes_without_a_database(server: BosBaseServer) -> None:
    """Without its database: auth-refresh 401, a login 500, health and auth-methods 200."""
    with server.database_away():
        assert (refresh(server, ANN), log_in(server)) == (401, 500)
        assert request(server, "GET", "health")[0] == 200
        assert request(server, "GET", "collections/users/auth-methods")[0] == 200
    assert (refresh(server, ANN), log_in(server)) == (200, 200)


def test_writes_without_a_database_are_refused(server: BosBaseServer) -> None:
    """Without its database a create is answered with 400, an update with 404."""
    path = "collections/public/records"
    with server.database_away():
        assert request(server, "POST", path, ANN, {})[0] == 400
        assert request(server, "PATCH", f"{path}/a", ANN, {})[0] == 404
        with pytest.raises(RuntimeError, match="only another node can write"):
            server.update("public", "a", {})
        server.sql_update("public", "a", {"n": 5})
    assert server.record("public", "a")["n"] == 5


def test_a_stream_becomes_a_guests_and_stays_it(server: BosBaseServer) -> None:
    """A POST with a token and no database is a guest's until the next POST with it."""
    with RawClient(server) as raw:
        with server.database_away():
            assert post(server, raw, ANN, "login/*", "public/*") == 204
            assert post(server, raw, "", "login/*", "public/*") == 204
        server.update("login", "a", {"n": 2})
        server.update("public", "a", {"n": 2})
        assert b"event:public/*" in raw.until(b"\n\n\r\n")
        assert post(server, raw, ANN, "login/*", "public/*") == 204
        assert post(server, raw, "", "login/*", "public/*") == 403
        server.update("login", "a", {"n": 3})
        assert b"event:login/*" in raw.until(b"\n\n\r\n")


def test_a_stream_that_has_an_identity_keeps_it(server: BosBaseServer) -> None:
    """Without a database the POST of a login's stream is 403, and the stream stays as it is."""
    with RawClient(server) as raw:
        assert post(server, raw, ANN, "login/*") == 204
        with server.database_away():
            assert post(server, raw, ANN, "public/*") == 403
        assert server.stream.topics == ["login/*"]
        server.update("login", "a", {"n": 2})
        assert b"event:login/*" in raw.until(b"\n\n\r\n")
        assert post(server, raw, ANN, "public/*") == 204


# -- stale plans, and the cache of tokens ---------------------------------------------------------


def test_reads_after_a_schema_change_are_refused_once(server: BosBaseServer) -> None:
    """So many reads of a collection as `stale_plans` says are refused, and no others."""
    server.table("public").stale_plans = 2
    assert (read(server, "login"), read(server, "public"), view(server, "public")) == (
        200, 400, 404,
    )  # fmt: skip
    assert (read(server, "public"), view(server, "public")) == (200, 200)


def test_refused_reads_are_counted_as_such(server: BosBaseServer) -> None:
    """A read that the rows do not decide is recorded with the kind `refused`."""
    with server.database_away():
        read(server, "public")
    read(server, "locked", ANN)
    read(server, "public", filter="n = 1")
    assert [each.kind for each in server.wait_reads(3)] == ["refused", "refused", "rows"]


def test_the_cache_of_tokens_outlives_a_deleted_user(server: BosBaseServer) -> None:
    """A token that was looked up before its user's end stays valid until it is forgotten."""
    assert refresh(server, ANN) == 200
    server.delete_user("ann")
    with RawClient(server) as raw:
        assert (refresh(server, ANN), post(server, raw, ANN, "login/*")) == (200, 204)
        server.update("login", "a", {"n": 2})
        assert b"event:login/*" in raw.until(b"\n\n\r\n")
        server.forget_tokens()
        assert (refresh(server, ANN), post(server, raw, ANN, "login/*")) == (401, 403)


def test_a_user_deleted_here_ends_the_identity_of_its_streams(server: BosBaseServer) -> None:
    """A stream becomes a guest's when its user is deleted there, until a POST with its token."""
    with RawClient(server) as raw:
        post(server, raw, ANN, "login/*")
        server.delete_user("ann", is_here=True)
        assert post(server, raw, "", "login/*") == 204
        assert post(server, raw, ANN, "login/*") == 204
        assert post(server, raw, "", "login/*") == 403


def test_a_failing_lookup_makes_a_read_a_guests(server: BosBaseServer) -> None:
    """So many requests with a token as `failing_lookups` says are answered as a guest's."""
    server.failing_lookups = 2
    assert read(server, "public") == 200
    path = "collections/login/records"
    assert [len(request(server, "GET", path, ANN)[1]["items"]) for _ in range(3)] == [0, 0, 1]


def test_a_deleted_user_has_no_new_login(server: BosBaseServer) -> None:
    """A deleted user's login is refused, and so is a token that was never looked up."""
    server.delete_user(wire_api.user_id("ann"))
    server.delete_user("bob")
    assert (log_in(server), refresh(server, BOB)) == (400, 401)


def test_doctests_pass() -> None:
    """The examples of the module of rules, and of logins, pass."""
    for module in (bosbase_access, wire_api):
        result = doctest.testmod(module)
        assert result.attempted and not result.failed
