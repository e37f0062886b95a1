"""The server's set of topics becomes the wanted set: bursts, identities and limits."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import Any, cast

import pytest
from support import wire_server as wire
from support.realtime_client import connect, ignore, statuses, wait_state, wait_until
from support.seen import LIMIT, Seen, run_thread

from rxbosbase import AuthState, AuthStore, BackoffPolicy, BosBase, ClientResponseError, RecordEvent
from rxbosbase.realtime.protocol.topics import MAX_TOPIC_LENGTH, MAX_TOPICS
from rxbosbase.runtime.thread_scheduler import ThreadScheduler

Event = RecordEvent[dict[str, Any]]

LONG = bool(os.environ.get("RXBOSBASE_LONG"))
"""Set in the environment, the threads of the stress test run for ten seconds."""


# -- bursts


def test_a_thousand_subscriptions_in_a_loop_need_at_most_three_posts(
    server: wire.WireServer, client: BosBase
) -> None:
    """1000 subscriptions in a loop take at most 3 POSTs, and so do 999 disposals."""
    posts = client.collection("posts")
    subscriptions = [posts.observe(f"r{n}").subscribe(ignore) for n in range(1000)]
    client.realtime.wait_active(LIMIT)
    assert len(server.posts) <= 3
    assert len(server.posts[-1]) == len(set(server.posts[-1])) == 1000
    made = len(server.posts)
    for subscription in subscriptions[1:]:
        subscription.dispose()
    client.realtime.wait_active(LIMIT)
    assert server.posts[-1] == ["posts/r0"]
    assert len(server.posts) - made <= 3


def test_a_burst_on_an_open_connection_is_coalesced_too(
    server: wire.WireServer, client: BosBase
) -> None:
    """999 subscriptions on an open connection take at most 3 further POSTs."""
    client.collection("posts").subscribe("*", ignore)
    for n in range(999):
        client.collection("posts").observe(f"r{n}").subscribe(ignore)
    client.realtime.wait_active(LIMIT)
    assert len(server.posts) <= 4
    assert len(server.posts[-1]) == 1000


def test_one_post_is_in_flight_and_the_next_has_all_topics_added_meanwhile(
    server: wire.WireServer, client: BosBase
) -> None:
    """One POST is in flight at a time; the next one has all topics added meanwhile."""
    gate = wire.Gate()
    server.post_answers.append(wire.delay(gate))
    posts = client.collection("posts")
    posts.observe("*").subscribe(ignore)
    server.wait_post(1)
    results = [
        run_thread(lambda name=name: posts.subscribe(name, ignore))  # type: ignore[misc]
        for name in ("r1", "r2", "r3")
    ]
    wait_until(client, lambda: client.realtime.stats.topics == 4)
    assert len(server.posts) == 1
    gate.set()
    for result in results:
        result()
    assert len(server.posts) == 2
    assert sorted(server.posts[1]) == ["posts/*", "posts/r1", "posts/r2", "posts/r3"]


def test_a_topic_added_and_disposed_within_a_burst_causes_no_post(
    server: wire.WireServer, client: BosBase
) -> None:
    """A topic added and disposed while a POST is in flight causes no POST."""
    posts = client.collection("posts")
    posts.subscribe("*", ignore)
    gate = wire.Gate()
    server.post_answers.append(wire.delay(gate))
    posts.observe("r1").subscribe(ignore)
    server.wait_post(2)
    posts.observe("r2").subscribe(ignore).dispose()
    gate.set()
    client.realtime.wait_active(LIMIT)
    assert len(server.posts) == 2


def test_topics_added_during_the_backoff_of_a_post_cause_no_post(
    server: wire.WireServer,
) -> None:
    """Topics added during the backoff of a POST cause no POST before its end."""
    calm = BackoffPolicy(initial=60.0, maximum=60.0, jitter=False)
    with connect(server, backoff=calm) as client:
        seen = statuses(client)
        server.post_answers.append(wire.status(500))
        posts = client.collection("posts")
        posts.observe("*").subscribe(ignore)
        seen.until(lambda items: items and items[-1].error is not None)
        for n in range(100):
            posts.observe(f"r{n}").subscribe(ignore)
        with pytest.raises(TimeoutError):
            client.realtime.wait_active(0.05)
        assert server.posts == [["posts/*"]]
        client.realtime.reconnect_now()  # a new stream does not wait for the old one's backoff
        client.realtime.wait_active(LIMIT)
        assert len(server.posts[-1]) == 101


def test_subscribing_while_posts_fail_leaves_few_timers(
    server: wire.WireServer, client: BosBase
) -> None:
    """Subscribing while POSTs fail leaves at most 3 timers."""
    posts = client.collection("posts")
    gates = [wire.Gate() for _ in range(20)]
    server.post_answers += [wire.delay(gate, wire.status(500)) for gate in gates]
    posts.observe("*", check=False).subscribe(ignore)
    waiting = 0
    for n, gate in enumerate(gates):
        server.wait_post(n + 1)
        posts.observe(f"r{n}", check=False).subscribe(ignore)
        waiting = len(cast(ThreadScheduler, client.service._settings.control)._timers)
        gate.set()
    assert waiting <= 3
    client.realtime.wait_active(LIMIT)


def test_threads_that_subscribe_and_dispose_leave_the_wanted_set_on_the_server(
    server: wire.WireServer, client: BosBase
) -> None:
    """20 threads that subscribe and dispose leave exactly the remaining topics."""
    end = time.monotonic() + (10.0 if LONG else 2.0)
    kept: Seen[str] = Seen()
    failures: Seen[BaseException] = Seen()

    def storm(seed: int) -> None:
        chance = random.Random(seed)
        subscriptions: list[tuple[str, Any]] = []
        while time.monotonic() < end:
            if subscriptions and chance.random() < 0.5:
                subscriptions.pop(chance.randrange(len(subscriptions)))[1].dispose()
                continue
            name = f"r{chance.randrange(6)}" if chance.random() < 0.7 else f"own{seed}"
            if chance.random() < 0.05:
                subscriptions.append((name, posts.subscribe(name, ignore, timeout=20.0)))
            else:
                subscriptions.append((name, posts.observe(name).subscribe(ignore)))
        for name, _ in subscriptions:
            kept(f"posts/{name}")

    def guarded(seed: int) -> None:
        try:
            storm(seed)
        except BaseException as error:
            failures(error)

    posts = client.collection("posts")
    threads = [threading.Thread(target=guarded, args=(seed,)) for seed in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
        assert not thread.is_alive()
    assert failures.items == []
    client.realtime.wait_active(20.0)
    assert set(server.stream.topics) == set(kept.items) == set(server.posts[-1])
    assert server.gets == 1


def test_random_changes_over_a_failing_network_end_with_the_wanted_set(
    server: wire.WireServer, client: BosBase
) -> None:
    """Random changes of topics over a failing network end with the right topics."""
    chance = random.Random(7)
    faults = [wire.status(500), wire.drop(), wire.reset(), wire.problem(404), wire.NORMAL]
    server.on_post = lambda n: chance.choice(faults) if n % 2 else None
    server.on_stream = lambda n: wire.status(503) if n % 3 == 0 else None
    posts = client.collection("posts")
    subscriptions: dict[str, Any] = {}
    for step in range(300):
        name = f"r{chance.randrange(20)}"
        if name in subscriptions:
            subscriptions.pop(name).dispose()
        else:
            subscriptions[name] = posts.observe(name).subscribe(ignore)
        if step % 25 == 0:
            for stream in server.streams:
                stream.cut()
            client.realtime.reconnect_now()
    if not subscriptions:
        subscriptions["r0"] = posts.observe("r0").subscribe(ignore)
    client.realtime.wait_active(20.0)
    server.wait_for(
        lambda: (
            server.streams
            and set(server.streams[-1].topics) == {f"posts/{n}" for n in subscriptions}
        )
    )


# -- identity


@pytest.fixture
def logged_in(server: wire.WireServer, client: BosBase) -> wire.Stream:
    """The stream of ann, whose topic is up."""
    client.auth_store.save(wire.make_token("ann"))
    client.collection("posts").subscribe("*", ignore)
    return server.stream


@pytest.mark.parametrize("who", ["", "bob"])
def test_a_logout_and_another_user_renew_the_stream(
    server: wire.WireServer, client: BosBase, logged_in: wire.Stream, who: str
) -> None:
    """A logout or another user's login opens a new stream, without `on_disconnect`."""
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    assert logged_in.auth.endswith("/ann")
    if who:
        client.auth_store.save(wire.make_token(who))
    else:
        client.auth_store.clear()
    server.wait_accepted(2)
    client.realtime.wait_active(LIMIT)
    assert server.stream is not logged_in
    assert server.stream.auth.endswith(who)
    assert server.stream.topics == ["posts/*"]
    assert lost.items == []


