"""Filters: any value is written so that servers read it as the same value."""

from __future__ import annotations

import enum
import json
import math
import os
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.filter_scanners import Refused, read_filter
from support.hostile_strings import HOSTILE_STRINGS, INEXPRESSIBLE_STRINGS

from rxbosbase.records.filters import (
    GUARDS,
    Dialect,
    UnknownDialectError,
    build_filter,
    without_comments,
)

values = st.one_of(
    st.sampled_from(HOSTILE_STRINGS),
    st.text("\\'\"/|(", max_size=8),
    st.text("\\'\"/|(nrt{}:x \n)&=%", max_size=16),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
)

PLACES = """a = {:a} && (b ~ {:b} || "'" != c) && // a 'comment {:x}
d ?= {:a} || 'it\\'s' = e && f = {:n}"""


def meant(a: str, b: str) -> Any:
    """The tree of `PLACES`, in any dialect."""

    def text(value: str) -> tuple[str, str]:
        return "text", value

    def name(value: str) -> tuple[str, str]:
        return "name", value

    return [
        ("&&", (name("a"), "=", text(a))),
        ("&&", [("&&", (name("b"), "~", text(b))), ("||", (text("'"), "!=", name("c")))]),
        ("&&", (name("d"), "?=", text(a))),
        ("||", (text("it's"), "=", name("e"))),
        ("&&", (name("f"), "=", ("number", "-5"))),
    ]


LONG = os.environ.get("RXBOSBASE_LONG") == "1"
GUARD_TREES = {dialect: read_filter(guard, dialect) for dialect, guard in GUARDS.items()}


def read(filter: str, dialect: Dialect) -> Any:
    """The tree that a server of this dialect reads, without its guard; "refused" for an error."""
    try:
        tree = read_filter(filter, dialect)
    except Refused:
        return "refused"
    return tree[1][1] if tree[:1] == GUARD_TREES[dialect] else tree


def check_texts(a: str, b: str) -> None:
    """Servers of the filter's dialect read the texts unchanged; no server reads them as code."""
    written: dict[Dialect | None, str] = {}
    for dialect in (None, *GUARDS):
        try:
            written[dialect] = build_filter(PLACES, dialect, a=a, b=b, n=-5)
        except UnknownDialectError:
            assert dialect is None
        except ValueError:
            assert dialect == "plain" and "\\" in (a[-1:], b[-1:])
    meaning = meant(a, b)
    found = {text: {server: read(text, server) for server in GUARDS} for text in written.values()}
    for dialect, text in written.items():
        for server, tree in found[text].items():
            assert tree == meaning or (tree == "refused" and dialect not in (None, server))
    assert "escaped" in written
    if None in written:  # what both read alike is the same text for both, without a guard
        assert set(written.values()) == {written[None]}
        assert not written[None].startswith("'")


def each_text(signs: str, most: int) -> list[str]:
    """All texts of so many of these signs at most."""
    return ["".join(text) for size in range(most + 1) for text in product(signs, repeat=size)]


def test_each_short_text_is_itself_to_its_servers_and_code_to_none() -> None:
    """Each short text of quotes, backslashes and letters is read as that text, not as code."""
    texts = each_text("\\'\"n/", 4) + each_text("\\'tr", 3)
    for a, b in zip(texts, reversed(texts), strict=True):
        check_texts(a, b)


@settings(max_examples=20_000 if LONG else 500)
@given(values, values)
@example("{:b}", "{:a}")
@example("\\", "' || 1=1 || '")
@example("\\", '" || 1=1 || "')
@example("\\", ' || id != "" //')
@example("\\' || id != '' //", "x")
def test_a_text_is_itself_to_its_servers_and_code_to_none(a: str, b: str) -> None:
    """Servers of the filter's dialect read a text unchanged; no server reads it as code."""
    check_texts(a, b)


MARK = "\u2603"


def with_value(tree: Any, value: str) -> Any:
    """The tree, with `value` where the mark is."""
    if isinstance(tree, (list, tuple)):
        return type(tree)(with_value(each, value) for each in tree)
    return value if tree == MARK else tree


