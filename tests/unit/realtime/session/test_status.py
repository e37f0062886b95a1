"""The status of several connections is that of the worst."""

from __future__ import annotations

import itertools

import pytest

from rxbosbase.realtime.session.lifecycle import State
from rxbosbase.realtime.session.status import SessionStatus, Status, summarize

FROM_WORST = ["closed", "failed", "waiting", "connecting", "connected", "active", "idle"]


@pytest.mark.parametrize(("worse", "better"), [*itertools.combinations(FROM_WORST, 2)])
def test_of_two_connections_the_worse_one_is_shown_in_any_order(worse: str, better: str) -> None:
    """The status of two connections shows the worse one, in any order of them."""
    error = ValueError("why")
    bad = SessionStatus(State(worse), "", attempt=3, retry_in=1.5, error=error, since=7.0)
    good = SessionStatus(State(better), "good", since=9.0)
    for both in ([bad, good], [good, bad]):
        status = summarize(both, ("a", "b"))
        assert (status.state, status.attempt, status.retry_in) == (worse, 3, 1.5)
        assert (status.error, status.since, status.topics) == (error, 7.0, ("a", "b"))
        assert status.client_id == both[0].client_id


def test_without_a_connection_it_is_idle() -> None:
    """Without a connection the status is `idle` and has the topics."""
    assert summarize([], ("a",)) == Status(topics=("a",))
    assert Status().state == "idle"


def test_a_status_is_immutable_and_its_repr_leaves_the_topics_out() -> None:
    """A status is immutable, and its `repr` leaves the topics out."""
    status = Status(topics=("secret",))
    with pytest.raises(AttributeError):
        status.state = "active"  # type: ignore[misc]
    assert "secret" not in repr(status)


def test_every_state_has_a_severity() -> None:
    """The ranking from worst to best has each state exactly once."""
    assert sorted(FROM_WORST) == sorted(state.value for state in State)
