"""The manager of a client's live views: the stream that they share, apart from the user's topics.

Views need more than events: when the server has acknowledged their topics, and when events may have
been lost. The manager passes that on in order, on one thread that runs no user code.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Protocol, TypeVar, cast

from rxbosbase.access.questions import AccessQuestions, Read
from rxbosbase.encoding.unreadable import UnreadableRecord
from rxbosbase.errors import ClientClosedError
from rxbosbase.events import MalformedEvent
from rxbosbase.live.engine.order_evidence import TextOrder
from rxbosbase.realtime.connection import ConnectionSettings
from rxbosbase.realtime.delivery import dispatch
from rxbosbase.realtime.monitor import ConnectionMonitor
from rxbosbase.realtime.preflight import Preflight
from rxbosbase.realtime.service import RealtimeService
from rxbosbase.realtime.session.registry import Subscriber, TopicShard
from rxbosbase.records.filter_dialect import FilterDialect
from rxbosbase.runtime.fork_guard import ForkGuard
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.threads import Pool

__all__ = ("LiveViewManager",)

log = logging.getLogger("rxbosbase.live")

MAX_UNREADABLE = 100
"""Records that views leave out are in the status up to this number; the log names each."""


class ManagedView(Protocol):
    """A shared view, as its manager sees it. All methods but `start`, `end` and `complete` are
    called on the manager's scheduler.

    Attributes:
        users: how many have acquired it.
        problem: why its last read failed; None if it succeeded.
    """

    users: int
    problem: Exception | None

    @property
    def unreadable(self) -> Iterable[UnreadableRecord]:
        """The records that the view leaves out."""
        ...

    def start(self) -> None:
        """Subscribe to the topics of the view."""

    def end(self) -> None:
        """Remove the topics; what is in flight is ignored. Never waits."""

    def complete(self) -> None:
        """Complete the observers, on the calling thread."""

    def topics_acknowledged(self, shard: TopicShard, versions: Mapping[TopicShard, int]) -> None:
        """Handle the server's acknowledgement of topics of this shard."""

    def topics_lost(self, shard: TopicShard) -> None:
        """Handle that events of this shard may be missing."""

    def frame_skipped(self, name: str) -> None:
        """Handle a frame of the topic `name` that could not be decoded."""

    def order_learned(self) -> None:
        """Sort again: another view has learned how the server sorts text."""

    def reset(self) -> None:
        """Empty the view and read again: another identity is logged in."""


V = TypeVar("V", bound=ManagedView)


