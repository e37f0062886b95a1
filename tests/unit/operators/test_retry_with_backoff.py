"""The waits between attempts: how long, when they end, and that nothing outlives a dispose."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Observable, Subject, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.scheduler import CurrentThreadScheduler, EventLoopScheduler, ImmediateScheduler
from reactivex.testing import TestScheduler

from rxbosbase.operators.retry_with_backoff import retry_with_backoff
from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.runtime.retry import RESET_AFTER
from rxbosbase.runtime.retry_delay import MAX_RETRY_AFTER
from rxbosbase.runtime.thread_scheduler import ThreadScheduler

EVEN = BackoffPolicy(jitter=False)
BOOM = RuntimeError("boom")


class Busy(Exception):
    def __init__(self, retry_after: Any) -> None:
        super().__init__(f"busy, retry after {retry_after}")
        self.retry_after = retry_after


class Script:
    """A cold source that notes when it is subscribed to, and plays one step per attempt."""

    def __init__(self, clock: TestScheduler, *steps: Callable[[abc.ObserverBase[Any]], Any]):
        self.clock, self.steps = clock, steps
        self.times: list[float] = []
        self.open = 0

    @property
    def source(self) -> Observable[Any]:
        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            step = self.steps[min(len(self.times), len(self.steps) - 1)]
            self.times.append(round(float(self.clock.clock), 6))
            self.open += 1
            step(observer)
            return Disposable(self._closed)

        return Observable(subscribe)

    def _closed(self) -> None:
        self.open -= 1


def fail(error: Exception = BOOM) -> Callable[[abc.ObserverBase[Any]], None]:
    return lambda observer: observer.on_error(error)


def stay(observer: abc.ObserverBase[Any]) -> None:
    """An attempt that neither gives a value nor ends."""


def live(clock: TestScheduler, seconds: float, *, value: bool = True) -> Callable[[Any], None]:
    """An attempt that gives a value at once and fails after some seconds."""

    def step(observer: abc.ObserverBase[Any]) -> None:
        if value:
            observer.on_next("value")
        clock.schedule_relative(seconds, lambda *_: observer.on_error(BOOM))

    return step


def queued(clock: TestScheduler) -> int:
    """How much work waits in the scheduler that nobody has taken back."""
    return sum(not item.is_cancelled() for item, _ in clock._queue.items)


@pytest.fixture
def clock() -> TestScheduler:
    return TestScheduler()


# -- the policy -----------------------------------------------------------------------------------


def test_waits_double_up_to_the_maximum() -> None:
    """Waits double from 0.2 s to at most 2 s."""
    assert [EVEN.delay(n) for n in range(1, 8)] == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_wait_with_jitter_lies_between_zero_and_the_bound(attempt: int, chance: float) -> None:
    """A wait with jitter lies between 0 and the wait without jitter."""
    bound = EVEN.delay(attempt)
    assert 0 <= BackoffPolicy().delay(attempt, lambda: chance) <= bound <= 2.0


def test_a_thousand_clients_spread_evenly_over_the_wait() -> None:
    """Full jitter: each tenth of the bound gets about a tenth of the clients."""
    chance = random.Random(7).random
    waits = [BackoffPolicy().delay(9, chance) for _ in range(1000)]
    tenths = [sum(i * 0.2 <= wait < (i + 1) * 0.2 for wait in waits) for i in range(10)]
    assert sum(tenths) == 1000
    assert min(tenths) > 70 and max(tenths) < 130


def test_a_huge_attempt_does_not_overflow() -> None:
    """An attempt number of 10**12 gives the maximum, or 0, without an overflow."""
    assert BackoffPolicy(factor=10, jitter=False).delay(10**12) == 2.0
    assert BackoffPolicy(initial=0, factor=10, jitter=False).delay(10**12) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial": -0.1},
        {"initial": float("nan")},
        {"initial": "1"},
        {"factor": 0.5},
        {"factor": True},
        {"maximum": -1},
        {"maximum": float("inf")},
        {"max_attempts": 0},
        {"max_attempts": 1.5},
        {"max_attempts": True},
    ],
    ids=str,
)
def test_a_wrong_policy_is_refused_and_the_message_names_the_argument(
    wrong: dict[str, Any],
) -> None:
    """An invalid policy raises `ValueError` with the name of the argument."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BackoffPolicy(**wrong)


