"""A callback that records its values and lets a test wait for them without a sleep."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["LIMIT", "Seen", "run_thread", "wait_event"]

T = TypeVar("T")

LIMIT = 5.0
"""Seconds that a wait may take; only a failing test needs them."""


class Seen(Generic[T]):
    """A callback that records the values of its calls.

    Attributes:
        items: all values, in order.
        threads: the name of the thread of each call.
    """

    def __init__(self) -> None:
        self.items: list[T] = []
        self.threads: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, item: T) -> None:
        with self._changed:
            self.items.append(item)
            self.threads.append(threading.current_thread().name)
            self._changed.notify_all()

    @property
    def count(self) -> int:
        """The number of values (not ``len``: RxPY treats an empty callback as none)."""
        return len(self.items)

    def wait(self, count: int, timeout: float = LIMIT) -> list[T]:
        """Wait for at least ``count`` items; return them."""
        self.until(lambda items: len(items) >= count, timeout)
        return list(self.items)

    def until(self, holds: Callable[[list[T]], Any], timeout: float = LIMIT) -> list[T]:
        """Wait until ``holds(items)``; return the items."""
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self.items), timeout):
                raise TimeoutError(f"{timeout:g} s passed; seen so far: {self.items[-20:]}")
            return list(self.items)


def wait_event(event: threading.Event, timeout: float = LIMIT) -> None:
    """Wait for the event, or fail."""
    if not event.wait(timeout):
        raise TimeoutError(f"the event was not set within {timeout:g} s")


def run_thread(call: Callable[[], object]) -> Callable[[], Any]:
    """Run ``call`` on a thread; the returned function waits for it and gives its result."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # `result` raises it
            errors.append(error)

    thread = threading.Thread(target=work, name="test-helper", daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(LIMIT)
        if thread.is_alive():
            raise TimeoutError("the thread did not end")
        if errors:
            raise errors[0]
        return results[0]

    return result
