"""What holds for every operator, whatever it does: one suite runs them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import reactivex
from reactivex import Observable, Subject, abc
from reactivex.disposable import Disposable
from reactivex.notification import OnCompleted, OnError, OnNext
from reactivex.testing import Recorded, TestScheduler
from support.marbles import event, pending

from rxbosbase import operators as rxb
from rxbosbase.runtime.backoff import BackoffPolicy

Operator = Callable[[Observable[Any]], Observable[Any]]
Make = Callable[[TestScheduler], Operator]

BOOM = RuntimeError("the source broke")
ONCE = BackoffPolicy(initial=1, jitter=False, max_attempts=1)
PLAY = ["+a1", "a2", "b1", "~a2", "b2", "c1"]
LONG = 100.0


def broken(*_: Any) -> Any:
    raise LookupError("a callback broke")


MALFORMED = object()


@dataclass
class Law:
    """How to make the operator, and what makes a function that it calls raise.

    ``trigger`` does so (a value, or an error of the source) in what ``fragile`` makes; None where
    an operator calls no function of the user's and looks into no value.
    """

    make: Make
    trigger: object = MALFORMED
    fragile: Make | None = None


LAWS: dict[str, Law] = {
    "of_action": Law(lambda _: rxb.of_action("update")),
    "records": Law(lambda _: rxb.records()),
    "distinct_record": Law(lambda _: rxb.distinct_record()),
    "changed": Law(lambda _: rxb.changed("v")),
    "to_state": Law(lambda _: rxb.to_state()),
    "conflate_by_id": Law(lambda s: rxb.conflate_by_id(1.5, scheduler=s)),
    "debounce_by_id": Law(lambda s: rxb.debounce_by_id(0.5, scheduler=s)),
    "bounded_observe_on": Law(
        lambda s: rxb.bounded_observe_on(s, 10),
        event("b3"),
        lambda s: rxb.bounded_observe_on(s, 1, "conflate", on_drop=broken),
    ),
    "rate": Law(lambda s: rxb.rate(2, scheduler=s, every=1), None),
    "retry_with_backoff": Law(
        lambda s: rxb.retry_with_backoff(ONCE, scheduler=s),
        BOOM,
        lambda s: rxb.retry_with_backoff(BackoffPolicy(), scheduler=s, until=broken),
    ),
}

EACH = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)


class Stage:
    """A hot source, the operator behind it, and an observer, all in virtual time."""

    def __init__(self, make: Make, observe: Callable[[Any], None] | None = None) -> None:
        self.scheduler = TestScheduler()
        self.source: Subject[Any] = Subject()
        self.values: list[Any] = []
        self.ends: list[Exception | None] = []
        self.observe = observe
        self.subscription = self.source.pipe(make(self.scheduler)).subscribe(
            self.on_next,
            self.ends.append,
            lambda: self.ends.append(None),
            scheduler=self.scheduler,
        )

    def on_next(self, value: Any) -> None:
        self.values.append(value)
        if self.observe is not None:
            self.observe(value)

    def play(self, seconds: float = 1.0) -> None:
        for token in PLAY:
            self.pass_time(seconds)
            self.source.on_next(event(token))

    def pass_time(self, seconds: float) -> None:
        self.scheduler.advance_to(float(self.scheduler.clock) + seconds)

    @property
    def left_over(self) -> tuple[int, int]:
        """(timers, subscriptions to the source) that are still there."""
        return pending(self.scheduler), len(self.source.observers)


def test_every_operator_is_in_the_suite() -> None:
    """Each public operator is in this suite."""
    functions = {n for n in rxb.__all__ if inspect.isfunction(getattr(rxb, n))}
    assert functions == LAWS.keys()


@EACH
def test_values_come_through(law: Law) -> None:
    """Each operator emits values for creates, updates and a delete, and does not end."""
    stage = Stage(law.make)
    stage.play()
    stage.pass_time(5)
    assert stage.values and not stage.ends


@EACH
def test_an_error_comes_once_and_leaves_nothing(law: Law) -> None:
    """The source's error is emitted once and last; no timer and no subscription stays."""
    stage = Stage(law.make)
    stage.play()
    stage.source.on_error(BOOM)
    stage.pass_time(5)
    before = len(stage.values)
    stage.pass_time(LONG)
    assert stage.ends == [BOOM]
    assert len(stage.values) == before
    assert stage.left_over == (0, 0)


@EACH
def test_a_completion_comes_once_and_leaves_nothing(law: Law) -> None:
    """A completion is emitted once and last; no timer and no subscription stays."""
    stage = Stage(law.make)
    stage.play()
    stage.source.on_completed()
    stage.pass_time(5)
    before = len(stage.values)
    stage.pass_time(LONG)
    assert stage.ends == [None]
    assert len(stage.values) == before
    assert stage.left_over == (0, 0)


@EACH
@pytest.mark.parametrize("source", [reactivex.empty(), reactivex.throw(BOOM)], ids=["|", "#"])
def test_an_end_inside_subscribe_leaves_nothing(law: Law, source: Observable[Any]) -> None:
    """A source that ends before `subscribe` returns gives one end and leaves no timer."""
    scheduler = TestScheduler()
    ends: list[Any] = []
    source.pipe(law.make(scheduler)).subscribe(
        on_error=ends.append, on_completed=lambda: ends.append(None), scheduler=scheduler
    )
    scheduler.advance_to(LONG)
    assert len(ends) == 1 and pending(scheduler) == 0


