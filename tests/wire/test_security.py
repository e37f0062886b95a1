"""What is sent, to which host, and that no text can add to a request."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import urllib3
from support import wire_server as wire
from support.realtime_client import statuses, wait_delivered, wait_state

from rxbosbase import (
    BackoffPolicy,
    BosBase,
    BosBaseError,
    ClientResponseError,
    ConnectionFailedError,
    ProtocolError,
    RedirectError,
)
from rxbosbase.http.certificates import FILES, FOLDERS

TOKEN = wire.make_token("user1")


@pytest.fixture
def elsewhere() -> Iterator[wire.WireServer]:
    """Yield a server that stands for another host: it has another origin."""
    with wire.WireServer() as running:
        yield running


def logged_in(url: str, **options: Any) -> BosBase:
    client = BosBase(url, **options)
    client.auth_store.save(TOKEN, {"id": "user1", "collectionName": "users"})
    return client


# -- the token goes to the base URL's origin alone ------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirected_request_does_not_carry_the_token_to_another_host(
    server: wire.WireServer, elsewhere: wire.WireServer, code: int
) -> None:
    """A redirected request raises an error with the target; nothing is sent there."""
    target = {"Location": f"{elsewhere.url}/api/health"}
    server.on_request = lambda _: wire.status(code, headers=target)
    with logged_in(server.url) as client:
        for call in (
            client.health,
            lambda: client.send("POST", "/api/x", body={}),
            lambda: client.collection("posts").get_one("abc"),
            lambda: client.collection("users").auth_with_password("ann", "geheim12"),
            lambda: client.collection("users").auth_refresh(),
        ):
            with pytest.raises(RedirectError, match="redirects are not followed") as caught:
                call()
            assert caught.value.target == f"{elsewhere.url}/api/health"  # the right address
    assert elsewhere.connections == 0


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirected_stream_does_not_carry_the_token_to_another_host(
    server: wire.WireServer, elsewhere: wire.WireServer, code: int
) -> None:
    """A redirected stream is not followed; nothing is sent to the other host."""
    target = {"Location": f"{elsewhere.url}/api/realtime"}
    server.on_stream = lambda _: wire.status(code, headers=target)
    with logged_in(server.url) as client:
        client.collection("posts").observe("*", check=False).subscribe()
        server.wait_gets(2)
        with pytest.raises(TimeoutError, match="use the server's final address as base_url"):
            client.realtime.wait_active(0.05)
    assert elsewhere.connections == 0


def test_a_redirected_stream_is_tried_again_until_it_is_one(server: wire.WireServer) -> None:
    """A stream that is redirected for a while, as by a captive portal, comes up afterwards."""
    answers = [wire.status(302, headers={"Location": "https://portal/login"})] * 3
    server.on_stream = lambda _: answers.pop() if answers else None
    ended: list[Exception] = []
    with BosBase(server.url, backoff=BackoffPolicy(initial=0.01)) as client:
        seen = statuses(client)
        client.collection("posts").observe("*", check=False).subscribe(on_error=ended.append)
        client.realtime.wait_active(5.0)
        errors = [status.error for status in wait_delivered(client, seen)]
    targets = [error.target for error in errors if isinstance(error, RedirectError)]
    assert "https://portal/login" in targets
    assert not ended and not answers


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://ann:s3cret@h:8/api/x?token=s3cret#s3cret", "https://h:8/api/x"),
        ("//s3cret@h/api/x#s3cret", "//h/api/x"),
        ("https:\\\\ann:s3cret@h", "https:\\\\h"),
        ("/users/ann@example.com", "/users/ann@example.com"),
        ("https://h/ann@example.com", "https://h/ann@example.com"),
        ("https://h/" + "a" * 9999, "https://h/" + "a" * 290),
    ],
)
def test_the_target_of_a_redirect_shows_no_secret(
    server: wire.WireServer, location: str, target: str
) -> None:
    """`RedirectError.target` lacks credentials, query and fragment, and is cut to a length."""
    server.on_request = lambda _: wire.status(307, headers={"Location": location})
    with BosBase(server.url) as client, pytest.raises(RedirectError) as caught:
        client.send("GET", "/api/x?token=s3cret")
    assert caught.value.target == target
    assert caught.value.url == f"{server.url}/api/x"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("code", [302, 307, 308])
def test_a_redirected_post_of_topics_does_not_carry_the_token_to_another_host(
    server: wire.WireServer, elsewhere: wire.WireServer, code: int
) -> None:
    """A redirected POST of topics is repeated at `base_url`; nothing is sent elsewhere."""
    target = {"Location": f"{elsewhere.url}/api/realtime"}
    server.post_answers.append(wire.status(code, headers=target))
    with logged_in(server.url) as client:
        client.collection("posts").observe("*", check=False).subscribe()
        server.wait_accepted(1)  # repeated at the right server
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "/@evil.example/x", "/\\evil.example", "/http://evil.example/"]
)
def test_a_path_cannot_name_another_host(server: wire.WireServer, path: str) -> None:
    """A path that looks like a URL or an authority goes to the server of `base_url`."""
    server.on_request = lambda _: 404
    with logged_in(server.url) as client, pytest.raises(BosBaseError):
        client.send("GET", path)
    assert len(server.requests) == 1


def test_a_path_that_does_not_start_with_a_slash_is_refused(server: wire.WireServer) -> None:
    """A path that does not begin with `/` raises `ValueError`; nothing is sent."""
    with logged_in(server.url) as client:
        for path in ("http://evil.example/", "@evil.example/", ".evil.example/", ":99/"):
            with pytest.raises(ValueError, match="must begin with '/'"):
                client.send("GET", path)
    assert server.connections == 0


def test_netrc_never_replaces_the_token(
    server: wire.WireServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests and the stream send the token or none, never netrc credentials."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login joe password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with logged_in(server.url) as client:
        client.health()
        client.collection("posts").observe("*", check=False).subscribe()
        server.wait_accepted(1)
        client.auth_store.clear()
        client.health()
    health = [request.auth for request in server.requests_to("/api/health")]
    assert health == [TOKEN, ""]
    assert not [request for request in server.requests if "Basic" in request.auth]


def test_a_host_in_no_proxy_is_reached_without_the_proxy(
    server: wire.WireServer, elsewhere: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host in `no_proxy` is reached without the proxy of the environment."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with logged_in(server.url) as client:
        client.health()
        client.collection("posts").observe("*", check=False).subscribe()
        server.wait_accepted(1)
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("proxy", "kind", "message"),
    [
        ("http://joe:s3cret@127.0.0.1:9", ConnectionFailedError, "by the environment's proxy"),
        ("http://joe:s3cret@[::bad", ProtocolError, "HTTP_PROXY"),
        ("http://jo e:s3cret@127.0.0.1:99999", ProtocolError, "HTTP_PROXY"),
        ("s3cret:nothing", ProtocolError, "HTTP_PROXY"),
    ],
)
def test_an_unusable_proxy_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str, kind: type[Exception], message: str
) -> None:
    """The error of an unusable proxy of the environment does not show its password."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with BosBase("http://127.0.0.2:1") as client, pytest.raises(kind, match=message) as caught:
        client.health()
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert all("s3cret" not in str(link) for link in chain(caught.value))


