"""The running event loop, and blocking calls of the library that it awaits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

__all__ = ("off_loop", "running_loop")

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop.

    Raises:
        RuntimeError: there is none: the coroutine runs under trio, or no loop runs at all.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "rxbosbase.aio needs a running asyncio event loop, as of asyncio.run(), and none is "
            "running here. Under trio call collection.subscribe() by trio.to_thread.run_sync, or "
            "run what needs rxbosbase.aio by trio_asyncio.aio_as_trio"
        ) from None


async def off_loop(call: Callable[[], T]) -> T:
    """Make the call on a daemon thread, with the caller's context variables.

    Not on ``asyncio.to_thread``'s pool: its few threads are the user's, and ``asyncio.run`` waits
    for them at its end, while a cancelled wait here blocks nothing.
    """
    loop = running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = copy_context()

    def work() -> None:
        outcome: Callable[[], None]
        try:
            outcome = partial(done.set_result, context.run(call))
        except Exception as error:
            outcome = partial(done.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_settle, done, outcome)

    threading.Thread(target=work, name="rxbosbase-wait", daemon=True).start()
    return await done


def _settle(done: asyncio.Future[Any], outcome: Callable[[], None]) -> None:
    if not done.done():  # it was cancelled meanwhile
        outcome()
