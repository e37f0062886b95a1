"""The streams of one shard to several nodes, in virtual time: what they report, and when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from rxbosbase import BackoffPolicy
from rxbosbase.errors import ClientResponseError, ConnectionFailedError
from rxbosbase.realtime.connection import Batch, ConnectionSettings
from rxbosbase.realtime.driver import Driver
from rxbosbase.realtime.protocol.topics import record_topic
from rxbosbase.realtime.session.registry import TopicEntry, TopicShard
from rxbosbase.realtime.shard_streams import PATIENCE, ShardStreams
from rxbosbase.runtime.network import Receiver
from rxbosbase.testing.database import DATABASES
from rxbosbase.testing.memory import MemoryStream, MemoryTransport
from rxbosbase.testing.tables import Tables
from rxbosbase.testing.virtual_time import VirtualClock, VirtualScheduler

QUIET = 0.004
SOON = 0.2  # after which a change is submitted
WAIT = 1.0  # of the first attempt after a loss


class Owner:
    """Records the reports, but for those of the status."""

    def __init__(self) -> None:
        self.reports: list[Any] = []
        self.statuses = 0

    def take(self) -> list[Any]:
        """Return the reports since the last call."""
        reports, self.reports = self.reports, []
        return reports

    def on_batch(self, batch: Batch) -> None:
        self.reports += [topic for topic, _ in batch.frames if topic != "PB_CONNECT"]

    def on_acknowledged(self, shard: TopicShard, version: int, *, complete: bool) -> None:
        self.reports.append((version, complete))

    def on_gap(self, shard: TopicShard) -> None:
        self.reports.append("gap")

    def on_refused(self, shard: TopicShard, since: int, upto: int, error: Exception) -> None:
        self.reports.append(("refused", since, upto))

    def on_failed(self, shard: TopicShard, error: Exception) -> None:
        self.reports.append("failed")

    def on_status_changed(self) -> None:
        self.statuses += 1

    def on_lost(self, driver: Driver) -> None:
        self.reports.append(f"lost {driver.node}")

    def on_unwanted(self) -> None:
        self.reports.append("unwanted")


class Nodes:
    """A shard with a stream to each of several nodes in memory."""

    def __init__(self, *names: str, max_attempts: int | None = None) -> None:
        self.clock = VirtualClock()
        self.control = VirtualScheduler(self.clock, "control")
        self.policy = BackoffPolicy(initial=WAIT, jitter=False, max_attempts=max_attempts)
        self.owner = Owner()
        self.shard = TopicShard(0)
        self.networks: dict[str, MemoryTransport] = {}
        settings = {name: self.settings(name) for name in names}
        lock = threading.Condition(threading.RLock())
        self.streams = ShardStreams(self.shard, settings, self.control, lock, self.owner)

    def settings(self, name: str) -> ConnectionSettings:
        """Return the settings of a node, which is made at the first call."""
        tables = Tables(lambda *_: 0, DATABASES["sqlite"](), lambda: self.clock.now)
        network = MemoryTransport(tables, self.clock, str)
        return ConnectionSettings(
            transport=self.networks.setdefault(name, network), control=self.control,
            delivery=VirtualScheduler(self.clock, "delivery"), policy=self.policy,
            idle_timeout=330.0, max_event_bytes=1000, identity=str, on_guest=lambda: None,
            quiet=QUIET, node=name,
        )  # fmt: skip

    def set_nodes(self, *names: str) -> None:
        """Replace the nodes."""
        self.streams.set_nodes({name: self.settings(name) for name in names})
        self.pass_time(SOON)

    def want(self, name: str) -> None:
        """Add a topic."""
        self.shard.version += 1
        topic = record_topic(name, "*")
        self.shard.entries[name] = TopicEntry(topic, self.shard, self.shard.version)
        self.streams.topics_changed()
        self.pass_time(SOON)

    def unwant(self, name: str) -> None:
        """Remove a topic."""
        self.shard.version += 1
        del self.shard.entries[name]
        self.streams.topics_changed()
        self.pass_time(SOON)

    def lose(self, name: str) -> None:
        """Take the node off the network."""
        self.networks[name].accepts = False
        self.networks[name].drop()
        self.pass_time(SOON)

    def find(self, name: str) -> None:
        """Let the node back, and the next attempt reach it."""
        self.networks[name].accepts = True
        self.pass_time(10 * WAIT)

    def hang(self, name: str) -> Callable[[], None]:
        """Answer the node's POSTs with 503 from now on; return what ends that."""
        answers = self.networks[name].tables.answers
        answers["POST", "/api/realtime"] = ConnectionFailedError("it hangs")
        return answers.clear

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def active(self) -> list[Any]:
        """Add a topic, and let every node acknowledge it; return what was reported."""
        self.want("a")
        return self.owner.take()


