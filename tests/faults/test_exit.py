"""A program that ends without ``close()`` ends at once, and prints nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from support import wire_server as wire

ROOT = Path(__file__).parents[2]
LIMIT = 20.0
"""Seconds for a whole program; what would hold it up here takes minutes."""


def run(script: str, server: wire.WireServer) -> subprocess.CompletedProcess[str]:
    head = """
        import sys, threading, time
        from rxbosbase import BackoffPolicy, BosBase
        client = BosBase(sys.argv[1])
        posts = client.collection("posts")
    """
    return subprocess.run(
        [
            sys.executable,
            "-X",
            "dev",
            "-W",
            "error",
            "-c",
            dedent(head) + dedent(script),
            server.url,
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def assert_silent(done: subprocess.CompletedProcess[str], stdout: str = "end\n") -> None:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == stdout


ACTIVE = """
    posts.observe("*").subscribe(lambda event: None)
    client.realtime.status.subscribe(lambda status: None)
    client.realtime.wait_active(10)
    print("end")
"""

BACKING_OFF = """
    client.close()
    import logging
    logging.getLogger("rxbosbase").addHandler(logging.NullHandler())  # it warns of the loss
    slow = BackoffPolicy(initial=120, maximum=120, jitter=False)
    client = BosBase("http://127.0.0.1:9", backoff=slow)
    waiting = threading.Event()
    client.realtime.status.subscribe(lambda s: s.state == "waiting" and waiting.set())
    client.collection("posts").observe("*", check=False).subscribe(lambda event: None)
    waiting.wait(10)
    print("end")
"""

CONNECTING = """
    posts.observe("*").subscribe(lambda event: None)
    print("end")
"""

DELIVERING = """
    inside = threading.Event()
    def slow(message):
        inside.set()
        time.sleep(120)
    client.realtime.subscribe("PB_CONNECT", slow)
    inside.wait(10)
    print("end")
"""

BUSY = """
    inside = threading.Event()
    def busy(message):
        inside.set()
        while True:
            [].append(message)
    client.realtime.subscribe("PB_CONNECT", busy)
    inside.wait(10)
    print("end")
"""

HELD_BACK = """
    events = posts.events("*", size=1)
    events.__enter__()
    print("end")
"""

IN_THE_MIDDLE_OF_A_TIMER = """
    from reactivex import operators as ops
    client.realtime.observe("PB_CONNECT").pipe(ops.debounce(120)).subscribe(print)
    client.realtime.wait_active(10)
    print("end")
"""


@pytest.mark.parametrize(
    "script",
    [ACTIVE, BACKING_OFF, CONNECTING, DELIVERING, BUSY, HELD_BACK, IN_THE_MIDDLE_OF_A_TIMER],
    ids=["active", "backoff", "connecting", "delivering", "busy", "held back", "timer"],
)
def test_a_program_that_ends_with_live_subscriptions_neither_hangs_nor_complains(
    server: wire.WireServer, script: str
) -> None:
    """A program that ends with live subscriptions exits without waiting or an error message."""
    assert_silent(run(script, server))


def test_a_program_that_ends_while_a_post_hangs_does_not_wait_for_it(
    server: wire.WireServer,
) -> None:
    """A program that ends during a POST does not wait for it."""

    def answer_once_it_hangs(request: wire.Request) -> None:
        if request.path == "/api/health":
            server.wait_post(1)

    server.post_answers.append(wire.hang())
    server.on_request = answer_once_it_hangs
    script = """
        posts.observe("*").subscribe(lambda event: None)
        client.health()
        print("end")
    """
    assert_silent(run(script, server))


def test_a_program_that_ends_by_an_exception_shows_that_one_alone(server: wire.WireServer) -> None:
    """A program that ends by an exception shows only its traceback."""
    done = run(ACTIVE + '    raise ZeroDivisionError("mine")\n', server)
    assert done.returncode == 1
    assert done.stdout == "end\n"
    assert done.stderr.count("Traceback") == 1 and "mine" in done.stderr