def test_each_setting_may_be_its_lower_bound() -> None:
    """Each setting of a policy may be at its lower bound."""
    least = BackoffPolicy(initial=0, factor=1, maximum=0, jitter=False, max_attempts=1)
    assert least.delay(3) == 0 and least.exhausted(1)


def test_attempts_count_from_one() -> None:
    """`delay` raises `ValueError` for attempt 0: attempts count from 1."""
    with pytest.raises(ValueError, match="from 1"):
        EVEN.delay(0)


def test_a_policy_is_a_value() -> None:
    """A policy is immutable, hashable and equal by value."""
    assert BackoffPolicy() == BackoffPolicy(0.2, 2.0, 2.0, True, None)
    assert len({BackoffPolicy(), BackoffPolicy()}) == 1
    with pytest.raises(AttributeError):
        EVEN.initial = 3  # type: ignore[misc]


def test_exhausted_is_true_from_max_attempts_on() -> None:
    """`exhausted` is True from failure `max_attempts` on, and never without a maximum."""
    assert not EVEN.exhausted(10**9)
    assert [BackoffPolicy(max_attempts=2).exhausted(n) for n in (1, 2, 3)] == [False, True, True]


# -- the operator ---------------------------------------------------------------------------------


def test_attempts_follow_the_waits_of_the_policy(clock: TestScheduler) -> None:
    """Attempts follow the policy's waits; `on_wait` gets the number, the wait and the error."""
    script = Script(clock, fail())
    waits: list[tuple[int, float, Exception]] = []
    script.source.pipe(
        retry_with_backoff(EVEN, on_wait=lambda *wait: waits.append(wait))
    ).subscribe(scheduler=clock)
    clock.advance_to(9.0)
    assert script.times == [0.0, 0.2, 0.6, 1.4, 3.0, 5.0, 7.0, 9.0]
    assert waits[:3] == [(1, 0.2, BOOM), (2, 0.4, BOOM), (3, 0.8, BOOM)]


def test_jitter_calls_random_once_per_wait(clock: TestScheduler) -> None:
    """`random` is called once per wait and gives the share of the wait to use."""
    script = Script(clock, fail(), fail(), stay)
    chances = iter([0.5, 0.25])
    script.source.pipe(retry_with_backoff(BackoffPolicy(), random=lambda: next(chances))).subscribe(
        scheduler=clock
    )
    clock.advance_to(5.0)
    assert script.times == [0.0, 0.1, 0.2]


def test_the_argument_is_preferred_to_the_subscribers_scheduler(clock: TestScheduler) -> None:
    """The `scheduler` argument takes precedence over the subscriber's scheduler."""
    other = TestScheduler()
    script = Script(clock, fail(), stay)
    script.source.pipe(retry_with_backoff(EVEN, scheduler=clock)).subscribe(scheduler=other)
    assert queued(clock) == 1 and queued(other) == 0


@pytest.mark.parametrize(
    ("seconds", "value", "times"),
    [
        (RESET_AFTER, True, [0.0, 0.2, 0.6, 5.8]),
        (RESET_AFTER - 0.1, True, [0.0, 0.2, 0.6, 6.3]),
        (RESET_AFTER, False, [0.0, 0.2, 0.6, 6.4]),
    ],
    ids=["healthy", "too short", "gave nothing"],
)
def test_a_healthy_attempt_starts_a_new_count(
    clock: TestScheduler, seconds: float, value: bool, times: list[float]
) -> None:
    """An attempt that emits a value and lives `RESET_AFTER` seconds resets the count."""
    script = Script(clock, fail(), fail(), live(clock, seconds, value=value), stay)
    script.source.pipe(retry_with_backoff(EVEN)).subscribe(scheduler=clock)
    clock.advance_to(20.0)
    assert script.times == times


