"""The session: each input by itself, and random sequences of all of them."""

from __future__ import annotations

import random
from collections import deque
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.session_balancer import BalancedWorld
from support.session_bench import NOW, Bench
from support.session_mutants import MUTANTS
from support.session_server import Broken
from support.session_world import QUIET

from rxbosbase.errors import (
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    StreamLostError,
)
from rxbosbase.realtime.session.commands import (
    Abandon,
    Acknowledged,
    Command,
    EndStream,
    Failed,
    Gap,
    Lost,
    Post,
    Publish,
    Refused,
    RetryNow,
    Start,
    Stop,
    Unwanted,
    WakeAt,
)
from rxbosbase.realtime.session.lifecycle import IllegalTransition, Signal, State
from rxbosbase.realtime.session.session import Session
from rxbosbase.realtime.session.topic_submission import BURST_END, MAX_QUIETS

LOSS = ConnectionFailedError("lost")
SEQUENCES = 4000
IDENTITIES = ("ann", "bob", "")


@pytest.fixture
def it() -> Bench:
    return Bench()


# -- one input after the other


def test_a_topic_starts_the_pipeline_at_the_next_tick(it: Bench) -> None:
    """The first topic starts the pipeline at the next tick, and only once."""
    assert it.want("a") == [WakeAt(NOW)]
    assert it.session.tick(NOW) == [Publish(), Publish(Signal.WANTED), Start(1)]
    assert it.state == "connecting"
    assert it.session.tick(NOW) == []


def test_a_second_change_schedules_no_second_tick(it: Bench) -> None:
    """A second change before the tick schedules no second wake."""
    it.want("a")
    assert it.want("b") == []


def test_a_tick_before_its_time_issues_no_command(it: Bench) -> None:
    """A tick before its time issues no command; the POST is issued at its time."""
    it.open("a")
    assert it.session.tick(NOW + QUIET / 2) == []
    assert it.post(NOW + QUIET).topics == ("a",)


def test_a_tick_during_a_burst_waits_longer(it: Bench) -> None:
    """A tick at its time waits longer if the burst of changes has gone on."""
    it.open("a")
    assert it.want("b", now=NOW + QUIET / 2) == []
    assert it.session.tick(NOW + QUIET) == [WakeAt(NOW + QUIET * 1.5)]
    assert it.post(NOW + QUIET * 1.5).topics == ("a", "b")


def test_an_urgent_change_is_submitted_without_a_pause(it: Bench) -> None:
    """An urgent change is submitted without a quiet pause."""
    it.open("a")
    assert it.want("b", urgent=True) == [WakeAt(NOW)]
    assert it.post(NOW).topics == ("a", "b")


def test_the_first_stream_is_active_once_its_topics_are_acknowledged(it: Bench) -> None:
    """The first stream submits the topics and is active once they are acknowledged."""
    it.open("a", "b")
    post = it.post()
    assert (post.stream, post.version, post.topics) == ("s1", 2, ("a", "b"))
    assert it.session.acknowledged_version == -1
    assert it.session.acknowledged(post, NOW) == [
        Publish(Signal.ACKNOWLEDGED),
        Acknowledged("s1", 2),
    ]
    assert (it.state, it.session.acknowledged_version, it.session.is_open) == ("active", 2, True)


def test_local_topics_need_a_stream_and_no_post(it: Bench) -> None:
    """A stream with local topics only becomes active without a POST."""
    it.open("local")
    assert it.session.tick(NOW + QUIET) == [
        Publish(),
        Publish(Signal.ACKNOWLEDGED),
        Acknowledged("s1", 1),
    ]


def test_a_topic_that_is_removed_and_added_again_needs_no_post(it: Bench) -> None:
    """A topic that is removed and added again before the tick costs no POST."""
    it.activate("a")
    it.unwant("a", now=NOW + 1)
    it.want("a", now=NOW + 1)
    assert it.session.tick(NOW + 2) == [
        Publish(),
        Publish(Signal.ACKNOWLEDGED),
        Acknowledged("s1", 3),
    ]


def test_a_change_while_active_is_published_at_once(it: Bench) -> None:
    """A change while active sets the state back to `connected` at once."""
    it.activate("a")
    assert it.want("b", now=NOW + 9) == [Publish(Signal.CHANGED), WakeAt(NOW + 9 + QUIET)]
    assert it.state == "connected"


