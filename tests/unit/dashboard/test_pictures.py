"""The HTML of the pictures."""

from __future__ import annotations

from typing import Any

import pytest
from reactivex.subject import Subject
from support.fake_view import View

from rxbosbase import ClientResponseError, Status
from rxbosbase.dashboard.pictures import feed as feed_module
from rxbosbase.dashboard.pictures import inspect as inspect_module
from rxbosbase.dashboard.pictures.chart import bars, line
from rxbosbase.dashboard.pictures.delay import DelayPicture
from rxbosbase.dashboard.pictures.feed import FeedPicture
from rxbosbase.dashboard.pictures.inspect import InspectorPicture
from rxbosbase.dashboard.pictures.rates import Tally
from rxbosbase.dashboard.pictures.status import StatusPicture, pill
from rxbosbase.dashboard.pictures.table import MAX_ROWS, TablePicture
from rxbosbase.events import RecordEvent
from rxbosbase.testing import FakeRealtime

Record = dict[str, Any]
Event = RecordEvent[Record]

MARKUP = "<script>alert('\"')</script>"


def event(action: str = "create", /, **record: Any) -> Event:
    return RecordEvent("orders/*", action, {"id": "a", **record})


def ignore_change() -> None:
    """Do nothing: these tests paint no pane."""


@pytest.fixture
def view(virtual_time: FakeRealtime) -> View:
    return View(virtual_time)


# -- the feed


@pytest.fixture
def events() -> Subject[Event]:
    return Subject()


def test_the_feed_keeps_the_last_events_the_newest_on_top(events: Subject[Event]) -> None:
    """The feed shows the last `keep` events, the newest first, and counts all."""
    feed = FeedPicture(events, keep=2)
    feed.start(ignore_change)
    for n in range(1, 4):
        events.on_next(event(text=f"number {n}"))
    shown = feed.html()
    assert "number 1" not in shown
    assert shown.index("number 3") < shown.index("number 2")
    assert "3 so far" in shown


def test_all_events_of_a_pause_are_shown_after_it_even_beyond_keep(
    events: Subject[Event],
) -> None:
    """Events received in a pause are counted, and all shown on resume, even beyond `keep`."""
    feed = FeedPicture(events, keep=2)
    feed.start(ignore_change)
    events.on_next(event(text="before"))
    feed.act("pause", "", {})
    for n in range(5):
        events.on_next(event(text=f"waited {n}"))
    shown = feed.html()
    assert "waited" not in shown and "before" in shown and "Resume · 5 waiting" in shown
    feed.act("resume", "", {})
    assert feed.html().count("waited ") == 5
    feed.act("pause", "", {})
    assert "Resume · 0 waiting" in feed.html()


