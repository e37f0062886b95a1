"""The queue of a timed operator: values one at a time, in order, with no lock held.

A timed operator emits from two threads: the source's and the timer's. Each puts its values into
the outbox under the operator's lock, which fixes the order, and then drains it without the lock. A
value that is put from inside ``on_next`` is queued behind those that wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Generic, TypeVar

from reactivex import abc

__all__ = ("Outbox",)

T = TypeVar("T")


class Outbox(Generic[T]):
    """The queue before an observer. ``put…`` needs ``lock`` held, ``drain`` needs it free."""

    def __init__(self, observer: abc.ObserverBase[T]) -> None:
        self.lock = Lock()
        self._observer = observer
        self._queue: deque[Callable[[], None]] = deque()
        self._draining = False

    def put(self, *values: T) -> None:
        """Queue values."""
        self._queue.extend(partial(self._observer.on_next, value) for value in values)

    def put_end(self, error: Exception | None) -> None:
        """Queue the end: an error, or a completion where there is none."""
        if error is None:
            self._queue.append(self._observer.on_completed)
        else:
            self._queue.append(partial(self._observer.on_error, error))

    @property
    def busy(self) -> bool:
        """True while values are being delivered."""
        return self._draining

    def drain(self) -> None:
        """Deliver what is queued, unless another call does so already.

        What an observer raises is raised once the rest is delivered: the other values must not
        wait in the queue for an event that may never come.
        """
        with self.lock:
            if self._draining:
                return
            self._draining = True
        raised: list[Exception] = []
        while (deliver := self._next()) is not None:
            try:
                deliver()
            except Exception as error:
                raised.append(error)
            except BaseException:
                self._draining = False
                raise
        if len(raised) > 1:
            raise ExceptionGroup("the observer raised more than once", raised)
        if raised:
            raise raised[0]

    def _next(self) -> Callable[[], None] | None:
        with self.lock:
            # The end is decided under the lock: a later `put` sees it, and its `drain` delivers.
            self._draining = bool(self._queue)
            return self._queue.popleft() if self._queue else None
