"""Faults in how refusals are believed, and trouble is noticed. The random worlds must find each.

A fault is a function that changes the code by a `MonkeyPatch`: one name of one module, or one row
of the table. Its docstring has the fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rxbosbase._runtime import ClientRuntime
from rxbosbase.access import questions, refusals
from rxbosbase.access.questions import AccessQuestions, BelievedRefusal, Question
from rxbosbase.access.refusals import CONTROLS, OK, Control, Kind, RefusalCount
from rxbosbase.errors import ClientResponseError
from rxbosbase.live import driver
from rxbosbase.live.driver import ViewDriver
from rxbosbase.realtime.preflight import Preflight
from rxbosbase.realtime.session.stream_identity import StreamIdentity
from support.refusal_world import RECONCILE

__all__ = ["FAULTS", "Fault"]

Fault = Callable[[pytest.MonkeyPatch], None]

AT_ONCE = (Control.NOTHING, Control.NOTHING)


def any_400_of_a_list(patch: pytest.MonkeyPatch) -> None:
    """A list's 400 is believed without a control question."""
    patch.setitem(CONTROLS, (Kind.LIST, 400), AT_ONCE)


def any_403_of_a_list(patch: pytest.MonkeyPatch) -> None:
    """A login's 403 is believed without a control question."""
    patch.setitem(CONTROLS, (Kind.LIST, 403), AT_ONCE)


def any_404_of_a_record(patch: pytest.MonkeyPatch) -> None:
    """A record's 404 is believed without a control question."""
    patch.setitem(CONTROLS, (Kind.RECORD, 404), AT_ONCE)


def any_404_of_a_login(patch: pytest.MonkeyPatch) -> None:
    """A refusal of the login is believed without a control question."""
    for status in (400, 401, 403, 404):
        patch.setitem(CONTROLS, (Kind.LOGIN, status), AT_ONCE)


def no_404_of_a_list(patch: pytest.MonkeyPatch) -> None:
    """A missing collection is trouble."""
    patch.delitem(CONTROLS, (Kind.LIST, 404))


def no_400_of_a_list(patch: pytest.MonkeyPatch) -> None:
    """A wrong filter is trouble."""
    patch.delitem(CONTROLS, (Kind.LIST, 400))


def no_403_of_a_list(patch: pytest.MonkeyPatch) -> None:
    """A forbidden list is trouble."""
    patch.delitem(CONTROLS, (Kind.LIST, 403))


def no_404_of_a_record(patch: pytest.MonkeyPatch) -> None:
    """A missing record is trouble."""
    patch.delitem(CONTROLS, (Kind.RECORD, 404))


def no_403_of_a_record(patch: pytest.MonkeyPatch) -> None:
    """A forbidden record is trouble."""
    patch.delitem(CONTROLS, (Kind.RECORD, 403))


def the_own_list_alone(patch: pytest.MonkeyPatch) -> None:
    """No list but the record's own shows whether the database is there."""
    list_status = AccessQuestions._list_status

    def own_status(self: AccessQuestions, question: Question) -> int:
        if question.kind is Kind.RECORD:
            question = Question(Kind.LIST, question.collection, question.headers)
        return list_status(self, question)

    patch.setattr(AccessQuestions, "_list_status", own_status)


def any_answer_to_a_control_question(patch: pytest.MonkeyPatch) -> None:
    """A control question is asked, and its answer is not looked at."""
    asked = questions._status

    def status(call: Callable[[], object]) -> int:
        asked(call)
        return OK

    patch.setattr(questions, "_status", status)


def one_attempt(patch: pytest.MonkeyPatch) -> None:
    """A question is not asked again after its control question."""
    patch.setattr(questions, "ATTEMPTS", 1)


def two_attempts(patch: pytest.MonkeyPatch) -> None:
    """A question is asked again once only, when two connections to the database may have failed."""
    patch.setattr(questions, "ATTEMPTS", 2)


def pages_of_proxies(patch: pytest.MonkeyPatch) -> None:
    """A proxy's page counts as the server's answer."""
    is_believed = AccessQuestions._is_believed

    def believed(
        self: AccessQuestions, question: Question, error: ClientResponseError, asked: Any
    ) -> bool:
        return is_believed(self, question, ClientResponseError(error.status), asked)

    patch.setattr(AccessQuestions, "_is_believed", believed)


def other_answers_of_a_guest(patch: pytest.MonkeyPatch) -> None:
    """After trouble an answer counts although the server may take the login for a guest."""
    patch.setattr(AccessQuestions, "_refresh_if_doubted", lambda _: False)


