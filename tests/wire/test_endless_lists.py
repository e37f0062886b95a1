"""A server, or a cache before it, whose pages repeat: an error, after few requests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import wire_server as wire
from support.realtime_client import wait_until
from support.seen import LIMIT

from rxbosbase import AuthLostError, BosBase, ProtocolError
from rxbosbase.live.driver import ViewDriver
from rxbosbase.records.paging import MAX_REPEATED, MAX_REPEATS

Record = dict[str, Any]
Pages = Callable[[wire.Request], list[Record]]


def full_page(request: wire.Request, prefix: str) -> list[Record]:
    count = int(request.query["perPage"])
    return [{"id": f"{prefix}{n:04d}", "updated": "2026"} for n in range(count)]


def serve(server: wire.WireServer, prefixes: Iterator[str]) -> list[wire.Request]:
    """Respond to each read with a full page of ids that start with the next prefix."""
    reads: list[wire.Request] = []

    def answer(request: wire.Request) -> dict[str, Any]:
        reads.append(request)
        return {"page": 1, "perPage": 1, "items": full_page(request, next(prefixes))}

    server.collections["posts"] = answer
    return reads


CYCLES = {"the same page": "a", "two pages in turn": "ab", "five pages in turn": "badce"}


@pytest.mark.parametrize("cycle", CYCLES.values(), ids=CYCLES.keys())
@pytest.mark.parametrize("sort", [None, "-created"])
def test_a_list_whose_pages_repeat_is_an_error_after_few_requests(
    server: wire.WireServer, client: BosBase, cycle: str, sort: str | None
) -> None:
    """A list whose pages repeat raises `ProtocolError` after a bounded number of reads."""
    reads = serve(server, itertools.cycle(cycle))
    with pytest.raises(ProtocolError, match="it gives the same page again"):
        client.collection("posts").get_full_list(batch=5, sort=sort)
    assert len(reads) <= len(cycle) + MAX_REPEATED // 5


def test_small_pages_with_nothing_new_end_no_list(server: wire.WireServer, client: BosBase) -> None:
    """A few repeated one-record pages, as inserts cause them, do not end a list."""
    pages = [["c"], ["c"], ["b"], ["b"], ["b"], ["b"], ["b"], ["a"], []]

    def answer(request: wire.Request) -> dict[str, Any]:
        return {"page": 1, "perPage": 1, "items": [{"id": id} for id in pages.pop(0)]}

    server.collections["posts"] = answer
    found = client.collection("posts").get_full_list(batch=1, sort="-created")
    assert [record["id"] for record in found] == ["c", "b", "a"]


VIEWS: dict[str, dict[str, Any]] = {
    "as a window": {"limit": 5000},
    "as the server sorts": {"sort": "author.name"},
    "record by record": {},
    "filtered": {"filter": "n > 1"},
}


@pytest.mark.parametrize("options", VIEWS.values(), ids=VIEWS.keys())
def test_a_live_view_of_repeating_pages_pauses_with_an_error(
    server: wire.WireServer, client: BosBase, options: dict[str, Any]
) -> None:
    """A view whose pages repeat sets `status.error` and waits before it reads again."""
    cycle = "ab"
    reads = serve(server, itertools.cycle(cycle))
    with client.collection("posts").live(**options) as view:
        wait_until(client, lambda: client.realtime.status.value.error is not None)
        assert "the same page again" in str(client.realtime.status.value.error)
        first = len(reads)
        assert first <= len(cycle) + MAX_REPEATS
        wait_until(client, lambda: len(reads) > first)
        assert reads[first].time - reads[first - 1].time > 0.9
        assert view.current.version == 0


def test_a_live_view_recovers_once_its_pages_stop_repeating(
    server: wire.WireServer, client: BosBase
) -> None:
    """A view loads and its error is cleared once its pages stop repeating."""
    serve(server, itertools.cycle("ab"))
    with client.collection("posts").live() as view:
        wait_until(client, lambda: client.realtime.status.value.error is not None)
        server.collections["posts"] = [{"id": "a0000", "updated": "2026"}]
        assert [row["id"] for row in view.wait_fresh(LIMIT).records] == ["a0000"]
        wait_until(client, lambda: client.realtime.status.value.error is None)


def test_a_view_that_cannot_read_keeps_its_error_until_disposal(
    server: wire.WireServer, client: BosBase
) -> None:
    """A view's 503 stays in `status.error`, whatever others read, until its disposal."""
    server.collections["posts"] = 503
    server.collections["other"] = [{"id": "a", "updated": "2026"}]
    with client.collection("other").live() as other:
        with client.collection("posts").live():
            wait_until(client, lambda: client.realtime.status.value.error is not None)
            assert "503" in str(client.realtime.status.value.error)
            other.wait_fresh(LIMIT)  # a read of another view changes nothing
            assert client.realtime.status.value.error is not None
        wait_until(client, lambda: client.realtime.status.value.error is None)


