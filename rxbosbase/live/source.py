"""The sources of a live view's rows: the reads of its driver, as requests to the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, Unpack
from urllib.parse import quote

from rxbosbase.access.questions import Question, Read, records_path
from rxbosbase.access.refusals import Kind
from rxbosbase.encoding.narrowing import is_array, is_object
from rxbosbase.encoding.record import Record
from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.encoding.utf8 import encodable
from rxbosbase.errors import ProtocolError, UnreadableError
from rxbosbase.live.engine.field_plan import VERSION_FIELDS, FieldPlan, plan_fields
from rxbosbase.live.engine.messages import (
    ReadIds,
    ReadLiterals,
    ReadOrder,
    ReadPage,
    ReadRequest,
    ReadWindow,
)
from rxbosbase.realtime.protocol.topics import (
    Options,
    Topic,
    TopicOptions,
    normalise_options,
    record_topic,
)
from rxbosbase.records.filter_dialect import FilterDialect
from rxbosbase.records.filters import without_comments
from rxbosbase.records.paging import MAX_PER_PAGE, PageSize, Passed, read_by_offset, read_fitting

__all__ = ("Query", "QuerySource", "RecordSource", "Source", "lacks_shown_rows")

MAX_FILTER = 3500
"""The most characters of a filter; the server answers a longer one with 400."""

MAX_TERMS = 200
"""The most comparisons in a filter, the user's own included; it answers more with 400."""

MAX_SORT_KEYS = 8
"""The most keys of a sort; it answers more with 400."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a view shows: the arguments of ``collection.live``, checked and comparable."""

    collection: str
    options: Options
    sort: str = ""
    limit: int | None = None

    def get(self, name: str) -> str:
        """Return a query option, or "" if it is not given."""
        return self.given.get(name, "")

    @property
    def given(self) -> dict[str, str]:
        """The query options that are given."""
        return dict(self.options.query)

    @property
    def plan(self) -> FieldPlan:
        """The fields to request, and those of them to remove from the rows."""
        return plan_fields(self.get("fields"), self.sort, self.get("expand"))

    @property
    def headers(self) -> dict[str, str]:
        """The headers, which the collection's rules may read."""
        return dict(self.options.headers)

    @property
    def path(self) -> str:
        """The path at which the rows are read."""
        return records_path(self.collection)

    def question(self, kind: Kind) -> Question:
        """Return what its reads ask."""
        return Question(kind, self.collection, self.headers)

    def topic(self, id: str) -> Topic:
        """Return the topic of this record, or of all by "*", with the fields the view needs."""
        query = {**self.given, "fields": self.plan.asked}
        return record_topic(self.collection, id, query=query, headers=self.headers)


