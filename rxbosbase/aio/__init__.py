"""The library's streams for asyncio: ``from rxbosbase import aio``.

::

    async with aio.events(posts.observe("*")) as events:
        async for event in events:
            print(event.action, event.record["id"])

`events`, `first` and `for_each` take any `Observable`; `live` and `subscribe` take a collection.
All run in a loop that is running already, a notebook's too, and none ever blocks it: values come
from the library's threads, one wake-up of the loop for as many as have gathered. Where asyncio runs
no loop, as under trio, each is a `RuntimeError` that says so.
"""

from __future__ import annotations

from rxbosbase.operators.bounded_observe_on import BufferOverflowError, Overflow

from ._events import AsyncEvents, events, first, for_each
from ._live import AsyncLiveView, live
from ._subscribe import AsyncSubscription, SubscribeOptions, subscribe

__all__ = (
    "AsyncEvents",
    "AsyncLiveView",
    "AsyncSubscription",
    "BufferOverflowError",
    "Overflow",
    "SubscribeOptions",
    "events",
    "first",
    "for_each",
    "live",
    "subscribe",
)
