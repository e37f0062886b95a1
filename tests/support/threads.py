"""The threads of the library that a test has started: those that were there before are not its.

A thread may rightly outlive the test that started it: that of a fixture for many tests, or one that
is just about to end.
"""

from __future__ import annotations

import threading

__all__ = ["OURS", "begin_test", "started_threads"]

OURS = "rxbosbase"
"""How the name of every thread and logger of the library begins."""

_there_before: set[threading.Thread] = set()


def begin_test() -> None:
    """What runs now is not the test's."""
    _there_before.clear()
    _there_before.update(threading.enumerate())


def started_threads() -> list[threading.Thread]:
    """Those that were started since and still run."""
    return [
        thread
        for thread in threading.enumerate()
        if thread not in _there_before and thread.name.startswith(OURS)
    ]
