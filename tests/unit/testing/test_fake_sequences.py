"""Random sequences of operations on the fake, after which every view equals its query.

The whole library runs in them, from the bytes of the stream to the snapshots.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from rxbosbase import ClientResponseError, Collection
from rxbosbase.live.view import LiveView
from rxbosbase.testing import FakeRealtime

NEVER = 1e6
RECONCILE = 30.0
IDS = "abcdefgh"
TITLES = ["B", "a", "Zz", "zy", "", "á", "a b", None, 7, "10", 9]

OVERLOADED = (
    ("GET", "/api/realtime"), ("POST", "/api/realtime"), ("GET", "/api/collections/posts/records"),
)  # fmt: skip


class Scenario:
    """Views of one client, and random operations of the server and the client.

    Args:
        seed: the seed of all random choices.
        loses: some events are lost, which only the next reconcile pass finds.
    """

    def __init__(self, fake: FakeRealtime, seed: int, *, loses: bool) -> None:
        self._chance = random.Random(seed)
        self._fake = fake
        self._loses = loses
        self._tick = self._chance.choice((0, 1, 1, 1000))  # milliseconds; 0 for no `updated`
        fake.filters["n > 1"] = lambda record: bool(record["n"] > 1)
        fake.add_user("ada", "password123")
        self.posts: Collection[dict[str, Any]] = fake.client.collection("posts")
        reconcile = RECONCILE if loses else NEVER
        self.queries: list[dict[str, Any]] = [
            {},
            {"filter": "n > 1"},
            {"sort": "-title"},
            {"filter": "n > 1", "sort": "title"},
            {"sort": "n", "limit": 3},
            {"filter": "n > 1", "fields": "title"},
        ]
        self.views = [self.posts.live(**query, reconcile=reconcile) for query in self.queries]
        self.errors: list[Exception] = []
        for view in self.views:
            view.subscribe(on_error=self.errors.append)
        self.posts.observe("*").subscribe(on_error=self.errors.append)

    def step(self) -> None:
        """Run a random operation, or let time pass."""
        chance = self._chance
        rare: list[Callable[[], object]] = [
            self._fake.drop, self._fake.end_streams, self._stop, self._fake.start,
            self._overload, self._log_in, self._fake.client.auth_store.clear,
            self._fake.client.realtime.reconnect_now, self._resubscribe,
        ]  # fmt: skip
        if chance.random() < 0.04:
            chance.choice(rare)()
        elif chance.random() < 0.7:
            self._write()
        else:
            self._fake.advance(chance.choice((0.01, 0.1, 0.3, 1.0, 3.0)))

    def _write(self) -> None:
        chance, id = self._chance, self._chance.choice(IDS)
        exists = id in self._fake.records.get("posts", {})
        record: dict[str, Any] = {"id": id}
        action: Any = chance.choice(("update", "update", "delete")) if exists else "create"
        if action != "delete":
            if action == "create" or chance.random() < 0.5:
                record["title"] = chance.choice(TITLES)
            if action == "create" or chance.random() < 0.5:
                record["n"] = chance.randrange(4)
            if self._tick:
                ticks = round(self._fake.clock.now * 1000) // self._tick
                record["updated"] = f"2026-01-01 00:00:00.{ticks * self._tick:012}Z"
        delay = chance.choice((0.0, 0.0, 0.0, 0.05, 0.5, 1.5))
        is_lost = self._loses and chance.random() < 0.2
        self._fake.push("posts", action, record, delay=None if is_lost else delay)

    def _stop(self) -> None:
        self._fake.stop()
        assert not any(view.current.fresh for view in self.views)

    def _overload(self) -> None:
        self._fake.answers[self._chance.choice(OVERLOADED)] = ClientResponseError(503)
        self._fake.later(self._chance.choice((0.5, 5.0)), self._fake.answers.clear)

    def _log_in(self) -> None:
        self._fake.start()
        self._fake.client.collection("users").auth_with_password("ada", "password123")

    def _resubscribe(self) -> None:
        """Make the client submit its topics again, which may lose events in between."""
        self.posts.live(filter="n > 1", query={"x": str(self._chance.random())}).subscribe()

    def check(self) -> None:
        """Let time pass without operations; assert that each view is fresh and equals its query."""
        self._fake.start()
        self._fake.advance(5)  # until the overload ends
        self._fake.advance(2 * RECONCILE + 10 if self._loses else 10)
        assert self.errors == []
        for view, query in zip(self.views, self.queries, strict=True):
            assert view.current.fresh, query
            assert self.equals_query(view, query), query

    def equals_query(self, view: LiveView[Any], query: dict[str, Any]) -> bool:
        asked = {**query, "sort": query.get("sort", "id")}
        size = asked.pop("limit", 500)
        if asked["sort"] != "id":
            asked["sort"] += ",id"
        wanted = self.posts.get_list(1, size, **asked)["items"]
        return list(view.current.records) == wanted


@pytest.mark.parametrize("order", ["sqlite", "postgres"])
@pytest.mark.parametrize("loses", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_after_random_operations_every_view_equals_its_query(
    order: Any, loses: bool, seed: int
) -> None:
    """After random writes, lost events and reconnects, each view equals its query."""
    with FakeRealtime(order=order) as fake:
        scenario = Scenario(fake, seed, loses=loses)
        for _ in range(10):
            for _ in range(15):
                scenario.step()
            scenario.check()
