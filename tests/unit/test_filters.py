"""Filters: a value goes in as data and comes out as data, whatever it holds."""

from __future__ import annotations

import enum
import json
import math
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.hostile_strings import HOSTILE_STRINGS, INEXPRESSIBLE_STRINGS

from rxbosbase.filters import build_filter

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}


def read_texts(filter: str) -> tuple[str, list[str]]:
    """Read a filter as the server's scanner does: its text without the literals, and those."""
    rest, literals, at = "", [], 0
    while at < len(filter):
        quote = filter[at]
        at += 1
        if quote not in "'\"":
            rest += quote
            continue
        text = ""
        while filter[at] != quote:
            if filter[at] == "\\":
                at += 1
                text += ESCAPES[filter[at]]  # any other escape is the server's own business
            else:
                text += filter[at]
            at += 1
        at += 1
        rest += "?"
        literals.append(text)
    return rest, literals


values = st.one_of(
    st.sampled_from(HOSTILE_STRINGS),
    st.text("\\'\"n{}:x \n/()|&", max_size=12),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
)


@given(values, values)
@example("{:b}", "{:a}")
@example("\\", "' || 1=1 || '")
def test_every_text_comes_back_exactly_and_nothing_escapes_it(a: str, b: str) -> None:
    text = build_filter('(x = {:a} || "\'" = y) && z ~ {:b}', a=a, b=b)
    assert read_texts(text) == ("(x = ? || ? = y) && z ~ ?", [a, "'", b])


def test_values_stand_in_their_places() -> None:
    text = build_filter("author = {:who} && n > {:n} && m < {:n}", who="o'neil", n=3)
    assert text == "author = 'o\\'neil' && n > 3 && m < 3"
    assert build_filter('title = "a {b} //"') == 'title = "a {b} //"'
    assert build_filter("e={:expression}", expression=1) == "e=1"


@pytest.mark.parametrize("text", INEXPRESSIBLE_STRINGS)
def test_what_the_server_cannot_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\{:v\} holds (a NUL|half a surrogate)"):
        build_filter("a = {:v}", v=text)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"), (True, "true"), (False, "false"), (0, "0"), (-5, "-5"),
        (10**20, "100000000000000000000"),
        (1.5, "1.5"), (1e-7, "0.0000001"), (1e16, "10000000000000000"), (-2.5e-3, "-0.0025"),
        (0.1, "0.1"), (Decimal("1.50"), "1.50"), (Decimal("1E+3"), "1000"), (Level.HIGH, "3"),
        (Colour.RED, "'red'"), ("", "''"),
        (datetime.fromisoformat("2026-01-31 12:00:00.999999"), "'2026-01-31 12:00:00.999Z'"),
        (datetime.fromisoformat("2026-01-31 01:00:00+02:00"), "'2026-01-30 23:00:00.000Z'"),
        (date(2026, 1, 31), "'2026-01-31 00:00:00.000Z'"),
        (datetime.fromisoformat("0001-02-03"), "'0001-02-03 00:00:00.000Z'"),
        ({"a": [1, "x\"y'z"]}, "'{\"a\":[1,\"x\\\\\"y\\'z\"]}'"),
        ([], "'[]'"), ((1, 2), "'[1,2]'"),
    ],
)  # fmt: skip
def test_each_type_has_its_form(value: Any, expected: str) -> None:
    assert build_filter("{:v}", v=value) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_keeps_its_value_and_has_no_exponent(value: float) -> None:
    text = build_filter("{:v}", v=value)
    assert re.fullmatch(r"-?\d+(\.\d+)?", text)
    assert float(text) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("a\\'\"\n\0é"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a'"), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(json_values) | st.dictionaries(st.text("a\\'"), json_values))
def test_json_comes_back_exactly(value: Any) -> None:
    rest, (text,) = read_texts(build_filter("j = {:v}", v=value))
    assert rest == "j = ?"
    assert json.loads(text) == value


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("-Infinity")]
)
def test_numbers_that_are_not_finite_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"\{:v\} is .*finite numbers only"):
        build_filter("a = {:v}", v=value)


@pytest.mark.parametrize(("text", "hours"), [("0001-01-01", 5), ("9999-12-31 23:00", -5)])
def test_a_moment_before_or_after_all_of_utc_is_refused(text: str, hours: int) -> None:
    value = datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(hours=hours)))
    with pytest.raises(ValueError, match=r"\{:v\} lies outside the years of UTC"):
        build_filter("a = {:v}", v=value)


@pytest.mark.parametrize("value", [b"x", object(), {1, 2}, 1j])
def test_other_types_are_refused_by_name(value: Any) -> None:
    with pytest.raises(TypeError, match=r"\{:v\} is a \w+, which a filter cannot hold: give"):
        build_filter("a = {:v}", v=value)
    with pytest.raises(TypeError, match=r"\{:v\} has no JSON form"):
        build_filter("a = {:v}", v=[value])


def test_an_expression_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="expression must be a str, not int"):
        build_filter(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("expression", ["a = {:x} && b = {:y}", "{:y}", "a = {:}", "a = {:x y}"])
def test_a_place_without_a_value_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="no value is given"):
        build_filter(expression, x=1)


def test_a_value_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no place for \{:y\}, \{:z\}: add it, or drop"):
        build_filter("a = {:x}", x=1, z=2, y=3)
    with pytest.raises(ValueError, match=r"no place for \{:x\}"):
        build_filter("a = 1 // it's {:x}", x=1)


@pytest.mark.parametrize("expression", ["a = '{:x}'", 'a = "b {:x}"', "a = 'it\\'s {:x}'"])
def test_a_place_inside_quotes_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"\{:x\} stands inside quotes: take the quotes away"):
        build_filter(expression, x="v")


@pytest.mark.parametrize("expression", ["a = '{:x}", 'a = {:x} && b = "', "a = 'b\\' && c = {:x}"])
def test_a_quote_left_open_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="without an end: close its quote"):
        build_filter(expression, x="v")
