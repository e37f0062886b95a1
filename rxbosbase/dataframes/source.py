"""What follows an observable and has a DataFrame of it ready for whoever asks."""

from __future__ import annotations

import threading
from typing import Any, Generic, Self, TypeVar

from reactivex import Observable, abc

from .extra import pandas

__all__ = ["Follower"]

T = TypeVar("T")


class Follower(Generic[T]):
    """Subscribed from the start; ends by `dispose` or at the end of ``with``.

    The delivery thread only takes note of what comes. The frame is built by who reads it, once
    for each state, under a lock that no user code runs under.
    """

    def __init__(self, source: Observable[T], scheduler: abc.SchedulerBase | None = None) -> None:
        pandas()  # a missing extra is told here, and not on first use
        self._lock = threading.RLock()
        self._frame: Any = None
        self._error: Exception | None = None
        self._subscription: abc.DisposableBase = source.subscribe(
            self._on_next, self._on_error, scheduler=scheduler
        )

    def read(self) -> Any:
        """The current frame, as one that its reader may change."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._frame is None:
                self._frame = self._build()
            # pandas copies when somebody writes.
            return self._frame.copy(deep=False)

    def touch(self) -> None:
        """The frame is to be built anew, by the next reader."""
        self._frame = None

    def dispose(self) -> None:
        """Ends the subscription; the frame stays as it is. May be called again."""
        self._subscription.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def _on_next(self, value: T) -> None:
        with self._lock:
            self._take(value)

    def _on_error(self, error: Exception) -> None:
        with self._lock:
            self._error = error

    def _take(self, value: T) -> None:
        """Takes note of a value. Runs under the lock."""
        raise NotImplementedError

    def _build(self) -> Any:
        """A new frame of the current state. Runs under the lock."""
        raise NotImplementedError
