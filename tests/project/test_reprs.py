"""The repr of each public object names its class and says what it holds, and tells no secret."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, is_typeddict

import pytest
import reactivex
from reactivex import operators as ops

from rxbosbase import (
    AuthState,
    BackoffPolicy,
    Change,
    ClientResponseError,
    Collection,
    FileAuthStore,
    Message,
    MissingExtraError,
    RecordEvent,
    Status,
    UnreadableRecord,
    aio,
)
from rxbosbase import operators as rxb
from rxbosbase.events import ReceivedAt
from rxbosbase.live.engine.persistent_rows import RecordSequence, Row
from rxbosbase.operators import FieldChange
from rxbosbase.realtime.protocol.frames import Skipped
from rxbosbase.realtime.protocol.topics import Options, Topic, normalise_options, record_topic
from rxbosbase.runtime.thread_scheduler import ThreadScheduler
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_USERS, SampleUser
from rxbosbase.testing import FakeRealtime, VirtualClock, VirtualScheduler

PACKAGES = (
    "", "aio", "dashboard", "dataframes", "live", "operators", "server", "server.sample", "testing"
)  # fmt: skip
PASSWORD = "the password that no repr may show"
SECRET = {"x-tenant": PASSWORD}
ADDRESS = re.compile(r"0x[0-9a-f]{4,}", re.IGNORECASE)


async def no_callback(_: Any) -> None:
    """Take an event and do nothing."""


def a_pane(fake: FakeRealtime) -> object:
    from rxbosbase import dashboard

    return dashboard.table(fake.client.collection("posts").live())


def a_frame(function: str, fake: FakeRealtime, **options: Any) -> object:
    from rxbosbase import dataframes

    posts = fake.client.collection("posts")
    source = posts.live() if function == "live_frame" else posts.observe("*")
    frame = getattr(dataframes, function)(source, **options)
    fake.push("posts", "create", {"id": "a"})
    return frame


async def an_entered_view(fake: FakeRealtime) -> object:
    view = await aio.live(fake.client.collection("posts")).__aenter__()
    fake.push("posts", "create", {"id": "a"})
    return view


def a_closed_scheduler(_: FakeRealtime) -> object:
    scheduler = VirtualScheduler(name="mine")
    scheduler.close()
    return scheduler


Make = Callable[[FakeRealtime], "object | Awaitable[object]"]


def posts(fake: FakeRealtime) -> Collection[Any]:
    return fake.client.collection("posts")


def a_snapshot(fake: FakeRealtime) -> Any:
    fake.push("posts", "create", {"id": "a"})
    fake.push("posts", "create", {"id": "b"})
    with posts(fake).live() as view:
        return view.wait_fresh()


def an_entered_live_view(fake: FakeRealtime) -> object:
    view = posts(fake).live(sort="-n", headers=SECRET)
    view.__enter__()
    view.wait_fresh()
    return view


def an_open_iterator(fake: FakeRealtime) -> object:
    events = posts(fake).events("*", size=9).__enter__()
    fake.push("posts", "create", {"id": "a"})
    return events


def an_ended_subscription(fake: FakeRealtime) -> object:
    unsubscribe = posts(fake).subscribe("*", print)
    unsubscribe()
    return unsubscribe


CORE: tuple[tuple[str, Make, str], ...] = (
    ("AuthState", lambda _: AuthState(), "AuthState(guest)"),
    (
        "AuthState",
        lambda fake: fake.client.auth_store.state,
        "AuthState('users/fake00000000001', valid)",
    ),
    ("AuthStore", lambda fake: fake.client.auth_store, "<AuthStore: logged in>"),
    ("Observable", lambda fake: fake.client.auth_store.changes, "<Observable of AuthState>"),
    ("BosBase", lambda fake: fake.client, "<BosBase http://fake.invalid idle>"),
    ("Change", lambda fake: a_snapshot(fake).changes[1], "Change(added id='b', None to 1)"),
    ("Collection", posts, "<Collection 'posts'>"),
    ("Collections", lambda fake: fake.client.collections, "<Collections of the server>"),
    (
        "EventIterator",
        lambda fake: posts(fake).events("*", size=9),
        "<EventIterator not open yet, 0 of 9 waiting>",
    ),
    ("EventIterator", an_open_iterator, "<EventIterator open, 1 of 9 waiting>"),
    ("FileAuthStore", lambda _: FileAuthStore("x/nowhere"), "<FileAuthStore: guest>"),
    ("Latest", lambda fake: fake.client.realtime.status, "<Latest Status(state='idle', *)>"),
    (
        "LiveView",
        lambda fake: posts(fake).live(filter="n > 1", limit=9, headers=SECRET),
        "<LiveView 'posts' filter='n > 1' limit=9, not running>",
    ),
    (
        "LiveView",
        an_entered_live_view,
        "<LiveView 'posts' sort='-n', running, <Snapshot 1: 0 records, +0 ~0 -0, fresh>>",
    ),
    ("Message", lambda _: Message("jobs", {"a": 1}), "Message(topic='jobs', data=dict)"),
    ("ReceivedAt", lambda _: ReceivedAt(1.5, 2.5), "ReceivedAt(monotonic=1.5, wall=2.5)"),
    ("Realtime", lambda fake: fake.client.realtime, "<Realtime idle, 0 topics>"),
    (
        "RecordEvent",
        lambda _: RecordEvent("posts/*", "create", {"id": "a", "n": 1}),
        "RecordEvent(create on 'posts/*', id='a')",
    ),
    ("Snapshot", a_snapshot, "<Snapshot 1: 2 records, +2 ~0 -0, fresh>"),
    ("RecordSequence", lambda fake: a_snapshot(fake).records, "RecordSequence(*'a'}, {*)"),
    ("records by id", lambda fake: a_snapshot(fake).by_id, "<2 records by id>"),
    ("Status", lambda fake: fake.client.realtime.status.value, "Status(state='idle', *)"),
    ("Stats", lambda fake: fake.client.realtime.stats, "Stats(frames=0, *)"),
    ("BackoffPolicy", lambda _: BackoffPolicy(), "BackoffPolicy(initial=0.2, *)"),
    (
        "UnreadableRecord",
        lambda _: UnreadableRecord("posts", "a", "data", 9),
        "UnreadableRecord(collection='posts', id='a', field='data', depth=9)",
    ),
    (
        "Stream",
        lambda fake: posts(fake).observe("*", headers=SECRET),
        "<RecordStream 'posts/*'>",
    ),
    (
        "Stream",
        lambda fake: posts(fake).observe("*").pipe(rxb.of_action("update", "create")),
        "<RecordStream 'posts/*' create update>",
    ),
    (
        "Stream",
        lambda fake: posts(fake).observe("*").pipe(ops.map(id)).filter(bool),
        "<Stream piped from <RecordStream 'posts/*'>>",
    ),
    (
        "ConnectableStream",
        lambda fake: posts(fake).observe("*").pipe(ops.map(id), ops.publish()),
        "<ConnectableStream piped from <RecordStream 'posts/*'>>",
    ),
    (
        "Stream",
        lambda fake: posts(fake).changes(),
        "<Stream piped from <LiveView 'posts', not running>>",
    ),
    ("Stream", lambda fake: fake.client.realtime.events, "<MessageStream of every topic>"),
    (
        "Stream",
        lambda fake: fake.client.realtime.observe("jobs", headers=SECRET),
        "<MessageStream 'jobs'>",
    ),
    (
        "SerialScheduler",
        lambda _: ThreadScheduler("mine"),
        "<ThreadScheduler 'mine', 0 calls and 0 timers waiting>",
    ),
    ("Unsubscribe", an_ended_subscription, "<Unsubscribe 'posts/*', ended>"),
    (
        "Unsubscribe",
        lambda fake: posts(fake).subscribe("*", print, headers=SECRET),
        "<Unsubscribe 'posts/*', subscribed>",
    ),
    (
        "Topic",
        lambda _: record_topic("posts", "*", headers=SECRET),
        "Topic('posts/*', with options)",
    ),
    (
        "Options",
        lambda _: normalise_options(filter="n > 1", headers=SECRET),
        "Options({'filter': 'n > 1'}, x-tenant=…)",
    ),
    (
        "Skipped",
        lambda _: Skipped("it is odd", 9, record_topic("posts", "*", headers=SECRET).wire),
        "Skipped('it is odd', 9 bytes, 'posts/*')",
    ),
)

OBJECTS: tuple[tuple[str, Make, str], ...] = (
    *CORE,
    ("FakeRealtime", lambda fake: fake, "<FakeRealtime idle, at 0 s, 1 records>"),
    ("VirtualClock", lambda _: VirtualClock(), "<VirtualClock at 0 s, 0 waiting>"),
    ("VirtualScheduler", a_closed_scheduler, "<VirtualScheduler 'mine' at 0 s, closed>"),
    (
        "AsyncEvents",
        lambda _: aio.events(reactivex.never(), size=9),
        "<AsyncEvents not begun, size 9, block, 0 dropped>",
    ),
    (
        "AsyncEvents",
        lambda _: aio.events(reactivex.of(1, 2), size=1, overflow="drop_oldest").__aenter__(),
        "<AsyncEvents subscribed, size 1, drop_oldest, 1 dropped>",
    ),
    (
        "AsyncLiveView",
        lambda fake: aio.live(fake.client.collection("posts")),
        "<AsyncLiveView not begun>",
    ),
    (
        "AsyncLiveView",
        an_entered_view,
        "<AsyncLiveView running, <Snapshot *>>",
    ),
    (
        "AsyncSubscription",
        lambda fake: aio.subscribe(fake.client.collection("posts"), "*", no_callback),
        "<AsyncSubscription 'posts/*', subscribed>",
    ),
    (
        "AsyncSubscription",
        lambda fake: aio.subscribe(fake.client.realtime, "jobs", no_callback),
        "<AsyncSubscription 'jobs', subscribed>",
    ),
    ("Pane", a_pane, "<Pane of TablePicture, not shown yet>"),
    (
        "LiveFrame",
        partial(a_frame, "live_frame"),
        "<LiveFrame of <Snapshot *>>",
    ),
    (
        "EventWindow",
        partial(a_frame, "window", seconds=60),
        "<EventWindow of seconds 60, 1 events, 0 dropped>",
    ),
    (
        "EventWindow",
        partial(a_frame, "window", count=5),
        "<EventWindow of count 5, 1 events, 0 dropped>",
    ),
    ("RateFrame", partial(a_frame, "rate_frame", every=5), "<RateFrame every 5 s, 1 columns>"),
    (
        "EmbeddedServer",
        lambda _: EmbeddedServer(superuser_password=PASSWORD),
        "<EmbeddedServer port not chosen yet, not running>",
    ),
    (
        "SampleUser",
        lambda _: SAMPLE_USERS[0],
        "SampleUser(id='ada000000000000', name='Ada', email='ada@example.com')",
    ),
)
"""The class, a function of a fake that makes one, and its repr, as a pattern of fnmatch."""

NOT_MADE_HERE = frozenset({FieldChange, SampleUser})
"""Dataclasses of values: Python makes their repr. The errors have that of exceptions."""


def public_classes() -> Iterator[type]:
    """The classes that the packages export, without those of missing extras and typed dicts."""
    for package in PACKAGES:
        try:
            module = importlib.import_module(f"rxbosbase.{package}".rstrip("."))
        except MissingExtraError:
            continue
        exported = [getattr(module, name) for name in module.__all__]
        yield from (cls for cls in exported if inspect.isclass(cls) and not _has_own(cls))


def _has_own(cls: type) -> bool:
    """True for an error, a dict, and a class that only its subclasses are made of."""
    return issubclass(cls, BaseException) or is_typeddict(cls) or inspect.isabstract(cls)


async def made(make: Make, fake: FakeRealtime) -> str:
    """The repr of an object that may need a running event loop, and the class's name."""
    found = make(fake)
    if inspect.iscoroutine(found):
        found = await found
    text = repr(found)
    for end in ("aclose", "dispose", "stop"):
        if hasattr(found, end):
            ended = getattr(found, end)()
            if inspect.iscoroutine(ended):
                await ended
            break
    return text


