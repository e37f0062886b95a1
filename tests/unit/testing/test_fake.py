"""The fake: code under test runs the real library, in virtual time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from reactivex import operators as ops

from rxbosbase import (
    AuthLostError,
    BackoffPolicy,
    BosBase,
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    RequestTimeoutError,
    aio,
)
from rxbosbase.events import RecordEvent
from rxbosbase.records.filters import GUARDS
from rxbosbase.testing import (
    FakeRealtime,
    VirtualClock,
    VirtualScheduler,
)

Seen = list[Any]


def states(fake: FakeRealtime) -> Seen:
    seen: Seen = []
    fake.client.realtime.status.subscribe(lambda status: seen.append(status.state))
    return seen


# -- events


def test_the_fake_knows_ids_of_any_kind() -> None:
    """The fake stores, updates and emits records whose ids contain `#`, `/` or non-ASCII."""
    with FakeRealtime() as fake:
        posts = fake.client.collection("posts")
        received: list[RecordEvent[dict[str, Any]]] = []
        posts.observe("#hash").subscribe(received.append)
        fake.advance(1)
        for id in ("#hash", "a/b", "é"):
            posts.create({"id": id, "n": 1})
            assert posts.update(id, {"n": 2})["n"] == posts.get_one(id)["n"] == 2
        assert [event.action for event in received] == ["create", "update"]


def test_a_pushed_event_reaches_observers_callbacks_and_records_topics(fake: FakeRealtime) -> None:
    """`push` delivers to the topic `*` and that of the record, and returns their number."""
    posts, seen = fake.client.collection("posts"), []
    posts.observe("*").subscribe(lambda event: seen.append(("observer", event.action)))
    posts.subscribe("abc", lambda event: seen.append(("callback", event.record["title"])))
    assert fake.push("posts", "create", {"id": "abc", "title": "Hi"}) == 2
    assert fake.push("posts", "create", {"id": "other", "title": "No"}) == 1
    assert sorted(seen) == [("callback", "Hi"), ("observer", "create"), ("observer", "create")]


def test_an_update_takes_what_changed_and_sends_the_whole_record(fake: FakeRealtime) -> None:
    """`push` of an update merges the fields into the record; events carry the whole record."""
    seen: Seen = []
    fake.records["posts"] = {"a": {"id": "a", "title": "old", "n": 1}}
    fake.client.collection("posts").observe("*").subscribe(seen.append)
    fake.push("posts", "update", {"id": "a", "title": "new"})
    fake.push("posts", "delete", {"id": "a"})
    whole = {"id": "a", "title": "new", "n": 1}
    assert seen == [RecordEvent("posts/*", action, whole) for action in ("update", "delete")]
    assert fake.records["posts"] == {}


def test_the_client_is_a_bosbase_and_reads_what_it_wrote(fake: FakeRealtime) -> None:
    """The fake's client is a `BosBase`: it reads its own writes and receives their events."""
    assert isinstance(fake.client, BosBase)
    posts, seen = fake.client.collection("posts"), []
    posts.observe("*").subscribe(lambda event: seen.append(event.action))
    fake.advance(0)
    made = posts.create({"title": "b"})
    posts.create({"title": "a"})
    posts.update(made["id"], {"title": "c"})
    assert [post["title"] for post in posts.get_full_list(sort="-title")] == ["c", "a"]
    assert posts.get_one(made["id"])["title"] == "c"
    posts.delete(made["id"])
    assert posts.get_list()["totalItems"] == 1
    assert seen == ["create", "create", "update", "delete"]


def test_all_pages_of_a_long_list_are_read(fake: FakeRealtime) -> None:
    """`get_full_list` of the fake returns all records over several pages, with a filter too."""
    fake.records["posts"] = {f"{n:03}": {"id": f"{n:03}"} for n in range(25)}
    fake.filters["n > 0"] = lambda record: True
    posts = fake.client.collection("posts")
    assert len(posts.get_full_list(batch=10)) == 25
    assert len(posts.get_full_list(batch=10, filter="n > 0")) == 25


