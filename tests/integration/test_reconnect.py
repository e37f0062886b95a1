"""The server is killed and restarted, and the streams continue."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any

import pytest
from support.live_schema import Event, Received, World, collect, eventually, status, titles

from rxbosbase import BackoffPolicy, BosBase, BosBaseError, Collection, StreamLostError

pytest_plugins = ["support.live_fixtures"]

CLOSED_WITHIN = 1.0
"""Seconds of a `close`, which waits for nothing; the machine may be busy."""

ENDED_WITHIN = 1.5
"""… and of the threads: less than a thread of the pool stays without work."""

LAST_MOMENT = 0.1
"""What was written so shortly before a kill may have died with the server."""

QUICK = BackoffPolicy(initial=0.05, maximum=0.2)


def kill_and_restart(world: World, *clients: BosBase) -> tuple[float, float]:
    """Kills, restarts, and waits for the clients; returns when the killing began and was done."""
    began = monotonic()
    world.server.kill()
    dead = monotonic()
    for client in clients:
        collect(client.realtime.status).first(lambda now: now.state != "active")
    world.server.restart()
    for client in clients:
        client.realtime.wait_active()
    return began, dead


class Writer:
    """Writes without a pause, and records when the server accepted each record."""

    def __init__(self, posts: Collection) -> None:
        self._posts = posts
        self._stop = threading.Event()
        self.written: dict[int, tuple[float, float]] = {}  # number: began, done
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        number = 0
        while not self._stop.wait(0.002):
            number += 1
            began = monotonic()
            try:
                self._posts.create({"n": number})
            except BosBaseError:
                self._stop.wait(0.02)
            else:
                self.written[number] = (began, monotonic())


def test_under_continuous_writes_a_kill_loses_only_what_was_written_while_down(
    fragile: World,
) -> None:
    """A kill loses only events of writes outside `active`, or of the last 0.1 s before it."""
    posts = fragile.collection()
    client = fragile.client()
    states: list[tuple[float, str]] = []
    client.realtime.status.subscribe(lambda now: states.append((monotonic(), now.state)))
    lost: Received[list[str]] = Received()
    client.realtime.on_disconnect = lost
    received = collect(client.collection(posts.name).observe("*"))
    client.realtime.wait_active()
    kills: list[tuple[float, float]] = []
    with Writer(posts) as writer:
        for _ in range(3):
            received.have(len(received.items) + 50)
            began, dead = kill_and_restart(fragile, client)
            kills.append((began - LAST_MOMENT, dead))
        received.have(len(received.items) + 50)
    arrived = [event.record["n"] for event in received.until(lambda h: _all_in(h, writer))]
    assert len(arrived) == len(set(arrived))
    missing = set(writer.written) - set(arrived)
    while_active = {number for number in missing if _was_active(writer.written[number], states)}
    excused = {
        number
        for number in while_active
        if any(since <= writer.written[number][1] <= until for since, until in kills)
    }
    assert while_active == excused
    assert lost.have(3) == [[f"{posts.name}/*"]] * 3
    assert received.error is None


def _all_in(received: Received[Event], writer: Writer) -> bool:
    """Return True if the last written record has arrived: earlier ones may only be late."""
    return any(event.record["n"] == max(writer.written) for event in received.items)


def _was_active(written: tuple[float, float], states: list[tuple[float, str]]) -> bool:
    """Return True if the status was active during the whole write."""
    before = [state for moment, state in states if moment <= written[0]]
    during = [state for moment, state in states if written[0] < moment <= written[1]]
    return bool(before) and before[-1] == "active" and not during


def test_three_hundred_topics_of_several_collections_all_come_back(fragile: World) -> None:
    """304 topics are active again after the server's restart, and deliver."""
    collections = [fragile.collection(f"c{number}") for number in range(4)]
    client = fragile.client()
    received: dict[tuple[str, str], Received[Event]] = {}
    for posts in collections:
        mine = client.collection(posts.name)
        received[posts.name, "*"] = collect(mine.observe("*"))
        for number in range(75):
            received[posts.name, f"{number:015d}"] = collect(mine.observe(f"{number:015d}"))
    client.realtime.wait_active()
    kill_and_restart(fragile, client)
    assert len(status(client).topics) == 304
    for posts in collections:
        for number in (0, 37, 74):
            posts.create({"id": f"{number:015d}"})
    for posts in collections:
        received[posts.name, "*"].have(3)
        for number in (0, 37, 74):
            assert len(received[posts.name, f"{number:015d}"].have(1)) == 1


