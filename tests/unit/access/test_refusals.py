"""When a refusal is believed: each row of the table, refusals that are in none, and the counts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from rxbosbase.access.refusals import (
    ATTEMPTS,
    CONTROLS,
    REFUSAL_SECONDS,
    REFUSALS,
    REPEAT_SECONDS,
    Control,
    Kind,
    RefusalCount,
    is_believed,
)

LIST, RECORD, LOGIN = Kind.LIST, Kind.RECORD, Kind.LOGIN
STATUSES = (0, 200, 204, 301, 400, 401, 403, 404, 405, 409, 422, 429, 500, 502, 503, 504)

AT_ONCE = [(LIST, 404, False), (LIST, 404, True), (LIST, 403, False), (RECORD, 403, False)]
BY_LOGIN = [(LIST, 403, True), (RECORD, 403, True)]
BY_ANY_LIST = [(RECORD, 404, False), (RECORD, 404, True)]
BY_LIST = [
    *((kind, 400, has_login) for kind in (LIST, RECORD) for has_login in (False, True)),
    *((LOGIN, status, has_login) for status in (400, 401, 403, 404) for has_login in (False, True)),
]
ROWS = [*AT_ONCE, *BY_LOGIN, *BY_ANY_LIST, *BY_LIST]
TROUBLE = [row for row in product(Kind, STATUSES, (False, True)) if row not in ROWS]

Row = tuple[Kind, int, bool]


def believed(row: Row, *answers: int) -> tuple[bool, list[Control]]:
    """Return whether the refusal is believed, and the control questions that get these answers."""
    asked: list[Control] = []

    def ask(control: Control) -> int:
        asked.append(control)
        return answers[len(asked) - 1]

    kind, status, has_login = row
    return is_believed(kind, status, has_login=has_login, ask=ask), asked


# -- the table


@pytest.mark.parametrize("row", AT_ONCE)
def test_a_refusal_that_no_trouble_causes_is_believed_at_once(row: Row) -> None:
    """A list's 404, and a 403 of a guest, are believed without a control question."""
    assert believed(row) == (True, [])


@pytest.mark.parametrize("row", BY_LOGIN)
@pytest.mark.parametrize("answer", STATUSES)
def test_a_403_of_a_login_is_believed_if_the_login_is_known(row: Row, answer: int) -> None:
    """A 403 with a login is believed if `auth-refresh` answers 200, and for no other answer."""
    assert believed(row, answer) == (answer == 200, [Control.LOGIN])


@pytest.mark.parametrize("row", BY_LIST)
@pytest.mark.parametrize("answer", STATUSES)
def test_a_refusal_of_the_query_or_the_token_is_believed_if_the_list_is_good(
    row: Row, answer: int
) -> None:
    """A 400, and a refused refresh, are believed if the bare list answers 200, and only then."""
    assert believed(row, answer) == (answer == 200, [Control.LIST])


@pytest.mark.parametrize("row", BY_ANY_LIST)
@pytest.mark.parametrize("answer", [status for status in STATUSES if status != 403])
def test_a_missing_record_is_believed_if_the_list_is_good_or_missing(row: Row, answer: int) -> None:
    """A record's 404 is believed if the list answers 200 or 404."""
    assert believed(row, answer) == (answer in (200, 404), [Control.LIST])


def test_a_missing_record_beside_a_locked_list_is_believed_for_a_guest() -> None:
    """A guest's 404 of a record is believed if the list answers 403."""
    assert believed((RECORD, 404, False), 403) == (True, [Control.LIST])


@pytest.mark.parametrize("answer", STATUSES)
def test_a_missing_record_beside_a_locked_list_is_believed_if_the_login_is_known(
    answer: int,
) -> None:
    """A login's 404 of a record beside a list's 403 is believed if `auth-refresh` answers 200."""
    expected = answer == 200, [Control.LIST, Control.LOGIN]
    assert believed((RECORD, 404, True), 403, answer) == expected


