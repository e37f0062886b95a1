"""The network and a live view's driver, in virtual time: what a scenario is played in.

See `live_model` for what it is a model of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.engine import RecordEngine
from rxbosbase.live.engine.messages import (
    Effects,
    ReadIds,
    ReadLiterals,
    ReadOrder,
    ReadPage,
    ReadRequest,
    Rules,
)
from rxbosbase.live.engine.order_evidence import TextOrder
from rxbosbase.live.engine.ordering import Order
from rxbosbase.live.engine.snapshot import Snapshot, apply_changes
from rxbosbase.live.engine.sorting import Sorting
from rxbosbase.runtime.backoff import BackoffPolicy
from support.live_clock import Clock
from support.live_sequences import AUTHORS, SILENT, WRITES, Scenario, Step
from support.live_server import PLAIN, Server, Write

__all__ = ["RULES", "Make", "World", "make_engine"]

Make = Callable[[Rules, Order | None, float], RecordEngine]
"""From the rules, the view's order, if it has one, and the time between two reads of that."""

LONGEST_WAIT = 4.0  # s after failed reads
RULES = Rules(batch=2, page=3, delay=BackoffPolicy(1.0, 2.0, LONGEST_WAIT, jitter=False).delay)
NEAR = 1e-6  # s: what sums of times may differ by


def make_engine(
    rules: Rules,
    order: Order | None,
    interval: float,
    *,
    engine: type[RecordEngine] = RecordEngine,
    sorting: type[Sorting] = Sorting,
) -> RecordEngine:
    """The reducer of a view."""
    return engine(rules, None if order is None else sorting(order, TextOrder(), interval, rules))


@dataclass
class Connection:
    alive: bool = True
    skip_next: int = 0
    gap_until: float = -1.0  # the gap of a re-submit
    acknowledged: bool = False
    made: float = 0.0
    begun: float = 0.0  # when it was acknowledged


