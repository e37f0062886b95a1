"""All stories within small bounds end well, and the search sees it where one does not.

``python -m tests.unit.live.exhaustive`` goes further.
"""

from __future__ import annotations

import pytest
from support.live_mutants import MUTANTS, RARE
from unit.live.exhaustive import QUICK, Search, search_all
from unit.live.exhaustive_plots import Scope, make_plots, weak_orders
from unit.live.exhaustive_world import Broken

# How many there are. A change of the rules that changes what can happen next changes these, too.
STORIES = (10_026, 9_978, 13_482, 7_591)

TWO = Scope(2, 1, ("calm",))
RACED = Scope(1, 1, ("compare",), slow=True)
LOSS = Scope(2, 1, ("loss",))
SKIP = Scope(1, 1, ("skip",))

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
    "GapsEndAtOnce": (LOSS, 2),
    "StampsAreProof": (LOSS, 0),
    "DoubtsEndWithTheStream": (LOSS, 0),
    "ReadsBeforeAcknowledged": (LOSS, 0),
    "NoCatchUp": (SKIP, 0),
    "SkipsAreNothing": (SKIP, 0),
}
"""Mutants that concern two writes, the order of frames, gaps or reads; a scope that finds each, and
which of its plots does. A plot that finds it no longer is looked for among all of them."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "at",
    range(4),
    ids=["one write", "a slow read", "two writes", "two writes and a skip"],
)
def test_every_story_ends_with_a_view_that_equals_its_query(at: int) -> None:
    total = search_all(QUICK[at])
    print(f"{total.stories:,} stories of {total.plots} plots, by way of {total.states:,} states")
    assert not total.wrong, total.wrong
    assert total.stories == STORIES[at]


def is_broken(search: Search) -> bool:
    try:
        search.run()
    except Broken:
        return True
    return False


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", FOUND_IN)
def test_a_missing_rule_is_found_and_the_whole_rules_stand_that_test(name: str) -> None:
    """Some story of the scope ends wrong without the rule, and no story of that plot with it."""
    scope, at = FOUND_IN[name]
    plots = list(make_plots(scope))
    make = (MUTANTS | RARE)[name]
    searches = (Search(plot, scope, make) for plot in [plots[at], *plots])
    found = next((search for search in searches if is_broken(search)), None)
    assert found is not None, "no story shows that the rule is missing"
    assert "WRONG" in found.tell()
    assert Search(found.plot, scope).run() > 0


@pytest.mark.parametrize("trouble", ["calm", "compare", "skip", "start"])
def test_equal_states_have_equal_futures(trouble: str) -> None:
    """Told one by one, without merging, there are as many stories, and all end well."""
    scope = Scope(1, 1, (trouble,))
    for plot in make_plots(scope):
        one_by_one = Search(plot, scope, merges=False)
        merged = Search(plot, scope)
        assert one_by_one.run() == merged.run()
        assert merged.states <= one_by_one.states


def test_the_stamps_of_three_writes_have_thirteen_orders() -> None:
    """Of the orders with ties that there are (the third Fubini number), none is left out."""
    assert [len(weak_orders(count)) for count in range(4)] == [1, 1, 3, 13]
