"""Runs one session: its commands on the connection, what comes of them back to it.

It decides nothing. The session is fed under the lock of its owner; what waits for the network, the
dialling and the POSTs, runs on the control loop without the lock. That loop does one thing at a
time, and never waits for user code.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable, SerialDisposable
from reactivex.subject import Subject

from rxbosbase.backoff import BackoffPolicy
from rxbosbase.errors import BosBaseError, StreamLostError
from rxbosbase.operators.retry_with_backoff import retry_with_backoff
from rxbosbase.realtime.session.lifecycle import Signal, State
from rxbosbase.realtime.session.registry import TopicShard
from rxbosbase.realtime.session.session import Session
from rxbosbase.realtime.session.status import SessionStatus

from .connection import Batch, Connection, ConnectionSettings, Opened, connect
from .delivery import guarded
from .session import commands as do

if TYPE_CHECKING:
    from .service import RealtimeService

__all__ = ["Driver", "reconnecting"]

log = logging.getLogger("rxbosbase.realtime")


class Driver:
    """Keeps one share of the wanted topics on the server, whatever happens to the connection.

    Args:
        share: the topics.
        settings: the means and the limits.
        changed: the owner's lock, and how waiters learn of acknowledgements.
        owner: is told what happens, under the lock; frames, on the delivery loop.

    Attributes:
        session: where the connection stands. To be read under the lock.
        status: the same, to be shown.
        posts, opened, frames, bytes, last_frame_at: counters.
    """

    def __init__(
        self,
        share: TopicShard,
        settings: ConnectionSettings,
        changed: threading.Condition,
        owner: RealtimeService,
    ) -> None:
        self.share = share
        self.session = Session(share, settings.policy.delay, quiet=settings.quiet)
        self._settings = settings
        self._control = settings.control
        self.status = SessionStatus(since=self._control.wall_time())
        self._changed = changed
        self._owner = owner
        self._pipeline = SerialDisposable()
        self._hurry: Subject[None] = Subject()
        self._inputs: deque[Callable[[float], None]] = deque()
        self._is_at_work = False
        self._to_post: do.Post | None = None
        self._said: list[Callable[[], None]] = []  # to be logged without the lock
        self.posts = self.opened = self.frames = self.bytes = 0
        self.last_frame_at: float | None = None

    # -- for the owner, under the lock -----------------------------------------------------------

    @property
    def held(self) -> int:
        """Up to which version the server has the topics; -1 for none."""
        return self.session.held

    @property
    def is_active(self) -> bool:
        """True if the server has all topics that are wanted."""
        return self.session.held == self.share.version

    @property
    def is_down(self) -> bool:
        """True from a failed attempt, or a loss, until a stream is open again."""
        status = self.session.status
        return status.attempt > 0 and status.state in (State.WAITING, State.CONNECTING)

    def touch(self, *, urgent: bool = False) -> None:
        """The wanted set has changed: submitted soon, or at once if somebody waits for it."""
        self._put(partial(self.session.changed, urgent=urgent))

    def identity_changed(self, identity: str) -> None:
        """Somebody logged in or out, or has a renewed token."""
        self._put(partial(self.session.identity_changed, identity))

    def renew(self) -> None:
        """Ends the open connection, or the attempt, as routine; a wait is cut short."""
        self._put(lambda _: self.session.renewed())

    def shut(self) -> None:
        """Ends all at once because the client closes."""
        self._put(lambda _: self.session.closed())

    # -- inputs in, commands out -----------------------------------------------------------------

    def _put(self, put: Callable[[float], None]) -> None:
        """Feeds the session an input, and carries out its commands; under the lock.

        One input at a time: what a command leads to, or a signal's handler does, comes behind it.
        An interrupt (Ctrl-C) may come anywhere. What it leaves undone is done by the control loop:
        a command is taken out when it is done.
        """
        self._inputs.append(put)
        while not self._is_at_work and (self.session.commands or self._inputs):
            try:
                self._is_at_work = True
                self._work()
            except BaseException:
                self._control.post(self._tick)
                raise
            finally:
                self._is_at_work = False

    def _work(self) -> None:
        commands = self.session.commands
        while commands or self._inputs:
            if not commands:
                self._inputs.popleft()(self._control.time())
                continue
            try:
                self._do(commands[0])
            except Exception:  # a defect: it is not to come again for ever
                commands.popleft()
                raise
            commands.popleft()

    def _feed(self, put: Callable[[float], None]) -> None:
        with self._changed:
            self._put(put)
            said, self._said = self._said, []
        for say in said:  # a log handler is user code
            guarded(say)

    def _do(self, command: do.Command) -> None:
        control, owner = self._control, self._owner
        match command:
            case do.WakeAt(due):
                control.call_later(max(0.0, due - control.time()), partial(self._tick, due))
            case do.Publish(signal):
                self._publish(signal)
            case do.Post():
                self._to_post = command
            case do.Acknowledged(stream, version):
                stream.acknowledge()
                owner.on_held(self.share, version)
                self._changed.notify_all()
            case do.HangUp(stream, error):
                self._hang_up(stream, error)
            case do.Start(run):
                control.post(partial(self._start, run))
            case do.Stop():
                self._pipeline.disposable = Disposable()
            case do.Hurry():
                control.post(lambda: self._hurry.on_next(None))
            case do.Gap():
                owner.on_gap(self.share)
            case do.Lost():
                owner.monitor.on_lost(self)
            case do.Left():
                self._say(logging.INFO, "no topics left, the connection is closed")
                owner.monitor.on_left()
            case do.Refused(since, upto, error):
                owner.on_refused(self.share, since, upto, error)
            case do.Failed(error):
                owner.on_failed(self.share, error)
            case do.Abandon(stream):
                stream.abandon()

    def _hang_up(self, stream: Connection, error: Exception | None) -> None:
        if error is None:
            stream.retire()
        else:
            self._say(logging.INFO, "%s", error)
            stream.fail(error)
        # A reader that is held back by a full queue looks up and sees that it is to end.
        self._settings.delivery.release()

    def _publish(self, signal: Signal | None) -> None:
        before, now = self.status, self.session.status
        since = before.since if now.state is before.state else self._control.wall_time()
        self.status = replace(now, since=since)
        self.opened += signal is Signal.OPENED
        self._owner.monitor.on_change()
        if signal is Signal.LOST:
            level = logging.WARNING if before.client_id or now.attempt == 1 else logging.INFO
            said = "no connection, attempt %d in %.1f s: %s"
            self._say(level, said, now.attempt + 1, now.retry_in, now.error)
        elif signal is Signal.EXHAUSTED:
            self._say(logging.ERROR, "giving up, the attempts are used up: %s", now.error)
        elif signal is Signal.REFUSED:
            wait = max(0.0, self.session.retry_at - self._control.time())
            unforeseen = None if isinstance(now.error, BosBaseError) else now.error
            said = "submitting the topics failed, next try in %.1f s: %s"
            self._say(logging.WARNING, said, wait, now.error, exc_info=unforeseen)
        elif signal is Signal.RENEWED:
            self._say(logging.INFO, "opening a new stream, the one before has ended as routine")

    def _say(self, level: int, text: str, *values: object, **options: Any) -> None:
        self._said.append(partial(log.log, level, text, *values, stacklevel=2, **options))

    # -- the control loop ------------------------------------------------------------------------

    def _tick(self, due: float = 0.0) -> None:
        identity = self._identity()
        # Never before it is due, as a timer that was rounded may fire: it would be the last one.
        self._feed(lambda now: self.session.tick(identity, max(due, now)))
        post, self._to_post = self._to_post, None
        if post is not None:
            self._post(post)

    def _identity(self) -> str | Exception:
        """Who is logged in. The store may be a user's own code: never under the lock."""
        try:
            return self._settings.identity()
        except Exception as error:
            return error

    def _post(self, post: do.Post) -> None:
        try:
            self.posts += 1
            post.stream.submit(post.topics)
        except BaseException as problem:  # whatever it is: a topic must not wait for ever
            error: Exception = RuntimeError(f"the POST was interrupted: {problem!r}")
            if isinstance(problem, Exception):
                error = problem
            self._feed(partial(self.session.refused, post, error, self._identity()))
            if error is not problem:
                raise
        else:
            self._feed(partial(self.session.acknowledged, post))

    def _start(self, run: int) -> None:
        pipeline = reconnecting(
            partial(self._dial, run),
            self._settings.policy,
            scheduler=self._control,
            on_wait=partial(self._lost, run),
            wake=self._hurry,
        )
        self._pipeline.disposable = pipeline.subscribe(
            self._received, partial(self._exhausted, run), scheduler=self._control
        )

    def _dial(self, run: int) -> Connection:
        settings = self._settings
        stream = Connection(
            settings.transport,
            self._control.time,
            idle_timeout=settings.idle_timeout,
            max_event_bytes=settings.max_event_bytes,
        )
        self._feed(lambda _: self.session.dialled(run, stream))
        return stream

    # -- the pipeline's callbacks, on the reader's thread ----------------------------------------

    def _received(self, signal: Opened | Batch) -> None:
        stream = signal.connection
        if isinstance(signal, Opened):
            self._feed(partial(self.session.opened, stream, stream.client_id))
            return
        self.frames += len(signal.frames)
        self.bytes += signal.size
        self.last_frame_at = self._control.time()
        self._settings.delivery.feed(
            partial(self._owner.on_batch, signal),
            len(signal.frames),
            signal.size,
            lambda: stream.ending,
        )

    def _lost(self, run: int, attempt: int, delay: float, error: Exception) -> None:
        self._feed(lambda _: self.session.lost(run, attempt, delay, error))

    def _exhausted(self, run: int, error: Exception) -> None:
        self._feed(lambda _: self.session.exhausted(run, error))


def reconnecting(
    dial: Callable[[], Connection],
    policy: BackoffPolicy,
    *,
    scheduler: abc.SchedulerBase,
    on_wait: Callable[[int, float, Exception], None],
    wake: Observable[Any],
) -> Observable[Opened | Batch]:
    """The whole of reconnection: one connection, tried again after a fault, begun anew at its end.

    A routine end completes the connection, and `repeat` dials the next one at once with a fresh
    count of failures. An error waits as `policy` says.
    """
    return connect(dial).pipe(
        retry_with_backoff(
            policy, scheduler=scheduler, resets=_was_healthy, on_wait=on_wait, wake=wake
        ),
        ops.repeat(),
    )


def _was_healthy(error: Exception) -> bool:
    return isinstance(error, StreamLostError) and error.healthy
