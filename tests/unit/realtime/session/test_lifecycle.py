"""The transition table: every pair of state and signal is in it, or raises."""

from __future__ import annotations

import itertools

import pytest

from rxbosbase.realtime.session.lifecycle import (
    TRANSITIONS,
    IllegalTransition,
    Signal,
    State,
    transition,
)

PAIRS = list(itertools.product(State, Signal))
LEGAL = {
    # repeated by hand, so that a change of the table is on purpose
    State.IDLE: {Signal.WANTED: "connecting", Signal.CLOSED: "closed"},
    State.CONNECTING: {
        Signal.OPENED: "connected",
        Signal.RENEWED: "connecting",
        Signal.LOST: "waiting",
        Signal.EXHAUSTED: "failed",
        Signal.UNWANTED: "idle",
        Signal.CLOSED: "closed",
    },
    State.CONNECTED: {
        Signal.ACKNOWLEDGED: "active",
        Signal.REFUSED: "connected",
        Signal.RENEWED: "connecting",
        Signal.LOST: "waiting",
        Signal.EXHAUSTED: "failed",
        Signal.UNWANTED: "idle",
        Signal.CLOSED: "closed",
    },
    State.ACTIVE: {
        Signal.CHANGED: "connected",
        Signal.DOUBTED: "connected",
        Signal.RENEWED: "connecting",
        Signal.LOST: "waiting",
        Signal.EXHAUSTED: "failed",
        Signal.UNWANTED: "idle",
        Signal.CLOSED: "closed",
    },
    State.WAITING: {
        Signal.RETRIED: "connecting",
        Signal.EXHAUSTED: "failed",
        Signal.UNWANTED: "idle",
        Signal.CLOSED: "closed",
    },
    State.FAILED: {Signal.WANTED: "connecting", Signal.CLOSED: "closed"},
    State.CLOSED: {},
}


@pytest.mark.parametrize(("state", "signal"), PAIRS, ids=lambda value: value.name)
def test_every_legal_transition_has_its_state_and_every_other_raises(
    state: State, signal: Signal
) -> None:
    """A legal pair of state and signal leads to its state; others raise `IllegalTransition`."""
    expected = LEGAL[state].get(signal)
    if expected is None:
        with pytest.raises(IllegalTransition, match=f"{signal.name} in state '{state.value}'"):
            transition(state, signal)
    else:
        assert transition(state, signal).value == expected


def test_every_state_can_be_reached_and_all_but_closed_left() -> None:
    """Each state can be reached, and each one but `CLOSED` can be left."""
    assert set(TRANSITIONS.values()) == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.CLOSED}
