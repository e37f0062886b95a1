"""Faults of the fake: late and lost frames, ends of streams, refusals, lost logins."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from reactivex import operators as ops

from rxbosbase import ClientResponseError, StreamLostError
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.testing import FakeRealtime
from rxbosbase.testing import virtual_time as clock

Seen = list[Any]


class Shown:
    """The titles that a live view of the posts shows, with their times."""

    def __init__(self, fake: FakeRealtime, **options: Any) -> None:
        self.fake = fake
        self.snapshots: list[tuple[float, list[Any], bool]] = []
        self.errors: Seen = []
        view = fake.client.collection("posts").live(**options)
        view.subscribe(self._add, on_error=self.errors.append)
        fake.advance(0)

    def _add(self, snapshot: Snapshot[dict[str, Any]]) -> None:
        titles = [row["title"] for row in snapshot.records]
        self.snapshots.append((round(self.fake.clock.now, 3), titles, snapshot.fresh))

    @property
    def titles(self) -> list[Any]:
        return self.snapshots[-1][1]

    @property
    def fresh(self) -> bool:
        return self.snapshots[-1][2]


def updated_at(second: int) -> str:
    return f"2026-01-01 00:00:{second:02}.000Z"


# -- late, lost and reordered events


def test_an_event_takes_its_time_and_later_ones_overtake_it(fake: FakeRealtime) -> None:
    """`push` with a delay stores the record at once and delivers the event after the delay."""
    seen: Seen = []
    posts = fake.client.collection("posts")
    posts.observe("*").subscribe(lambda event: seen.append((fake.clock.now, event.record["n"])))
    assert fake.push("posts", "create", {"id": "a", "n": 1}, delay=2.0) == 1
    assert fake.records["posts"]["a"]["n"] == 1 and seen == []
    fake.push("posts", "update", {"id": "a", "n": 2}, delay=0.5)
    fake.push("posts", "update", {"id": "a", "n": 3})
    fake.advance(3)
    assert seen == [(0, 3), (0.5, 2), (2.0, 1)]


def test_an_event_may_be_lost(fake: FakeRealtime) -> None:
    """`push` with `delay=None` stores the record and delivers no event."""
    seen: Seen = []
    fake.client.collection("posts").observe("*").subscribe(seen.append)
    assert fake.push("posts", "create", {"id": "a"}, delay=None) == 0
    fake.advance(3600)
    assert seen == [] and "a" in fake.records["posts"]


@pytest.mark.parametrize("delay", [-1.0, float("nan")])
def test_a_delay_is_no_less_than_nothing(fake: FakeRealtime, delay: float) -> None:
    """`push` raises ValueError for a negative or NaN delay and stores nothing."""
    with pytest.raises(ValueError, match="delay must be 0 or more seconds, or None, not"):
        fake.push("posts", "create", {"id": "a"}, delay=delay)
    assert fake.records == {}


def test_what_is_on_its_way_is_lost_with_the_connection(fake: FakeRealtime) -> None:
    """A delayed event is lost when the connection is dropped before its delivery."""
    seen: Seen = []
    fake.client.collection("posts").observe("*").subscribe(seen.append)
    fake.push("posts", "create", {"id": "a"}, delay=0.5)
    fake.drop()
    fake.advance(60)
    assert seen == []


@pytest.mark.parametrize("order", ["sqlite", "postgres"])
@pytest.mark.parametrize("stamps", [True, False])
def test_a_view_is_right_again_after_frames_were_swapped(order: Any, stamps: bool) -> None:
    """After two events arrive in reverse order, a view shows the newest record within 3 s."""
    with FakeRealtime(order=order) as fake:
        written = [{"updated": updated_at(n)} if stamps else {} for n in range(3)]
        shown = Shown(fake, sort="title")
        fake.push("posts", "create", {"id": "a", "title": "first", **written[0]})
        fake.push("posts", "create", {"id": "b", "title": "other", **written[0]})
        fake.advance(10)
        fake.push("posts", "update", {"id": "a", "title": "second", **written[1]}, delay=0.3)
        fake.push("posts", "update", {"id": "a", "title": "third", **written[2]})
        assert shown.titles == ["other", "third"]
        fake.advance(3)
        assert shown.titles == ["other", "third"] and shown.fresh
        assert (["other", "second"] in [titles for _, titles, _ in shown.snapshots]) != stamps


def test_a_view_finds_a_lost_event_at_its_next_reconcile_pass(fake: FakeRealtime) -> None:
    """A lost event is found by the reconcile pass after `reconcile` seconds."""
    shown = Shown(fake, reconcile=30.0)
    fake.push("posts", "create", {"id": "a", "title": "lost"}, delay=None)
    fake.advance(29)
    assert shown.titles == []
    fake.advance(1)
    assert shown.snapshots[-1] == (30.0, ["lost"], True)


# -- leaving a filter


def test_a_record_that_leaves_a_filter_disappears_after_200_ms(fake: FakeRealtime) -> None:
    """A record that no longer matches the filter is removed from the view after 200 ms."""
    fake.filters["open = 1"] = lambda record: bool(record["open"])
    shown, received = Shown(fake, filter="open = 1"), []
    posts = fake.client.collection("posts")
    posts.observe("*", filter="open = 1").subscribe(lambda event: received.append(event.action))
    posts.observe("*").subscribe(lambda event: received.append("unfiltered"))
    fake.push("posts", "create", {"id": "a", "title": "x", "open": 1})
    assert sorted(received) == ["create", "unfiltered"] and shown.titles == ["x"]
    fake.advance(10)
    assert fake.push("posts", "update", {"id": "a", "open": 0}) == 1
    assert received[2:] == ["unfiltered"] and shown.titles == ["x"]
    fake.advance(0.19)
    assert shown.titles == ["x"]
    fake.advance(0.01)
    assert shown.snapshots[-1] == (10.2, [], True)
    fake.push("posts", "update", {"id": "a", "open": 1, "title": "back"})
    assert shown.titles == ["back"]


# -- ends of streams


def test_a_routine_end_is_no_loss_and_misses_little(fake: FakeRealtime) -> None:
    """After a regular end of the stream the client reconnects at once without a disconnect."""
    lost: Seen = []
    seen: Seen = []
    fake.client.realtime.on_disconnect = lost.append
    fake.client.collection("posts").observe("*").subscribe(lambda e: seen.append(e.record["id"]))
    shown = Shown(fake)
    fake.advance(1800)
    before = fake.client.realtime.client_id
    fake.end_streams()
    assert fake.client.realtime.status.value.state == "active"
    assert fake.client.realtime.client_id != before and lost == []
    fake.push("posts", "create", {"id": "a", "title": "after"})
    assert seen == ["a"] and shown.titles == ["after"] and shown.fresh


def test_a_view_catches_up_with_events_lost_at_a_regular_end(fake: FakeRealtime) -> None:
    """A view shows at once a record whose event was lost at a regular end of the stream."""
    shown = Shown(fake)
    fake.advance(1800)
    fake.push("posts", "create", {"id": "a", "title": "swallowed"}, delay=0.1)
    fake.end_streams()
    assert shown.snapshots[-1] == (1800.0, ["swallowed"], True)


def test_a_stream_that_ends_right_after_it_began_counts_as_broken(fake: FakeRealtime) -> None:
    """A stream that ends right after its start is a `StreamLostError`, with backoff."""
    fake.client.collection("posts").subscribe("*", print)
    fake.end_streams()
    status = fake.client.realtime.status.value
    assert status.state == "waiting" and isinstance(status.error, StreamLostError)
    fake.advance(0.2)
    assert fake.client.realtime.is_connected


def test_a_view_catches_up_after_a_gap_and_marks_the_changes(fake: FakeRealtime) -> None:
    """While the fake is stopped a view keeps its rows, not fresh; then it catches up."""
    shown = Shown(fake, sort="title")
    fake.push("posts", "create", {"id": "a", "title": "before"})
    fake.stop()
    assert not shown.fresh
    fake.push("posts", "delete", {"id": "a"})
    fake.push("posts", "create", {"id": "b", "title": "meanwhile"})
    fake.advance(10)
    assert shown.titles == ["before"] and not shown.fresh
    fake.start()
    fake.advance(2)
    assert shown.titles == ["meanwhile"] and shown.fresh


# -- refusals


def test_topics_that_the_server_refuses_end_with_its_error(fake: FakeRealtime) -> None:
    """A topic refused with 400 ends with that error; the topics accepted before stay."""

    def refuse(body: dict[str, Any]) -> None:
        assert set(body) == {"clientId", "subscriptions"}
        if "bad/*" in body["subscriptions"]:
            raise ClientResponseError(400, message="too long")

    fake.answers["POST", "/api/realtime"] = refuse
    seen: Seen = []
    errors: Seen = []
    shown = Shown(fake)
    fake.client.collection("posts").observe("*").subscribe(seen.append, errors.append)
    fake.advance(0)
    fake.client.collection("bad").observe("*").subscribe(on_error=errors.append)
    fake.advance(1)
    assert [error.message for error in errors] == ["too long"]
    assert fake.topics == {"posts/*"}
    fake.push("posts", "create", {"id": "a", "title": "heard"})
    assert len(seen) == 1 and shown.titles == ["heard"] and shown.fresh


def test_a_view_whose_topic_is_refused_ends_with_the_error(fake: FakeRealtime) -> None:
    """A view ends with the error of the refused submission of its topic."""
    fake.answers["POST", "/api/realtime"] = ClientResponseError(400, message="too many")
    shown = Shown(fake)
    assert [error.message for error in shown.errors] == ["too many"]


@pytest.mark.parametrize(
    "request_",
    [
        ("GET", "/api/realtime"),
        ("POST", "/api/realtime"),
        ("GET", "/api/collections/posts/records"),
    ],
)
def test_a_server_that_is_overloaded_for_a_while_is_tried_again(
    fake: FakeRealtime, request_: tuple[str, str]
) -> None:
    """A 503 to the stream, its topics or a read is retried; the view recovers within 30 s."""
    fake.answers[request_] = ClientResponseError(503)
    shown = Shown(fake)
    fake.advance(30)
    assert shown.snapshots == [] and shown.errors == []
    del fake.answers[request_]
    fake.push("posts", "create", {"title": "late"})
    fake.advance(30)
    assert shown.titles == ["late"] and shown.fresh


def test_a_refused_collection_ends_its_views_when_they_read_next(fake: FakeRealtime) -> None:
    """A view of a collection refused later ends with the 403s to its reads over 30 s."""
    shown = Shown(fake, reconcile=30.0)
    fake.refuse("posts", 403)
    fake.push("posts", "create", {"title": "unheard"})
    fake.advance(59)
    assert shown.titles == [] and shown.errors == []
    fake.advance(31)
    assert [error.status for error in shown.errors] == [403]


# -- unknown filters


def test_a_view_with_an_unknown_filter_ends_and_advance_raises(fake: FakeRealtime) -> None:
    """A view with an unknown filter ends with a 400, and `advance` raises ValueError once."""
    errors: Seen = []
    fake.client.collection("posts").live(filter="n > 1").subscribe(on_error=errors.append)
    with pytest.raises(ValueError, match=r"fake\.filters\['n > 1'\] = lambda record"):
        fake.advance(0)
    fake.advance(0)
    assert [error.status for error in errors] == [400]
    assert "fake.filters['n > 1']" in errors[0].message


def test_wait_fresh_of_a_view_with_an_unknown_filter_raises_once(fake: FakeRealtime) -> None:
    """With an unknown filter `wait_fresh` raises ValueError, later use the view's error."""
    with fake.client.collection("posts").live(filter="n > 1") as view:
        with pytest.raises(ValueError, match=r"fake\.filters\['n > 1'\]"):
            view.wait_fresh()
        fake.advance(60)
        with pytest.raises(ClientResponseError, match=r"fake\.filters\['n > 1'\]"):
            _ = view.current