def test_a_topic_is_acknowledged_once_every_node_has() -> None:
    """One report follows the last node's acknowledgement."""
    nodes = Nodes("one", "other")
    free = nodes.hang("other")
    assert nodes.active() == []
    assert nodes.streams.acknowledged_version == -1
    free()
    nodes.pass_time(WAIT)
    assert nodes.owner.take() == [(1, True)]
    assert nodes.streams.acknowledged_version == 1


def test_each_change_of_the_topics_is_reported_once() -> None:
    """The acknowledgement of the first node alone is no report."""
    nodes = Nodes("one", "other")
    assert nodes.active() == [(1, True)]
    nodes.want("b")
    assert nodes.owner.take() == [(2, True)]


def test_one_nodes_repeated_acknowledgement_is_reported() -> None:
    """A POST of the same topics, after the renewal of a token, opens a gap of its own."""
    nodes = Nodes("one", "other")
    nodes.active()
    first, _ = nodes.streams.drivers
    first.identity_changed("")
    nodes.pass_time(SOON)
    assert nodes.owner.take() == [(1, True)]


def test_a_lost_node_is_a_gap_and_the_others_go_on() -> None:
    """The gap is followed by what the others have acknowledged, as incomplete."""
    nodes = Nodes("one", "other")
    nodes.active()
    nodes.lose("other")
    assert nodes.owner.take() == ["gap", (1, False), "lost other"]
    assert nodes.streams.acknowledged_version == 1
    nodes.want("b")
    assert nodes.owner.take() == [(2, False)]


def test_the_return_of_a_node_is_a_gap() -> None:
    """What it told meanwhile is missing: a gap, and then the acknowledgement of all."""
    nodes = Nodes("one", "other")
    nodes.active()
    nodes.lose("other")
    nodes.owner.take()
    nodes.find("other")
    assert nodes.owner.take() == ["gap", (1, True)]


def test_a_node_that_fails_after_the_others_have_acknowledged_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A first attempt that fails late makes the others' acknowledgement known."""
    nodes = Nodes("one", "other")
    slow: list[Receiver] = []
    monkeypatch.setattr(MemoryStream, "listen", lambda _, path, receiver: slow.append(receiver))
    nodes.want("a")
    (receiver,) = [each for each in slow if each is not slow[0]]
    monkeypatch.undo()
    slow[0].ended(ConnectionFailedError("refused"))
    nodes.pass_time(WAIT + SOON)
    assert nodes.owner.take() == []
    receiver.ended(ConnectionFailedError("no answer"))
    assert nodes.owner.take() == [(1, False)]


def test_a_node_whose_only_attempt_fails_is_away() -> None:
    """With one attempt a node fails without a wait, and the others go on."""
    nodes = Nodes("one", "other", max_attempts=1)
    nodes.networks["other"].accepts = False
    assert nodes.active() == [(1, False)]
    nodes.lose("one")
    assert nodes.owner.take() == ["gap", "lost one", "failed"]


