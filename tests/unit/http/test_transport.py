"""Valid base URLs and headers, what is sent with a request, and the texts of its errors."""

from __future__ import annotations

import http.client
import itertools
import ssl
from collections.abc import Iterator
from typing import Any

import certifi
import pytest
import requests
import responses
from urllib3.exceptions import MaxRetryError

from rxbosbase import BosBase, ConnectionFailedError, ProtocolError
from rxbosbase.errors import BosBaseError, ClientClosedError
from rxbosbase.http import transport as module
from rxbosbase.http.channel_sessions import MAX_COOKIE_JAR
from rxbosbase.http.transport import HTTPTransport, check_headers
from rxbosbase.http.urls import check_base_url

URL = "http://127.0.0.1:8090"
TARGET = f"{URL}/api/x"


@pytest.fixture
def client() -> Iterator[BosBase]:
    with BosBase(URL, headers={"X-Tenant": "t1"}) as made:
        yield made


def sent(web: responses.RequestsMock) -> dict[str, Any]:
    """Return the headers of the last request, as text, by their names in lower case."""
    headers: dict[str, Any] = dict(web.calls[-1].request.headers)
    return {k.lower(): v.decode() if isinstance(v, bytes) else v for k, v in headers.items()}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://localhost", "http://localhost"),
        (" https://example.com:8443/ ", "https://example.com:8443"),
        ("http://[::1]:8090", "http://[::1]:8090"),
        ("https://example.com/behind/a/proxy/", "https://example.com/behind/a/proxy"),
        ("http://h/X/", "http://h/X"),
    ],
)
def test_a_base_url_is_kept_without_its_last_slash(url: str, kept: str) -> None:
    """A base URL keeps scheme, host, port and path, without outer spaces and final slash."""
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
        ("http://h/\ud800", ValueError, "base_url holds half a surrogate pair"),
        (None, TypeError, "base_url must be a str such as 'http://127.0.0.1:8090', not a NoneType"),
        (b"http://host", TypeError, "base_url must be a str such as .*, not a bytes"),
    ],
)
def test_an_invalid_base_url_is_refused_with_the_reason(
    url: Any, kind: type[Exception], message: str
) -> None:
    """An invalid base URL raises an error that names the reason and not the password."""
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
    """Header names or values with control characters, or that are no text, raise an error."""
    with pytest.raises(kind, match="header"):
        check_headers(headers)


def test_headers_are_copied() -> None:
    """`check_headers` returns a copy, and an empty dict for None."""
    given = {"X-A": "b"}
    checked = check_headers(given)
    assert checked == given and checked is not given
    assert check_headers(None) == {}


def make(**options: Any) -> HTTPTransport:
    return HTTPTransport("http://h/", timeout=1.0, headers=None, token=lambda: "", **options)


def test_every_path_stays_on_the_base_urls_origin() -> None:
    """Every path, even `@evil.example`, gives a URL of the base URL's host."""
    transport = make()
    assert transport.url("/api/x") == "http://h/api/x"
    assert transport.url("@evil.example") == "http://h/@evil.example"
    transport.close()


def test_dots_are_refused_in_a_path_and_are_text_in_a_query() -> None:
    """`..` as a segment of a path, also encoded, raises ValueError; in a query it is text."""
    transport = make()
    for path in ("/a/../b", "/a/%2E%2e?c=d", "/a/..?c=d?e"):
        with pytest.raises(ValueError, match="between slashes"):
            transport.url(path)
    assert transport.url("/a?next=/../b") == "http://h/a?next=/../b"
    transport.close()


def test_a_closed_transport_refuses_channels_and_requests() -> None:
    """A closed transport raises `ClientClosedError` for a channel and for a request."""
    transport = make()
    transport.close()
    transport.close()
    with pytest.raises(ClientClosedError):
        transport.channel()
    with pytest.raises(ClientClosedError, match="make a new one"):
        transport.request("GET", "/")


def test_switching_off_the_check_of_certificates_warns() -> None:
    """`verify=False` emits a UserWarning that the certificate is not checked."""
    with pytest.warns(UserWarning, match="certificate is not checked"):
        make(verify=False).close()


# -- what is sent ---------------------------------------------------------------------------------


def test_every_request_has_exactly_the_expected_headers(
    web: responses.RequestsMock, client: BosBase
) -> None:
    """A GET has exactly the expected headers, those of the client included, and no body."""
    web.get(TARGET, json={})
    client.send("GET", "/api/x")
    expected = {
        "accept-encoding": "gzip", "accept-language": "en-US", "user-agent": "rxbosbase",
        "x-tenant": "t1", "accept": "*/*", "connection": "keep-alive",
    }  # fmt: skip
    assert sent(web) == expected
    assert web.calls[-1].request.body is None


def test_outer_spaces_and_tabs_are_no_part_of_a_header(
    web: responses.RequestsMock, client: BosBase
) -> None:
    """Spaces and tabs around a header's value are removed; a no-break space is kept."""
    web.get(TARGET, json={})
    client.send("GET", "/api/x", headers={"X-A": " \tXaX\u00a0\t "})
    assert sent(web)["x-a"] == "XaX\u00a0"


