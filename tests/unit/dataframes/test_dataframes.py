"""Live views and event windows as DataFrames."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from reactivex.subject import Subject
from reactivex.testing import TestScheduler
from support.fake_view import View
from support.seen import run_thread, wait_event

from rxbosbase import ClientResponseError, MissingExtraError
from rxbosbase.dataframes import LiveFrame, live_frame, rate_frame, to_dataframe, window
from rxbosbase.dataframes import events as events_module
from rxbosbase.dataframes.table import Table
from rxbosbase.events import RecordEvent
from rxbosbase.live import Snapshot
from rxbosbase.live.engine.messages import Edit
from rxbosbase.live.engine.ordering import Order
from rxbosbase.testing import FakeRealtime

pd = pytest.importorskip("pandas", reason="needs pip install 'rxbosbase[notebook]'")

DATE = "2024-01-31 10:00:00.123Z"

Record = dict[str, Any]


def event(action: str, /, **record: Any) -> RecordEvent[Record]:
    return RecordEvent("orders/*", action, {"id": "a", **record})


@pytest.fixture
def view(virtual_time: FakeRealtime) -> View:
    return View(virtual_time)


@pytest.fixture
def frame(view: View) -> Iterator[LiveFrame]:
    with live_frame(view.stream) as frame:
        yield frame


# -- one snapshot


def test_each_kind_of_value_has_its_dtype() -> None:
    """Integers, floats, booleans, dates and texts get nullable pandas dtypes; lists object."""
    row = {"id": "a", "n": 1, "x": 0.5, "ok": True, "created": DATE, "title": "t", "tags": ["a"]}
    df = to_dataframe([row])
    assert {name: str(dtype) for name, dtype in df.dtypes.items()} == {
        "n": "Int64",
        "x": "float64",
        "ok": "boolean",
        "created": "datetime64[ns, UTC]",
        "title": "string",
        "tags": "object",
    }
    assert df.created["a"] == pd.Timestamp("2024-01-31 10:00:00.123", tz="UTC")
    assert df.tags["a"] == ["a"]


def test_an_absent_field_and_an_empty_date_are_missing_values() -> None:
    """A field that a record lacks, and an empty date, are missing values in the frame."""
    df = to_dataframe([{"id": "a", "n": 1, "at": DATE}, {"id": "b", "ok": True, "at": ""}])
    assert df.n.isna().tolist() == [False, True]
    assert df.ok.isna().tolist() == [True, False]
    assert df["at"].isna().tolist() == [False, True]


@pytest.mark.parametrize("value", [1, 0.5, True, [1]])
def test_an_empty_text_before_the_first_other_value_is_kept(value: Any) -> None:
    """A column of an empty text, None and another value keeps each value and its type."""
    cells = ["", None, value]
    df = to_dataframe([{"n": each} for each in cells], index=None)
    assert list(df["n"]) == cells
    assert [type(each) for each in df["n"]] == [type(each) for each in cells]


def test_expanded_relations_become_columns_by_their_path() -> None:
    """An expanded relation gives columns like `expand.author.name`; a list stays one column."""
    author = {"id": "u", "name": "Ann", "expand": {"team": {"name": "Blue"}}}
    df = to_dataframe([{"id": "a", "expand": {"author": author, "tags": [{"id": "t"}]}}])
    assert df["expand.author.name"]["a"] == "Ann"
    assert df["expand.author.expand.team.name"]["a"] == "Blue"
    assert df["expand.tags"]["a"] == [{"id": "t"}]


def test_the_collections_name_is_a_column_only_if_requested() -> None:
    """`collectionName` is a column only when `columns` contains it."""
    record = {"id": "a", "collectionName": "posts", "n": 1}
    assert list(to_dataframe([record])) == ["n"]
    assert list(to_dataframe([record], columns=["collectionName"])) == ["collectionName"]


def test_columns_have_the_given_order_and_may_be_missing_in_all_records() -> None:
    """`columns` sets names and order; a column that no record has contains missing values."""
    df = to_dataframe([{"id": "a", "n": 1, "m": 2}], columns=["m", "absent", "n"])
    assert list(df) == ["m", "absent", "n"]
    assert df.index.tolist() == ["a"]
    assert df.absent.isna().all()


def test_the_index_is_the_given_field_or_a_range() -> None:
    """`index` names the index field; with None the index is a range and `id` stays a column."""
    rows = [{"id": "a", "n": 7}, {"id": "b", "n": 8}]
    assert to_dataframe(rows, index="n").index.tolist() == [7, 8]
    assert to_dataframe(rows, index=None).index.tolist() == [0, 1]
    assert "id" in to_dataframe(rows, index=None)


def test_the_rows_of_a_snapshot_keep_its_order(virtual_time: FakeRealtime) -> None:
    """The frame of a sorted view's snapshot has its rows in the order of the snapshot."""
    view = View(virtual_time, "-n")
    view.hold({"id": "a", "n": 1}, {"id": "b", "n": 3}, {"id": "c", "n": 2})
    with view.stream as stream:
        assert to_dataframe(stream.wait_fresh()).index.tolist() == ["b", "c", "a"]


