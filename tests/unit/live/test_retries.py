"""How long a view waits after reads that failed, and what ends the waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rxbosbase.live.engine.engine import Engine, RecordEngine, WindowEngine
from rxbosbase.live.engine.messages import Effects

EACH_BRAIN: list[Callable[[], Engine]] = [RecordEngine, WindowEngine]


def read_of(effects: Effects) -> Any:
    assert effects.read is not None
    return effects.read


def fail(brain: Engine, effects: Effects, now: float, times: int) -> list[float]:
    """Fails this read and those after it; the pauses that each led to."""
    pauses = []
    for _ in range(times):
        effects = brain.failed(read_of(effects), now)
        assert effects.wake is not None and effects.read is None
        pauses.append(effects.wake - now)
        now = effects.wake
        if len(pauses) < times:
            effects = brain.tick(now)
    return pauses


@pytest.mark.parametrize("make", EACH_BRAIN)
def test_pauses_double_up_to_a_bound(make: Callable[[], Engine]) -> None:
    """Pauses after failed reads double from 1 s to at most 30 s, in views and windows."""
    brain = make()
    assert fail(brain, brain.acknowledged(0.0), 0.0, 7) == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize("make", EACH_BRAIN)
def test_the_first_failure_after_a_reconnect_waits_one_second(make: Callable[[], Engine]) -> None:
    """The first pause after a reconnect is 1 s, however long the pauses had become."""
    brain = make()
    assert fail(brain, brain.acknowledged(0.0), 0.0, 5) == [1, 2, 4, 8, 16]
    brain.lost(16.0)
    assert brain.acknowledged(17.0).wake == 18.0  # instead of 31
    assert fail(brain, brain.tick(18.0), 18.0, 3) == [1, 2, 4]


@pytest.mark.parametrize("make", EACH_BRAIN)
def test_a_reconnect_after_the_pause_waits_for_nothing(make: Callable[[], Engine]) -> None:
    """A read whose pause is over starts with the acknowledgement, and failures count anew."""
    brain = make()
    assert fail(brain, brain.acknowledged(0.0), 0.0, 3) == [1, 2, 4]
    brain.lost(8.0)
    assert fail(brain, brain.acknowledged(20.0), 20.0, 2) == [1, 2]