def test_resets_decides_instead_of_the_clock(clock: TestScheduler) -> None:
    """`resets` decides which errors reset the count, instead of the attempt's duration."""
    fine = RuntimeError("was healthy")
    script = Script(clock, fail(), fail(), fail(fine), stay)
    waits: list[int] = []
    script.source.pipe(
        retry_with_backoff(EVEN, resets=lambda e: e is fine, on_wait=lambda n, *_: waits.append(n))
    ).subscribe(scheduler=clock)
    clock.advance_to(20.0)
    assert waits == [1, 2, 1]


def test_after_max_attempts_failures_the_last_error_is_passed_on(clock: TestScheduler) -> None:
    """After `max_attempts` failures the last error is emitted and nothing stays scheduled."""
    last = RuntimeError("last")
    script = Script(clock, fail(), fail(), fail(last))
    errors: list[Exception] = []
    policy = BackoffPolicy(jitter=False, max_attempts=3)
    script.source.pipe(retry_with_backoff(policy)).subscribe(
        on_error=errors.append, scheduler=clock
    )
    clock.advance_to(20.0)
    assert errors == [last]
    assert len(script.times) == 3 and queued(clock) == 0


def test_until_passes_an_error_on_at_once(clock: TestScheduler) -> None:
    """An error for which `until` returns True is emitted at once."""
    errors: list[Exception] = []
    Script(clock, fail()).source.pipe(
        retry_with_backoff(EVEN, until=lambda e: e is BOOM)
    ).subscribe(on_error=errors.append, scheduler=clock)
    assert errors == [BOOM] and queued(clock) == 0


@pytest.mark.parametrize(
    ("wish", "wait"),
    [
        (7, 7.0),
        (0.05, 0.2),
        (10**9, MAX_RETRY_AFTER),
        (float("inf"), MAX_RETRY_AFTER),
        (float("nan"), 0.2),
        (-3, 0.2),
        ("soon", 0.2),
        (True, 0.2),
        (None, 0.2),
    ],
)
def test_retry_after_makes_the_wait_at_least_that_long_up_to_a_bound(
    clock: TestScheduler, wish: Any, wait: float
) -> None:
    """A numeric `retry_after` is the least wait, up to a bound; other values are ignored."""
    script = Script(clock, fail(Busy(wish)), stay)
    script.source.pipe(retry_with_backoff(EVEN)).subscribe(scheduler=clock)
    clock.advance_to(1000.0)
    assert script.times == [0.0, wait]


def test_a_completion_passes_and_repeat_begins_with_a_fresh_count(clock: TestScheduler) -> None:
    """A completion is passed on, and a `repeat` behind it starts with a new count."""
    waits: list[int] = []
    script = Script(clock, fail(), fail(), lambda o: o.on_completed(), fail(), fail(), stay)
    script.source.pipe(
        retry_with_backoff(EVEN, on_wait=lambda n, *_: waits.append(n)), ops.repeat()
    ).subscribe(scheduler=clock)
    clock.advance_to(20.0)
    assert waits == [1, 2, 1, 2]


# -- waking ---------------------------------------------------------------------------------------


def test_waking_ends_the_wait_at_once_and_keeps_the_count(clock: TestScheduler) -> None:
    """`wake` ends a wait at once and keeps the count of failures."""
    wake: Subject[None] = Subject()
    script = Script(clock, fail(), fail(), fail(), stay)
    waits: list[tuple[int, float]] = []
    script.source.pipe(
        retry_with_backoff(EVEN, wake=wake, on_wait=lambda n, d, _: waits.append((n, d)))
    ).subscribe(scheduler=clock)
    clock.advance_to(0.1)
    wake.on_next(None)
    wake.on_next(None)  # once is enough: the second finds nothing to end
    assert len(clock._queue.items) == 2  # the cancelled wait, and one attempt
    clock.advance_to(0.15)
    assert script.times == [0.0, 0.1]
    clock.advance_to(20.0)
    assert script.times == [0.0, 0.1, 0.5, 1.3]
    assert waits == [(1, 0.2), (2, 0.4), (3, 0.8)]


