"""Each call that waits, in each kind of callback: it works, or is refused at once in words."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest
import reactivex
from reactivex import abc
from reactivex import operators as ops
from reactivex.internal.exceptions import SequenceContainsNoElementsError
from reactivex.scheduler import EventLoopScheduler
from support.live_schema import PASSWORD, Event, Heard, World, eventually, listen, titles

from rxbosbase import AuthState, BosBase, BosBaseError, ClientClosedError, Collection, aio
from rxbosbase import operators as rxb
from rxbosbase.live.view import LiveView
from rxbosbase.server import EmbeddedServer

pytest_plugins = ["support.live_fixtures"]

WORKS_WITHIN = 5.0
REFUSED_WITHIN = 1.0  # it takes no time; the machine may be busy


@dataclass
class Scene:
    """One cell: a client, and a collection as this client and as a superuser see it."""

    world: World
    client: BosBase
    mine: Collection
    posts: Collection
    login: tuple[str, str]

    def typed(self, model: Any, **options: Any) -> Collection[Any]:
        return self.client.collection(self.mine.name, model=model, **options)


@pytest.fixture(scope="module")
def login(server: EmbeddedServer, superuser: AuthState) -> Iterator[tuple[str, str]]:
    """The users' collection and the email of somebody who can log in."""
    world = World(server, superuser)
    users = world.users()
    yield users, world.user(users)["email"]
    world.close()


@pytest.fixture
def scene(world: World, login: tuple[str, str]) -> Scene:
    posts, client = world.collection(), world.client()
    return Scene(world, client, client.collection(posts.name), posts, login)


def ignore(*_: object) -> None:
    """A callback that does nothing."""


# -- the calls -------------------------------------------------------------------------------------


def read(scene: Scene) -> None:
    scene.mine.get_list()


def write(scene: Scene) -> None:
    scene.mine.create({"title": "written in a callback"})


def log_in(scene: Scene) -> None:
    users, email = scene.login
    scene.client.collection(users).auth_with_password(email, PASSWORD)
    scene.client.realtime.wait_active(WORKS_WITHIN)


def log_out(scene: Scene) -> None:
    scene.client.auth_store.clear()
    scene.client.realtime.wait_active(WORKS_WITHIN)


def subscribe(scene: Scene) -> None:
    with scene.mine.subscribe("*", ignore, filter="n = 99", timeout=WORKS_WITHIN):
        scene.mine.observe("*", filter="n = 98").subscribe(ignore).dispose()


def subscribe_by_name(scene: Scene) -> None:
    scene.client.realtime.subscribe("PB_CONNECT", ignore, timeout=WORKS_WITHIN)


def open_an_iterator(scene: Scene) -> None:
    with scene.mine.events("*", filter="n = 97", timeout=WORKS_WITHIN):
        pass


def wait_active(scene: Scene) -> None:
    scene.client.realtime.wait_active(WORKS_WITHIN)


def reconnect(scene: Scene) -> None:
    scene.client.realtime.reconnect_now()
    scene.client.realtime.wait_active(WORKS_WITHIN)


def wait_fresh(scene: Scene) -> None:
    with scene.mine.live(filter="n = 96") as view:
        assert view.wait_fresh(WORKS_WITHIN) == view.current


def close(scene: Scene) -> None:
    scene.client.close()


def take_the_next_event(scene: Scene) -> None:
    with (
        scene.mine.events("*", filter="n = 95", timeout=WORKS_WITHIN) as events,
        later(scene, lambda: scene.posts.create({"n": 95})),
    ):
        next(events)


def run_observe(scene: Scene) -> None:
    topic = scene.mine.observe("post00000000001", check=False)
    with (
        later(scene, lambda: scene.mine.unsubscribe("post00000000001")),
        suppress(SequenceContainsNoElementsError),
    ):
        topic.run()


def later(scene: Scene, deed: Callable[[], object]) -> abc.DisposableBase:
    """Has it done soon, where the delivery thread is free; never, once this is disposed."""

    def act(*_: object) -> None:
        deed()

    return scene.client.scheduler.schedule_relative(0.02, act)


