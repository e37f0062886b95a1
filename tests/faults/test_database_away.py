"""The proxy answers as a server without its database does, for a while."""

from __future__ import annotations

import doctest
from collections.abc import Callable, Iterator

import pytest
from faults import database_away
from faults.kinds import Fault, Kind
from faults.proxy import FaultProxy
from faults.watching import WatchedClient
from support.wire_client import RawClient, ask, subscribe
from support.wire_server import WireServer, make_token

Watch = Callable[..., WatchedClient]

RECORDS = "/api/collections/posts/records"
USERS = "/api/collections/users"
ADA = make_token("ada")
NEVER = 60.0


@pytest.fixture
def proxy(server: WireServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.url) as made:
        yield made


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{RECORDS}?perPage=1", 400), ("GET", f"{RECORDS}/a", 404),
        ("POST", f"{USERS}/auth-refresh", 401), ("POST", f"{USERS}/auth-with-password", 500),
        ("GET", f"{USERS}/auth-methods", 200), ("GET", "/api/health", 200),
    ],
)  # fmt: skip
def test_requests_are_answered_as_without_a_database(
    proxy: FaultProxy, method: str, path: str, status: int
) -> None:
    """The proxy refuses reads and logins while the database is away, and `calm` ends that."""
    headers = {"Authorization": ADA}
    body = {"identity": "ada", "password": "x"} if method == "POST" else None
    proxy.inject(Fault(Kind.DATABASE_AWAY, NEVER))
    assert ask(proxy, method, path, body, headers)[0] == status
    proxy.calm()
    assert ask(proxy, method, path, body, headers)[0] == 200


def test_a_stream_becomes_a_guests(server: WireServer, proxy: FaultProxy) -> None:
    """A POST with a token makes the stream a guest's, and is 403 where it is a login's."""
    with RawClient(proxy) as raw:
        id = raw.open_stream()
        proxy.inject(Fault(Kind.DATABASE_AWAY, NEVER))
        assert subscribe(proxy, id, "posts/*", auth=ADA)[0] == 204
        assert server.stream.auth == ""
        proxy.calm()
        assert subscribe(proxy, id, "posts/*", auth=ADA)[0] == 204
        assert server.stream.auth != ""
        proxy.inject(Fault(Kind.DATABASE_AWAY, NEVER))
        assert subscribe(proxy, id, "others/*", auth=ADA)[0] == 403


def test_the_database_returns_by_itself(proxy: FaultProxy) -> None:
    """The database is back after the seconds of the fault."""
    proxy.inject(Fault(Kind.DATABASE_AWAY, 0.01))
    proxy.wait_database()
    assert ask(proxy, "GET", RECORDS)[0] == 200


def test_doctests_pass() -> None:
    """The examples of `database_away` pass."""
    result = doctest.testmod(database_away)
    assert result.attempted and not result.failed
