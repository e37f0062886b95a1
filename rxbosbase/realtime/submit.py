"""Submitting topics: when a burst of changes is over, the POST, and what its failure means."""

from __future__ import annotations

import logging
from enum import Enum

from rxbosbase.errors import ClientResponseError
from rxbosbase.oneline import one_line

from .connection import PATH, Connection

__all__ = ["CALM", "Verdict", "judge", "pause", "post_topics"]

log = logging.getLogger("rxbosbase.submit")

QUIET = 0.004
"""Seconds without a change after which a burst counts as over."""

LONGEST_BURST = 0.1
"""Seconds after which it is submitted although changes go on."""

PATIENCE = 5
"""By how much both grow with each POST of one burst, twice at most: on a busy machine a burst has
pauses, and each POST opens a gap for the topics it repeats."""

CALM = 0.5
"""Seconds without a change after which the next one begins a new burst."""


def pause(now: float, began: float, last_change: float, posts: int = 0) -> float:
    """Seconds to wait before a POST, so that a burst of changes costs one, or few.

    Args:
        began: when the first change came that is not submitted yet.
        posts: how many POSTs this burst has cost so far.

    >>> pause(now=1.0, began=0.999, last_change=0.999) > 0, pause(2.0, 1.0, 1.999)
    (True, 0.0)
    """
    more: int = PATIENCE ** min(posts, 2)
    due = min(last_change + QUIET * more, began + LONGEST_BURST * more)
    return max(0.0, due - now)


class Verdict(Enum):
    """What a failed POST means."""

    TRANSIENT = "try again on the same stream"
    DEAD = "the stream is dead or belongs to somebody else: reconnect"
    WRONG = "the server will never take these topics"


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
    return Verdict.TRANSIENT


def post_topics(connection: Connection, topics: list[str]) -> None:
    """Replaces the server's whole set by `topics`. Raises what `Channel.request` raises."""
    name = one_line(connection.client_id[:100])
    log.debug("submitting %d topics for %s", len(topics), name)
    connection.channel.request(
        "POST",
        PATH,
        body={"clientId": connection.client_id, "subscriptions": topics},
        timeout=connection.post_timeout,
        only=204,  # anything else says yes to nothing: the topics would stay silent for ever
    )
