"""The table that a notebook shows of a snapshot: escaped, bounded, for dicts and models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from rxbosbase.live.engine.messages import Edit
from rxbosbase.live.engine.ordering import Order
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.live.engine.snapshot_table import MAX_CELL, MAX_COLUMNS, MAX_ROWS, html_table

ATTACK = "<script>alert(1)</script>\"'&"


class Table(HTMLParser):
    """The texts of a table, row by row, and the tags in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.outside: list[str] = []
        self._tag = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"style"}
        self._tag = tag
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag in ("td", "th"):
            self.rows[-1][-1] += data
        else:
            self.outside.append(data)


def table(records: Iterable[Any]) -> Table:
    return Table(html_table("title", list(records)))


def test_a_snapshot_has_a_table_with_its_state() -> None:
    """The HTML of a snapshot has its repr above its records, in their order."""
    edits = [Edit(id, None, {"id": id, "title": title}) for id, title in (("a", "y"), ("b", "x"))]
    snapshot = Snapshot.empty(Order.parse("title"), collection="posts").advance(edits, fresh=True)
    shown = Table(snapshot._repr_html_())
    assert shown.outside == ["posts: <Snapshot 1: 2 records, +2 ~0 -0, fresh>"]
    assert shown.rows == [["id", "title"], ["b", "x"], ["a", "y"]]


def test_names_and_values_are_escaped() -> None:
    """Tags, quotes and entities in a name or a value are shown as text."""
    shown = table([{"id": ATTACK, ATTACK: ATTACK, "deep": {ATTACK: [ATTACK]}}])
    assert shown.rows[0] == ["id", ATTACK, "deep"]
    assert shown.rows[1][:2] == [ATTACK, ATTACK]
    assert shown.tags == {"div", "table", "tr", "th", "td"}
    assert Table(html_table(ATTACK, [])).outside == [ATTACK]


def test_control_characters_are_escaped() -> None:
    """Line breaks and characters that change the direction of text are shown as escapes."""
    assert table([{"id": "a\n\u202eb\x1b"}]).rows[1] == ["a\\n\\u202eb\\x1b"]


def test_rows_columns_and_cells_are_bounded_and_the_rest_is_counted() -> None:
    """At most `MAX_ROWS`, `MAX_COLUMNS` and `MAX_CELL` are shown; what is left out is counted."""
    long = {f"field{at:02}": "x" * 1000 for at in range(40)}
    text = html_table("title", [{"id": str(at), **long} for at in range(10_000)])
    shown = Table(text)
    assert len(shown.rows) == MAX_ROWS + 1
    assert {len(row) for row in shown.rows} == {MAX_COLUMNS + 1}
    assert {len(cell) for row in shown.rows[1:] for cell in row[1:-1]} == {MAX_CELL}
    assert shown.rows[0][-1] == f"… and {41 - MAX_COLUMNS} more"
    assert shown.outside[1] == "… and 9\u202f980 more"
    assert len(text) < 100_000
    assert table([{"id": str(at)} for at in range(MAX_ROWS)]).outside == ["title"]


def test_a_nested_value_is_bounded_however_deep_it_is() -> None:
    """A value that is nested deeply is cut, and does not exhaust the stack."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert table([{"id": "a", "deep": deep}]).rows[1][1].startswith("[[[[")
    while deep:  # without this, freeing it would exhaust the stack
        deep = deep[0]


def test_the_id_comes_first_and_what_the_server_adds_is_hidden() -> None:
    """The columns are the id, the first record's fields, those of others; no collection, expand."""
    added = {"collectionId": "c", "collectionName": "posts", "expand": {}}
    shown = table([{"n": 1, "title": "x", **added, "id": "a"}, {"other": True, "id": "b"}])
    assert shown.rows == [
        ["id", "n", "title", "other"], ["a", "1", "x", ""], ["b", "", "", "True"],
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Post:
    """A model that is a dataclass."""

    id: str
    n: int


class Row(msgspec.Struct):
    """A model that is a struct."""

    id: str
    n: int


@pytest.mark.parametrize("model", [Post, Row, SimpleNamespace], ids=lambda model: model.__name__)
def test_instances_of_models_are_shown_by_their_fields(model: Any) -> None:
    """A record that is an instance of a model has the columns of its fields."""
    assert table([model(id="a", n=5)]).rows == [["id", "n"], ["a", "5"]]


def test_a_value_that_is_no_record_has_one_column() -> None:
    """A record without fields, such as a text that a model made, is one column."""
    assert table(["a", "b"]).rows == [["value"], ["a"], ["b"]]


def test_a_snapshot_without_records_has_no_table() -> None:
    """The HTML of an empty snapshot is its state alone."""
    shown = table([])
    assert (shown.rows, shown.outside, shown.tags) == ([], ["title"], {"div"})


def test_a_table_has_no_colour_of_its_own() -> None:
    """The table inherits its text's colour, and has no background: it fits any page."""
    text = html_table("title", [{"id": "a"}])
    assert "color:inherit" in text
    assert "background" not in text and text.count("color:") == 1


class Slotted:
    __slots__ = ("id",)

    def __init__(self) -> None:
        self.id = "a"


class Inherits(Slotted):
    __slots__ = "title"  # a single name

    def __init__(self) -> None:
        super().__init__()
        self.title = "Hi"


def test_the_slots_of_a_model_and_its_bases_are_columns() -> None:
    """A model with slots has a column for each, those of its bases too; a single name is one."""
    text = html_table("", [Inherits()])
    assert text.count("<th ") == 2
    assert ">id</th>" in text and ">title</th>" in text


def test_a_value_that_cannot_be_shown_is_named_by_its_type() -> None:
    """A value whose `repr` raises, such as an integer of 5000 digits, does not break the table."""
    assert "&lt;int&gt;" in html_table("", [{"id": "a", "n": 10**5000}])
