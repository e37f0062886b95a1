"""The access check before every route of the page, the WebSocket included.

Tornado, Bokeh and Panel have checks of their own, which differ between versions; the page relies
on none of them.
"""

from __future__ import annotations

import re
from hmac import compare_digest
from typing import Any
from weakref import WeakKeyDictionary

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, RequestHandler

from .allowed_hosts import AllowedHosts

__all__ = ("MAX_PAGES", "AccessCheck")

MAX_PAGES = 200
"""Pages open at once."""

CLOSED_TAB_SECONDS = 5
"""Seconds in which a tab that lost its connection may return before its subscriptions end."""

PAGE, SOCKET = "/", "/ws"
FILES = re.compile(
    r"/static(/(?!\.)([\w.@^+~-]|%(40|5e|2b))+)+|/favicon\.ico", re.ASCII | re.IGNORECASE
)
"""The paths of files. Bokeh has more routes, which make sessions for scripts of other sites."""

LINK_PAGE = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>rxbosbase dashboard</title>'
    '<meta name="color-scheme" content="light dark"></head><body><p>Another site led here. '
    '<a href="/">Open the dashboard</a></p></body></html>'
)
"""Sent in place of the page to a request that another site started: no session is made."""

Response = tuple[int, str]
"""Status and text, in place of the requested page."""


class AccessCheck(Router):
    """Passes requests to the application, or sends a response instead.

    Args:
        application: Bokeh's, with one page, at ``/``.
        allowed_hosts: the host names by which the page may be opened.
    """

    def __init__(self, application: Application, allowed_hosts: AllowedHosts) -> None:
        self._application = application
        self._allowed_hosts = allowed_hosts
        self._sockets: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        """The last WebSocket connection of each session."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        response = self._check(request)
        if response is None:
            return self._application.find_handler(request, **kwargs)
        arguments = {"response": response}
        return self._application.get_handler_delegate(request, ResponseHandler, arguments)

    def end_closed_tabs(self) -> None:
        """Close the pages whose WebSocket has ended. To be called a few times a second."""
        for session in self._sessions:
            used = self._sockets.get(session)
            since = session.milliseconds_since_last_unsubscribe / 1000
            if used is not None and used.closed() and since > CLOSED_TAB_SECONDS:
                session.request_expiration()

    @property
    def _sessions(self) -> list[Any]:
        bokeh: Any = self._application
        return list(bokeh.applications[PAGE].sessions)

    def _check(self, request: HTTPServerRequest) -> Response | None:
        hosts = request.headers.get_list("Host")
        if len(hosts) != 1 or not self._allowed_hosts.allows_host(hosts[0]):
            return 403, "This is no name of the dashboard's. If it is, start it with --allow-host."
        if request.path not in (PAGE, SOCKET) and not FILES.fullmatch(request.path):
            return 404, "There is nothing here."
        if request.method not in ("GET", "HEAD"):
            return 405, "The dashboard answers GET alone."
        length = request.headers.get("Content-Length", "0")
        if length != "0" or "Transfer-Encoding" in request.headers:
            return 400, "The dashboard takes no body."
        if request.path == SOCKET:
            return self._check_socket(request)
        return self._check_site(request) or self._check_page(request)

    def _check_site(self, request: HTTPServerRequest) -> Response | None:
        """Return the response to a request from another site: a page with a link, or a 403.

        Browsers omit ``Sec-Fetch-Site`` where the page is neither encrypted nor on this machine,
        and other programs always do: then ``Origin`` and ``Referer`` decide.
        """
        headers = request.headers
        site = headers.get("Sec-Fetch-Site")
        if site is not None:
            own = site in ("same-origin", "none")
        else:
            named = headers.get_list("Origin") + headers.get_list("Referer")
            own = all(self._is_own(_origin(each), request) for each in named)
        document = headers.get("Sec-Fetch-Dest", "document") == "document"
        if own and (document or request.path != PAGE):
            return None
        if document and request.path == PAGE:
            return 200, LINK_PAGE
        return 403, "The dashboard is no part of other pages."

    def _is_own(self, origin: str, request: HTTPServerRequest) -> bool:
        return self._allowed_hosts.allows_origin(origin, request.headers["Host"])

    def _check_page(self, request: HTTPServerRequest) -> Response | None:
        """Refuse requests that name a session: the page makes its session itself."""
        if request.path != PAGE:
            return None
        if request.query or any(name.lower().startswith("bokeh-") for name in request.headers):
            return 400, "The page takes no arguments and no session's name: open it without."
        if len(self._sessions) >= MAX_PAGES:
            return 503, f"{MAX_PAGES} pages are open already: close one."
        return None

    def _check_socket(self, request: HTTPServerRequest) -> Response | None:
        """Check a WebSocket: only from a page of the dashboard, with its token, one at a time.

        The token is only compared, not parsed, so that the content of a forged one has no effect.
        """
        origins = request.headers.get_list("Origin")
        if len(origins) != 1 or not self._is_own(origins[0], request):
            return 403, "Only the dashboard's own page may connect."
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        token = offered[-1].strip().encode()
        sessions = [each for each in self._sessions if compare_digest(each.token.encode(), token)]
        if request.query or len(offered) != 2 or not sessions:
            return 403, "This page is over: open it again."
        used = self._sockets.get(sessions[0])
        if used is not None and not used.closed():
            return 403, "This page is open elsewhere already: open it anew."
        # Missing in the type of a connection, but always there; it has `closed()`.
        self._sockets[sessions[0]] = getattr(request.connection, "stream")  # noqa: B009
        return None


class ResponseHandler(RequestHandler):
    """Sends the response of the access check."""

    def initialize(self, response: Response) -> None:
        self._response = response

    def prepare(self) -> None:
        status, text = self._response
        self.set_status(status)
        kind = "html" if text.startswith("<") else "plain"
        self.set_header("Content-Type", f"text/{kind}; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(text)  # pyright: ignore[reportUnknownMemberType]


def _origin(url: str) -> str:
    """Return the origin of the page that a ``Referer`` names."""
    return "/".join(url.split("/", 3)[:3])
