"""Fields that are hidden, and collections that only superusers may read, on each server."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from support.live_schema import Event, Received, World, collect, eventually
from support.tested_server import gap

from rxbosbase import Collection
from rxbosbase.live.view import LiveView

HIDDEN = ({"name": "secret", "type": "text", "hidden": True},)


@pytest.fixture
def posts(world: World) -> Collection:
    return world.collection(fields=HIDDEN)


def test_reads_of_a_superuser_hold_hidden_fields_and_those_of_others_do_not(
    world: World, posts: Collection
) -> None:
    """Reads of a superuser have hidden fields; those of a guest have none."""
    made = posts.create({"title": "a", "secret": "s"})
    guest = world.client().collection(posts.name)
    assert posts.get_one(made["id"])["secret"] == "s"
    assert posts.get_full_list()[0]["secret"] == "s"
    assert "secret" not in guest.get_one(made["id"])
    assert "secret" not in guest.get_full_list()[0]


def shows(view: LiveView[dict[str, Any]], id: str) -> bool:
    return id in view.current.by_id


def test_events_and_views_of_others_hold_no_hidden_field(world: World, posts: Collection) -> None:
    """Events and live views of guests and users have no hidden field."""
    users = world.users()
    for client in (world.client(), world.logged_in(users, world.user(users))):
        theirs = client.collection(posts.name)
        received: Received[Event] = collect(theirs.observe("*"))
        with theirs.live() as view:
            view.wait_fresh()
            world.wait_active()
            made = posts.create({"title": "a", "secret": "s"})
            posts.update(made["id"], {"secret": "other"})
            assert all("secret" not in event.record for event in received.have(2))
            eventually(partial(shows, view, made["id"]))
            assert all("secret" not in record for record in view.current.records)


@gap(
    "an event for a superuser lacks the fields that are hidden; reads and live views have them",
    until="0.39.0",
    bosbase=True,
)
def test_an_event_for_a_superuser_holds_hidden_fields(world: World, posts: Collection) -> None:
    """An event for a superuser has the hidden fields."""
    received: Received[Event] = collect(posts.observe("*"))
    world.wait_active()
    posts.create({"title": "a", "secret": "s"})
    assert received.have(1)[0].record.get("secret") == "s"


def test_a_live_view_of_a_superuser_shows_hidden_fields(world: World, posts: Collection) -> None:
    """A live view or window of a superuser shows hidden fields, also after changes."""
    posts.create({"title": "a", "secret": "s"})
    one: dict[str, Any] = posts.create({"title": "b", "secret": "t"})

    def shown(view: Any) -> list[str]:
        return [record.get("secret", "-") for record in view.current.records]

    with posts.live(sort="title") as view, posts.live(sort="title", limit=2) as window:
        for each in (view, window):
            each.wait_fresh()
            assert shown(each) == ["s", "t"]
        posts.update(one["id"], {"secret": "u"})
        posts.create({"title": "c", "secret": "v"})
        eventually(lambda: shown(view) == ["s", "u", "v"])
        eventually(lambda: shown(window) == ["s", "u"])


def test_a_locked_collection_is_for_superusers_alone(world: World) -> None:
    """Only a superuser receives events of a collection without rules."""
    posts = world.collection(listRule=None, viewRule=None)
    received: Received[Event] = collect(posts.observe("*"))
    guest = world.client()
    silent: Received[Event] = collect(guest.collection(posts.name).observe("*", check=False))
    world.wait_active()
    posts.create({"title": "a"})
    received.have(1)
    assert not silent.items
