"""The fixtures for tests against the server of `tests/support/tested_server.py`."""

from __future__ import annotations

import pytest

from rxbosbase.server import EmbeddedServer

pytest_plugins = ["support.live_fixtures"]


@pytest.fixture(scope="session")
def server(bosbase_server: EmbeddedServer) -> EmbeddedServer:
    """The server that all tests share."""
    return bosbase_server