def run_live(scene: Scene) -> None:
    scene.mine.live(filter="n = 94").pipe(ops.first()).run()


def run_live_record(scene: Scene) -> None:
    scene.mine.live_record("post00000000001").pipe(ops.first()).run()


def run_status(scene: Scene) -> None:
    scene.client.realtime.status.pipe(ops.first()).run()


def run_piped(scene: Scene) -> None:
    late = reactivex.of("late")
    timed = scene.mine.observe("*", filter="n = 93").map(str).pipe(ops.timeout(0.02, late))
    assert timed.run() == "late"


def await_the_first(scene: Scene) -> None:
    asyncio.run(aio.first(scene.client.realtime.status, timeout=WORKS_WITHIN))


def await_a_view(scene: Scene) -> None:
    async def main() -> None:
        async with aio.live(scene.mine, filter="n = 92") as view:
            await view.wait_fresh(WORKS_WITHIN)

    asyncio.run(main())


def await_a_subscription(scene: Scene) -> None:
    async def main() -> None:
        await (await aio.subscribe(scene.mine, "*", _ignored, filter="n = 91")).aclose()

    asyncio.run(main())


async def _ignored(_: object) -> None:
    """A callback that does nothing, for asyncio."""


Call = Callable[[Scene], None]

BOUNDED: list[Call] = [
    read, write, log_in, log_out, subscribe, subscribe_by_name, open_an_iterator,
    wait_active, reconnect, wait_fresh, close,
]  # fmt: skip
"""They wait for the server, which answers whatever the callback does: they work everywhere."""

ENDLESS: list[Call] = [
    take_the_next_event, run_observe, run_live, run_live_record, run_status, run_piped,
    await_the_first, await_a_view, await_a_subscription,
]  # fmt: skip
"""They wait for what the delivery thread brings, and in a callback that thread is theirs."""

# -- the kinds of callback -------------------------------------------------------------------------

Act = Callable[..., None]
Place = Callable[[Scene, Act], object]


def an_observer(scene: Scene, act: Act) -> None:
    scene.mine.observe("*").subscribe(act)
    scene.client.realtime.wait_active()
    scene.posts.create({})


def a_callback(scene: Scene, act: Act) -> None:
    scene.mine.subscribe("*", act)
    scene.posts.create({})


def a_view(scene: Scene, act: Act) -> None:
    scene.mine.live().subscribe(act)


def a_live_record(scene: Scene, act: Act) -> None:
    scene.mine.live_record(scene.posts.create({})["id"]).subscribe(act)


def changes(scene: Scene, act: Act) -> None:
    scene.posts.create({})
    scene.mine.changes().subscribe(act)


def status(scene: Scene, act: Act) -> None:
    active = scene.client.realtime.status.pipe(ops.filter(lambda now: now.state == "active"))
    active.subscribe(act)
    scene.mine.observe("*").subscribe(ignore)


def all_messages(scene: Scene, act: Act) -> None:
    scene.client.realtime.events.subscribe(act)
    scene.mine.observe("*").subscribe(ignore)


def a_custom_topic(scene: Scene, act: Act) -> None:
    scene.client.realtime.observe(f"{scene.mine.name}/*").subscribe(act)
    scene.client.realtime.wait_active()
    scene.posts.create({})


def a_connection(scene: Scene, act: Act) -> None:
    scene.mine.observe("*").subscribe(ignore)
    with suppress(ClientClosedError):  # it may be called, and close, before this has returned
        scene.client.realtime.subscribe("PB_CONNECT", act)


def on_disconnect(scene: Scene, act: Act) -> None:
    scene.client.realtime.on_disconnect = act
    with scene.mine.subscribe("*", ignore):
        pass  # the last one out of the last topic closes the connection


def on_error(scene: Scene, act: Act) -> None:
    scene.client.collection("missing").observe("*").subscribe(ignore, act)


def on_completed(scene: Scene, act: Act) -> None:
    scene.mine.observe("*").subscribe(on_completed=act)
    scene.mine.unsubscribe()


