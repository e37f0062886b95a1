"""All sequences within small bounds end well, and the search sees it where one does not.

`QUICK` with ``RXBOSBASE_LONG=1``; ``python -m tests.unit.live.exhaustive`` goes further.
"""

from __future__ import annotations

import os

import pytest
from support.live_mutants import MUTANTS, RARE
from unit.live.exhaustive import QUICK, SMALL, Search, search_all
from unit.live.exhaustive_setups import Scope, make_setups, weak_orders
from unit.live.exhaustive_world import Broken

# How many there are. A change of the rules that changes what can happen next changes these, too.
IS_LONG = os.environ.get("RXBOSBASE_LONG") == "1"
COUNTS = (10_026, 9_978, 13_482, 7_591) if IS_LONG else (1_191, 316, 1_567, 2_118)
SEQUENCES = dict(zip(QUICK if IS_LONG else SMALL, COUNTS, strict=True))

TWO = Scope(2, 1, ("calm",))
RACED = Scope(1, 1, ("compare",), slow=True)
LOSS = Scope(1, 1, ("loss",), waits=0, slow=True)
SKIP = Scope(1, 1, ("skip",))
TWO_SKIP = Scope(2, 1, ("skip",), waits=0)

FOUND_IN = {
    "NoTombstones": (TWO, 34),
    "EqualIsNewer": (TWO, 0),
    "SwapsIgnored": (TWO, 2),
    "OlderIsDropped": (TWO, 2),
    "NoHints": (TWO, 5),
    "HintsPairAfterGaps": (Scope(2, 1, ("skip",)), 29),
    "HintsForgotten": (Scope(1, 1, ("start",), slow=True), 7),
    "RacedAnswersAreFinal": (RACED, 4),
    "PagesOverEvents": (RACED, 4),
    "EventsForgottenWhileReading": (RACED, 4),
    "GapsEndAtOnce": (TWO_SKIP, 14),
    "EqualVersionsAreProof": (TWO_SKIP, 84),
    "RechecksEndWithTheStream": (TWO_SKIP, 12),
    "ReadsBeforeAcknowledged": (LOSS, 7),
    "NoCatchUp": (SKIP, 0),
    "SkipsIgnored": (SKIP, 0),
}
"""Mutants that concern two writes, the order of frames, gaps or reads; a scope that finds each, and
which of its setups does."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scope", SEQUENCES, ids=lambda scope: f"{scope.writes} {scope.troubles}")
def test_every_sequence_ends_with_a_view_that_equals_its_query(scope: Scope) -> None:
    """Each sequence within the bounds ends with a view equal to its query; all are run."""
    total = search_all(scope)
    print(
        f"{total.sequences:,} sequences of {total.setups} setups, by way of {total.states:,} states"
    )
    assert not total.wrong, total.wrong
    assert total.sequences == SEQUENCES[scope]


def is_broken(search: Search) -> bool:
    try:
        search.run()
    except Broken:
        return True
    return False


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", FOUND_IN)
def test_each_missing_rule_is_found(name: str) -> None:
    """Without the rule some sequence of the given setup fails; with all rules none does."""
    scope, at = FOUND_IN[name]
    setups = list(make_setups(scope))
    make = (MUTANTS | RARE)[name]
    searches = {each: Search(setups[each], scope, make) for each in (at, *range(len(setups)))}
    found = next((each for each, search in searches.items() if is_broken(search)), None)
    assert found == at, "another setup shows that the rule is missing, or none does"
    assert "WRONG" in searches[at].describe()
    assert Search(setups[at], scope).run() > 0


@pytest.mark.parametrize("trouble", ["calm", "compare", "skip", "start"])
def test_equal_states_have_equal_futures(trouble: str) -> None:
    """A search that merges equal states counts as many sequences as one that does not."""
    scope = Scope(1, 1, (trouble,))
    for setup in make_setups(scope):
        one_by_one = Search(setup, scope, merges=False)
        merged = Search(setup, scope)
        assert one_by_one.run() == merged.run()
        assert merged.states <= one_by_one.states


def test_weak_orders_are_complete() -> None:
    """`weak_orders` returns all orders with ties of 0 to 3 row versions: 1, 1, 3 and 13."""
    assert [len(weak_orders(count)) for count in range(4)] == [1, 1, 3, 13]
