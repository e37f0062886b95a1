"""The read that shows whether a topic works or can never deliver.

The server accepts topics of missing collections, of forbidden ones and with broken filters, and
then never sends an event. A plain read with the same options is answered with 404, 403 or 400.

It is made for a topic's first subscriber, and again after each reconnection and from time to time:
a collection may be deleted, a rule closed, a field removed, and no event reports it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from rxbosbase.access.questions import (
    AccessQuestions,
    BelievedRefusal,
    Question,
    Read,
    is_refusal,
    records_path,
)
from rxbosbase.access.refusals import REPEAT_SECONDS, Kind, RefusalCount
from rxbosbase.errors import (
    AnswerTooLargeError,
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    UnreadableError,
)
from rxbosbase.realtime.protocol.topics import Options
from rxbosbase.realtime.session.registry import Subscriber, TopicShard
from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.runtime.retry_delay import asked_to_wait
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.threads import Pool

__all__ = ("Preflight", "PreflightRequest", "check_access")

log = logging.getLogger("rxbosbase.preflight")

RESULT_SECONDS = 30.0
"""Seconds for which a passed request serves further subscribers without another read."""

MAX_IDLE = 1000
"""Requests whose subscribers have left are removed at the latest when there are more than this, and
more than of others."""

MAX_LEFT = 16
"""The same for the subscribers of one request that have left: they hold what their user made."""

OnResult = Callable[[BosBaseError | None], None]


class PreflightRequest(msgspec.Struct, frozen=True, eq=False):
    """What one read checks: a rule and options, whichever record it reads.

    Attributes:
        collection: name or id.
        one: True for a record's topic (the view rule), False for ``*`` (the list rule).
        options: query and headers of the topic.
        identity: the login of the subscriber.
        record: the id of the record to read; requests that differ in it alone are equal.
    """

    collection: str
    one: bool
    options: Options
    identity: str
    record: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PreflightRequest) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.collection, self.one, self.options, self.identity


def check_access(request: PreflightRequest, read: Read, questions: AccessQuestions) -> None:
    """Read what shows whether the topic of this request can deliver.

    For a record's topic only a 403 on the record, a missing collection and a broken filter are
    errors: the record may be created later, and a collection may allow to view but not to list.

    Raises:
        BelievedRefusal: it cannot.
        BosBaseError: a failure that may be temporary: the read is to be repeated.
    """
    path = records_path(request.collection)
    record = quote(request.record, safe="")
    query, headers = dict(request.options.query), dict(request.options.headers)

    def list_some() -> bool:
        return _is_found(lambda: read(path, {**query, "perPage": "1", "skipTotal": "1"}, headers))

    def view() -> bool:
        options = {key: value for key, value in query.items() if key != "filter"}
        try:
            return _is_found(lambda: read(f"{path}/{record}", options, headers))
        except ClientResponseError as error:
            if error.status not in (400, 404):
                raise
            return False  # the list shows why

    lists = Question(Kind.LIST, request.collection, headers)
    if not request.one:
        questions.ask(lists, list_some)
        return
    is_found = questions.ask(replace(lists, kind=Kind.RECORD), view)
    if is_found and "filter" not in query:
        return
    try:
        questions.ask(lists, list_some)
    except BelievedRefusal as refused:
        if refused.error.status != 403:
            raise


def _is_found(call: Callable[[], object]) -> bool:
    with suppress(UnreadableError, AnswerTooLargeError):  # the server returned the records
        call()
    return True


class _Checked(NamedTuple):
    """A subscriber of a topic that is checked, and what is called with a result."""

    subscriber: Subscriber
    on_result: OnResult


class _Check:
    """One request, for all subscribers that need it.

    Attributes:
        accepted_at: when it passed last.
        failures: reads in a row that showed nothing.
        is_running: a read is queued or in flight.
        is_outdated: the read in flight began before the last reconnection.
        timer: the number of the newest timer; that of an older one is obsolete.
    """

    def __init__(self, request: PreflightRequest) -> None:
        self.request = request
        self.subscribers: list[_Checked] = []
        self.refusals = RefusalCount()
        self.accepted_at = -RESULT_SECONDS
        self.failures = self.timer = 0
        self.is_running = self.is_outdated = False
        self._prune_at = MAX_LEFT

    def add(self, checked: _Checked) -> None:
        """Add a subscriber, and remove those that have left if there are many."""
        if len(self.subscribers) >= self._prune_at:
            self.prune()
            self._prune_at = max(MAX_LEFT, 2 * len(self.subscribers))
        self.subscribers.append(checked)

    def prune(self) -> bool:
        """Remove the subscribers that have left; return True if there are others."""
        self.subscribers = [each for each in self.subscribers if each.subscriber.entry is not None]
        return bool(self.subscribers)

    def is_carried_by(self, shard: TopicShard) -> bool:
        """Return True if a topic of this check is on the connection of `shard`."""
        entries = (each.subscriber.entry for each in self.subscribers)
        return any(entry is not None and entry.shard is shard for entry in entries)


class Preflight:
    """Runs each request once, however many subscribers need it, and again as long as any is left.

    Args:
        read: makes a GET with a path, a query and headers.
        questions: asks the server, and decides which refusals are believed.
        pool: runs the reads.
        control: schedules the repetitions.
        policy: how long to wait after a failure.
        identity: returns the login with which a read that begins now is made.
        every: seconds between two reads of a request; 0 for reads after reconnections alone.
        report: called with why a check cannot be made; with None once all can be made.
    """

    def __init__(
        self,
        read: Read,
        questions: AccessQuestions,
        pool: Pool,
        control: SerialScheduler,
        policy: BackoffPolicy,
        identity: Callable[[], str],
        *,
        every: float,
        report: Callable[[Exception | None], object],
    ) -> None:
        self._read = read
        self._questions = questions
        self._pool = pool
        self._control = control
        self._policy = policy
        self._identity = identity
        self._every = every
        self._report = report
        self._lock, self._reporting = threading.Lock(), threading.Lock()
        self._checks: dict[PreflightRequest, _Check] = {}
        self._problems: dict[PreflightRequest, Exception] = {}
        self._prune_at = MAX_IDLE
        self._outdated: dict[_Check, None] = {}  # to be read again, in this order …
        self._in_turn: _Check | None = None  # … and the one of them that is read now

    def check(self, request: PreflightRequest, subscriber: Subscriber, on_result: OnResult) -> None:
        """Call ``on_result(None)`` once the request has passed, at once if it has just done so, and
        ``on_result(error)`` if it is refused, then or later; neither once the subscriber has left.
        """
        with self._lock:
            check = self._checks.get(request)
            if check is None:
                self._prune()
                check = self._checks[request] = _Check(request)
            check.add(_Checked(subscriber, on_result))
            has_passed = self._control.time() - check.accepted_at < RESULT_SECONDS
            if not has_passed and not check.is_running and not check.failures:
                self._begin(check)
        if has_passed:
            on_result(None)

    def check_again(self, shard: TopicShard) -> None:
        """Read again for all topics on the connection of `shard`, which is a new one: one request
        after the other, since there may be hundreds, and servers limit their rate."""
        with self._lock:
            for check in self._checks.values():
                if check.is_carried_by(shard):
                    if check.is_running:
                        check.is_outdated = True
                    else:
                        self._outdated[check] = None
            self._begin_outdated()

    def _begin_outdated(self) -> None:
        while self._outdated and self._in_turn is None:
            check = next(iter(self._outdated))
            del self._outdated[check]
            if not check.is_running:
                self._in_turn = check
                self._begin(check)

    # -- when to read ----------------------------------------------------------------------------

    def _begin(self, check: _Check) -> None:
        check.is_running = True
        check.timer += 1
        self._pool.submit(partial(self._run, check))

    def _on_timer(self, check: _Check, timer: int) -> None:
        with self._lock:
            if timer == check.timer and not check.is_running:
                self._begin(check)

    def _end(self, check: _Check, wait: float) -> None:
        """End the read in flight, and plan the next one; 0 for none."""
        check.is_running = False
        if check is self._in_turn:
            self._in_turn = None
            if check.failures:  # the others wait as long
                self._control.call_later(wait, self._continue)
            else:
                self._begin_outdated()
        if check.is_outdated and not check.failures:
            self._begin(check)
        elif wait:
            check.timer += 1
            self._control.call_later(wait, partial(self._on_timer, check, check.timer))

    def _continue(self) -> None:
        with self._lock:
            self._begin_outdated()

    def _prune(self) -> None:
        if len(self._checks) < self._prune_at:
            return
        for check in list(self._checks.values()):
            if not check.is_running and not check.prune():
                self._drop(check)
        self._prune_at = max(MAX_IDLE, 2 * len(self._checks))

    def _drop(self, check: _Check) -> None:
        self._outdated.pop(check, None)
        if self._checks.get(check.request) is check:
            del self._checks[check.request]
            self._problems.pop(check.request, None)
        if check is self._in_turn:
            self._in_turn = None
            self._begin_outdated()

    # -- one read, on a thread of the pool -------------------------------------------------------

    def _run(self, check: _Check) -> None:
        with self._lock:
            check.is_outdated = False
            is_needed = check.prune()
            if not is_needed:
                self._drop(check)
        try:
            if is_needed and not self._is_of_another_login(check):
                self._read_and_report(check)
        except Exception as error:  # of the user's own store
            log.exception("the login of a check of %r is unknown", check.request.collection)
            self._failed(check, error)
        self._report_problem()

    def _read_and_report(self, check: _Check) -> None:
        request = check.request
        try:
            check_access(request, self._read, self._questions)
        except BelievedRefusal as refused:
            # A refusal of the former login must not end subscriptions of the current one.
            if not self._is_of_another_login(check):
                self._refused(check, refused.error)
        except ClientClosedError:
            pass  # its streams complete
        except BosBaseError as error:
            self._failed(check, error)
        except Exception:
            # The request could not be sent: that proves nothing about the topic.
            log.exception("the check of %r could not be made", request.collection)
            self._passed(check, is_certain=False)
        else:
            self._passed(check, is_certain=request.identity == self._identity())

    def _is_of_another_login(self, check: _Check) -> bool:
        """Return True after a login or logout; the request of the current login replaces it."""
        identity = self._identity()
        if check.request.identity == identity:
            return False
        with self._lock:
            moving, check.subscribers = check.subscribers, []
            self._drop(check)
        request = replace(check.request, identity=identity)
        for each in moving:
            self.check(request, each.subscriber, each.on_result)
        return True

    def _passed(self, check: _Check, *, is_certain: bool) -> None:
        with self._lock:
            check.failures = 0
            self._problems.pop(check.request, None)
            if is_certain:
                check.refusals.accepted()
                check.accepted_at = self._control.time()
            waiting = [each for each in check.subscribers if not each.subscriber.checked]
            self._end(check, self._every)
        for each in waiting:
            each.on_result(None)

    def _refused(self, check: _Check, error: ClientResponseError) -> None:
        with self._lock:
            check.failures = 0
            check.accepted_at = -RESULT_SECONDS
            self._problems.pop(check.request, None)
            is_final = check.refusals.refused(error.status, self._control.time())
            ended = check.subscribers
            if not is_final:  # the first refusal is final for those that have not begun
                ended = [each for each in ended if not each.subscriber.checked]
            staying = [each for each in check.subscribers if each.subscriber.checked]
            check.subscribers = [] if is_final else staying
            self._end(check, REPEAT_SECONDS)
        if not is_final:
            log.warning("a topic of %r is refused: %s", check.request.collection, error)
        for each in ended:
            each.on_result(error)

    def _failed(self, check: _Check, error: Exception) -> None:
        with self._lock:
            check.failures += 1
            if is_refusal(error):
                check.refusals.troubled()
            self._problems[check.request] = error
            # The topic is submitted all the same; only its check has to wait.
            wait = max(self._policy.delay(check.failures), asked_to_wait(error))
            self._end(check, wait)
        name = check.request.collection
        log.info("the check of %r failed, again in %.1f s: %s", name, wait, error)

    def _report_problem(self) -> None:
        with self._reporting:  # in order
            with self._lock:
                problem = next(iter(self._problems.values()), None)
            self._report(problem)
