"""The preflight: a topic that never delivers is an error; one without events yet is not."""

from __future__ import annotations

from typing import Any

import pytest
from support import wire_server as wire
from support.realtime_client import connect, ignore, wait_state, wait_until
from support.seen import LIMIT, Seen, run_thread

from rxbosbase import BosBase, ClientResponseError, RecordEvent
from rxbosbase.realtime import preflight as preflight_module

Event = RecordEvent[dict[str, Any]]


def reads(server: wire.WireServer) -> list[wire.Request]:
    return server.requests_to("/api/collections/")


@pytest.mark.parametrize("code", [400, 403, 404])
def test_a_collection_topic_fails_with_the_error_of_the_list_read(
    server: wire.WireServer, client: BosBase, code: int
) -> None:
    """A list read refused with 400, 403 or 404 ends the stream once, with that error."""
    refusal = wire.problem(code, "refused by the server", {"filter": {"code": "x"}})
    server.collections["posts"] = lambda request: refusal if "filter" in request.query else 200
    posts = client.collection("posts")
    events, others = Seen[Event](), Seen[Event]()
    errors: Seen[Exception] = Seen()
    witness = posts.observe("*", filter="a = b", check=False).subscribe(others)
    posts.observe("*", filter="a = b").subscribe(events, errors)
    error = errors.wait(1)[0]
    assert isinstance(error, ClientResponseError)
    assert (error.status, error.message, error.data) == (
        code, "refused by the server", {"filter": {"code": "x"}},
    )  # fmt: skip
    assert error.url.endswith("/api/collections/posts/records")
    assert errors.threads == ["rxbosbase-delivery"]
    with pytest.raises(ClientResponseError) as caught:
        posts.subscribe("*", events, filter="a = b")
    assert caught.value.status == code
    client.realtime.wait_active(LIMIT)
    assert server.send_to_matching("posts/*", {"id": "a"}) == 1
    others.wait(1)
    assert (events.items, errors.count) == ([], 1)
    witness.dispose()
    wait_state(client, "idle")  # the topic is removed


def test_the_preflight_reads_with_the_topics_own_options(
    server: wire.WireServer, client: BosBase
) -> None:
    """The preflight reads with the topic's own options, query and headers."""
    client.collection("pośty ę").subscribe(
        "*", ignore, filter="n > 1", expand="author", fields="id", query={"x": 1},
        headers={"X-Tenant": "Żółw"},
    )  # fmt: skip
    request = reads(server)[0]
    assert request.path == "/api/collections/pośty ę/records"
    assert request.query == {
        "expand": "author", "fields": "id", "filter": "n > 1", "x": "1",
        "perPage": "1", "skipTotal": "1",
    }  # fmt: skip
    assert request.headers["x-tenant"].encode("latin-1").decode() == "Żółw"


@pytest.mark.parametrize(
    ("one", "listing", "expected"),
    [
        (200, 404, None),  # the record exists
        (403, 200, 403),  # the view rule forbids it
        (404, 200, None),  # it may be created later
        (404, 403, None),  # view allowed, list not
        (404, 404, 404),  # the collection is missing
    ],
)
def test_a_record_topic_fails_only_for_a_missing_collection_or_a_forbidden_record(
    server: wire.WireServer, client: BosBase, one: int, listing: int, expected: int | None
) -> None:
    """A record topic fails if its record gives 403, or both it and the list 404."""

    def answer(request: wire.Request) -> int:
        return one if request.path.endswith("/r1") else listing

    server.collections["posts"] = answer
    status = None
    try:
        client.collection("posts").subscribe("r1", ignore)
    except ClientResponseError as error:
        status = error.status
    assert status == expected
    if expected is None:
        assert server.posts == [["posts/r1"]]
    else:
        wait_state(client, "idle")  # the topic is removed, if it was submitted


def test_the_filter_of_a_record_topic_is_checked_by_a_list_read(
    server: wire.WireServer, client: BosBase
) -> None:
    """The filter of a record topic is checked by a list read; its 400 is raised."""
    server.collections["posts"] = lambda r: 400 if "filter" in r.query else 200
    with pytest.raises(ClientResponseError) as caught:
        client.collection("posts").subscribe("r1", ignore, filter="oops")
    assert caught.value.status == 400
    record, *lists = reads(server)
    assert record.path.endswith("/r1")
    # Asked again after the control question, which is the list without the filter.
    assert ["filter" in request.query for request in lists] == [True, False, True, True]


