"""Sessions with one fault each, which random sequences have to find."""

from __future__ import annotations

from typing import Any

from rxbosbase.realtime.session.commands import Post
from rxbosbase.realtime.session.lifecycle import Signal, State
from rxbosbase.realtime.session.session import Session
from support.session_balancer import BALANCER_MUTANTS
from support.session_identity_mutants import IDENTITY_MUTANTS

__all__ = ["MUTANTS"]


class PostsTwice(Session):
    """Does not wait for the answer of the POST before."""

    def tick(self, identity: str | Exception, now: float) -> None:
        post, self._post = self._post, None
        super().tick(identity, now)
        self._post = self._post or post


class ForgetsChangesOfAPost(Session):
    """Drops what changes while a POST is in flight."""

    def _mark_changed(self, now: float, *, urgent: bool = False) -> None:
        if self._post is None:
            super()._mark_changed(now, urgent=urgent)

    def _set_acknowledged(self, version: int, now: float) -> None:
        super()._set_acknowledged(self._wanted.version, now)


class CountsAnswersOfEndedStreams(Session):
    """Counts the answer of a POST for the newest stream, whichever it was for."""

    def _finish_post(self, post: Post, now: float) -> bool:
        return super()._finish_post(post, now) or (self.is_open and not self._is_stale)


class KeepsTheAcknowledgedVersion(Session):
    """Keeps the acknowledged version of the previous stream for a new one."""

    def _forget_stream(self) -> None:
        version = self.acknowledged_version
        super()._forget_stream()
        self.acknowledged_version = version


class IgnoresTheRenewedToken(Session):
    """Counts the answer of a POST under a token that was renewed meanwhile."""

    def _finish_post(self, post: Post, now: float) -> bool:
        self._is_stale = False
        return super()._finish_post(post, now)

    def acknowledged(self, post: Post, now: float) -> None:
        self._pending = False
        super().acknowledged(post, now)


class KeepsTheStreamOfAnotherLogin(Session):
    """Submits the topics of a login on the stream of the previous login."""

    def identity_changed(self, identity: str, now: float) -> None:
        if self._identity.login is not None:
            self._identity.login = identity
        super().identity_changed(identity, now)

    def _abort_stream(self, error: Exception | None) -> None:
        """Ignore the server's refusal."""


class DoesNotRepeatAFailedPost(Session):
    """Does not repeat a POST that failed."""

    def refused(self, post: Post, error: Exception, identity: str | Exception, now: float) -> None:
        super().refused(post, error, identity, now)
        self._pending = False


class PostsOnAnEndingStream(Session):
    """Submits on a stream that it has ended."""

    def _abort_stream(self, error: Exception | None) -> None:
        super()._abort_stream(error)
        self._is_ending = False


class DropsTheTickAfterAnEarlyOne(Session):
    """Counts a tick before its time as the one that it has requested."""

    def tick(self, identity: str | Exception, now: float) -> None:
        if self._pending and self._post is None and self._due(now) > now:
            self._pending = False
        super().tick(identity, now)


class KeepsThePipeline(Session):
    """Does not stop the pipeline when the last topic is removed."""

    def _end_unwanted(self) -> None:
        pass


class ContinuesAfterClosed(Session):
    """Continues after `closed`."""

    def closed(self) -> None:
        super().closed()
        self._pending = True


class AcceptsAStoppedPipeline(Session):
    """Accepts the inputs of a stopped pipeline."""

    def lost(self, run: int, attempt: int, retry_in: float, error: Exception) -> None:
        if self.status.state in (State.CONNECTING, State.CONNECTED, State.ACTIVE):
            run = self._run or run
        super().lost(run, attempt, retry_in, error)


class IgnoresARoutineEnd(Session):
    """Keeps the state of a stream for the one after its routine end."""

    def dialled(self, run: int, stream: object) -> None:
        if self.status.state is State.ACTIVE and run == self._run:
            self._stream = stream
        else:
            super().dialled(run, stream)


class IgnoresChangesWhileActive(Session):
    """Stays active when the wanted set changes."""

    def _change_state(self, signal: Signal, **changes: Any) -> None:
        if signal is Signal.CHANGED:
            self._pending = False
            return
        super()._change_state(signal, **changes)


MUTANTS: tuple[type[Session], ...] = (
    PostsTwice, ForgetsChangesOfAPost, CountsAnswersOfEndedStreams, KeepsTheAcknowledgedVersion,
    IgnoresTheRenewedToken, KeepsTheStreamOfAnotherLogin, DoesNotRepeatAFailedPost,
    PostsOnAnEndingStream, DropsTheTickAfterAnEarlyOne, KeepsThePipeline, ContinuesAfterClosed,
    AcceptsAStoppedPipeline, IgnoresARoutineEnd, IgnoresChangesWhileActive,
    *IDENTITY_MUTANTS, *BALANCER_MUTANTS,
)  # fmt: skip
