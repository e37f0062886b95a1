"""Submitting topics: when a burst of changes is over, and what a failure means. Pure."""

from __future__ import annotations

from enum import Enum

from rxbosbase.errors import ClientClosedError, ClientResponseError

__all__ = ["CALM", "Verdict", "judge", "quiet_at"]

QUIETS_AT_MOST = 25
"""After so many times the quiet that ends a burst it is submitted although changes go on."""

PATIENCE = 5
"""By how much all that grows with each POST of one burst, twice at most: on a busy machine a burst
has pauses, and each POST opens a gap for the topics it repeats."""

CALM = 0.5
"""Seconds without a change after which the next one begins a new burst."""


def quiet_at(began: float, changed_at: float, posts: int = 0, *, quiet: float) -> float:
    """When to submit, so that a burst of changes costs one POST, or few.

    Args:
        began: when the first change came that is not submitted yet.
        changed_at: when the last one came.
        posts: how many POSTs this burst has cost so far.
        quiet: seconds without a change after which it counts as over.

    >>> quiet_at(0.0, 0.5, quiet=0.25), quiet_at(0.0, 9.5, quiet=0.25)
    (0.75, 6.25)
    """
    more: int = PATIENCE ** min(posts, 2)
    return min(changed_at + quiet * more, began + quiet * QUIETS_AT_MOST * more)


class Verdict(Enum):
    """What a failed POST means."""

    TRANSIENT = "try again on the same stream"
    DEAD = "the stream is dead or belongs to somebody else: reconnect"
    WRONG = "the server will never take these topics"
    OVER = "the stream has ended, and tells why itself"


def judge(error: Exception) -> Verdict:
    """Reads the failure by the server's own rules (the realtime endpoint's status codes).

    >>> judge(ClientResponseError(404))
    <Verdict.DEAD: 'the stream is dead or belongs to somebody else: reconnect'>
    """
    if isinstance(error, ClientResponseError):
        if error.status in (403, 404):  # another identity, or a client id that is gone
            return Verdict.DEAD
        if error.status == 400:  # too many topics, or one too long
            return Verdict.WRONG
    if isinstance(error, ClientClosedError):
        return Verdict.OVER
    return Verdict.TRANSIENT
