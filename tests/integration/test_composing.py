"""Streams composed with RxPY's own operators, on the real server: all on the delivery thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.scheduler import ThreadPoolScheduler
from support.live_schema import Event, Received, World, collect, status, titles

from rxbosbase import operators as rxb

pytest_plugins = ["support.live_fixtures"]

DELIVERY = "rxbosbase-delivery"

Operator = Callable[[Any], Any]


def action_of(event: Event) -> str:
    return event.action


def number_of(event: Event) -> int:
    return int(event.record["n"])


def by_action(inner: Operator) -> Operator:
    """Apply the operator to the events of each action separately."""

    def within(group: Any) -> Any:
        return group.pipe(inner)

    def each(stream: Any) -> Any:
        return stream.pipe(ops.group_by(action_of), ops.flat_map(within))

    return each


def windowed(stream: Any) -> Any:
    return stream.pipe(ops.window_with_time(0.02), ops.merge_all())


TIMED: dict[str, Operator] = {
    "debounce": ops.debounce(0.02),
    "sample": ops.sample(0.02),
    "delay": ops.delay(0.02),
    "buffer_with_time": ops.buffer_with_time(0.02),
    "buffer_with_time_or_count": ops.buffer_with_time_or_count(0.02, 100),
    "window_with_time": windowed,
    "throttle_first": ops.throttle_first(0.02),
    "throttle_with_timeout": ops.throttle_with_timeout(0.02),
    "time_interval": ops.time_interval(),
    "timestamp": ops.timestamp(),
    "timer of the user's": ops.flat_map(lambda _: reactivex.timer(0.02)),
    "interval of the user's": ops.flat_map(lambda _: reactivex.interval(0.01).pipe(ops.take(2))),
    "group_by, then debounce": by_action(ops.debounce(0.02)),
    "share, then debounce": lambda s: s.pipe(ops.share(), ops.debounce(0.02)),
    "replay, then debounce": lambda s: s.pipe(
        ops.replay(buffer_size=1), ops.ref_count(), ops.debounce(0.02)
    ),
    "merge, then debounce": lambda s: s.pipe(ops.merge(s), ops.debounce(0.02)),
    "conflate_by_id": rxb.conflate_by_id(0.02),
    "debounce_by_id": rxb.debounce_by_id(0.02),
    "rate": rxb.rate(0.05),
}


CONNECTABLE: dict[str, Operator] = {
    "fluent publish": lambda s: s.publish().ref_count().debounce(0.02),
    "fluent replay": lambda s: s.debounce(0.02).replay(1).ref_count(),
    "publish in a pipe of its own": lambda s: s.pipe(ops.publish()).pipe(
        ops.ref_count(), ops.debounce(0.02)
    ),
    "debounce before publish": lambda s: s.pipe(ops.debounce(0.02), ops.publish()).auto_connect(),
    "debounce after auto_connect": lambda s: s.publish().auto_connect().debounce(0.02),
}


@pytest.mark.parametrize("name", TIMED)
def test_timed_operators_run_on_the_delivery_thread_and_start_none(world: World, name: str) -> None:
    """Each timed operator delivers on the delivery thread and starts no thread of its own."""
    posts = world.collection()
    started_before = set(threading.enumerate())
    received: Received[Any] = collect(posts.observe("*").pipe(TIMED[name]))
    world.wait_active()
    posts.create({"title": "x"})
    received.have(1)
    others = {thread.name for thread in threading.enumerate() if thread not in started_before} - {
        DELIVERY
    }
    received.dispose()
    assert received.threads == {DELIVERY}
    assert {name for name in others if not name.startswith("rxbosbase")} == set()


@pytest.mark.parametrize("name", CONNECTABLE)
def test_timers_behind_publish_and_replay_run_on_the_delivery_thread(
    world: World, name: str
) -> None:
    """Timers before or after `publish` and `replay` run on the delivery thread."""
    posts = world.collection()
    received: Received[Any] = collect(CONNECTABLE[name](posts.observe("*")))
    world.wait_active()
    posts.create({"title": "x"})
    received.have(1)
    assert received.threads == {DELIVERY}


def test_both_spellings_run_on_the_delivery_thread(world: World) -> None:
    """A stream, its piped and its fluent `debounce` all deliver on the delivery thread."""
    posts = world.collection()
    plain = collect(posts.observe("*"))
    timed = collect(posts.observe("*").pipe(ops.debounce(0.02)))
    fluent = collect(posts.observe("*").debounce(0.02))
    world.wait_active()
    posts.create({"title": "x"})
    for received in (plain, timed, fluent):
        received.have(1)
        assert received.threads == {DELIVERY}


# -- composing -------------------------------------------------------------------------------------


def test_filter_map_and_scan_compose_in_both_spellings(world: World) -> None:
    """`filter`, `map` and `scan` give the same results piped and as fluent methods."""
    posts = world.collection()

    def is_even(event: Event) -> bool:
        return bool(event.record["n"] % 2 == 0)

    piped = collect(
        posts.observe("*").pipe(
            ops.filter(is_even), ops.map(number_of), ops.scan(lambda a, b: a + b, 0)
        )
    )
    fluent = collect(
        posts.observe("*").filter(is_even).map(lambda e: e.record["n"]).scan(lambda a, b: a + b, 0)
    )
    world.wait_active()
    for number in range(1, 7):
        posts.create({"n": number})
        piped.have(number // 2)
    assert piped.have(3) == fluent.have(3) == [2, 6, 12]


def test_events_are_grouped_by_action(world: World) -> None:
    """`group_by` on the action counts create, update and delete events separately."""
    posts = world.collection()

    def counted(group: Any) -> Any:
        return group.pipe(
            ops.scan(lambda count, _: count + 1, 0), ops.map(lambda count: (group.key, count))
        )

    counts: Received[tuple[str, int]] = collect(
        posts.observe("*").pipe(ops.group_by(action_of), ops.flat_map(counted))
    )
    world.wait_active()
    for _ in range(2):
        record = posts.create({})
        posts.update(record["id"], {"n": 1})
        posts.delete(record["id"])
    assert sorted(counts.have(6)) == [
        (action, count) for action in ("create", "delete", "update") for count in (1, 2)
    ]


def test_debounce_gives_the_last_of_a_burst_and_buffer_all_of_it(world: World) -> None:
    """`debounce` emits the last event of a burst, `buffer_with_time` all events in order."""
    posts = world.collection()
    written = threading.Event()
    # However long the writes take, their events are delivered as one burst.
    posts.observe("*").subscribe(lambda _: written.wait(20))
    last = collect(posts.observe("*").pipe(ops.debounce(0.2)))
    buffers = collect(
        posts.observe("*").pipe(ops.buffer_with_time(0.1), ops.filter(lambda batch: bool(batch)))
    )
    everything = collect(posts.observe("*"))
    world.wait_active()
    for number in range(20):
        posts.create({"n": number})
    written.set()
    final = everything.have(20)[-1]
    last.first(lambda event: event is final)
    assert len(last.items) < 20
    received = buffers.until(lambda b: sum(map(len, b.items)) >= 20)
    assert [event for batch in received for event in batch] == everything.items


def test_take_and_first_remove_the_topic_when_they_complete(world: World) -> None:
    """When `take` and `first` complete, the topic is removed and the connection closes."""
    posts = world.collection()
    taken = collect(posts.observe("*").pipe(ops.take(2)))
    first = collect(posts.observe("*").pipe(ops.first(lambda e: e.record["n"] == 2)))
    world.wait_active()
    for number in range(1, 4):
        posts.create({"n": number})
    taken.end()
    first.end()
    assert [event.record["n"] for event in first.items] == [2]
    assert len(taken.items) == 2
    collect(world.admin.realtime.status).first(lambda now: now.state == "idle")


PLURAL: dict[str, Operator] = {
    "merge": lambda s: s.pipe(ops.merge(s)),
    "concat": lambda s: s.pipe(ops.take(1), ops.concat(s)),
    "start_with": ops.start_with("before"),
    "repeat": ops.repeat(),
    "retry": ops.retry(3),
    "catch": lambda s: s.pipe(ops.catch(s)),
    "combine_latest": lambda s: s.pipe(ops.combine_latest(s)),
    "merge, map, timestamp": lambda s: s.pipe(ops.merge(s), ops.map(str), ops.timestamp()),
}


@pytest.mark.parametrize("name", PLURAL)
def test_wait_active_covers_the_topic_of_any_pipeline(world: World, name: str) -> None:
    """`wait_active` after `subscribe` waits for the topic, whatever operators are piped on."""
    posts = world.collection()
    entered, leave = threading.Event(), threading.Event()

    def linger(_: Event) -> None:
        entered.set()
        leave.wait(20)

    with world.admin.collection(posts.name).subscribe("*", linger, filter="n = -1"):
        posts.create({"n": -1})
        assert entered.wait(10)  # also while a slow callback holds the delivery up
        before = len(status(world.admin).topics)
        subscription = posts.observe("*").pipe(PLURAL[name]).subscribe()
        world.admin.realtime.wait_active()
        assert len(status(world.admin).topics) == before + 1
        leave.set()
        subscription.dispose()


def test_streams_of_two_collections_merge(world: World) -> None:
    """`merge` of two streams with `debounce` on `client.scheduler` uses the delivery thread."""
    posts, comments = world.collection(), world.collection("comments")
    both = collect(
        reactivex.merge(posts.observe("*"), comments.observe("*")).pipe(
            ops.debounce(0.02, scheduler=world.admin.scheduler)
        )
    )
    world.wait_active()
    posts.create({"title": "post"})
    assert titles(both.have(1)) == ["post"]
    comments.create({"title": "comment"})
    assert titles(both.have(2)) == ["post", "comment"]
    assert both.threads == {DELIVERY}


def test_an_operator_that_raises_ends_its_own_pipeline_alone(world: World) -> None:
    """An error in `map` fails its own pipeline; another one on the same topic goes on."""
    posts = world.collection()
    broken = collect(posts.observe("*").pipe(ops.map(lambda e: 1 / 0)))
    whole: Received[Event] = collect(posts.observe("*"))
    world.wait_active()
    posts.create({})
    posts.create({})
    assert isinstance(broken.failure(), ZeroDivisionError)
    whole.have(2)


def test_a_pipeline_starts_afresh_with_repeat_after_an_unsubscribe(world: World) -> None:
    """`repeat(2)` subscribes again after `unsubscribe`, and completes after the second."""
    posts = world.collection()
    received = collect(posts.observe("*").pipe(ops.repeat(2)))
    world.wait_active()
    posts.create({"title": "one"})
    received.have(1)
    posts.unsubscribe("*")
    collect(world.admin.realtime.status).first(lambda now: len(now.topics) == 1)
    world.wait_active()
    posts.create({"title": "two"})
    assert titles(received.have(2)) == ["one", "two"]
    posts.unsubscribe("*")
    received.end()


def test_events_behind_a_bounded_queue_leave_the_delivery_thread_free(world: World) -> None:
    """Behind `bounded_observe_on`, a blocked observer delays no other and gets every event."""
    posts = world.collection()
    leave = threading.Event()
    slow: Received[Event] = Received()

    def work(event: Event) -> None:
        leave.wait(10)
        slow(event)

    pool = ThreadPoolScheduler(1)
    posts.observe("*").pipe(rxb.bounded_observe_on(pool, 100)).subscribe(work)
    quick = collect(posts.observe("*"))
    world.wait_active()
    for _ in range(5):
        posts.create({})
    assert quick.have(5)
    assert slow.items == []
    leave.set()
    assert slow.have(5) == quick.items
    posts.unsubscribe()
    pool.executor.shutdown()