def test_a_long_pause_counts_the_events_it_left_out(
    events: Subject[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause keeps the newest `MAX_WAITING` events and shows how many it left out."""
    monkeypatch.setattr(feed_module, "MAX_WAITING", 3)
    feed = FeedPicture(events)
    feed.start(ignore_change)
    feed.pause()
    for _ in range(5):
        events.on_next(event())
    assert "Resume · 3 waiting, 2 older left out" in feed.html()


def test_the_feed_shows_its_error_without_the_url(events: Subject[Event]) -> None:
    """The feed shows the error's status and message, and not its URL."""
    feed = FeedPicture(events)
    feed.start(ignore_change)
    events.on_error(ClientResponseError(403, "http://secret", message="Only superusers."))
    assert "403: Only superusers." in feed.html()
    assert "secret" not in feed.html()


def test_feed_table_and_inspector_escape_records(events: Subject[Event], view: View) -> None:
    """Feed, table and inspector escape HTML in ids, field names and values."""
    feed = FeedPicture(events)
    table, inspector = TablePicture(view.stream), InspectorPicture(view.stream)
    for picture in (feed, table, inspector):
        picture.start(ignore_change)
    events.on_next(event(text=MARKUP, expand={"text": {"name": MARKUP}}))
    view.write({"id": MARKUP, MARKUP: MARKUP})
    view.write({"id": MARKUP, MARKUP: [MARKUP]})
    for picture in (feed, table, inspector):
        assert "script" in picture.html()
        assert "<script" not in picture.html()


def test_a_feed_of_zero_events_is_refused() -> None:
    """Raise ValueError for `keep=0`."""
    with pytest.raises(ValueError, match="keep must be"):
        FeedPicture(Subject(), keep=0)


# -- the table


def test_the_table_shows_the_first_rows_and_counts_all(view: View) -> None:
    """The table shows the first `MAX_ROWS` rows and the number of all."""
    table = TablePicture(view.stream)
    table.start(ignore_change)
    view.write(*({"id": f"r{n:03}", "n": n} for n in range(MAX_ROWS + 20)))
    shown = table.html()
    assert shown.count("<tr tabindex") == MAX_ROWS
    assert f"first {MAX_ROWS} of {MAX_ROWS + 20} records" in shown


def test_the_table_shows_when_it_is_not_up_to_date(view: View) -> None:
    """The table shows "catching up" while its view is not fresh."""
    table = TablePicture(view.stream)
    table.start(ignore_change)
    view.write({"id": "a"})
    view.lose()
    assert "catching up" in table.html()
    view.recover()
    assert "catching up" not in table.html()


def test_the_table_shows_expanded_records_by_their_name_and_chosen_columns_alone(
    view: View,
) -> None:
    """The table shows only the chosen columns, and an expanded record by its name."""
    table = TablePicture(view.stream, ["author"])
    table.start(ignore_change)
    view.write({"id": "a", "author": "u1", "n": 77, "expand": {"author": {"name": "Ann"}}})
    assert "Ann" in table.html()
    assert "77" not in table.html()


def test_a_picked_row_is_marked_and_on_pick_is_called(view: View) -> None:
    """A selected row is marked in the table, and `on_pick` is called with its id."""
    picked: list[str] = []
    table = TablePicture(view.stream, on_pick=picked.append)
    table.start(ignore_change)
    view.write({"id": "a"}, {"id": "b"})
    table.act("pick", "b", {})
    assert picked == ["b"]
    assert table.html().count('aria-selected="true"') == 1


def test_a_view_that_is_refused_shows_the_servers_message(view: View) -> None:
    """The table of a refused view shows the server's status and message."""
    table = TablePicture(view.stream)
    table.start(ignore_change)
    view.refuse(404, "Missing collection context.")
    assert "404: Missing collection context." in table.html()


# -- the inspector


def test_the_inspector_follows_the_last_change_until_a_record_is_picked(view: View) -> None:
    """The inspector shows the last changed record, or only the selected one until released."""
    inspector = InspectorPicture(view.stream)
    inspector.start(ignore_change)
    view.hold({"id": "a", "t": "one"}, {"id": "b", "t": "two"})
    view.stream.wait_fresh()
    assert "Pick a row" in inspector.html()
    view.write({"id": "b", "t": "three"})
    assert "<del>two</del> <ins>three</ins>" in inspector.html()
    inspector.act("inspect", "", {"id": " a "})
    view.write({"id": "b", "t": "four"})
    assert "one" in inspector.html() and "four" not in inspector.html()
    inspector.act("follow", "", {})
    assert "<del>three</del> <ins>four</ins>" in inspector.html()


def test_a_removed_record_is_shown_as_it_last_was(view: View) -> None:
    """The inspector shows a removed record with its last values and the time."""
    inspector = InspectorPicture(view.stream)
    inspector.start(ignore_change)
    view.write({"id": "a", "t": "last value"})
    view.delete("a")
    assert "last value" in inspector.html() and "removed at" in inspector.html()


def test_the_inspector_keeps_a_bounded_number_of_changes(
    view: View,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The inspector keeps the last `MAX_CHANGES` changes and discards the older ones."""
    monkeypatch.setattr(inspect_module, "MAX_CHANGES", 2)
    inspector = InspectorPicture(view.stream)
    inspector.start(ignore_change)
    view.hold({"id": "0"})
    view.stream.wait_fresh()
    for n in range(1, 5):
        view.write({"id": str(n), "t": 1})
    for id, text in [("2", "not changed since"), ("3", "added at"), ("4", "added at")]:
        inspector.pick(id)
        assert text in inspector.html()


# -- the rest


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (Status("active"), ">live<"),
        (Status("connecting"), ">connecting<"),
        (Status("connecting", attempt=3), ">reconnecting · attempt 3<"),
        (Status("waiting", attempt=1, retry_in=2.0, since=9.0), "reconnecting in 1.0 s"),
        (Status("waiting", attempt=1, retry_in=2.0, since=1.0), "reconnecting in 0.0 s"),
        (Status("failed"), ">given up<"),
    ],
)
def test_the_state_is_a_label_with_a_countdown(status: Status, text: str) -> None:
    """The state has the attempt, or the seconds until the next one, never less than 0."""
    assert text in pill(status, now=10.0)


def test_a_tally_counts_the_last_minute_by_second() -> None:
    """A tally counts actions per second for the last minute, and keeps the total."""
    now = [100.0]
    tally = Tally(lambda: now[0])
    tally.add("create")
    tally.add("delete")
    now[0] = 101.5
    tally.add("update")
    assert tally.stacks()[-2:] == [[1, 0, 1], [0, 1, 0]]
    assert tally.latest() == 2
    now[0] = 200.0
    tally.add("update")
    assert sum(map(sum, tally.stacks())) == 1
    assert tally.total.total() == 4


def test_the_delay_is_from_updated_to_arrival(events: Subject[Event]) -> None:
    """The delay is from `updated` to arrival; deletes and old or empty times are ignored."""
    delay = DelayPicture(events, now=lambda: 10.25)
    delay.start(ignore_change)
    assert "no sample yet" in delay.html()
    events.on_next(event("update", updated="1970-01-01 00:00:10.200Z"))
    events.on_next(event("delete", updated="1970-01-01 00:00:01.000Z"))
    events.on_next(event("update", updated="1999-01-01 00:00:01.000Z"))
    events.on_next(event("update", updated=""))
    assert "median 50 ms" in delay.html()


def test_charts_are_drawn_within_their_frame() -> None:
    """Bars and lines are scaled to their frame; a line without a value is not drawn."""
    assert 'y="0.0"' in bars([[2, 0, 0]], ["create", "update", "delete"], "x", 60)
    assert "0.0,0.0 600.0,50.0" in line([4.0, 2.0], "x", 60)
    assert line([None, None], "x", 60).count("polyline") == 0


def test_the_state_of_a_client_with_live_views_alone_is_that_of_their_stream() -> None:
    """The state of a client with live views alone is that of their stream, topics included."""
    with FakeRealtime() as fake:
        picture = StatusPicture(fake.client)
        with picture.start(lambda: None), fake.client.collection("posts").live():
            fake.advance(0)
            assert ">live</span>" in picture.html().replace("<i></i>", "")
            assert "1 topic<" in picture.html()
            fake.drop()
            assert "reconnecting in 0.2 s" in picture.html()
