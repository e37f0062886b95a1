"""The requests of a view's reads, and the rows that they make of the responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from rxbosbase.encoding.record import Record
from rxbosbase.errors import ClientResponseError, ProtocolError
from rxbosbase.live.engine.messages import (
    ReadIds,
    ReadLiterals,
    ReadOrder,
    ReadPage,
    ReadWindow,
)
from rxbosbase.live.source import MAX_FILTER, MAX_TERMS, QuerySource, RecordSource, make_query
from rxbosbase.records.filter_dialect import FilterDialect

ODD_ROWS: list[Any] = [None, "a", 17, [], {}, {"id": None}, {"id": 5}, {"id": ["a"]}, {"id": ""}]


@pytest.mark.parametrize("odd", ODD_ROWS, ids=str)
@pytest.mark.parametrize(
    "request_",
    [ReadPage(), ReadPage(in_view_order=True), ReadIds(("a",)), ReadOrder(),
     ReadLiterals("'a' < 'b'"), ReadWindow()],
    ids=lambda request: type(request).__name__,
)  # fmt: skip
def test_a_response_without_records_is_a_protocol_error(
    odd: Any, request_: ReadPage | ReadIds | ReadOrder | ReadLiterals | ReadWindow
) -> None:
    """A response with anything but records raises `ProtocolError`, for each kind of read."""
    for response in (odd, {"items": odd}, {"items": [{"id": "a"}, odd]}):

        def read(*_: object, response: Any = response) -> Any:
            return response

        source = QuerySource(make_query("posts"), read, FilterDialect(read))
        if response == {"items": []}:
            assert source.rows(request_) == ([], True)
            continue
        with pytest.raises(ProtocolError, match="without records"):
            source.rows(request_)


@pytest.mark.parametrize("odd", ODD_ROWS, ids=str)
def test_a_response_without_the_record_is_a_protocol_error(odd: Any) -> None:
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
def test_a_recheck_is_split_to_fit_the_servers_limits(id_format: str, reads: int) -> None:
    """A recheck of 100 ids is split so that no filter exceeds the server's limits."""
    own = " || ".join(f"n = {n}" for n in range(150))
    ids = tuple(id_format.format(n) for n in range(100))
    sent: list[str] = []

    def read(_: str, query: Mapping[str, Any], __: Mapping[str, str]) -> Any:
        sent.append(query["filter"])
        named = re.findall("id = '(.*?)'", query["filter"])
        return {"items": [{"id": id.replace("\\\\", "\\")} for id in named]}

    source = QuerySource(make_query("posts", filter=own), read, FilterDialect(read, "escaped"))
    rows, last = source.rows(ReadIds(ids))
    assert ([row["id"] for row in rows], last) == (list(ids), True)
    assert all(each.startswith(f"({own}) && (") for each in sent)
    assert max(each.count("=") for each in sent) <= MAX_TERMS == 200
    assert max(map(len, sent)) <= MAX_FILTER == 3500
    assert len(sent) == reads


# -- the order of rows -----------------------------------------------------------------------------


class RecordedReads:
    """A server's table that records the queries of its reads.

    Args:
        rows: its rows, in the order of any sort.
        error: raised by each read instead.
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


def test_the_order_is_read_with_ids_and_sort_fields_alone() -> None:
    """The order is read in pages, with the view's query and only `id` and the sort fields."""
    table = RecordedReads(*TABLE)
    source = table.source(3, filter="n = 1", sort="-title,author.name", expand="author", fields="n")
    assert source.rows(ReadOrder()) == (TABLE, False)
    assert [query["page"] for query in table.queries] == [1, 2, 3]
    for query in table.queries:
        assert query["filter"] == "n = 1" and query["sort"] == "-title,author.name,id"
        assert query["expand"] == "author" and query["skipTotal"] == 1
        assert query["fields"] == "id,title,expand.author.name,author"


@pytest.mark.parametrize(("sort", "wanted"), [("", "id"), ("n,-id", "n,-id"), ("n", "n,id")])
@pytest.mark.parametrize(
    "request_", [ReadOrder(), ReadPage(in_view_order=True)], ids=["order", "page"]
)
def test_rows_in_the_views_order_have_no_ties(
    sort: str, wanted: str, request_: ReadOrder | ReadPage
) -> None:
    """Reads in the view's order end their sort with `id`, so that no rows tie."""
    table = RecordedReads(*TABLE)
    assert table.source(sort=sort).rows(request_) == (TABLE, True)
    assert [query["sort"] for query in table.queries] == [wanted]


def test_other_pages_are_sorted_by_id_whatever_the_views_order() -> None:
    """Pages that are not in the view's order are sorted by `id`, whatever its sort is."""
    table = RecordedReads(*TABLE)
    assert table.source(sort="-n").rows(ReadPage()) == (TABLE, True)
    assert table.source(sort="-n").rows(ReadPage(whole=False)) == (TABLE, True)
    assert [query["sort"] for query in table.queries] == ["id", "id"]


@pytest.mark.parametrize(("count", "last"), [(2, True), (3, False), (4, False)])
def test_a_page_in_the_views_order_is_the_last_if_it_is_not_full(count: int, last: bool) -> None:
    """A page in the view's order counts as the last only if it is not full."""
    rows = [{"id": "'\\", "n": n} for n in range(count)]
    table = RecordedReads(*rows)
    assert table.source(3, sort="n").rows(ReadPage(in_view_order=True)) == (rows[:3], last)
    assert len(table.queries) == 1 and "filter" not in table.queries[0]


def test_literals_are_compared_over_the_whole_collection() -> None:
    """Literals are compared over the whole collection, without the view's own filter."""
    table = RecordedReads(*TABLE)
    own: dict[str, Any] = {
        "filter": "n = 1",
        "sort": "title",
        "expand": "author",
        "query": {"tenant": "x"},
    }
    rows, last = table.source(**own).rows(ReadLiterals("'Z' < 'a'"))
    assert (rows[:1], last) == (TABLE[:1], True)
    (query,) = table.queries
    assert query.pop("tenant") == "x"  # which the rule of the collection may read
    assert query == {
        "filter": "'Z' < 'a'", "fields": "id", "page": 1, "perPage": 1, "skipTotal": 1,
    }  # fmt: skip


def test_literals_that_match_no_row_return_no_rows() -> None:
    """A read of literals that matches no row returns no rows."""
    assert RecordedReads().source().rows(ReadLiterals("'Z' < 'a'")) == ([], True)


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_errors_of_literals_are_raised(status: int) -> None:
    """A refusal of a read of literals raises `ClientResponseError`."""
    with pytest.raises(ClientResponseError) as caught:
        RecordedReads(error=refusal(status)).source().rows(ReadLiterals("'Z' < 'a'"))
    assert caught.value.status == status


@pytest.mark.parametrize(
    "request_", [ReadOrder(), ReadPage(in_view_order=True)], ids=["order", "page"]
)
def test_a_400_to_a_read_of_the_order_is_raised(request_: ReadOrder | ReadPage) -> None:
    """A 400 to a read of the order raises `ClientResponseError`."""
    with pytest.raises(ClientResponseError):
        RecordedReads(error=refusal(400)).source(sort="nosuch").rows(request_)
