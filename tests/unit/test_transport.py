"""What a base URL and headers may be, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from rxbosbase.errors import ClientClosedError
from rxbosbase.transport import Transport, check_base_url, check_headers


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://localhost", "http://localhost"),
        (" https://example.com:8443/ ", "https://example.com:8443"),
        ("http://[::1]:8090", "http://[::1]:8090"),
        ("https://example.com/behind/a/proxy/", "https://example.com/behind/a/proxy"),
    ],
)
def test_a_base_url_is_kept_without_its_last_slash(url: str, kept: str) -> None:
    assert check_base_url(url) == kept


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        ("localhost:8090", ValueError, "needs scheme and host"),
        ("127.0.0.1", ValueError, "needs scheme and host"),
        ("", ValueError, "needs scheme and host"),
        ("ftp://host", ValueError, "needs scheme and host"),
        ("http://", ValueError, "needs scheme and host"),
        ("http://me:secret@host", ValueError, "must hold no user or password"),
        ("http://host/?a=1", ValueError, "must not have a query"),
        ("http://host/#a", ValueError, "must not have a query or a fragment"),
        (None, TypeError, "base_url must be a str such as 'http://127.0.0.1:8090'"),
        (b"http://host", TypeError, "base_url must be a str"),
    ],
)
def test_row_13_a_base_url_that_cannot_be_right_is_refused_in_words(
    url: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        check_base_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"a": "b\r\nc"}, ValueError),
        ({"a\n": "b"}, ValueError),
        ({"": "b"}, ValueError),
        ({"a": "b\0"}, ValueError),
        ({"a": 1}, TypeError),
        ({1: "a"}, TypeError),
    ],
)
def test_headers_that_break_a_request_are_refused(headers: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="header"):
        check_headers(headers)


def test_headers_are_copied() -> None:
    given = {"X-A": "b"}
    checked = check_headers(given)
    assert checked == given and checked is not given
    assert check_headers(None) == {}


def make(**options: Any) -> Transport:
    return Transport("http://h/", timeout=1.0, headers=None, token=lambda: "", **options)


def test_every_path_stays_on_the_base_urls_origin() -> None:
    transport = make()
    assert transport.url("/api/x") == "http://h/api/x"
    assert transport.url("@evil.example") == "http://h/@evil.example"
    transport.close()


def test_a_closed_transport_gives_nothing_out() -> None:
    transport = make()
    transport.close()
    transport.close()
    with pytest.raises(ClientClosedError):
        transport.channel()
    with pytest.raises(ClientClosedError, match="make a new one"):
        transport.request("GET", "/")


def test_not_checking_certificates_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="certificate is not checked"):
        make(verify=False).close()