def has_place(expression: str) -> bool:
    """Whether a server of the dialect "escaped" reads a value where ``{:v}`` stands alone."""
    tree = read(expression.replace("{:v}", f"'{MARK}'"), "escaped")
    return expression.count("{:") == 1 and with_value(tree, "") != tree


def check_value(expression: str, value: str) -> None:
    """Servers of the filter's dialect read the value unchanged, in its place.

    In the dialect "escaped" there is a filter for each value.
    """
    for dialect in (None, *GUARDS):
        try:
            marked, text = (build_filter(expression, dialect, v=v) for v in (MARK, value))
        except ValueError:
            assert dialect != "escaped" or not has_place(expression)
            continue
        for server in GUARDS:
            found, expected = read(text, server), with_value(read(marked, server), value)
            assert found == expected or (found == "refused" and dialect not in (None, server))


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("value", ["x", "\\", " || c = 1 //", "' || c = 1 //", '" || c = 1 //'])
def test_no_short_text_of_an_expression_makes_code_of_a_value(quote: str, value: str) -> None:
    """No quoted text of the expression, up to four characters, turns a value into code."""
    for text in each_text("\\'\"", 4):
        check_value(f"a = {quote}{text}{quote} || b = {{:v}}", value)
        check_value(f"a = {quote}{text}{quote} || d = {quote} || b = {{:v}} // {quote}", value)


@settings(max_examples=20_000 if LONG else 500)
@given(st.text("\\'\"/|( nb=&){:x}", max_size=24), values)
def test_no_expression_makes_code_of_a_value(expression: str, value: str) -> None:
    """No expression before a value, however it is quoted, turns the value into code."""
    check_value(f"{expression} || b = {{:v}}", value)


def test_values_stand_in_their_places() -> None:
    """`build_filter` replaces each `{:name}` by its value and leaves other braces unchanged."""
    text = build_filter("author = {:who} && n > {:n} && m < {:n}", who="o'neil", n=3)
    assert text == "author = 'o\\'neil' && n > 3 && m < 3"
    assert build_filter('title = "a {b} //"') == 'title = "a {b} //"'
    assert build_filter("e={:expression}", expression=1) == "e=1"


@pytest.mark.parametrize("text", INEXPRESSIBLE_STRINGS)
def test_what_the_server_cannot_read_is_refused(text: str) -> None:
    """Raise ValueError that names the place for a text with NUL or half a surrogate pair."""
    with pytest.raises(ValueError, match=r"\{:v\} holds (a NUL|half a surrogate)"):
        build_filter("a = {:v}", v=text)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"), (True, "'1'"), (False, "'0'"), (0, "0"), (-5, "-5"),
        (10**20, "100000000000000000000"),
        (1.5, "1.5"), (1e-7, "0.0000001"), (1e16, "10000000000000000"), (-2.5e-3, "-0.0025"),
        (0.1, "0.1"), (Decimal("1.50"), "1.50"), (Decimal("1E+3"), "1000"), (Level.HIGH, "3"),
        (Decimal("-1E-999999999"), "0"), (-0.0, "0"), (10**400, f"1{'0' * 400}"),
        (Colour.RED, "'red'"), ("", "''"),
        (datetime.fromisoformat("2026-01-31 12:00:00.999999"), "'2026-01-31 12:00:00.999Z'"),
        (datetime.fromisoformat("2026-01-31 01:00:00+02:00"), "'2026-01-30 23:00:00.000Z'"),
        (date(2026, 1, 31), "'2026-01-31 00:00:00.000Z'"),
        (datetime.fromisoformat("0001-02-03"), "'0001-02-03 00:00:00.000Z'"),
        ({"a": [1, "x'z"]}, "'{\"a\":[1,\"x\\'z\"]}'"),
        ([], "'[]'"), ((1, 2), "'[1,2]'"),
    ],
)  # fmt: skip
def test_each_type_has_its_form(value: Any, expected: str) -> None:
    """Each supported type has one literal, the same in every dialect and without a guard."""
    for dialect in (None, *GUARDS):
        assert build_filter("{:v}", dialect, v=value) == expected


