"""Threads, callbacks, forks, interrupts, the end of the program: nothing hangs, nothing is left."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import random
import signal
import threading
import time
import tracemalloc
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from faults.soak_parts import ResourceUsage
from faults.watching import PATIENCE, QUICK, Log
from support import wire_server as wire
from support.realtime_client import library_threads

from rxbosbase import BackoffPolicy, BosBase, BosBaseError, ClientClosedError

LONG = os.environ.get("RXBOSBASE_LONG") == "1"
THREADS = 50
STEPS = 20
ROUNDS = 100_000 if LONG else 10_000
KEPT_ALIVE = 2 * 4  # descriptors of connections for reads: four threads make them, both ends here
LEAK_BYTES = 300_000
"""What tracemalloc may find more of after all the rounds: less than 4 bytes a round."""


@pytest.fixture
def server() -> Iterator[wire.WireServer]:
    with wire.WireServer() as running:
        running.collections["posts"] = [{"id": "a"}]
        yield running


@pytest.fixture
def client(server: wire.WireServer) -> Iterator[BosBase]:
    with BosBase(server.url, backoff=QUICK) as running:
        yield running


def wait_until(what: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def in_threads(count: int, work: Callable[[random.Random], None]) -> list[BaseException]:
    """Run `work` in many threads at once, each with a seed; return their errors."""
    raised: list[BaseException] = []
    together = threading.Barrier(count)

    def run(seed: int) -> None:
        together.wait(PATIENCE)
        try:
            work(random.Random(seed))
        except BaseException as error:
            raised.append(error)

    threads = [
        threading.Thread(target=run, args=(seed,), name=f"stress-{seed}", daemon=True)
        for seed in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not [thread.name for thread in threads if thread.is_alive()], "a thread hangs"
    return raised


def one_step(client: BosBase, chance: random.Random) -> None:
    """Subscribes, disposes or unsubscribes, in one of the ways there are."""
    posts = client.collection("posts")
    topic = chance.choice(["*", "a", "b", "c"])
    filter = chance.choice([None, "n > 1", "n > 2"])
    match chance.randrange(6):
        case 0 | 1:
            with posts.observe(topic, filter=filter).subscribe(lambda _: None):
                time.sleep(chance.uniform(0, 0.004))
        case 2:
            with posts.subscribe(topic, lambda _: None, filter=filter, timeout=PATIENCE):
                pass
        case 3:
            posts.unsubscribe(chance.choice(["a", "b"]))
        case 4:
            client.realtime.wait_active(PATIENCE)
        case 5:
            with client.realtime.status.subscribe(lambda _: None):
                client.realtime.observe(f"chat/{topic}").subscribe(lambda _: None).dispose()


@pytest.mark.parametrize("seed", [1, 2])
def test_fifty_threads_subscribing_and_disposing_leave_exactly_what_is_wanted(
    server: wire.WireServer, client: BosBase, seed: int
) -> None:
    """After 50 threads have subscribed and disposed, the server has exactly the topics left."""
    seen: list[str] = []
    kept = client.collection("kept").observe("*", check=False)
    kept.subscribe(lambda event: seen.append(event.record["id"]))

    def work(chance: random.Random) -> None:
        chance.seed(chance.random() + seed)
        for _ in range(STEPS):
            one_step(client, chance)

    with Log() as log:
        assert in_threads(THREADS, work) == []
        client.realtime.wait_active(PATIENCE)
        # The last POST may be of a topic that went a moment ago.
        server.wait_for(lambda: server.streams and server.stream.topics == ["kept/*"])
        assert server.send("kept/*", {"id": "last"}) == 1
        wait_until(lambda: seen == ["last"])
    assert log.at_least(logging.ERROR) == []


@pytest.mark.parametrize("seed", range(4))
def test_fifty_threads_and_a_close_amid_them_end_with_a_clear_error_and_nothing_else(
    server: wire.WireServer, seed: int
) -> None:
    """`close` while 50 threads subscribe raises nothing but `ClientClosedError` in them."""
    client = BosBase(server.url, backoff=QUICK)
    ends_at = random.Random(seed).uniform(0.0, 0.15)

    def work(chance: random.Random) -> None:
        if chance.random() < 0.1:
            time.sleep(ends_at)
            client.close()
        while not client.is_closed:
            one_step(client, chance)

    with Log() as log:
        raised = in_threads(THREADS, work)
        client.close()
    assert {type(error) for error in raised} <= {ClientClosedError}
    assert log.at_least(logging.ERROR) == []


def block(client: BosBase) -> None:
    """Every kind of call that waits for the server."""
    assert client.health()
    assert client.collection("posts").get_list()["items"]
    with client.collection("posts").subscribe("b", lambda _: None, timeout=PATIENCE):
        client.realtime.wait_active(PATIENCE)


@pytest.mark.parametrize("where", ["event", "status", "on_disconnect", "auth", "message", "error"])
def test_a_blocking_call_is_allowed_in_every_kind_of_callback(
    server: wire.WireServer, client: BosBase, where: str
) -> None:
    """A blocking call is allowed in each kind of callback."""
    finished: list[str] = []

    def once(*_: object) -> None:
        if not finished:
            finished.append("begun")
            block(client)
            finished.append("ended")

    posts = client.collection("posts")
    with posts.subscribe("*", once if where == "event" else lambda _: None):
        if where == "event":
            server.send("posts/*", {"id": "a"})
        elif where == "status":
            client.realtime.status.subscribe(once)
        elif where == "on_disconnect":
            client.realtime.on_disconnect = once
            server.stream.cut()
        elif where == "auth":
            client.auth_store.changes.subscribe(lambda state: once() if state.token else None)
            client.auth_store.save(wire.make_token("somebody"), {"id": "somebody"})
        elif where == "message":
            client.realtime.events.subscribe(once)
            server.send("posts/*", {"id": "a"})
        else:
            server.collections["missing"] = 404
            client.collection("missing").observe("*").subscribe(lambda _: None, once)
        wait_until(lambda: finished == ["begun", "ended"])
        client.realtime.wait_active(PATIENCE)


@pytest.mark.parametrize("where", ["event", "status", "on_disconnect"])
def test_closing_in_a_callback_returns_and_ends_everything(
    server: wire.WireServer, where: str
) -> None:
    """`close` in a callback returns within 1 s and completes the subscriptions."""
    client = BosBase(server.url, backoff=QUICK)
    took: list[float] = []
    completed = threading.Event()

    def close(*_: object) -> None:
        began = time.monotonic()
        client.close()
        took.append(time.monotonic() - began)

    posts = client.collection("posts")
    posts.observe("*").subscribe(
        close if where == "event" else lambda _: None, on_completed=completed.set
    )
    client.realtime.wait_active(PATIENCE)
    if where == "event":
        server.send("posts/*", {"id": "a"})
    elif where == "status":
        client.realtime.status.subscribe(close)
    else:
        client.realtime.on_disconnect = close
        server.stream.reset()
    assert completed.wait(PATIENCE)
    wait_until(lambda: took)
    assert took[0] < 1.0  # promised are 0.1; the machine may be busy


@pytest.mark.parametrize("has_views", [False, True], ids=["no views", "a live view"])
def test_a_fork_uses_nothing_of_its_parents_client_and_harms_nothing(
    server: wire.WireServer, client: BosBase, has_views: bool
) -> None:
    """In a forked child the client raises `ClientClosedError`; the parent keeps its stream."""
    seen: list[str] = []
    posts = client.collection("posts")
    posts.subscribe("*", lambda event: seen.append(event.record["id"]))
    view = posts.live() if has_views else None
    calls: list[Callable[[], object]] = [
        client.health,
        lambda: posts.get_list(),
        lambda: posts.subscribe("b", print, timeout=1.0),
        lambda: posts.observe("c").subscribe(print),
        lambda: (view or posts.live()).subscribe(print),
        lambda: client.realtime.wait_active(1.0),
        client.close,
    ]
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, since 3.12
        child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), os.fdopen(writing, "w") as output:
            signal.alarm(10)
            for call in calls:
                try:
                    call()
                    output.write("no error\n")
                except BosBaseError as error:
                    output.write(f"{type(error).__name__}: {error}\n")
                except BaseException as error:
                    output.write(f"unclear: {error!r}\n")
                output.flush()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as results:
        answers = results.read().splitlines()
    _, status = os.waitpid(child, 0)
    server.send("posts/*", {"id": "after"})
    wait_until(lambda: seen)
    assert seen == ["after"] and len(server.all_streams) == 1, "the parent lost its stream"
    assert client.health()
    assert os.waitstatus_to_exitcode(status) == 0, f"the child hung after {answers}"
    assert len(answers) == len(calls)
    assert answers.pop() == "no error", "closing is always allowed"
    for answer in answers:
        assert answer.startswith("ClientClosedError") and "fork" in answer


def test_a_forked_child_that_ends_or_collects_the_client_harms_nothing(
    server: wire.WireServer, client: BosBase
) -> None:
    """A forked child that finalizes the client leaves the parent's stream open."""
    seen: list[str] = []
    client.collection("posts").subscribe("*", lambda event: seen.append(event.record["id"]))
    finalizer = client._finalizer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(10)
        finalizer()  # as at the end of the interpreter, and by the garbage collector
        time.sleep(0.2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    server.send("posts/*", {"id": "after"})
    wait_until(lambda: seen)
    assert len(server.all_streams) == 1, "the child ended its parent's stream"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_raised_by_a_subscriber_hurts_that_subscriber_alone(
    server: wire.WireServer, client: BosBase, error: type[BaseException]
) -> None:
    """A `KeyboardInterrupt` or `SystemExit` of a subscriber does not affect the others."""
    seen: list[str] = []

    def raising(_: object) -> None:
        raise error

    posts = client.collection("posts")
    posts.observe("*").subscribe(raising)
    posts.subscribe("*", raising)
    posts.observe("*").subscribe(lambda event: seen.append(event.record["id"]))
    client.realtime.status.subscribe(raising)
    client.realtime.wait_active(PATIENCE)
    server.send("posts/*", {"id": "1"})
    server.send("posts/*", {"id": "2"})
    wait_until(lambda: seen == ["1", "2"])


@pytest.mark.parametrize(
    "waits", ["subscribe", "iterate", "iterate, and a thread took it", "wait_active"]
)
def test_ctrl_c_ends_every_wait_of_the_main_thread_and_leaves_nothing(
    server: wire.WireServer, client: BosBase, waits: str
) -> None:
    """Ctrl-C ends each wait of the main thread, and the client works as before."""
    gate = wire.Gate()
    posts = client.collection("posts")
    if not waits.startswith("iterate"):
        server.post_answers.append(wire.delay(gate))

    def interrupt() -> None:
        server.wait_post(1)
        time.sleep(0.1)
        taker = threading.main_thread() if "took" not in waits else threading.current_thread()
        signal.pthread_kill(taker.ident or 0, signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()

    def wait() -> None:
        if waits == "subscribe":
            posts.subscribe("*", print, timeout=PATIENCE)
        elif waits.startswith("iterate"):
            with posts.events("*") as events:
                next(events)
        else:
            with posts.observe("*").subscribe(print):
                client.realtime.wait_active(PATIENCE)

    with pytest.raises(KeyboardInterrupt):
        wait()
    interrupter.join()
    gate.set()
    server.wait_for(lambda: not server.streams)
    # The client is as good as before.
    with posts.subscribe("*", print):
        assert server.stream.topics == ["posts/*"]


@pytest.mark.parametrize("state", ["active", "waiting", "unused"])
def test_an_unreferenced_client_ends_its_threads(server: wire.WireServer, state: str) -> None:
    """A client without references ends its threads within 1 s, active, waiting or unused."""
    client = BosBase(server.url, backoff=BackoffPolicy(initial=30, maximum=30, jitter=False))
    if state == "waiting":
        server.refuse_connections()
    if state != "unused":
        subscription = client.collection("posts").observe("*", check=False).subscribe(print)
        if state == "active":
            client.realtime.wait_active(PATIENCE)
        else:
            service = client.service
            wait_until(lambda: service.status.value.state == "waiting")
            del service
        subscription.dispose()
        del subscription
    known = weakref.ref(client)
    del client
    gc.collect()
    assert known() is None
    wait_until(lambda: not library_threads(), 1.0)


def test_an_undisposed_subscription_keeps_its_client_alive(server: wire.WireServer) -> None:
    """A subscription keeps its client alive until it is disposed."""
    client = BosBase(server.url)
    seen: list[Any] = []
    subscription = client.collection("posts").observe("*").subscribe(seen.append)
    client.realtime.wait_active(PATIENCE)
    known = weakref.ref(client)
    del client
    gc.collect()
    assert known() is not None
    server.send("posts/*", {"id": "a"})
    wait_until(lambda: seen)
    subscription.dispose()
    del subscription
    gc.collect()
    wait_until(lambda: known() is None)
    wait_until(lambda: not library_threads(), 1.0)


def test_subscribing_and_disposing_again_and_again_leaks_nothing(
    server: wire.WireServer, client: BosBase
) -> None:
    """10 000 rounds of subscribing and disposing leak no memory, threads or descriptors."""
    posts = client.collection("posts")
    posts.subscribe("*", lambda _: None)

    def rounds(count: int) -> None:
        for number in range(count):
            posts.observe(f"id{number}", check=False).subscribe(lambda _: None).dispose()
            if number % 10 == 0:
                posts.observe("*", filter=f"n > {number % 7}").subscribe(lambda _: None).dispose()
        server.wait_for(lambda: server.streams and server.stream.topics == ["posts/*"])
        server.posts.clear()
        server.requests.clear()
        gc.collect()

    rounds(2000)  # fills the caches, each of which has a bound
    tracemalloc.start()
    try:
        rounds(ROUNDS // 20)
        before, footprint = tracemalloc.get_traced_memory()[0], ResourceUsage.now()
        rounds(ROUNDS)
        after, late = tracemalloc.get_traced_memory()[0], ResourceUsage.now()
    finally:
        tracemalloc.stop()
    assert after - before < LEAK_BYTES
    assert late.threads <= footprint.threads
    assert late.descriptors <= footprint.descriptors + KEPT_ALIVE
