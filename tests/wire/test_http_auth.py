"""Requests mocked by `responses`: login, refresh, logout, and which requests have a token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses
from support.seen import Seen
from support.wire_tokens import make_token

from rxbosbase import AuthStore, BosBase, ClientResponseError, ProtocolError

URL = "http://127.0.0.1:8090"
LOGIN = f"{URL}/api/collections/users/auth-with-password"
REFRESH = f"{URL}/api/collections/users/auth-refresh"
RECORD = {"id": "u1", "collectionName": "users"}


@pytest.fixture
def client() -> Iterator[BosBase]:
    with BosBase(URL) as made:
        yield made


def last_request(web: responses.RequestsMock) -> requests.PreparedRequest:
    request = web.calls[-1].request
    assert isinstance(request, requests.PreparedRequest)
    return request


def sent_token(web: responses.RequestsMock) -> str:
    value: Any = last_request(web).headers.get("Authorization", b"")
    return value.decode() if isinstance(value, bytes) else str(value)


def test_a_login_is_stored_emitted_and_sent_with_later_requests(
    web: responses.RequestsMock, client: BosBase
) -> None:
    """A login is stored, emitted on `changes` and sent with later requests."""
    token = make_token("u1")
    web.post(LOGIN, json={"token": token, "record": RECORD})
    web.get(f"{URL}/api/health", json={})
    tokens: Seen[str] = Seen()
    client.auth_store.changes.subscribe(lambda state: tokens(state.token))
    users = client.collection("users")
    answer = users.auth_with_password("ann@example.com", "hunter2", body={"mfaId": "m"}, fields="*")
    assert answer == {"token": token, "record": RECORD}
    assert json.loads(last_request(web).body or b"") == {
        "identity": "ann@example.com", "password": "hunter2", "mfaId": "m",
    }  # fmt: skip
    assert sent_token(web) == ""
    assert client.auth_store.is_valid
    assert client.auth_store.record == RECORD
    client.health()
    assert sent_token(web) == token
    client.send("GET", "/api/health", token="")
    assert sent_token(web) == ""
    client.send("GET", "/api/health", headers={"authorization": "mine"})
    assert sent_token(web) == "mine"
    client.auth_store.clear()
    client.health()
    assert sent_token(web) == ""
    assert tokens.items == ["", token, ""]


def test_a_refused_login_keeps_the_stored_one_and_shows_no_password(
    web: responses.RequestsMock, client: BosBase
) -> None:
    """A refused login keeps the stored one, and its error has no password."""
    client.auth_store.save("an.old.one", RECORD)
    body = {"status": 400, "message": "Failed to authenticate.", "data": {}}
    web.post(LOGIN, json=body, status=400)
    with pytest.raises(ClientResponseError) as caught:
        client.collection("users").auth_with_password("ann", "hunter2")
    assert sent_token(web) == ""  # the server may refuse the old one
    assert "hunter2" not in repr(caught.value) + str(caught.value)
    assert client.auth_store.token == "an.old.one"


@pytest.mark.parametrize(
    ("identity", "password", "why"),
    [
        (None, "x", "^identity must be a str, not NoneType"),
        ("x", 5, "^password must be a str, not int"),
        ("\ud83d", "x", "^identity holds half a surrogate pair"),
        ("x", "\ud83d", "^password holds half a surrogate pair"),
    ],
)
def test_identity_and_password_must_be_text(
    client: BosBase, identity: Any, password: Any, why: str
) -> None:
    """An identity or password that is no text raises an error that names it."""
    with pytest.raises((TypeError, ValueError), match=why):
        client.collection("users").auth_with_password(identity, password)


def test_a_refresh_sends_the_token_and_keeps_the_new_one(
    web: responses.RequestsMock, client: BosBase
) -> None:
    """`auth_refresh` sends the stored token and stores the new one."""
    old, new = make_token("u1"), make_token("u1", serial=2)
    client.auth_store.save(old, RECORD)
    web.post(REFRESH, json={"token": new, "record": RECORD})
    client.collection("users").auth_refresh()
    assert sent_token(web) == old
    assert client.auth_store.token == new


@pytest.mark.parametrize("token", ["", make_token("u2")], ids=["logout", "another login"])
def test_a_logout_or_another_login_during_a_refresh_stands(
    web: responses.RequestsMock, client: BosBase, token: str
) -> None:
    """A logout or another login during a refresh is not overwritten by it."""
    late = {"token": make_token("u1", serial=2), "record": RECORD}

    def answer(_: object) -> tuple[int, dict[str, str], str]:
        client.auth_store.clear()
        if token:
            client.auth_store.save(token, {**RECORD, "id": "u2"})
        return 200, {}, json.dumps(late)

    client.auth_store.save(make_token("u1"), RECORD)
    web.add_callback(responses.POST, REFRESH, answer, content_type="application/json")
    assert client.collection("users").auth_refresh() == late
    assert client.auth_store.token == token


def test_refreshes_with_other_bodies_share_no_request(
    web: responses.RequestsMock, client: BosBase
) -> None:
    """Concurrent refreshes with different bodies send one request each."""
    users, bodies = client.collection("users"), []

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        bodies.append(json.loads(request.body or b""))
        if len(bodies) == 1:
            users.auth_refresh(body={"a": 2})
        return (
            200,
            {},
            json.dumps({"token": make_token("u1", serial=len(bodies)), "record": RECORD}),
        )

    client.auth_store.save(make_token("u1"), RECORD)
    web.add_callback(responses.POST, REFRESH, answer, content_type="application/json")
    users.auth_refresh(body={"a": 1})
    assert bodies == [{"a": 1}, {"a": 2}]


def test_a_refused_refresh_is_raised(web: responses.RequestsMock, client: BosBase) -> None:
    """A 401 to `auth_refresh` raises `ClientResponseError` with its message."""
    client.auth_store.save(make_token("u1", exp=1.0), RECORD)
    web.post(REFRESH, json={"status": 401, "message": "no", "data": {}}, status=401)
    with pytest.raises(ClientResponseError, match="401: no"):
        client.collection("users").auth_refresh()


def test_a_store_may_be_passed_in_and_shared(web: responses.RequestsMock) -> None:
    """Several clients can use one `AuthStore`, and each sends its token."""
    store = AuthStore()
    store.save(make_token("u1"), RECORD)
    web.get(f"{URL}/api/health", json={})
    for _ in range(2):
        with BosBase(URL, auth_store=store) as client:
            client.health()
            assert sent_token(web) == store.token
    store.clear()  # no client observes it any more


def test_no_password_of_a_netrc_file_is_sent(
    web: responses.RequestsMock,
    client: BosBase,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    """A request without a login sends no credentials of a netrc file."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    web.get(f"{URL}/api/health", json={})
    client.health()
    assert sent_token(web) == ""