def test_one_post_is_in_flight_and_changes_meanwhile_follow_it(
    it: Bench,
) -> None:
    """Only one POST is in flight; changes made meanwhile are submitted after it."""
    it.open("a")
    first = it.post()
    it.want("b", urgent=True)
    assert it.session.tick(NOW + 50) == []
    assert it.session.acknowledged(first, NOW + 60) == [WakeAt(NOW + 60), Acknowledged("s1", 1)]
    assert it.state == "connected"
    assert it.post(NOW + 60).topics == ("a", "b")


def test_a_change_during_a_post_without_notification_is_submitted_too(it: Bench) -> None:
    """A change during a POST is submitted after it, even without a notification of it."""
    it.open("a")
    first = it.post()
    it.shard.version += 1
    assert it.session.acknowledged(first, NOW + 1) == [
        WakeAt(NOW + 1 + QUIET),
        Acknowledged("s1", 1),
    ]


def test_each_post_of_a_burst_makes_the_next_wait_longer(it: Bench) -> None:
    """A POST soon after another waits five times as long, until the burst is over."""
    it.activate("a")
    soon = NOW + QUIET + BURST_END / 2
    assert it.want("b", now=soon)[-1] == WakeAt(soon + 5 * QUIET)
    it.session.acknowledged(it.post(soon + 5 * QUIET), soon + 5 * QUIET)
    later = soon + 5 * QUIET + BURST_END * 2
    assert it.want("c", now=later)[-1] == WakeAt(later + QUIET)


def test_without_topics_an_open_stream_is_ended_and_reported(it: Bench) -> None:
    """Without topics an open stream is ended and left; a new topic starts another pipeline."""
    it.activate("a")
    it.unwant("a", now=NOW + 9)
    assert it.session.tick(NOW + 10) == [
        Publish(), EndStream("s1"), Gap(), Publish(Signal.UNWANTED), Stop(), Unwanted(),
    ]  # fmt: skip
    assert (it.state, it.session.status.client_id) == ("idle", "")
    assert it.session.acknowledged_version == -1
    it.want("a", now=NOW + 20)
    assert it.session.tick(NOW + 20)[-1] == Start(2)


def test_without_topics_an_attempt_is_stopped_and_not_reported(it: Bench) -> None:
    """Without topics an attempt to connect is stopped, without a gap or `Unwanted`."""
    it.want("a")
    it.session.tick(NOW)
    it.unwant("a")
    assert it.session.tick(NOW) == [Publish(), Publish(Signal.UNWANTED), Stop()]


def test_a_topic_removed_before_the_first_tick_starts_nothing(it: Bench) -> None:
    """A topic removed before the first tick starts nothing."""
    it.want("a")
    it.unwant("a")
    assert it.session.tick(NOW) == [Publish()]


# -- the pipeline


def test_a_loss_is_a_gap_and_a_loss_and_the_status_has_the_wait(it: Bench) -> None:
    """The loss of a stream is a gap and a loss, and the status shows the wait."""
    it.activate("a")
    assert it.session.lost(1, 3, 1.5, LOSS) == [Gap(), Publish(Signal.LOST), Lost()]
    status = it.session.status
    assert (status.state, status.attempt, status.retry_in) == (State.WAITING, 3, 1.5)
    assert (status.error, status.client_id, it.session.acknowledged_version) == (LOSS, "", -1)
    assert it.session.dialled(1, "s2") == [Publish(Signal.RETRIED)]
    assert it.session.status.retry_in is None
    it.session.opened("s2", "other", NOW + 9)
    assert (it.session.status.attempt, it.session.status.error) == (0, None)
    assert it.post(NOW + 9 + QUIET).stream == "s2"


def test_an_attempt_that_fails_is_no_loss(it: Bench) -> None:
    """An attempt that fails before its stream opens is no loss."""
    it.want("a")
    it.session.tick(NOW)
    it.session.dialled(1, "s1")
    assert it.session.lost(1, 1, 1.0, LOSS) == [Publish(Signal.LOST)]


def test_exhausted_attempts_fail_the_session(it: Bench) -> None:
    """Exhausted attempts fail the session; only a new topic starts it again."""
    it.activate("a")
    assert it.session.exhausted(1, LOSS) == [
        Gap(), Publish(Signal.EXHAUSTED), Lost(), Failed(LOSS),
    ]  # fmt: skip
    assert it.state == "failed"
    it.unwant("a", now=NOW + 9)
    assert it.session.tick(NOW + 9) == [Publish()]
    it.want("b", now=NOW + 10)
    assert it.session.tick(NOW + 10) == [Publish(), Publish(Signal.WANTED), Start(2)]


