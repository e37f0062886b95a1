"""The server of the session's simulation: its streams, and whose they are.

The server may be unable to look up the token of a POST: it then serves it as a guest's. A POST of
the same topics without a token, a probe, shows whose the stream is. A `Stream` also notes what the
session does with it, and checks that against what is true.
"""

from __future__ import annotations

from rxbosbase.errors import ClientResponseError
from rxbosbase.realtime.session import commands as do

__all__ = ["DELAYS", "Broken", "Stream"]

DELAYS = (1.0, 2.0, 4.0)
"""Seconds to wait after so many failed POSTs in a row, the last for all further ones."""


class Broken(AssertionError):
    """The session has broken a promise."""


class Stream:
    """One stream, as the server sees it.

    Attributes:
        owner: whose it is: "" a guest's, None before the first POST.
        submitted_as: with whose token its first POST was sent.
        has_sign: there was a sign of trouble, shortly before a POST or after it.
        may_have_sign: … or before it, while the stream was open.
        is_proven: a probe has shown the session that it has an identity.
        guest_answers: how many probes have shown in a row that it has none.
        lacks_report: the client has to know it, as the login may be lost.
        lacks_gap: … and its subscribers, as its topics had been acknowledged.
    """

    def __init__(self, run: int, *, is_first: bool = False) -> None:
        self.run = run
        self.is_first = is_first  # the first attempt since topics are wanted
        self.is_open = False  # the server gave it a client id
        self.is_ended = False  # unknown to the server
        self.ends: list[Exception | None] = []  # with what the client has ended it
        self.topics: frozenset[str] = frozenset()
        self.owner: str | None = None
        self.token = 0  # of the newest POST of its topics
        self.submitted_as: str | None = None
        self.has_sign = self.may_have_sign = False
        self.is_proven = False
        self.guest_answers = 0
        self.submit_not_before = 0.0
        self.is_acknowledged = False
        self.lacks_gap = self.lacks_report = False

    @property
    def needs_proof(self) -> bool:
        """True if the session has to know that it is the login's before it is active."""
        is_doubtful = self.has_sign or not self.is_first
        return is_doubtful and bool(self.submitted_as) and bool(self.topics)

    def accept(self, post: do.Post, identity: str, token: int) -> ClientResponseError | None:
        """Replace its topics by those of a POST with this token ("" is a guest), or refuse it."""
        if self.is_ended or self.ends:
            return ClientResponseError(404, "/api/realtime")
        if self.owner not in (None, "", identity):
            return ClientResponseError(403, "/api/realtime")
        if "bad" in post.topics:
            return ClientResponseError(400, "/api/realtime")
        self.owner, self.topics = identity, frozenset(post.topics)
        if not post.is_probe:
            self.token = token
        return None

    def is_mistaken(self, login: str) -> bool:
        """Return True if trouble has made it a guest's, and nothing has shown that yet."""
        return self.owner == "" != login and not self.has_sign

    def check_owner(self, login: str, token: int) -> None:
        """Raise `Broken` unless it has the newest token of this login."""
        if self.owner != login:
            raise Broken(f"the stream is {self.owner!r}'s, not {login!r}'s")
        if self.token != token:
            raise Broken("the topics were not submitted under the renewed token")

    # -- what the session does with it -----------------------------------------------------------

    def submitted(self, identity: str | None, now: float, *, has_sign: bool) -> None:
        """Note that a POST of topics begins, with this token if that is certain."""
        if now < self.submit_not_before:
            raise Broken("topics of a guest are submitted again without a pause")
        if self.submitted_as is None:
            self.submitted_as = identity
        if has_sign:
            self.has_sign = self.may_have_sign = True

    def acknowledged(self, topics: frozenset[str]) -> None:
        """Note that these topics count as acknowledged."""
        self.check_proof()
        if self.lacks_gap:
            raise Broken("events were lost on a guest's stream, and nobody was told")
        if self.topics != topics:
            raise Broken(f"the server has {set(self.topics)}, not what was wanted")
        self.is_acknowledged, self.guest_answers = True, 0

    def probed(self, error: ClientResponseError | None, wait_from: float | None) -> None:
        """Note the answer to a probe; a guest's topics are submitted again after a pause."""
        if error is not None:
            self.is_proven = error.status == 403
            return
        self.lacks_report, self.lacks_gap = True, self.is_acknowledged
        if wait_from is not None:
            self.guest_answers += 1
            wait = DELAYS[min(self.guest_answers, len(DELAYS)) - 1]
            self.submit_not_before = wait_from + wait

    def reported_as_guest(self) -> None:
        """Note that the client is told that the stream is a guest's."""
        if not self.lacks_report:
            raise Broken("a guest's stream is reported that no probe has shown")
        self.lacks_report = False

    def check_probe(self, topics: tuple[str, ...]) -> None:
        """Raise `Broken` if a probe changes the topics, or is one too many."""
        if frozenset(topics) != self.topics:
            raise Broken(f"a probe of {topics} changes the topics")
        if self.owner == "" == self.submitted_as:
            raise Broken("a guest's stream is probed")
        if self.is_proven:
            raise Broken("a stream is probed that is proven")
        if self.is_first and not self.may_have_sign:
            raise Broken("a stream is probed that no trouble makes doubtful")

    def check_proof(self) -> None:
        """Raise `Broken` if a doubtful stream counts as the login's, and was not proven."""
        if self.needs_proof and not self.is_proven:
            raise Broken("it is active on a stream that may be a guest's")
