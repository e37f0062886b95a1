"""Which ends of streams are one loss, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from rxbosbase import BackoffPolicy
from rxbosbase.realtime.monitor import LOSS_WINDOW, ConnectionMonitor
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.testing import FakeRealtime

WAIT = 4 * LOSS_WINDOW
ALL = ["mine/*", "posts/*"]


@dataclass
class TwoStreams:
    """A client with a stream of its own (0) and one of its live views (1)."""

    fake: FakeRealtime
    lost: list[list[str]] = field(default_factory=list)

    @property
    def monitor(self) -> ConnectionMonitor:
        return self.fake.client.service.monitor

    def cut(self, stream: int) -> None:
        client = self.fake.client
        (driver,) = (client.service, client.live_manager.service)[stream].drivers
        for each in list(self.fake._network.streams):
            if each.client_id == driver.status.client_id:
                each.finish(b"")
        self.fake.advance(0)

    @property
    def state(self) -> str:
        return self.fake.client.realtime.status.value.state


@pytest.fixture
def streams() -> Iterator[TwoStreams]:
    policy = BackoffPolicy(initial=WAIT, maximum=WAIT, jitter=False)
    with FakeRealtime(backoff=policy) as fake:
        made = TwoStreams(fake)
        fake.client.realtime.on_disconnect = made.lost.append
        mine = fake.client.collection("mine").observe("*").subscribe(print)
        view = fake.client.collection("posts").live().subscribe(print)
        fake.client.realtime.wait_active()
        assert made.state == "active"
        yield made
        mine.dispose()
        view.dispose()


@pytest.mark.parametrize("first", [0, 1])
def test_streams_lost_while_the_first_is_down_belong_to_its_loss(
    streams: TwoStreams, first: int
) -> None:
    """A stream that is lost while the first one is still away belongs to the same loss."""
    streams.cut(first)
    streams.fake.advance(WAIT - 0.1)  # much longer than the window
    streams.cut(1 - first)
    assert streams.lost == [ALL] and streams.state == "waiting"
    streams.fake.advance(2 * WAIT)
    assert streams.lost == [ALL] and streams.state == "active"


def test_streams_lost_within_the_window_belong_to_the_same_loss(
    streams: TwoStreams,
) -> None:
    """A stream lost within `LOSS_WINDOW` belongs to the same loss, though the first is back."""
    streams.cut(0)
    streams.fake.client.realtime.reconnect_now()
    streams.fake.advance(LOSS_WINDOW - 0.1)
    assert streams.state == "active"
    streams.cut(1)
    assert streams.lost == [ALL]


def test_a_stream_lost_after_the_window_is_another_loss(streams: TwoStreams) -> None:
    """A stream lost `LOSS_WINDOW` seconds after the first is another loss."""
    streams.cut(0)
    streams.fake.client.realtime.reconnect_now()
    streams.fake.advance(LOSS_WINDOW)
    streams.cut(1)
    assert streams.lost == [ALL, ALL]


def test_a_stream_that_is_lost_again_is_another_loss_however_soon(streams: TwoStreams) -> None:
    """A stream that is lost a second time is another loss, however soon."""
    for times in (1, 2, 3):
        streams.cut(0)
        streams.cut(1)
        assert streams.lost == [ALL] * times
        streams.fake.client.realtime.reconnect_now()
        streams.fake.advance(0)
        assert streams.state == "active"


def test_on_disconnect_gets_the_topics_that_are_left(streams: TwoStreams) -> None:
    """`on_disconnect` gets the topics left; the end of a stream without topics is no loss."""
    realtime = streams.fake.client.realtime
    realtime.unsubscribe()
    streams.fake.advance(0)
    assert streams.lost == [] and realtime.is_connected
    assert realtime.client_id == "fake-client-2"
    streams.cut(1)
    assert streams.lost == [["posts/*"]]


def test_counts_are_added_and_the_younger_age_counts() -> None:
    """A sum of two `Stats` adds the counts and keeps the younger `last_event_age`."""
    one = Stats(frames=1, connects=2, reconnects=1, topics=3, last_event_age=2.0)
    two = Stats(frames=4, connects=1, topics=1, last_event_age=1.0)
    both = Stats(frames=5, connects=3, reconnects=1, topics=4, last_event_age=1.0)
    assert one + two == two + one == both
    assert both + Stats() == both
    assert Stats() + Stats() == Stats()


def test_streams_that_end_while_the_client_closes_are_one_loss(streams: TwoStreams) -> None:
    """Streams that end while the client closes call `on_disconnect` once, with no topics."""
    monitor = streams.monitor
    assert monitor.close()
    streams.cut(0)
    monitor.on_unwanted()
    assert streams.lost == []
    streams.fake.close()
    assert streams.lost == [[]]


def test_a_skipped_event_does_not_compute_the_topics_again(streams: TwoStreams) -> None:
    """A skipped event sets the error of the status and keeps its topics object."""
    monitor, before = streams.monitor, streams.fake.client.realtime.status.value
    error = ValueError("malformed")
    monitor.on_skipped(error)
    after = streams.fake.client.realtime.status.value
    assert after.error is error and after.topics is before.topics
