"""One connection to the server: where it stands, and what is to be done next.

A pure state machine. Its inputs are methods; those that depend on time take it (``now``, seconds of
a clock that never goes back). They put commands into `Session.commands`, to be carried out in their
order. It owns no clock, no lock, no thread and no socket, and calls nothing that does; `driver`
runs it, and decides nothing.

What it is for
==============
The server keeps one set of topics for each stream, and a POST replaces the whole of it. The wanted
set changes whenever somebody subscribes; streams end, and POSTs fail. Whatever the order of all
this, **in the end the server's set is the wanted set, at most one POST is in flight, and nothing
follows `closed`**.

No order needs a case of its own, since every input only notes what happened, and `tick` compares
what is wanted with what is: no topics, but a pipeline: stop it. Topics, and none: start it. An open
stream whose set is not the wanted one, and no POST in flight: post. A burst of changes is waited
for, so that it costs one POST, or few: each POST opens a gap for the topics it repeats.

For the driver
==============
1. `Start` subscribes the reconnection pipeline; its callbacks are the inputs `dialled`, `opened`,
   `lost` and `exhausted`, each of a stream before those of the next. A routine end is no input:
   the pipeline dials again. A stream is whatever the driver calls by that name.
2. `Post` is answered once, by `acknowledged` or `refused` with the very object, also where its
   stream has ended meanwhile; until then there is no other.
3. `WakeAt` asks for a `tick` at that time. A later one takes nothing back: a tick too many is
   harmless. So is a command that is carried out twice; one that is left out is not.
4. A `Publish` shows `status` as it is then.

The states and their transitions are the table in `lifecycle`. Every change of state goes through
it, and is a `Publish`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from rxbosbase.errors import StreamLostError
from rxbosbase.runtime.retry_delay import Backoff, Delay, asked_to_wait

from . import commands as do
from .lifecycle import Signal, State, transition
from .registry import TopicShard
from .status import SessionStatus
from .topic_submission import CALM, Verdict, judge, quiet_at

__all__ = ["Session"]


_OPEN = (State.CONNECTED, State.ACTIVE)


class Session:
    """The state of one connection. Not thread-safe: its driver feeds it one input at a time.

    Args:
        wanted: the wanted set, as it is at each moment.
        delay: how long to wait after so many failed POSTs.
        quiet: seconds without a change after which a burst of changes is over.

    Attributes:
        commands: what is to be done; whoever does it takes it out.
        status: where it stands.
        held: up to which version the server has the wanted set on this stream; -1 for none.

    >>> session = Session(TopicShard(0), lambda failures: 1.0, quiet=0.0)
    >>> session.changed(now=0.0)
    >>> session.commands.popleft()
    WakeAt(due=0.0)
    >>> session.tick(identity="", now=0.0)  # nothing is wanted, nothing is there
    >>> session.commands
    deque([Publish(signal=None)])
    """

    def __init__(self, wanted: TopicShard, delay: Delay, *, quiet: float) -> None:
        self.commands: deque[do.Command] = deque()
        self.status = SessionStatus()
        self.held = -1
        self._wanted = wanted
        self._delay = delay
        self._quiet = quiet
        self._run: int | None = None  # the pipeline that runs
        self._runs = 0  # how many there were
        self._stream: object | None = None  # dialled, or open
        self._submitted_as: str | None = None  # whose topics the stream has; None before the first
        self._held_topics: frozenset[str] | None = None  # the server's set; None while not known
        self._ever_held = -1  # the newest version the server has taken on any stream
        self._post: do.Post | None = None  # not answered yet
        self._is_stale = False  # what it submits has to be submitted again
        self._is_doomed = False  # the stream was told to end, and is to be dialled anew
        self._backoff = Backoff(delay)
        self._pending = self._urgent = False  # a change that `tick` has not seen; without a pause
        self._began = self._changed_at = 0.0  # when the burst of changes began, and the last came
        self._posts = 0  # what this burst has cost so far
        self._wake_at: float | None = None

    @property
    def is_open(self) -> bool:
        """True while there is a stream with a client id."""
        return self.status.state in _OPEN

    @property
    def retry_at(self) -> float:
        """No POST before this time: one has failed."""
        return self._backoff.until

    # -- inputs: what is wanted, and as whom -----------------------------------------------------

    def changed(self, now: float, *, urgent: bool = False) -> None:
        """The wanted set has changed; `urgent` if somebody waits for it."""
        self._touch(now, urgent=urgent)

    def identity_changed(self, identity: str, now: float) -> None:
        """Somebody logged in or out, or (the same identity) has a renewed token.

        A stream keeps the identity of its first POST, so that another one needs a new stream; a
        renewed token comes with the next POST of the same topics.
        """
        if self._submitted_as is None:
            return
        if self._submitted_as != identity:
            self.renewed()
            return
        self.held, self._held_topics = -1, None
        self._is_stale = self._post is not None  # it may carry the token of before
        self._touch(now, urgent=True)

    def renewed(self) -> None:
        """A new stream is wanted now: the open one ends as routine, a wait is cut short."""
        if self._stream is not None:
            self._hang_up()
            self._note(Signal.RENEWED, client_id="", attempt=0, error=None)
        if self.status.state is not State.CLOSED:
            self._say(do.Hurry())

    def closed(self) -> None:
        """The client closes."""
        if self.status.state is not State.CLOSED:
            self._hang_up()
            self._note(Signal.CLOSED, client_id="", retry_in=None)
            self._stop()
            self._pending = False

    # -- inputs: the pipeline --------------------------------------------------------------------

    def dialled(self, run: int, stream: object) -> None:
        """The pipeline begins an attempt: the first, after a wait, or after a routine end."""
        if run != self._run:
            self._say(do.Abandon(stream))
            return
        if self.status.state is State.WAITING:
            self._note(Signal.RETRIED, retry_in=None)
        elif self._stream is not None or self.is_open:
            self._forget_stream()
            self._note(Signal.RENEWED, client_id="", attempt=0, error=None)
        self._stream = stream

    def opened(self, stream: object, client_id: str, now: float) -> None:
        """The server gave the stream its client id."""
        if stream is not self._stream or self.status.state is not State.CONNECTING:
            return  # hung up meanwhile
        self._held_topics, self._backoff = frozenset(), Backoff(self._delay)
        self._note(Signal.OPENED, client_id=client_id, attempt=0, error=None)
        self._pending = False  # the burst of before has waited long enough, a new one begins
        self._touch(now)

    def lost(self, run: int, attempt: int, retry_in: float, error: Exception) -> None:
        """The stream, or the attempt, ended by `error`; the pipeline waits before the next one."""
        if run == self._run:
            self._end_by(Signal.LOST, attempt=attempt, retry_in=retry_in, error=error)

    def exhausted(self, run: int, error: Exception) -> None:
        """The same, and the pipeline has given up."""
        if run == self._run:
            self._end_by(Signal.EXHAUSTED, retry_in=None, error=error)
            self._run = None
            self._say(do.Failed(error))

    # -- inputs: POSTs, and time -----------------------------------------------------------------

    def acknowledged(self, post: do.Post, now: float) -> None:
        """The server has taken the topics."""
        if self._is_answered(post, now):
            self._held_topics = frozenset(post.topics)
            self._took(post.version, now)

    def refused(
        self, post: do.Post, error: Exception, identity: str | Exception, now: float
    ) -> None:
        """The server has not, or perhaps not, taken the topics.

        Args:
            identity: who is logged in by then; the error, where that cannot be found out.
        """
        if not self._is_answered(post, now):
            return
        verdict = judge(error)
        if verdict is Verdict.TRANSIENT:
            self._try_again(error, now)
        elif verdict is Verdict.WRONG:
            self._say(do.Refused(self._ever_held, post.version, error))
        elif verdict is Verdict.OVER:
            self._is_doomed = True
        elif self._submitted_as != identity:
            self._doom(None)  # somebody logged in or out meanwhile: mere routine
        else:
            lost = StreamLostError(f"the server refused the topics: {error}")
            lost.__cause__ = error
            self._doom(lost)

    def tick(self, identity: str | Exception, now: float) -> None:
        """Time has passed: compares what is wanted with what is.

        Args:
            identity: who is logged in; the error, where that cannot be found out.
        """
        if self._wake_at is not None and now >= self._wake_at:
            self._wake_at = None
        if self._pending and self._post is None:
            due = self._due(now)
            if due > now:
                self._wake(due)
            else:
                self._settle(identity, now)

    # -- what is wanted against what is ----------------------------------------------------------

    def _settle(self, identity: str | Exception, now: float) -> None:
        urgent, self._urgent, self._pending = self._urgent, False, False
        self._say(do.Publish())
        if self._wanted.is_empty:
            if self._run is not None:
                self._leave()
        elif self._run is None:
            self._run = self._runs = self._runs + 1
            self._note(Signal.WANTED, attempt=0, error=None)
            self._say(do.Start(self._run))
        elif self._holds_other and self.is_open and not self._is_doomed:
            self._posts += not urgent
            self._submit(identity, now)

    def _submit(self, identity: str | Exception, now: float) -> None:
        if isinstance(identity, Exception):
            self._try_again(identity, now)
            return
        version, topics = self._wanted.version, self._wanted.topics()
        if self._submitted_as is None:
            self._submitted_as = identity
        if self._held_topics == frozenset(topics):  # each POST opens a gap: none for nothing
            self._took(version, now)
            return
        self._held_topics, self._is_stale = None, False
        self._post = do.Post(self._stream, version, topics)
        self._say(self._post)

    def _took(self, version: int, now: float) -> None:
        self.held, self._ever_held = version, max(self._ever_held, version)
        self._backoff.succeeded()
        if self._holds_other:
            self._touch(now)
        else:
            self._note(Signal.ACKNOWLEDGED, attempt=0, error=None)
        self._say(do.Acknowledged(self._stream, version))

    def _try_again(self, error: Exception, now: float) -> None:
        self._backoff.failed(now, asked_to_wait(error))
        self._note(Signal.REFUSED, attempt=self._backoff.failures, error=error)
        self._touch(now, urgent=True)

    def _is_answered(self, post: do.Post, now: float) -> bool:
        """Notes the answer of the POST in flight; False if it says nothing any more: its stream
        has ended, or the topics have to be submitted again."""
        if post is not self._post:
            return False
        self._post = None
        if self._pending:
            self._wake(self._due(now))
        return post.stream is self._stream and not self._is_doomed and not self._is_stale

    # -- when to submit --------------------------------------------------------------------------

    @property
    def _holds_other(self) -> bool:
        return self.held != self._wanted.version

    def _touch(self, now: float, *, urgent: bool = False) -> None:
        if self.status.state is State.CLOSED:
            return
        if now - self._changed_at > CALM:
            self._posts = 0
        self._changed_at = now
        if not self._pending:
            self._began = now
        self._pending, self._urgent = True, self._urgent or urgent
        if self.status.state is State.ACTIVE and self._holds_other:
            self._note(Signal.CHANGED)
        self._wake(self._due(now))

    def _due(self, now: float) -> float:
        """When a burst of changes is over, or a failed POST may be repeated."""
        if not self.is_open:
            return now
        if self._urgent or now < self._backoff.until:
            return max(now, self._backoff.until)
        return quiet_at(self._began, self._changed_at, self._posts, quiet=self._quiet)

    def _wake(self, due: float) -> None:
        if self._wake_at is None or due < self._wake_at:
            self._say(do.WakeAt(due))
            self._wake_at = due

    # -- how streams end -------------------------------------------------------------------------

    def _doom(self, error: Exception | None) -> None:
        self._is_doomed = True
        self._say(do.HangUp(self._stream, error))

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._say(do.HangUp(self._stream))
        self._forget_stream()

    def _forget_stream(self) -> None:
        self._stream = self._submitted_as = self._held_topics = None
        self._is_doomed = self._is_stale = False
        self.held = -1

    def _end_by(self, signal: Signal, **changes: Any) -> None:
        was_open = self.is_open
        self._forget_stream()
        self._note(signal, client_id="", **changes)
        if was_open:
            self._say(do.Lost())

    def _leave(self) -> None:
        was_open = self.is_open
        self._hang_up()
        self._note(Signal.UNWANTED, client_id="", attempt=0, retry_in=None, error=None)
        self._stop()
        if was_open:
            self._say(do.Left())

    def _stop(self) -> None:
        if self._run is not None:
            self._say(do.Stop())
            self._run = None

    def _note(self, signal: Signal, **changes: Any) -> None:
        before = self.status.state
        state = transition(before, signal)
        if before in _OPEN and state not in _OPEN:
            self._say(do.Gap())
        self._say(do.Publish(signal))
        self.status = replace(self.status, state=state, **changes)

    def _say(self, command: do.Command) -> None:
        self.commands.append(command)
