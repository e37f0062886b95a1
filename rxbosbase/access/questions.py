"""Questions to the server whose refusal would end something, and whether it is to be believed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, TypeGuard, TypeVar
from urllib.parse import quote

import msgspec

from rxbosbase.errors import (
    AnswerTooLargeError,
    AuthLostError,
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    UnreadableError,
)

from .refusals import (
    ATTEMPTS,
    OK,
    REFUSAL_SECONDS,
    STATUSES,
    Control,
    Kind,
    RefusalCount,
    is_believed,
)

__all__ = ("AccessQuestions", "BelievedRefusal", "Question", "Read", "is_refusal", "records_path")

Read = Callable[[str, Mapping[str, Any], Mapping[str, str]], Any]
"""Makes a GET: path, query, headers."""

T = TypeVar("T")

_NO_TROUBLE = (ClientClosedError, UnreadableError, AnswerTooLargeError)
"""Errors that show no trouble of the server."""

LOST_SECONDS = 60.0
"""Seconds after which a login that is lost is asked for again."""


class Question(msgspec.Struct, frozen=True):
    """What is asked, as far as the control questions depend on it.

    Attributes:
        collection: name or id of the one whose list is the control question; "" for a login.
        headers: the headers of the request, which the collection's rules may read.
    """

    kind: Kind
    collection: str = ""
    headers: Mapping[str, str] = {}


class BelievedRefusal(Exception):
    """The server refuses a question, and is believed.

    Attributes:
        error: the server's answer.
    """

    def __init__(self, error: ClientResponseError) -> None:
        super().__init__(str(error))
        self.error = error


class AccessQuestions:
    """Asks questions, and the control questions of those that are refused. From any thread.

    A server that cannot look up a token may answer as to a guest: a list has fewer rows then, with
    status 200. So after a refusal that is not believed, ``auth-refresh`` has to be answered well
    before an answer to a login counts.

    Args:
        read: makes the list reads.
        refresh: makes an ``auth-refresh``; returns its response.
        other_collections: returns collections that a guest, too, may list, as far as any is known.
        token: returns the token with which requests are made, "" for none.
        has_expired: returns True if it has, by the client's clock: one refusal is final then, and
            needs no control question.
        on_trouble: called after each sign that the server is in trouble; must not wait.
        on_login: called with the error once a login is lost, by the rules of `RefusalCount`; with
            None once the server accepts it again. Must not wait.
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        read: Read,
        refresh: Callable[[], dict[str, Any]],
        other_collections: Callable[[], tuple[str, ...]],
        token: Callable[[], str],
        has_expired: Callable[[], bool],
        on_trouble: Callable[[], object],
        on_login: Callable[[AuthLostError | None], object],
        now: Callable[[], float],
    ) -> None:
        self._read = read
        self._refresh = refresh
        self._other_collections = other_collections
        self._token = token
        self._has_expired = has_expired
        self._on_trouble = on_trouble
        self._on_login = on_login
        self._now = now
        self._lock = threading.Lock()
        self._doubts = 0  # how many refusals were not believed
        self._settled = 0  # how many of them a good answer to the login has followed
        self._unchecked_since = inf  # the first refresh that failed, of those in a row
        self._refusals = RefusalCount(is_accepted=True)  # that of the login
        self._refused_token: str = ""
        self._lost_token: str = ""
        self._lost_again_at = 0.0  # when to ask whether a lost login is accepted again

    @property
    def has_login(self) -> bool:
        """True if requests carry a token; False for one that the server has refused for good: it
        answers then as to a guest."""
        return self._token() not in ("", self._lost_token)

    def ask(self, question: Question, call: Callable[[], T]) -> T:
        """Return ``call()``. It is made again if it was refused and a control question shows no
        other reason, and if there was a refusal meanwhile that is not believed.

        Raises:
            BelievedRefusal: a refusal that is believed.
            BosBaseError: any other error, a refusal that is not believed included.
        """
        try:
            self._refresh_if_doubted()
            answer = self._asked(question, call)
            if self._refresh_if_doubted():  # once is enough: a good refresh has preceded it
                answer = self._asked(question, call)
            return answer
        except _NO_TROUBLE:
            raise
        except BosBaseError as error:
            self._note_trouble(error)
            raise

    def refresh(self) -> dict[str, Any]:
        """Return the response to an ``auth-refresh``; saves nothing.

        Raises:
            BelievedRefusal: the token is refused, and not yet for good.
            AuthLostError: it is refused for good.
            BosBaseError: any other error.
        """
        token, has_expired, doubts = self._token(), self._has_expired(), self._doubts
        try:
            answer = self._asked(Question(Kind.LOGIN), self._refresh)
        except BelievedRefusal as refused:
            if self._count_refusal(token, refused.error, has_expired=has_expired):
                raise _auth_lost(refused.error) from refused.error
            raise
        except _NO_TROUBLE:
            raise
        except BosBaseError as error:
            if is_refusal(error):
                if has_expired and self._count_refusal(token, error, has_expired=True):
                    raise _auth_lost(error) from error
                with self._lock:
                    self._refusals.troubled()
            self._note_trouble(error)
            raise
        with self._lock:
            self._refusals.accepted()
            was_lost = token != "" and token == self._lost_token
            self._lost_token = ""
            self._settled = doubts
            self._unchecked_since = inf
        if was_lost:
            self._on_login(None)
        return answer

    def recheck_login(self) -> None:
        """Ask whether the server accepts the login, because of what follows if it does not."""
        with suppress(BelievedRefusal, BosBaseError):  # each is noted
            self.refresh()

    def doubt(self) -> None:
        """Note that the server may not know who is asking."""
        with self._lock:
            self._doubts += 1

    def _count_refusal(self, token: str, error: ClientResponseError, *, has_expired: bool) -> bool:
        """Count a refusal of the token; return True if it is lost."""
        if token != self._token():
            return False  # another login meanwhile
        with self._lock:
            if token != self._refused_token:
                self._refused_token, self._refusals = token, RefusalCount(is_accepted=True)
            is_lost = self._refusals.refused(error.status, self._now()) or has_expired
            is_news = is_lost and token != self._lost_token
            if is_lost:
                self._lost_token, self._lost_again_at = token, self._now() + LOST_SECONDS
        if is_news:
            self._on_login(_auth_lost(error))
        return is_lost

    def _refresh_if_doubted(self) -> bool:
        """Refresh if there was a refusal that is not believed since the last time; return True if
        there was."""
        token, doubts = self._token(), self._doubts
        if token and token == self._lost_token:
            self._ask_again_for_the_lost()
            return False
        if not token or self._settled == doubts:
            return False
        try:
            self.refresh()
        except BelievedRefusal as refused:
            raise refused.error from None
        except AuthLostError:  # a guest, from now on
            self._settled = doubts
        except _NO_TROUBLE:
            raise
        except BosBaseError as error:
            if not self._may_go_unchecked(error):
                raise
            self._settled = self._doubts
        return True

    def _ask_again_for_the_lost(self) -> None:
        """Ask now and then for a login that is lost: the server may accept it again."""
        with self._lock:
            is_due = self._now() >= self._lost_again_at
            if is_due:
                self._lost_again_at = self._now() + LOST_SECONDS
        if is_due:
            self.recheck_login()

    def _may_go_unchecked(self, error: BosBaseError) -> bool:
        """Return True after half a minute of failures that are not the server's refusals: a proxy
        may let no refresh through, and reads may be answered all the same."""
        if is_refusal(error):
            return False
        self._unchecked_since = min(self._unchecked_since, self._now())
        return self._now() - self._unchecked_since >= REFUSAL_SECONDS

    def _note_trouble(self, error: BosBaseError) -> None:
        """Note a failure. Only a refusal shows that the server may not know who is asking."""
        if is_refusal(error):
            self.doubt()
        self._on_trouble()

    def _asked(self, question: Question, call: Callable[[], T]) -> T:
        token = self._token()
        try:
            return call()
        except ClientResponseError as error:
            first = error
        asked: list[Control] = []
        if not self._is_believed(question, first, asked):
            raise first
        for _ in range(ATTEMPTS - 1 if asked else 0):
            try:
                answer = call()
            except ClientResponseError as error:
                if error.status != first.status or error.original is not None:
                    raise
            else:
                if token == self._token():  # no other login was the reason
                    self._note_trouble(first)  # which is over, but a stream may be a guest's since
                return answer
        raise BelievedRefusal(first)

    def _is_believed(
        self, question: Question, error: ClientResponseError, asked: list[Control]
    ) -> bool:
        if error.original is not None:  # a proxy's page
            return False

        def ask(control: Control) -> int:
            asked.append(control)
            if control is Control.LOGIN:
                return _status(self._refresh)
            return self._list_status(question)

        return is_believed(question.kind, error.status, has_login=self.has_login, ask=ask)

    def _list_status(self, question: Question) -> int:
        """Return the status of the list that is the control question.

        A list that is locked is refused with 403 whether the database is there or not. So for
        anything but a list, another one may show that it is; or with another status, that it is
        not.
        """
        names = [question.collection] if question.collection else []
        if question.kind is not Kind.LIST:
            names += [name for name in self._other_collections() if name not in names]
        statuses: list[int] = []
        for name in names:
            path, query = records_path(name), {"perPage": "1", "skipTotal": "1"}
            statuses.append(_status(partial(self._read, path, query, question.headers)))
            if statuses[-1] == OK:
                return OK
        return next((status for status in statuses if status not in (403, 404)), statuses[0])


def is_refusal(error: Exception) -> TypeGuard[ClientResponseError]:
    """Return True for a refusal of the server itself, by a status that has control questions."""
    return isinstance(error, BosBaseError) and _own_status(error) in STATUSES


def _own_status(error: BosBaseError) -> int:
    """Return the status of an error that the server itself answered; 0 for any other."""
    if isinstance(error, ClientResponseError) and error.original is None:
        return error.status
    return 0


def _status(call: Callable[[], object]) -> int:
    """Return the status of the answer; 0 for none, and for one that is not the server's own."""
    try:
        call()
    except (UnreadableError, AnswerTooLargeError):
        return OK  # the server returned the records; decoding is not what is asked
    except BosBaseError as error:
        return _own_status(error)
    return OK


def _auth_lost(error: ClientResponseError) -> AuthLostError:
    lost = AuthLostError(f"the server does not accept the login any more, log in: {error}")
    lost.__cause__ = error
    return lost


def records_path(collection: str) -> str:
    """Return the path of a collection's records.

    >>> records_path("posts")
    '/api/collections/posts/records'
    """
    return f"/api/collections/{quote(collection, safe='')}/records"
