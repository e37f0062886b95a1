"""The commands of a `Session` to its driver: pure values. `stream` is the driver's object."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

from .lifecycle import Signal

__all__ = (
    "Abandon", "Acknowledged", "Command", "EndStream", "Failed", "Gap", "Lost", "Post", "Publish",
    "Refused", "RetryNow", "Start", "Stop", "Unidentified", "Unwanted", "WakeAt",
)  # fmt: skip


class Start(Struct, frozen=True):
    """Subscribe the pipeline; its inputs carry the number of this run."""

    run: int


class Stop(Struct, frozen=True):
    """Dispose the pipeline."""


class RetryNow(Struct, frozen=True):
    """End the pipeline's wait, if it waits, and connect at once."""


class Abandon(Struct, frozen=True):
    """Do not open this stream: its pipeline is disposed already."""

    stream: Any


class EndStream(Struct, frozen=True):
    """End this stream, or the attempt to open it: as routine, or with an error."""

    stream: Any
    error: Exception | None = None


class Post(Struct, frozen=True, eq=False):
    """Submit these topics on this stream: the wanted set of `version`.

    With `is_probe`, without the token: the same topics again, to learn whose the stream is. With
    `asks`, over a new connection, for the so many-th time: the one before reached another server
    (`misrouting`).
    """

    stream: Any
    version: int
    topics: tuple[str, ...]
    is_probe: bool = False
    asks: int = 0


class WakeAt(Struct, frozen=True):
    """Call `tick` at this time."""

    due: float


class Publish(Struct, frozen=True):
    """Publish the status, which `signal` has changed; without one, only the wanted set changed."""

    signal: Signal | None = None


class Acknowledged(Struct, frozen=True):
    """The server has the wanted set up to `version` on this stream."""

    stream: Any
    version: int


class Gap(Struct, frozen=True):
    """The open stream has ended, for any reason, or it is a guest's: events may be missing."""


class Unidentified(Struct, frozen=True):
    """The server takes the open stream for a guest's, though it carries the topics of a login."""


class Lost(Struct, frozen=True):
    """The open stream ended otherwise than by routine."""


class Unwanted(Struct, frozen=True):
    """The open stream was ended, since no topic is wanted any more."""


class Refused(Struct, frozen=True):
    """The server refuses the topics of version `upto` for good; it accepted those up to `since`."""

    since: int
    upto: int
    error: Exception


class Failed(Struct, frozen=True):
    """The attempts are used up."""

    error: Exception


Command: TypeAlias = (
    Start | Stop | RetryNow | Abandon | EndStream | Post | WakeAt | Publish | Acknowledged | Gap
    | Unidentified | Lost | Unwanted | Refused | Failed
)  # fmt: skip
