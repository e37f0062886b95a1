"""What a callback may do on the client's own thread: fork, and let the client itself go."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import warnings
import weakref
from typing import Any

from faults.watching import PATIENCE
from support import wire_server as wire
from support.realtime_client import library_threads, wait_until

from rxbosbase import BosBase, ClientClosedError


def test_a_fork_in_a_callback_leaves_the_child_a_clear_error_and_the_parent_its_stream(
    server: wire.WireServer,
) -> None:
    """After a fork in a callback the child gets a clear error; the parent keeps its stream."""
    seen: list[str] = []
    ended: list[int] = []

    def fork(event: Any) -> None:
        seen.append(event.record["id"])
        if event.record["id"] != "fork":
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
            child = os.fork()
        if child == 0:
            signal.alarm(10)
            try:
                client.health()
            except ClientClosedError:
                client.close()
                os._exit(7)
            os._exit(1)
        ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    with BosBase(server.url) as client:
        client.collection("posts").subscribe("*", fork)
        server.send("posts/*", {"id": "fork"})
        server.send("posts/*", {"id": "after"})
        wait_until(client, lambda: seen == ["fork", "after"])
        assert ended == [7]
        assert len(server.all_streams) == 1
        assert client.health()


def test_a_client_that_is_collected_in_its_own_callback_ends_its_threads(
    server: wire.WireServer,
) -> None:
    """A client that is collected in its own callback ends its threads."""
    held: list[object] = []
    collected = threading.Event()

    def let_go(_: object) -> None:
        held.clear()
        gc.collect()
        collected.set()

    client = BosBase(server.url)
    held += [client, client.collection("posts").subscribe("*", let_go)]
    known = weakref.ref(client)
    del client
    server.send("posts/*", {"id": "a"})
    assert collected.wait(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while library_threads():
        assert time.monotonic() < deadline, library_threads()
        time.sleep(0.005)
    gc.collect()
    assert known() is None
