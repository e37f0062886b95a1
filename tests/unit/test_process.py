"""A client belongs to the process that made it."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable

import pytest

from rxbosbase import BosBase, ClientClosedError
from rxbosbase.process import check_process


def test_the_process_that_made_it_may_use_it() -> None:
    check_process(os.getpid())


def test_another_process_is_told_to_make_a_client_of_its_own() -> None:
    with pytest.raises(ClientClosedError, match="make a new one in the child process"):
        check_process(os.getpid() + 1)


def test_in_a_child_every_use_is_an_error_and_disposing_is_harmless() -> None:
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
