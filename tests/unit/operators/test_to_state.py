"""``to_state`` gives values that stay as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import reactivex
from hypothesis import given
from hypothesis import strategies as st
from reactivex import operators as ops
from support.marbles import event

from rxbosbase import operators as rxb

TOKENS = st.lists(st.from_regex(r"[+~]?[abc][1-9]", fullmatch=True))


def states(tokens: list[str]) -> list[Mapping[str, dict[str, Any]]]:
    events = reactivex.from_iterable([event(token) for token in tokens])
    return list(events.pipe(rxb.to_state(), ops.to_list()).run())


@given(TOKENS)
def test_each_state_is_what_the_events_so_far_add_up_to(tokens: list[str]) -> None:
    """Each state has the last record of each id without the deleted ones, and never changes."""
    for count, state in enumerate(states(tokens), start=1):
        last = {token[-2]: event(token) for token in tokens[:count]}
        assert state == {k: e.record for k, e in last.items() if e.action != "delete"}


def test_a_state_is_read_only() -> None:
    """A state is read-only."""
    (state,) = states(["+a1"])
    with pytest.raises(TypeError):
        state["a"] = {}  # type: ignore[index]