def test_a_login_renews_a_stream_without_a_login(server: wire.WireServer, client: BosBase) -> None:
    """A login replaces the stream that was opened without a login."""
    seen: Seen[Event] = Seen()
    client.collection("posts").subscribe("*", seen)
    assert server.stream.auth == ""
    client.collection("users").auth_with_password("ann@example.com", "password123")
    server.wait_accepted(2)
    client.realtime.wait_active(LIMIT)
    assert server.gets == 2
    assert server.stream.auth.endswith("annexamplecom00")
    server.send("posts/*", {"id": "a"})
    seen.wait(1)


def test_a_refresh_of_the_same_user_submits_again_on_the_same_stream(
    server: wire.WireServer, client: BosBase, logged_in: wire.Stream
) -> None:
    """A refresh of the same user submits again on the same stream, with the new token."""
    client.auth_store.save(wire.make_token("ann", serial=2))
    server.wait_accepted(2)
    client.realtime.wait_active(LIMIT)
    assert server.stream is logged_in
    assert server.posts == [["posts/*"]] * 2
    post = server.requests_to("/api/realtime", "POST")[-1]
    assert post.auth == client.auth_store.token


@pytest.mark.parametrize("topics_before", [0, 1])
def test_a_refresh_during_a_post_submits_again_under_the_new_token(
    server: wire.WireServer, client: BosBase, topics_before: int
) -> None:
    """A refresh while a POST is in flight submits again with the new token."""
    client.auth_store.save(wire.make_token("ann"))
    for n in range(topics_before):
        client.collection("posts").subscribe(f"r{n}", ignore)
    gate = wire.Gate()
    server.post_answers.append(wire.delay(gate))
    client.collection("posts").observe("*").subscribe(ignore)
    server.wait_post(topics_before + 1)
    client.auth_store.save(wire.make_token("ann", serial=2))
    gate.set()
    server.wait_accepted(topics_before + 2)
    assert server.requests_to("/api/realtime", "POST")[-1].auth == client.auth_store.token
    assert server.gets == 1


