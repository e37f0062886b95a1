"""The states of one connection, and their transitions as one table.

A connection is *idle* until a topic is wanted, *connecting* until the server has given it a
client id, *connected* while the server's set is not yet the wanted set, or the stream may be a
guest's instead of the login's, and *active* otherwise. After a loss it is *waiting*; not after the
server's routine closes. A transition that is not in the table is a defect, and raises.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ("OPEN_STATES", "TRANSITIONS", "IllegalTransition", "Signal", "State", "transition")


class State(StrEnum):
    """The state of a connection; the values of ``Status.state``."""

    IDLE = "idle"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    ACTIVE = "active"
    WAITING = "waiting"
    FAILED = "failed"
    CLOSED = "closed"


class Signal(StrEnum):
    """What can happen to a connection."""

    WANTED = "a topic is wanted"
    OPENED = "the server gave a client id"
    ACKNOWLEDGED = "the server acknowledged the wanted set"
    REFUSED = "a POST failed, and is repeated"
    CHANGED = "the wanted set changed"
    DOUBTED = "the stream may be a guest's"
    RENEWED = "routine close or renewal"
    LOST = "lost or refused"
    RETRIED = "the wait is over"
    EXHAUSTED = "max_attempts used up"
    UNWANTED = "no topics left"
    CLOSED = "client closed"


_RUNNING = (State.CONNECTING, State.CONNECTED, State.ACTIVE, State.WAITING)

OPEN_STATES = (State.CONNECTED, State.ACTIVE)
"""There is a stream with a client id."""

TRANSITIONS: dict[tuple[State, Signal], State] = {
    (State.IDLE, Signal.WANTED): State.CONNECTING,
    (State.FAILED, Signal.WANTED): State.CONNECTING,
    (State.CONNECTING, Signal.OPENED): State.CONNECTED,
    (State.CONNECTED, Signal.ACKNOWLEDGED): State.ACTIVE,
    (State.CONNECTED, Signal.REFUSED): State.CONNECTED,
    (State.ACTIVE, Signal.CHANGED): State.CONNECTED,
    (State.ACTIVE, Signal.DOUBTED): State.CONNECTED,
    (State.CONNECTING, Signal.RENEWED): State.CONNECTING,
    (State.CONNECTED, Signal.RENEWED): State.CONNECTING,
    (State.ACTIVE, Signal.RENEWED): State.CONNECTING,
    (State.CONNECTING, Signal.LOST): State.WAITING,
    (State.CONNECTED, Signal.LOST): State.WAITING,
    (State.ACTIVE, Signal.LOST): State.WAITING,
    (State.WAITING, Signal.RETRIED): State.CONNECTING,
    **{(state, Signal.EXHAUSTED): State.FAILED for state in _RUNNING},
    **{(state, Signal.UNWANTED): State.IDLE for state in _RUNNING},
    **{(state, Signal.CLOSED): State.CLOSED for state in State if state is not State.CLOSED},
}


class IllegalTransition(AssertionError):
    """A signal in a state in which it cannot happen: a defect of this library, not of its user."""


def transition(state: State, signal: Signal) -> State:
    """Return the state after `signal`.

    Raises:
        IllegalTransition: the table has no such transition.

    >>> transition(State.CONNECTING, Signal.OPENED).value
    'connected'
    """
    try:
        return TRANSITIONS[state, signal]
    except KeyError:
        raise IllegalTransition(f"{signal.name} in state {state.value!r}") from None
