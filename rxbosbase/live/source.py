"""Where a live view's rows come from: the reads its core asks for, as requests to the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import quote

from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.encoding.utf8 import encodable
from rxbosbase.errors import ClientResponseError, ProtocolError, UnreadableError
from rxbosbase.live.engine.field_plan import AGE, FieldPlan, plan_fields
from rxbosbase.live.engine.messages import (
    Ask,
    ReadLiterals,
    ReadOrder,
    ReadPage,
    ReadRequest,
    ReadWindow,
    Record,
)
from rxbosbase.realtime.protocol.topics import Options, Topic, normalise_options, record_topic
from rxbosbase.records.filter_dialect import FilterDialect, Read
from rxbosbase.records.filters import without_comments
from rxbosbase.records.paging import PageSize, Passed, read_by_offset, read_fitting

__all__ = ["Query", "QuerySource", "RecordSource", "Source"]

MAX_FILTER = 3500
"""Characters of a filter; the server answers a longer one with 400."""

MAX_TERMS = 200
"""Comparisons in a filter; the same. The user's own count, too."""

MAX_SORT_KEYS = 8
"""Keys of a sort; the same."""

MAX_PER_PAGE = 1000
"""Rows of a page; the server gives no more."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a view shows: the arguments of ``collection.live``, checked and comparable."""

    collection: str
    options: Options
    sort: str = ""
    limit: int | None = None

    def get(self, name: str) -> str:
        """A query option, "" where it is not given."""
        return self.given.get(name, "")

    @property
    def given(self) -> dict[str, str]:
        """The query options that are given."""
        return dict(self.options.query)

    @property
    def plan(self) -> FieldPlan:
        """The fields to ask for, and to take away again."""
        return plan_fields(self.get("fields"), self.sort, self.get("expand"))

    @property
    def headers(self) -> dict[str, str]:
        """Headers that the rules may look at."""
        return dict(self.options.headers)

    @property
    def path(self) -> str:
        """Where its rows are read."""
        return f"/api/collections/{quote(self.collection, safe='')}/records"

    def topic(self, id: str) -> Topic:
        """The topic of this record, or of all by "*", with the fields the view itself needs."""
        query = {**self.given, "fields": self.plan.asked}
        return record_topic(self.collection, id, query=query, headers=self.headers)


