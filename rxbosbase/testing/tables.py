"""What the fake server knows: records, what filters mean, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any
from urllib.parse import unquote

from rxbosbase.auth import token_claims
from rxbosbase.errors import ClientResponseError
from rxbosbase.filters import GUARDS
from rxbosbase.jsontext import decode, encode

from .database import Database
from .literals import decide, unescaped
from .logins import Logins

__all__ = ["Matches", "Record", "Tables"]

Record = dict[str, Any]
Matches = Callable[[Record], bool]

_RECORDS = re.compile(r"/api/collections/(?P<name>[^/]+)/records(?:/(?P<id>[^/]+))?")
_BEHIND = re.compile(
    rf"(?:\((?P<own>.*)\) && )?(?:{re.escape(GUARDS['escaped'])} && \()?"
    r"id > '(?P<last>(?:\\.|[^'\\])*)'\)?",
    re.DOTALL,
)
"""How the library itself asks for the next page."""


class Tables:
    """Collections in memory. They exist as soon as they are named.

    Args:
        written: called with collection, action and record after each change by a request.
        database: the order of the rows, and the ids.
        now: seconds since the start, for ids that hold the time.

    Attributes:
        rows: the records by collection and id.
        filters: what each filter text means, as a function of the record.
        answers: what other requests are answered with, by method and path.
        refused: the error of each collection that is refused.
        logins: who can log in.
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
        self.refused: dict[str, ClientResponseError] = {}
        self.answers: dict[tuple[str, str], Any] = {}
        self.logins = Logins(lambda collection, id: self.rows.get(collection, {}).get(id))
        self._written = written
        self._now = now
        self._numbers = count(1)

    def change(
        self, collection: str, action: str, given: Mapping[str, Any], user: str | None = None
    ) -> Record:
        """Does what an event tells of; the whole record, after a delete as it last was."""
        rows = self.rows.setdefault(collection, {})
        record = decode(encode(given))  # as the wire would carry it
        if "id" not in record:
            if action != "create":
                raise ValueError(f"an event of {action!r} needs the record's id")
            record["id"] = self.database.new_id(next(self._numbers), self._now())
        record = record if action == "delete" else self.database.signed(record, action, user)
        record = {**rows.get(record["id"], {}), **record} if action != "create" else record
        if action == "delete":
            rows.pop(record["id"], None)
        else:
            rows[record["id"]] = record
        return record

    def matches(self, record: Record, condition: str) -> bool:
        """Whether `record` passes a filter.

        Raises:
            ValueError: nobody has said what the filter means.
        """
        if condition in ("", GUARDS["escaped"]):
            return True
        if condition == GUARDS["plain"]:
            raise ClientResponseError(400, message="Invalid filter.")
        known = self.filters.get(condition)
        if known is None:
            holds, rest = decide(condition, self.database.text_key)
            if rest != condition and (not holds or not rest or rest in self.filters):
                return holds and (not rest or bool(self.filters[rest](record)))
            raise ValueError(
                "the fake does not read filters, tell it what this one means: "
                f"fake.filters[{condition!r}] = lambda record: …"
            )
        return bool(known(record))

    def select(
        self, collection: str, condition: str = "", sort: str = "", limit: int | None = None
    ) -> list[Record]:
        """The records that match, sorted as the server does, by id at last."""
        rows = list(self.rows.get(collection, {}).values())
        if behind := _BEHIND.fullmatch(condition):
            condition = behind["own"] or ""
            place = self.database.text_key
            last = place(unescaped(behind["last"]))
            rows = [row for row in rows if place(row["id"]) > last]
        found = [row for row in rows if self.matches(row, condition)]
        return self.database.sort(found, sort)[:limit]

    def check(self, path: str, *_: object) -> Any:
        """Raises what a refused collection is answered with."""
        place = _RECORDS.fullmatch(path)
        if place and (error := self.refused.get(unquote(place["name"]))):
            raise error
        return {"items": []}

    def answer(
        self, method: str, path: str, query: Mapping[str, Any], body: Any, token: str = ""
    ) -> Any:
        """What the server would say to a request.

        Raises:
            ClientResponseError: refused; or the fake has no answer.
        """
        if (method, path) in self.answers:
            return _said(self.answers[method, path], body)
        if login := self.logins.answer(method, path, body, token):
            return login
        place = _RECORDS.fullmatch(path)
        if place is None:
            message = f"the fake has no answer: fake.answers[{method!r}, {path!r}] = …"
            raise ClientResponseError(404, path, message=message)
        self.check(path)
        name, id = unquote(place["name"]), unquote(place["id"] or "")
        if method == "POST":
            return self._write(name, "create", body, token)
        if not id:
            return self._page(name, query)
        record = self.rows.get(name, {}).get(id)
        if record is None:
            raise ClientResponseError(404, path, message="The requested resource wasn't found.")
        if method == "GET":
            return dict(record)
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
        found = self.select(collection, query.get("filter") or "", query.get("sort") or "")
        items = [dict(record) for record in found[(page - 1) * size : page * size]]
        total = -1 if query.get("skipTotal") else len(found)
        pages = -1 if total < 0 else -(-total // size)
        return {
            "page": page, "perPage": size, "totalItems": total, "totalPages": pages,
            "items": items,
        }  # fmt: skip

    def matching_topics(
        self, topics: Mapping[str, tuple[str, str]], collection: str, record: Record
    ) -> Iterator[str]:
        """Those of `topics` (text: name and filter) that an event of this record goes out on."""
        names = (f"{collection}/*", f"{collection}/{record['id']}")
        for wire, (name, condition) in topics.items():
            if name in names and self.matches(record, condition):
                yield wire


def _said(answer: Any, body: Any) -> Any:
    if isinstance(answer, BaseException):
        raise answer
    return answer(body) if callable(answer) else answer