@EACH
def test_a_stream_may_begin_with_a_delete(law: Law) -> None:
    """A delete of an unknown record is no error, and later events come through."""
    stage = Stage(law.make)
    stage.source.on_next(event("~z1"))
    stage.play()
    stage.pass_time(5)
    assert stage.values and not stage.ends


@EACH
def test_disposing_in_mid_stream_silences_it_and_leaves_nothing(law: Law) -> None:
    """After a dispose no value is delivered, held ones included, and no timer stays."""
    stage = Stage(law.make)
    stage.play(0.1)
    before = len(stage.values)
    stage.subscription.dispose()
    assert stage.left_over == (0, 0)
    stage.source.on_next(event("b9"))
    stage.pass_time(LONG)
    assert len(stage.values) == before and not stage.ends


@EACH
def test_disposing_from_inside_on_next_silences_it(law: Law) -> None:
    """Disposing from inside `on_next` stops all delivery and leaves no timer."""
    stage = Stage(law.make, lambda _: stage.subscription.dispose())
    stage.play()
    stage.source.on_completed()
    stage.pass_time(LONG)
    assert len(stage.values) == 1 and not stage.ends
    assert stage.left_over == (0, 0)


@pytest.mark.parametrize("name", [name for name, law in LAWS.items() if law.trigger])
def test_a_callback_that_raises_goes_to_on_error(name: str) -> None:
    """An exception of a callback, or a malformed value, ends the stream with `on_error`."""
    law = LAWS[name]
    stage = Stage(law.fragile or law.make)
    stage.source.on_next(event("b1"))
    if isinstance(law.trigger, Exception):
        stage.source.on_error(law.trigger)
    else:
        stage.source.on_next(law.trigger)
    stage.pass_time(LONG)
    assert len(stage.ends) == 1
    assert isinstance(stage.ends[0], (LookupError, ValueError, AttributeError))
    assert stage.left_over == (0, 0)


@EACH
def test_an_exception_of_on_next_reaches_the_caller(law: Law) -> None:
    """An exception of the subscriber's `on_next` reaches its caller, not `on_error`."""
    stage = Stage(law.make, broken)
    with pytest.raises(LookupError):  # noqa: PT012 - some raise at once, some at a later time
        stage.play()
        stage.pass_time(5)
    assert not stage.ends
    stage.subscription.dispose()
    assert stage.left_over == (0, 0)


@EACH
def test_a_push_from_inside_on_next_is_delivered(law: Law) -> None:
    """Events pushed from inside `on_next` are delivered; nothing blocks or follows the end."""
    pushed = False

    def push(_: Any) -> None:
        nonlocal pushed
        if not pushed:
            pushed = True
            stage.source.on_next(event("+z1"))
            stage.source.on_next(event("z2"))

    stage = Stage(law.make, push)
    alone = Stage(law.make)
    for each in (stage, alone):
        each.play()
        each.pass_time(2)
        each.source.on_completed()
        each.pass_time(LONG)
        assert each.ends == [None] and each.left_over == (0, 0)
    assert len(stage.values) >= len(alone.values)
    if all(hasattr(value, "record") for value in stage.values):
        assert any(value.record["id"] == "z" for value in stage.values)


@EACH
def test_two_subscriptions_share_no_state(law: Law) -> None:
    """Each subscription to one pipeline emits the same values from its own start."""
    scheduler = TestScheduler()
    messages: list[Any] = [
        Recorded(n, OnNext(event(token))) for n, token in enumerate(PLAY, start=1)
    ]
    messages.append(Recorded(9, OnCompleted()))
    pipeline = scheduler.create_cold_observable(messages).pipe(law.make(scheduler))
    seen: list[list[Any]] = []
    for begin in (0, 3, 50):
        scheduler.advance_to(begin)
        observer = scheduler.create_observer()
        pipeline.subscribe(observer, scheduler=scheduler)
        seen.append(observer.messages)
    scheduler.advance_to(LONG)
    first, second, third = (
        [(round(float(m.time) - begin, 6), m.value) for m in came]
        for begin, came in zip((0, 3, 50), seen, strict=True)
    )
    assert first == second == third
    assert isinstance(first[-1][1], OnCompleted) and not isinstance(first[0][1], OnError)


@EACH
def test_an_operators_own_scheduler_is_preferred_to_the_subscribers(law: Law) -> None:
    """The operator's scheduler takes precedence over the subscriber's."""
    own, subscribers = TestScheduler(), TestScheduler()
    source: Subject[Any] = Subject()
    source.pipe(law.make(own)).subscribe(on_error=lambda _: None, scheduler=subscribers)
    source.on_next(event("+a1"))
    source.on_error(BOOM)
    assert not subscribers._queue.items


@EACH
def test_the_subscribers_scheduler_is_passed_on_to_the_source(law: Law) -> None:
    """The subscriber's scheduler is passed on to the source."""
    scheduler = TestScheduler()
    got: list[abc.SchedulerBase | None] = []

    def subscribe(_: Any, given: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        got.append(given)
        return Disposable()

    subscription = (
        Observable(subscribe).pipe(law.make(TestScheduler())).subscribe(scheduler=scheduler)
    )
    subscription.dispose()
    assert got == [scheduler]
