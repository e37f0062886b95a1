"""Live views on a server that refuses, for a reason or in trouble: random sequences.

A long run::

    RXBOSBASE_LIVE_EXAMPLES=5000 python -m pytest tests/unit/live/test_refusals.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.refusal_mutants import FAULTS, Fault
from support.refusal_server import Failure, Rule, State
from support.refusal_world import KINDS, LOGINS, Broken, World

from rxbosbase.access.refusals import REFUSAL_SECONDS

SEQUENCES = 3 * int(os.environ.get("RXBOSBASE_LIVE_EXAMPLES", "100"))
TRIES = 3000


@pytest.mark.timeout(60 + SEQUENCES // 10)
def test_a_view_ends_for_a_reason_alone_and_is_true_in_the_end() -> None:
    """After any trouble a view is true, and it ends for a refusal that is the server's answer."""
    worlds = [World(seed).run() for seed in range(SEQUENCES)]
    ended = [world for world in worlds if world.error is not None]
    assert 0 < len(ended) < len(worlds)


def test_the_sequences_are_of_each_kind_and_meet_each_trouble() -> None:
    """300 sequences have each view and topic, login, rule, state of the database and failure."""
    worlds = [World(seed).run() for seed in range(300)]
    assert {(world.kind, world.server.login_kind) for world in worlds} == {
        (kind, login) for kind in KINDS for login in LOGINS
    }
    assert set[object]().union(*(world.met for world in worlds)) >= {*Rule, *State, *Failure}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_rule_of_belief_is_needed(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rule some sequence ends a view wrongly, or never, or shows what is not true."""
    fault(monkeypatch)
    assert next(broken_promises(), None) is not None


def broken_promises() -> Iterator[Broken]:
    """Yield what the sequences show."""
    for seed in range(TRIES):
        try:
            World(seed).run()
        except Broken as broken:
            yield broken


def test_a_world_without_trouble_ends_a_refused_view_at_first_use() -> None:
    """On a healthy server the view of a missing collection ends within 1 s."""
    for seed in range(0, 100, len(KINDS)):
        world = World(seed)
        world.server.exists = False
        world.subscribe()
        assert world.error is not None and world.clock.now <= 1.0
        world.client.close()


def test_a_view_that_was_accepted_ends_after_30_s_of_refusals() -> None:
    """A view whose collection is deleted ends after a reconnection, and 30 s of refusals."""
    world = World(0)
    world.subscribe()
    world.server.exists = False
    world.server.drop()
    errors = []
    for _ in range(2):
        world.clock.advance(REFUSAL_SECONDS)
        errors.append(world.error)
    assert [error is not None for error in errors] == [False, True]
    world.client.close()