class QuerySource:
    """The rows that match a filter."""

    def __init__(
        self, query: Query, read: Read, dialect: FilterDialect, page: int = MAX_PER_PAGE
    ) -> None:
        page = min(page, query.limit or page)
        self.query = query
        self._read = read
        self._dialect = dialect
        self._where = (query.collection, query.headers)
        self._fields = query.plan.asked
        self._huge: dict[str, Record] = {}  # the stamps of a window's rows that fit into no answer
        # Stamps are small, whatever the rows are.
        self._size, self._stamps_size, self._batch = PageSize(page), PageSize(page), PageSize(page)

    def topic(self) -> Topic:
        """The topic of the view's own events."""
        return self.query.topic("*")

    def watch(self) -> Topic | None:
        """The topic of hints about what leaves the view: the whole collection, but of each record
        its id and age alone. None where nothing can leave unheard."""
        if not self.query.get("filter"):
            return None
        return watch_topic(self.query.collection, self.query.headers)

    def rows(self, request: ReadRequest) -> tuple[list[Record], bool]:
        """One page, the rows of some ids, or the window in the server's order."""
        if isinstance(request, ReadWindow):
            return self._arranged(), True
        return self._dialect.retried(*self._where, partial(self._rows, request))

    def _rows(
        self, request: Ask | ReadPage | ReadOrder | ReadLiterals
    ) -> tuple[list[Record], bool]:
        if isinstance(request, ReadPage):
            return self._a_page(request)
        if isinstance(request, ReadOrder):
            return self._in_order()
        if isinstance(request, ReadLiterals):
            return self._compared(request.condition), True
        found: list[Record] = []
        named = [id for id in request.ids if self._dialect.can_name(*self._where, id)]
        if len(named) < len(request.ids):
            found += self._searched(set(request.ids).difference(named))
        while named:
            some, asked = read_fitting(
                self._batch,
                partial(self._named, named, self._fields),
                partial(self._named, named, self._stamps(), 1),
                by_id=True,
            )
            found += some
            named = named[asked:]
        return found, True

    def _named(self, ids: Sequence[str], fields: str, count: int) -> list[Record]:
        """The rows of the first `count` ids."""
        found: list[Record] = []
        for condition in self._conditions(ids[:count]):
            found += self._list(condition, fields, count)
        return found

    def _searched(self, ids: set[str]) -> Iterator[Record]:
        """The rows of ids that no filter of this server can name: among all the view's rows."""
        page, passed = ReadPage(), Passed()
        while True:
            rows, last = self._a_page(page)
            yield from (row for row in rows if row["id"] in ids)
            if last:
                return
            page = ReadPage(after=rows[-1]["id"])
            passed.add(page.after)

    def _arranged(self) -> list[Record]:
        read = partial(self._page, fields=self._fields, sort=self._sort())
        stamps = partial(self._page, fields=self._stamps(), sort=self._sort())
        rows = self._around_huge(stamps) if self._huge else []
        rows = rows or read_by_offset(self._size, read, stamps, limit=self.query.limit)
        self._huge = {
            row["id"]: dict(row)
            for row in rows
            if isinstance(row, UnreadableRow) and not row.depth and row.get("updated")
        }
        return rows

    def _in_order(self) -> tuple[list[Record], bool]:
        """All rows in the view's order, of each its id and what it is sorted by; and whether they
        came in one answer."""
        answers = 0

        def read(page: int, size: int) -> list[Record]:
            nonlocal answers
            answers += 1
            return self._page(page, size, fields=self.query.plan.sorted_by, sort=self._sort())

        return read_by_offset(self._stamps_size, read), answers == 1

    def _compared(self, condition: str) -> list[Record]:
        """A row of the collection if the condition is true, which names no field."""
        try:
            return self._page(1, 1, expand="", fields="id", filter=condition)
        except ClientResponseError as error:
            if error.status != 400:
                raise
            return []  # a server that compares no literals

    def _around_huge(self, stamps: Callable[[int, int], list[Record]]) -> list[Record]:
        """The window, without reading what was too large for an answer and has the same stamps
        still; empty where there is no such record. To find it out anew costs several answers of
        the largest size, at each change of any record."""
        order = read_by_offset(self._stamps_size, stamps, limit=self.query.limit)
        found: dict[str, Record] = {
            row["id"]: UnreadableRow(row, "", 0)
            for row in order
            if row == self._huge.get(row["id"])
        }
        if not found:
            return []
        others, _ = self._rows(Ask(tuple(row["id"] for row in order if row["id"] not in found)))
        found.update((row["id"], row) for row in others)
        return [found[row["id"]] for row in order if row["id"] in found]

    def _sort(self) -> str:
        keys = [key.strip().lstrip("+-") for key in self.query.sort.split(",")]
        if "id" in keys or "@random" in keys or len(keys) >= MAX_SORT_KEYS:
            return self.query.sort
        return f"{self.query.sort},id" if self.query.sort else "id"

    def _a_page(self, request: ReadPage) -> tuple[list[Record], bool]:
        conditions = [self.query.get("filter")]
        if request.after:
            conditions.append(self._condition("id > {:id}", id=request.after))
        if request.since:
            conditions.append(self._condition("updated >= {:since}", since=request.since))
        condition = _all(conditions)
        sort = self._sort() if request.arranged else "id"
        stamps = partial(self._list, condition, self._stamps(), sort=sort)
        if request.whole:
            whole = partial(self._list, condition, self._fields, sort=sort)
            rows, asked = read_fitting(self._size, whole, partial(stamps, 1))
        else:
            rows, asked = read_fitting(self._stamps_size, stamps)
        if len(rows) < asked or request.arranged:
            return rows, len(rows) < asked
        named = self._dialect.up_to_a_name(*self._where, [row["id"] for row in rows])
        return rows[: len(named)], False

    def _condition(self, expression: str, **values: Any) -> str:
        return self._dialect.build(*self._where, expression, **values)

    def _list(self, condition: str, fields: str, size: int, sort: str = "id") -> list[Record]:
        size = min(max(size, 1), MAX_PER_PAGE)
        return self._page(1, size, filter=condition, fields=fields, sort=sort)

    def _page(self, page: int, size: int, **asked: str) -> list[Record]:
        """The rows of a page, by its number from 1 on."""
        paged = {"page": page, "perPage": size, "skipTotal": 1}
        query = self.query
        answer = _what_could_be_read(
            self._read, query.path, {**query.given, **asked, **paged}, query.headers
        )
        return checked_rows(answer.get("items") if isinstance(answer, dict) else None)

    def _conditions(self, ids: Iterable[str]) -> Iterator[str]:
        """The question's filter, cut into several where one would be too long."""
        own = self.query.get("filter")
        room = MAX_FILTER - len(own) - len("() && ()")
        terms = MAX_TERMS - 1 - own.count("&&") - own.count("||")
        part: list[str] = []
        for id in ids:
            term = self._condition("id = {:id}", id=id)
            used = sum(1 + each.count("&&") for each in [*part, term])
            if part and (used > terms or len(" || ".join([*part, term])) > room):
                yield _all([own, " || ".join(part)])
                part = []
            part.append(term)
        if part:
            yield _all([own, " || ".join(part)])

    def _stamps(self) -> str:
        places = [(), *self.query.plan.relations]
        paths = [(*place, name) for place in places for name in AGE]
        return ",".join(".".join(path) for path in paths)


