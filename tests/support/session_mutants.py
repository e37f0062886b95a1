"""Sessions with one fault each, which the stories have to find."""

from __future__ import annotations

from typing import Any

from rxbosbase.realtime.session.commands import Post
from rxbosbase.realtime.session.lifecycle import Signal, State
from rxbosbase.realtime.session.session import Session

__all__ = ["MUTANTS"]


class PostsTwice(Session):
    """Does not wait for the answer of the POST before."""

    def tick(self, identity: str | Exception, now: float) -> None:
        post, self._post = self._post, None
        super().tick(identity, now)
        self._post = self._post or post


class ForgetsChangesOfAPost(Session):
    """Drops what changes while a POST is in flight."""

    def _touch(self, now: float, *, urgent: bool = False) -> None:
        if self._post is None:
            super()._touch(now, urgent=urgent)

    def _took(self, version: int, now: float) -> None:
        super()._took(self._wanted.version, now)


class BelievesAnEndedStream(Session):
    """Takes the answer of a POST for the newest stream, whichever it was for."""

    def _is_answered(self, post: Post, now: float) -> bool:
        return super()._is_answered(post, now) or (self.is_open and not self._is_stale)


class KeepsWhatAStreamHeld(Session):
    """Takes a new stream for one that has the topics of the stream before."""

    def _forget_stream(self) -> None:
        held = self.held
        super()._forget_stream()
        self.held = held


class ForgetsTheRenewedToken(Session):
    """Takes the answer of a POST for one under the token that was renewed meanwhile."""

    def _is_answered(self, post: Post, now: float) -> bool:
        self._is_stale = False
        return super()._is_answered(post, now)

    def acknowledged(self, post: Post, now: float) -> None:
        self._pending = False
        super().acknowledged(post, now)


class KeepsAStrangersStream(Session):
    """Submits the topics of the next login on the stream of the one before."""

    def identity_changed(self, identity: str, now: float) -> None:
        if self._submitted_as is not None:
            self._submitted_as = identity
        super().identity_changed(identity, now)

    def _doom(self, error: Exception | None) -> None:
        """The server refuses it, which is not looked at."""


class GivesUpAfterAFailedPost(Session):
    """Does not repeat a POST that failed."""

    def refused(self, post: Post, error: Exception, identity: str | Exception, now: float) -> None:
        super().refused(post, error, identity, now)
        self._pending = False


class PostsOnADoomedStream(Session):
    """Goes on with a stream that it has told to end."""

    def _doom(self, error: Exception | None) -> None:
        super()._doom(error)
        self._is_doomed = False


class SleepsThroughAnEarlyTick(Session):
    """Takes a tick that comes too early for the one it has asked for."""

    def tick(self, identity: str | Exception, now: float) -> None:
        if self._pending and self._post is None and self._due(now) > now:
            self._pending = False
        super().tick(identity, now)


class KeepsThePipeline(Session):
    """Does not stop the pipeline when the last topic goes."""

    def _leave(self) -> None:
        pass


class LivesOn(Session):
    """Goes on when the client has closed."""

    def closed(self) -> None:
        super().closed()
        self._pending = True


class HeedsAStoppedPipeline(Session):
    """Takes a former pipeline for its own."""

    def lost(self, run: int, attempt: int, retry_in: float, error: Exception) -> None:
        if self.status.state in (State.CONNECTING, State.CONNECTED, State.ACTIVE):
            run = self._run or run
        super().lost(run, attempt, retry_in, error)


class ForgetsARoutineEnd(Session):
    """Takes the stream behind a routine end for the one before."""

    def dialled(self, run: int, stream: object) -> None:
        if self.status.state is State.ACTIVE and run == self._run:
            self._stream = stream
        else:
            super().dialled(run, stream)


class IgnoresChangesWhileActive(Session):
    """Stays active, whatever is wanted."""

    def _note(self, signal: Signal, **changes: Any) -> None:
        if signal is Signal.CHANGED:
            self._pending = False
            return
        super()._note(signal, **changes)


MUTANTS: tuple[type[Session], ...] = (
    PostsTwice, ForgetsChangesOfAPost, BelievesAnEndedStream, KeepsWhatAStreamHeld,
    ForgetsTheRenewedToken, KeepsAStrangersStream, GivesUpAfterAFailedPost, PostsOnADoomedStream,
    SleepsThroughAnEarlyTick, KeepsThePipeline, LivesOn, HeedsAStoppedPipeline, ForgetsARoutineEnd,
    IgnoresChangesWhileActive,
)  # fmt: skip
