"""The response to a login: a dict except for its repr, which hides the token."""

from __future__ import annotations

import copy
import io
import json
import pickle
import pprint
import reprlib
from collections import UserDict
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from rich.console import Console
from rich.pretty import pretty_repr

from rxbosbase.auth.login import Login, as_login
from rxbosbase.encoding.json import encode
from rxbosbase.testing import FakeRealtime

TOKEN = "head.body.signature"
META = {"accessToken": TOKEN, "refreshToken": TOKEN, "name": "Ada"}


@pytest.fixture
def login() -> Login:
    return Login(token=TOKEN, record={"id": "u1", "name": "Ada"})


def shown_by_rich(value: object) -> str:
    console = Console(file=io.StringIO(), width=40)
    with console.capture() as shown:
        console.print(value)
    return shown.get()


SHOWN: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "an f-string": lambda value: f"{value} {value!r} {value!s}",
    "format": "{}".format,
    "percent": lambda value: "%s %r" % (value, value),  # noqa: UP031
    "pprint": lambda value: pprint.pformat(value, width=20),
    "reprlib": reprlib.repr,
    "rich": shown_by_rich,
    "rich, as a REPL": lambda value: pretty_repr(value, max_width=20),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN.keys())
def test_nothing_that_shows_a_login_shows_its_token(
    login: Login, show: Callable[[Any], str]
) -> None:
    """`repr`, `str`, formatting, pprint and rich show a login's record and not its token."""
    for value in (
        login, [login], {"deep": (login,)}, login.copy(), Login(login, meta=META),
        login | {"more": 1}, {"more": 1} | login,
    ):  # fmt: skip
        assert TOKEN not in show(value)
    assert "Ada" in show(login)
    assert "'token': '…'" in repr(login)


def test_a_notebooks_cell_that_ends_in_a_login_shows_no_token(login: Login) -> None:
    """IPython's display of a login, alone or in a container, does not contain its token."""
    formatters = pytest.importorskip(
        "IPython.core.formatters", reason="needs pip install 'rxbosbase[notebook]'"
    )
    for value in (login, [login], {"deep": login}):
        data, _ = formatters.DisplayFormatter().format(value)
        assert "Ada" in data["text/plain"]
        assert TOKEN not in str(data)


def test_it_is_a_dict_whole_by_key(login: Login) -> None:
    """A login equals the plain dict by key, copy, JSON and pickle; a copy is a login too."""
    plain = {"token": TOKEN, "record": {"id": "u1", "name": "Ada"}}
    assert isinstance(login, dict)
    assert login == plain
    assert plain == login
    assert login["token"] == login.get("token") == TOKEN
    assert dict(login) == {**login} == plain
    assert json.loads(json.dumps(login)) == plain
    assert json.loads(msgspec.json.encode(login)) == json.loads(encode(login)) == plain
    for each in (login.copy(), copy.copy(login), copy.deepcopy(login)):
        assert each == plain and isinstance(each, Login)
    assert pickle.loads(pickle.dumps(login)) == plain


def test_or_with_no_dict_behaves_as_for_a_dict(login: Login) -> None:
    """`login | other` uses the `__ror__` of an operand that is no dict, as a dict does."""
    more = UserDict(more=1)
    assert type(login | more) is UserDict
    assert login | more == {**login, "more": 1}
    assert login.__or__(5) is login.__ror__(5) is NotImplemented


AUTH = "/api/collections/users/auth-"


@pytest.mark.parametrize(
    ("path", "answer", "hides"),
    [
        (f"{AUTH}with-password", {"token": TOKEN}, True),
        (f"{AUTH}with-oauth2/?fields=token,meta", {"token": TOKEN, "meta": META}, True),
        (f"{AUTH}methods", [TOKEN], False),
        ("/api/collections/users/impersonate/u1", {"token": TOKEN}, True),
        ("/api/files/token", {"token": TOKEN}, True),
        ("/api/files/token", None, False),
        ("/api/collections/posts/records/a", {"token": "a field"}, False),
        ("/api/collections/posts/records", [{"token": "a field"}], False),
        ("/api/health", None, False),
    ],
)
def test_the_answer_to_a_login_hides_its_token_and_any_other_stays_as_it_is(
    path: str, answer: Any, hides: bool
) -> None:
    """`as_login` wraps responses of authentication and file tokens; others are unchanged."""
    found = as_login(path, answer)
    assert found == answer
    assert isinstance(found, Login) is hides
    assert TOKEN not in repr(found) if hides else found is answer


def test_a_login_and_a_refresh_return_one() -> None:
    """`auth_with_password` and `auth_refresh` return logins whose `repr` hides the token."""
    with FakeRealtime() as fake:
        fake.add_user("ada@example.com", "password123", {"name": "Ada"})
        users = fake.client.collection("users")
        login = users.auth_with_password("ada@example.com", "password123")
        for answer in (login, users.auth_refresh()):
            assert answer["token"] == fake.client.auth_store.token
            assert answer["token"] not in repr(answer)
            assert answer["record"]["name"] == "Ada"
