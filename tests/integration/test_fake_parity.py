"""The fake behaves as the real server: each test here runs against both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from faults.kinds import Fault, Kind
from faults.proxy import FaultProxy
from faults.watching import QUICK
from support.live_schema import World, eventually
from support.tested_server import GIVEN_SERVER

from rxbosbase import BosBase, ClientResponseError, Collection
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.testing import FakeRealtime
from rxbosbase.testing.collation import collation_key

pytest_plugins = ["support.live_fixtures"]

Record = dict[str, Any]

NEVER = 3600.0
"""For `reconcile`: a view uses only the stream, and the rechecks that follow from it."""

FILTER = "n > 1"


class Stage(Protocol):
    """A server with one collection of posts, and the client that is looked at.

    Attributes:
        client: its connection breaks with `cut`.
        posts: the collection, as that client has it.
    """

    client: BosBase
    posts: Collection[Record]

    def id(self, letter: str) -> str:
        """Return an id that the server accepts."""
        ...

    def write(self, action: str, id: str, **fields: Any) -> None:
        """Write as another client."""

    def cut(self) -> None:
        """Break the connection and refuse new ones."""

    def restore(self) -> None:
        """Accept connections again."""

    def until(self, holds: Callable[[], object]) -> None:
        """Let time pass until the condition holds."""


class FakeStage:
    def __init__(self, fake: FakeRealtime) -> None:
        self._fake = fake
        self.client = fake.client
        self.posts = fake.client.collection("posts")
        fake.filters[FILTER] = lambda record: bool(record["n"] > 1)

    def id(self, letter: str) -> str:
        return letter * 15

    def write(self, action: str, id: str, **fields: Any) -> None:
        self._fake.advance(0.05)
        now = round(self._fake.clock.now * 1000)
        updated = f"2026-01-01 00:{now // 60000:02}:{now // 1000 % 60:02}.{now % 1000:03}Z"
        times = {"updated": updated} if action != "delete" else {}
        self._fake.push("posts", action, {"id": id, **fields, **times})  # type: ignore[arg-type]

    def cut(self) -> None:
        self._fake.stop()

    def restore(self) -> None:
        self._fake.start()

    def refuse(self, collection: str, status: int) -> None:
        """Refuse the collection: the fake reads no filters and has every collection."""
        self._fake.refuse(collection, status)

    def until(self, holds: Callable[[], object]) -> None:
        for _ in range(200):
            if holds():
                return
            self._fake.advance(0.05)
        assert holds()


class ServerStage:
    def __init__(self, world: World, proxy: FaultProxy, client: BosBase) -> None:
        self._world = world
        self._proxy = proxy
        self._writer = world.collection()
        self.client = client
        self.posts = client.collection(self._writer.name)

    def id(self, letter: str) -> str:
        return self._world.id(letter)

    def write(self, action: str, id: str, **fields: Any) -> None:
        if action == "delete":
            self._writer.delete(id)
        elif action == "create":
            self._writer.create({"id": id, **fields})
        else:
            self._writer.update(id, fields)

    def cut(self) -> None:
        self._proxy.inject(Fault(Kind.REFUSE, 60.0))
        self._proxy.inject(Fault(Kind.CUT))

    def restore(self) -> None:
        self._proxy.calm()

    def until(self, holds: Callable[[], object]) -> None:
        eventually(holds)


@pytest.fixture(params=["fake", "server"])
def stage(request: pytest.FixtureRequest, world: World) -> Iterator[Stage]:
    if request.param == "fake":
        with FakeRealtime(order="postgres" if GIVEN_SERVER else "sqlite") as fake:
            yield FakeStage(fake)
        return
    with (
        FaultProxy(world.server.url) as proxy,
        BosBase(proxy.url, backoff=QUICK) as client,
    ):
        yield ServerStage(world, proxy, client)


class Watcher:
    """What a client gets of the posts: the events of three topics, a view and a window."""

    def __init__(self, stage: Stage, id: str) -> None:
        self._stage = stage
        self.events: list[tuple[str, str, str]] = []
        self.changes: list[tuple[str, str, bool]] = []
        self.fresh: list[bool] = []
        posts = stage.posts
        for name, topic, options in (
            ("all", "*", {}),
            ("filtered", "*", {"filter": FILTER}),
            ("one", id, {"fields": "id,title"}),
        ):
            posts.observe(topic, **options).subscribe(  # type: ignore[arg-type]
                lambda event, name=name: self.events.append(  # type: ignore[misc]
                    (name, event.action, event.record["title"])
                )
            )
        self.last: dict[str, Snapshot[Record]] = {}  # the snapshots that observers got
        posts.live(filter=FILTER, sort="title", reconcile=NEVER).subscribe(self._changed)
        window = posts.live(sort="-n", limit=2, reconcile=NEVER)
        window.subscribe(lambda snapshot: self.last.update(window=snapshot))
        stage.client.realtime.wait_active()
        stage.until(lambda: self.are_fresh)
        self.take_new()

    def _changed(self, snapshot: Snapshot[Record]) -> None:
        self.fresh.append(snapshot.fresh)
        self.changes += [(c.type, c.record["title"], c.caught_up) for c in snapshot.changes]
        self.last["view"] = snapshot

    @property
    def are_fresh(self) -> bool:
        return [each.fresh for each in self.last.values()] == [True, True]

    @property
    def are_stale(self) -> bool:
        return [each.fresh for each in self.last.values()] == [False, False]

    def wait_shown(self, view: list[str], window: list[str], events: int = 0) -> None:
        """Wait until the views show these titles, and so many events have come."""
        shown = {"view": view, "window": window}

        def holds() -> bool:
            found = {name: [r["title"] for r in each.records] for name, each in self.last.items()}
            return found == shown and len(self.events) >= events

        self._stage.until(holds)

    def take_new(self) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, bool]]]:
        """Return the events and the view's changes since the last call."""
        events, self.events = sorted(self.events), []
        changes, self.changes = self.changes, []
        return events, changes


