"""Whatever a subscriber calls from inside a callback works, on the delivery thread too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.live_schema import PASSWORD, Event, Heard, World, eventually, listen, status, titles

from rxbosbase import BackoffPolicy, BosBase, Collection, Status

pytest_plugins = ["support.live_fixtures"]

Deed = Callable[[BosBase, Collection], None]

QUICK = BackoffPolicy(initial=0.05, maximum=0.2)


def read(client: BosBase, posts: Collection) -> None:
    posts.get_list()


def wait(client: BosBase, posts: Collection) -> None:
    client.realtime.wait_active(5)


def renew(client: BosBase, posts: Collection) -> None:
    client.realtime.reconnect_now()
    client.realtime.wait_active(5)


def log_out_and_wait(client: BosBase, posts: Collection) -> None:
    client.auth_store.clear()
    client.realtime.wait_active(5)


def subscribe_and_leave(client: BosBase, posts: Collection) -> None:
    with posts.subscribe("*", print, filter="n = 99", timeout=5):
        posts.observe("*", filter="n = 98").subscribe(print).dispose()


def connect_by_name(client: BosBase, posts: Collection) -> None:
    client.realtime.subscribe("PB_CONNECT", lambda _: None, timeout=5)


def open_an_iterator(client: BosBase, posts: Collection) -> None:
    with posts.events("*", filter="n = 97", timeout=5):
        pass


DEEDS: list[Deed] = [
    read, wait, renew, log_out_and_wait, subscribe_and_leave, connect_by_name, open_an_iterator,
]  # fmt: skip


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_a_callback_may_do_it_and_events_go_on(world: World, deed: Deed) -> None:
    posts = world.collection()
    client = world.superuser()
    mine = client.collection(posts.name)
    done: Heard[Any] = Heard()

    def act(event: Event) -> None:
        if not done.items:
            deed(client, mine)
            done(None)

    mine.subscribe("*", act)
    heard = listen(mine.observe("*"))
    client.realtime.wait_active()
    posts.create({"title": "first"})
    done.have(1)
    client.realtime.wait_active()
    posts.create({"title": "second"})
    assert titles(heard.have(2)) == ["first", "second"]


@pytest.mark.parametrize("deed", DEEDS[2:5], ids=lambda deed: deed.__name__)
def test_a_status_observer_may_do_it(world: World, deed: Deed) -> None:
    posts = world.collection()
    client = world.superuser()
    mine = client.collection(posts.name)
    done: Heard[Any] = Heard()

    def act(now: Status) -> None:
        if now.state == "active" and not done.items:
            deed(client, mine)
            done(None)

    client.realtime.status.subscribe(act)
    heard = listen(mine.observe("*"))
    done.have(1)
    client.realtime.wait_active()
    posts.create({"title": "x"})
    heard.have(1)


def test_a_login_in_a_callback_changes_what_it_hears(world: World) -> None:
    users = world.users()
    ann = world.user(users)
    posts, door = world.collection(listRule='@request.auth.id != ""'), world.collection("door")
    client = world.client()
    heard = listen(client.collection(posts.name).observe("*"))
    done = threading.Event()

    def log_in(_: Event) -> None:
        client.collection(users).auth_with_password(ann["email"], PASSWORD)
        client.realtime.wait_active(5)
        done.set()

    client.collection(door.name).subscribe("*", log_in)
    door.create({})
    assert done.wait(10)
    posts.create({"title": "let in"})
    assert titles(heard.have(1)) == ["let in"]


def test_on_disconnect_may_subscribe_and_wait_until_the_server_is_back(fragile: World) -> None:
    posts, others = fragile.collection(), fragile.collection("others")
    client = fragile.client(backoff=QUICK)
    heard, nested = listen(client.collection(posts.name).observe("*")), Heard[Event]()
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
    heard.have(1)
    nested.have(1)


def test_on_disconnect_may_raise_or_close(fragile: World, caplog: pytest.LogCaptureFixture) -> None:
    posts = fragile.collection()
    raising, closing = fragile.client(backoff=QUICK), fragile.client(backoff=QUICK)
    calls: Heard[list[str]] = Heard()

    def fail(topics: list[str]) -> None:
        calls(topics)
        raise ZeroDivisionError("in on_disconnect")

    raising.realtime.on_disconnect = fail
    closing.realtime.on_disconnect = lambda _: closing.close()
    heard = listen(raising.collection(posts.name).observe("*"))
    ended = listen(closing.collection(posts.name).observe("*"))
    fragile.wait_active()
    fragile.server.kill()
    calls.have(1)
    ended.end()
    fragile.server.restart()
    eventually(lambda: status(raising).state == "active")
    posts.create({})
    heard.have(1)
    assert "in on_disconnect" in caplog.text


def test_waiting_for_an_event_inside_a_callback_is_an_error_and_no_deadlock(world: World) -> None:
    posts = world.collection()
    caught: Heard[BaseException] = Heard()
    with posts.events("*", filter="n = 1") as events:

        def wait_in_callback(_: Event) -> None:
            try:
                next(events)
            except RuntimeError as error:
                caught(error)

        posts.subscribe("*", wait_in_callback)
        posts.create({})
        assert "would wait for itself" in str(caught.have(1)[0])


def test_a_slow_callback_holds_up_neither_acknowledgements_nor_the_status(world: World) -> None:
    posts, others = world.collection(), world.collection("others")
    entered, leave = threading.Event(), threading.Event()

    def linger(_: Event) -> None:
        entered.set()
        leave.wait(20)

    posts.subscribe("*", linger)
    heard = listen(posts.observe("*"))
    posts.create({})
    assert entered.wait(10)
    nested: Heard[Event] = Heard()
    others.subscribe("*", nested, timeout=5)  # acknowledged while the delivery is held up
    world.admin.realtime.reconnect_now()
    world.admin.realtime.wait_active(5)
    assert status(world.admin).state == "active"
    for _ in range(20):
        others.create({})
    assert not nested.items
    leave.set()
    nested.have(20)  # nothing was lost meanwhile
    heard.have(1)


def test_sys_exit_in_a_callback_ends_no_thread(world: World) -> None:
    posts = world.collection()

    def leave(_: Event) -> None:
        raise SystemExit(3)

    posts.subscribe("*", leave)
    heard = listen(posts.observe("*"))
    world.wait_active()
    posts.create({})
    posts.create({})
    heard.have(2)
