"""One run of the server: its watcher, its process and its output."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import _watcher
from ._home import UMASK

__all__ = ("ServerProcess",)

OUTPUT_LINES = 200  # of the server's output that are kept
LINE_LIMIT = 4096  # bytes; a longer line counts as several
SPAWN_TIMEOUT = 10.0
STOP_GRACE = 5.0  # after SIGTERM, before the server is killed
FREEZE_TIMEOUT = 1.0  # until all threads of a paused server have stopped
FREEZE_POLL = 0.002
DEATH_TIMEOUT = 10.0  # until a killed process has ended


class ServerProcess:
    """A running server; it starts at once. ``ended`` is set when its process has ended.

    Args:
        command: the binary and its arguments.
        cwd: where it runs.
        environment: all variables; no other is inherited.
        orphan_dir: a folder to delete if this program ends without ``end()``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        orphan_dir: Path | None,
    ) -> None:
        self.pid: int | None = None
        self.ended = threading.Event()
        self._lines: deque[str] = deque(maxlen=OUTPUT_LINES)
        self._spawned = threading.Event()
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", _watcher.__file__, str(orphan_dir or ""), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=environment,
            umask=UMASK,
            process_group=0,  # Ctrl-C reaches the program alone, which then stops the server
        )
        self._reader = threading.Thread(
            target=self._read_output, name="rxbosbase-server-output", daemon=True
        )
        self._reader.start()
        self._spawned.wait(SPAWN_TIMEOUT)

    @property
    def is_running(self) -> bool:
        return self.pid is not None and not self.ended.is_set()

    @property
    def output(self) -> list[str]:
        return list(self._lines)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server. While the watcher runs, no other process gets its id."""
        if self.pid is not None and self._watcher.poll() is None:
            os.kill(self.pid, number)

    def pause(self) -> None:
        """Pause the server; return when all of its threads have stopped, each at its own moment."""
        self.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + FREEZE_TIMEOUT
        while not self._is_frozen() and time.monotonic() < deadline:
            self.ended.wait(FREEZE_POLL)

    def _is_frozen(self) -> bool:
        """Return True if all threads have stopped, by Linux's /proc; elsewhere always True."""
        stats = Path(f"/proc/{self.pid}/task").glob("*/stat")
        try:
            return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in stats)
        except OSError:  # a thread ended meanwhile
            return self.ended.is_set()

    def end(self, *, graceful: bool) -> int:
        """Stop or kill the server, and return its exit code. No process is left then."""
        try:
            if graceful:
                self.send_signal(signal.SIGTERM)
                self.send_signal(signal.SIGCONT)  # a paused server handles no signal until then
                self.ended.wait(STOP_GRACE)
            if not self.ended.is_set():
                self.send_signal(signal.SIGKILL)
                self.ended.wait(DEATH_TIMEOUT)
        finally:
            code = self._end_watcher()
        return code

    def _end_watcher(self) -> int:
        watcher_input = self._watcher.stdin
        assert watcher_input is not None  # a pipe
        if not watcher_input.closed:  # it is closed by an earlier call
            with watcher_input, contextlib.suppress(BrokenPipeError):  # if the watcher has ended
                os.write(watcher_input.fileno(), b".")  # an intended end
        code = self._watcher.wait(DEATH_TIMEOUT)
        self._reader.join(DEATH_TIMEOUT)
        return code

    def _read_output(self) -> None:
        pipe = self._watcher.stdout
        assert pipe is not None  # a pipe
        with pipe:
            for raw in iter(lambda: pipe.readline(LINE_LIMIT), b""):
                line = raw.decode(errors="replace").rstrip()
                if self._spawned.is_set() or not line.isdigit():
                    self._lines.append(line)
                else:
                    self.pid = int(line)
                    self._spawned.set()
        self.ended.set()
        self._spawned.set()
