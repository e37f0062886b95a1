"""Interruptions of calls: signals, and log handlers and stores that raise."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import pytest
from support import wire_server as wire
from support.realtime_client import connect, ignore, wait_state
from support.seen import LIMIT
from unit.runtime.test_fork_guard import in_a_child

from rxbosbase import AuthState, AuthStore, BosBase, ClientClosedError
from rxbosbase.realtime.session.session import Session

CONTROL = "rxbosbase-control"


class Handler(logging.Handler):
    """Acts when a line with these words comes, once."""

    def __init__(self, words: str, act: Callable[[], object]) -> None:
        super().__init__()
        self._words = words
        self._acts = [act]

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage() and self._acts:
            self._acts.pop()()

    @property
    def has_acted(self) -> bool:
        return not self._acts


@pytest.fixture
def handle(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Handler]]:
    log = logging.getLogger("rxbosbase")
    made: list[Handler] = []

    def add(words: str, act: Callable[[], object]) -> Handler:
        made.append(Handler(words, act))
        log.addHandler(made[-1])
        return made[-1]

    with caplog.at_level(logging.DEBUG, "rxbosbase"):
        yield add
    for handler in made:
        log.removeHandler(handler)


def interrupted(method: str, act: Callable[[], object], patch: pytest.MonkeyPatch) -> list[bool]:
    """Act once in the middle of an input of a session on this thread, as a signal's handler may;
    then the list is empty."""
    real = getattr(Session, method)
    waiting, thread = [True], threading.get_ident()

    def hooked(session: Session, *given: object, **options: object) -> object:
        if waiting and threading.get_ident() == thread:
            waiting.pop()
            act()
        return real(session, *given, **options)

    patch.setattr(Session, method, hooked)
    return waiting


def ctrl_c() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("method", ["_mark_changed", "_due", "_request_tick", "_emit"])
def test_a_keyboard_interrupt_in_subscribe_affects_no_other_topic(
    method: str, client: BosBase, server: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A KeyboardInterrupt in `subscribe` affects no other topic, earlier or later."""
    client.realtime.subscribe("a", ignore)
    waiting = interrupted(method, ctrl_c, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        client.realtime.observe("b").subscribe(ignore)
    assert waiting == []
    client.realtime.subscribe("c", ignore, timeout=LIMIT)
    assert {"a", "c"} <= set(server.stream.topics)


@pytest.mark.parametrize("method", ["_end_stream", "_forget_stream", "_change_state", "_emit"])
def test_a_keyboard_interrupt_in_reconnect_now_leaves_a_connection(
    method: str, client: BosBase, server: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A KeyboardInterrupt in `reconnect_now` leaves a connection with all topics."""
    client.realtime.subscribe("a", ignore)
    waiting = interrupted(method, ctrl_c, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        client.realtime.reconnect_now()
    assert waiting == []
    client.realtime.subscribe("c", ignore, timeout=LIMIT)
    assert {"a", "c"} <= set(server.stream.topics)


@pytest.mark.parametrize(
    "method", ["_mark_changed", "_due", "_request_tick", "_change_state", "_emit"]
)
def test_close_in_the_middle_of_subscribe_is_final(
    method: str, client: BosBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`close` in the middle of `subscribe`, as by a signal handler, is final."""
    client.realtime.subscribe("a", ignore)
    waiting = interrupted(method, client.close, monkeypatch)
    client.realtime.observe("b").subscribe(ignore)
    assert waiting == []
    (driver,) = client.service.drivers
    assert driver.session.status.state == "closed"
    with pytest.raises(ClientClosedError):
        client.realtime.wait_active(LIMIT)


def test_reconnect_now_while_opening_ends_active(
    client: BosBase, handle: Callable[..., Handler]
) -> None:
    """`reconnect_now` while a new stream is being opened ends in an active stream."""
    client.realtime.subscribe("a", ignore)
    handler = handle("opening a new stream", client.realtime.reconnect_now)
    client.realtime.reconnect_now()
    client.realtime.wait_active(LIMIT)
    client.realtime.subscribe("b", ignore, timeout=LIMIT)
    assert handler.has_acted


def test_a_log_handler_that_raises_does_not_prevent_the_reconnect(
    client: BosBase, server: wire.WireServer, handle: Callable[..., Handler]
) -> None:
    """A log handler that raises at a loss does not prevent the reconnect."""
    client.realtime.subscribe("a", ignore)

    def fail() -> None:
        raise ValueError("the disk is full")

    handler = handle("no connection, attempt", fail)
    server.stream.cut()
    server.wait_for(lambda: len(server.all_streams) == 2)
    client.realtime.wait_active(LIMIT)
    assert handler.has_acted


def test_a_post_that_ends_in_a_system_exit_is_repeated(
    client: BosBase, server: wire.WireServer, handle: Callable[..., Handler]
) -> None:
    """A POST of topics that ends in `SystemExit` is repeated."""

    def leave() -> None:
        raise SystemExit

    handler = handle("submitting 1 topics", leave)
    client.realtime.subscribe("a", ignore, timeout=LIMIT)
    assert handler.has_acted and server.stream.topics == ["a"]


class LockedOnce(AuthStore):
    """A store whose keyring is locked when the library first asks who is logged in."""

    is_locked = False

    @property
    def state(self) -> AuthState:
        if self.is_locked and threading.current_thread().name == CONTROL:
            self.is_locked = False
            raise OSError("the keyring is locked")
        return super().state


def test_a_store_that_raises_once_is_read_again(
    server: wire.WireServer,
) -> None:
    """An `AuthStore` whose `state` raises once is read again and the topic submitted."""
    store = LockedOnce()
    store.save(wire.make_token("ann"))
    with connect(server, auth_store=store) as client:
        client.realtime.subscribe("a", ignore)
        store.is_locked = True
        client.realtime.subscribe("b", ignore, timeout=LIMIT)
        assert not store.is_locked
        assert server.stream.topics == ["a", "b"]


def test_a_login_in_a_forked_child_leaves_the_parents_stream(
    client: BosBase, server: wire.WireServer
) -> None:
    """A login in a forked child leaves the stream of its parent unchanged."""
    client.auth_store.save(wire.make_token("ann"))
    client.realtime.subscribe("a", ignore)
    assert in_a_child(lambda: client.auth_store.save(wire.make_token("bob"))) == 0
    client.realtime.subscribe("b", ignore, timeout=LIMIT)
    assert len(server.all_streams) == 1
    assert wait_state(client, "active").error is None
