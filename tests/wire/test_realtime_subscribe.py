"""Subscribing with callbacks and observers, and every way to unsubscribe."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest
from support import wire_server as wire
from support.realtime_client import connect, statuses, wait_state
from support.seen import LIMIT, Seen, run_thread, wait_event

from rxbosbase import BackoffPolicy, BosBase, Message, RecordEvent, RequestTimeoutError, Unsubscribe

Event = RecordEvent[dict[str, Any]]


def test_an_observed_topic_is_lazy_hot_and_shared(server: wire.WireServer, client: BosBase) -> None:
    """`observe` connects when it is subscribed; all observers get the same event object."""
    posts = client.collection("posts").observe("*")
    one = client.collection("posts").observe("r1")
    assert server.connections == 0
    first: Seen[Event] = Seen()
    second: Seen[Event] = Seen()
    third: Seen[Event] = Seen()
    posts.subscribe(first)
    posts.subscribe(second)
    one.subscribe(third)
    client.realtime.wait_active(LIMIT)
    assert sorted(server.posts[-1]) == ["posts/*", "posts/r1"]
    server.send("posts/*", {"id": "a", "n": 1}, "create")
    server.send("posts/r1", {"id": "r1"}, "delete")
    event = first.wait(1)[0]
    assert second.wait(1)[0] is event  # built once for all
    assert (event.action, event.record, event.topic) == ("create", {"id": "a", "n": 1}, "posts/*")
    assert event["record"]["n"] == 1
    assert third.wait(1)[0].action == "delete"


def test_realtime_events_are_all_messages_of_the_connection(
    server: wire.WireServer, client: BosBase
) -> None:
    """`realtime.events` emits every message, PB_CONNECT included, until its disposal."""
    everything: Seen[Message] = Seen()
    with client.realtime.events.subscribe(everything):
        client.realtime.observe("chat/typing", query={"room": 1}).subscribe(lambda _: None)
        client.realtime.wait_active(LIMIT)
        server.stream.send_frame(server.posts[-1][0], {"who": "ann"})
        messages = everything.wait(2)
    assert [message.topic for message in messages] == ["PB_CONNECT", "chat/typing"]
    assert messages[1]["who"] == "ann"
    server.stream.send_frame(server.posts[-1][0], {"who": "bob"})
    assert everything.count == 2


def test_subscribe_blocks_until_the_topic_is_acknowledged(
    server: wire.WireServer, client: BosBase
) -> None:
    """`subscribe` returns once the server has acknowledged its topic."""
    gate = wire.Gate()
    server.post_answers.append(wire.delay(gate))
    seen: Seen[Event] = Seen()
    result = run_thread(lambda: client.collection("posts").subscribe("*", seen))
    server.wait_post(1)
    with pytest.raises(TimeoutError):
        client.realtime.wait_active(0.05)
    assert server.accepted == 0
    gate.set()
    unsubscribe = result()
    assert isinstance(unsubscribe, Unsubscribe)
    server.wait_accepted(1)
    server.send("posts/*", {"id": "a"})
    assert seen.wait(1)[0].record == {"id": "a"}


def test_subscribe_returns_while_the_post_of_a_later_topic_hangs(
    server: wire.WireServer, client: BosBase
) -> None:
    """`subscribe` waits for its own topic, not for the POST of a later one."""
    first, second = wire.Gate(), wire.Gate()
    server.post_answers.extend([wire.delay(first), wire.delay(second)])

    def subscribe(name: str, timeout: float = LIMIT / 2) -> Unsubscribe:
        return client.realtime.subscribe(name, lambda _: None, timeout=timeout)

    result = run_thread(
        lambda: subscribe("one", timeout=60.0)
    )  # a long wait, which must be notified
    server.wait_post(1)
    client.realtime.observe("two").subscribe(lambda _: None)
    first.set()
    assert sorted(server.wait_post(2)) == ["one", "two"]
    result()
    subscribe("one")
    assert server.accepted == 1
    with pytest.raises(RequestTimeoutError):  # another topic does not end the wait
        subscribe("two", timeout=0.01)
    second.set()
    subscribe("two")


def test_subscribe_raises_after_its_timeout_and_removes_its_topic(
    server: wire.WireServer, client: BosBase
) -> None:
    """`subscribe` raises `RequestTimeoutError` after `timeout` and removes its topic."""
    server.on_post = lambda n: wire.status(500)
    with pytest.raises(RequestTimeoutError, match=r"not acknowledged within 0.1 s; it is"):
        client.collection("posts").subscribe("*", print, timeout=0.1)
    wait_state(client, "idle")


@pytest.mark.parametrize("how", ["call", "dispose", "with"])
def test_the_result_of_subscribe_unsubscribes_in_three_ways(
    server: wire.WireServer, client: BosBase, how: str
) -> None:
    """The result of `subscribe` unsubscribes by a call, `dispose` or a `with` block."""
    ended: Seen[Event] = Seen()
    stays: Seen[Event] = Seen()
    client.collection("other").subscribe("*", stays)
    unsubscribe = client.collection("posts").subscribe("*", ended)
    if how == "call":
        unsubscribe()
        unsubscribe()
    elif how == "dispose":
        unsubscribe.dispose()
    else:
        with unsubscribe as same:
            assert same is unsubscribe
    server.wait_for(lambda: server.posts[-1] == ["other/*"])
    server.stream.send_record("posts/*", {"id": "late"}, "update")
    server.stream.send_record("other/*", {"id": "a"}, "update")
    stays.wait(1)
    assert ended.items == []


def test_a_pb_connect_callback_gets_each_connection(
    server: wire.WireServer, client: BosBase
) -> None:
    """A PB_CONNECT callback gets the message of each connection, without a POST."""
    seen: Seen[Message] = Seen()
    client.realtime.subscribe("PB_CONNECT", seen)
    first = seen.wait(1)[0]
    assert first["clientId"] == client.realtime.client_id == server.stream.client_id
    assert server.posts == []  # the server sends it without a subscription
    server.stream.cut()
    seen.wait(2)
    assert seen.items[1]["clientId"] == server.stream.client_id != first["clientId"]


def test_a_late_pb_connect_subscriber_gets_the_current_one_once(
    server: wire.WireServer, client: BosBase
) -> None:
    """A late PB_CONNECT subscriber gets the current message once."""
    client.collection("posts").subscribe("*", lambda _: None)
    late: Seen[Message] = Seen()
    client.realtime.observe("PB_CONNECT").subscribe(late)
    assert late.wait(1)[0]["clientId"] == server.stream.client_id
    server.send("posts/*", {"id": "a"})
    client.realtime.wait_active(LIMIT)
    assert late.count == 1


def test_a_late_pb_connect_subscriber_gets_one_message_while_its_frame_is_queued(
    server: wire.WireServer, client: BosBase
) -> None:
    """A late PB_CONNECT subscriber gets one message even if its frame is still queued."""
    slow, entered = threading.Event(), threading.Event()
    late: Seen[Message] = Seen()
    done: Seen[Event] = Seen()

    def block(_: Event) -> None:
        entered.set()
        wait_event(slow)

    client.collection("posts").subscribe("*", block)
    client.collection("posts").subscribe("last", done)
    server.send("posts/*", {"id": "a"})
    wait_event(entered)
    server.stream.cut()
    server.wait_streams(1)
    server.wait_accepted(3)
    client.realtime.observe("PB_CONNECT").subscribe(late)
    client.realtime.wait_active(LIMIT)
    slow.set()
    server.send("posts/last", {"id": "last"})
    done.wait(1)
    assert [m["clientId"] for m in late.items] == [server.stream.client_id]


def test_a_pb_connect_subscriber_causes_no_post(server: wire.WireServer, client: BosBase) -> None:
    """Subscribing to PB_CONNECT and unsubscribing from it cause no POST."""
    client.collection("posts").subscribe("*", lambda _: None)
    posts = len(server.posts)
    client.realtime.subscribe("PB_CONNECT", lambda _: None)()
    client.realtime.wait_active(LIMIT)
    assert len(server.posts) == posts


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ("r1", ["posts/*", "posts/*?", "posts/r2", "users/*"]),
        ("*", ["posts/r1", "posts/r2", "users/*"]),
        (None, ["users/*"]),
    ],
)
def test_unsubscribe_removes_a_topic_with_all_its_variants(
    server: wire.WireServer, client: BosBase, target: str | None, left: list[str]
) -> None:
    """`unsubscribe` removes a target with all its options and completes its streams."""
    posts = client.collection("posts")
    completed: Seen[str] = Seen()
    for name in ("*", "r1", "r2"):
        posts.observe(name).subscribe(on_completed=partial(completed, name))
    posts.observe("*", filter="n > 1").subscribe(on_completed=lambda: completed("* filtered"))
    client.collection("users").observe("*").subscribe(on_completed=lambda: completed("users"))
    client.realtime.wait_active(LIMIT)
    posts.unsubscribe(target)
    gone = {"r1": 1, "*": 2, None: 4}[target]
    completed.wait(gone)
    server.wait_for(lambda: len(server.posts[-1]) == 5 - gone)
    names = [topic.partition("options")[0] for topic in server.posts[-1]]
    assert sorted(names) == left
    assert completed.count == gone


def test_unsubscribe_of_a_record_keeps_ids_that_begin_alike(
    server: wire.WireServer, client: BosBase
) -> None:
    """`unsubscribe` does not remove ids or collections that only begin alike."""
    posts = client.collection("posts")
    for name in ("r1", "r11"):
        posts.observe(name).subscribe(lambda _: None)
    client.collection("postscript").observe("*").subscribe(lambda _: None)
    client.realtime.wait_active(LIMIT)
    posts.unsubscribe("r1")
    server.wait_for(lambda: sorted(server.posts[-1]) == ["posts/r11", "postscript/*"])
    posts.unsubscribe()
    server.wait_for(lambda: server.posts[-1] == ["postscript/*"])


def test_with_no_topics_left_the_connection_is_closed_on_purpose(
    server: wire.WireServer, client: BosBase
) -> None:
    """Without topics the connection is closed and `on_disconnect` gets `[]`."""
    lost: Seen[list[str]] = Seen()
    client.realtime.on_disconnect = lost
    unsubscribe = client.collection("posts").subscribe("*", lambda _: None)
    client.realtime.observe("chat").subscribe(lambda _: None)
    unsubscribe()
    client.realtime.unsubscribe("chat")
    server.wait_streams(0)
    assert lost.wait(1) == [[]]
    assert wait_state(client, "idle").client_id == ""
    assert not client.realtime.is_connected
    client.collection("posts").subscribe("*", lambda _: None)
    assert server.gets == 2


def test_unsubscribe_without_a_topic_completes_all_streams(
    server: wire.WireServer, client: BosBase
) -> None:
    """`realtime.unsubscribe()` completes all streams and closes the connection."""
    completed: Seen[str] = Seen()
    client.collection("posts").observe("*").subscribe(on_completed=lambda: completed("posts"))
    client.realtime.observe("PB_CONNECT").subscribe(on_completed=lambda: completed("connect"))
    client.realtime.wait_active(LIMIT)
    client.realtime.unsubscribe()
    assert sorted(completed.wait(2)) == ["connect", "posts"]
    server.wait_streams(0)


def test_unsubscribe_on_another_thread_ends_a_waiting_subscribe(
    server: wire.WireServer, client: BosBase
) -> None:
    """`unsubscribe` on another thread ends a waiting `subscribe` without an error."""
    gate = wire.Gate()
    server.post_answers.append(wire.delay(gate))
    posts = client.collection("posts")
    result = run_thread(lambda: posts.subscribe("*", lambda _: None, timeout=60.0))
    server.wait_post(1)
    posts.unsubscribe("*")
    result()()
    gate.set()


def test_disposing_the_last_topic_ends_wait_active(
    server: wire.WireServer, client: BosBase
) -> None:
    """Disposing the last topic ends a waiting `wait_active`."""
    server.refuse_connections()
    subscription = client.collection("posts").observe("*").subscribe(lambda _: None)
    entered = threading.Event()

    def wait() -> None:
        entered.set()
        client.realtime.wait_active(60.0)

    result = run_thread(wait)
    wait_event(entered)
    wait_state(client, "waiting")
    subscription.dispose()
    result()


def test_options_make_other_topics_and_their_order_does_not(
    server: wire.WireServer, client: BosBase
) -> None:
    """Different options make different topics; their order and spelling do not."""
    posts = client.collection("posts")
    plain: Seen[Event] = Seen()
    some: Seen[Event] = Seen()
    posts.observe("*").subscribe(plain)
    posts.observe("*", query={"a": "1", "filter": "n > 1"}, headers={"X-B": "2"}).subscribe(some)
    posts.observe("*", headers={"x-b": "2"}, filter="n > 1", query={"a": 1}).subscribe(some)
    client.realtime.wait_active(LIMIT)
    assert len(server.posts[-1]) == 2
    wanted = next(topic for topic in server.posts[-1] if "?" in topic)
    server.send(wanted, {"id": "a"})
    assert [event.topic for event in some.wait(2)] == ["posts/*", "posts/*"]
    assert plain.items == []


def test_status_topics_are_the_wanted_ones_also_without_a_connection(
    server: wire.WireServer,
) -> None:
    """`status.topics` follows the subscribed topics also without a connection."""
    server.refuse_connections()
    calm = BackoffPolicy(initial=60.0, maximum=60.0, jitter=False)
    with connect(server, backoff=calm) as client:
        seen = statuses(client)
        client.collection("posts").observe("*").subscribe(lambda _: None)
        seen.until(lambda items: items and items[-1].state == "waiting")
        second = client.collection("posts").observe("r1").subscribe(lambda _: None)
        seen.until(lambda items: set(items[-1].topics) == {"posts/*", "posts/r1"})
        second.dispose()
        seen.until(lambda items: items and items[-1].topics == ("posts/*",))
