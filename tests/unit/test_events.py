"""Events: how a frame's data is decoded, and refused without showing it."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.errors import BosBaseError
from rxbosbase.events import (
    MalformedEvent,
    Message,
    ReceivedAt,
    RecordEvent,
    decode_message,
    decode_record_event,
    decode_record_events,
    usual_action,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("abé\n\"'\\"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["create", "update", "delete"]), st.dictionaries(st.text("ab"), json_values))
def test_a_record_event_has_what_the_server_sent(action: str, record: dict[str, Any]) -> None:
    """A decoded event has the topic, the action and the record that the server sent."""
    data = json.dumps({"record": record, "action": action}).encode()
    assert decode_record_event("posts/*", data) == RecordEvent("posts/*", action, record)


def test_a_decoded_event_is_a_record_event_also_behind_a_pickle() -> None:
    """A decoded event's type is `RecordEvent`, which its pickle names; the time is in it."""
    read_at = ReceivedAt(monotonic=1.5, wall=1.8e9)
    event = decode_record_event("posts/*", ONE, read_at)
    assert type(event) is RecordEvent
    again = pickle.loads(pickle.dumps(event))
    assert type(again) is RecordEvent and again == event
    assert again.received_at == event.received_at == read_at
    assert copy.deepcopy(event).received_at == read_at


def test_the_time_of_an_event_is_no_part_of_its_value() -> None:
    """Events received at different times are equal; one that was not received has no time."""
    event = RecordEvent("posts/*", "create", {"id": "a"})
    assert event.received_at is None
    assert event == RecordEvent("posts/*", "create", {"id": "a"}, ReceivedAt(1.0, 2.0))


def test_a_value_in_the_data_cannot_set_topic_or_time() -> None:
    """`topic` and `received_at` in the data of a frame are ignored, in a burst too."""
    data = b'{"action":"create","record":{},"topic":"forged/*","received_at":{"wall":1}}'
    alone, (burst,) = decode_record_event("t", data), decode_record_events(["t"], [data])
    assert [(each.topic, each.received_at) for each in (alone, burst)] == [("t", None)] * 2


def test_an_event_is_matched_by_position_as_it_is_made() -> None:
    """`case RecordEvent(topic, action, record)` has the order of the constructor."""
    match decode_record_event("posts/*", ONE):
        case RecordEvent(topic, action, record):
            assert (topic, action, record) == ("posts/*", "create", {"id": "a"})


def test_an_event_is_read_by_attribute_and_by_key() -> None:
    """An event's three values are read by attribute and by key; other keys raise `KeyError`."""
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


def test_events_accept_no_other_attributes() -> None:
    """Events and messages accept no other attributes."""
    with pytest.raises(AttributeError):
        RecordEvent("t", "create", {}).other = 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        Message("t", {}).other = 1  # type: ignore[attr-defined]


def test_events_are_equal_by_value() -> None:
    """Events and messages are equal by value, and to no other type."""
    event = RecordEvent("t", "create", {"id": "a"})
    assert event == RecordEvent("t", "create", {"id": "a"})
    assert (event != RecordEvent("t", "create", {"id": "a"})) is False
    assert (event == RecordEvent("u", "create", {"id": "a"})) is False
    assert (event == RecordEvent("u", "delete", {"id": "a"})) is False
    assert (event == RecordEvent("t", "create", {"id": "b"})) is False
    assert (event == RecordEvent("t", "delete", {"id": "a"})) is False
    assert (event == ("t", "create", {"id": "a"})) is False
    assert event != RecordEvent("u", "create", {"id": "a"})
    assert event != RecordEvent("t", "update", {"id": "a"})
    assert event != RecordEvent("t", "create", {"id": "b"})
    assert event != RecordEvent("u", "delete", {"id": "a"})
    assert event != RecordEvent("u", "create", {"id": "b"})
    assert event != ("t", "create", {"id": "a"})
    assert Message("t", [1]) == Message("t", [1])
    assert Message("t", [1]) != Message("t", [2])
    assert Message("t", [1]) != "t"


@pytest.mark.parametrize("event", [RecordEvent("t", "create", {"id": "a"}), Message("t", {"a": 1})])
def test_events_can_be_copied_and_pickled(event: object) -> None:
    """Events and messages can be copied and pickled."""
    assert copy.deepcopy(event) == event
    assert pickle.loads(pickle.dumps(event)) == event