def test_waking_while_nothing_waits_does_nothing(clock: TestScheduler) -> None:
    """`wake` has no effect while there is no wait."""
    wake: Subject[None] = Subject()
    script = Script(clock, stay)
    script.source.pipe(retry_with_backoff(EVEN, wake=wake)).subscribe(scheduler=clock)
    wake.on_next(None)
    clock.advance_to(5.0)
    assert script.times == [0.0]


def test_waking_while_an_attempt_runs_does_nothing_after_an_earlier_wake_either(
    clock: TestScheduler,
) -> None:
    """`wake` has no effect during an attempt that an earlier `wake` has started."""
    wake: Subject[None] = Subject()
    script = Script(clock, fail(), stay)
    script.source.pipe(retry_with_backoff(EVEN, wake=wake)).subscribe(scheduler=clock)
    wake.on_next(None)
    clock.advance_to(0.1)
    wake.on_next(None)
    clock.advance_to(5.0)
    assert script.times == [0.0, 0.0] and script.open == 1


class Unstoppable(TestScheduler):
    """Runs what the test tells it to, cancelled or not: cancelling is best effort for a timer."""

    def __init__(self) -> None:
        super().__init__()
        self.actions: list[Callable[[], Any]] = []

    def schedule_relative(self, duetime: Any, action: Any, state: Any = None) -> Any:
        self.actions.append(lambda: action(self, state))
        return super().schedule_relative(duetime, action, state)


def test_a_timer_that_fires_although_a_wake_came_first_starts_nothing() -> None:
    """A timer that fires after `wake` has ended its wait starts no second attempt."""
    clock = Unstoppable()
    wake: Subject[None] = Subject()
    script = Script(clock, fail(), stay)
    script.source.pipe(retry_with_backoff(EVEN, wake=wake)).subscribe(scheduler=clock)
    wake.on_next(None)
    clock.advance_to(0.1)
    clock.actions[0]()
    assert script.times == [0.0, 0.0] and script.open == 1


def test_a_timer_that_fires_although_it_was_disposed_starts_nothing() -> None:
    """A timer that fires after its subscription was disposed starts no attempt."""
    clock = Unstoppable()
    script = Script(clock, fail(), stay)
    script.source.pipe(retry_with_backoff(EVEN)).subscribe(scheduler=clock).dispose()
    clock.actions[0]()
    assert script.times == [0.0]


def test_a_wake_from_inside_on_wait_is_not_lost(clock: TestScheduler) -> None:
    """A `wake` from inside `on_wait` ends the wait."""
    wake: Subject[None] = Subject()
    script = Script(clock, fail(), stay)
    script.source.pipe(
        retry_with_backoff(EVEN, wake=wake, on_wait=lambda *_: wake.on_next(None))
    ).subscribe(scheduler=clock)
    clock.advance_to(5.0)
    assert script.times == [0.0, 0.0]


def test_a_wake_inside_on_wait_starts_its_attempt_after_on_wait() -> None:
    """The attempt after a `wake` from inside `on_wait` starts once `on_wait` has returned."""
    wake: Subject[None] = Subject()
    order: list[str] = []
    attempts: list[abc.ObserverBase[int]] = []

    def on_wait(*_: object) -> None:
        wake.on_next(None)
        order.append("told")

    def subscribe(observer: abc.ObserverBase[int], _: abc.SchedulerBase | None) -> Disposable:
        order.append("attempt")
        attempts.append(observer)
        return Disposable()

    retry = retry_with_backoff(EVEN, wake=wake, on_wait=on_wait, scheduler=ImmediateScheduler())
    Observable(subscribe).pipe(retry).subscribe()
    attempts[0].on_error(BOOM)
    attempts[1].on_error(BOOM)
    assert order == ["attempt", "told", "attempt", "told", "attempt"]


def test_source_and_wake_get_the_subscribers_scheduler(clock: TestScheduler) -> None:
    """Source and `wake` are subscribed with the subscriber's scheduler, not the argument."""
    given: list[Any] = []

    def subscribe(_: Any, scheduler: Any = None) -> abc.DisposableBase:
        given.append(scheduler)
        return Disposable()

    never: Observable[Any] = Observable(subscribe)
    retried = never.pipe(retry_with_backoff(EVEN, scheduler=TestScheduler(), wake=never))
    retried.subscribe(scheduler=clock)
    assert given == [clock, clock]


