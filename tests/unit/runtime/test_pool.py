"""The pool of reads: few threads, in order, gone when idle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from support.seen import LIMIT, Seen, wait_event
from support.threads import started_threads
from support.waiting import WatchedCondition

from rxbosbase.runtime import pool as module
from rxbosbase.runtime.pool import ReadPool


@pytest.fixture
def pool() -> Iterator[ReadPool]:
    made = ReadPool(size=2)
    yield made
    made.close()


def threads() -> list[threading.Thread]:
    return [t for t in started_threads() if t.name.startswith("rxbosbase-read-")]


@pytest.mark.parametrize(("make", "size"), [(lambda: ReadPool(2), 2), (ReadPool, 4)])
def test_it_uses_no_more_threads_than_its_size(make: Callable[[], ReadPool], size: int) -> None:
    """The pool runs reads on as many daemon threads as its size, 4 by default."""
    pool = make()
    go_on = threading.Event()
    seen: Seen[int] = Seen()

    def work(n: int) -> None:
        seen(n)
        wait_event(go_on)

    for n in range(6):
        pool.submit(lambda n=n: work(n))  # type: ignore[misc]
    seen.wait(size)
    assert [thread.daemon for thread in threads()] == [True] * size
    go_on.set()
    assert sorted(seen.wait(6)) == list(range(6))
    pool.close()


@pytest.fixture
def gate(pool: ReadPool) -> WatchedCondition:
    pool._gate = gate = WatchedCondition()
    pool._size = 4
    return gate


def test_idle_threads_are_used_again(pool: ReadPool, gate: WatchedCondition) -> None:
    """An idle thread runs the next read; no other thread is started."""
    seen: Seen[int] = Seen()
    for n in range(3):
        pool.submit(lambda: seen(0))
        gate.waits.wait(n + 1)
    assert len(set(seen.threads)) == 1
    together = threading.Barrier(2)
    for times in (1, 2):
        with gate:
            for _ in range(2):
                pool.submit(lambda: seen(together.wait(LIMIT)))
        gate.waits.wait(3 + 2 * times)
    assert len(set(seen.threads)) == 2


def test_a_read_submitted_as_an_idle_thread_times_out_is_run_by_it(
    pool: ReadPool, gate: WatchedCondition
) -> None:
    """A read submitted as an idle thread times out is run by that thread."""
    gate.is_late = True
    seen: Seen[str] = Seen()
    pool.submit(lambda: seen("first"))
    gate.waits.wait(1)
    pool.submit(lambda: seen("second"))
    assert seen.wait(2) == ["first", "second"]
    assert len(set(seen.threads)) == 1


def test_two_reads_at_once_run_in_parallel_although_one_thread_is_idle(
    pool: ReadPool, gate: WatchedCondition
) -> None:
    """Two reads submitted while one thread is idle run in parallel on two threads."""
    pool.submit(lambda: None)
    gate.waits.wait(1)
    together = threading.Barrier(2)
    seen: Seen[int] = Seen()
    with gate:  # the idle thread does not wake up in between
        for _ in range(2):
            pool.submit(lambda: seen(together.wait(LIMIT)))
    assert sorted(seen.wait(2)) == [0, 1]


def test_idle_threads_end_and_later_reads_start_new_ones(
    pool: ReadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads end after `IDLE_SECONDS` without a read, and later reads start new ones."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.005)

    def work(seen: Seen[None], go_on: threading.Event) -> None:
        seen(None)
        wait_event(go_on)

    for _ in range(3):
        go_on = threading.Event()
        seen: Seen[None] = Seen()
        for _ in range(3):
            pool.submit(partial(work, seen, go_on))
        seen.wait(2)
        assert len(threads()) == 2
        go_on.set()
        seen.wait(3)
        for thread in threads():
            thread.join(LIMIT)
        assert threads() == []


def test_a_read_that_raises_is_logged_and_the_next_ones_run(
    pool: ReadPool, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of a read is logged, and the pool runs the next reads."""

    def bad() -> None:
        raise ValueError("a bad read")

    seen: Seen[str] = Seen()
    for _ in range(3):
        pool.submit(bad)
    pool.submit(lambda: seen("fine"))
    seen.wait(1)
    pool.close()
    for thread in threads():
        thread.join(LIMIT)  # another thread may still be writing its log
    assert caplog.text.count("a background read raised") == 3


def test_close_discards_queued_reads_and_does_not_wait(pool: ReadPool) -> None:
    """`close` returns while reads run, and discards queued and later reads."""
    entered, go_on = threading.Event(), threading.Event()
    seen: Seen[str] = Seen()

    def block() -> None:
        entered.set()
        wait_event(go_on)

    pool.submit(block)
    pool.submit(block)
    wait_event(entered)
    pool.submit(lambda: seen("discarded"))
    pool.close()
    pool.submit(lambda: seen("ignored"))
    go_on.set()
    for thread in threads():
        thread.join(LIMIT)
    assert seen.items == []


def test_a_read_whose_thread_cannot_start_is_logged_and_runs_with_the_next(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If a thread cannot start, it is logged, and the read runs before the next one."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = ReadPool(size=1)
    seen: Seen[str] = Seen()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        pool.submit(lambda: seen("first"))
    assert "a background read has to wait: can't start new thread" in caplog.text
    pool.submit(lambda: seen("second"))
    assert seen.wait(2) == ["first", "second"]
    pool.close()
