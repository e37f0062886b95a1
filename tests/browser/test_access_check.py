"""The access check of the dashboard, by requests that no browser sends. No browser is needed."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from support.browser_fixtures import Dashboard, serving_dashboard
from support.raw_browser import Socket, handshake, netloc, page_token, send_request

FOREIGN_HOST = "evil.example"

ROUTES = [
    "/", "/?a=b", "/ws", "/metadata", "/autoload.js?bokeh-autoload-element=x", "/favicon.ico",
    "/static/js/bokeh.min.js", "/static/extensions/panel/panel.min.js", "/static/nothing.js",
    "/components/a/b/c/d", "/nothing", "//", "*", "http://evil.example/",
]  # fmt: skip

CLOSED_SECONDS = 20.0


@dataclass(frozen=True)
class NoServer:
    """The address of no server: these tests need only the pages."""

    url: str = "http://127.0.0.1:1"


@pytest.fixture(scope="module", autouse=True)
def panel() -> None:
    pytest.importorskip("panel", reason="needs pip install 'rxbosbase[dashboard]'")


@pytest.fixture(scope="module")
def shown(panel: None) -> Iterator[Dashboard]:
    with serving_dashboard(NoServer(), ("posts",)) as served:
        yield served


@pytest.fixture
def url(shown: Dashboard) -> str:
    return shown.url


@pytest.fixture
def pages_before(shown: Dashboard) -> int:
    """The number of pages that earlier tests have made."""
    return shown.pages


def wait_until_no_page(shown: Dashboard) -> None:
    deadline = time.monotonic() + CLOSED_SECONDS
    while shown.clients.count:
        assert time.monotonic() < deadline, "a page is still open"
        time.sleep(0.05)


# -- host names


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "host", ["{0}:{1}", "{0}", "127.0.0.1.{0}:{1}", "localhost:1", "127.0.0.1"]
)
def test_each_route_refuses_a_foreign_host(url: str, path: str, host: str) -> None:
    """Each route refuses a foreign `Host` with 403, also for a WebSocket handshake."""
    host = host.format(FOREIGN_HOST, netloc(url).partition(":")[2])
    headers = [("Host", host), ("Origin", f"http://{host}")]
    assert send_request(url, path, headers).status == 403
    same = [("Sec-Fetch-Site", "same-origin")]
    assert handshake(url, "x", [*headers, *same], path) == 403


def test_a_websocket_with_a_foreign_host_is_refused(url: str) -> None:
    """A WebSocket with a foreign `Host` is refused with 403, though its token is valid."""
    host = f"{FOREIGN_HOST}:{netloc(url).partition(':')[2]}"
    token = page_token(url)
    for site in ("same-origin", "none", ""):
        headers = [("Host", host), ("Origin", f"http://{host}"), ("Sec-Fetch-Site", site)]
        assert handshake(url, token, headers) == 403
    with Socket(url, token) as own:
        assert own.status == 101
        assert b"ACK" in own.first()


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "{0}", "file://", "http://{0}.evil.example", "ftp://{0}",
     "http://evil.example@{0}", "http://{0}/", "http://localhost:1", "http://127.0.0.1"],
)  # fmt: skip
def test_a_websocket_from_another_origin_is_refused(url: str, origin: str) -> None:
    """A WebSocket from another origin, or with two origins, is refused with 403."""
    token = page_token(url)
    for site in ("same-origin", ""):
        headers = [("Origin", origin.format(netloc(url))), ("Sec-Fetch-Site", site)]
        assert handshake(url, token, headers) == 403
    twice = [("Origin", f"http://{netloc(url)}")] * 2
    assert handshake(url, token, twice) == 403


@pytest.mark.parametrize(
    "hosts",
    [[], ["{0}", "{0}"], ["{0}", "evil.example"], ["{0},{0}"], ["evil.example@{0}"], ["{0}:80"],
     ["localhost."], ["[::1"], ["http://{0}"]],
)  # fmt: skip
def test_a_host_that_is_missing_doubled_or_malformed_is_refused(url: str, hosts: list[str]) -> None:
    """A request whose `Host` is missing, doubled or malformed is refused."""
    headers = [("Host", host.format(netloc(url))) for host in hosts] or [("Host", "")]
    assert send_request(url, "/", headers).status in (400, 403)


def test_local_and_allowed_hosts_are_served() -> None:
    """The machine's own names and allowed hosts are served; any other host gets a 403."""
    with serving_dashboard(NoServer(), ("posts",), hosts=("dash.example", "nas:8443")) as shown:
        port = netloc(shown.url).partition(":")[2]
        good = [
            f"127.0.0.1:{port}", f"LocalHost:{port}", "dash.example", f"dash.example:{port}",
            "nas:8443",
        ]  # fmt: skip
        bad = ["nas", f"nas:{port}", "dash.example:8443", "other.example", f"192.0.2.1:{port}"]
        for name in good + bad:
            status = send_request(shown.url, "/", [("Host", name)]).status
            assert (name, status) == (name, 200 if name in good else 403)
        token = page_token(shown.url)
        behind_a_proxy = [("Host", "dash.example"), ("Origin", "https://dash.example")]
        with Socket(shown.url, token, behind_a_proxy) as own:
            assert own.status == 101
            assert b"ACK" in own.first()


