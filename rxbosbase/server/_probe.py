"""The wait until a port serves our own healthy server: loopback requests without a proxy."""

from __future__ import annotations

import http.client
import secrets
import time
from pathlib import Path

from rxbosbase.encoding.control_characters import one_line
from rxbosbase.errors import ConnectionFailedError, RequestTimeoutError

from ._ports import LOOPBACK
from ._process import ServerProcess

__all__ = ("HealthProbe", "wait_until_healthy")

REQUEST_TIMEOUT = 2.0
POLL_INTERVAL = 0.02  # between two health checks of a starting server
QUOTED_LINES = 20  # of the output in an error message


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


def wait_until_healthy(process: ServerProcess, probe: HealthProbe, timeout: float) -> None:
    """Wait until the server is healthy.

    Raises:
        ConnectionFailedError: it ended; the message has its last lines of output.
        RequestTimeoutError: it was not healthy within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not process.ended.is_set():
        if probe():
            return
        if time.monotonic() > deadline:
            raise RequestTimeoutError(
                f"The embedded server was not healthy within {timeout:g} s. " + _quote(process)
            )
        process.ended.wait(POLL_INTERVAL)
    code = process.end(graceful=False)
    raise ConnectionFailedError(
        f"The embedded server ended at its start with exit code {code}. " + _quote(process)
    )


def _quote(process: ServerProcess) -> str:
    lines = [one_line(line) for line in process.output[-QUOTED_LINES:]]
    return "Its last output:\n" + "\n".join(lines) if lines else "It wrote nothing."
