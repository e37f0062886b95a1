"""A model of the server, the network and a live view's driver, all in virtual time.

A `Scenario` is one story: how the server stamps rows, how late frames are, and a list of steps
with every delay written into it, so that a run is a pure function of it. `run` plays it and
returns a `Verdict`: what the view shows, and what the query says, once all is quiet.

The server has one table. A row is in the view's query if ``match`` is true, and visible at all if
``hidden`` is false (the list rule). Each write sends a frame for each topic of the client: on the
view's own topic, and, if the view has a filter, on the unfiltered watch. Whether a topic gets its
frame is decided a while after the write, on the table as it is then; which row the frame holds
is decided by the write. Frames overtake one another and may come twice; they are lost only across
a gap: with the connection, at a re-submit, or when one is skipped. A read sees the table at one
moment between question and answer; in some stories that takes three times as long as the rules
remember what was heard.

In some stories the view expands the author of each row, and in half of those there are rows before
it begins. A frame shows the author as it was when the frame was decided; a change of an author is
told on the authors' own watch, and leaves the rows as they are.

One thing is left out, since no comparison of stamps can see it: a record that is written within
one tick while the list rule hides it, and shown again untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heappop, heappush

from rxbosbase.live.messages import Ask, Effects, ReadRequest, Record, Rules
from rxbosbase.live.ordering import Order
from rxbosbase.live.reducer import Reducer
from rxbosbase.live.snapshot import Snapshot, apply_changes
from support.live_stories import AUTHORS, SLOWEST, TIE, Scenario, Step

__all__ = ["Verdict", "run"]

RULES = Rules(batch=2, page=3, retry_at_most=4.0)
PROMISE = 60.0  # s after the last frame: settling, and the pauses after some failed reads
SLOW_PROMISE = PROMISE + 4 * SLOWEST  # … where one read of five is slow


@dataclass
class Verdict:
    """What came out, once all was quiet.

    ``shown`` is the view before a last reconcile and ``reconciled`` the one after it; ``untold``
    are the records that only the reconcile can get right. ``idle``: nothing is read or awaited.
    """

    shown: dict[str, Record]
    truth: dict[str, Record]
    reconciled: dict[str, Record]
    untold: set[str]
    fresh: bool
    idle: bool
    versions: list[Snapshot[Record]]

    @property
    def problems(self) -> list[str]:
        """One sentence for each broken promise."""
        found = [
            f"{id}: shows {self.shown.get(id)}, is {self.truth.get(id)}"
            for id in sorted({*self.shown, *self.truth} - self.untold)
            if self.shown.get(id) != self.truth.get(id)
        ]
        if self.reconciled != self.truth:
            found.append(f"after reconcile: shows {self.reconciled}, is {self.truth}")
        if not self.fresh:
            found.append("connected and quiet, and not fresh")
        return found


class _Clock:
    """Virtual time: things to do, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, time: float, action: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, (max(time, self.now), self._count, action))

    def run_until(self, time: float) -> None:
        while self._queue and self._queue[0][0] <= time:
            self.now, _, action = heappop(self._queue)
            action()
        self.now = time


@dataclass
class _Write:
    """One write, with what decides about its frames."""

    action: str
    record: Record
    matched: bool
    visible: bool
    step: Step


@dataclass
class _Connection:
    alive: bool = True
    skip_next: int = 0
    deaf_until: float = -1.0  # the gap of a re-submit
    acknowledged: bool = False