# -- sessions


@pytest.mark.parametrize(
    "path",
    ["/?bokeh-session-id=EVIL", "/?bokeh-token=EVIL", "/?BOKEH-Token=x", "/?%62okeh-session-id=x",
     "/?bokeh-session-id", "/?anything=else",
     "/autoload.js?bokeh-autoload-element=x&bokeh-session-id=EVIL", "/metadata?bokeh-token=x"],
)  # fmt: skip
def test_no_link_names_the_session_of_a_page(
    shown: Dashboard, pages_before: int, url: str, path: str
) -> None:
    """A query that names a session is refused and makes no page."""
    assert send_request(url, path).status in (400, 404)
    assert shown.pages == pages_before


@pytest.mark.parametrize("name", ["Bokeh-Session-Id", "bokeh-session-id", "Bokeh-Token"])
@pytest.mark.parametrize("path", ["/", "/autoload.js?bokeh-autoload-element=x", "/metadata"])
def test_no_header_names_the_session_of_a_page(
    shown: Dashboard, pages_before: int, url: str, path: str, name: str
) -> None:
    """A header that names a session is refused and makes no page."""
    assert send_request(url, path, [(name, "EVIL")]).status in (400, 404)
    assert shown.pages == pages_before


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_no_body_names_the_session_of_a_page(
    shown: Dashboard, pages_before: int, url: str, method: str
) -> None:
    """A body that names a session is refused and makes no page."""
    assert send_request(url, "/", method=method, body="bokeh-session-id=EVIL").status in (400, 405)
    assert shown.pages == pages_before


def test_bokehs_routes_for_other_sites_make_no_page(
    shown: Dashboard, pages_before: int, url: str
) -> None:
    """Bokeh's routes for embedding into other sites return 404 and make no page."""
    for path in ("/metadata", "/autoload.js?bokeh-autoload-element=x"):
        response = send_request(url, path)
        assert response.status == 404
        assert "Access-Control-Allow-Origin" not in response.headers
    assert shown.pages == pages_before


def test_a_token_that_no_page_was_made_with_is_refused(url: str) -> None:
    """A token that was not made for a page is refused with 403."""
    from bokeh.util.token import generate_jwt_token, get_session_id

    with Socket(url, page_token(url)) as own:
        assert b"ACK" in own.first()
        id = get_session_id(page_token(url))
        forged = [
            generate_jwt_token(id), generate_jwt_token(type(id)("EVIL")), "EVIL", "e30", "é",
            page_token(url)[:-1], f"{page_token(url)}.x",
            generate_jwt_token(id, signed=True, secret_key=b"guessed"),
        ]  # fmt: skip
        assert [handshake(url, each) for each in forged] == [403] * len(forged)


def test_a_page_and_its_token_end_soon_after_its_tab() -> None:
    """A page ends soon after its tab is closed, and its token is refused then."""
    with serving_dashboard(NoServer(), ("posts",)) as shown:
        token = page_token(shown.url)
        with Socket(shown.url, token) as tab:
            assert b"ACK" in tab.first()
        wait_until_no_page(shown)
        assert handshake(shown.url, token) == 403


def test_a_websocket_may_open_8_seconds_after_its_page(url: str) -> None:
    """A page accepts its WebSocket 8 s after it was made."""
    token = page_token(url)
    time.sleep(8)  # longer than a closed tab has to reconnect
    with Socket(url, token) as tab:
        assert tab.status == 101
        assert b"ACK" in tab.first()


def test_a_page_has_one_websocket_at_a_time_and_may_reconnect(url: str) -> None:
    """A page has one WebSocket at a time, and may open another after its end."""
    token = page_token(url)
    with Socket(url, token) as first:
        assert first.status == 101
        assert b"ACK" in first.first()
        assert [handshake(url, token) for _ in range(3)] == [403] * 3
    deadline = time.monotonic() + CLOSED_SECONDS
    while (
        again := Socket(url, token)
    ).status != 101:  # until the server has noticed the end of the first
        assert time.monotonic() < deadline
        again.close()
    assert b"ACK" in again.first()
    again.close()


