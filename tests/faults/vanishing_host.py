"""A host that can vanish: a network namespace of its own, joined by a virtual cable.

Needs root and Linux; `VanishingHost.possible` is True there.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from textwrap import dedent
from types import TracebackType
from typing import Self

__all__ = ["VanishingHost"]

PORT = 8090
STREAM_SERVER = """
    import socketserver, sys, time
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b'event:PB_CONNECT\\ndata:{"clientId":"far-away"}\\n\\n')
            self.wfile.flush()
            time.sleep(3600)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    socketserver.BaseServer.handle_error = lambda *_: None  # the peer has left, as it may
    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
    print("ready", flush=True)
    server.serve_forever()
"""


class VanishingHost:
    """A host with a stream server on it, behind a cable that can be pulled.

    Attributes:
        url: of its server.
    """

    def __init__(self) -> None:
        tag = secrets.token_hex(3)
        self._namespace = f"rxb-{tag}"
        self._near, self._far = f"rxbn{tag}", f"rxbf{tag}"
        # One of the /30 networks of a range that is reserved for measurements.
        block = secrets.randbelow(64 * 256) * 4
        prefix = f"198.{18 + block // 65536}.{block // 256 % 256}"
        self._near_address = f"{prefix}.{block % 256 + 1}"
        self._far_address = f"{prefix}.{block % 256 + 2}"
        self.url = f"http://{self._far_address}:{PORT}"
        self._server: subprocess.Popen[str] | None = None

    @staticmethod
    def possible() -> str:
        """Empty where it works, else why not."""
        if sys.platform != "linux" or shutil.which("ip") is None:
            return "network namespaces need Linux and the program 'ip'"
        if os.geteuid() != 0:
            return "making a network namespace needs root"
        name = f"rxb-{secrets.token_hex(3)}"
        tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
        if tried.returncode:
            return f"no network namespace can be made: {tried.stderr.decode().strip()}"
        subprocess.run(["ip", "netns", "del", name], check=True)
        return ""

    def __enter__(self) -> Self:
        try:
            _ip("netns", "add", self._namespace)
            _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far)
            _ip("link", "set", self._far, "netns", self._namespace)
            _ip("address", "add", f"{self._near_address}/30", "dev", self._near)
            _ip("link", "set", self._near, "up")
            _ip(
                "-n", self._namespace, "address", "add", f"{self._far_address}/30", "dev", self._far
            )
            self.appear()
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def vanish(self) -> None:
        """Drop all packets in both directions, without an error to either side."""
        _ip("-n", self._namespace, "link", "set", self._far, "down")

    def appear(self) -> None:
        """Deliver packets again."""
        _ip("-n", self._namespace, "link", "set", self._far, "up")

    def close(self) -> None:
        """Removes everything."""
        if self._server is not None:
            self._server.kill()
            self._server.communicate()
        for words in (["netns", "del", self._namespace], ["link", "del", self._near]):
            subprocess.run(["ip", *words], capture_output=True, check=False)

    def _start(self) -> None:
        script = dedent(STREAM_SERVER)
        program = [sys.executable, "-c", script, self._far_address, str(PORT)]
        self._server = subprocess.Popen(
            ["ip", "netns", "exec", self._namespace, *program], stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout is not None
        if self._server.stdout.readline() != "ready\n":
            raise RuntimeError("the far server did not start")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
