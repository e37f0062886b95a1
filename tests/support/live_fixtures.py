"""Fixtures that give a test a corner of the real server.

Load them with ``pytest_plugins = ["support.live_fixtures"]`` in the test module.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rxbosbase import AuthState
from rxbosbase.server import EmbeddedServer

from .live_schema import World, log_in
from .tested_server import new_server

__all__ = ["fragile", "mortal", "superuser", "world"]


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


@pytest.fixture(scope="session")
def mortal() -> Iterator[tuple[EmbeddedServer, AuthState]]:
    """One server for all tests that kill theirs: to start it again costs little, a new one much."""
    with new_server() as server:
        login = log_in(server)
        server.kill()
        yield server, login


@pytest.fixture
def fragile(mortal: tuple[EmbeddedServer, AuthState]) -> Iterator[World]:
    """A world on a server that may be killed, paused and restarted; it runs for this test only."""
    server, login = mortal
    made = World(server.restart(), login)
    yield made
    made.close()
    server.kill()
