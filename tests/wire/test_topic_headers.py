"""Headers of topics on the wire: what the server reads in a topic, and in the requests."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import pytest
from support import wire_server as wire
from support.realtime_client import connect, ignore, wait_state

from rxbosbase import BosBase, aio
from rxbosbase.collection import Collection
from rxbosbase.realtime.protocol.topics import parse_topic

SECRET = "s3cr3t-value"

Posts: TypeAlias = Collection[dict[str, Any]]
Use: TypeAlias = Callable[[Posts, Any], AbstractContextManager[object]]


USES: dict[str, Use] = {
    "observe": lambda posts, headers: posts.observe("*", headers=headers).subscribe(ignore),
    "subscribe": lambda posts, headers: posts.subscribe("*", ignore, headers=headers),
    "events": lambda posts, headers: posts.events("*", headers=headers),
    "live": lambda posts, headers: posts.live(headers=headers).subscribe(ignore),
    "filtered live": lambda posts, headers: posts.live(filter="n > 1", headers=headers).subscribe(
        ignore
    ),
    "live_record": lambda posts, headers: posts.live_record("r1", headers=headers).subscribe(
        ignore
    ),
    "changes": lambda posts, headers: posts.changes(headers=headers).subscribe(ignore),
}
each_use = pytest.mark.parametrize("use", USES.values(), ids=USES.keys())


def headers_of_topics(server: wire.WireServer) -> list[dict[str, Any]]:
    """The headers of each topic that the server has accepted."""
    server.wait_accepted(1)
    return [parse_topic(text)[2] for text in server.posts[-1]]


@each_use
def test_headers_for_topics_ride_in_each_topic_and_in_its_reads(
    server: wire.WireServer, use: Use
) -> None:
    """`topic_headers` are in each topic and in its reads."""
    with (
        connect(server, topic_headers={"X-Tenant": "a"}) as client,
        use(client.collection("posts"), None),
    ):
        found = headers_of_topics(server)
        assert found
        assert all(headers == {"x-tenant": "a"} for headers in found)
        server.wait_requests(1, "/api/collections/posts")
        for read in server.requests_to("/api/collections/posts"):
            assert read.headers.get("x-tenant") == "a"


@each_use
@pytest.mark.parametrize("name", ["X-Tenant", "x-tenant", "X-TENANT"])
def test_headers_given_for_one_topic_win_over_the_clients(
    server: wire.WireServer, use: Use, name: str
) -> None:
    """Headers given for one topic override `topic_headers`, whatever their case."""
    with (
        connect(server, topic_headers={"X-Tenant": "a", "X-Lang": "pl"}) as client,
        use(client.collection("posts"), {name: "b"}),
    ):
        found = headers_of_topics(server)
        assert found
        assert all(headers == {"x-tenant": "b", "x-lang": "pl"} for headers in found)


@each_use
def test_headers_of_the_client_ride_in_no_topic(server: wire.WireServer, use: Use) -> None:
    """The `headers` of a client are in its requests but in no topic."""
    given = {"X-Secret": SECRET, "Authorization": SECRET, "Cookie": SECRET}
    with (
        connect(server, headers=given, topic_headers={"X-Secret": None}) as client,
        use(client.collection("posts"), None),
    ):
        found = headers_of_topics(server)
        assert found
        assert all(headers == {} for headers in found)
        assert SECRET not in str(server.posts)
        assert "secret" not in str(server.posts)
        assert {read.headers.get("x-secret") for read in server.requests} == {SECRET}
        assert SECRET not in repr(client.service.status.value)


@each_use
def test_credentials_are_refused_in_a_topic(server: wire.WireServer, use: Use) -> None:
    """Credential headers of a topic raise `ValueError`, without showing the value."""
    with connect(server) as client:
        for name in ("authorization", "Cookie", "PROXY-Authorization"):
            with pytest.raises(ValueError, match="must not be a header of a topic") as caught:
                use(client.collection("posts"), {name: SECRET})
            assert SECRET not in str(caught.value)
            with pytest.raises(ValueError, match="must not be a header of a topic") as caught:
                connect(server, topic_headers={name: SECRET})
            assert SECRET not in str(caught.value)
        assert server.connections == 0


def test_the_topic_with_the_clients_headers_gets_its_events(server: wire.WireServer) -> None:
    """A topic with `topic_headers` receives its events."""
    with (
        connect(server, topic_headers={"X-Tenant": "a"}) as client,
        client.collection("posts").events("*") as events,
    ):
        [topic] = server.wait_post(1)
        assert topic.startswith("posts/*?options=")
        assert server.send(topic, {"id": "r1"}, "create") == 1
        assert next(events).record["id"] == "r1"


def test_a_custom_topic_gets_only_its_own_headers(
    server: wire.WireServer,
) -> None:
    """A custom topic gets the headers given for it, but not the client's `topic_headers`."""
    with connect(server, topic_headers={"X-Tenant": "a"}) as client:
        client.realtime.subscribe("chat", ignore)
        assert server.posts[-1] == ["chat"]
        client.realtime.subscribe("news", ignore, headers={"X-Other": "b"})
        sent = {parse_topic(wire)[0]: parse_topic(wire)[2] for wire in server.posts[-1]}
        assert sent == {"chat": {}, "news": {"x-other": "b"}}


def test_a_client_warns_once_whatever_it_subscribes_to(server: wire.WireServer) -> None:
    """A client with `headers` warns once that they are in no topic."""
    with (
        warnings.catch_warnings(record=True) as caught,
        connect(server, headers={"X-Tenant": "a"}) as client,
    ):
        warnings.simplefilter("always")
        for use in USES.values():
            with use(client.collection("posts"), None):
                pass
        ours = [str(each.message) for each in caught if "topic_headers" in str(each.message)]
        assert len(ours) == 1
        assert "'x-tenant'" in ours[0]


async def stream_all(client: BosBase, headers: Any) -> None:
    """Each form of the asyncio facade, until the server has the topic."""
    posts = client.collection("posts")

    async def on_event(_: object) -> None:
        pass

    async with await aio.subscribe(posts, "*", on_event, headers=headers):
        pass
    async with aio.live(posts, headers=headers) as view:
        await view.wait_fresh(5.0)


def test_asyncio_carries_the_same_headers(server: wire.WireServer) -> None:
    """`aio.subscribe` and `aio.live` put `topic_headers` and headers in their topics."""
    with connect(server, topic_headers={"X-Tenant": "a", "X-Lang": "pl"}) as client:
        asyncio.run(stream_all(client, {"x-TENANT": "b"}))
        topics = [text for post in server.posts for text in post]
        assert topics
        for text in topics:
            assert parse_topic(text)[2] == {"x-tenant": "b", "x-lang": "pl"}
        wait_state(client, "idle")


def test_asyncio_refuses_credentials_too(server: wire.WireServer) -> None:
    """`aio.subscribe` refuses credential headers of a topic before a connection."""
    with connect(server) as client:
        with pytest.raises(ValueError, match="must not be a header of a topic") as caught:
            asyncio.run(stream_all(client, {"Cookie": SECRET}))
        assert SECRET not in str(caught.value)
        assert server.connections == 0
