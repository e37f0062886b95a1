"""``collection.events``: the plain blocking iterator over a stream."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from support import wire_server as wire
from support.realtime_client import wait_until
from support.seen import LIMIT, Seen, run_thread, wait_event

from rxbosbase import BosBase, ClientResponseError, RecordEvent

Event = RecordEvent[dict[str, Any]]


def test_events_are_iterated_in_order_until_the_with_is_left(
    server: wire.WireServer, client: BosBase
) -> None:
    """`events` yields events in order and ends when its `with` block is left."""
    with client.collection("posts").events("*", filter="n > 0") as events:
        topic = server.posts[-1][0]
        for n in range(3):
            server.send(topic, {"id": f"r{n}"})
        assert [next(events).record["id"] for _ in range(3)] == ["r0", "r1", "r2"]
    assert list(events) == []
    server.wait_streams(0)


def test_a_full_iterator_delays_other_subscribers_and_loses_nothing(
    server: wire.WireServer, client: BosBase
) -> None:
    """A full event iterator delays the other subscribers; no event is lost."""
    other: Seen[Event] = Seen()
    with client.collection("posts").events("*", size=2) as events:
        client.collection("posts").subscribe("*", other)
        for n in range(10):
            server.send("posts/*", {"id": f"r{n}"})
        other.wait(2)
        wait_until(client, lambda: len(events._events) == 2)
        assert other.count <= 3
        assert [next(events).record["id"] for _ in range(10)] == [f"r{n}" for n in range(10)]
    other.wait(10)


def test_leaving_the_with_releases_a_waiting_delivery_thread(
    server: wire.WireServer, client: BosBase
) -> None:
    """Leaving the `with` block of a full event iterator releases the delivery thread."""
    other: Seen[Event] = Seen()
    with client.collection("posts").events("*", size=1) as events:
        client.collection("posts").subscribe("*", other)
        for n in range(5):
            server.send("posts/*", {"id": f"r{n}"})
        wait_until(client, lambda: len(events._events) == 1)
    other.wait(5)
    assert len(list(events)) == 1  # queued events can still be read


def test_the_streams_error_is_raised_after_the_events_before_it(
    server: wire.WireServer, client: BosBase
) -> None:
    """An event iterator raises the stream's error after the events before it."""
    with client.collection("posts").events("*") as events:
        server.send("posts/*", {"id": "a"})
        assert next(events).record["id"] == "a"
        server.post_answers.append(wire.problem(400, "no more"))
        client.auth_store.save(wire.make_token("ann"))
        with pytest.raises(ClientResponseError, match="no more"):
            next(events)


def test_an_error_of_the_preflight_is_raised_on_entering(
    server: wire.WireServer, client: BosBase
) -> None:
    """Entering `events` raises the error of the preflight."""
    server.collections["posts"] = 404
    with pytest.raises(ClientResponseError), client.collection("posts").events("*"):
        pytest.fail("entered")


@pytest.mark.parametrize("how", ["close", "unsubscribe"])
def test_close_or_unsubscribe_ends_a_waiting_iterator(
    server: wire.WireServer, client: BosBase, how: str
) -> None:
    """`close` or `unsubscribe` ends an event iterator that waits."""
    with client.collection("posts").events("*") as events:
        entered = threading.Event()

        def iterate() -> list[Event]:
            entered.set()
            return list(events)

        result = run_thread(iterate)
        wait_event(entered)
        if how == "close":
            client.close()
        else:
            client.collection("posts").unsubscribe()
        assert result() == []


def test_closing_the_client_releases_a_waiting_delivery_thread(
    server: wire.WireServer, client: BosBase
) -> None:
    """`close` releases a delivery thread that waits for a full event iterator."""
    with client.collection("posts").events("*", size=1) as events:
        for n in range(5):
            server.send("posts/*", {"id": f"r{n}"})
        wait_until(client, lambda: len(events._events) == 1)
        client.close()
        assert [event.record["id"] for event in events] == ["r0"]


def test_iterating_in_a_callback_raises_with_a_reason(
    server: wire.WireServer, client: BosBase
) -> None:
    """`next` of an event iterator in a callback raises a `RuntimeError` that says why."""
    errors: Seen[str] = Seen()
    with client.collection("posts").events("other") as events:

        def on_event(_: Event) -> None:
            try:
                next(events)
            except RuntimeError as error:
                errors(str(error))

        client.collection("posts").subscribe("*", on_event)
        server.send("posts/*", {"id": "a"})
        assert "waiting for events in a callback would wait for itself" in errors.wait(1)[0]


def test_an_iterator_must_be_opened_first(client: BosBase) -> None:
    """`next` of an event iterator outside its `with` block raises `RuntimeError`."""
    with pytest.raises(RuntimeError, match="open it first"):
        next(client.collection("posts").events("*"))
    client.realtime.wait_active(LIMIT)
