"""Questions, their control questions, and what is taken for trouble."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rxbosbase.access.questions import (
    AccessQuestions,
    BelievedRefusal,
    Question,
    is_refusal,
    records_path,
)
from rxbosbase.access.refusals import ATTEMPTS, Kind
from rxbosbase.errors import (
    AnswerTooLargeError,
    AuthLostError,
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    RequestTimeoutError,
    UnreadableError,
)

LIST = Question(Kind.LIST, "posts", {"x-tenant": "7"})
RECORD = Question(Kind.RECORD, "posts", {})
UNREADABLE = UnreadableError("/api", (), rest={})
PAGE = ClientResponseError(404, original=ValueError("no JSON"))
NO_TROUBLE = [ClientClosedError("closed"), UNREADABLE, AnswerTooLargeError("/api", "1 byte")]

Answer = Callable[[], Any] | BosBaseError | int


def status(code: int) -> ClientResponseError:
    return ClientResponseError(code, "/api")


class Server:
    """Answers to a question, to lists and to refreshes, each in turn, the last one for ever.

    Attributes:
        asked: the requests, in order: "ask", "refresh", or a list's path, query and headers.
        troubles: how many signs of trouble were reported.
        lost, found: the logins that were reported as lost, and how many as accepted again.
        token: that of the login, "" for a guest.
        has_expired: True once it has expired by the client's clock.
    """

    def __init__(self, *answers: Answer, token: str = "ann's", **others: list[Answer]) -> None:
        self._answers: dict[str, list[Answer]] = {
            "ask": [*answers] or [200],
            "list": [200],
            "refresh": [200],
            **others,
        }
        self.asked: list[Any] = []
        self.troubles = 0
        self.lost: list[AuthLostError] = []
        self.found = 0
        self.token = token
        self.now = 0.0
        self.has_expired = False
        self.other_collections: tuple[str, ...] = ("users",)
        self.questions = AccessQuestions(
            self._list,
            lambda: self._answer("refresh", "refresh"),
            lambda: self.other_collections,
            lambda: self.token,
            lambda: self.has_expired,
            self._on_trouble,
            self._on_login,
            lambda: self.now,
        )

    def ask(self, question: Question = LIST) -> Any:
        return self.questions.ask(question, lambda: self._answer("ask", "ask"))

    def refused(self, question: Question = LIST) -> int:
        """Ask what is refused; return the status."""
        with pytest.raises(BelievedRefusal) as caught:
            self.ask(question)
        return caught.value.error.status

    def _on_login(self, lost: AuthLostError | None) -> None:
        if lost is not None:
            self.lost.append(lost)
        else:
            self.found += 1

    def _on_trouble(self) -> None:
        self.troubles += 1

    def _list(self, path: str, query: Any, headers: Any) -> Any:
        return self._answer("list", (path, dict(query), dict(headers)))

    def _answer(self, name: str, request: Any) -> Any:
        self.asked.append(request)
        answers = self._answers[name]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer = answer()
        if isinstance(answer, int) and answer != 200:
            raise status(answer)
        if isinstance(answer, Exception):
            raise answer
        return {"answer": answer}


ONE_ROW: dict[str, str] = {"perPage": "1", "skipTotal": "1"}
BARE_LIST = ("/api/collections/posts/records", ONE_ROW, {"x-tenant": "7"})


# -- one question


@pytest.mark.parametrize("code", [200, 302, 399, 400, 401, 402, 403, 404, 405, 429, 500])
def test_a_refusal_is_a_status_that_has_control_questions(code: int) -> None:
    """400, 401, 403 and 404 of the server itself are refusals; other statuses are none."""
    assert is_refusal(status(code)) is (code in (400, 401, 403, 404))


@pytest.mark.parametrize("error", [PAGE, RequestTimeoutError("late"), ValueError("odd")])
def test_what_the_server_has_not_answered_is_no_refusal(error: Exception) -> None:
    """A proxy's page, and errors without an answer, are no refusals."""
    assert not is_refusal(error)


def test_a_good_answer_costs_no_other_request() -> None:
    """A question that is answered well costs one request."""
    server = Server(200)
    assert server.ask() == {"answer": 200}
    assert (server.asked, server.troubles) == (["ask"], 0)


