"""Hot streams of a collection's events, on the real server."""

from __future__ import annotations

import threading

import pytest
from support.live_schema import Event, Received, World, collect, status, titles

from rxbosbase import ClientClosedError, RequestTimeoutError

pytest_plugins = ["support.live_fixtures"]

UNICODE = [
    "Zażółć gęślą jaźń, ŁÓDŹ",
    "👩‍👩‍👧 🇵🇱 🫠",
    "日本語 עברית ‮العربية",
    "e\u0301 \ufeff bom \ufffd",
    "first\nsecond\r\nthird\rfourth",
    *(f"before{separator}after" for separator in "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"),
    "data: x\n\nevent: y\nid: z\n\n",
    "\x01\x02\x1f\x7f\x80\x9f",
    "x" * 50_000,
]


# -- what arrives ----------------------------------------------------------------------------------


def test_create_update_and_delete_of_any_record_arrive_on_the_star_topic(world: World) -> None:
    """The topic `*` delivers create, update and delete, with the record as the API has it."""
    posts = world.collection()
    received = collect(world.client().collection(posts.name).observe("*"))
    world.wait_active()
    created = posts.create({"title": "one", "n": 1})
    updated = posts.update(created["id"], {"title": "two"})
    posts.delete(created["id"])
    events = received.have(3)
    assert {event.action for event in events} == {"create", "update", "delete"}
    by_action = {event.action: event for event in events}
    assert by_action["create"].record == {**created}
    assert by_action["update"].record == updated
    assert by_action["delete"].record == updated  # its last state
    assert {event.topic for event in events} == {f"{posts.name}/*"}
    assert by_action["create"]["record"]["title"] == "one"


def test_a_record_topic_carries_that_record_alone(world: World) -> None:
    """A record topic delivers the update and delete of its record, and of no other."""
    posts = world.collection()
    mine, other = posts.create({"title": "mine"}), posts.create({"title": "other"})
    received = collect(posts.observe(mine["id"]))
    world.wait_active()
    posts.update(other["id"], {"title": "other 2"})
    posts.update(mine["id"], {"title": "mine 2"})
    posts.delete(mine["id"])
    events = received.have(2)
    assert {(event.action, event.record["title"]) for event in events} == {
        ("update", "mine 2"),
        ("delete", "mine 2"),
    }
    assert {event.topic for event in events} == {f"{posts.name}/{mine['id']}"}


def test_a_record_topic_delivers_once_its_record_is_created(world: World) -> None:
    """A topic of a record that does not exist yet delivers its creation."""
    posts = world.collection()
    id = world.id("a")
    received = collect(posts.observe(id))
    world.wait_active()
    posts.create({"id": id, "title": "late"})
    assert titles(received.have(1)) == ["late"]


def test_events_come_by_the_collections_id_as_well_as_by_its_name(world: World) -> None:
    """A collection may be observed by its id; events then have the id in their topic."""
    posts = world.collection()
    ident = world.admin.collections.get(posts.name)["id"]
    received = collect(world.admin.collection(ident).observe("*"))
    world.wait_active()
    posts.create({"title": "by id"})
    assert received.have(1)[0].topic == f"{ident}/*"


@pytest.mark.parametrize("text", UNICODE, ids=lambda text: ascii(text[:20]))
def test_text_in_records_arrives_as_it_was_written(world: World, text: str) -> None:
    """Any Unicode text in a record arrives unchanged, with line separators and controls."""
    posts = world.collection()
    received = collect(posts.observe("*"))
    world.wait_active()
    stored = posts.create({"title": text})
    assert stored["title"] == text
    assert titles(received.have(1)) == [text]


@pytest.mark.parametrize("text", UNICODE[:-1], ids=lambda text: ascii(text[:20]))
def test_text_in_a_filter_selects_the_records_that_hold_it(world: World, text: str) -> None:
    """A filter with any Unicode text delivers the records that hold it, and no others."""
    posts = world.collection()
    condition = world.admin.filter("title = {:text}", text=text)
    received = collect(posts.observe("*", filter=condition))
    world.wait_active()
    posts.create({"title": "another"})
    posts.create({"title": text})
    assert titles(received.have(1)) == [text]


def test_every_event_of_many_writers_arrives_once(world: World) -> None:
    """400 records created by four threads arrive as 400 events, none lost or repeated."""
    posts = world.collection()
    received = collect(posts.observe("*"))
    world.wait_active()

    def write(writer: int) -> None:
        for number in range(100):
            posts.create({"n": writer * 1000 + number})

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    events = received.have(400)
    assert len(events) == len({event.record["n"] for event in events}) == 400


# -- hot, shared, lazy -----------------------------------------------------------------------------


