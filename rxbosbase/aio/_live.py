"""Live views for asyncio."""

from __future__ import annotations

import asyncio
import copy
import threading
from typing import Generic, TypeVar, Unpack

from reactivex import abc

from rxbosbase.collection import Collection, ViewOptions
from rxbosbase.errors import ClientClosedError, RequestTimeoutError
from rxbosbase.live.engine.snapshot import Change, Snapshot
from rxbosbase.live.view import LiveView
from rxbosbase.realtime.api import check_seconds

from ._waiting import running_loop

__all__ = ("AsyncLiveView", "live")

T = TypeVar("T")

MAX_CHANGES = 10_000
"""Changes that are kept for a slow task; the net difference replaces more than these."""


class AsyncLiveView(Generic[T]):
    """A live view inside ``async with``. Get it by `live`.

    ``async for snapshot in view`` gives the current snapshot and then each that follows. A task
    that is slow gets fewer, each with all the changes since the one it had before; it
    delays no other.

    Raises:
        RuntimeError: asyncio runs no loop here; it is entered a second time; it is used outside of
            ``async with``; or the loop runs inside a callback of the client, which blocks the view.
        ClientResponseError: from ``async for``, the query is refused: 400, 403 or 404.

    >>> async def main() -> None:
    ...     with FakeRealtime() as fake:
    ...         async with live(fake.client.collection("posts")) as view:
    ...             fake.push("posts", "create", {"id": "a"})
    ...             async for snapshot in view:
    ...                 return print([(change.type, change.record) for change in snapshot.changes])
    >>> asyncio.run(main())
    [('added', {'id': 'a'})]
    """

    def __init__(self, view: LiveView[T]) -> None:
        self._view = view
        self._subscription: abc.DisposableBase | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._last: Snapshot[T] | None = None
        # What the delivery thread writes, under this lock:
        self._lock = threading.Lock()
        self._newest: Snapshot[T] | None = None
        self._oldest: Snapshot[T] | None = None  # of those the task has not seen
        self._changes: list[Change[T]] = []
        self._unseen = 0
        self._error: Exception | None = None
        self._ended = False
        self._is_wake_scheduled = False

    def __repr__(self) -> str:
        if self._subscription is None:
            return "<AsyncLiveView not begun>"
        state = "ended" if self._ended else "running"
        newest = "no snapshot yet" if self._newest is None else repr(self._newest)
        return f"<AsyncLiveView {state}, {newest}>"

    async def __aenter__(self) -> AsyncLiveView[T]:
        if self._subscription is not None:
            raise RuntimeError("this view has been entered already: make another")
        self._loop = running_loop()
        self._subscription = self._view.subscribe(self._show, self._end, self._end)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave the view at once: ``async for`` ends. May be called again.

        >>> async def main() -> None:
        ...     with FakeRealtime() as fake:
        ...         async with live(fake.client.collection("posts")) as view:
        ...             await view.aclose()
        ...             print([snapshot async for snapshot in view])
        >>> asyncio.run(main())
        []
        """
        if self._subscription is not None:
            self._subscription.dispose()
            self._end()

    @property
    def current(self) -> Snapshot[T]:
        """The newest snapshot; an empty one of version 0 until the first read is complete.

        Raises:
            RuntimeError: this is not inside ``async with``.
        """
        self._check_entered()
        return self._newest or Snapshot.empty(None, None)

    async def wait_fresh(self, timeout: float = 10.0) -> Snapshot[T]:
        """Wait until the view is complete and connected, and return its snapshot.

        Args:
            timeout: the longest wait, in seconds.

        Raises:
            RequestTimeoutError: not within `timeout` seconds.
            ClientResponseError: the query is refused: 400, 403 or 404.
            ClientClosedError: the view has ended: the client was closed.
            TypeError, ValueError: `timeout` is no finite number above 0.
            RuntimeError: this is not inside ``async with``; or the event loop runs inside a
                callback of the client, which blocks the view.

        >>> async def main() -> None:
        ...     with FakeRealtime() as fake:
        ...         async with live(fake.client.collection("posts")) as view:
        ...             fake.advance(0)  # a client of a real server needs no such call
        ...             print((await view.wait_fresh(timeout=5)).fresh)
        >>> asyncio.run(main())
        True
        """
        check_seconds("timeout", timeout)
        self._check_entered()
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                while self._newest is None or not self._newest.fresh:
                    if self._error is not None:
                        raise self._error
                    if self._ended:
                        raise ClientClosedError("the view has ended")
                    await self._change()
                return self._newest
        except TimeoutError:
            if not limit.expired():
                raise  # the view's own
        raise RequestTimeoutError(f"the view was not fresh within {timeout:g} s")

    def __aiter__(self) -> AsyncLiveView[T]:
        self._check_entered()
        return self

    async def __anext__(self) -> Snapshot[T]:
        self._check_entered()
        await asyncio.sleep(0)  # a view that changes all the time must not starve the loop
        while True:
            if self._unseen:
                return self._next_snapshot()
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            await self._change()

    def _next_snapshot(self) -> Snapshot[T]:
        with self._lock:
            newest, changes, unseen = self._newest, self._changes, self._unseen
            oldest = self._oldest
            self._changes, self._unseen = [], 0
        assert newest is not None and oldest is not None
        before, self._last = self._last, newest
        if unseen == 1:
            return newest
        merged = copy.copy(newest)
        # The changes of consecutive snapshots, one after the other, are those of all together.
        merged.changes = tuple(changes)
        if len(changes) > MAX_CHANGES:  # `changes` is not complete
            merged.changes = (
                newest.since(before)
                if before is not None
                else (*oldest.changes, *newest.since(oldest))
            )
        return merged

    async def _change(self) -> None:
        self._view.scheduler.check_wait("awaiting a live view")
        waiter = self._loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _check_entered(self) -> None:
        if self._subscription is None:
            raise RuntimeError("the view is not running: use `async with aio.live(…) as view:`")

    # -- the delivery thread ---------------------------------------------------------------------

    def _show(self, snapshot: Snapshot[T]) -> None:
        with self._lock:
            self._newest = snapshot
            if not self._unseen:
                self._oldest = snapshot
            self._unseen += 1
            if len(self._changes) <= MAX_CHANGES:
                self._changes += snapshot.changes
        self._schedule_wake()

    def _end(self, error: Exception | None = None) -> None:
        self._error = self._error or error
        self._ended = True
        self._schedule_wake()

    def _schedule_wake(self) -> None:
        """Wake the loop, once for all snapshots until it runs `_wake`."""
        with self._lock:
            if self._is_wake_scheduled:
                return
            self._is_wake_scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed
            if self._subscription is not None:
                self._subscription.dispose()

    def _wake(self) -> None:
        self._is_wake_scheduled = False
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


def live(collection: Collection[T], **options: Unpack[ViewOptions]) -> AsyncLiveView[T]:
    """Return a live view for ``async with``; `options` are those of ``collection.live``.

    Args:
        collection: ``client.collection("posts")``.
        options: ``filter``, ``sort``, ``expand``, ``fields``, ``limit``, ``query``, ``headers``,
            ``reconcile`` and ``interval`` (both in seconds), as for ``collection.live``.

    Raises:
        ClientResponseError: 400 at once, the topic is too long: see ``collection.observe``.
        ValueError, TypeError: an argument is invalid.

    >>> async def main() -> None:
    ...     with FakeRealtime() as fake:
    ...         fake.records["posts"] = {"a": {"id": "a", "n": 2}, "b": {"id": "b", "n": 1}}
    ...         async with live(fake.client.collection("posts"), sort="n", limit=1) as view:
    ...             fake.advance(0)  # a client of a real server needs no such call
    ...             print(*(await view.wait_fresh()).records)
    >>> asyncio.run(main())
    {'id': 'b', 'n': 1}
    """
    return AsyncLiveView(collection.live(**options))
