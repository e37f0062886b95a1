"""The real server: one for all tests that only use it, a fresh one for those that harm it.

The one for all is the library's own fixture for people who test their code: it has to do here too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from support.tested_server import new_server

from rxbosbase.client import BosBase
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import create_sample


@pytest.fixture(scope="session")
def server(bosbase_server: EmbeddedServer) -> EmbeddedServer:
    """The server all tests share: do not kill, pause or restart it, and use ``names``."""
    return bosbase_server


@pytest.fixture
def fresh_server() -> Iterator[EmbeddedServer]:
    """A server of the test's own, to kill, pause and restart."""
    with new_server() as running:
        yield running


@pytest.fixture
def names() -> Callable[[str], str]:
    """Makes names for collections that no other test uses: ``names("posts")``."""
    return lambda stem: f"{stem}_{secrets.token_hex(6)}"


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[BosBase]:
    """A guest of the shared server."""
    with server.client() as guest:
        yield guest


@pytest.fixture
def admin(bosbase_client: BosBase) -> BosBase:
    """A superuser of the shared server."""
    return bosbase_client


@pytest.fixture(scope="module")
def sample() -> Iterator[EmbeddedServer]:
    """A server with sample data, for tests that only use it."""
    with EmbeddedServer() as server:
        with server.client(superuser=True) as admin:
            create_sample(admin)
        yield server
