"""More sessions with one fault each: those that mistake a guest's stream for the login's.

As in `session_mutants`, each is the smallest possible, and its docstring has the fault.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from rxbosbase.realtime.session import commands as do
from rxbosbase.realtime.session.session import Session
from rxbosbase.realtime.session.stream_identity import StreamIdentity

__all__ = ["IDENTITY_MUTANTS"]


class TrustsAReconnection(Session):
    """Does not probe after a reconnection."""

    def opened(self, stream: object, client_id: str, now: float) -> None:
        self._dials = 1
        super().opened(stream, client_id, now)


class ProbesEachConnection(Session):
    """Probes after each connection, the first one included."""

    def opened(self, stream: object, client_id: str, now: float) -> None:
        self._dials += 1
        super().opened(stream, client_id, now)


class IgnoresTrouble(Session):
    """Does not probe after a sign of trouble."""

    def troubled(self, now: float) -> None:
        """Ignore it."""


class IgnoresEarlierTrouble(Session):
    """Does not probe after a POST that follows a sign of trouble."""

    def troubled(self, now: float) -> None:
        if self._identity.login is not None:
            super().troubled(now)
            self._identity.submits_as("", now + 1e6)


class StaysActiveInTrouble(Session):
    """Does not probe after a sign of trouble before the next POST."""

    def troubled(self, now: float) -> None:
        self._identity.is_doubted_after_trouble(now)


class AcknowledgesBeforeTheProof(Session):
    """Counts topics as acknowledged before the stream is proven to be the login's."""

    def _topics_are_set(self, version: int, topics: tuple[str, ...], now: float) -> None:
        if topics and self._identity.needs_proof:
            self._emit(do.Acknowledged(self._stream, version))
        super()._topics_are_set(version, topics, now)


class TakesAGuestForProof(Session):
    """Takes any answer of a probe as a proof."""

    def acknowledged(self, post: do.Post, now: float) -> None:
        if post.is_probe and self._finish_post(post, now):
            self._identity.proven()
            self._set_acknowledged(post.version, now)
        else:
            super().acknowledged(post, now)


class EndsAProvenStream(Session):
    """Takes the 403 of a probe for that of a POST."""

    def refused(
        self, post: do.Post, error: Exception, identity: str | Exception, now: float
    ) -> None:
        if self._post is post and post.is_probe:
            post = self._post = do.Post(post.stream, post.version, post.topics)
        super().refused(post, error, identity, now)


class LeavesTopicsToTheGuest(Session):
    """Does not submit the topics again that the server has as a guest's."""

    def acknowledged(self, post: do.Post, now: float) -> None:
        super().acknowledged(post, now)
        if post.is_probe:
            self._pending = False


class HidesTheGap(Session):
    """Does not report that the server had the topics as a guest's."""

    def acknowledged(self, post: do.Post, now: float) -> None:
        super().acknowledged(post, now)
        if post.is_probe:
            self.commands = _without(do.Gap, self.commands)


class HidesTheGuest(Session):
    """Does not report that the server takes the stream for a guest's."""

    def acknowledged(self, post: do.Post, now: float) -> None:
        super().acknowledged(post, now)
        self.commands = _without(do.Unidentified, self.commands)


def _without(kind: type[do.Command], commands: deque[do.Command]) -> deque[do.Command]:
    return deque(each for each in commands if not isinstance(each, kind))


class SubmitsAgainAtOnce(Session):
    """Does not wait before it submits the topics again that the server has as a guest's."""

    def acknowledged(self, post: do.Post, now: float) -> None:
        super().acknowledged(post, now)
        if post.is_probe:
            self._backoff.until = now


class NeverWaitsLonger(Session):
    """Waits no longer however often the server has the topics as a guest's."""

    def acknowledged(self, post: do.Post, now: float) -> None:
        if not post.is_probe:
            self._backoff.succeeded()
        super().acknowledged(post, now)


class ProbesWhatIsWanted(Session):
    """Probes with the topics that are wanted by now, which may not be the server's."""

    def _send(self, version: int, topics: tuple[str, ...], *, is_probe: bool = False) -> None:
        topics = self._wanted.topics() if is_probe else topics
        super()._send(version, topics, is_probe=is_probe)


class ProbesDuringAPost(Session):
    """Does not wait for the answer of a POST before it probes."""

    def troubled(self, now: float) -> None:
        post, self._post = self._post, None
        super().troubled(now)
        self._post = post if self._identity.login is None else None


class ProvesTheNextStream(Session):
    """Takes the answer to a probe for the newest stream, whichever it was for."""

    def refused(
        self, post: do.Post, error: Exception, identity: str | Exception, now: float
    ) -> None:
        if post.is_probe and getattr(error, "status", 0) == 403:
            self._identity.proven()
        super().refused(post, error, identity, now)


class _KeepsProof(StreamIdentity):
    def forget(self) -> None:
        is_proven = self._is_proven
        super().forget()
        self._is_proven = is_proven


class _ForgetsProof(StreamIdentity):
    def proven(self) -> None:
        self._is_doubtful = False

    def submits_as(self, login: str, now: float) -> None:
        super().submits_as(login, now)
        self._is_doubtful = True


class _DoubtsGuests(StreamIdentity):
    @property
    def needs_proof(self) -> bool:
        return self.login is not None and self._is_doubtful and not self._is_proven


class KeepsTheProof(Session):
    """Takes the proof of a stream for one of those after it."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._identity = _KeepsProof()


class ForgetsTheProof(Session):
    """Probes after each POST."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._identity = _ForgetsProof()


class ProbesGuests(Session):
    """Probes the streams of guests, too."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._identity = _DoubtsGuests()


IDENTITY_MUTANTS: tuple[type[Session], ...] = (
    TrustsAReconnection, ProbesEachConnection, IgnoresTrouble, IgnoresEarlierTrouble,
    StaysActiveInTrouble, AcknowledgesBeforeTheProof, TakesAGuestForProof, EndsAProvenStream,
    LeavesTopicsToTheGuest, HidesTheGap, HidesTheGuest, SubmitsAgainAtOnce, NeverWaitsLonger,
    ProbesWhatIsWanted, ProbesDuringAPost, ProvesTheNextStream, KeepsTheProof, ForgetsTheProof,
    ProbesGuests,
)  # fmt: skip
