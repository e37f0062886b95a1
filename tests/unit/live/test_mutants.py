"""The test of the convergence test: a reducer with any one rule removed is found out by it."""

from __future__ import annotations

import pytest
from support.live_model import run
from support.live_mutants import MUTANTS, Make
from support.live_stories import random_scenario

TRIES = 4000
"""Stories, the same ones each time: every mutant falls for one of the first 2000."""


def is_found_out(make: Make, seed: int) -> bool:
    try:
        return bool(run(random_scenario(seed), make).problems)
    except AssertionError:
        return True  # it edited what is not shown


@pytest.mark.parametrize("name", MUTANTS)
def test_each_rule_is_needed(name: str) -> None:
    """Without the rule that the mutant breaks, some story ends with a wrong view."""
    assert any(is_found_out(MUTANTS[name], seed) for seed in range(TRIES))
