"""What every command does alike: how it ends, and how it speaks to the terminal."""

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

__all__ = [
    "STOPPED", "PlainFormatter", "complain", "expected_ends", "say", "say_json", "until_end",
]  # fmt: skip

STOPPED = 130
"""The exit code of a command that Ctrl-C ended before its time: 128 + SIGINT."""

LOOK_SECONDS = 0.5
"""How often the main thread looks for a signal: the kernel may hand one to another thread, and
that does not wake this one out of a wait."""


@contextlib.contextmanager
def expected_ends(*, interrupted: int = STOPPED) -> Generator[None]:
    """Turns what may well happen into one line on stderr and an exit code; no traceback.

    Args:
        interrupted: the exit code after Ctrl-C (or SIGTERM): 0 for a command that ends only so.
    """
    _forgive_encodings()
    before = signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(interrupted)
    except (BosBaseError, ValueError) as error:
        complain(str(error))
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read us has enough (`| head`): no reason to complain. What is still buffered
        # must not fail again when Python flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    finally:
        signal.signal(signal.SIGTERM, before)


def until_end(stream: Observable[Any]) -> None:
    """Listens until the stream's end, and raises what ended it."""
    over = threading.Event()
    failures: list[Exception] = []

    def end(error: Exception | None = None) -> None:
        if error is not None:
            failures.append(error)
        over.set()

    with stream.subscribe(on_error=end, on_completed=end):
        while not over.wait(LOOK_SECONDS):
            pass
    if failures:
        raise failures[0]


def say(text: str) -> None:
    """Lines on stdout that command nothing, whatever is among them."""
    print(one_line(text, keep="\n"), flush=True)


def say_json(line: bytes) -> None:
    """A line of JSON on stdout: the same values, whoever reads it, and no commands."""
    sys.stdout.buffer.write(plain_json(line.decode()).encode())
    sys.stdout.buffer.flush()


def complain(text: str) -> None:
    """One line on stderr."""
    print(f"rxbosbase: {one_line(text)}", file=sys.stderr, flush=True)


class PlainFormatter(logging.Formatter):
    """Lines of a log that do nothing to the terminal: a server's words may be among them."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return one_line(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record), keep="\n")


def _forgive_encodings() -> None:
    """What the terminal's encoding lacks is shown as "?", and is no error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _as_interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
