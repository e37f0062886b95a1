"""A whole session at debug level: its output holds no secret."""

from __future__ import annotations

import base64
import logging
import secrets
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support.live_schema import World, collect, eventually

from rxbosbase import AuthState, BosBase, BosBaseError, FileAuthStore, operators

pytest_plugins = ["support.live_fixtures"]

PIECE = 12
"""This many characters of a secret, in a row, count as a leak."""


class Printed(logging.Handler):
    """Everything that was printed: log records with their tracebacks, reprs, errors, warnings."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(threadName)s %(message)s"))
        self.lines: list[str] = []
        self.loggers: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
        self.lines.append(repr(record.args))
        self.loggers.add(record.name)

    def show(self, *things: object) -> None:
        """Record what a terminal and a notebook show of these."""
        for thing in things:
            self.lines += [repr(thing), str(thing), f"{thing}"]
            for name in ("_repr_html_", "_repr_pretty_", "_repr_mimebundle_", "_repr_markdown_"):
                shown: Callable[[], object] | None = getattr(thing, name, None)
                if callable(shown):
                    self.lines.append(str(shown()))
            if isinstance(thing, BaseException):
                self.lines += traceback.format_exception(thing)
                self.show(*(each for each in (thing.__cause__, thing.__context__) if each))
                self.lines.append(repr(thing.args))

    def fails(self, call: Callable[[], object]) -> None:
        """Record the error that `call` raises."""
        with pytest.raises((BosBaseError, ValueError, TypeError)) as caught:
            call()
        self.show(caught.value)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def printed() -> Iterator[Printed]:
    handler = Printed()
    root = logging.getLogger()
    names = ["", "rxbosbase", "urllib3", "requests", "urllib3.connectionpool"]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def pieces(secret: str) -> set[str]:
    """The secret in the forms in which it might show up, cut into pieces."""
    raw = secret.encode()
    forms = [secret, quote(secret, safe=""), repr(secret)[1:-1], raw.hex()]
    for skipped in range(3):  # base64 of text around it: each of the three alignments
        forms.append(base64.b64encode(raw[skipped:]).decode().rstrip("="))
        forms.append(base64.urlsafe_b64encode(raw[skipped:]).decode().rstrip("="))
    return {form[at : at + PIECE] for form in forms for at in range(max(1, len(form) - PIECE + 1))}


def leaks(text: str, secret: str, *, public: str = "") -> set[str]:
    return {piece for piece in pieces(secret) if piece in text and piece not in public}


def test_leaks_finds_encoded_and_partial_secrets() -> None:
    """The search finds a secret in a text: whole, in part, percent-encoded or as base64."""
    secret = "a secret of some length/+"
    for text in (
        secret,
        quote(secret, safe=""),
        secret[3:16],
        base64.b64encode(b"xy" + secret.encode()).decode(),
    ):
        assert leaks(f"before {text} after", secret)
    assert not leaks("nothing of it", secret)


@pytest.mark.usefixtures("soon")
def test_a_whole_session_at_debug_level_prints_no_secret(
    fragile: World, printed: Printed, tmp_path: Path
) -> None:
    """No log, repr or error of a session at debug level has 12 characters of a secret in a row."""
    password = f"pass wörd {secrets.token_urlsafe(24)}"
    wrong = f"wrong{secrets.token_urlsafe(24)}"
    users = fragile.users()
    docs = fragile.collection(
        "docs",
        viewRule="@request.auth.id != ''",
        fields=({"name": "file", "type": "file", "maxSelect": 1, "protected": True},),
    )
    ann = fragile.user(users, password=password, passwordConfirm=password, name="Ann")
    given: list[str] = []
    store = FileAuthStore(tmp_path / "login.json")
    store.changes.subscribe(lambda state: given.append(state.token))
    with fragile.server.client(auth_store=store, timeout=2.0) as client:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            session(fragile, client, printed, users, docs.name, ann, password, wrong, given)
        printed.show(*(warning.message for warning in caught))
        printed.show(client, client.realtime, client.auth_store, client.transport)
    given += [fragile.admin.auth_store.token]
    tokens = {token for token in given if token}
    assert len(tokens) >= 4
    assert "rxbosbase.submit" in printed.loggers
    assert any(name.startswith("urllib3") for name in printed.loggers)
    for password_ in (password, wrong):
        assert leaks(printed.text, password_) == set()
    for token in tokens:
        head, payload, signature = token.split(".")
        assert head
        assert leaks(printed.text, token) == set()
        assert leaks(printed.text, payload) == leaks(printed.text, signature) == set()


def session(
    world: World,
    client: BosBase,
    printed: Printed,
    users: str,
    docs: str,
    ann: dict[str, Any],
    password: str,
    wrong: str,
    given: list[str],
) -> None:
    """Use every feature of a client, and cause every error."""
    people, posts = client.collection(users), client.collection(docs)
    states = collect(client.realtime.status)
    printed.fails(lambda: people.auth_with_password(ann["email"], wrong))
    people.auth_with_password(ann["email"], password)
    given.append(client.send("POST", "/api/files/token")["token"])
    received = collect(posts.observe("*"))
    messages = collect(client.realtime.events)
    client.auto_refresh(timedelta(days=400), check_every=0.2)
    client.realtime.wait_active()
    record = posts.create({"title": "a", "file": ("a.txt", b"x")})
    client.file_url(record, record["file"], token=given[-1])
    printed.show(record, *received.have(1), *messages.have(1), client.realtime.stats)
    printed.fails(lambda: posts.get_one("missing"))
    printed.fails(lambda: client.collection("missing").get_list())
    printed.fails(lambda: posts.create({"file": ("big", b"x" * 10_000_000)}))
    printed.fails(lambda: client.collections.get_list())
    printed.fails(lambda: client.auth_store.save(client.auth_store.token + "\r\n"))
    printed.fails(lambda: client.auth_store.save(" " + client.auth_store.token))
    printed.fails(lambda: BosBase(f"http://joe:{wrong}@127.0.0.1"))
    printed.fails(lambda: BosBase(f"joe:{wrong}@127.0.0.1"))
    printed.fails(lambda: people.auth_with_password(ann["email"], [password]))  # type: ignore[arg-type]
    collect(client.collection("missing").observe("*")).failure()
    client.realtime.on_disconnect = lambda topics: 1 / 0
    posts.subscribe("*", lambda event: 1 / 0)
    posts.update(record["id"], {"title": "b"})
    people.auth_refresh()
    client.realtime.reconnect_now()
    client.realtime.wait_active()
    printed.show(received, posts, client, client.auth_store, client.auth_store.state)
    printed.show(client.scheduler, client.realtime, posts.observe("*"), client.collections)
    printed.show(operators, FileAuthStore, client.service, client.transport)
    world.server.kill()
    states.first(lambda status: status.attempt >= 2)
    printed.fails(client.health)
    printed.fails(lambda: posts.subscribe("*", print, timeout=0.1))
    world.server.restart()
    client.realtime.wait_active(20)
    body = {"password": wrong, "passwordConfirm": wrong}
    world.admin.collection(users).update(ann["id"], body)
    printed.show(received.failure(), received.error)
    people.auth_with_password(ann["email"], wrong)
    client.auth_store.clear()
    eventually(lambda: client.auth_store.state == AuthState())
    printed.show(*states.items, client.realtime.stats)
    client.close()
    printed.fails(client.health)
    printed.fails(lambda: posts.subscribe("*", print))
