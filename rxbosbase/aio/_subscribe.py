"""The callback form for coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar, Unpack, overload

from reactivex.disposable import Disposable

from rxbosbase.collection import Collection, record_topic_request
from rxbosbase.events import Message, RecordEvent
from rxbosbase.realtime.api import Realtime, check_seconds, custom_topic_request
from rxbosbase.realtime.protocol.topics import TopicOptions
from rxbosbase.realtime.session.registry import Subscriber
from rxbosbase.runtime.bounded_queue import Overflow

from ._events import SIZE
from ._inbox import Inbox
from ._waiting import off_loop

__all__ = ["AsyncSubscription", "SubscribeOptions", "subscribe"]

T = TypeVar("T")

_running: set[asyncio.Task[None]] = set()
"""asyncio itself keeps no task alive; a subscription stays alive without a reference."""


class SubscribeOptions(TopicOptions, total=False):
    """What ``collection.subscribe`` takes beside the topic and the callback."""

    check: bool


class AsyncSubscription:
    """The result of `subscribe`: leave its ``async with``, or `aclose` it, to unsubscribe."""

    def __init__(self, inbox: Inbox[Any], task: asyncio.Task[None], owner: object) -> None:
        self._inbox = inbox
        self._task = task
        self._owner = owner

    async def __aenter__(self) -> AsyncSubscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Unsubscribe at once, and wait for the callback that is running, unless it is called
        by that one. Idempotent."""
        self._inbox.close()
        if asyncio.current_task() is not self._task:
            await asyncio.wait([self._task])

    async def wait(self) -> None:
        """Wait until the topic ends: by ``unsubscribe``, ``client.close()``, or an error, which is
        raised."""
        await asyncio.shield(self._task)


@overload
async def subscribe(
    source: Collection[T],
    topic: str,
    callback: Callable[[RecordEvent[T]], Awaitable[Any]],
    *,
    size: int = ...,
    overflow: Overflow = ...,
    timeout: float = ...,
    **options: Unpack[SubscribeOptions],
) -> AsyncSubscription: ...
@overload
async def subscribe(
    source: Realtime,
    topic: str,
    callback: Callable[[Message], Awaitable[Any]],
    *,
    size: int = ...,
    overflow: Overflow = ...,
    timeout: float = ...,
    query: Mapping[str, Any] | None = ...,
    headers: Mapping[str, Any] | None = ...,
) -> AsyncSubscription: ...
async def subscribe(
    source: Collection[Any] | Realtime,
    topic: str,
    callback: Callable[[Any], Awaitable[Any]],
    *,
    size: int = SIZE,
    overflow: Overflow = "block",
    timeout: float = 10.0,
    **options: Any,
) -> AsyncSubscription:
    """Await ``callback(event)`` for each event, one at a time and in order.

    It returns once the server has acknowledged the topic, and never blocks the loop meanwhile. A
    callback that raises is reported to the loop's exception handler, which logs it, and stays
    subscribed. Callbacks run in one task, with the context variables of this call.

    Args:
        source: a collection, or ``client.realtime`` for custom topics.
        topic: ``"*"``, a record id, or the custom topic.
        size, overflow: as for `events`.
        options: filter, expand, fields, query, headers and check as for ``collection.subscribe``.

    Raises:
        ClientResponseError: the preflight found 400, 403 or 404.
        RequestTimeoutError: not acknowledged within `timeout` seconds.
        RuntimeError: the event loop runs inside a callback of the client, which blocks events.

    Example:
        ``async with await aio.subscribe(posts, "*", on_event): await asyncio.sleep(60)``
    """
    if not callable(callback):
        raise TypeError(f"the callback must be callable, not {type(callback).__name__}")
    check_seconds("timeout", timeout)
    inbox, wait, owner = _attach(source, topic, size, overflow, options)
    try:
        await off_loop(partial(wait, timeout))
    except BaseException:  # a cancellation, too
        inbox.close()
        raise
    task = asyncio.create_task(_deliver(inbox, callback, topic))
    _running.add(task)
    task.add_done_callback(_running.discard)
    inbox.end_with(task)
    return AsyncSubscription(inbox, task, owner)


def _attach(
    source: Collection[Any] | Realtime,
    name: str,
    size: int,
    overflow: Overflow,
    options: dict[str, Any],
) -> tuple[Inbox[Any], Callable[[float], None], object]:
    """Subscribe; return the inbox, a wait for the acknowledgement, and an object to keep alive."""
    if isinstance(source, Realtime):
        request = custom_topic_request(source, name, **options)
    else:
        request = record_topic_request(source, name, options.pop("check", True), **options)
    service = request.service
    service.scheduler.check_wait("aio.subscribe()")
    upstream = Disposable(lambda: service.detach(subscriber))
    inbox: Inbox[Any] = Inbox(size, overflow, upstream, service.scheduler)
    subscriber = Subscriber(
        request.decode(inbox.put), inbox.end, inbox.end,
        raw=request.raw, check=request.preflight is not None, keep_on_error=True,
    )  # fmt: skip
    service.attach(request.topic, subscriber, request.preflight, urgent=True)
    return inbox, partial(service.wait_acknowledged, subscriber), request.owner


async def _deliver(inbox: Inbox[T], callback: Callable[[T], Awaitable[Any]], topic: str) -> None:
    while True:
        try:
            value = await inbox.get()
        except StopAsyncIteration:
            return
        try:
            await callback(value)
        except Exception as error:
            message = f"the callback of {topic!r} raised; it stays subscribed"
            # Without the task: from Python 3.12 on the handler would be run in the task's context,
            # which is entered already, and fail.
            asyncio.get_running_loop().call_exception_handler(
                {"message": message, "exception": error}
            )
