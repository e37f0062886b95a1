"""A server in memory that refuses for a reason, or because it is in trouble, in virtual time.

Reasons are those of the question: the collection does not exist, its rules are for superusers, the
filter has a field that does not exist, the record does not exist. Trouble is what BosBase and what
is in front of it do: the database is away, or back while tokens cannot be looked up yet; single
connections to it fail once after that, and so do the first reads after a change of the fields; a
proxy answers with its own page; the server is busy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from rxbosbase.encoding.record import Record
from rxbosbase.errors import ClientResponseError
from rxbosbase.testing.database import DATABASES
from rxbosbase.testing.memory import MemoryStream, MemoryTransport
from rxbosbase.testing.tables import NOTHING, Tables
from rxbosbase.testing.virtual_time import VirtualClock

__all__ = ["FILTER", "LISTED", "POSTS", "Failure", "RefusalServer", "Rule", "State"]

POSTS = "posts"
LISTED = f"/api/collections/{POSTS}/records"
FILTER = "n > 0"
TROUBLE = -1
BARE = {"perPage", "skipTotal"}


class Rule(Enum):
    """Whom a collection lets list and view its records."""

    PUBLIC = "anybody"
    LOGIN = "who is logged in; a guest's list is empty"
    VIEWED = "anybody views, superusers list"
    LOCKED = "superusers"


class State(Enum):
    """Where the database is."""

    HERE = "here"
    AWAY = "away"
    NO_TOKENS = "back, but no token can be looked up yet: each request is a guest's"


class Failure(Enum):
    """What can happen to one request."""

    CONNECTION = "the request gets a connection to the database that is closed"
    PLAN = "… whose plan of the query is out of date"
    TOKEN = "… on which the token is looked up: the request is a guest's"
    PAGE = "a proxy answers with its own page"
    BUSY = "the server answers 503"


class RefusalServer(MemoryTransport):
    """The transport of a client, which has the login whose token `token` returns.

    Attributes:
        rule: that of the collection `POSTS`.
        exists: the collection does.
        has_field: the field of `FILTER` exists.
        state: where the database is.
        login_kind: whose token the client has: "user", "superuser", or "" for none.
        failures: what happens to the next requests, one each; None for nothing.
        refusals: when the question was refused for a reason, with the status `refused_with`, since
            the last other answer to it; a proxy's page, and a 503, are none.
        was_accepted: the question was answered well at least once.
        was_noticed: a request was refused since the database is away.
    """

    def __init__(self, clock: VirtualClock, token: Callable[[], str]) -> None:
        self.clock = clock
        self.rule = Rule.PUBLIC
        self.exists = self.has_field = True
        self.state = State.HERE
        self.failures: deque[Failure | None] = deque()
        self.refusals: list[float] = []
        self.refused_with = 0
        self.was_accepted = self.was_noticed = False
        self.login_kind = ""
        self._login = token
        self._is_unknown = False  # the token of the request that is being answered
        tables = Tables(lambda *_: None, DATABASES["sqlite"](), lambda: clock.now)
        tables.filters[FILTER] = lambda record: record["n"] > 0
        super().__init__(tables, clock, self._known_token)

    def _known_token(self) -> str:
        return self._login() if self.state is State.HERE and not self._is_unknown else ""

    # -- the truth -------------------------------------------------------------------------------

    @property
    def rows(self) -> dict[str, Record]:
        """The records of the collection."""
        return self.tables.rows.setdefault(POSTS, {})

    def refusal(self, *, filtered: bool, id: str = "", login: str) -> int:
        """Return the status with which a read is refused for a reason; 0 if it is answered."""
        if not self.exists:
            return 404
        if self._is_locked(id) and login != "superuser":
            return 403
        if id:
            return 0 if id in self.rows and (self.rule is not Rule.LOGIN or login) else 404
        return 400 if filtered and not self.has_field else 0

    def _is_locked(self, id: str) -> bool:
        return self.rule is Rule.LOCKED or (self.rule is Rule.VIEWED and not id)

    # -- requests --------------------------------------------------------------------------------

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Answer a request, or refuse it."""
        try:
            return self._answer(method, path, options)
        finally:
            self._is_unknown = False

    def _answer(self, method: str, path: str, options: dict[str, Any]) -> Any:
        query: Mapping[str, Any] = options.get("query") or {}
        id = path.removeprefix(f"{LISTED}/") if path.startswith(f"{LISTED}/") else ""
        is_question = bool(id) or (path == LISTED and set(query) != BARE)
        filtered = FILTER in query.get("filter", "")
        truth = self.refusal(filtered=filtered, id=id, login=self.login_kind)
        failure = self._next_failure(is_question=is_question)
        self._is_unknown = failure is Failure.TOKEN
        try:
            self._meet_trouble(failure, path, id)
        except ClientResponseError as error:
            is_refusal = error.original is None and error.status < 500
            self.was_noticed = self.was_noticed or is_refusal
            if is_question and is_refusal:
                # By the answer alone nobody can tell it from the truth if it is equal.
                self._note(truth if error.status == truth else TROUBLE)
            raise
        if not path.startswith(LISTED):
            return super().request(method, path, **options)
        status = self.refusal(filtered=filtered, id=id, login=self._current_login())
        if is_question:
            self._note(truth if status == truth else TROUBLE)
        if status:
            raise ClientResponseError(status, path)
        if self.rule is Rule.LOGIN and not self._known_token():
            return {"items": []}
        return super().request(method, path, **options)

    def _current_login(self) -> str:
        return self.login_kind if self._known_token() else ""

    def _note(self, status: int) -> None:
        if not status:
            self.was_accepted = True
        if status != self.refused_with:
            self.refusals.clear()
        self.refused_with = status
        if status not in (0, TROUBLE):
            self.refusals.append(self.clock.now)

    def _next_failure(self, *, is_question: bool) -> Failure | None:
        if not self.failures or (self.failures[0] is Failure.PLAN and not is_question):
            return None
        return self.failures.popleft()

    def _meet_trouble(self, failure: Failure | None, path: str, id: str) -> None:
        if failure is Failure.PAGE:
            raise ClientResponseError(404, path, original=ValueError("no JSON"))
        if failure is Failure.BUSY:
            raise ClientResponseError(503, path)
        if failure in (Failure.CONNECTION, Failure.PLAN) or self.state is State.AWAY:
            raise ClientResponseError(self._status_of_trouble(path, id), path)

    def _status_of_trouble(self, path: str, id: str) -> int:
        if path.endswith("/auth-refresh"):
            return 401
        is_locked = path.startswith(LISTED) and self.exists and self._is_locked(id)
        if is_locked and (self.state is State.AWAY or self.login_kind != "superuser"):
            return 403  # the rules are known, and the token is not
        return 404 if id else 400

    # -- writes ----------------------------------------------------------------------------------

    def write(self, action: str, record: Record) -> bool:
        """Change a record; return True if an event of it was sent."""
        changed = self.tables.change(POSTS, action, record)

        def content(name: str, query: Mapping[str, Any]) -> Any:
            if name not in (f"{POSTS}/*", f"{POSTS}/{changed['id']}"):
                return NOTHING
            return self.tables.event(POSTS, action, changed, query)

        return any(self.publish(content).values())

    def publish(
        self, content_of: Callable[[str, Mapping[str, Any]], Any], delay: float | None = 0.0
    ) -> dict[str, int]:
        """Send an event to the streams of those who may see it."""
        all_streams = self.streams
        self.streams = [each for each in all_streams if self._may_see(each)]
        try:
            return super().publish(content_of, delay)
        finally:
            self.streams = all_streams

    def _may_see(self, stream: MemoryStream) -> bool:
        identity = stream._identity
        id = "" if any(name.endswith("*") for name, _ in stream.topics.values()) else "its own"
        if not self.exists or not self.has_field:
            return False
        if self._is_locked(id):
            return bool(identity) and self.login_kind == "superuser"
        return self.rule is Rule.PUBLIC or bool(identity)

    def fail(self, failures: Iterable[Failure | None]) -> None:
        """Let this happen to the next requests, instead of what was to happen to them."""
        self.failures = deque(failures)