def test_the_repr_names_the_record_and_hides_its_content() -> None:
    """`repr` shows the action, topic and record id, and no content."""
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
    """Data that is no event raises `MalformedEvent` with topic and reason, without the data."""
    with pytest.raises(MalformedEvent, match=f"'posts/.*{why}") as caught:
        decode_record_event("posts/*", data)
    assert caught.value.topic == "posts/*"
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, BosBaseError)
    assert isinstance(caught.value, ValueError)
    assert caught.value.__cause__ is None


@given(st.binary())
def test_any_bytes_are_an_event_or_a_malformed_event(data: bytes) -> None:
    """Any bytes give an event or raise `MalformedEvent`, and always give a message."""
    found: RecordEvent[dict[str, Any]] | MalformedEvent
    try:
        found = decode_record_event("t", data)
    except MalformedEvent as error:
        found = error
    assert found.topic == "t"
    assert decode_message("t", data).topic == "t"


ONE = b'{"record":{"id":"a"},"action":"create"}'


def test_a_record_nested_too_deeply_is_refused_with_the_readable_part() -> None:
    """A record nested too deeply raises an error with the field and the rest of the event."""
    deep = b"[" * 200_000 + b"]" * 200_000
    data = b'{"record":{"collectionName":"posts","id":"a","d":%s},"action":"update"}' % deep
    with pytest.raises(MalformedEvent, match=r"record 'a' of 'posts': its field 'd'") as caught:
        decode_record_event("posts/*", data)
    event = caught.value.event
    assert event is not None
    assert (event.topic, event.action, event["record"]["id"]) == ("posts/*", "update", "a")


def test_deep_nesting_beside_the_record_is_accepted() -> None:
    """Deep nesting beside the record does not affect the event."""
    deep = b"[" * 200_000 + b"]" * 200_000
    data = b'{"record":{"id":"a"},"other":%s,"action":"delete"}' % deep
    assert decode_record_event("t", data) == RecordEvent("t", "delete", {"id": "a"})


def test_many_events_are_decoded_in_order_each_with_its_topic() -> None:
    """`decode_record_events` returns the events in order, each with its topic."""
    other = ONE.replace(b"create", b"delete")
    assert decode_record_events(["a/*", "b/*"], [ONE, other]) == [
        RecordEvent("a/*", "create", {"id": "a"}),
        RecordEvent("b/*", "delete", {"id": "a"}),
    ]


@pytest.mark.parametrize("names", [["t"], ["t"] * 3])
def test_each_of_many_events_needs_its_topic(names: list[str]) -> None:
    """`decode_record_events` raises `ValueError` unless each event has its topic."""
    with pytest.raises(ValueError, match=r"shorter|longer"):
        decode_record_events(names, [ONE] * 2)


@pytest.mark.parametrize("data", [b"{}", b"secret", b"[" * 5000], ids=["empty", "text", "deep"])
def test_one_malformed_event_of_many_refuses_all(data: bytes) -> None:
    """`decode_record_events` raises an error if any one of the events is malformed."""
    with pytest.raises((ValueError, RecursionError)):
        decode_record_events(["t"] * 3, [ONE, data, ONE])


@pytest.mark.parametrize(
    ("data", "action"),
    [
        (ONE, "create"),
        (ONE.replace(b"create", b"update"), "update"),
        (ONE.replace(b"create", b"delete"), "delete"),
        (b'{"record":{"action":"delete"},"action":"create"}', "create"),
        (ONE.replace(b"create", b"other!"), None),
        (ONE.replace(b"}", b"} ", 1), None),
        (b" " + ONE, None),
        (b'{"action":"delete","record":{"id":"a"},"action":"create"}', None),
        (b'{"other":{"id":"a"},"action":"create"}', None),
        (b"", None),
    ],
)
def test_usual_action_reads_the_usual_form_alone(data: bytes, action: str | None) -> None:
    """`usual_action` returns the action for data of the usual shape only, without decoding."""
    assert usual_action(data) == action


@pytest.mark.parametrize("extra", [b'"x"', b"5", b"null", b"{}"])
def test_a_topic_within_the_data_is_ignored(extra: bytes) -> None:
    """A `topic` inside the data does not change the topic of the event."""
    data = b'{"topic":%s,"action":"create","record":{"id":"a"}}' % extra
    expected = RecordEvent("posts/*", "create", {"id": "a"})
    assert decode_record_event("posts/*", data) == expected
    assert decode_record_events(["posts/*"], [data]) == [expected]


def test_a_message_reads_the_keys_of_its_object() -> None:
    """A message has the keys of its object; any other key raises `KeyError`."""
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
    """The data of a message is its JSON value or, if it is no JSON, its text."""
    assert decode_message("chat", data).data == expected
