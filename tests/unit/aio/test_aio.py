"""asyncio: values cross in order and in bounds, every end disposes, and the loop never waits."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine
from typing import Any

import pytest
import reactivex
from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.internal.exceptions import SequenceContainsNoElementsError
from reactivex.subject import Subject
from support.seen import run_thread, wait_event

from rxbosbase import BosBase, RecordEvent, RequestTimeoutError, aio
from rxbosbase.aio._waiting import off_loop
from rxbosbase.errors import ClientClosedError
from rxbosbase.runtime.bounded_queue import BATCH
from rxbosbase.testing import FakeRealtime

LIMIT = 5.0
OVERFLOWS: list[aio.Overflow] = ["block", "drop_oldest", "drop_newest", "conflate", "error"]

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="")


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """Runs the test's coroutine on a loop of its own, in debug mode, for `LIMIT` seconds."""

    async def limited() -> Any:
        async with asyncio.timeout(LIMIT):
            return await main()

    return asyncio.run(limited(), debug=True)


class Source(Observable[Any]):
    """Pushes by hand, on the calling thread.

    Attributes:
        subscribed: how many are subscribed.
        disposed: set once somebody has left.
    """

    def __init__(self) -> None:
        super().__init__(self._attach)
        self._observers: list[abc.ObserverBase[Any]] = []
        self.disposed = threading.Event()

    def _attach(self, observer: Any, _: object = None) -> abc.DisposableBase:
        self._observers.append(observer)
        return Disposable(lambda: self._detach(observer))

    def _detach(self, observer: Any) -> None:
        if observer in self._observers:
            self._observers.remove(observer)
        self.disposed.set()

    @property
    def subscribed(self) -> int:
        return len(self._observers)

    def push(self, *values: Any) -> None:
        for value in values:
            for observer in list(self._observers):
                observer.on_next(value)

    def fail(self, error: Exception) -> None:
        for observer in list(self._observers):
            observer.on_error(error)

    def complete(self) -> None:
        for observer in list(self._observers):
            observer.on_completed()


async def spin() -> None:
    """Gives the loop a few rounds."""
    for _ in range(5):
        await asyncio.sleep(0)


async def until(done: threading.Event) -> None:
    await off_loop(lambda: wait_event(done))


# -- events ----------------------------------------------------------------------------------------


def test_values_of_another_thread_come_in_order_and_then_the_end() -> None:
    """`aio.events` yields all values of another thread in order, then ends and unsubscribes."""
    source = Source()

    def produce() -> None:
        source.push(*range(5000))
        source.complete()

    async def main() -> list[int]:
        async with aio.events(source, size=10) as events:
            finish = run_thread(produce)
            found = [value async for value in events]
            await off_loop(finish)
            return found

    assert run(main) == list(range(5000))
    assert source.subscribed == 0


def test_the_sources_error_is_raised_once_after_the_values() -> None:
    """The source's error is raised after the queued values; the iteration is then over."""
    source = Source()

    async def main() -> None:
        events = aiter(aio.events(source))
        source.push(1, 2)
        source.fail(LookupError("lost"))
        assert [await anext(events), await anext(events)] == [1, 2]
        with pytest.raises(LookupError):
            await anext(events)
        with pytest.raises(StopAsyncIteration):
            await anext(events)

    run(main)
    assert source.subscribed == 0


def test_nothing_is_subscribed_before_it_is_entered_or_iterated() -> None:
    """`aio.events` subscribes when its block is entered and unsubscribes when it is left."""
    source = Source()

    async def main() -> None:
        events = aio.events(source)
        assert source.subscribed == 0
        async with events:
            assert source.subscribed == 1
        assert source.subscribed == 0

    run(main)


def test_leaving_the_block_disposes_at_once_and_ends_the_iteration() -> None:
    """After the block, `anext` raises `StopAsyncIteration` though values were left unread."""
    source = Source()

    async def main() -> None:
        async with aio.events(source) as events:
            source.push(1, 2)
            assert await anext(events) == 1
        assert source.subscribed == 0
        with pytest.raises(StopAsyncIteration):
            await anext(events)
        await events.aclose()

    run(main)