@pytest.mark.parametrize("filter", ["n > 1 && m > 1", "n > 1 || m > 1 // both"])
def test_a_filter_is_known_in_the_pages_and_rechecks_of_a_view(
    fake: FakeRealtime, filter: str
) -> None:
    """An entry of `fake.filters` also applies within the conditions that the library adds."""
    fake.filters[filter] = lambda record: record["n"] > 1
    fake.records["posts"] = {
        id: {"id": id, "title": n, "n": n, "updated": updated_at(0)}
        for n in range(2500)
        if (id := f"{n:04}")
    }
    shown = Shown(fake, filter=filter)
    assert shown.titles == list(range(2, 2500))
    for n in (7, 8):
        fake.push("posts", "update", {"id": f"{n:04}", "n": 0, "updated": updated_at(1)})
    fake.push("posts", "update", {"id": "0009", "title": "new", "updated": updated_at(1)})
    fake.advance(0.2)
    assert shown.titles == [*range(2, 7), "new", *range(10, 2500)]
    fake.drop()
    fake.push("posts", "delete", {"id": "0002"})
    fake.advance(1)
    assert shown.titles == [*range(3, 7), "new", *range(10, 2500)] and shown.fresh


# -- fields, logins


def test_fields_are_what_topics_and_reads_have(fake: FakeRealtime) -> None:
    """`fields` selects the fields of events, reads and views, also nested in `expand`."""
    received: Seen = []
    row = {"id": "a", "title": "x", "n": 1, "expand": {"by": {"id": "u", "name": "Ada"}}}
    posts = fake.client.collection("posts")
    posts.observe("*", fields="id,n").subscribe(lambda event: received.append(event.record))
    shown = Shown(fake, fields="title,expand.by.name:excerpt(3,true)")
    fake.push("posts", "create", row)
    assert received == [{"id": "a", "n": 1}]
    assert posts.get_one("a", fields="*,expand.by.id")["expand"] == {"by": {"id": "u"}}
    (found,) = posts.get_full_list(fields="title,expand.by.name")
    assert found == {"title": "x", "expand": {"by": {"name": "Ada"}}}
    assert shown.titles == ["x"]


