"""The fields a view adds for itself: asked for, and gone again before the user sees the row."""

from __future__ import annotations

from typing import Any

import pytest

from rxbosbase.live.engine.field_plan import plan_fields

WHOLE: dict[str, Any] = {
    "id": "p1", "updated": "2026", "title": "Hi", "n": 3, "author": "u1", "tags": ["t1", "t2"],
    "collectionName": "posts",
    "expand": {
        "author": {"id": "u1", "updated": "2025", "collectionName": "users", "name": "Ada",
                   "expand": {"team": {"id": "g1", "updated": "2024", "name": "A"}}},
        "tags": [{"id": "t1", "updated": "2023", "name": "x"}, {"id": "t2", "name": "y"}],
    },
}  # fmt: skip


def picked(row: Any, paths: list[list[str]]) -> Any:
    """What the server leaves of a row by its ``fields``."""
    if isinstance(row, list):
        return [picked(each, paths) for each in row]
    if not isinstance(row, dict) or [] in paths:
        return row
    heads = {path[0] for path in paths}
    return {
        name: value if "*" in heads else picked(value, [p[1:] for p in paths if p[0] == name])
        for name, value in row.items()
        if name in heads or "*" in heads
    }


def served(fields: str) -> Any:
    return picked(WHOLE, [field.split(".") for field in fields.split(",")])


@pytest.mark.parametrize("sort", ["", "-n", "author.name,-title", "@random", "author.team.name"])
@pytest.mark.parametrize(
    "fields",
    ["title", "id", "id,title", "*", "updated,n", "expand", "expand.*", "title,expand.author.name",
     "expand.author", "expand.author.*,n", "expand.tags.name", "expand.author.expand.team.name",
     "author", "expand.tags.id,title", "expand.author.nosuch,n", "expand.tags.nosuch"],
)  # fmt: skip
def test_what_is_left_is_what_the_user_would_have_got(fields: str, sort: str) -> None:
    """The fields that a view adds are removed again, and the rows it shares stay unchanged."""
    plan = plan_fields(fields, sort, "author.team,tags")
    row = served(plan.asked)
    before = repr(row)
    shown = row if plan.strip is None else plan.strip(row)
    assert shown == served(fields)
    assert repr(row) == before  # rows are shared: never changed in place


@pytest.mark.parametrize("sort", ["", "-n", "author.name"])
def test_whatever_the_user_asks_for_a_view_gets_what_it_needs(sort: str) -> None:
    """A view with `fields` also reads `id`, `updated` and its sort fields."""
    row = served(plan_fields("title,expand.author.name", sort, "author.team,tags").asked)
    author, team = row["expand"]["author"], row["expand"]["author"]["expand"]["team"]
    assert (row["id"], row["updated"]) == ("p1", "2026")
    assert (author["id"], author["updated"], author["collectionName"]) == ("u1", "2025", "users")
    assert (team["id"], team["updated"]) == ("g1", "2024")
    assert sort != "-n" or row["n"] == 3


def test_without_fields_nothing_is_added_or_taken_away() -> None:
    """Without `fields` a view adds no field and removes none."""
    plan = plan_fields("", "-n", "author")
    assert (plan.asked, plan.strip) == ("", None)
    assert plan.relations == (("expand", "author"),)


def test_relations_that_are_not_shown_are_not_watched() -> None:
    """A relation that `fields` leaves out is not watched."""
    assert plan_fields("title", "-n", "author").relations == ()


def test_a_modifier_with_commas_is_one_field_and_blurs_a_sort_by_it() -> None:
    """A modifier with commas is one field, and a sort by a modified field counts as blurred."""
    plan = plan_fields("title:excerpt(20,true), n", "-title")
    assert plan.asked == "title:excerpt(20,true),n,id,updated"
    assert plan.alters_sort_field
    assert not plan_fields("title:excerpt(20,true),n", "-n").alters_sort_field
