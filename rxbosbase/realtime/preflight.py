"""The read that shows whether a topic works or can never deliver.

The server accepts topics of missing collections, of forbidden ones and with broken filters, and
then never sends an event. A plain read with the same options is answered with 404, 403 or 400.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from rxbosbase.errors import BosBaseError, ClientResponseError, UnreadableError
from rxbosbase.realtime.protocol.topics import Options
from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.runtime.retry_delay import asked_to_wait
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.threads import Pool

__all__ = ("Preflight", "PreflightRequest", "access_error")

log = logging.getLogger("rxbosbase.preflight")

RESULT_SECONDS = 30.0
"""Seconds for which a passed request serves further subscribers without another read."""

MAX_RESULTS = 1000
"""Passed requests that are kept. At the limit all are dropped, which costs reads only."""

Read = Callable[[str, dict[str, str], dict[str, str]], Any]
OnResult = Callable[[BosBaseError | None], None]
IsWanted = Callable[[], bool]


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


def access_error(request: PreflightRequest, read: Read) -> BosBaseError | None:
    """Read; return the error that a repetition cannot resolve, or None.

    For a record's topic only a 403 on the record, a missing collection and a broken filter are
    errors: the record may be created later, and a collection may allow to view but not to list.

    Raises:
        BosBaseError: a failure that may be temporary: the read is to be repeated.
    """
    path = f"/api/collections/{quote(request.collection, safe='')}/records"
    query, headers = dict(request.options.query), dict(request.options.headers)
    if not request.one:
        return _final(lambda: read(path, {**query, "perPage": "1", "skipTotal": "1"}, headers))
    rest = {key: value for key, value in query.items() if key != "filter"}
    error = _final(lambda: read(f"{path}/{quote(request.record, safe='')}", rest, headers))
    if error is not None and error.status == 403:
        return error
    if error is None and "filter" not in query:
        return None
    listed = _final(lambda: read(path, {**query, "perPage": "1", "skipTotal": "1"}, headers))
    return None if listed is not None and listed.status == 403 else listed


def _final(call: Callable[[], Any]) -> ClientResponseError | None:
    try:
        call()
    except UnreadableError:
        return None  # the server returned the records; decoding is not what is checked
    except ClientResponseError as error:
        if error.status not in (400, 403, 404):
            raise
        return error
    return None


class Preflight:
    """Runs each request once, however many subscribers wait for it, and repeats a read that failed
    while any of them still waits.

    Args:
        read: performs a GET with a path, a query and headers.
        pool: runs the reads.
        control: schedules the repetitions.
        policy: how long to wait before a repetition.
        identity: returns the login with which a read that begins now is made.
    """

    def __init__(
        self,
        read: Read,
        pool: Pool,
        control: SerialScheduler,
        policy: BackoffPolicy,
        identity: Callable[[], str],
    ) -> None:
        self._read = read
        self._pool = pool
        self._control = control
        self._policy = policy
        self._identity = identity
        self._lock = threading.Lock()
        self._waiting: dict[PreflightRequest, list[tuple[OnResult, IsWanted]]] = {}
        self._passed: dict[PreflightRequest, float] = {}

    def check(self, request: PreflightRequest, on_result: OnResult, wanted: IsWanted) -> None:
        """Call ``on_result(error or None)`` once the result is known, at once if it is already.

        Once ``wanted()`` is false the call may be omitted.
        """
        with self._lock:
            known = self._control.time() < self._passed.get(request, 0.0)
            if not known:
                waiting = self._waiting.setdefault(request, [])
                waiting.append((on_result, wanted))
                if len(waiting) > 1:
                    return
        if known:
            on_result(None)
        else:
            self._pool.submit(partial(self._run, request, 1))

    def _run(self, request: PreflightRequest, attempt: int) -> None:
        if not self._is_wanted(request):
            return
        is_certain = True
        try:
            result = access_error(request, self._read)
        except BosBaseError as error:
            # The topic is submitted all the same; only its check has to wait.
            wait = max(self._policy.delay(attempt), asked_to_wait(error))
            name = request.collection
            log.info("the check of %r failed, again in %.1f s: %s", name, wait, error)
            again = partial(self._pool.submit, partial(self._run, request, attempt + 1))
            self._control.call_later(wait, again)
            return
        except Exception:
            # The request could not be sent: that proves nothing about the topic.
            log.exception("the check of %r could not be made", request.collection)
            result, is_certain = None, False
        # After a login or logout since the request, the result is that of another identity: a
        # refusal of the former one must not end subscriptions of the current one.
        identity = self._identity()
        is_current = request.identity == identity
        with self._lock:
            waiting = self._waiting.pop(request, [])
            if is_certain and is_current and result is None:
                if len(self._passed) >= MAX_RESULTS:
                    self._passed.clear()
                self._passed[request] = self._control.time() + RESULT_SECONDS
        for on_result, wanted in waiting:
            if is_current or result is None:
                on_result(result)
            else:
                self.check(replace(request, identity=identity), on_result, wanted)

    def _is_wanted(self, request: PreflightRequest) -> bool:
        """Remove the subscribers that were disposed meanwhile; return False if none is left."""
        with self._lock:
            waiting = self._waiting.pop(request, [])
            staying = [(on_result, wanted) for on_result, wanted in waiting if wanted()]
            if staying:
                self._waiting[request] = staying
            return bool(staying)
