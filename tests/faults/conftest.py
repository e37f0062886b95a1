"""The real server behind the faults, and a scene of a client that meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from faults.watching import Scene, make_collection

from rxbosbase import BosBase
from rxbosbase.server import EmbeddedServer


@pytest.fixture(scope="session")
def server(bosbase_server: EmbeddedServer) -> EmbeddedServer:
    """The server all tests share: harm the proxy, never this."""
    return bosbase_server


@pytest.fixture(scope="session")
def admin(server: EmbeddedServer) -> Iterator[BosBase]:
    """Its superuser, for plain requests only."""
    with server.client(superuser=True) as superuser:
        yield superuser


@pytest.fixture
def scene(server: EmbeddedServer, admin: BosBase) -> Iterator[Callable[..., Scene]]:
    """Makes a `Scene` on a collection of its own; settings are those of the client."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Scene:
            return stack.enter_context(Scene(server, make_collection(admin, "posts"), **settings))

        yield make
