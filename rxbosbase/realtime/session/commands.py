"""What a `Session` asks of its driver: pure values. A stream is what the driver means by one."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

from .lifecycle import Signal

__all__ = [
    "Abandon", "Acknowledged", "Command", "Failed", "Gap", "HangUp", "Hurry", "Left", "Lost",
    "Post", "Publish", "Refused", "Start", "Stop", "WakeAt",
]  # fmt: skip


class Start(Struct, frozen=True):
    """Subscribe the pipeline; its inputs carry the number of this run."""

    run: int


class Stop(Struct, frozen=True):
    """Dispose the pipeline."""


class Hurry(Struct, frozen=True):
    """Cut a wait of the pipeline short."""


class Abandon(Struct, frozen=True):
    """This stream was dialled in vain: its pipeline is disposed already."""

    stream: Any


class HangUp(Struct, frozen=True):
    """End this stream, or the attempt to open it: as routine, or with an error."""

    stream: Any
    error: Exception | None = None


class Post(Struct, frozen=True, eq=False):
    """Submit these topics on this stream: they are the wanted set of `version`."""

    stream: Any
    version: int
    topics: tuple[str, ...]


class WakeAt(Struct, frozen=True):
    """Call `tick` at this time."""

    due: float


class Publish(Struct, frozen=True):
    """Show the status, which `signal` has changed; without one, the wanted set alone."""

    signal: Signal | None = None


class Acknowledged(Struct, frozen=True):
    """The server has the wanted set up to `version` on this stream."""

    stream: Any
    version: int


class Gap(Struct, frozen=True):
    """The open stream has ended, by whatever cause: events may be missing from here on."""


class Lost(Struct, frozen=True):
    """The open stream ended otherwise than by routine."""


class Left(Struct, frozen=True):
    """The open stream was ended, since no topic is wanted any more."""


class Refused(Struct, frozen=True):
    """The server will never take the topics of version `upto`; up to `since` it took them."""

    since: int
    upto: int
    error: Exception


class Failed(Struct, frozen=True):
    """The attempts are used up."""

    error: Exception


Command: TypeAlias = (
    Start | Stop | Hurry | Abandon | HangUp | Post | WakeAt | Publish | Acknowledged | Gap | Lost
    | Left | Refused | Failed
)  # fmt: skip