def test_a_lost_connection_calls_on_disconnect_once_and_sets_the_status(
    fragile: World,
) -> None:
    """A lost connection calls `on_disconnect` once with the topics; `status` has the error."""
    posts = fragile.collection()
    client = fragile.client(backoff=QUICK)
    lost: Received[list[str]] = Received()
    client.realtime.on_disconnect = lost
    states = collect(client.realtime.status)
    mine = client.collection(posts.name)
    received = collect(mine.observe("*")), collect(mine.observe("*", filter="n > 1"))
    client.realtime.wait_active()
    topics, first_id = status(client).topics, client.realtime.client_id
    fragile.server.kill()
    waiting = states.first(lambda now: now.state == "waiting" and now.attempt >= 3)
    assert isinstance(waiting.error, BosBaseError)
    assert waiting.retry_in is not None
    assert not client.realtime.is_connected
    assert client.realtime.client_id == ""
    fragile.server.restart()
    client.realtime.wait_active()
    now = status(client)
    assert (now.state, now.attempt, now.retry_in, now.error) == ("active", 0, None, None)
    assert now.topics == topics
    assert client.realtime.client_id not in ("", first_id)
    assert [sorted(topics) for topics in lost.items] == [sorted(topics)]
    assert isinstance(states.first(lambda now: now.state == "waiting").error, StreamLostError)
    for stream in received:
        stream.dispose()
    assert lost.have(2)[1] == []  # that end was intended


def test_pb_connect_comes_again_after_a_restart(fragile: World) -> None:
    """A subscriber of PB_CONNECT gets the new client id after a restart."""
    client = fragile.client(backoff=QUICK)
    received: Received[Any] = Received()
    client.realtime.subscribe("PB_CONNECT", received)
    kill_and_restart(fragile, client)
    assert len({message["clientId"] for message in received.have(2)}) == 2


def test_an_identity_survives_a_restart_and_rules_go_on_to_hold(fragile: World) -> None:
    """After a restart a stream has the same login, so that rules hide others' records."""
    users = fragile.users()
    ann, bob = fragile.user(users), fragile.user(users)
    posts = fragile.collection(listRule="owner = @request.auth.id")
    client = fragile.logged_in(users, ann)
    received = collect(client.collection(posts.name).observe("*"))
    client.realtime.wait_active()
    kill_and_restart(fragile, client)
    posts.create({"title": "bob's", "owner": bob["id"]})
    posts.create({"title": "ann's", "owner": ann["id"]})
    assert titles(received.have(1)) == ["ann's"]


def test_a_login_while_the_server_is_down_counts_when_it_is_back(fragile: World) -> None:
    """A login stored while the server is down is used by the next connection."""
    posts = fragile.collection(listRule=None)
    login = fragile.admin.auth_store.state
    client = fragile.client(backoff=QUICK)
    received = collect(client.collection(posts.name).observe("*", check=False))
    client.realtime.wait_active()
    fragile.server.kill()
    collect(client.realtime.status).first(lambda now: now.state == "waiting")
    client.auth_store.save(login.token, login.record)
    fragile.server.restart()
    client.realtime.wait_active()
    posts.create({"title": "as a superuser"})
    assert titles(received.have(1)) == ["as a superuser"]


def test_topics_wanted_and_dropped_while_down_are_right_when_it_is_back(fragile: World) -> None:
    """Topics added or disposed while the server is down take effect when it is back."""
    posts, others = fragile.collection(), fragile.collection("others")
    client = fragile.client(backoff=QUICK)
    dropped = collect(client.collection(posts.name).observe("*"))
    client.realtime.wait_active()
    fragile.server.kill()
    collect(client.realtime.status).first(lambda now: now.state == "waiting")
    added = collect(client.collection(others.name).observe("*"))
    dropped.dispose()
    fragile.server.restart()
    client.realtime.wait_active()
    assert status(client).topics == (f"{others.name}/*",)
    posts.create({})
    others.create({})
    added.have(1)
    assert not dropped.items


def test_the_status_shows_the_wanted_topics_of_now_during_a_long_wait_too(fragile: World) -> None:
    """During a backoff of 60 s, `status` follows topics that are added and disposed."""
    posts = fragile.collection()
    client = fragile.client(backoff=BackoffPolicy(initial=60.0, maximum=60.0, jitter=False))
    mine = client.collection(posts.name)
    states = collect(client.realtime.status)
    collect(mine.observe("*"))
    client.realtime.wait_active()
    fragile.server.kill()
    states.first(lambda now: now.state == "waiting")
    added = collect(mine.observe("*", filter="n > 1", check=False))
    states.first(lambda now: now.state == "waiting" and len(now.topics) == 2)
    added.dispose()
    states.until(
        lambda received: received.items and received.items[-1].topics == (f"{posts.name}/*",)
    )
    assert status(client).state == "waiting"


