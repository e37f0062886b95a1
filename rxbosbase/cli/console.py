"""What every command does alike: how it ends, and how it speaks to the terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import unicodedata
from collections.abc import Generator
from types import FrameType
from typing import Any

from reactivex import Observable

from rxbosbase.errors import BosBaseError

__all__ = ["STOPPED", "PlainFormatter", "complain", "expected_ends", "plain_text", "until_end"]

STOPPED = 130
"""The exit code of a command that Ctrl-C ended before its time: 128 + SIGINT."""

LOOK_SECONDS = 0.5
"""How often the main thread looks for a signal: the kernel may hand one to another thread, and
that does not wake this one out of a wait."""

FORMATTING = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
"""Unicode categories that could move the cursor, turn the line around or break it."""


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


def complain(text: str) -> None:
    """One line on stderr."""
    print(f"rxbosbase: {plain_text(text)}", file=sys.stderr, flush=True)


class PlainFormatter(logging.Formatter):
    """Lines of a log that do nothing to the terminal: a server's words may be among them."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return plain_text(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(plain_text(line) for line in super().format(record).split("\n"))


def plain_text(text: str) -> str:
    r"""`text` as one line that does nothing to the terminal it is shown on.

    >>> plain_text("red \x1b[31m\n alarm")
    'red \\x1b[31m\\n alarm'
    """
    if text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in FORMATTING else c for c in text)


def _escape(character: str) -> str:
    # The joiner of emoji is harmless, and families would fall apart without it.
    return character if character == "\u200d" else ascii(character)[1:-1]


def _forgive_encodings() -> None:
    """What the terminal's encoding lacks is shown as "?", and is no error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _as_interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
