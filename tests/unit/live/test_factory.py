"""Which views are shared, which are not, and the intervals and pauses of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from math import floor
from typing import Any

import pytest

from rxbosbase import BackoffPolicy
from rxbosbase.live.engine.engine import Engine
from rxbosbase.live.factory import make_record_view
from rxbosbase.live.source import make_query
from rxbosbase.live.view import LiveView
from rxbosbase.testing import FakeRealtime

View = LiveView[Any]

SAME = {"filter": "n > 0", "sort": "n", "limit": 2, "reconcile": 60.0, "interval": 0.25}

OTHER: list[dict[str, Any]] = [
    {"reconcile": 61.0},
    {"interval": 0.5},
    {"limit": 3},
    {"limit": None},
    {"sort": "-n"},
    {"filter": "n > 1"},
    {"fields": "n"},
    {"expand": "author"},
    {"query": {"x": "1"}},
    {"headers": {"X-Tenant": "t1"}},
]


@pytest.fixture
def fake() -> Iterator[FakeRealtime]:
    with FakeRealtime() as made:
        made.filters |= dict.fromkeys(("n > 0", "n > 1"), lambda record: record["n"] > 0)
        made.records["posts"] = {id: {"id": id, "n": 2} for id in "ab"}
        yield made


def live(fake: FakeRealtime, **options: Any) -> View:
    return fake.client.collection("posts").live(**options)


def live_record(fake: FakeRealtime, id: str = "a", reconcile: float = 60.0, **options: Any) -> View:
    reader = fake.client.collection("posts")._reader
    query = make_query("posts", **options)
    manager = fake.client.live_manager
    return make_record_view(manager, query, id, reader, reconcile=reconcile, owner=fake)


def are_shared(*views: View) -> bool:
    """Return whether the views share one snapshot."""
    with ExitStack() as entered:
        shown = [entered.enter_context(view).wait_fresh() for view in views]
        assert all(snapshot.records for snapshot in shown)
        return all(snapshot is shown[0] for snapshot in shown)


def test_equal_views_are_shared(fake: FakeRealtime) -> None:
    """Views with equal arguments share one snapshot; a default equals its explicit value."""
    assert are_shared(live(fake, **SAME), live(fake, **SAME), live(fake, **SAME))
    assert are_shared(live(fake), live(fake, reconcile=60.0, interval=0.25, sort=""))
    assert are_shared(live_record(fake), live_record(fake, reconcile=60.0))


@pytest.mark.parametrize("other", OTHER, ids=str)
def test_views_that_differ_in_any_argument_are_not_shared(
    fake: FakeRealtime, other: dict[str, Any]
) -> None:
    """Views that differ in any one argument, `query` and `headers` included, are not shared."""
    assert not are_shared(live(fake, **SAME), live(fake, **{**SAME, **other}))


@pytest.mark.parametrize("other", [{"reconcile": 61.0}, {"id": "b"}, {"expand": "author"}], ids=str)
def test_views_of_a_record_that_differ_in_any_argument_are_not_shared(
    fake: FakeRealtime, other: dict[str, Any]
) -> None:
    """Record views that differ in one argument are not shared, nor one with a query's view."""
    assert not are_shared(live_record(fake), live_record(fake, **other))
    assert not are_shared(live_record(fake), live(fake))


def loaded(view: View) -> Engine:
    """Return the engine of the view, after a first read at 0.0."""
    engine = view._make()._engine
    effects = engine.acknowledged(0.0)
    assert effects.read is not None
    assert engine.read_done(effects.read, [{"id": "a", "updated": "2026"}], True, 0.0).fresh
    return engine


def test_each_view_reconciles_after_its_own_interval(fake: FakeRealtime) -> None:
    """A view, a window and a record view each reconcile after their own `reconcile` seconds."""
    for seconds in (7.0, 61.0):
        for view in (
            live(fake, reconcile=seconds),
            live(fake, reconcile=seconds, limit=5),
            live_record(fake, reconcile=seconds),
        ):
            assert loaded(view).tick(0.1).wake == seconds


@pytest.mark.parametrize(
    "make", [live, partial(live, limit=5), live_record], ids=["a view", "a window", "a record"]
)
def test_views_that_failed_at_one_moment_retry_at_different_times(
    make: Callable[[FakeRealtime], View],
) -> None:
    """With jitter, views whose reads fail at one moment retry spread over the whole pause."""
    with FakeRealtime(backoff=BackoffPolicy()) as fake:
        engines = [make(fake)._make()._engine for _ in range(100)]
    now = 0.0
    for least in (1.0, 2.0, 4.0, 8.0, 15.0, 15.0):
        begun = [engine.tick(now) if now else engine.acknowledged(now) for engine in engines]
        reads = [each.read for each in begun if each.read is not None]
        failed = [engine.failed(read, now) for engine, read in zip(engines, reads, strict=True)]
        waits = [(each.wake or now) - now for each in failed]
        quarters = {floor(4 * (wait / least - 1.0) + 1e-9) for wait in waits}
        assert quarters == {0, 1, 2, 3}, "of the time from the least to twice as much"
        now += 2 * least


@pytest.mark.parametrize("make", [live, partial(live, limit=5), live_record])
def test_without_jitter_each_wait_is_exact(
    fake: FakeRealtime, make: Callable[[FakeRealtime], View]
) -> None:
    """Without jitter the retry after a first failed read comes after exactly 1 s."""
    engine = make(fake)._make()._engine
    read = engine.acknowledged(0.0).read
    assert read is not None and engine.failed(read, 0.0).wake == 1.0


def test_a_window_is_read_at_most_once_per_interval(fake: FakeRealtime) -> None:
    """A window is read again no sooner than its own `interval` after the last read."""
    for seconds in (0.1, 3.0):
        engine = loaded(live(fake, limit=5, interval=seconds))
        effects = engine.event("update", {"id": "a"}, 10.0)
        assert effects.read is not None
        engine.read_done(effects.read, [], True, 10.0)
        assert engine.event("update", {"id": "a"}, 10.01).wake == 10.0 + seconds
