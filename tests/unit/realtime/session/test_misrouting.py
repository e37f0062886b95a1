"""POSTs that reach another server than the stream's: how often and when they are made again."""

from __future__ import annotations

import pytest
from support.session_bench import NOW, Bench
from support.session_world import QUIET

from rxbosbase.errors import ClientResponseError, StreamLostError
from rxbosbase.realtime.session.commands import EndStream, Post, WakeAt
from rxbosbase.realtime.session.misrouting import (
    LEAST_ASKS,
    MAX_ASKS,
    MAX_SECONDS,
    Misrouting,
    is_misrouted,
    lost_by,
    needs_companion,
)

UNKNOWN = ClientResponseError(404)
CLIENTS = [f"client{number}" for number in range(8)]


@pytest.fixture
def it() -> Bench:
    return Bench()


def asked(seconds: float, client_id: str = "") -> tuple[int, float]:
    """Return how often a POST is made again, and when the last answer comes, if each answer takes
    so many seconds."""
    misrouting, now = Misrouting(client_id), NOW
    while misrouting.again(now):
        now = misrouting.until + seconds
    return misrouting.asks, now - NOW


@pytest.mark.parametrize("client_id", CLIENTS)
def test_a_fast_server_is_asked_until_nearly_five_seconds_have_passed(client_id: str) -> None:
    """Answers that come at once: `MAX_ASKS` POSTs, in less than `MAX_SECONDS`."""
    asks, took = asked(0.002, client_id)
    assert asks == MAX_ASKS >= LEAST_ASKS
    assert 3.0 < took < MAX_SECONDS


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.25])
def test_ten_posts_are_within_five_seconds(seconds: float) -> None:
    """Answers that take up to a quarter of a second leave time for ten POSTs within 5 s."""
    misrouting, now = Misrouting(), NOW
    for _ in range(LEAST_ASKS):
        assert misrouting.again(now)
        assert misrouting.until <= NOW + MAX_SECONDS
        now = misrouting.until + seconds


def test_slow_answers_do_not_end_it_before_ten_posts() -> None:
    """Answers that take seconds: ten POSTs, however long they take."""
    assert asked(2.0)[0] == LEAST_ASKS


def waits_of(client_id: str) -> list[float]:
    misrouting = Misrouting(client_id)
    return [misrouting.until - NOW for _ in range(MAX_ASKS) if misrouting.again(NOW)]


@pytest.mark.parametrize("client_id", CLIENTS)
def test_the_waits_begin_short_and_grow(client_id: str) -> None:
    """The first wait is 15 to 45 ms, later ones are 0.1 to 0.3 s."""
    waits = waits_of(client_id)
    assert 0.015 <= waits[0] < 0.045
    assert all(0.1 <= wait < 0.3 for wait in waits[5:])


def test_clients_do_not_ask_in_step() -> None:
    """The waits of two clients differ, and are the same each time for one of them."""
    waits = [waits_of(client_id) for client_id in CLIENTS]
    assert len({tuple(each) for each in waits}) == len(CLIENTS)
    assert waits[0] == waits_of(CLIENTS[0])


def test_after_its_end_the_count_begins_anew() -> None:
    """An answer of the stream's own server starts the next count, and its time, from 0."""
    misrouting = Misrouting()
    assert misrouting.again(NOW)
    misrouting.ended()
    for _ in range(LEAST_ASKS):
        assert misrouting.again(NOW + 60)
    assert misrouting.again(NOW + 60 + MAX_SECONDS - 0.1)
    assert not misrouting.again(NOW + 60 + MAX_SECONDS)


def test_the_runs_of_posts_between_two_companions_grow() -> None:
    """After 2, 3, 4, … POSTs another stream is opened."""
    assert [asks for asks in range(25) if needs_companion(asks)] == [2, 5, 9, 14, 20]


@pytest.mark.parametrize("nodes", range(2, 18))
def test_no_balancer_by_turns_stays_in_step(nodes: int) -> None:
    """With up to 17 nodes that take turns a lone client's POST meets each in the end."""
    turn, met = 0, set()
    for asks in range(MAX_ASKS + 1):
        turn += needs_companion(asks)
        turn += 1
        met.add(turn % nodes)
    assert 0 in met  # where the stream is


