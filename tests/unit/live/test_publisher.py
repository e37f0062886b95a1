"""The snapshots that a publisher builds, on any thread, and what its observers get of them."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.seen import LIMIT, Seen, run_thread, wait_event
from support.waiting import WatchedCondition

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.engine import RecordEngine
from rxbosbase.live.engine.messages import Edit, Effects, ReadOrder
from rxbosbase.live.engine.order_evidence import TextOrder
from rxbosbase.live.engine.ordering import Order
from rxbosbase.live.engine.snapshot import Snapshot, apply_changes
from rxbosbase.live.engine.sorting import Sorting
from rxbosbase.live.publisher import Publisher
from rxbosbase.realtime.session.registry import Subscriber
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.thread_scheduler import ThreadScheduler
from rxbosbase.testing import VirtualClock, VirtualScheduler

Model = Callable[[Record], Any]
Failed = Callable[[Exception], object]


def as_it_is(record: Record) -> Record:
    return record


def publisher_of(delivery: SerialScheduler, model: Model, failed: Failed = print) -> Publisher[Any]:
    empty = Snapshot.empty(Order.parse(), model)
    return Publisher(RecordEngine(), empty, delivery, failed, lambda: "active", lambda: None)


def rows(*ids: str, fresh: bool = True) -> Effects:
    """Return effects that add these records."""
    edits = tuple(Edit(id, None, {"id": id}) for id in ids)
    return Effects(edits, None, loaded=True, fresh=fresh, wake=None)


def ids(snapshot: Snapshot[Record]) -> list[str]:
    return [record["id"] for record in snapshot.records]


def observer(seen: Callable[[Any], object]) -> Subscriber:
    return Subscriber(seen, seen, lambda: None)


@pytest.fixture
def delivery() -> Iterator[ThreadScheduler]:
    scheduler = ThreadScheduler("rxbosbase-test-delivery")
    yield scheduler
    scheduler.close()
    scheduler.join(LIMIT)


# -- waiting while another thread builds ----------------------------------------------------------


class Build:
    """A build on the delivery thread that blocks until `end`, while another thread waits.

    Attributes:
        result: joins the thread of that `wait_fresh`, and returns or raises what it did.
        failed: the errors that ended the view.
    """

    def __init__(self, delivery: ThreadScheduler) -> None:
        self._may_end, self._may_deliver = threading.Event(), threading.Event()
        self._ends: list[BaseException] = []
        self.failed: Seen[Any] = Seen()
        entered = threading.Event()

        def model(record: Record) -> Record:
            if record["id"] == "b" and not entered.is_set():
                entered.set()
                wait_event(self._may_end)
                if self._ends:
                    # Only the waiting thread is free to repeat the interrupted build.
                    delivery.post(lambda: self._may_deliver.wait(LIMIT))
                    raise self._ends.pop()
            return record

        self.publisher = publisher_of(delivery, model, self.failed)
        self.publisher._changed = gate = WatchedCondition()
        self.publisher.show(rows("a"))
        assert ids(self.publisher.wait_fresh(LIMIT)) == ["a"]
        self.publisher.show(rows("b"))
        wait_event(entered)
        before = gate.waits.count
        self.result = run_thread(lambda: self.publisher.wait_fresh(LIMIT / 2))
        gate.waits.wait(before + 1)

    def end(self, error: BaseException | None = None) -> None:
        """Let the build end, with this error if one is given."""
        if error is not None:
            self._ends.append(error)
        self._may_end.set()

    def free(self) -> None:
        """Let the delivery thread run its queue."""
        self._may_deliver.set()


def test_wait_fresh_returns_once_the_build_of_another_thread_has_ended(
    delivery: ThreadScheduler,
) -> None:
    """`wait_fresh` returns the snapshot as soon as another thread has finished its build."""
    build = Build(delivery)
    build.end()
    assert ids(build.result()) == ["a", "b"]


def test_wait_fresh_repeats_a_build_that_was_interrupted_in_another_thread(
    delivery: ThreadScheduler,
) -> None:
    """`wait_fresh` builds a snapshot itself if its build in another thread was interrupted."""
    build = Build(delivery)
    build.end(SystemExit())
    try:
        assert ids(build.result()) == ["a", "b"]
    finally:
        build.free()
    assert build.failed.items == []


def test_wait_fresh_raises_what_a_model_raised_in_another_thread(delivery: ThreadScheduler) -> None:
    """`wait_fresh` raises the error that a model raised during a build in another thread."""
    build, error = Build(delivery), ValueError("a model's")
    build.end(error)
    build.free()
    with pytest.raises(ValueError, match="a model's"):
        build.result()
    assert build.failed.wait(1) == [error]


def test_wait_fresh_raises_what_ends_the_view_meanwhile(delivery: ThreadScheduler) -> None:
    """An error that ends the view is raised by a waiting `wait_fresh`, during a build, too."""
    build, error = Build(delivery), ValueError("the server's")
    build.publisher.fail(error)
    with pytest.raises(ValueError, match="the server's"):
        build.result()
    build.end()


# -- builds that are interrupted ------------------------------------------------------------------


def by_current(publisher: Publisher[Any], clock: VirtualClock) -> object:
    return publisher.current


def by_wait_fresh(publisher: Publisher[Any], clock: VirtualClock) -> object:
    return publisher.wait_fresh(LIMIT)


def by_the_delivery(publisher: Publisher[Any], clock: VirtualClock) -> object:
    clock.run()
    return None


@pytest.mark.parametrize("build", [by_current, by_wait_fresh, by_the_delivery])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_build_is_delivered_later(
    build: Callable[[Publisher[Any], VirtualClock], object], kind: type[BaseException]
) -> None:
    """A snapshot whose build was interrupted is delivered later, without a new event."""
    clock = VirtualClock()
    interrupts = [kind()]

    def model(record: Record) -> Record:
        if interrupts:
            if build is not by_the_delivery:
                clock.run()
            raise interrupts.pop()
        return record

    publisher = publisher_of(VirtualScheduler(clock), model)
    seen: Seen[Snapshot[Record]] = Seen()
    publisher.attach(observer(seen), lambda: None)
    publisher.show(rows("a", "b"))
    with pytest.raises(kind):
        build(publisher, clock)
    assert seen.items == []
    clock.run()
    assert [(each.version, ids(each)) for each in seen.items] == [(1, ["a", "b"])]
    publisher.show(rows("c"))
    clock.run()
    assert [ids(each) for each in seen.items[1:]] == [["a", "b", "c"]]


# -- references ------------------------------------------------------------------------------------


class ReferableSubscriber(Subscriber):
    """A subscriber that a weak reference can point to."""

    __slots__ = ("__weakref__",)


@pytest.mark.parametrize("delivered", [True, False], ids=["after a delivery", "before any"])
def test_after_subscribe_and_dispose_nothing_stays_attached(delivered: bool) -> None:
    """After subscribe and dispose the view keeps no reference to the observer."""
    clock = VirtualClock()
    publisher = publisher_of(VirtualScheduler(clock), as_it_is)
    seen, other = Seen[Any](), Seen[Any]()
    publisher.attach(observer(other), lambda: None)
    observed = ReferableSubscriber(seen, seen, lambda: None)

    def leave() -> None:
        """Never called: no observer raises."""

    references: list[weakref.ref[Any]] = [weakref.ref(observed), weakref.ref(leave)]
    publisher.attach(observed, leave)
    if delivered:
        publisher.show(rows("a"))
        clock.run()
    publisher.detach(observed)
    publisher.show(rows("b"))
    clock.run()
    assert (seen.count, other.count) == ((1, 2) if delivered else (0, 1))
    del observed, leave
    gc.collect()
    assert [ref() for ref in references] == [None, None]
    publisher.complete()


def test_an_observer_detached_during_a_delivery_gets_nothing() -> None:
    """An observer detached during a delivery gets neither that snapshot nor later ones."""
    clock = VirtualClock()
    publisher = publisher_of(VirtualScheduler(clock), as_it_is)
    gone, stays = Seen[Any](), Seen[Any]()
    left = observer(gone)
    publisher.attach(observer(lambda _: publisher.detach(left)), lambda: None)
    publisher.attach(left, lambda: None)
    publisher.attach(observer(stays), lambda: None)
    for id in "ab":
        publisher.show(rows(id))
        clock.run()
    assert (gone.count, stays.count) == (0, 2)


# -- another order ---------------------------------------------------------------------------------


class Sorted:
    """A view by title of a server that sorts by a language, on a publisher in virtual time."""

    def __init__(self, *titles: str) -> None:
        text = TextOrder()
        text.by_bytes = False
        order = Order.parse("title")
        self.clock = VirtualClock()
        self.engine = RecordEngine(sorting=Sorting(order, text))
        delivery = VirtualScheduler(self.clock)
        empty = Snapshot.empty(order, as_it_is)
        self.publisher = Publisher(
            self.engine, empty, delivery, lambda _: None, lambda: "active", lambda: None
        )
        self.seen: Seen[Snapshot[Record]] = Seen()
        self.publisher.attach(observer(self.seen), lambda: None)
        self.answer(self.engine.acknowledged(0.0), *titles, now=0.1)

    def rows(self, *titles: str) -> list[Record]:
        return [{"id": title, "title": title, "updated": "2026"} for title in titles]

    def feed(self, effects: Effects) -> Effects:
        self.publisher.show(effects)
        return effects

    def answer(self, effects: Effects, *titles: str, now: float) -> Effects:
        """The read that has begun finds the rows in this order."""
        assert effects.read is not None
        return self.feed(self.engine.read_done(effects.read, self.rows(*titles), True, now))

    def reorder(self, *titles: str, now: float) -> None:
        """Let a reconcile pass return the rows in this order."""
        self.answer(self.engine.tick(now), *titles, now=now)

    @property
    def shown(self) -> list[list[str]]:
        self.clock.run()
        return [ids(each) for each in self.seen.items]


def test_an_order_that_moves_rows_is_shown_though_no_row_has_changed() -> None:
    """An order that moves rows is delivered as a version whose changes are those moves."""
    view = Sorted("a", "B", "c")
    assert view.shown == [["a", "B", "c"]]
    view.reorder("B", "c", "a", now=100.0)
    assert view.shown == [["a", "B", "c"], ["B", "c", "a"]]
    last = view.seen.items[-1]
    assert [(change.type, change.record["id"]) for change in last.changes] == [("modified", "a")]
    assert view.publisher.current is last


def test_undelivered_orders_are_merged() -> None:
    """Of several orders before a delivery only the last is shown, with its current rows."""
    view = Sorted("a", "B", "c")
    assert view.shown == [["a", "B", "c"]]
    view.reorder("B", "c", "a", now=100.0)
    view.reorder("c", "B", "a", now=200.0)
    gone, new = view.rows("B", "d")
    view.feed(view.engine.event("delete", gone, 210.0))
    view.feed(view.engine.event("create", new, 210.0))
    assert [sorted(each) for each in view.shown[1:]] == [["a", "c", "d"]]
    assert view.shown[1].index("c") < view.shown[1].index("a")
    assert apply_changes(view.seen.items[0].records, view.seen.items[1].changes) == list(
        view.seen.items[1].records
    )
    assert view.publisher.current is view.seen.items[1]


def test_an_order_that_moves_no_row_is_not_delivered() -> None:
    """An order that moves no row is not delivered."""
    view = Sorted("a", "B", "c")
    assert len(view.shown) == 1
    before = view.publisher.current
    (row,) = view.rows("a b")
    effects = view.feed(view.engine.event("create", row, 10.0))
    assert view.shown[1:] == [["a", "a b", "B", "c"]]
    assert isinstance(effects.read, ReadOrder)
    view.answer(effects, "a", "a b", "B", "c", now=20.0)
    assert len(view.shown) == 2
    assert view.publisher.current.since(before) == view.seen.items[1].changes


def test_another_identity_empties_a_view_in_the_servers_order() -> None:
    """A change of identity empties a view in the server's order, which then gets a new one."""
    view = Sorted("a", "B", "c")
    assert len(view.shown) == 1
    view.feed(view.engine.reset(10.0))
    assert view.shown[1:] == [[]]
    view.answer(view.engine.acknowledged(11.0), "x", "a", now=11.1)
    assert view.shown[2:] == [["x", "a"]]


def test_an_order_is_shown_with_the_rows_of_its_time() -> None:
    """`current` shows a new order with the rows of its read, until later edits are shown."""
    view = Sorted("a", "B", "c")
    assert len(view.shown) == 1
    view.reorder("B", "c", "a", now=100.0)
    (gone,) = view.rows("B")
    effects = view.engine.event("delete", gone, 110.0)
    assert ids(view.publisher.current) == ["B", "c", "a"]
    view.feed(effects)
    assert view.shown[-1] == ["c", "a"]
