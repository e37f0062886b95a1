"""Is it healthy, and is it ours? Small loopback requests that no proxy setting can divert."""

from __future__ import annotations

import http.client
import secrets
from pathlib import Path

from rxbosbase.server._ports import LOOPBACK

__all__ = ["HealthProbe"]

REQUEST_TIMEOUT = 2.0


class HealthProbe:
    """Asks a server for its health, and for a file that only our own server can have.

    Another program may have taken the port meanwhile and be healthy itself; the file tells.
    """

    def __init__(self, port: int, public_dir: Path) -> None:
        self._port = port
        self._name = secrets.token_hex(16)
        (public_dir / self._name).write_bytes(b"")

    def __call__(self) -> bool:
        return self._answers("/api/health") and self._answers(f"/{self._name}")

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=REQUEST_TIMEOUT)
        try:
            # Without the index fallback a path that is not there is a 404, not a page.
            connection.request("GET", path, headers={"Connection": "close"})
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