def test_a_stream_begun_while_the_server_is_down_starts_when_it_is_up(fragile: World) -> None:
    """A stream subscribed while the server is down delivers once it is up."""
    posts = fragile.collection()
    fragile.server.kill()
    client = fragile.client(backoff=QUICK)
    received = collect(client.collection(posts.name).observe("*"))
    collect(client.realtime.status).first(lambda now: now.state == "waiting")
    fragile.server.restart()
    client.realtime.wait_active()
    posts.create({})
    received.have(1)


def test_a_preflight_without_a_server_is_repeated(fragile: World) -> None:
    """A preflight that finds no server is repeated later, and then fails with the 404."""
    fragile.server.kill()
    client = fragile.client(backoff=QUICK)
    received = collect(client.collection("no_such_thing").observe("*"))
    collect(client.realtime.status).first(lambda now: now.attempt >= 2)
    assert received.error is None
    fragile.server.restart()
    assert received.failure().status == 404  # type: ignore[attr-defined]


def test_reconnect_now_cuts_a_wait_short(fragile: World) -> None:
    """`reconnect_now` ends a backoff of 60 s at once."""
    posts = fragile.collection()
    client = fragile.client(backoff=BackoffPolicy(initial=60.0, maximum=60.0, jitter=False))
    collect(client.collection(posts.name).observe("*"))
    client.realtime.wait_active()
    fragile.server.kill()
    collect(client.realtime.status).first(lambda now: now.state == "waiting")
    fragile.server.restart()
    client.realtime.reconnect_now()
    client.realtime.wait_active(5.0)
    assert client.realtime.stats.reconnects == 1  # by it, and not by a later attempt


def test_used_up_attempts_fail_the_streams_and_a_new_one_starts_afresh(fragile: World) -> None:
    """After `max_attempts` streams fail with ConnectionError; a new one connects again."""
    posts = fragile.collection()
    client = fragile.client(backoff=BackoffPolicy(initial=0.02, maximum=0.02, max_attempts=3))
    received = collect(client.collection(posts.name).observe("*"))
    client.realtime.wait_active()
    fragile.server.kill()
    assert isinstance(received.failure(), ConnectionError)
    assert collect(client.realtime.status).first(lambda now: now.state == "failed").error
    fragile.server.restart()
    again = collect(client.collection(posts.name).observe("*"))
    client.realtime.wait_active()
    posts.create({})
    again.have(1)


def test_a_frozen_server_is_left_and_found_again(fragile: World) -> None:
    """With `idle_timeout`, a stream leaves a frozen server and resumes, no `on_disconnect` call."""
    posts = fragile.collection()
    client = fragile.client(idle_timeout=0.5, timeout=0.5, backoff=QUICK)
    received = collect(client.collection(posts.name).observe("*", check=False))
    lost: Received[list[str]] = Received()
    client.realtime.on_disconnect = lost
    client.realtime.wait_active()
    fragile.server.pause()
    collect(client.realtime.status).first(lambda now: now.state == "waiting")
    fragile.server.resume()
    client.realtime.wait_active()
    # An event that comes between two of its streams is lost.
    eventually(lambda: posts.create({"title": "after"}) and received.items)
    assert lost.items == []  # silence is a regular end, and what follows is no loss of a stream


def test_a_silent_stream_is_renewed_as_routine(world: World) -> None:
    """After `idle_timeout` a stream reconnects without `on_disconnect` and without backoff."""
    posts = world.collection()
    client = world.client(idle_timeout=0.5)
    connected: Received[Any] = Received()
    lost: Received[list[str]] = Received()
    client.realtime.on_disconnect = lost
    client.realtime.subscribe("PB_CONNECT", connected)
    received = collect(client.collection(posts.name).observe("*"))
    states = collect(client.realtime.status)
    connected.have(3)
    client.realtime.wait_active()
    # An event that comes between two of its streams is lost.
    eventually(lambda: posts.create({}) and received.items)
    assert not lost.items
    assert {now.state for now in states.items} == {"connecting", "connected", "active"}


# -- callbacks that block or raise while the connection drops --------------------------------------


