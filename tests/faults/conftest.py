"""A scripted server, and clients of the real server behind a fault proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from faults.watching import WatchedClient, make_collection
from support.wire_server import WireServer

from rxbosbase import BosBase
from rxbosbase.server import EmbeddedServer


@pytest.fixture
def server() -> Iterator[WireServer]:
    """A scripted server."""
    with WireServer() as started:
        yield started


@pytest.fixture(scope="session")
def admin(bosbase_server: EmbeddedServer) -> Iterator[BosBase]:
    """The real server's superuser, for requests only."""
    with bosbase_server.client(superuser=True) as superuser:
        yield superuser


@pytest.fixture
def watch(bosbase_server: EmbeddedServer, admin: BosBase) -> Iterator[Callable[..., WatchedClient]]:
    """Make a `WatchedClient` of a new collection; the settings are those of the client."""
    with ExitStack() as stack:

        def make(**settings: Any) -> WatchedClient:
            return stack.enter_context(
                WatchedClient(bosbase_server, make_collection(admin, "posts"), **settings)
            )

        yield make
