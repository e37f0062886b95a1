"""The streams that carry one shard of the topics: one, or one to each node of ``nodes=``.

A node's stream tells only of the writes made at that node. So the shard's topics are acknowledged
once every node has acknowledged them, bar those that are *away*: a node whose stream waits after a
failure, or that has not acknowledged a change within `PATIENCE`. The others go on without it, and
what it tells meanwhile is missing: `complete` is False. Its return is a gap, after which live views
catch up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from functools import partial
from math import inf
from typing import Protocol

from rxbosbase.realtime.session.lifecycle import State
from rxbosbase.realtime.session.registry import TopicShard
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.runtime.scheduler import SerialScheduler

from .connection import Batch, ConnectionSettings
from .driver import Driver

__all__ = ("PATIENCE", "ShardStreams", "StreamsOwner")

log = logging.getLogger("rxbosbase.realtime")

PATIENCE = 3.0
"""Seconds within which a node has to acknowledge a change of the topics: a node that hangs must not
delay what the others have acknowledged."""


class StreamsOwner(Protocol):
    """What the streams of a shard report to. All but `on_batch` are called under its lock."""

    def on_batch(self, batch: Batch) -> None:
        """Deliver the frames of one read; called on the delivery thread, without the lock."""

    def on_acknowledged(self, shard: TopicShard, version: int, *, complete: bool) -> None:
        """Handle the acknowledgement of the shard's topics up to `version` by all nodes that are
        not away; `complete` if none is."""

    def on_gap(self, shard: TopicShard) -> None:
        """Handle that events of the shard may be missing."""

    def on_refused(self, shard: TopicShard, since: int, upto: int, error: Exception) -> None:
        """Handle a final refusal of the topics up to `upto`; those up to `since` were accepted."""

    def on_failed(self, shard: TopicShard, error: Exception) -> None:
        """Handle that the attempts to connect are used up, for every node."""

    def on_status_changed(self) -> None:
        """Handle a change of a stream's status, or of the wanted set."""

    def on_lost(self, driver: Driver) -> None:
        """Handle an end of an open stream that is not routine."""

    def on_unwanted(self) -> None:
        """Handle that an open stream was closed, since no topic is wanted any more."""


