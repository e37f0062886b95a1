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
from rxbosbase.http.transport import Transport
from rxbosbase.realtime.connection import Connection, connect
from rxbosbase.runtime.fork_guard import check_process
from rxbosbase.runtime.pool import ReadPool
from rxbosbase.runtime.thread_scheduler import ThreadScheduler


def test_another_process_than_its_own_is_told_to_make_a_client_for_itself() -> None:
    """`check_process` raises `ClientClosedError`, with the remedy, in another process."""
    check_process(os.getpid())
    with pytest.raises(ClientClosedError, match="make a new one in the child process"):
        check_process(os.getpid() + 1)


def test_what_begins_while_the_interpreter_ends_says_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If no thread can start at interpreter shutdown, nothing is logged or emitted."""
    caplog.set_level(logging.INFO)

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    pool, loop = ReadPool(), ThreadScheduler("rxbosbase-ending")
    with monkeypatch.context() as at_the_end:
        at_the_end.setattr(threading.Thread, "start", refused)
        pool.submit(print)
        loop.post(print)
        transport = Transport("http://127.0.0.1:9", timeout=1.0, headers=None, token=str)
        connection = Connection(transport, loop.time, idle_timeout=1.0, max_event_bytes=1000)
        errors: list[Exception] = []
        connect(lambda: connection).subscribe(on_error=errors.append).dispose()
    assert caplog.text == "" and errors == []
    connection.retire()
    for each in (pool, loop, transport):
        each.close()


def test_in_a_child_every_use_is_an_error_and_disposing_is_harmless() -> None:
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
    assert not client.is_closed  # what the child did is the child's
    subscription.dispose()
    client.close()


def in_a_child(work: Callable[[], None]) -> int:
    """The exit code of a forked child that does `work`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # with threads: that is the point
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