def test_events_views_and_windows_follow_each_write(stage: Stage) -> None:
    """The fake and the server give the same events, changes and windows for each write."""
    a, b, c = (stage.id(letter) for letter in "abc")
    seen = Watcher(stage, a)
    stage.write("create", a, title="a", n=2)
    seen.wait_shown(["a"], ["a"], events=3)
    assert seen.take_new() == (
        [("all", "create", "a"), ("filtered", "create", "a"), ("one", "create", "a")],
        [("added", "a", False)],
    )
    stage.write("create", b, title="b", n=1)
    seen.wait_shown(["a"], ["a", "b"], events=1)
    assert seen.take_new() == ([("all", "create", "b")], [])
    stage.write("create", c, title="Z", n=3)
    seen.wait_shown(sorted("aZ", key=collation_key if GIVEN_SERVER else str), ["Z", "a"], events=2)
    assert seen.take_new()[0] == [("all", "create", "Z"), ("filtered", "create", "Z")]
    stage.write("update", b, n=4)  # enters the filter
    seen.wait_shown(sorted("abZ", key=collation_key if GIVEN_SERVER else str), ["b", "Z"], events=2)
    assert seen.take_new()[0] == [("all", "update", "b"), ("filtered", "update", "b")]
    stage.write("update", c, n=0)  # leaves it, without an event on the filtered topic
    seen.wait_shown(["a", "b"], ["b", "a"], events=1)
    assert seen.take_new() == ([("all", "update", "Z")], [("removed", "Z", False)])
    stage.write("delete", c)
    stage.write("delete", a)
    seen.wait_shown(["b"], ["b"], events=4)
    assert seen.take_new() == (
        [
            ("all", "delete", "Z"),
            ("all", "delete", "a"),
            ("filtered", "delete", "a"),
            ("one", "delete", "a"),
        ],
        [("removed", "a", False)],
    )
    assert set(seen.fresh) == {True}


