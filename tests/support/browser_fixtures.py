"""Fixtures for a dashboard in a real browser: the system's Chromium, driven by Playwright.

Load them with ``pytest_plugins`` in tests/browser/conftest.py. They skip, with a reason, where
either is missing: ``pip install 'rxbosbase[browser]'`` and ``apt-get install chromium``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from rxbosbase import BosBase
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_PASSWORD, SAMPLE_USERS, create_sample

__all__ = ["Dashboard", "Tab", "serving_dashboard"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
START_SECONDS = 30.0
IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZE = {"width": 1440, "height": 1100}


class HasUrl(Protocol):
    """The server of a dashboard, or the address of none."""

    @property
    def url(self) -> str: ...


@dataclass
class Dashboard:
    """A dashboard that this process serves.

    Attributes:
        pages: the number of pages made so far.
    """

    server: HasUrl
    clients: Any
    url: str = ""
    pages: int = 0

    def writer(self, number: int = 0) -> BosBase:
        """Return a client of a sample user, which the caller closes."""
        client = BosBase(self.server.url)
        user = SAMPLE_USERS[number]
        client.collection("users").auth_with_password(user.email, SAMPLE_PASSWORD)
        return client


@dataclass
class Tab:
    """One browser tab, with its errors and warnings in `problems`."""

    page: Any
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def card(self, label: str) -> Any:
        """Return the section of the page with this label."""
        return self.page.locator(f'section[aria-label="{label}"]')

    @property
    def pill(self) -> Any:
        """The label of the connection's state."""
        return self.page.locator("header .pill")

    def wait_live(self) -> None:
        """Wait until the page shows that it is connected; else raise with the header's text."""
        try:
            self.page.locator("header .pill.good").wait_for()
        except Exception as late:
            raise AssertionError(f"not live: {self.page.locator('header').inner_text()}") from late

    def screenshot(self, name: str, target: Any = None) -> None:
        """Save a screenshot for the docs if ``RXBOSBASE_PICTURES`` is set."""
        if os.environ.get("RXBOSBASE_PICTURES"):
            IMAGES.mkdir(exist_ok=True)
            (target or self.page).screenshot(path=str(IMAGES / name))


@contextmanager
def serving_dashboard(
    server: HasUrl,
    collections: tuple[str, ...] = ("messages", "orders"),
    *,
    address: str = "127.0.0.1",
    hosts: Sequence[str] = (),
    check_every: float = 60.0,
) -> Generator[Dashboard]:
    """Serve the dashboard of a server, on a free port, from a thread of its own."""
    from rxbosbase.dashboard.web.clients import Clients
    from rxbosbase.dashboard.web.page import PageOptions
    from rxbosbase.dashboard.web.server import serve_pages

    stop, ready = threading.Event(), threading.Event()
    clients = Clients(partial(BosBase, server.url), check_every=check_every)
    shown = Dashboard(server, clients)
    relations = {"messages": "author", "orders": "customer"}

    def begin_page() -> Any:
        shown.pages += 1
        return clients.guest()

    options = PageOptions(collections, relations, "Try ada@example.com", begin_page)

    def check() -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    def set_url(url: str) -> None:
        shown.url = url
        ready.set()

    def work() -> None:
        with suppress(KeyboardInterrupt):
            asyncio.run(
                serve_pages(
                    clients,
                    options,
                    address=address,
                    port=0,
                    hosts=hosts,
                    ready=set_url,
                    check=check,
                )
            )

    thread = threading.Thread(target=work, name="dashboard-under-test", daemon=True)
    thread.start()
    try:
        assert ready.wait(START_SECONDS), "the dashboard did not start"
        yield shown
    finally:
        stop.set()
        thread.join(START_SECONDS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for the tests of a module; Playwright's event loop must not outlive them."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="NO BROWSER TESTS: pip install 'rxbosbase[browser]'"
    )
    pytest.importorskip("panel", reason="NO BROWSER TESTS: pip install 'rxbosbase[browser]'")
    if CHROMIUM is None:
        pytest.skip("NO BROWSER TESTS: there is no chromium; apt-get install chromium")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def sample(browser: Any) -> Iterator[EmbeddedServer]:
    """A server with the sample data, for all tests that do not stop it."""
    with EmbeddedServer() as server:
        with server.client(superuser=True) as admin:
            create_sample(admin)
        yield server


@pytest.fixture(scope="module")
def dashboard(sample: EmbeddedServer) -> Iterator[Dashboard]:
    """The dashboard of the sample server."""
    with serving_dashboard(sample) as shown:
        yield shown


@pytest.fixture
def open_tab(browser: Any) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, each in a browser profile of its own; no tab may log an error or a warning."""
    tabs: list[Tab] = []
    contexts: list[Any] = []

    def open_one(url: str, scheme: str = "light") -> Tab:
        context = browser.new_context(viewport=SIZE, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        tab = Tab(page)
        page.on("console", partial(_record_console, tab))
        page.on("pageerror", lambda error: tab.problems.append(str(error)))
        page.on("request", lambda request: tab.requests.append(request.url))
        page.goto(url)
        tabs.append(tab)
        return tab

    yield open_one
    for context in contexts:
        context.close()
    assert [problem for tab in tabs for problem in tab.problems] == []


def _record_console(tab: Tab, message: Any) -> None:
    if message.type in ("error", "warning"):
        tab.problems.append(f"{message.type}: {message.text}")