def test_a_filter_is_the_function_that_the_test_sets(fake: FakeRealtime) -> None:
    """A function in `fake.filters` decides which events a filtered topic receives."""
    seen: Seen = []
    fake.filters["n > 1"] = lambda record: record["n"] > 1
    posts = fake.client.collection("posts")
    posts.observe("*", filter="n > 1").subscribe(lambda event: seen.append(event.record["n"]))
    assert [fake.push("posts", "create", {"n": n}) for n in (1, 2, 3)] == [0, 1, 1]
    assert seen == [2, 3]


def test_an_unknown_filter_is_an_error_with_the_missing_line(fake: FakeRealtime) -> None:
    """A filter without an entry in `fake.filters` raises ValueError with the missing line."""
    fake.client.collection("posts").observe("*", filter="n > 1").subscribe()
    with pytest.raises(ValueError, match=r"fake\.filters\['n > 1'\] = lambda record"):
        fake.push("posts", "create", {"n": 2})


def test_an_action_that_does_not_exist_is_refused(fake: FakeRealtime) -> None:
    """`push` raises ValueError for an unknown action, and for an update without an id."""
    with pytest.raises(ValueError, match="'create', 'update' or 'delete', not 'change'"):
        fake.push("posts", "change", {"id": "a"})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs the record's id"):
        fake.push("posts", "update", {"title": "x"})


def test_a_custom_topic_gets_its_messages(fake: FakeRealtime) -> None:
    """`fake.send` delivers a message to that topic only, and returns how many received it."""
    seen: Seen = []
    fake.client.realtime.observe("chat/typing").subscribe(lambda m: seen.append(m["who"]))
    assert fake.send("chat/typing", {"who": "Ada"}) == 1
    assert fake.send("chat/other", {"who": "Ben"}) == 0
    assert seen == ["Ada"]


def test_disposing_the_last_subscription_removes_the_topic(fake: FakeRealtime) -> None:
    """Disposing the last subscription removes the topic from the fake; the client is idle."""
    subscription = fake.client.collection("posts").observe("*").subscribe()
    assert fake.topics == {"posts/*"}
    subscription.dispose()
    assert fake.topics == set()
    assert fake.client.service.status.value.state == "idle"


