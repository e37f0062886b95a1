"""A stream as a plain blocking iterator, for scripts and notebooks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeAlias, TypeVar

from reactivex import abc

from rxbosbase.runtime.scheduler import SerialScheduler

__all__ = ("EventIterator", "Open")

T = TypeVar("T")

Open: TypeAlias = Callable[
    [Callable[[T], object], Callable[[Exception], object], Callable[[], object]],
    abc.DisposableBase,
]
"""Subscribes the three callbacks, waits for the acknowledgement, and returns the disposable."""


class EventIterator(Generic[T]):
    """A blocking iterator of events. Use it in ``with``; each step waits for the next event.

    At most `size` events are queued; then the delivery thread waits, and nothing is lost. The
    iteration ends when the stream completes or the ``with`` is left, and raises the stream's error.
    Get it by ``collection.events(…)``.

    Raises:
        TypeError, ValueError: `size` is no int of 1 or more.
        RuntimeError: a step outside of ``with``, or inside a callback of the client, which would
            wait for itself.
        BosBaseError: from a step, what ended the stream.

    >>> with FakeRealtime() as fake, fake.client.collection("posts").events("*") as events:
    ...     _ = fake.push("posts", "create", {"id": "a"})
    ...     for event in events:
    ...         print(event)
    ...         events.close()
    RecordEvent(create on 'posts/*', id='a')
    """

    def __init__(self, open_stream: Open[T], size: int, delivery: SerialScheduler) -> None:
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"size must be an int, not {type(size).__name__}")
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        self._open = open_stream
        self._size = size
        self._delivery = delivery
        self._condition = delivery.condition()
        self._events: deque[T] = deque()
        self._error: Exception | None = None
        self._ended = False
        self._subscription: abc.DisposableBase | None = None

    def __repr__(self) -> str:
        begun = "open" if self._subscription is not None else "not open yet"
        state = "ended" if self._ended else begun
        return f"<EventIterator {state}, {len(self._events)} of {self._size} waiting>"

    def __enter__(self) -> EventIterator[T]:
        if self._subscription is None:
            self._subscription = self._open(self._put, self._fail, self._finish)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._subscription is None:
            raise RuntimeError("open it first: with collection.events(…) as events: …")
        if not self._events and not self._ended:
            self._delivery.check_wait("waiting for events")
        with self._condition:
            self._delivery.wait(self._condition, lambda: self._events or self._ended)
            if self._events:
                event = self._events.popleft()
                self._condition.notify_all()
                return event
            if self._error is not None:
                raise self._error
        raise StopIteration

    def close(self) -> None:
        """End the subscription; queued events can still be read.

        >>> with FakeRealtime() as fake, fake.client.collection("posts").events("*") as events:
        ...     _ = fake.push("posts", "create", {"id": "a"})
        ...     events.close()
        ...     list(events)
        [RecordEvent(create on 'posts/*', id='a')]
        """
        self._finish()
        if self._subscription is not None:
            self._subscription.dispose()

    def _put(self, event: T) -> None:
        with self._condition:
            has_room = self._delivery.hold_back(
                self._condition, lambda: len(self._events) < self._size or self._ended
            )
            if has_room and not self._ended:
                self._events.append(event)
                self._condition.notify_all()

    def _fail(self, error: Exception) -> None:
        with self._condition:
            self._error = error
            self._finish()

    def _finish(self) -> None:
        with self._condition:
            self._ended = True
            self._condition.notify_all()