def test_login_and_logout_send_no_authorization_of_before(server: wire.WireServer) -> None:
    """A login request and a request after a logout have no Authorization header."""
    with logged_in(server.url) as client:
        client.collection("users").auth_with_password("ann", "geheim12")
        (login,) = server.requests_to("/api/collections/users/auth-with-password")
        assert "authorization" not in login.headers
        client.auth_store.clear()
        client.health()
        (health,) = server.requests_to("/api/health")
        assert "authorization" not in health.headers


# -- TLS ------------------------------------------------------------------------------------------


@pytest.fixture
def secure(monkeypatch: pytest.MonkeyPatch) -> Iterator[wire.WireServer]:
    """Yield a server whose certificate no authority of the system has signed."""
    for variable in (*FILES, FOLDERS):
        monkeypatch.delenv(variable, raising=False)
    with wire.WireServer(tls=True) as running:
        yield running


def test_tls_is_verified_by_default_and_the_error_has_the_remedy(secure: wire.WireServer) -> None:
    """TLS is verified by default: nothing is sent, and the error proposes `verify`."""
    with logged_in(secure.url) as client:
        with pytest.raises(ConnectionFailedError, match=r"verify='/path/to/ca\.pem'"):
            client.health()
        client.collection("posts").observe("*", check=False).subscribe()
        wait_state(client, "waiting")
        with pytest.raises(TimeoutError, match="cannot trust https://"):
            client.realtime.wait_active(0.01)
    assert secure.requests == []  # nothing was sent, no token above all


