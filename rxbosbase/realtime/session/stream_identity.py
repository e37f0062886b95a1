"""Whether the open stream has the identity of the login whose topics it carries. Pure.

A server that cannot look up a token, because its database is away, accepts the POST of topics all
the same (204), and takes the stream for a guest's: events under auth rules are not sent to it. A
POST of the same topics without a token, a probe, shows it (measured on PocketBase 0.23 to 0.40, and
on BosBase):

- 403: the stream has an identity, and keeps it. Nothing has changed.
- 204: the stream is a guest's.

Each 403 is an error in the server's log. So the first stream is not probed unless there is a sign
of trouble; streams after it are, since whatever ended the one before may still go on.
"""

from __future__ import annotations

from math import inf

__all__ = ("IS_A_GUESTS", "TROUBLE_MEMORY", "StreamIdentity")

TROUBLE_MEMORY = 60.0
"""Seconds for which a sign of trouble casts doubt on the POSTs that follow."""

PATIENCE = 30.0
"""Seconds for which a stream that is a guest's is repaired at the usual pace …"""

LONG_WAIT = 10.0
"""… and the wait in seconds from then on: the login may not be valid any more."""

IS_A_GUESTS = (
    "the server takes this stream for a guest's: it cannot look up the login now, or does not "
    "accept it any more"
)


class StreamIdentity:
    """What is known of the identity of one stream after the other.

    Attributes:
        login: whose topics the stream has, "" for a guest's; None before its first POST.

    >>> identity = StreamIdentity()
    >>> identity.submits_as("users/ada", now=0.0)
    >>> identity.needs_proof, identity.is_doubted_after_trouble(now=5.0), identity.needs_proof
    (False, True, True)
    >>> identity.proven()
    >>> identity.needs_proof
    False
    """

    def __init__(self) -> None:
        self.login: str | None = None
        self._is_doubtful = False
        self._is_proven = False
        self._troubled_at = -inf
        self._guest_since = self._guest_at = -inf  # the first and last of the answers in a row …
        self._guest_login: str | None = None  # … that took this login for a guest

    @property
    def needs_proof(self) -> bool:
        """True if the stream may be a guest's, though it carries the topics of a login."""
        return bool(self.login) and self._is_doubtful and not self._is_proven

    def forget(self) -> None:
        """Clear what is known of the stream, which has ended."""
        self.login = None
        self._is_doubtful = self._is_proven = False

    def doubt(self) -> None:
        """Doubt the new stream, since it follows another one, or a failed attempt."""
        self._is_doubtful = True

    def submits_as(self, login: str, now: float) -> None:
        """Note a POST of topics with the token of `login`, "" for none."""
        if self.login is None:
            self.login = login
        if now - self._troubled_at < TROUBLE_MEMORY:
            self._is_doubtful = True

    def is_doubted_after_trouble(self, now: float) -> bool:
        """Note a sign of trouble; return True if it makes a POST of this stream doubtful.

        A proven identity stays: a POST that is taken for a guest's is refused then.
        """
        self._troubled_at = now
        if self.login is None or self.needs_proof:
            return False
        self._is_doubtful = True
        return self.needs_proof

    def taken_for_guest(self, now: float) -> float:
        """Note that the server takes the stream for a guest's; return the seconds to wait at least
        until the topics are submitted again."""
        if self.login != self._guest_login or now - self._guest_at > TROUBLE_MEMORY:
            self._guest_login, self._guest_since = self.login, now
        self._guest_at = now
        return LONG_WAIT if now - self._guest_since >= PATIENCE else 0.0

    def proven(self) -> None:
        """Note that the stream has an identity."""
        self._is_proven = True
        self._guest_at = -inf
