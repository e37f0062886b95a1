"""Who of the dashboard's pages shares what, on the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from support.live_schema import PASSWORD, World, eventually

from rxbosbase import BosBase

pytest_plugins = ["support.live_fixtures"]

NEW_PASSWORD = "another password"

Clients = Any


@pytest.fixture
def make_clients(world: World) -> Iterator[Callable[..., Clients]]:
    pytest.importorskip("panel", reason="needs pip install 'rxbosbase[dashboard]'")
    from rxbosbase.dashboard.web import clients as web

    made: list[Clients] = []

    def make(**options: Any) -> Clients:
        made.append(web.Clients(partial(BosBase, world.server.url), **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def change_password(world: World, users: str, id: str) -> None:
    body = {"password": NEW_PASSWORD, "passwordConfirm": NEW_PASSWORD}
    world.admin.collection(users).update(id, body)


def test_a_tab_whose_login_was_revoked_does_not_regain_rights_by_the_next_login(
    world: World, make_clients: Callable[..., Clients]
) -> None:
    """A page with a revoked login stays without rights when the user logs in on another."""
    clients, users = make_clients(), world.users()
    ann = world.user(users)
    secrets = world.collection(listRule="@request.auth.id != ''")
    secrets.create({"title": "for those who are logged in"})

    def seen(lease: Any) -> int:
        return len(lease.client.collection(secrets.name).get_full_list())

    old = clients.log_in(users, ann["email"], PASSWORD)
    assert seen(old) == 1
    change_password(world, users, ann["id"])
    assert seen(old) == 0
    new = clients.log_in(users, ann["email"], NEW_PASSWORD)
    assert (seen(new), seen(old)) == (1, 0)
    assert old.client is not new.client
    new.release()
    assert seen(old) == 0


def test_logins_of_one_user_share_nothing_and_each_ends_with_its_page(
    world: World, make_clients: Callable[..., Clients]
) -> None:
    """Each login has a client of its own; releasing one twice leaves the other open."""
    clients, users = make_clients(), world.users()
    ann = world.user(users)
    first, second = (clients.log_in(users, ann["email"], PASSWORD) for _ in range(2))
    assert first.client is not second.client
    assert clients.count == 2
    first.release()
    first.release()
    assert (first.client.is_closed, second.client.is_closed, clients.count) == (True, False, 1)


def test_guests_share_one_client_until_the_last_is_gone(
    make_clients: Callable[..., Clients],
) -> None:
    """Pages without a login share one client, closed when the last page is released."""
    clients = make_clients()
    first, second = clients.guest(), clients.guest()
    assert first.client is second.client
    first.release()
    assert not second.client.is_closed
    second.release()
    assert (second.client.is_closed, clients.count) == (True, 0)
    assert not clients.guest().client.is_closed


@pytest.mark.usefixtures("soon")
def test_an_initial_login_is_shared_until_it_is_revoked(
    world: World, make_clients: Callable[..., Clients]
) -> None:
    """`share` shares a valid login; once revoked, it returns a guest client with a notice."""
    clients, users = make_clients(check_every=0.1), world.users()
    ann = world.user(users)
    login = clients.log_in(users, ann["email"], PASSWORD)
    page = clients.share(login)
    assert (page.client, page.name, page.is_guest) == (login.client, login.name, False)
    change_password(world, users, ann["id"])
    eventually(lambda: page.is_revoked)
    late = clients.share(login)
    assert late.client is not login.client
    assert (late.is_guest, late.client.auth_store.token) == (True, "")
    assert login.name in late.notice
    assert "does not accept the login" in late.notice
    clients.log_in(users, ann["email"], NEW_PASSWORD)
    assert page.is_revoked  # and stays so
    assert page.client.auth_store.token == ""
    login.release()
    page.release()
    assert clients.share(page).is_guest
