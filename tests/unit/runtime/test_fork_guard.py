"""A client belongs to the process that made it."""

from __future__ import annotations

import logging
import os
import threading
import traceback
import warnings
from collections.abc import Callable

import pytest

from rxbosbase import BosBase, ClientClosedError
from rxbosbase.http.transport import HTTPTransport
from rxbosbase.realtime.connection import Connection, connect
from rxbosbase.runtime.fork_guard import ForkGuard
from rxbosbase.runtime.pool import ReadPool
from rxbosbase.runtime.thread_scheduler import ThreadScheduler


def test_the_check_raises_in_another_process_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`ForkGuard.check` raises `ClientClosedError`, with the remedy, in another process alone."""
    guard = ForkGuard()
    guard.check()
    was_child, other = guard.is_child, os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: other)
    assert (was_child, guard.is_child) == (False, True)
    with pytest.raises(ClientClosedError, match="make a new one in the child process"):
        guard.check()


def test_nothing_is_logged_when_threads_cannot_start_at_shutdown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If no thread can start at interpreter shutdown, nothing is logged or emitted."""
    caplog.set_level(logging.INFO)

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    pool, scheduler = ReadPool(), ThreadScheduler("rxbosbase-ending")
    with monkeypatch.context() as at_the_end:
        at_the_end.setattr(threading.Thread, "start", refused)
        pool.submit(print)
        scheduler.post(print)
        transport = HTTPTransport("http://127.0.0.1:9", timeout=1.0, headers=None, token=str)
        connection = Connection(
            transport, scheduler.time, scheduler.wall_time, idle_timeout=1.0, max_event_bytes=1000
        )
        errors: list[Exception] = []
        connect(lambda: connection).subscribe(on_error=errors.append).dispose()
    assert caplog.text == "" and errors == []
    connection.retire()
    for each in (pool, scheduler, transport):
        each.close()


def test_in_a_child_each_use_is_an_error_and_disposing_is_not() -> None:
    """In a forked child each use raises `ClientClosedError`; `dispose` and `close` do not."""
    client = BosBase("http://127.0.0.1:1")
    subscription = client.collection("posts").observe("*", check=False).subscribe()

    def child() -> None:
        posts = client.collection("posts")
        for use in (
            client.health,
            lambda: posts.get_one("a"),
            lambda: posts.subscribe("*", print),
            lambda: posts.observe("*").subscribe(),
            client.realtime.wait_active,
            client.realtime.reconnect_now,
            client.realtime.unsubscribe,
        ):
            with pytest.raises(ClientClosedError, match="fork"):
                use()
        subscription.dispose()
        client.close()

    assert in_a_child(child) == 0
    assert not client.is_closed  # the child closed its own copy
    subscription.dispose()
    client.close()


def in_a_child(work: Callable[[], None]) -> int:
    """Return the exit code of a forked child that calls `work`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
