"""Events: what subscribers get. Pure: a frame's bytes in, a value out.

An event is built once and handed to every subscriber of its topic, so it is to be read, never
written: copy the record first (``dict(event.record)``) if you need to change it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, Literal, TypeVar, get_args

import msgspec

from rxbosbase.encoding.json import decode
from rxbosbase.encoding.unreadable import UnreadableRow, read_answer
from rxbosbase.errors import BosBaseError

__all__ = [
    "MalformedEvent",
    "Message",
    "RecordEvent",
    "decode_message",
    "decode_record_event",
    "decode_record_events",
    "usual_action",
]

T = TypeVar("T")

Action = Literal["create", "update", "delete"]


class MalformedEvent(BosBaseError, ValueError):
    """A frame of a record topic that holds no record event.

    Attributes:
        topic: the topic it came on, without options.
        event: what could be decoded of it, if it is an event of a record that is nested too deeply.
    """

    def __init__(
        self, topic: str, why: str, event: RecordEvent[dict[str, Any]] | None = None
    ) -> None:
        # Never the payload: it is somebody's record, and messages end up in logs.
        super().__init__(f"the event on {topic!r} was left out: {why}")
        self.topic = topic
        self.event = event


class RecordEvent(msgspec.Struct, Generic[T], eq=False):
    """A record was created, updated or deleted. Shared by all subscribers: do not change it.

    Attributes:
        topic: the topic without options, for example ``posts/*``.
        action: ``"create"``, ``"update"`` or ``"delete"``.
        record: the record as the server sent it; after a delete, as it last was.

    >>> event = RecordEvent("posts/*", "create", {"id": "abc", "title": "Hi"})
    >>> event.action, event["record"]["title"]
    ('create', 'Hi')
    """

    topic: str
    action: str
    record: T

    def __getitem__(self, key: str) -> Any:
        if key in RecordEvent.__match_args__:
            return getattr(self, key)
        raise KeyError(key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordEvent):
            return NotImplemented
        return (
            self.action == other.action
            and self.topic == other.topic
            and bool(self.record == other.record)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other  # msgspec's own goes by identity

    def __repr__(self) -> str:
        known = self.record.get("id") if isinstance(self.record, dict) else None
        return f"RecordEvent({self.action} on {self.topic!r}, id={known!r})"


class _Received(RecordEvent[dict[str, Any]], kw_only=True, eq=False):
    """An event as the decoder builds it, checked, in one step: half of what an event costs."""

    # Narrower than above, which is sound: nobody writes to an event.
    action: Action  # pyright: ignore[reportIncompatibleVariableOverride]
    record: dict[str, Any]
    topic: Any = ""  # stands on another line of the frame: whatever is here goes unread


_received = msgspec.json.Decoder(_Received).decode


class Message:
    """A message of any other topic. Shared by all subscribers: do not change it.

    Attributes:
        topic: the topic without options, for example ``PB_CONNECT``.
        data: the decoded JSON, or the text as it is where it is no JSON.

    >>> Message("PB_CONNECT", {"clientId": "x1"})["clientId"]
    'x1'
    """

    __slots__ = __match_args__ = ("topic", "data")

    def __init__(self, topic: str, data: Any) -> None:
        self.topic = topic
        self.data = data

    def __getitem__(self, key: str) -> Any:
        if isinstance(self.data, dict):
            return self.data[key]
        raise KeyError(key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self.topic == other.topic and bool(self.data == other.data)

    def __repr__(self) -> str:
        return f"Message(topic={self.topic!r}, data={type(self.data).__name__})"


_USUAL_START = b'{"record":{'
_USUAL_ENDS = {b'},"action":"%s"}' % action.encode(): action for action in get_args(Action)}
_END_LENGTH = len(b'},"action":"create"}')  # the three words are of one length


def usual_action(data: bytes) -> str | None:
    """The action of an event in the server's usual shape, without decoding it; else None.

    In valid JSON the last member of the outermost object stands right before its end, so that the
    end alone tells the action.

    >>> usual_action(b'{"record":{"id":"a"},"action":"update"}')
    'update'
    """
    if not data.startswith(_USUAL_START):
        return None
    return _USUAL_ENDS.get(data[-_END_LENGTH:])


def decode_record_event(name: str, data: bytes) -> RecordEvent[dict[str, Any]]:
    """Read the data of a frame on the record topic ``name``.

    Raises:
        MalformedEvent: it is not ``{"action": create|update|delete, "record": {…}}``.

    >>> decode_record_event("posts/*", b'{"action":"delete","record":{"id":"abc"}}')
    RecordEvent(delete on 'posts/*', id='abc')
    """
    try:
        event = _received(data)
    except (ValueError, RecursionError):
        return _read_slowly(name, data)
    event.topic = name
    return event


def _read_slowly(name: str, data: bytes) -> RecordEvent[dict[str, Any]]:
    """Finds out what is wrong with an event; gives it where nothing is but the depth of its text
    as a whole."""
    try:
        content = read_answer(data)
    except ValueError:
        raise MalformedEvent(name, "its data is not JSON") from None
    if why := _what_is_wrong(content):
        raise MalformedEvent(name, why)
    event = RecordEvent(name, content["action"], content["record"])
    if isinstance(event.record, UnreadableRow):
        raise MalformedEvent(name, str(event.record.told()), event)
    return event


def decode_record_events(
    names: Iterable[str], payloads: Iterable[bytes]
) -> list[RecordEvent[dict[str, Any]]]:
    """Many at once, for a burst: the interpreter's own loops do it for less.

    Raises:
        ValueError, RecursionError: at least one of them is not what it should be;
            `decode_record_event` tells which, and what is wrong.
    """
    events: list[RecordEvent[dict[str, Any]]] = list(map(_received, payloads))
    for event, name in zip(events, names, strict=True):
        event.topic = name
    return events


def _what_is_wrong(content: Any) -> str:
    if not isinstance(content, dict) or not content.keys() >= {"action", "record"}:
        return "its data is no object with an action and a record"
    record = content["record"]
    if not isinstance(record, dict):
        return f"its record is a {type(record).__name__}, not an object"
    if content["action"] not in get_args(Action):
        return "its action is none of create, update and delete"
    return ""


def decode_message(topic: str, data: bytes) -> Message:
    """Read the data of a frame on any other topic; text that is no JSON is kept as it is.

    >>> decode_message("chat/lobby", b"hello").data
    'hello'
    """
    try:
        return Message(topic, decode(data))
    except ValueError:
        return Message(topic, data.decode(errors="replace"))
