"""Another web site in a real browser reads and changes nothing of the dashboard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from support.browser_fixtures import CHROMIUM, FLAGS, Dashboard, Tab, serving_dashboard
from support.raw_browser import netloc, page_token

from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_PASSWORD, SAMPLE_USERS, create_sample

pytest_plugins = ["support.browser_fixtures"]

FOREIGN_HOST, ALLOWED = "evil.example", "dash.example"

DNS = f"--host-resolver-rules=MAP {FOREIGN_HOST} 127.0.0.1,MAP {ALLOWED} 127.0.0.1"
"""Resolves the foreign name to the dashboard, as DNS rebinding does."""


@pytest.fixture(scope="module")
def shown(sample: EmbeddedServer) -> Iterator[Dashboard]:
    with serving_dashboard(sample, ("messages",), hosts=(ALLOWED,)) as served:
        yield served


@pytest.fixture
def rebound(browser: Any) -> Iterator[Any]:
    """A page of a browser with rebound names and without content security policies."""
    rebound_browser = browser.browser_type.launch(executable_path=CHROMIUM, args=[*FLAGS, DNS])
    yield rebound_browser.new_context(bypass_csp=True).new_page()
    rebound_browser.close()


OPEN_SOCKET = """([url, token]) => new Promise((done) => {
    const socket = new WebSocket(url, ["bokeh", token])
    socket.onopen = () => done("open")
    socket.onerror = () => done("refused")
})"""
FETCH_STATUS = "async (path) => (await fetch(path)).status"


def test_a_rebound_name_reads_nothing(rebound: Any, shown: Dashboard) -> None:
    """A foreign name that resolves to the dashboard reads nothing and opens no WebSocket."""
    port = netloc(shown.url).partition(":")[2]
    token = page_token(shown.url)
    evil = f"{FOREIGN_HOST}:{port}"
    assert rebound.goto(f"http://{evil}/").status == 403
    assert rebound.evaluate("location.host") == evil
    for path in ("/", "/ws", "/autoload.js", "/static/js/bokeh.min.js", "/favicon.ico"):
        assert rebound.evaluate(FETCH_STATUS, path) == 403
    for host in (evil, f"127.0.0.1:{port}", f"{ALLOWED}:{port}"):
        assert rebound.evaluate(OPEN_SOCKET, [f"ws://{host}/ws", token]) == "refused"
    # The same request from a page of an allowed name.
    assert rebound.goto(f"http://{ALLOWED}:{port}/").status == 200
    assert rebound.evaluate(OPEN_SOCKET, [f"ws://{ALLOWED}:{port}/ws", token]) == "open"


@pytest.fixture
def other_site(shown: Dashboard) -> Iterator[str]:
    """The address of a page that embeds the dashboard in every way."""
    own = shown.url
    text = (
        f'<iframe src="{own}"></iframe><img src="{own}"><object data="{own}"></object>'
        f'<embed src="{own}"><script src="{own}static/js/bokeh.min.js" onerror="window.no = 1">'
        f'</script><script>fetch("{own}", {{mode: "no-cors"}}).catch(() => 0)</script>'
        f'<a href="{own}">look</a>'
    )

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://{{}}:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.mark.parametrize("host", [FOREIGN_HOST, "127.0.0.1"])
def test_another_site_makes_no_page_and_its_link_leads_to_a_link(
    rebound: Any, shown: Dashboard, other_site: str, host: str
) -> None:
    """Another site makes no page; its link leads to a page with a link to the dashboard."""
    before = shown.pages
    rebound.goto(other_site.format(host))
    rebound.wait_for_load_state("networkidle")
    assert rebound.evaluate("[window.no, typeof Bokeh]") == [1, "undefined"]
    assert shown.pages == before
    rebound.get_by_role("link", name="look").click()
    ours = rebound.get_by_role("link", name="Open the dashboard")
    ours.wait_for()
    assert rebound.url == shown.url
    assert shown.pages == before
    ours.click()
    rebound.locator("header .pill.good").wait_for()
    assert shown.pages == before + 1


# -- logins


def fill(tab: Tab, identity: str, password: str) -> None:
    tab.page.get_by_label("E-mail or user name").fill(identity)
    tab.page.get_by_label("Password").fill(password)
    tab.page.get_by_label("Password").press("Enter")


def open_form(tab: Tab) -> None:
    tab.page.locator("header").get_by_role("button", name="Log in").click()


@pytest.mark.usefixtures("soon")
def test_a_tab_with_a_revoked_login_shows_it_and_gets_no_data_of_the_next_login(
    open_tab: Callable[..., Tab], browser: Any
) -> None:
    """A tab whose password was changed shows its lost login and no data of the next login."""
    ada, changed = SAMPLE_USERS[0], "another password"
    with (
        EmbeddedServer() as server,
        server.client(superuser=True) as admin,
        serving_dashboard(server, check_every=0.5) as shown,
    ):
        create_sample(admin)
        old, new = open_tab(shown.url), open_tab(shown.url)
        for tab, password in ((old, SAMPLE_PASSWORD), (new, changed)):
            tab.wait_live()
            open_form(tab)
            fill(tab, ada.email, password)
            if tab is old:
                tab.page.get_by_role("button", name="Log out").wait_for()
                body = {"password": changed, "passwordConfirm": changed}
                admin.collection("users").update(ada.id, body)
                tab.page.get_by_role("button", name="Go on as a guest").wait_for()
        new.page.get_by_role("button", name="Log out").wait_for()
        order = {"customer": ada.id, "item": "tea", "quantity": 2, "status": "new"}
        id = admin.collection("orders").create(order)["id"]
        new.card("orders").locator(f'tr[data-value="{id}"]').wait_for()
        box = old.card("orders").get_by_label("Filter orders")
        box.fill("quantity > 0")  # a new query by the old tab
        box.press("Enter")
        old.page.wait_for_timeout(1000)
        assert old.page.get_by_text(id).count() == 0
        assert "login lost" in old.page.locator("header").inner_text()
        old.page.get_by_role("button", name="Go on as a guest").click()
        old.page.locator("header").get_by_role("button", name="Log in").wait_for()
        assert old.page.get_by_text(id).count() == 0
