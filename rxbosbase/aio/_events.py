"""Observables as async iterators: `events`, and `first` and `for_each` made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from reactivex import Observable
from reactivex import operators as ops
from reactivex.disposable import SingleAssignmentDisposable

from rxbosbase.errors import RequestTimeoutError
from rxbosbase.realtime.api import check_seconds
from rxbosbase.runtime.bounded_queue import Overflow, check_bounds
from rxbosbase.runtime.scheduler import SerialScheduler

from ._inbox import Inbox
from ._waiting import running_loop

__all__ = ("AsyncEvents", "events", "first", "for_each")

T = TypeVar("T")

SIZE = 1000
"""How many values may wait for a task, by default."""


class AsyncEvents(Generic[T]):
    """The values of an observable, for ``async for``. Get it by `events`.

    It subscribes on entering ``async with``, or when ``async for`` begins. The subscription ends
    when the ``async with`` is left, by `aclose`, with the task that began a bare ``async for``
    (cancelled or not), and when this is garbage collected. One task at a time may wait in it.

    Raises:
        BufferOverflowError: from ``async for``, the queue was full and the policy is ``"error"``.
        RuntimeError: asyncio runs no loop here; from ``async for``, another task waits already, or
            the loop is another one, or it runs inside a callback of the client, which blocks it.
        Exception: from ``async for``, the source's error.

    >>> import reactivex
    >>> async def main() -> None:
    ...     async with events(reactivex.of("a", "b")) as values:
    ...         print(await anext(values), await anext(values), await anext(values, "the end"))
    >>> asyncio.run(main())
    a b the end
    """

    def __init__(self, source: Observable[T], size: int, overflow: Overflow) -> None:
        check_bounds(size, overflow)
        self._source = source
        self._size = size
        self._overflow: Overflow = overflow
        # It has no reference to this object, so that `__del__` is called.
        self._inbox: Inbox[T] | None = None
        self._entered = False

    def __repr__(self) -> str:
        inbox = self._inbox
        state = "not begun" if inbox is None else "ended" if inbox.is_ended else "subscribed"
        return f"<AsyncEvents {state}, size {self._size}, {self._overflow}, {self.dropped} dropped>"

    @property
    def dropped(self) -> int:
        """The number of values that were dropped, or replaced by newer ones."""
        return self._inbox.dropped if self._inbox is not None else 0

    async def __aenter__(self) -> AsyncEvents[T]:
        self._entered = True
        self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncEvents[T]:
        inbox = self._open()
        if not self._entered:
            inbox.end_with(asyncio.current_task())
        return self

    async def __anext__(self) -> T:
        return await self._open().get()

    async def aclose(self) -> None:
        """End the subscription at once; a pending ``anext`` ends. May be called again.

        >>> import reactivex
        >>> async def main() -> None:
        ...     values = events(reactivex.of(1, 2))
        ...     async for value in values:
        ...         await values.aclose()
        ...         print(value)
        >>> asyncio.run(main())
        1
        """
        if self._inbox is not None:
            self._inbox.close()

    def _open(self) -> Inbox[T]:
        if self._inbox is None:
            upstream = SingleAssignmentDisposable()
            scheduler = getattr(self._source, "scheduler", None)
            delivery = scheduler if isinstance(scheduler, SerialScheduler) else None
            inbox: Inbox[T] = Inbox(self._size, self._overflow, upstream, delivery)
            self._inbox = inbox
            upstream.disposable = self._source.subscribe(inbox.put, inbox.end, inbox.end)
        return self._inbox

    def __del__(self) -> None:
        inbox = getattr(self, "_inbox", None)  # absent if the arguments were refused
        if inbox is not None and not inbox.is_ended:
            inbox.abandon()


def events(
    source: Observable[T], *, size: int = SIZE, overflow: Overflow = "block"
) -> AsyncEvents[T]:
    """Return the values of any observable, for ``async for``.

    Args:
        source: the observable: ``posts.observe("*")``, or any of RxPY's.
        size: how many values may wait for the task, 1 or more.
        overflow: what happens to a value when the queue is full. ``"block"``: its thread waits, the
            client's delivery thread too, and nothing is lost. ``"drop_oldest"`` and
            ``"drop_newest"`` drop one, ``"conflate"`` keeps the newest per record, ``"error"``
            ends the loop with a `BufferOverflowError`.

    The loop ends when the source completes (``client.close()``), and raises the source's error. A
    source that gives its values on the loop's own thread, as ``reactivex.range`` does while it is
    subscribed to, cannot wait there: with ``"block"`` more than `size` at once are a
    `BufferOverflowError`; ``ops.subscribe_on(NewThreadScheduler())`` gives it a thread.

    Raises:
        ValueError: a `size` below 1, or an unknown `overflow`.

    >>> import reactivex
    >>> async def main() -> None:
    ...     async for number in events(reactivex.of(1, 2, 3)):
    ...         print(number)
    >>> asyncio.run(main())
    1
    2
    3
    """
    return AsyncEvents(source, size, overflow)


async def first(
    source: Observable[T],
    *,
    timeout: float | None = None,
    predicate: Callable[[T], bool] | None = None,
) -> T:
    """Return the first value of an observable, or the first for which `predicate` is true.

    Args:
        source: the observable; the subscription ends with the value.
        timeout: seconds; None waits without limit.
        predicate: called on the source's thread.

    Raises:
        RequestTimeoutError: there was none within `timeout` seconds.
        reactivex.internal.SequenceContainsNoElementsError: the source completed without one.
        TypeError, ValueError: `timeout` is no finite number above 0.
        RuntimeError: asyncio runs no loop here, or it runs inside a callback of the client, which
            blocks it.
        Exception: the source's error, or that of `predicate`.

    >>> import reactivex
    >>> asyncio.run(first(reactivex.of(1, 2, 3), predicate=lambda n: n > 1))
    2
    """
    if timeout is not None:
        check_seconds("timeout", timeout)
    running_loop()
    found: AsyncEvents[T] = events(source.pipe(ops.first(predicate)), size=1)
    limit = asyncio.timeout(timeout)
    try:
        async with found, limit:
            return await anext(found)
    except TimeoutError:
        if not limit.expired():
            raise  # the source's own
    raise RequestTimeoutError(f"no value came within {timeout:g} s")


async def for_each(
    source: Observable[T],
    callback: Callable[[T], Awaitable[Any]],
    *,
    size: int = SIZE,
    overflow: Overflow = "block",
) -> None:
    """Await ``callback(value)`` for each value, one at a time and in order, until the source ends.

    What the callback raises, and the source's error, end the subscription and are raised here. To
    go on meanwhile, make a task of it; cancelling the task unsubscribes.

    Args:
        source: the observable.
        callback: a function of the value that returns an awaitable, such as ``async def``.
        size, overflow: as for `events`.

    Raises:
        TypeError: `callback` is not callable.
        ValueError: a `size` below 1, or an unknown `overflow`.
        BufferOverflowError: the queue was full and the policy is ``"error"``.
        RuntimeError: as `first`.
        Exception: the source's error, or that of `callback`.

    >>> import reactivex
    >>> async def show(number: int) -> None:
    ...     print(number)
    >>> asyncio.run(for_each(reactivex.of(1, 2), show))
    1
    2
    """
    if not callable(callback):
        raise TypeError(f"the callback must be callable, not {type(callback).__name__}")
    async with events(source, size=size, overflow=overflow) as values:
        async for value in values:
            await callback(value)
