"""Serves the page until a signal or the caller's `check` stops it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from panel.io.application import (
    build_applications,  # pyright: ignore[reportUnknownVariableType]
)
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClosedError

from rxbosbase.dashboard.markup import pn
from rxbosbase.errors import ConnectionFailedError

from .access_check import MAX_PAGES, AccessCheck
from .allowed_hosts import AllowedHosts, in_url
from .attempts import Attempts
from .clients import Clients
from .headers import SafeHeaders
from .page import Page, PageOptions

__all__ = ("serve_pages",)

CHECK_SECONDS = 0.2
"""Seconds between two calls of `check`."""

OPENING_SECONDS = 30
"""Seconds that a browser may take to load a page before its subscriptions end."""

MAX_MESSAGE_BYTES = 2**20
"""Bytes of a WebSocket message from a page: a click, or a form's fields."""

MAX_BODY_BYTES = 2**16
"""Bytes of a request's body that are read before the access check refuses it."""

PING_SECONDS = 20
"""Seconds between two pings of a WebSocket, and until the response is due."""

TOKEN_SECONDS = 10 * 365 * 24 * 3600
"""Ten years: a token is valid as long as its session, which the access check looks up."""

TITLE = "rxbosbase dashboard"

PAGE_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


async def serve_pages(
    clients: Clients,
    options: PageOptions,
    *,
    address: str,
    port: int,
    hosts: Sequence[str] = (),
    ready: Callable[[str], None],
    check: Callable[[], None],
) -> None:
    """Serve until Ctrl-C, or until `check` raises.

    Args:
        address: where to listen: an IP address or a name, "" or 0.0.0.0 for all.
        port: 0 takes a free one.
        hosts: further host names by which the page may be opened: ``name`` or ``name:port``.
        ready: called with the page's address.
        check: called a few times a second.

    Raises:
        ConnectionFailedError: the port is taken, or the address is not this machine's.
        ValueError: one of `hosts` is no name.
    """
    attempts = Attempts(time.monotonic)
    pages: set[Page] = set()

    def page() -> Any:
        if clients.lease_count >= MAX_PAGES:  # simultaneous requests pass the access check together
            return pn.pane.HTML("<p>Too many pages are open already: close one.</p>")
        opened = Page(clients, options, attempts)
        pages.add(opened)
        pn.state.on_session_destroyed(lambda _: close(opened))
        return opened.layout

    def close(opened: Page) -> None:
        pages.discard(opened)
        opened.close()

    sockets = _listen(address, port)
    port = sockets[0].getsockname()[1]
    listening = [each.getsockname()[0] for each in sockets]
    access_check, server = _server(
        page, sockets, AllowedHosts(listening, port, [*hosts, *_host_name(address)])
    )
    stopped = _stopped_by_signals()
    asyncio.get_running_loop().set_exception_handler(_report)
    try:
        server.start()
        ready(f"http://{_reachable(address)}:{port}/")
        while not stopped.is_set():
            check()
            access_check.end_closed_tabs()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), CHECK_SECONDS)
    finally:
        server.stop()
        for opened in pages.copy():  # Bokeh does not destroy its sessions
            close(opened)
        clients.close()


def _server(
    page: Callable[[], Any], sockets: Sequence[socket.socket], allowed_hosts: AllowedHosts
) -> tuple[AccessCheck, BaseServer]:
    """Return the server that `panel.serve` would make, with the access check before it."""
    pn.config.raw_css = [PAGE_STYLE]
    application = BokehTornado(
        build_applications({"/": page}, title=TITLE, location=False),
        extra_websocket_origins=["*"],  # the access check has checked the origin
        include_headers=[], include_cookies=[],  # the page's token contains none of them
        session_token_expiration=TOKEN_SECONDS,
        check_unused_sessions_milliseconds=1000,
        unused_session_lifetime_milliseconds=OPENING_SECONDS * 1000,
        websocket_max_message_size_bytes=MAX_MESSAGE_BYTES,
        # Otherwise a browser that lost its network would stay connected, and could not reconnect.
        websocket_ping_interval=PING_SECONDS, websocket_ping_timeout=PING_SECONDS,
        transforms=[SafeHeaders],
        log_function=_silent,
    )  # fmt: skip
    access_check = AccessCheck(application, allowed_hosts)
    http = HTTPServer(access_check, max_body_size=MAX_BODY_BYTES)
    http.add_sockets(sockets)
    return access_check, BaseServer(IOLoop.current(), application, http)


def _listen(address: str, port: int) -> list[socket.socket]:
    try:
        return bind_sockets(port, address)
    except OSError as error:
        raise ConnectionFailedError(
            f"port {port} of {address} cannot be used: {error.strerror or error}; "
            "choose another with --port, or --port 0 for a free one"
        ) from error


def _silent(_: object) -> None:
    """Log nothing: a page requests its files very often."""


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log the error of a task that is not awaited, except that a tab has closed."""
    if not isinstance(context.get("exception"), WebSocketClosedError):
        loop.default_exception_handler(context)


def _stopped_by_signals() -> asyncio.Event:
    """Return an event that Ctrl-C and SIGTERM set: an exception inside the loop would break it."""
    stopped = asyncio.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _host_name(address: str) -> list[str]:
    """Return the address to listen at, if it is a name: the printed URL contains it."""
    try:
        ipaddress.ip_address(address or "::")
    except ValueError:
        return [address]
    return []


def _reachable(address: str) -> str:
    """Return the host by which this machine opens the page."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, in_url(address))
