"""Scenarios for the live view's model: what is written, lost and late, and when.

A scenario is drawn from integers, by hypothesis (which then shrinks it) or by a seeded generator
(which is much faster). See `live_model` for what is done with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "AUTHORS",
    "NEVER",
    "SILENT",
    "SLOWEST",
    "TIE",
    "Scenario",
    "Step",
    "Traits",
    "make_scenario",
    "random_scenario",
]  # fmt: skip

Pick = Callable[[int, int], int]
"""Gives an integer between two bounds, both included: hypothesis, or a seeded generator."""

NEVER = 100_000.0  # s between two reconciles: not within any scenario
IDS = tuple("abcdefg")
MIXED_IDS = tuple("bAcBaDC")  # a collation sorts these otherwise than bytes do
UUIDS = tuple(f"01234567-89ab-7cde-8f01-23456789abc{id}" for id in IDS)
CLOCKS = ("fine", "coarse", "skewed", "absent", "frozen")
TIE = 4.0  # s between two writes that surely have different timestamps, however skewed the clock
WRITES = ("update", "leave", "delete", "recreate", "update again", "leave again")
TROUBLE = ("reconnect", "disconnect", "skip", "resubmit", "break link", "fail reads", "hide")
SILENT = ("alter", "sneak")  # a changed schema, and a write past the server's hooks
SORTED_BY = ("title", "rank", "due", "data", "n", "id", "secret")
SLOWEST = 15  # s a read is held up at most: three times as long as the rules remember
AUTHORS = {id: "uv"[at % 2] for ids in (IDS, MIXED_IDS, UUIDS) for at, id in enumerate(ids)}
VALUES = 8  # a field has one of so many


@dataclass(frozen=True)
class Step:
    """One thing that happens, ``after`` seconds after the one before; delays in seconds."""

    after: float
    action: str
    id: str
    decided: float  # from the write to the evaluation of the topics
    event_late: float  # from the write to the frame's arrival, unless decided later
    hint_late: float
    twice: bool
    stamp_early: float  # how long before the write `updated` was stamped (skewed clocks only)
    picks: tuple[int, ...] = ()  # what the write makes of each field


@dataclass(frozen=True)
class Traits:
    """What the server of a scenario has beside the rest: an order of its own, fields that change.

    Attributes:
        sort: the view's, whose order must be the server's; None if the order is not compared.
        collates: text is sorted by a collation, JSON as jsonb, and dates by hidden microseconds;
            otherwise all is as in SQLite.
        lies: it collates, and compares literals as if sorted by bytes.
        nulls_last: and not first.
        has_secret: rows have one field more than frames.
        interval: s between two reads of the order.
        folds: inputs until a snapshot is made of them.
    """

    sort: str | None = None
    collates: bool = False
    lies: bool = False
    nulls_last: bool = False
    has_secret: bool = False
    interval: float = 0.25
    folds: int = 1


@dataclass(frozen=True)
class Scenario:
    """A server, a view and a sequence of steps."""

    clock: str
    filtered: bool
    expands: bool
    populated: bool
    reconcile: float  # s from one comparison to the next
    compares: bool  # one more begins a second after each step
    read_delays: tuple[tuple[float, float], ...]  # (to the moment the table is read, to the answer)
    acknowledge_late: float
    steps: tuple[Step, ...]
    traits: Traits | None = None

    @property
    def is_slow(self) -> bool:
        """True if one read of five takes longer than anything else."""
        return any(max(delays) > 1 for delays in self.read_delays)


def make_scenario(
    pick: Pick, steps: int = 30, *, expands: bool = False, varied: bool = False
) -> Scenario:
    """Makes a scenario out of picked integers.

    Each scenario knows only some of the actions and a few ids, so that what it does it does often.
    Those that are ``varied`` have `Traits`.
    """
    clock = CLOCKS[pick(0, len(CLOCKS) - 1)]
    filtered = pick(0, 3) > 0
    late = 1.9 if clock == "skewed" else 4.4  # the bounds of the reducer's theory
    count = (1, 1, 2, 3, 7)[pick(0, 4)]
    actions = ("enter", *(each for each in WRITES if pick(0, 1)))
    actions += tuple(each for each in TROUBLE if pick(0, 2) == 2)
    actions += ("rename", "rename") * expands
    ids = IDS[:count]
    if varied:
        actions += tuple(each for each in SILENT if pick(0, 2) == 2)
        ids = (IDS, MIXED_IDS, UUIDS)[pick(0, 2)][: (2, 4, 7)[pick(0, 2)]]
    return Scenario(
        clock=clock,
        filtered=filtered,
        expands=expands,
        populated=(expands or varied) and pick(0, 1) == 1,
        reconcile=(NEVER, NEVER, 3.0)[pick(0, 2)],
        compares=pick(0, 3) == 3,
        read_delays=_read_delays(pick),
        acknowledge_late=_short(pick),
        steps=tuple(_make_step(pick, ids, actions, late, varied) for _ in range(pick(2, steps))),
        traits=_traits(pick) if varied else None,
    )


def _traits(pick: Pick) -> Traits:
    has_secret = pick(0, 2) == 2
    fields = SORTED_BY if has_secret else SORTED_BY[:-1]
    keys = [("", "-")[pick(0, 1)] + fields[pick(0, len(fields) - 1)] for _ in range(pick(0, 2))]
    collates = pick(0, 1) == 1
    return Traits(
        sort=None if pick(0, 5) == 5 else ",".join(keys),
        collates=collates,
        lies=collates and pick(0, 5) == 5,
        nulls_last=pick(0, 1) == 1,
        has_secret=has_secret,
        interval=(0.25, 0.25, 2.0)[pick(0, 2)],
        folds=(1, 1, 3)[pick(0, 2)],
    )


def _read_delays(pick: Pick) -> tuple[tuple[float, float], ...]:
    """In one scenario of four, one read of five is slow: the table is read early or late in it."""
    delays = [(_short(pick), _short(pick)) for _ in range(5)]
    if pick(0, 3) == 3:
        short, slow = _short(pick), float(pick(3, SLOWEST))
        delays[pick(0, 4)] = (short, slow) if pick(0, 2) else (slow, short)
    return tuple(delays)


def _make_step(
    pick: Pick, ids: tuple[str, ...], actions: tuple[str, ...], late: float, varied: bool
) -> Step:
    decided = (0.0, _short(pick))[pick(0, 1)]
    return Step(
        after=(0.0, 0.0004, _short(pick), 0.1, 0.6, pick(0, 8) / 2, 12.0)[pick(0, 6)],
        action=actions[pick(0, len(actions) - 1)],
        id=ids[pick(0, len(ids) - 1)],
        decided=decided,
        event_late=_lateness(pick, late),
        hint_late=_lateness(pick, late),
        twice=pick(0, 9) == 9,
        stamp_early=pick(0, 20) / 10,
        picks=tuple(pick(0, VALUES - 1) for _ in range(4 * varied)),
    )


def _short(pick: Pick) -> float:
    return (0.0, 0.001, 0.01, 0.05, 0.3)[pick(0, 4)]


def _lateness(pick: Pick, late: float) -> float:
    return (0.0, 0.002, 0.02, 0.15, 0.5, late / 2, late)[pick(0, 6)]


def random_scenario(
    seed: int, steps: int = 30, *, expands: bool = False, varied: bool = False
) -> Scenario:
    """The scenario of a seed: much faster than hypothesis, and it does not shrink."""
    return make_scenario(random.Random(seed).randint, steps, expands=expands, varied=varied)
