"""A few daemon threads for reads, started when there is work and gone when there is none.

``ThreadPoolExecutor`` is joined at interpreter exit, so that one stuck read would block the end
of the program; these threads block nothing.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable

from .daemon import start_daemon

__all__ = ("ReadPool",)

log = logging.getLogger("rxbosbase.pool")

IDLE_SECONDS = 2.0

_numbers = itertools.count(1)


class ReadPool:
    """Runs calls on at most `size` threads, in the order in which they were given."""

    def __init__(self, size: int = 4) -> None:
        self._size = size
        self._gate = threading.Condition()
        self._calls: deque[Callable[[], object]] = deque()
        self._threads = 0
        self._idle = 0
        self._closed = False

    def submit(self, call: Callable[[], object]) -> None:
        """Queue ``call()``; ignored once the pool is closed."""
        with self._gate:
            if self._closed:
                return
            self._calls.append(call)
            if self._idle >= len(self._calls) or self._threads >= self._size:
                self._gate.notify()
                return
            name = f"rxbosbase-read-{next(_numbers)}"
            try:
                thread = start_daemon(self._work, name)
            except RuntimeError as error:  # the call waits for the next one, which tries again
                log.error("a background read has to wait: %s", error)
            else:
                self._threads += thread is not None

    def close(self) -> None:
        """Discard what waits; a running call ends by itself. Never waits."""
        with self._gate:
            self._closed = True
            self._calls.clear()
            self._gate.notify_all()

    def _work(self) -> None:
        while (call := self._next()) is not None:
            try:
                call()
            except BaseException:  # a sys.exit() in a store's code must not end the thread
                log.exception("a background read raised")

    def _next(self) -> Callable[[], object] | None:
        with self._gate:
            while not self._calls:
                self._idle += 1
                awake = not self._closed and self._gate.wait(IDLE_SECONDS)
                self._idle -= 1
                if not awake and not self._calls:
                    self._threads -= 1
                    return None
            return self._calls.popleft()
