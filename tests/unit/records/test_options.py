"""The keywords of a request: what is unknown, doubled or of the wrong kind is refused at once."""

from __future__ import annotations

from typing import Any

import pytest

from rxbosbase.records.options import (
    check_body,
    check_count,
    is_given,
    read_options,
    with_id,
    without_id,
)


def test_keywords_become_query_and_headers() -> None:
    """Keywords and `query` become query parameters as text; header names become lower case."""
    options = read_options(
        {"filter": "n > 1", "sort": "-n", "query": {"page": 2}, "headers": {"X-A": "b"}}
    )
    assert dict(options.query) == {"filter": "n > 1", "sort": "-n", "page": "2"}
    assert dict(options.headers) == {"x-a": "b"}


def test_an_unknown_keyword_is_refused_and_the_known_ones_are_named() -> None:
    """An unknown keyword raises TypeError that names the known ones."""
    with pytest.raises(TypeError, match=r"unknown keyword 'fliter'.*expand, fields, filter"):
        read_options({"fliter": "n > 1"})


@pytest.mark.parametrize("name", ["filter", "sort", "expand", "fields"])
def test_what_is_given_twice_is_refused(name: str) -> None:
    """An option given both as a keyword and in `query` raises ValueError."""
    with pytest.raises(ValueError, match=f"{name} is given twice"):
        read_options({name: "a", "query": {name: "b"}})


def test_callers_own_dicts_are_not_changed() -> None:
    """Reading options does not change the caller's dicts."""
    query = {"fields": "title"}
    options = {"query": query, "sort": "n"}
    read_options(options)
    with_id(options)
    assert options == {"query": {"fields": "title"}, "sort": "n"}


def test_an_option_is_given_by_its_keyword_or_in_the_query() -> None:
    """`is_given` is true for a keyword or an entry of `query`, and false for None."""
    assert is_given({"sort": "n"}, "sort")
    assert is_given({"query": {"sort": "n"}}, "sort")
    assert not is_given({"sort": None, "query": None}, "sort")


@pytest.mark.parametrize(
    ("fields", "asked"),
    [("title", "id,title"), ("title, id", None), ("title,id", None), ("*", None), ("", None)],
)
def test_the_id_is_asked_for_and_taken_out_again(fields: str, asked: str | None) -> None:
    """`fields` without `id` is sent with `id`, which is removed from the response again."""
    for options in ({"fields": fields}, {"query": {"fields": fields}}):
        sent = with_id(options)
        assert (sent.get("fields") if asked else None) == asked
        read_options(sent)  # no option is given twice
        kept = without_id({"id": "a", "title": "b"}, options)
        assert ("id" in kept) is (asked is None)


@pytest.mark.parametrize("value", [0, -1, 1001])
def test_a_count_may_reach_its_bounds_and_not_pass_them(value: int) -> None:
    """`check_count` accepts 1 and the maximum, and raises ValueError outside of them."""
    for allowed in (1, 1000):
        check_count("per_page", allowed, 1000)
        check_count("per_page", allowed)
    with pytest.raises(ValueError, match="per_page must be at least 1 and at most 1000"):
        check_count("per_page", value, 1000)


@pytest.mark.parametrize("value", [True, "1", 1.0, None])
def test_a_count_that_is_no_int_is_refused(value: Any) -> None:
    """A count that is a bool, text, float or None raises TypeError."""
    with pytest.raises(TypeError, match="page must be an int"):
        check_count("page", value)


def test_a_body_is_copied_and_must_be_fields() -> None:
    """`check_body` returns a copy of a dict, and raises TypeError for anything else."""
    body = {"a": 1}
    assert check_body(body) == body
    assert check_body(body) is not body
    wrong: Any = [1]
    with pytest.raises(TypeError, match="a dict of fields, not list"):
        check_body(wrong)


def test_a_query_that_is_no_dict_is_a_type_error() -> None:
    """A `query` that is no dict raises TypeError in every function that reads it."""
    for check in (read_options, with_id, lambda options: is_given(options, "sort")):
        with pytest.raises(TypeError, match="query must be a dict, not str"):
            check({"query": "sort=id"})
