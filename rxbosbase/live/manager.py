"""The stream that all live views of a client share, apart from the user's own topics.

Views need to know of more than events: when the server has taken their topics, and when anything
may have been lost. They are told here, in order, on one thread that runs no user code.
"""

from __future__ import annotations

import heapq
import logging
import os
import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

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
from rxbosbase.records.filter_dialect import FilterDialect, Read
from rxbosbase.runtime.fork_guard import check_process
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.threads import Pool

if TYPE_CHECKING:
    from .driver import ViewDriver

__all__ = ["LiveViewManager"]

log = logging.getLogger("rxbosbase.live")

MAX_TOLD = 100
"""So many records that views leave out stand in the status at most; the log names each."""


class LiveViewManager:
    """The views of one client, and what they share: a stream, a thread, and the reads."""

    def __init__(
        self,
        settings: ConnectionSettings,
        preflight: Preflight,
        monitor: ConnectionMonitor,
        pool: Pool,
        read: Read,
        dialect: FilterDialect,
        delivery: SerialScheduler,
    ) -> None:
        self.loop = settings.delivery
        self.delivery = delivery
        self.pool = pool
        self.read = read
        self.dialect = dialect
        self.text_order = TextOrder()
        self.has_jitter = settings.policy.jitter
        self.service = RealtimeService(settings, preflight, monitor, self, delivers_retired=False)
        self._lock = threading.Lock()
        self._cores: dict[Hashable, ViewDriver[Any]] = {}
        self.taken: dict[
            TopicShard, int
        ] = {}  # up to which version the server has a share's topics
        self._monitor = monitor
        self._unreadable: set[UnreadableRecord] = set()
        self._problem: Exception | None = None
        self._closed = False
        self._process = os.getpid()

    # -- sharing ---------------------------------------------------------------------------------

    def acquire(self, key: Hashable, make: Callable[[], ViewDriver[Any]]) -> ViewDriver[Any]:
        """The view of this key, begun by the first who asks; give it back with `release`."""
        check_process(self._process)  # before the lock: a child may have inherited it taken
        with self._lock:
            if self._closed:
                raise ClientClosedError("the client is closed; make a new one")
            core = self._cores.get(key)
            begins = core is None
            if core is None:
                core = self._cores[key] = make()
            core.users += 1
        if begins:
            core.begin()
        return core

    def release(self, key: Hashable, core: ViewDriver[Any]) -> None:
        """One user less; the last one ends the view."""
        if os.getpid() != self._process:
            return  # in a child process there is nothing to end
        with self._lock:
            core.users -= 1
            ends = core.users == 0
            if ends and self._cores.get(key) is core:
                del self._cores[key]
        if ends:
            core.end()
            self.show_trouble()

    def find(self, key: Hashable) -> ViewDriver[Any] | None:
        """The running view of this key."""
        with self._lock:
            return self._cores.get(key)

    def forget(self, core: ViewDriver[Any]) -> None:
        """A view that has failed is shared no more."""
        with self._lock:
            self._cores = {key: other for key, other in self._cores.items() if other is not core}
        self.show_trouble()

    def show_trouble(self) -> None:
        """Tells which records the views have to leave out, all together, and why a view cannot
        read; from any thread."""
        with self._lock:
            found = {record for core in self._cores.values() for record in core.screen.unreadable}
            problems = [core.problem for core in self._cores.values() if core.problem is not None]
            problem = problems[0] if problems else None
            new = found - self._unreadable
            if not new and len(found) == len(self._unreadable) and problem is self._problem:
                return
            self._unreadable, self._problem = found, problem
            self._monitor.show_views(tuple(heapq.nsmallest(MAX_TOLD, found, key=str)), problem)
        for record in new:
            log.warning("live views leave out %s", record)

    # -- from the stream: passed on to the views on the loop, in the order of the frames ----------

    def on_held(self, share: TopicShard, version: int) -> None:
        """The server has a share's topics up to `version`."""

        def tell() -> None:
            self.taken[share] = version
            for core in self._all():
                core.topics_held(share, self.taken)

        self.loop.post(tell)

    def on_gap(self, share: TopicShard) -> None:
        """The connection of a share ended."""

        def tell() -> None:
            self.taken.pop(share, None)
            for core in self._all():
                core.topics_lost(share)

        self.loop.post(tell)

    def on_skipped(self, error: MalformedEvent, records: tuple[Subscriber, ...]) -> None:
        """A frame could not be read, which for the views of its topic is a loss; on the loop."""
        if error.event is not None:
            # The view knows what to do with what could be decoded of it: nothing was lost.
            dispatch(records, error.event, self.service.detach)
            return
        log.warning("%s", error)
        for core in self._all():  # they make up for it: no error is left to be shown
            core.frame_skipped(error.topic)

    def order_learned(self) -> None:
        """A view has found out how the server sorts text, which concerns the others, too."""
        for core in self._all():
            core.order_learned()

    # -- what the client tells -------------------------------------------------------------------

    def identity_changed(self, *, other: bool) -> None:
        """A token was renewed; `other`: somebody else is logged in now."""
        if other:  # first, so that no acknowledgement for the new one comes before it
            for core in self._all():
                self.loop.post(core.reset)
        self.service.identity_changed()

    def close(self) -> None:
        """Ends the stream and all views' work. Never waits."""
        with self._lock:
            self._closed = True
        # The views end first: what the stream loses by this is no loss of theirs. Their completion,
        # in `finish`, comes behind a callback that waits for a snapshot.
        for core in self._all():
            core.end()
        self.service.close()
        self.loop.close()

    def finish(self) -> None:
        """Completes all views, on the calling thread."""
        for core in self._all():
            core.complete()

    def _all(self) -> list[ViewDriver[Any]]:
        with self._lock:
            return list(self._cores.values())
