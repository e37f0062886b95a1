"""Options and custom topics on the real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.live_schema import Event, Received, World, collect, log_in, status, titles
from support.tested_server import new_server

from rxbosbase import BosBase, ClientResponseError, Message
from rxbosbase.server import EmbeddedServer

pytest_plugins = ["support.live_fixtures"]

HOOK = """
routerAdd("POST", "/broadcast", (e) => {
  const body = e.requestInfo().body
  const message = new SubscriptionMessage({name: body.topic, data: body.data})
  const clients = $app.subscriptionsBroker().clients()
  for (const id in clients) {
    if (clients[id].hasSubscription(body.topic)) clients[id].send(message)
  }
  return e.noContent(204)
})
"""
AUTHOR = {"name": "author", "type": "relation", "maxSelect": 1}


# -- options ---------------------------------------------------------------------------------------


def test_a_filter_lets_only_matching_records_through(world: World) -> None:
    """A stream with `filter` delivers matching records only, and nothing for one that leaves."""
    posts = world.collection()
    received = collect(posts.observe("*", filter="n > 10"))
    world.wait_active()
    posts.create({"title": "small", "n": 1})
    record = posts.create({"title": "big", "n": 11})
    assert titles(received.have(1)) == ["big"]
    posts.update(record["id"], {"title": "left", "n": 2})  # leaving a filter sends no event
    posts.create({"title": "bigger", "n": 12})
    assert titles(received.have(2)) == ["big", "bigger"]


def test_expand_brings_the_related_record_along(world: World) -> None:
    """A stream with `expand` delivers records with their related record."""
    authors = world.collection("authors")
    target = world.admin.collections.get(authors.name)["id"]
    posts = world.collection(fields=({**AUTHOR, "collectionId": target},))
    author = authors.create({"title": "Zażółć"})
    received = collect(posts.observe("*", expand="author"))
    world.wait_active()
    posts.create({"title": "x", "author": author["id"]})
    assert received.have(1)[0].record["expand"]["author"]["title"] == "Zażółć"


def test_fields_choose_what_a_record_carries(world: World) -> None:
    """A stream with `fields` delivers records with those fields alone."""
    posts = world.collection()
    received = collect(posts.observe("*", fields="id,title"))
    world.wait_active()
    record = posts.create({"title": "x", "n": 1})
    assert received.have(1)[0].record == {"id": record["id"], "title": "x"}


def test_headers_reach_the_rules_of_a_topic(world: World) -> None:
    """The `headers` of a topic are checked by the list rule, for each topic separately."""
    rule = '@request.headers.x_tenant = "a"'
    posts = world.collection(listRule=rule)
    mine = world.client().collection(posts.name)
    allowed = collect(mine.observe("*", headers={"X-Tenant": "a"}))
    refused = collect(mine.observe("*", headers={"X-Tenant": "b"}))
    world.wait_active()
    posts.create({"title": "for a"})
    posts.create({"title": "for a too"})
    assert sorted(titles(allowed.have(2))) == ["for a", "for a too"]
    assert not refused.items


def test_free_query_parameters_reach_the_rules_and_numbers_and_bools_become_text(
    world: World,
) -> None:
    """The `query` of a topic is checked by the list rule; numbers and bools become text."""
    posts = world.collection(listRule='@request.query.room = "7" && @request.query.on = "true"')
    mine = world.client().collection(posts.name)
    received = collect(mine.observe("*", query={"room": 7, "on": True}))
    world.wait_active()
    posts.create({"title": "in the room"})
    assert titles(received.have(1)) == ["in the room"]


def test_topics_that_differ_in_options_are_two_and_in_key_order_one(world: World) -> None:
    """Options in another key order share one topic and its events; other options do not."""
    posts = world.collection()
    received = [
        collect(posts.observe("*", query={"filter": "n > 0", "expand": "a"})),
        collect(posts.observe("*", query={"expand": "a", "filter": "n > 0"})),
        collect(posts.observe("*", filter="n > 0", expand="a")),
        collect(posts.observe("*", filter="n > 1", expand="a")),
        collect(posts.observe("*")),
    ]
    world.wait_active()
    assert len(status(world.admin).topics) == 3
    posts.create({"n": 1})
    for same in (*received[:3], received[4]):
        same.have(1)
    assert received[0].items[0] is received[1].items[0] is received[2].items[0]
    assert received[0].items[0] is not received[4].items[0]
    posts.create({"n": 2})
    received[3].have(1)
    assert {event.topic for stream in received for event in stream.items} == {f"{posts.name}/*"}


def test_the_longest_topic_the_library_lets_pass_is_taken_by_the_server(world: World) -> None:
    """A topic of 2500 characters is accepted and delivers; a longer one raises a 400 at once."""
    posts = world.collection()

    def condition(length: int) -> str:
        return "n>0" + "0" * (length - 3)

    room = next(n for n in range(2600, 3, -1) if _fits(world, posts.name, condition(n)))
    received = collect(posts.observe("*", filter=condition(room), check=False))
    world.wait_active()
    wire = status(world.admin).topics[0]
    assert len(wire) == 2500
    posts.create({"n": 1})
    received.have(1)
    received.dispose()
    with pytest.raises(ClientResponseError, match="server takes 2500") as caught:
        posts.observe("*", filter=condition(room + 1))
    assert caught.value.status == 400


def _fits(world: World, name: str, condition: str) -> bool:
    try:
        world.admin.collection(name).observe("*", filter=condition)
    except ClientResponseError:
        return False
    return True


def test_a_topic_length_is_counted_as_the_server_counts_it(world: World) -> None:
    """A topic of 2500 bytes in 1250 characters is accepted; one more byte is an error."""
    topic = "ż" * 1250  # 2500 bytes, 1250 characters
    received = collect(world.admin.realtime.observe(topic))
    world.admin.realtime.wait_active()
    assert received.error is None
    with pytest.raises(ClientResponseError):
        world.admin.realtime.observe(topic + "x")


# -- custom topics ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that broadcasts messages on request."""
    folder: Path = tmp_path_factory.mktemp("hooks")
    (folder / "broadcast.pb.js").write_text(HOOK)
    with new_server(hooks_dir=folder) as server:
        yield server