def test_an_outdated_read_that_fails_sets_no_error(
    server: wire.WireServer, client: BosBase
) -> None:
    """A read that fails after a newer read succeeded sets no `status.error`."""
    gate = wire.Gate()
    answers: list[wire.Answer] = [wire.delay(gate, wire.problem(503))]
    good = wire.reply_json({"page": 1, "items": [{"id": "a", "updated": "2026"}]})
    server.collections["posts"] = lambda _: answers.pop() if answers else good
    with client.collection("posts").live() as view:
        wait_until(client, lambda: not answers)
        server.stream.send_raw(
            b"event:posts/*\ndata:{broken\n\n"
        )  # a loss: the view reads all again
        view.wait_fresh(LIMIT)
        gate.set()
        (driver,) = client.live_manager._views.values()
        assert isinstance(driver, ViewDriver)
        wait_until(client, lambda: driver._reading == 0)
        assert client.realtime.status.value.error is None


def test_a_login_keeps_the_errors_of_views_on_the_status(
    server: wire.WireServer, client: BosBase
) -> None:
    """A login clears `AuthLostError` from `status.error` but not a view's error."""
    server.collections["posts"] = 503
    users = client.collection("users")
    users.auth_with_password("ann", "geheim12")
    with client.collection("posts").live():
        wait_until(client, lambda: "503" in str(client.realtime.status.value.error))
        lost = AuthLostError("lost")
        client.service.monitor.login_lost(lost)
        assert client.realtime.status.value.error is lost
        users.auth_with_password("ann", "geheim12")
        assert "503" in str(client.realtime.status.value.error)
    wait_until(client, lambda: client.realtime.status.value.error is None)


def test_the_connections_own_error_comes_before_that_of_a_view(
    server: wire.WireServer, client: BosBase
) -> None:
    """`status.error` has the connection's own error before the error of a view."""
    server.collections["posts"] = 503
    client.collection("other").observe("*", check=False).subscribe()
    client.realtime.wait_active(LIMIT)
    with client.collection("posts").live():
        wait_until(client, lambda: "503" in str(client.realtime.status.value.error))
        # A new state of the connection keeps it …
        client.realtime.reconnect_now()
        wait_until(client, lambda: client.realtime.status.value.state == "active")
        assert "503" in str(client.realtime.status.value.error)
        # … and an error of its own stays until it is over, whatever the view does meanwhile.
        server.on_stream = lambda _: wire.status(429)
        client.realtime.reconnect_now()
        wait_until(client, lambda: "429" in str(client.realtime.status.value.error))
    # The first one may have been that of the view's connection, which is gone with the view.
    wait_until(client, lambda: "429" in str(client.realtime.status.value.error))
    server.on_stream = None
    wait_until(client, lambda: client.realtime.status.value.error is None)


def test_a_search_for_an_id_with_nul_ends_where_pages_repeat(
    server: wire.WireServer, client: BosBase
) -> None:
    """A recheck of an id with NUL takes fewer than 10 reads when pages repeat."""
    rows = [{"id": "a", "updated": "2026"}, {"id": "\0", "updated": "2026"}]
    server.collections["posts"] = rows
    with client.collection("posts").live() as view:
        view.wait_fresh(LIMIT)
        reads = serve(server, itertools.cycle("ab"))
        for n in range(2):  # twice at once: it is queued for a recheck
            server.send("posts/*", {"id": "\0", "updated": "2027", "n": n})
        wait_until(client, lambda: client.realtime.status.value.error is not None)
        assert len(reads) < 10