class QuerySource:
    """The rows that match a filter."""

    is_query = True

    def __init__(
        self, query: Query, read: Read, dialect: FilterDialect, page: int = MAX_PER_PAGE
    ) -> None:
        page = min(page, query.limit or page)
        self.query = query
        self.question = query.question(Kind.LIST)
        self._read = read
        self._dialect = dialect
        self._where = (query.collection, query.headers)
        self._fields = query.plan.asked
        # The versions of a window's rows that are too large for a response:
        self._oversized: dict[str, Record] = {}
        # Versions are small, however large the rows are.
        self._size, self._versions_size, self._batch = (PageSize(page) for _ in range(3))

    def topic(self) -> Topic:
        """Return the topic of the view's own events."""
        return self.query.topic("*")

    def watch(self) -> Topic | None:
        """Return the topic of hints about records that leave the view: the whole collection, with
        `id` and `updated` alone. None without a filter: the own topic reports every change."""
        if not self.query.get("filter"):
            return None
        return watch_topic(self.query.collection, self.query.headers)

    def rows(self, request: ReadRequest) -> tuple[list[Record], bool]:
        """Return one page, the rows of some ids, or the window in the server's order; and whether
        no page follows."""
        if isinstance(request, ReadWindow):
            return self._window_rows(), True
        return self._dialect.retried(*self._where, partial(self._rows, request))

    def _rows(
        self, request: ReadIds | ReadPage | ReadOrder | ReadLiterals
    ) -> tuple[list[Record], bool]:
        if isinstance(request, ReadPage):
            return self._a_page(request)
        if isinstance(request, ReadOrder):
            return self._in_order()
        if isinstance(request, ReadLiterals):
            return self._literals(request.condition), True
        found: list[Record] = []
        named = [id for id in request.ids if self._dialect.can_name(*self._where, id)]
        if len(named) < len(request.ids):
            found += self._found_among_all(set(request.ids).difference(named))
        while named:
            some, asked = read_fitting(
                self._batch,
                partial(self._named, named, self._fields),
                partial(self._named, named, self._version_fields(), 1),
                by_id=True,
            )
            found += some
            named = named[asked:]
        return found, True

    def _named(self, ids: Sequence[str], fields: str, count: int) -> list[Record]:
        """Return the rows of the first `count` ids."""
        found: list[Record] = []
        for condition in self._conditions(ids[:count]):
            found += self._list(condition, fields, count)
        return found

    def _found_among_all(self, ids: set[str]) -> Iterator[Record]:
        """Find the rows of ids that no filter of this server can name among all the view's rows."""
        page, passed = ReadPage(), Passed()
        while True:
            rows, last = self._a_page(page)
            yield from (row for row in rows if row["id"] in ids)
            if last:
                return
            page = ReadPage(after=rows[-1]["id"])
            passed.add(page.after)

    def _window_rows(self) -> list[Record]:
        read = partial(self._page, fields=self._fields, sort=self._sort())
        versions = partial(self._page, fields=self._version_fields(), sort=self._sort())
        rows = self._around_oversized(versions) if self._oversized else []
        rows = rows or read_by_offset(self._size, read, versions, limit=self.query.limit)
        self._oversized = {
            row["id"]: dict(row)
            for row in rows
            if isinstance(row, UnreadableRow) and not row.depth and row.get("updated")
        }
        return rows

    def _in_order(self) -> tuple[list[Record], bool]:
        """Return all rows in the view's order, with `id` and the sort fields alone; and whether
        they came in one response."""
        responses = 0

        def read(page: int, size: int) -> list[Record]:
            nonlocal responses
            responses += 1
            return self._page(page, size, fields=self.query.plan.sorted_by, sort=self._sort())

        return read_by_offset(self._versions_size, read), responses == 1

    def _literals(self, condition: str) -> list[Record]:
        """Return a row of the collection if the condition is true, which names no field."""
        return self._page(1, 1, expand="", fields="id", filter=condition)

    def _around_oversized(self, versions: Callable[[int, int], list[Record]]) -> list[Record]:
        """Return the window without reading the rows that were too large for a response and still
        have the same versions; empty if there are none. To find out again that they are too large
        costs several responses of the largest size, at each change of any record."""
        order = read_by_offset(self._versions_size, versions, limit=self.query.limit)
        found: dict[str, Record] = {
            row["id"]: UnreadableRow(row, "", 0)
            for row in order
            if row == self._oversized.get(row["id"])
        }
        if not found:
            return []
        others, _ = self._rows(ReadIds(tuple(row["id"] for row in order if row["id"] not in found)))
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
        sort = self._sort() if request.in_view_order else "id"
        versions = partial(self._list, condition, self._version_fields(), sort=sort)
        if request.whole:
            whole = partial(self._list, condition, self._fields, sort=sort)
            rows, asked = read_fitting(self._size, whole, partial(versions, 1))
        else:
            rows, asked = read_fitting(self._versions_size, versions)
        if len(rows) < asked or request.in_view_order:
            return rows, len(rows) < asked
        named = self._dialect.up_to_a_name(*self._where, [row["id"] for row in rows])
        return rows[: len(named)], False

    def _condition(self, expression: str, **values: Any) -> str:
        return self._dialect.build(*self._where, expression, **values)

    def _list(self, condition: str, fields: str, size: int, sort: str = "id") -> list[Record]:
        size = min(max(size, 1), MAX_PER_PAGE)
        return self._page(1, size, filter=condition, fields=fields, sort=sort)

    def _page(self, page: int, size: int, **asked: str) -> list[Record]:
        """Return the rows of a page, by its number from 1 on."""
        paged = {"page": page, "perPage": size, "skipTotal": 1}
        query = self.query
        given = {**query.given, **asked, **paged}
        response = _read_decodable(self._read, query.path, given, query.headers)
        return checked_rows(response.get("items") if is_object(response) else None)

    def _conditions(self, ids: Iterable[str]) -> Iterator[str]:
        """Return the filters of a recheck: several if one would be too long."""
        own = self.query.get("filter")
        space = MAX_FILTER - len(own) - len("() && ()")
        terms = MAX_TERMS - 1 - own.count("&&") - own.count("||")
        part: list[str] = []
        for id in ids:
            term = self._condition("id = {:id}", id=id)
            used = sum(1 + each.count("&&") for each in [*part, term])
            if part and (used > terms or len(" || ".join([*part, term])) > space):
                yield _all([own, " || ".join(part)])
                part = []
            part.append(term)
        if part:
            yield _all([own, " || ".join(part)])

    def _version_fields(self) -> str:
        places = [(), *self.query.plan.relations]
        paths = [(*place, name) for place in places for name in VERSION_FIELDS]
        return ",".join(".".join(path) for path in paths)