def test_a_text_for_a_list_of_names_is_refused() -> None:
    """Raise TypeError when `columns` is a text instead of a list of names."""
    with pytest.raises(TypeError, match="columns must be a list of names"):
        to_dataframe([], columns="title")


def test_records_of_a_model_are_refused_with_a_remedy() -> None:
    """Raise TypeError for model instances, with the advice to use a view without `model=`."""
    with pytest.raises(TypeError, match="without model="):
        to_dataframe([object()])  # type: ignore[list-item]  # a view with `model=` emits such


def test_a_list_as_a_category_is_refused_with_a_remedy() -> None:
    """Raise ValueError, with the remedy, when a column of `categories` contains lists."""
    with pytest.raises(ValueError, match="leave the column out of categories="):
        to_dataframe([{"id": "a", "tags": ["x"]}], categories=["tags"])


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pandas, `to_dataframe` raises `MissingExtraError` with the pip command."""
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[notebook\]"):
        to_dataframe([])


# -- live


def test_a_live_frame_equals_the_snapshot_after_each_change(virtual_time: FakeRealtime) -> None:
    """A live frame equals the snapshot after 300 additions, changes, moves and removals."""
    view = View(virtual_time, "-n")
    with live_frame(view.stream) as frame:
        for step in range(300):
            id = f"r{step * 7 % 40:02}"
            if step % 5 == 4:
                view.delete(id, f"r{step * 3 % 40:02}")
            else:
                view.write({"id": id, "n": step * 13 % 17, "title": f"t{step}"})
            if step % 3 == 0:  # otherwise one read catches up with several snapshots
                expected = [(r["id"], r["n"], r["title"]) for r in view.snapshot.records]
                assert list(frame.df.itertuples(name=None)) == expected


def test_a_live_frame_grows_with_its_view(view: View, frame: LiveFrame) -> None:
    """A live frame contains every row of its view in order while it grows to 1000 rows."""
    for start in range(0, 1000, 100):
        view.write(*({"id": f"r{n:04}", "n": n} for n in range(start, start + 100)))
        assert frame.df.n.tolist() == list(range(start + 100))


def test_a_live_frame_is_empty_before_the_first_snapshot(frame: LiveFrame) -> None:
    """Before the first snapshot a live frame is empty, has version 0 and is not fresh."""
    assert frame.df.empty
    assert (frame.version, frame.fresh) == (0, False)


def test_a_row_added_and_removed_between_two_reads_adds_no_column(
    view: View, frame: LiveFrame
) -> None:
    """A row added and removed between two reads adds no column to the frame."""
    table = Table()
    view.write({"id": "a", "n": 1})
    table.apply(view.snapshot.changes)
    assert list(frame.df) == ["n"]
    view.write({"id": "b", "m": 2})
    added = view.snapshot.changes
    view.delete("b")
    table.apply([*added, *view.snapshot.changes])
    assert list(frame.df) == list(table.frame()) == ["n"]


def test_wait_fresh_returns_rows_that_were_not_delivered_yet(view: View) -> None:
    """`wait_fresh` returns the rows of a fresh view before its snapshot was delivered."""
    view.hold({"id": "a", "n": 1})
    with view.stream as stream:
        stream.wait_fresh()
        with live_frame(view.stream) as frame:
            assert frame.version == 0
            assert frame.wait_fresh().index.tolist() == ["a"]
            assert frame.version == 1


def test_an_older_snapshot_that_arrives_late_is_ignored(view: View) -> None:
    """A live frame ignores a snapshot that is older than the one it already contains."""
    snapshots: Subject[Snapshot[Record]] = Subject()
    with view.stream, live_frame(snapshots) as frame:
        view.write({"id": "a", "n": 1})
        older = view.snapshot
        view.write({"id": "a", "n": 2})
        for snapshot in (view.snapshot, older):
            snapshots.on_next(snapshot)
            assert frame.df.n.tolist() == [2]
            assert frame.version == view.snapshot.version


def test_dtypes_stay_after_the_values_that_determined_them(view: View, frame: LiveFrame) -> None:
    """A column keeps its dtype after the rows that determined it were deleted."""
    view.write({"id": "a", "n": 1, "at": DATE})
    assert str(frame.df.n.dtype) == "Int64"
    view.delete("a")
    view.write({"id": "b", "n": None, "at": ""})
    assert str(frame.df.n.dtype) == "Int64"
    assert str(frame.df["at"].dtype) == "datetime64[ns, UTC]"


@pytest.mark.parametrize(
    ("first", "second", "dtype"),
    [
        (1, 0.5, "float64"),
        (1, 2**64, "float64"),
        pytest.param(1, 10**400, "object", id="beyond all floats"),
        pytest.param(0.5, -(10**400), "object", id="below all floats"),
        (DATE, "soon", "string"),
        (DATE, "9999-12-31 00:00:00.000Z", "string"),
        (DATE, "2024-02-31 00:00:00.000Z", "string"),
        (True, 1, "object"),
        (1, "", "object"),
        ("", DATE, "datetime64[ns, UTC]"),
        (None, True, "boolean"),
    ],
)
def test_a_value_that_does_not_fit_widens_the_column_and_nothing_is_lost(
    view: View, frame: LiveFrame, first: Any, second: Any, dtype: str
) -> None:
    """A value that does not fit a column's dtype widens the dtype and keeps both values."""
    view.write({"id": "a", "x": first})
    assert len(frame.df) == 1
    view.write({"id": "b", "x": second})
    df = frame.df
    assert str(df.x.dtype) == dtype
    if dtype in ("float64", "object", "string"):
        assert df.x.tolist() == [first, second]
    else:
        assert df.x.isna().tolist() == [True, False]
        assert df.x["b"] == (pd.Timestamp(second) if second == DATE else second)


