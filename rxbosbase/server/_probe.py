"""The check that a port serves our own healthy server, by loopback requests without a proxy."""

from __future__ import annotations

import http.client
import secrets
from pathlib import Path

from ._ports import LOOPBACK

__all__ = ["HealthProbe"]

REQUEST_TIMEOUT = 2.0


class HealthProbe:
    """Requests a server's health, and a file with a random name in its public folder.

    The file distinguishes our server from another healthy one that has got the port meanwhile.
    """

    def __init__(self, port: int, public_dir: Path) -> None:
        self._port = port
        self._name = secrets.token_hex(16)
        (public_dir / self._name).write_bytes(b"")

    def __call__(self) -> bool:
        """Return True if our server listens on the port and is healthy."""
        return self._responds("/api/health") and self._responds(f"/{self._name}")

    def _responds(self, path: str) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=REQUEST_TIMEOUT)
        try:
            # The server runs without the index fallback, so a missing file is a 404.
            connection.request("GET", path, headers={"Connection": "close"})
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
