"""The preflight's reads, its results and its repetitions, in virtual time and without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rxbosbase.access.questions import AccessQuestions, BelievedRefusal
from rxbosbase.errors import (
    AuthLostError,
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    ProtocolError,
    UnreadableError,
)
from rxbosbase.realtime.preflight import (
    MAX_IDLE,
    MAX_LEFT,
    Preflight,
    PreflightRequest,
    check_access,
)
from rxbosbase.realtime.protocol.topics import normalise_options, record_topic
from rxbosbase.realtime.session.registry import Registry, Subscriber
from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.testing import VirtualClock, VirtualScheduler

PATH = "/api/collections/posts/records"
BARE = {"perPage": "1", "skipTotal": "1"}
OK, NO_ANSWER, NOT_SENT, PROXY, TOO_DEEP = 200, 0, -1, -2, -3


def answer(code: int) -> None:
    """Answer a request with this status, or as the special codes say."""
    if code == NO_ANSWER:
        raise ConnectionFailedError("no network")
    if code == NOT_SENT:
        raise UnicodeEncodeError("latin-1", "ż", 0, 1, "cannot be sent")
    if code == PROXY:
        raise ClientResponseError(404, original=ProtocolError("a proxy's page"))
    if code == TOO_DEEP:
        raise UnreadableError(PATH, [])
    if code >= 400:
        raise ClientResponseError(code)


class Server:
    """Answers by kind of question: a record, the list with the topic's options, the bare list, and
    a refresh of the login.

    Attributes:
        reads: each read's path, query and headers, in order.
    """

    def __init__(self, *, one: int = OK, listed: int = OK, bare: int = OK, login: int = OK) -> None:
        self.one, self.listed, self.bare, self.login = one, listed, bare, login
        self.reads: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.before_read: Callable[[], object] = lambda: None

    def read(self, path: str, query: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        self.reads.append((path, dict(query), dict(headers)))
        self.before_read()
        if not path.endswith("/records"):
            answer(self.one)
        elif query == BARE:
            answer(self.bare)
        else:
            answer(self.listed)

    def refresh(self) -> dict[str, Any]:
        answer(self.login)
        return {}


def questions(server: Server, token: str = "") -> AccessQuestions:
    return AccessQuestions(
        server.read, server.refresh, lambda: ("users",), lambda: token,
        lambda: False, lambda: None, lambda lost: None, lambda: 0.0,
    )  # fmt: skip


def request(one: bool = False, identity: str = "", **options: Any) -> PreflightRequest:
    return PreflightRequest("posts", one, normalise_options(**options), identity, "r 1")


def result(server: Server, asked: PreflightRequest, token: str = "") -> int | None:
    """Return the status that refuses the topic; None if it can deliver."""
    try:
        check_access(asked, server.read, questions(server, token))
    except BelievedRefusal as refused:
        return refused.error.status
    return None


# -- one check ------------------------------------------------------------------------------------


def test_a_list_topic_is_checked_by_a_read_of_one_row() -> None:
    """A list topic is checked by a read of one row with the topic's filter and headers."""
    server = Server()
    assert result(server, request(filter="n > 1", headers={"X-A": "b"})) is None
    assert server.reads == [(PATH, {**BARE, "filter": "n > 1"}, {"x-a": "b"})]


@pytest.mark.parametrize("code", [403, 404])
def test_a_guest_is_refused_a_list_at_once(code: int) -> None:
    """A guest's 403 to a list, and a 404, are the result, after one read."""
    server = Server(bare=code)
    assert result(server, request()) == code
    assert len(server.reads) == 1


def test_a_bad_filter_is_the_result_if_the_bare_list_is_answered() -> None:
    """A 400 is the result if the list without the filter is answered with 200."""
    assert result(Server(listed=400), request(filter="oops")) == 400


@pytest.mark.parametrize("bare", [400, 403, 404, 500, NO_ANSWER, PROXY])
def test_a_400_is_trouble_if_the_bare_list_is_not_answered(bare: int) -> None:
    """A 400 is trouble if the list without the filter is refused, too."""
    with pytest.raises(ClientResponseError, match="400"):
        result(Server(listed=400, bare=bare), request(filter="oops"))


@pytest.mark.parametrize(("login", "expected"), [(OK, 403), (401, None), (NO_ANSWER, None)])
def test_a_403_to_a_login_is_the_result_if_the_login_is_accepted(
    login: int, expected: int | None
) -> None:
    """A login's 403 is the result if a refresh is answered with 200; else it is trouble."""
    server = Server(bare=403, login=login)
    if expected is None:
        with pytest.raises(ClientResponseError, match="403"):
            result(server, request(), "token")
    else:
        assert result(server, request(), "token") == expected


