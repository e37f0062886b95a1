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

__all__ = ("AsyncSubscription", "SubscribeOptions", "subscribe")

T = TypeVar("T")

_running: set[asyncio.Task[None]] = set()
"""asyncio itself keeps no task alive; a subscription stays alive without a reference."""


class SubscribeOptions(TopicOptions, total=False):
    """The keywords of `subscribe` for a collection, to annotate a function that passes them on.

    Attributes:
        check: ask the server once whether the collection and the filter are good, as
            ``collection.subscribe`` does; True by default.

    The others are those of a read: ``filter``, ``expand``, ``fields``, ``query`` and ``headers``.

    >>> options: SubscribeOptions = {"filter": "n > 1", "check": False}
    """

    check: bool


class AsyncSubscription:
    """The result of `subscribe`: leave its ``async with``, or `aclose` it, to unsubscribe.

    It stays subscribed without a reference to it, as long as its event loop runs.

    >>> async def on_event(event: RecordEvent) -> None:
    ...     print(event.action)
    >>> async def main() -> None:
    ...     with FakeRealtime() as fake:
    ...         async with await subscribe(fake.client.collection("posts"), "*", on_event) as posts:
    ...             print(posts)
    >>> asyncio.run(main())
    <AsyncSubscription 'posts/*', subscribed>
    """

    def __init__(self, inbox: Inbox[Any], task: asyncio.Task[None], owner: object) -> None:
        self._inbox = inbox
        self._task = task
        self._owner = owner

    def __repr__(self) -> str:
        state = "ended" if self._inbox.is_ended else "subscribed"
        return f"<AsyncSubscription {self._task.get_name()!r}, {state}>"

    async def __aenter__(self) -> AsyncSubscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Unsubscribe at once, and wait for the callback that is running; may be called again.

        A callback that calls it does not wait for itself.

        >>> async def on_event(event: RecordEvent) -> None:
        ...     print(event.action)
        >>> async def main() -> None:
        ...     with FakeRealtime() as fake:
        ...         subscription = await subscribe(fake.client.collection("posts"), "*", on_event)
        ...         await subscription.aclose()
        ...         fake.push("posts", "create", {"id": "a"})  # on no topic
        >>> asyncio.run(main())
        """
        self._inbox.close()
        if asyncio.current_task() is not self._task:
            await asyncio.wait([self._task])

    async def wait(self) -> None:
        """Wait until the topic ends: by ``unsubscribe``, ``client.close()``, or an error.

        Raises:
            BosBaseError: what ended the topic, such as a `ClientResponseError` of a check that was
                made again, or a `BufferOverflowError` of the policy ``"error"``.

        >>> async def show(event: RecordEvent) -> None:
        ...     print(event.action, event.record)
        >>> async def main() -> None:
        ...     with FakeRealtime() as fake:
        ...         subscription = await subscribe(fake.client.collection("posts"), "*", show)
        ...         fake.push("posts", "create", {"id": "a"})
        ...         fake.close()
        ...         await subscription.wait()
        >>> asyncio.run(main())
        create {'id': 'a'}
        """
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
    **options: Unpack[SubscribeOptions],
) -> AsyncSubscription:
    """Await ``callback(event)`` for each event, one at a time and in order.

    It returns once the server has acknowledged the topic, and never blocks the loop meanwhile. A
    callback that raises is reported to the loop's exception handler, which logs it, and stays
    subscribed. Callbacks run in one task, with the context variables of this call.

    Args:
        source: a collection, or ``client.realtime`` for custom topics.
        topic: ``"*"``, a record id, or the custom topic.
        callback: a function of the event that returns an awaitable, such as ``async def``.
        size, overflow: how many events may wait, and the policy for more, as for `events`.
        timeout: seconds to wait for the acknowledgement.
        options: filter, expand, fields, query, headers and check as for ``collection.subscribe``;
            query and headers alone for a custom topic.

    Returns:
        the subscription, for ``async with``.

    Raises:
        ClientResponseError: the preflight found 400, 403 or 404.
        RequestTimeoutError: not acknowledged within `timeout` seconds.
        TypeError, ValueError: an argument is invalid.
        RuntimeError: asyncio runs no loop here, or it runs inside a callback of the client, which
            blocks events.

    >>> async def main() -> None:
    ...     with FakeRealtime() as fake:
    ...         received = asyncio.Event()
    ...         async def on_event(event: RecordEvent) -> None:
    ...             print(event)
    ...             received.set()
    ...         async with await subscribe(fake.client.collection("posts"), "*", on_event):
    ...             fake.push("posts", "create", {"id": "a"})
    ...             await received.wait()
    >>> asyncio.run(main())
    RecordEvent(create on 'posts/*', id='a')
    """
    if not callable(callback):
        raise TypeError(f"the callback must be callable, not {type(callback).__name__}")
    check_seconds("timeout", timeout)
    inbox, wait, owner = _attach(source, topic, size, overflow, {**options})
    try:
        await off_loop(partial(wait, timeout))
    except BaseException:  # a cancellation, too
        inbox.close()
        raise
    name = topic if isinstance(source, Realtime) else f"{source.name}/{topic}"
    task = asyncio.create_task(_deliver(inbox, callback, topic), name=name)
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