@dataclass
class _Server:
    clock: str
    table: dict[str, Record] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    counter: int = 0
    written_at: dict[str, float] = field(default_factory=dict)
    authors: dict[str, Record] = field(default_factory=dict)  # empty: nothing is expanded

    def stamp(self, now: float, step: Step) -> str:
        early = step.stamp_early if self.clock == "skewed" else 0.0
        milliseconds = int((now - early + 1000) * 1000)
        if self.clock == "coarse":
            milliseconds -= milliseconds % 1000
        minutes, rest = divmod(milliseconds, 60_000)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        seconds, rest = divmod(rest, 1000)
        return f"2026-01-{days + 1:02d} {hours:02d}:{minutes:02d}:{seconds:02d}.{rest:03d}Z"

    def write(self, step: Step, now: float) -> _Write | None:
        """Does the step's write; None if there is nothing to do."""
        id, before = step.id, self.table.get(step.id)
        may_tie = now - self.written_at.get(id, -TIE) < TIE
        if step.action == "hide":
            self.hidden ^= set() if may_tie else {id}
            return None
        if id in self.hidden and may_tie:
            return None
        self.written_at[id] = now
        if before is None:
            if step.action in ("create", "enter", "update"):
                return self._store("create", {"id": id, "match": True}, step, now, None)
            return None
        if step.action in ("delete", "recreate"):
            matched, visible = before["match"], id not in self.hidden
            del self.table[id]
            self.hidden.discard(id)
            return _Write("delete", before, matched, visible, step)
        match = {"leave": False, "leave again": False, "enter": True}.get(
            step.action, before["match"]
        )
        return self._store("update", {"id": id, "match": match}, step, now, before)

    def _store(
        self, action: str, body: Record, step: Step, now: float, before: Record | None
    ) -> _Write:
        record = self.table[step.id] = self._stamped(body, step, now, before)
        return _Write(action, record, True, True, step)

    def _stamped(self, body: Record, step: Step, now: float, before: Record | None) -> Record:
        self.counter += 1
        record = {**body, "n": self.counter}
        stamp = self.stamp(now, step)
        record["created"] = before["created"] if before else stamp
        if self.clock == "frozen":
            record["updated"] = record["created"]
        elif self.clock != "absent":
            record["updated"] = stamp
        return record

    def rename(self, step: Step, now: float) -> Record:
        """Changes the author of the step's row."""
        id = AUTHORS[step.id]
        self.authors[id] = self._stamped({"id": id}, step, now, self.authors.get(id))
        return self.authors[id]

    def expanded(self, record: Record) -> Record:
        """The record with its author, as it is now."""
        author = self.authors.get(AUTHORS[record["id"]])
        return record if author is None else {**record, "expand": {"author": author}}

    def query(self, filtered: bool) -> dict[str, Record]:
        return {
            id: self.expanded(record)
            for id, record in self.table.items()
            if id not in self.hidden and (record["match"] or not filtered)
        }

    def sends(self, write: _Write, *, filtered: bool) -> bool:
        """Whether the topic gets the frame: decided on the table as it is now, deletes excepted."""
        if write.action == "delete":
            return write.visible and (write.matched or not filtered)
        return write.record["id"] in self.query(filtered)


