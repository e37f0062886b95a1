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
from rxbosbase.realtime.session.topic_submission import QUIETS_AT_MOST, Verdict, judge, quiet_at

QUIET = 0.004


def test_a_burst_is_over_after_a_moment_of_quiet() -> None:
    """A burst of changes is over `quiet` seconds after its last change."""
    assert quiet_at(10.0, 10.0, quiet=QUIET) == pytest.approx(10.0 + QUIET)
    assert quiet_at(10.0, 10.05, quiet=QUIET) == pytest.approx(10.05 + QUIET)


def test_a_burst_without_end_is_submitted_all_the_same() -> None:
    """A burst without end is submitted `QUIETS_AT_MOST` quiet times after its first change."""
    assert quiet_at(10.0, 11.0, quiet=QUIET) == pytest.approx(10.0 + QUIETS_AT_MOST * QUIET)


def test_row_9_each_post_of_one_burst_makes_the_next_more_patient_up_to_a_bound() -> None:
    """Each POST of one burst makes the next wait five times as long, up to a bound."""
    waits = [quiet_at(10.0, 10.0, posts, quiet=QUIET) - 10.0 for posts in range(5)]
    assert waits == pytest.approx([0.004, 0.02, 0.1, 0.1, 0.1])
    longest = [quiet_at(10.0, 20.0, posts, quiet=QUIET) - 10.0 for posts in range(5)]
    assert longest == pytest.approx([0.1, 0.5, 2.5, 2.5, 2.5])


def test_without_quiet_each_change_is_a_burst_of_its_own() -> None:
    """With a `quiet` of 0 a change is submitted at once."""
    assert quiet_at(10.0, 10.0, 9, quiet=0.0) == 10.0


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
        (ClientClosedError("closed"), Verdict.OVER),
    ],
    ids=lambda value: str(value)[:20],
)
def test_row_9_each_failure_of_a_post_has_its_meaning(
    error: BosBaseError, verdict: Verdict
) -> None:
    """A POST's 400 is `WRONG`, 403 and 404 `DEAD`, a closed client `OVER`, else `TRANSIENT`."""
    assert judge(error) is verdict
