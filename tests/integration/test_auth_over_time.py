"""Logins over time on the real server: renewal while events flow, and lost logins."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from support.live_schema import PASSWORD, Received, World, collect, eventually, log_in, titles
from support.tested_server import TOKENS_STAY, gap

from rxbosbase import AuthLostError, AuthStore, BosBase, ClientResponseError, Status
from rxbosbase.auth.store import AuthState

pytest_plugins = ["support.live_fixtures"]


def test_events_keep_flowing_under_auth_rules_for_three_lives_of_the_token(world: World) -> None:
    """With `auto_refresh`, a 10 s token stays valid for 31 s; no event is lost."""
    users = world.users()
    world.admin.collections.update(users, {"authToken": {"duration": 10}})
    posts = world.collection(listRule="@request.auth.id != ''", viewRule="@request.auth.id != ''")
    ann = world.user(users)
    client = world.logged_in(users, ann)
    tokens: Received[AuthState] = collect(client.auth_store.changes)
    client.auto_refresh(timedelta(seconds=4))
    received = collect(client.collection(posts.name).observe("*"))
    client.realtime.wait_active()
    for second in range(31):
        posts.create({"title": str(second)})
        received.have(second + 1)
        if second % 5 == 4:  # an open stream keeps its login; a new one needs a valid token
            client.realtime.reconnect_now()
            eventually(lambda: client.realtime.is_connected)
            client.realtime.wait_active()
        threading.Event().wait(1)
    assert titles(received.items) == [str(second) for second in range(31)]
    assert len({state.token for state in tokens.items}) >= 4
    assert received.error is None


def test_however_many_callers_one_refresh_is_in_flight(world: World) -> None:
    """20 concurrent calls of `auth_refresh` share requests and all get a response."""
    users = world.users()
    client = world.logged_in(users, world.user(users))
    tokens = collect(client.auth_store.changes)
    together = threading.Barrier(20)
    answers: list[dict[str, Any]] = []

    def refresh() -> None:
        together.wait(10)
        answers.append(client.collection(users).auth_refresh())

    callers = [threading.Thread(target=refresh) for _ in range(20)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert len(answers) == 20
    # All callers share a response, except for those that began after it.
    assert len({id(answer) for answer in answers}) < 10
    assert client.auth_store.token in {answer["token"] for answer in answers}
    assert len(tokens.items) <= 1 + len({answer["token"] for answer in answers})


def change_password(world: World, users: str, user: dict[str, Any]) -> None:
    body = {"password": "another one 12", "passwordConfirm": "another one 12"}
    world.admin.collection(users).update(user["id"], body)


@gap(TOKENS_STAY, bosbase=True)
@pytest.mark.usefixtures("soon")
def test_a_changed_password_is_an_error_on_status_and_ends_the_streams(world: World) -> None:
    """A revoked login fails all streams with AuthLostError; `status` keeps it until a login."""
    users, posts = world.users(), world.collection()
    ann = world.user(users)
    client = world.logged_in(users, ann)
    client.auto_refresh(check_every=0.3)
    states: Received[Status] = collect(client.realtime.status)
    first = collect(client.collection(posts.name).observe("*"))
    second = collect(client.realtime.observe("any/topic"))
    client.realtime.wait_active()
    change_password(world, users, ann)
    for received in (first, second):
        error = received.failure()
        assert isinstance(error, AuthLostError)
        assert "log in" in str(error)
        assert isinstance(error.__cause__, ClientResponseError)
    states.first(lambda status: isinstance(status.error, AuthLostError))
    eventually(lambda: states.items and states.items[-1].state == "idle")
    assert isinstance(states.items[-1].error, AuthLostError)  # it stays until the next login
    assert client.auth_store.token == ""
    client.collection(users).auth_with_password(ann["email"], "another one 12")
    again = collect(client.collection(posts.name).observe("*"))
    client.realtime.wait_active()
    posts.create({"title": "after"})
    assert titles(again.have(1)) == ["after"]
    assert states.items[-1].error is None


@gap(TOKENS_STAY, bosbase=True)
@pytest.mark.usefixtures("soon")
def test_on_auth_lost_guest_continues_without_a_login(world: World) -> None:
    """With `on_auth_lost="guest"`, streams go on without a login; `status` has AuthLostError."""
    users = world.users()
    members = world.collection(listRule="@request.auth.id != ''")
    public = world.collection()
    ann = world.user(users)
    client = world.logged_in(users, ann, on_auth_lost="guest")
    client.auto_refresh(check_every=0.3)
    states: Received[Status] = collect(client.realtime.status)
    hidden = collect(client.collection(members.name).observe("*"))
    received = collect(client.collection(public.name).observe("*"))
    client.realtime.wait_active()
    members.create({"title": "for members"})
    hidden.have(1)
    before = client.realtime.client_id
    change_password(world, users, ann)
    states.first(lambda status: isinstance(status.error, AuthLostError))
    eventually(lambda: client.realtime.client_id not in ("", before))
    client.realtime.wait_active()
    assert client.auth_store.token == ""
    eventually(lambda: states.items and states.items[-1].state == "active")
    assert isinstance(states.items[-1].error, AuthLostError)
    members.create({"title": "hidden from guests"})
    public.create({"title": "for all"})
    assert titles(received.have(1)) == ["for all"]
    assert titles(hidden.items) == ["for members"]
    assert received.error is None is hidden.error


@gap(TOKENS_STAY, bosbase=True)
@pytest.mark.usefixtures("soon")
def test_a_deleted_user_loses_the_login_too(world: World) -> None:
    """With `auto_refresh`, deleting the user fails the streams with AuthLostError."""
    users = world.users()
    ann = world.user(users)
    client = world.logged_in(users, ann)
    received = collect(client.realtime.observe("any/topic"))
    client.realtime.wait_active()
    client.auto_refresh(check_every=0.2)
    world.admin.collection(users).delete(ann["id"])
    assert isinstance(received.failure(), AuthLostError)


def test_an_outage_keeps_the_login(fragile: World) -> None:
    """Refreshes that fail while the server is down keep the token and the streams."""
    users = fragile.users()
    client = fragile.logged_in(users, fragile.user(users))
    token = client.auth_store.token
    received = collect(client.realtime.observe("any/topic"))
    client.realtime.wait_active()
    client.auto_refresh(check_every=0.1)
    fragile.server.kill()
    states = collect(client.realtime.status)
    states.first(lambda status: status.attempt >= 3)
    fragile.server.restart()
    client.realtime.wait_active(20)
    assert client.auth_store.token == token
    assert received.error is None


@gap("tokens are good for 100 years, and a refresh answers with the same one", bosbase=True)
def test_observers_of_a_renewed_login_may_block_and_use_the_client(world: World) -> None:
    """An observer of `auth_store.changes` may call a blocking `subscribe` after a refresh."""
    users, posts = world.users(), world.collection()
    client = world.logged_in(users, world.user(users))
    received: Received[Any] = Received()
    seen: list[str] = []

    def subscribe_on_renewal(state: AuthState) -> None:
        if state.token not in seen:
            seen.append(state.token)
            if len(seen) == 2:
                client.collection(posts.name).subscribe("*", received)

    client.auth_store.changes.subscribe(subscribe_on_renewal)
    threading.Event().wait(1.1)  # the server signs the same token again within one second
    client.auto_refresh(timedelta(days=400))  # so that it is due at once
    eventually(lambda: client.realtime.stats.posts >= 1)
    client.realtime.wait_active()
    posts.create({"title": "received"})
    assert titles(received.have(1)) == ["received"]


@pytest.mark.parametrize("bad", [None, 30, "30"])
def test_a_threshold_that_is_no_timedelta_is_refused(bad: Any) -> None:
    """`auto_refresh` raises TypeError for a threshold that is not a `timedelta`."""
    with BosBase("http://127.0.0.1:1") as client, pytest.raises(TypeError, match="timedelta"):
        client.auto_refresh(bad)


def test_a_negative_threshold_is_refused() -> None:
    """`auto_refresh` raises ValueError for a negative threshold."""
    with BosBase("http://127.0.0.1:1") as client, pytest.raises(ValueError, match="negative"):
        client.auto_refresh(timedelta(seconds=-1))


def test_a_store_may_outlive_its_clients(world: World) -> None:
    """Two clients in turn may use one AuthStore; each leaves no observer in it when closed."""
    store = AuthStore()
    login = log_in(world.server)
    store.save(login.token, login.record)
    for _ in range(2):
        with world.server.client(auth_store=store) as client:
            client.auto_refresh()
            assert client.collections.get_list(1, 1)["items"]
    assert store._observers == ()
    assert PASSWORD not in repr(store)
