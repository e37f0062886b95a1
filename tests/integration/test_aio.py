"""asyncio on the real server: streams, callbacks and live views, with a loop that never waits."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from support.live_schema import World, eventually

from rxbosbase import ClientClosedError, ClientResponseError, RequestTimeoutError, aio
from rxbosbase.aio._waiting import off_loop
from rxbosbase.live import apply_changes

pytest_plugins = ["support.live_fixtures"]

LIMIT = 20.0
STALL = 1.0
"""Seconds between two beats of the loop that no wait of ours comes near, on a busy machine too."""

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="")


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """Runs the test's coroutine, and asks that the loop was never held up."""

    async def limited() -> Any:
        loop = asyncio.get_running_loop()
        stalls: list[float] = []

        last = loop.time()

        async def beat() -> None:
            nonlocal last
            while True:
                await asyncio.sleep(0.01)
                now = loop.time()
                stalls.append(now - last)
                last = now

        beating = asyncio.create_task(beat())
        async with asyncio.timeout(LIMIT):
            result = await main()
        beating.cancel()
        assert max(*stalls, loop.time() - last, 0.0) < STALL
        return result

    return asyncio.run(limited())


def wanted(world: World) -> int:
    """How many topics the superuser's client wants."""
    return world.admin.realtime.stats.topics


# -- events ----------------------------------------------------------------------------------------


def test_events_come_until_the_block_is_left(world: World) -> None:
    """`aio.events` yields a record's event; leaving the block removes its topic at once."""
    posts = world.collection()

    async def main() -> None:
        async with aio.events(posts.observe()) as events:
            await off_loop(lambda: posts._client.service.monitor.wait_active(10.0))
            made = await off_loop(lambda: posts.create({"title": "one"}))
            assert (await anext(events)).record["id"] == made["id"]
            assert wanted(world) == 1
        assert wanted(world) == 0

    run(main)


def test_closing_the_client_ends_the_loop(world: World) -> None:
    """`client.close()` ends an `async for` over `aio.events` without an error."""
    client = world.superuser()
    posts = world.collection()

    async def main() -> None:
        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        client.close()
        assert await task == 0

    async def read() -> int:
        return len([event async for event in aio.events(client.collection(posts.name).observe())])

    run(main)


def test_closing_the_client_ends_the_loop_of_a_task_that_holds_the_delivery_back(
    world: World,
) -> None:
    """`close` ends an `aio.events` loop also while its full queue blocks the delivery thread."""
    client = world.superuser()
    posts = world.collection()

    async def main() -> None:
        async with aio.events(client.collection(posts.name).observe(), size=1) as events:
            await off_loop(client.realtime.wait_active)
            await off_loop(lambda: [posts.create({"n": n}) for n in range(5)])
            await anext(events)
            client.close()
            rest = [event async for event in events]
            assert len(rest) <= 3

    run(main)


def test_an_error_of_the_stream_is_raised_in_the_loop(world: World) -> None:
    """`aio.first` raises the 403 of a collection that only superusers may list."""
    posts = world.collection(listRule=None)
    guest = world.client().collection(posts.name)

    async def main() -> None:
        with pytest.raises(ClientResponseError) as caught:
            await aio.first(guest.observe())
        assert caught.value.status == 403

    run(main)


def test_cancelling_the_task_removes_the_topic(world: World) -> None:
    """Cancelling a task inside `async for` over `aio.events` removes the topic."""
    posts = world.collection()

    async def read() -> None:
        async for _ in aio.events(posts.observe()):
            pass

    async def main() -> None:
        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        assert wanted(world) == 1
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        assert wanted(world) == 0

    run(main)


# -- callbacks -------------------------------------------------------------------------------------


def test_callbacks_run_one_at_a_time_with_the_callers_context(world: World) -> None:
    """An `async` callback runs once at a time, with the context variables of the caller."""
    posts = world.collection()
    log: list[str] = []
    done = asyncio.Event()

    async def on_event(event: Any) -> None:
        log.append(f"{name.get()} begins")
        await asyncio.sleep(0.01)
        log.append("ends")
        if len(log) == 4:
            done.set()

    async def main() -> None:
        name.set("caller")
        async with await aio.subscribe(posts, "*", on_event):
            await off_loop(lambda: [posts.create({"n": n}) for n in range(2)])
            await done.wait()
        assert wanted(world) == 0

    run(main)
    assert log == ["caller begins", "ends"] * 2


