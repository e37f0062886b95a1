"""The literals that show how a server sorts text."""

from __future__ import annotations

import re

import pytest

from rxbosbase.live.engine.sorting import BY_BYTES, EVERYWHERE
from rxbosbase.live.source import MAX_FILTER, MAX_TERMS
from rxbosbase.testing.collation import collation_key

PAIR = re.compile("'([^']*)' < '([^']*)'")
PAIRS = PAIR.findall(BY_BYTES)


def test_the_condition_is_made_of_its_pairs() -> None:
    """`BY_BYTES` joins distinct pairs with `&&` and keeps to the limits for filters."""
    assert " && ".join(f"'{one}' < '{other}'" for one, other in PAIRS) == BY_BYTES
    assert len(set(PAIRS)) == len(PAIRS) < MAX_TERMS
    assert len(BY_BYTES) < MAX_FILTER
    assert "\\" not in BY_BYTES  # which the dialects of filters read differently


def test_at_least_nine_pairs_are_no_controls() -> None:
    """`BY_BYTES` has the pair Z < a and at least eight further pairs that are no controls."""
    assert ("Z", "a") in PAIRS and len(set(PAIRS) - CONTROLS) >= 9


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_each_pair_is_true_by_bytes_and_for_python(one: str, other: str) -> None:
    """The left literal of each pair is less than the right one by bytes and in Python."""
    assert one.encode() < other.encode() and one < other


CONTROLS = {("10", "9"), ("_", "a"), ("｡", "🦊")}
"""True in en_US as well, and false in others: by numbers, with symbols last, by UTF-16."""


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_no_pair_but_the_controls_is_true_by_the_rules_of_a_language(one: str, other: str) -> None:
    """Of all pairs, only the controls are true in the collation of en_US."""
    assert (collation_key(one) < collation_key(other)) is ((one, other) in CONTROLS)


def test_a_pair_distinguishes_bytes_from_utf_16_units() -> None:
    """At least one pair is false where text is compared by its UTF-16 code units."""
    assert any(other.encode("utf-16-be") < one.encode("utf-16-be") for one, other in PAIRS)


def test_the_control_is_true_in_either_order() -> None:
    """The pair of `EVERYWHERE` is true by bytes and in the collation of en_US."""
    ((one, other),) = PAIR.findall(EVERYWHERE)
    assert one.encode() < other.encode() and collation_key(one) < collation_key(other)
