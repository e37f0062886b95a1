"""All connections of one client together: one status, one wait, and one call for each loss.

The user's topics and the live views have connections of their own; the public status is that of
the client. Each service registers here, and all is computed from the drivers and the topics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Protocol

from msgspec.structs import replace

from rxbosbase.encoding.unreadable import UnreadableRecord
from rxbosbase.errors import ClientClosedError, RequestTimeoutError
from rxbosbase.realtime.session.lifecycle import State
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.realtime.session.status import StateName, Status, summarize, worst_of
from rxbosbase.runtime.fork_guard import ForkGuard
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.streams import Latest

from .delivery import guarded
from .driver import Driver
from .notification_queue import NotificationQueue

__all__ = ("LOSS_WINDOW", "ConnectionMonitor", "MonitoredService")

LOSS_WINDOW = 1.0
"""Seconds within which the ends of several streams count as one loss, even if the first is open
again: one cause ends all streams of a client, and each detects it at its own time."""


class MonitoredService(Protocol):
    """The connections of one kind: those of the user's topics, or those of the live views."""

    @property
    def drivers(self) -> Sequence[Driver]:
        """One for each connection."""
        ...

    @property
    def topics(self) -> Iterable[str]:
        """The wire texts of the wanted topics."""
        ...

    @property
    def nodes(self) -> Iterable[str]:
        """The addresses of ``nodes=``."""
        ...

    @property
    def stats(self) -> Stats:
        """The counters, added up over these connections."""
        ...


