"""Filters on each server: every text is a value, and no other record matches."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from support.command import Command
from support.hostile_strings import HOSTILE_STRINGS
from support.live_schema import Event, Received, World, collect, eventually, titles
from support.tested_server import NO_VIEW_COLLECTIONS, RELEASE, gap

from rxbosbase import AuthState, BosBase, ClientResponseError, Collection
from rxbosbase.records.filters import UnknownDialectError, build_filter
from rxbosbase.server import EmbeddedServer

AMBIGUOUS = ("a\\\\b", "a\\'b", 'a\\"b', "C:\\new", "\\' || id != '' //", "\\\\\\", "\\")

values = st.one_of(
    st.sampled_from(HOSTILE_STRINGS),
    st.text("\\'\"/|(", max_size=6),
    st.text("\\'\"/|(nrt) &=%_ab", max_size=12),
)


@pytest.fixture(scope="session")
def shelf(server: EmbeddedServer, superuser: AuthState) -> Iterator[Collection]:
    """One collection for all values, with a secret in it, and a client that has the dialect."""
    made = World(server, superuser)
    posts = made.collection()
    posts.create({"title": "secret", "owner": "somebody"})
    posts.learn_filter_dialect()
    yield posts
    made.close()


def can_be_written(client: BosBase, *texts: str) -> bool:
    """Return False for texts that this server's dialect cannot express: they must be refused."""
    plain = client.filter_dialect == "plain"
    if not plain or not any(text.endswith("\\") for text in texts):
        return True
    for text in texts:
        if text.endswith("\\"):
            with pytest.raises(ValueError, match="ends in a backslash"):
                client.filter("title = {:t}", t=text)
    return False


def test_the_dialect_is_learned_where_anything_may_be_listed(world: World) -> None:
    """`learn_filter_dialect` returns the server's dialect where records may be listed."""
    client = world.client()
    empty = client.collection(world.collection().name)
    before = client.filter_dialect
    assert before is None
    with pytest.raises(UnknownDialectError):
        client.filter("title = {:t}", t="\\")
    learned = empty.learn_filter_dialect()
    assert learned == ("escaped" if RELEASE >= (0, 39, 9) else "plain")
    assert client.filter_dialect == learned
    with pytest.raises(ClientResponseError, match="403"):
        world.client().collection(world.collection(listRule=None).name).learn_filter_dialect()
    with pytest.raises(ClientResponseError, match="404"):
        client.collection(world.name("nothing")).learn_filter_dialect()