@pytest.fixture
def radio(hooks: EmbeddedServer) -> Iterator[BosBase]:
    """A client of the broadcasting server, without a login."""
    with hooks.client() as client:
        yield client


def broadcast(client: BosBase, topic: str, data: str) -> None:
    client.send("POST", "/broadcast", body={"topic": topic, "data": data})


@pytest.mark.parametrize(
    "topic",
    ["chat", "chat/lobby", "pokój/żółć 👩‍👩‍👧", "a:b=c&d", "deep/er/topic", "id:x", "日本語", "*"],
)
def test_a_custom_topic_delivers_what_the_server_sends_on_it(radio: BosBase, topic: str) -> None:
    """A custom topic of any name delivers the decoded JSON as a Message."""
    received = collect(radio.realtime.observe(topic))
    radio.realtime.wait_active()
    broadcast(radio, topic, '{"text": "cześć \u2028 👋"}')
    assert received.have(1) == [Message(topic, {"text": "cześć \u2028 👋"})]
    assert received.items[0]["text"] == "cześć \u2028 👋"


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_text_that_is_no_json_arrives_as_it_is_with_every_line_separator(
    radio: BosBase, separator: str
) -> None:
    """Data of a message that is no JSON arrives as text, with its line separators."""
    received = collect(radio.realtime.observe("chat"))
    radio.realtime.wait_active()
    broadcast(radio, "chat", f"plain{separator}text")
    assert received.have(1)[0].data == f"plain{separator}text"


@pytest.mark.parametrize("separator", ["\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x1d"])
def test_a_topic_with_a_line_separator_is_refused_at_once(world: World, separator: str) -> None:
    """`observe` raises ValueError for a topic with a line separator."""
    with pytest.raises(ValueError, match="control characters"):
        world.admin.realtime.observe(f"chat{separator}room")


