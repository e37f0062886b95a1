"""One connection kept alive: the reconnection pipeline, and the topics brought up to date on it.

Everything here that waits or connects runs on the control thread; the reader's thread only notes
what it saw. `settle` is the one place that acts: it compares what is wanted with what is, so that
no order of subscribing, losing and closing needs a case of its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import monotonic, time
from typing import Any, Protocol

from reactivex.disposable import SingleAssignmentDisposable
from reactivex.subject import Subject

from rxbosbase.errors import BosBaseError, ClientClosedError, StreamLostError

from .connection import Batch, Connection, Opened
from .lifecycle import Signal, State, transition
from .pipeline import reconnecting
from .reconnect import asked_to_wait
from .registry import Registry, Share
from .settings import Settings
from .status import LinkStatus
from .submit import CALM, Verdict, judge, pause, post_topics

__all__ = ["Link", "LinkEvents"]

log = logging.getLogger("rxbosbase.realtime")


class LinkEvents(Protocol):
    """What a link tells its owner. All of these return at once."""

    def on_batch(self, batch: Batch) -> None:
        """Frames came; called on the delivery thread."""

    def on_change(self) -> None:
        """The link's status changed; called under the lock."""

    def on_held(self, share: Share, version: int) -> None:
        """The server has taken the share's topics up to `version`; called under the lock."""

    def on_gap(self, share: Share) -> None:
        """The open connection ended, by whatever cause; called under the lock."""

    def on_lost(self, link: Link) -> None:
        """An open connection ended otherwise than by routine; called under the lock."""

    def on_left(self) -> None:
        """An open connection was closed, since its topics are not wanted any more; called under
        the lock."""

    def on_refused(self, share: Share, since: int, upto: int, error: Exception) -> None:
        """The server will not take the topics of version `upto`; up to `since` it took them."""

    def on_failed(self, share: Share, error: Exception) -> None:
        """The attempts are used up; called under the lock."""


_OPEN = (State.CONNECTED, State.ACTIVE)
_RETRYING = (State.WAITING, State.CONNECTING)


