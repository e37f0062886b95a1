"""Who may ask the dashboard for what: requests that no browser sends, so none is needed."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from support.browser_fixtures import Dashboard, showing
from support.raw_browser import Socket, ask, handshake, netloc, page_token

STRANGER = "evil.example"

ROUTES = [
    "/", "/?a=b", "/ws", "/metadata", "/autoload.js?bokeh-autoload-element=x", "/favicon.ico",
    "/static/js/bokeh.min.js", "/static/extensions/panel/panel.min.js", "/static/nothing.js",
    "/components/a/b/c/d", "/nothing", "//", "*", "http://evil.example/",
]  # fmt: skip

CLOSED_SECONDS = 20.0


@dataclass(frozen=True)
class Nowhere:
    """No server is there: the pages are what counts."""

    url: str = "http://127.0.0.1:1"


@pytest.fixture(scope="module", autouse=True)
def panel() -> None:
    pytest.importorskip("panel", reason="needs pip install 'rxbosbase[dashboard]'")


@pytest.fixture(scope="module")
def shown(panel: None) -> Iterator[Dashboard]:
    with showing(Nowhere(), ("posts",)) as served:
        yield served


@pytest.fixture
def url(shown: Dashboard) -> str:
    return shown.url


@pytest.fixture
def pages_before(shown: Dashboard) -> int:
    """How many pages the tests before this one have made."""
    return shown.pages


def wait_for_no_page(shown: Dashboard) -> None:
    deadline = time.monotonic() + CLOSED_SECONDS
    while shown.clients.count:
        assert time.monotonic() < deadline, "a page is open still"
        time.sleep(0.05)


# -- by which name


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "host", ["{0}:{1}", "{0}", "127.0.0.1.{0}:{1}", "localhost:1", "127.0.0.1"]
)
def test_no_route_answers_under_a_name_of_others(url: str, path: str, host: str) -> None:
    """Each route refuses a foreign `Host` with 403, also for a WebSocket handshake."""
    host = host.format(STRANGER, netloc(url).partition(":")[2])
    headers = [("Host", host), ("Origin", f"http://{host}")]
    assert ask(url, path, headers).status == 403
    same = [("Sec-Fetch-Site", "same-origin")]
    assert handshake(url, "x", [*headers, *same], path) == 403


def test_no_websocket_opens_under_a_name_of_others(url: str) -> None:
    """A WebSocket with a foreign `Host` is refused with 403, though its token is valid."""
    host = f"{STRANGER}:{netloc(url).partition(':')[2]}"
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
def test_no_other_origin_opens_a_websocket(url: str, origin: str) -> None:
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
    assert ask(url, "/", headers).status in (400, 403)


def test_the_names_of_this_machine_and_those_that_were_allowed_are_answered() -> None:
    """The machine's own names and allowed hosts are served; any other host gets a 403."""
    with showing(Nowhere(), ("posts",), hosts=("dash.example", "nas:8443")) as shown:
        port = netloc(shown.url).partition(":")[2]
        good = [
            f"127.0.0.1:{port}", f"LocalHost:{port}", "dash.example", f"dash.example:{port}",
            "nas:8443",
        ]  # fmt: skip
        bad = ["nas", f"nas:{port}", "dash.example:8443", "other.example", f"192.0.2.1:{port}"]
        assert {name: ask(shown.url, "/", [("Host", name)]).status for name in good + bad} == {
            **dict.fromkeys(good, 200), **dict.fromkeys(bad, 403),
        }  # fmt: skip
        token = page_token(shown.url)
        behind_a_proxy = [("Host", "dash.example"), ("Origin", "https://dash.example")]
        with Socket(shown.url, token, behind_a_proxy) as own:
            assert own.status == 101
            assert b"ACK" in own.first()


# -- whose session


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
    assert ask(url, path).status in (400, 404)
    assert shown.pages == pages_before


@pytest.mark.parametrize("name", ["Bokeh-Session-Id", "bokeh-session-id", "Bokeh-Token"])
@pytest.mark.parametrize("path", ["/", "/autoload.js?bokeh-autoload-element=x", "/metadata"])
def test_no_header_names_the_session_of_a_page(
    shown: Dashboard, pages_before: int, url: str, path: str, name: str
) -> None:
    """A header that names a session is refused and makes no page."""
    assert ask(url, path, [(name, "EVIL")]).status in (400, 404)
    assert shown.pages == pages_before


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_no_body_names_the_session_of_a_page(
    shown: Dashboard, pages_before: int, url: str, method: str
) -> None:
    """A body that names a session is refused and makes no page."""
    assert ask(url, "/", method=method, body="bokeh-session-id=EVIL").status in (400, 405)
    assert shown.pages == pages_before


def test_bokehs_ways_to_make_a_session_for_other_sites_are_closed(
    shown: Dashboard, pages_before: int, url: str
) -> None:
    """Bokeh's routes for embedding into other sites return 404 and make no page."""
    for path in ("/metadata", "/autoload.js?bokeh-autoload-element=x"):
        answer = ask(url, path)
        assert answer.status == 404
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert shown.pages == pages_before


def test_a_token_that_no_page_was_made_with_is_refused(url: str) -> None:
    """A token that was not made for a page is refused with 403."""
    from bokeh.util.token import generate_jwt_token, get_session_id

    with Socket(url, page_token(url)) as own:
        assert b"ACK" in own.first()
        id = get_session_id(page_token(url))
        made_up = [
            generate_jwt_token(id), generate_jwt_token(type(id)("EVIL")), "EVIL", "e30", "é",
            page_token(url)[:-1], f"{page_token(url)}.x",
            generate_jwt_token(id, signed=True, secret_key=b"guessed"),
        ]  # fmt: skip
        assert [handshake(url, each) for each in made_up] == [403] * len(made_up)


