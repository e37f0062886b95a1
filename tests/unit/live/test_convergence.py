"""Whatever the server, the network and the reads do, a live view ends up equal to its query.

100 scenarios of each kind in a plain run, 300 in CI. A long run::

    RXBOSBASE_LIVE_EXAMPLES=20000 python -m pytest tests/unit/live/test_convergence.py
"""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.live_model import run
from support.live_sequences import NEVER, Scenario, make_scenario, random_scenario

from rxbosbase.live.engine.snapshot import apply_changes

EXAMPLES = int(os.environ.get("RXBOSBASE_LIVE_EXAMPLES", "100"))


@st.composite
def scenarios(draw: Any) -> Scenario:
    expands, varied = draw(st.booleans()), draw(st.booleans())
    return make_scenario(
        lambda low, high: draw(st.integers(low, high)), expands=expands, varied=varied
    )


@pytest.mark.timeout(60 + EXAMPLES // 10)
@settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES <= 300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(scenarios())
def test_a_quiet_view_equals_its_query(scenario: Scenario) -> None:
    """A quiet view equals its query, at the latest after a reconcile for silent changes."""
    assert run(scenario).problems == []


@pytest.mark.parametrize("block", range(max(EXAMPLES // 100, 1)))
def test_long_scenarios_end_well_too(block: int) -> None:
    """Scenarios of up to 60 steps end with a view that equals its query."""
    for seed in range(block * 100, block * 100 + 100):
        for expands, varied in product((False, True), repeat=2):
            scenario = random_scenario(seed, steps=60, expands=expands, varied=varied)
            assert run(scenario).problems == [], f"seed {seed}, {expands=}, {varied=}"


@pytest.mark.parametrize("seed", range(40))
def test_since_leads_from_any_version_to_any_later_one(seed: int) -> None:
    """`since` returns the exact changes between any two versions of a view."""
    versions = run(eventful(seed)).versions
    for older in versions[::3]:
        for newer in versions[older.version :: 5]:
            assert apply_changes(older.records, newer.since(older)) == list(newer.records)


def eventful(seed: int) -> Scenario:
    """Return a scenario in which at least ten records change: not every one has so many."""
    seeds = range(seed * 100, seed * 100 + 100)
    return next(
        scenario
        for scenario in (random_scenario(each, varied=seed % 2 == 1) for each in seeds)
        if sum(len(version.changes) for version in run(scenario).versions) >= 10
    )


def test_a_settled_view_makes_no_reads() -> None:
    """Once all records are settled, a view waits for nothing but the next reconcile."""
    for seed in range(100):
        scenario = random_scenario(seed, expands=seed % 2 == 1, varied=seed % 4 > 1)
        assert run(replace(scenario, reconcile=NEVER)).idle, f"seed {seed}"