def rows_of_a_guest(patch: pytest.MonkeyPatch) -> None:
    """Rows that a read lacks are gone, although one request may be taken for a guest's."""
    patch.setattr(driver, "lacks_shown_rows", lambda *_, **__: False)


def one_refusal(patch: pytest.MonkeyPatch) -> None:
    """One refusal is final, although the query was accepted before."""
    patch.setattr(refusals, "REFUSALS", 1)
    patch.setattr(refusals, "REFUSAL_SECONDS", 0.0)


def two_refusals(patch: pytest.MonkeyPatch) -> None:
    """Two refusals over 30 s are final."""
    patch.setattr(refusals, "REFUSALS", 2)


def refusals_at_once(patch: pytest.MonkeyPatch) -> None:
    """Three refusals are final, however soon they follow one another."""
    patch.setattr(refusals, "REFUSAL_SECONDS", 0.0)


def refusals_for_ever(patch: pytest.MonkeyPatch) -> None:
    """No refusal is final once the query was accepted."""
    patch.setattr(refusals, "REFUSAL_SECONDS", 1e9)


def acceptance_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A query that was accepted is refused like a new one."""
    patch.setattr(RefusalCount, "accepted", lambda _: None)


def answers_in_between(patch: pytest.MonkeyPatch) -> None:
    """A good answer does not start the count of refusals again."""
    patch.setattr(RefusalCount, "accepted", lambda self: setattr(self, "is_accepted", True))


def trouble_in_between(patch: pytest.MonkeyPatch) -> None:
    """Trouble does not start the count of refusals again."""
    patch.setattr(RefusalCount, "troubled", lambda _: None)


def unequal_refusals(patch: pytest.MonkeyPatch) -> None:
    """Refusals count together whatever their status."""
    refused = RefusalCount.refused
    patch.setattr(RefusalCount, "refused", lambda self, _, now: refused(self, 400, now))


def trouble_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """A refusal that is not believed counts like one that is."""
    ask = AccessQuestions.ask

    def asked(self: AccessQuestions, question: Question, call: Callable[[], Any]) -> Any:
        try:
            return ask(self, question, call)
        except ClientResponseError as error:
            if error.status in (400, 403, 404):
                raise BelievedRefusal(error) from None
            raise

    patch.setattr(AccessQuestions, "ask", asked)


def a_refused_record_is_an_error(patch: pytest.MonkeyPatch) -> None:
    """The view of a record that is refused ends."""
    patch.setattr(
        ViewDriver,
        "_refused",
        lambda self, request, error: (
            self._fail(error)
            if self._refusals.refused(error.status, self._now())
            else self._failed(request, error)
        ),
    )


def a_refused_view_stays(patch: pytest.MonkeyPatch) -> None:
    """A view that is refused for good does not end."""
    patch.setattr(ViewDriver, "_refused", ViewDriver._failed)


def trouble_is_not_retried(patch: pytest.MonkeyPatch) -> None:
    """A read in trouble is not repeated."""
    patch.setattr(driver.ViewDriver, "_troubled", lambda *_: None)


def no_probe(patch: pytest.MonkeyPatch) -> None:
    """A stream counts as the login's, unproven."""
    patch.setattr(StreamIdentity, "needs_proof", False)


def trouble_is_not_reported(patch: pytest.MonkeyPatch) -> None:
    """A sign of trouble does not make streams doubtful."""
    patch.setattr(ClientRuntime, "_troubled", lambda _: None)


def topics_are_checked_once(patch: pytest.MonkeyPatch) -> None:
    """A topic that has passed its check is not checked again."""
    end = Preflight._end
    patch.setattr(Preflight, "_end", lambda self, check, wait: end(self, check, wait % RECONCILE))
    patch.setattr(Preflight, "check_again", lambda *_: None)


FAULTS: tuple[Fault, ...] = (
    any_400_of_a_list, any_403_of_a_list, any_404_of_a_record, any_404_of_a_login,
    no_404_of_a_list, no_400_of_a_list, no_403_of_a_list, no_404_of_a_record, no_403_of_a_record,
    the_own_list_alone, any_answer_to_a_control_question, one_attempt, two_attempts,
    pages_of_proxies, other_answers_of_a_guest, rows_of_a_guest, one_refusal, two_refusals,
    refusals_at_once, refusals_for_ever, acceptance_is_forgotten, answers_in_between,
    trouble_in_between, unequal_refusals, trouble_is_a_refusal, a_refused_record_is_an_error,
    a_refused_view_stays, trouble_is_not_retried, no_probe, trouble_is_not_reported,
    topics_are_checked_once,
)  # fmt: skip