# -- other sites


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd", "none, same-origin"])
@pytest.mark.parametrize("dest", ["iframe", "image", "empty", "script", "object", "embed", "frame"])
def test_a_request_embedded_by_another_site_makes_no_page(
    shown: Dashboard, pages_before: int, url: str, site: str, dest: str
) -> None:
    """A request that another site embeds is refused with 403 and makes no page."""
    headers = [("Sec-Fetch-Site", site), ("Sec-Fetch-Dest", dest)]
    assert send_request(url, "/", headers).status == 403
    assert send_request(url, "/static/js/bokeh.min.js", headers).status == 403
    assert shown.pages == pages_before


@pytest.mark.parametrize(
    "headers",
    [
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "document")],
        [("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Dest", "document")],
        [("Referer", "http://evil.example/page")],
        [("Referer", "http://127.0.0.1:1/")],
        [("Origin", "null")],
    ],
)
def test_a_link_of_another_site_leads_to_a_link_and_makes_no_page(
    shown: Dashboard, pages_before: int, url: str, headers: list[tuple[str, str]]
) -> None:
    """A link from another site leads to a page with one link, without scripts or a session."""
    response = send_request(url, "/", headers)
    assert response.status == 200
    assert '<a href="/">' in response.text
    assert "<script" not in response.text
    assert shown.pages == pages_before


@pytest.mark.parametrize(
    "headers",
    [
        [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Dest", "document")],
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Dest", "document")],
        [("Referer", "http://{0}/")],
        [],
    ],
)
def test_a_direct_request_makes_a_page(
    shown: Dashboard, pages_before: int, url: str, headers: list[tuple[str, str]]
) -> None:
    """A typed address and a link of the dashboard itself make a page."""
    response = send_request(
        url, "/", [(name, value.format(netloc(url))) for name, value in headers]
    )
    assert '"token":"' in response.text
    assert shown.pages == pages_before + 1


def test_open_pages_are_limited(panel: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond `MAX_PAGES` open pages a request gets a 503."""
    from rxbosbase.dashboard.web import access_check

    monkeypatch.setattr(access_check, "MAX_PAGES", 2)
    with serving_dashboard(NoServer(), ("posts",)) as shown:
        assert [send_request(shown.url).status for _ in range(3)] == [200, 200, 503]


def test_pages_requested_at_the_same_time_are_limited_too(
    panel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages requested at the same time are limited to `MAX_PAGES`, too."""
    from rxbosbase.dashboard.web import access_check, server

    for module in (access_check, server):
        monkeypatch.setattr(module, "MAX_PAGES", 3)
    with serving_dashboard(NoServer(), ("posts",)) as shown:
        with ThreadPoolExecutor(12) as pool:
            responses = list(pool.map(send_request, [shown.url] * 24))
        assert {response.status for response in responses} <= {200, 503}
        assert shown.clients.lease_count == shown.pages == 3


def test_a_websocket_without_a_pong_is_closed_and_its_page_can_reconnect(
    panel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A WebSocket that answers no ping is closed, so that its page can reconnect."""
    from rxbosbase.dashboard.web import server

    monkeypatch.setattr(server, "PING_SECONDS", 0.5)
    with serving_dashboard(NoServer(), ("posts",)) as shown:
        token = page_token(shown.url)
        with Socket(shown.url, token) as lost:
            while lost.first():
                pass  # until the server closes it
            assert handshake(shown.url, token) == 101


def test_the_end_of_the_dashboard_ends_all_its_pages(panel: None) -> None:
    """The end of the dashboard ends all its pages and their panes."""
    from rxbosbase.dashboard.pane import Pane

    def running() -> set[int]:
        return {id(o) for o in gc.get_objects() if isinstance(o, Pane) and o.is_running}

    before = running()
    with serving_dashboard(NoServer(), ("posts",)) as shown:
        with Socket(shown.url, page_token(shown.url)) as opened:
            assert opened.first()
            send_request(shown.url)  # a page that never opens its WebSocket
            assert running() - before
        assert shown.clients.lease_count == 2
    assert not running() - before


# -- security headers


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/nothing", 404), ("/static/js/bokeh.min.js", 200), ("/static/nothing", 404),
     ("/favicon.ico", 200), ("/ws", 403), ("/?a=b", 400)],
)  # fmt: skip
def test_every_response_has_the_security_headers(url: str, path: str, status: int) -> None:
    """Each response has a strict content security policy and the other security headers."""
    response = send_request(url, path)
    assert response.status == status
    headers = response.headers
    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert "*" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_each_page_has_a_nonce_of_its_own(url: str) -> None:
    """Each page has a nonce of its own, and each of its scripts has that nonce."""
    nonces = set()
    for _ in range(3):
        response = send_request(url)
        nonce = (
            response.headers["Content-Security-Policy"].partition("'nonce-")[2].partition("'")[0]
        )
        assert response.text.count("<script") == response.text.count(f'<script nonce="{nonce}"') > 0
        nonces.add(nonce)
    assert len(nonces) == 3
