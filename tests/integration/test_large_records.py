"""Records so large that few of them fit into a response, on the real server."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.live_schema import World, eventually

from rxbosbase import AnswerTooLargeError, BosBase, Collection
from rxbosbase.live.view import LiveView

pytest_plugins = ["support.live_fixtures"]

KB = 1000
BOUND = 300 * KB
"""Bytes of a response: three records of the size below."""

NEVER = 3600.0

Posts = Collection[dict[str, Any]]


@pytest.fixture
def posts(world: World) -> Posts:
    made = world.collection()
    for n in range(12):
        made.create({"title": f"{n:02d}" + "x" * 80 * KB, "n": n})
    return made


@pytest.fixture
def small(world: World) -> BosBase:
    """A client that accepts `BOUND` bytes in a response."""
    return world.superuser(max_answer_bytes=BOUND)


def numbers(records: Any) -> list[int]:
    return [int(record["n"]) for record in records]


@pytest.mark.parametrize("sort", [None, "-n"])
def test_a_list_reads_fewer_records_a_page_where_an_answer_is_too_large(
    small: BosBase, posts: Posts, sort: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """`get_full_list` reads smaller pages after an oversized response, and logs one warning."""
    records = small.collection(posts.name).get_full_list(sort=sort)
    assert sorted(numbers(records)) == list(range(12))
    if sort:
        assert numbers(records) == list(range(11, -1, -1))
    warned = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warned) == 1 and "now reading" in warned[0]


def test_an_oversized_page_of_get_list_is_an_error_with_the_remedy(
    small: BosBase, posts: Posts
) -> None:
    """`get_list` raises AnswerTooLargeError for an oversized page, and names the remedies."""
    with pytest.raises(AnswerTooLargeError, match="smaller pages or fields="):
        small.collection(posts.name).get_list(1, 30)


@pytest.mark.parametrize(
    "options",
    [{}, {"filter": "n >= 0"}, {"limit": 100}, {"limit": 7, "sort": "n"}, {"sort": "-n"}],
    ids=str,
)
def test_a_live_view_of_large_records_shows_them_all(
    small: BosBase, posts: Posts, options: dict[str, Any]
) -> None:
    """A view shows and updates records whose rows together exceed `max_answer_bytes`."""
    with small.collection(posts.name).live(reconcile=NEVER, **options) as view:
        found = numbers(view.wait_fresh(20).records)
        assert sorted(found) == list(range(options.get("limit", 12)))[:12]
        # Changes of all records at once are rechecked in as many reads as they need.
        small.realtime.reconnect_now()
        eventually(lambda: view.current.fresh)
        for record in posts.get_full_list(fields="id,n"):
            posts.update(record["id"], {"owner": "me"})
        eventually(lambda: {r["owner"] for r in view.current.records} == {"me"}, 20)


def shown(view: LiveView[dict[str, Any]]) -> tuple[list[str], list[int]]:
    """Return the ids of the unreadable records and the numbers of the others, of one snapshot."""
    now = view.current
    return list(now.unreadable), sorted(numbers(now.records))


def test_an_oversized_record_is_reported_as_unreadable_until_it_fits(
    world: World, small: BosBase, posts: Posts
) -> None:
    """A record over `max_answer_bytes` is in `unreadable`, not in the view, until it is small."""
    huge = posts.create({"title": "x" * 90 * KB, "owner": "y" * 4 * KB, "n": 99})
    client = world.superuser(max_answer_bytes=90 * KB)
    views: list[dict[str, Any]] = [{}, {"limit": 50}, {"sort": "-n"}]
    for options in views:
        with client.collection(posts.name).live(reconcile=NEVER, **options) as view:
            view.wait_fresh(20)
            # The last update in the loop before may be received here, and show the record until
            # its recheck.
            eventually(lambda: shown(view) == ([huge["id"]], list(range(12))))
            eventually(lambda: client.realtime.status.value.unreadable)  # set after the snapshot
            (reported,) = client.realtime.status.value.unreadable
            assert reported.id == huge["id"]
            assert "larger than an answer may be" in str(reported)
            posts.update(huge["id"], {"title": "small again"})
            eventually(lambda: len(view.current.records) == 13)
            assert not view.current.unreadable
            for n in range(2):  # two changes at once are rechecked
                posts.update(huge["id"], {"title": "x" * 90 * KB, "n": 99 - n})
            eventually(lambda: list(view.current.unreadable) == [huge["id"]], 10)
            posts.update(huge["id"], {"n": 99})
        eventually(lambda: not client.realtime.status.value.unreadable)


def test_an_oversized_live_record_is_reported_as_unreadable(world: World, posts: Posts) -> None:
    """An oversized `live_record` is in `status.unreadable` and is not shown as deleted."""
    huge = posts.create({"title": "x" * 90 * KB, "n": 99})
    client = world.superuser(max_answer_bytes=50 * KB)
    seen: list[Any] = []
    with client.collection(posts.name).live_record(huge["id"]).subscribe(seen.append):
        eventually(lambda: client.realtime.status.value.unreadable)
        assert client.realtime.status.value.unreadable[0].id == huge["id"]
        posts.update(huge["id"], {"title": "small"})
        eventually(lambda: seen and seen[-1] and seen[-1]["title"] == "small")
    assert None not in seen  # it was never deleted


@pytest.mark.parametrize("sort", [None, "-n"])
def test_on_unreadable_skip_leaves_an_oversized_record_out(
    world: World, posts: Posts, sort: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """`get_full_list` raises for an oversized record, or skips and logs it with `"skip"`."""
    huge = posts.create({"title": "x" * 90 * KB, "owner": "y" * 4 * KB, "n": 99})
    records = world.superuser(max_answer_bytes=90 * KB).collection(posts.name)
    with pytest.raises(AnswerTooLargeError):
        records.get_full_list(sort=sort)
    found = records.get_full_list(sort=sort, on_unreadable="skip")
    assert sorted(numbers(found)) == list(range(12))
    assert any(f"left out: record {huge['id']!r}" in r.getMessage() for r in caplog.records)
