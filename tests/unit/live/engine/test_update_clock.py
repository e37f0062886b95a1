"""Whether `updated` moves with each write is learned from the writes that are received."""

from __future__ import annotations

import pytest

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.messages import Rules
from rxbosbase.live.engine.update_clock import UpdateClock


def row(second: int, created: str = "2025") -> Record:
    return {"id": "a", "created": created, "updated": f"2026-01-01 00:00:{second:02d}.000Z"}


def ages(trust: bool | None) -> UpdateClock:
    """Those of a view whose newest `updated` is that of second 50."""
    ages = UpdateClock(Rules(trust_updated=trust, before_loss=10.0))
    ages.frame_received(row(50)["updated"])
    return ages


@pytest.mark.parametrize(
    ("trust", "action", "record", "trusted"),
    [
        (None, "update", row(31), True),
        (None, "create", row(31), None),  # it may have been made again, with a first `updated`
        (None, "update", row(31, created="2026"), None),
        (None, "update", row(30), False),  # 20 s behind the newest: not a tie of two writes
        (True, "update", row(30), False),
        (False, "update", row(31), False),
        (False, "update", row(30), False),
    ],
)
def test_an_update_shows_whether_updated_moves(
    trust: bool | None, action: str, record: Record, trusted: bool | None
) -> None:
    """An update that moves `updated` proves that it moves; an equal `updated` disproves it."""
    judge = ages(trust)
    judge.observe_write(action, row(30), record)
    assert judge.trusted is trusted


@pytest.mark.parametrize(("second", "trusted"), [(39, False), (40, None), (50, None)])
def test_equal_versions_within_10_s_of_the_newest_may_be_a_tie(
    second: int, trusted: bool | None
) -> None:
    """An equal `updated` disproves nothing if it is at most 10 s behind the newest one."""
    judge = ages(None)
    judge.observe_write("update", row(second), row(second))
    assert judge.trusted is trusted


@pytest.mark.parametrize("disprove", ["an update without", "a row without"])
def test_what_was_disproved_once_is_never_proved_again(disprove: str) -> None:
    """Once `updated` was found not to move, `trusted` stays False."""
    judge = ages(None)
    if disprove == "an update without":
        judge.observe_write("update", row(30), row(30))
    else:
        judge.row_held({"id": "b"})
    judge.observe_write("update", row(51), row(52))
    assert judge.trusted is False
