"""How long to wait after failures in a row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.runtime.retry_delay import (
    MAX_RETRY_AFTER,
    Backoff,
    asked_to_wait,
    is_number,
    longest_wait,
)


def doubling(failures: int) -> float:
    return 2.0**failures


def test_each_wait_is_longer_than_the_one_before_up_to_the_bound() -> None:
    """Waits grow by `factor` from `initial` up to `maximum`."""
    waits = [longest_wait(n, initial=1.0, factor=3.0, maximum=10.0) for n in range(1, 6)]
    assert waits == [1.0, 3.0, 9.0, 10.0, 10.0]


def test_the_first_wait_is_no_longer_than_the_bound_either() -> None:
    """A first wait longer than `maximum` is cut to `maximum`."""
    assert longest_wait(1, initial=7.0, factor=2.0, maximum=5.0) == 5.0


def test_after_a_million_failures_the_wait_is_the_bound() -> None:
    """After a million failures the wait is `maximum`, without an overflow."""
    assert longest_wait(10**6, initial=0.2, factor=2.0, maximum=5.0) == 5.0


def test_an_initial_wait_of_zero_stays_zero_without_overflow() -> None:
    """With an `initial` of 0 the wait is 0, also after a million failures."""
    assert longest_wait(10**6, initial=0.0, factor=2.0, maximum=5.0) == 0.0


@given(st.integers(1, 10**6), st.floats(0, 100), st.floats(1, 100), st.floats(0, 100))
def test_a_wait_is_never_shorter_than_the_one_before(
    failures: int, initial: float, factor: float, maximum: float
) -> None:
    """No wait is shorter than the one before it or longer than `maximum`."""

    def wait(count: int) -> float:
        return longest_wait(count, initial=initial, factor=factor, maximum=maximum)

    assert 0 <= wait(failures) <= wait(failures + 1) <= maximum


def test_failures_in_a_row_are_counted_and_a_success_resets_the_count() -> None:
    """`failed` counts failures in a row; `succeeded` resets the count and keeps `until`."""
    backoff = Backoff(doubling)
    assert (backoff.failures, backoff.until) == (0, 0.0)
    assert [backoff.failed(now) for now in (10.0, 20.0)] == [2.0, 4.0]
    assert (backoff.failures, backoff.until) == (2, 24.0)
    backoff.succeeded()
    assert (backoff.failures, backoff.until) == (0, 24.0)
    assert backoff.failed(30.0) == 2.0


def test_a_longer_retry_after_replaces_the_wait() -> None:
    """A longer time that the server requests replaces the wait; a shorter one does not."""
    backoff = Backoff(doubling)
    assert backoff.failed(10.0, 60.0) == 60.0
    assert backoff.until == 70.0
    assert backoff.failed(70.0, 1.0) == 4.0


def test_a_long_wait_is_cut_to_that_of_a_first_failure() -> None:
    """`shorten` cuts a long wait to that of a first failure and resets the count."""
    backoff = Backoff(doubling)
    backoff.failed(0.0)
    backoff.failed(0.0, 100.0)
    backoff.shorten(50.0)
    assert (backoff.failures, backoff.until) == (0, 52.0)


def test_shorten_never_makes_a_wait_longer() -> None:
    """`shorten` never moves `until` to a later time."""
    backoff = Backoff(doubling)
    backoff.failed(10.0)
    backoff.shorten(11.5)
    assert backoff.until == 12.0


class Asked(Exception):
    def __init__(self, retry_after: object) -> None:
        self.retry_after = retry_after


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        (3, 3.0),
        (0.5, 0.5),
        (0, 0.0),
        (-1, 0.0),
        (float("nan"), 0.0),
        (float("inf"), MAX_RETRY_AFTER),
        (MAX_RETRY_AFTER + 1, MAX_RETRY_AFTER),
        (True, 0.0),
        ("3", 0.0),
        (None, 0.0),
    ],
)
def test_retry_after_counts_if_it_is_a_number_of_seconds(wish: object, seconds: float) -> None:
    """`asked_to_wait` returns a numeric `retry_after`, limited to 0 and `MAX_RETRY_AFTER`."""
    assert asked_to_wait(Asked(wish)) == seconds


def test_an_error_without_retry_after_gives_zero() -> None:
    """`asked_to_wait` returns 0 for an error without `retry_after`."""
    assert asked_to_wait(ValueError("x")) == 0.0


def test_a_bool_is_no_number() -> None:
    """`is_number` accepts an int and a float, but no bool, text or None."""
    assert [is_number(value) for value in (1, 1.5, True, "1", None)] == [
        True, True, False, False, False,
    ]  # fmt: skip
