"""Checks of the fuzz while a case runs: texts, the log, subscribers, memory."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import re
import resource
import sys
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rxbosbase import BosBase, BosBaseError, Status

from .fuzz_server import TOKEN
from .soak_parts import ResourceUsage

__all__ = ["Memory", "Watch", "texts_of"]

_M_ARENA_MAX = -8  # glibc's malloc.h

_RAW = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def texts_of(error: BaseException | None) -> list[str]:
    """Return the texts that a program prints of an error, and a traceback of its causes."""
    texts: list[str] = []
    while error is not None:
        texts += [str(error), repr(error)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return texts


class Watch(logging.Handler):
    """Reports texts with control characters or the token, errors in the log, and exceptions in
    threads; warnings are errors while it is active."""

    def __init__(self, report_problem: Callable[[str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._report_problem = report_problem
        self._stack = ExitStack()

    def check(self, *texts: str) -> None:
        """Report texts with control characters or the token."""
        for text in texts:
            if _RAW.search(text):
                self._report_problem(f"a raw control character is in {text[:500]!a}")
            if TOKEN in text:
                self._report_problem(f"the token is in {text[:500]!a}")

    def emit(self, record: logging.LogRecord) -> None:
        self.check(record.getMessage())
        if record.exc_info and record.exc_info[1]:
            self.check(*texts_of(record.exc_info[1]))
        if record.name.startswith("rxbosbase") and (
            record.levelno >= logging.ERROR or record.exc_info
        ):
            self._report_problem(f"logged as an error: {self.format(record)[-1500:]}")

    def __enter__(self) -> Self:
        self._stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error")
        for name, level in [("rxbosbase", logging.DEBUG), ("urllib3", logging.WARNING)]:
            logger = logging.getLogger(name)
            self._stack.callback(logger.setLevel, logger.level)
            self._stack.callback(setattr, logger, "propagate", logger.propagate)
            self._stack.callback(logger.removeHandler, self)
            logger.setLevel(level)
            logger.propagate = False
            logger.addHandler(self)
        for module, name in [(sys, "unraisablehook"), (threading, "excepthook")]:
            self._stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, self._raised)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _raised(self, arguments: Any) -> None:
        self._report_problem(f"raised where nobody sees it: {arguments.exc_value!r}")

    @contextmanager
    def status(self, client: BosBase) -> Generator[None]:
        """Check that errors of the status are the library's own, and their texts."""

        def on_next(status: Status) -> None:
            if status.error is not None and not isinstance(status.error, BosBaseError):
                self._report_problem(f"the status told {status.error!r}")
            self.check(*texts_of(status.error))

        with client.realtime.status.subscribe(on_next):
            yield

    @contextmanager
    def subscribed(self, stream: Any, on_next: Callable[[Any], object]) -> Generator[list[object]]:
        """A subscription, and what ended it."""
        ends: list[object] = []
        with stream.subscribe(on_next, ends.append, lambda: ends.append("completion")):
            yield ends


class Memory:
    """The most that this process took since `mark`.

    The C library gives threads arenas of their own, and keeps what each had at its most: a thread
    for each connection looks like a leak. So there is one for all, where it can be told so.
    """

    def __init__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
        self._before = 0

    def mark(self) -> None:
        """From here it counts."""
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            self._before = ResourceUsage.now().memory
        except OSError:  # missing, or not allowed: then only the highest value is known
            self._before = self._peak()

    def grown(self) -> int:
        """Bytes."""
        return self._peak() - self._before

    @staticmethod
    def _peak() -> int:
        try:
            status = Path("/proc/self/status").read_text(encoding="ascii")
            return int(status.partition("VmHWM:")[2].split()[0]) * 1024
        except OSError:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
