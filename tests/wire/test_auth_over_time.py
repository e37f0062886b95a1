"""Refreshes during other events: shared, overtaken by a login, and answered by a proxy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from support import wire_server as wire
from support.seen import Seen

from rxbosbase import AuthLostError, BackoffPolicy, BosBase, ClientResponseError

REFRESH = "/api/collections/users/auth-refresh"
AUTOMATIC = "/api/collections/_pb_users_auth_/auth-refresh"  # by the id, which a renaming keeps


def is_refresh(request: wire.Request) -> bool:
    return request.path in (REFRESH, AUTOMATIC)


@pytest.fixture
def client(server: wire.WireServer) -> Iterator[BosBase]:
    quick = BackoffPolicy(initial=0.01, maximum=0.02, jitter=False)
    with BosBase(server.url, backoff=quick) as made:
        made.collection("users").auth_with_password("ann@example.com", "geheim12")
        yield made


def test_concurrent_refreshes_share_one_request(server: wire.WireServer, client: BosBase) -> None:
    """20 concurrent `auth_refresh` calls and one automatic refresh send one request."""
    gate = wire.Gate()
    server.on_request = lambda request: wire.delay(gate) if is_refresh(request) else None
    answers: list[dict[str, Any]] = []
    arrived = threading.Barrier(21)

    def refresh() -> None:
        arrived.wait(10)
        answers.append(client.collection("users").auth_refresh())

    client.auto_refresh(timedelta(days=1))  # due at once
    server.wait_requests(1, AUTOMATIC)
    callers = [threading.Thread(target=refresh) for _ in range(20)]
    for caller in callers:
        caller.start()
    arrived.wait(10)
    for _ in range(200):  # until each has had the time to send a request of its own
        if server.requests_to(REFRESH):
            break
        threading.Event().wait(0.001)
    gate.set()
    for caller in callers:
        caller.join(10)
    assert sum(map(is_refresh, server.requests)) == 1
    assert len({answer["token"] for answer in answers}) == 1
    assert client.auth_store.token == answers[0]["token"]


def test_a_logout_during_a_refresh_stands(server: wire.WireServer, client: BosBase) -> None:
    """A logout while a refresh is in flight leaves the client logged out."""

    def log_out_first(request: wire.Request) -> None:
        if request.path == REFRESH:
            client.auth_store.clear()

    server.on_request = log_out_first
    answer = client.collection("users").auth_refresh()
    assert answer["token"]
    assert client.auth_store.token == ""


def test_another_login_during_a_refresh_stands(server: wire.WireServer, client: BosBase) -> None:
    """A login as another user while a refresh is in flight is not overwritten."""
    other = wire.make_token("bob")

    def log_in_first(request: wire.Request) -> None:
        if request.path == REFRESH:
            client.auth_store.save(other, {"id": "bob"})

    server.on_request = log_in_first
    client.collection("users").auth_refresh()
    assert client.auth_store.token == other


def test_an_observer_of_changes_may_refresh_again(server: wire.WireServer, client: BosBase) -> None:
    """An observer of `changes` that calls `auth_refresh` sends a second request."""
    users = client.collection("users")
    tokens: list[str] = []

    def once_more(state: Any) -> None:
        tokens.append(state.token)
        if len(tokens) == 2:
            users.auth_refresh()

    client.auth_store.changes.subscribe(once_more)
    users.auth_refresh()
    assert len(set(tokens)) == 3
    assert len(server.requests_to(REFRESH)) == 2


@pytest.mark.parametrize("code", [400, 401, 403, 404])
def test_an_html_page_to_a_refresh_keeps_the_login(
    server: wire.WireServer, client: BosBase, code: int
) -> None:
    """An HTML page with 400, 401, 403 or 404 to a refresh keeps the stored login."""
    page = wire.status(code, "<html>nginx</html>", {"Content-Type": "text/html"})
    server.on_request = lambda request: page if is_refresh(request) else None
    token = client.auth_store.token
    client.auto_refresh(check_every=0.01)
    server.wait_requests(4, AUTOMATIC)
    assert client.auth_store.token == token
    with pytest.raises(ClientResponseError) as caught:
        client.collection("users").auth_refresh()
    assert "a proxy's page?" in str(caught.value.original)


def test_a_lost_login_is_on_the_status_also_without_a_stream(
    server: wire.WireServer, client: BosBase, soon: None
) -> None:
    """A 401 to automatic refreshes that is believed sets `status.error`, even without a stream."""
    server.on_request = lambda request: 401 if is_refresh(request) else None
    errors: list[BaseException | None] = []
    lost = threading.Event()

    def look(status: Any) -> None:
        errors.append(status.error)
        if status.error is not None:
            lost.set()

    client.realtime.status.subscribe(look)
    client.auto_refresh(check_every=0.01)
    assert lost.wait(5)
    assert isinstance(errors[-1], AuthLostError)


def test_other_requests_continue_while_a_refresh_waits(
    server: wire.WireServer, client: BosBase
) -> None:
    """Requests and events continue while an automatic refresh gets no response."""
    server.on_request = lambda request: wire.hang() if is_refresh(request) else None
    client.auto_refresh(timedelta(days=1))
    server.wait_requests(1, AUTOMATIC)
    seen: Seen[Any] = Seen()
    client.collection("posts").subscribe("*", seen)
    assert client.health()["code"] == 200
    assert server.send("posts/*", {"id": "a"}) == 1
    seen.wait(1)
    assert len(server.requests_to(AUTOMATIC)) == 1  # it still waits
