"""The start of the library's daemon threads, which the end of the interpreter may prevent."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ("start_daemon",)


def start_daemon(target: Callable[[], object], name: str) -> threading.Thread | None:
    """Start a daemon thread that calls `target`; return None while the interpreter shuts down.

    From 3.12 on, `Thread.start` fails shortly before the functions of `atexit` close what is open,
    and only the error's text distinguishes that from a lack of threads.

    Raises:
        RuntimeError: the system has no thread left.
    """
    thread = threading.Thread(target=target, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        if "interpreter shutdown" in str(error):
            return None
        raise
    return thread
