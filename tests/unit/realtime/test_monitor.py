"""What is one loss, in virtual time: streams that notice it early, late, and twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from rxbosbase import BackoffPolicy
from rxbosbase.realtime.monitor import SAME_LOSS, ConnectionMonitor
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.testing import FakeRealtime

WAIT = 4 * SAME_LOSS
ALL = ["mine/*", "posts/*"]


@dataclass
class Scene:
    """A client with a stream of its own (0) and one of its live views (1)."""

    fake: FakeRealtime
    lost: list[list[str]] = field(default_factory=list)

    @property
    def monitor(self) -> ConnectionMonitor:
        return self.fake.client.service.monitor

    def cut(self, stream: int) -> None:
        client = self.fake.client
        (driver,) = (client.service, client.live_hub.service)[stream].drivers
        for each in list(self.fake._network.streams):
            if each.client_id == driver.status.client_id:
                each.finish(b"")
        self.fake.advance(0)

    @property
    def state(self) -> str:
        return self.fake.client.realtime.status.value.state


@pytest.fixture
def scene() -> Iterator[Scene]:
    policy = BackoffPolicy(initial=WAIT, maximum=WAIT, jitter=False)
    with FakeRealtime(backoff=policy) as fake:
        made = Scene(fake)
        fake.client.realtime.on_disconnect = made.lost.append
        mine = fake.client.collection("mine").observe("*").subscribe(print)
        view = fake.client.collection("posts").live().subscribe(print)
        fake.client.realtime.wait_active()
        assert made.state == "active"
        yield made
        mine.dispose()
        view.dispose()


@pytest.mark.parametrize("first", [0, 1])
def test_streams_that_notice_while_the_first_is_away_belong_to_its_loss(
    scene: Scene, first: int
) -> None:
    """A stream that is lost while the first one is still away belongs to the same loss."""
    scene.cut(first)
    scene.fake.advance(WAIT - 0.1)  # much longer than the time within which all are one
    scene.cut(1 - first)
    assert scene.lost == [ALL] and scene.state == "waiting"
    scene.fake.advance(2 * WAIT)
    assert scene.lost == [ALL] and scene.state == "active"


def test_streams_that_notice_soon_after_belong_to_it_though_the_first_is_back(
    scene: Scene,
) -> None:
    """A stream lost within `SAME_LOSS` belongs to the same loss, though the first is back."""
    scene.cut(0)
    scene.fake.client.realtime.reconnect_now()
    scene.fake.advance(SAME_LOSS - 0.1)
    assert scene.state == "active"
    scene.cut(1)
    assert scene.lost == [ALL]


def test_later_it_is_another_loss(scene: Scene) -> None:
    """A stream lost `SAME_LOSS` seconds after the first is another loss."""
    scene.cut(0)
    scene.fake.client.realtime.reconnect_now()
    scene.fake.advance(SAME_LOSS)
    scene.cut(1)
    assert scene.lost == [ALL, ALL]


def test_a_stream_that_is_lost_again_is_another_loss_however_soon(scene: Scene) -> None:
    """A stream that is lost a second time is another loss, however soon."""
    for times in (1, 2, 3):
        scene.cut(0)
        scene.cut(1)
        assert scene.lost == [ALL] * times
        scene.fake.client.realtime.reconnect_now()
        scene.fake.advance(0)
        assert scene.state == "active"


def test_a_loss_tells_what_is_wanted_then_and_the_last_end_that_nothing_is(scene: Scene) -> None:
    """`on_disconnect` gets the topics left; the end of a stream without topics is no loss."""
    realtime = scene.fake.client.realtime
    realtime.unsubscribe()
    scene.fake.advance(0)
    assert scene.lost == [] and realtime.is_connected
    assert realtime.client_id == "fake-client-2"
    scene.cut(1)
    assert scene.lost == [["posts/*"]]


def test_counts_are_added_and_the_younger_age_counts() -> None:
    """A sum of two `Stats` adds the counts and keeps the younger `last_event_age`."""
    one = Stats(frames=1, connects=2, reconnects=1, topics=3, last_event_age=2.0)
    two = Stats(frames=4, connects=1, topics=1, last_event_age=1.0)
    both = Stats(frames=5, connects=3, reconnects=1, topics=4, last_event_age=1.0)
    assert one + two == two + one == both
    assert both + Stats() == both
    assert Stats() + Stats() == Stats()


def test_what_ends_while_the_client_closes_is_told_once(scene: Scene) -> None:
    """Streams that end while the client closes call `on_disconnect` once, with no topics."""
    monitor = scene.monitor
    assert monitor.close()
    scene.cut(0)
    monitor.on_left()
    assert scene.lost == []
    scene.fake.close()
    assert scene.lost == [[]]


def test_a_skipped_event_does_not_list_the_topics_anew(scene: Scene) -> None:
    """A skipped event sets the error of the status and keeps its topics object."""
    monitor, before = scene.monitor, scene.fake.client.realtime.status.value
    error = ValueError("malformed")
    monitor.on_skipped(error)
    after = scene.fake.client.realtime.status.value
    assert after.error is error and after.topics is before.topics