@pytest.mark.parametrize(("name", "make", "expected"), OBJECTS)
def test_a_repr_says_what_the_object_is(name: str, make: Make, expected: str) -> None:
    """The repr of an object names its class and what it holds: no address, token or password."""
    with FakeRealtime() as fake:
        fake.add_user("ada@example.com", PASSWORD)
        fake.client.collection("users").auth_with_password("ada@example.com", PASSWORD)
        token = fake.client.auth_store.token
        try:
            text = asyncio.run(made(make, fake))
        except MissingExtraError as missing:
            pytest.skip(str(missing))
    assert fnmatchcase(text, expected), text
    assert name in text or name in ("Options", "Stream", "SerialScheduler"), text
    assert not ADDRESS.search(text)
    assert token not in text and PASSWORD not in text
    assert len(text) < 400 and text.isprintable()


LONG = "a\nb\u202e" * 1000
"""What a server could send, or a user give, as a name."""


@pytest.mark.parametrize(
    "value",
    [
        RecordEvent(LONG, "create", {"id": LONG}),
        Message(LONG, LONG),
        Change("modified", {"id": LONG}, {"id": LONG}, 1, 2, True),
        Status(error=ClientResponseError(400, data={"a": {"message": LONG}}, message=LONG)),
        Status(unreadable=(UnreadableRecord(LONG, LONG, LONG, 9),) * 100),
        RecordSequence.build(Row((at,), {"id": LONG, "text": LONG}) for at in range(1000)),
        Topic(LONG + "?options=x", LONG),
        Skipped("odd", 9, LONG),
        Options((("filter", LONG),)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_repr_is_one_line_of_bounded_length(value: object) -> None:
    """The repr of an object with very long values has one line and a bounded length."""
    text = repr(value)
    assert text.isprintable()
    assert type(value).__name__ in text
    assert len(text) < 2000


def test_the_repr_of_a_model_instances_event_has_its_id() -> None:
    """The repr of an event or a change of model instances has the instance's id."""
    post = SampleUser("u1", "Ada", "ada@example.com")
    assert (
        repr(RecordEvent("users/*", "update", post)) == "RecordEvent(update on 'users/*', id='u1')"
    )
    assert repr(Change("added", post, None, None, 0)) == "Change(added id='u1', None to 0)"


def test_each_public_class_has_its_repr_here() -> None:
    """Each class that one of these packages exports is in the table of reprs."""
    names = {name for name, _, _ in OBJECTS}
    missing = [cls for cls in public_classes() if cls.__name__ not in names]
    assert not set(missing) - NOT_MADE_HERE


@pytest.mark.parametrize("cls", list(public_classes()))
def test_no_class_has_the_repr_of_object(cls: type) -> None:
    """No exported class has the repr of `object`, which shows an address alone."""
    assert any("__repr__" in vars(base) for base in cls.__mro__ if base is not object)