@pytest.mark.parametrize("code", [NO_ANSWER, 401, 429, 500, PROXY])
def test_a_temporary_failure_is_no_result(code: int) -> None:
    """A network error, 401, 429, 500 or a proxy's page is raised and is no result."""
    with pytest.raises(BosBaseError):
        result(Server(bare=code), request())
    with pytest.raises(BosBaseError):
        result(Server(one=404, bare=code), request(one=True))


@pytest.mark.parametrize(
    ("one", "listed", "bare", "filter", "expected"),
    [
        (200, 200, 404, None, None),
        (200, 400, 200, "oops", 400),
        (403, 200, 200, None, 403),
        (404, 200, 200, None, None),
        (404, 200, 403, None, None),
        (404, 200, 404, None, 404),
        (400, 200, 200, None, None),
    ],
)
def test_the_result_of_a_record_topic_combines_both_reads(
    one: int, listed: int, bare: int, filter: str | None, expected: int | None
) -> None:
    """The result of a record topic combines the read of the record with that of the list."""
    server = Server(one=one, listed=listed, bare=bare)
    assert result(server, request(one=True, filter=filter)) == expected
    assert server.reads[0][0].endswith("/records/r%201")
    assert "filter" not in server.reads[0][1]


def test_records_that_cannot_be_decoded_are_no_refusal() -> None:
    """A topic passes whose record, and whose list, hold values that cannot be decoded."""
    assert result(Server(one=TOO_DEEP, listed=TOO_DEEP), request(one=True, filter="n > 1")) is None


# -- many subscribers, and time -------------------------------------------------------------------


class HeldPool:
    """Makes the reads in virtual time, unless they are held."""

    def __init__(self, scheduler: VirtualScheduler) -> None:
        self.is_held = False
        self._scheduler = scheduler
        self._calls: list[Callable[[], object]] = []

    def submit(self, call: Callable[[], object]) -> None:
        if self.is_held:
            self._calls.append(call)
        else:
            self._scheduler.post(call)

    def release(self) -> None:
        """Make the reads that were held."""
        self.is_held = False
        for call in self._calls:
            self._scheduler.post(call)

    def close(self) -> None:
        """Discard what waits."""


class PreflightBench:
    """A preflight in virtual time, and subscribers of topics.

    Attributes:
        identity: the current login.
        times: the times of the reads.
        results: name and result of each call of a subscriber.
        problems: why checks could not be made, as they were reported.
    """

    def __init__(self, *, every: float = 300.0, limit: int = 1000, **codes: int) -> None:
        self.server = Server(**codes)
        self.server.before_read = lambda: self.times.append(round(self.clock.now, 9))
        self.clock = VirtualClock()
        self.identity = ""
        self.store_is_broken = False
        self.times: list[float] = []
        self.results: list[tuple[str, int | None]] = []
        self.problems: list[Exception | None] = []
        self.pool = HeldPool(VirtualScheduler(self.clock))
        self.registry = Registry(limit=limit)
        self.subscribers: dict[str, Subscriber] = {}
        self.preflight = Preflight(
            self.server.read, questions(self.server), self.pool, VirtualScheduler(self.clock),
            BackoffPolicy(maximum=10.0, jitter=False), self._identity,
            every=every, report=self.problems.append,
        )  # fmt: skip

    def subscribe(self, name: str = "ann", **options: Any) -> None:
        """Subscribe to all records, and have the topic checked."""
        subscriber = Subscriber(lambda _: None, lambda _: None, lambda: None, check=True)
        self.subscribers[name] = subscriber
        self.registry.add(record_topic("posts", "*", **options), subscriber)

        def report(error: BosBaseError | None) -> None:
            subscriber.checked = True
            self.results.append((name, getattr(error, "status", None)))
            if error is not None:
                self.registry.remove(subscriber)

        asked = request(identity=self.identity, **options)
        self.preflight.check(asked, subscriber, report)
        self.clock.run()

    def _identity(self) -> str:
        if self.store_is_broken:
            raise OSError("the keyring is locked")
        return self.identity

    def leave(self, name: str) -> None:
        """End a subscription."""
        self.registry.remove(self.subscribers[name])

    def reconnect(self, index: int = 0) -> None:
        """Open a new connection for a shard."""
        self.preflight.check_again(self.registry.shards[index])
        self.clock.run()

    def reads_of_the_next(self, seconds: float) -> list[float]:
        """Let time pass; return the times of the reads meanwhile."""
        self.times.clear()
        self.clock.advance(seconds)
        return self.times


