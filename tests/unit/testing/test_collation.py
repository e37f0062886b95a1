"""The order of text: PostgreSQL 15 with ``en_US.utf8`` sorted each list below as it stands."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.testing.collation import collation_key

SORTED = {
    "all kinds": ["", "🦊", "10", "9", "-a", "a", "A", "á", "a b", "b", "Z"],
    "case counts behind all letters": ["aa", "aA", "Aa", "AA", "ab", "Ab", "b"],
    "accents count before case": ["ea", "Ea", "eá", "éa", "Éa", "eb"],
    "accents have an order": ["a", "á", "à", "ă", "â", "å", "ä", "ã", "ą", "ā", "ad"],
    "letters that sort as two": ["ad", "æ", "af", "oe", "œ", "of", "ss", "ß", "sz"],
    "letters that sort as one": ["d", "đ", "ð", "đa", "e", "ł", "lz", "o", "ö", "ø", "z", "þ", "я"],
    "an accent of its own": ["a", "a\u0301", "á", "A\u0301", "b"],
    "symbols have an order": ["", "\x01", "\t", " ", "!", "'", ",", "-", ".", "_", "—", "🐻", "🦊"],
    "punctuation counts last": ["x y", "x-y", "x_y", "xy", "xY"],
    "currencies, digits, letters": ["$", "£", "€", "0", "1", "11", "½", "2", "²", "3", "a", "ª"],
    "a digit before punctuation": ["3", "3.", "31.a", "31a", "3.1a", "3.a", "3.A", "3a", "3A"],
}


@pytest.mark.parametrize("texts", SORTED.values(), ids=SORTED)
def test_texts_are_in_the_order_of_the_database(texts: list[str]) -> None:
    """`collation_key` orders each list as PostgreSQL 15 with `en_US.utf8` does."""
    assert all(collation_key(one) < collation_key(other) for one, other in pairwise(texts))


@given(st.text(), st.text())
def test_only_equal_texts_are_in_one_place(one: str, other: str) -> None:
    """Two texts have the same `collation_key` only if they are equal."""
    assert (collation_key(one) == collation_key(other)) == (one == other)
