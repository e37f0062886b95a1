"""The pauses of a view after failed reads, and what ends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rxbosbase.live.engine.engine import Engine, RecordEngine, WindowEngine
from rxbosbase.live.engine.messages import Effects

ENGINES: list[Callable[[], Engine]] = [RecordEngine, WindowEngine]


def read_of(effects: Effects) -> Any:
    assert effects.read is not None
    return effects.read


def fail(engine: Engine, effects: Effects, now: float, times: int) -> list[float]:
    """Let this read and those after it fail; return the pause after each."""
    pauses = []
    for _ in range(times):
        effects = engine.failed(read_of(effects), now)
        assert effects.wake is not None and effects.read is None
        pauses.append(effects.wake - now)
        now = effects.wake
        if len(pauses) < times:
            effects = engine.tick(now)
    return pauses


@pytest.mark.parametrize("make", ENGINES)
def test_pauses_double_up_to_a_bound(make: Callable[[], Engine]) -> None:
    """Pauses after failed reads double from 1 s to at most 30 s, in views and windows."""
    engine = make()
    assert fail(engine, engine.acknowledged(0.0), 0.0, 7) == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize("make", ENGINES)
def test_the_first_pause_after_a_reconnect_is_one_second(make: Callable[[], Engine]) -> None:
    """The first pause after a reconnect is 1 s, however long the pauses had become."""
    engine = make()
    assert fail(engine, engine.acknowledged(0.0), 0.0, 5) == [1, 2, 4, 8, 16]
    engine.lost(16.0)
    assert engine.acknowledged(17.0).wake == 18.0  # instead of 31
    assert fail(engine, engine.tick(18.0), 18.0, 3) == [1, 2, 4]


@pytest.mark.parametrize("make", ENGINES)
def test_a_reconnect_after_the_pause_reads_at_once(make: Callable[[], Engine]) -> None:
    """A read whose pause is over starts with the acknowledgement, and failures count anew."""
    engine = make()
    assert fail(engine, engine.acknowledged(0.0), 0.0, 3) == [1, 2, 4]
    engine.lost(8.0)
    assert fail(engine, engine.acknowledged(20.0), 20.0, 2) == [1, 2]
