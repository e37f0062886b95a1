"""The bounded queue between a producer and a scheduler, and its policies for when it is full."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Condition, Thread, current_thread
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

from reactivex import abc
from reactivex.disposable import SerialDisposable, SingleAssignmentDisposable
from reactivex.internal import DisposedException
from reactivex.scheduler import EventLoopScheduler, ThreadPoolScheduler, VirtualTimeScheduler
from reactivex.scheduler.trampolinescheduler import TrampolineScheduler

__all__ = ("BATCH", "BoundedQueue", "Overflow", "Runner", "check_bounds")

T = TypeVar("T")

Overflow = Literal["block", "drop_oldest", "drop_newest", "conflate", "error"]

BATCH = 64
"""Values delivered in one scheduled action; after these other work of the scheduler runs."""


POLL_SECONDS = 0.05
"""Seconds between two checks of a waiting producer whether a thread can still make room."""


def check_bounds(size: object, overflow: str) -> None:
    """Raise `ValueError` for what cannot bound a queue."""
    if not isinstance(size, int) or size is True or size < 1:
        raise ValueError(f"size must be 1 or more, not {size!r}")
    if overflow not in get_args(Overflow):
        raise ValueError(f"overflow must be one of {get_args(Overflow)}, not {overflow!r}")


class Runner(Protocol):
    """Runs the delivery: a scheduler, or anything that wakes the caller of `deliver_one`.

    It may have ``is_current``, True on the thread that delivers, and ``is_closed``, True once
    nothing is delivered any more.
    """

    def schedule(self, action: Callable[..., Any], /) -> abc.DisposableBase:
        """Run `action`, which empties the queue, now or soon."""
        ...


class BoundedQueue(Generic[T]):
    """The queue of one subscription. Its lock is never held while a value is delivered."""

    def __init__(
        self,
        observer: abc.ObserverBase[T],
        scheduler: Runner,
        size: int,
        overflow: Overflow,
        on_drop: Callable[[int], None] | None,
        failure: Callable[[str], Exception],
        upstream: abc.DisposableBase,
    ) -> None:
        self._observer, self._scheduler = observer, scheduler
        self._size, self._overflow, self._on_drop = size, overflow, on_drop
        self._failure, self._upstream = failure, upstream
        self._room = Condition()
        self._queue: OrderedDict[object, T] = OrderedDict()
        self._numbers = 0
        self._dropped = 0
        self._ended = self._disposed = False
        self._error: Exception | None = None
        self._draining = False
        self._work = SerialDisposable()
        self._deliverer: Thread | None = None  # the thread that delivered last
        self._in_on_next: Thread | None = None  # the thread inside the subscriber's on_next
        self._scheduled_by: Thread | None = None  # the thread that scheduled that

    # -- the producer's side ----------------------------------------------------------------------

    def on_next(self, value: T) -> None:
        with self._room:
            before = self._dropped
            if not (self._ended or self._disposed):
                self._add(value)
            dropped = self._dropped
            failed = self._ended
        if dropped > before and self._on_drop is not None:
            try:
                self._on_drop(dropped)
            except Exception as error:
                self.end(error)
                failed = True
        if failed:
            self._upstream.dispose()
        self._start()

    def _add(self, value: T) -> None:
        self._numbers += 1
        key = _key(value) if self._overflow == "conflate" else self._numbers
        self._dropped += key in self._queue
        if len(self._queue) < self._size or key in self._queue or self._make_room():
            self._queue[key] = value

    def _make_room(self) -> bool:
        """Apply the policy to a full queue; True when the new value may come in."""
        if self._overflow in ("drop_oldest", "conflate"):
            self._queue.popitem(last=False)
            self._dropped += 1
            return True
        if self._overflow == "drop_newest":
            self._dropped += 1
            return False
        if self._overflow == "error":
            return self._fail("a value came faster than the subscriber takes them")
        while len(self._queue) >= self._size and not (self._ended or self._disposed):
            if self._waits_for_itself():
                return self._fail("the producer would wait for itself, on the delivering thread")
            self._room.wait(POLL_SECONDS)
            if getattr(self._scheduler, "is_closed", False) is True:
                self._ended = True  # waiting values stay, and can still be delivered
        return not (self._ended or self._disposed)

    def _fail(self, why: str) -> bool:
        self._ended, self._error = True, self._failure(why)
        return False

    def _waits_for_itself(self) -> bool:
        me = current_thread()
        if self._in_on_next is me:
            return True
        if isinstance(self._scheduler, (TrampolineScheduler, VirtualTimeScheduler)):
            return self._scheduled_by is me
        if isinstance(self._scheduler, ThreadPoolScheduler):
            return False  # another worker can deliver
        if isinstance(self._scheduler, EventLoopScheduler):
            return self._scheduler._thread is me
        return self._deliverer is me or getattr(self._scheduler, "is_current", False) is True

    def end(self, error: Exception | None = None) -> None:
        with self._room:
            if not self._ended:
                self._ended, self._error = True, error
            self._room.notify_all()
        self._start()

    def dispose(self) -> None:
        with self._room:
            self._disposed = True
            self._queue.clear()
            self._room.notify_all()
        self._work.dispose()

    # -- the scheduler's side ---------------------------------------------------------------------

    def _start(self) -> None:
        with self._room:
            if self._draining or self._disposed or not (self._queue or self._ended):
                return
            self._draining = True
            self._scheduled_by = current_thread()
        self._schedule()

    def _schedule(self) -> None:
        work = SingleAssignmentDisposable()
        self._work.disposable = work
        try:
            work.disposable = self._scheduler.schedule(self._deliver_some)
        except DisposedException as error:  # a scheduler that was shut down runs nothing
            self.dispose()
            self._upstream.dispose()
            self._observer.on_error(error)

    def _deliver_some(self, *_: Any) -> None:
        self._deliverer = self._in_on_next = current_thread()
        try:
            for _number in range(BATCH):
                if not self.deliver_one():
                    return
        except BaseException:
            # A producer must not wait for a subscriber that has failed.
            self.dispose()
            self._upstream.dispose()
            raise
        self._in_on_next = None
        self._schedule()

    def deliver_one(self) -> bool:
        """Deliver the next value, or the end; return False if there was no value."""
        with self._room:
            if self._disposed or not (self._queue or self._ended):
                self._draining = False
                self._in_on_next = None
                return False
            values = [self._queue.popitem(last=False)[1]] if self._queue else []
            if len(self._queue) <= self._size // 2:
                self._room.notify_all()  # at half, so that threads alternate less often
        for value in values:
            self._observer.on_next(value)
        if values:
            return True
        if self._error is not None:
            self._observer.on_error(self._error)
        else:
            self._observer.on_completed()
        return False


def _key(value: Any) -> object:
    """Return the record id of an event or a record; one and the same key for anything else."""
    record: Mapping[str, object] | None = getattr(value, "record", value)
    return record.get("id") if isinstance(record, Mapping) else getattr(record, "id", None)