class ShardStreams:
    """The drivers of one shard, by the address of their node; "" for the client's own server.

    All methods are called under the owner's lock, as are the reports of the drivers.

    Args:
        shard: the topics.
        nodes: the settings of each node's connections, by its address.
        control: its timer counts `PATIENCE`.
        changed: the owner's lock.
        owner: what the streams report to.

    Attributes:
        left: the counters of nodes that have left.
    """

    def __init__(
        self,
        shard: TopicShard,
        nodes: Mapping[str, ConnectionSettings],
        control: SerialScheduler,
        changed: threading.Condition,
        owner: StreamsOwner,
    ) -> None:
        self.shard = shard
        self.left = Stats()
        self._control = control
        self._changed = changed
        self._owner = owner
        self._away: set[Driver] = set()
        self._reported: tuple[int, bool] | None = None  # of the last acknowledgement; None: a gap
        self._awaited: tuple[int, float] | None = None  # a version, and since when
        self._troubled_at = -inf
        self._drivers: dict[str, Driver] = {}
        for address, settings in nodes.items():
            self._drivers[address] = Driver(shard, settings, changed, self)

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """One for each node."""
        return tuple(self._drivers.values())

    @property
    def acknowledged_version(self) -> int:
        """The version of the topics that all nodes have acknowledged, bar those that are away; -1
        for none."""
        return min((each.acknowledged_version for each in self._present), default=-1)

    def topics_changed(self, *, urgent: bool = False) -> None:
        """Submit the wanted set, which has changed: soon, or at once if `urgent`."""
        for driver in self.drivers:
            driver.topics_changed(urgent=urgent)
        if self.shard.is_empty:  # all streams end; the next topic tries every node again
            self._away.clear()
        self._await_acknowledgement()

    def troubled(self, at: float) -> None:
        """Check whose the streams are, after a sign of trouble of the server at this time."""
        self._troubled_at = at
        for driver in self.drivers:
            driver.troubled(at)

    def set_nodes(self, nodes: Mapping[str, ConnectionSettings]) -> None:
        """Keep a stream to each of these nodes alone. One that joins counts as away until it has
        acknowledged the topics; one that has used up its attempts is tried again."""
        before = self._drivers
        self._drivers = {
            address: before.get(address) or Driver(self.shard, each, self._changed, self)
            for address, each in nodes.items()
        }
        for address in nodes.keys() - before.keys():
            self._drivers[address].troubled(self._troubled_at)
            self._away.add(self._drivers[address])
        for address in before.keys() - nodes.keys():
            self._away.discard(before[address])
            self.left += before[address].stats
            before[address].close()
        if nodes.keys() != before.keys():
            self._report_gap()
            self._report()
        if not self.shard.is_empty:
            self.topics_changed()

    # -- reports of the drivers (see `DriverOwner`) -----------------------------------------------

    def on_batch(self, batch: Batch) -> None:
        self._owner.on_batch(batch)

    def on_acknowledged(self, driver: Driver, version: int) -> None:
        if driver in self._away:
            self._away.discard(driver)
            self._report_gap()
        self._report(again=version == self.acknowledged_version)

    def on_gap(self, driver: Driver) -> None:
        self._reported = None
        self._owner.on_gap(self.shard)
        self._note_failures()
        self._report()

    def on_refused(self, driver: Driver, since: int, upto: int, error: Exception) -> None:
        accepted = max(each.acknowledged_version for each in self._drivers.values())
        if accepted < upto:
            self._owner.on_refused(self.shard, max(since, accepted), upto, error)
            return
        log.warning("node %s refuses topics that others have accepted: %s", driver.node, error)
        self._away.add(driver)
        self._report()

    def on_failed(self, driver: Driver, error: Exception) -> None:
        self._check_failed()

    def on_status_changed(self) -> None:
        if self._note_failures():
            self._report()
        self._await_acknowledgement()
        self._owner.on_status_changed()

    def on_lost(self, driver: Driver) -> None:
        self._owner.on_lost(driver)

    def on_unwanted(self) -> None:
        self._owner.on_unwanted()

    # -- which nodes are away, and what the others have acknowledged ------------------------------

    @property
    def _present(self) -> list[Driver]:
        return [each for each in self._drivers.values() if each not in self._away]

    def _note_failures(self) -> bool:
        """Note the nodes whose stream waits after a failure; return True for any new one."""
        failed = {
            each
            for each in self._drivers.values()
            if each.is_down or each.session.status.state is State.FAILED
        }
        is_new = not failed <= self._away
        self._away |= failed
        return is_new

    def _report_gap(self) -> None:
        if self._reported is not None:
            self._reported = None
            self._owner.on_gap(self.shard)

    def _report(self, *, again: bool = False) -> None:
        """Report what is acknowledged, if that differs from the last report, or `again`."""
        version, is_complete = now = (self.acknowledged_version, not self._away)
        if version >= 0 and (again or now != self._reported):
            self._reported = now
            self._owner.on_acknowledged(self.shard, version, complete=is_complete)

    def _check_failed(self) -> None:
        """Report that no attempt follows, once that is so for every node."""
        statuses = [each.session.status for each in self._drivers.values()]
        error = statuses[-1].error
        if all(each.state is State.FAILED for each in statuses) and isinstance(error, Exception):
            self._owner.on_failed(self.shard, error)

    def _await_acknowledgement(self) -> None:
        """Count each node as away that does not acknowledge this version in time."""
        wanted, acknowledged = self.shard.version, self.acknowledged_version
        if len(self._drivers) == 1 or self.shard.is_empty or not self._present:
            acknowledged = wanted
        if self._awaited is not None and acknowledged >= self._awaited[0]:
            self._awaited = None
        if self._awaited is None and acknowledged < wanted:
            self._awaited = awaited = (wanted, self._control.time())
            self._control.call_later(PATIENCE, partial(self._patience_ends, awaited))

    def _patience_ends(self, awaited: tuple[int, float]) -> None:
        with self._changed:
            if self._awaited != awaited:
                return  # acknowledged meanwhile
            self._awaited = None
            self._away |= {x for x in self._present if x.acknowledged_version < awaited[0]}
            self._report()
            self._await_acknowledgement()
