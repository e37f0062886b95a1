"""The preflight's verdicts and its memory, without a network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.seen import LIMIT, Seen

from rxbosbase.backoff import BackoffPolicy
from rxbosbase.errors import BosBaseError, ClientResponseError, ConnectionFailedError
from rxbosbase.realtime import preflight as preflight_room
from rxbosbase.realtime.preflight import Preflight, Question, verdict_on
from rxbosbase.realtime.protocol.topics import normalise_options
from rxbosbase.runtime.pool import ReadPool
from rxbosbase.runtime.thread_scheduler import ThreadScheduler
from rxbosbase.testing import VirtualClock, VirtualScheduler

NOW = BackoffPolicy(initial=0.0)


class Server:
    """Answers reads by their path."""

    def __init__(self, **codes: int) -> None:
        self.codes = codes
        self.reads: list[tuple[str, dict[str, str], dict[str, str]]] = []

    def read(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Any:
        self.reads.append((path, query, headers))
        code = self.codes["listed" if path.endswith("/records") else "one"]
        if code == 0:
            raise ConnectionFailedError("no network")
        if code == -1:
            raise UnicodeEncodeError("latin-1", "ż", 0, 1, "cannot be sent")
        if code >= 400:
            raise ClientResponseError(code)


def me() -> str:
    return "me"


def wanted() -> bool:
    return True


def question(one: bool = False, **options: Any) -> Question:
    return Question("posts", one, normalise_options(**options), "me", "r 1")


def test_a_list_is_asked_for_one_row_with_the_topics_options() -> None:
    """A list topic is checked by a read of one row with the topic's filter and headers."""
    server = Server(listed=200)
    asked = question(filter="n > 1", headers={"X-A": "b"})
    assert verdict_on(asked, server.read) is None
    path = "/api/collections/posts/records"
    query = {"filter": "n > 1", "perPage": "1", "skipTotal": "1"}
    assert server.reads == [(path, query, {"x-a": "b"})]


@pytest.mark.parametrize("code", [400, 403, 404])
def test_a_list_that_is_refused_is_an_error(code: int) -> None:
    """A 400, 403 or 404 to the read of a list is returned as the verdict."""
    verdict = verdict_on(question(), Server(listed=code).read)
    assert isinstance(verdict, ClientResponseError)
    assert verdict.status == code


@pytest.mark.parametrize("code", [0, 401, 429, 500])
def test_what_may_pass_is_no_verdict(code: int) -> None:
    """A network error, 401, 429 or 500 is raised and is no verdict."""
    with pytest.raises(BosBaseError):
        verdict_on(question(), Server(listed=code).read)
    with pytest.raises(BosBaseError):
        verdict_on(question(one=True), Server(one=404, listed=code).read)


@pytest.mark.parametrize(
    ("one", "listed", "filter", "expected"),
    [
        (200, 404, None, None),
        (200, 400, "oops", 400),
        (403, 200, None, 403),
        (404, 200, None, None),
        (404, 403, None, None),
        (404, 404, None, 404),
        (400, 200, None, None),
    ],
)
def test_a_records_verdict_weighs_both_reads(
    one: int, listed: int, filter: str | None, expected: int | None
) -> None:
    """The verdict on a record topic combines the read of the record with that of the list."""
    server = Server(one=one, listed=listed)
    verdict = verdict_on(question(one=True, filter=filter), server.read)
    assert getattr(verdict, "status", None) == expected
    assert server.reads[0][0].endswith("/records/r%201")
    assert "filter" not in server.reads[0][1]


@pytest.fixture
def rooms() -> Iterator[tuple[ReadPool, ThreadScheduler]]:
    pool, control = ReadPool(), ThreadScheduler("rxbosbase-test-control")
    yield pool, control
    pool.close()
    control.close()
    control.join(LIMIT)


def test_one_read_serves_all_who_ask_the_same_and_those_who_come_soon(
    rooms: tuple[ReadPool, ThreadScheduler],
) -> None:
    """One read serves all equal requests made during it or shortly after it."""
    server = Server(listed=200)
    go_on = threading.Event()

    def read(*args: Any) -> Any:
        go_on.wait(LIMIT)
        return server.read(*args)

    preflight = Preflight(read, *rooms, NOW, me)
    answers: Seen[BosBaseError | None] = Seen()
    for _ in range(5):
        preflight.ask(question(), answers, wanted)
    preflight.ask(question(filter="other"), answers, wanted)
    go_on.set()
    assert answers.wait(6) == [None] * 6
    preflight.ask(question(), answers, wanted)
    assert answers.count == 7  # at once, on the asking thread
    assert len(server.reads) == 2