def test_a_page_is_over_soon_after_its_tab_and_so_is_its_token() -> None:
    """A page ends soon after its tab is closed, and its token is refused then."""
    with showing(Nowhere(), ("posts",)) as shown:
        token = page_token(shown.url)
        with Socket(shown.url, token) as tab:
            assert b"ACK" in tab.first()
        wait_for_no_page(shown)
        assert handshake(shown.url, token) == 403


def test_a_browser_may_take_its_time_to_load_the_page(url: str) -> None:
    """A page accepts its WebSocket 8 s after it was made."""
    token = page_token(url)
    time.sleep(8)  # more than a closed tab has to come back
    with Socket(url, token) as tab:
        assert tab.status == 101
        assert b"ACK" in tab.first()


def test_a_page_has_one_websocket_and_may_come_back(url: str) -> None:
    """A page has one WebSocket at a time, and may open another after its end."""
    token = page_token(url)
    with Socket(url, token) as first:
        assert first.status == 101
        assert b"ACK" in first.first()
        assert [handshake(url, token) for _ in range(3)] == [403] * 3
    deadline = time.monotonic() + CLOSED_SECONDS
    while (again := Socket(url, token)).status != 101:  # its end has to be noticed
        assert time.monotonic() < deadline
        again.close()
    assert b"ACK" in again.first()
    again.close()


# -- from where


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd", "none, same-origin"])
@pytest.mark.parametrize("dest", ["iframe", "image", "empty", "script", "object", "embed", "frame"])
def test_no_other_site_makes_a_page_by_the_way(
    shown: Dashboard, pages_before: int, url: str, site: str, dest: str
) -> None:
    """A request that another site embeds is refused with 403 and makes no page."""
    headers = [("Sec-Fetch-Site", site), ("Sec-Fetch-Dest", dest)]
    assert ask(url, "/", headers).status == 403
    assert ask(url, "/static/js/bokeh.min.js", headers).status == 403
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
    answer = ask(url, "/", headers)
    assert answer.status == 200
    assert '<a href="/">' in answer.text
    assert "<script" not in answer.text
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
def test_who_types_the_address_or_takes_our_link_gets_a_page(
    shown: Dashboard, pages_before: int, url: str, headers: list[tuple[str, str]]
) -> None:
    """A typed address and a link of the dashboard itself make a page."""
    answer = ask(url, "/", [(name, value.format(netloc(url))) for name, value in headers])
    assert '"token":"' in answer.text
    assert shown.pages == pages_before + 1


def test_there_is_an_end_to_pages(panel: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond `MOST_PAGES` open pages a request gets a 503."""
    from rxbosbase.dashboard.web import gate

    monkeypatch.setattr(gate, "MOST_PAGES", 2)
    with showing(Nowhere(), ("posts",)) as shown:
        assert [ask(shown.url).status for _ in range(3)] == [200, 200, 503]


def test_pages_that_are_asked_for_together_are_counted_too(
    panel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages requested at the same time are limited to `MOST_PAGES`, too."""
    from rxbosbase.dashboard.web import gate, server

    for module in (gate, server):
        monkeypatch.setattr(module, "MOST_PAGES", 3)
    with showing(Nowhere(), ("posts",)) as shown:
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(ask, [shown.url] * 24))
        assert {answer.status for answer in answers} <= {200, 503}
        assert shown.clients.shares == shown.pages == 3


def test_a_browser_that_lost_its_network_does_not_keep_itself_out(
    panel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A WebSocket that answers no ping is closed, so that its page can reconnect."""
    from rxbosbase.dashboard.web import server

    monkeypatch.setattr(server, "PING_SECONDS", 0.5)
    with showing(Nowhere(), ("posts",)) as shown:
        token = page_token(shown.url)
        with Socket(shown.url, token) as lost:
            while lost.first():
                pass  # until the server hangs up
            assert handshake(shown.url, token) == 101


def test_the_end_of_the_dashboard_ends_all_its_pages(panel: None) -> None:
    """The end of the dashboard ends all its pages and their panes."""
    from rxbosbase.dashboard.pane import Pane

    def running() -> set[int]:
        return {id(o) for o in gc.get_objects() if isinstance(o, Pane) and o.is_running}

    before = running()
    with showing(Nowhere(), ("posts",)) as shown:
        with Socket(shown.url, page_token(shown.url)) as opened:
            assert opened.first()
            ask(shown.url)  # and one that never opened its WebSocket
            assert running() - before
        assert shown.clients.shares == 2
    assert not running() - before


# -- what a browser may do with the answers


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/nothing", 404), ("/static/js/bokeh.min.js", 200), ("/static/nothing", 404),
     ("/favicon.ico", 200), ("/ws", 403), ("/?a=b", 400)],
)  # fmt: skip
def test_every_answer_says_what_a_browser_may_do_with_it(url: str, path: str, status: int) -> None:
    """Each response has a strict content security policy and the other security headers."""
    answer = ask(url, path)
    assert answer.status == status
    headers = answer.headers
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
        answer = ask(url)
        nonce = answer.headers["Content-Security-Policy"].partition("'nonce-")[2].partition("'")[0]
        assert answer.text.count("<script") == answer.text.count(f'<script nonce="{nonce}"') > 0
        nonces.add(nonce)
    assert len(nonces) == 3