def test_a_refusal_is_believed_after_a_control_question_and_two_more_refusals() -> None:
    """A list's 400 is believed if the bare list is good and it is refused twice more."""
    server = Server(400)
    assert server.refused() == 400
    assert server.asked == ["ask", BARE_LIST, "ask", "ask"]
    assert server.troubles == 0


def test_a_refusal_that_needs_no_control_question_costs_no_second_request() -> None:
    """A list's 404 is believed after one request."""
    server = Server(404)
    assert server.refused() == 404
    assert (server.asked, server.troubles) == (["ask"], 0)


def test_a_login_is_the_control_question_of_a_403() -> None:
    """A login's 403 is believed once `auth-refresh` is good and the list is refused twice more."""
    server = Server(403)
    assert server.refused() == 403
    assert server.asked == ["ask", "refresh", "ask", "ask"]


def test_a_guest_makes_no_refresh() -> None:
    """A guest's 403 is believed at once, without an `auth-refresh`."""
    server = Server(403, token="")
    assert server.refused() == 403
    assert server.asked == ["ask"]


@pytest.mark.parametrize("answer", [400, 500, PAGE, RequestTimeoutError("slow")])
def test_a_refusal_beside_a_bad_control_question_is_trouble(answer: Answer) -> None:
    """A refusal whose control question is not answered well is raised as trouble."""
    server = Server(400, list=[answer])
    with pytest.raises(ClientResponseError, match="400"):
        server.ask()
    assert server.asked == ["ask", BARE_LIST]
    assert server.troubles == 1


@pytest.mark.parametrize("refusals", [1, 2])
def test_a_refusal_that_is_answered_once_it_is_repeated_is_trouble(refusals: int) -> None:
    """A question that is answered once it is repeated is asked again after an `auth-refresh`."""
    server = Server(*[400] * refusals, 200)
    assert server.ask() == {"answer": 200}
    assert server.asked[refusals + 2 :] == ["refresh", "ask"]
    assert server.troubles == 1


@pytest.mark.parametrize("refusals", [1, 2])
def test_an_answer_to_a_guest_after_a_refusal_counts(refusals: int) -> None:
    """A guest's question that is answered once it is repeated is not asked again."""
    server = Server(*[400] * refusals, 200, token="")
    assert server.ask() == {"answer": 200}
    assert len(server.asked) == refusals + 2


def test_a_refusal_before_a_login_is_no_trouble() -> None:
    """A question that is refused to a guest, and answered to a login meanwhile, is no trouble."""

    def log_in() -> int:
        server.token = "ann's"
        return 403

    server = Server(log_in, 200, token="")
    assert server.ask() == {"answer": 200}
    assert (server.asked, server.troubles) == (["ask", "refresh", "ask"], 0)


@pytest.mark.parametrize("refusals", [1, 2])
def test_a_refusal_with_another_status_is_trouble(refusals: int) -> None:
    """A question whose refusals differ in their status is raised as trouble."""
    server = Server(*[400] * refusals, 403)
    with pytest.raises(ClientResponseError, match="403"):
        server.ask()
    assert server.troubles == 1


def test_a_page_of_a_proxy_is_trouble() -> None:
    """A 404 whose body is not the server's JSON is trouble, without a control question."""
    server = Server(PAGE)
    with pytest.raises(ClientResponseError):
        server.ask()
    assert (server.asked, server.troubles) == (["ask"], 1)


@pytest.mark.parametrize("refusals", [1, 2])
def test_a_page_of_a_proxy_is_no_second_refusal(refusals: int) -> None:
    """A proxy's page in answer to the repeated question is trouble, whatever its status."""
    server = Server(*[404] * refusals, PAGE)
    with pytest.raises(ClientResponseError):
        server.ask(RECORD)
    assert server.troubles == 1


def test_a_page_of_a_proxy_is_no_missing_collection() -> None:
    """A proxy's 404 in answer to the control question of a record's 404 is trouble."""
    server = Server(404, list=[PAGE])
    with pytest.raises(ClientResponseError):
        server.ask(RECORD)
    assert server.troubles == 1


