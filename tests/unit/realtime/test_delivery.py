"""Routing: each frame to those who asked for its topic, decoded once, in isolation."""

from __future__ import annotations

from typing import Any, cast

import pytest

from rxbosbase.events import MalformedEvent, Message, RecordEvent
from rxbosbase.realtime.connection import Batch, Connection
from rxbosbase.realtime.delivery import Delivery, dispatch
from rxbosbase.realtime.protocol.frames import Frame, Skipped
from rxbosbase.realtime.protocol.topics import custom_topic, record_topic
from rxbosbase.realtime.session.registry import Registry, Subscriber

FRAME = b'{"action":"update","record":{"id":"a"}}'


class Room:
    """A delivery with its registry, and what came of it."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.skipped: list[MalformedEvent] = []
        self.delivery = Delivery(self.registry, self.expel, lambda e, _: self.skipped.append(e))

    def expel(self, subscriber: Subscriber) -> None:
        self.registry.remove(subscriber)

    def want(self, topic: str, raw: bool = False, keeps: bool = False) -> list[Any]:
        log: list[Any] = []
        subscriber = Subscriber(log.append, log.append, lambda: None, raw=raw, keeps=keeps)
        wanted = custom_topic(topic) if raw else record_topic(*topic.split("/"))
        self.registry.add(wanted, subscriber)
        return log

    def deliver(self, *frames: Frame, skipped: list[Skipped] | None = None) -> None:
        nobody = cast(Connection, None)  # who brought them is not the delivery's business
        self.delivery.deliver(Batch(nobody, list(frames), 0, skipped or []))


def test_a_frame_reaches_those_of_its_topic_alone_and_is_built_once() -> None:
    """A frame is decoded once and delivered to the subscribers of its topic only."""
    room = Room()
    first, second, other = room.want("posts/*"), room.want("posts/*"), room.want("posts/r1")
    room.deliver(("posts/*", FRAME), ("nobody/*", FRAME))
    assert first == [RecordEvent("posts/*", "update", {"id": "a"})]
    assert first[0] is second[0]
    assert (other, room.delivery.events) == ([], 1)


def test_messages_and_records_of_one_topic_each_get_their_form() -> None:
    """On one topic, record subscribers receive `RecordEvent`s and raw ones `Message`s."""
    room = Room()
    records, messages = room.want("posts/*"), room.want("posts/*", raw=True)
    room.deliver(("posts/*", FRAME))
    assert isinstance(records[0], RecordEvent)
    assert messages == [Message("posts/*", {"action": "update", "record": {"id": "a"}})]


def test_those_who_listen_to_everything_get_also_what_nobody_asked_for() -> None:
    """Subscribers to everything also receive frames of topics without a subscriber."""
    room = Room()
    log: list[Message] = []
    room.registry.everything = (Subscriber(log.append, print, lambda: None),)
    room.deliver(("posts/*?options=%7B%7D", FRAME), ("chat", b"hello"))
    assert [(message.topic, message.data) for message in log] == [
        ("posts/*", {"action": "update", "record": {"id": "a"}}),
        ("chat", "hello"),
    ]


def test_malformed_and_skipped_frames_are_told_and_the_next_one_comes() -> None:
    """Malformed and skipped frames are reported, and the next frame is delivered."""
    room = Room()
    log = room.want("posts/*")
    room.deliver(
        ("posts/*", b"{"),
        ("posts/*", FRAME),
        skipped=[Skipped("too large", 5, "posts/*?options=x"), Skipped("too large", 5, None)],
    )
    assert len(log) == 1
    assert [error.topic for error in room.skipped] == ["posts/*", "posts/*", "an unknown topic"]
    assert room.delivery.skipped == 3


def failing(log: list[str], keeps: bool) -> Subscriber:
    def on_next(_: Any) -> None:
        log.append("failed")
        raise ValueError("by the user")

    return Subscriber(on_next, log.append, lambda: None, keeps=keeps)  # type: ignore[arg-type]


@pytest.mark.parametrize("keeps", [True, False])
def test_one_that_raises_is_logged_and_the_others_get_the_event_once(
    keeps: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A subscriber that raises is logged and removed unless it `keeps`; others go on."""
    log: list[str] = []
    expelled: list[Subscriber] = []
    fine = Subscriber(lambda event: log.append(event), log.append, lambda: None)  # type: ignore[arg-type]
    bad = failing(log, keeps)
    dispatch((fine, bad, fine, bad), "event", expelled.append)
    assert log == ["event", "failed", "event", "failed"]
    assert expelled == ([] if keeps else [bad, bad])
    assert "by the user" in caplog.text


def test_unsubscribing_in_mid_event_silences_the_later_ones() -> None:
    """A subscriber removed during an event receives neither that event nor later ones."""
    room = Room()
    victim = room.want("posts/*")
    entry = room.registry.entries["posts/*"]
    target = entry.records[0]
    first = Subscriber(lambda _: room.registry.remove(target), print, lambda: None)
    entry.records = (first, target)
    room.deliver(("posts/*", FRAME), ("posts/*", FRAME))
    assert victim == []


BURST = [("posts/*", FRAME.replace(b'"a"', b'"%d"' % number)) for number in range(20)]


def ids(log: list[Any]) -> list[int]:
    return [int(event.record["id"]) for event in log]


