"""The process between a program and its server: when the program goes, the server goes.

Run as a script, with the standard library alone: ``python -I -S _watcher.py ORPHAN_DIR COMMAND…``

It starts COMMAND and then reads its standard input, a pipe that only the program holds. However
the program ends, ``kill -9`` included, the system closes that pipe, and the read returns. The
watcher's own sudden death is covered by the kernel, on Linux only: the server asks to be killed
with its parent.

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

__all__ = ["main"]

PR_SET_PDEATHSIG = 1
CANNOT_EXECUTE = 127
KILLED_BY = 128  # plus the signal's number, as shells have it


def main(arguments: list[str]) -> int:
    """Run the command until standard input ends; gives the command's exit code.

    A byte on standard input before its end says that the end is on purpose. Without one the
    program has vanished, and ORPHAN_DIR (unless empty) is removed in its stead.
    """
    orphan_dir, *command = arguments
    bind_to_parent = _death_signal()
    watcher = os.getpid()
    server = os.fork()
    if server == 0:
        _become(command, bind_to_parent, watcher)
    try:
        _pass_signals_on(server)
        _let_go_of_output()
        on_purpose = os.read(0, 1)
    finally:
        os.kill(server, signal.SIGKILL)
        _, status = os.waitpid(server, 0)
    if orphan_dir and not on_purpose:
        shutil.rmtree(orphan_dir, ignore_errors=True)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else KILLED_BY - code


def _death_signal() -> Callable[[], object]:
    """Prepared before the fork, where loading a library is still safe."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _become(command: list[str], bind_to_parent: Callable[[], object], parent: int) -> None:
    """In the child: turn into the command. Its first line of output is its process id."""
    try:
        bind_to_parent()
        if os.getppid() != parent:  # it died before it could be bound to
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


def _let_go_of_output() -> None:
    """The server alone shall hold the output pipe: its end then tells the program of its death."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
