"""What a view's reads make of an answer: rows, or an error that says why they are none."""

from __future__ import annotations

from typing import Any

import pytest

from rxbosbase.dialect import FilterDialect
from rxbosbase.errors import ProtocolError
from rxbosbase.live.messages import Ask, ReadPage
from rxbosbase.live.source import QuerySource, RecordSource, make_query
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
