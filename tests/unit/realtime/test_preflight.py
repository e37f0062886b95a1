"""The preflight's results and its cache, without a network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.seen import LIMIT, Seen

from rxbosbase.errors import BosBaseError, ClientResponseError, ConnectionFailedError
from rxbosbase.realtime import preflight as preflight_module
from rxbosbase.realtime.preflight import Preflight, PreflightRequest, access_error
from rxbosbase.realtime.protocol.topics import normalise_options
from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.runtime.pool import ReadPool
from rxbosbase.runtime.thread_scheduler import ThreadScheduler
from rxbosbase.testing import VirtualClock, VirtualScheduler

NOW = BackoffPolicy(initial=0.0)


class Server:
    """Answers reads by their path; 0 is a network error, -1 a request that cannot be sent."""

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


def request(one: bool = False, **options: Any) -> PreflightRequest:
    return PreflightRequest("posts", one, normalise_options(**options), "me", "r 1")


def test_a_list_topic_is_checked_by_a_read_of_one_row() -> None:
    """A list topic is bench by a read of one row with the topic's filter and headers."""
    server = Server(listed=200)
    checked = request(filter="n > 1", headers={"X-A": "b"})
    assert access_error(checked, server.read) is None
    path = "/api/collections/posts/records"
    query = {"filter": "n > 1", "perPage": "1", "skipTotal": "1"}
    assert server.reads == [(path, query, {"x-a": "b"})]


@pytest.mark.parametrize("code", [400, 403, 404])
def test_a_refused_list_read_is_an_error(code: int) -> None:
    """A 400, 403 or 404 to the read of a list is returned as the result."""
    result = access_error(request(), Server(listed=code).read)
    assert isinstance(result, ClientResponseError)
    assert result.status == code


@pytest.mark.parametrize("code", [0, 401, 429, 500])
def test_a_temporary_failure_is_no_result(code: int) -> None:
    """A network error, 401, 429 or 500 is raised and is no result."""
    with pytest.raises(BosBaseError):
        access_error(request(), Server(listed=code).read)
    with pytest.raises(BosBaseError):
        access_error(request(one=True), Server(one=404, listed=code).read)


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
def test_the_result_of_a_record_topic_combines_both_reads(
    one: int, listed: int, filter: str | None, expected: int | None
) -> None:
    """The result of a record topic combines the read of the record with that of the list."""
    server = Server(one=one, listed=listed)
    result = access_error(request(one=True, filter=filter), server.read)
    assert getattr(result, "status", None) == expected
    assert server.reads[0][0].endswith("/records/r%201")
    assert "filter" not in server.reads[0][1]


@pytest.fixture
def threads() -> Iterator[tuple[ReadPool, ThreadScheduler]]:
    pool, control = ReadPool(), ThreadScheduler("rxbosbase-test-control")
    yield pool, control
    pool.close()
    control.close()
    control.join(LIMIT)


def test_one_read_serves_all_equal_requests_for_a_time(
    threads: tuple[ReadPool, ThreadScheduler],
) -> None:
    """One read serves all equal requests made during it or shortly after it."""
    server = Server(listed=200)
    go_on = threading.Event()

    def read(*args: Any) -> Any:
        go_on.wait(LIMIT)
        return server.read(*args)

    preflight = Preflight(read, *threads, NOW, me)
    results: Seen[BosBaseError | None] = Seen()
    for _ in range(5):
        preflight.check(request(), results, wanted)
    preflight.check(request(filter="other"), results, wanted)
    go_on.set()
    assert results.wait(6) == [None] * 6
    preflight.check(request(), results, wanted)
    assert results.count == 7  # at once, on the calling thread
    assert len(server.reads) == 2


