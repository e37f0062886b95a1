"""``rxbosbase serve``: a server with sample data, for the examples and for experiments."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rxbosbase.errors import ConnectionFailedError
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_PASSWORD, SAMPLE_USERS, create_sample

from .console import clean_exit, write_error, write_text
from .writers import Writers, new_password, writing

__all__ = ("serve",)

DEFAULT_PORT = 8090
POLL_SECONDS = 0.2  # between two checks of the writers
MAX_WRITES = 1000.0  # a second; the server of a laptop handles fewer

PASSWORD_WARNING = (
    "everybody knows the sample users' password: any program on this machine, and a web site that "
    "its browser opens, may write as them"
)


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = DEFAULT_PORT,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="The folder of the data. Else it is deleted at the end."),
    ] = None,
    rate: Annotated[
        float,
        typer.Option(min=0, max=MAX_WRITES, help="Writes per second by the sample users."),
    ] = 0.0,
    publish_passwords: Annotated[
        bool,
        typer.Option(
            "--publish-passwords",
            help="The sample users have the password of the documentation, and not a new one.",
        ),
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="A web site whose pages may use the server, too; repeatable."
        ),
    ] = None,
) -> None:
    """Run a server with sample data on this machine, until Ctrl-C.

    The collections are messages, posts, comments, orders and audit; the users can log in.
    """
    password = SAMPLE_PASSWORD if publish_passwords else new_password()
    prepare = partial(create_sample, password=password)
    with (
        clean_exit(interrupted=0),
        EmbeddedServer(data_dir, port, prepare=prepare, origins=origin or []) as server,
    ):
        write_text(welcome(server, password))
        if publish_passwords:
            write_error(PASSWORD_WARNING)
        with _sample_users(server.url, rate, password) as writers:
            while not server.wait_ended(POLL_SECONDS):
                if writers is not None:
                    writers.check()
        raise ConnectionFailedError("the server has ended by itself: " + " ".join(server.output))


def welcome(server: EmbeddedServer, password: str) -> str:
    """Return the text at the start: the address, the logins, and a command to try."""
    url = "" if server.url.endswith(f":{DEFAULT_PORT}") else f" --url {server.url}"
    first, *others = SAMPLE_USERS
    users = f"{first.email}; also {', '.join(user.name.lower() for user in others)}"
    return "\n".join(
        [
            f"Serving sample data at {server.url} (Ctrl-C ends it)",
            f"  log in     {users}; password {password}",
            f"  superuser  {server.superuser_email}; password {server.superuser_password}",
            f"             {server.url}/_/ is the server's own dashboard",
            f"  try        rxbosbase tail messages posts{url}",
        ]
    )


@contextlib.contextmanager
def _sample_users(url: str, rate: float, password: str) -> Generator[Writers | None]:
    if not rate:
        yield None
        return
    with writing(url, rate, password=password) as writers:
        yield writers
