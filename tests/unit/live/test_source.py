"""A view's reads: what they ask for, and what they make of an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from rxbosbase.errors import ClientResponseError, ProtocolError
from rxbosbase.live.engine.messages import (
    Ask,
    ReadLiterals,
    ReadOrder,
    ReadPage,
    ReadWindow,
    Record,
)
from rxbosbase.live.source import MAX_FILTER, MAX_TERMS, QuerySource, RecordSource, make_query
from rxbosbase.records.filter_dialect import FilterDialect

ODD_ROWS: list[Any] = [None, "a", 17, [], {}, {"id": None}, {"id": 5}, {"id": ["a"]}, {"id": ""}]


@pytest.mark.parametrize("odd", ODD_ROWS, ids=str)
@pytest.mark.parametrize(
    "request_",
    [ReadPage(), ReadPage(arranged=True), Ask(("a",)), ReadOrder(), ReadLiterals("'a' < 'b'"),
     ReadWindow()],
    ids=lambda request: type(request).__name__,
)  # fmt: skip
def test_an_answer_of_anything_but_records_is_an_error_of_its_own(
    odd: Any, request_: ReadPage | Ask | ReadOrder | ReadLiterals | ReadWindow
) -> None:
    """A response with anything but records raises `ProtocolError`, for each kind of read."""
    for answer in (odd, {"items": odd}, {"items": [{"id": "a"}, odd]}):

        def read(*_: object, answer: Any = answer) -> Any:
            return answer

        source = QuerySource(make_query("posts"), read, FilterDialect(read))
        if answer == {"items": []}:
            assert source.rows(request_) == ([], True)
            continue
        with pytest.raises(ProtocolError, match="without records"):
            source.rows(request_)


@pytest.mark.parametrize("odd", ODD_ROWS, ids=str)
def test_an_answer_of_anything_but_the_record_is_an_error_of_its_own(odd: Any) -> None:
    """A response with anything but the one record raises `ProtocolError`."""
    with pytest.raises(ProtocolError, match="without records"):
        RecordSource(make_query("posts"), "a", lambda *_: odd).rows(ReadPage())


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (3, [3, 0]), (4, [3, 1]), (6, [3, 3, 0]), (7, [3, 3, 1])]
)
def test_a_full_page_may_have_a_next_one(count: int, sizes: list[int], whole: bool) -> None:
    """Only a page that is not full is the last; the pages hold every row once."""
    table = [{"id": f"{n:02d}", "updated": "2026"} for n in range(count)]

    def read(_: str, query: Mapping[str, Any], __: Mapping[str, str]) -> Any:
        after = re.fullmatch("id > '(.*)'", query.get("filter", ""))
        rows = [row for row in table if after is None or row["id"] > after[1]]
        return {"items": rows[: query["perPage"]]}

    source = QuerySource(make_query("posts"), read, FilterDialect(read), page=3)
    pages: list[list[Record]] = []
    last = False
    while not last:
        rows, last = source.rows(ReadPage(pages[-1][-1]["id"] if pages else "", whole))
        pages.append(rows)
    assert [len(page) for page in pages] == sizes
    assert [row for page in pages for row in page] == table


@pytest.mark.parametrize(
    ("id_format", "reads"), [("a{:03d}", 2), ("a{:03d}\\", 4)], ids=["plain", "with a guard"]
)
def test_a_question_is_cut_where_the_server_would_refuse_its_filter(
    id_format: str, reads: int
) -> None:
    """A recheck of 100 ids is split so that no filter exceeds the server's limits."""
    own = " || ".join(f"n = {n}" for n in range(150))
    ids = tuple(id_format.format(n) for n in range(100))
    sent: list[str] = []

    def read(_: str, query: Mapping[str, Any], __: Mapping[str, str]) -> Any:
        sent.append(query["filter"])
        named = re.findall("id = '(.*?)'", query["filter"])
        return {"items": [{"id": id.replace("\\\\", "\\")} for id in named]}

    source = QuerySource(make_query("posts", filter=own), read, FilterDialect(read, "escaped"))
    rows, last = source.rows(Ask(ids))
    assert ([row["id"] for row in rows], last) == (list(ids), True)
    assert all(each.startswith(f"({own}) && (") for each in sent)
    assert max(each.count("=") for each in sent) <= MAX_TERMS == 200
    assert max(map(len, sent)) <= MAX_FILTER == 3500
    assert len(sent) == reads


# -- the order of rows -----------------------------------------------------------------------------


class Asked:
    """A server's table, and the queries that came.

    Args:
        rows: what it has, in the order of any sort.
        error: what each read raises instead.
    """

    def __init__(self, *rows: Record, error: Exception | None = None) -> None:
        self.rows = list(rows)
        self.error = error
        self.queries: list[dict[str, Any]] = []

    def __call__(self, _: str, query: Mapping[str, Any], __: Mapping[str, str]) -> Any:
        self.queries.append(dict(query))
        if self.error is not None:
            raise self.error
        first = (query["page"] - 1) * query["perPage"]
        return {"items": self.rows[first : first + query["perPage"]]}

    def source(self, page: int = 1000, **options: Any) -> QuerySource:
        return QuerySource(make_query("posts", **options), self, FilterDialect(self), page)


