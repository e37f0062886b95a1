"""The read before the stream: what tells a topic that works from one that never delivers.

The server accepts topics of missing collections, of forbidden ones and with broken filters, and
then stays silent for ever. A plain read with the same options answers 404, 403 or 400.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import quote

from rxbosbase.backoff import BackoffPolicy
from rxbosbase.errors import BosBaseError, ClientResponseError, UnreadableError
from rxbosbase.realtime.protocol.topics import Options
from rxbosbase.runtime.retry_delay import asked_to_wait
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.threads import Pool

__all__ = ["Preflight", "Question", "verdict_on"]

log = logging.getLogger("rxbosbase.preflight")

TRUST_SECONDS = 30.0
"""How long a good verdict serves further subscribers of the same question."""

MAX_TRUSTED = 1000
"""Good verdicts kept; beyond that the memory of them starts afresh, and costs reads only."""

Read = Callable[[str, dict[str, str], dict[str, str]], Any]
Answer = Callable[[BosBaseError | None], None]
Wanted = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Question:
    """What one read settles: not which record is asked for, but under which rule and options.

    Attributes:
        collection: name or id.
        one: True for a record's topic (the view rule), False for ``*`` (the list rule).
        options: query and headers of the topic.
        identity: who asks.
        record: the id to ask with; any one serves all.
    """

    collection: str
    one: bool
    options: Options
    identity: str
    record: str = field(default="", compare=False)


def verdict_on(question: Question, read: Read) -> BosBaseError | None:
    """Asks; the error that retrying cannot mend, or None. Raises what may pass by itself.

    For a record's topic only a 403 on the record, a missing collection and a broken filter are
    errors: the record may come later, and a collection may allow to view but not to list.
    """
    path = f"/api/collections/{quote(question.collection, safe='')}/records"
    query, headers = dict(question.options.query), dict(question.options.headers)
    if not question.one:
        return _final(lambda: read(path, {**query, "perPage": "1", "skipTotal": "1"}, headers))
    rest = {key: value for key, value in query.items() if key != "filter"}
    error = _final(lambda: read(f"{path}/{quote(question.record, safe='')}", rest, headers))
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
        return None  # the server gave the records: that one cannot be decoded is another matter
    except ClientResponseError as error:
        if error.status not in (400, 403, 404):
            raise
        return error
    return None


class Preflight:
    """Answers each question once, however many ask, and tries again while it has no answer and
    anybody still wants one.

    Args:
        identity: as whom a read that begins now is made.
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
        self._asked: dict[Question, list[tuple[Answer, Wanted]]] = {}
        self._trusted: dict[Question, float] = {}

    def ask(self, question: Question, answer: Answer, wanted: Wanted) -> None:
        """Calls ``answer(error or None)`` once it is known; at once if it is already.

        Not at all, perhaps, once ``wanted()`` is false.
        """
        with self._lock:
            known = self._control.time() < self._trusted.get(question, 0.0)
            if not known:
                waiting = self._asked.setdefault(question, [])
                waiting.append((answer, wanted))
                if len(waiting) > 1:
                    return
        if known:
            answer(None)
        else:
            self._pool.submit(partial(self._work, question, 1))

    def _work(self, question: Question, attempt: int) -> None:
        if not self._is_wanted(question):
            return
        trusted = True
        try:
            verdict = verdict_on(question, self._read)
        except BosBaseError as error:
            # The topic is up all the same; only its check has to wait.
            wait = max(self._policy.delay(attempt), asked_to_wait(error))
            name = question.collection
            log.info("the check of %r failed, again in %.1f s: %s", name, wait, error)
            again = partial(self._pool.submit, partial(self._work, question, attempt + 1))
            self._control.call_later(wait, again)
            return
        except Exception:
            # A read that cannot even be made says nothing against the topic, nor for it.
            log.exception("the check of %r could not be made", question.collection)
            verdict, trusted = None, False
        # After a login or logout since the question, it was answered for somebody else: who may
        # have the topic now must not be sent away for what the one before was refused.
        identity = self._identity()
        mine = question.identity == identity
        with self._lock:
            waiting = self._asked.pop(question, [])
            if trusted and mine and verdict is None:
                if len(self._trusted) >= MAX_TRUSTED:
                    self._trusted.clear()
                self._trusted[question] = self._control.time() + TRUST_SECONDS
        for answer, wanted in waiting:
            if mine or verdict is None:
                answer(verdict)
            else:
                self.ask(replace(question, identity=identity), answer, wanted)

    def _is_wanted(self, question: Question) -> bool:
        """Forgets who has left meanwhile; False if nobody is left to be answered."""
        with self._lock:
            waiting = self._asked.pop(question, [])
            staying = [(answer, wanted) for answer, wanted in waiting if wanted()]
            if staying:
                self._asked[question] = staying
            return bool(staying)
