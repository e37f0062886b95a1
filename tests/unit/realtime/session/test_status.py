"""The status of several connections is that of the worst."""

from __future__ import annotations

import itertools

import pytest

from rxbosbase.realtime.session.lifecycle import State
from rxbosbase.realtime.session.status import SessionStatus, Status, summarize, worst_of

FROM_WORST = ["closed", "failed", "waiting", "connecting", "connected", "active", "idle"]


@pytest.mark.parametrize(("worse", "better"), [*itertools.combinations(FROM_WORST, 2)])
def test_of_two_connections_the_worse_one_is_shown_in_any_order(worse: str, better: str) -> None:
    """The status of two connections shows the worse one, in any order of them."""
    error = ValueError("why")
    bad = SessionStatus(State(worse), "", attempt=3, retry_in=1.5, error=error, since=7.0)
    good = SessionStatus(State(better), "good", since=9.0)
    for both in ([bad, good], [good, bad]):
        status = summarize(both, ("a", "b"), {"http://a": "active"})
        assert (status.state, status.attempt, status.retry_in) == (worse, 3, 1.5)
        assert (status.error, status.since, status.topics) == (error, 7.0, ("a", "b"))
        assert status.client_id == both[0].client_id
        assert status.nodes == {"http://a": "active"}


@pytest.mark.parametrize(("worse", "better"), [*itertools.combinations(FROM_WORST, 2)])
def test_a_node_has_the_state_of_the_worst_of_its_connections(worse: str, better: str) -> None:
    """Of two connections to a node the worse one counts; without any the node is idle."""
    both = [SessionStatus(State(better)), SessionStatus(State(worse))]
    assert (worst_of(both), worst_of(both[::-1]), worst_of([])) == (worse, worse, "idle")


def test_the_nodes_are_in_the_repr_where_there_are_any() -> None:
    """The repr has the nodes of ``nodes=``, and says nothing of them without."""
    assert "nodes={'http://a': 'idle'}" in repr(Status(nodes={"http://a": "idle"}))
    assert "nodes" not in repr(Status())


def test_a_status_with_nodes_is_hashable() -> None:
    """A status can be put into a set, with nodes, too; equal ones have one hash."""
    first, second = (Status(nodes={"http://a": "idle"}, since=1.0) for _ in range(2))
    assert {first, second} == {first}


def test_a_status_is_immutable_and_its_repr_leaves_the_topics_out() -> None:
    """A status is immutable, and its `repr` leaves the topics out."""
    status = Status(topics=("secret",))
    with pytest.raises(AttributeError):
        status.state = "active"  # type: ignore[misc]
    assert "secret" not in repr(status)


def test_every_state_has_a_severity() -> None:
    """The ranking from worst to best has each state exactly once."""
    assert sorted(FROM_WORST) == sorted(state.value for state in State)
