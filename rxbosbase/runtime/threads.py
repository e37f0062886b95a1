"""Threads and real time: what a client runs on outside of tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .pool import ReadPool
from .scheduler import SerialScheduler
from .thread_scheduler import ThreadScheduler

__all__ = ("Pool", "Runtime", "Threads")


class Pool(Protocol):
    """Runs calls that may wait for the network, in the order in which they were given."""

    def submit(self, call: Callable[[], object]) -> None:
        """Queue ``call()``; ignored once the pool is closed."""
        ...

    def close(self) -> None:
        """Discard what waits. Never waits."""
        ...


class Runtime(Protocol):
    """Makes what runs a client's work, and keeps its time.

    Attributes:
        quiet: seconds without a change after which a burst of changes counts as over.
    """

    quiet: float

    def scheduler(self, name: str) -> SerialScheduler:
        """Return a scheduler of its own for one kind of work."""
        ...

    def pool(self) -> Pool:
        """Return a pool for reads."""
        ...


class Threads:
    """A thread for each scheduler, and a few for reads."""

    quiet = 0.004

    def scheduler(self, name: str) -> SerialScheduler:
        """Return a scheduler whose thread has this name."""
        return ThreadScheduler(name)

    def pool(self) -> Pool:
        """Return a pool of threads."""
        return ReadPool()