@pytest.mark.parametrize("misbehaviour", ["raise", "sleep", "subscribe", "unsubscribe"])
def test_a_blocking_callback_during_a_kill_loses_no_event_of_others(
    fragile: World, misbehaviour: str
) -> None:
    """During a kill, a callback that blocks, raises or subscribes loses no event of others."""
    posts, others = fragile.collection(), fragile.collection("others")
    client = fragile.client(backoff=QUICK)
    mine = client.collection(posts.name)
    entered, leave = threading.Event(), threading.Event()
    nested: Received[Event] = Received()
    calls: Received[Event] = Received()

    def misbehave(event: Event) -> None:
        calls(event)
        if entered.is_set():
            return
        entered.set()
        leave.wait(30)
        if misbehaviour == "subscribe":
            client.collection(others.name).subscribe("*", nested, timeout=30)
        elif misbehaviour == "unsubscribe":
            unsubscribe()
        elif misbehaviour == "raise":
            raise ZeroDivisionError("while the connection drops")

    unsubscribe = mine.subscribe("*", misbehave)
    witness = collect(mine.observe("*"))
    client.realtime.wait_active()
    posts.create({"title": "before"})
    assert entered.wait(10)
    if misbehaviour == "subscribe":  # blocked in it, for a frozen server acknowledges nothing
        fragile.server.pause()
        leave.set()
        eventually(lambda: len(status(client).topics) == 2)
    fragile.server.kill()
    eventually(lambda: status(client).state == "waiting")
    leave.set()
    fragile.server.restart()
    client.realtime.wait_active()
    posts.create({"title": "after"})
    assert titles(witness.have(2)) == ["before", "after"]
    if misbehaviour == "unsubscribe":
        assert len(calls.items) == 1
    else:
        calls.have(2)
    if misbehaviour == "subscribe":
        others.create({"title": "nested"})
        assert titles(nested.have(1)) == ["nested"]


@pytest.mark.parametrize("moment", ["connected", "waiting"])
def test_close_in_a_callback_while_the_connection_drops_ends_everything(
    fragile: World, moment: str
) -> None:
    """`close` in a callback during a connection loss returns within 1 s, completes streams."""
    posts = fragile.collection()
    client = fragile.client(backoff=QUICK)
    mine = client.collection(posts.name)
    entered, leave = threading.Event(), threading.Event()
    took: list[float] = []

    def close(_: Event) -> None:
        entered.set()
        leave.wait(30)
        began = monotonic()
        client.close()
        took.append(monotonic() - began)

    mine.subscribe("*", close)
    received = collect(mine.observe("*"))
    posts.create({})
    assert entered.wait(10)
    if moment == "waiting":
        fragile.server.kill()
        eventually(lambda: status(client).state == "waiting")
        leave.set()
    else:
        leave.set()
        fragile.server.kill()
    received.end()
    eventually(lambda: took)
    assert took[0] <= CLOSED_WITHIN
    assert client.is_closed


def test_close_is_quick_and_leaves_no_thread_in_any_state(fragile: World) -> None:
    """In each connection state `close` returns within 1 s; its threads end within 1.5 s."""
    posts = fragile.collection()
    before = set(threading.enumerate())

    def closing(client: BosBase) -> None:
        began = monotonic()
        client.close()
        assert monotonic() - began <= CLOSED_WITHIN
        mine = [t for t in threading.enumerate() if t not in before]
        for thread in mine:
            thread.join(max(0.0, began + ENDED_WITHIN - monotonic()))
        assert [thread.name for thread in mine if thread.is_alive()] == []

    closing(fragile.client())
    active = fragile.client()
    collect(active.collection(posts.name).observe("*"))
    active.realtime.wait_active()
    closing(active)
    frozen = fragile.client()
    collect(frozen.collection(posts.name).observe("*"))
    frozen.realtime.wait_active()
    fragile.server.pause()
    closing(frozen)
    connecting = fragile.client()
    collect(connecting.collection(posts.name).observe("*"))
    collect(connecting.realtime.status).first(lambda now: now.state == "connecting")
    closing(connecting)
    fragile.server.resume()
    fragile.server.kill()
    waiting = fragile.client()
    collect(waiting.collection(posts.name).observe("*"))
    collect(waiting.realtime.status).first(lambda now: now.state == "waiting")
    closing(waiting)


def test_twenty_threads_subscribing_and_disposing_end_with_the_right_topics(
    fragile: World,
) -> None:
    """20 threads that subscribe and dispose across a restart end with the right topics."""
    posts = fragile.collection()
    client = fragile.client(backoff=QUICK)
    mine = client.collection(posts.name)
    ids = [f"{number:015d}" for number in range(10)]
    stop = monotonic() + 1.5
    kept: dict[int, Received[Event]] = {}

    def churn(number: int) -> None:
        turn = number
        while monotonic() < stop:
            turn += 1
            collect(mine.observe(ids[turn % 10])).dispose()
        if number % 2:
            kept[number] = collect(mine.observe(ids[number // 2]))

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    fragile.server.restart()  # the drop in the middle
    for thread in threads:
        thread.join()
    client.realtime.wait_active()
    assert sorted(status(client).topics) == sorted(f"{posts.name}/{id}" for id in ids)
    for id in ids:
        posts.create({"id": id})
    for number, received in kept.items():
        assert [event.record["id"] for event in received.have(1)] == [ids[number // 2]]
