"""Each call that waits, in each kind of callback: it works, or raises RuntimeError at once."""

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
from support.live_schema import PASSWORD, Event, Received, World, collect, eventually, titles
from support.realtime_client import ignore

from rxbosbase import (
    AuthState,
    BosBase,
    BosBaseError,
    ClientClosedError,
    Collection,
    Status,
    aio,
)
from rxbosbase import operators as rxb
from rxbosbase.live.view import LiveView
from rxbosbase.server import EmbeddedServer

pytest_plugins = ["support.live_fixtures"]

WORKS_WITHIN = 5.0
REFUSED_WITHIN = 1.0  # it takes no time; the machine may be busy


@dataclass
class Case:
    """The fixtures of one case: a client, and a collection for this client and for a superuser."""

    world: World
    client: BosBase
    mine: Collection
    posts: Collection
    login: tuple[str, str]

    def typed(self, model: Any, **options: Any) -> Collection[Any]:
        return self.client.collection(self.mine.name, model=model, **options)


@pytest.fixture(scope="module")
def login(server: EmbeddedServer, superuser: AuthState) -> Iterator[tuple[str, str]]:
    """The users' collection, and the email of a user who can log in."""
    world = World(server, superuser)
    users = world.users()
    yield users, world.user(users)["email"]
    world.close()


@pytest.fixture
def case(world: World, login: tuple[str, str]) -> Case:
    posts, client = world.collection(), world.client()
    return Case(world, client, client.collection(posts.name), posts, login)


# -- the calls -------------------------------------------------------------------------------------


def read(case: Case) -> None:
    case.mine.get_list()


def write(case: Case) -> None:
    case.mine.create({"title": "written in a callback"})


def log_in(case: Case) -> None:
    users, email = case.login
    case.client.collection(users).auth_with_password(email, PASSWORD)
    case.client.realtime.wait_active(WORKS_WITHIN)


def log_out(case: Case) -> None:
    case.client.auth_store.clear()
    case.client.realtime.wait_active(WORKS_WITHIN)


def subscribe(case: Case) -> None:
    with case.mine.subscribe("*", ignore, filter="n = 99", timeout=WORKS_WITHIN):
        case.mine.observe("*", filter="n = 98").subscribe(ignore).dispose()


def subscribe_by_name(case: Case) -> None:
    case.client.realtime.subscribe("PB_CONNECT", ignore, timeout=WORKS_WITHIN)


def open_an_iterator(case: Case) -> None:
    with case.mine.events("*", filter="n = 97", timeout=WORKS_WITHIN):
        pass


def wait_active(case: Case) -> None:
    case.client.realtime.wait_active(WORKS_WITHIN)


def reconnect(case: Case) -> None:
    case.client.realtime.reconnect_now()
    case.client.realtime.wait_active(WORKS_WITHIN)


def wait_fresh(case: Case) -> None:
    with case.mine.live(filter="n = 96") as view:
        assert view.wait_fresh(WORKS_WITHIN) == view.current


def close(case: Case) -> None:
    case.client.close()


def take_the_next_event(case: Case) -> None:
    with (
        case.mine.events("*", filter="n = 95", timeout=WORKS_WITHIN) as events,
        later(case, lambda: case.posts.create({"n": 95})),
    ):
        next(events)


def run_observe(case: Case) -> None:
    id = "post00000000001"
    topic = case.mine.observe(id, check=False)

    def end_it(now: Status) -> None:
        if any(id in wire for wire in now.topics):
            case.mine.unsubscribe(id)

    with (
        case.client.realtime.status.subscribe(end_it),
        suppress(SequenceContainsNoElementsError),
    ):
        topic.run()


def later(case: Case, deed: Callable[[], object]) -> abc.DisposableBase:
    """Call it soon, while the delivery thread is free; not after this is disposed."""

    def act(*_: object) -> None:
        deed()

    return case.client.scheduler.schedule_relative(0.02, act)