def refusal(status: int) -> ClientResponseError:
    return ClientResponseError(status, "refused")


TABLE = [{"id": f"{n:02d}", "title": "x"} for n in range(7)]


def test_the_order_is_read_as_ids_and_what_they_are_sorted_by() -> None:
    """The order is read in pages, with the view's query and only `id` and the sort fields."""
    asked = Asked(*TABLE)
    source = asked.source(3, filter="n = 1", sort="-title,author.name", expand="author", fields="n")
    assert source.rows(ReadOrder()) == (TABLE, False)
    assert [query["page"] for query in asked.queries] == [1, 2, 3]
    for query in asked.queries:
        assert query["filter"] == "n = 1" and query["sort"] == "-title,author.name,id"
        assert query["expand"] == "author" and query["skipTotal"] == 1
        assert query["fields"] == "id,title,expand.author.name,author"


@pytest.mark.parametrize(("sort", "wanted"), [("", "id"), ("n,-id", "n,-id"), ("n", "n,id")])
@pytest.mark.parametrize("request_", [ReadOrder(), ReadPage(arranged=True)], ids=["order", "page"])
def test_rows_in_the_views_order_have_no_ties(
    sort: str, wanted: str, request_: ReadOrder | ReadPage
) -> None:
    """Reads in the view's order end their sort with `id`, so that no rows tie."""
    asked = Asked(*TABLE)
    assert asked.source(sort=sort).rows(request_) == (TABLE, True)
    assert [query["sort"] for query in asked.queries] == [wanted]


def test_other_pages_are_sorted_by_id_whatever_the_views_order() -> None:
    """Pages that are not in the view's order are sorted by `id`, whatever its sort is."""
    asked = Asked(*TABLE)
    assert asked.source(sort="-n").rows(ReadPage()) == (TABLE, True)
    assert asked.source(sort="-n").rows(ReadPage(whole=False)) == (TABLE, True)
    assert [query["sort"] for query in asked.queries] == ["id", "id"]


@pytest.mark.parametrize(("count", "last"), [(2, True), (3, False), (4, False)])
def test_an_arranged_page_says_whether_it_has_all_rows(count: int, last: bool) -> None:
    """A page in the view's order counts as the last only if it is not full."""
    rows = [{"id": "'\\", "n": n} for n in range(count)]
    asked = Asked(*rows)
    assert asked.source(3, sort="n").rows(ReadPage(arranged=True)) == (rows[:3], last)
    assert len(asked.queries) == 1 and "filter" not in asked.queries[0]


def test_literals_are_compared_over_the_whole_collection() -> None:
    """Literals are compared over the whole collection, without the view's own filter."""
    asked = Asked(*TABLE)
    own: dict[str, Any] = {
        "filter": "n = 1",
        "sort": "title",
        "expand": "author",
        "query": {"tenant": "x"},
    }
    rows, last = asked.source(**own).rows(ReadLiterals("'Z' < 'a'"))
    assert (rows[:1], last) == (TABLE[:1], True)
    (query,) = asked.queries
    assert query.pop("tenant") == "x"  # which the rule of the collection may look at
    assert query == {
        "filter": "'Z' < 'a'", "fields": "id", "page": 1, "perPage": 1, "skipTotal": 1,
    }  # fmt: skip


def test_where_no_row_is_found_the_literals_say_nothing() -> None:
    """A read of literals that matches no row returns no rows."""
    assert Asked().source().rows(ReadLiterals("'Z' < 'a'")) == ([], True)


def test_a_server_that_compares_no_literals_has_none_that_are_true() -> None:
    """A 400 to a read of literals counts as no row found."""
    assert Asked(error=refusal(400)).source().rows(ReadLiterals("'Z' < 'a'")) == ([], True)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_any_other_refusal_of_literals_is_one_of_the_view(status: int) -> None:
    """A 403, 404 or 500 to a read of literals raises `ClientResponseError`."""
    with pytest.raises(ClientResponseError) as caught:
        Asked(error=refusal(status)).source().rows(ReadLiterals("'Z' < 'a'"))
    assert caught.value.status == status


@pytest.mark.parametrize("request_", [ReadOrder(), ReadPage(arranged=True)], ids=["order", "page"])
def test_a_refused_read_of_the_order_is_a_refusal(request_: ReadOrder | ReadPage) -> None:
    """A 400 to a read of the order raises `ClientResponseError`."""
    with pytest.raises(ClientResponseError):
        Asked(error=refusal(400)).source(sort="nosuch").rows(request_)
