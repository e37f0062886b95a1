"""A window is read again as a whole whenever something is heard, and not more often than asked."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rxbosbase.live.messages import Record, Rules
from rxbosbase.live.window import ReadWindow, Window, WindowEffects


def loaded(*rows: Record) -> Window:
    window = Window(Rules(reconcile=1000.0), interval=0.25)
    effects = window.rows_read(read_of(window.acknowledged(0.0)), rows, 1.0)
    assert effects.fresh and effects.rows == rows and not effects.caught_up
    return window


def read_of(effects: WindowEffects) -> ReadWindow:
    assert effects.read is not None
    return effects.read


def test_an_event_reads_the_window_again_at_most_once_per_interval() -> None:
    window = loaded({"id": "a"})
    read = read_of(window.event("create", {"id": "b"}, 5.0))
    assert window.event("create", {"id": "c"}, 5.1).read is None
    effects = window.rows_read(read, [{"id": "b"}], 5.15)
    assert (effects.read, effects.wake) == (None, 5.25)
    assert window.tick(5.25).read is not None


def test_a_hint_matters_only_for_what_is_shown() -> None:
    """Or turns out to be shown, by a read that was under way."""
    window = loaded({"id": "a"})
    assert window.hint("update", "b", "", 5.0).read is None
    read = read_of(window.hint("update", "a", "", 6.0))
    window.hint("update", "b", "", 6.1)
    assert window.rows_read(read, [{"id": "b"}], 6.2).wake == 6.25


def test_an_expanded_record_counts_as_shown() -> None:
    window = loaded({"id": "a", "expand": {"by": {"id": "u"}}})
    assert window.related("u", 5.0).read is not None


def test_any_related_record_counts_where_the_sort_looks_into_them() -> None:
    """What is not shown may be what comes first now; a row that is not shown still may not."""
    window = Window(interval=0.25, sorts_by_related=True)
    read = read_of(window.acknowledged(0.0))
    window.rows_read(read, [{"id": "a", "expand": {"by": {"id": "u"}}}], 1.0)
    assert window.hint("update", "b", "", 5.0).read is None
    assert window.related("v", 6.0).read is not None


def test_a_loss_is_mended_by_a_read_after_the_acknowledgement() -> None:
    window = loaded({"id": "a"})
    effects = window.lost(5.0)
    assert (effects.fresh, effects.read, effects.wake) == (False, None, None)
    effects = window.rows_read(read_of(window.acknowledged(6.0)), [], 6.1)
    assert (effects.fresh, effects.caught_up, effects.rows) == (True, True, ())


def test_an_answer_from_before_a_loss_is_ignored() -> None:
    window = Window()
    stale = read_of(window.acknowledged(0.0))
    window.lost(1.0)
    window.acknowledged(2.0)
    assert window.rows_read(stale, [{"id": "a"}], 3.0).rows is None


def test_it_is_read_again_every_reconcile_and_on_demand() -> None:
    window = loaded({"id": "a"})
    assert window.tick(2.0).wake == 1001.0
    assert window.reconcile(3.0).read is not None


def test_a_failed_read_is_made_again() -> None:
    window = loaded({"id": "a"})
    effects = window.failed(read_of(window.event("update", {"id": "a"}, 5.0)), 5.1)
    assert effects.wake == 6.1 and window.tick(6.1).read is not None


def test_another_identity_empties_it() -> None:
    window = loaded({"id": "a"})
    effects = window.reset(5.0)
    assert (effects.rows, effects.loaded, effects.fresh) == ((), False, False)


@pytest.mark.parametrize("seed", range(200))
def test_a_quiet_window_equals_its_query(seed: int) -> None:
    """Writes race with reads, frames come late; in the end it shows what the server would."""
    pick = random.Random(seed)
    table: dict[str, Any] = {}
    window = Window(interval=0.25)
    agenda: list[tuple[float, int, Any]] = []
    shown: list[Any] = []
    state: dict[str, float | None] = {"wake": None}

    def limited() -> list[Record]:
        return [{"id": id, "n": n} for id, n in sorted(table.items()) if n % 3][:3]

    def at(time: float, do: Any) -> None:
        agenda.append((time, len(agenda), do))

    def apply(effects: WindowEffects, now: float) -> None:
        if effects.rows is not None:
            shown[:] = effects.rows
        state["wake"] = effects.wake
        read = effects.read
        if read is not None:
            moment = now + pick.random()

            def look(moment: float) -> None:
                rows = limited()
                at(moment + pick.random(), lambda t: apply(window.rows_read(read, rows, t), t))

            at(moment, look)

    def write(now: float) -> None:
        id, n = pick.choice("abcdef"), pick.randrange(100)
        table[id] = n
        if n % 3:
            at(now + 3 * pick.random(), lambda t: apply(window.event("u", {"id": id}, t), t))
        at(now + 3 * pick.random(), lambda t: apply(window.hint("u", id, "", t), t))

    at(0.0, lambda t: apply(window.acknowledged(t), t))
    for _ in range(12):
        at(6 * pick.random(), write)
    while True:
        if agenda:
            time, _, do = agenda.pop(agenda.index(min(agenda, key=lambda item: item[:2])))
            wake = state["wake"]
            if wake is not None and wake < time:
                apply(window.tick(wake), wake)
            do(time)
        elif (wake := state["wake"]) is not None and wake < 50:
            apply(window.tick(wake), wake)
        else:
            break
    assert shown == limited()