class OrderReads:
    """The reads of the order: they are rare, and take no more than a quarter of the time.

    A page that a reconcile reads in the view's order counts like one, but need not wait.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._begun = 0.0
        self._not_before = 0.0

    def begin(self, read: ReadRequest, now: float) -> None:
        """A read begins."""
        self._begun = now
        if isinstance(read, ReadOrder):
            assert now >= self._not_before - NEAR, "the order is read too often"

    def end(self, read: ReadRequest, now: float, *, last: bool) -> None:
        """It was answered; a page that does not have all rows has no order."""
        if isinstance(read, ReadOrder) or (
            isinstance(read, ReadPage) and read.in_view_order and last
        ):
            rest = max(self._interval, 4 * (now - self._begun))
            self._not_before = self._begun + rest

    def soon(self) -> float:
        """When the next one has begun, if there is need of it, whatever the last one brought."""
        return self._not_before + LONGEST_WAIT


class World:
    """One scenario while it is played, and what its view shows."""

    def __init__(self, scenario: Scenario, make: Make) -> None:
        self.scenario = scenario
        self.clock = Clock()
        traits = scenario.traits or PLAIN
        self.server = Server(scenario.clock, traits, has_fields=scenario.traits is not None)
        if scenario.expands:
            for step in scenario.steps:
                self.server.rename(step, self.clock.now)
        if scenario.populated:
            for step in scenario.steps:
                self.server.write(replace(step, action="create"), self.clock.now)
        rules = replace(RULES, reconcile=scenario.reconcile)
        self.traits = traits
        order = Order.parse("-n" if traits.sort is None else traits.sort)
        self.reducer = make(rules, None if traits.sort is None else order, traits.interval)
        self.inputs = 0
        self.orders = OrderReads(traits.interval)
        self.connection: Connection | None = None
        self.silent: set[str] = set()
        self.shown: dict[str, Record] = {}
        self.snapshot: Snapshot[Record] = Snapshot.empty(order)
        self.versions: list[Snapshot[Record]] = []
        self.loaded = False
        self.fresh = False
        self.reads = 0
        self.reading: ReadRequest | None = None
        self.failing = 0
        self.failed_at = -LONGEST_WAIT
        self.timer = 0
        self.wake: float | None = None
        self.has_read_whole = False
        self.last_arrival = 0.0
        self.last_write = self.last_frame = 0.0

    # -- the driver

    def apply(self, effects: Effects) -> None:
        """What a real driver does with the reducer's effects."""
        for edit in effects.edits:
            assert self.shown.get(edit.id) == edit.before, f"{edit} does not fit what is shown"
            assert edit.before != edit.record, f"{edit} edits nothing"
            if edit.record is None:
                del self.shown[edit.id]
            else:
                self.shown[edit.id] = edit.record
                self.check_is_whole(edit.record)
        self.inputs += 1
        if self.reducer.collect(effects) and self.inputs % self.traits.folds == 0:
            self.keep_version()
        if effects.fresh and not self.fresh:
            self.check_was_mended()
        self.loaded, self.fresh = effects.loaded, effects.fresh
        if effects.read is not None:
            self.begin_read(effects.read)
        self.check_reads_soon(effects)
        self.timer += 1
        self.wake = effects.wake
        if effects.wake is not None:
            timer = self.timer
            self.clock.at(effects.wake, lambda: self.tick(timer))

    @property
    def blurred(self) -> set[str]:
        """The rows that have another place by digits which no row shows, and no frame either."""
        is_by_date = self.traits.collates and "due" in self.server.sorted_by
        return self.server.blurred if is_by_date else set()

    def check_is_whole(self, record: Record) -> None:
        """No row is shown without a field that each read of it has."""
        assert "secret" in record or not self.traits.has_secret, f"{record} lacks a field"

    def check_was_mended(self) -> None:
        """A view that is fresh again after a gap equals its query, if nothing was written since
        and no frame has come: a recheck caused by the stream alone makes no view stale."""
        connection = self.connection
        if connection is None or self.last_write >= connection.begun:
            return
        if self.last_frame >= connection.made:
            return
        rows = self.server.query(self.scenario.filtered)
        ids = {*rows, *self.shown} - self.silent
        assert all(self.shown.get(id) == rows.get(id) for id in ids), "it is fresh, and not right"
        if self.traits.sort is None or self.traits.lies or self.traits.folds > 1:
            return
        ids -= self.blurred
        expected = [row["id"] for row in self.server.arranged(rows.values()) if row["id"] in ids]
        assert [id for id in self.in_order() if id in ids] == expected, (
            "it is fresh, and out of order"
        )

    def check_reads_soon(self, effects: Effects) -> None:
        """A stale view asks at once about what makes it stale, quiet or not."""
        connection = self.connection
        if connection is None or not connection.acknowledged or effects.fresh or self.reading:
            return
        soon = max(self.clock.now + RULES.spacing, self.failed_at + LONGEST_WAIT)
        if self.traits.sort is not None:  # it may be the order alone that is awaited
            soon = max(soon, self.orders.soon())
        assert effects.wake is not None, "it is stale, and waits for nothing"
        assert effects.wake <= soon + NEAR, "it is stale, and asks too late"

    def keep_version(self) -> None:
        before = self.snapshot
        make = self.reducer.next_snapshot(before)
        after = None if make is None else make()
        if after is None or after.version == before.version:
            self.snapshot = after or before
            return
        assert apply_changes(before.records, after.changes) == list(after.records)
        assert dict(after.by_id) == self.shown
        self.snapshot = after
        self.versions.append(after)

    def in_order(self) -> dict[str, Record]:
        """What is shown, in the order of the newest snapshot."""
        self.keep_version()
        assert dict(self.snapshot.by_id) == self.shown
        return {record["id"]: record for record in self.snapshot.records}

    def tick(self, timer: int) -> None:
        if timer == self.timer:
            self.apply(self.reducer.tick(self.clock.now))

    def begin_read(self, read: ReadRequest) -> None:
        to_moment, to_answer = self.scenario.read_delays[self.reads % 5]
        self.reads += 1
        self.reading = read
        self.orders.begin(read, self.clock.now)
        fails = self.failing > 0
        self.failing -= fails

        def look() -> None:
            rows = self.rows_for(read)
            self.clock.at(self.clock.now + to_answer, lambda: self.end_read(read, rows, fails))

        self.clock.at(self.clock.now + to_moment, look)

    def rows_for(self, read: ReadRequest) -> list[Record]:
        server = self.server
        rows = server.query(self.scenario.filtered).values()
        if isinstance(read, ReadIds):
            assert 0 < len(read.ids) <= RULES.batch
            return [row for row in rows if row["id"] in read.ids]
        if isinstance(read, ReadLiterals):
            return [{"id": "any"}] * server.compares(read.condition)
        if isinstance(read, ReadOrder):
            names = ("id", *server.sorted_by)
            return [{name: row[name] for name in names} for row in server.arranged(rows)]
        assert isinstance(read, ReadPage)
        found = server.arranged(rows) if read.in_view_order else server.by_id(rows, read.after)
        return [
            row if read.whole else _versions(row)
            for row in found
            if row.get("updated", "") >= read.since
        ][: RULES.page]

    def end_read(self, read: ReadRequest, rows: list[Record], fails: bool) -> None:
        now, last = self.clock.now, len(rows) < RULES.page
        if read is self.reading:
            self.reading = None
            if not fails:
                self.orders.end(read, now, last=last)
        if isinstance(read, ReadPage) and read.whole and rows:
            self.has_read_whole = True
        if fails:
            self.failed_at = now
            self.apply(self.reducer.failed(read, now))
        else:
            self.apply(self.reducer.read_done(read, rows, last, now))

    # -- the network

    def connect(self) -> None:
        if self.connection is None:
            connection = self.connection = Connection(made=self.clock.now)
            self.clock.at(
                self.clock.now + self.scenario.acknowledge_late,
                lambda: self.acknowledge(connection),
            )

    def acknowledge(self, connection: Connection) -> None:
        if connection is self.connection and connection.alive:
            connection.acknowledged, connection.begun = True, self.clock.now
            self.apply(self.reducer.acknowledged(self.clock.now))

    def disconnect(self) -> None:
        if self.connection is not None:
            self.connection.alive = False
            self.connection = self.reading = None
            self.apply(self.reducer.lost(self.clock.now))

    def publish(self, write: Write) -> None:
        step, written = write.step, self.clock.now
        decide_at = written + step.decided
        topics = [(True, step.event_late)]
        if self.scenario.filtered:
            topics.append((False, step.hint_late))
        for is_event, late in topics:
            self.clock.at(decide_at, partial(self.decide, write, is_event, written + late))

    def decide(self, write: Write, is_event: bool, arrival: float) -> None:
        connection = self.connection
        if connection is None:
            return
        filtered = is_event and self.scenario.filtered
        if not self.server.sends(write, filtered=filtered):
            return
        if self.clock.now <= connection.gap_until:
            self.silent.add(write.record["id"])
            return
        action, record = write.action, self.server.framed(write.record)

        def frame(now: float) -> Effects:
            if is_event:
                return self.reducer.event(action, record, now)
            return self.reducer.hint(action, record["id"], record.get("updated", ""), now)

        self.send(connection, frame, arrival, twice=write.step.twice)

    def send(
        self,
        connection: Connection,
        frame: Callable[[float], Effects],
        arrival: float,
        *,
        twice: bool,
    ) -> None:
        for time in [arrival] + [arrival + 0.05] * twice:
            self.last_arrival = max(self.last_arrival, time)
            self.clock.at(time, lambda: self.deliver(connection, frame))

    def deliver(self, connection: Connection, frame: Callable[[float], Effects]) -> None:
        if connection is not self.connection or not connection.alive:
            return
        self.last_frame = self.clock.now
        if connection.skip_next > 0:
            connection.skip_next -= 1
            frame = self.reducer.skipped
        self.apply(frame(self.clock.now))

    # -- the scenario

    def perform(self, step: Step) -> None:
        action, connection = step.action, self.connection
        if action in (*WRITES, *SILENT, "enter", "hide", "rename"):
            self.last_write = self.clock.now
        if action in ("disconnect", "reconnect"):
            down = self.connection is None
            self.disconnect()
            if down or action == "reconnect":
                self.connect()
        elif action == "break link" and connection is not None:
            connection.alive = False  # noticed at the step "disconnect", or at the end
        elif action == "skip" and connection is not None:
            connection.skip_next += 1
        elif action == "resubmit" and connection is not None and connection.acknowledged:
            if connection.alive:
                self.resubmit(connection)
        elif action == "fail reads":
            self.failing = 2
        elif action == "rename":
            self.rename(step)
        elif action == "alter":
            self.silent.update(self.server.table)
            self.server.alter(step)
        elif action == "sneak":
            self.silent.add(step.id)
            self.server.sneak(step)
        else:
            self.write(step)

    def compare(self) -> None:
        """A reconcile falls due, at a time that the scenario chooses."""
        passes = self.reducer._schedule
        passes._compare_at = passes._page_check_at = self.clock.now
        self.apply(self.reducer.tick(self.clock.now))

    def resubmit(self, connection: Connection) -> None:
        connection.gap_until = self.clock.now + 0.02

        def accepted() -> None:
            if connection is self.connection and connection.alive:
                self.apply(self.reducer.acknowledged(self.clock.now))

        self.clock.at(self.clock.now + 0.03, accepted)

    def rename(self, step: Step) -> None:
        author = self.server.rename(step, self.clock.now)
        written = self.clock.now

        def decide() -> None:
            connection = self.connection
            if connection is not None and self.clock.now <= connection.gap_until:
                self.silent.update(id for id in AUTHORS if AUTHORS[id] == author["id"])
            elif connection is not None:
                related = partial(self.reducer.related, author["id"])
                self.send(connection, related, written + step.hint_late, twice=step.twice)

        self.clock.at(written + step.decided, decide)

    def write(self, step: Step) -> None:
        if step.action == "hide":
            self.silent.add(step.id)
        write = self.server.write(step, self.clock.now)
        if write is None:
            return
        self.publish(write)
        again = {"recreate": "create", "update again": "update", "leave again": "leave"}
        follow_up = again.get(step.action)
        if follow_up is not None:  # a second write within the same tick
            late = (step.hint_late, step.event_late)
            self.write(replace(step, action=follow_up, event_late=late[0], hint_late=late[1]))


def _versions(row: Record) -> Record:
    """Return what a comparison reads: id and ``updated``, and those of the author."""
    found: Record = {name: row[name] for name in ("id", "updated") if name in row}
    if "expand" in row:
        found["expand"] = {"author": _versions(row["expand"]["author"])}
    return found
