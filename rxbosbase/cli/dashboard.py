"""``rxbosbase dashboard``: a web page with live tables, events and the connection's state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator
from functools import partial
from typing import Annotated

import typer

from rxbosbase.cli.demo.metrics import WATCHED
from rxbosbase.client import BosBase
from rxbosbase.errors import ConnectionFailedError
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_PASSWORD, SAMPLE_USERS, create_sample

from . import options
from .console import clean_exit, write_error, write_text
from .writers import new_password, writing

__all__ = ("dashboard",)

LOOPBACK = "127.0.0.1"

DEMO_COLLECTIONS = ("messages", "orders")
DEMO_RATE = 8.0
MAX_WRITES = 1000.0


def dashboard(
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="[URL] [COLLECTION...]", help="The server, and what to show of it."),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Start a server with sample users who write.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 5006,
    address: Annotated[
        str, typer.Option(help="Where to listen. Other than loopback, others can look, too.")
    ] = LOOPBACK,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:PORT]",
            help="A further name the page is opened by, such as a proxy's; repeatable.",
        ),
    ] = None,
    expand: Annotated[
        list[str] | None,
        typer.Option(metavar="COLLECTION=RELATIONS", help="As in messages=author; repeatable."),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.1, max=MAX_WRITES, help="The demo's writes per second.")
    ] = DEMO_RATE,
    identity: Annotated[
        str | None, typer.Option(help="Every page begins with this login. Else as a guest.")
    ] = None,
    share_login: Annotated[
        bool,
        typer.Option("--share-login", help="Whoever reaches the page may use --identity."),
    ] = False,
    password_env: options.PasswordEnv = options.DEFAULT_PASSWORD_ENV,
    auth_collection: options.AuthCollection = "users",
) -> None:
    """Show a server's records, events and connection on a web page, until Ctrl-C.

    Each browser tab sees what its own login may see.
    """
    url, collections = _arguments(places or [], demo)
    password = options.password_of(identity, password_env)
    with clean_exit(interrupted=0):
        from rxbosbase.dashboard.web.allowed_hosts import is_loopback
        from rxbosbase.dashboard.web.clients import Clients
        from rxbosbase.dashboard.web.page import PageOptions
        from rxbosbase.dashboard.web.server import serve_pages

        hosts = _hosts(allow_host or [])
        viewer = f"{identity} of {auth_collection}" if identity else "a guest"
        public = "" if is_loopback(address) and not hosts else viewer
        if public and identity and not share_login:
            raise typer.BadParameter(
                f"whoever reaches the page would see what {viewer} may see: "
                "add --share-login if that is meant, or let each log in on the page",
                param_hint="--identity",
            )
        # A login for all pages needs the password before the server is started.
        sample_password = new_password() if identity is None else SAMPLE_PASSWORD
        relations = {**(WATCHED if demo else {}), **_relations(expand or [])}
        with _server(demo, rate, url, sample_password) as (base_url, check):
            clients = Clients(partial(BosBase, base_url))
            start = clients.guest
            if identity is not None:
                # Logged in once, and now: a wrong password is reported here, and not on a page.
                login = clients.log_in(auth_collection, identity, password)
                start = partial(clients.share, login)
            page_options = PageOptions(
                collections, relations, _hint(sample_password) if demo else "", start
            )
            asyncio.run(serve_pages(
                clients, page_options, address=address, port=port, hosts=hosts,
                ready=partial(_welcome, base_url, address, public), check=check,
            ))  # fmt: skip


def _arguments(places: list[str], demo: bool) -> tuple[str, list[str]]:
    """Return the server's address and the collections from the arguments."""
    url = places.pop(0) if places and "://" in places[0] else ""
    if demo and url:
        raise typer.BadParameter("--demo starts a server of its own: give no URL with it")
    if not places and not demo:
        raise typer.BadParameter("name the collections to show, or try --demo")
    return url or options.DEFAULT_URL, places or list(DEMO_COLLECTIONS)


def _relations(entries: list[str]) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in entries]
    for name, _, relations in pairs:
        if not name or not relations:
            raise typer.BadParameter(
                "is COLLECTION=RELATIONS, such as messages=author", param_hint="--expand"
            )
    return {name: relations for name, _, relations in pairs}


@contextlib.contextmanager
def _server(
    demo: bool, rate: float, url: str, password: str
) -> Generator[tuple[str, Callable[[], None]]]:
    """Start the demo's server if asked; yield the address, and a check that raises on failure."""
    if not demo:
        yield url, lambda: None
        return
    with EmbeddedServer() as server:
        with server.client(superuser=True) as admin:
            create_sample(admin, password=password)
        with writing(server.url, rate, password=password) as writers:

            def check() -> None:
                writers.check()
                if not server.is_running:
                    raise ConnectionFailedError("the demo's server has ended by itself")

            yield server.url, check


def _hosts(names: list[str]) -> list[str]:
    from rxbosbase.dashboard.web.allowed_hosts import AllowedHosts

    try:
        AllowedHosts([], 0, names)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--allow-host") from error
    return names


def _welcome(server: str, address: str, public: str, page: str) -> None:
    write_text(f"The dashboard of {server} is at {page} (Ctrl-C ends it)")
    if public:
        write_error(f"listening on {address}: whoever reaches it sees what {public} may see")


def _hint(password: str) -> str:
    users = ", ".join(user.email for user in SAMPLE_USERS)
    return f"Sample users: {users}. Their password: {password}"
