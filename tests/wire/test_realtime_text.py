"""Text is delivered as it was written, however the network splits it."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from support import wire_server as wire
from support.realtime_client import connect, wait_until
from support.seen import LIMIT, Seen, wait_event

from rxbosbase import BosBase, RecordEvent

Event = RecordEvent[dict[str, Any]]

TEXTS = {
    "polish": "Zażółć gęślą jaźń",
    "emoji": "👩‍👩‍👧 🇵🇱 😀",
    "separators": "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei",
    "breaks": "a\nb\r\nc\rd\x00e",
    "frame lookalike": "x\n\nid:1\nevent:posts/*\ndata:{}\n\n",
    "rtl and combining": "\u202eright e\u0301 \ufeff bom",
    "astral end": "\U0010ffff",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("ascii", [False, True], ids=["utf-8", "escaped"])
def test_text_in_a_record_arrives_as_written(
    server: wire.WireServer, client: BosBase, text: str, ascii: bool
) -> None:
    """Text in a record is delivered unchanged, sent as UTF-8 or as JSON escapes."""
    seen: Seen[Event] = Seen()
    client.collection("posts").subscribe("*", seen)
    record = {"id": "a", "text": text, text.replace("\x00", ""): "as a key"}
    data = json.dumps({"record": record, "action": "update"}, ensure_ascii=ascii)
    server.stream.send_frame("posts/*", data)
    assert seen.wait(1)[0].record == record


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_text_in_a_filter_reaches_the_server_unchanged(
    server: wire.WireServer, client: BosBase, text: str
) -> None:
    """Text in a filter is sent unchanged to the read, and as ASCII in the topic."""
    text = text.replace("\x00", "")
    condition = client.filter("title = {:text}", text=text)
    seen: Seen[Event] = Seen()
    client.collection("posts").subscribe("*", seen, filter=condition, headers={"x-a": "Żółw"})
    assert server.requests_to("/api/collections/posts")[0].query["filter"] == condition
    topic = server.posts[-1][0]
    assert topic.isascii() and not any(c.isspace() for c in topic)
    server.send(topic, {"id": "a"})
    assert seen.wait(1)[0].topic == "posts/*"


def test_topics_may_have_names_in_any_script(server: wire.WireServer, client: BosBase) -> None:
    """A custom topic with spaces, accents and emoji receives its messages."""
    seen: Seen[Any] = Seen()
    client.realtime.subscribe("czat/żółw 👋", seen)
    server.stream.send_frame("czat/żółw 👋", {"a": "ą"})
    assert (seen.wait(1)[0].topic, seen.items[0].data) == ("czat/żółw 👋", {"a": "ą"})


@pytest.mark.parametrize("chunked", [True, False])
def test_frames_in_pieces_of_one_byte_arrive_whole(
    server: wire.WireServer, client: BosBase, chunked: bool
) -> None:
    """Events that arrive byte by byte are delivered whole, chunked or not."""
    server.stream_answers.append(wire.stream(chunked=chunked))
    seen: Seen[Event] = Seen()
    client.collection("posts").subscribe("*", seen)
    stream = server.stream
    records = [{"id": f"r{n}", "text": text} for n, text in enumerate(TEXTS.values())]
    for record in records:
        data = stream.frame("posts/*", {"record": record, "action": "update"})
        for at in range(len(data)):
            stream.send_raw(data[at : at + 1])
    assert [event.record for event in seen.wait(len(records))] == records


def test_pb_connect_in_pieces_of_one_byte_is_read(server: wire.WireServer) -> None:
    """A PB_CONNECT that arrives byte by byte sets `client_id`."""

    def send_connect(stream: wire.Stream) -> None:
        for byte in stream.frame("PB_CONNECT", {"clientId": stream.client_id}):
            stream.send_raw(bytes([byte]))

    server.stream_answers.append(wire.stream(greet=False, then=send_connect))
    with connect(server) as client:
        client.collection("posts").subscribe("*", lambda _: None)
        assert client.realtime.client_id == server.stream.client_id


def test_events_in_the_same_read_as_pb_connect_are_delivered(server: wire.WireServer) -> None:
    """An event that arrives together with PB_CONNECT is delivered."""

    def send_connect(stream: wire.Stream) -> None:
        stream.send_many(
            [
                stream.frame("PB_CONNECT", {"clientId": stream.client_id}),
                stream.frame("chat", {"n": 1}),
            ]
        )

    server.stream_answers.append(wire.stream(greet=False, then=send_connect))
    with connect(server) as client:
        seen: Seen[Any] = Seen()
        client.realtime.observe("chat").subscribe(seen)
        assert seen.wait(1)[0]["n"] == 1


def test_half_an_event_at_the_end_of_a_stream_is_never_delivered(
    server: wire.WireServer, client: BosBase
) -> None:
    """An incomplete event at the end of a stream is not delivered."""
    seen: Seen[Event] = Seen()
    client.collection("posts").subscribe("*", seen)
    whole = server.stream.frame("posts/*", {"record": {"id": "half"}, "action": "update"})
    server.stream.send_raw(whole[:-1])
    server.stream.finish()
    server.wait_accepted(2)
    client.realtime.wait_active(LIMIT)
    server.send("posts/*", {"id": "next"})
    assert seen.wait(1)[0].record == {"id": "next"}


def test_a_large_event_counts_once_in_the_queue(server: wire.WireServer, client: BosBase) -> None:
    """An event of 3 MB counts once in `queue_bytes`, which is 0 after the delivery."""
    entered, go_on = threading.Event(), threading.Event()
    seen: Seen[Event] = Seen()

    def slow(event: Event) -> None:
        entered.set()
        wait_event(go_on)
        seen(event)

    client.collection("posts").subscribe("*", slow)
    server.send("posts/*", {"id": "first"})
    wait_event(entered)
    text = "x" * 3_000_000
    server.send("posts/*", {"id": "large", "text": text})
    wait_until(client, lambda: client.realtime.stats.queue_events == 1)
    assert 3_000_000 < client.realtime.stats.queue_bytes < 3_000_500
    server.send("posts/*", {"id": "small"})
    wait_until(client, lambda: client.realtime.stats.queue_events == 2)
    assert client.realtime.stats.queue_bytes < 3_001_000
    go_on.set()
    assert seen.wait(3)[1].record["text"] == text
    assert client.realtime.stats.queue_bytes == 0