def test_one_read_serves_all_equal_requests_for_a_time() -> None:
    """One read serves all equal requests made during it or up to 30 s after it."""
    bench = PreflightBench()
    bench.pool.is_held = True
    for name in ("ann", "bob", "cid"):
        bench.subscribe(name)
    bench.subscribe("dan", filter="n > 1")
    bench.pool.release()
    bench.clock.run()
    assert bench.results == [("ann", None), ("bob", None), ("cid", None), ("dan", None)]
    bench.clock.advance(29)
    bench.subscribe("eve")
    assert bench.results[4:] == [("eve", None)]
    assert bench.times == [0.0, 0.0]
    bench.clock.advance(1)
    bench.subscribe("fay")
    assert bench.times == [0.0, 0.0, 30.0]


def test_a_read_that_fails_temporarily_is_repeated() -> None:
    """A read that fails without a connection is repeated until there is a result."""
    bench = PreflightBench(bare=NO_ANSWER)
    bench.subscribe()
    bench.clock.advance(1.0)
    assert bench.results == []
    bench.server.bare = 404
    bench.clock.advance(1.0)
    assert bench.results == [("ann", 404)]


def test_the_retry_after_of_a_preflight_is_waited_for() -> None:
    """The `retry_after` of a 429 is the wait before the next read, at most 300 s."""
    bench = PreflightBench()
    refusals = [ClientResponseError(429, retry_after=after) for after in (2.5, 1e12)]

    def refuse() -> None:
        bench.times.append(round(bench.clock.now, 9))
        if refusals:
            raise refusals.pop(0)

    bench.server.before_read = refuse
    bench.subscribe()
    bench.clock.advance(400)
    assert bench.times == [0.0, 2.5, 302.5]
    assert bench.results == [("ann", None)]


def test_the_waits_between_failed_reads_double() -> None:
    """The waits between failed reads double from 0.2 s and start anew for another request."""
    bench = PreflightBench(bare=NO_ANSWER, listed=NO_ANSWER)
    bench.subscribe()
    bench.clock.advance(3.01)
    assert bench.times == [0.0, 0.2, 0.6, 1.4, 3.0]
    assert bench.results == []
    bench.server.bare = OK
    assert bench.reads_of_the_next(3.2) == [6.2]
    assert bench.results == [("ann", None)]
    bench.subscribe(filter="other")
    assert bench.reads_of_the_next(0.7) == [6.41, 6.81]


def test_failed_reads_are_repeated_only_while_a_subscriber_is_left() -> None:
    """Failed reads are repeated while a subscriber is left, and no longer."""
    bench = PreflightBench(bare=NO_ANSWER)
    bench.subscribe("ann")
    bench.subscribe("bob")
    bench.leave("ann")
    bench.clock.advance(0.3)
    assert bench.times == [0.0, 0.2]
    bench.leave("bob")
    assert bench.reads_of_the_next(3600.0) == []
    bench.server.bare = OK
    bench.subscribe("cid")
    assert bench.times == [3600.3]
    assert bench.results == [("cid", None)]


