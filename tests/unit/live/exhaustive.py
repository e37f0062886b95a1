"""Every sequence within bounds, not some of them: each ends with a view that equals its query::

    python -m tests.unit.live.exhaustive --writes 3 --records 2

A sequence has writes on one or two records; the order in which their frames come, or fail to; when
the one trouble happens (a comparison, a skipped frame, a re-submit, a loss and the reconnect after
it, the start of the view); and when one read begins, reads the table and is answered.
`exhaustive_setups` has what is written, `exhaustive_world` what can happen next.

What follows from a state does not depend on how it was reached. So the search goes on from each
state once, and multiplies: the number of sequences is exact, and the end of each was checked.
Sequences without a visible difference are one: they differ in the names of the records, in when it
was decided whether to send a frame, or in a gap that began earlier and loses nothing more.

`BOUNDS` says how far it goes for each number of writes: how often time passes while something is
still to come, and whether a read may be slow. All of it together is out of reach for three writes.
With these and a trouble, frames, trouble and reads come in every order at one moment, and time
passes only at the end; a slow read comes with a trouble up to two writes on one record. What the
sequences never have: a frame that comes twice or lacks fields, reads that fail, more rows than a
page holds, expanded relations, records that the list rule hides, and the order of the rows. The
random scenarios of ``live_model`` have these.

It prints a table, and ends with 1 and the first sequence that does not converge, if there is one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pool

from .exhaustive_setups import TROUBLES, Scope, Setup, make_setups
from .exhaustive_world import Broken, Make, Move, World, make_reducer

__all__ = ["BOUNDS", "QUICK", "SMALL", "Search", "Total", "main", "search_all"]

CALM, *OTHERS = TROUBLES
TROUBLED = tuple(OTHERS)

SMALL = (
    Scope(1, 1, waits=0, breaks=True),
    Scope(1, 1, ("skip",), waits=2),
    Scope(1, 1, ("compare", "start"), waits=0, slow=True),
    Scope(2, 1, (CALM,), waits=0),
)
"""What the tests run."""

QUICK = (
    Scope(1, 1, waits=2, breaks=True),
    Scope(1, 1, ("compare", "start"), waits=1, slow=True),
    Scope(2, 1, (CALM,), waits=1),
    Scope(2, 1, ("skip",), waits=0),
)
"""What they run with ``RXBOSBASE_LONG=1``, as CI does once."""

BOUNDS = (
    Scope(1, 1, waits=4, slow=True, breaks=True, untrusted=True),
    Scope(2, 1, (CALM,), waits=4, slow=True),
    Scope(2, 1, TROUBLED, waits=2, breaks=True, untrusted=True),
    Scope(2, 1, TROUBLED, waits=0, slow=True),
    Scope(2, 2, (CALM,), waits=2, slow=True),
    Scope(2, 2, TROUBLED, waits=1),
    Scope(3, 1, (CALM,), waits=1, slow=True),
    Scope(3, 1, TROUBLED, waits=0),
    Scope(3, 2, (CALM,), waits=1),
    Scope(3, 2, TROUBLED, waits=0),
)
"""What the command runs, up to the bounds that it is given. Two troubled rows of two writes share
those sequences that have neither a wait nor a slow read; otherwise each sequence stands in one."""


@dataclass
class Search:
    """All sequences of a setup.

    Attributes:
        merges: False to go on from equal states again and again, which is slow, and must count the
            same sequences.
        states: how many different states there were.
        path: the moves to where it is; after `Broken`, the sequence that shows it.
    """

    setup: Setup
    scope: Scope
    make: Make = make_reducer
    merges: bool = True
    states: int = 0
    path: list[Move] = field(default_factory=list)
    _counts: dict[bytes, int] = field(default_factory=dict)

    def run(self) -> int:
        """Run all sequences and return their number.

        Raises:
            Broken: one is not.
        """
        return self._explore(World(self.setup, self.scope, self.make))

    def _explore(self, world: World) -> int:
        key = world.key() if self.merges else b""
        known = self._counts.get(key)
        if known is not None:
            return known
        self.states += 1
        count = 0
        moves = world.moves()
        frozen = world.freeze() if len(moves) > 1 else b""
        for at, move in enumerate(moves, start=1):
            after = world if at == len(moves) else world.thaw(frozen)
            self.path.append(move)
            after.do(move)
            count += 1 if move[0] == "end" else self._explore(after)
            self.path.pop()
        if self.merges:
            self._counts[key] = count
        return count

    def describe(self) -> str:
        """Return the sequence of `path`, line by line."""
        world = World(self.setup, self.scope, self.make)
        world.log = []
        try:
            for move in self.path:
                world.do(move)
        except Broken as error:
            world.log.append(f"   WRONG  {error}")
        return "\n".join([str(self.setup), *world.log])


@dataclass
class Total:
    """The result of the setups of one scope and trouble; ``wrong`` is the first wrong sequence."""

    setups: int = 0
    sequences: int = 0
    states: int = 0
    wrong: str = ""


def search_all(scope: Scope, make: Make = make_reducer) -> Total:
    """All sequences of a scope, up to the first that is wrong."""
    total = Total()
    for setup in make_setups(scope):
        total.setups += 1
        search = Search(setup, scope, make)
        try:
            total.sequences += search.run()
        except Broken:
            total.wrong = search.describe()
            return total
        total.states += search.states
    return total


def _run(task: tuple[Setup, Scope]) -> tuple[int, int, str]:
    search = Search(*task)
    try:
        return search.run(), search.states, ""
    except Broken:
        return 0, search.states, search.describe()


def _tasks(scopes: Sequence[Scope]) -> Iterator[tuple[Setup, Scope]]:
    return ((setup, scope) for scope in scopes for setup in make_setups(scope))


def main(arguments: list[str] | None = None) -> int:
    """Run all sequences within the bounds and return the exit code."""
    parser = argparse.ArgumentParser(description="Run all sequences of a live view within bounds.")
    parser.add_argument("--writes", type=int, default=3, choices=(1, 2, 3))
    parser.add_argument("--records", type=int, default=2, choices=(1, 2))
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true", help="what the long tests run")
    options = parser.parse_args(arguments)
    scopes = [
        scope
        for scope in (QUICK if options.quick else BOUNDS)
        if scope.writes <= options.writes and scope.records <= options.records
    ]
    print("writes records trouble   waits slow  setups       sequences     states seconds")
    whole = Total()
    began = time.monotonic()
    with Pool(options.jobs) as pool:
        for scope in scopes:
            for trouble in scope.troubles:
                start = time.monotonic()
                total = Total()
                part = Scope(**{**vars(scope), "troubles": (trouble,)})
                for sequences, states, wrong in pool.imap(_run, _tasks([part]), chunksize=4):
                    total.setups += 1
                    total.sequences += sequences
                    total.states += states
                    if wrong:
                        print(f"\nThis sequence does not converge:\n\n{wrong}")
                        return 1
                print(
                    f"{scope.writes:6} {scope.records:7} {trouble:9} {scope.waits:5} "
                    f"{'yes' if scope.slow else 'no':4} {total.setups:6} {total.sequences:13,} "
                    f"{total.states:10,} {time.monotonic() - start:7.0f}",
                    flush=True,
                )
                whole.setups += total.setups
                whole.sequences += total.sequences
                whole.states += total.states
    print(
        f"{whole.sequences:,} sequences of {whole.setups:,} setups, "
        f"by way of {whole.states:,} states, in {time.monotonic() - began:.0f} s: all converge"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
