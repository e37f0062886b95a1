"""Probes: when the session asks whose the stream is, and what it does with the answers."""

from __future__ import annotations

from typing import Any

import pytest
from support.session_bench import NOW, Bench
from support.session_world import QUIET

from rxbosbase.errors import (
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    ProtocolError,
    StreamLostError,
)
from rxbosbase.realtime.session.commands import (
    Acknowledged,
    Command,
    EndStream,
    Gap,
    Post,
    Publish,
    Unidentified,
    WakeAt,
)
from rxbosbase.realtime.session.lifecycle import Signal
from rxbosbase.realtime.session.stream_identity import TROUBLE_MEMORY

LOSS = ConnectionFailedError("lost")
IDENTIFIED = ClientResponseError(403)
LATER = NOW + 10


@pytest.fixture
def it() -> Bench:
    return Bench()


def reconnect(it: Bench, stream: str = "s2", now: float = LATER) -> Post:
    """Lose the stream and open another one; return the POST of its topics."""
    it.session.lost(1, 1, 1.0, LOSS)
    it.session.dialled(1, stream)
    it.session.opened(stream, "other", now - QUIET)
    return it.post(now)


def only_post(commands: list[Command]) -> Post:
    (post,) = [each for each in commands if isinstance(each, Post)]
    return post


def probe_after(it: Bench, post: Post, now: float = LATER) -> Post:
    """Acknowledge the POST; return the probe that follows it."""
    (probe,) = it.session.acknowledged(post, now)
    assert isinstance(probe, Post) and probe.is_probe
    return probe


def reconnected_probe(it: Bench) -> Post:
    """Return the probe of the stream after a reconnection."""
    it.activate("a")
    return probe_after(it, reconnect(it))


# -- when


def test_the_first_stream_is_not_probed(it: Bench) -> None:
    """The first stream is active once its topics are acknowledged, without a probe."""
    it.open("a")
    commands = it.session.acknowledged(it.post(), NOW)
    assert commands == [Publish(Signal.ACKNOWLEDGED), Acknowledged("s1", 1)]


def test_after_a_reconnection_the_same_topics_are_probed(it: Bench) -> None:
    """After a reconnection the acknowledged topics are submitted once more, as a probe."""
    it.activate("a", "b")
    post = reconnect(it)
    probe = probe_after(it, post)
    assert (probe.stream, probe.version, probe.topics) == ("s2", 2, ("a", "b"))
    assert not post.is_probe


def test_a_stream_is_not_active_before_the_proof(it: Bench) -> None:
    """Until the probe is answered the state is `connected`, and nothing is acknowledged."""
    reconnected_probe(it)
    assert (it.state, it.session.acknowledged_version) == ("connected", -1)


def test_a_stream_after_a_failed_attempt_is_probed(it: Bench) -> None:
    """The first stream that opens is probed if an attempt before it has failed."""
    it.want("a")
    it.session.tick(NOW)
    it.session.dialled(1, "s1")
    assert probe_after(it, reconnect(it)).stream == "s2"


def test_a_stream_after_a_routine_end_is_probed(it: Bench) -> None:
    """A stream that follows a routine end is probed."""
    it.activate("a")
    it.session.dialled(1, "s2")
    it.session.opened("s2", "other", NOW)
    assert probe_after(it, it.post(LATER)).stream == "s2"


def test_a_stream_after_a_time_without_topics_is_not_probed(it: Bench) -> None:
    """A stream that follows the removal of the last topic is not probed: nothing has failed."""
    it.activate("a")
    it.unwant("a", now=NOW + 1)
    it.session.tick(NOW + 2)
    it.want("b", now=NOW + 3)
    it.session.tick(NOW + 3)
    it.session.dialled(2, "s2")
    it.session.opened("s2", "other", NOW + 3)
    assert it.session.acknowledged(it.post(LATER), LATER)[-1] == Acknowledged("s2", 3)