def test_a_passed_request_expires(
    threads: tuple[ReadPool, ThreadScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An acceptance older than `RESULT_SECONDS` is bench by another read."""
    server = Server(listed=200)
    monkeypatch.setattr(preflight_module, "RESULT_SECONDS", 0.0)
    preflight = Preflight(server.read, *threads, NOW, me)
    results: Seen[BosBaseError | None] = Seen()
    preflight.check(request(), results, wanted)
    results.wait(1)
    preflight.check(request(), results, wanted)
    results.wait(2)
    assert len(server.reads) == 2


def test_a_read_that_fails_temporarily_is_repeated(
    threads: tuple[ReadPool, ThreadScheduler],
) -> None:
    """A read that fails without a connection is repeated until there is a result."""
    server = Server(listed=0)
    preflight = Preflight(server.read, *threads, NOW, me)

    def read(*args: Any) -> Any:
        if len(server.reads) == 3:
            server.codes["listed"] = 404
        return server.read(*args)

    preflight = Preflight(read, *threads, NOW, me)
    results: Seen[BosBaseError | None] = Seen()
    preflight.check(request(), results, wanted)
    assert getattr(results.wait(1)[0], "status", None) == 404
    assert len(server.reads) == 4


def test_the_retry_after_of_a_preflight_is_waited_for(
    threads: tuple[ReadPool, ThreadScheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `retry_after` of a 429 is the wait before the next read, at most 300 s."""
    pool, control = threads
    waits: list[float] = []

    def at_once(seconds: float, call: Callable[[], object]) -> None:
        waits.append(seconds)
        control.post(call)

    monkeypatch.setattr(control, "call_later", at_once)
    refusals = [ClientResponseError(429, retry_after=after) for after in (2.5, 1e12)]

    def read(*_: Any) -> Any:
        if refusals:
            raise refusals.pop(0)

    results: Seen[BosBaseError | None] = Seen()
    Preflight(read, pool, control, NOW, me).check(request(), results, wanted)
    assert results.wait(1) == [None]
    assert waits == [2.5, 300.0]


class InlinePool(ReadPool):
    """Makes each read at once, on the calling thread."""

    def submit(self, call: Callable[[], object]) -> None:
        call()


class PreflightBench:
    """A preflight in virtual time; its server is unreachable until `set_code`.

    Attributes:
        times: the times of its reads.
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

    def set_code(self, code: int) -> None:
        """Answer with this status from now on."""
        self._server.codes["listed"] = code


def test_the_waits_between_failed_reads_double() -> None:
    """The waits between failed reads double from 0.2 s and start anew for another request."""
    bench, results = PreflightBench(), Seen[BosBaseError | None]()
    bench.preflight.check(request(), results, wanted)
    bench.clock.advance(3.01)
    assert bench.times == [0.0, 0.2, 0.6, 1.4, 3.0]
    assert results.items == []
    bench.set_code(200)
    bench.clock.advance(3.2)
    assert (bench.times[5:], results.items) == ([6.2], [None])
    bench.set_code(0)
    bench.preflight.check(request(filter="other"), results, wanted)
    bench.clock.advance(0.7)
    assert bench.times[6:] == [6.21, 6.41, 6.81]


def test_failed_reads_are_repeated_only_while_a_subscriber_is_left() -> None:
    """Failed reads are repeated while a requester is left, and no longer."""
    bench, here = PreflightBench(), {"ann", "bob"}
    results: Seen[tuple[str, BosBaseError | None]] = Seen()

    def ask(name: str) -> None:
        here.add(name)
        bench.preflight.check(request(), lambda e: results((name, e)), lambda: name in here)

    ask("ann")
    ask("bob")
    here.discard("ann")
    bench.clock.advance(0.3)
    assert bench.times == [0.0, 0.2]
    here.discard("bob")
    bench.clock.advance(3600.0)
    assert bench.times == [0.0, 0.2]
    bench.set_code(200)
    ask("cid")
    assert bench.times == [0.0, 0.2, 3600.3]
    assert results.items == [("cid", None)]


def test_a_read_that_cannot_be_sent_is_logged_and_the_topic_accepted(
    threads: tuple[ReadPool, ThreadScheduler], caplog: pytest.LogCaptureFixture
) -> None:
    """A read that cannot be sent is logged, and the topic is accepted."""
    preflight = Preflight(Server(listed=-1).read, *threads, NOW, me)
    results: Seen[BosBaseError | None] = Seen()
    preflight.check(request(), results, wanted)
    assert results.wait(1) == [None]
    assert "the check of 'posts' could not be made" in caplog.text
