"""What was heard lately: how long it is remembered, and what it makes doubtful."""

from __future__ import annotations

import pytest

from rxbosbase.live.engine.hint_matching import HintMatcher, Trace
from rxbosbase.live.engine.relations import Relations


@pytest.mark.parametrize(
    ("heard_at", "reading_since", "is_forgotten"),
    [
        (4.9, None, True),
        (5.0, None, False),
        (4.9, 1, True),  # heard in the very step in which the read began: they cannot have raced
        (4.9, 0, False),
    ],
)
def test_what_is_old_is_forgotten_unless_a_read_may_have_raced_with_it(
    heard_at: float, reading_since: int | None, is_forgotten: bool
) -> None:
    """Hints and events are forgotten after 5 s unless a read that began before them goes on."""
    traces, relations = HintMatcher(remember=5.0), Relations()
    traces.touch("a", heard_at).note_event("update", "2026", heard_at, 1, is_known=False)
    relations.hear("u", heard_at, 1)
    traces.forget(10.0, reading_since)
    relations.forget(5.0, reading_since)
    assert (traces.get("a") is None) == is_forgotten
    assert relations.heard_after({"id": "a", "expand": {"by": {"id": "u"}}}) != is_forgotten


def test_only_a_related_change_after_the_step_makes_an_expansion_old() -> None:
    """Only a related change after the given step makes an expansion outdated."""
    relations = Relations()
    relations.hear("u", 1.0, 7)
    record = {"id": "a", "expand": {"by": {"id": "u"}}}
    assert relations.heard_after(record, 6) and not relations.heard_after(record, 7)


@pytest.mark.parametrize(("now", "overshadows"), [(5.9, True), (6.0, True), (6.1, False)])
def test_a_record_heard_of_again_and_again_forgets_each_hint_in_its_time(
    now: float, overshadows: bool
) -> None:
    """Each hint about a record is forgotten in its own time, though newer ones are kept."""
    traces = HintMatcher(remember=5.0)
    traces.touch("a", 1.0).note_hint("update", "5", 1.0, 1)
    traces.touch("a", 4.0).note_hint("update", "3", 4.0, 2)
    trace = traces.touch("a", now)
    assert trace.overshadows("4") == overshadows and trace.overshadows("3")


def test_a_hint_that_found_its_event_overshadows_nothing() -> None:
    """A hint that matched its event does not hold back an older event."""
    trace = Trace()
    trace.note_hint("update", "5", 1.0, 1)
    trace.note_event("update", "5", 1.1, 2, is_known=False)
    assert not trace.overshadows("4")
