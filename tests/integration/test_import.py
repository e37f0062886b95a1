"""The import of collections: all in one step, or none."""

from __future__ import annotations

import pytest
from support.live_schema import World

from rxbosbase import ClientResponseError

pytest_plugins = ["support.live_fixtures"]


def base(name: str, *fields: str) -> dict[str, object]:
    return {
        "name": name,
        "type": "base",
        "listRule": "",
        "fields": [{"name": field, "type": "text"} for field in fields],
    }


def test_collections_are_created_and_changed_by_one_import(world: World) -> None:
    """One `import_` creates a collection and adds a field to another."""
    old, new = world.collection().name, world.name("new")
    world.settle()
    world.admin.collections.import_([base(new, "title"), base(old, "title", "added")])
    fields = {field["name"] for field in world.admin.collections.get(old)["fields"]}
    assert {"title", "added"} <= fields
    world.admin.collection(new).create({"title": "there"})
    assert [each["title"] for each in world.client().collection(new).get_full_list()] == ["there"]


def test_an_exported_collection_can_be_imported(world: World) -> None:
    """`import_` of a collection as `get` returned it keeps its records."""
    posts = world.collection()
    exported = world.admin.collections.get(posts.name)
    posts.create({"title": "kept"})
    world.settle()
    world.admin.collections.import_([exported])
    assert posts.get_full_list()[0]["title"] == "kept"


def test_missing_collections_stay_unless_asked_otherwise(fragile: World) -> None:
    """`import_` deletes collections missing from its list only with `delete_missing=True`."""
    kept, deleted = fragile.collection(), fragile.collection()
    fragile.admin.collections.import_([fragile.admin.collections.get(kept.name)])
    assert fragile.admin.collections.get(deleted.name)
    everything = fragile.admin.collections.get_list(1, 100)["items"]
    rest = [each for each in everything if each["name"] != deleted.name]
    fragile.admin.collections.import_(rest, delete_missing=True)
    with pytest.raises(ClientResponseError, match="404"):
        fragile.admin.collections.get(deleted.name)
    assert fragile.admin.collections.get(kept.name)


def test_an_import_with_a_fault_changes_nothing(world: World) -> None:
    """`import_` with one invalid collection is a 400 and creates none of the others."""
    name = world.name("fine")
    with pytest.raises(ClientResponseError) as caught:
        world.admin.collections.import_([base(name, "title"), {"name": "", "type": "base"}])
    assert caught.value.status == 400
    with pytest.raises(ClientResponseError, match="404"):
        world.admin.collections.get(name)


def test_an_import_is_for_superusers(world: World) -> None:
    """`import_` without a login raises a 401 or 403."""
    with pytest.raises(ClientResponseError) as caught:
        world.client().collections.import_([base(world.name("x"), "title")])
    assert caught.value.status in (401, 403)
