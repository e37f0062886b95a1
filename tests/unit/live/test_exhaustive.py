"""All stories within small bounds end well, and the search sees it where one does not.

`QUICK` with ``RXBOSBASE_LONG=1``; ``python -m tests.unit.live.exhaustive`` goes further.
"""

from __future__ import annotations

import os

import pytest
from support.live_mutants import MUTANTS, RARE
from unit.live.exhaustive import QUICK, SMALL, Search, search_all
from unit.live.exhaustive_plots import Scope, make_plots, weak_orders
from unit.live.exhaustive_world import Broken

# How many there are. A change of the rules that changes what can happen next changes these, too.
IS_LONG = os.environ.get("RXBOSBASE_LONG") == "1"
COUNTS = (10_026, 9_978, 13_482, 7_591) if IS_LONG else (1_191, 316, 1_567, 2_118)
STORIES = dict(zip(QUICK if IS_LONG else SMALL, COUNTS, strict=True))

TWO = Scope(2, 1, ("calm",))
RACED = Scope(1, 1, ("compare",), slow=True)
LOSS = Scope(1, 1, ("loss",), waits=0, slow=True)
SKIP = Scope(1, 1, ("skip",))
TWO_SKIP = Scope(2, 1, ("skip",), waits=0)

FOUND_IN = {
    "NoGraves": (TWO, 34),
    "EqualIsNewer": (TWO, 0),
    "NobodySwaps": (TWO, 2),
    "OlderIsDropped": (TWO, 2),
    "NoHints": (TWO, 5),
    "HintsPairAfterGaps": (Scope(2, 1, ("skip",)), 29),
    "HintsForgotten": (Scope(1, 1, ("start",), slow=True), 7),
    "RacedAnswersAreFinal": (RACED, 4),
    "PagesOverEvents": (RACED, 4),
    "EventsForgottenWhileReading": (RACED, 4),
    "GapsEndAtOnce": (TWO_SKIP, 14),
    "StampsAreProof": (TWO_SKIP, 84),
    "DoubtsEndWithTheStream": (TWO_SKIP, 12),
    "ReadsBeforeAcknowledged": (LOSS, 7),
    "NoCatchUp": (SKIP, 0),
    "SkipsAreNothing": (SKIP, 0),
}
"""Mutants that concern two writes, the order of frames, gaps or reads; a scope that finds each, and
which of its plots does."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scope", STORIES, ids=lambda scope: f"{scope.writes} {scope.troubles}")
def test_every_story_ends_with_a_view_that_equals_its_query(scope: Scope) -> None:
    """Each scenario within the bounds ends with a view equal to its query; all are run."""
    total = search_all(scope)
    print(f"{total.stories:,} stories of {total.plots} plots, by way of {total.states:,} states")
    assert not total.wrong, total.wrong
    assert total.stories == STORIES[scope]


def is_broken(search: Search) -> bool:
    try:
        search.run()
    except Broken:
        return True
    return False


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", FOUND_IN)
def test_a_missing_rule_is_found_and_the_whole_rules_stand_that_test(name: str) -> None:
    """Without the rule some scenario of the given plot fails; with all rules none does."""
    scope, at = FOUND_IN[name]
    plots = list(make_plots(scope))
    make = (MUTANTS | RARE)[name]
    searches = {each: Search(plots[each], scope, make) for each in (at, *range(len(plots)))}
    found = next((each for each, search in searches.items() if is_broken(search)), None)
    assert found == at, "another plot shows that the rule is missing, or none does"
    assert "WRONG" in searches[at].tell()
    assert Search(plots[at], scope).run() > 0


@pytest.mark.parametrize("trouble", ["calm", "compare", "skip", "start"])
def test_equal_states_have_equal_futures(trouble: str) -> None:
    """A search that merges equal states counts as many scenarios as one that does not."""
    scope = Scope(1, 1, (trouble,))
    for plot in make_plots(scope):
        one_by_one = Search(plot, scope, merges=False)
        merged = Search(plot, scope)
        assert one_by_one.run() == merged.run()
        assert merged.states <= one_by_one.states


def test_the_stamps_of_three_writes_have_thirteen_orders() -> None:
    """`weak_orders` returns all orders with ties of 0 to 3 row versions: 1, 1, 3 and 13."""
    assert [len(weak_orders(count)) for count in range(4)] == [1, 1, 3, 13]
