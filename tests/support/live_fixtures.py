"""Fixtures that give a test a corner of the real server.

Load them with ``pytest_plugins = ["support.live_fixtures"]`` in the test module.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rxbosbase import AuthState
from rxbosbase.server import EmbeddedServer

from .live_schema import World, log_in

__all__ = ["fragile", "superuser", "world"]


@pytest.fixture(scope="session")
def superuser(server: EmbeddedServer) -> AuthState:
    """One login for all tests: each costs the server a tenth of a second of hashing."""
    return log_in(server)


@pytest.fixture
def world(server: EmbeddedServer, superuser: AuthState) -> Iterator[World]:
    """A corner of the shared server."""
    made = World(server, superuser)
    yield made
    made.close()


@pytest.fixture
def fragile(fresh_server: EmbeddedServer) -> Iterator[World]:
    """A world on a server of its own, to kill and restart."""
    made = World(fresh_server, log_in(fresh_server))
    yield made
    made.close()