def run_live(case: Case) -> None:
    case.mine.live(filter="n = 94").pipe(ops.first()).run()


def run_live_record(case: Case) -> None:
    case.mine.live_record("post00000000001").pipe(ops.first()).run()


def run_status(case: Case) -> None:
    case.client.realtime.status.pipe(ops.first()).run()


def run_piped(case: Case) -> None:
    late = reactivex.of("late")
    timed = case.mine.observe("*", filter="n = 93").map(str).pipe(ops.timeout(0.02, late))
    assert timed.run() == "late"


def await_the_first(case: Case) -> None:
    asyncio.run(aio.first(case.client.realtime.status, timeout=WORKS_WITHIN))


def await_a_view(case: Case) -> None:
    async def main() -> None:
        async with aio.live(case.mine, filter="n = 92") as view:
            await view.wait_fresh(WORKS_WITHIN)

    asyncio.run(main())


def await_a_subscription(case: Case) -> None:
    async def main() -> None:
        await (await aio.subscribe(case.mine, "*", _ignored, filter="n = 91")).aclose()

    asyncio.run(main())


async def _ignored(_: object) -> None:
    """A callback that does nothing, for asyncio."""


Call = Callable[[Case], None]

BOUNDED: list[Call] = [
    read, write, log_in, log_out, subscribe, subscribe_by_name, open_an_iterator,
    wait_active, reconnect, wait_fresh, close,
]  # fmt: skip
"""They wait for the server, which responds independently of callbacks: they work everywhere."""

ENDLESS: list[Call] = [
    take_the_next_event, run_observe, run_live, run_live_record, run_status, run_piped,
    await_the_first, await_a_view, await_a_subscription,
]  # fmt: skip
"""They wait for what the delivery thread brings, and in a callback that thread is theirs."""

# -- the kinds of callback -------------------------------------------------------------------------

Act = Callable[..., None]
Place = Callable[[Case, Act], object]


def an_observer(case: Case, act: Act) -> None:
    case.mine.observe("*").subscribe(act)
    case.client.realtime.wait_active()
    case.posts.create({})


def a_callback(case: Case, act: Act) -> None:
    case.mine.subscribe("*", act)
    case.posts.create({})


def a_view(case: Case, act: Act) -> None:
    case.mine.live().subscribe(act)


def a_live_record(case: Case, act: Act) -> None:
    case.mine.live_record(case.posts.create({})["id"]).subscribe(act)


def changes(case: Case, act: Act) -> None:
    case.posts.create({})
    case.mine.changes().subscribe(act)


def status(case: Case, act: Act) -> None:
    active = case.client.realtime.status.pipe(ops.filter(lambda now: now.state == "active"))
    active.subscribe(act)
    case.mine.observe("*").subscribe(ignore)


def all_messages(case: Case, act: Act) -> None:
    case.client.realtime.events.subscribe(act)
    case.mine.observe("*").subscribe(ignore)


def a_custom_topic(case: Case, act: Act) -> None:
    case.client.realtime.observe(f"{case.mine.name}/*").subscribe(act)
    case.client.realtime.wait_active()
    case.posts.create({})


def a_connection(case: Case, act: Act) -> None:
    case.mine.observe("*").subscribe(ignore)
    with suppress(ClientClosedError):  # it may be called, and close, before this returns
        case.client.realtime.subscribe("PB_CONNECT", act)


def on_disconnect(case: Case, act: Act) -> None:
    case.client.realtime.on_disconnect = act
    with case.mine.subscribe("*", ignore):
        pass  # the last subscription of the last topic closes the connection


def on_error(case: Case, act: Act) -> None:
    case.client.collection("missing").observe("*").subscribe(ignore, act)


def on_completed(case: Case, act: Act) -> None:
    case.mine.observe("*").subscribe(on_completed=act)
    case.mine.unsubscribe()