class RecordSource:
    """One record, by the collection's view rule."""

    def __init__(self, query: Query, id: str, read: Read) -> None:
        self.query = query
        self._id = id
        self._read = read

    def topic(self) -> Topic:
        """The record's own topic."""
        return self.query.topic(self._id)

    def watch(self) -> Topic | None:
        """Nothing: the record's topic tells whatever happens to it."""
        return None

    def rows(self, request: ReadRequest) -> tuple[list[Record], bool]:
        """The record, if it is there and may be seen."""
        try:
            return read_fitting(
                PageSize(1),
                lambda _: self._row(self.query.plan.asked),
                lambda: self._row(",".join(AGE)),
                by_id=True,
            )[0], True
        except ClientResponseError as error:
            if error.status not in (403, 404):
                raise
            return [], True

    def _row(self, fields: str) -> list[Record]:
        asked = {**self.query.given, "fields": fields}
        path = f"{self.query.path}/{quote(self._id, safe='')}"
        return checked_rows([_what_could_be_read(self._read, path, asked, self.query.headers)])


Source: TypeAlias = QuerySource | RecordSource
"""Topics to listen to, and rows to read. Reads are made on a pool's thread."""


def checked_rows(rows: Any) -> list[Record]:
    """The rows, if they are some: a view keeps, and compares, what has an id.

    Raises:
        ProtocolError: an answer of something else, such as a proxy's own.
    """
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("id"), str) and row["id"] for row in rows
    ):
        raise ProtocolError("a view's read was answered without records: is a proxy in between?")
    return rows


def watch_topic(collection: str, headers: Mapping[str, str]) -> Topic:
    """The topic of a collection's hints: which record, how old, and nothing more."""
    return record_topic(collection, "*", fields="id,updated", headers=headers)


def make_query(
    collection: str,
    *,
    filter: str | None = None,
    sort: str | None = None,
    expand: str | None = None,
    fields: str | None = None,
    limit: int | None = None,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
) -> Query:
    """Checks the arguments of a live view. Raises ValueError or TypeError."""
    extra = dict(query or {})
    if sort is not None and not isinstance(sort, str):
        raise TypeError(f"sort must be a str, not {type(sort).__name__}")
    if sort and extra.get("sort"):
        raise ValueError("sort is given twice, as sort= and in query=: keep one of them")
    order = encodable("sort", sort or str(extra.pop("sort", "") or ""))
    for name in ("page", "perPage", "skipTotal"):
        if name in extra:
            raise ValueError(f"{name} is a live view's own business: use limit= to cut it")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
        raise TypeError(f"limit must be an int, not {type(limit).__name__}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    options = normalise_options(filter, expand, fields, extra, headers)
    return Query(collection, options, order, limit)


def _all(conditions: Iterable[str]) -> str:
    given = [condition for condition in conditions if condition]
    if len(given) == 1:
        return given[0]
    return " && ".join(f"({without_comments(each)})" for each in given)


def _what_could_be_read(
    read: Read, path: str, asked: Mapping[str, Any], headers: Mapping[str, str]
) -> Any:
    """The answer; with an `UnreadableRow` for each record that cannot be decoded."""
    given = {name: value for name, value in asked.items() if value != ""}
    try:
        return read(path, given, headers)
    except UnreadableError as error:
        return error.rest