class Link:
    """Keeps one share of the wanted topics on the server, whatever happens to the connection."""

    def __init__(
        self,
        share: Share,
        registry: Registry,
        settings: Settings,
        changed: threading.Condition,
        events: LinkEvents,
    ) -> None:
        self.share = share
        self.status = LinkStatus(since=time())
        self._registry = registry
        self._settings = settings
        self._changed = changed  # the registry's lock, and how waiters hear of acknowledgements
        self._events = events
        self._run: _Run | None = None
        self._connection: Connection | None = None  # the open one
        self._dialling: Connection | None = None  # the one being opened
        self._wake: Subject[None] = Subject()
        self._held = -1  # the version of the share that the server holds on this connection
        self._proven = -1  # the newest version the server has ever taken
        self._failures = self._burst_posts = 0  # POSTs that failed here; that this burst cost
        self._retry_at = 0.0  # no POST before, on this connection
        self._settling = self._urgent = False
        self._turn = 0  # the newest `_settle` that waits; older ones have nothing to say
        self._burst_began = self._last_change = 0.0
        self.posts = self.opened = self.frames = self.bytes = 0
        self.last_frame_at: float | None = None

    # -- what the owner may call, under the lock -------------------------------------------------

    @property
    def acknowledged(self) -> int:
        """The version of the share up to which the server has taken the topics; -1 if none."""
        return self._held

    @property
    def is_open(self) -> bool:
        """True while there is a stream with a client id."""
        return self._connection is not None

    @property
    def is_down(self) -> bool:
        """True from a failed attempt, or a loss, until a stream is open again."""
        return self.status.attempt > 0 and self.status.state in _RETRYING

    @property
    def submitted_as(self) -> str | None:
        """The identity under which topics were submitted on the open connection."""
        return self._connection.identity if self._connection else None

    def touch(self, *, urgent: bool = False) -> None:
        """The wanted set has changed: settle soon, or at once if somebody is waiting for it."""
        now = monotonic()
        if now - self._last_change > CALM:
            self._burst_posts = 0
        self._last_change = now
        if self.status.state is State.ACTIVE and self._held != self.share.version:
            self._note(Signal.CHANGED)
        if self._settling and (self._urgent or not urgent):
            return
        if not self._settling:
            self._burst_began = now
        self._settling = True
        self._urgent = urgent
        self._turn += 1
        self._settings.control.post(partial(self._settle, self._turn))

    def renew(self) -> None:
        """Ends the open connection, or the attempt, as routine; a wait is cut short."""
        connection = self._connection or self._dialling
        if connection is not None:
            self._hang_up()
            self._note(Signal.RENEWED, client_id="", attempt=0, error=None)
        self._settings.control.post(lambda: self._wake.on_next(None))

    def resubmit(self) -> None:
        """Submits all topics once more on the same connection, under a renewed token."""
        connection = self._connection
        if connection is not None and connection.identity is not None:
            self._held = -1
            # Behind a POST that is under way, which may still carry the token of before.
            self._settings.control.post(partial(self._submit_again, connection))

    def _submit_again(self, connection: Connection) -> None:
        with self._changed:
            if connection is self._connection:
                self._held = -1
                connection.submitted = None
                self.touch(urgent=True)

    def shut(self) -> None:
        """Ends all at once because the client closes."""
        self._hang_up()
        self._note(Signal.CLOSED, client_id="", retry_in=None)
        if self._run is not None:
            self._run.subscription.dispose()
            self._run = None

    def _hang_up(self) -> None:
        for connection in (self._connection, self._dialling):
            if connection is not None:
                connection.retire()
        self._connection = self._dialling = None
        self._held = -1
        # A reader that is held back by a full queue looks up and sees that it is to end.
        self._settings.delivery.release()

    # -- the control thread ----------------------------------------------------------------------

    def _settle(self, turn: int) -> None:
        with self._changed:
            if turn != self._turn:
                return
            wait = self._pause()
            if wait > 0:
                self._settings.control.call_later(wait, partial(self._settle, turn))
                return
            act = self._next_step()
            self._settling = self._urgent = False
            self._events.on_change()  # the wanted topics are part of the status
        if act is not None:
            act()

    def _next_step(self) -> Callable[[], None] | None:
        """What brings the connection nearer to what is wanted; None where nothing is to do."""
        if self.status.state is State.CLOSED:
            return None
        version = self.share.version
        if not self.share.entries:
            return self._leave(self._run) if self._run is not None else None
        if self._run is None:
            run = self._run = _Run()
            self._note(Signal.WANTED, attempt=0, error=None)
            return partial(self._start, run)
        if self._connection is not None and self._held != version:
            self._burst_posts += not self._urgent
            topics = self.share.submitted(self._registry.local)
            return partial(self._submit, self._connection, version, topics)
        return None

    def _pause(self) -> float:
        """Seconds until a burst of changes is over, or until a failed POST may be repeated."""
        if self._connection is None:
            return 0.0
        now = monotonic()
        if self._urgent or now < self._retry_at:
            return self._retry_at - now
        return pause(now, self._burst_began, self._last_change, self._burst_posts)

    def _start(self, run: _Run) -> None:
        pipeline = reconnecting(
            partial(self._dial, run),
            self._settings.policy,
            scheduler=self._settings.control,
            on_wait=partial(self._waiting, run),
            wake=self._wake,
        )
        run.subscription.disposable = pipeline.subscribe(
            partial(self._received, run),
            partial(self._exhausted, run),
            scheduler=self._settings.control,
        )

    def _leave(self, run: _Run) -> Callable[[], None]:
        self._run = None
        was_open = self._connection is not None
        self._hang_up()
        self._note(Signal.UNWANTED, client_id="", attempt=0, retry_in=None, error=None)
        if was_open:
            log.info("no topics left, the connection is closed")
            self._events.on_left()
        return run.subscription.dispose

    def _dial(self, run: _Run) -> Connection:
        settings = self._settings
        connection = Connection(
            settings.transport,
            idle_timeout=settings.idle_timeout,
            max_event_bytes=settings.max_event_bytes,
        )
        with self._changed:
            if run is not self._run:
                connection.channel.close()
                raise ClientClosedError("the connection is not wanted any more")
            if self.status.state is State.WAITING:
                self._note(Signal.RETRIED, retry_in=None)
            elif self._connection is not None or self._dialling is not None:
                log.info("the server closed the stream as it does from time to time, going on")
                self._note(Signal.RENEWED, client_id="", attempt=0, error=None)
            self._connection, self._dialling = None, connection
            self._held = -1
        return connection

    def _submit(self, connection: Connection, version: int, topics: list[str]) -> None:
        """One POST. The control thread runs one thing at a time: that is the single flight."""
        try:
            if connection.identity is None:
                connection.identity = self._settings.identity()
            # Each POST opens a gap for the topics it repeats: none is made for nothing.
            if set(topics) != connection.submitted:
                self.posts += 1
                connection.submitted = None
                post_topics(connection, topics)
                connection.submitted = set(topics)
        except Exception as error:  # whatever it is: a topic must not wait for ever
            self._refused(connection, version, error)
            return
        with self._changed:
            if connection is not self._connection:
                return
            connection.acknowledged = True
            self._failures = 0
            self._held = version
            self._proven = max(self._proven, version)
            if version == self.share.version:
                self._note(Signal.ACKNOWLEDGED, attempt=0, error=None)
            else:
                self.touch()
            self._events.on_held(self.share, version)
            self._changed.notify_all()

    def _refused(self, connection: Connection, version: int, error: Exception) -> None:
        with self._changed:
            if connection is not self._connection or connection.channel.sockets.aborted:
                return  # the stream is over: its reader tells why
            verdict = judge(error)
            if verdict is Verdict.TRANSIENT:
                self._retry_later(error)
                return
        if verdict is Verdict.WRONG:
            self._events.on_refused(self.share, self._proven, version, error)
        elif connection.identity != self._settings.identity():
            connection.retire()  # somebody logged in or out meanwhile: mere routine
        else:
            log.info("the server does not know the stream any more: %s", error)
            lost = StreamLostError(f"the server refused the topics: {error}")
            lost.__cause__ = error
            connection.fail(lost)
        self._settings.delivery.release()

    def _retry_later(self, error: Exception) -> None:
        self._failures += 1
        wait = max(self._settings.policy.delay(self._failures), asked_to_wait(error))
        unforeseen = not isinstance(error, BosBaseError)
        log.warning(
            "submitting the topics failed, next try in %.1f s: %s", wait, error, exc_info=unforeseen
        )
        self._retry_at = monotonic() + wait
        self.status = replace(self.status, attempt=self._failures, error=error)
        self._events.on_change()
        self.touch(urgent=True)

    # -- the reader's thread ---------------------------------------------------------------------

    def _received(self, run: _Run, signal: Opened | Batch) -> None:
        connection = signal.connection
        if isinstance(signal, Batch):
            self.frames += len(signal.frames)
            self.bytes += signal.size
            self.last_frame_at = monotonic()
            self._settings.delivery.feed(
                partial(self._events.on_batch, signal),
                len(signal.frames),
                signal.size,
                lambda: connection.ending,
            )
            return
        with self._changed:
            if run is not self._run or connection is not self._dialling:
                return
            self._connection, self._dialling = connection, None
            self._held = -1
            self._failures = 0
            self._retry_at = 0.0
            self.opened += 1
            self._note(Signal.OPENED, client_id=connection.client_id, attempt=0, error=None)
            self._settling = False  # whatever it waits for belongs to the connection before
            self.touch()

    def _waiting(self, run: _Run, attempt: int, delay: float, error: Exception) -> None:
        with self._changed:
            if run is not self._run:
                return
            was_open = self._forget(Signal.LOST, attempt=attempt, retry_in=delay, error=error)
        level = logging.WARNING if was_open or attempt == 1 else logging.INFO
        log.log(level, "no connection, attempt %d in %.1f s: %s", attempt + 1, delay, error)

    def _exhausted(self, run: _Run, error: Exception) -> None:
        with self._changed:
            if run is not self._run:
                return
            self._run = None
            self._forget(Signal.EXHAUSTED, retry_in=None, error=error)
            self._events.on_failed(self.share, error)
        log.error("giving up, the attempts are used up: %s", error)

    def _forget(self, signal: Signal, **changes: Any) -> bool:
        """Notes the end of the connection; True if it had been open."""
        was_open = self._connection is not None
        self._connection = self._dialling = None
        self._held = -1
        self._note(signal, client_id="", **changes)
        if was_open:
            self._events.on_lost(self)
        return was_open

    def _note(self, signal: Signal, **changes: Any) -> None:
        before = self.status
        state = transition(before.state, signal)
        since = time() if state is not before.state else before.since
        self.status = replace(before, state=state, since=since, **changes)
        if before.state in _OPEN and state not in _OPEN:
            self._events.on_gap(self.share)
        self._events.on_change()


class _Run:
    """One run of the pipeline, from the first wanted topic to the last. What a former run still
    has to say is recognised by it, and ignored."""

    __slots__ = ("subscription",)

    def __init__(self) -> None:
        self.subscription = SingleAssignmentDisposable()