def an_operator(case: Case, act: Act) -> None:
    case.mine.observe("*").pipe(ops.map(act)).subscribe(ignore)
    case.client.realtime.wait_active()
    case.posts.create({})


def an_action(case: Case, act: Act) -> None:
    case.client.scheduler.schedule(act)


def a_timer(case: Case, act: Act) -> None:
    reactivex.timer(0.01, scheduler=case.client.scheduler).subscribe(act)


def a_model(case: Case, act: Act) -> None:
    case.typed(act).subscribe("*", ignore)
    case.posts.create({})


def a_decode_error(case: Case, act: Act) -> None:
    @dataclass
    class Strict:
        title: int

    case.typed(Strict, on_decode_error=act).subscribe("*", ignore)
    case.posts.create({})


def a_model_of_a_view(case: Case, act: Act) -> None:
    case.posts.create({})
    case.typed(act).live().subscribe(ignore)


def a_login_in_a_callback(case: Case, act: Act) -> None:
    case.client.auth_store.changes.pipe(ops.skip(1)).subscribe(act)
    case.client.scheduler.schedule(lambda *_: case.client.auth_store.save("a.b.c", {}))


ON_DELIVERY: list[Place] = [
    an_observer, a_callback, a_view, a_live_record, changes, status, all_messages, a_custom_topic,
    a_connection, on_disconnect, on_error, on_completed, an_operator, an_action, a_timer, a_model,
    a_decode_error, a_model_of_a_view, a_login_in_a_callback,
]  # fmt: skip


def a_model_of_a_view_that_is_waited_for(case: Case, act: Act) -> None:
    """A thread that reads a view's snapshot may be the one that builds it."""
    case.posts.create({})
    release = threading.Event()

    def hold(*_: object) -> None:  # so that the snapshot is not built on the delivery thread
        release.wait(WORKS_WITHIN)

    case.client.scheduler.schedule(hold)

    def show() -> None:
        def in_model(*_: object) -> None:
            release.set()
            act()

        with suppress(BosBaseError), case.typed(in_model).live() as view:
            view.wait_fresh(WORKS_WITHIN)

    threading.Thread(target=show, daemon=True).start()


def a_login(case: Case, act: Act) -> None:
    case.client.auth_store.changes.pipe(ops.skip(1)).subscribe(act)
    log_in = case.client.auth_store.save
    threading.Thread(target=log_in, args=("a.b.c", {}), daemon=True).start()


def a_lost_login(case: Case, act: Act) -> None:
    """Let `auto_refresh` change the login on a thread of the library."""
    case.client.auth_store.save("a.b.c", {})
    case.client.auth_store.changes.pipe(ops.skip(1)).subscribe(act)
    case.client.auto_refresh(check_every=0.01)


def a_model_of_a_request(case: Case, act: Act) -> None:
    case.posts.create({})
    threading.Thread(target=case.typed(act).get_list, daemon=True).start()


def behind_a_queue(case: Case, act: Act) -> None:
    worker = EventLoopScheduler(exit_if_empty=True)
    queued = case.mine.observe("*").pipe(rxb.bounded_observe_on(worker, 10, "block"))
    queued.subscribe(act)
    case.client.realtime.wait_active()
    case.posts.create({})


ELSEWHERE: list[Place] = [a_login, a_lost_login, a_model_of_a_request, behind_a_queue]
"""Callbacks that another thread calls: there is nothing that cannot be waited for."""


# -- the matrix ------------------------------------------------------------------------------------


def perform(call: Call, place: Place, case: Case) -> tuple[Exception | None, float]:
    """Run `call` in that kind of callback; return its error and the seconds it took."""
    done: Received[tuple[Exception | None, float]] = Received()
    begun = threading.Lock()

    def act(*_: object) -> None:
        if not begun.acquire(blocking=False):
            return
        began, raised = monotonic(), None
        try:
            call(case)
        except Exception as error:
            raised = error
        done((raised, monotonic() - began))

    place(case, act)
    return done.have(1, timeout=WORKS_WITHIN)[0]


