"""The state of the fake server: records, the meaning of filters, refusals and logins."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any
from urllib.parse import unquote

from rxbosbase.auth.store import token_claims
from rxbosbase.encoding.json import decode, encode
from rxbosbase.encoding.narrowing import is_array, is_object
from rxbosbase.encoding.record import Record
from rxbosbase.errors import ClientResponseError
from rxbosbase.records.filters import GUARDS

from .database import Database
from .literals import Matches, read_filter
from .logins import Logins

__all__ = ("NOTHING", "Tables", "resolve_answer")


NOTHING = object()
"""Stands for the content of an event where there is none."""

_RECORDS = re.compile(r"/api/collections/(?P<name>[^/]+)/records(?:/(?P<id>[^/]+))?")


class Tables:
    """Collections in memory. They exist as soon as they are named.

    Args:
        written: called with collection, action and record after each change by a request.
        database: gives the order of the rows, and the ids.
        now: returns the seconds since the start, for ids that hold the time.

    Attributes:
        rows: the records by collection and id.
        filters: the function of the record that each filter text stands for.
        hidden: the fields of each collection that events do not have.
        answers: the responses to other requests, by method and path.
        refused: the error of each collection whose requests are refused.
        logins: the users that can log in.
    """

    def __init__(
        self,
        written: Callable[[str, str, Record], object],
        database: Database,
        now: Callable[[], float],
    ) -> None:
        self.database = database
        self.rows: dict[str, dict[str, Record]] = {}
        self.filters: dict[str, Matches] = {}
        self.hidden: dict[str, set[str]] = {}
        self.refused: dict[str, ClientResponseError] = {}
        self.answers: dict[tuple[str, str], Any] = {}
        self.logins = Logins(lambda collection, id: self.rows.get(collection, {}).get(id))
        self._written = written
        self._now = now
        self._numbers = count(1)

    def change(
        self, collection: str, action: str, given: Mapping[str, Any], user: str | None = None
    ) -> Record:
        """Apply a change; return the whole record, after a delete its last state."""
        rows = self.rows.setdefault(collection, {})
        record = decode(encode(given))  # as JSON has it
        if "id" not in record:
            if action != "create":
                raise ValueError(f"an event of {action!r} needs the record's id")
            record["id"] = self.database.new_id(next(self._numbers), self._now())
        record = (
            record if action == "delete" else self.database.with_server_fields(record, action, user)
        )
        record = {**rows.get(record["id"], {}), **record} if action != "create" else record
        if action == "delete":
            rows.pop(record["id"], None)
        else:
            rows[record["id"]] = record
        return record

    def filter(self, condition: str) -> Matches:
        """Return the function that evaluates a filter.

        Raises:
            ClientResponseError: 400, it is of the other dialect.
            UnknownFilterError: the test has not defined it.
        """
        if condition.startswith(GUARDS["plain"]):
            raise ClientResponseError(400, message="Invalid filter.")
        return read_filter(condition, self.filters, self.database.text_key)

    def event(self, collection: str, action: str, record: Record, query: Mapping[str, str]) -> Any:
        """Return the event of a change for a topic with these options; `NOTHING` if there is none.

        Raises:
            ClientResponseError, UnknownFilterError: as `filter`.
        """
        if collection in self.refused or not self.filter(query.get("filter") or "")(record):
            return NOTHING
        hidden = self.hidden.get(collection, ())
        visible = {name: value for name, value in record.items() if name not in hidden}
        return {"record": pick_fields(visible, query.get("fields") or ""), "action": action}

    def answer(
        self, method: str, path: str, query: Mapping[str, Any], body: Any, token: str = ""
    ) -> Any:
        """Return the server's response to a request.

        Raises:
            ClientResponseError: the request is refused, or the fake has no response to it.
            UnknownFilterError: the test has not defined the filter.
        """
        if (method, path) in self.answers:
            return resolve_answer(self.answers[method, path], body)
        if login := self.logins.answer(method, path, body, token):
            return login
        match = _RECORDS.fullmatch(path)
        if match is None:
            message = f"the fake has no answer: fake.answers[{method!r}, {path!r}] = …"
            raise ClientResponseError(404, path, message=message)
        name, id = unquote(match["name"]), unquote(match["id"] or "")
        refusal = self.refused.get(name)
        # An invalid filter affects the requests that have it alone.
        if refusal is not None and (refusal.status != 400 or "filter" in query):
            raise refusal
        if method == "POST":
            return self._write(name, "create", body, token)
        if not id:
            return self._page(name, query)
        record = self.rows.get(name, {}).get(id)
        if record is None:
            raise ClientResponseError(404, path, message="The requested resource wasn't found.")
        if method == "GET":
            return pick_fields(record, query.get("fields") or "")
        if method == "PATCH":
            return self._write(name, "update", {**body, "id": id}, token)
        self._write(name, "delete", record, token)
        return None

    def _write(self, collection: str, action: str, given: Mapping[str, Any], token: str) -> Record:
        user = token_claims(token).get("id", "") if token else ""
        record = self.change(collection, action, given, user)
        self._written(collection, action, record)
        return dict(record)

    def _page(self, collection: str, query: Mapping[str, Any]) -> dict[str, Any]:
        page, size = int(query.get("page", 1)), int(query.get("perPage", 30))
        matches = self.filter(query.get("filter") or "")
        rows = [row for row in self.rows.get(collection, {}).values() if matches(row)]
        found = self.database.sort(rows, query.get("sort") or "")
        items = pick_fields(found[(page - 1) * size : page * size], query.get("fields") or "")
        total = -1 if query.get("skipTotal") else len(found)
        pages = -1 if total < 0 else -(-total // size)
        return {
            "page": page, "perPage": size, "totalItems": total, "totalPages": pages,
            "items": items,
        }  # fmt: skip


def pick_fields(value: Any, fields: str) -> Any:
    """Return a copy of a record, or of several, with only these fields; modifiers such as
    ``:excerpt(9)`` have no effect.

    >>> pick_fields({"id": "a", "n": 1, "expand": {"by": {"id": "b", "n": 2}}}, "id,expand.by.n")
    {'id': 'a', 'expand': {'by': {'n': 2}}}
    """
    wanted: dict[str, Any] = {}
    for field in re.sub(r":\w+(\([^)]*\))?", "", fields).split(","):
        level = wanted
        for name in field.strip().split(".") if field.strip() else ():
            level = level.setdefault(name, {})
    return _part(decode(encode(value)), wanted)


def _part(value: Any, wanted: Mapping[str, Any]) -> Any:
    if not wanted:
        return value
    if is_array(value):
        return [_part(each, wanted) for each in value]
    if not is_object(value):
        return value
    return {
        name: _part(inner, wanted.get(name, {}))
        for name, inner in value.items()
        if name in wanted or "*" in wanted
    }


def resolve_answer(answer: Any, body: Any) -> Any:
    """Return the response for one of `Tables.answers`, or raise it if it is an exception."""
    if isinstance(answer, BaseException):
        raise answer
    return answer(body) if callable(answer) else answer
