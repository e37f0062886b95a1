"""The login: its store, its token, and the observers of its changes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from rxbosbase.auth.store import EARLY_SECONDS, AuthState, AuthStore, token_claims


def jwt(**claims: Any) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'HS256'})}.{part(claims)}.signature"


@pytest.mark.parametrize(
    "token", ["", "a.b", "a.b.c", "a.!!.c", f"x.{base64.b64encode(b'[1]').decode()}.y", "a.b.c.d"]
)
def test_what_is_no_token_claims_nothing(token: str) -> None:
    """A text that is not a well-formed JWT has no claims: `token_claims` returns `{}`."""
    assert token_claims(token) == {}


def test_a_tokens_claims_are_read_whatever_their_padding() -> None:
    """`token_claims` decodes base64url without padding, for every remainder of the length."""
    for n in range(8):
        assert token_claims(jwt(id="x" * n)) == {"id": "x" * n}


def test_a_token_counts_as_expired_a_little_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is valid until `EARLY_SECONDS` before `exp`; without a usable `exp`, never."""
    monkeypatch.setattr("rxbosbase.auth.store.time", lambda: 1000.0)
    assert AuthState(jwt(exp=1000 + EARLY_SECONDS + 1)).is_valid
    assert not AuthState(jwt(exp=1000 + EARLY_SECONDS)).is_valid
    assert not AuthState(jwt()).is_valid  # without `exp`
    assert not AuthState(jwt(exp="soon")).is_valid
    assert not AuthState(jwt(exp=10**400)).is_valid  # no float holds this `exp`
    assert not AuthState().is_valid
    assert AuthState(jwt(exp=1500)).expires == 1500.0


def test_the_identity_is_the_record_and_survives_a_refresh() -> None:
    """`identity` is `collection/record`, the same after a refresh; a non-JWT gives a digest."""
    first = AuthState(jwt(id="u1", collectionId="c1", exp=1))
    assert first.identity == AuthState(jwt(id="u1", collectionId="c1", exp=2)).identity == "c1/u1"
    assert AuthState().identity == ""
    odd = AuthState("not a jwt").identity
    assert odd.startswith("token ") and "not a jwt" not in odd
    assert odd != AuthState("another").identity


def test_nothing_shows_a_token() -> None:
    """The `repr` of a store and of its state contains no token and no field of the record."""
    store = AuthStore()
    assert repr(store) == "<AuthStore: guest>"
    store.save("se.cr.et", {"id": "u1", "email": "private@example.com"})
    for text in (repr(store), repr(store.state), str(store.state)):
        assert "se.cr" not in text and "private" not in text
    assert repr(store) == "<AuthStore: logged in>"


def test_changes_emit_the_current_state_and_each_change_once() -> None:
    """`changes` emits the current state, then each different state once, until disposed."""
    store = AuthStore()
    seen: list[str] = []
    subscription = store.changes.subscribe(lambda state: seen.append(state.token))
    store.save("a", {"id": "u1"})
    store.save("a", {"id": "u1"})  # the same: no change
    store.save("b", {"id": "u1"})
    store.clear()
    store.clear()
    subscription.dispose()
    store.save("c")
    assert seen == ["", "a", "b", ""]
    assert (store.token, store.record, store.is_valid) == ("c", None, False)


def test_an_observer_that_raises_harms_neither_the_login_nor_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An observer's error is logged; `save` succeeds and the other observers get the state."""
    store = AuthStore()
    seen: list[str] = []

    def bad(state: AuthState) -> None:
        if state.token:
            raise ValueError("in an auth observer")

    store.changes.subscribe(bad)
    store.changes.subscribe(lambda state: seen.append(state.token))
    store.save("a")
    assert seen == ["", "a"]
    assert "in an auth observer" in caplog.text


def test_a_change_made_by_an_observer_reaches_all_observers_last() -> None:
    """If an observer clears the login, every observer gets the cleared state last."""
    store = AuthStore()
    seen: list[str] = []

    def log_out_the_banned(state: AuthState) -> None:
        if state.token == "banned":
            store.clear()

    store.changes.subscribe(log_out_the_banned)
    store.changes.subscribe(lambda state: seen.append(state.token))
    store.save("banned")
    assert seen[-1] == store.token == ""


@pytest.mark.parametrize(
    ("token", "kind"),
    [(None, TypeError), (b"a", TypeError), ("a\nb", ValueError), ("a\0b", ValueError)],
)
def test_what_cannot_be_sent_is_refused(token: Any, kind: type[Exception]) -> None:
    """`save` raises for a token that is no text or has control characters; none is stored."""
    store = AuthStore()
    with pytest.raises(kind, match="token"):
        store.save(token)
    assert store.token == ""