@pytest.mark.usefixtures("elsewhere")
def test_a_time_without_a_zone_is_utc_wherever_the_program_runs() -> None:
    """A datetime without a zone, and a date, are UTC whatever the local time zone is."""
    given = datetime.fromisoformat("2026-01-31 00:30:00")
    assert given.astimezone().utcoffset() == timedelta(hours=5, minutes=45)
    assert build_filter("{:v}", v=given) == "'2026-01-31 00:30:00.000Z'"
    assert build_filter("{:v}", v=given.date()) == "'2026-01-31 00:00:00.000Z'"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_keeps_its_value_and_has_no_exponent(value: float) -> None:
    """A finite float is written without an exponent and reads back as the same float."""
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
    """A list or dict is written as JSON text that decodes to an equal value in each dialect."""
    for dialect in GUARDS:
        tree = read(build_filter("j = {:v}", dialect, v=value), dialect)
        ((_, (_, _, (_, text))),) = tree
        assert json.loads(text) == value


@pytest.mark.parametrize("text", ["\\", "a\\\\b", "a\\'b", 'a\\"b', "C:\\new", "a\\t", "\\r"])
def test_a_text_that_servers_read_in_two_ways_needs_a_known_dialect(text: str) -> None:
    """Without a dialect, an ambiguous backslash in a value raises `UnknownDialectError`."""
    with pytest.raises(UnknownDialectError, match=r"of \{:v\} holds a backslash.*filter_dialect="):
        build_filter("a = {:v}", v=text)
    with pytest.raises(UnknownDialectError, match=r"value of \{:v\} holds a backslash"):
        build_filter("a = {:v}", v={"t": 'say "hi"'})


@pytest.mark.parametrize("text", ["a\\b", "\\x41", "C:\\users\\", "\\ż"])
def test_a_lone_backslash_before_other_characters_is_read_alike(text: str) -> None:
    """A backslash before an ordinary character is written unchanged without a dialect."""
    text = text.rstrip("\\")
    assert build_filter("a = {:v}", v=text) == f"a = '{text}'"


def test_a_final_backslash_cannot_be_written_in_the_plain_dialect() -> None:
    """A final backslash raises ValueError in the plain dialect; the escaped one doubles it."""
    with pytest.raises(ValueError, match=r"\{:v\} ends in a backslash, which no filter of this"):
        build_filter("a = {:v}", "plain", v="a\\")
    assert build_filter("a = {:v}", "escaped", v="a\\") == r"'\\'='\\' && (a = 'a\\')"


def test_a_guard_is_true_in_its_dialect_and_invalid_in_others() -> None:
    """A dialect's guard is true on its own servers and a syntax error on all others."""
    for dialect, guard in GUARDS.items():
        ((_, (left, sign, right)),) = read_filter(guard, dialect)
        assert (left, sign) == (right, "=")
        for other in GUARDS.keys() - {dialect}:
            for around in ("{}", "({})", "a = 1 && {} && ({})", "(a = 1 || ({} && b = '1'))"):
                with pytest.raises(Refused):
                    read_filter(around.replace("{}", guard), other)


def test_the_expressions_own_quotes_are_read_as_the_server_does() -> None:
    """A quoted text of the expression is read by the dialect's rules; without one, an error."""
    ambiguous = r"path = '\\' && owner = {:o}"
    with pytest.raises(UnknownDialectError, match="a quoted text of the filter's own"):
        build_filter(ambiguous, o="' || id != ''")
    with pytest.raises(ValueError, match="without an end"):
        build_filter(ambiguous, "plain", o="me")
    assert build_filter(ambiguous, "escaped", o="me").startswith(GUARDS["escaped"])


