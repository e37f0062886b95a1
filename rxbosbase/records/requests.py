"""The requests of one collection: reading; writing and logging in are its bases."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Generic, Literal, TypeAlias, TypedDict, Unpack, cast

from rxbosbase.encoding.narrowing import is_array, is_object
from rxbosbase.encoding.record import Record, T
from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.errors import ClientResponseError, ProtocolError, UnreadableError

from .auth_requests import AuthRequests
from .base import NOT_BOSBASE
from .context import RecordsContext
from .filters import Dialect, without_comments
from .options import (
    ListOptions,
    RecordOptions,
    check_count,
    is_given,
    query_of,
    read_options,
    with_id,
    without_id,
)
from .paging import MAX_PER_PAGE, PageSize, Passed, read_by_offset, read_fitting
from .reader import RecordReader
from .writing import WriteRequests

__all__ = ("OnUnreadable", "Page", "Records", "T")

log = logging.getLogger("rxbosbase.records")

OnUnreadable: TypeAlias = Literal["raise", "skip"]
"""The policy for a record that cannot be read: a value in it is nested too deeply, or it alone is
larger than a response may be."""

_COUNTS = ("page", "perPage", "totalItems", "totalPages")
_VERSION_FIELDS = "id,updated"


class Page(TypedDict, Generic[T]):
    """One page of records. With ``skip_total`` both totals are -1."""

    page: int
    perPage: int
    totalItems: int
    totalPages: int
    items: list[T]


class Records(WriteRequests[T], AuthRequests, Generic[T]):
    """The requests of one collection.

    All requests take the keywords ``expand``, ``fields``, ``query`` (further query parameters),
    ``headers`` and ``timeout`` (seconds), and raise `ClientResponseError` where the server refuses,
    `RequestTimeoutError` or `ConnectionFailedError` without a response, `ProtocolError` for one
    that is no BosBase's, and `ClientClosedError` once the client is closed. Records are plain
    dicts, as the server sent them, or instances of the collection's model. One that does not fit
    is a `RecordDecodeError`; in lists, ``on_decode_error`` decides.
    """

    def __init__(self, context: RecordsContext, name: str, reader: RecordReader[T]) -> None:
        super().__init__(context, name)
        self._reader = reader

    def get_list(
        self,
        page: int = 1,
        per_page: int = 30,
        *,
        skip_total: bool = False,
        **options: Unpack[ListOptions],
    ) -> Page[T]:
        """Return one page: ``{"page", "perPage", "totalItems", "totalPages", "items"}``.

        Offset pages skip records when others delete meanwhile: see `iter_records`.

        Args:
            page: the page's number, from 1 on.
            per_page: how many records a page has, 1 to 1000.
            skip_total: do not count all records, which is faster; both totals are -1 then.
            options: the keywords of `ListOptions`: ``filter``, ``sort``, ``expand``, ``fields``,
                ``query``, ``headers``, ``timeout``.

        Raises:
            ProtocolError: the response is no page of records.
            BosBaseError: the request failed, as `Records` says.
            TypeError, ValueError: an argument is invalid.

        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a", "n": 1}, "b": {"id": "b", "n": 2}}
        ...     fake.client.collection("posts").get_list(1, 20, sort="-n")["items"]
        [{'id': 'b', 'n': 2}, {'id': 'a', 'n': 1}]
        """
        raw = self._page(page, per_page, skip_total=skip_total, **options)
        if not all(type(raw.get(name)) is int for name in _COUNTS):
            raise ProtocolError(f"{self.name!r} was answered without page numbers: {NOT_BOSBASE}")
        return {**raw, "items": self._reader.many(raw["items"])}

    def _page(
        self,
        page: int,
        per_page: int,
        *,
        skip_total: bool = True,
        skip_unreadable: bool = False,
        **options: Unpack[ListOptions],
    ) -> Page[Record]:
        check_count("page", page)
        check_count("per_page", per_page, MAX_PER_PAGE)
        extra = {"page": page, "perPage": per_page}
        if skip_total:
            extra["skipTotal"] = 1
        try:
            answer = self._request("GET", self._path(), options, extra)
        except UnreadableError as error:
            if not skip_unreadable:
                raise
            answer = error.rest
        items = answer.get("items") if is_object(answer) else None
        if not is_array(items) or not all(is_object(item) for item in items):
            raise ProtocolError(f"{self.name!r} was answered without records: {NOT_BOSBASE}")
        return cast(Page[Record], answer)

    def get_one(self, id: str, **options: Unpack[RecordOptions]) -> T:
        """Return the record with this id, which may be any text.

        Args:
            id: the record's id.
            options: the keywords of `RecordOptions`: ``expand``, ``fields``, ``query``,
                ``headers``, ``timeout``.

        Raises:
            ClientResponseError: 404, it does not exist or may not be seen.
            BosBaseError: the request failed otherwise, as `Records` says.
            TypeError, ValueError: an argument is invalid, such as an id that no URL can hold: it
                has a control character, or ``.`` or ``..`` between slashes.

        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a", "n": 1}}
        ...     fake.client.collection("posts").get_one("a")
        {'id': 'a', 'n': 1}
        """
        return self._one(self._request("GET", self._path(id), options))

    def get_first_list_item(
        self, filter: str, *, sort: str | None = None, **options: Unpack[RecordOptions]
    ) -> T:
        """Return the first record that matches.

        Args:
            filter: the server's filter; `BosBase.filter` puts values in safely.
            sort: which is the first, such as ``"-created"``; by id where it is not given.
            options: as for `get_one`.

        Raises:
            ClientResponseError: 404, there is none.
            BosBaseError: the request failed otherwise, as `Records` says.
            TypeError, ValueError: an argument is invalid.

        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a"}, "b": {"id": "b"}}
        ...     fake.client.collection("posts").get_first_list_item("id > 'a'")
        {'id': 'b'}
        """
        page = self._page(1, 1, filter=filter, sort=sort, **options)
        if not page["items"]:
            raise ClientResponseError(
                404, self._context.transport.url(self._path()), {}, "no record matches the filter"
            )
        return self._reader.one(page["items"][0])

    def get_full_list(
        self,
        batch: int = 500,
        *,
        on_unreadable: OnUnreadable = "raise",
        **options: Unpack[ListOptions],
    ) -> list[T]:
        """Return all records, read in batches.

        Without ``sort`` they come in the order of their ids, and none is skipped or doubled
        while others write. With ``sort`` the pages are read by offset.

        Args:
            batch: how many records are read at once, 1 to 1000.
            on_unreadable: as for `iter_records`.
            options: as for `get_list`.

        Raises:
            BosBaseError: a request failed, as `Records` says.
            TypeError, ValueError: an argument is invalid.

        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a"}, "b": {"id": "b"}}
        ...     fake.client.collection("posts").get_full_list()
        [{'id': 'a'}, {'id': 'b'}]
        """
        if not is_given(options, "sort"):
            return list(self.iter_records(batch, on_unreadable=on_unreadable, **options))
        check_count("batch", batch, MAX_PER_PAGE)
        skip_unreadable = _check_on_unreadable(on_unreadable)
        asked = with_id(options)

        def read(page: int, size: int, **other: Any) -> list[Record]:
            return self._with_ids(
                self._page(page, size, skip_unreadable=skip_unreadable, **{**asked, **other})
            )

        found = read_by_offset(
            PageSize(batch),
            read,
            partial(read, fields=_VERSION_FIELDS) if skip_unreadable else None,
        )
        return self._reader.many(without_id(each, options) for each in self._readable(found))

    def iter_records(
        self,
        batch: int = 500,
        *,
        on_unreadable: OnUnreadable = "raise",
        **options: Unpack[ListOptions],
    ) -> Iterator[T]:
        """Yield all records, read lazily in the order of their ids.

        A page whose response is larger than ``max_answer_bytes`` is read again with fewer records,
        down to one.

        Each page begins after the last id of the page before, so writes by others neither hide
        nor double a record. That fixes the order: ``sort`` is refused.

        Args:
            batch: how many records are read at once, 1 to 1000.
            on_unreadable: what to do with a record that cannot be read, since a value in it is
                nested too deeply, or since it alone is larger than a response may be: ``"raise"``
                an `UnreadableError` or an `AnswerTooLargeError`, or ``"skip"`` it, with a warning
                in the log.
            options: as for `get_list`, without ``sort``.

        Raises:
            ValueError, TypeError: a ``sort``, or an invalid argument, at once.
            BosBaseError: while it is iterated, a request failed, as `Records` says.

        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a"}, "b": {"id": "b"}}
        ...     [post["id"] for post in fake.client.collection("posts").iter_records(batch=1)]
        ['a', 'b']
        """
        check_count("batch", batch, MAX_PER_PAGE)
        if is_given(options, "sort"):
            raise ValueError("iter_records reads in the order of ids: leave sort out")
        headers = dict(read_options(options).headers)
        return self._pages(batch, options, headers, _check_on_unreadable(on_unreadable))

    def _pages(
        self, batch: int, options: ListOptions, headers: dict[str, str], skip_unreadable: bool
    ) -> Iterator[T]:
        query = {**query_of(options), "sort": "id"}
        condition = options.get("filter") or query.pop("filter", "")
        asked = with_id({**options, "query": query})
        asked.pop("sort", None)  # an empty one
        dialect = self._context.dialect
        size, passed, last = PageSize(batch), Passed(), ""

        def read(count: int, **other: Any) -> list[Record]:
            behind = dialect.build(self.name, headers, "id > {:last}", last=last) if last else ""
            both = f"({without_comments(condition)}) && {behind}" if condition and behind else ""
            asked["filter"] = both or condition or behind or None
            return self._with_ids(
                self._page(1, count, skip_unreadable=skip_unreadable, **{**asked, **other})
            )

        def read_page() -> tuple[list[Record], int]:
            return read_fitting(
                size, read, partial(read, 1, fields=_VERSION_FIELDS) if skip_unreadable else None
            )

        while True:
            items, count = dialect.retried(self.name, headers, read_page)
            is_last = len(items) < count
            ids = [item["id"] for item in items]
            if not is_last:
                ids = dialect.up_to_a_name(self.name, headers, ids)
            for item in self._readable(items[: len(ids)]):
                record = self._reader.read(without_id(item, options))
                if record is not None:
                    yield record
            if is_last:
                return
            passed.add(last := ids[-1])

    def _readable(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            if isinstance(record, UnreadableRow):
                log.warning("left out: %s", record.summary(self.name))
            else:
                yield record

    def learn_filter_dialect(self, *, headers: Mapping[str, Any] | None = None) -> Dialect:
        """Learn how the server's filters read a backslash, with one or two reads of this
        collection; `client.filter` then writes any text for that server.

        Any collection that may be listed is suitable, also an empty one.

        Args:
            headers: HTTP headers of these reads, by name.

        Returns:
            ``"escaped"`` (PocketBase from 0.39.9 on) or ``"plain"`` (BosBase, older PocketBase).

        Raises:
            ClientResponseError: 403 or 404, it may not be listed; 400, the server refuses any
                filter now.
            BosBaseError: the request failed otherwise, as `Records` says.
            TypeError, ValueError: `headers` are invalid.

        >>> with FakeRealtime() as fake:
        ...     fake.client.collection("posts").learn_filter_dialect()
        'escaped'
        """
        given = dict(read_options({"headers": headers}).headers)
        return self._context.dialect.learn(self.name, given)

    def _with_ids(self, page: Page[Record]) -> list[Record]:
        if not all(isinstance(item.get("id"), str) for item in page["items"]):
            raise ProtocolError(f"{self.name!r} was answered with no id: {NOT_BOSBASE}")
        return page["items"]


def _check_on_unreadable(given: object) -> bool:
    if given not in ("raise", "skip"):
        raise ValueError(f"on_unreadable must be 'raise' or 'skip', not {given!r}")
    return given == "skip"
