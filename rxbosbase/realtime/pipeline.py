"""Reconnection, as a pipeline anyone can read and reuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable, abc
from reactivex import operators as ops

from rxbosbase.errors import StreamLostError

from .connection import Batch, Connection, Opened, connect
from .reconnect import BackoffPolicy, retry_with_backoff

__all__ = ["reconnecting"]


def reconnecting(
    dial: Callable[[], Connection],
    policy: BackoffPolicy,
    *,
    scheduler: abc.SchedulerBase,
    on_wait: Callable[[int, float, Exception], None],
    wake: Observable[Any],
) -> Observable[Opened | Batch]:
    """The whole of reconnection: one connection, tried again after a fault, begun anew at its end.

    A routine end completes the connection, and `repeat` dials the next one at once with a fresh
    count of failures. An error waits as `policy` says.
    """
    return connect(dial).pipe(
        retry_with_backoff(
            policy, scheduler=scheduler, resets=_was_healthy, on_wait=on_wait, wake=wake
        ),
        ops.repeat(),
    )


def _was_healthy(error: Exception) -> bool:
    return isinstance(error, StreamLostError) and error.healthy
