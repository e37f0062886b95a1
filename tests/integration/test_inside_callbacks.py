"""Sequences of calls of the client in callbacks; `test_waits_in_callbacks` has every wait."""

from __future__ import annotations

import threading

import pytest
from support.live_schema import (
    PASSWORD,
    Event,
    Received,
    World,
    collect,
    eventually,
    status,
    titles,
)

from rxbosbase import BackoffPolicy

pytest_plugins = ["support.live_fixtures"]

QUICK = BackoffPolicy(initial=0.05, maximum=0.2)


def test_a_login_in_a_callback_takes_effect(world: World) -> None:
    """A login inside a callback takes effect: events that need it arrive."""
    users = world.users()
    ann = world.user(users)
    posts, door = world.collection(listRule='@request.auth.id != ""'), world.collection("door")
    client = world.client()
    received = collect(client.collection(posts.name).observe("*"))
    done = threading.Event()

    def log_in(_: Event) -> None:
        client.collection(users).auth_with_password(ann["email"], PASSWORD)
        client.realtime.wait_active(5)
        done.set()

    client.collection(door.name).subscribe("*", log_in)
    door.create({})
    assert done.wait(10)
    posts.create({"title": "let in"})
    assert titles(received.have(1)) == ["let in"]


def test_on_disconnect_may_subscribe_and_wait_until_the_server_is_back(fragile: World) -> None:
    """A `subscribe` inside `on_disconnect` blocks until the server is back, then delivers."""
    posts, others = fragile.collection(), fragile.collection("others")
    client = fragile.client(backoff=QUICK)
    received, nested = collect(client.collection(posts.name).observe("*")), Received[Event]()
    entered, stood = threading.Event(), threading.Event()

    def on_disconnect(topics: list[str]) -> None:
        if topics:
            entered.set()
            client.collection(others.name).subscribe("*", nested, timeout=20)
            stood.set()

    client.realtime.on_disconnect = on_disconnect
    client.realtime.wait_active()
    fragile.server.kill()
    assert entered.wait(10)
    fragile.server.restart()
    assert stood.wait(10)
    posts.create({})
    others.create({})
    received.have(1)
    nested.have(1)


def test_on_disconnect_may_raise_or_close(fragile: World, caplog: pytest.LogCaptureFixture) -> None:
    """An error in `on_disconnect` is logged and streams resume; `close` in it ends them."""
    posts = fragile.collection()
    raising, closing = fragile.client(backoff=QUICK), fragile.client(backoff=QUICK)
    calls: Received[list[str]] = Received()

    def fail(topics: list[str]) -> None:
        calls(topics)
        raise ZeroDivisionError("in on_disconnect")

    raising.realtime.on_disconnect = fail
    closing.realtime.on_disconnect = lambda _: closing.close()
    received = collect(raising.collection(posts.name).observe("*"))
    ended = collect(closing.collection(posts.name).observe("*"))
    fragile.wait_active()
    fragile.server.kill()
    calls.have(1)
    ended.end()
    fragile.server.restart()
    eventually(lambda: status(raising).state == "active")
    posts.create({})
    received.have(1)
    assert "in on_disconnect" in caplog.text


def test_a_slow_callback_holds_up_neither_acknowledgements_nor_the_status(world: World) -> None:
    """A blocked callback delays neither `subscribe` nor `reconnect_now`; no event is lost."""
    posts, others = world.collection(), world.collection("others")
    entered, leave = threading.Event(), threading.Event()

    def linger(_: Event) -> None:
        entered.set()
        leave.wait(20)

    posts.subscribe("*", linger)
    received = collect(posts.observe("*"))
    posts.create({})
    assert entered.wait(10)
    nested: Received[Event] = Received()
    others.subscribe("*", nested, timeout=5)  # acknowledged while the delivery is held up
    world.admin.realtime.reconnect_now()
    world.admin.realtime.wait_active(5)
    assert status(world.admin).state == "active"
    for _ in range(20):
        others.create({})
    assert not nested.items
    leave.set()
    nested.have(20)  # nothing was lost meanwhile
    received.have(1)


def test_sys_exit_in_a_callback_ends_no_thread(world: World) -> None:
    """SystemExit in a callback does not stop the delivery of further events."""
    posts = world.collection()

    def leave(_: Event) -> None:
        raise SystemExit(3)

    posts.subscribe("*", leave)
    received = collect(posts.observe("*"))
    world.wait_active()
    posts.create({})
    posts.create({})
    received.have(2)
