"""The client without a server: its valid arguments, and what it never does by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.realtime_client import library_threads
from support.seen import run_thread

from rxbosbase import AuthStore, BosBase, ClientClosedError, Status
from rxbosbase.live import manager
from rxbosbase.live.engine.order_evidence import TextOrder

URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"timeout": 0}, ValueError, "timeout must be more than 0 seconds"),
        ({"timeout": "5"}, TypeError, "timeout must be a number of seconds, not str"),
        ({"timeout": True}, TypeError, "timeout must be a number"),
        ({"timeout": float("inf")}, ValueError, "timeout must be finite"),
        ({"timeout": float("nan")}, ValueError, "more than 0"),
        ({"idle_timeout": -1}, ValueError, "idle_timeout must be more than 0"),
        ({"preflight_every": -1}, ValueError, "preflight_every must be more than 0"),
        ({"preflight_every": "5"}, TypeError, "preflight_every must be a number of seconds"),
        ({"auth_store": "token"}, TypeError, "auth_store must be an AuthStore, not str"),
        ({"backoff": 5}, TypeError, "backoff must be a BackoffPolicy, not int"),
        ({"on_auth_lost": "panic"}, ValueError, "on_auth_lost must be 'error' or 'guest'"),
        ({"headers": {"a": 1}}, TypeError, "header 'a'"),
        ({"max_event_bytes": 0}, ValueError, "max_event_bytes must be at least 1"),
        ({"max_event_bytes": 1e6}, TypeError, "max_event_bytes must be an int, not float"),
    ],
)
def test_wrong_arguments_are_refused_when_the_client_is_made(
    options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    """`BosBase` raises TypeError or ValueError that names the argument with a wrong value."""
    with pytest.raises(kind, match=message):
        BosBase(URL, **options)


def test_making_using_and_closing_a_client_does_no_io_and_starts_no_thread() -> None:
    """A client that is created, read and closed without a request starts no thread."""
    with BosBase(f"{URL}/") as client:
        assert client.base_url == URL
        assert repr(client) == f"<BosBase {URL} idle>"
        client.collection("posts").observe("*")
        _ = client.realtime.events, client.realtime.status, client.scheduler
        assert client.realtime.client_id == ""
        assert not client.realtime.is_connected
        assert isinstance(client.service.status.value, Status)
        assert library_threads() == []
    assert client.is_closed


def test_an_empty_store_that_is_passed_in_is_used() -> None:
    """An empty `auth_store` that is passed in is used, not replaced by a new one."""
    store = AuthStore()
    with BosBase(URL, auth_store=store) as client:
        assert client.auth_store is store


def test_a_filter_is_built_without_a_server() -> None:
    """`client.filter` inserts its parameters without a request to the server."""
    with BosBase(URL) as client:
        assert client.filter("a = {:a}", a=1) == "a = 1"


def test_a_closed_client_shows_closed_and_refuses_requests() -> None:
    """After `close`, `repr` shows `closed` and a request raises `ClientClosedError`."""
    client = BosBase(URL)
    client.close()
    client.close()
    assert repr(client) == f"<BosBase {URL} closed>"
    assert repr(client.collection("posts")) == "<Collection 'posts'>"
    with pytest.raises(ClientClosedError, match="make a new one"):
        client.health()


def test_a_client_may_be_closed_while_its_first_live_view_is_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`close` during the creation of the first live view ends it with `ClientClosedError`."""

    class Closing(TextOrder):
        def __init__(self) -> None:
            closes.pop()()
            super().__init__()

    client = BosBase("http://127.0.0.1:1")
    closes: list[Callable[[], None]] = [client.close]
    monkeypatch.setattr(manager, "TextOrder", Closing)
    view = run_thread(client.collection("posts").live)()
    ended: list[Exception] = []
    view.subscribe(on_error=ended.append)
    assert closes == [] and isinstance(ended[0], ClientClosedError)
