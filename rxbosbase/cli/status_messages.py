"""Messages about the connection on stderr: one for each loss and one for each reconnect."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reactivex import operators as ops

from rxbosbase.client import BosBase
from rxbosbase.realtime.session.status import Status

from .console import write_error

__all__ = ("ConnectionMessages", "next_messages", "print_connection_changes")


@dataclass(frozen=True, slots=True)
class ConnectionMessages:
    """The newest message, and the state from which the next one is made.

    Attributes:
        line: the message to show now; "" for none.
        was_active: the connection has been active before.
        lost_at: when it was lost, in seconds since the epoch; None while it is not lost.
    """

    line: str = ""
    was_active: bool = False
    lost_at: float | None = None


def next_messages(messages: ConnectionMessages, status: Status) -> ConnectionMessages:
    """Return the state after `status`; use ``ops.scan(next_messages, ConnectionMessages())``.

    The server's regular closes give no message, nor do the later attempts of an outage.

    >>> next_messages(ConnectionMessages(), Status("active")).line
    'listening'
    """
    silent = replace(messages, line="")
    if status.state == "active":
        if not messages.was_active:
            return ConnectionMessages("listening", was_active=True)
        if messages.lost_at is not None:
            gap = status.since - messages.lost_at
            missed = "what happened in between was not sent"
            return ConnectionMessages(
                f"connected again after {gap:.1f} s; {missed}", was_active=True
            )
    elif status.state == "waiting" and messages.lost_at is None:
        loss = (
            "connection lost, reconnecting"
            if messages.was_active
            else "no connection, still trying"
        )
        because = f": {status.error}" if status.error is not None else ""
        return replace(messages, line=f"{loss}{because}", lost_at=status.since)
    elif status.state == "failed":
        return replace(messages, line=f"gave up after {status.attempt} attempts: {status.error}")
    return silent


def print_connection_changes(client: BosBase, what: str, *, catches_up: bool = False) -> None:
    """Print these messages to stderr until the client is closed.

    Args:
        what: the collections and the server, for the message "listening".
        catches_up: a live view reads what changed during an outage, so no message warns of it.
    """

    def line_of(messages: ConnectionMessages) -> str:
        line = messages.line.partition("; what happened")[0] if catches_up else messages.line
        return f"{line} {what}; Ctrl-C ends" if line == "listening" else line

    client.realtime.status.pipe(
        ops.scan(next_messages, ConnectionMessages()),
        ops.map(line_of),
        ops.filter(lambda line: line != ""),
    ).subscribe(write_error)
