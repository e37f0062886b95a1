"""Threads and real time, which is what a client runs on outside of tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rxbosbase.runtime.pool import ReadPool
from rxbosbase.runtime.thread_scheduler import ThreadScheduler

from .scheduler import SerialScheduler

__all__ = ["Pool", "Runtime", "Threads"]


class Pool(Protocol):
    """Runs calls that may wait for the network, in the order in which they were given."""

    def submit(self, call: Callable[[], object]) -> None:
        """Queues ``call()``; ignored once the pool is closed."""
        ...

    def close(self) -> None:
        """Discards what waits. Never waits."""
        ...


class Runtime(Protocol):
    """Makes what runs a client's work, and keeps its time.

    Attributes:
        quiet: seconds without a change after which a burst of changes counts as over.
    """

    quiet: float

    def loop(self, name: str) -> SerialScheduler:
        """A loop of its own for one kind of work."""
        ...

    def pool(self) -> Pool:
        """For reads."""
        ...


class Threads:
    """A thread for each loop, and a few for reads."""

    quiet = 0.004

    def loop(self, name: str) -> SerialScheduler:
        """A loop whose thread has this name."""
        return ThreadScheduler(name)

    def pool(self) -> Pool:
        """A pool of threads."""
        return ReadPool()