def test_a_path_to_the_authority_serves_requests_and_the_stream(secure: wire.WireServer) -> None:
    """`verify` with the path of a CA file works for requests and the stream."""
    received: list[Any] = []
    with logged_in(secure.url, verify=secure.ca_file) as client:
        assert client.health()["code"] == 200
        client.collection("posts").subscribe("*", received.append)
        secure.send("posts/*", {"id": "a"}, "create")
        client.realtime.events.subscribe(lambda _: secure.notify())
        secure.send("posts/*", {"id": "b"}, "create")
        secure.wait_for(lambda: len(received) == 2)
    assert [event.record["id"] for event in received] == ["a", "b"]


def test_close_ends_a_reader_that_waits_on_tls(secure: wire.WireServer) -> None:
    """`close` ends a reader that waits for data on a TLS connection."""
    client = logged_in(secure.url, verify=secure.ca_file)
    client.collection("posts").subscribe("*", lambda _: None)
    client.close()
    secure.wait_streams(0)  # and conftest.py sees that the thread has ended


def test_verify_takes_precedence_over_the_environments_bundle(
    secure: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`verify` takes precedence over `REQUESTS_CA_BUNDLE`."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Path(__file__)))  # holds no certificate
    with logged_in(secure.url, verify=Path(str(secure.ca_file))) as client:
        assert client.health()["code"] == 200


def test_verify_false_warns_and_works(secure: wire.WireServer) -> None:
    """`verify=False` warns at the line of the caller and accepts any certificate."""
    with pytest.warns(UserWarning, match="certificate is not checked") as caught:
        client = BosBase(secure.url, verify=False)
    assert caught[0].filename == __file__
    with client, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert client.health()["code"] == 200


def test_verify_false_silences_no_warning_about_other_hosts(secure: wire.WireServer) -> None:
    """`verify=False` does not suppress warnings of urllib3 about other hosts."""
    other = "Unverified HTTPS request is being made to host 'other.example'."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "verify=False")
        with BosBase(secure.url, verify=False) as client:
            assert client.health()["code"] == 200
            with pytest.raises(urllib3.exceptions.InsecureRequestWarning):
                warnings.warn(other, urllib3.exceptions.InsecureRequestWarning, stacklevel=1)


@pytest.mark.parametrize("verify", [None, 0, b"", []])
def test_other_false_values_do_not_switch_the_check_off(verify: Any) -> None:
    """A false `verify` that is no bool (None, 0, `[]`) raises `TypeError`."""
    with pytest.raises(TypeError, match="verify must be a bool or a path"):
        BosBase("https://127.0.0.1", verify=verify)


@pytest.mark.parametrize("verify", ["", "/nowhere/ca.pem"])
def test_a_path_to_no_certificates_is_refused_at_once(verify: str) -> None:
    """A `verify` that is not the path of a file raises `ValueError` at once."""
    with pytest.raises(ValueError, match="names no file"):
        BosBase("https://127.0.0.1", verify=verify)


# -- no text can add to a request -----------------------------------------------------------------

BREAKS = ["\r\n", "\n", "\r", "\0", "\x0b", "\x1f"]