def test_a_routine_end_is_a_gap_and_no_loss(it: Bench) -> None:
    """A routine end of a stream is a gap and no loss; the next stream submits all topics."""
    it.activate("a")
    assert it.session.dialled(1, "s2") == [Gap(), Publish(Signal.RENEWED)]
    assert (it.state, it.session.acknowledged_version) == ("connecting", -1)
    it.session.opened("s2", "other", NOW + 9)
    assert it.post(NOW + 9 + QUIET).topics == ("a",)


def test_inputs_of_a_stopped_pipeline_are_ignored(it: Bench) -> None:
    """Inputs of a stopped pipeline are ignored, and its new stream is abandoned."""
    it.activate("a")
    it.unwant("a", now=NOW + 9)
    it.session.tick(NOW + 10)
    assert it.session.dialled(1, "late") == [Abandon("late")]
    assert it.session.opened("late", "client", NOW) == []
    assert it.session.lost(1, 1, 1.0, LOSS) == []
    assert it.session.exhausted(1, LOSS) == []
    assert it.state == "idle"


def test_a_stream_that_opens_after_it_was_ended_is_ignored(it: Bench) -> None:
    """A stream that opens after it was ended by a renewal is ignored."""
    it.want("a")
    it.session.tick(NOW)
    it.session.dialled(1, "s1")
    it.session.renewed()
    assert it.session.opened("s1", "client", NOW) == []
    assert it.state == "connecting"


def test_changes_made_while_connecting_wait_for_one_quiet_time(it: Bench) -> None:
    """Changes made while the stream connects are submitted one quiet time after it opens."""
    it.want("a")
    it.session.tick(NOW)
    it.session.dialled(1, "s1")
    it.want("b", now=NOW + 1)
    it.session.opened("s1", "client", NOW + 30)  # before the tick for "b", which is late
    assert it.session.tick(NOW + 30) == [WakeAt(NOW + 30 + QUIET)]


@pytest.mark.parametrize("ends", ["by routine", "renewed"])
def test_a_new_stream_begins_without_the_failures_of_the_previous_one(it: Bench, ends: str) -> None:
    """After a routine end and a renewal the status has no failed attempt and no error."""
    it.open("a")
    it.session.refused(it.post(), ClientResponseError(503), NOW + 1)
    if ends == "renewed":
        it.session.renewed()
    else:
        it.session.dialled(1, "s2")
    assert (it.session.status.attempt, it.session.status.error) == (0, None)


def test_a_stream_opens_once(it: Bench) -> None:
    """A second `opened` of the same stream is ignored."""
    stream = it.open("a")
    assert it.session.opened(stream, "again", NOW) == []
    assert it.session.status.client_id == "client"


# -- POSTs that fail


def test_a_failed_post_is_repeated_after_growing_waits(it: Bench) -> None:
    """A POST that fails with 503 is repeated after growing waits; a success resets them."""
    it.open("a")
    busy = ClientResponseError(503, "/api/realtime")
    for failures, now in ((1, NOW + 1), (2, NOW + 20)):
        assert it.session.refused(it.post(now), busy, now) == [
            Publish(Signal.REFUSED),
            WakeAt(now + 10 * failures),
        ]
        assert (it.session.status.attempt, it.session.status.error) == (failures, busy)
        assert it.state == "connected"
    assert it.session.tick(NOW + 39) == []
    it.session.acknowledged(it.post(NOW + 40), NOW + 40)
    assert (it.session.status.attempt, it.session.status.error) == (0, None)
    it.want("b", now=NOW + 41)
    now = NOW + 41 + 5 * QUIET
    assert it.session.refused(it.post(now), busy, now)[-1] == WakeAt(now + 10)


def test_the_retry_after_of_a_post_also_delays_an_urgent_change(
    it: Bench,
) -> None:
    """The `retry_after` of a POST is waited for, also by an urgent change."""
    it.open("a")
    busy = ClientResponseError(429, "/api/realtime", retry_after=60.0)
    assert it.session.refused(it.post(), busy, NOW + 1)[-1] == WakeAt(NOW + 61)
    assert it.want("b", now=NOW + 2, urgent=True) == []
    assert it.session.tick(NOW + 2) == []
    assert it.post(NOW + 61).topics == ("a", "b")


