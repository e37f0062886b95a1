"""The threads of the library that a test has started, without those that existed before it.

A thread may outlive the test that started it: that of a fixture for several tests, or one that is
about to end.
"""

from __future__ import annotations

import threading

__all__ = ["OURS", "begin_test", "started_threads"]

OURS = "rxbosbase"
"""The prefix of the names of all threads and loggers of the library."""

_earlier_threads: set[threading.Thread] = set()


def begin_test() -> None:
    """Remember the threads that run now: they are not the test's."""
    _earlier_threads.clear()
    _earlier_threads.update(threading.enumerate())


def started_threads() -> list[threading.Thread]:
    """Return the running threads of the library that were started since `begin_test`."""
    return [
        thread
        for thread in threading.enumerate()
        if thread not in _earlier_threads and thread.name.startswith(OURS)
    ]