def test_a_callback_that_raises_is_reported_and_stays_subscribed(world: World) -> None:
    """The loop's exception handler gets each error of a callback, which stays subscribed."""
    posts = world.collection()
    reported: list[dict[str, Any]] = []
    calls: asyncio.Queue[Any] = asyncio.Queue()

    async def on_event(event: Any) -> None:
        await calls.put(event)
        raise LookupError("lost")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: reported.append(what))
        async with await aio.subscribe(posts, "*", on_event):
            for _ in range(2):
                await off_loop(lambda: posts.create({}))
                await calls.get()

    run(main)
    assert [type(each["exception"]) for each in reported] == [LookupError, LookupError]
    assert "the callback of '*' raised; it stays subscribed" in reported[0]["message"]


def test_a_refused_topic_is_raised_by_subscribe(world: World) -> None:
    """`aio.subscribe` raises the server's 403, and TypeError if the callback is not callable."""
    posts = world.collection(listRule=None)
    guest = world.client().collection(posts.name)

    async def never(event: Any) -> None:
        raise AssertionError(event)

    async def main() -> None:
        with pytest.raises(ClientResponseError) as caught:
            await aio.subscribe(guest, "*", never)
        assert caught.value.status == 403
        with pytest.raises(TypeError, match="callback must be callable"):
            await aio.subscribe(guest, "*", None)  # type: ignore[call-overload]

    run(main)


def test_cancelling_a_waiting_subscribe_removes_the_topic_at_once(fragile: World) -> None:
    """Cancelling `aio.subscribe` while the server is paused removes the topic at once."""
    posts = fragile.collection()
    fragile.server.pause()

    async def never(event: Any) -> None:
        raise AssertionError(event)

    async def main() -> None:
        task = asyncio.create_task(aio.subscribe(posts, "*", never))
        await asyncio.sleep(0.02)
        assert wanted(fragile) == 1
        task.cancel()
        await asyncio.wait([task])
        assert wanted(fragile) == 0

    try:
        run(main)
    finally:
        fragile.server.resume()


def test_custom_topics_and_the_end_of_one(world: World) -> None:
    """`aio.subscribe` delivers PB_CONNECT; `wait` returns once the topic is unsubscribed."""
    realtime = world.admin.realtime
    got: asyncio.Queue[str] = asyncio.Queue()

    async def on_connect(message: Any) -> None:
        await got.put(message["clientId"])

    async def main() -> None:
        posts = world.collection()
        with posts.subscribe("*", lambda _: None):
            subscription = await aio.subscribe(realtime, "PB_CONNECT", on_connect)
            assert await got.get() == realtime.client_id
            realtime.unsubscribe("PB_CONNECT")
            await subscription.wait()
            await subscription.aclose()

    run(main)


def test_a_callback_may_end_its_own_subscription(world: World) -> None:
    """A callback may await `aclose` of its own subscription, which removes the topic."""
    posts = world.collection()
    done = asyncio.Event()

    async def main() -> None:
        async def once(event: Any) -> None:
            await subscription.aclose()
            done.set()

        subscription = await aio.subscribe(posts, "*", once)
        await off_loop(lambda: posts.create({}))
        await done.wait()
        await subscription.wait()
        assert wanted(world) == 0

    run(main)


# -- live views ------------------------------------------------------------------------------------


def test_a_view_becomes_fresh_and_follows_changes(world: World) -> None:
    """`aio.live` waits for a fresh snapshot, then yields changes, and ends with its block."""
    posts = world.collection()
    first = posts.create({"n": 1})["id"]

    async def main() -> None:
        async with aio.live(posts, filter="n > 0", sort="n") as view:
            fresh = await view.wait_fresh()
            assert [record["id"] for record in fresh.records] == [first]
            assert view.current is fresh
            second = (await off_loop(lambda: posts.create({"n": 2})))["id"]
            async for snapshot in view:
                if len(snapshot.records) == 2:
                    break
            assert [record["id"] for record in view.current.records] == [first, second]
        eventually(lambda: not world.admin.live_manager._views)

    run(main)


def test_a_slow_task_misses_no_change(world: World) -> None:
    """A slow task gets fewer snapshots of `aio.live`, and their changes still chain."""
    posts = world.collection()

    async def main() -> None:
        shown: list[Any] = []
        async with aio.live(posts, sort="n") as view:
            await view.wait_fresh()
            writing = asyncio.create_task(
                off_loop(lambda: [posts.create({"n": 50 - n}) for n in range(50)])
            )
            snapshots = 0
            async for snapshot in view:
                snapshots += 1
                shown = apply_changes(shown, snapshot.changes)
                assert shown == list(snapshot.records)
                if len(shown) == 50:
                    break
                if shown:  # the other records come before the task looks again
                    await writing
                    while len(view.current.records) < 50:
                        await asyncio.sleep(0.01)
            await writing
            assert snapshots <= 3

    run(main)


