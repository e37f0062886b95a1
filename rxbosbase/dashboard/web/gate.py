"""What stands before every route of the page, the WebSocket included: who may ask, and for what.

Tornado, Bokeh and Panel have checks of their own, which changed from version to version; the page
relies on none of them.
"""

from __future__ import annotations

import re
from hmac import compare_digest
from typing import Any
from weakref import WeakKeyDictionary

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, RequestHandler

from .names import Names

__all__ = ["MOST_PAGES", "Gate"]

MOST_PAGES = 200
"""Pages open at once."""

CLOSED_TAB_SECONDS = 5
"""How long a tab that lost its connection may come back, before its subscriptions go."""

PAGE, SOCKET = "/", "/ws"
FILES = re.compile(
    r"/static(/(?!\.)([\w.@^+~-]|%(40|5e|2b))+)+|/favicon\.ico", re.ASCII | re.IGNORECASE
)
"""The paths there are. Bokeh has more, which make sessions for scripts of other sites."""

OPEN = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>rxbosbase dashboard</title>'
    '<meta name="color-scheme" content="light dark"></head><body><p>Another site led here. '
    '<a href="/">Open the dashboard</a></p></body></html>'
)
"""Instead of the page where the way here was another site's: nothing is made for it."""

Answer = tuple[int, str]
"""Status and text, in place of what was asked for."""


class Gate(Router):
    """Lets requests through to the application, or answers in its place.

    Args:
        application: Bokeh's, with one page, at ``/``.
        names: by which names the page may be opened.
    """

    def __init__(self, application: Application, names: Names) -> None:
        self._application = application
        self._names = names
        self._sockets: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        """The connection of each session's WebSocket, the last one."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        answer = self._answer(request)
        if answer is None:
            return self._application.find_handler(request, **kwargs)
        return self._application.get_handler_delegate(request, GateAnswer, {"answer": answer})

    def end_closed_tabs(self) -> None:
        """Lets go of the pages that had a WebSocket and have none any more. Call it often."""
        for session in self._sessions:
            used = self._sockets.get(session)
            since = session.milliseconds_since_last_unsubscribe / 1000
            if used is not None and used.closed() and since > CLOSED_TAB_SECONDS:
                session.request_expiration()

    @property
    def _sessions(self) -> list[Any]:
        bokeh: Any = self._application
        return list(bokeh.applications[PAGE].sessions)

    def _answer(self, request: HTTPServerRequest) -> Answer | None:
        hosts = request.headers.get_list("Host")
        if len(hosts) != 1 or not self._names.knows_host(hosts[0]):
            return 403, "This is no name of the dashboard's. If it is, start it with --allow-host."
        if request.path not in (PAGE, SOCKET) and not FILES.fullmatch(request.path):
            return 404, "There is nothing here."
        if request.method not in ("GET", "HEAD"):
            return 405, "The dashboard answers GET alone."
        length = request.headers.get("Content-Length", "0")
        if length != "0" or "Transfer-Encoding" in request.headers:
            return 400, "The dashboard takes no body."
        if request.path == SOCKET:
            return self._socket(request)
        return self._from_elsewhere(request) or self._page(request)

    def _from_elsewhere(self, request: HTTPServerRequest) -> Answer | None:
        """What other sites get: a page with a link for who clicked one there, nothing else.

        Browsers leave ``Sec-Fetch-Site`` out where the page is not encrypted and not of this
        machine, and other programs always do: then a ``Referer`` or an ``Origin`` decides.
        """
        headers = request.headers
        site = headers.get("Sec-Fetch-Site")
        if site is not None:
            own = site in ("same-origin", "none")
        else:
            told = headers.get_list("Origin") + headers.get_list("Referer")
            own = all(self._is_own(_origin(each), request) for each in told)
        document = headers.get("Sec-Fetch-Dest", "document") == "document"
        if own and (document or request.path != PAGE):
            return None
        if document and request.path == PAGE:
            return 200, OPEN
        return 403, "The dashboard is no part of other pages."

    def _is_own(self, origin: str, request: HTTPServerRequest) -> bool:
        return self._names.knows_origin(origin, request.headers["Host"])

    def _page(self, request: HTTPServerRequest) -> Answer | None:
        """The page makes its session itself: no address, header or body names another's."""
        if request.path != PAGE:
            return None
        if request.query or any(name.lower().startswith("bokeh-") for name in request.headers):
            return 400, "The page takes no arguments and no session's name: open it without."
        if len(self._sessions) >= MOST_PAGES:
            return 503, f"{MOST_PAGES} pages are open already: close one."
        return None

    def _socket(self, request: HTTPServerRequest) -> Answer | None:
        """Only a page of ours opens one, with the token that it was made with, and one at a time.

        The token is compared and never read, so that nothing in a made-up one counts.
        """
        origins = request.headers.get_list("Origin")
        if len(origins) != 1 or not self._is_own(origins[0], request):
            return 403, "Only the dashboard's own page may connect."
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        token = offered[-1].strip().encode()
        known = [each for each in self._sessions if compare_digest(each.token.encode(), token)]
        if request.query or len(offered) != 2 or not known:
            return 403, "This page is over: open it again."
        used = self._sockets.get(known[0])
        if used is not None and not used.closed():
            return 403, "This page is open elsewhere already: open it anew."
        # Missing in the type of a connection, but always there: it knows whether it is closed.
        self._sockets[known[0]] = getattr(request.connection, "stream")  # noqa: B009
        return None


class GateAnswer(RequestHandler):
    """Sends the answer of the gate."""

    def initialize(self, answer: Answer) -> None:
        self._answer = answer

    def prepare(self) -> None:
        status, text = self._answer
        self.set_status(status)
        kind = "html" if text.startswith("<") else "plain"
        self.set_header("Content-Type", f"text/{kind}; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(text)


def _origin(url: str) -> str:
    """The origin of the page that a ``Referer`` names."""
    return "/".join(url.split("/", 3)[:3])
