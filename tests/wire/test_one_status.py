"""One status for all streams of a client: the user's topics, and those of the live views."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import wire_server as wire
from support.realtime_client import connect, ignore, statuses, wait_state, wait_until
from support.seen import LIMIT, Seen, run_thread

from rxbosbase import AuthLostError, BackoffPolicy, BosBase, ClientResponseError, RecordEvent
from rxbosbase.errors import RequestTimeoutError

SLOW = BackoffPolicy(initial=60.0, maximum=60.0, jitter=False)
WATCH = 'posts/*?options={"query":{"fields":"id,updated"}}'


@pytest.fixture
def server() -> Iterator[wire.WireServer]:
    with wire.WireServer() as started:
        started.collections["posts"] = wire.reply_json({"items": []})
        yield started


# -- live views alone


def test_with_live_views_alone_the_client_is_active_and_connected(
    server: wire.WireServer, client: BosBase
) -> None:
    """With live views alone, status, client id, topics and stats are theirs."""
    realtime = client.realtime
    states = statuses(client)
    with client.collection("posts").live() as view:
        view.wait_fresh(LIMIT)
        (stream,) = server.wait_streams(1)
        status = realtime.status.value
        assert (status.state, realtime.is_connected) == ("active", True)
        assert realtime.client_id == status.client_id == stream.client_id
        assert set(status.topics) == set(stream.topics) and status.topics
        stats = realtime.stats
        assert (stats.connects, stats.reconnects) == (1, 0)
        assert stats.topics == len(status.topics) and stats.frames and stats.posts
    wait_state(client, "idle")
    assert not realtime.is_connected and realtime.status.value.topics == ()
    names = [status.state for status in states.items]
    assert [name for at, name in enumerate(names) if name not in names[:at]] == [
        "idle", "connecting", "connected", "active",
    ]  # fmt: skip
    assert set(states.threads) == {"rxbosbase-delivery"}


def test_wait_active_waits_for_the_topics_of_a_view_that_has_just_begun(
    server: wire.WireServer, client: BosBase
) -> None:
    """`wait_active` waits for the topics of a view that was just subscribed."""
    gate = wire.Gate()
    server.post_answers.append(wire.delay(gate))
    with client.collection("posts").live().subscribe(ignore):
        assert client.realtime.status.value.state in ("idle", "connecting", "connected")
        with pytest.raises(RequestTimeoutError, match="did not become active"):
            client.realtime.wait_active(0.05)
        wait = run_thread(lambda: client.realtime.wait_active(LIMIT))
        server.wait_post(1)
        gate.set()
        wait()
        assert client.realtime.is_connected


def test_a_wait_for_a_views_topics_ends_when_its_attempts_are_used_up(
    server: wire.WireServer,
) -> None:
    """`wait_active` raises the error that used up the attempts of a view's stream."""
    gate = wire.Gate()
    server.stream_answers.append(wire.delay(gate, wire.status(503)))
    once = BackoffPolicy(initial=0.01, jitter=False, max_attempts=1)
    with connect(server, backoff=once) as client:
        errors: Seen[Exception] = Seen()
        with client.collection("posts").live().subscribe(ignore, errors):
            wait = run_thread(lambda: client.realtime.wait_active(LIMIT))
            wait_until(client, lambda: client.service.monitor.changed._waiters)  # type: ignore[attr-defined]
            gate.set()
            with pytest.raises(ClientResponseError, match="503"):
                wait()
            assert isinstance(errors.wait(1)[0], ClientResponseError)
            assert client.realtime.status.value.state == "failed"