@pytest.mark.parametrize("token", ["", "a\r\nX-Evil: 1", " a", "ż"])
def test_an_invalid_token_raises_and_stores_nothing(
    web: responses.RequestsMock, client: BosBase, token: str
) -> None:
    """A login response with an invalid token raises `ProtocolError`, stores nothing."""
    web.post(LOGIN, json={"token": token, "record": RECORD})
    with pytest.raises(ProtocolError, match="with a token that is none") as caught:
        client.collection("users").auth_with_password("ann", "secret")
    assert "Evil" not in str(caught.value)
    assert client.auth_store.state.record is None


@pytest.mark.parametrize("answer", [
    {"hello": "world"}, [], None, {"token": "t", "record": None}, {"token": "t", "record": {}},
    {"token": "t", "record": {"id": 1}}, {"token": "t", "record": {"id": ""}},
])  # fmt: skip
def test_a_response_without_a_login_raises_and_stores_nothing(
    web: responses.RequestsMock, client: BosBase, answer: Any
) -> None:
    """A login response without token or record raises `ProtocolError`, stores nothing."""
    web.post(LOGIN, json=answer)
    with pytest.raises(ProtocolError, match="a login was answered with"):
        client.collection("users").auth_with_password("ann", "secret")
    assert client.auth_store.token == ""