def test_the_first_stream_of_another_login_is_not_probed(it: Bench) -> None:
    """A stream that replaces an open one because of a login is not probed; the one after it is."""
    it.activate("a")
    it.identity = "bob"
    it.session.identity_changed(NOW + 1)
    it.session.dialled(1, "s2")
    it.session.opened("s2", "other", NOW + 1)
    post = it.post(LATER)
    assert it.session.acknowledged(post, LATER)[-1] == Acknowledged("s2", 1)
    assert probe_after(it, reconnect(it, "s3", LATER + 10)).stream == "s3"


def test_a_login_during_a_wait_needs_a_proof(it: Bench) -> None:
    """A login that comes after the stream is lost does not make the next stream a first one."""
    it.activate("a")
    it.session.lost(1, 1, 1.0, LOSS)
    it.identity = "bob"
    it.session.identity_changed(NOW + 1)
    it.session.dialled(1, "s2")
    it.session.opened("s2", "other", NOW + 1)
    assert probe_after(it, it.post(LATER)).stream == "s2"


def test_a_guests_stream_is_not_probed(it: Bench) -> None:
    """A guest's stream is not probed after a reconnection: there is nothing to prove."""
    it.identity = ""
    it.activate("a")
    assert it.session.acknowledged(reconnect(it), LATER)[-1] == Acknowledged("s2", 1)


def test_a_stream_without_topics_is_not_probed(it: Bench) -> None:
    """A stream with local topics only is not probed after a reconnection."""
    it.open("local")
    it.session.tick(NOW + QUIET)
    it.session.lost(1, 1, 1.0, LOSS)
    it.session.dialled(1, "s2")
    it.session.opened("s2", "other", NOW + 1)
    assert it.session.tick(LATER)[-1] == Acknowledged("s2", 1)


# -- after trouble


def test_trouble_makes_an_active_stream_doubtful_at_once(it: Bench) -> None:
    """A sign of trouble ends `active` at once; the next tick probes, without another POST."""
    it.activate("a")
    assert it.session.troubled(LATER) == [Publish(Signal.DOUBTED), WakeAt(LATER)]
    assert (it.state, it.session.acknowledged_version) == ("connected", -1)
    probe = only_post(it.session.tick(LATER))
    assert probe.is_probe and probe.topics == ("a",)


def test_a_second_sign_of_trouble_probes_no_second_time(it: Bench) -> None:
    """Signs of trouble during a probe, and after the proof, issue no command."""
    it.activate("a")
    it.session.troubled(LATER)
    probe = only_post(it.session.tick(LATER))
    assert it.session.troubled(LATER) == []
    it.session.refused(probe, IDENTIFIED, LATER)
    assert it.session.troubled(LATER + 1) == []
    assert it.state == "active"


def test_trouble_during_a_post_makes_it_doubtful(it: Bench) -> None:
    """A sign of trouble while the POST is in flight is followed by a probe after its answer."""
    it.open("a")
    post = it.post()
    it.session.troubled(NOW + 1)
    assert probe_after(it, post).stream == "s1"


@pytest.mark.parametrize("age", [0.0, TROUBLE_MEMORY - 1, TROUBLE_MEMORY])
def test_trouble_shortly_before_a_post_makes_it_doubtful(it: Bench, age: float) -> None:
    """A POST less than 60 s after a sign of trouble is followed by a probe."""
    it.open("a")
    now = NOW + QUIET
    assert it.session.troubled(now - age) == []
    (first, *_) = it.session.acknowledged(it.post(now), now)
    assert isinstance(first, Post) is (age < TROUBLE_MEMORY)


def test_trouble_is_no_news_without_a_stream(it: Bench) -> None:
    """A sign of trouble while nothing is wanted issues no command."""
    assert it.session.troubled(NOW) == []
    assert it.state == "idle"


def test_trouble_after_closed_issues_no_command(it: Bench) -> None:
    """A sign of trouble after `closed` issues no command."""
    it.activate("a")
    it.session.closed()
    assert it.session.troubled(LATER) == []


