"""The fake's transport: the bytes of a server, and its rules for streams and topics."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from rxbosbase import ClientClosedError, ClientResponseError, ConnectionFailedError
from rxbosbase.realtime.protocol.topics import record_topic
from rxbosbase.testing import FakeRealtime
from rxbosbase.testing.memory import MemoryStream, MemoryTransport

PATH = "/api/realtime"


@pytest.fixture
def network(fake: FakeRealtime) -> MemoryTransport:
    return fake._network


class Receiver:
    """Collects the bytes and ends of a stream.

    Attributes:
        wants: False ends the stream at the next read.
    """

    timeout = 30.0

    def __init__(self) -> None:
        self.read: list[bytes] = []
        self.ends: list[Exception | None] = []
        self.wants = True

    def opened(self, *, chunked: bool, length: int) -> None:
        assert (chunked, length) == (True, -1)

    def received(self, data: bytes) -> bool:
        self.read.append(data)
        if not data:
            raise ConnectionFailedError("it broke")
        return self.wants

    def ended(self, error: Exception | None) -> None:
        self.ends.append(error)


def open_stream(fake: FakeRealtime) -> tuple[MemoryStream, Receiver]:
    stream, receiver = fake._network.channel(), Receiver()
    stream.listen(PATH, receiver)
    assert receiver.read == []  # only when the scheduler runs
    fake.advance(0)
    return stream, receiver


def submit(stream: MemoryStream, *topics: str) -> None:
    body = {"clientId": stream.client_id, "subscriptions": topics}
    stream.request("POST", PATH, body=body, timeout=None, token=None, only=204)


def refused_status(stream: MemoryStream, *topics: str) -> int:
    with pytest.raises(ClientResponseError) as refused:
        submit(stream, *topics)
    return refused.value.status


def test_a_stream_begins_with_its_client_id_and_has_an_event_in_a_chunk(fake: FakeRealtime) -> None:
    """The fake's stream has PocketBase's bytes: PB_CONNECT first, each event in a chunk."""
    stream, receiver = open_stream(fake)
    submit(stream, "posts/*", wire := record_topic("posts", "*", fields="n").wire)
    fake.push("posts", "create", {"id": "a", "n": 1})
    hello, events = receiver.read
    frame = b'id:fake-client-1\nevent:PB_CONNECT\ndata:{"clientId":"fake-client-1"}\n\n'
    assert hello == b"%x\r\n%b\r\n" % (len(frame), frame)
    expected = b""
    for topic, record in (("posts/*", b'{"id":"a","n":1}'), (wire, b'{"n":1}')):
        frame = b'id:fake-client-1\nevent:%b\ndata:{"record":%b,"action":"create"}\n\n' % (
            topic.encode(), record,
        )  # fmt: skip
        expected += b"%x\r\n%b\r\n" % (len(frame), frame)
    assert events == expected


def test_topics_replace_those_of_before(fake: FakeRealtime) -> None:
    """A submission of topics replaces the topics that were submitted before."""
    stream, receiver = open_stream(fake)
    submit(stream, "posts/*", "users/*")
    submit(stream, "users/*")
    fake.push("posts", "create", {})
    assert fake.topics == {"users/*"} and len(receiver.read) == 1
    fake.push("users", "create", {})
    assert len(receiver.read) == 2


@pytest.mark.parametrize(
    ("end", "last", "error"),
    [("drop", b"", ConnectionFailedError), ("end_streams", b"0\r\n\r\n", None)],
)
def test_a_stream_ends_once_and_its_topics_with_it(
    fake: FakeRealtime, end: str, last: bytes, error: type[Exception] | None
) -> None:
    """A dropped or regularly ended stream ends once; later topics on it get a 404."""
    stream, receiver = open_stream(fake)
    submit(stream, "posts/*")
    receiver.wants = False
    getattr(fake, end)()
    getattr(fake, end)()
    stream.abort()
    assert receiver.read[1:] == [last]
    assert [each and type(each) for each in receiver.ends] == [error]
    assert stream.aborted and fake.topics == set()
    assert refused_status(stream, "posts/*") == 404


def test_nothing_is_read_of_a_stream_that_was_aborted(fake: FakeRealtime) -> None:
    """An aborted stream delivers nothing more and ends later on the fake's scheduler."""
    stream, receiver = open_stream(fake)
    submit(stream, "posts/*")
    fake.push("posts", "create", {}, delay=1.0)
    stream.abort()
    assert stream.aborted and receiver.ends == []  # later, by the scheduler
    fake.advance(2)
    assert len(receiver.read) == 1 and receiver.ends == [None]
    assert refused_status(stream, "posts/*") == 404