def test_a_new_stream_submits_without_the_waits_of_the_previous_one(it: Bench) -> None:
    """A new stream submits without the waits of the stream before it."""
    it.open("a")
    it.session.refused(it.post(), ClientResponseError(503), NOW + 1)
    it.session.lost(1, 1, 1.0, LOSS)
    it.session.dialled(1, "s2")
    it.session.opened("s2", "other", NOW + 2)
    assert it.post(NOW + 2 + QUIET).stream == "s2"


def test_a_400_issues_refused_with_the_versions_acknowledged_and_refused(
    it: Bench,
) -> None:
    """A 400 to a POST issues `Refused` with the last acknowledged and the refused version."""
    it.activate("a")
    it.want("b", now=NOW + 9)
    post, wrong = it.post(NOW + 9 + QUIET), ClientResponseError(400)
    assert it.session.refused(post, wrong, NOW + 10) == [Refused(1, 2, wrong)]
    it.unwant("b", now=NOW + 10)
    assert it.post(NOW + 12).topics == ("a",)


def test_a_stream_of_another_login_is_lost(it: Bench) -> None:
    """A 403 to a POST ends the stream as lost."""
    it.open("a")
    error = ClientResponseError(403)
    (command,) = it.session.refused(it.post(), error, NOW + 1)
    assert isinstance(command, EndStream) and isinstance(command.error, StreamLostError)
    assert command.stream == "s1" and command.error.__cause__ is error
    it.want("b", now=NOW + 2)
    assert it.session.tick(NOW + 9) == [Publish()]


def test_a_refusal_after_a_login_ends_the_stream_as_routine(it: Bench) -> None:
    """A 403 to a POST from before a change of identity ends the stream as routine."""
    it.open("a")
    post = it.post()
    it.identity = "bob"
    assert it.session.refused(post, ClientResponseError(403), NOW + 1) == [EndStream("s1")]
    assert it.session.dialled(1, "s2") == [Gap(), Publish(Signal.RENEWED)]


def test_a_post_cut_off_by_its_streams_end_issues_no_command(it: Bench) -> None:
    """A POST cut off by the end of its stream issues no command."""
    it.open("a")
    assert it.session.refused(it.post(), ClientClosedError("ended"), NOW + 1) == []
    it.want("b", now=NOW + 2)
    assert it.session.tick(NOW + 9) == [Publish()]


def test_an_answer_after_its_streams_end_does_not_count_for_the_next_stream(it: Bench) -> None:
    """A response that arrives after the end of its stream does not count for the next one."""
    it.open("a")
    post = it.post()
    it.session.dialled(1, "s2")
    it.session.opened("s2", "other", NOW + 1)
    assert it.session.tick(NOW + 9) == []  # the one in flight is the only one
    assert it.session.acknowledged(post, NOW + 9) == [WakeAt(NOW + 1 + QUIET)]
    assert it.session.acknowledged_version == -1
    assert it.post(NOW + 9).stream == "s2"


def test_a_failure_after_its_streams_end_does_not_count_for_the_next_stream(it: Bench) -> None:
    """A failure that arrives after the end of its stream does not affect the next one."""
    it.open("a")
    post = it.post()
    it.session.dialled(1, "s2")
    assert it.session.refused(post, ClientResponseError(404), NOW + 9) == []
    assert it.state == "connecting"


def test_an_answer_to_no_post_is_ignored(it: Bench) -> None:
    """A response to a POST that is no longer in flight is ignored."""
    post = it.activate("a")
    assert it.session.acknowledged(post, NOW) == []
    assert it.session.refused(post, LOSS, NOW) == []


def test_a_late_second_answer_does_not_end_the_wait_for_another_post(it: Bench) -> None:
    """An answer to a POST that was answered already leaves the one in flight as it is."""
    first = it.activate("a")
    it.want("b", now=NOW + 9)
    second = it.post(NOW + 20)
    it.session.acknowledged(first, NOW + 20)
    it.want("c", now=NOW + 20)
    assert not any(isinstance(each, Post) for each in it.session.tick(NOW + 60))
    assert Acknowledged("s1", 2) in it.session.acknowledged(second, NOW + 60)


def test_a_burst_without_end_is_submitted_in_the_middle(it: Bench) -> None:
    """Changes without a pause are submitted `MAX_QUIETS` quiet times after the first of them."""
    it.open("a")
    step, commands = QUIET / 2, []
    for at in range(1, 2 * MAX_QUIETS):
        it.want(f"b{at}", now=NOW + at * step)
        commands += it.session.tick(NOW + at * step)
    assert not any(isinstance(each, Post) for each in commands)
    assert it.post(NOW + MAX_QUIETS * QUIET).version == 2 * MAX_QUIETS


