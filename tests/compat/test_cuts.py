"""A connection that breaks, on each server; the server itself is not stopped for that."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from faults.kinds import Fault, Kind
from faults.proxy import FaultProxy
from faults.watching import QUICK
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

from rxbosbase import BosBase, StreamLostError
from rxbosbase.live.view import LiveView

OWN = "owner = @request.auth.id"


@pytest.fixture
def proxy(world: World) -> Iterator[FaultProxy]:
    with FaultProxy(world.server.url) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[BosBase]:
    with BosBase(proxy.url, backoff=QUICK, timeout=5.0) as client:
        yield client


def is_renewed(client: BosBase, old: str) -> bool:
    return client.realtime.client_id not in ("", old)


def is_titled(title: str, record: dict[str, Any] | None) -> bool:
    return record is not None and record["title"] == title


def shows(view: LiveView[dict[str, Any]], *titles: str) -> bool:
    return [record["title"] for record in view.current.records] == [*titles]


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET])
def test_after_a_cut_every_stream_and_view_goes_on(
    world: World, proxy: FaultProxy, client: BosBase, kind: Kind
) -> None:
    """After a cut or reset, each stream, callback, view and window gets the next change."""
    posts, users = world.collection(listRule=OWN, viewRule=OWN), world.users()
    ann = world.user(users)
    client.collection(users).auth_with_password(ann["email"], PASSWORD)
    mine = client.collection(posts.name)
    record = posts.create({"title": "first", "owner": ann["id"]})
    called: Received[Event] = Received()
    mine.subscribe("*", called)
    streams = [
        collect(mine.observe("*")),
        collect(mine.observe("*", filter="n > 0")),
        collect(mine.observe("*", fields="id,title")),
        collect(mine.observe(record["id"])),
    ]
    one: Received[Any] = collect(mine.live_record(record["id"]))
    with mine.live() as view, mine.live(sort="-n", limit=3) as window:
        for each in (view, window):
            each.wait_fresh()
        one.have(1)
        for number in (1, 2):
            client.realtime.wait_active()
            before, old = proxy.open_streams, client.realtime.client_id
            assert before == 2  # one of the streams, one of the views
            proxy.inject(Fault(kind))
            eventually(partial(is_renewed, client, old))
            client.realtime.wait_active()
            title = f"after loss {number}"
            posts.update(record["id"], {"title": title, "n": number})
            for received in (*streams, called):
                assert titles(received.have(number))[-1] == title
            one.first(partial(is_titled, title))
            for each in (view, window):
                eventually(partial(shows, each, title))
        assert view.wait_fresh().fresh and window.wait_fresh().fresh


def test_a_cut_is_told_once_with_the_topics_still_wanted(
    world: World, proxy: FaultProxy, client: BosBase
) -> None:
    """A cut calls `on_disconnect` once with the topics, and the last dispose with none."""
    lost: Received[list[str]] = Received()
    client.realtime.on_disconnect = lost
    posts = client.collection(world.collection().name)
    received = collect(posts.observe("*"))
    client.realtime.wait_active()
    states = collect(client.realtime.status)
    proxy.inject(Fault(Kind.RESET))
    waiting = states.first(lambda now: now.state == "waiting")
    assert isinstance(waiting.error, StreamLostError)
    states.until(lambda h: h.items and h.items[-1].state == "active")
    assert status(client).error is None
    assert lost.items == [[f"{posts.name}/*"]]
    received.dispose()
    assert lost.have(2)[1] == []  # that end was intended


def test_streams_and_live_views_have_one_status_and_one_loss(
    world: World, proxy: FaultProxy, client: BosBase
) -> None:
    """Streams and live views share one status, and a cut of both is reported as one loss."""
    posts = client.collection(world.collection().name)
    with posts.live() as view:
        client.realtime.wait_active()
        assert view.wait_fresh().fresh and client.realtime.is_connected
        assert status(client).topics == (f"{posts.name}/*",)
        received = collect(posts.observe("a"))
        client.realtime.wait_active()
        assert set(status(client).topics) == {f"{posts.name}/*", f"{posts.name}/a"}
        lost: Received[list[str]] = Received()
        client.realtime.on_disconnect = lost
        reconnects = client.realtime.stats.reconnects
        proxy.inject(Fault(Kind.CUT))
        eventually(lambda: client.realtime.stats.reconnects == reconnects + 2)
        client.realtime.wait_active()
        assert [set(topics) for topics in lost.have(1)] == [set(status(client).topics)]
        received.dispose()
        assert view.wait_fresh().fresh and client.realtime.is_connected


def test_changes_while_disconnected_are_caught_up(
    world: World, proxy: FaultProxy, client: BosBase
) -> None:
    """Changes made without a connection are in views and windows afterwards."""
    posts = world.collection()
    kept, left, gone = (
        posts.create({"title": title, "owner": "ann"})["id"] for title in ("kept", "left", "gone")
    )
    mine = client.collection(posts.name)
    with (
        mine.live(filter='owner = "ann"', sort="title", reconcile=3600.0) as view,
        mine.live(filter='owner = "ann"', sort="title", limit=2, reconcile=3600.0) as window,
    ):
        for each in (view, window):
            each.wait_fresh()
        proxy.inject(Fault(Kind.REFUSE, 60.0))
        proxy.inject(Fault(Kind.CUT))
        eventually(lambda: not view.current.fresh and not window.current.fresh)
        posts.update(left, {"owner": "bob"})
        posts.delete(gone)
        posts.update(kept, {"title": "renamed"})
        posts.create({"title": "new", "owner": "ann"})
        posts.create({"title": "zzz", "owner": "ann"})
        proxy.calm()
        eventually(partial(shows, view, "new", "renamed", "zzz"))
        eventually(partial(shows, window, "new", "renamed"))
        assert view.wait_fresh().fresh and window.wait_fresh().fresh


def test_a_lost_post_of_topics_is_repeated(
    world: World, proxy: FaultProxy, client: BosBase
) -> None:
    """A POST of topics that is refused, reset or lost is repeated."""
    posts = world.collection()
    mine = client.collection(posts.name)
    first = collect(mine.observe("*"))
    client.realtime.wait_active()
    for kind, code in ((Kind.POST_STATUS, 503), (Kind.POST_RESET, 0), (Kind.POST_LOST, 0)):
        proxy.inject(Fault(kind, code))
        received = collect(mine.observe("*", filter=f"n >= {len(first.items)}"))
        client.realtime.wait_active()
        count = len(first.items)
        posts.create({"n": 10 + count})
        received.have(1)
        first.have(count + 1)
        received.dispose()