def test_a_node_that_does_not_acknowledge_in_time_is_away() -> None:
    """After `PATIENCE` the others' acknowledgement counts; the late node's return is a gap."""
    nodes = Nodes("one", "other")
    nodes.active()
    free = nodes.hang("other")
    nodes.want("b")
    nodes.pass_time(PATIENCE - 1)
    assert nodes.owner.take() == []
    nodes.pass_time(1)
    assert nodes.owner.take() == [(2, False)]
    free()
    nodes.pass_time(10 * WAIT)
    assert nodes.owner.take() == ["gap", (2, True)]


def test_the_time_of_a_change_counts_from_that_change() -> None:
    """An earlier change, acknowledged in time, does not shorten or lengthen it."""
    nodes = Nodes("one", "other")
    nodes.active()
    nodes.pass_time(PATIENCE - 1)
    nodes.hang("other")
    nodes.want("b")
    nodes.pass_time(PATIENCE - SOON - 0.1)
    assert nodes.owner.take() == []
    nodes.pass_time(0.2)
    assert nodes.owner.take() == [(2, False)]


def test_a_renewed_stream_that_does_not_acknowledge_in_time_is_away() -> None:
    """The same holds after a routine end, without a change of the topics."""
    nodes = Nodes("one", "other")
    nodes.active()
    nodes.pass_time(6.0)  # so that its end is routine
    nodes.hang("other")
    nodes.networks["other"].end()
    nodes.pass_time(PATIENCE - 0.5)
    assert nodes.owner.take() == ["gap"]
    nodes.pass_time(1)
    assert nodes.owner.take() == [(1, False)]


def test_a_late_node_that_is_lost_then_is_a_gap_alone() -> None:
    """The others' acknowledgement follows it again."""
    nodes = Nodes("one", "other")
    nodes.active()
    nodes.hang("other")
    nodes.want("b")
    nodes.pass_time(PATIENCE)
    nodes.owner.take()
    nodes.lose("other")
    assert nodes.owner.take() == ["gap", (2, False), "lost other"]


def test_when_all_nodes_are_away_the_first_one_back_is_enough() -> None:
    """Its acknowledgement is reported as incomplete, that of the last one after a gap."""
    nodes = Nodes("one", "other")
    nodes.active()
    nodes.lose("one")
    nodes.lose("other")
    assert nodes.owner.take() == ["gap", (1, False), "lost one", "gap", "lost other"]
    assert nodes.streams.acknowledged_version == -1
    nodes.find("one")
    assert nodes.owner.take() == [(1, False)]
    nodes.find("other")
    assert nodes.owner.take() == ["gap", (1, True)]


def test_the_attempts_have_to_be_used_up_for_every_node() -> None:
    """`on_failed` follows the last node's last attempt."""
    nodes = Nodes("one", "other", max_attempts=2)
    nodes.active()
    nodes.lose("other")
    nodes.pass_time(10 * WAIT)
    assert "failed" not in nodes.owner.take()
    nodes.lose("one")
    nodes.pass_time(10 * WAIT)
    assert nodes.owner.take() == ["gap", "lost one", "failed"]


def test_a_node_that_joins_is_away_until_it_has_acknowledged() -> None:
    """Joining is a gap, as its writes were missed; so is its acknowledgement."""
    nodes = Nodes("one")
    nodes.active()
    nodes.settings("other")
    free = nodes.hang("other")
    nodes.set_nodes("one", "other")
    assert nodes.owner.take() == ["gap", (1, False)]
    free()
    nodes.pass_time(10 * WAIT)
    assert nodes.owner.take() == ["gap", (1, True)]


def test_a_node_that_leaves_is_a_gap() -> None:
    """Its stream ends as on purpose; the last it has written may be missing."""
    nodes = Nodes("one", "other")
    nodes.active()
    nodes.set_nodes("one")
    reports = nodes.owner.take()
    assert reports[0] == "gap" and reports[-1] == (1, True)
    assert "lost other" not in reports
    assert nodes.networks["other"].streams == []


def test_a_node_that_leaves_while_it_is_away_is_a_gap_too() -> None:
    """The others are complete then, after a gap."""
    nodes = Nodes("one", "other")
    nodes.active()
    nodes.lose("other")
    nodes.owner.take()
    nodes.set_nodes("one")
    assert nodes.owner.take() == ["gap", (1, True)]


