"""Lines about the connection on stderr: one for each loss and each return, and no more."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reactivex import operators as ops

from rxbosbase.cli.console import complain
from rxbosbase.client import BosBase
from rxbosbase.realtime.session.status import Status

__all__ = ["ConnectionMessages", "next_messages", "print_connection_changes"]


@dataclass(frozen=True, slots=True)
class ConnectionMessages:
    """How far the story has got.

    Attributes:
        line: what to say now; "" for nothing.
        was_active: the connection has been active before.
        lost_at: when it was lost, in seconds since the epoch; None while it is not.
    """

    line: str = ""
    was_active: bool = False
    lost_at: float | None = None


def next_messages(tale: ConnectionMessages, status: Status) -> ConnectionMessages:
    """The story after `status`; made for ``ops.scan(next_messages, ConnectionMessages())``.

    The server's routine closes are not told, nor the second and later attempts of an outage.

    >>> next_messages(ConnectionMessages(), Status("active")).line
    'listening'
    """
    quiet = replace(tale, line="")
    if status.state == "active":
        if not tale.was_active:
            return ConnectionMessages("listening", was_active=True)
        if tale.lost_at is not None:
            gap = status.since - tale.lost_at
            missed = "what happened in between was not sent"
            return ConnectionMessages(
                f"connected again after {gap:.1f} s; {missed}", was_active=True
            )
    elif status.state == "waiting" and tale.lost_at is None:
        turn = "connection lost, reconnecting" if tale.was_active else "no connection, still trying"
        because = f": {status.error}" if status.error is not None else ""
        return replace(tale, line=f"{turn}{because}", lost_at=status.since)
    elif status.state == "failed":
        return replace(tale, line=f"gave up after {status.attempt} attempts: {status.error}")
    return quiet


def print_connection_changes(client: BosBase, what: str, *, catches_up: bool = False) -> None:
    """Prints these lines until the client is closed.

    Args:
        what: what the command listens to, and where.
        catches_up: a live view reads what an outage hid, so that no line warns of a gap.
    """

    def line_of(tale: ConnectionMessages) -> str:
        line = tale.line.partition("; what happened")[0] if catches_up else tale.line
        return f"{line} {what}; Ctrl-C ends" if line == "listening" else line

    client.realtime.status.pipe(
        ops.scan(next_messages, ConnectionMessages()), ops.map(line_of), ops.filter(bool)
    ).subscribe(complain)