@pytest.mark.parametrize("fault", [wire.status(500), wire.status(429), wire.drop(), wire.reset()])
def test_a_preflight_that_fails_temporarily_is_repeated_beside_the_topic(
    server: wire.WireServer, client: BosBase, fault: wire.Answer
) -> None:
    """A preflight that fails temporarily is repeated while the topic delivers events."""
    gate = wire.Gate()
    answers = [fault, fault, wire.delay(gate)]
    server.collections["posts"] = lambda _: answers.pop(0)
    seen: Seen[Event] = Seen()
    result = run_thread(lambda: client.collection("posts").subscribe("*", seen))
    server.wait_requests(3, "/api/collections/")
    server.wait_accepted(1)
    server.send("posts/*", {"id": "a"})
    seen.wait(1)  # the topic is active all the same
    gate.set()
    result()


def test_a_repeated_preflight_may_end_the_topic(server: wire.WireServer, client: BosBase) -> None:
    """A preflight repeated after a 502 ends the stream when it gets a 404."""
    answers = [wire.status(502), wire.problem(404)]
    server.collections["posts"] = lambda _: answers.pop(0)
    errors: Seen[Exception] = Seen()
    client.collection("posts").observe("*").subscribe(ignore, errors)
    assert getattr(errors.wait(1)[0], "status", None) == 404


def test_a_thousand_record_topics_need_one_read(server: wire.WireServer, client: BosBase) -> None:
    """1000 record topics of one collection take one record read of the preflight."""
    gate = wire.Gate()
    server.collections["posts"] = wire.delay(gate)
    posts = client.collection("posts")
    for n in range(1000):
        posts.observe(f"r{n}").subscribe(ignore)
    gate.set()
    posts.subscribe("*", ignore)
    posts.subscribe("*", ignore, filter="n > 1")
    posts.subscribe("r5", ignore)
    assert len([request for request in reads(server) if "/records/r" in request.path]) == 1
    assert len(reads(server)) == 3


def test_equal_preflights_share_one_read(server: wire.WireServer, client: BosBase) -> None:
    """Equal preflights in flight share one read; its 404 ends each of their streams."""
    gate = wire.Gate()
    server.collections["posts"] = wire.delay(gate, wire.problem(404))
    errors: Seen[Exception] = Seen()
    for _ in range(3):
        client.collection("posts").observe("*").subscribe(ignore, errors)
    disposed = client.collection("posts").observe("*").subscribe(ignore, errors)
    disposed.dispose()
    gate.set()
    errors.wait(3)
    wait_state(client, "idle")
    assert (errors.count, len(reads(server))) == (3, 1)


def test_another_identity_needs_another_preflight(server: wire.WireServer, client: BosBase) -> None:
    """The preflight reads again after a login and after a logout."""
    server.collections["posts"] = lambda r: 200 if r.auth else 403
    with pytest.raises(ClientResponseError):
        client.collection("posts").subscribe("*", ignore)
    client.auth_store.save(wire.make_token("ann"))
    client.collection("posts").subscribe("*", ignore)()  # its stream asks again after a renewal
    client.auth_store.clear()
    with pytest.raises(ClientResponseError):
        client.collection("posts").subscribe("*", ignore)
    assert len(reads(server)) == 3


def test_a_refusal_by_the_preflight_is_not_cached(server: wire.WireServer, client: BosBase) -> None:
    """A refusal by the preflight is not cached: the next `subscribe` reads again."""
    answers = [404, 200]
    server.collections["posts"] = lambda _: answers.pop(0)
    with pytest.raises(ClientResponseError):
        client.collection("posts").subscribe("*", ignore)
    client.collection("posts").subscribe("*", ignore)


