"""Serves the page, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rxbosbase.dashboard.markup import pn
from rxbosbase.errors import ConnectionFailedError

from .clients import Clients
from .page import Page, Wanted

__all__ = ["serve_pages"]

LOOK_SECONDS = 0.2
"""Between two calls of `check`."""

CLOSED_TAB_SECONDS = 5
"""How long a tab that lost its connection may come back, before its subscriptions go."""

TITLE = "rxbosbase dashboard"

PAGE_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def serve_pages(
    clients: Clients,
    wanted: Wanted,
    *,
    address: str,
    port: int,
    origins: Sequence[str] = (),
    ready: Callable[[str], None],
    check: Callable[[], None],
) -> None:
    """Serves until Ctrl-C, or until `check` raises.

    Args:
        port: 0 takes a free one.
        origins: further ``host:port`` that pages may be opened by.
        ready: is told the page's address.
        check: called a few times a second.

    Raises:
        ConnectionFailedError: the port is taken.
    """
    asyncio.run(_serve(clients, wanted, address, port, origins, ready, check))


async def _serve(
    clients: Clients,
    wanted: Wanted,
    address: str,
    port: int,
    origins: Sequence[str],
    ready: Callable[[str], None],
    check: Callable[[], None],
) -> None:
    def page() -> Any:
        opened = Page(clients, wanted)
        pn.state.on_session_destroyed(lambda _: opened.close())
        return opened.layout

    pn.config.raw_css = [PAGE_STYLE]
    try:
        port = port or _free_port(address)
        server: Any = pn.serve(
            {"/": page}, port=port, address=address, title=TITLE, show=False, start=False,
            websocket_origin=_origins(address, port, origins), verbose=False,
            check_unused_sessions_milliseconds=1000,
            unused_session_lifetime_milliseconds=CLOSED_TAB_SECONDS * 1000,
        )  # fmt: skip
    except OSError as error:
        raise ConnectionFailedError(
            f"port {port} of {address} cannot be used: {error.strerror or error}; "
            "choose another with --port, or --port 0 for a free one"
        ) from error
    stopped = _stopped_by_signals()
    try:
        server.start()
        ready(f"http://{_host(address)}:{server.port}/")
        while not stopped.is_set():
            check()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), LOOK_SECONDS)
    finally:
        server.stop()
        clients.close()


def _stopped_by_signals() -> asyncio.Event:
    """Set by Ctrl-C and SIGTERM: an exception out of the middle of the loop would tear it."""
    stopped = asyncio.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _origins(address: str, port: int, more: Sequence[str]) -> list[str]:
    """Whose pages may open a connection: none but our own, so that no other web site can."""
    names = {address, _host(address)}
    if _is_loopback(address):
        names |= {"localhost", "127.0.0.1"}
    return [*(f"{name}:{port}" for name in sorted(names)), *more]


def _free_port(address: str) -> int:
    """Known before it is listened on: origins are compared with their port."""
    with socket.create_server((address, 0)) as free:
        number: int = free.getsockname()[1]
        return number


def _host(address: str) -> str:
    return "127.0.0.1" if address in ("", "0.0.0.0") else address


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