class RecordSource:
    """One record, by the collection's view rule."""

    is_query = False

    def __init__(self, query: Query, id: str, read: Read) -> None:
        self.query = query
        self.question = query.question(Kind.RECORD)
        self._id = id
        self._read = read

    def topic(self) -> Topic:
        """Return the record's own topic."""
        return self.query.topic(self._id)

    def watch(self) -> Topic | None:
        """Return None: the record's topic reports all its changes."""
        return None

    def rows(self, request: ReadRequest) -> tuple[list[Record], bool]:
        """Return the record. It is refused where it does not exist or may not be viewed."""
        return read_fitting(
            PageSize(1),
            lambda _: self._row(self.query.plan.asked),
            lambda: self._row(",".join(VERSION_FIELDS)),
            by_id=True,
        )[0], True

    def _row(self, fields: str) -> list[Record]:
        asked = {**self.query.given, "fields": fields}
        path = f"{self.query.path}/{quote(self._id, safe='')}"
        return checked_rows([_read_decodable(self._read, path, asked, self.query.headers)])


Source: TypeAlias = QuerySource | RecordSource
"""Topics to subscribe to, and rows to read. Reads are made on a thread of the pool."""


def checked_rows(rows: Any) -> list[Record]:
    """Return the rows if each is a record with an id: a view keeps and compares them by it.

    Raises:
        ProtocolError: a response of something else, such as a proxy's own.
    """
    if not is_array(rows) or not all(
        is_object(row) and isinstance(row.get("id"), str) and row["id"] for row in rows
    ):
        raise ProtocolError("a view's read was answered without records: is a proxy in between?")
    return rows


def lacks_shown_rows(
    request: ReadRequest, rows: Sequence[Record], *, last: bool, shown: Mapping[str, Any]
) -> bool:
    """Return True if an answer has fewer rows than the view shows in its place; False where that
    needs more pages.

    >>> lacks_shown_rows(ReadIds(("a", "b")), [{"id": "a"}], last=True, shown={"a": {}, "b": {}})
    True
    """
    if isinstance(request, ReadIds):
        found = {row["id"] for row in rows}
        return any(id in shown and id not in found for id in request.ids)
    if isinstance(request, ReadWindow):
        return len(rows) < len(shown)
    if isinstance(request, ReadPage) and last and not request.since:
        return len(rows) < sum(id > request.after for id in shown)
    return False


def watch_topic(collection: str, headers: Mapping[str, str]) -> Topic:
    """Return the topic of a collection's hints: the `id` and `updated` of each record alone."""
    return record_topic(collection, "*", fields="id,updated", headers=headers)


def make_query(
    collection: str,
    *,
    sort: str | None = None,
    limit: int | None = None,
    **options: Unpack[TopicOptions],
) -> Query:
    """Return the checked arguments of a live view; raise ValueError or TypeError."""
    extra = dict(options.get("query") or {})
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
    options["query"] = extra
    return Query(collection, normalise_options(**options), order, limit)


def _all(conditions: Iterable[str]) -> str:
    given = [condition for condition in conditions if condition]
    if len(given) == 1:
        return given[0]
    return " && ".join(f"({without_comments(each)})" for each in given)


def _read_decodable(
    read: Read, path: str, asked: Mapping[str, Any], headers: Mapping[str, str]
) -> Any:
    """Return the response, with an `UnreadableRow` for each record that cannot be decoded."""
    given = {name: value for name, value in asked.items() if value != ""}
    try:
        return read(path, given, headers)
    except UnreadableError as error:
        return error.rest
