"""Events, the values that subscribers receive, decoded from the bytes of frames. Pure.

An event is built once and passed to every subscriber of its topic, so do not change it: copy the
record first (``dict(event.record)``) if you need to change it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, get_args

import msgspec

from rxbosbase.encoding.control_characters import short_repr
from rxbosbase.encoding.json import decode
from rxbosbase.encoding.narrowing import is_object
from rxbosbase.encoding.record import T, id_of
from rxbosbase.encoding.unreadable import UnreadableRow, read_response
from rxbosbase.errors import MalformedEvent

__all__ = (
    "Action",
    "Event",
    "MalformedEvent",
    "Message",
    "ReceivedAt",
    "RecordEvent",
    "decode_message",
    "decode_record_event",
    "decode_record_events",
    "usual_action",
)


Action: TypeAlias = Literal["create", "update", "delete"]
"""What happened to a record."""


class ReceivedAt(msgspec.Struct, frozen=True):
    """When the bytes of an event were read from the connection. Events read together share it.

    Attributes:
        monotonic: seconds of the clock of ``client.scheduler.time()``, which never goes back: for
            delays within this process.
        wall: seconds since the epoch (UTC), to compare with times of the server.

    >>> with FakeRealtime() as fake, fake.client.collection("posts").events("*") as events:
    ...     fake.later(2, lambda: fake.push("posts", "create", {"id": "a"}))
    ...     next(events).received_at.monotonic
    2.0
    """

    monotonic: float
    wall: float


class _RecordEventType(msgspec.StructMeta):
    """Lets `RecordEvent` be called with the topic first.

    The decoder needs the fields without a default, those of the server's JSON, to come first.
    """

    def __call__(
        cls, topic: str, action: str, record: Any, received_at: ReceivedAt | None = None
    ) -> Any:
        return super().__call__(action, record, topic, received_at)

    @property
    def __match_args__(cls) -> tuple[str, ...]:  # type: ignore[override]
        return ("topic", "action", "record")

    @property
    def __signature__(cls) -> inspect.Signature:
        whole = inspect.signature(_RecordEventType.__call__)
        return whole.replace(parameters=list(whole.parameters.values())[1:])


class RecordEvent(msgspec.Struct, Generic[T], eq=False, metaclass=_RecordEventType):
    """A record was created, updated or deleted. Shared by all subscribers: do not change it.

    Events are equal if they have the same topic, action and record.

    Attributes:
        topic: the topic without options, for example ``posts/*``.
        action: ``"create"``, ``"update"`` or ``"delete"``.
        record: the record as the server sent it; for a delete, its last state.
        received_at: when it was received; None for an event that was not (a replayed one, say).

    >>> event = RecordEvent("posts/*", "create", {"id": "abc", "title": "Hi"})
    >>> event.action, event["record"]["title"]
    ('create', 'Hi')
    """

    if TYPE_CHECKING:
        topic: str
        action: str
        record: T
        received_at: ReceivedAt | None

        def __init__(
            self, topic: str, action: str, record: T, received_at: ReceivedAt | None = None
        ) -> None: ...
    else:
        action: Action
        record: T
        # Both are set after decoding: whatever the data has under these names is ignored.
        topic: Any = ""
        received_at: Any = None

    def __reduce__(self) -> Any:
        return RecordEvent, (self.topic, self.action, self.record, self.received_at)

    def __getitem__(self, key: str) -> Any:
        if key in RecordEvent.__match_args__:
            return getattr(self, key)
        raise KeyError(key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordEvent):
            return NotImplemented
        event: Event = other  # pyright: ignore[reportUnknownVariableType]  # of any record
        return (
            self.action == event.action
            and self.topic == event.topic
            and bool(self.record == event.record)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other  # msgspec's own compares identity

    def __repr__(self) -> str:
        id = short_repr(id_of(self.record))
        return f"RecordEvent({self.action} on {short_repr(self.topic)}, id={id})"


Event: TypeAlias = RecordEvent[Any]
"""An event whose record is a dict or an instance of any model."""


# Decoded and checked in one step, in half the time of two steps.
_decode = msgspec.json.Decoder(RecordEvent[dict[str, Any]]).decode


class Message:
    """A message of any other topic. Shared by all subscribers: do not change it.

    Attributes:
        topic: the topic without options, for example ``PB_CONNECT``.
        data: the decoded JSON, or the text if it is no JSON.

    >>> Message("PB_CONNECT", {"clientId": "x1"})["clientId"]
    'x1'
    """

    __slots__ = __match_args__ = ("topic", "data")

    def __init__(self, topic: str, data: Any) -> None:
        self.topic = topic
        self.data = data

    def __getitem__(self, key: str) -> Any:
        if is_object(self.data):
            return self.data[key]
        raise KeyError(key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self.topic == other.topic and bool(self.data == other.data)

    def __repr__(self) -> str:
        return f"Message(topic={short_repr(self.topic)}, data={type(self.data).__name__})"


_USUAL_START = b'{"record":{'
_USUAL_ENDS = {b'},"action":"%s"}' % action.encode(): action for action in get_args(Action)}
_END_LENGTH = len(b'},"action":"create"}')  # the three words have the same length


def usual_action(data: bytes) -> str | None:
    """Return the action of an event in the server's usual form, without decoding it; else None.

    In valid JSON the last member of the outermost object is right before its end, so that the end
    alone contains the action.

    >>> usual_action(b'{"record":{"id":"a"},"action":"update"}')
    'update'
    """
    if not data.startswith(_USUAL_START):
        return None
    return _USUAL_ENDS.get(data[-_END_LENGTH:])


def decode_record_event(
    name: str, data: bytes, received_at: ReceivedAt | None = None
) -> RecordEvent[dict[str, Any]]:
    """Decode the data of a frame on the record topic ``name``.

    Raises:
        MalformedEvent: it is not ``{"action": create|update|delete, "record": {…}}``.

    >>> decode_record_event("posts/*", b'{"action":"delete","record":{"id":"abc"}}')
    RecordEvent(delete on 'posts/*', id='abc')
    """
    try:
        event = _decode(data)
    except (ValueError, RecursionError):
        event = _decode_slowly(name, data)
    event.topic = name
    event.received_at = received_at
    return event


def _decode_slowly(name: str, data: bytes) -> RecordEvent[dict[str, Any]]:
    """Decode an event that the fast decoder rejects: raise its error, or return it if it is only
    nested too deeply for that decoder."""
    try:
        content = read_response(data)
    except ValueError:
        raise MalformedEvent(name, "its data is not JSON") from None
    if why := _form_error(content):
        raise MalformedEvent(name, why)
    event = RecordEvent(name, content["action"], content["record"])
    if isinstance(event.record, UnreadableRow):
        raise MalformedEvent(name, str(event.record.summary()), event)
    return event


def decode_record_events(
    names: Iterable[str], payloads: Iterable[bytes], received_at: ReceivedAt | None = None
) -> list[RecordEvent[dict[str, Any]]]:
    """Decode many events of a burst at once: faster, since the loops run in C.

    Raises:
        ValueError, RecursionError: at least one of them is not valid; `decode_record_event` raises
            the exact error for that one.
    """
    events: list[RecordEvent[dict[str, Any]]] = list(map(_decode, payloads))
    for event, name in zip(events, names, strict=True):
        event.topic = name
        event.received_at = received_at
    return events


def _form_error(content: Any) -> str:
    if not is_object(content) or not content.keys() >= {"action", "record"}:
        return "its data is no object with an action and a record"
    record = content["record"]
    if not isinstance(record, dict):
        return f"its record is a {type(record).__name__}, not an object"
    if content["action"] not in get_args(Action):
        return "its action is none of create, update and delete"
    return ""


def decode_message(topic: str, data: bytes) -> Message:
    """Decode the data of a frame on any other topic; text that is no JSON is kept unchanged.

    >>> decode_message("chat/lobby", b"hello").data
    'hello'
    """
    try:
        return Message(topic, decode(data))
    except ValueError:
        return Message(topic, data.decode(errors="replace"))
