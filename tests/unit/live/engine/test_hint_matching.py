"""The frames received lately: how long they are kept, and what they make outdated."""

from __future__ import annotations

import pytest

from rxbosbase.live.engine.hint_matching import HintMatcher, RecordFrames
from rxbosbase.live.engine.relations import Relations


@pytest.mark.parametrize(
    ("received_at", "reading_since", "is_forgotten"),
    [
        (4.9, None, True),
        (5.0, None, False),
        (4.9, 1, True),  # received in the very step in which the read began: they cannot have raced
        (4.9, 0, False),
    ],
)
def test_what_is_old_is_forgotten_unless_a_read_may_have_raced_with_it(
    received_at: float, reading_since: int | None, is_forgotten: bool
) -> None:
    """Hints and events are forgotten after 5 s unless a read that began before them goes on."""
    matcher, relations = HintMatcher(remember=5.0), Relations()
    matcher.touch("a", received_at).add_event("update", "2026", received_at, 1, is_repeat=False)
    relations.record_changed("u", received_at, 1)
    matcher.forget(10.0, reading_since)
    relations.forget(5.0, reading_since)
    assert (matcher.get("a") is None) == is_forgotten
    assert relations.changed_after({"id": "a", "expand": {"by": {"id": "u"}}}) != is_forgotten


def test_only_a_related_change_after_the_step_makes_an_expansion_old() -> None:
    """Only a related change after the given step makes an expansion outdated."""
    relations = Relations()
    relations.record_changed("u", 1.0, 7)
    record = {"id": "a", "expand": {"by": {"id": "u"}}}
    assert relations.changed_after(record, 6) and not relations.changed_after(record, 7)


@pytest.mark.parametrize(("now", "may_be_outdated"), [(5.9, True), (6.0, True), (6.1, False)])
def test_hints_are_forgotten_one_by_one(now: float, may_be_outdated: bool) -> None:
    """Each hint about a record is forgotten in its own time, though newer ones are kept."""
    matcher = HintMatcher(remember=5.0)
    matcher.touch("a", 1.0).add_hint("update", "5", 1.0, 1)
    matcher.touch("a", 4.0).add_hint("update", "3", 4.0, 2)
    frames = matcher.touch("a", now)
    assert frames.may_be_outdated("4") == may_be_outdated and frames.may_be_outdated("3")


def test_a_matched_hint_makes_no_event_outdated() -> None:
    """A hint that matched its event does not hold back an older event."""
    frames = RecordFrames()
    frames.add_hint("update", "5", 1.0, 1)
    frames.add_event("update", "5", 1.1, 2, is_repeat=False)
    assert not frames.may_be_outdated("4")