class ConnectionMonitor:
    """The status of all connections behind `client.realtime`, and the lock that guards them.

    Args:
        delivery: runs the user's observers and ``on_disconnect``.

    Attributes:
        changed: the lock of all services, notified of changes. It is never held while user code
            or I/O runs. All methods but `wait_active`, `close`, `report_losses` and `complete` may
            be called under it, and never wait.
        status: the newest `Status`, and each that follows.
        on_disconnect: called with the topics still wanted, once for each loss.
    """

    def __init__(self, delivery: SerialScheduler) -> None:
        self.changed = delivery.condition()
        self.status: Latest[Status] = Latest(Status(since=delivery.wall_time()), delivery)
        self.on_disconnect: Callable[[list[str]], object] | None = None
        self._notifications = NotificationQueue(delivery)
        self._delivery = delivery
        self._fork_guard = ForkGuard()
        self._services: list[MonitoredService] = []
        self._connection_status = self.status.value  # not computed again for each skipped event
        self._closed = False
        self._lost: set[Driver] = set()  # those of the newest loss
        self._lost_at = -math.inf
        self._skipped: Exception | None = None
        self._login_lost: Exception | None = None  # until the next login
        self._views_problem: Exception | None = None
        self._check_problem: Exception | None = None
        self._nodes_problem: Exception | None = None
        self._streams_error: Exception | None = None  # with which all streams ended last
        self._unreadable: tuple[UnreadableRecord, ...] = ()  # left out of live views

    def watch(self, service: MonitoredService) -> None:
        """Add the connections of `service`, behind those that were added before."""
        with self.changed:
            self._services.append(service)
            self.on_status_changed()

    @property
    def stats(self) -> Stats:
        """The counters of all streams."""
        return sum((service.stats for service in self._services), Stats())

    def _drivers(self) -> list[Driver]:
        return [driver for service in self._services for driver in service.drivers]

    @property
    def topics(self) -> tuple[str, ...]:
        """The wanted topics of all connections, as the server knows them."""
        # Each copied in one step: a signal's handler may close the client in between.
        topics = [tuple(service.topics) for service in self._services]
        return tuple(dict.fromkeys(chain.from_iterable(topics)))

    # -- reports of the services ------------------------------------------------------------------

    def on_status_changed(self) -> None:
        """Publish a change of a connection's status, or of the wanted topics."""
        self._skipped = None
        self._connection_status = self._summary()
        self._publish()

    def on_skipped(self, error: Exception) -> None:
        """Publish that an event was left out."""
        with self.changed:
            self._skipped = error
            self._publish()

    def on_lost(self, driver: Driver) -> None:
        """Call ``on_disconnect`` for an open stream that did not end by routine, once per loss."""
        if self._closed:
            return  # `report_losses` makes the call
        now = self._delivery.time()
        is_same = now - self._lost_at < LOSS_WINDOW or any(
            each.is_down for each in self._lost if each.node == driver.node
        )
        if is_same and driver not in self._lost:
            self._lost.add(driver)
            return
        self._lost, self._lost_at = {driver}, now
        self._notifications.put(partial(self._call_on_disconnect, list(self.topics)))

    def on_unwanted(self) -> None:
        """Call ``on_disconnect`` with ``[]`` if the last open stream was closed as unwanted."""
        if self._closed:
            return
        if not self.topics and not any(each.session.is_open for each in self._drivers()):
            self._notifications.put(partial(self._call_on_disconnect, []))

    def login_lost(self, error: Exception) -> None:
        """Publish that the server no longer accepts the login, until the next login."""
        with self.changed:
            self._skipped, self._login_lost = None, error
            self._publish()

    def logged_in(self) -> None:
        """Remove the error of a lost login from the status."""
        with self.changed:
            self._login_lost = None
            self._publish()

    def set_view_problems(
        self, unreadable: tuple[UnreadableRecord, ...], problem: Exception | None
    ) -> None:
        """Publish the records that live views leave out, and why one of them cannot read."""
        with self.changed:
            self._unreadable, self._views_problem = unreadable, problem
            self._publish()

    def set_check_problem(self, problem: Exception | None) -> None:
        """Publish why a preflight cannot be made; None if all can."""
        with self.changed:
            if problem is not self._check_problem:
                self._check_problem = problem
                self._publish()

    def set_nodes_problem(self, problem: Exception | None) -> None:
        """Publish that two entries of ``nodes=`` are one server; None if none are."""
        with self.changed:
            self._nodes_problem = problem
            self._publish()

    def streams_fail(self, error: Exception) -> None:
        """End all waits for topics with the error with which all streams end now."""
        with self.changed:
            self._streams_error = error
            self.changed.notify_all()

    def _summary(self) -> Status:
        # A connection without topics is closing or has failed: it counts only if no other does.
        every = self._drivers()
        counted = (
            [each for each in every if not each.shard.is_empty]
            or [each for each in every if each.status.state is not State.IDLE]
            or every[:1]
        )
        nodes = dict.fromkeys(chain.from_iterable(each.nodes for each in self._services))
        states: dict[str, StateName] = {
            node: worst_of(x.status for x in counted if x.node == node) for node in nodes
        }
        if not counted:
            return replace(self._connection_status, topics=self.topics, nodes=states)
        return summarize([each.status for each in counted], self.topics, states)

    def _publish(self) -> None:
        if self._closed:
            return
        error = (
            self._connection_status.error
            or self._nodes_problem
            or self._skipped
            or self._login_lost
            or self._views_problem
            or self._check_problem
        )
        status = replace(self._connection_status, error=error, unreadable=self._unreadable)
        if status != self.status.value:
            self.status.set(status)

    # -- waiting ---------------------------------------------------------------------------------

    def wait_active(self, timeout: float) -> None:
        """Wait until every wanted topic is acknowledged; return at once if none is wanted.

        Raises:
            RequestTimeoutError: not within `timeout` seconds.
            ClientClosedError: the client was closed.
            BosBaseError: the error with which a stream failed meanwhile.
        """

        def is_done() -> bool:
            return (
                self._closed
                or self._streams_error is not error_before
                or all(each.is_active for each in self._drivers() if not each.shard.is_empty)
            )

        self._fork_guard.check()  # before the lock: a child may have inherited it locked
        with self.changed:
            awaited = [each for each in self._drivers() if not each.shard.is_empty]
            error_before = self._streams_error
            done = self.changed.wait_for(is_done, timeout)
            self.check_open()
            if self._streams_error is not None and self._streams_error is not error_before:
                raise self._streams_error
            for each in awaited:
                # It has no topics any more, and so counts as active, but it has failed.
                if each.status.state is State.FAILED and each.status.error is not None:
                    raise each.status.error
        if not done:
            raise self.timeout_error("the connection did not become active", timeout)

    def timeout_error(self, what: str, timeout: float) -> RequestTimeoutError:
        """Return the error of a wait that took longer than `timeout` seconds."""
        status = self.status.value
        because = f" ({status.error})" if status.error is not None else ""
        return RequestTimeoutError(f"{what} within {timeout:g} s; it is {status.state}{because}")

    def check_open(self) -> None:
        """Raise `ClientClosedError` once the client is closed, and in a child process."""
        self._fork_guard.check()
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> bool:
        """Set the status to closed for good; return True if a stream was open."""
        with self.changed:
            self._closed = True
            self.status.close(Status(state="closed", since=self._delivery.wall_time()))
            self.changed.notify_all()
            return any(each.session.is_open for each in self._drivers())

    def report_losses(self, was_open: bool) -> None:
        """Call ``on_disconnect`` on the calling thread: for losses that were still queued, and with
        ``[]`` if a stream `was_open`."""
        self._notifications.flush()
        if was_open:
            self._call_on_disconnect([])

    def complete(self) -> None:
        """Complete the observers of the status, on the calling thread."""
        self.status.end()

    def _call_on_disconnect(self, topics: list[str]) -> None:
        callback = self.on_disconnect
        if callback is not None:
            guarded(partial(callback, topics))