def test_a_custom_topic_can_carry_options_and_is_named_without_them(radio: BosBase) -> None:
    """A custom topic with options delivers and is unsubscribed under its name without them."""
    received: Received[Message] = Received()
    with radio.realtime.subscribe("chat", received, query={"room": 7}, headers={"X-A": "b"}):
        wire = status(radio).topics[0]
        assert wire.startswith("chat?options=")
        broadcast(radio, wire, "1")
        assert received.have(1) == [Message("chat", 1)]
        radio.realtime.unsubscribe("chat")
        assert status(radio).topics == ()


def test_events_shows_every_message_of_the_connection_and_asks_for_none(radio: BosBase) -> None:
    """`realtime.events` delivers every message, PB_CONNECT too, and opens no connection."""
    everything = collect(radio.realtime.events)
    assert status(radio).state == "idle"
    first = collect(radio.realtime.observe("one"))
    second = collect(radio.realtime.observe("two"))
    radio.realtime.wait_active()
    broadcast(radio, "one", "1")
    broadcast(radio, "two", "2")
    first.have(1)
    second.have(1)
    messages = everything.have(3)
    assert messages[0] == Message("PB_CONNECT", {"clientId": radio.realtime.client_id})
    assert sorted(message.topic for message in messages[1:]) == ["one", "two"]


def test_a_record_topic_observed_as_a_custom_one_gives_plain_messages(world: World) -> None:
    """`realtime.observe` of a record topic delivers Messages and shares the topic."""
    posts = world.collection()
    raw: Received[Message] = collect(world.admin.realtime.observe(f"{posts.name}/*"))
    typed: Received[Event] = collect(posts.observe("*"))
    world.wait_active()
    record = posts.create({"title": "x"})
    typed.have(1)
    assert raw.have(1) == [Message(f"{posts.name}/*", {"action": "create", "record": record})]
    assert len(status(world.admin).topics) == 1


def test_pb_connect_comes_to_early_and_late_subscribers_and_again_after_a_renewal(
    radio: BosBase,
) -> None:
    """PB_CONNECT reaches a late subscriber at once, and every one after each reconnect."""
    early: Received[Any] = Received()
    radio.realtime.subscribe("PB_CONNECT", early)
    first = early.have(1)[0]["clientId"]
    assert first == radio.realtime.client_id
    late: Received[Any] = Received()
    radio.realtime.subscribe("PB_CONNECT", late)
    assert late.have(1)[0]["clientId"] == first
    radio.realtime.reconnect_now()
    second = early.have(2)[1]["clientId"]
    assert second != first
    assert late.have(2)[1]["clientId"] == second
    assert len(early.items) == len(late.items) == 2


def test_pb_connect_alone_keeps_a_connection_and_its_end_closes_it(radio: BosBase) -> None:
    """A subscription to PB_CONNECT alone opens a connection, which closes when it ends."""
    gone: Received[list[str]] = Received()
    radio.realtime.on_disconnect = gone
    with radio.realtime.subscribe("PB_CONNECT", lambda _: None):
        assert radio.realtime.is_connected
        assert len(radio.realtime.client_id) == 40
    assert gone.have(1) == [[]]
    assert status(radio).state == "idle"


def test_a_burst_of_a_thousand_subscriptions_delivers_to_all(hooks: EmbeddedServer) -> None:
    """1001 topics use two connections and three POSTs at most, and all deliver."""
    with hooks.client(auth_store=None) as client:
        client.auth_store.save(log_in(hooks).token)
        received: Received[Message] = Received()
        hooks.pause()  # no POST is made of a part of the topics, however long this takes
        subscriptions = [
            client.realtime.observe(f"topic/{number}").subscribe(received) for number in range(1001)
        ]
        hooks.resume()
        client.realtime.wait_active()
        drivers = client.service.drivers
        assert [len(driver.shard.entries) for driver in drivers] == [1000, 1]
        assert sum(driver.posts for driver in drivers) <= 3
        for number in range(0, 1001, 50):
            broadcast(client, f"topic/{number}", str(number))
        assert sorted(message.data for message in received.have(21)) == list(range(0, 1001, 50))
        for subscription in subscriptions[:1000]:
            subscription.dispose()
        client.realtime.wait_active()
        broadcast(client, "topic/1000", "-1")
        received.first(lambda message: message.data == -1)
        subscriptions[1000].dispose()
        collect(client.realtime.status).first(lambda now: now.state == "idle")
