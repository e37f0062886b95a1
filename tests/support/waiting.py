"""A condition that reports when a thread waits in it."""

from __future__ import annotations

import threading

from support.seen import Seen

__all__ = ["WatchedCondition"]


class WatchedCondition(threading.Condition):
    """A condition for a test to put in place of a product's own.

    Attributes:
        waits: called when a wait begins, under the lock, so before any notification.
        is_late: True lets a wait end as if its timeout had passed, although it was notified.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Seen[None] = Seen()
        self.is_late = False

    def wait(self, timeout: float | None = None) -> bool:
        self.waits(None)
        return super().wait(timeout) and not self.is_late
