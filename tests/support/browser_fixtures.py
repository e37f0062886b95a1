"""Fixtures that show a dashboard in a real browser: the system's Chromium, driven by Playwright.

Load them with ``pytest_plugins`` in tests/browser/conftest.py. They skip, loudly, where either is
missing: ``pip install 'rxbosbase[browser]'`` and ``apt-get install chromium``.
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

__all__ = ["Dashboard", "Tab", "showing"]

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


class Served(Protocol):
    """What a dashboard may be of: somewhere a server is, or none."""

    @property
    def url(self) -> str: ...


@dataclass
class Dashboard:
    """A dashboard that is served by this process.

    Attributes:
        pages: how many it has made so far.
    """

    server: Served
    clients: Any
    url: str = ""
    pages: int = 0

    def writer(self, number: int = 0) -> BosBase:
        """A client of a sample user; close it."""
        client = BosBase(self.server.url)
        user = SAMPLE_USERS[number]
        client.collection("users").auth_with_password(user.email, SAMPLE_PASSWORD)
        return client


@dataclass
class Tab:
    """One browser tab, and what went wrong in it."""

    page: Any
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def card(self, label: str) -> Any:
        """The part of the page with this label."""
        return self.page.locator(f'section[aria-label="{label}"]')

    @property
    def pill(self) -> Any:
        """The connection's state."""
        return self.page.locator("header .pill")

    def wait_live(self) -> None:
        """Waits until the page says that it is connected; what it says instead is the error."""
        try:
            self.page.locator("header .pill.good").wait_for()
        except Exception as late:
            raise AssertionError(f"not live: {self.page.locator('header').inner_text()}") from late

    def picture(self, name: str, target: Any = None) -> None:
        """Saves a picture for the docs, where ``RXBOSBASE_PICTURES`` asks for it."""
        if os.environ.get("RXBOSBASE_PICTURES"):
            IMAGES.mkdir(exist_ok=True)
            (target or self.page).screenshot(path=str(IMAGES / name))


@contextmanager
def showing(
    server: Served,
    collections: tuple[str, ...] = ("messages", "orders"),
    *,
    address: str = "127.0.0.1",
    hosts: Sequence[str] = (),
    check_every: float = 60.0,
) -> Generator[Dashboard]:
    """Serves the dashboard of a server, on a free port, from a thread of its own."""
    from rxbosbase.dashboard.web.clients import Clients
    from rxbosbase.dashboard.web.page import Wanted
    from rxbosbase.dashboard.web.server import serve_pages

    stop, ready = threading.Event(), threading.Event()
    clients = Clients(partial(BosBase, server.url), check_every=check_every)
    shown = Dashboard(server, clients)
    relations = {"messages": "author", "orders": "customer"}

    def begin_page() -> Any:
        shown.pages += 1
        return clients.guest()

    wanted = Wanted(collections, relations, "Try ada@example.com", begin_page)

    def check() -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    def tell(url: str) -> None:
        shown.url = url
        ready.set()

    def work() -> None:
        with suppress(KeyboardInterrupt):
            asyncio.run(
                serve_pages(
                    clients, wanted, address=address, port=0, hosts=hosts, ready=tell, check=check
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
    """A server with the sample, for all tests that do it no harm."""
    with EmbeddedServer() as server:
        with server.client(superuser=True) as admin:
            create_sample(admin)
        yield server


@pytest.fixture(scope="module")
def dashboard(sample: EmbeddedServer) -> Iterator[Dashboard]:
    """Its dashboard."""
    with showing(sample) as shown:
        yield shown


@pytest.fixture
def open_tab(browser: Any) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, each in a browser profile of its own, and finds none of them complaining."""
    tabs: list[Tab] = []
    contexts: list[Any] = []

    def open_it(url: str, scheme: str = "light") -> Tab:
        context = browser.new_context(viewport=SIZE, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        tab = Tab(page)
        page.on("console", partial(_note_console, tab))
        page.on("pageerror", lambda error: tab.problems.append(str(error)))
        page.on("request", lambda request: tab.requests.append(request.url))
        page.goto(url)
        tabs.append(tab)
        return tab

    yield open_it
    for context in contexts:
        context.close()
    assert [problem for tab in tabs for problem in tab.problems] == []


def _note_console(tab: Tab, message: Any) -> None:
    if message.type in ("error", "warning"):
        tab.problems.append(f"{message.type}: {message.text}")
