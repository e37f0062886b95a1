"""Headers of a client's topics: merged, without credentials, and with a warning for others."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from rxbosbase import BosBase
from rxbosbase.realtime.protocol.topics import check_topic_headers
from rxbosbase.realtime.topic_headers import TopicHeaders

SECRET = "s3cr3t-value"
CREDENTIALS = ["authorization", "Authorization", "COOKIE", "Cookie", "Proxy-Authorization"]


def test_the_clients_headers_are_those_of_each_topic() -> None:
    """`topic_headers` of the client are sent with each topic, beside its own headers."""
    headers = TopicHeaders({"X-Tenant": "a", "x-lang": "pl"}, None)
    assert headers.merged(None) == {"x-tenant": "a", "x-lang": "pl"}
    assert headers.merged({"X-One": "1"}) == {"x-tenant": "a", "x-lang": "pl", "X-One": "1"}


@pytest.mark.parametrize("name", ["X-Tenant", "x-tenant", "X-TENANT", "x_tenant"])
def test_a_header_of_one_topic_replaces_the_clients(name: str) -> None:
    """A header of one topic replaces the client's, whatever its case, for that topic only."""
    headers = TopicHeaders({"X-Tenant": "a", "X-Lang": "pl"}, None)
    assert headers.merged({name: "b"}) == {name: "b", "x-lang": "pl"}
    assert headers.merged(None) == {"x-tenant": "a", "x-lang": "pl"}, "only for that one"


def test_none_for_one_topic_removes_the_clients_header() -> None:
    """None as a topic's header replaces the client's header by None."""
    headers = TopicHeaders({"X-Tenant": "a"}, None)
    assert headers.merged({"x-tenant": None}) == {"x-tenant": None}


@pytest.mark.parametrize("given", [None, {}, {"a": "b"}])
def test_without_headers_of_the_client_a_topics_own_are_left_as_they_are(
    given: Mapping[str, str] | None,
) -> None:
    """Without `topic_headers`, the headers of a topic are returned unchanged."""
    assert TopicHeaders(None, None).merged(given) is given


@pytest.mark.parametrize("given", [3, "text", [("a", "b")]])
def test_headers_that_are_no_mapping_are_refused_by_observe(given: Any) -> None:
    """Headers that are no mapping are not merged, and `observe` raises TypeError."""
    assert TopicHeaders({"X-Tenant": "a"}, None).merged(given) is given
    client = BosBase("http://127.0.0.1:1", topic_headers={"X-Tenant": "a"})
    with pytest.raises(TypeError, match="headers must be a dict"):
        client.collection("posts").observe("*", headers=given)


# -- headers of requests that topics lack


@pytest.fixture
def warned() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


Warned = list[warnings.WarningMessage]


def test_a_header_of_requests_alone_causes_one_warning_with_a_remedy(
    warned: Warned,
) -> None:
    """A header in `headers` only causes one warning with name and remedy, without its value."""
    headers = TopicHeaders(None, {"X-Tenant": SECRET})
    for _ in range(3):
        assert headers.merged(None) is None
    [warning] = warned
    text = str(warning.message)
    assert "headers= holds 'x-tenant', which requests send and topics do not" in text
    assert "Give what rules read as topic_headers=, too" in text
    assert "topic_headers={'x-tenant': None}" in text
    assert SECRET not in text


def test_all_missing_headers_are_named_in_one_warning(warned: Warned) -> None:
    """One warning names all headers that requests send and topics do not."""
    TopicHeaders({"X-C": "3"}, {"X-B": "2", "X-A": "1", "X-C": "3"}).merged({"x-d": "4"})
    [warning] = warned
    assert "headers= holds 'x-a', 'x-b', which" in str(warning.message)


@pytest.mark.parametrize("how", ["observe", "events", "live", "changes"])
def test_the_warning_points_to_the_users_own_line(how: str, warned: Warned) -> None:
    """The warning names the user's file as its origin, not a file of the library."""
    posts = BosBase("http://127.0.0.1:1", headers={"X-Tenant": "a"}).collection("posts")
    getattr(posts, how)()
    assert [warning.filename for warning in warned] == [__file__]