def test_trust_ends(
    rooms: tuple[ReadPool, ThreadScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An acceptance older than `TRUST_SECONDS` is checked by another read."""
    server = Server(listed=200)
    monkeypatch.setattr(preflight_room, "TRUST_SECONDS", 0.0)
    preflight = Preflight(server.read, *rooms, NOW, me)
    answers: Seen[BosBaseError | None] = Seen()
    preflight.ask(question(), answers, wanted)
    answers.wait(1)
    preflight.ask(question(), answers, wanted)
    answers.wait(2)
    assert len(server.reads) == 2


def test_a_read_that_fails_for_the_moment_is_repeated(
    rooms: tuple[ReadPool, ThreadScheduler],
) -> None:
    """A read that fails without a connection is repeated until there is a verdict."""
    server = Server(listed=0)
    preflight = Preflight(server.read, *rooms, NOW, me)

    def read(*args: Any) -> Any:
        if len(server.reads) == 3:
            server.codes["listed"] = 404
        return server.read(*args)

    preflight = Preflight(read, *rooms, NOW, me)
    answers: Seen[BosBaseError | None] = Seen()
    preflight.ask(question(), answers, wanted)
    assert getattr(answers.wait(1)[0], "status", None) == 404
    assert len(server.reads) == 4


def test_a_server_that_asks_to_wait_is_asked_again_when_it_said(
    rooms: tuple[ReadPool, ThreadScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `retry_after` of a 429 is the wait before the next read, at most 300 s."""
    pool, control = rooms
    waits: list[float] = []

    def at_once(seconds: float, call: Callable[[], object]) -> None:
        waits.append(seconds)
        control.post(call)

    monkeypatch.setattr(control, "call_later", at_once)
    refusals = [ClientResponseError(429, retry_after=after) for after in (2.5, 1e12)]

    def read(*_: Any) -> Any:
        if refusals:
            raise refusals.pop(0)

    answers: Seen[BosBaseError | None] = Seen()
    Preflight(read, pool, control, NOW, me).ask(question(), answers, wanted)
    assert answers.wait(1) == [None]
    assert waits == [2.5, 300.0]


class InlinePool(ReadPool):
    """Makes each read at once, on the thread that asks for it."""

    def submit(self, call: Callable[[], object]) -> None:
        call()


class Checked:
    """A preflight in virtual time, of a server that is out of order until it is told otherwise.

    Attributes:
        times: when it was read.
    """

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.times: list[float] = []
        self._server = Server(listed=0)
        control = VirtualScheduler(self.clock)
        policy = BackoffPolicy(maximum=10.0, jitter=False)
        self.preflight = Preflight(self._read, InlinePool(), control, policy, me)

    def _read(self, *args: Any) -> Any:
        self.times.append(round(self.clock.now, 9))
        return self._server.read(*args)

    def mend(self, code: int) -> None:
        """From now on the server answers so."""
        self._server.codes["listed"] = code


def test_the_waits_between_reads_that_fail_double() -> None:
    """The waits between failed reads double from 0.2 s and start anew for another request."""
    checked, answers = Checked(), Seen[BosBaseError | None]()
    checked.preflight.ask(question(), answers, wanted)
    checked.clock.advance(3.01)
    assert checked.times == [0.0, 0.2, 0.6, 1.4, 3.0]
    assert answers.items == []
    checked.mend(200)
    checked.clock.advance(3.2)
    assert (checked.times[5:], answers.items) == ([6.2], [None])
    checked.mend(0)
    checked.preflight.ask(question(filter="other"), answers, wanted)
    checked.clock.advance(0.7)
    assert checked.times[6:] == [6.21, 6.41, 6.81]


def test_nothing_is_read_after_the_last_asker_has_left() -> None:
    """Failed reads are repeated while a requester is left, and no longer."""
    checked, here = Checked(), {"ann", "bob"}
    answers: Seen[tuple[str, BosBaseError | None]] = Seen()

    def ask(name: str) -> None:
        here.add(name)
        checked.preflight.ask(question(), lambda e: answers((name, e)), lambda: name in here)

    ask("ann")
    ask("bob")
    here.discard("ann")
    checked.clock.advance(0.3)
    assert checked.times == [0.0, 0.2]
    here.discard("bob")
    checked.clock.advance(3600.0)
    assert checked.times == [0.0, 0.2]
    checked.mend(200)
    ask("cid")
    assert checked.times == [0.0, 0.2, 3600.3]
    assert answers.items == [("cid", None)]


def test_a_read_that_cannot_be_made_is_logged_and_held_against_nobody(
    rooms: tuple[ReadPool, ThreadScheduler], caplog: pytest.LogCaptureFixture
) -> None:
    """A read that cannot be sent is logged, and the topic is accepted."""
    preflight = Preflight(Server(listed=-1).read, *rooms, NOW, me)
    answers: Seen[BosBaseError | None] = Seen()
    preflight.ask(question(), answers, wanted)
    assert answers.wait(1) == [None]
    assert "the check of 'posts' could not be made" in caplog.text
