"""A view's reads: what they ask for, and what they make of an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from rxbosbase.dialect import FilterDialect
from rxbosbase.errors import ProtocolError
from rxbosbase.live.messages import Ask, ReadPage, Record
from rxbosbase.live.source import MAX_FILTER, MAX_TERMS, QuerySource, RecordSource, make_query
from rxbosbase.live.window import ReadWindow

ODD_ROWS: list[Any] = [None, "a", 17, [], {}, {"id": None}, {"id": 5}, {"id": ["a"]}, {"id": ""}]


@pytest.mark.parametrize("odd", ODD_ROWS, ids=str)
@pytest.mark.parametrize("request_", [ReadPage(), Ask(("a",)), ReadWindow()], ids=str)
def test_an_answer_of_anything_but_records_is_an_error_of_its_own(
    odd: Any, request_: ReadPage | Ask | ReadWindow
) -> None:
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
    """The user's 150 comparisons and 100 ids: no filter has more than 200 comparisons."""
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