@pytest.mark.parametrize("bad", BREAKS)
def test_line_breaks_and_nul_are_refused_in_all_text_that_is_sent(
    server: wire.WireServer, bad: str
) -> None:
    """Control characters in a header, id, topic, URL or token raise `ValueError`."""
    evil = f"a{bad}X-Evil: 1"
    with logged_in(server.url) as client:
        posts = client.collection("posts")
        uses: list[Callable[[], object]] = [
            lambda: BosBase(server.url, headers={"X-A": evil}),
            lambda: BosBase(server.url, headers={evil: "a"}),
            lambda: BosBase(f"{server.url}/{evil}"),
            lambda: client.send("GET", "/api/health", headers={"X-A": evil}),
            lambda: client.send("GET", "/api/health", headers={evil: "a"}),
            lambda: client.send("GET", "/api/health", token=evil),
            lambda: posts.get_list(headers={"X-A": evil}),
            lambda: posts.observe("*", headers={"X-A": evil}),
            lambda: posts.observe(evil),
            lambda: posts.subscribe(evil, print),
            lambda: posts.unsubscribe(evil),
            lambda: posts.get_one(evil),
            lambda: posts.update(evil, {}),
            lambda: posts.delete(evil),
            lambda: client.collection(evil),
            lambda: client.collections.get(evil),
            lambda: client.realtime.observe(evil),
            lambda: client.realtime.observe("topic", headers={"X-A": evil}),
            lambda: client.auth_store.save(evil),
        ]
        for use in uses:
            with pytest.raises(ValueError, match=r".") as caught:
                use()
            assert not isinstance(caught.value, UnicodeError)
        assert client.auth_store.token == TOKEN
    assert server.connections == 0


def test_a_path_with_a_line_break_stays_one_request(server: wire.WireServer) -> None:
    """A path with line breaks is percent-encoded and sent as one request."""
    with logged_in(server.url) as client, pytest.raises(BosBaseError, match="404"):
        client.send("GET", "/api/x\r\nX-Evil: 1\r\n\r\nGET /api/y HTTP/1.1\r\n\r\n")
    (request,) = server.requests
    assert "x-evil" not in request.headers
    assert request.target.startswith("/api/x%0D%0AX-Evil")


@pytest.mark.parametrize(
    "name", ["%2e%2e", "%2E%2e", "%2e", "a%2fb", "a b", "a%0d%0ab", "日本", "a;b", "a&b=c"]
)
def test_an_odd_name_or_id_reaches_no_other_endpoint(server: wire.WireServer, name: str) -> None:
    """A name or id with `%2e`, `;` or spaces is one segment of the right endpoint."""
    with logged_in(server.url) as client:
        posts, odd = client.collection("posts"), client.collection(name)
        posts.get_one(name)
        posts.update(name, {"a": 1})
        posts.delete(name)
        odd.get_list()
        odd.get_one("abc")
        calls: list[Callable[[], object]] = [
            lambda: odd.auth_with_password("ann", "geheim12"),
            odd.auth_refresh,
            lambda: client.collections.get(name),
        ]
        for call in calls:
            try:
                call()
            except BosBaseError:
                assert server.requests  # a 404 of the right endpoint is a response too
    seen = [request.path for request in server.requests]
    assert seen == [
        f"/api/collections/posts/records/{name}",
        f"/api/collections/posts/records/{name}",
        f"/api/collections/posts/records/{name}",
        f"/api/collections/{name}/records",
        f"/api/collections/{name}/records/abc",
        f"/api/collections/{name}/auth-with-password",
        f"/api/collections/{name}/auth-refresh",
        f"/api/collections/{name}",
    ]


@pytest.mark.parametrize("name", ["..", ".", "../../users", "a/b", "a?b", "a#b", "a\\b", "", " a"])
def test_a_name_that_changes_the_path_is_refused(server: wire.WireServer, name: str) -> None:
    """A collection name that would change the path raises `ValueError`; nothing is sent."""
    with logged_in(server.url) as client:
        for use in (
            client.collection,
            client.collections.get,
            client.collections.delete,
            lambda name: client.collections.update(name, {}),
        ):
            with pytest.raises(ValueError, match="must"):
                use(name)
    assert server.connections == 0


@pytest.mark.parametrize("id", ["..", ".", "../../users", "a/..", "a/./b", "..\\a", "", "a\r\nb"])
def test_an_id_that_changes_the_path_is_refused(server: wire.WireServer, id: str) -> None:
    """An empty id or one with dot segments raises `ValueError`; nothing is sent."""
    with logged_in(server.url) as client:
        posts = client.collection("posts")
        for use in (
            posts.get_one,
            posts.delete,
            posts.observe,
            posts.events,
            posts.unsubscribe,
            posts.live_record,
            lambda id: posts.update(id, {}),
            lambda id: posts.subscribe(id, print),
        ):
            with pytest.raises(ValueError, match="must"):
                use(id)
    assert server.connections == 0