def test_aclose_ends_the_iteration_of_a_waiting_task() -> None:
    """`aclose` ends the iteration of another task that waits for the next event."""
    source = Source()

    async def main() -> None:
        async with aio.events(source) as events:
            waiting = asyncio.create_task(collect(events))
            await spin()
            await events.aclose()
            assert await waiting == []

    run(main)


async def collect(events: AsyncIterable[Any]) -> list[Any]:
    return [value async for value in events]


def test_cancelling_a_waiting_task_disposes_at_once() -> None:
    """Cancelling a task that waits for an event disposes its subscription."""
    source = Source()

    async def main() -> None:
        task = asyncio.create_task(collect(aio.events(source)))
        await spin()
        assert source.subscribed == 1
        task.cancel()
        await asyncio.wait([task])
        await spin()
        assert source.subscribed == 0

    run(main)


def test_cancelling_a_task_that_is_busy_with_a_value_disposes_at_once() -> None:
    """Cancelling a task inside the body of its `async for` disposes the subscription."""
    source = Source()
    busy = asyncio.Event()

    async def work() -> None:
        async for _ in aio.events(source):
            busy.set()
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(work())
        await spin()
        source.push(1)
        await busy.wait()
        task.cancel()
        await asyncio.wait([task])
        await spin()
        assert source.subscribed == 0
        assert task.cancelled()

    run(main)


def test_a_break_without_a_block_disposes() -> None:
    """A `break` out of `async for` without `async with` disposes the subscription."""
    source = Source()

    async def main() -> None:
        async for value in aiter_source(source):
            assert value == 1
            break
        await spin()
        assert source.subscribed == 0

    def aiter_source(source: Source) -> aio.AsyncEvents[Any]:
        events = aiter(aio.events(source))
        source.push(1, 2)
        return events

    run(main)


def test_anext_may_time_out_and_be_called_again() -> None:
    """After a timeout of `anext`, the next `anext` returns the next event; none is lost."""
    source = Source()

    async def main() -> None:
        async with aio.events(source) as events:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(events), 0.01)
            source.push(1)
            assert await asyncio.wait_for(anext(events), 1) == 1

    run(main)


def test_two_tasks_may_not_wait_for_the_same_events() -> None:
    """`anext` raises RuntimeError while another task waits for an event of the same object."""

    async def main() -> None:
        async with aio.events(Source()) as events:
            waiting = asyncio.create_task(collect(events))
            await spin()
            with pytest.raises(RuntimeError, match="another task waits"):
                await anext(events)
            await events.aclose()
            await waiting

    run(main)


def test_a_task_that_never_waits_lets_other_tasks_run() -> None:
    """Reading queued events yields to the event loop at least once per `BATCH` events."""
    source = Source()

    async def main() -> None:
        async with aio.events(source) as events:
            source.push(*range(500))
            rounds = 0

            async def beat() -> None:
                nonlocal rounds
                while True:
                    rounds += 1
                    await asyncio.sleep(0)

            beating = asyncio.create_task(beat())
            for _ in range(500):
                await anext(events)
            beating.cancel()
            assert rounds >= 500 // BATCH

    run(main)


def test_a_batch_wakes_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 values pushed in a row call `call_soon_threadsafe` once."""
    source = Source()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        wakes = 0
        plain = loop.call_soon_threadsafe

        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal wakes
            wakes += 1
            return plain(*arguments, **options)

        async with aio.events(source) as events:
            monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
            source.push(*range(500))
            assert wakes == 1
            assert [await anext(events) for _ in range(500)] == list(range(500))

    run(main)


# -- overflow --------------------------------------------------------------------------------------


def test_block_holds_the_producer_back_and_loses_nothing() -> None:
    """With `block`, a full queue blocks the producer's thread; every value arrives in order."""
    source = Source()
    pushed: list[int] = []

    def produce() -> None:
        for number in range(10):
            source.push(number)
            pushed.append(number)

    async def main() -> None:
        async with aio.events(source, size=3) as events:
            finish = run_thread(produce)
            assert await anext(events) == 0
            while len(pushed) < 4:
                await asyncio.sleep(0)
            await asyncio.sleep(0.02)
            assert len(pushed) == 4
            assert [await anext(events) for _ in range(9)] == list(range(1, 10))
            await off_loop(finish)

    run(main)