@pytest.mark.parametrize("row", TROUBLE)
def test_all_else_is_trouble(row: Row) -> None:
    """A refusal that is in no row is not believed, and no control question is asked."""
    assert believed(row) == (False, [])


def test_the_table_has_no_other_row() -> None:
    """The table has a row for each of these refusals, and none for others."""
    assert set(CONTROLS) == {(kind, status) for kind, status, _ in ROWS}


# -- how often


def refusals(count: RefusalCount, *times: float, status: int = 400) -> list[bool]:
    """Refuse at these times; return which refusal is for good."""
    return [count.refused(status, time) for time in times]


def test_the_first_refusal_of_a_new_question_is_final() -> None:
    """At first use one believed refusal is final."""
    count = RefusalCount()
    assert not count.is_accepted
    assert count.refused(404, 7.0)


def test_trouble_before_the_first_answer_changes_nothing() -> None:
    """A question that was in trouble, and never accepted, is still refused at once."""
    count = RefusalCount()
    count.troubled()
    assert not count.is_accepted
    assert count.refused(400, 7.0)


def test_after_an_answer_one_refusal_is_not_final() -> None:
    """Once a question was accepted, a refusal of it is not final."""
    count = RefusalCount()
    count.accepted()
    assert count.is_accepted
    assert not count.refused(404, 7.0)


@pytest.mark.parametrize("last", [29.9, 29.999])
def test_three_refusals_within_less_than_30_s_are_not_final(last: float) -> None:
    """Three equal refusals over less than 30 s are not final."""
    assert refusals(RefusalCount(is_accepted=True), 0.0, 10.0, last) == [False] * 3


def test_two_refusals_are_not_final_however_far_apart() -> None:
    """Two refusals are not final, not even an hour apart."""
    assert refusals(RefusalCount(is_accepted=True), 0.0, 3600.0) == [False, False]


def test_three_refusals_over_30_s_are_final() -> None:
    """Three equal refusals over 30 s are final, wherever the second is; those after them, too."""
    assert refusals(RefusalCount(is_accepted=True), 5.0, 5.1, 35.0, 36.0) == [
        False,
        False,
        True,
        True,
    ]
    assert refusals(RefusalCount(is_accepted=True), 5.0, 34.9, 35.0) == [False, False, True]


def test_many_refusals_at_once_are_not_final() -> None:
    """A hundred refusals within 30 s are not final; the one at 30 s is."""
    times = [0.25 * at for at in range(120)]
    count = RefusalCount(is_accepted=True)
    assert not any(refusals(count, *times))
    assert count.refused(400, 30.0)


@pytest.mark.parametrize("others", [1, 2])
def test_a_refusal_of_another_status_counts_as_the_first(others: int) -> None:
    """A refusal with another status starts the count and the time again."""
    count = RefusalCount(is_accepted=True)
    refusals(count, *(20.0 * at for at in range(others)), status=400)
    assert refusals(count, 40.0, 50.0, 69.9, status=404) == [False] * 3
    assert count.refused(404, 70.0)


def test_statuses_in_turn_are_never_final() -> None:
    """Refusals whose status changes each time are never final."""
    count = RefusalCount(is_accepted=True)
    assert not any(count.refused(400 + at % 2, 15.0 * at) for at in range(50))


@pytest.mark.parametrize("reset", [RefusalCount.accepted, RefusalCount.troubled])
def test_an_answer_and_trouble_start_the_count_again(reset: Callable[[RefusalCount], None]) -> None:
    """A good answer in between, and trouble, make the next refusal the first of three over 30 s."""
    count = RefusalCount(is_accepted=True)
    assert refusals(count, 0.0, 20.0) == [False, False]
    reset(count)
    assert refusals(count, 40.0, 60.0, 69.9) == [False] * 3
    assert count.refused(400, 70.0)


def test_the_bounds_are_those_of_the_documentation() -> None:
    """Three refusals of three equal refusals each, over 30 s, asked every 10 s."""
    assert (REFUSALS, ATTEMPTS, REFUSAL_SECONDS, REPEAT_SECONDS) == (3, 3, 30.0, 10.0)