# -- the answers


def test_a_403_proves_that_the_stream_is_the_logins(it: Bench) -> None:
    """A probe's 403 makes the session active, with the topics acknowledged."""
    probe = reconnected_probe(it)
    assert it.session.refused(probe, IDENTIFIED, LATER) == [
        Publish(Signal.ACKNOWLEDGED),
        Acknowledged("s2", 1),
    ]
    assert (it.state, it.session.status.error) == ("active", None)


def test_a_proven_stream_is_not_probed_again(it: Bench) -> None:
    """Later POSTs of a proven stream are not followed by a probe."""
    it.session.refused(reconnected_probe(it), IDENTIFIED, LATER)
    it.want("b", now=LATER + 9)
    commands = it.session.acknowledged(it.post(LATER + 20), LATER + 20)
    assert commands == [Publish(Signal.ACKNOWLEDGED), Acknowledged("s2", 2)]


def test_the_stream_after_a_proven_one_is_probed(it: Bench) -> None:
    """A proof is good for its own stream: the next one is probed."""
    it.session.refused(reconnected_probe(it), IDENTIFIED, LATER)
    assert probe_after(it, reconnect(it, "s3", LATER + 10)).stream == "s3"


def test_a_guests_stream_is_a_gap_and_is_submitted_again(it: Bench) -> None:
    """A probe's 204 is a gap; the topics are submitted again, with the token, after a pause."""
    probe = reconnected_probe(it)
    assert it.session.acknowledged(probe, LATER) == [
        Gap(), Unidentified(), Publish(Signal.REFUSED), WakeAt(LATER + 10),
    ]  # fmt: skip
    assert it.state == "connected"
    assert it.session.tick(LATER + 9) == []
    again = it.post(LATER + 10)
    assert (again.topics, again.is_probe) == (("a",), False)
    assert probe_after(it, again, LATER + 10).topics == ("a",)


def test_the_status_says_that_the_stream_is_a_guests(it: Bench) -> None:
    """The status of a guest's stream has an error that says so, until the proof."""
    it.session.acknowledged(reconnected_probe(it), LATER)
    assert isinstance(it.session.status.error, ProtocolError)
    assert "for a guest's" in str(it.session.status.error)
    probe = probe_after(it, it.post(LATER + 10), LATER + 10)
    it.session.refused(probe, IDENTIFIED, LATER + 11)
    assert it.session.status.error is None


def test_each_guests_answer_makes_the_pause_longer(it: Bench) -> None:
    """The pauses grow while the server takes the stream for a guest's."""
    probe, now = reconnected_probe(it), LATER
    for pause in (10, 20, 30):
        assert it.session.acknowledged(probe, now)[-1] == WakeAt(now + pause)
        now += pause
        probe = probe_after(it, it.post(now), now)


def test_after_30_s_as_a_guest_the_pauses_are_10_s(it: Bench) -> None:
    """A stream that is a guest's for 30 s is submitted every 10 s from then on."""
    it.pause = 0.1
    probe, waits = reconnected_probe(it), []
    for now in (LATER, LATER + 29.9, LATER + 30.0, LATER + 50.0):
        command = it.session.acknowledged(probe, now)[-1]
        assert isinstance(command, WakeAt)
        waits.append(command.due - now)
        probe = probe_after(it, it.post(command.due), command.due)
    assert waits == pytest.approx([0.1, 0.2, 10.0, 10.0])


def test_a_probe_that_fails_is_repeated_alone(it: Bench) -> None:
    """A probe that fails is repeated after a pause; the topics are not submitted again."""
    probe = reconnected_probe(it)
    busy = ClientResponseError(503)
    assert it.session.refused(probe, busy, LATER) == [Publish(Signal.REFUSED), WakeAt(LATER + 10)]
    again = only_post(it.session.tick(LATER + 10))
    assert again.is_probe and again.topics == ("a",)


