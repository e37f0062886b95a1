"""The test of the convergence test: a reducer with any one rule removed is found out by it."""

from __future__ import annotations

import pytest
from support.live_model import run
from support.live_mutants import MUTANTS, Make
from support.live_stories import Scenario, random_scenario

TRIES = 4000
"""Pairs of stories, the same ones each time: every mutant falls for one of the first 3000."""


def stories(seed: int) -> tuple[Scenario, Scenario]:
    """One without authors, and a short one with them: what comes later would cover a mistake."""
    return random_scenario(seed), random_scenario(seed, steps=8, expands=True)


def is_found_out(make: Make, scenario: Scenario) -> bool:
    try:
        return bool(run(scenario, make).problems)
    except AssertionError:
        return True  # it edited what is not shown


@pytest.mark.parametrize("name", MUTANTS)
def test_each_rule_is_needed(name: str) -> None:
    """Without the rule that the mutant breaks, some story ends with a wrong view."""
    make = MUTANTS[name]
    assert any(is_found_out(make, story) for seed in range(TRIES) for story in stories(seed))
