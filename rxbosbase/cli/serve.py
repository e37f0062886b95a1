"""``rxbosbase serve``: a server with sample data, for the examples and for trying things out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from pathlib import Path
from typing import Annotated

import typer

from rxbosbase.cli.console import expected_ends
from rxbosbase.cli.writers import Writers, writing
from rxbosbase.errors import ConnectionFailedError
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_PASSWORD, SAMPLE_USERS, create_sample

__all__ = ["serve"]

DEFAULT_PORT = 8090
LOOK_SECONDS = 0.2  # between two looks at whether the server still runs
MOST_WRITES = 1000.0  # a second; a laptop's server takes fewer


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = DEFAULT_PORT,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the data stays. Else it is gone at the end.")
    ] = None,
    rate: Annotated[
        float,
        typer.Option(min=0, max=MOST_WRITES, help="Writes per second by the sample users."),
    ] = 0.0,
) -> None:
    """Run a server with sample data on this machine, until Ctrl-C.

    The collections are messages, posts, comments, orders and audit; the users can log in.
    """
    with (
        expected_ends(interrupted=0),
        EmbeddedServer(data_dir, port, prepare=create_sample) as server,
    ):
        print(welcome(server), flush=True)
        with _sample_users(server.url, rate) as writers:
            while server.is_running:
                time.sleep(LOOK_SECONDS)
                if writers is not None:
                    writers.check()
        raise ConnectionFailedError("the server has ended by itself: " + " ".join(server.output))


def welcome(server: EmbeddedServer) -> str:
    """What a newcomer has to know: the address, who can log in, and what to try."""
    url = "" if server.url.endswith(f":{DEFAULT_PORT}") else f" --url {server.url}"
    first, *others = SAMPLE_USERS
    users = f"{first.email}; also {', '.join(user.name.lower() for user in others)}"
    return "\n".join(
        [
            f"Serving sample data at {server.url} (Ctrl-C ends it)",
            f"  log in     {users}; password {SAMPLE_PASSWORD}",
            f"  superuser  {server.superuser_email}; password {server.superuser_password}",
            f"             {server.url}/_/ is the server's own dashboard",
            f"  try        rxbosbase tail messages posts{url}",
        ]
    )


@contextlib.contextmanager
def _sample_users(url: str, rate: float) -> Generator[Writers | None]:
    if not rate:
        yield None
        return
    with writing(url, rate) as writers:
        yield writers