def test_a_topic_added_in_an_observer_of_a_login_is_no_loss(
    server: wire.WireServer,
) -> None:
    """A topic added in an observer of a login does not call `on_disconnect`."""
    store = AuthStore()
    clients: list[BosBase] = []

    def first_to_hear(state: AuthState) -> None:
        # On the stream of ann the server refuses a POST with the token of bob.
        for each in clients:
            each.collection("posts").subscribe("r1", ignore)

    store.changes.subscribe(first_to_hear)
    store.save(wire.make_token("ann"))
    with connect(server, auth_store=store) as client:
        lost: Seen[list[str]] = Seen()
        client.realtime.on_disconnect = lost
        client.collection("posts").subscribe("*", ignore)
        clients.append(client)
        store.save(wire.make_token("bob"))
        client.realtime.wait_active(LIMIT)
        server.wait_for(lambda: server.streams and server.streams[-1].auth.endswith("/bob"))
        assert lost.items == []


def test_a_login_is_not_delayed_by_a_hanging_post(server: wire.WireServer, client: BosBase) -> None:
    """A login opens a new stream at once, also while a POST gets no response."""
    server.post_answers.append(wire.hang())
    client.collection("posts").observe("*").subscribe(ignore)
    server.wait_post(1)
    client.auth_store.save(wire.make_token("ann"))
    client.realtime.wait_active(LIMIT)
    assert server.stream.auth.endswith("/ann")
    assert server.gets == 2


def test_a_login_without_a_connection_is_used_by_the_next(
    server: wire.WireServer, client: BosBase
) -> None:
    """A login without a connection is used by the next one, with one POST and a probe."""
    server.refuse_connections()
    client.collection("posts").observe("*").subscribe(ignore)
    wait_state(client, "waiting")
    client.auth_store.save(wire.make_token("ann"))
    server.accept_connections()
    client.realtime.wait_active(LIMIT)
    assert server.stream.auth.endswith("/ann")
    posts = server.requests_to("/api/realtime", "POST")
    assert [bool(request.auth) for request in posts] == [True, False]


