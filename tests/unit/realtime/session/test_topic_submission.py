"""When a burst of changes is over, and what a failed POST means."""

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
from rxbosbase.realtime.session.topic_submission import (
    BURST_END,
    MAX_QUIETS,
    Burst,
    Verdict,
    classify,
    submit_at,
)

QUIET = 0.004


def test_a_burst_is_over_after_the_quiet_time() -> None:
    """A burst of changes is over `quiet` seconds after its last change."""
    assert submit_at(10.0, 10.0, quiet=QUIET) == pytest.approx(10.0 + QUIET)
    assert submit_at(10.0, 10.05, quiet=QUIET) == pytest.approx(10.05 + QUIET)


def test_a_burst_without_end_is_submitted_after_a_bounded_time() -> None:
    """A burst without end is submitted `MAX_QUIETS` quiet times after its first change."""
    assert submit_at(10.0, 11.0, quiet=QUIET) == pytest.approx(10.0 + MAX_QUIETS * QUIET)


def test_each_post_of_one_burst_makes_the_next_wait_longer_up_to_a_bound() -> None:
    """Each POST of one burst makes the next wait five times as long, up to a bound."""
    waits = [submit_at(10.0, 10.0, posts, quiet=QUIET) - 10.0 for posts in range(5)]
    assert waits == pytest.approx([0.004, 0.02, 0.1, 0.1, 0.1])
    longest = [submit_at(10.0, 20.0, posts, quiet=QUIET) - 10.0 for posts in range(5)]
    assert longest == pytest.approx([0.1, 0.5, 2.5, 2.5, 2.5])


def test_without_a_quiet_time_each_change_is_submitted_at_once() -> None:
    """With a `quiet` of 0 a change is submitted at once."""
    assert submit_at(10.0, 10.0, 9, quiet=0.0) == 10.0


def test_a_burst_is_due_after_its_last_change() -> None:
    """Changes that follow one another move the time; one after all are submitted starts anew."""
    burst = Burst(quiet=0.25)
    burst.changed(10.0, is_first=True)
    burst.changed(10.2, is_first=False)
    assert burst.due == submit_at(10.0, 10.2, quiet=0.25)
    burst.changed(10.3, is_first=True)
    assert burst.due == submit_at(10.3, 10.3, quiet=0.25)


def test_the_posts_of_a_burst_count_until_its_end() -> None:
    """A change within `BURST_END` of the last one is of the same burst; a later one is not."""
    burst = Burst(quiet=0.25)
    burst.changed(10.0, is_first=True)
    burst.posts = 2
    burst.changed(10.0 + BURST_END, is_first=True)
    assert burst.due == submit_at(10.5, 10.5, 2, quiet=0.25)
    burst.changed(10.0 + 2 * BURST_END + 0.01, is_first=True)
    assert burst.posts == 0


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ClientResponseError(400), Verdict.INVALID),
        (ClientResponseError(403), Verdict.DEAD),
        (ClientResponseError(404), Verdict.UNKNOWN),
        (ClientResponseError(401), Verdict.TRANSIENT),
        (ClientResponseError(429), Verdict.TRANSIENT),
        (ClientResponseError(500), Verdict.TRANSIENT),
        (RequestTimeoutError("late"), Verdict.TRANSIENT),
        (ConnectionFailedError("gone"), Verdict.TRANSIENT),
        (ProtocolError("odd"), Verdict.TRANSIENT),
        (ClientClosedError("closed"), Verdict.ENDED),
    ],
    ids=lambda value: str(value)[:20],
)
def test_each_failure_of_a_post_has_its_verdict(error: BosBaseError, verdict: Verdict) -> None:
    """A 400 is `INVALID`, 403 `DEAD`, 404 `UNKNOWN`, a closed client `ENDED`, else `TRANSIENT`."""
    assert classify(error) is verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ClientResponseError(403), Verdict.IDENTIFIED),
        (ClientResponseError(404), Verdict.UNKNOWN),
        (ClientResponseError(400), Verdict.TRANSIENT),
        (ClientResponseError(401), Verdict.TRANSIENT),
        (ClientResponseError(500), Verdict.TRANSIENT),
        (RequestTimeoutError("late"), Verdict.TRANSIENT),
        (ClientClosedError("closed"), Verdict.ENDED),
    ],
    ids=lambda value: str(value)[:20],
)
def test_each_failure_of_a_probe_has_its_verdict(error: BosBaseError, verdict: Verdict) -> None:
    """A probe's 403 is `IDENTIFIED`, 404 `UNKNOWN`, a closed client `ENDED`, else `TRANSIENT`."""
    assert classify(error, is_probe=True) is verdict


@pytest.mark.parametrize("is_probe", [False, True])
@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_page_of_a_proxy_is_transient(status: int, is_probe: bool) -> None:
    """A refusal whose body is not the server's JSON is `TRANSIENT`, whatever its status."""
    page = ClientResponseError(status, original=ValueError("no JSON"))
    assert classify(page, is_probe=is_probe) is Verdict.TRANSIENT