@pytest.mark.parametrize("name", ["X-Tenant", "x-tenant", "X-TENANT", "x_tenant"])
@pytest.mark.parametrize("value", [None, "a"])
def test_none_or_a_value_in_topic_headers_silences_the_warning(
    name: str, value: str | None, warned: Warned
) -> None:
    """A value or None for the header in `topic_headers` prevents the warning."""
    headers = TopicHeaders({name: value}, {"X-Tenant": "a"})
    merged = headers.merged(None)
    assert warned == []
    assert merged == ({"x-tenant": value} if value else None)


def test_a_topic_that_has_the_header_itself_is_not_warned_of_but_the_next_is(
    warned: Warned,
) -> None:
    """A topic with the header itself causes no warning; the next one without it does."""
    headers = TopicHeaders(None, {"X-Tenant": "a"})
    headers.merged({"x-TENANT": "a"})
    assert warned == []
    headers.merged(None)
    assert len(warned) == 1


def test_ordinary_headers_of_requests_are_not_warned_of(warned: Warned) -> None:
    """Accept headers, credentials and User-Agent in `headers` cause no warning."""
    ordinary = (
        "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cookie",
        "Proxy-Authorization", "User-Agent",
    )  # fmt: skip
    assert TopicHeaders(None, dict.fromkeys(ordinary, "x")).merged(None) is None
    assert TopicHeaders(None, {name.upper(): "x" for name in ordinary}).merged(None) is None
    assert warned == []


# -- headers that no topic may have


@pytest.mark.parametrize("name", CREDENTIALS)
def test_credentials_are_refused_in_a_topic(name: str) -> None:
    """Credentials as a topic's header raise ValueError that does not contain the value."""
    with pytest.raises(ValueError, match=f"{name.lower()} must not be a header of a topic") as one:
        BosBase("http://127.0.0.1:1", topic_headers={name: SECRET})
    assert SECRET not in str(one.value)
    client = BosBase("http://127.0.0.1:1")
    posts = client.collection("posts")
    given = {name: SECRET}
    uses: list[Any] = [
        lambda: posts.observe("*", headers=given),
        lambda: posts.subscribe("*", print, headers=given),
        lambda: posts.events("*", headers=given),
        lambda: posts.live(headers=given),
        lambda: posts.live_record("r1", headers=given),
        lambda: posts.changes(headers=given),
        lambda: client.realtime.observe("chat", headers=given),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="must not be a header of a topic") as caught:
            use()
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"X-A": "1", "x-a": "2"}, ValueError, "given twice"),
        ({"X-A": "1", "x-a": None}, ValueError, "given twice"),
        ({"X A": "1"}, ValueError, "must have a name of letters"),
        ({"X A": None}, ValueError, "must have a name of letters"),
        ({"X-A": "b\r\nc"}, ValueError, "no CR, LF or NUL"),
        ({"X-A": []}, TypeError, "is a list"),
        ({1: "a"}, TypeError, "keys must be str"),
        ([("X-A", "1")], TypeError, "headers must be a dict, not list"),
    ],
)
def test_invalid_topic_headers_are_refused_at_once(
    given: Any, kind: type[Exception], message: str
) -> None:
    """`BosBase` raises for `topic_headers` with an invalid or repeated name or value."""
    with pytest.raises(kind, match=message):
        BosBase("http://127.0.0.1:1", topic_headers=given)


def test_names_become_lower_case_and_none_is_kept() -> None:
    """Names of `topic_headers` become lower case, values text; None stays."""
    given = {"X-Tenant": "a", "X-Proxy-Key": None, "X-N": 3, "X-B": True}
    known = {"x-tenant": "a", "x-proxy-key": None, "x-n": "3", "x-b": "true"}
    assert check_topic_headers(given) == known
    assert check_topic_headers(None) == {}
