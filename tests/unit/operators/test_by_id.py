"""``conflate_by_id`` and ``debounce_by_id``: fewer events, and never a wrong last one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Observable, Subject
from reactivex.testing import TestScheduler
from support.marbles import event, pending

from rxbosbase import operators as rxb
from rxbosbase.events import RecordEvent

Event = RecordEvent[dict[str, Any]]
INTERVAL = 3

BOTH = pytest.mark.parametrize("operator", [rxb.conflate_by_id, rxb.debounce_by_id])
STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("+ ~"), st.sampled_from("abc")), max_size=40
)


def run(
    operator: Callable[..., Callable[[Observable[Event]], Observable[Event]]],
    steps: list[tuple[int, str, str]],
    complete: bool,
) -> tuple[list[tuple[float, Event]], list[tuple[float, Event]], TestScheduler]:
    """What went in and what came out, each with its time. Versions tell the events apart."""
    scheduler = TestScheduler()
    source: Subject[Event] = Subject()
    sent: list[tuple[float, Event]] = []
    came: list[tuple[float, Event]] = []
    source.pipe(operator(INTERVAL, scheduler=scheduler)).subscribe(
        lambda e: came.append((float(scheduler.clock), e))
    )
    now = 0.0
    for number, (wait, sign, key) in enumerate(steps):
        scheduler.advance_to(now := now + wait)
        action = {"+": "create", " ": "update", "~": "delete"}[sign]
        sent.append((now, Event("posts/*", action, {"id": key, "v": number})))
        source.on_next(sent[-1][1])
    if complete:
        source.on_completed()
    else:
        scheduler.advance_to(now + 100)
    return sent, came, scheduler


@BOTH
@given(steps=STEPS, complete=st.booleans())
def test_the_last_event_of_each_record_arrives_and_none_comes_out_of_order(
    operator: Any, steps: list[tuple[int, str, str]], complete: bool
) -> None:
    """Each record's events come in order, none twice, and its last event arrives."""
    sent, came, scheduler = run(operator, steps, complete)
    for key in "abc":
        all_of_it = [e.record["v"] for _, e in sent if e.record["id"] == key]
        rest = [e.record["v"] for _, e in came if e.record["id"] == key]
        assert rest == sorted(set(rest)) and set(rest) <= set(all_of_it)
        assert rest[-1:] == all_of_it[-1:]
    assert pending(scheduler) == 0


@BOTH
@given(steps=STEPS, complete=st.booleans())
def test_a_delete_is_never_lost(
    operator: Any, steps: list[tuple[int, str, str]], complete: bool
) -> None:
    """A delete is delivered before any later event with the same id."""
    sent, came, _ = run(operator, steps, complete)
    for key in "abc":
        lives = [e for _, e in sent if e.record["id"] == key]
        heard = [e for _, e in came if e.record["id"] == key]
        for number, e in enumerate(lives):
            if e.action != "delete":
                continue
            later = [x for x in heard if x.record["v"] >= e.record["v"]]
            assert later[0].action == "delete", (number, lives, heard)


@given(steps=STEPS)
def test_conflated_events_wait_at_most_an_interval_and_never_double_within_one(
    steps: list[tuple[int, str, str]],
) -> None:
    """`conflate_by_id` emits within the interval at most a delete and one event per record."""
    sent, came, _ = run(rxb.conflate_by_id, steps, False)
    when = {e.record["v"]: time for time, e in sent}
    assert all(0 <= time - when[e.record["v"]] <= INTERVAL for time, e in came)
    for time in {time for time, _ in came}:
        for key in "abc":
            actions = [e.action for t, e in came if t == time and e.record["id"] == key]
            assert len(actions) <= 1 or (len(actions) == 2 and actions[0] == "delete")


@given(steps=STEPS)
def test_a_debounced_record_was_quiet_for_the_interval(steps: list[tuple[int, str, str]]) -> None:
    """`debounce_by_id` emits a record's newest event one interval after it was sent."""
    sent, came, _ = run(rxb.debounce_by_id, steps, False)
    when = {e.record["v"]: time for time, e in sent}
    for number, (time, e) in enumerate(came):
        follower = came[number + 1][1] if number + 1 < len(came) else None
        second_life = follower is not None and (
            came[number + 1][0] == time and follower.record["id"] == e.record["id"]
        )
        if not second_life:
            assert time == when[e.record["v"]] + INTERVAL


