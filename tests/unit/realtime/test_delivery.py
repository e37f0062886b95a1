"""Routing: each frame to the subscribers of its topic, decoded once, in isolation."""

from __future__ import annotations

from typing import Any, cast

import pytest

from rxbosbase.events import MalformedEvent, Message, ReceivedAt, RecordEvent
from rxbosbase.realtime.connection import Batch, Connection
from rxbosbase.realtime.delivery import BURST_SIZE, Delivery, dispatch
from rxbosbase.realtime.protocol.frames import Frame, Skipped
from rxbosbase.realtime.protocol.topics import custom_topic, record_topic
from rxbosbase.realtime.session.registry import Registry, Subscriber

READ_AT = ReceivedAt(monotonic=5.0, wall=1.8e9)
FRAME = b'{"action":"update","record":{"id":"a"}}'


class DeliveryBench:
    """A delivery with its registry, and what it has skipped."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.skipped: list[MalformedEvent] = []
        self.delivery = Delivery(self.registry, self.remove, lambda e, _: self.skipped.append(e))

    def remove(self, subscriber: Subscriber) -> None:
        self.registry.remove(subscriber)

    def want(self, topic: str, raw: bool = False, keep: bool = False) -> list[Any]:
        log: list[Any] = []
        subscriber = Subscriber(log.append, log.append, lambda: None, raw=raw, keep_on_error=keep)
        wanted = custom_topic(topic) if raw else record_topic(*topic.split("/"))
        self.registry.add(wanted, subscriber)
        return log

    def deliver(self, *frames: Frame, skipped: list[Skipped] | None = None) -> None:
        unused = cast(Connection, None)  # the delivery does not read it
        self.delivery.deliver(Batch(unused, list(frames), 0, skipped or [], READ_AT))


def test_a_frame_is_decoded_once_for_the_subscribers_of_its_topic() -> None:
    """A frame is decoded once and delivered to the subscribers of its topic only."""
    bench = DeliveryBench()
    first, second, other = bench.want("posts/*"), bench.want("posts/*"), bench.want("posts/r1")
    bench.deliver(("posts/*", FRAME), ("unused/*", FRAME))
    assert first == [RecordEvent("posts/*", "update", {"id": "a"})]
    assert first[0] is second[0]
    assert (other, bench.delivery.events) == ([], 1)


@pytest.mark.parametrize("count", [1, BURST_SIZE])
def test_an_event_has_the_time_of_its_read(count: int) -> None:
    """Each event of a read has its time, alone and in a burst."""
    bench = DeliveryBench()
    events = bench.want("posts/*")
    bench.deliver(*[("posts/*", FRAME)] * count)
    assert [event.received_at for event in events] == [READ_AT] * count


def test_messages_and_records_of_one_topic_each_get_their_form() -> None:
    """On one topic, record subscribers receive `RecordEvent`s and raw ones `Message`s."""
    bench = DeliveryBench()
    records, messages = bench.want("posts/*"), bench.want("posts/*", raw=True)
    bench.deliver(("posts/*", FRAME))
    assert isinstance(records[0], RecordEvent)
    assert messages == [Message("posts/*", {"action": "update", "record": {"id": "a"}})]


def test_global_subscribers_also_receive_topics_without_a_subscriber() -> None:
    """Global subscribers also receive frames of topics without a subscriber."""
    bench = DeliveryBench()
    log: list[Message] = []
    bench.registry.global_subscribers = (Subscriber(log.append, print, lambda: None),)
    bench.deliver(("posts/*?options=%7B%7D", FRAME), ("chat", b"hello"))
    assert [(message.topic, message.data) for message in log] == [
        ("posts/*", {"action": "update", "record": {"id": "a"}}),
        ("chat", "hello"),
    ]


def test_malformed_and_skipped_frames_are_reported_and_the_next_one_delivered() -> None:
    """Malformed and skipped frames are reported, and the next frame is delivered."""
    bench = DeliveryBench()
    log = bench.want("posts/*")
    bench.deliver(
        ("posts/*", b"{"),
        ("posts/*", FRAME),
        skipped=[Skipped("too large", 5, "posts/*?options=x"), Skipped("too large", 5, None)],
    )
    assert len(log) == 1
    assert [error.topic for error in bench.skipped] == ["posts/*", "posts/*", "an unknown topic"]
    assert bench.delivery.skipped == 3


def failing(log: list[str], keep_on_error: bool) -> Subscriber:
    def on_next(_: Any) -> None:
        log.append("failed")
        raise ValueError("by the user")

    return Subscriber(on_next, log.append, lambda: None, keep_on_error=keep_on_error)  # type: ignore[arg-type]


@pytest.mark.parametrize("keep_on_error", [True, False])
def test_a_subscriber_that_raises_is_logged_and_the_others_get_the_event_once(
    keep_on_error: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A subscriber that raises is logged and removed unless `keep_on_error`; others go on."""
    log: list[str] = []
    removed: list[Subscriber] = []
    fine = Subscriber(lambda event: log.append(event), log.append, lambda: None)  # type: ignore[arg-type]
    bad = failing(log, keep_on_error)
    dispatch((fine, bad, fine, bad), "event", removed.append)
    assert log == ["event", "failed", "event", "failed"]
    assert removed == ([] if keep_on_error else [bad, bad])
    assert "by the user" in caplog.text


