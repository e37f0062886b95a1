"""JSON text: values with a form, values without one, and errors of two types alone."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.encoding.json import decode, decoded_size, encode, encode_sorted, encode_stored

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(values)
def test_encoded_values_decode_to_equal_ones(value: Any) -> None:
    """A JSON value is equal after `encode` or `encode_sorted` and `decode`."""
    assert decode(encode(value)) == value
    assert decode(encode_sorted(value)) == value
    assert json.loads(encode(value)) == value


@given(values)
def test_decode_reads_the_output_of_other_encoders(value: Any) -> None:
    """`decode` reads the output of Python's `json`, as text or bytes, ASCII or not."""
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert decode(text) == decode(text.encode()) == value


def damage(text: str, at: int, mark: str) -> str:
    return text[:at] + mark + text[at:]


nearly_json = st.builds(
    damage, values.map(json.dumps), st.integers(0, 30), st.sampled_from([*'[]{},:"0-.ex \n'])
)


@given(st.binary() | nearly_json | nearly_json.map(str.encode))
def test_invalid_json_is_a_value_error(text: bytes | str) -> None:
    """`decode` raises only ValueError; an accepted text has the value that `json` reads."""
    value = None
    with contextlib.suppress(ValueError):
        value = decode(text)
    assert value is None or value == json.loads(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "NaN", "1e999", '"\\ud800"'])
def test_hostile_text_is_a_value_error(text: str) -> None:
    """Nesting of 100,000 levels, NaN, `1e999` and half a surrogate pair raise ValueError."""
    with pytest.raises(ValueError, match=r"."):
        decode(text)


class Colour(Enum):
    RED = "red"


class Name(str):
    __slots__ = ()


class Count(int):
    pass


@dataclass
class Point:
    x: Any


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02 03:04:05.000Z"'),
        (date(2026, 1, 2), '"2026-01-02 00:00:00.000Z"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.50"), "1.50"),
        (Colour.RED, '"red"'),
        (Name("ann"), '"ann"'),
        ({"n": [Count(3)]}, '{"n":[3]}'),
        (Point(1), '{"x":1}'),
        ((1, 2), "[1,2]"),
    ],
    ids=str,
)
def test_values_beyond_json_have_a_json_form(value: object, text: str) -> None:
    """Dates, UUIDs, decimals, enums, subclasses, dataclasses and tuples have a JSON form."""
    assert encode(value).decode() == text


HOLDS_ITSELF: list[Any] = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"x", "bytes has no JSON form"),
        ({"a": [bytearray(b"x")]}, "bytearray has no JSON form"),
        ({"a": (memoryview(b"x"),)}, "memoryview has no JSON form"),
        (object(), "object has no JSON form"),
        ({"a": {1, 2}}, "set has no JSON form"),
        ({"a": {b"x": 1}}, "bytes has no JSON form"),
        (Point([b"x"]), "bytes has no JSON form"),
        ({"a": "\ud800"}, r"half a surrogate pair: \['a'\]$"),
        ("\ud800", "half a surrogate pair$"),
        (HOLDS_ITSELF, "holds itself"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_without_a_json_form_is_a_type_error(value: object, why: str) -> None:
    """Raise TypeError that names the type for bytes, sets, objects, surrogates and cycles."""
    for encoded in (encode, encode_sorted):
        with pytest.raises(TypeError, match=why):
            encoded(value)


@pytest.mark.parametrize("number", [float("inf"), float("-inf")])
def test_a_number_that_is_infinite_is_a_value_error(number: float) -> None:
    """`encode` raises ValueError for an infinite number, also as a key or inside a value."""
    for value in (number, {"a": [number]}, {number: 1}, Point({"a": number})):
        with pytest.raises(ValueError, match=f"{number} has no JSON form: give a finite number"):
            encode(value)


def test_a_key_that_is_no_text_or_number_is_a_type_error() -> None:
    """Raise TypeError for a key that is None, a bool, NaN or a tuple."""
    for key, name in ((None, "NoneType"), (True, "bool"), (float("nan"), "float"), ((), "tuple")):
        with pytest.raises(TypeError, match=f"{name} has no JSON form as a key: give text"):
            encode({"a": {key: 1}})


OBJECT, ARRAY, KEY, TEXT, COMMA = 100, 90, 48, 32, 32


@pytest.mark.parametrize(
    ("text", "prices"),
    [
        ("", 0), ("12", 0), ('"ab"', TEXT), ('"a":"b"', KEY + TEXT), ('":":":', 3 * KEY),
        ("{}", OBJECT), ('{"a":1}', OBJECT + KEY), ('{"a":"b"}', OBJECT + KEY + TEXT),
        ("[]", ARRAY), ("[1,2,3]", ARRAY + 2 * COMMA), ('["a","b"]', ARRAY + 2 * TEXT + COMMA),
        ('{"a":[{}],"b":"c"}', 2 * OBJECT + ARRAY + 2 * KEY + TEXT + COMMA),
    ],
)  # fmt: skip
def test_the_memory_of_a_text_is_its_length_and_the_cost_of_each_part(
    text: str, prices: int
) -> None:
    """`decoded_size` is the text's length plus a fixed cost per object, array, key and text."""
    assert decoded_size(text.encode()) == len(text) + prices


def test_equal_values_have_equal_sorted_texts() -> None:
    """`encode_sorted` returns the same bytes for two dicts with the same items."""
    assert encode_sorted({"b": 1, "a": 2}) == encode_sorted({"a": 2, "b": 1})


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"), (-0.0, "-0"), (0.0, "0"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
        (1e-6, "0.000001"), (1e-7, "1e-7"), (1.5e300, "1.5e+300"), (1e-10, "1e-10"),
        (2**53 + 1, "9007199254740992"), (2**63, "9223372036854776000"), (True, "true"),
        (Decimal("1.50"), "1.5"), (0.1 + 0.2, "0.30000000000000004"), (-7, "-7"),
    ],
)  # fmt: skip
def test_encode_stored_writes_as_the_server_does(number: Any, text: str) -> None:
    """`encode_stored` sorts keys and writes numbers as the server does in a JSON field."""
    assert encode_stored({"b": [number], "a": {}}).decode() == f'{{"a":{{}},"b":[{text}]}}'


@given(values)
def test_the_stored_text_is_of_the_same_value(value: Any) -> None:
    """`encode_stored` writes the same value as `json`, with all integers read as floats."""
    stored, same = (
        json.loads(text, parse_int=float) for text in (encode_stored(value), json.dumps(value))
    )
    assert stored == same
