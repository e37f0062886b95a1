"""The scripted server that these tests talk to, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.realtime_client import connect
from support.wire_server import WireServer

from rxbosbase import BosBase


@pytest.fixture
def server() -> Iterator[WireServer]:
    """A server that answers normally until the test scripts otherwise."""
    with WireServer() as started:
        yield started


@pytest.fixture
def client(server: WireServer) -> Iterator[BosBase]:
    """A client with a short backoff, closed after the test."""
    with connect(server) as connected:
        yield connected