@pytest.mark.parametrize("answer", [UNREADABLE, AnswerTooLargeError("/api", "1 byte")])
def test_a_control_question_need_not_be_decodable(answer: BosBaseError) -> None:
    """A bare list that the server answers, and that cannot be decoded, is a good answer."""
    server = Server(400, list=[answer])
    assert server.refused() == 400


@pytest.mark.parametrize("error", NO_TROUBLE, ids=lambda error: type(error).__name__)
def test_errors_of_the_client_show_no_trouble(error: BosBaseError) -> None:
    """The client's own end, and answers it cannot decode, are no signs of trouble."""
    server = Server(error)
    with pytest.raises(type(error)):
        server.ask()
    assert server.troubles == 0


def test_a_missing_record_is_believed_beside_a_missing_collection() -> None:
    """A record's 404 is believed if the collection's list is a 404, too."""
    server = Server(404, list=[404])
    assert server.refused(RECORD) == 404


@pytest.mark.parametrize(("lists", "count"), [([200], 1), ([404, 200], 2), ([403, 404, 200], 3)])
def test_one_good_list_of_several_collections_is_enough(lists: list[Answer], count: int) -> None:
    """For a record, the lists of other collections are asked for until one is good."""
    server = Server(404, list=lists)
    server.other_collections = ("users", "posts", "staff")
    assert server.refused(RECORD) == 404
    assert len(server.asked) == ATTEMPTS + count


@pytest.mark.parametrize("lists", [[403, 400], [403, 404, 500], [400, 403, 403]])
def test_a_list_that_is_in_trouble_shows_that_all_are(lists: list[Answer]) -> None:
    """A guest's 404 beside a locked list is trouble if another list is neither locked nor good."""
    server = Server(404, list=lists, token="")
    server.other_collections = ("users", "posts", "staff")
    with pytest.raises(ClientResponseError):
        server.ask(RECORD)
    assert server.troubles == 1


def test_a_missing_record_is_believed_beside_lists_that_are_all_locked() -> None:
    """A guest's 404 to a record is believed where all lists are locked for him."""
    server = Server(404, list=[403, 403], token="")
    assert server.refused(RECORD) == 404


def test_without_a_good_list_a_refusal_is_trouble() -> None:
    """Where no list is good, nor refused for a reason, the refusal is trouble."""
    server = Server(404, list=[400, 403])
    with pytest.raises(ClientResponseError):
        server.ask(RECORD)
    assert (len(server.asked), server.troubles) == (3, 1)


def test_a_path_has_the_collections_name_quoted() -> None:
    """A collection's name is quoted in the path of its records, a slash too."""
    assert records_path("a/b c") == "/api/collections/a%2Fb%20c/records"


# -- whose the answers are


def in_trouble(server: Server) -> None:
    with pytest.raises(BosBaseError):
        server.ask()
    server.asked.clear()


def test_after_trouble_the_login_is_checked_before_an_answer_counts() -> None:
    """After a refusal that is not believed an `auth-refresh` precedes the question, once."""
    server = Server(400, 200, list=[400])
    in_trouble(server)
    assert server.ask() == {"answer": 200}
    assert server.asked == ["refresh", "ask"]
    server.ask()
    assert server.asked == ["refresh", "ask", "ask"]


def test_a_guest_has_nothing_to_check() -> None:
    """After a refusal that is not believed a guest's question is asked at once."""
    server = Server(400, 200, list=[400], token="")
    in_trouble(server)
    server.ask()
    assert server.asked == ["ask"]


def test_without_a_good_refresh_no_question_is_asked() -> None:
    """While `auth-refresh` fails after trouble, the question is not asked: that is trouble, too."""
    server = Server(400, 200, list=[400], refresh=[503])
    in_trouble(server)
    with pytest.raises(ClientResponseError, match="503"):
        server.ask()
    assert "ask" not in server.asked
    assert server.troubles >= 2


