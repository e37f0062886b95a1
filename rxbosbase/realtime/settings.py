"""What all connections of a client are made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rxbosbase.runtime.loop import Loop
from rxbosbase.runtime.network import Transport

from .reconnect import BackoffPolicy

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The means and the limits of every connection.

    Attributes:
        transport: where the server is.
        control: runs what connects and submits, one thing at a time.
        delivery: runs user code.
        policy: how long to wait between attempts.
        idle_timeout: seconds a stream may be silent before it is renewed.
        max_event_bytes: a larger event is skipped.
        identity: who is logged in now.
        quiet: seconds without a change after which a burst of changes counts as over.
    """

    transport: Transport
    control: Loop
    delivery: Loop
    policy: BackoffPolicy
    idle_timeout: float
    max_event_bytes: int
    identity: Callable[[], str]
    quiet: float