def test_a_subscriber_that_raises_is_logged_and_harms_no_other(
    fake: FakeRealtime, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of one callback is logged, and the other callbacks get the event."""
    seen: Seen = []
    posts = fake.client.collection("posts")
    posts.subscribe("*", lambda event: event.record["missing"])
    posts.subscribe("*", seen.append)
    fake.push("posts", "create", {})
    assert len(seen) == 1
    assert "a subscriber of 'posts/*' raised" in caplog.text


def test_a_callback_may_write_and_subscribe(fake: FakeRealtime) -> None:
    """A callback may subscribe and write, and the event of its write is delivered."""
    posts, log = fake.client.collection("posts"), fake.client.collection("log")
    seen: Seen = []

    def on_post(event: RecordEvent[dict[str, Any]]) -> None:
        log.subscribe("*", lambda other: seen.append(other.record["of"]))
        log.create({"of": event.record["id"]})

    posts.subscribe("*", on_post)
    fake.push("posts", "create", {"id": "a"})
    assert seen == ["a"]


def test_a_loop_over_events_reads_what_was_pushed_and_what_a_script_pushes(
    fake: FakeRealtime,
) -> None:
    """Iterating over `events` returns pushed events, and advances time to scheduled ones."""
    with fake.client.collection("posts").events("*", size=1) as events:
        for n in range(3):
            fake.push("posts", "create", {"n": n})
        fake.later(60, lambda: fake.push("posts", "create", {"n": 3}))
        assert [next(events).record["n"] for _ in range(4)] == [0, 1, 2, 3]
    assert fake.clock.now == 60


def test_a_loop_over_events_that_never_come_is_an_error_and_no_hang(fake: FakeRealtime) -> None:
    """Iterating over `events` raises RuntimeError when no event is scheduled."""
    with (
        fake.client.collection("posts").events("*") as events,
        pytest.raises(RuntimeError, match=r"script it: fake\.later"),
    ):
        next(events)


# -- filters with a backslash


PATH = "C:\\new\\"


def test_the_fake_reads_a_backslash_as_new_servers_do(fake: FakeRealtime) -> None:
    """The fake's filter dialect is `escaped`, with a guard, as that of new servers."""
    assert fake.client.collection("posts").learn_filter_dialect() == "escaped"
    assert fake.client.filter_dialect == "escaped"
    made = fake.client.filter("path = {:path}", path=PATH)
    assert made == rf"{GUARDS['escaped']} && (path = 'C:\\new\\')"


def test_a_view_with_a_backslash_in_its_filter_uses_the_function_of_the_test(
    fake: FakeRealtime,
) -> None:
    """A filter with a backslash and its guard is found in `fake.filters` by views and reads."""
    posts = fake.client.collection("posts")
    posts.learn_filter_dialect()
    condition = fake.client.filter("path = {:path}", path=PATH)
    fake.filters[condition] = lambda record: record["path"] == PATH
    fake.push("posts", "create", {"id": "a", "path": PATH})
    fake.push("posts", "create", {"id": "b", "path": "C:new"})
    view, events = posts.live(filter=condition), []
    posts.observe("*", filter=condition).subscribe(lambda event: events.append(event.record["id"]))
    shown: Seen = []
    view.subscribe(lambda snapshot: shown.append([row["id"] for row in snapshot.records]))
    fake.push("posts", "create", {"id": "c", "path": PATH})
    fake.push("posts", "create", {"id": "d", "path": "C:new"})
    assert shown[-1] == ["a", "c"]
    assert events == ["c"]
    assert [row["id"] for row in posts.get_full_list(filter=condition, batch=1)] == ["a", "c"]


def test_an_unknown_filter_with_a_backslash_is_an_error_with_the_missing_line(
    fake: FakeRealtime,
) -> None:
    """A filter with a backslash but no entry in `fake.filters` raises ValueError."""
    posts = fake.client.collection("posts")
    posts.learn_filter_dialect()
    posts.observe("*", filter=fake.client.filter("path = {:path}", path=PATH)).subscribe()
    with pytest.raises(ValueError, match=r"fake\.filters\["):
        fake.push("posts", "create", {"path": PATH})


def test_the_fake_answers_the_guards_as_a_new_server_does(fake: FakeRealtime) -> None:
    """The fake accepts the guard of the escaped dialect and answers the plain one with 400."""
    fake.records["posts"] = {"a": {"id": "a"}}
    posts = fake.client.collection("posts")
    assert posts.get_list(filter=GUARDS["escaped"])["totalItems"] == 1
    with pytest.raises(ClientResponseError, match="400"):
        posts.get_list(filter=GUARDS["plain"])


@pytest.mark.parametrize("ending", ["\\", "\\\\", "\\'", "'", "\\n"])
def test_all_pages_are_read_where_ids_hold_backslashes(fake: FakeRealtime, ending: str) -> None:
    """`get_full_list` returns all records whose ids contain backslashes or quotes."""
    ids = sorted(f"{n}{ending}" for n in range(7))
    fake.records["posts"] = {id: {"id": id} for id in ids}
    fake.filters["n > 0"] = lambda record: True
    posts = fake.client.collection("posts")
    assert [row["id"] for row in posts.get_full_list(batch=2)] == ids
    assert [row["id"] for row in posts.get_full_list(batch=2, filter="n > 0")] == ids


# -- logins


def test_a_user_of_the_fake_logs_in_and_a_wrong_password_does_not(fake: FakeRealtime) -> None:
    """A user added to the fake can log in and refresh; a wrong password or name gets a 400."""
    ada = fake.add_user("ada@example.com", "password123", {"name": "Ada"})
    users = fake.client.collection("users")
    with pytest.raises(ClientResponseError, match="400: Failed to authenticate"):
        users.auth_with_password("ada@example.com", "wrong")
    with pytest.raises(ClientResponseError, match="400: Failed to authenticate"):
        users.auth_with_password("ben@example.com", "password123")
    assert fake.client.auth_store.token == ""
    answer = users.auth_with_password("ada@example.com", "password123")
    assert answer["record"] == ada == fake.client.auth_store.record
    assert (ada["name"], ada["email"]) == ("Ada", "ada@example.com")
    assert fake.client.auth_store.is_valid
    assert users.auth_refresh()["record"]["id"] == ada["id"]
    assert users.get_one(ada["id"])["name"] == "Ada"


def test_a_user_may_be_of_any_collection_and_have_a_given_id(fake: FakeRealtime) -> None:
    """`add_user` takes an id and a collection; login elsewhere fails with the missing line."""
    fake.add_user("root", "password123", {"id": "r1"}, collection="_superusers")
    admin = fake.client.collection("_superusers")
    assert admin.auth_with_password("root", "password123")["record"]["id"] == "r1"
    with pytest.raises(ClientResponseError, match=r"log in to 'users' of the fake: fake\.add_user"):
        fake.client.collection("users").auth_with_password("root", "password123")


def test_streams_go_on_under_a_new_login(fake: FakeRealtime) -> None:
    """A stream receives events before and after a login and a logout."""
    seen: Seen = []
    fake.client.collection("posts").observe("*").subscribe(seen.append)
    fake.add_user("ada@example.com", "password123")
    fake.client.collection("users").auth_with_password("ada@example.com", "password123")
    fake.push("posts", "create", {"id": "a"})
    fake.client.auth_store.clear()
    fake.push("posts", "create", {"id": "b"})
    assert [event.record["id"] for event in seen] == ["a", "b"]


@pytest.mark.parametrize("choice", ["error", "guest"])
def test_a_deleted_user_loses_the_login_as_the_client_chose(choice: Any) -> None:
    """After its user is deleted a login is lost; streams fail or continue by `on_auth_lost`."""
    with FakeRealtime(on_auth_lost=choice) as fake:
        ada = fake.add_user("ada@example.com", "password123")
        errors: Seen = []
        fake.client.collection("users").auth_with_password("ada@example.com", "password123")
        posts = fake.client.collection("posts")
        posts.observe("*").subscribe(on_error=errors.append)
        posts.live().subscribe(on_error=errors.append)
        fake.client.auto_refresh(threshold=timedelta(minutes=30))
        fake.advance(120)
        assert fake.client.auth_store.record == ada and not errors
        fake.push("users", "delete", {"id": ada["id"]})
        fake.advance(89)
        assert fake.client.auth_store.token and not errors
        fake.advance(1)
        assert not fake.client.auth_store.is_valid
        expected = [AuthLostError, AuthLostError] if choice == "error" else []
        assert [type(error) for error in errors] == expected


def test_without_auto_refresh_a_lost_login_goes_on_as_a_guest() -> None:
    """After a reconnection a login of a deleted user is a guest's within 35 s, and says so."""
    with FakeRealtime() as fake:
        ada = fake.add_user("ada@example.com", "password123")
        fake.client.collection("users").auth_with_password("ada@example.com", "password123")
        errors: Seen = []
        fake.client.collection("posts").observe("*").subscribe(on_error=errors.append)
        view = fake.client.collection("posts").live()
        view.subscribe(on_error=errors.append)
        fake.push("users", "delete", {"id": ada["id"]})
        fake.answers["POST", "/api/realtime"] = ClientResponseError(503)
        fake.drop()
        fake.advance(5)
        del fake.answers["POST", "/api/realtime"]
        fake.advance(35)
        status = fake.client.realtime.status.value
        assert (status.state, type(status.error)) == ("active", AuthLostError)
        assert view.current.fresh and fake.client.auth_store.token and not errors


# -- the connection


def test_a_dropped_connection_is_reported_and_comes_back_after_its_backoff(
    fake: FakeRealtime,
) -> None:
    """After `drop`, the status is `waiting`; the client reconnects when its backoff is over."""
    seen = states(fake)
    lost: Seen = []
    fake.client.realtime.on_disconnect = lost.append
    fake.client.collection("posts").subscribe("*", lambda _: None)
    fake.drop()
    status = fake.client.service.status.value
    assert (status.state, status.retry_in, status.attempt) == ("waiting", 0.2, 1)
    fake.advance(0.19)
    assert not fake.client.realtime.is_connected
    fake.advance(0.01)
    assert fake.client.realtime.client_id == "fake-client-2"
    assert lost == [["posts/*"]]
    assert seen[-4:] == ["waiting", "connecting", "connected", "active"]


def test_an_event_without_a_connection_is_lost(fake: FakeRealtime) -> None:
    """An event pushed while disconnected is not delivered, but its record is stored."""
    seen: Seen = []
    fake.client.collection("posts").observe("*").subscribe(seen.append)
    fake.advance(0)
    fake.drop()
    assert fake.push("posts", "create", {"id": "unheard"}) == 0
    fake.advance(1)
    assert fake.push("posts", "create", {"id": "heard"}) == 1
    assert [event.record["id"] for event in seen] == ["heard"]
    assert set(fake.records["posts"]) == {"unheard", "heard"}


def test_a_stopped_server_makes_the_waits_longer_and_requests_fail(fake: FakeRealtime) -> None:
    """While the fake is stopped, requests fail and the backoff grows from 0.2 s to 2 s."""
    waits: Seen = []
    fake.client.realtime.status.subscribe(lambda status: waits.append(status.retry_in))
    posts = fake.client.collection("posts")
    posts.subscribe("*", lambda _: None)
    fake.stop()
    fake.advance(4)
    with pytest.raises(ConnectionFailedError, match="the fake is stopped"):
        posts.get_list()
    assert list(dict.fromkeys(wait for wait in waits if wait)) == [0.2, 0.4, 0.8, 1.6, 2.0]
    fake.start()
    fake.advance(2)
    fake.client.realtime.wait_active()


def test_used_up_attempts_are_an_error_of_the_stream() -> None:
    """After `max_attempts` failures the stream ends with the error; the status is `failed`."""
    policy = BackoffPolicy(initial=1, jitter=False, max_attempts=3)
    with FakeRealtime(backoff=policy) as fake:
        errors: Seen = []
        fake.client.collection("posts").observe("*").subscribe(on_error=errors.append)
        fake.stop()
        fake.advance(60)
        assert [type(error) for error in errors] == [ConnectionFailedError]
        assert fake.client.service.status.value.state == "failed"


def test_a_blocking_subscribe_to_a_stopped_server_times_out_in_no_time(fake: FakeRealtime) -> None:
    """`subscribe` to a stopped fake raises the timeout error after 10 virtual seconds."""
    fake.stop()
    with pytest.raises(RequestTimeoutError, match="not acknowledged within 10 s"):
        fake.client.collection("posts").subscribe("*", print)
    assert fake.clock.now == 10


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refused_collection_is_the_error_the_server_would_give(
    fake: FakeRealtime, status: int
) -> None:
    """After `refuse`, subscribing fails with that status and message; `allow` ends it."""
    errors: Seen = []
    posts = fake.client.collection("posts")
    fake.refuse("posts", status, "not you")
    posts.observe("*", filter="n > 1").subscribe(on_error=errors.append)
    fake.advance(0)
    assert [(error.status, error.message) for error in errors] == [(status, "not you")]
    with pytest.raises(ClientResponseError):
        posts.subscribe("*", print, filter="n > 1")
    fake.allow("posts")
    fake.filters["n > 1"] = lambda record: True
    posts.subscribe("*", print, filter="n > 1")


def test_a_refusal_ends_events_and_fails_new_subscriptions(fake: FakeRealtime) -> None:
    """After `refuse`, existing topics receive nothing, and new ones fail with 403."""
    posts = fake.client.collection("posts")
    seen: Seen = []
    posts.subscribe("*", seen.append)
    fake.refuse("posts")
    assert fake.push("posts", "create", {}) == 0
    fake.advance(30)  # a successful preflight is cached for so long
    with pytest.raises(ClientResponseError, match="403"):
        posts.subscribe("*", print)
    assert seen == []


def test_other_requests_get_the_answers_of_the_test(fake: FakeRealtime) -> None:
    """`fake.answers` sets a value, a function or an error as the response to a request."""
    fake.answers["GET", "/api/health"] = {"code": 200}
    fake.answers["POST", "/api/double"] = lambda body: body["n"] * 2
    fake.answers["POST", "/api/no"] = ClientResponseError(418)
    assert fake.client.health() == {"code": 200}
    assert fake.client.send("POST", "/api/double", body={"n": 2}) == 4
    with pytest.raises(ClientResponseError, match="418"):
        fake.client.send("POST", "/api/no")
    with pytest.raises(ClientResponseError, match=r"fake\.answers\['GET', '/api/other'\] = …"):
        fake.client.send("GET", "/api/other")


def test_close_completes_the_streams_and_leaves_nothing_to_do(fake: FakeRealtime) -> None:
    """`close` completes streams and views; later requests raise `ClientClosedError`."""
    ends: Seen = []
    posts = fake.client.collection("posts")
    posts.observe("*").subscribe(on_completed=lambda: ends.append("stream"))
    view = posts.live()
    view.subscribe(on_completed=lambda: ends.append("view"))
    fake.advance(0)
    fake.close()
    assert sorted(ends) == ["stream", "view"]
    with pytest.raises(ClientClosedError):
        posts.get_list()
    fake.close()


# -- time


def test_operators_run_in_virtual_time(fake: FakeRealtime) -> None:
    """Operators piped to a stream of the fake use its virtual time."""
    seen: Seen = []
    posts = fake.client.collection("posts")
    posts.observe("*").pipe(ops.debounce(60)).subscribe(lambda e: seen.append(e.record["n"]))
    for n in range(3):
        fake.push("posts", "create", {"n": n})
        fake.advance(59)
    assert seen == []
    fake.advance(1)
    assert seen == [2]


def test_a_test_may_be_written_as_a_script(fake: FakeRealtime) -> None:
    """`fake.later` runs a function at a given virtual time during `advance`."""
    seen: Seen = []
    posts = fake.client.collection("posts").observe("*")
    posts.pipe(ops.buffer_with_time(1.0), ops.map(len), ops.take(3)).subscribe(seen.append)
    for second in (0.2, 0.4, 1.5):
        fake.later(second, lambda: fake.push("posts", "create", {}))
    fake.advance(3)
    assert seen == [2, 1, 0]


def test_what_a_script_raises_comes_out_of_advance(fake: FakeRealtime) -> None:
    """An error of a function passed to `later` is raised by `advance`."""
    fake.later(1, lambda: fake.push("posts", "update", {}))
    with pytest.raises(ValueError, match="needs the record's id"):
        fake.advance(2)


def test_work_of_the_clients_own_that_raises_is_logged_and_the_rest_goes_on(
    fake: FakeRealtime, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of work on the client's scheduler is logged, and the next work runs."""
    seen: Seen = []
    fake.scheduler.post(lambda: 1 / 0)
    fake.scheduler.post(lambda: seen.append(fake.clock.now))
    fake.advance(1)
    assert seen == [0] and "ZeroDivisionError" in caplog.text


def test_the_counters_count(fake: FakeRealtime) -> None:
    """`stats` counts frames, delivered events, topics, connections and POSTs of the fake."""
    posts = fake.client.collection("posts")
    posts.observe("*").subscribe(print)
    posts.observe("a").subscribe(print)
    fake.push("posts", "create", {"id": "a"})
    fake.advance(2)
    stats = fake.client.realtime.stats
    # PB_CONNECT is a frame, but not a delivered event: it has no subscriber.
    assert (stats.frames, stats.events, stats.topics, stats.queue_events) == (3, 2, 2, 0)
    assert (stats.connects, stats.posts, stats.last_event_age) == (1, 1, 2)
    assert stats.bytes > 100


def test_a_negative_time_is_refused() -> None:
    """`advance` raises ValueError for a negative time."""
    with pytest.raises(ValueError, match="time goes forward"):
        VirtualClock().advance(-1)


def test_work_that_posts_itself_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that posts itself without end raises RuntimeError after `MAX_STEPS` steps."""
    monkeypatch.setattr("rxbosbase.testing.virtual_time.MAX_STEPS", 50)
    scheduler = VirtualScheduler()

    def again() -> None:
        scheduler.post(again)

    scheduler.post(again)
    with pytest.raises(RuntimeError, match="50 pieces of work"):
        scheduler.clock.run()


def test_asyncio_code_meets_the_same_events(fake: FakeRealtime) -> None:
    """`aio.events` receives the events that are pushed to the fake."""

    async def read() -> list[str]:
        posts = fake.client.collection("posts")
        async with aio.events(posts.observe("*")) as events:
            fake.push("posts", "create", {"id": "a"})
            return [(await anext(events)).record["id"]]

    assert asyncio.run(read()) == ["a"]


# -- live views


def test_a_live_view_is_empty_no_more_once_the_server_was_read(fake: FakeRealtime) -> None:
    """`wait_fresh` of a view on the fake returns the records, sorted and limited."""
    fake.records["posts"] = {id: {"id": id, "n": n} for n, id in enumerate("abc")}
    with fake.client.collection("posts").live(sort="-n", limit=2) as view:
        assert [record["id"] for record in view.wait_fresh().records] == ["c", "b"]


def test_a_live_view_goes_stale_and_catches_up(fake: FakeRealtime) -> None:
    """After `drop` a view is not fresh; it catches up and marks the changes `caught_up`."""
    shown: Seen = []
    fake.filters["n > 0"] = lambda record: record["n"] > 0
    fake.records["posts"] = {"a": {"id": "a", "n": 1}}
    view = fake.client.collection("posts").live(filter="n > 0")
    view.subscribe(
        lambda s: shown.append(
            (s.fresh, [(c.type, c.record["id"], c.caught_up) for c in s.changes])
        )
    )
    fake.push("posts", "create", {"id": "b", "n": 2})
    fake.drop()
    fake.push("posts", "update", {"id": "a", "n": 0})
    fake.advance(0.2)
    assert shown == [
        (True, [("added", "a", False)]),
        (True, [("added", "b", False)]),
        (False, []),
        (True, [("removed", "a", True)]),
    ]


def test_a_live_view_alone_is_a_connection_like_the_real_ones(fake: FakeRealtime) -> None:
    """A live view alone sets connection status, topics and freshness as a stream does."""
    realtime, seen = fake.client.realtime, states(fake)
    with fake.client.collection("posts").live() as view:
        realtime.wait_active()
        status = realtime.status.value
        assert (status.state, status.client_id) == ("active", "fake-client-1")
        assert realtime.is_connected and status.topics == ("posts/*",)
        assert fake.topics == {"posts/*"}
        fake.stop()
        assert (realtime.status.value.state, view.current.fresh) == ("waiting", False)
        fake.start()
        realtime.reconnect_now()
        fake.advance(0)
        assert (realtime.status.value.state, view.current.fresh) == ("active", True)
    fake.advance(0)
    assert fake.topics == set()
    assert [*dict.fromkeys(seen)] == ["idle", "connecting", "connected", "active", "waiting"]
    assert seen[-1] == "idle"


def test_closing_the_client_ends_a_wait_for_a_view_in_a_callback(fake: FakeRealtime) -> None:
    """`close` ends a `wait_fresh` inside a callback at once with `ClientClosedError`."""
    fake.stop()
    ended: Seen = []
    with fake.client.collection("posts").live() as view:

        def wait() -> None:
            with pytest.raises(ClientClosedError):
                view.wait_fresh(10)
            ended.append(fake.clock.now)

        fake.client.scheduler.post(wait)
        fake.later(1.0, fake.client.close)
        fake.advance(60.0)
    assert ended == [1.0]


def test_a_callback_that_closes_the_client_still_gets_a_fresh_snapshot(fake: FakeRealtime) -> None:
    """In a callback that closes the client, `wait_fresh` still returns; after it, it raises."""
    fake.push("posts", "create", {"id": "a"})
    found: Seen = []
    with fake.client.collection("posts").live() as view:
        view.wait_fresh()

        def close() -> None:
            fake.client.close()
            found.extend(view.wait_fresh().records)

        fake.client.scheduler.post(close)
        fake.advance(0)
        with pytest.raises(ClientClosedError, match="the view has ended"):
            view.wait_fresh()
    assert found == [{"id": "a"}]


def test_a_live_record_is_none_once_it_is_gone(fake: FakeRealtime) -> None:
    """`live_record` emits None while the record does not exist, and its value while it does."""
    seen: Seen = []
    fake.client.collection("posts").live_record("a").subscribe(seen.append)
    fake.push("posts", "create", {"id": "a", "n": 1})
    fake.push("posts", "create", {"id": "b", "n": 1})
    fake.push("posts", "delete", {"id": "a"})
    assert seen == [None, {"id": "a", "n": 1}, None]


def test_a_live_view_of_a_refused_collection_ends_with_its_error(fake: FakeRealtime) -> None:
    """A live view of a refused collection ends with the status of the refusal."""
    errors: Seen = []
    fake.refuse("posts", 404)
    fake.client.collection("posts").live().subscribe(on_error=errors.append)
    fake.advance(0)
    assert [error.status for error in errors] == [404]


# -- the plugin


def test_the_plugin_imports_nothing_of_the_library_before_a_fixture_is_used() -> None:
    """Importing the pytest plugin imports no module of the library."""
    code = "import sys, pytest_rxbosbase; print([m for m in sys.modules if m.startswith('rxb')])"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert result.stdout == "[]\n"