def test_categories_keep_the_order_of_their_first_appearance(
    view: View, virtual_time: FakeRealtime
) -> None:
    """Categories keep the order of their first appearance; a missing value is no category."""
    with live_frame(view.stream, categories=["status"]) as frame:
        view.write({"id": "a", "status": "new"}, {"id": "b", "status": "paid"})
        assert frame.df.status.cat.categories.tolist() == ["new", "paid"]
        view.delete("a")
        view.write({"id": "c", "status": "sent"}, {"id": "d"})
        virtual_time.advance(0.1)  # a record that lacks a field is read again before it is shown
        assert frame.df.status.cat.categories.tolist() == ["new", "paid", "sent"]
        assert frame.df.status.isna().tolist() == [False, False, True]


def test_each_read_returns_an_independent_frame(view: View, frame: LiveFrame) -> None:
    """Each read of `df` returns an independent frame that later changes do not alter."""
    view.write({"id": "a", "n": 1})
    mine, other = frame.df, frame.df
    mine.loc["a", "n"] = 100
    view.write({"id": "a", "n": 2})
    assert (mine.n["a"], other.n["a"], frame.df.n["a"]) == (100, 1, 2)


def test_a_field_that_appears_later_becomes_a_column(view: View, frame: LiveFrame) -> None:
    """A field that first appears in a later record becomes a column, missing in older rows."""
    view.write({"id": "a"})
    view.write({"id": "b", "late": 1})
    assert frame.df.late.isna().tolist() == [True, False]