def test_a_404_is_asked_again_on_the_same_stream(it: Bench) -> None:
    """The wanted topics are submitted again soon, and nothing is published of it."""
    it.open("a")
    post = it.post()
    (wake,) = it.session.refused(post, UNKNOWN, NOW + 1)
    assert isinstance(wake, WakeAt) and NOW + 1 < wake.due < NOW + 1.1
    it.want("b", now=NOW + 1)
    again = it.post(wake.due)
    assert (again.stream, again.asks, again.topics) == ("s1", 1, ("a", "b"))
    assert it.session.status.attempt == 0 and it.session.status.error is None
    it.session.acknowledged(again, NOW + 2)
    assert it.state == "active"


def test_after_a_success_the_connection_is_kept(it: Bench) -> None:
    """The POSTs after one that reached the stream's server take no new connection."""
    it.open("a")
    (wake,) = it.session.refused(it.post(), UNKNOWN, NOW + 1)
    it.session.acknowledged(it.post(wake.due), NOW + 2)
    it.want("b", now=NOW + 9)
    assert it.post(NOW + 9 + QUIET).asks == 0


def test_a_refusal_of_topics_ends_the_count(it: Bench) -> None:
    """A 400 is an answer of the stream's server: the next POST takes no new connection."""
    it.open("a")
    (wake,) = it.session.refused(it.post(), UNKNOWN, NOW + 1)
    it.session.refused(it.post(wake.due), ClientResponseError(400), NOW + 2)
    it.want("b", now=NOW + 9)
    assert it.post(NOW + 9 + QUIET).asks == 0


def test_a_stream_is_given_up_after_all_posts(it: Bench) -> None:
    """It ends as lost, with an error that names the balancer and how many POSTs there were."""
    it.open("a")
    post, now = it.post(), NOW + 1
    for _ in range(MAX_ASKS):
        (wake,) = it.session.refused(post, UNKNOWN, now)
        now = wake.due
        post = it.post(now)
    (end,) = it.session.refused(post, UNKNOWN, now)
    assert isinstance(end, EndStream) and isinstance(end.error, StreamLostError)
    text = f"none of {1 + MAX_ASKS} POSTs of the topics reached the server that has the stream"
    assert str(end.error).startswith(text)
    assert "balancer" in str(end.error) and "nodes=" in str(end.error)
    assert end.error.__cause__ is UNKNOWN
    it.session.lost(1, 1, 1.0, end.error)
    it.session.dialled(1, "s2")
    it.session.opened("s2", "other", now + 1)
    assert it.post(now + 2).asks == 0


def test_a_server_in_trouble_meanwhile_is_no_reason_to_give_up(it: Bench) -> None:
    """A 503 between two 404s waits as any, and the POST after it is made again, too."""
    it.open("a")
    (wake,) = it.session.refused(it.post(), UNKNOWN, NOW + 1)
    it.session.refused(it.post(wake.due), ClientResponseError(503), NOW + 2)
    later = NOW + 2 + it.pause
    again = it.post(later)
    assert again.asks == 1
    assert not any(
        isinstance(each, EndStream) for each in it.session.refused(again, UNKNOWN, later)
    )


def test_an_obsolete_404_is_not_counted(it: Bench) -> None:
    """A 404 to a POST under the previous token: the topics are submitted at once, as before."""
    it.open("a")
    post = it.post()
    it.session.identity_changed(NOW + 1)
    it.session.refused(post, UNKNOWN, NOW + 1)
    assert it.post(NOW + 1).asks == 0


def test_a_page_of_a_proxy_does_not_count(it: Bench) -> None:
    """A 404 that is not the server's own JSON waits as any failure."""
    it.open("a")
    page = ClientResponseError(404, original=ValueError("no JSON"))
    it.session.refused(it.post(), page, NOW + 1)
    assert it.session.status.error is page
    again: Post = it.post(NOW + 1 + it.pause)
    assert again.asks == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UNKNOWN, True),
        (ClientResponseError(404, original=ValueError("no JSON")), False),
        (ClientResponseError(400), False),
        (ValueError("other"), False),
    ],
)
def test_only_the_servers_own_404_is_misrouted(error: Exception, expected: bool) -> None:
    """A proxy's page with 404, and any other failure, says nothing of another server."""
    assert is_misrouted(error) is expected


def test_other_refusals_keep_their_text() -> None:
    """A 403 says that the server refused the topics."""
    error = ClientResponseError(403)
    assert str(lost_by(error, 0)) == f"the server refused the topics: {error}"
