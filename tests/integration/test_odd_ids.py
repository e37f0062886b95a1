"""Record ids of every kind that a server takes: read, written, observed and kept in live views.

A collection chooses the pattern of its ids, and what no pattern may allow differs by version:
PocketBase refuses ``/`` and ``\\\\``, newer ones quotes, dots and spaces, too. A view has any text
as an id.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from support.command import Command
from support.live_schema import FIELDS, OPEN, World, collect, eventually
from support.tested_server import GIVEN_SERVER, NO_VIEW_COLLECTIONS, gap

from rxbosbase import ClientResponseError, Collection

pytest_plugins = ["support.live_fixtures"]


def as_id(text: str) -> str:
    """BosBase's ids have exactly 36 characters, whatever the pattern."""
    return text.ljust(36, "0")[:36] if GIVEN_SERVER else text


EVERYWHERE = [
    "#hash", "a#b", "#", "a;b", "a&b=c", "a+b", "a,b", "@me", "{a}", "é", "日本", "🦊", "a\x7fb",
    "\x85b", "\u2028x", "\xa0a", "a\u0301", "records", "null", "x" * 200,
]  # fmt: skip
OLDER_VERSIONS = [
    "a b", " a", "a ", "a..b", "...", "%2e%2e", "%", "a%20b", "a'b", 'a"b', "a:b", "<b>",
]  # fmt: skip
ANOTHER_TOPIC = ["a/b", "/a", "a\\b", "a?b", "a?options={}"]
HASH = as_id("#hash")
NOWHERE = [".", "..", "../_superusers", "a/../b", "..\\a"]


def odd_collection(world: World) -> Collection:
    """A collection whose ids may be nearly any text."""
    id = {"name": "id", "type": "text", "primaryKey": True, "required": True, "system": True}
    free = {**id, "pattern": "(?s)^.+$", "min": 0, "max": 0, "autogeneratePattern": ""}
    name = world.name("odd")
    world.admin.collections.create(
        {"name": name, "type": "base", "fields": [free, *FIELDS], **OPEN}
    )
    return world.client().collection(name)


def created(odd: Collection, ids: list[str]) -> list[str]:
    """Create records with these ids; return the ids that the server accepts."""
    taken = []
    for id in map(as_id, ids):
        with suppress(ClientResponseError):
            odd.create({"id": id, "title": id})
            taken.append(id)
    return taken


def test_an_id_that_the_server_takes_can_be_read_written_and_observed(world: World) -> None:
    """Every id the server accepts works in requests, record topics, callbacks and live views."""
    odd = odd_collection(world)
    ids = created(odd, EVERYWHERE + OLDER_VERSIONS)
    assert set(map(as_id, EVERYWHERE)) <= set(ids)
    received = {id: collect(odd.observe(id)) for id in ids}
    called: list[str] = []
    with odd.subscribe(HASH, lambda event: called.append(event.record["id"])):
        records = {id: collect(odd.live_record(id)) for id in ids}
        view = odd.live()
        shown = collect(view)
        world.wait_active()
        for id in ids:
            assert odd.get_one(id)["id"] == id
            assert odd.get_one(id, fields="id") == {"id": id}
            assert odd.update(id, {"n": 1})["id"] == id
        for id in ids:
            event = received[id].first(lambda event: event.action == "update")
            assert (event.record["id"], event.topic) == (id, f"{odd.name}/{id}")
            assert len(received[id].items) == 1  # and no event of another
            records[id].first(lambda record: record is not None and record["n"] == 1)
        shown.first(lambda s: {r["id"] for r in s.records if r["n"] == 1} == set(ids))
        assert sorted(record["id"] for record in odd.iter_records(1)) == sorted(ids)
        assert called == [HASH]
        odd.unsubscribe(HASH)
        received[HASH].end()
        for id in ids:
            odd.delete(id)
            records[id].first(lambda record: record is None)
        eventually(lambda: not view.current.records)
        assert not odd.get_full_list()