def test_an_error_of_wake_ends_the_whole(clock: TestScheduler) -> None:
    """An error of `wake` is emitted and ends the retries."""
    wake: Subject[None] = Subject()
    errors: list[Exception] = []
    script = Script(clock, fail())
    script.source.pipe(retry_with_backoff(EVEN, wake=wake)).subscribe(
        on_error=errors.append, scheduler=clock
    )
    wake.on_error(BOOM)
    clock.advance_to(5.0)
    assert errors == [BOOM] and script.times == [0.0]


# -- ending ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("woken", [False, True])
def test_disposing_in_a_wait_leaves_no_timer_and_no_observer_of_wake(
    clock: TestScheduler, woken: bool
) -> None:
    """Disposing during a wait leaves no timer and no observer of `wake`."""
    wake: Subject[None] = Subject()
    script = Script(clock, fail())
    subscription = script.source.pipe(retry_with_backoff(EVEN, wake=wake)).subscribe(
        scheduler=clock
    )
    if woken:
        wake.on_next(None)
    assert queued(clock) == 1
    subscription.dispose()
    assert queued(clock) == 0 and not wake.observers
    clock.advance_to(20.0)
    assert script.times == [0.0]


def test_disposing_during_an_attempt_disposes_it(clock: TestScheduler) -> None:
    """Disposing during an attempt disposes the attempt."""
    script = Script(clock, fail(), stay)
    subscription = script.source.pipe(retry_with_backoff(EVEN)).subscribe(scheduler=clock)
    clock.advance_to(1.0)
    assert script.open == 1
    subscription.dispose()
    assert script.open == 0 and queued(clock) == 0


def test_disposing_from_inside_on_next_ends_all(clock: TestScheduler) -> None:
    """Disposing from inside `on_next` ends the attempt and the retries."""
    script = Script(clock, fail(), lambda o: (o.on_next("value"), o.on_error(BOOM)))
    seen: list[str] = []

    def on_next(value: str) -> None:
        seen.append(value)
        subscription.dispose()

    subscription = script.source.pipe(retry_with_backoff(EVEN)).subscribe(on_next, scheduler=clock)
    clock.advance_to(20.0)
    assert seen == ["value"] and len(script.times) == 2
    assert script.open == 0 and queued(clock) == 0


def test_disposing_while_the_first_subscribe_runs_ends_all(clock: TestScheduler) -> None:
    """Disposing during the first subscribe leaves no attempt and no timer."""
    script = Script(clock, lambda o: (o.on_next("value"), o.on_error(BOOM)))
    seen = script.source.pipe(retry_with_backoff(EVEN), ops.take(1))
    seen.subscribe(scheduler=clock)
    assert queued(clock) == 0 and script.open == 0
    clock.advance_to(20.0)
    assert script.times == [0.0]


def test_disposing_while_a_retry_subscribes_disposes_what_it_gets(clock: TestScheduler) -> None:
    """Disposing while a retry subscribes disposes the new attempt, too."""
    script = Script(clock, fail(), lambda _: subscription.dispose())
    subscription = script.source.pipe(retry_with_backoff(EVEN)).subscribe(scheduler=clock)
    clock.advance_to(20.0)
    assert len(script.times) == 2 and script.open == 0 and queued(clock) == 0


def test_ten_thousand_synchronous_failures_do_not_pile_up(clock: TestScheduler) -> None:
    """10 000 synchronous failures in a row are retried without a growing stack."""
    script = Script(clock, *[fail()] * 10_000, lambda o: o.on_completed())
    done: list[bool] = []
    script.source.pipe(retry_with_backoff(BackoffPolicy(maximum=0.01, jitter=False))).subscribe(
        on_completed=lambda: done.append(True), scheduler=clock
    )
    clock.start()
    assert done and len(script.times) == 10_001


