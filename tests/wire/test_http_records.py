"""Requests mocked by `responses`: records, collections, and the errors of their responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses

from rxbosbase import (
    AnswerTooLargeError,
    BosBase,
    ClientResponseError,
    Collection,
    ConnectionFailedError,
    ProtocolError,
    RequestTimeoutError,
    UnreadableError,
    UnreadableRecord,
)
from rxbosbase.records.filters import GUARDS, Dialect, build_filter

URL = "http://127.0.0.1:8090"
POSTS = f"{URL}/api/collections/posts/records"


@pytest.fixture
def client() -> Iterator[BosBase]:
    with BosBase(URL, timeout=5.0) as made:
        yield made


@pytest.fixture
def posts(client: BosBase) -> Collection[dict[str, Any]]:
    return client.collection("posts")


def request_of(web: responses.RequestsMock, number: int = -1) -> requests.PreparedRequest:
    request = web.calls[number].request
    assert isinstance(request, requests.PreparedRequest)
    return request


def query(web: responses.RequestsMock, number: int = -1) -> dict[str, str]:
    return dict(
        parse_qsl(urlsplit(request_of(web, number).url or "").query, keep_blank_values=True)
    )


def page(*ids: str) -> dict[str, Any]:
    return {"page": 1, "perPage": 1, "items": [{"id": each, "n": 1} for each in ids]}


def test_get_list_requests_one_page_with_all_options(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """`get_list` sends all its options in one request and returns the page."""
    web.get(POSTS, json={**page("a"), "page": 2, "perPage": 50, "totalItems": -1, "totalPages": -1})
    result = posts.get_list(
        2, 50, filter="n > 1", sort="-created", expand="author", fields="id", query={"x": True},
        headers={"X-Tenant": "t1"}, skip_total=True,
    )  # fmt: skip
    assert result["items"] == [{"id": "a", "n": 1}]
    assert query(web) == {
        "page": "2", "perPage": "50", "filter": "n > 1", "sort": "-created", "expand": "author",
        "fields": "id", "x": "true", "skipTotal": "1",
    }  # fmt: skip
    assert request_of(web).headers["x-tenant"] in ("t1", b"t1")


def test_get_list_requests_the_first_page_with_its_totals(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """`get_list` without arguments reads page 1 of 30 records with its totals."""
    web.get(POSTS, json={**page("a"), "perPage": 30, "totalItems": 1, "totalPages": 1})
    assert posts.get_list()["totalItems"] == 1
    assert query(web) == {"page": "1", "perPage": "30"}


def test_an_id_is_one_segment_of_the_path(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """`get_one` encodes an id with `/` and `?` as one segment of the path."""
    web.get(f"{POSTS}/a%2Fb%3F", json={"id": "a/b?"})
    assert posts.get_one("a/b?") == {"id": "a/b?"}
    assert request_of(web).url == f"{POSTS}/a%2Fb%3F"


def test_get_one_and_get_first(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """`get_one` and `get_first_list_item` return a record; no match raises a 404."""
    web.get(f"{POSTS}/r%201", json={"id": "r 1"})
    assert posts.get_one("r 1", expand="author") == {"id": "r 1"}
    assert query(web) == {"expand": "author"}
    web.get(POSTS, json=page("a"))
    assert posts.get_first_list_item("n = 1", expand="author", sort="n")["id"] == "a"
    assert query(web) == {
        "page": "1", "perPage": "1", "skipTotal": "1", "filter": "n = 1", "expand": "author",
        "sort": "n",
    }  # fmt: skip
    web.replace(responses.GET, POSTS, json=page())
    with pytest.raises(ClientResponseError, match="404: no record matches the filter"):
        posts.get_first_list_item("n = 2")


def test_iter_records_pages_by_the_last_id_and_lazily(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """`iter_records` reads a page only when it is needed, by the last id."""
    web.get(POSTS, json=page("a", "b"))
    records = posts.iter_records(2, filter="n > 1 || n < 0")
    assert len(web.calls) == 0
    assert next(records)["id"] == "a"
    assert next(records)["id"] == "b"
    assert len(web.calls) == 1
    web.replace(responses.GET, POSTS, json=page("c"))
    assert [record["id"] for record in records] == ["c"]
    assert query(web, 0)["filter"] == "n > 1 || n < 0"
    assert query(web, 1)["filter"] == "(n > 1 || n < 0) && id > 'b'"
    assert (query(web)["sort"], query(web)["skipTotal"]) == ("id", "1")


def test_a_filter_of_the_query_holds_for_each_page(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """A `filter` and other keys in `query` apply to each page of `iter_records`."""
    web.get(POSTS, json=page("a"))
    web.get(POSTS, json=page())
    assert len(list(posts.iter_records(1, query={"filter": "n > 1", "x": 1}))) == 1
    sent = [(query(web, at)["filter"], query(web, at)["x"]) for at in (0, 1)]
    assert sent == [("n > 1", "1"), ("(n > 1) && id > 'a'", "1")]


def test_a_list_is_read_in_batches_of_500(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """`get_full_list` and `iter_records` read 500 records a page by default."""
    web.get(POSTS, json=page("a"))
    for read in (posts.get_full_list, lambda: posts.get_full_list(sort="n"), posts.iter_records):
        assert len(list(read())) == 1
        assert query(web)["perPage"] == "500"


@pytest.mark.parametrize("last", ["a'b", 'a"b', "a\\b"])
def test_an_id_with_quotes_stays_a_value_of_the_next_pages_filter(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]], last: str
) -> None:
    """A last id with a quote or backslash is escaped in the next page's filter."""
    web.get(POSTS, json=page(last))
    web.get(POSTS, json=page())
    assert [record["id"] for record in posts.iter_records(1)] == [last]
    assert query(web)["filter"] == build_filter("id > {:last}", last=last)


