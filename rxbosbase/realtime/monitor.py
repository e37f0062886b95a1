"""All streams of one client taken together: one status, one wait, and one call for each loss.

The user's topics and the live views have streams of their own; a user asks about the client. Each
service registers its drivers and its topics here, and all of that is computed from them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from rxbosbase.encoding.unreadable import UnreadableRecord
from rxbosbase.errors import ClientClosedError, RequestTimeoutError
from rxbosbase.realtime.session.lifecycle import State
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.realtime.session.status import Status, summarize
from rxbosbase.runtime.fork_guard import check_process
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.streams import Latest

from .delivery import guarded
from .driver import Driver
from .notification_queue import NotificationQueue

if TYPE_CHECKING:
    from .service import RealtimeService

__all__ = ["SAME_LOSS", "ConnectionMonitor"]

SAME_LOSS = 1.0
"""Seconds within which other streams' ends belong to one loss, though the first is back already:
what cuts the streams of a client cuts them all, and each notices in its own time."""


class ConnectionMonitor:
    """What `client.realtime` tells of the connections, and the lock that guards them.

    Args:
        delivery: runs the user's observers and ``on_disconnect``.

    Attributes:
        changed: the lock of all services, and how waiters learn of changes. It is never held
            while user code or I/O runs. All methods but `wait_active` and the three about the end
            may be called under it, and never wait.
        status: the newest `Status`, and each that follows.
        on_disconnect: called with the topics still wanted, once for each loss.
    """

    def __init__(self, delivery: SerialScheduler) -> None:
        self.changed = delivery.condition()
        self.status: Latest[Status] = Latest(Status(since=delivery.wall_time()), delivery)
        self.on_disconnect: Callable[[list[str]], object] | None = None
        self._notices = NotificationQueue(delivery)
        self._loop = delivery
        self._process = os.getpid()
        self._kinds: list[RealtimeService] = []
        self._of_streams = self.status.value  # a flood of skipped events leaves it as it is
        self._closed = False
        self._lost: set[Driver] = set()  # those of the newest loss
        self._lost_at = -math.inf
        self._skipped: Exception | None = None
        self._login_lost: Exception | None = None  # until the next one
        self._views_problem: Exception | None = None
        self._unreadable: tuple[UnreadableRecord, ...] = ()  # what live views leave out

    def watch(self, streams: RealtimeService) -> None:
        """Includes these streams from now on, behind those that were there."""
        with self.changed:
            self._kinds.append(streams)

    @property
    def stats(self) -> Stats:
        """The counters of all streams."""
        return sum((kind.stats for kind in self._kinds), Stats())

    def _drivers(self) -> list[Driver]:
        return [driver for kind in self._kinds for driver in kind.drivers]

    def _topics(self) -> tuple[str, ...]:
        # A tuple of each at once: a signal's handler may close the client in between.
        return tuple(dict.fromkeys(chain.from_iterable(tuple(kind.topics) for kind in self._kinds)))

    # -- what the services tell ------------------------------------------------------------------

    def on_change(self) -> None:
        """The state of a connection, or the wanted topics, changed."""
        self._skipped = None
        self._of_streams = self._summary()
        self._publish()

    def on_skipped(self, error: Exception) -> None:
        """An event was left out."""
        with self.changed:
            self._skipped = error
            self._publish()

    def on_lost(self, driver: Driver) -> None:
        """An open stream ended otherwise than by routine."""
        if self._closed:
            return  # `tell_losses` calls with [] for that
        now = self._loop.time()
        lasts = any(each.is_down for each in self._lost) or now - self._lost_at < SAME_LOSS
        if lasts and driver not in self._lost:
            self._lost.add(driver)
            return
        self._lost, self._lost_at = {driver}, now
        self._notices.put(partial(self._call_on_disconnect, list(self._topics())))

    def on_left(self) -> None:
        """An open stream was closed, since none of its topics is wanted any more."""
        if self._closed:
            return
        if not self._topics() and not any(each.session.is_open for each in self._drivers()):
            self._notices.put(partial(self._call_on_disconnect, []))

    def login_lost(self, error: Exception) -> None:
        """The server does not accept the login any more: shown until somebody logs in."""
        with self.changed:
            self._skipped, self._login_lost = None, error
            self._publish()

    def logged_in(self) -> None:
        """Somebody is logged in."""
        with self.changed:
            self._login_lost = None
            self._publish()

    def show_views(
        self, unreadable: tuple[UnreadableRecord, ...], problem: Exception | None
    ) -> None:
        """Tells what the live views leave out, and why one of them cannot read."""
        with self.changed:
            self._unreadable, self._views_problem = unreadable, problem
            self._publish()

    def _summary(self) -> Status:
        # A connection without topics is on its way out, or failed: it counts where no other does.
        every = self._drivers()
        counted = (
            [each for each in every if not each.share.is_empty]
            or [each for each in every if each.status.state is not State.IDLE]
            or every[:1]
        )
        return summarize([each.status for each in counted], self._topics())

    def _publish(self) -> None:
        if self._closed:
            return
        error = self._of_streams.error or self._skipped or self._login_lost or self._views_problem
        status = replace(self._of_streams, error=error, unreadable=self._unreadable)
        if status != self.status.value:
            self.status.set(status)

    # -- waiting ---------------------------------------------------------------------------------

    def wait_active(self, timeout: float) -> None:
        """Waits until every wanted topic is acknowledged; at once if none is wanted.

        Raises:
            RequestTimeoutError: not within `timeout` seconds.
            ClientClosedError: the client was closed.
            BosBaseError: what a stream failed of in the meantime.
        """

        def is_active() -> bool:
            return self._closed or all(
                each.is_active for each in self._drivers() if not each.share.is_empty
            )

        check_process(self._process)  # before the lock: a child may have inherited it taken
        with self.changed:
            awaited = [each for each in self._drivers() if not each.share.is_empty]
            done = self.changed.wait_for(is_active, timeout)
            self.check_open()
            for each in awaited:
                # Its topics are gone, so that none is wanted any more; active it is not.
                if each.status.state is State.FAILED and each.status.error is not None:
                    raise each.status.error
        if not done:
            raise self.late("the connection did not become active", timeout)

    def late(self, what: str, timeout: float) -> RequestTimeoutError:
        """The error of a wait that took too long."""
        status = self.status.value
        because = f" ({status.error})" if status.error is not None else ""
        return RequestTimeoutError(f"{what} within {timeout:g} s; it is {status.state}{because}")

    def check_open(self) -> None:
        """Raises once the client is closed, and in a child process."""
        check_process(self._process)
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> bool:
        """From now on it is closed, whatever the connections do; True if one was open."""
        with self.changed:
            self._closed = True
            self.status.close(Status(state="closed", since=self._loop.wall_time()))
            self.changed.notify_all()
            return any(each.session.is_open for each in self._drivers())

    def tell_losses(self, was_open: bool) -> None:
        """Calls ``on_disconnect`` on the calling thread: for losses that the discarded queue still
        held, and with ``[]`` if a stream `was_open`."""
        self._notices.flush()
        if was_open:
            self._call_on_disconnect([])

    def end(self) -> None:
        """Completes the status, on the calling thread."""
        self.status.end()

    def _call_on_disconnect(self, topics: list[str]) -> None:
        callback = self.on_disconnect
        if callback is not None:
            guarded(partial(callback, topics))
