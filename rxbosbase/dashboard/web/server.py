"""Serves the page, until it is told to stop."""

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
from panel.io.application import build_applications
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClosedError

from rxbosbase.dashboard.markup import pn
from rxbosbase.errors import ConnectionFailedError

from .attempts import Attempts
from .clients import Clients
from .gate import MOST_PAGES, Gate
from .headers import SafeHeaders
from .names import Names, in_url
from .page import Page, Wanted

__all__ = ["serve_pages"]

LOOK_SECONDS = 0.2
"""Between two calls of `check`."""

OPENING_SECONDS = 30
"""How long a browser may take to load a page, before its subscriptions go."""

LONGEST_MESSAGE = 2**20
"""Bytes of what a page sends: clicks, and what was typed into a form."""

LONGEST_BODY = 2**16
"""Bytes of a request's body, which the gate refuses: so much is read before."""

PING_SECONDS = 20
"""Between two pings of a WebSocket, and until the answer has to be there."""

NO_END = 10 * 365 * 24 * 3600
"""Seconds: a page's token ends with its session, for the gate looks for that."""

TITLE = "rxbosbase dashboard"

PAGE_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


async def serve_pages(
    clients: Clients,
    wanted: Wanted,
    *,
    address: str,
    port: int,
    hosts: Sequence[str] = (),
    ready: Callable[[str], None],
    check: Callable[[], None],
) -> None:
    """Serves until Ctrl-C, or until `check` raises.

    Args:
        address: where to listen: an IP address or a name, "" or 0.0.0.0 for all.
        port: 0 takes a free one.
        hosts: further names the page may be opened by: ``name`` or ``name:port``.
        ready: is told the page's address.
        check: called a few times a second.

    Raises:
        ConnectionFailedError: the port is taken, or the address is not this machine's.
        ValueError: one of `hosts` is no name.
    """
    attempts = Attempts(time.monotonic)
    pages: set[Page] = set()

    def page() -> Any:
        if clients.shares >= MOST_PAGES:  # those that come together pass the gate together
            return pn.pane.HTML("<p>Too many pages are open already: close one.</p>")
        opened = Page(clients, wanted, attempts)
        pages.add(opened)
        pn.state.on_session_destroyed(lambda _: close(opened))
        return opened.layout

    def close(opened: Page) -> None:
        pages.discard(opened)
        opened.close()

    sockets = _listen(address, port)
    port = sockets[0].getsockname()[1]
    listening = [each.getsockname()[0] for each in sockets]
    gate, server = _server(page, sockets, Names(listening, port, [*hosts, *_name_of(address)]))
    stopped = _stopped_by_signals()
    asyncio.get_running_loop().set_exception_handler(_report)
    try:
        server.start()
        ready(f"http://{_reachable(address)}:{port}/")
        while not stopped.is_set():
            check()
            gate.end_closed_tabs()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), LOOK_SECONDS)
    finally:
        server.stop()
        for opened in pages.copy():  # Bokeh does not destroy its sessions
            close(opened)
        clients.close()


def _server(
    page: Callable[[], Any], sockets: Sequence[socket.socket], names: Names
) -> tuple[Gate, BaseServer]:
    """What `panel.serve` makes, with the gate in front of it."""
    pn.config.raw_css = [PAGE_STYLE]
    application = BokehTornado(
        build_applications({"/": page}, title=TITLE, location=False),
        extra_websocket_origins=["*"],  # the gate has looked at the origin
        include_headers=[], include_cookies=[],  # the page's token holds none of them
        session_token_expiration=NO_END,
        check_unused_sessions_milliseconds=1000,
        unused_session_lifetime_milliseconds=OPENING_SECONDS * 1000,
        websocket_max_message_size_bytes=LONGEST_MESSAGE,
        # Else a browser that lost its network would stay connected, and could not come back.
        websocket_ping_interval=PING_SECONDS, websocket_ping_timeout=PING_SECONDS,
        transforms=[SafeHeaders],
        log_function=_silent,
    )  # fmt: skip
    gate = Gate(application, names)
    http = HTTPServer(gate, max_body_size=LONGEST_BODY)
    http.add_sockets(sockets)
    return gate, BaseServer(IOLoop.current(), application, http)


def _listen(address: str, port: int) -> list[socket.socket]:
    try:
        return bind_sockets(port, address)
    except OSError as error:
        raise ConnectionFailedError(
            f"port {port} of {address} cannot be used: {error.strerror or error}; "
            "choose another with --port, or --port 0 for a free one"
        ) from error


def _silent(_: object) -> None:
    """A page asks for its files again and again: nobody wants to read that."""


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a task raised that nobody waits for. That a tab has gone is no defect."""
    if not isinstance(context.get("exception"), WebSocketClosedError):
        loop.default_exception_handler(context)


def _stopped_by_signals() -> asyncio.Event:
    """Set by Ctrl-C and SIGTERM: an exception out of the middle of the loop would tear it."""
    stopped = asyncio.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _name_of(address: str) -> list[str]:
    """The address to listen at, where it is a name: the address that is printed has it, too."""
    try:
        ipaddress.ip_address(address or "::")
    except ValueError:
        return [address]
    return []


def _reachable(address: str) -> str:
    """How this machine opens what listens there."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, in_url(address))
