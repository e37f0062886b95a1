"""Logins on the dashboard's page that fail, in any way at all: it says so, and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from support import wire_server as wire
from support.browser_fixtures import Dashboard, Tab, showing

pytest_plugins = ["support.browser_fixtures"]

ODD: list[Any] = [
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
    with showing(server, ("posts",)) as served:
        yield served


def answer_logins(server: wire.WireServer, answer: Callable[[], Any]) -> None:
    server.on_request = lambda request: (
        answer() if request.path.endswith("auth-with-password") else None
    )


def log_in(tab: Tab) -> None:
    tab.page.get_by_label("E-mail or user name").fill("ann@example.com")
    tab.page.get_by_label("Password").fill("secret password")
    tab.page.get_by_label("Password").press("Enter")


def with_form(tab: Tab) -> Tab:
    tab.page.locator("header").get_by_role("button", name="Log in").click()
    return tab


def is_guest_with_a_form(tab: Tab) -> bool:
    header = tab.page.locator("header")
    return bool(
        header.get_by_role("button", name="Log in").count() == 2
        and header.get_by_role("button", name="Log out").count() == 0
    )


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_odd_answer_to_a_login_is_told(
    open_tab: Callable[..., Tab], server: wire.WireServer, shown: Dashboard, odd: Any
) -> None:
    """A malformed response to a login is shown as an alert, and the tab stays a guest's."""
    answer_logins(server, lambda: odd)
    tab = with_form(open_tab(shown.url))
    log_in(tab)
    tab.page.locator("header").get_by_role("alert").wait_for()
    assert "a login was answered" in tab.page.locator("header").get_by_role("alert").inner_text()
    assert is_guest_with_a_form(tab)


def test_whatever_else_fails_in_a_login_is_told(
    open_tab: Callable[..., Tab], shown: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other failure of a login is shown as an alert, and the tab stays a guest's."""
    monkeypatch.setattr(shown.clients, "_check_every", "no number")  # a defect of ours
    tab = with_form(open_tab(shown.url))
    log_in(tab)
    tab.page.locator("header").get_by_role("alert").wait_for()
    assert is_guest_with_a_form(tab)


def test_logins_of_an_address_are_held_back_and_the_page_says_how_long(
    open_tab: Callable[..., Tab], server: wire.WireServer, shown: Dashboard
) -> None:
    """After five failed logins from one address, further ones have to wait, in any tab."""
    numbers = count(1)
    answer_logins(server, lambda: wire.problem(400, f"refused, number {next(numbers)}"))
    tab = with_form(open_tab(shown.url))
    for n in range(1, 6):
        log_in(tab)
        tab.page.get_by_text(f"refused, number {n}").wait_for()
    other = with_form(open_tab(shown.url))  # a new page does not begin anew to count
    log_in(other)
    other.page.get_by_text("Too many logins from 127.0.0.1: wait").wait_for()
    assert next(numbers) == 6