@pytest.mark.parametrize(
    ("overflow", "left", "dropped"),
    [("drop_oldest", [3, 4, 5], 2), ("drop_newest", [1, 2, 3], 2), ("conflate", [5], 4)],
)
def test_a_policy_drops_and_counts(overflow: aio.Overflow, left: list[int], dropped: int) -> None:
    """Each dropping policy keeps the values it names and counts the others in `dropped`."""
    source = Source()

    async def main() -> None:
        async with aio.events(source, size=3, overflow=overflow) as events:
            source.push(1, 2, 3, 4, 5)
            source.complete()
            assert await collect(events) == left
            assert events.dropped == dropped

    run(main)


def test_conflate_keeps_the_newest_event_of_each_record() -> None:
    """`conflate` replaces a queued event of a record by a newer one, in the same position."""

    def event(id: str, n: int) -> RecordEvent[dict[str, Any]]:
        return RecordEvent("posts/*", "update", {"id": id, "n": n})

    source = Source()

    async def main() -> None:
        async with aio.events(source, overflow="conflate") as events:
            source.push(event("a", 1), event("b", 2), event("a", 3))
            assert [await anext(events), await anext(events)] == [event("a", 3), event("b", 2)]

    run(main)


def test_error_ends_the_iteration_and_unsubscribes() -> None:
    """With `error`, a full queue unsubscribes; after the queued values the iteration raises."""
    source = Source()

    async def main() -> None:
        async with aio.events(source, size=1, overflow="error") as events:
            source.push(1, 2)
            assert source.subscribed == 0
            assert await anext(events) == 1
            with pytest.raises(aio.BufferOverflowError):
                await anext(events)

    run(main)


def test_a_full_queue_on_the_loops_own_thread_is_an_error() -> None:
    """With `block`, a source that fills the queue on the loop's own thread raises an error."""

    async def main() -> None:
        async with aio.events(reactivex.range(5), size=3) as events:
            assert [await anext(events) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(aio.BufferOverflowError, match="wait for itself"):
                await anext(events)

    run(main)


@pytest.mark.parametrize("end", ["cancel", "aclose", "break"])
def test_a_blocked_producer_continues_after_cancel_close_and_break(end: str) -> None:
    """A blocked producer continues when the iteration is cancelled, closed or broken off."""
    source = Source()
    got = asyncio.Event()

    async def work() -> None:
        async for _ in aio.events(source, size=1):
            got.set()
            if end == "break":
                return
            await asyncio.Event().wait()

    async def main() -> None:
        if end == "aclose":
            async with aio.events(source, size=1) as events:
                finish = run_thread(lambda: source.push(*range(9)))
                await anext(events)
        else:
            task = asyncio.create_task(work())
            await spin()
            finish = run_thread(lambda: source.push(*range(9)))
            await got.wait()
            task.cancel()
        await off_loop(finish)
        assert source.subscribed == 0

    run(main)


def test_wrong_arguments_of_events_are_refused_at_once() -> None:
    """A wrong `size` or `overflow` raises ValueError, a missing loop RuntimeError, at once."""
    with pytest.raises(ValueError, match="size must be 1 or more"):
        aio.events(Source(), size=0)
    with pytest.raises(ValueError, match="overflow must be one of"):
        aio.events(Source(), overflow="wait")  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="running asyncio event loop"):
        aiter(aio.events(Source()))


# -- loops that end --------------------------------------------------------------------------------


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("is_woken", [True, False])
def test_a_closed_loop_is_no_error_for_the_producer_and_ends_the_subscription(
    overflow: aio.Overflow, is_woken: bool
) -> None:
    """A value emitted after the loop is closed raises nothing and disposes the subscription."""
    source = Source()
    loop = asyncio.new_event_loop()
    events = aio.events(source, size=2, overflow=overflow)
    loop.run_until_complete(events.__aenter__())
    if is_woken:
        source.push(0)
    loop.close()
    source.push(1)
    assert source.subscribed == 0
    del events


def test_a_blocked_producer_continues_when_the_loop_is_closed() -> None:
    """A producer blocked by a full queue continues when the loop is closed."""
    source = Source()
    loop = asyncio.new_event_loop()
    events = aio.events(source, size=1)
    loop.run_until_complete(events.__aenter__())
    finish = run_thread(lambda: source.push(*range(9)))
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    finish()
    assert source.subscribed == 0