def test_each_login_gets_a_stream_of_its_own(fake: FakeRealtime) -> None:
    """Each login gets a new stream, and a view stays fresh and receives events on it."""
    shown = Shown(fake)
    ids = [fake.client.realtime.client_id]
    users = fake.client.collection("users")
    for name in ("ada", "ben"):
        fake.add_user(name, "password123")
        users.auth_with_password(name, "password123")
        fake.advance(0)
        ids.append(fake.client.realtime.client_id)
        fake.push("posts", "create", {"id": name, "title": name})
        assert shown.titles[-1] == name and shown.fresh
    assert len(set(ids)) == 3


def test_two_fakes_share_nothing() -> None:
    """Two fakes have separate records and subscribers."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(FakeRealtime()) for _ in range(2))
        seen: Seen = []
        for each in (one, other):
            each.client.collection("posts").observe("*").subscribe(seen.append)
        assert one.push("posts", "create", {"id": "a"}) == 1
        assert len(seen) == 1 and "posts" not in other.records


# -- errors of the test itself


def fails(*_: object) -> Any:
    raise KeyError("a mistake of the test")


def test_what_a_script_raises_within_a_callback_is_raised_all_the_same(
    fake: FakeRealtime,
) -> None:
    """An error of a `later` function that runs due to a callback is raised by `advance`."""
    order: Seen = []
    log = fake.client.collection("log")

    def write(_: object) -> None:
        order.append("begin")
        log.create({"n": 1})
        order.append("end")

    def check() -> None:
        order.append("script")
        pytest.fail("the check of the test")

    fake.client.collection("posts").observe("*").pipe(ops.debounce(1.0)).subscribe(write)
    fake.push("posts", "create", {"title": "a"})
    fake.later(1.0, check)
    with pytest.raises(pytest.fail.Exception, match="the check of the test"):
        fake.advance(5)
    assert order == ["begin", "end", "script"]


def test_what_a_filter_of_the_test_raises_reaches_the_test(fake: FakeRealtime) -> None:
    """An error of a function in `fake.filters` is raised by `advance`."""
    fake.filters["open = 1"] = fails
    fake.records["posts"] = {"a": {"id": "a", "title": "a"}}
    view = fake.client.collection("posts").live(filter="open = 1")
    view.subscribe(print, on_error=print)
    with pytest.raises(KeyError, match="a mistake of the test"):
        fake.advance(0)


def test_what_an_answer_of_the_test_raises_reaches_the_test(fake: FakeRealtime) -> None:
    """An error of a function in `fake.answers` is raised by `advance`."""
    fake.answers["POST", "/api/realtime"] = fails
    fake.client.collection("posts").observe("*").subscribe(print, on_error=print)
    with pytest.raises(KeyError, match="a mistake of the test"):
        fake.advance(0)


def test_a_callback_that_calls_itself_without_end_is_an_error(
    fake: FakeRealtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A callback whose write calls it again without end raises RuntimeError from `push`."""
    monkeypatch.setattr(clock, "MAX_STEPS", 1000)
    posts = fake.client.collection("posts")

    def write(_: object) -> None:
        posts.create({})

    posts.observe("*", check=False).subscribe(write)
    with pytest.raises(RuntimeError, match="does a callback write what calls it again"):
        fake.push("posts", "create", {"title": "a"})


def test_an_infinite_time_is_refused(fake: FakeRealtime) -> None:
    """`advance` raises ValueError for an infinite time."""
    with pytest.raises(ValueError, match="not inf"):
        fake.advance(float("inf"))


def test_a_message_may_be_null(fake: FakeRealtime) -> None:
    """`fake.send` delivers None as the data of a message."""
    seen: Seen = []
    fake.client.realtime.observe("news").subscribe(lambda message: seen.append(message.data))
    assert fake.send("news", None) == 1
    assert seen == [None]


def test_a_record_without_updated_matches_no_lower_bound(fake: FakeRealtime) -> None:
    """A record with `updated` None does not match `updated >= …`."""
    fake.records["posts"] = {"a": {"id": "a", "updated": None}, "b": {"id": "b", "updated": "3"}}
    found = fake.client.collection("posts").get_full_list(filter="updated >= '2'")
    assert [row["id"] for row in found] == ["b"]
