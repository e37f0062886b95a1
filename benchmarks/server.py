"""The stream server: a process of its own that sends prebuilt events, as large writes.

``python -m benchmarks.server`` prints its control port and ends with its standard input. Each
control connection is a session with a port of its own, so that contenders share nothing. A command
is a JSON object in a line, and so is its answer; ``go`` has no answer.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from typing import Any

from .session import Session

__all__ = ["main"]


def _serve_control(control: socket.socket) -> None:
    session: Session | None = None
    with control, control.makefile("rb") as lines:
        for line in lines:
            command: dict[str, Any] = json.loads(line)
            kind = command.pop("do")
            if kind == "go" and session is not None:
                session.go()
                continue
            answer: dict[str, Any]
            try:
                if kind == "open":
                    session = Session(**command)
                    answer = {"port": session.port}
                elif session is not None and kind in ("wait", "prepare", "stats", "reset"):
                    answer = getattr(session, kind)(**command)
                else:
                    answer = {"error": f"there is no {kind!r} now"}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            control.sendall(json.dumps(answer).encode() + b"\n")
    if session is not None:
        session.close()


def main() -> None:
    """Serve until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)

    def end_with_parent() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    while True:
        control, _ = listener.accept()
        control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve_control, args=(control,), daemon=True).start()


if __name__ == "__main__":
    main()
