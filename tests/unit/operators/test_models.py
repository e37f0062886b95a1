"""Events of a collection with a model: what the operators look into may be a dataclass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.testing import TestScheduler

from rxbosbase import operators as rxb
from rxbosbase.events import RecordEvent


@dataclass(frozen=True, slots=True)
class Author:
    name: str


@dataclass(frozen=True, slots=True)
class Post:
    id: str
    n: int
    author: Author = field(default=Author("Ann"))
    due: datetime = datetime(2026, 1, 1, tzinfo=UTC)


def save(id: str, n: int, **values: Any) -> RecordEvent[Post]:
    return RecordEvent("posts/*", "update", Post(id, n, **values))


EVENTS = [save("a", 1), save("a", 1), save("b", 1), save("a", 2)]


@pytest.mark.parametrize(
    ("operator", "came"),
    [
        (rxb.distinct_record(), [("a", 1), ("b", 1), ("a", 2)]),
        (rxb.conflate_by_id(1), [("a", 2), ("b", 1)]),
        (rxb.debounce_by_id(1), [("a", 2), ("b", 1)]),
    ],
    ids=["distinct_record", "conflate_by_id", "debounce_by_id"],
)
def test_a_model_has_its_id_as_an_attribute(
    operator: Callable[..., Any], came: list[tuple[str, int]]
) -> None:
    """Operators by id read the `id` attribute of a model."""
    events = reactivex.of(*EVENTS).pipe(operator, ops.to_list()).run()
    assert [(event.record.id, event.record.n) for event in events] == came


def test_a_full_queue_keeps_the_newest_of_each_model() -> None:
    """A full `conflate` queue keeps the newest event of each model."""
    scheduler = TestScheduler()
    came: list[Post] = []
    queue = rxb.bounded_observe_on(scheduler, 2, "conflate")
    reactivex.of(*EVENTS).pipe(queue, rxb.records()).subscribe(came.append)
    scheduler.start()
    assert came == [Post("a", 2), Post("b", 1)]


def test_a_state_holds_the_models() -> None:
    """`to_state` emits a mapping of ids to models."""
    state = reactivex.of(*EVENTS).pipe(rxb.to_state()).run()
    assert dict(state) == {"a": Post("a", 2), "b": Post("b", 1)}


@pytest.mark.parametrize(
    ("path", "values", "found"),
    [
        ("n", {}, (1, 2)),
        ("author.name", {"author": Author("Bea")}, ("Ann", "Bea")),
        ("due.year", {"due": datetime(2027, 1, 1, tzinfo=UTC)}, (2026, 2027)),
    ],
)
def test_changed_reads_a_models_attributes(
    path: str, values: dict[str, Any], found: tuple[Any, Any]
) -> None:
    """`changed` reads the attributes of a model, also through a path."""
    change = reactivex.of(save("a", 1), save("a", 2, **values)).pipe(rxb.changed(path)).run()
    assert (change.before[path], change.after[path]) == found


@pytest.mark.parametrize("path", ["id.upper", "n.real", "author.age"])
def test_a_path_to_no_field_is_no_change(path: str) -> None:
    """A path to an attribute that is no field, or that is missing, gives no change."""
    changes = reactivex.of(save("a", 1), save("a", 2)).pipe(rxb.changed(path), ops.to_list())
    assert changes.run() == []
