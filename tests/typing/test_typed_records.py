"""What type checkers see of a typed collection: mypy and pyright read this file, pytest runs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypedDict, assert_type

from reactivex import Observable

from rxbosbase import BosBase, Collection, RecordDecodeError, RecordEvent, Unsubscribe
from rxbosbase.live import Change, Snapshot
from rxbosbase.live.view import LiveView
from rxbosbase.realtime.event_iterator import EventIterator
from rxbosbase.records.requests import Page
from rxbosbase.runtime.streams import Stream


@dataclass
class Post:
    title: str


class Row(TypedDict):
    title: str


def from_dict(record: dict[str, Any]) -> int:
    return len(record)


def instead(error: RecordDecodeError, record: dict[str, Any]) -> Post | None:
    return Post(error.field)


client = BosBase("http://127.0.0.1:1")


def test_without_a_model_records_are_dicts() -> None:
    """Without a model the records of a collection are typed as dicts."""
    posts = client.collection("posts")
    assert_type(posts, Collection[dict[str, Any]])
    assert_type(posts.observe(), Stream[RecordEvent[dict[str, Any]]])
    bare: Collection = posts
    assert_type(bare.observe(), Stream[RecordEvent[dict[str, Any]]])


def test_a_model_is_a_dataclass_a_typed_dict_or_any_callable() -> None:
    """A dataclass, a TypedDict or any callable as `model` is the collection's type."""
    assert_type(client.collection("posts", model=Post), Collection[Post])
    assert_type(client.collection("posts", model=Row), Collection[Row])
    assert_type(client.collection("posts", model=from_dict), Collection[int])
    assert_type(client.collection("posts", model=Post, on_decode_error="skip"), Collection[Post])
    assert_type(client.collection("posts", model=Post, on_decode_error=instead), Collection[Post])


def test_streams_and_views_are_of_the_model() -> None:
    """Streams and live views have the type of the model."""
    posts = client.collection("posts", model=Post)
    assert_type(posts.observe(), Stream[RecordEvent[Post]])
    observable: Observable[RecordEvent[Post]] = posts.observe()
    assert_type(posts.events(), EventIterator[RecordEvent[Post]])
    assert_type(posts.live(), LiveView[Post])
    snapshots: Observable[Snapshot[Post]] = posts.live(sort="title")
    assert_type(posts.live_record("abc"), Stream[Post | None])
    assert_type(posts.changes(), Stream[Change[Post]])
    assert isinstance(observable, Observable) and isinstance(snapshots, Observable)


def requests(posts: Collection[Post]) -> None:
    """Read by the type checkers alone: there is no server here."""
    assert_type(posts.get_one("abc"), Post)
    assert_type(posts.get_first_list_item("n > 1"), Post)
    assert_type(posts.get_full_list(), list[Post])
    assert_type(posts.iter_records(), Iterator[Post])
    assert_type(posts.get_list(), Page[Post])
    assert_type(posts.get_list()["items"], list[Post])
    assert_type(posts.create({"title": "Hi"}), Post)
    assert_type(posts.update("abc", {"title": "Hi"}), Post)
    assert_type(posts.subscribe("*", lambda event: print(event.record.title)), Unsubscribe)
    assert_type(posts.live().current, Snapshot[Post])
