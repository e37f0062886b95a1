"""What is told of the server that the tests of `tests/support/tested_server.py` take."""

from __future__ import annotations

import pytest

from rxbosbase.server import EmbeddedServer

pytest_plugins = ["support.live_fixtures"]


@pytest.fixture(scope="session")
def server(bosbase_server: EmbeddedServer) -> EmbeddedServer:
    """The server all tests share."""
    return bosbase_server