def test_a_relation_to_an_odd_id_is_expanded_and_kept(world: World) -> None:
    """A view expands relations to ids such as `#hash` or `a&b=c`, and follows their changes."""
    odd = odd_collection(world)
    ids = created(odd, ["#hash", "a&b=c", "é"])
    author = {
        "name": "author", "type": "relation", "maxSelect": 1,
        "collectionId": world.admin.collections.get(odd.name)["id"],
    }  # fmt: skip
    posts = world.client().collection(world.collection(fields=(author,)).name)
    for id in ids:
        posts.create({"author": id})
    shown = collect(posts.live(expand="author"))
    shown.first(lambda s: len(s.records) == len(ids))
    odd.update(HASH, {"title": "renamed"})
    titles = {"renamed", *ids[1:]}
    last = shown.first(lambda s: {r["expand"]["author"]["title"] for r in s.records} == titles)
    assert {record["author"] for record in last.records} == set(ids)


def test_options_of_a_topic_with_a_hash_are_refused(world: World) -> None:
    """`observe` and `live_record` raise ValueError for options on a topic whose id has a `#`."""
    odd = odd_collection(world)
    odd.create({"id": HASH})
    given: list[dict[str, Any]] = [{"fields": "id"}, {"filter": "n > 5"}, {"expand": "author"}]
    for options in given:
        with pytest.raises(ValueError, match="the server reads no options of topic"):
            odd.observe(HASH, **options)
    with pytest.raises(ValueError, match="the server reads no options of topic"):
        odd.live_record(HASH, fields="id")


@gap(NO_VIEW_COLLECTIONS, bosbase=True)
def test_a_view_has_any_text_as_an_id(world: World) -> None:
    """A view collection may have any id; calls refuse those that mean another path or topic."""
    texts = world.collection()
    ids = [*EVERYWHERE, *OLDER_VERSIONS, *ANOTHER_TOPIC]
    for id in [*ids, *NOWHERE]:
        texts.create({"title": id})
    name = world.name("view")
    sql = f"SELECT title AS id, n FROM {texts.name}"
    world.admin.collections.create(
        {"name": name, "type": "view", "viewQuery": sql, "listRule": "", "viewRule": ""}
    )
    view = world.client().collection(name)
    for id in ids:
        assert view.get_one(id)["id"] == id
    texts.learn_filter_dialect()  # for the backslash
    for id in NOWHERE:
        with pytest.raises(ValueError, match=r"get_first_list_item\(client.filter"):
            view.get_one(id)
        filter = world.admin.filter("id = {:id}", id=id)
        assert view.get_first_list_item(filter)["id"] == id
    for id in ANOTHER_TOPIC:
        with pytest.raises(ValueError, match="would be the topic of something else"):
            view.observe(id)
    assert {record["id"] for record in view.iter_records(3)} == {*ids, *NOWHERE}
    with view.live() as live:
        assert len(live.wait_fresh().records) == len(ids) + len(NOWHERE)


@pytest.mark.parametrize("id", [*NOWHERE, "x/../../../../_superusers/records/y"])
def test_no_id_leads_to_another_endpoint(world: World, id: str) -> None:
    """Every call with an id that would leave its path raises ValueError."""
    posts = world.collection()
    calls = (
        posts.get_one, posts.delete, posts.observe, posts.live_record, posts.unsubscribe,
        lambda id: posts.update(id, {}), lambda id: posts.subscribe(id, print), posts.events,
    )  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match=r"^(id|target) must "):
            call(id)


def test_tail_follows_a_record_with_an_odd_id(world: World) -> None:
    """`tail COLLECTION/#hash` shows the events of that record."""
    odd = odd_collection(world)
    odd.create({"id": HASH})
    with Command("tail", "--url", world.server.url, f"{odd.name}/{HASH}") as tail:
        assert tail.error_line().startswith("rxbosbase: listening to ")
        odd.update(HASH, {"title": "received"})
        assert json.loads(tail.line())["record"]["title"] == "received"