# -- logins, renewals, the end


def test_another_login_needs_another_stream(it: Bench) -> None:
    """A change of identity on an active stream ends it as routine and opens another one."""
    it.activate("a")
    it.identity = "bob"
    assert it.session.identity_changed(NOW + 9) == [
        EndStream("s1"), Gap(), Publish(Signal.RENEWED), RetryNow(),
    ]  # fmt: skip
    assert it.state == "connecting"


def test_a_login_before_anything_was_submitted_needs_no_other_stream(it: Bench) -> None:
    """A change of identity before the first POST needs no other stream."""
    it.open("a")
    it.identity = "bob"
    assert it.session.identity_changed(NOW) == []
    it.session.acknowledged(it.post(), NOW + 1)
    assert it.session.identity_changed(NOW + 2)[0] == Publish(Signal.CHANGED)


def test_a_renewed_token_submits_the_same_topics_once_more(it: Bench) -> None:
    """A renewed token submits the same topics once more on the same stream."""
    it.activate("a")
    assert it.session.identity_changed(NOW + 9) == [Publish(Signal.CHANGED), WakeAt(NOW + 9)]
    assert it.session.acknowledged_version == -1
    assert it.post(NOW + 9).topics == ("a",)


def test_a_post_under_the_previous_token_does_not_count(it: Bench) -> None:
    """A POST under the previous token does not count: the topics are submitted again."""
    it.open("a")
    post = it.post()
    assert it.session.identity_changed(NOW + 1) == [WakeAt(NOW + 1)]
    assert it.session.tick(NOW + 1) == []
    assert it.session.acknowledged(post, NOW + 2) == [WakeAt(NOW + 2)]
    again = it.post(NOW + 2)
    assert it.session.acknowledged(again, NOW + 3)[-1] == Acknowledged("s1", 1)


def test_a_renewal_ends_the_open_stream_as_routine(it: Bench) -> None:
    """`renewed` ends an open stream as routine and connects at once."""
    it.activate("a")
    assert it.session.renewed() == [EndStream("s1"), Gap(), Publish(Signal.RENEWED), RetryNow()]
    assert it.session.dialled(1, "s2") == []
    assert it.state == "connecting"


def test_a_renewal_ends_a_wait(it: Bench) -> None:
    """`renewed` during a wait ends the wait."""
    it.activate("a")
    it.session.lost(1, 1, 1.0, LOSS)
    assert it.session.renewed() == [RetryNow()]


def test_a_renewal_of_an_idle_session_is_harmless(it: Bench) -> None:
    """`renewed` on an idle session issues nothing but `RetryNow`."""
    assert it.session.renewed() == [RetryNow()]


def test_nothing_follows_closed(it: Bench) -> None:
    """After `closed` no input has an effect, and a new stream is abandoned."""
    post = it.activate("a")
    it.want("b", now=NOW + 9)
    assert it.session.closed() == [EndStream("s1"), Gap(), Publish(Signal.CLOSED), Stop()]
    assert it.state == "closed" and it.session.status.retry_in is None
    inputs: list[Any] = [
        it.session.closed, it.session.renewed, lambda: it.want("c", now=NOW + 20),
        lambda: it.session.tick(NOW + 30), lambda: it.session.identity_changed(NOW + 30),
        lambda: it.session.opened("s1", "late", NOW + 30),
        lambda: it.session.lost(1, 1, 1.0, LOSS), lambda: it.session.exhausted(1, LOSS),
        lambda: it.session.acknowledged(post, NOW), lambda: it.session.refused(post, LOSS, NOW),
    ]  # fmt: skip
    assert [each() for each in inputs] == [[]] * len(inputs)
    assert it.session.dialled(1, "s2") == [Abandon("s2")]


def test_closing_a_session_that_never_started_is_published(it: Bench) -> None:
    """`closed` on a session that never started publishes the state."""
    assert it.session.closed() == [Publish(Signal.CLOSED)]


def test_an_identity_that_cannot_be_read_delays_the_post(
    it: Bench,
) -> None:
    """An identity that cannot be read delays the POST as a refusal does."""
    it.open("a")
    it.identity = OSError("the keyring is locked")
    assert it.session.tick(NOW + QUIET) == [
        Publish(), Publish(Signal.REFUSED), WakeAt(NOW + QUIET + 10),
    ]  # fmt: skip
    assert it.session.retry_at == NOW + QUIET + 10
    assert it.session.status.error is it.identity
    it.identity = "ann"
    assert it.post(NOW + QUIET + 10).topics == ("a",)