class _World:
    def __init__(self, scenario: Scenario, make: Callable[[Rules], Reducer]) -> None:
        self.scenario = scenario
        self.clock = _Clock()
        self.server = _Server(scenario.clock)
        if scenario.expands:
            for step in scenario.steps:
                self.server.rename(step, self.clock.now)
        if scenario.populated:
            for step in scenario.steps:
                self.server.write(replace(step, action="create"), self.clock.now)
        self.reducer = make(replace(RULES, reconcile=scenario.reconcile))
        self.connection: _Connection | None = None
        self.untold: set[str] = set()
        self.shown: dict[str, Record] = {}
        self.versions: list[Snapshot[Record]] = []
        self.loaded = False
        self.fresh = False
        self.reads = 0
        self.reading: ReadRequest | None = None
        self.failing = 0
        self.failed_at = -RULES.retry_at_most
        self.timer = 0
        self.wake: float | None = None
        self.last_arrival = 0.0

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
        self.keep_version(effects)
        self.loaded, self.fresh = effects.loaded, effects.fresh
        if effects.read is not None:
            self.begin_read(effects.read)
        self.check_asks_soon(effects)
        self.timer += 1
        self.wake = effects.wake
        if effects.wake is not None:
            timer = self.timer
            self.clock.at(effects.wake, lambda: self.tick(timer))

    def check_asks_soon(self, effects: Effects) -> None:
        """A stale view asks at once about what makes it stale, quiet or not."""
        connection = self.connection
        if connection is None or not connection.acknowledged or effects.fresh or self.reading:
            return
        soon = max(self.clock.now + RULES.spacing, self.failed_at + RULES.retry_at_most)
        assert effects.wake is not None and effects.wake <= soon, "it is stale, and asks too late"

    def keep_version(self, effects: Effects) -> None:
        changed = effects.edits or effects.loaded != self.loaded or effects.fresh != self.fresh
        if not effects.loaded or not changed:
            return
        before = self.versions[-1] if self.versions else Snapshot.empty(Order.parse("-n"))
        after = before.advance(effects.edits, fresh=effects.fresh)
        assert apply_changes(before.records, after.changes) == list(after.records)
        self.versions.append(after)

    def tick(self, timer: int) -> None:
        if timer == self.timer:
            self.apply(self.reducer.tick(self.clock.now))

    def begin_read(self, read: ReadRequest) -> None:
        to_moment, to_answer = self.scenario.read_delays[self.reads % 5]
        self.reads += 1
        self.reading = read
        fails = self.failing > 0
        self.failing -= fails

        def look() -> None:
            rows = self.rows_for(read)
            self.clock.at(self.clock.now + to_answer, lambda: self.end_read(read, rows, fails))

        self.clock.at(self.clock.now + to_moment, look)

    def rows_for(self, read: ReadRequest) -> list[Record]:
        rows = sorted(self.server.query(self.scenario.filtered).items())
        if isinstance(read, Ask):
            assert 0 < len(read.ids) <= RULES.batch
            return [row for id, row in rows if id in read.ids]
        return [
            row if read.whole else _stamps(row)
            for id, row in rows
            if id > read.after and row.get("updated", "") >= read.since
        ][: RULES.page]

    def end_read(self, read: ReadRequest, rows: list[Record], fails: bool) -> None:
        now = self.clock.now
        if read is self.reading:
            self.reading = None
        if fails:
            self.failed_at = now
            self.apply(self.reducer.failed(read, now))
        elif isinstance(read, Ask):
            self.apply(self.reducer.answer(read, rows, now))
        else:
            self.apply(self.reducer.page(read, rows, len(rows) < RULES.page, now))

    # -- the network

    def connect(self) -> None:
        if self.connection is None:
            connection = self.connection = _Connection()
            self.clock.at(
                self.clock.now + self.scenario.acknowledge_late,
                lambda: self.acknowledge(connection),
            )

    def acknowledge(self, connection: _Connection) -> None:
        if connection is self.connection and connection.alive:
            connection.acknowledged = True
            self.apply(self.reducer.acknowledged(self.clock.now))

    def disconnect(self) -> None:
        if self.connection is not None:
            self.connection.alive = False
            self.connection = self.reading = None
            self.apply(self.reducer.lost(self.clock.now))

    def publish(self, write: _Write) -> None:
        step, written = write.step, self.clock.now
        decide_at = written + step.decided
        topics = [(True, step.event_late)]
        if self.scenario.filtered:
            topics.append((False, step.hint_late))
        for is_event, late in topics:
            self.clock.at(decide_at, partial(self.decide, write, is_event, written + late))

    def decide(self, write: _Write, is_event: bool, arrival: float) -> None:
        connection = self.connection
        if connection is None:
            return
        filtered = is_event and self.scenario.filtered
        if not self.server.sends(write, filtered=filtered):
            return
        if self.clock.now <= connection.deaf_until:
            self.untold.add(write.record["id"])
            return
        action, record = write.action, self.server.expanded(write.record)

        def frame(now: float) -> Effects:
            if is_event:
                return self.reducer.event(action, record, now)
            return self.reducer.hint(action, record["id"], record.get("updated", ""), now)

        self.send(connection, frame, arrival, twice=write.step.twice)

    def send(
        self,
        connection: _Connection,
        frame: Callable[[float], Effects],
        arrival: float,
        *,
        twice: bool,
    ) -> None:
        for time in [arrival] + [arrival + 0.05] * twice:
            self.last_arrival = max(self.last_arrival, time)
            self.clock.at(time, lambda: self.deliver(connection, frame))

    def deliver(self, connection: _Connection, frame: Callable[[float], Effects]) -> None:
        if connection is not self.connection or not connection.alive:
            return
        if connection.skip_next > 0:
            connection.skip_next -= 1
            frame = self.reducer.skipped
        self.apply(frame(self.clock.now))

    # -- the story

    def perform(self, step: Step) -> None:
        action, connection = step.action, self.connection
        if action in ("disconnect", "reconnect"):
            down = self.connection is None
            self.disconnect()
            if down or action == "reconnect":
                self.connect()
        elif action == "break link" and connection is not None:
            connection.alive = False  # noticed when the story says "disconnect", or at its end
        elif action == "skip" and connection is not None:
            connection.skip_next += 1
        elif action == "resubmit" and connection is not None and connection.acknowledged:
            if connection.alive:
                self.resubmit(connection)
        elif action == "fail reads":
            self.failing = 2
        elif action == "rename":
            self.rename(step)
        else:
            self.write(step)

    def compare(self) -> None:
        self.apply(self.reducer.reconcile(self.clock.now))

    def resubmit(self, connection: _Connection) -> None:
        connection.deaf_until = self.clock.now + 0.02

        def accepted() -> None:
            if connection is self.connection and connection.alive:
                self.apply(self.reducer.resubmitted(self.clock.now))

        self.clock.at(self.clock.now + 0.03, accepted)

    def rename(self, step: Step) -> None:
        author = self.server.rename(step, self.clock.now)
        written = self.clock.now

        def decide() -> None:
            connection = self.connection
            if connection is not None and self.clock.now <= connection.deaf_until:
                self.untold.update(id for id in AUTHORS if AUTHORS[id] == author["id"])
            elif connection is not None:
                related = partial(self.reducer.related, author["id"])
                self.send(connection, related, written + step.hint_late, twice=step.twice)

        self.clock.at(written + step.decided, decide)

    def write(self, step: Step) -> None:
        if step.action == "hide":
            self.untold.add(step.id)
        write = self.server.write(step, self.clock.now)
        if write is None:
            return
        self.publish(write)
        again = {"recreate": "create", "update again": "update", "leave again": "leave"}
        follow_up = again.get(step.action)
        if follow_up is not None:  # a second write within the same tick
            late = (step.hint_late, step.event_late)
            self.write(replace(step, action=follow_up, event_late=late[0], hint_late=late[1]))