def test_a_task_too_slow_for_its_changes_gets_the_net_difference(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more than `MAX_CHANGES` changes queued, the next snapshot has the net changes."""
    monkeypatch.setattr("rxbosbase.aio._live.MAX_CHANGES", 3)
    posts = world.collection()
    for n in range(5):
        posts.create({"n": n})

    async def main() -> None:
        shown: list[Any] = []
        async with aio.live(posts, sort="-n") as view:
            await view.wait_fresh()
            for size in (9, 13):
                for n in range(size - 4, size):
                    await off_loop(partial(posts.create, {"n": n}))
                while len(view.current.records) < size:
                    await asyncio.sleep(0.01)
                snapshot = await anext(view)
                shown = apply_changes(shown, snapshot.changes)
                assert shown == list(snapshot.records)
            assert len(snapshot.changes) == 4

    run(main)


def test_a_refused_view_raises_from_wait_fresh_and_anext(world: World) -> None:
    """A refused query raises its ClientResponseError from `wait_fresh` and from `anext`."""
    posts = world.collection(listRule=None)
    guest = world.client().collection(posts.name)

    async def main() -> None:
        async with aio.live(guest) as view:
            with pytest.raises(ClientResponseError):
                await view.wait_fresh()
            with pytest.raises(ClientResponseError):
                await anext(view)

    run(main)


def test_wait_fresh_raises_after_its_timeout(fragile: World) -> None:
    """`wait_fresh(0.05)` of `aio.live` raises RequestTimeoutError while the server is paused."""
    posts = fragile.collection()
    fragile.server.pause()

    async def main() -> None:
        async with aio.live(posts) as view:
            assert (view.current.version, list(view.current.records)) == (0, [])
            with pytest.raises(RequestTimeoutError, match=r"not fresh within 0\.05 s"):
                await view.wait_fresh(0.05)

    try:
        run(main)
    finally:
        fragile.server.resume()


def test_closing_the_client_ends_the_view(world: World) -> None:
    """`close` ends the iteration of `aio.live`; later, `wait_fresh` raises ClientClosedError."""
    client = world.superuser()
    posts = client.collection(world.collection().name)

    async def main() -> None:
        async with aio.live(posts) as view:
            await view.wait_fresh()
            client.close()
            async for _ in view:
                pass
        other = aio.live(posts)
        async with other:
            with pytest.raises(ClientClosedError):
                await other.wait_fresh()

    run(main)


def test_a_view_is_used_inside_its_block_alone(world: World) -> None:
    """`aio.live` raises RuntimeError when used outside its block, or entered twice."""
    posts = world.collection()

    async def main() -> None:
        view = aio.live(posts)
        with pytest.raises(RuntimeError, match="use `async with"):
            _ = view.current
        with pytest.raises(RuntimeError, match="use `async with"):
            await view.wait_fresh()
        async with view:
            with pytest.raises(RuntimeError, match="entered already"):
                await view.__aenter__()

    run(main)


def test_a_closed_loop_leaves_a_view_without_an_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A change after the event loop is closed stops the view and logs nothing."""
    posts = world.collection()
    loop = asyncio.new_event_loop()
    view = aio.live(posts)
    loop.run_until_complete(view.__aenter__())
    loop.run_until_complete(view.wait_fresh())
    loop.close()
    posts.create({})
    eventually(lambda: not world.admin.live_manager._views)
    assert caplog.records == []


def test_the_loop_goes_on_while_a_subscriber_blocks_the_delivery(world: World) -> None:
    """A callback that blocks the delivery thread does not block the event loop."""
    posts = world.collection()
    release = threading.Event()
    seen = asyncio.Event()
    released: list[bool] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def block(_: Any) -> None:
            loop.call_soon_threadsafe(seen.set)
            released.append(release.wait(LIMIT))

        with await off_loop(lambda: posts.subscribe("*", block)):
            await off_loop(lambda: posts.create({}))
            await seen.wait()
            with pytest.raises(RequestTimeoutError):
                await aio.first(posts.observe(), timeout=0.02)
            async with aio.live(posts) as view, aio.events(posts.observe()):
                with pytest.raises(RequestTimeoutError):
                    await view.wait_fresh(0.02)
            assert released == []
            release.set()

    run(main)
    eventually(lambda: released == [True])