def test_a_stream_that_is_aborted_before_it_opens_never_does(
    fake: FakeRealtime, network: MemoryTransport
) -> None:
    """A stream aborted before it opens reads nothing and ends without an error."""
    stream, receiver = network.channel(), Receiver()
    stream.listen(PATH, receiver)
    stream.abort()
    fake.advance(1)
    assert receiver.read == [] and receiver.ends == [None]
    assert network.streams == []


def test_a_receiver_that_fails_ends_its_stream(
    fake: FakeRealtime, network: MemoryTransport
) -> None:
    """An exception of the receiver ends its stream with that exception."""
    stream, receiver = open_stream(fake)
    receiver.received = lambda _: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    submit(stream, "posts/*")
    fake.push("posts", "create", {})
    assert [type(error) for error in receiver.ends] == [ZeroDivisionError]
    assert network.streams == []


def test_only_a_stream_without_a_login_may_change_its_user(fake: FakeRealtime) -> None:
    """Only a stream without a login may change to a user; any other change gets a 403."""
    users = fake.client.collection("users")
    stream, _ = open_stream(fake)
    submit(stream, "posts/*")
    tokens = [""]
    for name in ("ada", "ben"):
        fake.add_user(name, "password123")
        users.auth_with_password(name, "password123")
        tokens.append(fake.client.auth_store.token)
    network, names = fake._network, ["", "ada", "ben"]
    for name, allowed in (("", True), ("ada", True), ("ada", True), ("ben", False), ("", False)):
        network.token = partial(tokens.__getitem__, names.index(name))
        if allowed:
            submit(stream, f"{name}/*")
        else:
            assert refused_status(stream, f"{name}/*") == 403
    assert fake.topics == {"ada/*"}


def test_a_server_that_is_down_takes_no_stream_and_no_topics(fake: FakeRealtime) -> None:
    """A stopped fake ends new streams and submissions with `ConnectionFailedError`."""
    stream, _ = open_stream(fake)
    fake._network.accepts = False
    with pytest.raises(ConnectionFailedError, match=r"http://fake\.invalid/api/realtime.*stopped"):
        submit(stream, "posts/*")
    _, receiver = open_stream(fake)
    assert receiver.read == []
    assert [type(error) for error in receiver.ends] == [ConnectionFailedError]


def test_a_closed_transport_makes_no_stream_and_no_request(fake: FakeRealtime) -> None:
    """After `close`, delayed events are lost, and streams and requests raise."""
    stream, receiver = open_stream(fake)
    submit(stream, "posts/*")
    fake.push("posts", "create", {}, delay=1.0)
    fake.close()
    fake.clock.advance(2)
    assert len(receiver.read) == 1
    with pytest.raises(ClientClosedError):
        fake._network.channel()
    with pytest.raises(ClientClosedError):
        fake._network.request("GET", "/api/health")


def test_a_path_leads_nowhere_above_the_base(fake: FakeRealtime) -> None:
    """`send` raises ValueError for a path with `.` or `..` as a segment."""
    with pytest.raises(ValueError, match=r"no '\.' or '\.\.' between slashes"):
        fake.client.send("GET", "/api/../x")


def test_a_token_of_the_request_goes_before_the_logins(fake: FakeRealtime) -> None:
    """`send` with a `token` uses it in place of the stored login."""
    ada = fake.add_user("ada", "password123")
    users: Any = fake.client.collection("users")
    token = users.auth_with_password("ada", "password123")["token"]
    fake.client.auth_store.clear()
    path = "/api/collections/users/auth-refresh"
    assert fake.client.send("POST", path, token=token)["record"]["id"] == ada["id"]
    with pytest.raises(ClientResponseError, match="401"):
        fake.client.send("POST", path)
