"""The order of text on the real server: what a view reads to find it, and what it shows."""

from __future__ import annotations

import pytest
from support.live_schema import World, eventually
from support.tested_server import GIVEN_SERVER

from rxbosbase import Collection
from rxbosbase.live.engine.sorting import BY_BYTES, EVERYWHERE

pytest_plugins = ["support.live_fixtures"]

TITLES = ("b", "Z", "a b", "á", "A", "a", "-a", "9", "10", "🦊", "｡", "", "_", "aB")


@pytest.fixture
def posts(world: World) -> Collection:
    """A collection with texts whose order by language differs from that by bytes."""
    made = world.collection()
    for title in TITLES:
        made.create({"title": title})
    return made


@pytest.mark.parametrize("literals", [*BY_BYTES.split(" && "), BY_BYTES])
def test_literals_are_compared_as_the_database_sorts_text(posts: Collection, literals: str) -> None:
    """Filter `BY_BYTES` matches every row if text is sorted by bytes; elsewhere it matches none."""
    found = posts.get_full_list(filter=literals)
    is_true = len(found) == len(TITLES)
    assert is_true or (GIVEN_SERVER and not found)
    if literals == BY_BYTES:
        assert is_true is not bool(GIVEN_SERVER)


def test_the_control_finds_rows_on_every_server(posts: Collection) -> None:
    """Filter `EVERYWHERE` matches every row on every server."""
    assert len(posts.get_full_list(filter=EVERYWHERE)) == len(TITLES)


@pytest.mark.parametrize("sort", ["title", "-title", "owner,title"])
def test_a_view_shows_the_servers_order(posts: Collection, sort: str) -> None:
    """A view sorted by text has the server's order, at first and after writes."""

    def wanted() -> list[str]:
        return [row["id"] for row in posts.get_full_list(sort=f"{sort},id")]

    with posts.live(sort=sort) as view:
        assert [row["id"] for row in view.wait_fresh(10.0).records] == wanted()
        made = [posts.create({"title": title})["id"] for title in ("B", "á b", "a-c")]
        posts.update(made[0], {"title": "_b"})
        posts.delete(made[1])
        eventually(lambda: [row["id"] for row in view.current.records] == wanted(), 5.0)
        assert len(view.current.records) == len(TITLES) + 2