@settings(
    max_examples=200,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(values, values)
@example("\\", ' || id != "" //')
@example("\\'", " || id != '' //")
@example("\\\\'", " || id != '' //")
def test_a_bound_text_matches_only_itself(shelf: Collection, title: str, owner: str) -> None:
    """A text bound by `client.filter` finds its own records and never those of other owners."""
    client: Any = shelf._client
    assume(can_be_written(client, title, owner))
    made = shelf.create({"title": title, "owner": owner})
    both = client.filter("title = {:t} && owner = {:o}", t=title, o=owner)
    found = shelf.get_full_list(filter=both)
    assert {(record["title"], record["owner"]) for record in found} == {(title, owner)}
    assert made["id"] in [record["id"] for record in found]
    assert shelf.get_first_list_item(both)["title"] == title
    # The operand of ~ is a pattern, in which % is any text and a backslash escapes it.
    pattern = re.sub(r"([\\%_])", r"\\\1", title)
    for sign, value in (("?=", title), ("~", pattern), ("?~", pattern), ("~", title)):
        condition = client.filter(f"owner = {{:o}} && title {sign} {{:t}}", t=value, o=owner)
        records = shelf.get_full_list(filter=condition)
        assert {record["owner"] for record in records} <= {owner}
        assert value != pattern or title in [record["title"] for record in records]


def test_a_server_of_the_other_dialect_refuses_what_it_would_misread(world: World) -> None:
    """A filter in the other dialect is refused with a 400 where it would be misread."""
    posts = world.collection()
    learned = posts.learn_filter_dialect()
    other: Any = "plain" if learned == "escaped" else "escaped"
    received: list[Received[Event]] = []
    for text in AMBIGUOUS:
        if other == "plain" and text.endswith("\\"):
            continue
        for owner in ("x", ' || id != "" //', " || id != '' //"):
            condition = build_filter("title = {:t} && owner = {:o}", other, t=text, o=owner)
            with pytest.raises(ClientResponseError, match="400"):
                posts.get_full_list(filter=condition)
            with pytest.raises(ClientResponseError, match="400"):
                posts.subscribe("*", print, filter=condition)
            received.append(collect(posts.observe("*", filter=condition, check=False)))
    every = collect(posts.observe("*"))
    world.wait_active()
    posts.create({"title": "for nobody", "owner": "y"})
    every.have(1)
    posts.create({"title": "a mark"})  # behind the other topics' events, had there been any
    every.have(2)
    assert not any(each.items for each in received)


@pytest.mark.parametrize("title", [*AMBIGUOUS, "o'neil", "'\""])
def test_topics_and_live_views_show_what_the_filter_means(world: World, title: str) -> None:
    """Streams, views and windows with a bound filter show exactly the records it matches."""
    posts = world.collection()
    posts.learn_filter_dialect()
    if can_be_written(world.admin, title):
        shows_it_alone(world, posts, title)


def shows_it_alone(world: World, posts: Collection, title: str) -> None:
    client: Any = world.admin
    condition = client.filter("title = {:t} && owner = {:o}", t=title, o="me")
    received = collect(posts.observe("*", filter=condition))
    with posts.live(filter=condition) as view, posts.live(filter=condition, limit=5) as window:
        view.wait_fresh()
        window.wait_fresh()
        world.wait_active()
        posts.create({"title": title, "owner": "not me"})
        mine = posts.create({"title": title, "owner": "me"})
        assert titles(received.have(1)) == [title]
        eventually(lambda: [r["id"] for r in view.current.records] == [mine["id"]])
        eventually(lambda: [r["id"] for r in window.current.records] == [mine["id"]])
        posts.update(mine["id"], {"owner": "not me"})
        eventually(lambda: not view.current.records and not window.current.records)
    assert [event.record["owner"] for event in received.items] == ["me"]


@gap(NO_VIEW_COLLECTIONS, bosbase=True)
def test_ids_of_any_form_are_paged_and_asked_about(world: World) -> None:
    """Ids with quotes and backslashes are read in pages and rechecked in a live view."""
    names = sorted({*AMBIGUOUS, "o'neil", "'\"", "plain", "a\\", "a\\\\", "b\\", "z"})
    posts = world.collection()
    for name in names:
        posts.create({"title": name})
    view = world.name("view")
    query = f"SELECT title AS id, n, owner FROM {posts.name}"
    body = {"name": view, "type": "view", "viewQuery": query, "listRule": "", "viewRule": ""}
    world.admin.collections.create(body)
    guest = world.client()
    odd = guest.collection(view)
    for batch in (5, 7, 100):
        assert [record["id"] for record in odd.iter_records(batch)] == names
    with odd.live(reconcile=0.2) as live:
        assert sorted(live.wait_fresh().by_id) == names
        posts.update(posts.get_first_list_item("title = 'z'")["id"], {"n": 5})
        eventually(lambda: live.current.by_id["z"]["n"] == 5)


def test_bools_match_on_every_server(world: World) -> None:
    """A bool bound by `client.filter` matches in reads and streams."""
    posts = world.collection(fields=({"name": "done", "type": "bool"},))
    for title, done in (("yes", True), ("no", False)):
        posts.create({"title": title, "done": done})
    for done, sign, title in (
        (True, "=", "yes"), (False, "=", "no"), (True, "?=", "yes"), (True, "!=", "no"),
    ):  # fmt: skip
        condition = world.admin.filter(f"done {sign} {{:done}}", done=done)
        assert [r["title"] for r in posts.get_full_list(filter=condition)] == [title]
    condition = world.admin.filter("done = {:done}", done=True)
    received = collect(posts.observe("*", filter=condition))
    world.wait_active()
    posts.create({"title": "later no", "done": False})
    posts.create({"title": "later yes", "done": True})
    assert titles(received.have(1)) == ["later yes"]


def test_the_command_line_takes_a_guarded_filter(world: World) -> None:
    """`rxbosbase view --filter` accepts a filter for a text with backslashes."""
    posts = world.collection()
    posts.learn_filter_dialect()
    for title in ("a\\\\b", "other"):
        posts.create({"title": title})
    condition = world.admin.filter("title = {:t}", t="a\\\\b")
    url = ["--url", world.server.url]
    with Command("view", posts.name, *url, "--filter", condition) as view:
        assert json.loads(view.line())["record"]["title"] == "a\\\\b"
        posts.create({"title": "another"})
        posts.create({"title": "a\\\\b", "n": 2})
        assert json.loads(view.line())["record"]["n"] == 2
