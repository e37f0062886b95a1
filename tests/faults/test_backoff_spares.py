"""Backoff spares a server that is down, and a user who is waiting."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from faults.watching import PATIENCE, QUICK
from reactivex import Observable, defer, never, throw
from reactivex import operators as ops
from reactivex.scheduler import VirtualTimeScheduler
from support import wire_server as wire

from rxbosbase import BackoffPolicy, BosBase, Status
from rxbosbase.errors import ClientResponseError, StreamLostError
from rxbosbase.operators.retry_with_backoff import retry_with_backoff

CLIENTS = 1000


def wait_until(what: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def attempts_of_all(policy: BackoffPolicy, down_for: float, clients: int) -> list[list[float]]:
    """When each client tries to connect, in seconds since all of them lost the server at once."""
    clock: VirtualTimeScheduler = VirtualTimeScheduler()
    tried: list[list[float]] = [[] for _ in range(clients)]

    def client(number: int) -> Observable[str]:
        def connect() -> Observable[str]:
            now = clock.clock
            tried[number].append(float(now))
            return never() if now >= down_for else throw(StreamLostError("the server is down"))

        chance = random.Random(number)
        return defer(lambda _: connect()).pipe(
            retry_with_backoff(policy, scheduler=clock, random=chance.random)
        )

    subscriptions = [client(number).subscribe(scheduler=clock) for number in range(clients)]
    clock.advance_to(down_for + 60)
    for subscription in subscriptions:
        subscription.dispose()
    # The first is the one that fails: the loss.
    return [times[1:] for times in tried]


def test_a_thousand_clients_that_lose_one_server_come_back_spread_out() -> None:
    """1000 clients that lose one server come back within 2 s, as full jitter predicts."""
    came_back = [times[-1] - 10 for times in attempts_of_all(BackoffPolicy(), 10.0, CLIENTS)]
    assert min(came_back) >= 0.0
    assert max(came_back) < 2.0, "nobody waits for longer than the policy's maximum"
    histogram = Counter(int(seconds * 10) for seconds in came_back)
    # 20 slices of 0.1 s. A client that is in a wait of U(0, 2) seconds comes back at a time whose
    # density falls in a straight line: twice the average at first, nothing at the end.
    expected = [CLIENTS * (2 * (20 - each) - 1) / 400 for each in range(20)]
    for each, share in enumerate(expected):
        assert abs(histogram[each] - share) < 5 * share**0.5 + 3, (each, histogram)


def test_without_jitter_they_would_all_come_at_once() -> None:
    """Without jitter, clients that lose one server come back at the same moment."""
    policy = BackoffPolicy(jitter=False)
    came_back = {times[-1] for times in attempts_of_all(policy, 10.0, 20)}
    assert len(came_back) == 1


def test_the_first_attempts_after_a_loss_are_spread_over_the_whole_first_wait() -> None:
    """With jitter the first attempts after a loss are spread evenly over the first wait."""
    first = [times[0] for times in attempts_of_all(BackoffPolicy(), 1.0, CLIENTS)]
    tenths = Counter(int(seconds / 0.02) for seconds in first)
    assert set(tenths) == set(range(10))
    assert max(tenths.values()) < 1.5 * CLIENTS / 10
    assert min(tenths.values()) > 0.5 * CLIENTS / 10


def test_a_server_that_is_down_is_not_asked_more_often_than_the_policy_says() -> None:
    """A server that is down gets about one attempt a second from each client."""
    down_for = 600.0
    for times in attempts_of_all(BackoffPolicy(), down_for, 20):
        # With full jitter a wait is 1 s on average; 6 sigma of the sum of 600 of them.
        assert 450 < len(times) < 750


@pytest.mark.parametrize("where", ["before the greeting", "after it", "after the topics"])
def test_a_server_that_accepts_and_hangs_up_is_not_hammered(
    server: wire.WireServer, where: str
) -> None:
    """A server that accepts and hangs up is dialled no more often than the backoff allows."""
    policy = BackoffPolicy(initial=0.1, maximum=0.4, jitter=False)

    def finish_when_acknowledged(stream: wire.Stream) -> None:
        def run() -> None:
            with suppress(TimeoutError):  # the client may have gone before it posted
                server.wait_post(server.gets, timeout=1.0)
            stream.finish()

        finishing.append(threading.Thread(target=run))
        finishing[-1].start()

    finishing: list[threading.Thread] = []
    server.on_stream = lambda number: {
        "before the greeting": wire.stream(greet=False, then=wire.Stream.finish),
        "after it": wire.stream(then=wire.Stream.finish),
        "after the topics": wire.stream(then=finish_when_acknowledged),
    }[where]
    with BosBase(server.url, backoff=policy) as client:
        began = time.monotonic()
        client.collection("posts").observe("*", check=False).subscribe(lambda _: None)
        time.sleep(1.3)
        took = time.monotonic() - began
        tried = server.gets
    for thread in finishing:
        thread.join()
    # At 0, 0.1, 0.3, 0.7, 1.1, …
    assert tried <= 3 + (took - 0.3) / policy.maximum + 1


def test_a_server_that_goes_on_hanging_up_uses_the_attempts_up(server: wire.WireServer) -> None:
    """A server that keeps hanging up exhausts `max_attempts`, and the error is emitted."""
    policy = BackoffPolicy(initial=0.01, maximum=0.01, max_attempts=3)
    server.on_stream = lambda number: wire.stream(then=wire.Stream.finish)
    errors: list[Exception] = []
    with BosBase(server.url, backoff=policy) as client:
        client.collection("posts").observe("*", check=False).subscribe(on_error=errors.append)
        wait_until(lambda: errors)
    assert isinstance(errors[0], StreamLostError)
    assert server.gets == 3


def test_attempts_used_up_are_told_everywhere_with_the_last_cause(
    server: wire.WireServer,
) -> None:
    """Exhausted attempts end each subscription with the last error; a new one starts afresh."""
    server.on_stream = lambda number: wire.status(500 + number)
    errors: list[Exception] = []
    states: list[Status] = []
    policy = BackoffPolicy(initial=0.01, maximum=0.01, max_attempts=3)
    with BosBase(server.url, backoff=policy) as client:
        posts = client.collection("posts")
        for stream in (
            posts.observe("*"),
            posts.observe("a"),
            posts.observe("*", filter="n > 1").pipe(ops.map(str)),
            client.realtime.observe("chat/lobby"),
        ):
            stream.subscribe(on_error=errors.append)
        client.realtime.status.subscribe(states.append)
        with pytest.raises(ClientResponseError) as raised:
            posts.subscribe("b", lambda _: None, timeout=PATIENCE)
        wait_until(lambda: len(errors) == 4)
        wait_until(lambda: states and states[-1].state == "failed")
        assert states[-1].error is errors[0]
        assert {id(error) for error in errors} == {id(errors[0])}
        assert str(raised.value) == str(errors[0]) and "503" in str(errors[0])
        assert server.gets == 3

        # And a new subscription starts afresh.
        server.on_stream = None
        seen: list[object] = []
        posts.observe("*").subscribe(seen.append)
        client.realtime.wait_active(PATIENCE)
        server.send("posts/*", {"id": "a"}, "create")
        wait_until(lambda: seen)
        wait_until(lambda: states and states[-1].state == "active")
        last = states[-1]
        assert last.error is None
        assert last.attempt == 0


def test_the_status_tells_attempt_and_wait_and_cause(server: wire.WireServer) -> None:
    """The status shows the attempt, the wait and the error while the client waits."""
    server.on_stream = lambda number: wire.status(502) if number <= 3 else None
    states: list[Status] = []
    policy = BackoffPolicy(initial=0.02, factor=2, maximum=0.05, jitter=False)
    with BosBase(server.url, backoff=policy) as client:
        client.realtime.status.subscribe(states.append)
        client.collection("posts").observe("*").subscribe(lambda _: None)
        client.realtime.wait_active(PATIENCE)
        wait_until(lambda: states and states[-1].state == "active")
    waits = [each for each in states if each.state == "waiting"]
    assert [(each.attempt, each.retry_in) for each in waits] == [(1, 0.02), (2, 0.04), (3, 0.05)]
    assert all("502" in str(each.error) for each in waits)
    assert all(each.retry_in is None for each in states if each.state != "waiting")
    before, now = waits[0], time.time()
    assert now - PATIENCE < before.since < now


def test_reconnect_now_skips_the_wait(server: wire.WireServer) -> None:
    """`reconnect_now` ends a wait of 300 s at once."""
    server.refuse_connections()
    states: list[Status] = []
    policy = BackoffPolicy(initial=300, maximum=300, jitter=False)
    with BosBase(server.url, backoff=policy) as client:
        client.realtime.status.subscribe(states.append)
        client.collection("posts").observe("*").subscribe(lambda _: None)
        wait_until(lambda: states and states[-1].state == "waiting")
        assert states[-1].retry_in == 300
        client.realtime.reconnect_now()
        wait_until(lambda: states and states[-1].attempt == 2)
        server.accept_connections()
        client.realtime.reconnect_now()
        client.realtime.wait_active(PATIENCE)


def test_disposing_the_last_subscription_ends_the_attempts(server: wire.WireServer) -> None:
    """Disposing the last subscription ends the attempts to connect."""
    server.on_stream = lambda number: wire.status(502)
    with BosBase(server.url, backoff=QUICK) as client:
        subscription = client.collection("posts").observe("*", check=False).subscribe(print)
        server.wait_gets(3)
        subscription.dispose()
        wait_until(lambda: client.service.status.value.state == "idle")
        tried = server.gets
        time.sleep(0.3)
        assert server.gets == tried


def test_a_lasting_refusal_of_the_topics_is_repeated_with_growing_waits(
    server: wire.WireServer,
) -> None:
    """A POST that is refused with 500 is repeated with growing waits on the same stream."""
    server.on_post = lambda number: wire.status(500) if number <= 4 else None
    policy = BackoffPolicy(initial=0.05, maximum=0.2, jitter=False)
    with BosBase(server.url, backoff=policy) as client:
        client.collection("posts").observe("*", check=False).subscribe(print)
        client.realtime.wait_active(PATIENCE)
    times = [each.time for each in server.requests if each.method == "POST"]
    pauses = [after - before for before, after in pairwise(times)]
    for pause, least in zip(pauses, [0.05, 0.1, 0.2, 0.2], strict=True):
        assert pause >= least
    assert server.gets == 1