def test_a_403_of_a_proxy_is_no_proof(it: Bench) -> None:
    """A probe's 403 whose body is not the server's JSON is a failure, not a proof."""
    page = ClientResponseError(403, original=ValueError("no JSON"))
    assert it.session.refused(reconnected_probe(it), page, LATER)[0] == Publish(Signal.REFUSED)
    assert it.state == "connected"


def test_a_probe_that_reaches_another_server_is_made_again(it: Bench) -> None:
    """A probe's 404 is asked again alone; the topics, which the server has, are not submitted."""
    (wake,) = it.session.refused(reconnected_probe(it), ClientResponseError(404), LATER)
    assert isinstance(wake, WakeAt)
    again = only_post(it.session.tick(wake.due))
    assert (again.is_probe, again.asks, again.topics) == (True, 1, ("a",))
    it.session.refused(again, IDENTIFIED, LATER + 1)
    assert it.state == "active"
    it.want("b", now=LATER + 9)
    assert it.post(LATER + 9 + QUIET).asks == 0


def test_a_post_as_a_guest_on_a_proven_stream_ends_it(it: Bench) -> None:
    """A POST's 403 on a proven stream ends it as lost: the server could not look up the token."""
    it.session.refused(reconnected_probe(it), IDENTIFIED, LATER)
    it.want("b", now=LATER + 9)
    (end,) = it.session.refused(it.post(LATER + 20), IDENTIFIED, LATER + 20)
    assert isinstance(end, EndStream) and isinstance(end.error, StreamLostError)


# -- what happens meanwhile


def test_a_change_during_a_probe_is_submitted_after_it(it: Bench) -> None:
    """A change of the wanted set during a probe is submitted after the proof, and not probed."""
    probe = reconnected_probe(it)
    it.want("b", now=LATER)
    assert Acknowledged("s2", 1) in it.session.refused(probe, IDENTIFIED, LATER)
    post = it.post(LATER + 20)
    assert (post.topics, post.is_probe) == (("a", "b"), False)
    assert it.session.acknowledged(post, LATER + 20)[-1] == Acknowledged("s2", 2)


@pytest.mark.parametrize("answer", ["identified", "a guest's"])
def test_a_probe_before_a_renewed_token_counts(it: Bench, answer: str) -> None:
    """What a probe shows counts although the token is renewed meanwhile, and is submitted next."""
    probe = reconnected_probe(it)
    it.session.identity_changed(LATER)
    if answer == "identified":
        assert Acknowledged("s2", 1) not in it.session.refused(probe, IDENTIFIED, LATER)
        post = it.post(LATER + 1)
        assert it.session.acknowledged(post, LATER + 1)[-1] == Acknowledged("s2", 1)
    else:
        assert it.session.acknowledged(probe, LATER)[:2] == [Gap(), Unidentified()]
        assert probe_after(it, it.post(LATER + 1)).is_probe


@pytest.mark.parametrize("error", [IDENTIFIED, ClientClosedError("ended")])
def test_a_probe_of_an_ended_stream_proves_nothing_of_the_next(it: Bench, error: Any) -> None:
    """The answer to the probe of an ended stream does not count for the next one."""
    probe = reconnected_probe(it)
    it.session.dialled(1, "s3")
    it.session.opened("s3", "third", LATER + 1)
    it.session.refused(probe, error, LATER + 2)
    assert it.state == "connected"
    assert probe_after(it, it.post(LATER + 20)).stream == "s3"


def test_a_login_that_is_lost_needs_another_stream(it: Bench) -> None:
    """A tick with another identity than the stream's renews the stream, for topics of a guest."""
    it.session.acknowledged(reconnected_probe(it), LATER)
    it.identity = ""
    assert EndStream("s2") in it.session.tick(LATER + 10)
    it.session.dialled(1, "s3")
    it.session.opened("s3", "third", LATER + 11)
    assert it.session.acknowledged(it.post(LATER + 20), LATER + 20)[-1] == Acknowledged("s3", 1)
