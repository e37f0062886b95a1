"""When changed topics are submitted, and what a failed POST means. Pure.

Source: PocketBase, ``apis/realtime.go``, ``realtimeSetSubscriptions`` (the status codes).
"""

from __future__ import annotations

from enum import Enum

from rxbosbase.errors import ClientClosedError, ClientResponseError

__all__ = ("Burst", "Verdict", "classify", "submit_at")

MAX_QUIETS = 25
"""A burst of changes is submitted at the latest this many quiet times after its first change."""

GROWTH = 5
"""The factor by which both times grow with each POST of one burst, at most twice: on a busy machine
a burst has pauses, and each POST opens a gap for the topics that it repeats."""

BURST_END = 0.5
"""Seconds without a change after which the next one begins a new burst."""


def submit_at(began: float, changed_at: float, posts: int = 0, *, quiet: float) -> float:
    """Return when to submit, so that a burst of changes needs one POST, or few.

    Args:
        began: the time of the first change that is not submitted yet.
        changed_at: the time of the last one.
        posts: the POSTs of this burst so far.
        quiet: seconds without a change after which a burst counts as over.

    >>> submit_at(0.0, 0.5, quiet=0.25), submit_at(0.0, 9.5, quiet=0.25)
    (0.75, 6.25)
    """
    more: int = GROWTH ** min(posts, 2)
    return min(changed_at + quiet * more, began + quiet * MAX_QUIETS * more)


class Burst:
    """The changes of the wanted set that follow one another.

    Args:
        quiet: as for `submit_at`.

    Attributes:
        posts: the POSTs of this burst so far.
    """

    def __init__(self, quiet: float) -> None:
        self.posts = 0
        self._quiet = quiet
        self._began = self._changed_at = 0.0

    def changed(self, now: float, *, is_first: bool) -> None:
        """Note a change; `is_first` if all changes before it were submitted."""
        if now - self._changed_at > BURST_END:
            self.posts = 0
        self._changed_at = now
        if is_first:
            self._began = now

    @property
    def due(self) -> float:
        """The time at which to submit."""
        return submit_at(self._began, self._changed_at, self.posts, quiet=self._quiet)


class Verdict(Enum):
    """What a failed POST means."""

    TRANSIENT = "try again on the same stream"
    IDENTIFIED = "the stream has an identity, that of the login"
    UNKNOWN = "the server that answered does not know the stream: ask again, then reconnect"
    DEAD = "the stream belongs to another login: reconnect"
    INVALID = "the server refuses these topics for good"
    ENDED = "the stream has ended, and reports the reason itself"


def classify(error: Exception, *, is_probe: bool = False) -> Verdict:
    """Classify a failed POST by the status codes of the server's realtime endpoint.

    A status with a body that is not the server's own JSON, such as a proxy's page, is transient.

    Args:
        is_probe: the POST was made without the token, with topics that the server has.

    >>> classify(ClientResponseError(404)).name
    'UNKNOWN'
    >>> classify(ClientResponseError(403), is_probe=True)
    <Verdict.IDENTIFIED: 'the stream has an identity, that of the login'>
    """
    if isinstance(error, ClientResponseError) and error.original is None:
        if is_probe and error.status == 403:  # an identity, which is not that of a guest
            return Verdict.IDENTIFIED
        if error.status == 403:  # another identity
            return Verdict.DEAD
        if error.status == 404:  # an unknown client id
            return Verdict.UNKNOWN
        if error.status == 400 and not is_probe:  # too many topics, or one too long
            return Verdict.INVALID
    if isinstance(error, ClientClosedError):
        return Verdict.ENDED
    return Verdict.TRANSIENT