def test_unreferenced_events_unsubscribe_at_the_next_value() -> None:
    """Events without a reference are unsubscribed at the next value at the latest."""
    source = Source()
    loop = asyncio.new_event_loop()
    events = aio.events(source)
    loop.run_until_complete(events.__aenter__())
    source.push(1)
    del events
    gc.collect()
    assert source.subscribed == 1
    source.push(2)
    assert source.subscribed == 0
    loop.close()


def test_the_end_of_asyncio_run_disposes_the_subscriptions_of_its_tasks() -> None:
    """The end of `asyncio.run` disposes the subscriptions of tasks that still iterate."""
    source = Source()

    async def main() -> None:
        asyncio.create_task(collect(aio.events(source)))  # noqa: RUF006
        await spin()
        assert source.subscribed == 1

    run(main)
    assert source.subscribed == 0


def test_events_of_another_loop_are_an_error() -> None:
    """`anext` on another event loop than the one of the events raises RuntimeError."""
    loop = asyncio.new_event_loop()
    events = aio.events(Source())
    loop.run_until_complete(events.__aenter__())

    async def main() -> None:
        with pytest.raises(RuntimeError, match="belong to another event loop"):
            await anext(events)

    run(main)
    loop.run_until_complete(events.aclose())
    loop.close()


@pytest.mark.parametrize("end", ["completed", "failed", "left", "broken off"])
def test_a_long_task_keeps_no_reference_to_ended_events(end: str) -> None:
    """A task keeps no reference to the queue of an iteration that has ended."""
    ended: list[weakref.ref[Any]] = []

    async def follow() -> None:
        source = Source()
        events = aiter(aio.events(source))
        assert events._inbox is not None
        ended.append(weakref.ref(events._inbox))
        source.push(1)
        assert await anext(events) == 1
        if end == "completed":
            source.complete()
            assert await collect(events) == []
        elif end == "failed":
            source.fail(LookupError("lost"))
            with pytest.raises(LookupError):
                await anext(events)
        elif end == "left":
            await events.aclose()

    async def main() -> None:
        for _ in range(3):
            await follow()
        await spin()
        gc.collect()
        assert [inbox for inbox in ended if inbox() is not None] == []

    run(main)


# -- live views ------------------------------------------------------------------------------------


def test_tasks_that_wait_in_a_view_end_when_it_is_closed(virtual_time: FakeRealtime) -> None:
    """Closing a view ends the iteration of another task; its `wait_fresh` raises an error."""
    posts = virtual_time.client.collection("posts")

    async def main() -> None:
        async with aio.live(posts) as view:
            iterating = asyncio.create_task(collect(view))
            waiting = asyncio.create_task(view.wait_fresh())
            await spin()
            await view.aclose()
            assert await iterating == []
            with pytest.raises(ClientClosedError, match="the view has ended"):
                await waiting

    run(main)


def test_a_view_with_constant_changes_lets_other_tasks_run(virtual_time: FakeRealtime) -> None:
    """A view with a new snapshot at every step still lets the loop's other tasks run."""
    posts = virtual_time.client.collection("posts")

    async def main() -> None:
        turns = seen = 0

        async def beat() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with aio.live(posts) as view:
            beating = asyncio.create_task(beat())
            virtual_time.push("posts", "create", {"n": 0})
            async for snapshot in view:
                seen += 1
                virtual_time.push("posts", "create", {"n": snapshot.version})
                if seen == 50:
                    break
            beating.cancel()
        assert turns >= seen

    run(main)


# -- first and for_each ----------------------------------------------------------------------------


def test_first_returns_the_first_value_and_unsubscribes() -> None:
    """`first` returns the first value that satisfies the predicate and unsubscribes at once."""
    source = Source()

    async def main() -> None:
        wanted = asyncio.create_task(aio.first(source, predicate=lambda n: n > 1))
        await spin()
        source.push(1, 2, 3)
        assert source.subscribed == 0
        assert await wanted == 2

    run(main)


def test_first_raises_without_a_value_or_after_its_timeout() -> None:
    """`first` raises for an empty source, after its timeout, and for a timeout of 0."""

    async def main() -> None:
        with pytest.raises(SequenceContainsNoElementsError):
            await aio.first(reactivex.empty())
        with pytest.raises(RequestTimeoutError, match=r"no value came within 0\.01 s"):
            await aio.first(reactivex.never(), timeout=0.01)
        with pytest.raises(ValueError, match="timeout must be more than 0"):
            await aio.first(reactivex.never(), timeout=0)

    run(main)


