"""Collections with a model, on the real server."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict, cast

import pytest
from support.live_schema import Received, World, collect, eventually

from rxbosbase import BosBase, Collection, RecordDecodeError, RecordEvent
from rxbosbase.live import Snapshot

pytest_plugins = ["support.live_fixtures"]


@dataclass
class Author:
    id: str
    name: str


@dataclass
class Expanded:
    author: Author


@dataclass
class Post:
    id: str
    collectionName: str
    title: str
    n: int
    created: datetime
    due: datetime | None = None
    expand: Expanded | None = None


class Row(TypedDict):
    id: str
    title: str


@dataclass
class Strict:
    id: str
    n: int


BAD, GOOD = {"title": "bad", "n": 0.5}, {"title": "good", "n": 2}


def instead(error: RecordDecodeError, record: dict[str, Any]) -> Strict:
    return Strict(error.field, -1)


def typed(posts: Collection, policy: Any = "raise") -> Collection[Strict]:
    """The collection whose `n` must have no fraction."""
    client = cast(BosBase, posts._client)
    return client.collection(posts.name, model=Strict, on_decode_error=policy)


# -- requests --------------------------------------------------------------------------------------


def test_every_request_gives_the_model(world: World) -> None:
    """Every record request of a collection with a model returns the model."""
    name = world.collection(fields=({"name": "due", "type": "date"},)).name
    posts = world.admin.collection(name, model=Post)
    made = posts.create({"title": "one", "n": 1})
    assert (made.title, made.n, made.due, made.collectionName) == ("one", 1, None, name)
    assert abs((datetime.now(UTC) - made.created).total_seconds()) < 60
    due = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    changed = posts.update(made.id, {"due": "2026-01-02 03:04:05.678Z"})
    assert changed.due == due
    assert posts.get_one(made.id) == changed
    assert posts.get_first_list_item("n = 1") == changed
    assert posts.get_list()["items"] == [changed]
    assert posts.get_full_list() == posts.get_full_list(sort="n") == [changed]
    assert list(posts.iter_records()) == [changed]


def test_expanded_records_become_their_dataclass(world: World) -> None:
    """Expanded records become the dataclass of the model's `expand`, in requests and views."""
    users = world.users()
    user = world.user(users, name="Ada")
    info = world.admin.collections.get(users)
    author = {"name": "author", "type": "relation", "collectionId": info["id"], "maxSelect": 1}
    plain = world.collection(fields=(author,))
    posts = world.admin.collection(plain.name, model=Post)
    made = posts.create({"title": "one", "n": 1, "author": user["id"]}, expand="author")
    assert made.expand == Expanded(Author(user["id"], "Ada"))
    with posts.live(expand="author") as view:
        assert list(view.wait_fresh().records) == [made]


def test_a_record_that_does_not_fit_fails_the_request_by_its_field(world: World) -> None:
    """A record that does not fit the model raises RecordDecodeError with field and types."""
    posts = world.collection()
    made = posts.create(BAD)
    with pytest.raises(RecordDecodeError) as caught:
        typed(posts).get_one(made["id"])
    error = caught.value
    assert (error.field, error.collection, error.expected, error.found, error.record_id) == (
        "n", posts.name, "int", "float", made["id"],
    )  # fmt: skip
    with pytest.raises(RecordDecodeError):
        typed(posts).get_full_list()


def test_skip_leaves_it_out_of_lists_and_pages(world: World) -> None:
    """With `on_decode_error="skip"`, lists leave the record out; `totalItems` counts it."""
    posts = world.collection()
    posts.create(BAD)
    good = posts.create(GOOD)["id"]
    skipping = typed(posts, "skip")
    assert skipping.get_full_list() == [Strict(good, 2)]
    assert skipping.get_full_list(batch=1, sort="-n") == [Strict(good, 2)]
    assert list(skipping.iter_records(batch=1)) == [Strict(good, 2)]
    page = skipping.get_list()
    assert (page["items"], page["totalItems"]) == ([Strict(good, 2)], 2)


def test_a_callable_gives_something_instead(world: World) -> None:
    """A callable as `on_decode_error` returns the value in place of the record."""
    posts = world.collection()
    made = posts.create(BAD)
    assert typed(posts, instead).get_one(made["id"]) == Strict("n", -1)


# -- streams ---------------------------------------------------------------------------------------


def test_streams_callbacks_and_iterators_give_events_of_the_model(world: World) -> None:
    """Streams, callbacks and `events` deliver events whose record is of the model."""
    plain = world.collection()
    posts = world.client().collection(plain.name, model=Row)
    received = collect(posts.observe())
    called: Received[RecordEvent[Row]] = Received()
    with posts.subscribe("*", called), posts.events() as events:
        made = plain.create(GOOD)
        for event in (received.have(1)[0], called.have(1)[0], next(events)):
            assert (event.action, event.record["id"], event.record["title"]) == (
                "create", made["id"], "good",
            )  # fmt: skip


def test_raise_ends_the_stream_and_the_iterator_with_the_error(world: World) -> None:
    """With `"raise"`, a bad record ends a stream and an iterator with RecordDecodeError."""
    plain = world.collection()
    posts = typed(plain)
    received = collect(posts.observe())
    with posts.events() as events:
        plain.create(GOOD)
        assert next(events).record.n == 2
        plain.create(BAD)
        with pytest.raises(RecordDecodeError):
            next(events)
    assert isinstance(received.failure(), RecordDecodeError)
    assert [event.record.n for event in received.items] == [2]


