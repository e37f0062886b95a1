"""A window is read again as a whole after each frame, and not more often than the interval."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from math import inf
from typing import Any

import pytest

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.messages import Effects, ReadRequest, Rules
from rxbosbase.live.engine.window import Window
from rxbosbase.runtime.backoff import BackoffPolicy


def loaded(*rows: Record) -> Window:
    window = Window(Rules(reconcile=1000.0), interval=0.25)
    effects = window.rows_read(read_of(window.acknowledged(0.0)), rows, 1.0)
    assert effects.fresh and effects.rows == rows and not effects.caught_up
    return window


def read_of(effects: Effects) -> ReadRequest:
    assert effects.read is not None
    return effects.read


@pytest.mark.parametrize("was_read", [False, True])
def test_nothing_is_read_before_an_acknowledgement(was_read: bool) -> None:
    """A window reads nothing before an acknowledgement, also after a change of identity."""
    window = loaded({"id": "a"}) if was_read else Window()
    rows = () if was_read else None
    assert window.reset(5.0) == Effects((), None, False, False, None, rows)
    nothing = Effects((), None, False, False, None)
    assert window.event("create", {"id": "b"}, 5.1) == nothing
    assert window.tick(2000.0) == nothing
    effects = window.acknowledged(2001.0)
    assert effects == Effects((), read_of(effects), False, False, None)


def test_a_quiet_window_without_reconcile_has_no_wake() -> None:
    """With an infinite `reconcile`, a quiet window has no next wake time."""
    window = Window(Rules(reconcile=inf))
    effects = window.rows_read(read_of(window.acknowledged(0.0)), [], 0.1)
    assert effects == Effects((), None, True, True, None, rows=())
    assert window.event("create", {"id": "a"}, 0.2) == Effects((), None, True, True, 0.25)


def test_an_event_reads_the_window_again_at_most_once_per_interval() -> None:
    """An event causes a new read of the window, at most once per `interval`."""
    window = loaded({"id": "a"})
    read = read_of(window.event("create", {"id": "b"}, 5.0))
    assert window.event("create", {"id": "c"}, 5.1).read is None
    effects = window.rows_read(read, [{"id": "b"}], 5.15)
    assert (effects.read, effects.wake) == (None, 5.25)
    assert window.tick(5.25).read is not None


def test_a_hint_matters_only_for_what_is_shown() -> None:
    """A hint causes a new read only if its record is shown, or is in a read under way."""
    window = loaded({"id": "a"})
    assert window.hint("update", "b", "", 5.0).read is None
    read = read_of(window.hint("update", "a", "", 6.0))
    window.hint("update", "b", "", 6.1)
    assert window.rows_read(read, [{"id": "b"}], 6.2).wake == 6.25


def test_an_expanded_record_counts_as_shown() -> None:
    """A change of an expanded record causes a new read of the window."""
    window = loaded({"id": "a", "expand": {"by": {"id": "u"}}})
    assert window.related("u", 5.0).read is not None


def test_any_related_record_counts_where_the_sort_looks_into_them() -> None:
    """With a sort by a relation, a change of any related record causes a new read."""
    shown = {"id": "a", "expand": {"by": {"id": "u"}}}
    window = Window(interval=0.25, sorts_by_related=True)
    window.rows_read(read_of(window.acknowledged(0.0)), [shown], 1.0)
    assert window.hint("update", "b", "", 5.0).read is None
    assert window.related("v", 6.0).read is not None
    assert loaded(shown).related("v", 6.0).read is None


def test_a_loss_is_mended_by_a_read_after_the_acknowledgement() -> None:
    """After a loss the window is stale until a read after the acknowledgement catches up."""
    window = loaded({"id": "a"})
    effects = window.lost(5.0)
    assert (effects.fresh, effects.read, effects.wake) == (False, None, None)
    effects = window.acknowledged(6.0)
    assert (effects.loaded, effects.fresh) == (True, False)
    effects = window.rows_read(read_of(effects), [], 6.1)
    assert (effects.fresh, effects.caught_up, effects.rows) == (True, True, ())


def test_an_answer_from_before_a_loss_is_ignored() -> None:
    """A read that began before a loss is ignored."""
    window = Window()
    stale = read_of(window.acknowledged(0.0))
    window.lost(1.0)
    window.acknowledged(2.0)
    assert window.rows_read(stale, [{"id": "a"}], 3.0).rows is None


def test_it_is_read_again_every_reconcile() -> None:
    """A window is read again `reconcile` seconds after its last read."""
    window = loaded({"id": "a"})
    assert window.tick(2.0).wake == 1001.0
    assert window.tick(1000.9).read is None
    assert window.tick(1001.0).read is not None


@pytest.mark.parametrize(("asked", "wake"), [((), 5.5), ((0.2,), 5.5), ((7.0,), 12.0)])
def test_a_failed_read_is_made_again(asked: tuple[float, ...], wake: float) -> None:
    """A failed read is repeated after the pause of the rules or the server's `retry_after`."""
    delay = BackoffPolicy(0.5, jitter=False).delay
    window = Window(Rules(delay=delay, reconcile=1000.0))
    window.rows_read(read_of(window.acknowledged(0.0)), [], 1.0)
    effects = window.failed(read_of(window.event("update", {"id": "a"}, 4.0)), 5.0, *asked)
    assert (effects.wake, effects.fresh) == (wake, True)
    assert window.tick(wake - 0.1).read is None and window.tick(wake).read is not None


@pytest.mark.parametrize("seed", range(200))
def test_a_quiet_window_equals_its_query(seed: int) -> None:
    """After writes that race with reads and frames, a quiet window equals its query."""
    pick = random.Random(seed)
    late, to_moment, to_answer = (pick.choice((0.1, 1.0, 3.0, 15.0)) for _ in range(3))
    table: dict[str, Any] = {}
    window = Window(Rules(reconcile=inf), interval=0.25)
    agenda: list[tuple[float, int, Callable[[float], None]]] = []
    count = itertools.count()
    shown: list[Record] = []
    wake = inf

    def limited() -> list[Record]:
        return [{"id": id, "n": n} for id, n in sorted(table.items()) if n % 2][:3]

    def at(time: float, do: Callable[[float], None]) -> None:
        heappush(agenda, (time, next(count), do))

    def apply(effects: Effects, now: float) -> None:
        nonlocal wake
        if effects.rows is not None:
            shown[:] = effects.rows
        wake = inf if effects.wake is None else effects.wake
        if effects.read is not None:
            at(now + to_moment * pick.random(), partial(look, effects.read))

    def look(read: ReadRequest, now: float) -> None:
        rows = limited()
        at(now + to_answer * pick.random(), lambda t: apply(window.rows_read(read, rows, t), t))

    def write(now: float) -> None:
        id, n = pick.choice("abcde"), pick.randrange(100)
        table[id] = n
        if n % 2:
            at(now + late * pick.random(), lambda t: apply(window.event("u", {"id": id}, t), t))
        at(now + late * pick.random(), lambda t: apply(window.hint("u", id, "", t), t))

    at(0.0, lambda t: apply(window.acknowledged(t), t))
    for _ in range(pick.randint(2, 12)):
        at(20 * pick.random(), write)
    while agenda or wake < inf:
        if not agenda or wake < agenda[0][0]:
            apply(window.tick(wake), wake)
        else:
            now, _, do = heappop(agenda)
            do(now)
    assert shown == limited()
