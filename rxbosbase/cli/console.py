"""What all commands share: exit codes, and output that cannot control the terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any

from reactivex import Observable

from rxbosbase.encoding.control_characters import one_line, plain_json
from rxbosbase.errors import BosBaseError

__all__ = (
    "EXIT_INTERRUPTED",
    "PlainFormatter",
    "clean_exit",
    "until_end",
    "write_error",
    "write_json",
    "write_text",
)  # fmt: skip

EXIT_INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended early: 128 + SIGINT."""

POLL_SECONDS = 0.5
"""The main thread wakes this often to handle a signal: the kernel may deliver one to another
thread, which does not wake this one."""


@contextlib.contextmanager
def clean_exit(*, interrupted: int = EXIT_INTERRUPTED) -> Generator[None]:
    """End the process after an expected error with one line on stderr, an exit code, no traceback.

    Args:
        interrupted: the exit code after Ctrl-C (or SIGTERM): 0 for a command that ends only so.
    """
    _replace_unencodable()
    before = signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(interrupted)
    except (BosBaseError, ValueError) as error:
        write_error(str(error))
        sys.exit(1)
    except BrokenPipeError:
        # The reader of the output has ended (`| head`), which is no error. What is still buffered
        # must not fail again when Python flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    finally:
        signal.signal(signal.SIGTERM, before)


def until_end(stream: Observable[Any]) -> None:
    """Subscribe, wait until the stream ends, and raise its error if there is one."""
    over = threading.Event()
    failures: list[Exception] = []

    def end(error: Exception | None = None) -> None:
        if error is not None:
            failures.append(error)
        over.set()

    with stream.subscribe(on_error=end, on_completed=end):
        while not over.wait(POLL_SECONDS):
            pass
    if failures:
        raise failures[0]


def write_text(text: str) -> None:
    """Write lines to stdout with control characters escaped."""
    print(one_line(text, keep="\n"), flush=True)


def write_json(line: bytes) -> None:
    """Write a line of JSON to stdout with the same values, and control characters escaped."""
    sys.stdout.buffer.write(plain_json(line.decode()).encode())
    sys.stdout.buffer.flush()


def write_error(text: str) -> None:
    """Write one line to stderr with control characters escaped."""
    print(f"rxbosbase: {one_line(text)}", file=sys.stderr, flush=True)


class PlainFormatter(logging.Formatter):
    """Log lines with control characters escaped: text of a server may be in them."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return one_line(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record), keep="\n")


def _replace_unencodable() -> None:
    """Write characters that the terminal's encoding lacks as "?", without an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _raise_interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