def test_a_callback_stays_subscribed_and_the_log_names_the_field(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """With `"raise"`, a callback stays subscribed; the log names the field that does not fit."""
    plain = world.collection()
    called: Received[RecordEvent[Strict]] = Received()
    with caplog.at_level(logging.ERROR), typed(plain).subscribe("*", called):
        plain.create(BAD)
        plain.create(GOOD)
        assert [event.record.n for event in called.have(1)] == [2]
        eventually(lambda: caplog.records)  # the two may arrive in another order
    assert "RecordDecodeError" in caplog.text and "its field 'n' must be int" in caplog.text


def test_skip_leaves_an_event_out(world: World) -> None:
    """With `"skip"`, a stream leaves out the event of a record that does not fit."""
    plain = world.collection()
    received = collect(typed(plain, "skip").observe())
    world.wait_active()
    plain.create(BAD)
    plain.create(GOOD)
    assert [event.record.n for event in received.have(1)] == [2]


# -- live views ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"sort": "-n", "limit": 5}])
def test_a_view_shows_the_model_and_hides_what_is_skipped_until_it_fits(
    world: World, options: dict[str, Any]
) -> None:
    """A view with `"skip"` shows a record only while it fits the model."""
    plain = world.collection()
    bad, good = plain.create(BAD)["id"], plain.create(GOOD)["id"]
    received: Received[Snapshot[Strict]] = collect(typed(plain, "skip").live(**options))
    received.until(lambda h: h.items and list(h.items[-1].records) == [Strict(good, 2)])
    plain.update(bad, {"n": 1})
    both = {Strict(good, 2).id: 2, bad: 1}
    received.until(lambda h: {each.id: each.n for each in h.items[-1].records} == both)
    plain.update(good, {"n": 0.25})
    received.until(lambda h: [each.id for each in h.items[-1].records] == [bad])
    received.dispose()


def test_raise_ends_the_view_for_a_change_and_for_the_snapshot(world: World) -> None:
    """With `"raise"`, a bad record fails a running view, and `wait_fresh` of a new one."""
    plain = world.collection()
    plain.create(GOOD)
    view = typed(plain).live()
    received = collect(view)
    with view:
        assert [each.n for each in view.wait_fresh().records] == [2]
        plain.create(BAD)
        assert isinstance(received.failure(), RecordDecodeError)
    with typed(plain).live() as again, pytest.raises(RecordDecodeError):
        again.wait_fresh()


def test_views_are_shared_by_model_and_policy(world: World) -> None:
    """Equal views are shared only if `on_decode_error` is the same too."""
    plain = world.collection()
    manager = world.admin.live_manager

    def views(*policies: Any) -> int:
        views = [typed(plain, policy).live() for policy in policies]
        for view in views:
            view.__enter__()
        count = len(manager._views)
        for view in views:
            view.__exit__(None, None, None)
        return count

    assert views("raise", "raise") == 1
    assert views("raise", "skip", instead) == 3
    eventually(lambda: not manager._views)


def test_a_live_record_is_of_the_model(world: World) -> None:
    """`live_record` of a collection with a model emits the model, also after an update."""
    plain = world.collection()
    made = plain.create(GOOD)["id"]
    received = collect(typed(plain).live_record(made))
    assert received.first(lambda record: record is not None) == Strict(made, 2)
    plain.update(made, {"n": 3})
    received.first(lambda record: record == Strict(made, 3))
    received.dispose()


def test_a_model_may_wait_for_another_view(world: World) -> None:
    """A model may wait until another view has changed: no lock is held while it runs."""
    posts = world.collection()
    posts.create({"n": 1})
    others = posts.live(filter="n > 0")
    made: list[str] = []

    def counted(record: dict[str, Any]) -> int:
        while len(made) < 2:  # both views receive the first event, on one thread
            made.append(posts.create({"n": 2})["id"])
            eventually(lambda: made[-1] in others.current.by_id)
        return len(others.current.records)

    with others, world.admin.collection(posts.name, model=counted).live() as view:
        others.wait_fresh(10)
        assert view.wait_fresh(10).records[0] == 3


def test_a_model_that_looks_at_its_own_view_sees_what_was_before(world: World) -> None:
    """A model that reads `current` of its own view gets the snapshot before, version 0."""
    posts = world.collection()
    posts.create({})
    seen: list[int] = []

    def looking(record: dict[str, Any]) -> str:
        seen.append(view.current.version)
        return str(record["id"])

    with world.admin.collection(posts.name, model=looking).live() as view:
        assert len(view.wait_fresh(10).records) == 1
    assert seen == [0]


def test_ctrl_c_in_a_model_loses_no_change(world: World) -> None:
    """KeyboardInterrupt in a model is raised; the next `wait_fresh` has all the changes."""
    posts = world.collection()
    posts.create({"title": "one"})
    hold, main = threading.Event(), threading.current_thread()
    interrupts = [True]

    def pressing(record: dict[str, Any]) -> str:
        if threading.current_thread() is main and interrupts:
            interrupts.pop()
            raise KeyboardInterrupt
        return str(record["title"])

    with world.admin.collection(posts.name, model=pressing).live() as view:
        view._manager.delivery.post(lambda: hold.wait(10))  # so that the snapshot is made here
        with pytest.raises(KeyboardInterrupt):
            view.wait_fresh(10)
        try:
            assert list(view.wait_fresh(10).records) == ["one"]
        finally:
            hold.set()