@pytest.mark.parametrize("dialect", ["escaped", "plain"])
@pytest.mark.parametrize("last", ["a\\\\'b", "a\\\\b", "\\new"])
def test_an_id_of_any_form_stays_a_value_of_the_next_pages_filter(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]], last: str, dialect: Dialect
) -> None:
    """A last id with ambiguous backslashes is escaped in the dialect then learned."""
    web.get(POSTS, json=page(last))
    if dialect == "plain":
        web.get(POSTS, status=400, json={})
    web.get(POSTS, json=page())
    web.get(POSTS, json=page())
    assert [record["id"] for record in posts.iter_records(1)] == [last]
    sent = [query(web, at).get("filter") for at in range(1, len(web.calls))]
    guards = [GUARDS["escaped"]] + ([GUARDS["plain"]] if dialect == "plain" else [])
    assert sent == [*guards, build_filter("id > {:last}", dialect, last=last)]


def test_a_server_that_refuses_both_guards_leaves_the_dialect_unknown(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """A server that refuses both guards raises its 400 and leaves the dialect unknown."""
    web.get(POSTS, status=400, json={"message": "Something went wrong."})
    with pytest.raises(ClientResponseError, match="400: Something went wrong"):
        posts.learn_filter_dialect()
    assert posts._client.dialect.known is None


def test_a_server_updated_to_the_other_dialect_is_probed_again(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """A server that changes its dialect is probed again, and filters are written in it."""
    dialect = posts._client.dialect
    dialect.known = "plain"
    web.get(POSTS, json=page("a\\\\b"))
    web.get(POSTS, status=400, json={})
    for ids in ((), ("c",), ()):
        web.get(POSTS, json=page(*ids))
    assert [record["id"] for record in posts.iter_records(1)] == ["a\\\\b", "c"]
    written = dialect.build("posts", {}, "title = {:title}", title="\\\\")
    assert written.startswith(GUARDS["escaped"])


def test_a_filters_comment_is_removed_before_parentheses(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """A comment in a filter is removed before the filter is put in parentheses."""
    web.get(POSTS, json=page("a"))
    web.get(POSTS, json=page())
    assert len(list(posts.iter_records(1, filter="n > 1 // it's few"))) == 1
    assert query(web)["filter"] == "(n > 1  ) && id > 'a'"


DEEP = "[" * 20_000 + "]" * 20_000


def test_a_page_with_a_record_nested_too_deeply_gives_the_others(
    web: responses.RequestsMock,
    posts: Collection[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A record nested too deeply raises `UnreadableError`, or is skipped and logged."""
    items = f'{{"id":"a"}},{{"collectionName":"posts","data":{DEEP},"id":"b"}},{{"id":"c"}}'
    web.get(POSTS, body=f'{{"page":1,"perPage":500,"items":[{items}]}}')
    for read in (posts.get_list, posts.get_full_list, lambda: list(posts.iter_records())):
        with pytest.raises(UnreadableError, match="'data' is nested 20000 levels deep") as caught:
            read()
    expected = UnreadableRecord("posts", "b", "data", 20_000)
    assert (caught.value.records, caught.value.depth) == ((expected,), 20_000)
    assert not caught.value.retryable
    skipped = list(posts.iter_records(on_unreadable="skip"))
    assert [record["id"] for record in skipped] == ["a", "c"]
    assert posts.get_full_list(on_unreadable="skip", sort="n") == skipped
    assert posts.get_full_list(on_unreadable="skip") == skipped
    assert caplog.messages == [f"left out: {expected}"] * 3
    with pytest.raises(ValueError, match="on_unreadable must be 'raise' or 'skip', not 'no'"):
        posts.iter_records(on_unreadable="no")  # type: ignore[arg-type]


def serve(web: responses.RequestsMock, rows: list[dict[str, Any]]) -> None:
    """Serve pages of these rows, by number or after an id, and the fields ``id,updated`` alone."""

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        parameters = dict(parse_qsl(urlsplit(request.url or "").query))
        after = parameters.get("filter", "").removeprefix("id > ").strip("'")
        size, number = int(parameters["perPage"]), int(parameters["page"])
        found = [row for row in rows if row["id"] > after][(number - 1) * size : number * size]
        if parameters.get("fields") == "id,updated":
            found = [{"id": row["id"]} for row in found]
        return 200, {}, json.dumps({"page": number, "perPage": size, "items": found})

    web.add_callback(responses.GET, POSTS, answer, content_type="application/json")


@pytest.mark.parametrize("sort", [None, "n"])
def test_a_record_that_alone_is_too_large_is_an_error_or_left_out(
    web: responses.RequestsMock, caplog: pytest.LogCaptureFixture, sort: str | None
) -> None:
    """A record above `max_answer_bytes` raises, or is skipped and logged."""
    serve(web, [{"id": "a"}, {"id": "b", "text": "x" * 5000}, {"id": "c"}])
    with BosBase(URL, max_answer_bytes=1000) as client:
        posts = client.collection("posts")
        with pytest.raises(AnswerTooLargeError, match="1000 bytes"):
            posts.get_full_list(sort=sort)
        assert not any("fields" in query(web, at) for at in range(len(web.calls)))
        caplog.clear()
        found = posts.get_full_list(sort=sort, on_unreadable="skip")
    assert [record["id"] for record in found] == ["a", "c"]
    assert f"left out: {UnreadableRecord('posts', 'b', '', 0)}" in caplog.messages


def test_an_array_nested_too_deeply_is_a_protocol_error(
    web: responses.RequestsMock, client: BosBase
) -> None:
    """A response nested too deeply to decode raises a `ProtocolError` with that cause."""
    web.get(f"{URL}/api/custom", body=DEEP)
    with pytest.raises(ProtocolError, match="nested too deeply to be decoded"):
        client.send("GET", "/api/custom")


def test_a_page_that_ends_in_an_id_with_nul_is_read_on(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """After a page that ends in an id with NUL, paging continues from the id before."""
    web.get(POSTS, json=page("a", "b\0"))
    web.get(POSTS, json=page("b\0", "c"))
    web.get(POSTS, json=page())
    assert [record["id"] for record in posts.iter_records(2)] == ["a", "b\0", "c"]
    assert query(web, 1)["filter"] == "id > 'a'"


def test_a_page_that_repeats_is_an_error_and_not_an_endless_list(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """A list whose one page repeats raises `ProtocolError`."""
    web.get(POSTS, json=page("a", "b"))
    with pytest.raises(ProtocolError, match="gives the same page again"):
        posts.get_full_list(2)


ODD_ROWS: list[Any] = [17, "text", None, ["id"]]


@pytest.mark.parametrize("odd", ODD_ROWS, ids=str)
def test_a_response_without_a_record_is_a_protocol_error(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]], odd: Any
) -> None:
    """A response that has no record where one is due raises `ProtocolError`."""
    web.get(POSTS, json={"items": [odd]})
    reads: list[Callable[[], object]] = [
        lambda: posts.get_list(),
        lambda: posts.get_full_list(),
        lambda: posts.get_full_list(sort="n"),
        lambda: posts.get_first_list_item("n = 1"),
        lambda: list(posts.iter_records()),
    ]
    for read in reads:
        with pytest.raises(ProtocolError, match="without records: is base_url a BosBase server"):
            read()
    web.get(f"{POSTS}/a", json=odd)
    web.post(POSTS, json=odd)
    web.patch(f"{POSTS}/a", json=odd)
    calls: list[Callable[[], object]] = [
        lambda: posts.get_one("a"),
        lambda: posts.create({}),
        lambda: posts.update("a", {}),
    ]
    for call in calls:
        with pytest.raises(ProtocolError, match="without a record: is base_url a BosBase server"):
            call()


@pytest.mark.parametrize("none", [{"sort": None}, {"sort": ""}, {"query": {"sort": ""}}], ids=str)
def test_an_empty_sort_is_the_order_of_ids(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]], none: dict[str, Any]
) -> None:
    """An empty `sort` means the order of ids in lists and `iter_records`."""
    web.get(POSTS, json=page("a"))
    assert [record["id"] for record in posts.get_full_list(2, **none)] == ["a"]
    assert [record["id"] for record in posts.iter_records(2, **none)] == ["a"]
    assert query(web)["sort"] == "id"


@pytest.mark.parametrize("id", [None, 5, ["a"]], ids=str)
def test_records_without_an_id_cannot_be_paged_through(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]], id: Any
) -> None:
    """A list of records whose id is no text raises `ProtocolError`."""
    web.get(POSTS, json={"items": [{"id": id}]})
    for sort in (None, "n"):
        with pytest.raises(ProtocolError, match="with no id"):
            posts.get_full_list(sort=sort)


def test_get_full_list_with_a_sort_pages_by_offset(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """`get_full_list` with a `sort` pages by offset and returns no record twice."""
    web.get(POSTS, json=page("b", "a"))
    web.get(POSTS, json=page("a"))  # moved meanwhile: it is not returned twice
    assert [r["id"] for r in posts.get_full_list(2, sort="-n")] == ["b", "a"]
    sent = [(query(web, n)["page"], query(web, n)["sort"]) for n in (0, 1)]
    assert sent == [("1", "-n"), ("2", "-n")]


def test_fields_without_the_id_still_page_and_omit_it(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """`fields` without `id` requests the id for paging and removes it from the result."""
    web.get(POSTS, json=page("a"))
    assert posts.get_full_list(2, fields="n") == [{"n": 1}]
    assert query(web)["fields"] == "id,n"
    assert posts.get_full_list(2, fields="n", sort="n") == [{"n": 1}]


def test_create_update_and_delete_send_json(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """`create` and `update` send and return JSON; `delete` accepts a 204."""
    web.post(POSTS, json={"id": "a", "title": "Zażółć"})
    assert posts.create({"title": "Zażółć"}, expand="author")["title"] == "Zażółć"
    assert json.loads(request_of(web).body or b"") == {"title": "Zażółć"}
    assert request_of(web).headers["Content-Type"] in ("application/json", b"application/json")
    web.patch(f"{POSTS}/a", json={"id": "a"})
    posts.update("a", {"n+": 1})
    assert json.loads(request_of(web).body or b"") == {"n+": 1}
    web.delete(f"{POSTS}/a", status=204)
    posts.delete("a")


def test_a_file_is_sent_beside_the_fields(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """A file among the fields is sent as multipart, with the other fields as JSON."""
    web.post(POSTS, json={"id": "a", "doc": "a_1.txt"})
    assert posts.create({"n": 1, "doc": ("a.txt", b"content")})["doc"] == "a_1.txt"
    parts = request_of(web).body
    assert isinstance(parts, bytes)
    assert b'filename="a.txt"' in parts and b"content" in parts and b'{"n":1}' in parts


def test_collections_are_created_read_updated_and_deleted(
    web: responses.RequestsMock, client: BosBase
) -> None:
    """`collections` creates, reads, updates, deletes and lists collections."""
    base = f"{URL}/api/collections"
    web.post(base, json={"id": "c1"})
    assert client.collections.create({"name": "posts", "type": "base"})["id"] == "c1"
    web.get(f"{base}/posts", json={"id": "c1"})
    assert client.collections.get("posts")["id"] == "c1"
    web.patch(f"{base}/posts", json={"id": "c1", "listRule": ""})
    assert client.collections.update("posts", {"listRule": ""})["listRule"] == ""
    web.delete(f"{base}/posts", status=204)
    client.collections.delete("posts")
    web.get(base, json=page())
    assert client.collections.get_list(sort="name")["items"] == []
    assert query(web) == {"page": "1", "perPage": "30", "sort": "name"}


def test_an_error_of_the_server_keeps_its_message_and_fields(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]]
) -> None:
    """`ClientResponseError` has status, message and field errors, and no query."""
    field = {"code": "validation_required", "message": "Cannot be blank."}
    body = {"status": 400, "message": "Failed to create record.", "data": {"title": field}}
    web.post(POSTS, json=body, status=400)
    with pytest.raises(ClientResponseError) as caught:
        posts.create({}, query={"token": "secret"})
    error = caught.value
    assert (error.status, error.data, error.url) == (400, {"title": field}, POSTS)
    assert str(error) == f"400: Failed to create record. (title: Cannot be blank.) [{POSTS}]"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("soon", None), ("\u00b2", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)
def test_retry_after_is_a_number_or_a_date(
    web: responses.RequestsMock, client: BosBase, header: str, seconds: float | None
) -> None:
    """`retry_after` is read from seconds or an HTTP date; other text gives None."""
    web.get(f"{URL}/api/health", status=429, headers={"Retry-After": header})
    with pytest.raises(ClientResponseError) as caught:
        client.health()
    assert (caught.value.retry_after, caught.value.retryable) == (seconds, True)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ({"body": "<p>hello", "content_type": "text/html"}, ProtocolError, "answered text/html"),
        ({"body": "{", "content_type": "application/json"}, ProtocolError, "JSON was expected"),
        ({"status": 301, "headers": {"Location": "https://x"}}, ProtocolError, "to https://x; re"),
        ({"status": 101}, ProtocolError, "answered 101, which ends no request"),
        ({"status": 502, "body": "<p>bad gateway"}, ClientResponseError, "502: Bad Gateway"),
        ({"status": 500, "json": [1]}, ClientResponseError, "500: Internal Server Error"),
        ({"status": 400, "json": {"data": 1, "message": 5}}, ClientResponseError, "400: 5"),
        ({"body": requests.ConnectTimeout()}, RequestTimeoutError, "no answer from .* in time"),
        ({"body": requests.ReadTimeout()}, RequestTimeoutError, "no answer from .* in time"),
        ({"body": requests.ConnectionError("no")}, ConnectionFailedError, "cannot reach .*: "),
        ({"body": requests.exceptions.InvalidHeader("x")}, ProtocolError, "failed: InvalidHeader"),
    ],
)
def test_every_failure_is_an_error_of_this_library(
    web: responses.RequestsMock,
    client: BosBase,
    answer: dict[str, Any],
    kind: type[Exception],
    message: str,
) -> None:
    """A failed request or unexpected response raises an error of this library."""
    web.get(f"{URL}/api/health", **answer)
    with pytest.raises(kind, match=message):
        client.health()


@pytest.mark.parametrize(("body", "value"), [(b"", None), (b"null", None), (b"[1]", [1])])
def test_an_empty_response_is_none(
    web: responses.RequestsMock, client: BosBase, body: bytes, value: Any
) -> None:
    """`send` returns None for an empty or `null` body, else the decoded JSON."""
    web.get(f"{URL}/api/x", body=body)
    assert client.send("GET", "/api/x", query={"a": 1}, headers={"X-A": "b"}, timeout=1) == value


BAD: list[tuple[Callable[[Collection[dict[str, Any]]], object], type[Exception], str]] = [
    (lambda c: c.get_list(0), ValueError, "page must be at least 1"),
    (lambda c: c.get_list(1, 1001), ValueError, "per_page must be at least 1 and at most 1000"),
    (lambda c: c.get_list(True), TypeError, "page must be an int, not bool"),
    (lambda c: c.get_list(filter="a", query={"filter": "b"}), ValueError, "given twice"),
    (lambda c: c.get_list(sort="a", query={"sort": "b"}), ValueError, "sort is given twice"),
    (lambda c: c.get_list(filtr="a"), TypeError, "unknown keyword 'filtr'"),  # type: ignore[call-arg]
    (lambda c: c.iter_records(sort="n"), ValueError, "leave sort out"),
    (lambda c: c.iter_records(0), ValueError, "batch must be"),
    (lambda c: c.iter_records(1001), ValueError, "batch must be .* at most 1000"),
    (lambda c: c.get_full_list(1001), ValueError, "batch must be .* at most 1000"),
    (lambda c: c.get_full_list(1001, sort="n"), ValueError, "batch must be .* at most 1000"),
    (lambda c: c.get_one(""), ValueError, "must not be empty"),
    (lambda c: c.get_one("a/../b"), ValueError, "must have no"),
    (lambda c: c.create("x"), TypeError, "the body must be a dict of fields, not str"),  # type: ignore[arg-type]
    (lambda c: c.get_one("a", timeout=-1), ValueError, "timeout must be more than 0"),
]


@pytest.mark.parametrize(("use", "kind", "message"), BAD, ids=[row[2][:24] for row in BAD])
def test_wrong_arguments_are_refused_before_anything_is_sent(
    web: responses.RequestsMock,
    posts: Collection[dict[str, Any]],
    use: Callable[[Collection[dict[str, Any]]], object],
    kind: type[Exception],
    message: str,
) -> None:
    """A wrong argument raises `ValueError` or `TypeError` before a request is sent."""
    with pytest.raises(kind, match=message):
        use(posts)
    assert len(web.calls) == 0


@pytest.mark.parametrize("answer", [{"hello": "world"}, [], None, {"items": 1}])
def test_a_page_without_a_list_of_records_is_a_protocol_error(
    web: responses.RequestsMock, posts: Collection[dict[str, Any]], answer: Any
) -> None:
    """`get_list` raises `ProtocolError` for a response without a list of records."""
    web.get(POSTS, json=answer)
    with pytest.raises(ProtocolError, match="'posts' was answered without records: is base_url"):
        posts.get_list()
