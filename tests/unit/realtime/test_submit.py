"""When a burst is over, and what a failed POST means."""

from __future__ import annotations

import pytest

from rxbosbase.errors import (
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    ProtocolError,
    RequestTimeoutError,
)
from rxbosbase.realtime.submit import LONGEST_BURST, QUIET, Verdict, judge, pause


def test_a_burst_is_over_after_a_moment_of_quiet() -> None:
    assert pause(now=10.0, began=10.0, last_change=10.0) == pytest.approx(QUIET)
    assert pause(now=10.0 + QUIET / 2, began=10.0, last_change=10.0) == pytest.approx(QUIET / 2)
    assert pause(now=10.0 + QUIET * 1.01, began=10.0, last_change=10.0) == 0.0


def test_a_burst_without_end_is_submitted_all_the_same() -> None:
    assert pause(now=10.0 + LONGEST_BURST * 1.01, began=10.0, last_change=10.1) == 0.0


def test_row_9_each_post_of_one_burst_makes_the_next_more_patient_up_to_a_bound() -> None:
    waits = [pause(now=10.0, began=10.0, last_change=10.0, posts=posts) for posts in range(5)]
    assert waits == pytest.approx([0.004, 0.02, 0.1, 0.1, 0.1])
    assert pause(now=10.6, began=10.0, last_change=10.6, posts=1) == 0.0
    assert pause(now=12.6, began=10.0, last_change=12.6, posts=9) == 0.0


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ClientResponseError(400), Verdict.WRONG),
        (ClientResponseError(403), Verdict.DEAD),
        (ClientResponseError(404), Verdict.DEAD),
        (ClientResponseError(401), Verdict.TRANSIENT),
        (ClientResponseError(429), Verdict.TRANSIENT),
        (ClientResponseError(500), Verdict.TRANSIENT),
        (RequestTimeoutError("late"), Verdict.TRANSIENT),
        (ConnectionFailedError("gone"), Verdict.TRANSIENT),
        (ProtocolError("odd"), Verdict.TRANSIENT),
        (ClientClosedError("closed"), Verdict.TRANSIENT),
    ],
    ids=lambda value: str(value)[:20],
)
def test_row_9_each_failure_of_a_post_has_its_meaning(
    error: BosBaseError, verdict: Verdict
) -> None:
    assert judge(error) is verdict