@pytest.mark.parametrize("scheduler", [ImmediateScheduler(), CurrentThreadScheduler()])
def test_a_scheduler_that_runs_work_at_once_does_not_pile_up_either(
    clock: TestScheduler, scheduler: abc.SchedulerBase
) -> None:
    """A scheduler that runs work at once retries 5000 failures without a growing stack."""
    script = Script(clock, *[fail()] * 5_000, lambda o: o.on_completed())
    done: list[bool] = []
    script.source.pipe(retry_with_backoff(BackoffPolicy(initial=0), scheduler=scheduler)).subscribe(
        on_completed=lambda: done.append(True)
    )
    assert done and len(script.times) == 5_001


@pytest.mark.parametrize("name", ["resets", "until", "on_wait"])
def test_what_a_callback_raises_ends_the_whole(clock: TestScheduler, name: str) -> None:
    """An exception of `resets`, `until` or `on_wait` is emitted and ends the retries."""
    broken = ValueError("broken callback")

    def callback(*_: Any) -> bool:
        raise broken

    errors: list[Exception] = []
    options: dict[str, Any] = {name: callback}
    Script(clock, fail()).source.pipe(retry_with_backoff(EVEN, **options)).subscribe(
        on_error=errors.append, scheduler=clock
    )
    assert errors == [broken] and queued(clock) == 0


def test_a_scheduler_that_has_been_shut_down_ends_the_whole() -> None:
    """A scheduler that was disposed ends the retries with an error of its own."""
    scheduler = EventLoopScheduler()
    scheduler.dispose()
    errors: list[Exception] = []
    reactivex.throw(BOOM).pipe(retry_with_backoff(EVEN, scheduler=scheduler)).subscribe(
        on_error=errors.append
    )
    assert len(errors) == 1 and errors[0] is not BOOM


def test_a_subscriber_that_raises_is_not_a_failure_of_the_source(clock: TestScheduler) -> None:
    """An exception of the subscriber's `on_next` goes to its `on_error` and is not retried."""
    script = Script(clock, lambda o: o.on_next("value"))
    errors: list[Exception] = []

    def on_next(_: Any) -> None:
        raise BOOM

    script.source.pipe(retry_with_backoff(EVEN)).subscribe(on_next, errors.append, scheduler=clock)
    clock.advance_to(20.0)
    assert errors == [BOOM] and script.times == [0.0]


def test_an_on_error_that_raises_is_not_swallowed(clock: TestScheduler) -> None:
    """If there is no `on_error`, the final error is raised in the scheduler."""
    policy = BackoffPolicy(jitter=False, max_attempts=2)
    Script(clock, fail()).source.pipe(retry_with_backoff(policy)).subscribe(scheduler=clock)
    with pytest.raises(RuntimeError, match="boom"):
        clock.advance_to(20.0)


def test_two_subscriptions_count_for_themselves(clock: TestScheduler) -> None:
    """Two subscriptions count their failures separately."""
    waits: list[int] = []
    retried = Script(clock, fail()).source.pipe(
        retry_with_backoff(EVEN, on_wait=lambda n, *_: waits.append(n))
    )
    retried.subscribe(scheduler=clock)
    clock.advance_to(0.1)
    retried.subscribe(scheduler=clock)
    assert waits == [1, 1]


def test_no_attempt_survives_a_dispose_from_another_thread() -> None:
    """Disposing from another thread at any moment leaves no attempt open."""
    scheduler = ThreadScheduler("test scheduler")
    still_open = 0
    lock = threading.Lock()

    def subscribe(
        observer: abc.ObserverBase[Any], _: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        nonlocal still_open
        with lock:
            still_open += 1
        again = scheduler.schedule(lambda *_: observer.on_error(BOOM))

        def closed() -> None:
            nonlocal still_open
            again.dispose()
            with lock:
                still_open -= 1

        return Disposable(closed)

    try:
        for _ in range(300):
            retried = Observable(subscribe).pipe(
                retry_with_backoff(BackoffPolicy(initial=0), scheduler=scheduler)
            )
            retried.subscribe().dispose()
        idle = threading.Event()
        scheduler.schedule_relative(0.02, lambda *_: idle.set())
        assert idle.wait(5.0)
        assert still_open == 0
    finally:
        scheduler.close()
        scheduler.join(5.0)
