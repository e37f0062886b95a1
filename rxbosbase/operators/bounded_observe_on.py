"""``bounded_observe_on``: deliver values on another scheduler, through a bounded queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SingleAssignmentDisposable

from rxbosbase.errors import BufferOverflowError
from rxbosbase.runtime.bounded_queue import BoundedQueue, Overflow, check_bounds

__all__ = ("BufferOverflowError", "Overflow", "bounded_observe_on")

T = TypeVar("T")


def bounded_observe_on(
    scheduler: abc.SchedulerBase,
    size: int,
    overflow: Overflow = "block",
    *,
    on_drop: Callable[[int], None] | None = None,
) -> Callable[[Observable[T]], Observable[T]]:
    """Deliver values on `scheduler`, with at most `size` of them waiting for their turn.

    The place for slow work: ``events.pipe(rxb.bounded_observe_on(EventLoopScheduler(), 100))``.
    Order is kept, and the end follows the queued values. Here three values come at once, there is
    space for two, and the scheduler begins after the third::

        source:  (a1b1c1)--|
        call:    bounded_observe_on(scheduler, 2, "drop_oldest")
        result:  (b1c1)----|

        source:  (a1b1a2c1)--|
        call:    bounded_observe_on(scheduler, 3, "conflate")
        result:  (a2b1c1)----|

    Args:
        scheduler: runs the subscriber; one value at a time, on whatever thread it has.
        size: how many values may wait, 1 or more.
        overflow: what happens to a value when the queue is full. ``"block"``: its producer
            waits for space, or for the end of the subscription. ``"drop_oldest"`` and
            ``"drop_newest"`` drop one. ``"error"``: a `BufferOverflowError` follows the queued
            values. ``"conflate"`` keeps the newest value per record id, at all times (values
            without an id: the newest), in the place of the first; one id too many drops the
            oldest.
        on_drop: called with the number of values so far that were not delivered, a conflated one
            counted too, each time it grows; per subscription, on the producer's thread. What it
            raises goes to ``on_error``.

    A producer that would wait for itself, as it runs on the only thread that could make space,
    gets a `BufferOverflowError` instead. That is detected for pushes from inside the subscriber,
    for ``client.scheduler`` and ``EventLoopScheduler``, and for a thread that delivered before. A
    subscriber that raises ends the subscription; the scheduler gets the exception.

    Returns:
        an operator for ``pipe``: any values in, the same values out.

    Raises:
        ValueError: a `size` below 1, or an unknown `overflow`.
        BufferOverflowError: in ``on_error``, as above.
        reactivex.internal.DisposedException: in ``on_error``, the scheduler was shut down.

    >>> import reactivex
    >>> from rxbosbase.testing import VirtualScheduler
    >>> slow = VirtualScheduler()
    >>> _ = reactivex.of(1, 2, 3).pipe(bounded_observe_on(slow, 2, "drop_oldest")).subscribe(print)
    >>> slow.clock.run()
    2
    3
    """
    check_bounds(size, overflow)

    def failure(why: str) -> Exception:
        return BufferOverflowError(size, why)

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler_: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            upstream = SingleAssignmentDisposable()
            queue = BoundedQueue(observer, scheduler, size, overflow, on_drop, failure, upstream)
            upstream.disposable = source.subscribe(
                queue.on_next, queue.end, queue.end, scheduler=scheduler_
            )
            # The queue first: it releases a blocked producer, for which the source may wait.
            return CompositeDisposable(Disposable(queue.dispose), upstream)

        return Observable(subscribe)

    return operator