def test_an_answer_does_not_count_if_a_refusal_was_in_doubt_meanwhile() -> None:
    """A question is asked again, after a refresh, if another was refused in trouble meanwhile."""
    server = Server(400, list=[400])

    def meet_trouble() -> str:
        if server.troubles:
            return "the login's"
        in_trouble(server)
        return "a guest's"

    assert server.questions.ask(LIST, meet_trouble) == "the login's"
    assert server.asked == ["refresh"]


def test_trouble_that_goes_on_does_not_keep_an_answer_back() -> None:
    """A question is asked twice at most, however often others are refused in trouble."""
    server = Server()

    def meet_trouble() -> int:
        server.questions.doubt()
        return len(server.asked)

    assert server.questions.ask(LIST, meet_trouble) == 1
    assert server.asked == ["refresh"]


@pytest.mark.parametrize("failure", [500, 429, RequestTimeoutError("late"), PAGE], ids=str)
def test_a_failure_that_is_no_refusal_says_nothing_about_the_login(failure: Answer) -> None:
    """After a 5xx, a 429, a timeout or a proxy's page no refresh is needed."""
    server = Server(failure, 200)
    in_trouble(server)
    server.ask()
    assert (server.asked, server.troubles) == (["ask"], 1)


# -- refreshes


def test_a_refresh_returns_its_answer() -> None:
    """`refresh` returns the response, after one request."""
    server = Server()
    assert server.questions.refresh() == {"answer": 200}
    assert server.asked == ["refresh"]


def test_a_refresh_of_a_login_that_was_not_lost_reports_nothing() -> None:
    """A login that is refused once and then accepted was never lost: neither is reported."""
    server = Server(refresh=[*[401] * ATTEMPTS, 200])
    for _ in range(2):
        server.questions.recheck_login()
    assert (server.lost, server.found) == ([], 0)


@pytest.mark.parametrize("code", [400, 401, 403, 404])
def test_a_refused_refresh_is_believed_beside_a_good_list(code: int) -> None:
    """A refusal of `auth-refresh` is believed if the list is good, and it is refused again."""
    server = Server(refresh=[code])
    with pytest.raises(BelievedRefusal) as refused:
        server.questions.refresh()
    assert refused.value.error.status == code
    first, (path, *_), *others = server.asked
    assert (first, others) == ("refresh", ["refresh", "refresh"])
    assert path == "/api/collections/users/records"


@pytest.mark.parametrize("answer", [400, 403, 404, 500])
def test_a_refused_refresh_beside_a_bad_list_is_trouble(answer: int) -> None:
    """A refusal of `auth-refresh` is trouble unless the list answers 200."""
    server = Server(refresh=[401], list=[answer])
    with pytest.raises(ClientResponseError, match="401"):
        server.questions.refresh()
    assert server.troubles == 1


@pytest.mark.parametrize("error", NO_TROUBLE, ids=lambda error: type(error).__name__)
def test_a_refresh_that_the_client_ends_shows_no_trouble(error: BosBaseError) -> None:
    """A refresh that ends with the client, or cannot be decoded, is no sign of trouble."""
    server = Server(refresh=[error])
    with pytest.raises(type(error)):
        server.questions.refresh()
    assert server.troubles == 0


# -- a login that is lost


def refuse(server: Server, *times: float) -> None:
    """Refuse the refresh at these times; the login still stands after each of them."""
    for server.now in times:
        server.questions.recheck_login()
        assert server.questions.has_login and not server.lost


def test_a_login_is_lost_after_three_refusals_over_30_s() -> None:
    """A login stands until `auth-refresh` is refused three times over 30 s; it is reported once."""
    server = Server(refresh=[401])
    refuse(server, 0.0, 10.0, 20.0, 29.9)
    for server.now in (30.0, 40.0):
        server.questions.recheck_login()
        assert not server.questions.has_login
    assert [type(each.__cause__) for each in server.lost] == [ClientResponseError]


def test_an_expired_login_is_lost_at_the_first_refusal() -> None:
    """A token that has expired by the client's clock is lost at the first refusal believed."""
    server = Server(refresh=[401])
    server.has_expired = True
    with pytest.raises(AuthLostError):
        server.questions.refresh()
    assert len(server.lost) == 1 and not server.questions.has_login


