"""Logins on the dashboard's page that fail: the page shows it and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from support import wire_server as wire
from support.browser_fixtures import Dashboard, Tab, serving_dashboard

pytest_plugins = ["support.browser_fixtures"]

MALFORMED: list[Any] = [
    {},
    {"token": "a.b.c"},
    {"token": "a.b.c", "record": {}},
    {"token": "a.b.c", "record": {"collectionId": "c"}},
    {"token": "a.b.c", "record": {"id": ["u"], "collectionId": "c"}},
    {"token": "", "record": {"id": "u"}},
    {"token": 7, "record": {"id": "u"}},
]


@pytest.fixture
def server(browser: Any) -> Iterator[wire.WireServer]:
    with wire.WireServer() as running:
        yield running


@pytest.fixture
def shown(server: wire.WireServer) -> Iterator[Dashboard]:
    with serving_dashboard(server, ("posts",)) as served:
        yield served


def set_login_response(server: wire.WireServer, response: Callable[[], Any]) -> None:
    server.on_request = lambda request: (
        response() if request.path.endswith("auth-with-password") else None
    )


def log_in(tab: Tab) -> None:
    tab.page.get_by_label("E-mail or user name").fill("ann@example.com")
    tab.page.get_by_label("Password").fill("secret password")
    tab.page.get_by_label("Password").press("Enter")


def open_login_form(tab: Tab) -> Tab:
    tab.page.locator("header").get_by_role("button", name="Log in").click()
    return tab


def is_guest_with_form(tab: Tab) -> bool:
    header = tab.page.locator("header")
    return bool(
        header.get_by_role("button", name="Log in").count() == 2
        and header.get_by_role("button", name="Log out").count() == 0
    )


@pytest.mark.parametrize("malformed", MALFORMED, ids=str)
def test_a_malformed_response_to_a_login_is_shown(
    open_tab: Callable[..., Tab], server: wire.WireServer, shown: Dashboard, malformed: Any
) -> None:
    """A malformed response to a login is shown as an alert, and the tab stays a guest's."""
    set_login_response(server, lambda: malformed)
    tab = open_login_form(open_tab(shown.url))
    log_in(tab)
    tab.page.locator("header").get_by_role("alert").wait_for()
    assert "a login was answered" in tab.page.locator("header").get_by_role("alert").inner_text()
    assert is_guest_with_form(tab)


def test_any_other_failure_of_a_login_is_shown(
    open_tab: Callable[..., Tab], shown: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other failure of a login is shown as an alert, and the tab stays a guest's."""
    monkeypatch.setattr(shown.clients, "_check_every", "no number")  # to raise an unexpected error
    tab = open_login_form(open_tab(shown.url))
    log_in(tab)
    tab.page.locator("header").get_by_role("alert").wait_for()
    assert is_guest_with_form(tab)


def test_the_logins_of_an_address_are_limited_and_the_wait_is_shown(
    open_tab: Callable[..., Tab], server: wire.WireServer, shown: Dashboard
) -> None:
    """After five failed logins from one address, further ones have to wait, in any tab."""
    numbers = count(1)
    set_login_response(server, lambda: wire.problem(400, f"refused, number {next(numbers)}"))
    tab = open_login_form(open_tab(shown.url))
    for n in range(1, 6):
        log_in(tab)
        tab.page.get_by_text(f"refused, number {n}").wait_for()
    other = open_login_form(open_tab(shown.url))  # a new page does not reset the count
    log_in(other)
    other.page.get_by_text("Too many logins from 127.0.0.1: wait").wait_for()
    assert next(numbers) == 6