@pytest.mark.parametrize("name", ["Content-Type", "content-type"])
@pytest.mark.parametrize("everywhere", [{}, {"Content-Type": "a/b"}, {"content-type": "a/b"}])
def test_a_content_type_of_the_callers_own_is_sent(
    web: responses.RequestsMock, name: str, everywhere: dict[str, str]
) -> None:
    """A call's own Content-Type is sent; the client's is ignored for a JSON body."""
    web.post(TARGET, json={})
    with BosBase(URL, headers=everywhere) as client:
        client.send("POST", "/api/x", body={})
        assert sent(web)["content-type"] == "application/json"
        client.send("POST", "/api/x", body={}, headers={name: "application/csp-report"})
        assert sent(web)["content-type"] == "application/csp-report"


def test_files_are_sent_as_a_form_beside_the_fields(
    web: responses.RequestsMock, client: BosBase
) -> None:
    """Files are sent as multipart form data together with the fields of the body."""
    web.post(TARGET, json={})
    client.send("POST", "/api/x", body={"title": "Hi"}, files=[("photo", ("a.png", b"\x89PNG"))])
    assert sent(web)["content-type"].startswith("multipart/form-data; boundary=")
    body: Any = web.calls[-1].request.body
    assert b'name="title"\r\n\r\nHi\r\n' in body
    assert b'name="photo"; filename="a.png"\r\n\r\n\x89PNG\r\n' in body


@pytest.mark.parametrize("beyond", [0, 1])
def test_cookies_are_sent_back_up_to_a_limit_and_then_all_dropped(
    web: responses.RequestsMock, client: BosBase, beyond: int
) -> None:
    """Cookies up to `MAX_COOKIE_JAR` bytes are sent back; above that, none is."""
    name, value = "n" * 4000, "v" * (MAX_COOKIE_JAR - 4000 + beyond)
    web.get(TARGET, json={}, headers={"Set-Cookie": f"{name}={value}; Path=/"})
    client.send("GET", "/api/x")
    client.send("GET", "/api/x")
    assert sent(web).get("cookie") == (None if beyond else f"{name}={value}")


# -- texts of errors ------------------------------------------------------------------------------


def reached_through(*causes: Exception) -> Exception:
    """Return the first, with each as the context of the one before."""
    for error, cause in itertools.pairwise(causes):
        error.__context__ = cause
    return causes[0]


INVALID = requests.exceptions.InvalidHeader("x")
UNREACHABLE = OSError(113, "No route to host")
NO_ROUTE = "OSError: [Errno 113] No route to host"


@pytest.mark.parametrize(
    ("raised", "text", "cause"),
    [
        (
            requests.ConnectionError(http.client.BadStatusLine("s3cret")),
            "cannot reach {url}: BadStatusLine",
            None,
        ),
        (requests.ConnectionError(UNREACHABLE), f"cannot reach {{url}}: {NO_ROUTE}", UNREACHABLE),
        (
            requests.ConnectionError(MaxRetryError(None, "/api/x", UNREACHABLE)),  # type: ignore[arg-type]
            f"cannot reach {{url}}: {NO_ROUTE}",
            UNREACHABLE,
        ),
        (
            reached_through(requests.ConnectionError("x"), ValueError("y"), UNREACHABLE),
            f"cannot reach {{url}}: {NO_ROUTE}",
            UNREACHABLE,
        ),
        (UNREACHABLE, f"cannot reach {{url}}: {NO_ROUTE}", UNREACHABLE),
        (OSError("x" * 1000), "cannot reach {url}: OSError: " + "x" * 291, OSError),
        (INVALID, "the request to {url} failed: InvalidHeader", INVALID),
        (
            reached_through(requests.exceptions.InvalidURL("x"), ValueError("s3cret")),
            "the request to {url} failed: InvalidURL; is that the host's name, and is a proxy of "
            "the environment (HTTP_PROXY) one?",
            None,
        ),
        (
            requests.exceptions.ProxyError(ssl.SSLError("x")),
            "cannot reach {url} by the environment's proxy by verify={ca}: SSLError: ('x',)",
            ssl.SSLError,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("query", ["", "?a=b&token=s3cret?"])
def test_an_error_names_its_cause_and_quotes_neither_query_nor_body(
    web: responses.RequestsMock,
    raised: Exception,
    text: str,
    cause: Any,
    query: str,
) -> None:
    """An error of a request names URL and cause, without query and response text."""
    web.get(TARGET, body=raised)
    with (
        BosBase(URL, verify=certifi.where()) as client,
        pytest.raises(BosBaseError) as caught,
    ):
        client.send("GET", f"/api/x{query}")
    assert str(caught.value) == text.format(url=TARGET, ca=certifi.where())
    found = caught.value.__cause__
    assert isinstance(found, cause) if isinstance(cause, type) else found is cause
    assert isinstance(caught.value, (ConnectionFailedError, ProtocolError))


def test_a_body_that_cannot_be_read_is_an_error_with_the_exceptions_type(
    web: responses.RequestsMock, client: BosBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception while a body is read becomes `ProtocolError` with the exception's type."""

    def break_off(*_: Any) -> None:
        raise AttributeError("of a socket that is gone")

    web.get(TARGET, json={})
    monkeypatch.setattr(module, "read_body", break_off)
    with pytest.raises(
        ProtocolError, match=f"^the answer of {TARGET} cannot be read: AttributeErr"
    ):
        client.send("GET", "/api/x")
