"""Topics: equal topics have one text, and the server accepts it."""

from __future__ import annotations

import math
import re
import sys
from datetime import date
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.errors import ClientResponseError
from rxbosbase.realtime.protocol.topics import (
    MAX_TOPIC_LENGTH,
    Options,
    Topic,
    check_collection,
    check_id,
    check_topic_headers,
    custom_topic,
    normalise_options,
    parse_topic,
    record_topic,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = st.text("abcXYZ019_-é", min_size=1, max_size=15)
header_values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=15)
header_names = st.text("abcdefgh-0", min_size=1, max_size=10)


def test_a_topic_without_options_is_its_name() -> None:
    """A topic without options is its plain name."""
    assert record_topic("posts", "*") == Topic("posts/*", "posts/*")
    assert custom_topic("PB_CONNECT") == Topic("PB_CONNECT", "PB_CONNECT")


def test_options_are_encoded_as_a_browser_would() -> None:
    """Options become JSON, percent-encoded as by a browser, with header names in lower case."""
    topic = record_topic("posts", "*", filter="a = 'é' && (b!~\"x*\")", headers={"X-A": True})
    assert topic.name == "posts/*"
    assert topic.wire == (
        "posts/*?options=%7B%22headers%22%3A%7B%22x-a%22%3A%22true%22%7D%2C%22query%22%3A%7B"
        "%22filter%22%3A%22a%20%3D%20'%C3%A9'%20%26%26%20(b!~%5C%22x*%5C%22)%22%7D%7D"
    )


@given(
    names, names, texts, st.dictionaries(texts, texts), st.dictionaries(header_names, header_values)
)
def test_parsing_a_topic_returns_its_options(
    collection: str, target: str, filter: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    """A topic parses back to its options; one longer than the server's limit is refused."""
    for key in ("filter", "expand", "fields"):
        query.pop(key, None)
    options = normalise_options(filter, query=query, headers=headers)
    name = f"{collection}/{target}"
    if len((name + options.suffix).encode()) > MAX_TOPIC_LENGTH:
        with pytest.raises(ClientResponseError, match="bytes long"):
            record_topic(collection, target, filter=filter, query=query, headers=headers)
    else:
        topic = record_topic(collection, target, filter=filter, query=query, headers=headers)
        expected = dict(query) | ({"filter": filter} if filter else {})
        assert parse_topic(topic.wire) == (name, expected, headers)


@given(st.dictionaries(texts, texts), st.dictionaries(header_names, header_values), st.randoms())
def test_equal_options_in_another_order_are_one_text(
    query: dict[str, str], headers: dict[str, str], random: Any
) -> None:
    """Equal options in another order give the same topic text."""

    def shuffled(pairs: dict[str, str]) -> dict[str, str]:
        items = list(pairs.items())
        random.shuffle(items)
        return dict(items)

    one = normalise_options(query=query, headers=headers)
    other = normalise_options(query=shuffled(query), headers=shuffled(headers))
    assert one == other
    assert one.suffix == other.suffix


def test_a_keyword_and_the_same_key_in_query_are_one_text() -> None:
    """A keyword and the same key in `query` give the same topic."""
    by_keyword = record_topic("p", "*", filter="n>1", expand="a", fields="id")
    by_query = record_topic("p", "*", query={"fields": "id", "expand": "a", "filter": "n>1"})
    assert by_keyword == by_query


@pytest.mark.parametrize("key", ["filter", "expand", "fields"])
def test_an_option_given_twice_is_refused_by_name(key: str) -> None:
    """An option given by keyword and in `query` raises `ValueError` with its name."""
    kwargs: dict[str, Any] = {key: "x", "query": {key: "x"}}
    with pytest.raises(ValueError, match=f"^{key} is given twice"):
        record_topic("posts", "*", **kwargs)


@pytest.mark.parametrize("key", ["filter", "expand", "fields"])
def test_empty_options_count_as_not_given(key: str) -> None:
    """Empty options count as not given."""
    for empty in ("", None):
        kwargs: dict[str, Any] = {key: empty, "query": {key: empty, "x": None}, "headers": {}}
        assert record_topic("posts", "*", **kwargs).wire == "posts/*"
        kwargs = {key: empty, "query": {key: "id"}}
        assert normalise_options(**kwargs).query == ((key, "id"),)


def test_values_become_the_text_that_json_gives_them() -> None:
    """Option values become the text that JSON gives them, and None is left out."""
    options = normalise_options(
        query={"a": True, "b": False, "c": 3, "d": 1.5, "e": "x", "f": None}
    )
    assert options.query == (("a", "true"), ("b", "false"), ("c", "3"), ("d", "1.5"), ("e", "x"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_without_a_text_form_are_refused_by_name(value: float) -> None:
    """NaN and infinity raise `ValueError` with the name of the option."""
    with pytest.raises(ValueError, match=r"query\['page'\] is .*finite"):
        normalise_options(query={"page": value})


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"x", object()])
def test_other_types_are_refused_by_name(value: object) -> None:
    """Option values of other types raise `TypeError` with the name of the option."""
    with pytest.raises(TypeError, match=r"headers\['x'\] is a \w+: give a str"):
        normalise_options(headers={"x": value})
    with pytest.raises(TypeError, match=r"query\['k'\] is a"):
        normalise_options(query={"k": value})
    with pytest.raises(TypeError, match="filter must be a str"):
        normalise_options(filter=value)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="query must be a dict"):
        normalise_options(query=value if not isinstance(value, dict) else [value])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="keys must be str"):
        normalise_options(query={1: "x"})  # type: ignore[dict-item]


