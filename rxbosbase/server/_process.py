"""One run of the server: its watcher, its process and what it says."""

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

from rxbosbase.server import _watcher
from rxbosbase.server._home import UMASK

__all__ = ["ServerProcess"]

OUTPUT_LINES = 200  # of the server's output are kept; older ones are forgotten
LINE_LIMIT = 4096  # bytes; a longer line counts as several
SPAWN_TIMEOUT = 10.0
STOP_GRACE = 5.0  # for a server that was asked to stop; then it is killed
FREEZE_TIMEOUT = 1.0  # for all threads of a paused server to have stopped
FREEZE_POLL = 0.002
DEATH_TIMEOUT = 10.0  # for a killed process to be gone


class ServerProcess:
    """Starts at once. ``ended`` is set when the server is dead, whoever killed it.

    Args:
        command: the binary and its arguments.
        cwd: where it runs.
        environment: all of it; nothing is inherited beside.
        orphan_dir: a folder to remove if this program vanishes without an ``end()``.
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
            process_group=0,  # Ctrl-C is for the program; it then stops the server in its own time
        )
        self._reader = threading.Thread(
            target=self._keep_output, name="rxbosbase-server-output", daemon=True
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
        """While the watcher lives, the process id is the server's and nobody else's."""
        if self.pid is not None and self._watcher.poll() is None:
            os.kill(self.pid, number)

    def pause(self) -> None:
        """Stop all of its threads; each may answer a request until it is really stopped."""
        self.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + FREEZE_TIMEOUT
        while not self._is_frozen() and time.monotonic() < deadline:
            self.ended.wait(FREEZE_POLL)

    def _is_frozen(self) -> bool:
        """What Linux says; elsewhere nothing tells, and the signal has to do."""
        stats = Path(f"/proc/{self.pid}/task").glob("*/stat")
        try:
            return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in stats)
        except OSError:  # a thread ended meanwhile
            return self.ended.is_set()

    def end(self, *, graceful: bool) -> int:
        """Stop the server, or kill it; gives its exit code. Nothing is left when it returns."""
        try:
            if graceful:
                self.send_signal(signal.SIGTERM)
                self.send_signal(signal.SIGCONT)  # a paused server could not hear the first
                self.ended.wait(STOP_GRACE)
            if not self.ended.is_set():
                self.send_signal(signal.SIGKILL)
                self.ended.wait(DEATH_TIMEOUT)
        finally:
            code = self._dismiss_watcher()
        return code

    def _dismiss_watcher(self) -> int:
        lifeline = self._watcher.stdin
        assert lifeline is not None  # it was asked for
        if not lifeline.closed:  # else this was done before
            with lifeline, contextlib.suppress(BrokenPipeError):  # from a watcher that is dead
                os.write(lifeline.fileno(), b".")  # on purpose
        code = self._watcher.wait(DEATH_TIMEOUT)
        self._reader.join(DEATH_TIMEOUT)
        return code

    def _keep_output(self) -> None:
        pipe = self._watcher.stdout
        assert pipe is not None  # it was asked for
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