def test_check_false_makes_no_preflight(server: wire.WireServer, client: BosBase) -> None:
    """`check=False` and custom topics make no preflight read."""
    server.collections["posts"] = 404
    client.collection("posts").subscribe("*", ignore, check=False)
    client.collection("posts").observe("r1", check=False).subscribe(ignore)
    client.realtime.subscribe("chat", ignore)
    assert reads(server) == []


def test_a_stream_without_a_check_survives_the_preflight_of_another(
    server: wire.WireServer, client: BosBase
) -> None:
    """A stream with `check=False` goes on when the preflight of an equal topic fails."""
    server.collections["posts"] = 404
    seen: Seen[Event] = Seen()
    client.collection("posts").subscribe("*", seen, check=False)
    with pytest.raises(ClientResponseError):
        client.collection("posts").subscribe("*", ignore)
    server.send("posts/*", {"id": "a"})
    seen.wait(1)


def test_the_cache_of_passed_preflights_is_bounded(
    server: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preflight keeps a bounded number of acceptances without subscribers."""
    monkeypatch.setattr(preflight_module, "MAX_IDLE", 2)
    with connect(server) as client:
        for name in ("a", "a", "b", "c", "a"):
            client.collection(name).subscribe("*", ignore)()
    assert [request.path.split("/")[3] for request in reads(server)] == ["a", "b", "c", "a"]


def test_a_preflight_without_subscribers_is_not_repeated(
    server: wire.WireServer,
) -> None:
    """A failed preflight is not repeated once all its subscribers are disposed."""
    gate = wire.Gate()
    answers = [wire.status(500), wire.delay(gate, wire.status(500))]
    server.collections["posts"] = lambda _: answers.pop(0) if answers else 200
    server.collections["others"] = 500
    with connect(server) as client:
        posts = client.collection("posts")
        subscriptions = [posts.observe("*").subscribe(ignore) for _ in "ab"]
        server.wait_requests(2, "/api/collections/posts")
        for subscription in subscriptions:
            subscription.dispose()
        gate.set()
        client.collection("others").observe("*").subscribe(ignore)
        server.wait_requests(5, "/api/collections/others")
        assert len(server.requests_to("/api/collections/posts")) == 2
        posts.subscribe("*", ignore)  # a later subscriber has a result
        assert len(server.requests_to("/api/collections/posts")) == 3


def test_the_result_of_a_former_identity_is_not_cached(
    server: wire.WireServer, client: BosBase
) -> None:
    """The outcome of a preflight is not cached if the identity changed meanwhile."""
    gate = wire.Gate()
    server.collections["posts"] = wire.delay(gate)
    asked_as_guest = client.collection("posts").observe("*").subscribe(ignore)
    server.wait_requests(1, "/api/collections/")
    client.auth_store.save(wire.make_token("ann"))
    gate.set()
    client.collection("posts").subscribe("r1", ignore, check=False)
    checks = client.service._preflight._checks
    wait_until(client, lambda: not any(check.is_running for check in list(checks.values())))
    asked_as_guest.dispose()
    client.auth_store.clear()
    server.collections["posts"] = 403
    with pytest.raises(ClientResponseError):
        client.collection("posts").subscribe("*", ignore)


@pytest.mark.parametrize("code", [403, 404])
def test_a_refusal_from_before_a_login_is_read_again_after_it(
    server: wire.WireServer, client: BosBase, code: int
) -> None:
    """A 403 or 404 to a preflight from before a login is read again after it."""
    gate = wire.Gate()

    def refuse_guests(request: wire.Request) -> wire.Answer:
        return wire.status(200) if request.auth else wire.delay(gate, wire.problem(code))

    server.collections["posts"] = refuse_guests
    events: Seen[Event] = Seen()
    errors: Seen[Exception] = Seen()
    for _ in "ab":
        client.collection("posts").observe("*").subscribe(events, errors)
    server.wait_requests(1, "/api/collections/")
    client.auth_store.save(wire.make_token("ann"))
    gate.set()
    client.collection("posts").subscribe("*", events)
    again = [request for request in reads(server)[1:] if request.method == "GET"]
    assert all(request.auth for request in again)
    assert len(again) <= 2  # not one for each of the three
    server.send("posts/*", {"id": "a"})
    events.wait(3)
    assert errors.items == []
