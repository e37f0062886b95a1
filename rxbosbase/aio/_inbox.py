"""The bridge from any thread to one task of an event loop: a bounded queue that wakes the loop."""

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
from rxbosbase.runtime.handover import BATCH, Handover, Overflow, check_bounds
from rxbosbase.runtime.scheduler import SerialScheduler

from ._waiting import running_loop

__all__ = ["Inbox"]

T = TypeVar("T")


class Inbox(abc.ObserverBase[T]):
    """Values in by `put` on any thread, out by `get` on the loop that it was made on.

    To its queue it is both the scheduler and the observer: it is woken once for a batch, and then
    takes the values one by one, so that all that wait stand under the overflow's policy.

    Args:
        size, overflow: as for ``bounded_observe_on``.
        upstream: disposed with the inbox.
        delivery: what brings the values, where that is known: nobody waits for it in its own
            callbacks, or once it is closed.

    Attributes:
        is_ended: True once the end was taken, or `close` was called.
        abandoned: set, on any thread and under any lock, by whoever takes no more.
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
        self._taken = 0
        self._error: Exception | None = None
        self.is_ended = False
        failure = partial(BufferOverflowError, size)
        self._queue: Handover[T] = Handover(
            self, self, size, overflow, self._count, failure, upstream
        )
        self.end = self._queue.end

    # -- any thread ------------------------------------------------------------------------------

    def put(self, value: T) -> None:
        """Takes a value in, waits for room, or drops, as the policy says."""
        if self.abandoned or self._loop.is_closed():
            self._dispose()
        else:
            self._queue.on_next(value)

    @property
    def is_closed(self) -> bool:
        """True if nobody can take anything any more."""
        is_over = self._delivery is not None and self._delivery.is_closed
        return self.abandoned or self._loop.is_closed() or is_over

    @property
    def is_current(self) -> bool:
        """True on the loop's own thread, which must not wait for itself."""
        return threading.get_ident() == self._thread

    def schedule(self, _: Callable[..., Any], /) -> abc.DisposableBase:
        """Wakes the loop; called when values begin to wait."""
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed: the queue disposes the subscription
            raise DisposedException("the event loop is closed") from None
        return Disposable()

    def abandon(self) -> None:
        """Closes soon; for finalizers, which may run on any thread and under any lock."""
        self.abandoned = True
        try:
            self._loop.call_soon_threadsafe(self.close)
        except RuntimeError:  # a closed loop; the next value finds `abandoned`
            return

    def _count(self, dropped: int) -> None:
        self.dropped = dropped

    def _dispose(self) -> None:
        # The queue first: it frees a producer who waits, and whom the source may wait for.
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
        """The next value; raises the source's error once, and then `StopAsyncIteration`.

        Raises:
            RuntimeError: the event loop runs inside a callback of the client, which holds them up.
        """
        self._taken += 1
        if self._taken % BATCH == 0:
            await asyncio.sleep(0)  # a queue that is never empty must not starve the loop
        while True:
            if not self.is_ended:
                self._queue.deliver_one()
            if self._values:
                return self._values.pop()
            if self.is_ended:
                self.close()  # the task that it would have ended with may live long
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
        """Closes when `task` ends: by a return, an exception, or a cancellation."""
        if task is not None and self._task is None and not self.is_ended:
            self._task = task
            task.add_done_callback(self.close)

    def close(self, _: object = None) -> None:
        """Ends the subscription at once; who waits in `get` hears the end."""
        self.is_ended = True
        self._values.clear()
        self._dispose()
        self._wake()
        if self._task is not None:
            self._task.remove_done_callback(self.close)
            self._task = None