@BOTH
def test_no_timer_runs_while_nothing_is_held(operator: Any) -> None:
    """There is one timer while events are held, and none before or after."""
    scheduler = TestScheduler()
    source: Subject[Event] = Subject()
    source.pipe(operator(INTERVAL, scheduler=scheduler)).subscribe()
    assert pending(scheduler) == 0
    for token in ("a1", "b1", "c1", "a2"):
        source.on_next(event(token))
    assert pending(scheduler) == 1
    scheduler.advance_to(INTERVAL)
    assert pending(scheduler) == 0


@BOTH
def test_what_is_held_comes_before_the_error(operator: Any) -> None:
    """Held events are delivered before an error."""
    scheduler = TestScheduler()
    source: Subject[Event] = Subject()
    came: list[Any] = []
    boom = RuntimeError("boom")
    source.pipe(operator(INTERVAL, scheduler=scheduler)).subscribe(came.append, came.append)
    source.on_next(event("a1"))
    source.on_error(boom)
    assert came == [event("a1"), boom] and pending(scheduler) == 0


def test_an_event_in_the_moment_of_anothers_release_waits_its_whole_interval() -> None:
    """An event at the moment of another's release waits its own whole interval."""
    scheduler = TestScheduler()
    source: Subject[Event] = Subject()
    came: list[tuple[float, Event]] = []
    scheduler.schedule_absolute(INTERVAL, lambda *_: source.on_next(event("b1")))
    source.pipe(rxb.debounce_by_id(INTERVAL, scheduler=scheduler)).subscribe(
        lambda e: came.append((float(scheduler.clock), e))
    )
    source.on_next(event("a1"))
    scheduler.start()
    assert came == [(INTERVAL, event("a1")), (2 * INTERVAL, event("b1"))]


@BOTH
def test_a_busy_subscriber_gets_fewer_events_not_a_queue_of_them(operator: Any) -> None:
    """While the subscriber is busy, a record's newest event replaces the one before."""
    source: Subject[Event] = Subject()
    came: list[int] = []
    timers: list[Callable[..., Any]] = []

    class ByHand(TestScheduler):
        """Keeps what is scheduled, for the test to run it when it likes."""

        def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> Any:
            timers.append(action)
            return super().schedule_relative(1000, action, state)

    scheduler = ByHand()

    def interval_ends() -> None:
        scheduler.sleep(5)
        timers.pop()(scheduler)

    def slow(e: Event) -> None:
        came.append(e.record["v"])
        if e.record["v"] == 1:
            # As if on other threads: two intervals end while this one is still being handled.
            for version in (2, 3):
                source.on_next(event(f"a{version}"))
                interval_ends()

    source.pipe(operator(1, scheduler=scheduler)).subscribe(slow)
    source.on_next(event("a1"))
    interval_ends()
    interval_ends()
    assert came == [1, 3]


def test_a_clock_that_is_put_back_does_not_hold_events_back() -> None:
    """A clock that is set back by an hour does not delay an event beyond its timer."""

    class Jumping(TestScheduler):
        back = timedelta(0)

        @property
        def now(self) -> datetime:
            return super().now - self.back

    scheduler = Jumping()
    source: Subject[Event] = Subject()
    came: list[Event] = []
    source.pipe(rxb.debounce_by_id(INTERVAL, scheduler=scheduler)).subscribe(came.append)
    scheduler.advance_to(10_000)
    source.on_next(event("a1"))
    timer = scheduler._queue.items[0][0]
    Jumping.back = timedelta(hours=1)
    timer.invoke()
    assert came == [event("a1")]


@BOTH
@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf"), timedelta(0)])
def test_an_interval_that_is_no_time_is_refused(operator: Any, interval: Any) -> None:
    """An interval of 0 or less, NaN or infinity raises `ValueError`."""
    with pytest.raises(ValueError, match=r"^interval must be more than 0 seconds"):
        operator(interval)


@BOTH
@pytest.mark.parametrize("interval", ["1", None, True])
def test_an_interval_of_another_type_is_refused(operator: Any, interval: Any) -> None:
    """An interval that is neither a number nor a timedelta raises `TypeError`."""
    with pytest.raises(TypeError, match=r"^interval must be seconds or a timedelta"):
        operator(interval)
