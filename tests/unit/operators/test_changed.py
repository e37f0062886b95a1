"""``changed`` compares fields with the record's preceding event."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex
from reactivex import operators as ops

from rxbosbase import operators as rxb
from rxbosbase.events import RecordEvent


def save(action: str = "update", **record: Any) -> RecordEvent[dict[str, Any]]:
    return RecordEvent("posts/*", action, {"id": "a", **record})


def seen(
    events: list[RecordEvent[dict[str, Any]]], *fields: str
) -> list[rxb.FieldChange[dict[str, Any]]]:
    found = reactivex.from_iterable(events).pipe(rxb.changed(*fields), ops.to_list()).run()
    return list(found)


def test_before_and_after_hold_the_named_fields_alone() -> None:
    """A change has all named fields before and after; `fields` names those that differ."""
    events = [save(n=1, by="me", other=0), save(n=2, by="me", other=1)]
    (change,) = seen(events, "n", "by")
    assert (change.before, change.after) == ({"n": 1, "by": "me"}, {"n": 2, "by": "me"})
    assert change.fields == ("n",) and change.event is events[1]


def test_a_create_is_remembered_and_gives_nothing() -> None:
    """A create emits no change, but the next update is compared with it."""
    assert [c.after for c in seen([save("create", n=1), save(n=2)], "n")] == [{"n": 2}]


def test_a_create_of_a_known_record_is_no_update() -> None:
    """A create of a known id emits no change."""
    assert seen([save(n=1), save("create", n=2)], "n") == []


def test_a_delete_forgets_the_record() -> None:
    """After a delete, an event with the same id is not compared with earlier ones."""
    assert seen([save(n=1), save("delete", n=1), save(n=2)], "n") == []


def test_each_step_is_compared_with_the_one_before_it() -> None:
    """Each update is compared with the event before it, not with the first one."""
    changes = seen([save(n=1), save(n=2), save(n=2), save(n=1)], "n")
    assert [(c.before["n"], c.after["n"]) for c in changes] == [(1, 2), (2, 1)]


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("expand.author.name", {"expand": {"author": {"name": "x"}}}, {"expand": {}}),
        ("tags.1", {"tags": ["p", "x"]}, {"tags": ["p"]}),
        ("title", {"title": "x"}, {}),
        ("title.deeper", {"title": {"deeper": "x"}}, {"title": "text"}),
    ],
)
def test_a_path_that_leads_nowhere_is_none(
    path: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """A dotted path leads into objects, relations and lists; what is missing is None."""
    (change,) = seen([save(**before), save(**after)], path)
    assert (change.before, change.after) == ({path: "x"}, {path: None})


@pytest.mark.parametrize("path", ["tags.first", "title.0"])
def test_only_a_list_has_numbered_parts_and_no_others(path: str) -> None:
    """A name into a list or a number into a text is no field and no error."""
    assert seen([save(tags=["x"], title="x"), save(tags=["y"], title="y")], path) == []


def test_a_modified_change_does_not_affect_the_next() -> None:
    """Modifying the dicts of a `FieldChange` does not affect later comparisons."""
    after: list[int] = []

    def spoil(change: rxb.FieldChange[dict[str, Any]]) -> None:
        after.append(change.before["n"])
        change.after["n"] = 99

    reactivex.of(save(n=1), save(n=2), save(n=3)).pipe(rxb.changed("n")).subscribe(spoil)
    assert after == [1, 2]


def test_a_change_is_immutable() -> None:
    """A `FieldChange` is immutable."""
    (change,) = seen([save(n=1), save(n=2)], "n")
    with pytest.raises(AttributeError):
        change.event = save()  # type: ignore[misc]


@pytest.mark.parametrize("fields", [(), ("",), (1,)])
def test_a_call_without_fields_is_refused(fields: Any) -> None:
    """A call without valid field names raises `ValueError`."""
    with pytest.raises(ValueError, match="names of fields"):
        rxb.changed(*fields)


def test_an_event_without_an_id_is_refused_with_the_remedy() -> None:
    """An event without an `id` raises `ValueError` with the advice to add 'id'."""
    nameless = RecordEvent[dict[str, Any]]("posts/*", "update", {"n": 1})
    with pytest.raises(ValueError, match="add 'id'"):
        seen([nameless], "n")
