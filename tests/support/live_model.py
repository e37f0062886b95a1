"""A model of the server, the network and a live view's driver, all in virtual time.

A `Scenario` has how the server sets ``updated``, how late frames are, and a list of steps
with every delay written into it, so that a run is a pure function of it. `run` plays it and
returns a `Verdict`: what the view shows, and the rows of the query, once all is quiet.

Each write sends a frame for each topic of the client: on the view's own topic, and, if the view has
a filter, on the unfiltered watch. Whether a topic gets its frame is decided a while after the
write, on the table as it is then; which row the frame holds is decided by the write. Frames
overtake one another and may come twice; they are lost only across a gap: with the connection, at a
re-submit, or when one is skipped. A read sees the table at one moment between
its begin and its answer; in some scenarios that takes three times as long as the rules remember
frames.

In some scenarios the view expands the author of each row, and in half of those there are rows
before it begins. A frame has the author as it was when the frame was decided; a change of an author
sends a frame on the authors' own watch, and leaves the rows as they are.

Varied scenarios have `Traits`: the view's order must be the server's, which sorts by its own rules;
frames lack a field; the schema changes, or a write bypasses the server's hooks, and no frame and no
row version shows it. What the stream does not report is right after as many reconciles as the view
has pages; all else is right before the first.

One thing is left out, since no comparison of row versions can see it: a record that is written
within one tick while the list rule hides it, and shown again untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.snapshot import Snapshot
from support.live_sequences import SLOWEST, Scenario
from support.live_world import RULES, Make, World, make_engine

__all__ = ["Verdict", "run"]

PROMISE = 60.0  # s after the last frame: settling, and the pauses after some failed reads
SLOW_PROMISE = PROMISE + 4 * SLOWEST  # … where one read of five is slow


@dataclass
class Verdict:
    """What came out, once all was quiet.

    ``shown`` is the view before a last reconcile and ``reconciled`` the one after it, both in the
    order they are shown in; ``silent`` are the records that only the reconcile can get right.
    ``arranged`` are the ids of the truth in the server's order; None if it is not compared. If the
    server ``lies`` about that, only the reconcile can find it; and so it is with the places of the
    ``blurred``, which other digits of a date decide than those that are shown.
    ``idle``: nothing is read or awaited.
    """

    shown: dict[str, Record]
    truth: dict[str, Record]
    reconciled: dict[str, Record]
    silent: set[str]
    blurred: set[str]
    arranged: list[str] | None
    lies: bool
    fresh: bool
    idle: bool
    versions: list[Snapshot[Record]]

    @property
    def problems(self) -> list[str]:
        """One sentence for each broken promise."""
        found = [
            f"{id}: shows {self.shown.get(id)}, is {self.truth.get(id)}"
            for id in sorted({*self.shown, *self.truth} - self.silent)
            if self.shown.get(id) != self.truth.get(id)
        ]
        if self.reconciled != self.truth:
            found.append(f"after reconcile: shows {self.reconciled}, is {self.truth}")
        if not self.fresh:
            found.append("connected and quiet, and not fresh")
        return found + self._misplaced()

    def _misplaced(self) -> list[str]:
        if self.arranged is None or self.reconciled != self.truth:
            return []
        only_later = self.silent | self.blurred
        compared = [id for id in self.arranged if id not in only_later]
        shown = [id for id in self.shown if id not in only_later]
        found = []
        if shown != compared and not self.lies:
            found.append(f"shows the order {shown}, is {compared}")
        if list(self.reconciled) != self.arranged:
            found.append(f"after reconcile: shows {[*self.reconciled]}, is {self.arranged}")
        return found


def run(scenario: Scenario, make: Make = make_engine) -> Verdict:
    """Run the scenario with the reducer that ``make`` returns, until all is quiet."""
    world = World(scenario, make)
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
        world.silent.clear()
    shown, fresh, wake = world.in_order(), world.fresh, world.wake
    idle = wake is not None and wake > world.clock.now + promise
    truth = world.server.query(scenario.filtered)
    _reconcile(world, len(truth), promise)
    return Verdict(
        shown, truth, world.in_order(), world.silent, world.blurred, _arranged(world, truth),
        world.traits.lies, fresh, idle, world.versions,
    )  # fmt: skip


def _arranged(world: World, truth: dict[str, Record]) -> list[str] | None:
    """The ids in the server's order; None if the view does not have it.

    A server that compares literals wrongly is noticed by a page in the view's order, of all rows.
    """
    if world.traits.sort is None or (world.traits.lies and len(truth) >= RULES.page):
        return None
    return [row["id"] for row in world.server.arranged(truth.values())]


def _reconcile(world: World, rows: int, promise: float) -> None:
    """Reconcile until all is right: once, where row versions show what has changed.

    Past the hooks, each row is read whole in its turn: one a page, and one more, as the first may
    begin in the middle of what is a page by now. After one change of the schema, any row that is
    read has other fields than all before, and so all are read; but a turn may find itself behind
    the last row.
    """
    actions = [step.action for step in world.scenario.steps]
    needs_turns = "sneak" in actions or actions.count("alter") > 1 or bool(world.blurred)
    world.has_read_whole = False
    for _ in range(2 + rows // RULES.page if needs_turns else 1):
        world.compare()
        world.clock.run_until(world.clock.now + promise)
    if "alter" in actions and not world.has_read_whole:
        world.compare()
        world.clock.run_until(world.clock.now + promise)