def test_an_expired_login_is_lost_where_no_list_tells() -> None:
    """A token that has expired is lost by a refusal that no list confirms, and by no failure."""
    server = Server(refresh=[503, 401], list=[403])
    server.has_expired = True
    with pytest.raises(ClientResponseError):
        server.questions.refresh()
    assert not server.lost
    with pytest.raises(AuthLostError):
        server.questions.refresh()
    assert len(server.lost) == 1


def test_the_error_of_a_lost_login_says_what_to_do() -> None:
    """The refresh that is refused for good raises an error that says to log in."""
    server = Server(refresh=[401])
    refuse(server, 0.0, 10.0)
    server.now = 30.0
    with pytest.raises(AuthLostError, match="log in"):
        server.questions.refresh()


def test_trouble_in_between_starts_the_count_again() -> None:
    """A refusal that is not believed makes the next refusal the first of three over 30 s."""
    server = Server(refresh=[401], list=[200, 400, 200])
    refuse(server, 0.0, 25.0, 30.0, 59.9)
    assert server.troubles == 1


def test_a_good_refresh_in_between_starts_the_count_again() -> None:
    """A refresh that is answered well makes the next refusal the first of three over 30 s."""
    server = Server(refresh=[401, 401, 401, 200, 401])
    refuse(server, 0.0, 25.0, 30.0, 59.9)
    server.now = 60.0
    server.questions.recheck_login()
    assert server.lost


def test_another_token_starts_the_count_again() -> None:
    """The refusals of one token say nothing about another one."""
    server = Server(refresh=[401])
    refuse(server, 0.0, 20.0)
    server.token = "bob's"
    refuse(server, 30.0, 40.0, 59.9)
    server.now = 60.0
    server.questions.recheck_login()
    assert not server.questions.has_login


def test_a_refusal_of_a_token_that_was_replaced_meanwhile_does_not_count() -> None:
    """The refusal of a token counts for no other that is saved during the refresh."""

    def refuse_and_replace() -> int:
        server.token = "bob's"
        return 401

    server = Server(refresh=[*[401] * 2 * ATTEMPTS, refuse_and_replace])
    refuse(server, 0.0, 20.0, 40.0)
    assert server.questions.has_login


def test_a_refresh_of_a_token_that_was_replaced_meanwhile_is_not_final() -> None:
    """The refresh of a replaced token that is refused the third time is no lost login."""

    def refuse_and_replace() -> int:
        server.token = "bob's"
        return 401

    server = Server(refresh=[*[401] * 2 * ATTEMPTS, refuse_and_replace, 401])
    refuse(server, 0.0, 20.0)
    server.now = 40.0
    with pytest.raises(BelievedRefusal):
        server.questions.refresh()


def test_failures_in_between_do_not_start_the_count_again() -> None:
    """A refresh that fails otherwise than by a refusal leaves the count as it is."""
    failures: list[Answer] = [503, RequestTimeoutError("late")]
    server = Server(refresh=[*[401] * ATTEMPTS, *failures, *[401] * 2 * ATTEMPTS])
    refuse(server, 0.0, 10.0, 20.0, 29.9)
    server.now = 30.0
    server.questions.recheck_login()
    assert not server.questions.has_login


def test_a_new_login_after_a_lost_one_counts() -> None:
    """A token other than the lost one is a login again."""
    server = lost_login()
    server.token = "bob's"
    assert server.questions.has_login


def test_a_lost_login_that_the_server_accepts_again_counts() -> None:
    """A refresh that is answered well makes a lost login one again."""
    server = lost_login(200)
    server.questions.recheck_login()
    assert server.questions.has_login


def lost_login(*later: Answer) -> Server:
    """Return a server that has refused the login for good, and answers refreshes like this then."""
    server = Server(refresh=[*[401] * 3 * ATTEMPTS, *(later or [401])])
    for server.now in (0.0, 15.0, 30.0):
        server.questions.recheck_login()
    assert not server.questions.has_login
    server.asked.clear()
    return server


