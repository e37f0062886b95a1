"""Logins over time, in virtual time: renewal, checks, and the report of a lost login."""

from __future__ import annotations

import base64
import json
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from reactivex.scheduler import VirtualTimeScheduler
from support.seen import run_thread

from rxbosbase.access.questions import AccessQuestions
from rxbosbase.auth.refresh import SHORTEST_LIFE, AutoRefresh, SingleFlight
from rxbosbase.auth.store import AuthState, AuthStore
from rxbosbase.errors import BosBaseError, ClientResponseError, ConnectionFailedError, ProtocolError
from rxbosbase.runtime.backoff import BackoffPolicy

HOUR = 3600.0
DAY = 24 * HOUR


class RefreshScenario:
    """A clock, a server that issues and refreshes tokens, and a client with automatic refresh.

    Attributes:
        asked: the times at which the server got refreshes, in seconds since the start.
        renewed: when a new token was saved.
        lost: when and why the login was lost.
        down: the error of each refresh; None for none.
        revoked: the server no longer accepts the token.
        ahead: seconds by which the client's clock is ahead of the server's.
        renewable: False makes each refresh return the same token.
    """

    def __init__(self, life: float, *, threshold: float = 1800.0, check_every: float = 60.0):
        self.time = VirtualTimeScheduler()
        self.life = life
        self.ahead = 0.0
        self.asked: list[float] = []
        self.renewed: list[float] = []
        self.lost: list[tuple[float, Exception]] = []
        self.down: Exception | None = None
        self.revoked = False
        self.renewable = True
        self.disk_is_full = False
        self.serial = 0
        self.store = AuthStore()
        self.before_answer: Callable[[], object] = lambda: None
        self.waiting: list[Callable[[], object]] = []
        self.slow = False
        self.questions = AccessQuestions(
            lambda *_: None, self._refresh, lambda: ("users",), lambda: self.store.token,
            self._has_expired, lambda: None, lambda lost: None, lambda: self.now,
        )  # fmt: skip
        self.threshold = threshold
        self.check_every = check_every

    def start(self) -> AutoRefresh:
        return AutoRefresh(
            self.store, self.questions.refresh, self._keep, self._lose,
            threshold=self.threshold, check_every=self.check_every,
            scheduler=self.time, submit=self._submit,
            policy=BackoffPolicy(initial=1.0, factor=2.0, maximum=8.0, jitter=False),
            clock=lambda: self.now + self.ahead,
        )  # fmt: skip

    @property
    def now(self) -> float:
        return float(self.time.clock)

    def pass_time(self, seconds: float) -> None:
        self.time.advance_by(seconds)

    def log_in(self, life: float | None = None) -> None:
        self.store.save(self._token(life), {"id": "u1"})

    def _token(self, life: float | None = None) -> str:
        self.serial += 1
        expires = self.now + (self.life if life is None else life)
        return token(exp=expires, id="u1", n=self.serial)

    def _submit(self, call: Callable[[], object]) -> None:
        if self.slow:
            self.waiting.append(call)
        else:
            call()

    def _refresh(self) -> dict[str, Any]:
        if self.now not in self.asked[-1:]:  # a refusal is asked for again at once
            self.asked.append(self.now)
        self.before_answer()
        if self.down is not None:
            raise self.down
        expires = self.store.state.expires
        if self.revoked or (expires is not None and expires <= self.now):
            raise ClientResponseError(401)
        again = self._token() if self.renewable else self.store.token
        return {"token": again, "record": {"id": "u1"}}

    def _keep(self, answer: dict[str, Any]) -> None:
        if self.disk_is_full:
            raise OSError("No space left on device")
        self.renewed.append(self.now)
        self.store.save(answer["token"], answer["record"])

    def _has_expired(self) -> bool:
        expires = self.store.state.expires
        return expires is not None and expires <= self.now + self.ahead

    def _lose(self, error: Exception) -> None:
        self.lost.append((self.now, error))
        self.store.clear()