@pytest.mark.parametrize(
    "id", ["a/b", "/a", "a?b=c", "a#b", "%2e%2e", "..%2fusers", "a\\b", " a", "…"]
)
def test_any_other_id_is_one_segment_of_the_path(server: wire.WireServer, id: str) -> None:
    """Any other id is percent-encoded as one segment of the path."""
    with logged_in(server.url) as client:
        with suppress(ClientResponseError):
            client.collection("posts").get_one(id)
        (request,) = server.requests
    assert request.target == f"/api/collections/posts/records/{quote(id, safe='')}"


def test_unicode_and_outer_spaces_in_headers_mean_the_same_in_a_read_and_in_a_topic(
    server: wire.WireServer,
) -> None:
    """A header has the same UTF-8 value in a list read and in the read of a topic."""
    with logged_in(server.url) as client:
        posts = client.collection("posts")
        posts.get_list(headers={"X-Who": " Żółć "})
        posts.subscribe("*", print, headers={"X-Who": "Żółć"}, timeout=5)
    sent = [request.headers.get("x-who") for request in server.requests_to("/api/collections")]
    # The wire server reads header bytes as Latin-1; the real one reads UTF-8.
    assert [str(each).encode("latin-1").decode() for each in sent] == ["Żółć", "Żółć"]


# -- what an error may show -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://joe:hunter2@127.0.0.1",
        "joe:hunter2@127.0.0.1:8090",
        "ftp://joe:hunter2@127.0.0.1",
        "http://joe:hunter2@127.0.0.1/?a=b",
        "http://joe:hunter2@",
    ],
)
def test_a_password_in_the_base_url_is_refused_and_not_repeated(url: str) -> None:
    """A `base_url` with a password is refused, and the error does not show it."""
    with pytest.raises(ValueError, match="no user or password") as caught:
        BosBase(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://a b", "http://127.0.0.1\r\nx", "http://a\\b", "http://127.0.0.1:99999", "http://h:x"],
)
def test_a_base_url_that_cannot_be_right_is_refused(url: str) -> None:
    """A `base_url` with an invalid host or port raises `ValueError`."""
    with pytest.raises(ValueError, match=r"base_url|[Pp]ort"):
        BosBase(url)


def test_no_error_shows_the_query_of_its_request(server: wire.WireServer) -> None:
    """No error, cause or traceback shows the query of its request."""
    problems: list[BaseException] = []
    with logged_in(server.url, timeout=0.3) as client:

        def call(answer: wire.Answer | int) -> None:
            server.on_request = lambda _: answer
            for path, query in (("/api/x?token=s3cret", None), ("/api/x", {"token": "s3cret"})):
                with pytest.raises(BosBaseError) as caught:
                    client.send("GET", path, query=query)
                problems.append(caught.value)

        for answer in (500, wire.drop(), wire.reset(), wire.hang(), wire.raw(b"nonsense\r\n\r\n")):
            call(answer)
        call(wire.status(200, "<html>", {"Content-Encoding": "gzip"}))
        call(wire.status(302, headers={"Location": "/x"}))
        # A server redirects from http to https with the query.
        call(wire.status(308, headers={"Location": "https://127.0.0.1/api/x?token=s3cret"}))
        server.refuse_connections()
        call(500)
    for problem in problems:
        shown = "".join(traceback.format_exception(problem)) + repr(problem) + str(problem)
        assert "s3cret" not in shown, type(problem)
        assert all("s3cret" not in str(link) for link in chain(problem))
    assert len(problems) == 18


def chain(error: BaseException) -> Iterator[BaseException]:
    """Return all causes and contexts of an exception, whether a traceback shows them or not."""
    seen: list[BaseException] = [error]
    for each in seen:
        for other in (each.__cause__, each.__context__):
            if other is not None and other not in seen:
                seen.append(other)
    yield from seen


def test_certificates_deleted_meanwhile_are_named_in_the_error(tmp_path: Path) -> None:
    """The error for a `verify` file that was deleted meanwhile states that it is gone."""
    with wire.WireServer(tls=True) as server:
        authority = tmp_path / "ca.pem"
        authority.write_bytes(Path(str(server.ca_file)).read_bytes())
        with BosBase(server.url, verify=authority) as client:
            authority.unlink()
            with pytest.raises(
                ConnectionFailedError, match=r"cannot trust .*verify=.*ca\.pem, which is gone"
            ):
                client.health()