def test_building_a_stream_connects_to_nothing_and_the_last_to_leave_disconnects(
    world: World,
) -> None:
    """`observe` connects at the first subscription and disconnects after the last."""
    posts = world.collection()
    client = world.client()
    stream = client.collection(posts.name).observe("*")
    assert status(client).state == "idle"
    first, second = collect(stream), collect(stream)
    client.realtime.wait_active()
    posts.create({"title": "both"})
    assert titles(first.have(1)) == titles(second.have(1)) == ["both"]
    assert first.items[0] is second.items[0]  # decoded once, shared by all
    first.dispose()
    posts.create({"title": "second alone"})
    second.have(2)
    second.dispose()
    collect(client.realtime.status).first(lambda now: now.state == "idle")
    assert not client.realtime.is_connected
    assert client.realtime.client_id == ""
    assert titles(first.items) == ["both"]


def test_a_stream_can_be_subscribed_to_again_after_its_end(world: World) -> None:
    """A stream whose subscription was disposed can be subscribed to again."""
    posts = world.collection()
    stream = posts.observe("*")
    collect(stream).dispose()
    received = collect(stream)
    world.wait_active()
    posts.create({"title": "again"})
    assert titles(received.have(1)) == ["again"]


# -- the callback form -----------------------------------------------------------------------------


def test_subscribe_returns_once_the_server_will_send(world: World) -> None:
    """`subscribe` returns connected, so that a record created next is delivered."""
    posts = world.collection()
    received: Received[Event] = Received()
    with posts.subscribe("*", received):
        assert world.admin.realtime.is_connected
        posts.create({"title": "at once"})
        assert titles(received.have(1)) == ["at once"]
    assert status(world.admin).topics == ()


@pytest.mark.parametrize("how", ["call", "dispose", "with", "topic", "collection", "everything"])
def test_every_way_to_unsubscribe_ends_the_events_and_closes_the_connection(
    world: World, how: str
) -> None:
    """After any form of unsubscribing, no event is delivered and the connection closes."""
    posts = world.collection()
    client = world.admin
    received: Received[Event] = Received()
    unsubscribe = posts.subscribe("*", received, filter="n >= 0")
    witness: Received[Event] = Received()
    with world.client().collection(posts.name).subscribe("*", witness):
        if how == "call":
            unsubscribe()
        elif how == "dispose":
            unsubscribe.dispose()
        elif how == "with":
            with unsubscribe:
                pass
        elif how == "topic":
            posts.unsubscribe("*")
        elif how == "collection":
            posts.unsubscribe()
        else:
            client.realtime.unsubscribe()
        collect(client.realtime.status).first(lambda now: now.state == "idle")
        posts.create({"title": "unheard"})
        witness.have(1)
    unsubscribe()  # a second call does nothing
    assert received.items == []


def test_unsubscribe_completes_all_option_variants_of_its_topic_and_no_other(
    world: World,
) -> None:
    """`unsubscribe("*")` completes its streams with any options, and no other topic's."""
    posts, others = world.collection(), world.collection("others")
    record = posts.create({"title": "r"})
    plain, filtered = collect(posts.observe("*")), collect(posts.observe("*", filter="n > 0"))
    single, elsewhere = collect(posts.observe(record["id"])), collect(others.observe("*"))
    world.wait_active()
    posts.unsubscribe("*")
    plain.end()
    filtered.end()
    posts.update(record["id"], {"n": 5})
    others.create({"title": "still"})
    single.have(1)
    elsewhere.have(1)
    posts.unsubscribe(record["id"])
    single.end()
    others.create({"title": "still there"})
    elsewhere.have(2)
    assert not plain.items
    assert not filtered.items
    assert not elsewhere.completed


def test_unsubscribe_of_a_collection_leaves_those_whose_names_begin_alike(world: World) -> None:
    """`unsubscribe()` of a collection keeps one whose name begins with the same text."""
    posts = world.collection("aa")
    name = posts.name + "b"
    world.admin.collections.create({"name": name, "type": "base", "fields": []})
    alike = collect(world.admin.collection(name).observe("*"))
    gone = collect(posts.observe("*"))
    world.wait_active()
    posts.unsubscribe()
    gone.end()
    world.wait_active()
    world.admin.collection(name).create({})
    alike.have(1)


def test_a_blocking_subscribe_inside_a_callback_works(world: World) -> None:
    """A `subscribe` to another collection inside a callback returns and delivers."""
    posts, others = world.collection(), world.collection("others")
    inner: Received[Event] = Received()
    stood = threading.Event()

    def nest(_: Event) -> None:
        others.subscribe("*", inner)
        stood.set()

    posts.subscribe("*", nest)
    posts.create({})
    assert stood.wait(5)
    others.create({"title": "nested"})
    assert titles(inner.have(1)) == ["nested"]


def test_a_callback_that_unsubscribes_itself_is_not_called_again(world: World) -> None:
    """A callback that unsubscribes itself gets no further event."""
    posts = world.collection()
    received: Received[Event] = Received()
    witness = collect(posts.observe("*"))

    def once(event: Event) -> None:
        received(event)
        unsubscribe()

    unsubscribe = posts.subscribe("*", once)
    world.wait_active()
    for _ in range(3):
        posts.create({})
    witness.have(3)
    assert len(received.items) == 1


