"""A stream with hostile data: no error leaves the reader, and no subscriber gets foreign events."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from faults.watching import PATIENCE, QUICK, Log, peak_of
from support import wire_server as wire
from support.realtime_client import wait_until

from rxbosbase import BosBase, BosBaseError, Status
from rxbosbase.runtime.retry_delay import MAX_RETRY_AFTER

MINE = "posts/*"
GOOD = b'{"record":{"id":"good"},"action":"create"}'
MEGABYTE = b"x" * 1024 * 1024


class Subscribers:
    """Subscribers of one topic, of its records, of its messages, and of everything."""

    def __init__(self, server: wire.WireServer, **settings: Any) -> None:
        self.server = server
        self.client = BosBase(server.url, backoff=QUICK, **settings)
        self.received: list[Any] = []
        self.messages: list[Any] = []
        self.everything: list[Any] = []
        self.ends: list[object] = []
        self.errors: list[BaseException] = []
        self._changed = threading.Condition()
        self.log = Log()

    def __enter__(self) -> Subscribers:
        self.log.__enter__()
        posts = self.client.collection("posts")
        posts.observe("*", check=False).subscribe(
            self._into(self.received), self.ends.append, lambda: self.ends.append("completed")
        )
        self.client.realtime.observe(MINE).subscribe(self._into(self.messages), self.ends.append)
        self.client.realtime.events.subscribe(self._into(self.everything), self.ends.append)
        self.client.realtime.status.subscribe(self._note_error)
        self.client.realtime.wait_active(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        ends = list(self.ends)
        foreign = [error for error in self.errors if not isinstance(error, BosBaseError)]
        assert not foreign, "the status has an error that is not the library's own"
        self.client.close()
        self.log.__exit__()
        assert ends == []
        raised = [record for record in self.log.records if record.exc_info]
        assert not raised, raised[0].getMessage()
        assert not self.log.at_least(logging.ERROR)

    def ids(self) -> list[str]:
        """Return the ids of the records received."""
        return [event.record.get("id") for event in self.received]

    def wait_good_event(self) -> None:
        """Send a good event until it arrives, on this stream or the next."""
        deadline = time.monotonic() + PATIENCE
        while "good" not in self.ids():
            assert time.monotonic() < deadline, "nothing arrives any more"
            for stream in self.server.streams:
                if MINE in stream.topics:
                    stream.send_frame(MINE, GOOD)
            with self._changed:
                self._changed.wait_for(lambda: "good" in self.ids(), 0.1)

    def _note_error(self, status: Status) -> None:
        if status.error is not None:
            self.errors.append(status.error)

    def _into(self, values: list[Any]) -> Callable[[Any], None]:
        def take(value: Any) -> None:
            with self._changed:
                values.append(value)
                self._changed.notify_all()

        return take


@pytest.fixture
def subscribe(server: wire.WireServer) -> Iterator[Callable[..., Subscribers]]:
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Subscribers(server, **settings))


def record(inner: bytes) -> bytes:
    return b'{"record":{"id":"odd","value":' + inner + b'},"action":"create"}'


ODD_DATA = {
    "nothing": b"",
    "no JSON": b"{",
    "a number": b"17",
    "a list": b"[]",
    "null": b"null",
    "no record": b'{"action":"create"}',
    "a record of null": b'{"record":null,"action":"create"}',
    "a record of text": b'{"record":"id","action":"create"}',
    "an unknown action": b'{"record":{"id":"odd"},"action":"explode"}',
    "an action of a list": b'{"record":{"id":"odd"},"action":["create"]}',
    "invalid UTF-8": record(b'"\xff\xfe"'),
    "an overlong encoding": record(b'"\xc0\xaf"'),
    "a surrogate in UTF-8": record(b'"\xed\xa0\x80"'),
    "a lone surrogate": record(rb'"\ud800"'),
    "NaN": record(b"NaN"),
    "infinity": record(b"-Infinity"),
    "lists in lists": record(b"[" * 100_000 + b"]" * 100_000),
    "objects in objects": record(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "half of them": record(b"[" * 1_000_000),
    "NUL": b"\x00" * 1000,
    "two values": b'{"record":{"id":"odd"},"action":"create"}{}',
}


@pytest.mark.parametrize("data", ODD_DATA.values(), ids=ODD_DATA.keys())
def test_odd_data_is_left_out_and_the_stream_goes_on(
    server: wire.WireServer, subscribe: Callable[..., Subscribers], data: bytes
) -> None:
    """An event with malformed data is skipped, and the stream goes on."""
    subscribers = subscribe()
    server.stream.send_frame(MINE, data)
    subscribers.wait_good_event()
    assert set(subscribers.ids()) == {"good"}
    assert server.gets == 1


ODD_BUT_VALID = {
    "a megabyte": record(b'"' + MEGABYTE + b'"'),
    "a huge number": record(b"9" * 300),
    "a huge exponent": record(b"1e-400"),
    "duplicate keys": b'{"record":{"id":"bad","id":"odd"},"action":"delete","action":"create"}',
    "an escaped NUL": record(rb'"\u0000"'),
    "line separators": record('"\u2028\u2029\u0085"'.encode()),
    "many keys": b'{"record":{"id":"odd",'
    + b",".join(b'"k%d":1' % n for n in range(10_000))
    + b'},"action":"create"}',
    "shallow nesting": record(b"[" * 500 + b"]" * 500),
    "dunder keys": b'{"record":{"id":"odd","__class__":"x","__init__":1},"action":"create"}',
}


@pytest.mark.parametrize("data", ODD_BUT_VALID.values(), ids=ODD_BUT_VALID.keys())
def test_odd_but_valid_data_arrives(
    server: wire.WireServer, subscribe: Callable[..., Subscribers], data: bytes
) -> None:
    """An event with odd but valid data is delivered."""
    subscribers = subscribe()
    server.stream.send_frame(MINE, data)
    subscribers.wait_good_event()
    assert subscribers.ids()[0] == "odd"


OTHERS = [
    "posts/other", "posts", "posts/*?options=x", "POSTS/*", "posts/* ", "", "*", "PB_CONNECT/*",
    "posts/*\x00", "pösts/*", "x" * 100_000, "message",
]  # fmt: skip


@pytest.mark.parametrize("topic", OTHERS, ids=range(len(OTHERS)))
def test_an_event_of_a_topic_never_asked_for_reaches_no_subscriber_of_another(
    server: wire.WireServer, subscribe: Callable[..., Subscribers], topic: str
) -> None:
    """An event of a topic without subscribers reaches only subscribers to everything."""
    subscribers = subscribe()
    server.stream.send_record(topic, {"id": "stranger"}, "create")
    subscribers.wait_good_event()
    assert set(subscribers.ids()) == {"good"}
    assert {message["record"]["id"] for message in subscribers.messages} == {"good"}
    others = [
        each.data["record"]["id"] for each in subscribers.everything if each.topic != "PB_CONNECT"
    ]
    assert others[0] == "stranger"  # it came, to who asks for everything


ODD_BYTES = {
    "an event name of a megabyte": b"event:" + MEGABYTE + b"\ndata:{}\n\n",
    "an id of a megabyte": b"id:" + MEGABYTE + b"\nevent:x\ndata:{}\n\n",
    "an event name that is no UTF-8": b"event:\xff\ndata:{}\n\n",
    "a field of a megabyte": MEGABYTE + b": x\n\n",
    "a field without a name": b":" + MEGABYTE + b"\n\n",
    "a retry of ages": b"retry: 99999999999999999999\n\n",
    "many data lines": b"event:posts/*\n" + b"data:{\n" * 20_000 + b"\n",
    "many empty lines": b"\n" * 100_000,
    "every kind of line end": b"id:x\r\revent:y\r\n\r\ndata:z\n\r\n\n",
    "a BOM in mid-stream": b"\xef\xbb\xbf\n\n",
    "every byte there is": bytes(range(256)) + b"\n\n",
    "the start of a stream": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>\n\n",
}


@pytest.mark.parametrize("data", ODD_BYTES.values(), ids=ODD_BYTES.keys())
def test_odd_bytes_between_events_are_ignored(
    server: wire.WireServer, subscribe: Callable[..., Subscribers], data: bytes
) -> None:
    """Odd bytes between events are ignored, and the stream goes on."""
    subscribers = subscribe()
    server.stream.send_raw(data)
    subscribers.wait_good_event()
    assert set(subscribers.ids()) == {"good"}
    assert server.gets == 1


BAD_FRAMING = {
    "a negative size": b"-5\r\nhello\r\n",
    "no size": b"\r\nhello\r\n",
    "text for a size": b"hello\r\nhello\r\n",
    "0x": b"0x5\r\nhello\r\n",
    "a plus": b"+5\r\nhello\r\n",
    "an underscore": b"1_0\r\nhello\r\n",
    "a size line without end": b"5;" + MEGABYTE,
    "a chunk longer than it says": b"2\r\nhello\r\n",
    "a trailer without end": b"0\r\n" + b"x: y\r\n" * 50_000,
    "digits that are no ASCII": "٥\r\nhello\r\n".encode(),
}


@pytest.mark.parametrize("data", BAD_FRAMING.values(), ids=BAD_FRAMING.keys())
def test_bad_chunk_framing_costs_the_stream_and_the_next_one_lives(
    server: wire.WireServer, subscribe: Callable[..., Subscribers], data: bytes
) -> None:
    """Bad chunk framing ends the stream, and the next one delivers events."""
    subscribers = subscribe()
    server.stream.send_unframed(data)
    server.wait_gets(2)
    subscribers.wait_good_event()


@pytest.mark.parametrize("size", [b"f" * 7, b"f" * 16, b"f" * 4000])
def test_a_size_beyond_all_memory_reserves_none(
    server: wire.WireServer, subscribe: Callable[..., Subscribers], size: bytes
) -> None:
    """A huge chunk size reserves less than 1 MiB, and events are delivered again."""
    subscribers = subscribe(idle_timeout=0.5)

    def announce() -> None:
        server.stream.send_unframed(size + b"\r\n")
        subscribers.wait_good_event()

    assert peak_of(announce) < len(MEGABYTE)


@pytest.mark.parametrize(
    "client_id", ['"other"', '""', "null", "17", '["x"]', '"' + "x" * 1_000_000 + '"', "{"]
)
def test_a_second_pb_connect_changes_nothing(
    server: wire.WireServer, subscribe: Callable[..., Subscribers], client_id: str
) -> None:
    """A second PB_CONNECT changes neither the client id nor the stream."""
    subscribers = subscribe()
    known = subscribers.client.realtime.client_id
    server.stream.send_frame("PB_CONNECT", '{"clientId":' + client_id + "}")
    subscribers.wait_good_event()
    assert subscribers.client.realtime.client_id == known == server.stream.client_id
    assert server.gets == 1


BAD_GREETINGS = {
    "no client id": b'event:PB_CONNECT\ndata:{"other":1}\n\n',
    "an empty one": b'event:PB_CONNECT\ndata:{"clientId":""}\n\n',
    "one of null": b'event:PB_CONNECT\ndata:{"clientId":null}\n\n',
    "a list": b'event:PB_CONNECT\ndata:["clientId"]\n\n',
    "no JSON": b"event:PB_CONNECT\ndata:clientId\n\n",
    "nested": b"event:PB_CONNECT\ndata:" + b"[" * 100_000 + b"\n\n",
    "another event first": b'event:posts/*\ndata:{"record":{"id":"early"},"action":"create"}\n\n',
}


@pytest.mark.parametrize("greeting", BAD_GREETINGS.values(), ids=BAD_GREETINGS.keys())
def test_a_stream_that_does_not_begin_with_a_client_id_is_given_up(
    server: wire.WireServer, subscribe: Callable[..., Subscribers], greeting: bytes
) -> None:
    """A stream that does not begin with a client id is given up, and the next one works."""
    subscribers = subscribe()

    def greet(stream: wire.Stream) -> None:
        stream.send_raw(greeting)

    server.stream_answers.append(wire.stream(greet=False, then=greet))
    server.stream.cut()
    server.wait_gets(3)
    subscribers.wait_good_event()
    assert set(subscribers.ids()) == {"good"}


def test_a_client_id_of_a_megabyte_is_as_good_as_any(
    server: wire.WireServer, subscribe: Callable[..., Subscribers]
) -> None:
    """A client id of a megabyte is accepted."""
    subscribers = subscribe()
    huge = "c" * 1_000_000

    def greet(stream: wire.Stream) -> None:
        stream.client_id = huge
        stream.send_frame("PB_CONNECT", {"clientId": huge})

    server.stream_answers.append(wire.stream(greet=False, then=greet))
    server.stream.cut()
    server.wait_gets(2)
    subscribers.wait_good_event()


BREAKS = "\r\n2026-01-01 ERROR \x1b[31mfire\u2028\u202e\x9b" + "x" * 2000


def test_control_characters_are_escaped_in_the_log(
    server: wire.WireServer, subscribe: Callable[..., Subscribers], caplog: pytest.LogCaptureFixture
) -> None:
    """Control characters from the server are escaped in each log line."""
    subscribers = subscribe()
    plain = BREAKS.replace("\r\n", "")  # where a line's end would end the framing
    header = plain.encode().decode("latin-1")
    page = f"HTTP/1.1 200 OK\r\nContent-Type: text/{header}\r\nContent-Length: 0\r\n\r\n"
    moved = f"HTTP/1.1 307 {header}\r\nLocation: /{header}\r\nContent-Length: 0\r\n\r\n"

    def greet(stream: wire.Stream) -> None:
        stream.client_id = plain
        stream.send_frame("PB_CONNECT", {"clientId": plain})

    hostile = [wire.raw(text.encode("latin-1")) for text in (page, moved, f"{header}\r\n\r\n")]
    server.stream_answers += [
        wire.problem(500, BREAKS, {BREAKS: {"message": BREAKS}}),
        *hostile,
        wire.stream(greet=False, then=greet),
    ]
    server.post_answers += [wire.problem(500, BREAKS), *hostile]
    with caplog.at_level(logging.DEBUG, "rxbosbase"):
        server.stream.cut()
        server.wait_gets(6)
        subscribers.wait_good_event()
    lines = [record.getMessage() for record in subscribers.log.records]
    warnings = [line for line in lines if "fire" in line]
    for begin in ("no connection", "connected as", "submitting 1", "submitting the topics failed"):
        assert any(line.startswith(begin) for line in warnings), begin
    broken = [line for line in lines if re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e]", line)]
    assert not broken, ascii(broken[0][:200])


@pytest.mark.parametrize(
    "length", ["x", "-5", "5, 5", "9" * 5000, "\xb2", "99999999999999999999", ""], ids=range(7)
)
def test_a_length_that_is_none_ends_the_stream_with_its_connection(
    server: wire.WireServer, subscribe: Callable[..., Subscribers], length: str
) -> None:
    """A stream with a malformed `Content-Length` ends, and the next one delivers events."""
    subscribers = subscribe()
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "
    greeting = wire.frame("odd", "PB_CONNECT", {"clientId": "odd"})
    answer = f"{head}{length}\r\n\r\n".encode("latin-1") + greeting
    server.stream_answers.append(wire.raw(answer))
    server.stream.cut()
    server.wait_gets(3)
    subscribers.wait_good_event()


HOSTILE_HEADERS = {
    "a Retry-After of no digit": {"Retry-After": "²"},
    "an endless Retry-After": {"Retry-After": "9" * 400},
    "a negative Retry-After": {"Retry-After": "-5"},
    "a Retry-After of the year 99999999999": {
        "Retry-After": "Mon, 01 Jan 99999999999 00:00:00 GMT"
    },
    "a Retry-After of nowhere": {"Retry-After": "Mon, 01 Jan 2001 00:00:00 +99999999999999"},
    "a Location that is no URL": {"Location": "http://["},
    "a Location with a port that is none": {"Location": "http://a:b/"},
    "a Location of control characters": {"Location": "\x01\x02"},
    "a cookie that is none": {"Set-Cookie": "=;;;=\x01"},
    "a content encoding that is none": {"Content-Encoding": "gzip"},
}


@pytest.mark.parametrize("headers", HOSTILE_HEADERS.values(), ids=HOSTILE_HEADERS.keys())
@pytest.mark.parametrize("code", [200, 307, 500])
@pytest.mark.parametrize("to", ["stream", "post"])
def test_hostile_headers_of_an_answer_never_end_the_connecting(
    server: wire.WireServer,
    subscribe: Callable[..., Subscribers],
    headers: dict[str, str],
    code: int,
    to: str,
) -> None:
    """Odd headers in a response to the stream or a POST never end the attempts to connect."""
    subscribers = subscribe()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    answer = f"HTTP/1.1 {code} X\r\n{lines}Content-Length: 2\r\n\r\nhi".encode("latin-1")
    (server.stream_answers if to == "stream" else server.post_answers).append(wire.raw(answer))
    server.stream.cut()
    if "9" * 400 in lines and code == 500:
        realtime = subscribers.client.realtime
        wait_until(subscribers.client, lambda: "500: X" in str(realtime.status.value.error))
        if to == "stream":
            assert realtime.status.value.retry_in == MAX_RETRY_AFTER
        realtime.reconnect_now()  # it would be tried again in 5 minutes
    subscribers.wait_good_event()
    assert not server.stream_answers and not server.post_answers  # it was answered so
