"""The process between a program and its server: it ends the server when the program ends.

Run as a script, with the standard library alone: ``python -I -S _watcher.py ORPHAN_DIR COMMAND…``

It starts COMMAND and then reads its standard input, a pipe that only the program has open. However
the program ends, ``kill -9`` included, the system closes that pipe, and the read returns. If the
watcher itself is killed, the kernel kills the server, on Linux only (``PR_SET_PDEATHSIG``).

The server is not reaped before the pipe closes, so that its process id cannot be given to another
process while the program may still send signals to it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable
from types import FrameType

__all__ = ("main",)

PR_SET_PDEATHSIG = 1
CANNOT_EXECUTE = 127
KILLED_BY = 128  # plus the signal's number, as in shells


def main(arguments: list[str]) -> int:
    """Run the command until standard input ends, and return the command's exit code.

    A byte on standard input before its end marks an intended end. Without one the program was
    killed, and ORPHAN_DIR (unless empty) is deleted.
    """
    orphan_dir, *command = arguments
    bind_to_parent = _death_signal()
    watcher = os.getpid()
    server = os.fork()
    if server == 0:
        _exec(command, bind_to_parent, watcher)
    try:
        _pass_signals_on(server)
        _close_output()
        is_intended = os.read(0, 1)
    finally:
        os.kill(server, signal.SIGKILL)
        _, status = os.waitpid(server, 0)
    if orphan_dir and not is_intended:
        shutil.rmtree(orphan_dir, ignore_errors=True)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else KILLED_BY - code


def _death_signal() -> Callable[[], object]:
    """Return the call that binds a child to its parent. It loads a library: call before a fork."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _exec(command: list[str], bind_to_parent: Callable[[], object], parent: int) -> None:
    """Execute the command in the child. Its first line of output is its process id."""
    try:
        bind_to_parent()
        if os.getppid() != parent:  # the parent has ended before the call
            os._exit(CANNOT_EXECUTE)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec keeps that
        os.write(1, f"{os.getpid()}\n".encode())
        os.execv(command[0], command)
    except OSError as problem:
        os.write(1, f"cannot run {command[0]}: {problem}\n".encode())
    finally:
        os._exit(CANNOT_EXECUTE)


def _pass_signals_on(server: int) -> None:
    def forward(number: int, _frame: FrameType | None) -> None:
        os.kill(server, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)


def _close_output() -> None:
    """Close the output, so that the pipe ends for the program when the server has ended."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
