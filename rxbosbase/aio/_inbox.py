"""A bounded queue from any thread to one task of an event loop, which it wakes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from reactivex import abc
from reactivex.disposable import Disposable
from reactivex.internal import DisposedException

from rxbosbase.operators.bounded_observe_on import BufferOverflowError
from rxbosbase.runtime.bounded_queue import BATCH, BoundedQueue, Overflow, check_bounds
from rxbosbase.runtime.scheduler import SerialScheduler

from ._waiting import running_loop

__all__ = ("Inbox",)

T = TypeVar("T")


class Inbox(abc.ObserverBase[T]):
    """The queue: `put` adds values on any thread, `get` returns them on the loop that made it.

    To its `BoundedQueue` it is both the scheduler and the observer: it is woken once for a batch,
    and then receives the values one by one, so that the overflow policy applies to all that wait.

    Args:
        size, overflow: as for ``bounded_observe_on``.
        upstream: disposed with the inbox.
        delivery: the scheduler that delivers the values, if known: there is no wait for it in its
            own callbacks, or once it is closed.

    Attributes:
        is_ended: True once the end was received, or `close` was called.
        abandoned: True once no task can read any more; set on any thread, under any lock.
        dropped: how many values were not delivered.
    """

    def __init__(
        self,
        size: int,
        overflow: Overflow,
        upstream: abc.DisposableBase,
        delivery: SerialScheduler | None = None,
    ) -> None:
        check_bounds(size, overflow)
        self.abandoned = False
        self.dropped = 0
        self._upstream = upstream
        self._delivery = delivery
        self._loop = running_loop()
        self._thread = threading.get_ident()
        self._task: asyncio.Task[Any] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._values: list[T] = []
        self._reads = 0
        self._error: Exception | None = None
        self.is_ended = False
        failure = partial(BufferOverflowError, size)
        self._queue: BoundedQueue[T] = BoundedQueue(
            self, self, size, overflow, self._count, failure, upstream
        )
        self.end = self._queue.end

    # -- any thread ------------------------------------------------------------------------------

    def put(self, value: T) -> None:
        """Add a value, wait for space, or drop one, as the policy says."""
        if self.abandoned or self._loop.is_closed():
            self._dispose()
        else:
            self._queue.on_next(value)

    @property
    def is_closed(self) -> bool:
        """True if no value can be received any more."""
        is_over = self._delivery is not None and self._delivery.is_closed
        return self.abandoned or self._loop.is_closed() or is_over

    @property
    def is_current(self) -> bool:
        """True on the loop's own thread, which must not wait for itself."""
        return threading.get_ident() == self._thread

    def schedule(self, _: Callable[..., Any], /) -> abc.DisposableBase:
        """Wake the loop; called when values begin to wait."""
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed: the queue disposes the subscription
            raise DisposedException("the event loop is closed") from None
        return Disposable()

    def abandon(self) -> None:
        """Close soon; for finalizers, which may run on any thread and under any lock."""
        self.abandoned = True
        try:
            self._loop.call_soon_threadsafe(self.close)
        except RuntimeError:  # a closed loop; the next value finds `abandoned`
            return

    def _count(self, dropped: int) -> None:
        self.dropped = dropped

    def _dispose(self) -> None:
        # The queue first: it releases a waiting producer, which the source may wait for.
        self._queue.dispose()
        self._upstream.dispose()

    # -- the queue's observer --------------------------------------------------------------------

    def on_next(self, value: T) -> None:
        self._values.append(value)

    def on_error(self, error: Exception) -> None:
        self._error = error
        self.is_ended = True

    def on_completed(self) -> None:
        self.is_ended = True

    # -- the loop's thread -----------------------------------------------------------------------

    async def get(self) -> T:
        """Return the next value; raise the source's error once, and then `StopAsyncIteration`.

        Raises:
            RuntimeError: the event loop runs inside a callback of the client, which blocks it.
        """
        self._reads += 1
        if self._reads % BATCH == 0:
            await asyncio.sleep(0)  # a queue that is never empty must not starve the loop
        while True:
            if not self.is_ended:
                self._queue.deliver_one()
            if self._values:
                return self._values.pop()
            if self.is_ended:
                self.close()  # the task of `end_with` may run much longer
                error, self._error = self._error, None
                if error is not None:
                    raise error
                raise StopAsyncIteration
            if self._delivery is not None:
                self._delivery.check_wait("awaiting a value")
            await self._wait()

    async def _wait(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("another task waits for the next value of these events already")
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("these events belong to another event loop")
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end_with(self, task: asyncio.Task[Any] | None) -> None:
        """Close when `task` ends: by a return, an exception, or a cancellation."""
        if task is not None and self._task is None and not self.is_ended:
            self._task = task
            task.add_done_callback(self.close)

    def close(self, _: object = None) -> None:
        """End the subscription at once; a pending `get` ends."""
        self.is_ended = True
        self._values.clear()
        self._dispose()
        self._wake()
        if self._task is not None:
            self._task.remove_done_callback(self.close)
            self._task = None
