"""Rows of DataFrames written back to the real server: unchanged fields keep their values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import pytest
from support.live_schema import World
from support.tested_server import RELEASE

from rxbosbase import Collection
from rxbosbase.dataframes import live_frame, to_dataframe

pd = pytest.importorskip("pandas", reason="needs pip install 'rxbosbase[notebook]'")
np = pytest.importorskip("numpy")

pytest_plugins = ["support.live_fixtures"]

Record = dict[str, Any]
Posts = Collection[Record]

FIELDS: tuple[dict[str, Any], ...] = (
    {"name": "rating", "type": "number"},
    {"name": "flag", "type": "bool"},
    {"name": "day", "type": "date"},
    {"name": "kind", "type": "select", "values": ["a", "b", "c"], "maxSelect": 1},
    {"name": "kinds", "type": "select", "values": ["a", "b", "c"], "maxSelect": 3},
    {"name": "place", "type": "json" if () < RELEASE < (0, 27, 0) else "geoPoint"},  # new in 0.27
    {"name": "doc", "type": "file", "maxSelect": 2},
    {"name": "mail", "type": "email"},
    {"name": "html", "type": "editor"},
    {"name": "count", "type": "json"},
    {"name": "share", "type": "json"},
    {"name": "sure", "type": "json"},
    {"name": "at", "type": "json"},
    {"name": "any", "type": "json"},
)
FULL: Record = {
    "title": "o'neil \\ ü", "n": 3, "rating": 1.5, "flag": True, "day": "2026-01-02 03:04:05.678Z",
    "kind": "a", "kinds": ["b", "c"], "place": {"lon": 1.5, "lat": -2}, "mail": "a@example.com",
    "html": "2026-01-02 03:04:05Z", "count": 7, "share": 0.25, "sure": False,
    "at": "2026-01-02 00:00:00.000Z", "any": {"b": [1, None, {"c": 2.5}], "a": "x"},
}  # fmt: skip
ODD: Record = {
    **FULL, "n": 9007199254740991, "rating": 0.1 + 0.2, "count": None, "share": None, "sure": True,
    "title": "2026-01-02T03:04:05+02:00", "at": None, "any": "text", "kinds": [], "kind": "",
    "html": "2026-01-02 03:04:05.123456Z", "day": "2027-01-02 03:04:05.000Z",
}  # fmt: skip


@pytest.fixture
def posts(world: World) -> Posts:
    """Three records: all fields set, only defaults, and unusual values."""
    authors = world.collection("authors")
    id = world.admin.collections.get(authors.name)["id"]
    author = {"name": "author", "type": "relation", "collectionId": id, "maxSelect": 1}
    made = world.collection(fields=(*FIELDS, author))
    by = authors.create({"title": "Ann", "n": 0.5})["id"]
    made.create({**FULL, "author": by, "doc": [("a.txt", b"a"), ("b.txt", b"b")]})
    made.create({})
    made.create({**ODD, "author": by})
    return made


def stored(posts: Posts) -> dict[str, Record]:
    """Return the records by id, without the time of the last write."""
    found = posts.get_full_list()
    return {each["id"]: {k: v for k, v in each.items() if k != "updated"} for each in found}


def all_rows(df: Any) -> Iterator[tuple[str, Any]]:
    """Yield each row in each form in which pandas returns it, with its id."""
    for id in df.index:
        yield id, df.loc[id].to_dict()
        yield id, dict(df.loc[id].items())
        yield id, df.reset_index().set_index("id", drop=False).loc[id].to_dict()
    for row in df.itertuples():
        yield row.Index, dict(zip(df.columns, row[1:], strict=True))
    yield from zip(df.index, df.to_dict("records"), strict=True)


def test_rows_of_a_live_view_written_back_change_nothing(posts: Posts) -> None:
    """Writing a row of `live_frame` back changes no field, however pandas returns the row."""
    before = stored(posts)
    with live_frame(posts.live(expand="author"), categories=["kind"]) as frame:
        df = frame.wait_fresh()
        dtypes = {str(dtype) for dtype in df.dtypes}
        assert {"Int64", "float64", "boolean", "string", "object", "category"} <= dtypes
        assert {str(df[name].dtype) for name in ("day", "at")} == {"datetime64[ns, UTC]"}
        assert df["at"].isna().any() and df["share"].isna().any() and df["count"].isna().any()
        for id, row in all_rows(df):
            posts.update(id, row)
            assert stored(posts) == before, row
        for row in df.reset_index().to_dict("records"):
            posts.update(row.pop("id"), row)
    assert stored(posts) == before


def test_a_changed_cell_changes_that_field_alone(posts: Posts) -> None:
    """Writing back a row with one changed cell changes that field alone."""
    before = stored(posts)
    df = to_dataframe(posts.get_full_list())
    id = df.index[df["title"] == FULL["title"]][0]
    changes: list[tuple[str, Any, Any]] = [
        ("n", np.int64(4), 4), ("rating", np.float32(0.5), 0.5), ("flag", np.bool_(False), False),
        ("title", "new", "new"), ("kind", "b", "b"), ("count", 8, 8), ("count", pd.NA, None),
        ("share", float("nan"), None), ("sure", pd.NA, None), ("at", pd.NaT, None), ("day", "", ""),
        ("at", pd.Timestamp("2027-01-02 03:04:05.678999", tz="Asia/Tokyo"),
         "2027-01-01 18:04:05.678Z"),
    ]  # fmt: skip
    for name, value, expected in changes:
        changed = df.copy()
        changed.at[id, name] = value
        posts.update(id, changed.loc[id].to_dict())
        assert stored(posts) == {**before, id: {**before[id], name: expected}}, name
        posts.update(id, df.loc[id].to_dict())
        assert stored(posts) == before


def test_rows_of_a_frame_that_pandas_made_can_be_written(posts: Posts) -> None:
    """Rows of a frame made by pandas are written: NaN clears a text, a number or a date."""
    before = stored(posts)
    df = pd.DataFrame(posts.get_full_list()).set_index("id")
    df["created"] = pd.to_datetime(df["created"])
    assert df["share"].isna().any() and df["share"].dtype == np.float64
    for id, row in all_rows(df):
        posts.update(id, row)
        assert stored(posts) == before
    frame = pd.DataFrame({"title": ["x", None], "n": [1, None], "day": [pd.Timestamp(0), None]})
    made = [posts.create(row) for row in frame.to_dict("records")]
    assert [each["title"] for each in made] == ["x", ""]
    assert [each["n"] for each in made] == [1, 0]
    assert [each["day"] for each in made] == ["1970-01-01 00:00:00.000Z", ""]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", np.int64(5)), ("n", np.uint8(5)), ("n", np.float64(0.5)), ("n", np.float32(0.5)),
        ("title", np.str_("x")), ("flag", np.bool_(True)), ("count", np.int32(5)),
        ("day", pd.Timestamp("2026-03-04 05:06:07.891234567")),
        ("day", pd.Timestamp("2026-03-04 05:06:07.891", tz="America/New_York")),
        ("day", np.datetime64("2026-03-04T05:06:07.891234567")), ("day", np.datetime64("2026-03")),
        ("day", pd.NaT), ("at", pd.Timestamp("2026-03-04")), ("any", np.array([1, 2])),
        ("any", {"k": [np.int64(1), pd.NA, pd.Timestamp("2026-03-04", tz=UTC)]}),
        ("any", pd.array([1, None])), ("share", pd.NA), ("share", np.float64("nan")),
    ],
)  # fmt: skip
def test_a_value_of_numpy_or_pandas_is_found_by_itself(
    posts: Posts, world: World, field: str, value: Any
) -> None:
    """A numpy or pandas value that was written is found by a filter with the same value."""
    posts.learn_filter_dialect()
    id = posts.create({field: value})["id"]
    found = posts.get_full_list(filter=world.admin.filter(f"{field} = {{:v}}", v=value))
    assert id in [each["id"] for each in found]
    assert len(found) < 4