def test_the_error_of_the_view_is_raised_to_the_reader(view: View, frame: LiveFrame) -> None:
    """After the view ended with an error, reading `df` raises that error."""
    view.refuse(403, "not for you")
    with pytest.raises(ClientResponseError, match="not for you"):
        _ = frame.df


def test_a_disposed_frame_keeps_its_last_rows(view: View, frame: LiveFrame) -> None:
    """A disposed live frame keeps its last rows, and its view ends; `dispose` is idempotent."""
    view.write({"id": "a"})
    frame.dispose()
    frame.dispose()
    view.write({"id": "b"})
    assert len(frame.df) == 1
    with pytest.raises(RuntimeError, match="not running"):
        _ = view.snapshot


class RecordWithReadHook(dict[str, Any]):
    """A record that calls `on_read` when its values are read, while a frame is built."""

    def __init__(self, on_read: Callable[[], object], **values: Any) -> None:
        super().__init__(values)
        self._on_read = on_read

    def items(self) -> Any:
        self._on_read()
        return super().items()


class LockWithWaitHook:
    """A lock that calls `on_wait` before a thread waits for it."""

    def __init__(self, on_wait: Callable[[], object]) -> None:
        self._lock = threading.RLock()
        self._on_wait = on_wait

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._on_wait()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("role", ["a reader", "a writer"])
def test_a_build_is_not_changed_by_another_thread(role: str) -> None:
    """A frame being built is not changed by another reader or by a new snapshot."""
    building, other_is_there = threading.Event(), threading.Event()

    def on_read() -> None:
        if building.is_set():
            other_is_there.set()  # the other thread builds, too
        else:
            building.set()
            wait_event(other_is_there)

    old, new = {"id": "a", "n": 1}, RecordWithReadHook(on_read, id="a", n=2)
    first = Snapshot.empty(Order.parse()).advance([Edit("a", None, old)], fresh=True)
    second = first.advance([Edit("a", old, new), Edit("b", None, {"id": "b", "n": 2})], fresh=True)
    third = second.advance([Edit("a", new, {"id": "a", "n": 3})], fresh=True)
    snapshots: Subject[Snapshot[Record]] = Subject()

    def other_thread() -> list[int]:
        if role == "a writer":
            snapshots.on_next(third)
            other_is_there.set()
        found: list[int] = live.df.n.tolist()
        return found

    with live_frame(snapshots) as live:
        live._lock = LockWithWaitHook(other_is_there.set)  # type: ignore[assignment]
        snapshots.on_next(first)
        assert live.df.n.tolist() == [1]
        snapshots.on_next(second)
        reader = run_thread(lambda: live.df.n.tolist())
        wait_event(building)
        other = run_thread(other_thread)
        assert reader() == [2, 2]
        assert other() == live.df.n.tolist() == ([3, 2] if role == "a writer" else [2, 2])


# -- events


def test_a_window_of_a_count_holds_the_last_events_with_their_arrival() -> None:
    """`window(count=n)` contains the last n events, each with its time of arrival."""
    clock, source = TestScheduler(), Subject[RecordEvent[Record]]()
    with window(source, count=2, scheduler=clock) as last:
        for n in range(3):
            clock.advance_to(n + 1)
            source.on_next(event("create", n=n))
        df = last.df
    assert df.n.tolist() == [1, 2]
    assert df.arrived.tolist() == [pd.Timestamp(t, unit="s", tz="UTC") for t in (2, 3)]
    assert list(df)[:3] == ["arrived", "action", "topic"]


def test_a_window_of_seconds_removes_events_without_new_ones() -> None:
    """`window(seconds=n)` removes an event after n seconds without a new one; dtypes stay."""
    clock, source = TestScheduler(), Subject[RecordEvent[Record]]()
    with window(source, seconds=10, scheduler=clock) as last:
        source.on_next(event("create", n=1))
        clock.advance_to(9)
        assert last.df.n.tolist() == [1]
        clock.advance_to(10)
        df = last.df
    assert df.empty
    assert str(df.n.dtype) == "Int64"