def an_operator(scene: Scene, act: Act) -> None:
    scene.mine.observe("*").pipe(ops.map(act)).subscribe(ignore)
    scene.client.realtime.wait_active()
    scene.posts.create({})


def an_action(scene: Scene, act: Act) -> None:
    scene.client.scheduler.schedule(act)


def a_timer(scene: Scene, act: Act) -> None:
    reactivex.timer(0.01, scheduler=scene.client.scheduler).subscribe(act)


def a_model(scene: Scene, act: Act) -> None:
    scene.typed(act).subscribe("*", ignore)
    scene.posts.create({})


def a_decode_error(scene: Scene, act: Act) -> None:
    @dataclass
    class Strict:
        title: int

    scene.typed(Strict, on_decode_error=act).subscribe("*", ignore)
    scene.posts.create({})


def a_model_of_a_view(scene: Scene, act: Act) -> None:
    scene.posts.create({})
    scene.typed(act).live().subscribe(ignore)


def a_login_in_a_callback(scene: Scene, act: Act) -> None:
    scene.client.auth_store.changes.pipe(ops.skip(1)).subscribe(act)
    scene.client.scheduler.schedule(lambda *_: scene.client.auth_store.save("a.b.c", {}))


ON_DELIVERY: list[Place] = [
    an_observer, a_callback, a_view, a_live_record, changes, status, all_messages, a_custom_topic,
    a_connection, on_disconnect, on_error, on_completed, an_operator, an_action, a_timer, a_model,
    a_decode_error, a_model_of_a_view, a_login_in_a_callback,
]  # fmt: skip


def a_model_of_a_view_that_is_waited_for(scene: Scene, act: Act) -> None:
    """Whoever asks for a view's snapshot may be the one who makes it."""
    scene.posts.create({})
    release = threading.Event()

    def hold(*_: object) -> None:  # so that the snapshot is not made on the delivery thread
        release.wait(WORKS_WITHIN)

    scene.client.scheduler.schedule(hold)

    def show() -> None:
        def in_model(*_: object) -> None:
            release.set()
            act()

        with suppress(BosBaseError), scene.typed(in_model).live() as view:
            view.wait_fresh(WORKS_WITHIN)

    threading.Thread(target=show, daemon=True).start()


def a_login(scene: Scene, act: Act) -> None:
    scene.client.auth_store.changes.pipe(ops.skip(1)).subscribe(act)
    log_in = scene.client.auth_store.save
    threading.Thread(target=log_in, args=("a.b.c", {}), daemon=True).start()


def a_lost_login(scene: Scene, act: Act) -> None:
    """`auto_refresh` changes the login on a thread of the library's own."""
    scene.client.auth_store.save("a.b.c", {})
    scene.client.auth_store.changes.pipe(ops.skip(1)).subscribe(act)
    scene.client.auto_refresh(check_every=0.01)


def a_model_of_a_request(scene: Scene, act: Act) -> None:
    scene.posts.create({})
    threading.Thread(target=scene.typed(act).get_list, daemon=True).start()


def behind_a_queue(scene: Scene, act: Act) -> None:
    worker = EventLoopScheduler(exit_if_empty=True)
    queued = scene.mine.observe("*").pipe(rxb.bounded_observe_on(worker, 10, "block"))
    queued.subscribe(act)
    scene.client.realtime.wait_active()
    scene.posts.create({})


ELSEWHERE: list[Place] = [a_login, a_lost_login, a_model_of_a_request, behind_a_queue]
"""Callbacks that another thread calls: there is nothing that cannot be waited for."""


# -- the matrix ------------------------------------------------------------------------------------


def perform(call: Call, place: Place, scene: Scene) -> tuple[Exception | None, float]:
    """What `call` raised inside that kind of callback, and the seconds it took."""
    done: Heard[tuple[Exception | None, float]] = Heard()
    begun = threading.Lock()

    def act(*_: object) -> None:
        if not begun.acquire(blocking=False):
            return
        began, raised = monotonic(), None
        try:
            call(scene)
        except Exception as error:
            raised = error
        done((raised, monotonic() - began))

    place(scene, act)
    return done.have(1, timeout=WORKS_WITHIN)[0]


