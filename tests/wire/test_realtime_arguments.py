"""Wrong arguments, and calls after `close`: refused at once, with an error that explains it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from support import wire_server as wire
from support.realtime_client import connect
from support.seen import Seen

from rxbosbase import BosBase, ClientClosedError

Use: TypeAlias = Callable[[BosBase], object]

TABLE: list[tuple[str, Use, type[Exception], str]] = [
    ("empty topic", lambda c: c.realtime.observe(""), ValueError, "topic must not be empty"),
    ("blank topic", lambda c: c.realtime.observe("  "), ValueError, "topic must not be empty"),
    ("no name", lambda c: c.realtime.observe("?a"), ValueError, "a name before its"),
    (
        "number",
        lambda c: c.realtime.observe(3),  # type: ignore[arg-type]
        TypeError,
        "topic must be a str, not int",
    ),
    ("control", lambda c: c.realtime.observe("a\nb"), ValueError, "no control characters"),
    ("collection", lambda c: c.collection(""), ValueError, "collection must not be empty"),
    (
        "collection type",
        lambda c: c.collection(None),  # type: ignore[call-overload]
        TypeError,
        "must be a str, not NoneType",
    ),
    ("collection path", lambda c: c.collection("a/b"), ValueError, "must not hold '/'"),
    ("no target", lambda c: c.collection("p").observe(""), ValueError, "must not be empty"),
    ("target", lambda c: c.collection("p").observe("a/b"), ValueError, "must hold no '/'"),
    (
        "filter",
        lambda c: c.collection("p").observe("*", filter=1),  # type: ignore[arg-type]
        TypeError,
        "filter must be a str",
    ),
    (
        "filter twice",
        lambda c: c.collection("p").observe("*", filter="a", query={"filter": "b"}),
        ValueError,
        "given twice",
    ),
    (
        "option",
        lambda c: c.collection("p").observe("*", query={"a": []}),
        TypeError,
        r"query\['a'\] is a list: give a str, int, float or bool",
    ),
    (
        "infinite",
        lambda c: c.collection("p").observe("*", query={"a": float("inf")}),
        ValueError,
        "only finite numbers",
    ),
    (
        "key",
        lambda c: c.collection("p").observe("*", headers={1: "a"}),  # type: ignore[dict-item]
        TypeError,
        "keys must be str",
    ),
    (
        "header",
        lambda c: c.collection("p").observe("*", headers={"a": "b\r\nc"}),
        ValueError,
        "no CR, LF or NUL",
    ),
    (
        "callback",
        lambda c: c.collection("p").subscribe("*", None),  # type: ignore[arg-type]
        TypeError,
        "the callback must be callable, not NoneType",
    ),
    (
        "topic callback",
        lambda c: c.realtime.subscribe("a", 5),  # type: ignore[arg-type]
        TypeError,
        "must be callable, not int",
    ),
    (
        "timeout",
        lambda c: c.realtime.subscribe("a", print, timeout=0),
        ValueError,
        "more than 0 seconds",
    ),
    (
        "timeout type",
        lambda c: c.realtime.subscribe("a", print, timeout="5"),  # type: ignore[arg-type]
        TypeError,
        "a number of seconds, not str",
    ),
    (
        "endless",
        lambda c: c.realtime.subscribe("a", print, timeout=float("inf")),
        ValueError,
        "timeout must be finite",
    ),
    ("too long", lambda c: c.realtime.wait_active(1e12), ValueError, "must be finite"),
    ("nan", lambda c: c.realtime.wait_active(float("nan")), ValueError, "more than 0 seconds"),
    (
        "wait",
        lambda c: c.realtime.wait_active(None),  # type: ignore[arg-type]
        TypeError,
        "a number of seconds",
    ),
    (
        "size",
        lambda c: c.collection("p").events("*", size=0),
        ValueError,
        "size must be at least 1",
    ),
    (
        "size type",
        lambda c: c.collection("p").events("*", size="1"),  # type: ignore[arg-type]
        TypeError,
        "size must be an int",
    ),
    ("unsubscribe", lambda c: c.collection("p").unsubscribe(""), ValueError, "must not be empty"),
    ("unsubscribe topic", lambda c: c.realtime.unsubscribe(""), ValueError, "must not be empty"),
    (
        "misspelt",
        lambda c: setattr(c.realtime, "on_disconnected", print),
        AttributeError,
        "no attribute 'on_disconnected'",
    ),
    ("path", lambda c: c.send("GET", "api"), ValueError, "path must begin with '/'"),
]


@pytest.mark.parametrize(
    ("use", "kind", "message"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_wrong_arguments_are_refused_at_once_and_nothing_is_sent(
    server: wire.WireServer, use: Use, kind: type[Exception], message: str
) -> None:
    """A wrong argument raises an error that explains it, and nothing is sent."""
    with connect(server) as client:
        with pytest.raises(kind, match=message):
            use(client)
        assert server.connections == 0
        assert client.realtime.stats.topics == 0


@pytest.mark.parametrize(
    ("options", "sent"),
    [({"n": 1}, "1"), ({"n": 1.5}, "1.5"), ({"n": True}, "true"), ({"n": None}, None)],
)
def test_numbers_and_bools_in_a_query_become_text(
    server: wire.WireServer, options: dict[str, Any], sent: str | None
) -> None:
    """Numbers and bools in `query` are sent as text; None is left out."""
    with connect(server) as client:
        client.collection("posts").subscribe("*", lambda _: None, query=options)
        read = server.requests_to("/api/collections/posts")[0]
        assert read.query.get("n") == sent


AFTER_CLOSE: list[tuple[str, Use]] = [
    ("subscribe", lambda c: c.collection("p").subscribe("*", print)),
    ("topic", lambda c: c.realtime.subscribe("a", print)),
    ("observe", lambda c: c.collection("p").observe("*").subscribe(print)),
    ("events", lambda c: c.realtime.events.subscribe(print)),
    ("iterate", lambda c: c.collection("p").events("*").__enter__()),
    ("wait", lambda c: c.realtime.wait_active(1.0)),
    ("reconnect", lambda c: c.realtime.reconnect_now()),
    ("refresh", lambda c: c.auto_refresh()),
    ("send", lambda c: c.send("GET", "/api/health")),
    ("record", lambda c: c.collection("p").get_one("r1")),
    ("login", lambda c: c.collection("p").auth_with_password("a", "b")),
]


@pytest.mark.parametrize(
    "use", [row[1] for row in AFTER_CLOSE], ids=[row[0] for row in AFTER_CLOSE]
)
def test_use_of_realtime_after_close_raises(server: wire.WireServer, use: Use) -> None:
    """A call after `close` raises `ClientClosedError` and opens no connection."""
    client = connect(server)
    client.close()
    with pytest.raises(ClientClosedError, match="the client is closed; make a new one"):
        use(client)
    assert server.connections == 0


def test_after_close_an_observer_gets_on_error(
    server: wire.WireServer,
) -> None:
    """A subscription to `observe` after `close` gets `ClientClosedError` in `on_error`."""
    client = connect(server)
    client.close()
    errors: Seen[Exception] = Seen()
    client.collection("p").observe("*").subscribe(print, errors)
    assert isinstance(errors.items[0], ClientClosedError)


def test_what_only_ends_something_may_be_called_after_close(server: wire.WireServer) -> None:
    """Unsubscribing, disposing, logging out and `close` are allowed after `close`."""
    client = connect(server)
    unsubscribe = client.collection("posts").subscribe("*", lambda _: None)
    subscription = client.collection("posts").observe("*").subscribe(lambda _: None)
    everything = client.realtime.events.subscribe(lambda _: None)
    client.close()
    unsubscribe()
    subscription.dispose()
    everything.dispose()
    client.realtime.unsubscribe()
    client.collection("posts").unsubscribe()
    client.auth_store.clear()
    client.close()
    assert client.is_closed
    assert repr(client).endswith(" closed>")
