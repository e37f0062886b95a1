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

from rxbosbase import MissingExtraError, aio
from rxbosbase.operators import BufferOverflowError, FieldChange
from rxbosbase.server import EmbeddedServer
from rxbosbase.server.sample import SAMPLE_USERS, SampleUser
from rxbosbase.testing import FakeRealtime, VirtualClock, VirtualScheduler

PACKAGES = (
    "aio", "dashboard", "dataframes", "operators", "server", "server.sample", "testing"
)  # fmt: skip
PASSWORD = "the password that no repr may show"
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

OBJECTS: tuple[tuple[str, Make, str], ...] = (
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

NOT_MADE_HERE = frozenset({BufferOverflowError, FieldChange, SampleUser})
"""Errors, and dataclasses of values: Python makes their repr."""


def public_classes() -> Iterator[type]:
    """The classes that the packages export, without those of missing extras and typed dicts."""
    for package in PACKAGES:
        try:
            module = importlib.import_module(f"rxbosbase.{package}")
        except MissingExtraError:
            continue
        exported = [getattr(module, name) for name in module.__all__]
        yield from (cls for cls in exported if inspect.isclass(cls) and not is_typeddict(cls))


async def made(make: Make, fake: FakeRealtime) -> str:
    """The repr of an object that may need a running event loop, and the class's name."""
    found = make(fake)
    if inspect.isawaitable(found):
        found = await found
    text = repr(found)
    for end in ("aclose", "dispose", "stop"):
        if hasattr(found, end):
            ended = getattr(found, end)()
            if inspect.isawaitable(ended):
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
    assert name in text
    assert not ADDRESS.search(text)
    assert token not in text and PASSWORD not in text


def test_each_public_class_has_its_repr_here() -> None:
    """Each class that one of these packages exports is in the table of reprs."""
    names = {name for name, _, _ in OBJECTS}
    missing = [cls for cls in public_classes() if cls.__name__ not in names]
    assert not set(missing) - NOT_MADE_HERE


@pytest.mark.parametrize("cls", list(public_classes()))
def test_no_class_has_the_repr_of_object(cls: type) -> None:
    """No exported class has the repr of `object`, which shows an address alone."""
    assert any("__repr__" in vars(base) for base in cls.__mro__ if base is not object)