def test_an_event_while_a_view_starts_leaves_no_topic_behind(
    server: wire.WireServer, client: BosBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event received while a view starts leaves no topic after the disposal."""
    manager, attach = client.live_manager, client.live_manager.service.attach
    author = {"id": "a", "collectionName": "authors"}
    event = RecordEvent("posts/*", "create", {"id": "p", "expand": {"by": author}})

    def slow(topic: Any, subscriber: Any, preflight: Any, *, urgent: bool) -> None:
        attach(topic, subscriber, preflight, urgent=urgent)
        if "expand" in topic.wire:  # attached after the view thread has processed the event
            processed = threading.Event()
            manager.scheduler.post(lambda: subscriber.on_next(event))
            manager.scheduler.post(processed.set)
            assert processed.wait(LIMIT)

    monkeypatch.setattr(manager.service, "attach", slow)
    with client.collection("posts").live(filter="n > 0", expand="by") as view:
        view.wait_fresh(LIMIT)
    wait_state(client, "idle")
    server.wait_streams(0)
    assert client.realtime.stats.topics == 0


# -- both kinds


def test_the_worst_state_and_the_topics_of_both_kinds_are_shown(server: wire.WireServer) -> None:
    """`status` has the worse state of the user's and the views' streams, and all topics."""
    with connect(server, backoff=SLOW) as client:
        realtime = client.realtime
        client.collection("other").observe("*", check=False).subscribe(ignore)
        realtime.wait_active(LIMIT)
        (mine,) = server.wait_streams(1)
        with client.collection("posts").live().subscribe(ignore):
            realtime.wait_active(LIMIT)
            server.wait_streams(2)
            (views,) = (stream for stream in server.streams if stream is not mine)
            status = realtime.status.value
            assert status.state == "active" and status.client_id == mine.client_id
            assert status.topics == ("other/*", *views.topics)
            for is_mine in (False, True):
                cut = (each for each in server.streams if ("other/*" in each.topics) is is_mine)
                next(cut).cut()
                status = wait_state(client, "waiting")
                assert not realtime.is_connected
                assert (status.attempt, status.retry_in) == (1, 60.0)
                assert status.topics == ("other/*", *views.topics)
                realtime.reconnect_now()
                realtime.wait_active(LIMIT)
                assert wait_state(client, "active").error is None
                server.wait_streams(2)


def test_a_malformed_frame_of_a_view_is_no_error_in_the_status(
    server: wire.WireServer, client: BosBase
) -> None:
    """A malformed frame for a view is counted as skipped but is no error in `status`."""
    seen = statuses(client)
    with client.collection("posts").live() as view:
        view.wait_fresh(LIMIT)
        reads = len(server.requests_to("/api/collections/posts"))
        server.stream.send_raw(b"event:posts/*\ndata:{broken\n\n")
        server.wait_requests(reads + 1, "/api/collections/posts")
        view.wait_fresh(LIMIT)
    wait_state(client, "idle")
    assert client.realtime.stats.skipped == 1
    assert not any(status.error for status in seen.items)


def test_the_end_of_a_view_leaves_the_users_stream_unchanged(
    server: wire.WireServer, client: BosBase
) -> None:
    """After the end of a view the user's topics are active, without an `on_disconnect`."""
    client.collection("other").observe("*", check=False).subscribe(ignore)
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    with client.collection("posts").live() as view:
        view.wait_fresh(LIMIT)
        server.wait_streams(2)
    server.wait_streams(1)
    assert wait_state(client, "active").topics == ("other/*",)
    assert lost.items == []


def test_on_disconnect_gets_no_topics_only_after_the_last_of_both_kinds(
    server: wire.WireServer, client: BosBase
) -> None:
    """`on_disconnect` gets `[]` when the topics of the user and the views are all gone."""
    client.collection("other").observe("*", check=False).subscribe(ignore)
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    with client.collection("posts").live() as view:
        view.wait_fresh(LIMIT)
        server.wait_streams(2)
        client.realtime.unsubscribe()
        server.wait_streams(1)
        wait_until(client, lambda: "other/*" not in client.realtime.status.value.topics)
        assert client.realtime.is_connected
        assert lost.items == []
    assert lost.wait(1) == [[]]
    client.close()
    assert lost.items == [[]]


def test_a_lost_login_is_in_the_status_until_the_next_login(client: BosBase) -> None:
    """`status.error` has the `AuthLostError` of a lost login until the next login."""
    seen = statuses(client)
    lost = AuthLostError("lost")
    client.service.monitor.login_lost(lost)
    seen.until(lambda items: items and items[-1].error is lost)
    client.auth_store.save(wire.make_token("ann"))
    seen.until(lambda items: items and items[-1].error is None)


# -- on_disconnect


@pytest.mark.parametrize("how", [wire.Stream.cut, wire.Stream.reset])
@pytest.mark.parametrize("views_first", [True, False])
def test_one_loss_of_all_streams_is_reported_once(
    server: wire.WireServer, client: BosBase, how: Callable[[wire.Stream], None], views_first: bool
) -> None:
    """A loss of all streams calls `on_disconnect` once, with all topics."""
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    client.collection("other").observe("*", check=False).subscribe(ignore)
    with client.collection("posts").live() as view:
        view.wait_fresh(LIMIT)
        client.realtime.wait_active(LIMIT)
        for times in (1, 2):
            server.wait_streams(2)
            topics = client.realtime.status.value.topics
            streams = sorted(server.streams, key=lambda each: "other/*" in each.topics)
            opened = client.realtime.stats.connects
            for stream in streams if views_first else streams[::-1]:
                how(stream)
            wait_until(client, lambda: client.realtime.stats.connects == opened + 2)  # noqa: B023
            client.realtime.wait_active(LIMIT)
            assert lost.wait(times) == [list(topics)] * times
    assert set(lost.threads) == {"rxbosbase-delivery"}
    assert client.realtime.stats.reconnects == 4


def test_the_loss_of_two_shards_is_reported_once(server: wire.WireServer, client: BosBase) -> None:
    """A loss of both streams of 1001 topics calls `on_disconnect` once."""
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    names = [f"t{number}" for number in range(1001)]
    subscriptions = [client.realtime.observe(name).subscribe(ignore) for name in names]
    client.realtime.wait_active(LIMIT)
    for stream in server.wait_streams(2):
        stream.cut()
    wait_until(client, lambda: client.realtime.stats.reconnects == 2)
    client.realtime.wait_active(LIMIT)
    assert [sorted(topics) for topics in lost.wait(1)] == [sorted(names)]
    for subscription in subscriptions:
        subscription.dispose()
    server.wait_streams(0)
    wait_until(client, lambda: lost.count == 2)
    assert lost.items[1:] == [[]]


def test_close_with_a_view_alone_calls_on_disconnect(
    server: wire.WireServer, client: BosBase
) -> None:
    """`close` with a view alone completes it and calls `on_disconnect` with `[]`."""
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    view = client.collection("posts").live()
    done = threading.Event()
    view.subscribe(ignore, on_completed=done.set)
    client.realtime.wait_active(LIMIT)
    client.close()
    assert lost.wait(1) == [[]]
    assert done.wait(LIMIT)
    assert client.realtime.status.value.state == "closed"
