"""Stamps: what a row and the records that it expands say of their age."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from rxbosbase.live.engine.row_versions import (
    are_equal,
    earlier,
    expanded_records,
    has_version,
    is_stored_differently,
    version_of,
)


def test_every_expanded_record_is_found_at_any_depth() -> None:
    """Each expanded record is found at any depth, and the row version has each record once."""
    town = {"id": "t", "updated": "3"}
    ann = {"id": "ann", "updated": "2", "expand": {"town": town, "odd": [5, None]}}
    post = {"id": "p", "updated": "1", "expand": {"by": ann, "liked_by": [ann, {"id": "bob"}]}}
    found = sorted(str(record["id"]) for record in expanded_records(post))
    assert found == ["ann", "ann", "bob", "t", "t"]
    assert version_of(post) == (("p", "1"), ("ann", "2"), ("bob", ""), ("t", "3"))


def test_an_expansion_deeper_than_the_interpreters_stack_is_read_all_the_same() -> None:
    """An expansion deeper than the interpreter's stack is read without an error."""
    depth = 2 * sys.getrecursionlimit()
    record: dict[str, Any] = {"id": "innermost"}
    for _ in range(depth):
        record = {"id": "x", "expand": {"by": record}}
    assert sum(1 for _ in expanded_records(record)) == depth


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def test_equal_rows_are_the_same_and_what_cannot_be_compared_is_not() -> None:
    """`same` is True for equal rows and one object, False where a comparison has no end."""
    assert are_equal({"id": "a", "tags": [1]}, {"id": "a", "tags": [1]})
    assert not are_equal({"id": "a"}, {"id": "b"})
    one = endless()
    assert are_equal(one, one)
    assert not are_equal(one, endless())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**63 - 1, False),
        (2**63, True),
        (-(2**63), False),
        (-(2**63) - 1, True),
        (9.9e20, False),
        (1e21, True),
        (-1e21, True),
        ("1e21", False),
        (None, False),
        (True, False),
        ([2**63, {"n": 2**63}], False),
        ({"a": [1, {"b": [2, -1e21]}]}, True),
        ([[0.5], 1e21, "x", None], True),
        ({"a": 9.9e20, "b": ["x", None, {}]}, False),
    ],
    ids=str,
)
def test_a_number_that_a_database_keeps_in_another_form_is_noticed(
    value: object, expected: bool
) -> None:
    """Integers of more than 64 bits in a field and exponents at any depth are found."""
    assert is_stored_differently({"id": "a", "data": value, "title": "x"}) is expected
    assert is_stored_differently({"id": "a", "expand": {"by": {"n": value}}}) is False


def test_a_number_is_found_deeper_than_the_interpreters_stack() -> None:
    """A number is found in a value that is nested deeper than the interpreter's stack."""
    data = nested(2 * sys.getrecursionlimit())
    assert not is_stored_differently({"id": "a", "data": data})
    assert is_stored_differently({"id": "a", "data": [1e21, data]})


def test_a_row_has_a_version_if_it_and_all_that_it_expands_have_updated() -> None:
    """A row has a version only if it and all records that it expands have an `updated`."""
    by = {"id": "u", "updated": "2"}
    assert has_version({"id": "a", "updated": "1", "expand": {"by": by}})
    assert not has_version({"id": "a", "expand": {"by": by}})
    assert not has_version({"id": "a", "updated": "1", "expand": {"by": {"id": "u"}}})


@pytest.mark.parametrize(
    ("updated", "before"),
    [
        ("2026-03-01 00:00:02.678Z", "2026-02-28 23:59:57.678Z"),
        ("2026-03-01 10:20:30.005Z", "2026-03-01 10:20:25.005Z"),
        ("2026-03-01 10:20:30Z", "2026-03-01 10:20:25.000Z"),
        ("0001-01-01 00:00:00.000Z", ""),
        ("soon", ""),
        ("", ""),
    ],
)
def test_earlier_returns_the_servers_format(updated: str, before: str) -> None:
    """`earlier` returns the server's format, or an empty text where there is no such date."""
    assert earlier(updated, 5) == before