def _stamps(row: Record) -> Record:
    """What a comparison reads: id and age, and those of the author."""
    found: Record = {name: row[name] for name in ("id", "updated") if name in row}
    if "expand" in row:
        found["expand"] = {"author": _stamps(row["expand"]["author"])}
    return found


def run(scenario: Scenario, make: Callable[[Rules], Reducer] = Reducer) -> Verdict:
    """Plays the story with the reducer that ``make`` gives, until all is quiet, and judges it."""
    world = _World(scenario, make)
    world.connect()
    time = 0.0
    for step in scenario.steps:
        time += step.after
        world.clock.at(time, partial(world.perform, step))
        if scenario.compares:
            world.clock.at(time + 1, world.compare)
    world.clock.run_until(time + 1)
    if world.connection is not None and not world.connection.alive:
        world.disconnect()
    world.connect()
    promise = SLOW_PROMISE if scenario.is_slow else PROMISE
    world.clock.run_until(max(world.last_arrival, world.clock.now) + promise)
    if world.scenario.reconcile < PROMISE:
        world.untold.clear()
    shown, fresh, wake = dict(world.shown), world.fresh, world.wake
    idle = wake is not None and wake > world.clock.now + promise
    world.compare()
    world.clock.run_until(world.clock.now + promise)
    truth = world.server.query(scenario.filtered)
    return Verdict(shown, truth, dict(world.shown), world.untold, fresh, idle, world.versions)