def test_a_burst_reaches_all_in_order_however_many_they_are() -> None:
    """A burst reaches each subscriber completely and in order."""
    room = Room()
    one = room.want("posts/*")
    room.deliver(*BURST)
    two = room.want("posts/*")
    room.deliver(*BURST)
    assert (ids(one), ids(two)) == ([*range(20)] * 2, [*range(20)])
    assert room.delivery.events == 40


def test_subscribers_come_and_go_in_the_middle_of_a_burst() -> None:
    """A subscriber added or removed in a burst is so from the next event on."""
    room = Room()
    late: list[Any] = []
    seen: list[Any] = []

    def come_and_go(event: Any) -> None:
        seen.append(event)
        if len(seen) == 5:
            room.registry.add(record_topic("posts", "*"), newcomer)
        if len(seen) == 10:
            room.registry.remove(first)

    first = Subscriber(come_and_go, seen.append, lambda: None)
    newcomer = Subscriber(late.append, late.append, lambda: None)
    room.registry.add(record_topic("posts", "*"), first)
    room.deliver(*BURST)
    assert (ids(seen), ids(late)) == ([*range(10)], [*range(5, 20)])


def test_an_observer_that_raises_in_a_burst_is_out_and_a_callback_stays() -> None:
    """An observer that raises in a burst is removed; a callback receives the rest of it."""
    for keeps in (True, False):
        room = Room()
        seen: list[Any] = []

        def fail_at_five(event: Any, seen: list[Any] = seen) -> None:
            seen.append(event)
            if len(seen) == 5:
                raise RuntimeError("the fifth")

        room.registry.add(
            record_topic("posts", "*"),
            Subscriber(fail_at_five, seen.append, lambda: None, keeps=keeps),
        )
        room.deliver(*BURST)
        assert ids(seen) == [*range(20 if keeps else 5)]


def test_a_malformed_event_in_a_burst_is_left_out_alone() -> None:
    """A malformed event in a burst is reported, and all other events are delivered."""
    room = Room()
    log = room.want("posts/*")
    for bad in (b"{", b"[]", b'{"action":"update","record":[]}', b'{"action":"x","record":{}}'):
        room.deliver(*BURST[:10], ("posts/*", bad), *BURST[10:])
        assert ids(log) == [*range(20)]
        log.clear()
    assert len(room.skipped) == 4


def mixed(*topics: str) -> list[Frame]:
    """The events of `BURST`, on these topics in turn."""
    return [(topics[at % len(topics)], data) for at, (_, data) in enumerate(BURST)]


def test_a_burst_of_many_topics_reaches_those_of_each_alone() -> None:
    """In a burst of several topics, each subscriber receives the events of its topic only."""
    room = Room()
    logs = [room.want("posts/*"), room.want("posts/*"), room.want("posts/r1"), room.want("tags/*")]
    room.deliver(*mixed("posts/*", "posts/r1", "tags/*"))
    assert list(map(ids, logs)) == [
        [*range(0, 20, 3)],
        [*range(0, 20, 3)],
        [*range(1, 20, 3)],
        [*range(2, 20, 3)],
    ]
    assert {event.topic for log in logs[2:] for event in log} == {"posts/r1", "tags/*"}
    assert room.delivery.events == 20


@pytest.mark.parametrize("odd", ["messages", "actions", "nobody", "everything"])
def test_a_burst_with_a_topic_of_another_kind_reaches_all_as_well(odd: str) -> None:
    """A burst that mixes kinds of subscribers and topics reaches each of them completely."""
    room = Room()
    log = room.want("posts/*")
    other: list[Any] = []
    if odd == "messages":
        other = room.want("tags/*", raw=True)
    elif odd == "everything":
        room.registry.everything = (Subscriber(other.append, other.append, lambda: None),)
    elif odd == "actions":
        narrow = Subscriber(other.append, other.append, lambda: None, actions=frozenset({"update"}))
        room.registry.add(record_topic("tags", "*"), narrow)
    room.deliver(*mixed("posts/*", "tags/*"))
    assert ids(log) == [*range(0, 20, 2)]
    assert len(other) == {"messages": 10, "actions": 10, "nobody": 0, "everything": 20}[odd]


def test_one_that_raises_in_a_burst_of_many_topics_costs_the_others_nothing() -> None:
    """A callback that raises in a burst does not affect subscribers of other topics."""
    room = Room()
    quiet = room.want("tags/*")

    def fail(_: Any) -> None:
        raise SystemExit

    callback = Subscriber(fail, quiet.append, lambda: None, keeps=True)
    room.registry.add(record_topic("posts", "*"), callback)
    room.deliver(*mixed("posts/*", "tags/*"))
    assert ids(quiet) == [*range(1, 20, 2)]


def test_a_topic_left_and_wanted_again_in_a_burst_goes_on() -> None:
    """A topic left and subscribed again during each event of a burst misses no event."""
    room = Room()
    seen: list[Any] = []

    def once() -> Subscriber:
        def take(event: Any) -> None:
            seen.append(event)
            room.registry.remove(subscriber)
            room.registry.add(record_topic("posts", "*"), once())

        subscriber = Subscriber(take, seen.append, lambda: None)
        return subscriber

    room.registry.add(record_topic("posts", "*"), once())
    room.deliver(*BURST)
    assert ids(seen) == [*range(20)]
