"""The public status of the connections: one immutable value, computed from the sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from rxbosbase.encoding.control_characters import short_repr
from rxbosbase.encoding.unreadable import UnreadableRecord

from .lifecycle import State

__all__ = ("SessionStatus", "StateName", "Status", "summarize")

StateName = Literal["idle", "connecting", "connected", "active", "waiting", "failed", "closed"]

# From the worst to the best: the status of several connections is that of the worst.
_SEVERITY = (
    State.CLOSED,
    State.FAILED,
    State.WAITING,
    State.CONNECTING,
    State.CONNECTED,
    State.ACTIVE,
    State.IDLE,
)


class Status(msgspec.Struct, frozen=True):
    """The state of a client's realtime connections at one moment, those of live views included: the
    worst of them, and all their topics.

    Attributes:
        state: ``"idle"`` (nothing wanted), ``"connecting"``, ``"connected"`` (stream open, the
            topics not all acknowledged yet), ``"active"`` (all acknowledged), ``"waiting"`` (for
            the next attempt), ``"failed"`` (attempts used up) or ``"closed"``.
        client_id: the id that the server gave the first connection, "" while there is none.
        attempt: how many attempts in a row have failed.
        retry_in: seconds from `since` until the next attempt; None unless waiting.
        error: why the last attempt failed, or which event was last skipped; None after a success.
            A `SameNodeError` while two of `nodes` are one server. An `AuthLostError` when the login
            was lost, until the next login. Else why a live view cannot read, or a topic cannot be
            checked, until it can.
        topics: the wanted topics as the server knows them, options included.
        since: when this state began, in seconds since the epoch.
        unreadable: the records that live views of this client leave out, because a value in them is
            nested too deeply to be decoded, or because they are larger than an answer may be; at
            most 100.
        nodes: with ``nodes=``, the state of the connections to each, by its address: the worst of
            them, ``"idle"`` while there are none. Empty without.

    >>> with FakeRealtime() as fake:
    ...     _ = fake.client.collection("posts").observe("*").subscribe()
    ...     fake.drop()
    ...     status = fake.client.realtime.status.value
    ...     status.state, status.attempt, status.retry_in
    ('waiting', 1, 0.2)
    """

    state: StateName = "idle"
    client_id: str = ""
    attempt: int = 0
    retry_in: float | None = None
    error: BaseException | None = None
    topics: tuple[str, ...] = ()
    since: float = 0.0
    unreadable: tuple[UnreadableRecord, ...] = ()
    nodes: Mapping[str, StateName] = {}  # a new dict for each status, as msgspec defines

    def __hash__(self) -> int:
        return hash((self.state, self.client_id, self.attempt, self.topics, self.since))

    def __repr__(self) -> str:
        # Without the topics: they may be a thousand.
        hidden = ("topics",) if self.nodes else ("topics", "nodes")
        names = (name for name in self.__struct_fields__ if name not in hidden)
        values = (f"{name}={short_repr(getattr(self, name), 200)}" for name in names)
        return f"Status({', '.join(values)})"


class SessionStatus(msgspec.Struct, frozen=True):
    """The status of one connection."""

    state: State = State.IDLE
    client_id: str = ""
    attempt: int = 0
    retry_in: float | None = None
    error: BaseException | None = None
    since: float = 0.0


def summarize(
    sessions: Sequence[SessionStatus],
    topics: tuple[str, ...],
    nodes: Mapping[str, StateName],
) -> Status:
    """Return the status of several connections: that of the worst, with the client id of the first.

    Args:
        sessions: the status of each, of one at least.
        topics: all their topics.
        nodes: the state of each node; empty without ``nodes=``.

    >>> summarize([SessionStatus(State.ACTIVE), SessionStatus(State.WAITING)], (), {}).state
    'waiting'
    """
    worst = min(sessions, key=_severity)
    return Status(
        state=worst.state.value,
        client_id=sessions[0].client_id,
        attempt=worst.attempt,
        retry_in=worst.retry_in,
        error=worst.error,
        topics=topics,
        since=worst.since,
        nodes=nodes,
    )


def worst_of(sessions: Iterable[SessionStatus]) -> StateName:
    """Return the state of the worst connection, ``"idle"`` for none.

    >>> worst_of([SessionStatus(State.ACTIVE), SessionStatus(State.CONNECTED)])
    'connected'
    """
    worst: StateName = min(sessions, key=_severity, default=SessionStatus()).state.value
    return worst


def _severity(session: SessionStatus) -> int:
    return _SEVERITY.index(session.state)
