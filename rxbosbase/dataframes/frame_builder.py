"""The base of the objects that follow an observable and return its state as a DataFrame."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any, Generic, Self, TypeVar

from reactivex import Observable, abc

from .optional_imports import pandas

__all__ = ("FrameBuilder",)

T = TypeVar("T")


class FrameBuilder(ABC, Generic[T]):
    """Subscribes when it is made; ends by `dispose` or at the end of ``with``.

    The delivery thread only records each value. The frame is built by the thread that reads it,
    once for each state, under a lock that is not held while user code runs.
    """

    def __init__(self, source: Observable[T], scheduler: abc.SchedulerBase | None = None) -> None:
        pandas()  # a missing extra is an error here, and not on first use
        self._lock = threading.RLock()
        self._frame: Any = None
        self._error: Exception | None = None
        self._subscription: abc.DisposableBase = source.subscribe(
            self._on_next, self._on_error, scheduler=scheduler
        )

    def __repr__(self) -> str:
        ended = f", ended by {type(self._error).__name__}" if self._error is not None else ""
        return f"<{type(self).__name__} {self._summary()}{ended}>"

    def read(self) -> Any:
        """Return a copy of the current frame, which the caller may change. `df` is for users.

        Raises:
            Exception: what ended the stream.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._frame is None:
                self._frame = self._build()
            # pandas copies on a write.
            return self._frame.copy(deep=False)

    def invalidate(self) -> None:
        """Mark the frame as outdated: the next `read` builds it again."""
        self._frame = None

    def dispose(self) -> None:
        """End the subscription; the frame stays as it is. May be called again.

        >>> from rxbosbase.dataframes import window
        >>> with FakeRealtime() as fake:
        ...     last = window(fake.client.collection("posts").observe("*"), count=9)
        ...     last.dispose()
        ...     fake.push("posts", "create", {"title": "Hi"})
        0
        """
        self._subscription.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def _on_next(self, value: T) -> None:
        with self._lock:
            self._add(value)

    def _on_error(self, error: Exception) -> None:
        with self._lock:
            self._error = error

    @abstractmethod
    def _add(self, value: T) -> None:
        """Record a value. Runs under the lock."""

    @abstractmethod
    def _summary(self) -> str:
        """Return what it holds, for `repr`; from any thread."""

    @abstractmethod
    def _build(self) -> Any:
        """Return a new frame of the current state. Runs under the lock."""
