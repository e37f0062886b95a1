"""What the users of a view see of it, whoever builds its snapshots and whatever ends that."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.seen import LIMIT, Seen, run_thread, wait_event
from support.waiting import WatchedCondition

from rxbosbase.live.engine.engine import RecordEngine
from rxbosbase.live.engine.messages import Edit, Effects, ReadOrder, Record
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


def screen_of(delivery: SerialScheduler, model: Model, failed: Failed = print) -> Publisher[Any]:
    empty = Snapshot.empty(Order.parse(), model)
    return Publisher(RecordEngine(), empty, delivery, failed, lambda: "active", lambda: None)


def rows(*ids: str, fresh: bool = True) -> Effects:
    """These records are new."""
    edits = tuple(Edit(id, None, {"id": id}) for id in ids)
    return Effects(edits, None, loaded=True, fresh=fresh, wake=None)


def ids(snapshot: Snapshot[Record]) -> list[str]:
    return [record["id"] for record in snapshot.records]


def observer(seen: Callable[[Any], object]) -> Subscriber:
    return Subscriber(seen, seen, lambda: None)


@pytest.fixture
def delivery() -> Iterator[ThreadScheduler]:
    loop = ThreadScheduler("rxbosbase-test-delivery")
    yield loop
    loop.close()
    loop.join(LIMIT)


# -- waiting while another thread builds ----------------------------------------------------------


class Build:
    """A build that goes on, on the delivery thread, until it is told how to end.

    Attributes:
        result: waits for what a `wait_fresh` on another thread gives, which waits already.
        failed: what ended the view.
    """

    def __init__(self, delivery: ThreadScheduler) -> None:
        self._go_on, self._busy = threading.Event(), threading.Event()
        self._ends: list[BaseException] = []
        self.failed: Seen[Any] = Seen()
        entered = threading.Event()

        def model(record: Record) -> Record:
            if record["id"] == "b" and not entered.is_set():
                entered.set()
                wait_event(self._go_on)
                if self._ends:
                    # Nobody but the one who waits can build what was interrupted.
                    delivery.post(lambda: self._busy.wait(LIMIT))
                    raise self._ends.pop()
            return record

        self.screen = screen_of(delivery, model, self.failed)
        self.screen._changed = gate = WatchedCondition()
        self.screen.show(rows("a"))
        assert ids(self.screen.wait_fresh(LIMIT)) == ["a"]
        self.screen.show(rows("b"))
        wait_event(entered)
        before = gate.waits.count
        self.result = run_thread(lambda: self.screen.wait_fresh(LIMIT / 2))
        gate.waits.wait(before + 1)

    def end(self, error: BaseException | None = None) -> None:
        """Lets the build go on to its end."""
        if error is not None:
            self._ends.append(error)
        self._go_on.set()

    def free(self) -> None:
        """The delivery thread goes on."""
        self._busy.set()


def test_wait_fresh_returns_once_the_build_of_another_thread_has_ended(
    delivery: ThreadScheduler,
) -> None:
    """`wait_fresh` returns the snapshot as soon as another thread has finished its build."""
    build = Build(delivery)
    build.end()
    assert ids(build.result()) == ["a", "b"]


def test_wait_fresh_builds_itself_what_another_thread_was_interrupted_in(
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
    build.screen.fail(error)
    with pytest.raises(ValueError, match="the server's"):
        build.result()
    build.end()


# -- builds that are interrupted ------------------------------------------------------------------


def by_current(screen: Publisher[Any], clock: VirtualClock) -> object:
    return screen.current


def by_wait_fresh(screen: Publisher[Any], clock: VirtualClock) -> object:
    return screen.wait_fresh(LIMIT)


def by_the_delivery(screen: Publisher[Any], clock: VirtualClock) -> object:
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

    screen = screen_of(VirtualScheduler(clock), model)
    seen: Seen[Snapshot[Record]] = Seen()
    screen.attach(observer(seen), lambda: None)
    screen.show(rows("a", "b"))
    with pytest.raises(kind):
        build(screen, clock)
    assert seen.items == []
    clock.run()
    assert [(each.version, ids(each)) for each in seen.items] == [(1, ["a", "b"])]
    screen.show(rows("c"))
    clock.run()
    assert [ids(each) for each in seen.items[1:]] == [["a", "b", "c"]]


# -- what stays ------------------------------------------------------------------------------------


class Held(Subscriber):
    """A subscriber that a weak reference can point to."""

    __slots__ = ("__weakref__",)


@pytest.mark.parametrize("welcomed", [True, False], ids=["welcomed", "before the welcome"])
def test_after_subscribe_and_dispose_nothing_stays_attached(welcomed: bool) -> None:
    """After subscribe and dispose the view keeps no reference to the observer."""
    clock = VirtualClock()
    screen = screen_of(VirtualScheduler(clock), as_it_is)
    seen, other = Seen[Any](), Seen[Any]()
    screen.attach(observer(other), lambda: None)
    held = Held(seen, seen, lambda: None)

    def leave() -> None:
        """Never called: nobody raises."""

    kept: list[weakref.ref[Any]] = [weakref.ref(held), weakref.ref(leave)]
    screen.attach(held, leave)
    if welcomed:
        screen.show(rows("a"))
        clock.run()
    screen.detach(held)
    screen.show(rows("b"))
    clock.run()
    assert (seen.count, other.count) == ((1, 2) if welcomed else (0, 1))
    del held, leave
    gc.collect()
    assert [ref() for ref in kept] == [None, None]
    screen.complete()


def test_who_leaves_while_a_snapshot_is_delivered_does_not_get_it() -> None:
    """An observer detached during a delivery gets neither that snapshot nor later ones."""
    clock = VirtualClock()
    screen = screen_of(VirtualScheduler(clock), as_it_is)
    gone, stays = Seen[Any](), Seen[Any]()
    left = observer(gone)
    screen.attach(observer(lambda _: screen.detach(left)), lambda: None)
    screen.attach(left, lambda: None)
    screen.attach(observer(stays), lambda: None)
    for id in "ab":
        screen.show(rows(id))
        clock.run()
    assert (gone.count, stays.count) == (0, 2)


# -- another order ---------------------------------------------------------------------------------


class Sorted:
    """A view by title of a server that sorts by a language, on a screen in virtual time."""

    def __init__(self, *titles: str) -> None:
        text = TextOrder()
        text.by_bytes = False
        order = Order.parse("title")
        self.clock = VirtualClock()
        self.brain = RecordEngine(sorting=Sorting(order, text))
        delivery = VirtualScheduler(self.clock)
        empty = Snapshot.empty(order, as_it_is)
        self.screen = Publisher(
            self.brain, empty, delivery, lambda _: None, lambda: "active", lambda: None
        )
        self.seen: Seen[Snapshot[Record]] = Seen()
        self.screen.attach(observer(self.seen), lambda: None)
        self.answer(self.brain.acknowledged(0.0), *titles, now=0.1)

    def rows(self, *titles: str) -> list[Record]:
        return [{"id": title, "title": title, "updated": "2026"} for title in titles]

    def feed(self, effects: Effects) -> Effects:
        self.screen.show(effects)
        return effects

    def answer(self, effects: Effects, *titles: str, now: float) -> Effects:
        """The read that has begun finds the rows in this order."""
        assert effects.read is not None
        return self.feed(self.brain.read_done(effects.read, self.rows(*titles), True, now))

    def reorder(self, *titles: str, now: float) -> None:
        """A comparison finds the rows in this order."""
        self.answer(self.brain.tick(now), *titles, now=now)

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
    assert view.screen.current is last


def test_orders_that_nobody_has_seen_yet_are_shown_as_the_last_of_them() -> None:
    """Of several orders before a delivery only the last is shown, with its current rows."""
    view = Sorted("a", "B", "c")
    assert view.shown == [["a", "B", "c"]]
    view.reorder("B", "c", "a", now=100.0)
    view.reorder("c", "B", "a", now=200.0)
    gone, new = view.rows("B", "d")
    view.feed(view.brain.event("delete", gone, 210.0))
    view.feed(view.brain.event("create", new, 210.0))
    assert [sorted(each) for each in view.shown[1:]] == [["a", "c", "d"]]
    assert view.shown[1].index("c") < view.shown[1].index("a")
    assert apply_changes(view.seen.items[0].records, view.seen.items[1].changes) == list(
        view.seen.items[1].records
    )
    assert view.screen.current is view.seen.items[1]


def test_an_order_in_which_nothing_differs_is_delivered_to_nobody() -> None:
    """An order that moves no row is not delivered."""
    view = Sorted("a", "B", "c")
    assert len(view.shown) == 1
    before = view.screen.current
    (row,) = view.rows("a b")
    effects = view.feed(view.brain.event("create", row, 10.0))
    assert view.shown[1:] == [["a", "a b", "B", "c"]]
    assert isinstance(effects.read, ReadOrder)
    view.answer(effects, "a", "a b", "B", "c", now=20.0)
    assert len(view.shown) == 2
    assert view.screen.current.since(before) == view.seen.items[1].changes


def test_another_identity_empties_a_view_in_the_servers_order() -> None:
    """A change of identity empties a view in the server's order, which then gets a new one."""
    view = Sorted("a", "B", "c")
    assert len(view.shown) == 1
    view.feed(view.brain.reset(10.0))
    assert view.shown[1:] == [[]]
    view.answer(view.brain.acknowledged(11.0), "x", "a", now=11.1)
    assert view.shown[2:] == [["x", "a"]]


def test_an_order_is_shown_with_the_rows_of_its_time() -> None:
    """`current` shows a new order with the rows of its read, until later edits are shown."""
    view = Sorted("a", "B", "c")
    assert len(view.shown) == 1
    view.reorder("B", "c", "a", now=100.0)
    (gone,) = view.rows("B")
    effects = view.brain.event("delete", gone, 110.0)
    assert ids(view.screen.current) == ["B", "c", "a"]
    view.feed(effects)
    assert view.shown[-1] == ["c", "a"]