def test_a_read_that_cannot_be_sent_is_logged_and_the_topic_accepted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A read that cannot be sent is logged, and the topic is accepted."""
    bench = PreflightBench(bare=NOT_SENT)
    bench.subscribe()
    assert bench.results == [("ann", None)]
    assert "the check of 'posts' could not be made" in caplog.text


def test_why_a_check_cannot_be_made_is_reported_until_it_can() -> None:
    """The error of a check that fails is reported, then None once all can be made, or have left."""
    bench = PreflightBench(bare=NO_ANSWER, listed=NO_ANSWER)
    bench.subscribe("ann")
    bench.subscribe("bob", filter="n > 1")
    assert isinstance(bench.problems[-1], ConnectionFailedError)
    bench.server.bare = OK
    bench.clock.advance(1)
    assert isinstance(bench.problems[-1], ConnectionFailedError)
    bench.leave("bob")
    bench.clock.advance(10)
    assert bench.problems[-1] is None


# -- again, while a subscriber is left ------------------------------------------------------------


def test_a_topic_is_checked_again_every_so_many_seconds() -> None:
    """A topic with a subscriber is checked again every `every` seconds, with one read for all."""
    bench = PreflightBench(every=300.0)
    bench.subscribe("ann")
    bench.subscribe("bob")
    assert bench.reads_of_the_next(901) == [300.0, 600.0, 900.0]
    bench.leave("ann")
    assert bench.reads_of_the_next(300) == [1200.0]
    bench.leave("bob")
    assert bench.reads_of_the_next(3600) == []
    assert bench.results == [("ann", None), ("bob", None)]


def test_without_an_interval_a_topic_is_checked_after_a_reconnection_alone() -> None:
    """With `every=0` a topic is checked at first and after each reconnection."""
    bench = PreflightBench(every=0.0)
    bench.subscribe()
    assert bench.reads_of_the_next(86400) == []
    bench.reconnect()
    assert bench.times == [86400.0]


def test_a_reconnection_checks_the_topics_of_its_connection_alone() -> None:
    """After a reconnection the topics of that connection are checked again, and no others."""
    bench = PreflightBench(limit=1)
    bench.subscribe("ann")
    bench.subscribe("bob", filter="n > 1")
    bench.server.reads.clear()
    bench.reconnect(1)
    assert [query for _, query, _ in bench.server.reads] == [{**BARE, "filter": "n > 1"}]


def test_a_reconnection_during_a_read_is_followed_by_another_read() -> None:
    """A read that began before the last reconnection does not count for it."""
    bench = PreflightBench()
    bench.pool.is_held = True
    bench.subscribe()

    def reconnect() -> None:
        bench.times.append(bench.clock.now)
        if len(bench.times) == 1:
            bench.preflight.check_again(bench.registry.shards[0])

    bench.server.before_read = reconnect
    bench.pool.release()
    bench.clock.run()
    assert len(bench.times) == 2


def test_a_reconnection_ends_the_wait_after_failures() -> None:
    """A reconnection checks at once what would have waited after failed reads."""
    bench = PreflightBench(bare=NO_ANSWER)
    bench.subscribe()
    bench.clock.advance(7)
    bench.server.bare = OK
    bench.reconnect()
    assert bench.results == [("ann", None)]


@pytest.mark.parametrize("code", [403, 404])
def test_an_accepted_topic_ends_after_refusals_over_thirty_seconds(code: int) -> None:
    """A topic that had been accepted ends after refusals over 30 s, asked for every 10 s."""
    bench = PreflightBench()
    bench.subscribe()
    bench.server.bare = code
    assert bench.reads_of_the_next(329) == [300.0, 310.0, 320.0]
    assert bench.results == [("ann", None)]
    bench.clock.advance(1)
    assert bench.results == [("ann", None), ("ann", code)]
    assert bench.reads_of_the_next(3600) == []


def test_trouble_between_refusals_makes_them_count_anew() -> None:
    """A refusal that is not believed, between two that are, makes them count anew."""
    bench = PreflightBench()
    bench.subscribe()
    bench.server.bare = 404
    bench.clock.advance(325)
    bench.server.bare = 400
    bench.clock.advance(6)
    bench.server.bare = 404
    bench.clock.advance(29)
    assert bench.results == [("ann", None)]
    bench.clock.advance(10)
    assert bench.results == [("ann", None), ("ann", 404)]


def test_a_failure_between_refusals_does_not_make_them_count_anew() -> None:
    """A failure without an answer, between refusals that are believed, leaves their count."""
    bench = PreflightBench()
    bench.subscribe()
    bench.server.bare = 404
    bench.clock.advance(325)
    bench.server.bare = NO_ANSWER
    bench.clock.advance(6)
    bench.server.bare = 404
    bench.clock.advance(10)
    assert bench.results == [("ann", None), ("ann", 404)]


def test_many_topics_are_checked_one_after_the_other_after_a_reconnection() -> None:
    """After a reconnection one read is in flight; after one that fails the others wait, too."""
    bench = PreflightBench()
    for number in range(50):
        bench.subscribe(str(number), filter=f"n > {number}")
    bench.server.listed = NO_ANSWER
    bench.times.clear()
    bench.reconnect()
    assert len(bench.times) == 1
    bench.server.listed = OK
    bench.clock.advance(1)
    assert len(bench.times) == 51
    assert [result for _, result in bench.results] == [None] * 50


def test_an_answer_between_refusals_keeps_the_topic() -> None:
    """A topic whose collection comes back in time stays subscribed."""
    bench = PreflightBench()
    bench.subscribe()
    bench.server.bare = 404
    bench.clock.advance(325)
    bench.server.bare = OK
    assert bench.reads_of_the_next(310) == [330.0, 630.0]
    assert bench.results == [("ann", None)]


def test_a_new_subscriber_of_a_refused_topic_is_told_at_once() -> None:
    """A new subscriber of a topic that is refused now gets the error at once; others stay."""
    bench = PreflightBench()
    bench.subscribe("ann")
    bench.server.bare = 403
    bench.clock.advance(301)
    bench.subscribe("bob")
    assert bench.results == [("ann", None), ("bob", 403)]
    assert bench.subscribers["ann"].entry is not None


def test_a_refusal_for_another_login_is_asked_again() -> None:
    """After a login the topics are checked for it; what the one before was refused ends nothing."""
    bench = PreflightBench()
    bench.server.bare = 403

    def log_in() -> None:
        bench.identity = "users/ada"
        bench.server.bare = OK
        bench.server.before_read = lambda: None
        raise ClientResponseError(403)

    bench.server.before_read = log_in
    bench.subscribe()
    assert bench.results == [("ann", None)]


def test_an_accepted_topic_is_new_for_another_login() -> None:
    """A topic that the next login is refused ends at the first refusal after the reconnection."""
    bench = PreflightBench()
    bench.subscribe()
    bench.identity, bench.server.bare = "users/ada", 403
    bench.reconnect()
    assert bench.results == [("ann", None), ("ann", 403)]


def test_what_subscribers_have_left_is_removed() -> None:
    """Requests, and subscribers of one, that were left are removed before there are too many."""
    bench = PreflightBench()
    for number in range(3 * MAX_IDLE):
        bench.subscribe(filter=f"n > {number}")
        bench.leave("ann")
        bench.subscribe()
        bench.leave("ann")
    kept = bench.preflight._checks
    assert len(kept) <= MAX_IDLE
    assert all(len(check.subscribers) <= MAX_LEFT for check in kept.values())
    assert bench.reads_of_the_next(301) == []
    assert not kept


def test_a_login_that_is_lost_is_no_reason_to_read_again() -> None:
    """A check whose login is lost meanwhile is trouble, and repeated for what follows."""
    bench = PreflightBench(bare=NO_ANSWER)

    def lose() -> None:
        bench.server.before_read = lambda: None
        raise AuthLostError("lost")

    bench.server.before_read = lose
    bench.subscribe()
    bench.server.bare = OK
    bench.clock.advance(1)
    assert bench.results == [("ann", None)]


def test_subscribers_that_have_left_a_topic_are_removed_beside_one_that_stays() -> None:
    """Of a topic that keeps one subscriber, those that come and go take bounded memory."""
    bench = PreflightBench(every=0.0)
    bench.subscribe("ann")
    for _ in range(3 * MAX_IDLE):
        bench.subscribe("bob")
        bench.leave("bob")
    (check,) = bench.preflight._checks.values()
    assert len(check.subscribers) <= MAX_LEFT


def test_topics_with_subscribers_are_kept_however_many() -> None:
    """More than a thousand different topics with subscribers are all checked again."""
    bench = PreflightBench(every=300.0, limit=10_000)
    for number in range(MAX_IDLE + 5):
        bench.subscribe(str(number), filter=f"n > {number}")
    assert len(bench.reads_of_the_next(300)) == MAX_IDLE + 5


def test_a_check_that_waits_for_its_turn_may_begin_otherwise() -> None:
    """A new subscriber's check does not wait for its turn, and is not read twice for it."""
    bench = PreflightBench()
    bench.subscribe("ann")
    bench.subscribe("bob", filter="n > 1")
    bench.clock.advance(31)
    bench.pool.is_held = True
    bench.times.clear()
    bench.reconnect()
    bench.subscribe("cid", filter="n > 1")
    bench.pool.release()
    bench.clock.run()
    assert len(bench.times) == 2
    assert bench.reads_of_the_next(299) == []
    assert len(bench.reads_of_the_next(1)) == 2  # the timers before are obsolete


def test_a_store_that_raises_makes_a_check_fail_and_it_is_repeated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An error of the user's own store is logged, and the check is made again."""
    bench = PreflightBench(every=300.0)
    bench.subscribe()
    bench.store_is_broken = True
    assert len(bench.reads_of_the_next(301)) == 0
    assert "the login of a check of 'posts' is unknown" in caplog.text
    bench.store_is_broken = False
    assert len(bench.reads_of_the_next(10)) == 1


def test_a_check_of_a_closed_client_ends() -> None:
    """A check whose client closes meanwhile ends without a result."""
    bench = PreflightBench()

    def close() -> None:
        raise ClientClosedError("closed")

    bench.server.before_read = close
    bench.subscribe()
    assert bench.results == []


def test_the_check_of_the_login_before_ends() -> None:
    """After another login its check alone is made every `every` seconds."""
    bench = PreflightBench(every=300.0)
    bench.subscribe()
    bench.identity = "users/ada"
    bench.reconnect()
    assert len(bench.reads_of_the_next(301)) == 1
    assert bench.results == [("ann", None)]