def test_a_lost_login_is_a_guest() -> None:
    """After a lost login questions are asked without a check of it, and a 403 is a guest's."""
    server = lost_login()
    server.questions.recheck_login()
    server.asked.clear()
    assert server.ask() == {"answer": 200}
    assert server.asked == ["ask"]


def test_a_question_that_finds_the_login_lost_is_asked_as_a_guest() -> None:
    """A question whose check of the login is the last refusal is asked as a guest's."""
    server = Server(400, 200, refresh=[401], list=[400, 200])
    in_trouble(server)
    for server.now in (0.0, 29.9):
        with pytest.raises(ClientResponseError, match="401"):
            server.ask()
    assert "ask" not in server.asked
    server.now = 30.0
    assert server.ask() == {"answer": 200}
    assert len(server.lost) == 1


def test_a_lost_login_is_asked_for_once_a_minute() -> None:
    """A login that is lost is asked for again every 60 s, and reported once it is accepted."""
    server = lost_login(401, 401, 401, 200)
    server.now += 59.9
    server.ask()
    assert server.asked == ["ask"]
    server.now += 0.1
    server.ask()  # it is not
    assert server.asked.count("refresh") == 3
    server.now += 60.0
    server.ask()
    assert server.found == 1 and server.questions.has_login and len(server.lost) == 1


def test_a_failed_request_for_a_lost_login_is_not_repeated_at_once() -> None:
    """A login that is lost is asked for once in 60 s, also if that fails."""
    server = lost_login(503)
    server.now += 60.0
    for _ in range(3):
        server.ask()
    assert server.asked.count("refresh") == 1


@pytest.mark.parametrize("failure", [503, 404, RequestTimeoutError("late")], ids=str)
def test_a_lost_login_that_cannot_be_asked_for_does_not_keep_answers_back(failure: Answer) -> None:
    """A guest's question is answered, whatever becomes of the refresh for the lost login."""
    server = lost_login(failure)
    server.now += 60.0
    assert server.ask() == {"answer": 200}
    assert not server.questions.has_login


# -- refreshes that never get through


def test_a_failed_refresh_is_reported_as_trouble() -> None:
    """A refresh that gets no answer is a sign of trouble."""
    server = Server(refresh=[RequestTimeoutError("late")])
    server.questions.recheck_login()
    assert server.troubles == 1


def test_a_good_refresh_begins_the_half_minute_anew() -> None:
    """The 30 s of refreshes without a proper answer count from the last good one."""
    server = Server(400, 200, 400, 200, list=[400], refresh=[PAGE, 200, PAGE])
    in_trouble(server)
    with pytest.raises(ClientResponseError):
        server.ask()  # at 0 s no refresh gets through
    server.now = 20.0
    assert server.ask() == {"answer": 200}
    in_trouble(server)
    server.now = 40.0
    with pytest.raises(ClientResponseError):
        server.ask()
    server.now = 70.0
    assert server.ask() == {"answer": 200}


@pytest.mark.parametrize("failure", [PAGE, RequestTimeoutError("late"), status(429)], ids=str)
def test_a_refresh_that_no_proxy_lets_through_does_not_keep_answers_back(
    failure: BosBaseError,
) -> None:
    """After 30 s of refreshes without a proper answer, answers count without them."""
    server = Server(400, 200, list=[400], refresh=[failure])
    in_trouble(server)
    for server.now in (0.0, 29.0):
        with pytest.raises(type(failure)):
            server.ask()
    server.now = 30.0
    assert server.ask() == {"answer": 200}


def test_a_refused_refresh_keeps_answers_back_as_long_as_it_is_not_believed() -> None:
    """A refresh that is refused in trouble keeps answers to a login back, however long."""
    server = Server(400, 200, refresh=[401], list=[400])
    for server.now in (0.0, 3600.0, 7200.0):
        with pytest.raises(ClientResponseError):
            server.ask()


def test_a_client_that_closes_during_the_check_of_its_login_is_closed() -> None:
    """A client's end during the refresh that precedes a question is raised as it is."""
    server = Server(400, list=[400], refresh=[ClientClosedError("closed")])
    in_trouble(server)
    with pytest.raises(ClientClosedError):
        server.ask()
    assert server.troubles == 1
