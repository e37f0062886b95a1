"""One record that cannot be decoded, on each server: all others are read."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from support.live_schema import Event, Received, World, collect, eventually, status, titles

from rxbosbase import ClientResponseError, Collection, UnreadableError, UnreadableRecord
from rxbosbase.encoding.json import TooDeepError, decode
from rxbosbase.live.manager import MAX_UNREADABLE

LEVELS = 9_900
"""What a server stores, and Python's JSON decoders do not read."""

DEEP = "[" * LEVELS + "]" * LEVELS


@pytest.fixture(autouse=True)
def needs_a_decoder_with_a_limit() -> None:
    try:
        decode(DEEP.encode())
    except TooDeepError:
        return
    pytest.skip("this Python decodes all that a server stores")


@pytest.fixture
def posts(world: World) -> Collection:
    return world.collection(fields=({"name": "data", "type": "json", "maxSize": 100_000},))


def send(world: World, posts: Collection, text: str, id: str = "") -> str:
    """Create or update a record with this JSON, which no Python encoder would write."""
    url = f"{world.server.url}/api/collections/{posts.name}/records/{id}".rstrip("/")
    answer = requests.request(
        "PATCH" if id else "POST", url, data=text, timeout=10,
        headers={"Authorization": world.admin.auth_store.token, "Content-Type": "application/json"},
    )  # fmt: skip
    answer.raise_for_status()
    return id or answer.text.partition('"id":"')[2].partition('"')[0]


def deep(title: str, n: int) -> str:
    return f'{{"title":"{title}","n":{n},"data":{DEEP}}}'


def names(view: Any) -> list[str]:
    return [record["title"] for record in view.current.records]


def test_one_record_nested_too_deeply_hides_no_other(
    world: World, posts: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    """A record nested too deeply is listed as unreadable and hides no other record."""
    mended = posts.create({"title": "mended later", "n": 3})
    posts.create({"title": "good", "n": 5})
    bad = send(world, posts, deep("bad", 4))
    first = UnreadableRecord(posts.name, bad, "data", LEVELS)
    received = collect(posts.observe("*"))
    with (
        posts.live(sort="n") as view,
        posts.live(filter="n > 3", sort="n", limit=2) as window,
    ):
        one: Received[dict[str, Any] | None] = collect(posts.live_record(mended["id"]))
        one.have(1)
        for each in (view, window):
            assert each.wait_fresh().fresh
        assert names(view) == ["mended later", "good"]
        assert view.current.unreadable == {bad: first}
        assert names(window) == ["good"] and window.current.unreadable == {bad: first}
        assert status(world.admin).unreadable == (first,)
        assert f"live views leave out {first}" in caplog.text

        # Another becomes unreadable while views run, and the others continue.
        send(world, posts, f'{{"data":{DEEP}}}', mended["id"])
        second = UnreadableRecord(posts.name, mended["id"], "data", LEVELS)
        eventually(lambda: view.current.unreadable == {bad: first, mended["id"]: second})
        eventually(
            lambda: status(world.admin).unreadable == tuple(sorted((first, second), key=str))
        )
        posts.create({"title": "new", "n": 6})
        eventually(lambda: names(view) == ["good", "new"])
        assert titles(received.have(1)) == ["new"]
        assert f"was left out: {second}" in caplog.text
        eventually(lambda: view.current.fresh and window.current.fresh)

        # They appear when they are repaired, and deleted ones are not reported any more.
        posts.update(mended["id"], {"data": None})
        eventually(lambda: names(view) == ["mended later", "good", "new"])
        assert [record and record["n"] for record in one.have(2)] == [
            3,
            3,
        ]  # not None: the record exists
        eventually(lambda: status(world.admin).unreadable == (first,))
        posts.delete(bad)
        eventually(lambda: not view.current.unreadable and not window.current.unreadable)
        eventually(lambda: names(window) == ["good", "new"])
        eventually(lambda: status(world.admin).unreadable == ())


def test_the_status_names_a_hundred_such_records_at_most_and_the_snapshot_all(
    world: World, posts: Collection
) -> None:
    """The status lists at most 100 unreadable records, and the snapshot lists all."""
    bad = {send(world, posts, deep("bad", n)) for n in range(MAX_UNREADABLE + 1)}
    with posts.live() as view:
        assert view.wait_fresh().unreadable.keys() == bad
        eventually(lambda: len(status(world.admin).unreadable) == MAX_UNREADABLE == 100)
        posts.delete(min(bad))
        eventually(lambda: view.current.unreadable.keys() == bad - {min(bad)})
        eventually(lambda: {each.id for each in status(world.admin).unreadable} == bad - {min(bad)})


def test_reads_name_the_record_its_field_and_its_depth(world: World, posts: Collection) -> None:
    """Reads raise `UnreadableError` with record, field and depth, or skip it on request."""
    for n in range(3):
        posts.create({"title": f"good {n}", "n": n})
    bad = send(world, posts, deep("bad", 9))
    first = UnreadableRecord(posts.name, bad, "data", LEVELS)
    reads: list[Any] = [
        posts.get_list,
        posts.get_full_list,
        lambda: list(posts.iter_records(2)),
        lambda: posts.get_one(bad),
        lambda: posts.get_first_list_item("n = 9"),
    ]
    for read in reads:
        with pytest.raises(UnreadableError, match=f"'data' is nested {LEVELS} levels deep") as it:
            read()
        assert it.value.records == (first,)
    for batch in (1, 2, 500):
        records = posts.iter_records(batch, on_unreadable="skip")
        assert sorted(record["n"] for record in records) == [0, 1, 2]
        sorted_ones = posts.get_full_list(batch, sort="n", on_unreadable="skip")
        assert [record["n"] for record in sorted_ones] == [0, 1, 2]
    assert [record["title"] for record in posts.get_full_list(fields="title", sort="n")][3] == "bad"


def test_a_stream_of_a_collection_with_such_a_record_opens(world: World, posts: Collection) -> None:
    """A collection with an unreadable record, and that record itself, can be subscribed."""
    bad = send(world, posts, deep("bad", 1))
    received: Received[Event] = Received()
    with posts.subscribe("*", received), posts.subscribe(bad, received):
        posts.update(bad, {"data": None, "title": "mended"})
        assert titles(received.have(2)) == ["mended", "mended"]


def test_a_write_that_is_answered_with_such_a_record_was_done(
    world: World, posts: Collection
) -> None:
    """A write whose response is unreadable was made: the error has `was_written` set."""
    bad = send(world, posts, deep("bad", 1))
    with pytest.raises(UnreadableError, match="the write was done") as caught:
        posts.update(bad, {"title": "renamed"})
    assert caught.value.was_written
    assert posts.get_one(bad, fields="title") == {"title": "renamed"}
    posts.delete(bad)
    with pytest.raises(ClientResponseError, match="404"):
        posts.get_one(bad)