class LiveViewManager:
    """The views of one client, and what they share: a stream, a thread, and the pool for reads."""

    def __init__(
        self,
        settings: ConnectionSettings,
        preflight: Preflight,
        monitor: ConnectionMonitor,
        pool: Pool,
        read: Read,
        questions: AccessQuestions,
        dialect: FilterDialect,
        delivery: SerialScheduler,
        nodes: Mapping[str, ConnectionSettings],
    ) -> None:
        self.settings = settings
        self.scheduler = settings.delivery
        self.delivery = delivery
        self.pool = pool
        self.read = read
        self.questions = questions
        self.dialect = dialect
        self.text_order = TextOrder()
        self.has_jitter = settings.policy.jitter
        self.service = RealtimeService(
            settings, preflight, monitor, self, nodes=nodes, delivers_retired=False
        )
        self._lock = threading.Lock()
        self._views: dict[Hashable, ManagedView] = {}
        self.acknowledged: dict[TopicShard, int] = {}  # the newest version on the open streams
        self.incomplete: set[TopicShard] = set()  # acknowledged by some nodes, while others fail
        self._monitor = monitor
        self._unreadable: set[UnreadableRecord] = set()
        self._problem: Exception | None = None
        self._closed = False
        self._fork_guard = ForkGuard()

    # -- sharing ---------------------------------------------------------------------------------

    def acquire(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the view of this key, started by the first call; give it back with `release`."""
        self._fork_guard.check()  # before the lock: a child may have inherited it locked
        with self._lock:
            if self._closed:
                raise ClientClosedError("the client is closed; make a new one")
            view = self._views.get(key)
            is_new = view is None
            if view is None:
                view = self._views[key] = make()
            view.users += 1
        if is_new:
            view.start()
        return cast(V, view)  # equal keys are of equal views

    def release(self, key: Hashable, view: ManagedView) -> None:
        """Give a view back; the last release ends it."""
        if self._fork_guard.is_child:
            return  # in a child process there is nothing to end
        with self._lock:
            view.users -= 1
            ends = view.users == 0
            if ends and self._views.get(key) is view:
                del self._views[key]
        if ends:
            view.end()
            self.report_problems()

    def find(self, key: Hashable) -> Any:
        """Return the running view of this key, or None."""
        with self._lock:
            return self._views.get(key)

    def forget(self, view: ManagedView) -> None:
        """Stop sharing a view that has failed."""
        with self._lock:
            self._views = {key: other for key, other in self._views.items() if other is not view}
        self.report_problems()

    def report_problems(self) -> None:
        """Put into the status which records all views together leave out, and why a view cannot
        read. From any thread."""
        with self._lock:
            found = {record for view in self._views.values() for record in view.unreadable}
            problems = [view.problem for view in self._views.values() if view.problem is not None]
            problem = problems[0] if problems else None
            new = found - self._unreadable
            if not new and len(found) == len(self._unreadable) and problem is self._problem:
                return
            self._unreadable, self._problem = found, problem
            self._monitor.set_view_problems(
                tuple(heapq.nsmallest(MAX_UNREADABLE, found, key=str)), problem
            )
        for record in new:
            log.warning("live views leave out %s", record)

    # -- from the stream: passed on by the scheduler, in the order of the frames ------------------

    def on_acknowledged(self, shard: TopicShard, version: int, *, complete: bool) -> None:
        """Pass the server's acknowledgement of a shard's topics up to `version` on to the views."""

        def notify() -> None:
            self.acknowledged[shard] = version
            (self.incomplete.discard if complete else self.incomplete.add)(shard)
            for view in self._all():
                view.topics_acknowledged(shard, self.acknowledged)

        self.scheduler.post(notify)

    def on_gap(self, shard: TopicShard) -> None:
        """Pass on to the views that events of a shard may be missing."""

        def notify() -> None:
            self.acknowledged.pop(shard, None)
            for view in self._all():
                view.topics_lost(shard)

        self.scheduler.post(notify)

    def on_skipped(self, error: MalformedEvent, records: tuple[Subscriber, ...]) -> None:
        """Handle a frame that could not be decoded: a loss for its topic. On the scheduler."""
        if error.event is not None:
            # What could be decoded of it is enough for the view: nothing was lost.
            dispatch(records, error.event, self.service.detach)
            return
        log.warning("%s", error)
        for view in self._all():  # they read again: there is no error to show
            view.frame_skipped(error.topic)

    def order_learned(self) -> None:
        """Pass on to all views what one has learned of how the server sorts text."""
        for view in self._all():
            view.order_learned()

    # -- called by the client --------------------------------------------------------------------

    def identity_changed(self, *, other: bool) -> None:
        """Handle a renewed token or, with `other`, the login of another identity."""
        if other:  # first, so that no acknowledgement for the new identity comes before it
            for view in self._all():
                self.scheduler.post(view.reset)
        self.service.identity_changed()

    def close(self) -> None:
        """End the stream and the work of all views. Never waits."""
        with self._lock:
            self._closed = True
        # The views end first, so that the end of the stream is no loss for them. They complete in
        # `finish`, after a callback that waits for a snapshot.
        for view in self._all():
            view.end()
        self.service.close()
        self.scheduler.close()

    def finish(self) -> None:
        """Complete all views, on the calling thread."""
        for view in self._all():
            view.complete()

    def _all(self) -> list[ManagedView]:
        with self._lock:
            return list(self._views.values())