def test_a_raising_callback_stays_and_a_raising_observer_is_removed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A callback that raises stays, an observer that raises is removed; others get all events."""
    posts = world.collection()
    calls: Received[Event] = Received()
    pushed: Received[Event] = Received()

    def raise_in_callback(event: Event) -> None:
        calls(event)
        raise ZeroDivisionError("in the callback")

    def raise_in_observer(event: Event) -> None:
        pushed(event)
        raise ZeroDivisionError("in the observer")

    posts.subscribe("*", raise_in_callback)
    posts.observe("*").subscribe(raise_in_observer)
    witness = collect(posts.observe("*"))
    world.wait_active()
    for _ in range(3):
        posts.create({})
    witness.have(3)
    calls.have(3)
    assert len(pushed.items) == 1
    assert "in the callback" in caplog.text and "in the observer" in caplog.text


def test_an_acknowledgement_that_does_not_come_is_a_timeout_error(fragile: World) -> None:
    """`subscribe` raises RequestTimeoutError without an acknowledgement and removes the topic."""
    posts = fragile.collection()
    fragile.server.pause()
    with pytest.raises(RequestTimeoutError, match=r"not acknowledged within 0\.2 s.*connecting"):
        posts.subscribe("*", print, timeout=0.2)
    fragile.server.resume()
    collect(fragile.admin.realtime.status).first(lambda now: now.state == "idle" and not now.topics)


def test_wait_active_times_out_while_the_server_is_frozen(fragile: World) -> None:
    """`wait_active` raises RequestTimeoutError while the server is paused."""
    posts = fragile.collection()
    fragile.admin.realtime.wait_active(0.001)  # no topic is registered: at once
    fragile.server.pause()
    collect(posts.observe("*"))
    with pytest.raises(RequestTimeoutError):
        fragile.admin.realtime.wait_active(0.1)
    fragile.server.resume()
    fragile.admin.realtime.wait_active()


# -- the iterator ----------------------------------------------------------------------------------


def test_the_iterator_gives_every_event_from_the_moment_it_was_entered(world: World) -> None:
    """`events` yields every event since its block was entered, and none after it."""
    posts = world.collection()
    with posts.events("*") as events:
        written = [posts.create({"title": f"{number}"})["id"] for number in range(5)]
        seen = [next(events).record["id"] for _ in range(5)]
    assert sorted(seen) == sorted(written)
    assert list(events) == []
    assert status(world.admin).topics == ()


def test_a_small_iterator_holds_events_back_and_loses_none(world: World) -> None:
    """`events(size=2)` loses none of 50 events written before the first is read."""
    posts = world.collection()
    with posts.events("*", size=2) as events:
        for number in range(50):
            posts.create({"n": number})
        assert {next(events).record["n"] for _ in range(50)} == set(range(50))


def test_the_iterator_ends_when_its_topic_is_unsubscribed_or_its_client_closed(
    world: World,
) -> None:
    """`events` ends without an error when its topic is unsubscribed or the client closed."""
    posts = world.collection()
    with posts.events("*") as events:
        posts.create({"title": "last"})
        assert next(events).record["title"] == "last"
        posts.unsubscribe("*")
        assert list(events) == []
    client = world.client()
    with client.collection(posts.name).events("*") as events:
        client.close()
        assert list(events) == []


# -- the end ---------------------------------------------------------------------------------------


def test_close_completes_the_streams_and_further_use_is_an_error(world: World) -> None:
    """`close` completes every stream, may be repeated, and later use raises ClientClosedError."""
    posts = world.collection()
    client = world.client()
    mine = client.collection(posts.name)
    received, states = collect(mine.observe("*")), collect(client.realtime.status)
    everything = collect(client.realtime.events)
    gone: Received[list[str]] = Received()
    client.realtime.on_disconnect = gone
    client.realtime.wait_active()
    client.close()
    client.close()
    for stream in (received, states, everything):
        stream.end()
    assert states.items[-1].state == "closed"
    assert gone.items == [[]]
    for use in (
        lambda: mine.get_list(),
        lambda: mine.subscribe("*", print),
        lambda: mine.observe("*").subscribe(print),
        lambda: client.realtime.wait_active(),
        lambda: client.health(),
    ):
        with pytest.raises(ClientClosedError):
            use()


def test_close_inside_a_callback_ends_everything(world: World) -> None:
    """`close` inside a callback completes the streams and closes the client."""
    posts = world.collection()
    client = world.client()
    mine = client.collection(posts.name)
    received: Received[Event] = collect(mine.observe("*"))
    mine.subscribe("*", lambda _: client.close())
    posts.create({})
    posts.create({})
    received.end()
    assert client.is_closed
    assert status(client).state == "closed"
