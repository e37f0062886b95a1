"""Runs one session: carries out its commands, and passes their results back as inputs.

The driver decides nothing. The session gets its inputs under the lock of the owner; what waits for
the network (connecting, POSTs) runs on the control scheduler without the lock. That scheduler runs
one action at a time, and never waits for user code.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from msgspec.structs import replace
from reactivex import Observable, abc
from reactivex.disposable import Disposable, SerialDisposable
from reactivex.subject import Subject

from rxbosbase.errors import BosBaseError, StreamLostError
from rxbosbase.realtime.session import commands as do
from rxbosbase.realtime.session.lifecycle import Signal, State
from rxbosbase.realtime.session.misrouting import is_misrouted
from rxbosbase.realtime.session.registry import TopicShard
from rxbosbase.realtime.session.session import Session
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.realtime.session.status import SessionStatus
from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.runtime.retry import Retry

from .connection import Batch, Connection, ConnectionSettings, Opened, connect
from .delivery import guarded

__all__ = ("Driver", "DriverOwner", "reconnecting")

log = logging.getLogger("rxbosbase.realtime")


class DriverOwner(Protocol):
    """What a driver reports to. All but `on_batch` are called under the owner's lock."""

    def on_batch(self, batch: Batch) -> None:
        """Deliver the frames of one read; called on the delivery thread, without the lock."""

    def on_acknowledged(self, driver: Driver, version: int) -> None:
        """Handle the server's acknowledgement of the shard's topics up to `version`."""

    def on_gap(self, driver: Driver) -> None:
        """Handle that events may be missing: the open stream has ended, or it is a guest's."""

    def on_refused(self, driver: Driver, since: int, upto: int, error: Exception) -> None:
        """Handle a final refusal of the topics up to `upto`; those up to `since` were accepted."""

    def on_failed(self, driver: Driver, error: Exception) -> None:
        """Handle that the attempts to connect are used up."""

    def on_status_changed(self) -> None:
        """Handle a change of the driver's status, or of the wanted set."""

    def on_lost(self, driver: Driver) -> None:
        """Handle an end of the open stream that is not routine."""

    def on_unwanted(self) -> None:
        """Handle that the open stream was closed, since no topic is wanted any more."""