def token(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.x"


# -- renewing -------------------------------------------------------------------------------------


def test_a_token_is_renewed_the_threshold_before_it_expires() -> None:
    """A token is renewed `threshold` seconds before it expires, each time again."""
    scenario = RefreshScenario(2 * HOUR, check_every=DAY)
    scenario.log_in()
    scenario.start()
    scenario.pass_time(5 * HOUR)
    assert scenario.renewed == [1.5 * HOUR, 3 * HOUR, 4.5 * HOUR]
    assert scenario.asked == scenario.renewed
    assert scenario.lost == []


def test_a_token_near_its_end_is_renewed_at_once() -> None:
    """A token that expires within `threshold` at the start is renewed at once."""
    scenario = RefreshScenario(2 * HOUR)
    scenario.log_in(life=10 * 60.0)
    scenario.start()
    scenario.pass_time(1)
    assert scenario.renewed == [0.0]


def test_a_token_that_lives_shorter_than_the_threshold_is_renewed_at_half_its_life() -> None:
    """A token with a lifetime below `threshold` is renewed after half of its lifetime."""
    scenario = RefreshScenario(100.0, check_every=DAY)
    scenario.log_in()
    scenario.start()
    scenario.pass_time(249)
    assert scenario.renewed == [0.0, 50.0, 100.0, 150.0, 200.0]
    assert scenario.lost == []


def test_checks_in_between_do_not_put_the_renewal_off_or_forward() -> None:
    """Checks every `check_every` seconds do not change the time of the renewal."""
    scenario = RefreshScenario(100.0, check_every=20.0)
    scenario.log_in()
    scenario.start()
    scenario.pass_time(109)
    assert scenario.renewed == [0.0, 50.0, 100.0]
    assert scenario.asked == [0, 20, 40, 50, 70, 90, 100]


def test_a_server_with_the_shortest_tokens_is_asked_once_a_second_at_most() -> None:
    """With tokens of 1.2 s, a refresh is sent once per `SHORTEST_LIFE`, not more often."""
    scenario = RefreshScenario(1.2)
    scenario.log_in()
    scenario.start()
    scenario.pass_time(60)
    assert scenario.renewed == pytest.approx([n * SHORTEST_LIFE for n in range(61)])
    assert scenario.asked == scenario.renewed


@pytest.mark.parametrize("hours", [1, 3])
def test_a_clock_that_is_hours_ahead_sends_one_refresh_a_minute_at_most(hours: int) -> None:
    """With a clock ahead of the server's by hours, at most one refresh per minute is sent."""
    scenario = RefreshScenario(HOUR, check_every=60.0)
    scenario.ahead = hours * HOUR
    scenario.log_in()
    scenario.start()
    scenario.pass_time(HOUR)
    assert len(scenario.asked) <= 61
    assert scenario.lost == []


def test_a_token_without_an_end_is_checked_and_never_renewed() -> None:
    """A token without `exp` is checked every `check_every` seconds and never replaced."""
    scenario = RefreshScenario(HOUR)
    scenario.store.save(token(id="u1"), {"id": "u1"})
    scenario.start()
    scenario.pass_time(301)
    assert scenario.asked == [60, 120, 180, 240, 300]
    assert scenario.renewed == []


def test_a_token_that_cannot_be_renewed_is_asked_for_rarely_and_lost_at_its_end() -> None:
    """If refreshes return the same token, few are sent; the login is lost at its expiry."""
    scenario = RefreshScenario(HOUR, check_every=DAY)
    scenario.renewable = False
    scenario.log_in()
    scenario.start()
    scenario.pass_time(HOUR + 2)
    assert scenario.renewed == []
    assert [when for when, _ in scenario.lost] == pytest.approx([HOUR], abs=SHORTEST_LIFE)
    assert len(scenario.asked) <= 15


def test_a_token_that_comes_again_as_it_was_just_made_is_renewed_in_time() -> None:
    """If the first refresh returns the same token, it is renewed after half of its lifetime."""
    scenario = RefreshScenario(HOUR, threshold=2 * HOUR)
    scenario.renewable = False
    scenario.log_in()
    scenario.start()
    scenario.pass_time(1)
    scenario.renewable = True
    scenario.pass_time(HOUR)
    assert scenario.asked[0] == 0
    assert scenario.renewed[0] == HOUR / 2
    assert scenario.lost == []


def test_a_year_of_renewals_loses_nothing() -> None:
    """A login with tokens of five days is renewed for a year without being lost."""
    scenario = RefreshScenario(5 * DAY, check_every=HOUR)
    scenario.log_in()
    scenario.start()
    scenario.pass_time(365 * DAY)
    assert 73 <= len(scenario.renewed) <= 75
    assert scenario.lost == []


def test_an_expiry_beyond_the_longest_timer_is_still_met() -> None:
    """A token of 10 days, longer than the longest timer, is renewed on time."""
    scenario = RefreshScenario(10 * DAY, check_every=100 * DAY)
    scenario.log_in()
    scenario.start()
    scenario.pass_time(11 * DAY)
    assert scenario.renewed == [10 * DAY - 1800]


def test_a_clock_that_is_set_forward_is_noticed_within_a_day() -> None:
    """After the clock is set forward by days, the token is renewed within a day."""
    scenario = RefreshScenario(10 * DAY, check_every=100 * DAY)
    scenario.log_in()
    scenario.start()
    scenario.pass_time(HOUR)
    scenario.ahead = 10 * DAY - 2 * HOUR
    scenario.pass_time(DAY - HOUR - 1)
    assert scenario.renewed == []
    scenario.pass_time(1)
    assert scenario.renewed == [DAY]


# -- logins and logouts ---------------------------------------------------------------------------


def test_without_a_login_nothing_is_refreshed_and_a_later_login_is() -> None:
    """Without a login no refresh is sent; a later login is renewed on time."""
    scenario = RefreshScenario(HOUR)
    scenario.start()
    scenario.pass_time(DAY)
    assert scenario.asked == []
    scenario.log_in()
    scenario.pass_time(HOUR - 1)
    assert scenario.renewed == [DAY + 1800]


def test_a_logout_ends_the_refreshing() -> None:
    """After a logout no refresh is sent."""
    scenario = RefreshScenario(HOUR)
    scenario.log_in()
    scenario.start()
    scenario.pass_time(61)
    scenario.store.clear()
    scenario.pass_time(DAY)
    assert scenario.asked == [60]


def test_no_timer_runs_without_a_login_or_after_dispose() -> None:
    """No timer is pending without a login, or after `dispose` during a refresh."""
    scenario = RefreshScenario(HOUR)
    refresher = scenario.start()
    scenario.time.start()  # for as long as any timer is left
    assert scenario.now == 0
    scenario.before_answer = refresher.dispose
    scenario.log_in(life=60.0)
    scenario.time.start()
    assert (scenario.asked, scenario.now) == ([0], 0)


def test_dispose_ends_it_and_may_be_repeated() -> None:
    """After `dispose`, called twice, no refresh is sent, not even for a new login."""
    scenario = RefreshScenario(HOUR)
    scenario.log_in()
    refresher = scenario.start()
    scenario.pass_time(61)
    refresher.dispose()
    refresher.dispose()
    scenario.pass_time(DAY)
    scenario.log_in()
    scenario.pass_time(DAY)
    assert scenario.asked == [60]


def test_an_answer_for_a_login_that_is_gone_is_not_kept() -> None:
    """The response to a refresh is discarded if the login was cleared meanwhile."""
    scenario = RefreshScenario(HOUR)
    scenario.log_in(life=60.0)
    scenario.before_answer = scenario.store.clear
    scenario.start()
    scenario.pass_time(DAY)
    assert scenario.asked == [0]
    assert scenario.store.token == ""


def test_a_refusal_of_a_login_that_is_gone_does_not_end_the_new_one() -> None:
    """A 401 to the refresh of a replaced login does not end the new login, which is renewed."""
    scenario = RefreshScenario(HOUR)
    scenario.log_in()
    scenario.start()

    def another_login() -> None:
        scenario.before_answer = lambda: None
        scenario.log_in()
        raise ClientResponseError(401)

    scenario.before_answer = another_login
    scenario.pass_time(61)
    assert scenario.lost == []
    scenario.pass_time(HOUR)
    assert scenario.renewed  # the new login is refreshed


def test_a_login_while_a_refresh_is_under_way_is_refreshed_too() -> None:
    """A login saved while a refresh is in flight is renewed once that refresh has ended."""
    scenario = RefreshScenario(HOUR)
    scenario.log_in()
    scenario.start()
    scenario.slow = True
    scenario.pass_time(61)
    scenario.log_in(life=30.0)
    scenario.pass_time(1)  # due at once, but the old one is still in flight
    scenario.slow = False
    (late,) = scenario.waiting
    late()
    scenario.pass_time(1)
    assert scenario.renewed[0] < 64


def test_dispose_while_a_refresh_is_under_way_keeps_nothing() -> None:
    """After `dispose` during a refresh, its new token is not stored."""
    scenario = RefreshScenario(HOUR)
    scenario.log_in(life=60.0)
    refresher = scenario.start()
    scenario.before_answer = refresher.dispose
    before = scenario.store.token
    scenario.pass_time(DAY)
    assert scenario.store.token == before
    assert scenario.asked == [0]


# -- losing it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_revoked_token_is_lost_after_refusals_over_thirty_seconds(status: int) -> None:
    """A token that is refused is asked for every 10 s, and lost once, 30 s after the first 4xx."""
    scenario = RefreshScenario(HOUR, check_every=60.0)
    scenario.log_in()
    scenario.start()
    scenario.pass_time(100)
    scenario.down = ClientResponseError(status)
    scenario.pass_time(49)
    assert scenario.lost == []
    scenario.pass_time(1)
    assert [(when, error.__cause__) for when, error in scenario.lost] == [(150.0, scenario.down)]
    scenario.pass_time(DAY)
    assert len(scenario.lost) == 1
    assert scenario.asked == [60, 120, 130, 140, 150]


@pytest.mark.parametrize(
    ("between", "seconds"),
    [(None, 60), (ClientResponseError(403), 25)],
    ids=str,
)
def test_refusals_that_do_not_follow_each_other_do_not_end_the_login(
    between: Exception | None, seconds: float
) -> None:
    """An answer, or a refusal with another status, makes the refusals count anew."""
    scenario = RefreshScenario(HOUR, check_every=60.0)
    scenario.log_in()
    scenario.start()
    for _ in range(10):
        scenario.down = ClientResponseError(401)
        scenario.pass_time(25)
        scenario.down = between
        scenario.pass_time(seconds)
    assert scenario.lost == []


def test_a_new_login_is_not_charged_with_the_refusals_of_the_one_before() -> None:
    """The refusals of one login do not count for the next one."""
    scenario = RefreshScenario(HOUR, check_every=60.0)
    scenario.log_in()
    scenario.start()
    scenario.down = ClientResponseError(401)
    scenario.pass_time(89)  # three refusals
    scenario.log_in()
    scenario.pass_time(61)
    assert (scenario.lost, scenario.asked) == ([], [60, 70, 80, 149])


@pytest.mark.parametrize(
    "trouble",
    [
        ConnectionFailedError("gone"),
        ClientResponseError(500),
        ClientResponseError(429),
        ClientResponseError(404, original=ProtocolError("a proxy's page")),
        ClientResponseError(403, original=ProtocolError("a proxy's page")),
        ProtocolError("a web page"),
        ValueError("odd"),
    ],
    ids=str,
)
def test_trouble_is_no_loss_and_is_tried_again_with_backoff(trouble: Exception) -> None:
    """Any other error keeps the login; the refresh is retried with backoff until success."""
    scenario = RefreshScenario(HOUR, check_every=100.0)
    scenario.log_in()
    scenario.start()
    scenario.down = trouble
    scenario.pass_time(131)
    assert scenario.asked == [100, 101, 103, 107, 115, 123, 131]
    assert scenario.lost == []
    scenario.down = None
    scenario.pass_time(8)
    assert scenario.asked[-1] == 139
    scenario.pass_time(99)
    assert scenario.asked[-1] == 139  # back to the usual pace
    scenario.pass_time(1)
    assert scenario.asked[-1] == 239


def test_trouble_after_a_success_begins_its_backoff_anew() -> None:
    """A successful check resets the backoff, even if it renews nothing."""
    scenario = RefreshScenario(DAY, check_every=100.0)
    scenario.log_in()
    scenario.start()
    for begins in (100, 203):
        scenario.down = ConnectionFailedError("gone")
        scenario.pass_time(begins + 1 - scenario.now)
        assert scenario.asked[-2:] == [begins, begins + 1]
        scenario.down = None
        scenario.pass_time(2)
        assert scenario.asked[-1] == begins + 3
    assert scenario.renewed == []  # a success that renews nothing


@pytest.mark.parametrize(("asked", "waits"), [(50.0, 50), (1e12, 300), (math.inf, 300)])
def test_a_refresh_is_retried_after_retry_after(asked: float, waits: int) -> None:
    """A refresh is retried after `retry_after` of a 429, and after 300 s at the latest."""
    scenario = RefreshScenario(DAY, check_every=100.0)
    scenario.log_in()
    scenario.start()
    scenario.down = ClientResponseError(429, retry_after=asked)
    scenario.pass_time(100 + 2 * waits)
    assert scenario.asked == [100, 100 + waits, 100 + 2 * waits]


def test_a_store_that_cannot_keep_the_new_token_is_trouble_too() -> None:
    """If the new token cannot be stored, the refresh is retried with backoff."""
    scenario = RefreshScenario(HOUR)
    scenario.log_in(life=60.0)
    scenario.disk_is_full = True
    scenario.start()
    scenario.pass_time(6)
    assert scenario.asked == [0, 1, 3]
    assert scenario.renewed == []
    scenario.disk_is_full = False
    scenario.pass_time(2)
    assert scenario.renewed == [7]


# -- one request for all concurrent callers -------------------------------------------------------


def test_callers_at_one_time_share_one_call_and_its_result() -> None:
    """Concurrent callers with one key share one call and get its result."""
    flights = SingleFlight()
    entered, go = threading.Event(), threading.Event()
    calls: list[int] = []
    results: list[object] = []

    def call() -> object:
        calls.append(1)
        entered.set()
        assert go.wait(5)
        return object()

    def ask() -> None:
        results.append(flights.run("key", call))

    threads = run_together(20, ask)
    assert entered.wait(5)
    go.set()
    join(threads)
    # A late thread may make a call of its own; every other one shares a whole result.
    assert len(results) == 20
    assert len(set(map(id, results))) == len(calls)


def test_callers_at_one_time_share_the_error() -> None:
    """Concurrent callers with one key each get the error that the shared call raises."""
    flights = SingleFlight()
    go = threading.Event()
    calls: list[int] = []
    errors: list[BaseException] = []

    def call() -> None:
        calls.append(1)
        assert go.wait(5)
        raise BosBaseError("no")

    def ask() -> None:
        with pytest.raises(BosBaseError) as caught:
            flights.run("key", call)
        errors.append(caught.value)

    threads = run_together(5, ask)
    go.set()
    join(threads)
    assert len(errors) == 5
    assert len(set(map(id, errors))) == len(calls)


def test_other_keys_and_later_callers_have_calls_of_their_own() -> None:
    """Each other key, and each later caller, has a call of its own."""
    flights = SingleFlight()
    assert [flights.run("a", lambda: 1), flights.run("b", lambda: 2)] == [1, 2]
    assert flights.run("a", lambda: flights.run("b", lambda: 3)) == 3
    assert flights.run("a", lambda: 4) == 4


def test_an_interrupt_of_one_caller_is_no_answer_for_the_others() -> None:
    """If the calling thread is interrupted, the waiting callers make a call of their own."""
    flights = SingleFlight()
    entered, interrupt = threading.Event(), threading.Event()
    results: list[object] = []

    def interrupted() -> None:
        entered.set()
        assert interrupt.wait(5)
        raise KeyboardInterrupt

    def first() -> None:
        with pytest.raises(KeyboardInterrupt):
            flights.run("key", interrupted)

    leader = run_together(1, first)
    assert entered.wait(5)
    followers = run_together(3, lambda: results.append(flights.run("key", lambda: "fine")))
    interrupt.set()
    join(leader + followers)
    assert results == ["fine"] * 3


def test_a_call_that_asks_for_its_own_key_is_an_error_and_no_deadlock() -> None:
    """A call that asks for its own key, even through another key, raises RuntimeError."""
    flights = SingleFlight()
    calls: list[str] = []

    def inner() -> str:
        calls.append("inner")
        return "never"

    def asks_again() -> object:
        return flights.run("other", lambda: flights.run("key", inner))

    for call in (lambda: flights.run("key", inner), asks_again):
        result = run_thread(lambda call=call: flights.run("key", call))  # type: ignore[misc]
        with pytest.raises(RuntimeError, match="inside the same refresh would wait for itself"):
            result()
    assert calls == []
    assert flights.run("key", lambda: "again") == "again"
    assert flights.run("other", lambda: "again") == "again"


def test_a_call_may_catch_the_refusal_and_all_who_ask_get_its_result() -> None:
    """If a call catches the error of asking for its own key, all callers get its result."""
    flights = SingleFlight()

    def call() -> str:
        with pytest.raises(RuntimeError, match="would wait for itself"):
            flights.run("key", lambda: "never")
        return "fine"

    leader, follower = run_joined(flights, call)
    assert (leader(), follower()) == ("fine", "fine")


def test_another_thread_that_asks_meanwhile_gets_the_refusal_as_its_outcome() -> None:
    """A waiting caller gets the RuntimeError of a call that asked for its own key."""
    flights = SingleFlight()
    for result in run_joined(flights, lambda: flights.run("key", lambda: "never")):
        with pytest.raises(RuntimeError, match="would wait for itself"):
            result()
    assert flights.run("key", lambda: "again") == "again"


def run_joined(
    flights: SingleFlight, call: Callable[[], object]
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The results of two threads that run the same key: the first makes `call` once the second
    waits for it."""
    entered = threading.Event()
    joined = Joined()

    def leading() -> object:
        flights._flights["key"].done = joined
        entered.set()
        assert joined.waiting.wait(5)
        return call()

    leader = run_thread(lambda: flights.run("key", leading))
    assert entered.wait(5)
    return leader, run_thread(lambda: flights.run("key", lambda: "own"))


class Joined(threading.Event):
    """An event that sets another one when a thread waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.waiting.set()
        return super().wait(timeout)


def run_together(count: int, work: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def test_a_login_shows_when_it_expires_and_whose_it_is() -> None:
    """`AuthState` reads expiry and identity from the token; without one, identity is empty."""
    state = AuthState(token(exp=1000, id="u1", collectionId="c1"), None)
    assert state.expires == 1000.0
    assert state.identity == "c1/u1"
    assert not state.is_valid
    assert AuthState().identity == ""
