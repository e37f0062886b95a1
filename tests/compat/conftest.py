"""The library on older servers. Not among the tests that run without being named::

    python -m pytest tests/compat

Each version is one real server for all tests. ``RXBOSBASE_COMPAT_URL`` names another server to test
instead; see `support.old_servers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from support.live_schema import World, log_in
from support.old_servers import GIVEN_SERVER, VERSIONS, GivenServer, binary_of

from rxbosbase import AuthState
from rxbosbase.server import EmbeddedServer

Old = tuple[str, EmbeddedServer, AuthState]


@pytest.fixture(scope="session", params=["given"] if GIVEN_SERVER else VERSIONS)
def old(request: pytest.FixtureRequest) -> Iterator[Old]:
    """A running server: its version, itself, and a superuser's login."""
    if GIVEN_SERVER:
        given = cast(EmbeddedServer, GivenServer())
        yield "given", given, log_in(given)
        return
    with EmbeddedServer(binary=binary_of(request.param)) as server:
        yield request.param, server, log_in(server)


@pytest.fixture
def version(old: Old) -> str:
    """The server's version, or ``"given"``."""
    return old[0]


@pytest.fixture
def world(old: Old) -> Iterator[World]:
    """A corner of that server."""
    made = World(old[1], old[2])
    yield made
    made.close()