def test_nodes_that_are_all_new_take_over() -> None:
    """The topics are acknowledged again once each of the new nodes has done so."""
    nodes = Nodes("one")
    nodes.active()
    nodes.set_nodes("two", "three")
    reports = nodes.owner.take()
    assert reports[-1] == (1, True) and reports.count("gap") >= 1
    assert [driver.node for driver in nodes.streams.drivers] == ["two", "three"]


def test_without_topics_nothing_is_reported_and_no_node_is_away() -> None:
    """After the last topic is gone the next one waits for every node again."""
    nodes = Nodes("one", "other")
    nodes.active()
    nodes.lose("other")
    nodes.unwant("a")
    nodes.owner.take()
    nodes.networks["other"].accepts = True
    free = nodes.hang("other")
    nodes.want("b")
    assert nodes.owner.take() == []
    free()
    nodes.pass_time(WAIT)
    assert nodes.owner.take() == [(3, True)]


def test_a_refusal_of_topics_that_no_node_has_accepted_is_passed_on() -> None:
    """It names the topics that were added since the newest ones that a node has accepted."""
    nodes = Nodes("one", "other")
    nodes.active()
    for name in ("one", "other"):
        nodes.networks[name].tables.answers["POST", "/api/realtime"] = ClientResponseError(400)
    nodes.want("b")
    assert nodes.owner.take() == [("refused", 1, 2)] * 2


def test_a_node_that_refuses_what_another_one_has_accepted_is_away() -> None:
    """The subscriptions go on at the others, and the log says which node refuses them."""
    nodes = Nodes("one")
    nodes.active()
    nodes.settings("other")
    answers = nodes.networks["other"].tables.answers
    answers["POST", "/api/realtime"] = ClientResponseError(400)
    nodes.set_nodes("one", "other")
    nodes.pass_time(1)
    assert nodes.owner.take() == ["gap", (1, False)]
    answers.clear()
    nodes.want("b")
    assert nodes.owner.take()[-1] == (2, True)


def test_equal_nodes_are_no_gap_and_a_failed_one_is_tried_again() -> None:
    """`set_nodes` with the same addresses starts only what had used up its attempts."""
    nodes = Nodes("one", "other", max_attempts=1)
    nodes.networks["other"].accepts = False
    nodes.active()
    nodes.networks["other"].accepts = True
    nodes.set_nodes("one", "other")
    nodes.pass_time(1)
    assert nodes.owner.take() == ["gap", (1, True)]
    nodes.set_nodes("other", "one")
    nodes.pass_time(1)
    assert nodes.owner.take() == []


def test_one_node_alone_has_no_timer() -> None:
    """Without other nodes a slow acknowledgement is waited for."""
    nodes = Nodes("")
    free = nodes.hang("")
    assert nodes.active() == []
    nodes.pass_time(2 * PATIENCE)
    assert nodes.owner.take() == []
    free()
    nodes.pass_time(10 * WAIT)
    assert nodes.owner.take() == [(1, True)]


@pytest.mark.parametrize("is_before", [True, False])
def test_trouble_reaches_every_node_those_that_join_included(is_before: bool) -> None:
    """A sign of trouble is passed on to the sessions, also to that of a node that joins later."""
    nodes = Nodes("one")
    nodes.active()
    if not is_before:
        nodes.set_nodes("one", "other")
    nodes.streams.troubled(nodes.control.time())
    if is_before:
        nodes.set_nodes("one", "other")
    troubled = [driver.session._identity._troubled_at for driver in nodes.streams.drivers]
    assert min(troubled) > 0


def test_the_counters_of_a_node_that_leaves_are_kept() -> None:
    """`left` has the sums of those that have left."""
    nodes = Nodes("one", "other")
    nodes.active()
    nodes.set_nodes("one")
    assert (nodes.streams.left.connects, nodes.streams.left.posts) == (1, 1)