class Driver:
    """Keeps one shard of the wanted topics subscribed at the server, across connections.

    Args:
        shard: the topics.
        settings: transport, schedulers and limits.
        changed: the owner's lock; notified of each acknowledgement.
        owner: what the driver reports to.

    Attributes:
        session: the state of the connection. Read it under the lock.
        status: its status, with the time since when.
        posts, misrouted, opened, frames, bytes, last_frame_at: counters.
    """

    def __init__(
        self,
        shard: TopicShard,
        settings: ConnectionSettings,
        changed: threading.Condition,
        owner: DriverOwner,
    ) -> None:
        self.shard = shard
        self.session = Session(shard, settings.policy.delay, quiet=settings.quiet)
        self._settings = settings
        self._control = settings.control
        self.status = SessionStatus(since=self._control.wall_time())
        self._changed = changed
        self._owner = owner
        self._pipeline = SerialDisposable()
        self._wake: Subject[None] = Subject()
        self._inputs: deque[Callable[[float], None]] = deque()
        self._is_running = False
        self._next_post: do.Post | None = None
        self._log_calls: list[Callable[[], None]] = []  # to be logged without the lock
        self.posts = self.misrouted = self.opened = self.frames = self.bytes = 0
        self.last_frame_at: float | None = None

    # -- for the owner, under the lock -----------------------------------------------------------

    @property
    def acknowledged_version(self) -> int:
        """The version of the topics that the server has acknowledged; -1 for none."""
        return self.session.acknowledged_version

    @property
    def is_active(self) -> bool:
        """True if the server has acknowledged all wanted topics."""
        return self.session.acknowledged_version == self.shard.version

    @property
    def is_down(self) -> bool:
        """True from a loss, or a failed attempt, until a stream is open again."""
        status = self.session.status
        return status.attempt > 0 and status.state in (State.WAITING, State.CONNECTING)

    @property
    def node(self) -> str:
        """The address of its node; "" without ``nodes=``."""
        return self._settings.node

    @property
    def stats(self) -> Stats:
        """Its counters."""
        return Stats(
            frames=self.frames, bytes=self.bytes, posts=self.posts, connects=self.opened,
            reconnects=max(0, self.opened - 1), misrouted=self.misrouted,
        )  # fmt: skip

    def topics_changed(self, *, urgent: bool = False) -> None:
        """Submit the wanted set, which has changed: soon, or at once if `urgent`."""
        self._put(partial(self.session.changed, urgent=urgent))

    def identity_changed(self, identity: str) -> None:
        """Submit again after a login, a logout, or the renewal of the token."""
        self._put(partial(self.session.identity_changed, identity))

    def troubled(self, at: float) -> None:
        """Check whose the stream is, after a sign of trouble of the server at this time."""
        self._put(lambda _: self.session.troubled(at))

    def renew(self) -> None:
        """End the open stream, or the attempt, as routine, or the wait, and connect at once."""
        self._put(lambda _: self.session.renewed())

    def close(self) -> None:
        """End the stream, or the attempt, without a new one: the client closes."""
        self._put(lambda _: self.session.closed())

    # -- inputs in, commands out -----------------------------------------------------------------

    def _put(self, put: Callable[[float], None]) -> None:
        """Pass one input to the session, and carry out its commands; under the lock.

        One input at a time: inputs that a command or a signal's handler causes are queued.
        An interrupt (Ctrl-C) may come anywhere. The control scheduler does what it leaves undone,
        since a command is removed only after it was carried out.
        """
        self._inputs.append(put)
        while not self._is_running and (self.session.commands or self._inputs):
            try:
                self._is_running = True
                self._run()
            except BaseException:
                self._control.post(self._tick)
                raise
            finally:
                self._is_running = False

    def _run(self) -> None:
        commands = self.session.commands
        while commands or self._inputs:
            if not commands:
                self._inputs.popleft()(self._control.time())
                continue
            try:
                self._do(commands[0])
            except Exception:  # a defect: the command must not be repeated without end
                commands.popleft()
                raise
            commands.popleft()

    def _feed(self, put: Callable[[float], None]) -> None:
        with self._changed:
            self._put(put)
            calls, self._log_calls = self._log_calls, []
        for call in calls:  # a log handler is user code
            guarded(call)

    def _do(self, command: do.Command) -> None:
        control, owner = self._control, self._owner
        match command:
            case do.WakeAt(due):
                control.call_later(max(0.0, due - control.time()), partial(self._tick, due))
            case do.Publish(signal):
                self._publish(signal)
            case do.Post():
                self._next_post = command
            case do.Acknowledged(stream, version):
                stream.acknowledge()
                owner.on_acknowledged(self, version)
                self._changed.notify_all()
            case do.EndStream(stream, error):
                self._hang_up(stream, error)
            case do.Start(run):
                control.post(partial(self._start, run))
            case do.Stop():
                self._pipeline.disposable = Disposable()
            case do.RetryNow():
                control.post(lambda: self._wake.on_next(None))
            case do.Gap():
                owner.on_gap(self)
            case do.Unidentified():
                self._settings.on_guest()
            case do.Lost():
                owner.on_lost(self)
            case do.Unwanted():
                self._log(logging.INFO, "no topics left, the connection is closed")
                owner.on_unwanted()
            case do.Refused(since, upto, error):
                owner.on_refused(self, since, upto, error)
            case do.Failed(error):
                owner.on_failed(self, error)
            case do.Abandon(stream):
                stream.abandon()

    def _hang_up(self, stream: Connection, error: Exception | None) -> None:
        if error is None:
            stream.retire()
        else:
            self._log(logging.INFO, "%s", error)
            stream.fail(error)
        # Wake a reader that waits for room in the delivery queue, so that it ends.
        self._settings.delivery.release()

    def _publish(self, signal: Signal | None) -> None:
        before, now = self.status, self.session.status
        since = before.since if now.state is before.state else self._control.wall_time()
        self.status = replace(now, since=since)
        self.opened += signal is Signal.OPENED
        self._owner.on_status_changed()
        if signal is Signal.LOST:
            level = logging.WARNING if before.client_id or now.attempt == 1 else logging.INFO
            text = "no connection, attempt %d in %.1f s: %s"
            self._log(level, text, now.attempt + 1, now.retry_in, now.error)
        elif signal is Signal.EXHAUSTED:
            self._log(logging.ERROR, "giving up, the attempts are used up: %s", now.error)
        elif signal is Signal.REFUSED:
            wait = max(0.0, self.session.retry_at - self._control.time())
            unforeseen = None if isinstance(now.error, BosBaseError) else now.error
            text = "submitting the topics failed, next try in %.1f s: %s"
            self._log(logging.WARNING, text, wait, now.error, exc_info=unforeseen)
        elif signal is Signal.RENEWED:
            self._log(logging.INFO, "opening a new stream, the one before has ended as routine")

    def _log(self, level: int, text: str, *values: object, **options: Any) -> None:
        if self.node:
            text, values = f"{text} (node %s)", (*values, self.node)
        self._log_calls.append(partial(log.log, level, text, *values, stacklevel=2, **options))

    # -- on the control scheduler ----------------------------------------------------------------

    def _tick(self, due: float = 0.0) -> None:
        identity = self._identity()
        # A rounded timer may fire before it is due; a tick before that time would request no other.
        self._feed(lambda now: self.session.tick(identity, max(due, now)))
        while self._next_post is not None:  # a probe follows the answer of its POST
            post, self._next_post = self._next_post, None
            self._post(post)

    def _identity(self) -> str | Exception:
        """Return the current login. The store may be user code: never call this under the lock."""
        try:
            return self._settings.identity()
        except Exception as error:
            return error

    def _post(self, post: do.Post) -> None:
        try:
            self.posts += 1
            post.stream.submit(post)
        except BaseException as problem:  # any: a topic must not wait without end
            error: Exception = RuntimeError(f"the POST was interrupted: {problem!r}")
            if isinstance(problem, Exception):
                error = problem
            self.misrouted += is_misrouted(error)
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
            wake=self._wake,
        )
        self._pipeline.disposable = pipeline.subscribe(
            self._received, partial(self._exhausted, run), scheduler=self._control
        )

    def _dial(self, run: int) -> Connection:
        settings = self._settings
        stream = Connection(
            settings.transport,
            self._control.time,
            self._control.wall_time,
            idle_timeout=settings.idle_timeout,
            max_event_bytes=settings.max_event_bytes,
        )
        self._feed(lambda _: self.session.dialled(run, stream))
        return stream

    # -- the pipeline's callbacks, on the reader's thread ----------------------------------------

    def _received(self, signal: Opened | Batch) -> None:
        stream = signal.connection
        if isinstance(signal, Opened):
            problem = self._settings.on_opened(stream.client_id)
            if problem is None:
                self._feed(partial(self.session.opened, stream, stream.client_id))
            else:
                stream.fail(problem)
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
    """Return the connection as a stream that is repeated at its end, and retried after an error.

    A routine end completes the connection, and `repeat` dials the next one at once with a new
    count of failures. After an error the next attempt waits as `policy` defines: `Retry` is
    what `operators.retry_with_backoff` returns.
    """
    retry = Retry(policy, scheduler=scheduler, resets=_was_healthy, on_wait=on_wait, wake=wake)
    return retry(connect(dial)).repeat()


def _was_healthy(error: Exception) -> bool:
    return isinstance(error, StreamLostError) and error.healthy
