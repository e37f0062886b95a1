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
    """All named fields are given, and ``fields`` says which of them differ."""
    events = [save(n=1, by="me", other=0), save(n=2, by="me", other=1)]
    (change,) = seen(events, "n", "by")
    assert (change.before, change.after) == ({"n": 1, "by": "me"}, {"n": 2, "by": "me"})
    assert change.fields == ("n",) and change.event is events[1]


def test_a_create_is_remembered_and_gives_nothing() -> None:
    """The first update after a create is compared with it."""
    assert [c.after for c in seen([save("create", n=1), save(n=2)], "n")] == [{"n": 2}]


def test_a_create_of_a_known_record_is_no_update() -> None:
    """Its delete may have been missed; there is nothing sensible to compare it with."""
    assert seen([save(n=1), save("create", n=2)], "n") == []


def test_a_delete_forgets_the_record() -> None:
    """A new life of the same id is not compared with the old one."""
    assert seen([save(n=1), save("delete", n=1), save(n=2)], "n") == []


def test_each_step_is_compared_with_the_one_before_it() -> None:
    """Not with the first sight, and not with the last change that was given."""
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
    """Dots reach into objects, relations and lists; what is missing counts as None."""
    (change,) = seen([save(**before), save(**after)], path)
    assert (change.before, change.after) == ({path: "x"}, {path: None})


@pytest.mark.parametrize("path", ["tags.first", "title.0"])
def test_only_a_list_has_numbered_parts_and_no_others(path: str) -> None:
    """A name into a list and a number into text are no fields, and no errors."""
    assert seen([save(tags=["x"], title="x"), save(tags=["y"], title="y")], path) == []


def test_a_change_can_be_changed_without_harm_to_the_next() -> None:
    """The dicts of a `FieldChange` are its own, the operator's memory is not in them."""
    after: list[int] = []

    def spoil(change: rxb.FieldChange[dict[str, Any]]) -> None:
        after.append(change.before["n"])
        change.after["n"] = 99

    reactivex.of(save(n=1), save(n=2), save(n=3)).pipe(rxb.changed("n")).subscribe(spoil)
    assert after == [1, 2]


def test_a_change_is_immutable() -> None:
    """Nobody can put another event into it."""
    (change,) = seen([save(n=1), save(n=2)], "n")
    with pytest.raises(AttributeError):
        change.event = save()  # type: ignore[misc]


@pytest.mark.parametrize("fields", [(), ("",), (1,)])
def test_a_call_without_fields_is_refused(fields: Any) -> None:
    """No field could never change: that is a mistake, not a quiet stream."""
    with pytest.raises(ValueError, match="names of fields"):
        rxb.changed(*fields)


def test_an_event_without_an_id_says_what_to_do() -> None:
    """``fields=`` without ``id`` is the usual reason, so the message names it."""
    nameless = RecordEvent[dict[str, Any]]("posts/*", "update", {"n": 1})
    with pytest.raises(ValueError, match="add 'id'"):
        seen([nameless], "n")