def test_a_subscriber_removed_during_an_event_is_not_called() -> None:
    """A subscriber removed during an event receives neither that event nor later ones."""
    bench = DeliveryBench()
    victim = bench.want("posts/*")
    entry = bench.registry.entries["posts/*"]
    target = entry.records[0]
    first = Subscriber(lambda _: bench.registry.remove(target), print, lambda: None)
    entry.records = (first, target)
    bench.deliver(("posts/*", FRAME), ("posts/*", FRAME))
    assert victim == []


BURST = [("posts/*", FRAME.replace(b'"a"', b'"%d"' % number)) for number in range(20)]


def ids(log: list[Any]) -> list[int]:
    return [int(event.record["id"]) for event in log]


def test_a_burst_reaches_each_subscriber_in_order() -> None:
    """A burst reaches each subscriber completely and in order."""
    bench = DeliveryBench()
    one = bench.want("posts/*")
    bench.deliver(*BURST)
    two = bench.want("posts/*")
    bench.deliver(*BURST)
    assert (ids(one), ids(two)) == ([*range(20)] * 2, [*range(20)])
    assert bench.delivery.events == 40


def test_subscribers_may_be_added_and_removed_in_a_burst() -> None:
    """A subscriber added or removed in a burst is so from the next event on."""
    bench = DeliveryBench()
    late: list[Any] = []
    seen: list[Any] = []

    def come_and_go(event: Any) -> None:
        seen.append(event)
        if len(seen) == 5:
            bench.registry.add(record_topic("posts", "*"), newcomer)
        if len(seen) == 10:
            bench.registry.remove(first)

    first = Subscriber(come_and_go, seen.append, lambda: None)
    newcomer = Subscriber(late.append, late.append, lambda: None)
    bench.registry.add(record_topic("posts", "*"), first)
    bench.deliver(*BURST)
    assert (ids(seen), ids(late)) == ([*range(10)], [*range(5, 20)])


def test_an_observer_that_raises_in_a_burst_is_removed_and_a_callback_stays() -> None:
    """An observer that raises in a burst is removed; a callback receives the rest of it."""
    for keep_on_error in (True, False):
        bench = DeliveryBench()
        seen: list[Any] = []

        def fail_at_five(event: Any, seen: list[Any] = seen) -> None:
            seen.append(event)
            if len(seen) == 5:
                raise RuntimeError("the fifth")

        bench.registry.add(
            record_topic("posts", "*"),
            Subscriber(fail_at_five, seen.append, lambda: None, keep_on_error=keep_on_error),
        )
        bench.deliver(*BURST)
        assert ids(seen) == [*range(20 if keep_on_error else 5)]