def assert_alive(case: Case, call: Call) -> None:
    """Assert that a further event arrives, or that the client is closed, if the call closes it."""
    if call is close:
        assert case.client.is_closed
        collect(case.client.realtime.status).end()
        return
    received: Received[Event] = Received()
    with case.mine.subscribe("*", received, filter="title = 'after'", timeout=WORKS_WITHIN):
        case.posts.create({"title": "after"})
        assert titles(received.have(1, timeout=WORKS_WITHIN)) == ["after"]


def assert_works(case: Case, place: Place, call: Call) -> None:
    raised, _ = perform(call, place, case)
    assert raised is None
    assert_alive(case, call)


def names(function: Callable[..., object]) -> str:
    return function.__name__


@pytest.mark.parametrize("call", BOUNDED, ids=names)
@pytest.mark.parametrize(
    "place", [*ON_DELIVERY, a_model_of_a_view_that_is_waited_for, *ELSEWHERE], ids=names
)
@pytest.mark.usefixtures("soon")
def test_a_wait_for_the_server_works_in_every_kind_of_callback(
    case: Case, place: Place, call: Call
) -> None:
    """Requests, `subscribe`, `wait_fresh` and `close` work inside every kind of callback."""
    assert_works(case, place, call)


@pytest.mark.parametrize("call", ENDLESS, ids=names)
@pytest.mark.parametrize("place", [*ON_DELIVERY, a_model_of_a_view_that_is_waited_for], ids=names)
def test_a_wait_for_events_in_a_callback_is_refused_at_once_in_words(
    case: Case, place: Place, call: Call
) -> None:
    """A wait for events in a callback of the delivery thread raises RuntimeError within 1 s."""
    raised, seconds = perform(call, place, case)
    assert isinstance(raised, RuntimeError)
    assert "would wait for itself" in str(raised)
    assert seconds < REFUSED_WITHIN
    assert_alive(case, call)


@pytest.mark.parametrize("call", ENDLESS, ids=names)
@pytest.mark.parametrize("place", ELSEWHERE, ids=names)
@pytest.mark.usefixtures("soon")
def test_a_wait_for_events_works_in_a_callback_on_another_thread(
    case: Case, place: Place, call: Call
) -> None:
    """A wait for events works in a callback that runs on another thread than the delivery."""
    assert_works(case, place, call)


# -- a model of a view, which may be called on a thread that reads a snapshot ----------------------


def waits(case: Case, wait: Callable[[LiveView[Any]], object]) -> Exception:
    """Return the error of `wait` in a model of the same view, which continues."""
    case.posts.create({"title": "first"})
    raised: Received[Exception] = Received()

    def model(record: dict[str, Any]) -> str:
        if not raised.items:
            try:
                wait(view)
            except Exception as error:
                raised(error)
        return str(record["title"])

    view = case.typed(model).live()
    with view:
        assert list(view.wait_fresh(WORKS_WITHIN).records) == ["first"]
        case.posts.create({"title": "second"})
        eventually(lambda: set(view.current.records) == {"first", "second"})
    return raised.items[0]


def test_a_model_that_waits_for_its_own_view_is_refused_in_words(case: Case) -> None:
    """`wait_fresh` in a model of the same view raises RuntimeError; the view goes on."""
    error = waits(case, lambda view: view.wait_fresh(WORKS_WITHIN))
    assert isinstance(error, RuntimeError)
    assert "in a model of the same view" in str(error) and "`current`" in str(error)


def test_a_model_that_runs_its_own_view_is_refused_in_words(case: Case) -> None:
    """`run` of a view in its own model raises RuntimeError; the view goes on."""
    error = waits(case, lambda view: view.pipe(ops.first()).run())
    assert isinstance(error, RuntimeError)
    assert "run() in a callback would wait for itself" in str(error)