def test_first_raises_the_sources_own_timeout() -> None:
    """A TimeoutError of the source is raised unchanged, not as the timeout of `first`."""

    async def main() -> None:
        with pytest.raises(TimeoutError, match="mine"):
            await aio.first(reactivex.throw(TimeoutError("mine")), timeout=5)

    run(main)


def test_for_each_awaits_one_at_a_time_and_in_order() -> None:
    """`for_each` awaits the callback of one value before it calls it with the next."""
    log: list[str] = []

    async def work(value: int) -> None:
        log.append(f"{value} begins")
        await asyncio.sleep(0)
        log.append(f"{value} ends")

    run(lambda: aio.for_each(reactivex.of(1, 2), work))
    assert log == ["1 begins", "1 ends", "2 begins", "2 ends"]


def test_for_each_raises_the_callbacks_error_and_unsubscribes() -> None:
    """`for_each` raises the callback's error and unsubscribes; it refuses a non-callable."""
    source: Subject[int] = Subject()

    async def work(value: int) -> None:
        raise LookupError(str(value))

    async def main() -> None:
        task = asyncio.create_task(aio.for_each(source, work))
        await spin()
        source.on_next(7)
        with pytest.raises(LookupError, match="7"):
            await task
        assert source.observers == []
        with pytest.raises(TypeError, match="callback must be callable"):
            await aio.for_each(source, 7)  # type: ignore[arg-type]

    run(main)


def test_context_variables_are_those_of_the_task() -> None:
    """The callback of `for_each` and a blocking call see the context variables of the task."""

    async def main() -> None:
        name.set("task")
        seen: list[str] = []

        async def work(_: int) -> None:
            seen.append(name.get())

        await aio.for_each(reactivex.of(1), work)
        assert seen == ["task"]
        assert await off_loop(name.get) == "task"

    run(main)


# -- blocking calls --------------------------------------------------------------------------------


def test_off_loop_lets_the_loop_run_and_raises_the_calls_error() -> None:
    """`off_loop` lets the loop run during a blocking call, and raises the call's error."""

    async def main() -> None:
        release = threading.Event()
        waiting = asyncio.create_task(until(release))
        await spin()
        release.set()
        await waiting

        def fail() -> None:
            raise LookupError("lost")

        with pytest.raises(LookupError):
            await off_loop(fail)

    run(main)


def test_a_cancelled_blocking_call_does_not_delay_the_loops_end() -> None:
    """`off_loop` can be cancelled; `asyncio.run` ends although the blocking call still runs."""
    release, ended = threading.Event(), threading.Event()

    def wait() -> None:
        wait_event(release)
        ended.set()

    async def main() -> None:
        waiting = asyncio.create_task(off_loop(wait))
        await spin()
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()

    run(main)
    release.set()
    wait_event(ended)  # it waits still: the end of the loop has not waited for it


# -- where asyncio runs no loop --------------------------------------------------------------------


async def _ignore(_: object) -> None:
    pass


async def _enter(manager: Any) -> None:
    async with manager:
        pass


async def _iterate(source: Source) -> None:
    async for _ in aio.events(source):
        pass


def _posts() -> Any:
    """Of a server that nobody asks."""
    return BosBase("http://127.0.0.1:1").collection("posts")


@pytest.mark.parametrize(
    "start",
    [
        lambda source: _enter(aio.events(source)),
        _iterate,
        aio.first,
        lambda source: aio.first(source, timeout=1),
        lambda source: aio.for_each(source, _ignore),
        lambda _: _enter(aio.live(_posts())),
        lambda _: aio.subscribe(_posts(), "*", _ignore),
        lambda _: aio.subscribe(_posts()._client.realtime, "chat", _ignore),
        lambda _: off_loop(lambda: None),
    ],
)
def test_without_a_running_loop_each_call_raises_at_once(
    start: Callable[[Source], Coroutine[Any, Any, object]],
) -> None:
    """Without a running asyncio loop each call raises RuntimeError and subscribes nothing."""
    source = Source()
    coroutine = start(source)
    with pytest.raises(RuntimeError, match=r"needs a running asyncio .* Under trio .*aio_as_trio"):
        coroutine.send(None)
    assert not source._observers