def test_many_logins_end_with_the_last_one(
    server: wire.WireServer, client: BosBase, logged_in: wire.Stream
) -> None:
    """31 logins in a row end with one stream of the last identity."""
    for n in range(30):
        client.auth_store.save(wire.make_token(f"user{n}"))
    client.auth_store.save(wire.make_token("last"))
    client.realtime.wait_active(LIMIT)
    server.wait_for(lambda: server.streams and server.streams[-1].auth.endswith("/last"))
    server.wait_streams(1)


# -- limits


def test_a_topic_that_is_too_long_is_refused_before_it_is_sent(
    server: wire.WireServer, client: BosBase
) -> None:
    """A topic of more than 2500 bytes raises a 400 error and is not sent."""
    name = "x" * MAX_TOPIC_LENGTH
    client.realtime.subscribe(name, ignore)
    with pytest.raises(ClientResponseError, match="shorten the filter") as caught:
        client.realtime.observe(name + "x")
    assert caught.value.status == 400
    with pytest.raises(ClientResponseError, match="the server takes 2500"):
        client.collection("posts").observe("*", filter="x" * 2500)
    with pytest.raises(ClientResponseError):
        client.collection("posts").subscribe("*", ignore, filter="x" * 2500)
    assert server.posts == [[name]]


def client_ids(connects: list[Any]) -> list[str]:
    """Return the client ids in messages of PB_CONNECT, sorted."""
    return sorted(message["clientId"] for message in connects)


def test_more_than_a_thousand_topics_need_more_connections(
    server: wire.WireServer, client: BosBase
) -> None:
    """1005 topics take two streams; a loss of both is restored and reported once."""
    seen: Seen[Event] = Seen()
    connects: Seen[Any] = Seen()
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    posts = client.collection("posts")
    subscriptions = [
        posts.observe(f"r{n}", check=False).subscribe(seen) for n in range(MAX_TOPICS + 5)
    ]
    client.realtime.observe("PB_CONNECT").subscribe(connects)
    client.realtime.wait_active(LIMIT)
    server.wait_streams(2)
    assert sorted(len(stream.topics) for stream in server.streams) == [5, MAX_TOPICS]
    assert len(server.posts) <= 4
    assert client_ids(connects.wait(2)) == [stream.client_id for stream in server.all_streams]
    server.send("posts/r0", {"id": "r0"})
    server.send(f"posts/r{MAX_TOPICS + 4}", {"id": "far"})
    assert {event.record["id"] for event in seen.wait(2)} == {"r0", "far"}
    for stream in server.streams:
        stream.cut()
    wait_until(client, lambda: client.realtime.stats.reconnects == 2)
    server.wait_streams(2)
    client.realtime.wait_active(LIMIT)
    assert sorted(len(stream.topics) for stream in server.streams) == [5, MAX_TOPICS]
    assert client_ids(connects.wait(4)) == [stream.client_id for stream in server.all_streams]
    assert [len(topics) for topics in lost.wait(1)] == [MAX_TOPICS + 6]  # + PB_CONNECT
    for subscription in subscriptions[MAX_TOPICS:]:
        subscription.dispose()
    server.wait_streams(1)
    assert wait_state(client, "active").client_id == server.stream.client_id
    assert client.realtime.is_connected


def test_a_failed_second_connection_does_not_keep_the_status_failed(
    server: wire.WireServer,
) -> None:
    """A second connection that failed does not keep `status` at `failed`."""
    server.refuse_connections()
    policy = BackoffPolicy(initial=0.001, jitter=False, max_attempts=2)
    with connect(server, backoff=policy) as client:
        errors: Seen[Exception] = Seen()
        for n in range(MAX_TOPICS + 1):
            client.realtime.observe(f"r{n}").subscribe(ignore, errors)
        errors.until(lambda items: len(items) >= 2)
        wait_until(client, lambda: client.realtime.stats.topics == 0)
        wait_state(client, "failed")
        server.accept_connections()
        client.realtime.subscribe("chat", ignore)
        wait_state(client, "active")
        assert client.realtime.is_connected