def test_a_malformed_event_in_a_burst_is_left_out_alone() -> None:
    """A malformed event in a burst is reported, and all other events are delivered."""
    bench = DeliveryBench()
    log = bench.want("posts/*")
    for bad in (b"{", b"[]", b'{"action":"update","record":[]}', b'{"action":"x","record":{}}'):
        bench.deliver(*BURST[:10], ("posts/*", bad), *BURST[10:])
        assert ids(log) == [*range(20)]
        log.clear()
    assert len(bench.skipped) == 4


def mixed(*topics: str) -> list[Frame]:
    """Return the events of `BURST`, on these topics in turn."""
    return [(topics[at % len(topics)], data) for at, (_, data) in enumerate(BURST)]


def test_a_burst_of_many_topics_reaches_the_subscribers_of_each() -> None:
    """In a burst of several topics, each subscriber receives the events of its topic only."""
    bench = DeliveryBench()
    logs = [
        bench.want("posts/*"),
        bench.want("posts/*"),
        bench.want("posts/r1"),
        bench.want("tags/*"),
    ]
    bench.deliver(*mixed("posts/*", "posts/r1", "tags/*"))
    assert list(map(ids, logs)) == [
        [*range(0, 20, 3)],
        [*range(0, 20, 3)],
        [*range(1, 20, 3)],
        [*range(2, 20, 3)],
    ]
    assert {event.topic for log in logs[2:] for event in log} == {"posts/r1", "tags/*"}
    assert bench.delivery.events == 20


@pytest.mark.parametrize("odd", ["messages", "actions", "unused", "everything"])
def test_a_burst_of_mixed_kinds_reaches_each_subscriber(odd: str) -> None:
    """A burst that mixes kinds of subscribers and topics reaches each of them completely."""
    bench = DeliveryBench()
    log = bench.want("posts/*")
    other: list[Any] = []
    if odd == "messages":
        other = bench.want("tags/*", raw=True)
    elif odd == "everything":
        bench.registry.global_subscribers = (Subscriber(other.append, other.append, lambda: None),)
    elif odd == "actions":
        narrow = Subscriber(other.append, other.append, lambda: None, actions=frozenset({"update"}))
        bench.registry.add(record_topic("tags", "*"), narrow)
    bench.deliver(*mixed("posts/*", "tags/*"))
    assert ids(log) == [*range(0, 20, 2)]
    assert len(other) == {"messages": 10, "actions": 10, "unused": 0, "everything": 20}[odd]


def test_a_callback_that_raises_in_a_burst_affects_no_other_topic() -> None:
    """A callback that raises in a burst does not affect subscribers of other topics."""
    bench = DeliveryBench()
    quiet = bench.want("tags/*")

    def fail(_: Any) -> None:
        raise SystemExit

    callback = Subscriber(fail, quiet.append, lambda: None, keep_on_error=True)
    bench.registry.add(record_topic("posts", "*"), callback)
    bench.deliver(*mixed("posts/*", "tags/*"))
    assert ids(quiet) == [*range(1, 20, 2)]


def test_a_topic_subscribed_again_in_a_burst_misses_no_event() -> None:
    """A topic left and subscribed again during each event of a burst misses no event."""
    bench = DeliveryBench()
    seen: list[Any] = []

    def once() -> Subscriber:
        def take(event: Any) -> None:
            seen.append(event)
            bench.registry.remove(subscriber)
            bench.registry.add(record_topic("posts", "*"), once())

        subscriber = Subscriber(take, seen.append, lambda: None)
        return subscriber

    bench.registry.add(record_topic("posts", "*"), once())
    bench.deliver(*BURST)
    assert ids(seen) == [*range(20)]