def test_comments_are_dropped() -> None:
    """A `//` comment is removed up to the end of its line; `//` inside quotes stays."""
    assert build_filter("a = 1 // it's one\n&& b = {:b}", b=2) == "a = 1  \n&& b = 2"
    assert without_comments("a = '//' // it's one") == "a = '//'  "
    assert without_comments(r"a = '\\' // left") == r"a = '\\' // left"


def test_no_more_than_the_comments_is_taken_out() -> None:
    """`without_comments` leaves all but comments unchanged, also in an invalid expression."""
    for expression in ("a = {:a} && b = '{:b}'", "a = 'open", ""):
        assert without_comments(expression) == expression
        assert without_comments(f"c = 1 && // few\n{expression}") == f"c = 1 &&  \n{expression}"


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, Decimal("-Infinity"), [math.inf], [10**400]], ids=str
)
def test_numbers_that_are_not_finite_are_refused(value: Any) -> None:
    """Raise ValueError for an infinite number, or inside JSON one that exceeds a float."""
    with pytest.raises(ValueError, match=r"\{:v\} is refused: .*(a finite number|give text)"):
        build_filter("a = {:v}", v=value)


@pytest.mark.parametrize(("text", "hours"), [("0001-01-01", 5), ("9999-12-31 23:00", -5)])
def test_a_moment_before_or_after_all_of_utc_is_refused(text: str, hours: int) -> None:
    """Raise ValueError for a datetime that lies outside the years 1 to 9999 in UTC."""
    value = datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(hours=hours)))
    with pytest.raises(ValueError, match=r"\{:v\} is refused: .* outside the years .* of UTC"):
        build_filter("a = {:v}", v=value)


@pytest.mark.parametrize("value", [b"x", object(), {1, 2}, 1j])
def test_other_types_are_refused_by_name(value: Any) -> None:
    """Raise TypeError that names the type for a value without a JSON form, also in a list."""
    for each in (value, [value]):
        with pytest.raises(TypeError, match=r"\{:v\} is refused: \w+ has no JSON form: give"):
            build_filter("a = {:v}", v=each)


def test_an_expression_that_is_no_text_is_refused() -> None:
    """Raise TypeError for an expression that is no text."""
    with pytest.raises(TypeError, match="expression must be a str, not int"):
        build_filter(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("expression", ["a = {:x} && b = {:y}", "{:y}", "a = {:}", "a = {:x y}"])
def test_a_place_without_a_value_is_refused(expression: str) -> None:
    """Raise ValueError for a place whose name has no value, or is no valid name."""
    with pytest.raises(ValueError, match="no value is given"):
        build_filter(expression, x=1)


def test_a_value_without_a_place_is_refused() -> None:
    """Raise ValueError that names the values without a place; a place in a comment is none."""
    with pytest.raises(ValueError, match=r"no place for \{:y\}, \{:z\}: add it, or drop"):
        build_filter("a = {:x}", x=1, z=2, y=3)
    with pytest.raises(ValueError, match=r"no place for \{:x\}"):
        build_filter("a = 1 // it's {:x}", x=1)
    with pytest.raises(ValueError, match=r"^a value's name\[1\] holds half a surrogate pair"):
        build_filter("a = 1", **{"\ud83d": 1, "b": 2})


@pytest.mark.parametrize("expression", ["a = '{:x}'", 'a = "b {:x}"', "a = 'it\\'s {:x}'"])
def test_a_place_inside_quotes_is_refused(expression: str) -> None:
    """Raise ValueError, with the remedy, for a place inside a quoted text."""
    with pytest.raises(ValueError, match=r"\{:x\} stands inside quotes: take the quotes away"):
        build_filter(expression, x="v")


@pytest.mark.parametrize("expression", ["a = '{:x}", 'a = {:x} && b = "', "a = 'b\\' && c = {:x}"])
def test_a_quote_left_open_is_refused(expression: str) -> None:
    """Raise ValueError, with the remedy, for a quoted text without its end."""
    with pytest.raises(ValueError, match="without an end: close its quote"):
        build_filter(expression, x="v")
