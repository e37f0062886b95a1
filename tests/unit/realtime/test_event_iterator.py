"""The blocking iterator, without a network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from reactivex import abc
from reactivex.disposable import Disposable
from support.seen import LIMIT, run_thread, wait_event

from rxbosbase.realtime.event_iterator import EventIterator
from rxbosbase.runtime.thread_scheduler import ThreadScheduler


class Source:
    """A stream that the test drives."""

    def __init__(self) -> None:
        self.opened = self.disposed = 0

    def open(
        self,
        on_next: Callable[[int], object],
        on_error: Callable[[Exception], object],
        on_completed: Callable[[], object],
    ) -> abc.DisposableBase:
        self.opened += 1
        self.next, self.error, self.completed = on_next, on_error, on_completed

        def dispose() -> None:
            self.disposed += 1

        return Disposable(dispose)


@pytest.fixture
def scheduler() -> Iterator[ThreadScheduler]:
    made = ThreadScheduler("rxbosbase-test-iterate")
    yield made
    made.close()
    made.join(LIMIT)


def test_events_come_in_order_and_completion_ends_it(scheduler: ThreadScheduler) -> None:
    """Events are returned in order, and a completion ends the iteration."""
    source = Source()
    with EventIterator(source.open, 10, scheduler) as events, events as same:
        assert (same is events, source.opened) == (True, 1)
        for n in range(3):
            source.next(n)
        source.completed()
        assert list(events) == [0, 1, 2]
        assert list(events) == []
    assert source.disposed == 1


def test_an_error_is_raised_after_the_events_before_it(scheduler: ThreadScheduler) -> None:
    """An error is raised after the events before it were returned."""
    source = Source()
    with EventIterator(source.open, 10, scheduler) as events:
        source.next(1)
        source.error(ValueError("the end"))
        assert next(events) == 1
        with pytest.raises(ValueError, match="the end"):
            next(events)


def test_a_full_iterator_blocks_its_source_until_an_event_is_taken(
    scheduler: ThreadScheduler,
) -> None:
    """A full iterator blocks its source until an event is taken, and no event is lost."""
    source = Source()
    with EventIterator(source.open, 2, scheduler) as events:
        done = [run_thread(lambda n=n: source.next(n)) for n in range(6)]  # type: ignore[misc]
        assert sorted(next(events) for _ in range(6)) == list(range(6))
        for result in done:
            result()


@pytest.mark.parametrize("how", ["leave", "close the client"])
def test_a_blocked_source_is_released_at_the_end(scheduler: ThreadScheduler, how: str) -> None:
    """A blocked source is released when the iterator is left or the client is closed."""
    source = Source()
    with EventIterator(source.open, 1, scheduler) as events:
        source.next(1)
        result = run_thread(lambda: source.next(2))
        if how != "leave":
            scheduler.close()
            result()
    result()
    assert list(events) == [1]


def test_next_on_the_delivery_thread_raises_only_where_it_would_wait(
    scheduler: ThreadScheduler,
) -> None:
    """On the delivery thread `next` returns queued events, but raises where it would wait."""
    source = Source()
    outcome: list[Any] = []
    done = threading.Event()
    with EventIterator(source.open, 5, scheduler) as events:

        def on_delivery() -> None:
            source.next(1)
            outcome.append(next(events))
            try:
                next(events)
            except RuntimeError as error:
                outcome.append(str(error))
            source.completed()
            outcome.append(list(events))  # it has ended, so it does not wait
            done.set()

        scheduler.post(on_delivery)
        wait_event(done)
    first, error, rest = outcome
    assert (first, rest) == (1, [])
    assert "waiting for events in a callback would wait for itself" in error


def test_next_needs_an_open_iterator_and_a_valid_size(scheduler: ThreadScheduler) -> None:
    """`next` before opening raises `RuntimeError`; a size that is no count is refused."""
    unopened = EventIterator(Source().open, 1, scheduler)
    with pytest.raises(RuntimeError, match="open it first"):
        next(unopened)
    unopened.close()
    for size, kind in ((0, ValueError), (-1, ValueError), (True, TypeError), (1.5, TypeError)):
        with pytest.raises(kind, match="size must be"):
            EventIterator(Source().open, size, scheduler)  # type: ignore[arg-type]