def test_a_gap_swallows_events_and_views_catch_up(stage: Stage) -> None:
    """Fake and server: writes during a gap emit no events, but views change with `caught_up`."""
    a, b, c = (stage.id(letter) for letter in "abc")
    for id, title in ((a, "a"), (b, "b")):
        stage.write("create", id, title=title, n=2)
    seen, states, lost = Watcher(stage, a), [], []
    seen.wait_shown(["a", "b"], ["a", "b"] if a < b else ["b", "a"])
    stage.client.realtime.on_disconnect = lambda topics: lost.append(len(topics))
    stage.client.realtime.status.subscribe(lambda status: states.append(status.state))
    seen.take_new()
    stage.cut()
    services = (stage.client.service, stage.client.live_manager.service)
    streams = [driver for service in services for driver in service.drivers]
    stage.until(lambda: len(streams) == 2 and all(each.status.attempt > 1 for each in streams))
    stage.until(lambda: seen.are_stale)
    stage.write("update", a, title="A", n=5)
    stage.write("delete", b)
    stage.write("create", c, title="c", n=3)
    stage.restore()
    seen.wait_shown(sorted("Ac", key=collation_key if GIVEN_SERVER else str), ["A", "c"])
    stage.until(lambda: seen.are_fresh)
    stage.client.realtime.wait_active()
    events, changes = seen.take_new()
    assert events == []
    assert sorted(changes) == [
        ("added", "c", True),
        ("modified", "A", True),
        ("removed", "b", True),
    ]
    stage.write("update", c, title="d")
    seen.wait_shown(sorted("Ad", key=collation_key if GIVEN_SERVER else str), ["A", "d"], events=2)
    assert seen.take_new() == (
        [("all", "update", "d"), ("filtered", "update", "d")],
        [("modified", "d", False)],
    )
    assert len(lost) == 1
    assert states[0] == "active" and {"waiting", "connecting"} < {*states}
    stage.until(lambda: states[-1] == "active")


@pytest.mark.parametrize("status", [400, 404])
def test_what_can_never_deliver_is_an_error(stage: Stage, status: int) -> None:
    """A malformed filter (400) or a missing collection (404) fails stream and view alike."""
    errors: list[Exception] = []
    client, posts = stage.client, stage.posts
    asked = posts if status == 400 else client.collection("nothing_of_this_name")
    if isinstance(stage, FakeStage):
        stage.refuse(asked.name, status)
    asked.observe("*", filter="n >").subscribe(on_error=errors.append)
    asked.live(filter="n >").subscribe(on_error=errors.append)
    stage.until(lambda: len(errors) == 2)
    assert [error.status for error in errors if isinstance(error, ClientResponseError)] == [
        status,
        status,
    ]


@pytest.mark.parametrize("sort", ["title", "-title", "n,-title"])
def test_lists_and_pages_have_one_order(stage: Stage, sort: str) -> None:
    """Full lists in pages and views have the same order, on the fake and on the server."""
    titles = ["b", "Z", "a b", "á", "A", "a", "-a", "9", "10", "🦊", "", "_", "aB"]
    for at, title in enumerate(titles):
        stage.write("create", stage.id("abcdefghijklm"[at]), title=title, n=at % 3)
    key = collation_key if GIVEN_SERVER else str
    wanted = sorted(titles, key=key, reverse=sort.endswith("-title"))
    if sort.startswith("n"):
        wanted.sort(key=lambda title: titles.index(title) % 3)
    found = stage.posts.get_full_list(sort=sort, batch=5)
    assert [row["title"] for row in found] == wanted
    with stage.posts.live(sort=sort, reconcile=NEVER) as view:
        view.wait_fresh()
        stage.until(lambda: [row["title"] for row in view.current.records] == wanted)
    assert len(stage.posts.get_full_list(batch=4, filter=FILTER)) == 4
