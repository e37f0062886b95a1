"""Events: what subscribers get. Pure: a frame's bytes in, a value out.

An event is built once and handed to every subscriber of its topic, so it is to be read, never
written: copy the record first (``dict(event.record)``) if you need to change it.
"""

from __future__ import annotations

from itertools import repeat
from operator import itemgetter
from typing import Any, Generic, TypeVar

import orjson

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

_loads = orjson.loads
_action_and_record = itemgetter("action", "record")
_ACTIONS = frozenset({"create", "update", "delete"})


class MalformedEvent(BosBaseError, ValueError):
    """A frame of a record topic that holds no record event.

    Attributes:
        topic: the topic it came on, without options.
    """

    def __init__(self, topic: str, why: str) -> None:
        # Never the payload: it is somebody's record, and messages end up in logs.
        super().__init__(f"the event on {topic!r} was left out: {why}")
        self.topic = topic


class RecordEvent(Generic[T]):
    """A record was created, updated or deleted. Shared by all subscribers: do not change it.

    Attributes:
        topic: the topic without options, for example ``posts/*``.
        action: ``"create"``, ``"update"`` or ``"delete"``.
        record: the record as the server sent it; after a delete, as it last was.

    >>> event = RecordEvent("posts/*", "create", {"id": "abc", "title": "Hi"})
    >>> event.action, event["record"]["title"]
    ('create', 'Hi')
    """

    __slots__ = __match_args__ = ("topic", "action", "record")

    def __init__(self, topic: str, action: str, record: T) -> None:
        self.topic = topic
        self.action = action
        self.record = record

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

    def __repr__(self) -> str:
        known = self.record.get("id") if isinstance(self.record, dict) else None
        return f"RecordEvent({self.action} on {self.topic!r}, id={known!r})"


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
_USUAL_ENDS = {b'},"action":"%s"}' % action.encode(): action for action in sorted(_ACTIONS)}
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
    # The usual case first, in as few steps as there can be: this is half of what an event costs.
    try:
        content = _loads(data)
        action = content["action"]
        record = content["record"]
        if record.__class__ is dict and action in _ACTIONS:
            return RecordEvent(name, action, record)
    except (ValueError, TypeError, KeyError):
        pass
    raise MalformedEvent(name, _what_is_wrong(data))


def decode_record_events(name: str, payloads: list[bytes]) -> list[RecordEvent[dict[str, Any]]]:
    """Many at once, for a burst on one topic: the interpreter's own loops do it for less.

    Raises:
        MalformedEvent: at least one of them is not what it should be; `decode_record_event`
            tells which.
    """
    try:
        pairs = list(map(_action_and_record, map(_loads, payloads)))
        actions, records = zip(*pairs, strict=True)
    except (ValueError, TypeError, KeyError):
        raise MalformedEvent(name, "one of many") from None
    if set(map(type, records)) != {dict} or set(map(type, actions)) != {str}:
        raise MalformedEvent(name, "one of many")
    if not _ACTIONS.issuperset(actions):
        raise MalformedEvent(name, "one of many")
    return list(map(RecordEvent, repeat(name), actions, records))


def _what_is_wrong(data: bytes) -> str:
    try:
        content = _loads(data)
    except ValueError:
        return "its data is not JSON"
    if not isinstance(content, dict) or not content.keys() >= {"action", "record"}:
        return "its data is no object with an action and a record"
    record = content["record"]
    if not isinstance(record, dict):
        return f"its record is a {type(record).__name__}, not an object"
    return "its action is none of create, update and delete"


def decode_message(topic: str, data: bytes) -> Message:
    """Read the data of a frame on any other topic; text that is no JSON is kept as it is.

    >>> decode_message("chat/lobby", b"hello").data
    'hello'
    """
    try:
        return Message(topic, orjson.loads(data))
    except ValueError:
        return Message(topic, data.decode(errors="replace"))
