"""The command line as users run it: in a process of its own, from the checkout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import IO, Any, Self

__all__ = ["Command", "Env", "environment", "run", "terminal_output", "wait_for_output"]

ROOT = Path(__file__).parents[2]
END_SECONDS = 30
"""Seconds that a start, an output or an end may take on a busy machine."""

Env = Mapping[str, str] | None


def environment(extra: Env = None) -> dict[str, str]:
    """Return the environment with the checkout importable, without settings of the commands."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RXBOSBASE_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **(extra or {})}


def run(*arguments: str, env: Env = None) -> subprocess.CompletedProcess[str]:
    """Run ``rxbosbase`` to its end; `env` are further environment variables."""
    return subprocess.run(
        [sys.executable, "-m", "rxbosbase.cli", *arguments],
        env=environment(env), capture_output=True, text=True, encoding="utf-8",
        timeout=40, check=False,
    )  # fmt: skip


class Command:
    """A running ``rxbosbase``: its output line by line, and Ctrl-C. Use it in ``with``."""

    def __init__(self, *arguments: str, stdout: int = subprocess.PIPE, env: Env = None) -> None:
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "rxbosbase.cli", *arguments],
            env=environment(env), stdout=stdout, stderr=subprocess.PIPE,
            text=True, encoding="utf-8",
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        """Wait for the next line of stdout, and return it."""
        return _next_line(self.process.stdout)

    def error_line(self) -> str:
        """Wait for the next line of stderr, and return it."""
        return _next_line(self.process.stderr)

    def interrupt(self) -> tuple[int, str, str]:
        """Send Ctrl-C; return the exit code, and the rest of stdout and stderr."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return the exit code, and the rest of stdout and stderr."""
        out, err = self.process.communicate(timeout=END_SECONDS)
        return self.process.returncode, out or "", err or ""


def _next_line(stream: IO[Any] | None) -> str:
    assert stream is not None
    line: str = stream.readline()
    assert line, "the command ended, or closed its output"
    return line.rstrip("\n")


@contextmanager
def terminal_output() -> Generator[tuple[int, list[bytes]]]:
    """A terminal of 80 × 24: its file descriptor, and (after the block) the written output."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    written: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 65536):
                written.append(chunk)
        except OSError:  # Linux raises it when the other end is closed
            pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield theirs, written
    finally:
        os.close(theirs)
        reader.join(END_SECONDS)
        os.close(ours)


def wait_for_output(written: list[bytes], text: bytes) -> None:
    """Wait until the output of a terminal contains `text`."""
    deadline = monotonic() + END_SECONDS
    while text not in b"".join(written):
        assert monotonic() < deadline, b"".join(written)
        threading.Event().wait(0.02)