def assert_alive(scene: Scene, call: Call) -> None:
    """A further event arrives, or the client is closed if that was the call."""
    if call is close:
        assert scene.client.is_closed
        listen(scene.client.realtime.status).end()
        return
    heard: Heard[Event] = Heard()
    with scene.mine.subscribe("*", heard, filter="title = 'after'", timeout=WORKS_WITHIN):
        scene.posts.create({"title": "after"})
        assert titles(heard.have(1, timeout=WORKS_WITHIN)) == ["after"]


def assert_works(scene: Scene, place: Place, call: Call) -> None:
    raised, _ = perform(call, place, scene)
    assert raised is None
    assert_alive(scene, call)


def names(function: Callable[..., object]) -> str:
    return function.__name__


@pytest.mark.parametrize("call", BOUNDED, ids=names)
@pytest.mark.parametrize(
    "place", [*ON_DELIVERY, a_model_of_a_view_that_is_waited_for, *ELSEWHERE], ids=names
)
def test_a_wait_for_the_server_works_in_every_kind_of_callback(
    scene: Scene, place: Place, call: Call
) -> None:
    """Requests, `subscribe`, `wait_fresh` and `close` work inside every kind of callback."""
    assert_works(scene, place, call)


@pytest.mark.parametrize("call", ENDLESS, ids=names)
@pytest.mark.parametrize("place", [*ON_DELIVERY, a_model_of_a_view_that_is_waited_for], ids=names)
def test_a_wait_for_events_in_a_callback_is_refused_at_once_in_words(
    scene: Scene, place: Place, call: Call
) -> None:
    """A wait for events in a callback of the delivery thread raises RuntimeError within 1 s."""
    raised, seconds = perform(call, place, scene)
    assert isinstance(raised, RuntimeError)
    assert "would wait for itself" in str(raised)
    assert seconds < REFUSED_WITHIN
    assert_alive(scene, call)


@pytest.mark.parametrize("call", ENDLESS, ids=names)
@pytest.mark.parametrize("place", ELSEWHERE, ids=names)
def test_a_wait_for_events_works_in_a_callback_on_another_thread(
    scene: Scene, place: Place, call: Call
) -> None:
    """A wait for events works in a callback that runs on another thread than the delivery."""
    assert_works(scene, place, call)


# -- a model of a view, which may be called on the thread of whoever asks for a snapshot -----------


def waits(scene: Scene, wait: Callable[[LiveView[Any]], object]) -> Exception:
    """What `wait` raises in a model of the view that it is for, which goes on."""
    scene.posts.create({"title": "first"})
    raised: Heard[Exception] = Heard()

    def model(record: dict[str, Any]) -> str:
        if not raised.items:
            try:
                wait(view)
            except Exception as error:
                raised(error)
        return str(record["title"])

    view = scene.typed(model).live()
    with view:
        assert list(view.wait_fresh(WORKS_WITHIN).records) == ["first"]
        scene.posts.create({"title": "second"})
        eventually(lambda: set(view.current.records) == {"first", "second"})
    return raised.items[0]


def test_a_model_that_waits_for_its_own_view_is_refused_in_words(scene: Scene) -> None:
    """`wait_fresh` in a model of the same view raises RuntimeError; the view goes on."""
    error = waits(scene, lambda view: view.wait_fresh(WORKS_WITHIN))
    assert isinstance(error, RuntimeError)
    assert "in a model of the same view" in str(error) and "`current`" in str(error)


def test_a_model_that_runs_its_own_view_is_refused_in_words(scene: Scene) -> None:
    """`run` of a view in its own model raises RuntimeError; the view goes on."""
    error = waits(scene, lambda view: view.pipe(ops.first()).run())
    assert isinstance(error, RuntimeError)
    assert "run() in a callback would wait for itself" in str(error)
