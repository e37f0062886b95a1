"""The state of one connection to the server, and what is to be done next.

A pure state machine. Its inputs are methods; those that depend on time have the argument ``now``,
seconds of a monotonic clock. They append commands to `Session.commands`, to be carried out in
order. It has no clock, lock, thread or socket, and calls nothing that has; `driver` runs it, and
decides nothing.

Purpose
=======
The server keeps one set of topics for each stream, and a POST replaces the whole set. The wanted
set changes with each subscription; streams end, and POSTs fail. Whatever the order of these, **in
the end the server's set is the wanted set, at most one POST is in flight, and nothing follows
`closed`**.

A server whose database is away takes a stream for a guest's. Where that may have happened, the
session is not active before a probe, a POST without the token, has shown it (`stream_identity`).
A POST that a balancer has sent to another server is made again (`misrouting`).

No order needs a case of its own, since every input only records what happened, and `tick` compares
the wanted set with the actual state. A pipeline without topics: stop it. Topics without a pipeline:
start it. An open stream whose set is not the wanted one, and no POST in flight: post. A burst of
changes is submitted after its end, so that it needs one POST, or few: each POST opens a gap for the
topics that it repeats.

For the driver
==============
1. `Start` subscribes the reconnection pipeline; its callbacks are the inputs `dialled`, `opened`,
   `lost` and `exhausted`, those of a stream before those of the next. A routine end is no input:
   the pipeline dials again. A stream is any object of the driver's.
2. `Post` is answered once, by `acknowledged` or `refused` with the same object, also if its stream
   has ended meanwhile; until then there is no other. A probe is one, too.
3. `WakeAt` requests a `tick` at that time. A later one does not cancel it: additional ticks are
   harmless. So is a command that is carried out twice; one that is left out is not.
4. `Publish` publishes `status` as it is at that moment.

The states and their transitions are the table in `lifecycle`. Every change of state goes through
it, and is a `Publish`.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from msgspec.structs import replace

from rxbosbase.errors import ProtocolError
from rxbosbase.runtime.retry_delay import Backoff, Delay, asked_to_wait

from . import commands as do
from .lifecycle import OPEN_STATES, Signal, State, transition
from .misrouting import Misrouting, lost_by
from .registry import TopicShard
from .status import SessionStatus
from .stream_identity import IS_A_GUESTS, StreamIdentity
from .topic_submission import Burst, Verdict, classify

__all__ = ("Session",)


class Session:
    """The state of one connection. Not thread-safe: its driver feeds it one input at a time.

    Args:
        wanted: the wanted set; it changes while the session runs.
        delay: seconds to wait after a number of failed POSTs.
        quiet: seconds without a change after which a burst of changes is over.

    Attributes:
        commands: to be carried out, and then removed, by the driver.
        status: its current status.
        acknowledged_version: the version of the wanted set that the server has acknowledged on this
            stream; -1 for none.
    """

    def __init__(self, wanted: TopicShard, delay: Delay, *, quiet: float) -> None:
        self.commands: deque[do.Command] = deque()
        self.status = SessionStatus()
        self.acknowledged_version = -1
        self._wanted = wanted
        self._delay = delay
        self._run: int | None = None  # the pipeline that runs
        self._runs = 0  # how many there were
        self._dials = 0  # attempts since the last topic was removed
        self._stream: object | None = None  # connecting or open
        self._identity = StreamIdentity()
        self._server_topics: frozenset[str] | None = None  # the server's set; None while unknown
        self._newest_version = -1  # the newest version acknowledged on any stream
        self._post: do.Post | None = None  # not answered yet
        self._is_stale = False  # its topics have to be submitted again
        self._is_ending = False  # the stream is about to end, and another one follows
        self._backoff = Backoff(delay)
        self._misrouting = Misrouting()
        self._pending = self._urgent = False  # a change that no `tick` has applied; without a pause
        self._burst = Burst(quiet)
        self._wake_at: float | None = None

    @property
    def is_open(self) -> bool:
        """True while there is a stream with a client id."""
        return self.status.state in OPEN_STATES

    @property
    def retry_at(self) -> float:
        """The time before which no POST is repeated, after one has failed."""
        return self._backoff.until

    # -- inputs: the wanted set, and the login ---------------------------------------------------

    def changed(self, now: float, *, urgent: bool = False) -> None:
        """Record a change of the wanted set; `urgent` if a thread waits for the acknowledgement."""
        self._mark_changed(now, urgent=urgent)

    def identity_changed(self, identity: str, now: float) -> None:
        """Record a login or logout, or (with the same identity) the renewal of the token.

        A stream keeps the identity of its first POST, so another identity needs a new stream; a
        renewed token is sent with the next POST of the same topics.
        """
        if self._identity.login is None:
            return
        if self._identity.login != identity:
            self._dials = 0 if self.is_open else self._dials  # a login's first is no reconnection
            self.renewed()
            return
        self.acknowledged_version, self._server_topics = -1, None
        self._is_stale = self._post is not None  # it may have the previous token
        self._mark_changed(now, urgent=True)

    def troubled(self, now: float) -> None:
        """Record a request that failed otherwise than by a refusal that is believed: the server may
        have taken a POST near it for a guest's."""
        if self._identity.is_doubted_after_trouble(now):
            self.acknowledged_version = -1
            if self.status.state is State.ACTIVE:
                self._change_state(Signal.DOUBTED)
            self._mark_changed(now, urgent=True)

    def renewed(self) -> None:
        """End the open stream as routine, or the wait, for a new stream."""
        if self._stream is not None:
            self._end_stream()
            self._change_state(Signal.RENEWED, client_id="", attempt=0, error=None)
        if self.status.state is not State.CLOSED:
            self._emit(do.RetryNow())

    def closed(self) -> None:
        """End everything: the client closes."""
        if self.status.state is not State.CLOSED:
            self._end_stream()
            self._change_state(Signal.CLOSED, client_id="", retry_in=None)
            self._stop()
            self._pending = False

    # -- inputs: the pipeline --------------------------------------------------------------------

    def dialled(self, run: int, stream: object) -> None:
        """Record the start of an attempt: the first, after a wait, or after a routine end."""
        if run != self._run:
            self._emit(do.Abandon(stream))
            return
        if self.status.state is State.WAITING:
            self._change_state(Signal.RETRIED, retry_in=None)
        elif self._stream is not None or self.is_open:
            self._forget_stream()
            self._change_state(Signal.RENEWED, client_id="", attempt=0, error=None)
        self._stream = stream
        self._dials += 1

    def opened(self, stream: object, client_id: str, now: float) -> None:
        """Record that the server gave the stream its client id."""
        if stream is not self._stream or self.status.state is not State.CONNECTING:
            return  # ended meanwhile
        self._server_topics, self._backoff = frozenset(), Backoff(self._delay)
        self._misrouting = Misrouting(client_id)
        self._change_state(Signal.OPENED, client_id=client_id, attempt=0, error=None)
        if self._dials > 1:
            self._identity.doubt()
        self._pending = False  # a new burst begins: the previous changes have waited already
        self._mark_changed(now)

    def lost(self, run: int, attempt: int, retry_in: float, error: Exception) -> None:
        """Record an `error` of the stream or the attempt; the pipeline waits for the next one."""
        if run == self._run:
            self._stream_ended(Signal.LOST, attempt=attempt, retry_in=retry_in, error=error)

    def exhausted(self, run: int, error: Exception) -> None:
        """Record an `error` of the stream or the attempt, after which none follows."""
        if run == self._run:
            self._stream_ended(Signal.EXHAUSTED, retry_in=None, error=error)
            self._run = None
            self._emit(do.Failed(error))

    # -- inputs: POSTs, and time -----------------------------------------------------------------

    def acknowledged(self, post: do.Post, now: float) -> None:
        """Record that the server has acknowledged the topics; those of a probe, as a guest's."""
        is_on_open_stream = self._is_on_open_stream(post)
        counts = self._finish_post(post, now)
        if is_on_open_stream:
            self._misrouting.ended()
        if post.is_probe:
            if is_on_open_stream:
                self._server_topics = None
                self._emit(do.Gap())
                self._emit(do.Unidentified())
            if counts:
                wait = self._identity.taken_for_guest(now)
                self._retry_post(ProtocolError(IS_A_GUESTS), now, wait)
        elif counts:
            self._server_topics = frozenset(post.topics)
            self._topics_are_set(post.version, post.topics, now)

    def refused(
        self, post: do.Post, error: Exception, identity: str | Exception, now: float
    ) -> None:
        """Record that the POST failed; the server may have accepted the topics all the same.

        Args:
            identity: the current login; the error, if it could not be read.
        """
        verdict = classify(error, is_probe=post.is_probe)
        if verdict is Verdict.IDENTIFIED and self._is_on_open_stream(post):
            self._identity.proven()
            self._misrouting.ended()
        if not self._finish_post(post, now):
            return
        if verdict is Verdict.IDENTIFIED:
            self._set_acknowledged(post.version, now)
        elif verdict is Verdict.TRANSIENT:
            self._retry_post(error, now)
        elif verdict is Verdict.UNKNOWN and self._misrouting.again(now):
            self._mark_changed(now, urgent=True)
        elif verdict is Verdict.INVALID:
            self._misrouting.ended()
            self._emit(do.Refused(self._newest_version, post.version, error))
        elif verdict is Verdict.ENDED:
            self._is_ending = True
        elif self._identity.login != identity:
            self._abort_stream(None)  # the login has changed meanwhile: routine
        else:
            self._abort_stream(lost_by(error, self._misrouting.asks))

    def tick(self, identity: str | Exception, now: float) -> None:
        """Compare the wanted set with the actual state; `identity` as for `refused`."""
        if self._wake_at is not None and now >= self._wake_at:
            self._wake_at = None
        if self._pending and self._post is None:
            due = self._due(now)
            if due > now:
                self._request_tick(due)
            else:
                self._apply_wanted(identity, now)

    # -- the wanted set and the actual state -----------------------------------------------------

    def _apply_wanted(self, identity: str | Exception, now: float) -> None:
        urgent, self._urgent, self._pending = self._urgent, False, False
        self._emit(do.Publish())
        if self._wanted.is_empty:
            if self._run is not None:
                self._end_unwanted()
        elif self._run is None:
            self._run = self._runs = self._runs + 1
            self._change_state(Signal.WANTED, attempt=0, error=None)
            self._emit(do.Start(self._run))
        elif self._is_outdated and self.is_open and not self._is_ending:
            self._burst.posts += not urgent
            self._submit(identity, now)

    def _submit(self, identity: str | Exception, now: float) -> None:
        if isinstance(identity, Exception):
            self._retry_post(identity, now)
            return
        version, topics = self._wanted.version, self._wanted.topics()
        if self._identity.login not in (None, identity):
            self.identity_changed(identity, now)  # just now, or its login is not valid any more
            return
        self._identity.submits_as(identity, now)
        if self._server_topics == frozenset(topics):  # each POST opens a gap: avoid it
            self._topics_are_set(version, topics, now)
            return
        self._server_topics, self._is_stale = None, False
        self._send(version, topics)

    def _topics_are_set(self, version: int, topics: tuple[str, ...], now: float) -> None:
        if topics and self._identity.needs_proof:
            self._send(version, topics, is_probe=True)
        else:
            self._set_acknowledged(version, now)

    def _send(self, version: int, topics: tuple[str, ...], *, is_probe: bool = False) -> None:
        self._post = do.Post(self._stream, version, topics, is_probe, self._misrouting.asks)
        self._emit(self._post)

    def _set_acknowledged(self, version: int, now: float) -> None:
        self.acknowledged_version = version
        self._newest_version = max(self._newest_version, version)
        self._backoff.succeeded()
        if self._is_outdated:
            self._mark_changed(now)
        else:
            self._change_state(Signal.ACKNOWLEDGED, attempt=0, error=None)
        self._emit(do.Acknowledged(self._stream, version))

    def _retry_post(self, error: Exception, now: float, wait: float = 0.0) -> None:
        self._backoff.failed(now, max(wait, asked_to_wait(error)))
        self._change_state(Signal.REFUSED, attempt=self._backoff.failures, error=error)
        self._mark_changed(now, urgent=True)

    def _is_on_open_stream(self, post: do.Post) -> bool:
        return post is self._post and post.stream is self._stream and not self._is_ending

    def _finish_post(self, post: do.Post, now: float) -> bool:
        """Record the answer of the POST in flight; return False if it is obsolete: its stream has
        ended, or the topics have to be submitted again."""
        is_on_open_stream = self._is_on_open_stream(post)
        if post is self._post:
            self._post = None
            if self._pending:
                self._request_tick(self._due(now))
        return is_on_open_stream and not self._is_stale

    # -- when to submit --------------------------------------------------------------------------

    @property
    def _is_outdated(self) -> bool:
        return self.acknowledged_version != self._wanted.version

    def _mark_changed(self, now: float, *, urgent: bool = False) -> None:
        if self.status.state is State.CLOSED:
            return
        self._burst.changed(now, is_first=not self._pending)
        self._pending, self._urgent = True, self._urgent or urgent
        if self.status.state is State.ACTIVE and self._is_outdated:
            self._change_state(Signal.CHANGED)
        self._request_tick(self._due(now))

    def _due(self, now: float) -> float:
        """Return when a burst of changes is over, or a failed POST may be repeated."""
        if not self.is_open:
            return now
        not_before = max(self._backoff.until, self._misrouting.until)
        if self._urgent or now < not_before:
            return max(now, not_before)
        return self._burst.due

    def _request_tick(self, due: float) -> None:
        if self._wake_at is None or due < self._wake_at:
            self._emit(do.WakeAt(due))
            self._wake_at = due

    # -- the ends of streams ---------------------------------------------------------------------

    def _abort_stream(self, error: Exception | None) -> None:
        self._is_ending = True
        self._emit(do.EndStream(self._stream, error))

    def _end_stream(self) -> None:
        if self._stream is not None:
            self._emit(do.EndStream(self._stream))
        self._forget_stream()

    def _forget_stream(self) -> None:
        self._stream = self._server_topics = None
        self._identity.forget()
        self._is_ending = self._is_stale = False
        self.acknowledged_version = -1

    def _stream_ended(self, signal: Signal, **changes: Any) -> None:
        was_open = self.is_open
        self._forget_stream()
        self._change_state(signal, client_id="", **changes)
        if was_open:
            self._emit(do.Lost())

    def _end_unwanted(self) -> None:
        was_open = self.is_open
        self._end_stream()
        self._change_state(Signal.UNWANTED, client_id="", attempt=0, retry_in=None, error=None)
        self._stop()
        self._dials = 0
        if was_open:
            self._emit(do.Unwanted())

    def _stop(self) -> None:
        if self._run is not None:
            self._emit(do.Stop())
            self._run = None

    def _change_state(self, signal: Signal, **changes: Any) -> None:
        before = self.status.state
        state = transition(before, signal)
        if before in OPEN_STATES and state not in OPEN_STATES:
            self._emit(do.Gap())
        self._emit(do.Publish(signal))
        self.status = replace(self.status, state=state, **changes)

    def _emit(self, command: do.Command) -> None:
        self.commands.append(command)