def test_attempts_can_be_used_up_during_a_wait(it: Bench) -> None:
    """Attempts exhausted during a wait fail the session without a second loss."""
    it.activate("a")
    it.session.lost(1, 1, 1.0, LOSS)
    assert it.session.exhausted(1, LOSS) == [Publish(Signal.EXHAUSTED), Failed(LOSS)]


def test_the_status_of_a_failed_session_has_the_error_and_no_wait(it: Bench) -> None:
    """Attempts exhausted during a wait leave the last error in the status, and no wait."""
    it.activate("a")
    it.session.lost(1, 1, 1.0, LOSS)
    last = ConnectionFailedError("the last one")
    it.session.exhausted(1, last)
    assert (it.session.status.error, it.session.status.retry_in) == (last, None)


def test_a_renewal_leaves_no_client_id(it: Bench) -> None:
    """After `renewed` the status has no client id, until the next stream opens."""
    it.activate("a")
    it.session.renewed()
    assert it.session.status.client_id == ""


def test_an_impossible_signal_raises(it: Bench) -> None:
    """A second `lost` during a wait raises `IllegalTransition`."""
    it.activate("a")
    it.session.lost(1, 1, 1.0, LOSS)
    with pytest.raises(IllegalTransition):
        it.session.lost(1, 2, 1.0, LOSS)


def test_two_posts_of_the_same_topics_are_not_equal() -> None:
    """Two POSTs with equal values are different POSTs."""
    post, twin = Post("s", 1, ("a",)), Post("s", 1, ("a",))
    assert post != twin and len({post, twin}) == 2


def test_a_guests_answer_of_an_ended_stream_is_no_gap(it: Bench) -> None:
    """A 204 to the probe of an ended stream is no gap of the next one."""
    it.activate("a")
    it.session.lost(1, 1, 1.0, LOSS)
    it.session.dialled(1, "s2")
    it.session.opened("s2", "other", NOW + 10)
    (probe,) = it.session.acknowledged(it.post(NOW + 11), NOW + 11)
    assert isinstance(probe, Post) and probe.is_probe
    it.session.dialled(1, "s3")
    assert Gap() not in it.session.acknowledged(probe, NOW + 12)


# -- sequences of inputs


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=150), st.sampled_from(IDENTITIES))
def test_after_any_sequence_the_server_has_the_wanted_set_in_the_end(
    sequence: list[int], identity: str
) -> None:
    """After any sequence of inputs the server holds the registered topics in the end."""
    world = BalancedWorld(identity=identity)
    world.run_sequence(sequence)
    world.finish()
    assert world.session.status.state in (State.ACTIVE, State.IDLE, State.FAILED)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=100), st.lists(st.integers(0, 10**6), max_size=30))
def test_after_any_sequence_nothing_follows_closed(before: list[int], after: list[int]) -> None:
    """After any sequence and `closed`, further inputs issue nothing but `Abandon`."""
    world = BalancedWorld()
    world.run_sequence(before)
    world.close()
    issued = len(world.log)
    world.run_sequence(after)
    assert all(isinstance(command, Abandon) for command in world.log[issued:])
    assert world.session.status.state is State.CLOSED


def run_random(kind: type[Session], seed: int) -> BalancedWorld:
    """Run one random sequence to its end; return its world."""
    chance = random.Random(seed)
    world = BalancedWorld(kind, identity=IDENTITIES[seed % 3])
    world.is_away, world.calm = seed % 2 == 1, 1 + 7 * (seed % 5 == 0)
    longest = chance.choice((20, 120))
    world.run_sequence(chance.randrange(10**6) for _ in range(chance.randrange(1, longest)))
    if seed % 4 == 0:
        world.close()
        world.run_sequence(chance.randrange(10**6) for _ in range(20))
    else:
        world.finish()
    return world


@pytest.mark.parametrize("kind", MUTANTS, ids=lambda kind: kind.__name__)
def test_random_sequences_find_each_fault(kind: type[Session]) -> None:
    """Random sequences of inputs find the fault of each mutant."""
    worlds = (run_random(kind, seed) for seed in range(SEQUENCES))
    with pytest.raises((Broken, IllegalTransition)):
        deque(worlds, maxlen=0)


def test_the_same_sequences_pass_without_a_fault() -> None:
    """The same sequences pass without a fault, and together they issue each command."""
    issued = {type(command) for seed in range(500) for command in run_random(Session, seed).log}
    assert issued == set(get_args(Command))