def test_header_names_ignore_case_and_the_kind_of_hyphen_and_must_agree() -> None:
    """Header names ignore case and `_` for `-`; two values for one raise `ValueError`."""
    options = normalise_options(headers={"X-Tenant": "a", "x-tenant": "a", "X_Tenant": "a"})
    assert options == Options(headers=(("x-tenant", "a"),))
    with pytest.raises(ValueError, match="'x-tenant' is given twice"):
        normalise_options(headers={"X-Tenant": "a", "x-tenant": "b"})
    with pytest.raises(ValueError, match="'x-tenant' is given twice"):
        normalise_options(headers={"X-Tenant": "a", "x_tenant": "b"})


@pytest.mark.parametrize("bad", ["\r", "\n", "\0"])
def test_a_header_with_a_line_break_is_refused(bad: str) -> None:
    """A CR, LF or NUL in a header, and a blank name, raise `ValueError`."""
    for headers in ({f"x{bad}y": "v"}, {"x": f"v{bad}Injected: yes"}):
        with pytest.raises(ValueError, match="no CR, LF or NUL"):
            normalise_options(headers=headers)
    with pytest.raises(ValueError, match="must have a name"):
        normalise_options(headers={" ": "v"})


def test_a_topic_of_the_maximum_length_is_accepted_and_one_byte_more_is_not() -> None:
    """A topic of 2500 bytes is accepted; one byte more raises a 400 that says to shorten it."""
    free = MAX_TOPIC_LENGTH - len("posts/")
    assert len(record_topic("posts", "x" * free).wire) == MAX_TOPIC_LENGTH
    with pytest.raises(ClientResponseError, match=r"2501 bytes.*takes 2500: shorten") as caught:
        record_topic("posts", "x" * (free + 1))
    assert caught.value.status == 400
    problem = {"code": "topic_too_long", "message": "2501 of 2500"}
    assert caught.value.data == {"topic": problem}
    assert not caught.value.retryable
    with pytest.raises(ClientResponseError):
        custom_topic("é" * (MAX_TOPIC_LENGTH // 2 + 1))  # the server counts bytes
    with pytest.raises(ClientResponseError):
        record_topic("posts", "*", filter="x" * MAX_TOPIC_LENGTH)


@pytest.mark.parametrize(
    "bad", ["", " ", "\t", "a/b", "a?b", "a#b", "a\\b", "..", ".", "a..b", "a\rb", "a\nb", "a\0b",
            "a\x85", " a", "a ", "\ud800"],
)  # fmt: skip
def test_names_that_could_change_the_path_are_refused(bad: str) -> None:
    """A collection name that could change the path or the topic raises `ValueError`."""
    with pytest.raises(ValueError, match=r"^collection"):
        record_topic(bad, "*")


@pytest.mark.parametrize(
    "bad", ["", " ", "\t", ".", "..", "../a", "a/..", "a/../b", "a\\..\\b", "./a", "\ud800", "a\nb",
            "a\r", "a\0b"],
)  # fmt: skip
def test_an_id_that_no_url_can_contain_is_refused(bad: str) -> None:
    """An id that no URL path can contain raises `ValueError`."""
    with pytest.raises(ValueError, match=r"^id (must|holds) "):
        check_id(bad)
    with pytest.raises(ValueError, match=r"^target"):
        record_topic("posts", bad)


@pytest.mark.parametrize("id", ["a/b", "/a", "a\\b", "a?b", "a?options={}"])
def test_an_id_that_would_make_another_topic_cannot_be_observed(id: str) -> None:
    """An id that would make another topic is valid, but observing it raises `ValueError`."""
    assert check_id(id) == id
    with pytest.raises(ValueError, match=r"^target must hold no .* observe '\*'"):
        record_topic("posts", id)


@pytest.mark.parametrize("id", ["a#b", "#hash", "a\x7fb", "%", "a%2", "%zz"])
def test_options_that_the_server_would_not_find_are_refused(id: str) -> None:
    """Options for an id that hides them from the server raise `ValueError`."""
    assert record_topic("posts", id).wire == f"posts/{id}"
    given: list[dict[str, Any]] = [
        {"filter": "n=1"}, {"fields": "n"}, {"headers": {"x-tenant": "a"}}
    ]  # fmt: skip
    for options in given:
        with pytest.raises(ValueError, match="the server reads no options of topic"):
            record_topic("posts", id, **options)


@pytest.mark.parametrize(
    "id", ["a..b", "...", " a ", "a\x85", "\u2028", "%2e%2e", "a&b=c", "@me", "X"]
)
def test_any_other_text_is_an_id(id: str) -> None:
    """Any other text is an id, also in a topic with options."""
    assert record_topic("posts", id, fields="n").wire.startswith(f"posts/{id}?options=%7B")


class Name(str, Enum):  # noqa: UP042 - a StrEnum would write its value
    """Python writes it as ``Name.POSTS`` into a text."""

    POSTS = "posts"


class Guise(str):
    """A text that turns into another where it is put into one."""

    __slots__ = ()

    def __str__(self) -> str:
        return "../secrets"

    def __format__(self, spec: str) -> str:
        return "*?options=%7B%7D"


def test_a_subclass_of_str_is_the_text_that_was_checked() -> None:
    """A subclass of str is used as the plain text that was checked."""
    for name in (Name.POSTS, Guise("posts")):
        for made in (check_collection(name), check_id(name)):
            assert (made, type(made)) == ("posts", str)
        assert record_topic(name, name) == Topic("posts/posts", "posts/posts")
        assert record_topic(name, name, fields="n").wire.startswith("posts/posts?options=%7B")
        made = custom_topic(name).name
        assert (made, type(made)) == ("posts", str)


@pytest.mark.parametrize("bad", [None, 5, b"posts", ["posts"]])
def test_names_that_are_no_text_are_refused(bad: Any) -> None:
    """A collection, target or topic that is no text raises `TypeError`."""
    with pytest.raises(TypeError, match="collection must be a str"):
        record_topic(bad, "*")
    with pytest.raises(TypeError, match="target must be a str"):
        record_topic("posts", bad)
    with pytest.raises(TypeError, match="topic must be a str"):
        custom_topic(bad)


@pytest.mark.parametrize("bad", ["", " ", "a\nb", "a\rb", "a\0b", " a", "?options=x", "\ud800"])
def test_custom_topics_that_the_server_could_not_send_back_are_refused(bad: str) -> None:
    """A custom topic that the server could not send back unchanged raises `ValueError`."""
    with pytest.raises(ValueError, match=r"^topic"):
        custom_topic(bad)


def test_a_custom_topic_may_hold_slashes_and_its_own_options() -> None:
    """A custom topic may have slashes and its own options, but then no arguments."""
    assert custom_topic("a/b/c").wire == "a/b/c"
    own = 'a/b?options={"query":{"x":"1"}}'
    assert custom_topic(own) == Topic(own, "a/b")
    made = custom_topic("a/b", query={"x": 1}, headers={"X-A": "y"})
    assert (made.name, parse_topic(made.wire)) == ("a/b", ("a/b", {"x": "1"}, {"x-a": "y"}))
    for topic in (own, "a#b"):
        with pytest.raises(ValueError, match=r"leave out .*query.* headers"):
            custom_topic(topic, query={"x": "1"})
        custom_topic(topic, query={"x": None})  # a None counts as not given


@given(st.one_of(st.text(), st.text().map(lambda text: "p/*?options=" + text)))
def test_parsing_a_topic_never_raises(wire: str) -> None:
    """`parse_topic` returns a name and two dicts for any text and never raises."""
    name, query, headers = parse_topic(wire)
    assert name == wire.split("?")[0]
    assert isinstance(query, dict)
    assert isinstance(headers, dict)


@pytest.mark.parametrize(
    "odd", ["[1]", "null", "{", '{"query":1,"headers":[]}', "%7B%", "[" * 5000]
)
def test_malformed_options_parse_as_no_options(odd: str) -> None:
    """Malformed options parse as no options."""
    assert parse_topic("p/*?options=" + odd) == ("p/*", {}, {})


def test_a_credential_in_a_topics_own_options_is_refused() -> None:
    """A credential header in a topic's own options raises `ValueError`."""
    for name in ("Authorization", "proxy_authorization"):
        with pytest.raises(ValueError, match="must not be a header of a topic"):
            custom_topic(f'chat?options={{"headers":{{"{name}":"x"}}}}')


class Odd(Enum):
    """A value is what the Enum stands for, where that has a text form."""

    GOOD = 5
    LIST = [1]  # noqa: RUF012 - an Enum's member, not an attribute


def test_values_with_a_plain_form_are_converted_and_others_refused_by_type() -> None:
    """Enums and dates become plain text; other values raise `TypeError` with their type."""
    assert normalise_options(query={"a": Odd.GOOD, "b": date(2026, 1, 2)}).query == (
        ("a", "5"),
        ("b", "2026-01-02 00:00:00.000Z"),
    )
    for bad, kind in (
        (Odd.LIST, "Odd"),
        (Decimal("inf"), "Decimal"),
        ({1: 2}, "dict"),
        (object(), "object"),
    ):
        with pytest.raises(TypeError, match=rf"query\['k'\] is a {kind}: give a str"):
            normalise_options(query={"k": bad})


def test_the_missing_values_of_pandas_count_as_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The missing values of pandas count as not given."""
    missing = object()
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(NaT=missing, NA=None))
    options = normalise_options(query={"a": missing, "b": 1}, headers={"x": missing})
    assert options == Options(query=(("b", "1"),))


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"query": {"a\ud800": "x"}}, "query"),
        ({"query": {"a": "\ud800"}}, "query['a']"),
        ({"filter": "\ud800"}, "filter"),
        ({"expand": "\ud800"}, "expand"),
        ({"fields": "\ud800"}, "fields"),
    ],
)
def test_half_a_surrogate_pair_in_an_option_is_refused_by_name(
    options: dict[str, Any], where: str
) -> None:
    """Half a surrogate pair raises `ValueError` with the name of the option."""
    with pytest.raises(ValueError, match=f"^{re.escape(where)} holds half a surrogate pair"):
        normalise_options(**options)


def test_check_topic_headers_returns_lower_case_names_and_keeps_none() -> None:
    """`check_topic_headers` returns lower-case names with texts, and keeps None."""
    given = {"X-Tenant": 5, "X_Other": "b", "X-Proxy-Key": None, "x-proxy-key": None}
    expected = {"x-tenant": "5", "x-other": "b", "x-proxy-key": None}
    assert check_topic_headers(given) == expected
    assert check_topic_headers(None) == check_topic_headers({}) == {}
    assert check_topic_headers({"Authorization": None}) == {"authorization": None}


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Cookie": "x"}, "^cookie must not be a header of a topic"),
        ({"X-A": "1", "x_a": None}, "^header 'x-a' is given twice"),
        ({"Z": "1", "z": None, "b": "1", "B": None, "c": "1"}, "^header 'b' is given twice"),
        ({"X-A": "1", "x_a": "2"}, "^header 'x-a' is given twice"),
        ({"a b": None}, "^header 'a b' must have a name"),
        ({"x": "a\nb"}, "^header 'x' must have a name"),
    ],
)
def test_invalid_or_repeated_topic_headers_are_refused(headers: dict[str, Any], why: str) -> None:
    """A header that is given twice, is invalid or is a credential raises `ValueError`."""
    with pytest.raises(ValueError, match=why):
        check_topic_headers(headers)