def test_a_window_of_seconds_is_bounded_and_counts_dropped_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`window(seconds=n)` keeps at most `MAX_EVENTS` events and counts others in `dropped`."""
    monkeypatch.setattr(events_module, "MAX_EVENTS", 3)
    source = Subject[RecordEvent[Record]]()
    with window(source, seconds=10, scheduler=TestScheduler()) as last:
        for n in range(5):
            source.on_next(event("create", n=n))
        assert last.df.n.tolist() == [2, 3, 4]
        assert last.dropped == 2


def test_a_field_named_action_becomes_record_action() -> None:
    """A record's field `action` becomes `record.action`, beside the event's `action`."""
    source = Subject[RecordEvent[Record]]()
    with window(source, count=5, scheduler=TestScheduler()) as last:
        source.on_next(event("delete", action="jump"))
        df = last.df
    assert df.action.tolist() == ["delete"]
    assert df["record.action"].tolist() == ["jump"]


@pytest.mark.parametrize("options", [{}, {"seconds": 1, "count": 1}, {"count": 0}, {"seconds": 0}])
def test_a_window_needs_one_positive_bound(options: dict[str, Any]) -> None:
    """`window` raises ValueError unless exactly one of `seconds` and `count` is positive."""
    with pytest.raises(ValueError, match=r"seconds|count"):
        window(Subject(), **options)


def test_rates_have_a_row_for_each_interval_also_without_events() -> None:
    """`rate_frame` has one row per interval, with zeros for intervals without an event."""
    clock, source = TestScheduler(), Subject[RecordEvent[Record]]()
    with rate_frame(source, every="2s", scheduler=clock) as rates:
        for at, action in [(0, "create"), (1, "update"), (1, "create"), (5, "delete")]:
            clock.advance_to(at)
            source.on_next(event(action))
        clock.advance_to(7)
        df = rates.df
    assert df.to_dict("list") == {
        "create": [2, 0, 0, 0],
        "update": [1, 0, 0, 0],
        "delete": [0, 0, 1, 0],
    }
    assert df.index[2] == pd.Timestamp(datetime(1970, 1, 1, 0, 0, 4, tzinfo=UTC))


def test_rates_count_by_a_field_or_a_function() -> None:
    """`rate_frame` groups events by a field of the record or by the result of a function."""
    source, clock = Subject[RecordEvent[Record]](), TestScheduler()
    with (
        rate_frame(source, "status", 1.0, scheduler=clock) as by_field,
        rate_frame(source, lambda e: e.record["n"] % 2, 1.0, scheduler=clock) as by_function,
    ):
        source.on_next(event("create", status="new", n=3))
        source.on_next(event("create", status="new", n=4))
        assert by_field.df.to_dict("list") == {"new": [2]}
        assert by_function.df.to_dict("list") == {"1": [1], "0": [1]}


def test_rates_bound_their_columns_and_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`rate_frame` counts groups after `MAX_GROUPS` as `other` and keeps `MAX_BUCKETS` rows."""
    monkeypatch.setattr(events_module, "MAX_GROUPS", 2)
    monkeypatch.setattr(events_module, "MAX_BUCKETS", 3)
    source, clock = Subject[RecordEvent[Record]](), TestScheduler()
    with rate_frame(source, "n", scheduler=clock) as rates:
        for n in range(5):
            clock.advance_to(n)
            source.on_next(event("create", n=n))
        df = rates.df
    assert list(df) == ["0", "1", "other"]
    assert df.other.tolist() == [1, 1, 1]


def test_an_error_of_the_grouping_function_is_raised_to_the_reader() -> None:
    """An error of the grouping function is raised when `df` is read."""
    source = Subject[RecordEvent[Record]]()
    with rate_frame(source, lambda e: e.record["absent"]) as rates:
        source.on_next(event("create"))
        with pytest.raises(KeyError):
            _ = rates.df


def test_an_interval_of_zero_is_refused() -> None:
    """`rate_frame` raises ValueError for `every=0`."""
    with pytest.raises(ValueError, match="every"):
        rate_frame(Subject(), every=0)
