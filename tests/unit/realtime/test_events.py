"""Events: what a frame's data becomes, and what is refused without showing it."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.errors import BosBaseError
from rxbosbase.realtime.events import (
    MalformedEvent,
    Message,
    RecordEvent,
    decode_message,
    decode_record_event,
    decode_record_events,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("abé\n\"'\\"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["create", "update", "delete"]), st.dictionaries(st.text("ab"), json_values))
def test_a_record_event_is_what_the_server_wrote(action: str, record: dict[str, Any]) -> None:
    data = json.dumps({"record": record, "action": action}).encode()
    assert decode_record_event("posts/*", data) == RecordEvent("posts/*", action, record)


def test_an_event_is_read_by_attribute_and_by_key() -> None:
    event = RecordEvent("posts/*", "update", {"id": "a"})
    assert (event.topic, event.action, event.record) == ("posts/*", "update", {"id": "a"})
    assert [event[key] for key in ("topic", "action", "record")] == [
        "posts/*",
        "update",
        {"id": "a"},
    ]
    for unknown in ("id", "data", "__class__"):
        with pytest.raises(KeyError, match=unknown):
            event[unknown]


def test_an_event_holds_nothing_else() -> None:
    with pytest.raises(AttributeError):
        RecordEvent("t", "create", {}).other = 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        Message("t", {}).other = 1  # type: ignore[attr-defined]


def test_events_are_equal_by_value() -> None:
    event = RecordEvent("t", "create", {"id": "a"})
    assert event == RecordEvent("t", "create", {"id": "a"})
    assert event != RecordEvent("u", "create", {"id": "a"})
    assert event != RecordEvent("t", "update", {"id": "a"})
    assert event != RecordEvent("t", "create", {"id": "b"})
    assert event != ("t", "create", {"id": "a"})
    assert Message("t", [1]) == Message("t", [1])
    assert Message("t", [1]) != Message("t", [2])
    assert Message("t", [1]) != "t"


@pytest.mark.parametrize("event", [RecordEvent("t", "create", {"id": "a"}), Message("t", {"a": 1})])
def test_events_can_be_copied_and_pickled(event: object) -> None:
    assert copy.deepcopy(event) == event
    assert pickle.loads(pickle.dumps(event)) == event


def test_the_repr_names_the_record_and_keeps_its_content() -> None:
    event = RecordEvent("users/*", "update", {"id": "abc", "email": "secret@example.com"})
    assert repr(event) == "RecordEvent(update on 'users/*', id='abc')"
    assert repr(RecordEvent("t", "create", None)) == "RecordEvent(create on 't', id=None)"
    assert repr(Message("chat", {"text": "secret"})) == "Message(topic='chat', data=dict)"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"action":"create","record":{"s":"\xff"}}', "not JSON"),
        (b"secret", "not JSON"),
        (b"[1]", "no object"),
        (b'"secret"', "no object"),
        (b"null", "no object"),
        (b"{}", "no object with an action and a record"),
        (b'{"action":"create"}', "with an action and a record"),
        (b'{"record":{"a":"secret"}}', "with an action and a record"),
        (b'{"action":"create","record":["secret"]}', "its record is a list"),
        (b'{"action":"create","record":null}', "its record is a NoneType"),
        (b'{"action":"secret","record":{}}', "its action is none of"),
        (b'{"action":["create"],"record":{}}', "its action is none of"),
        (b"[" * 5000, "not JSON"),
    ],
)
def test_what_is_no_event_is_refused_with_topic_and_reason_only(data: bytes, why: str) -> None:
    with pytest.raises(MalformedEvent, match=f"'posts/.*{why}") as caught:
        decode_record_event("posts/*", data)
    assert caught.value.topic == "posts/*"
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, BosBaseError)
    assert isinstance(caught.value, ValueError)
    assert caught.value.__cause__ is None


@given(st.binary())
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(MalformedEvent):
        decode_record_event("t", data)
    decode_message("t", data)


@pytest.mark.parametrize("extra", [b'"x"', b"5", b"null", b"{}"])
def test_a_topic_within_the_data_is_as_any_other_member(extra: bytes) -> None:
    data = b'{"topic":%s,"action":"create","record":{"id":"a"}}' % extra
    expected = RecordEvent("posts/*", "create", {"id": "a"})
    assert decode_record_event("posts/*", data) == expected
    assert decode_record_events(["posts/*"], [data]) == [expected]


def test_a_message_reads_the_keys_of_its_object() -> None:
    message = decode_message("PB_CONNECT", b'{"clientId":"c1"}')
    assert message["clientId"] == "c1"
    with pytest.raises(KeyError, match="other"):
        message["other"]
    with pytest.raises(KeyError, match="clientId"):
        Message("t", "text")["clientId"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"[1,2]", [1, 2]), (b"null", None), (b"5", 5), (b"hello", "hello"), (b"", ""),
     (b"caf\xc3\xa9", "café"), (b"\xff!", "\ufffd!")],
)  # fmt: skip
def test_a_message_is_any_json_or_else_its_text(data: bytes, expected: object) -> None:
    assert decode_message("chat", data).data == expected
