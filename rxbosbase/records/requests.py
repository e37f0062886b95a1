"""The requests of one collection: reading, writing, logging in."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypedDict, cast
from urllib.parse import quote

from rxbosbase.auth.refresh import login_of, refresh_key
from rxbosbase.encoding.record import Record
from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.encoding.utf8 import encodable
from rxbosbase.errors import ClientResponseError, ProtocolError, UnreadableError
from rxbosbase.http.multipart import split_files
from rxbosbase.realtime.protocol.topics import check_collection, check_id

from .context import RecordsContext
from .filters import Dialect, without_comments
from .options import check_body, check_count, is_given, query_of, read_options, with_id, without_id
from .paging import MAX_PER_PAGE, PageSize, Passed, read_by_offset, read_fitting
from .reader import RecordReader

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=dict[str, Any])
else:
    from typing import TypeVar

    T = TypeVar("T")  # its default, for a plain `Collection`, is for type checkers alone

__all__ = ["OnUnreadable", "Page", "Records", "T"]

log = logging.getLogger("rxbosbase.records")

OnUnreadable: TypeAlias = Literal["raise", "skip"]
"""The policy for a record that cannot be read: a value in it is nested too deeply, or it alone is
larger than a response may be."""

_COUNTS = ("page", "perPage", "totalItems", "totalPages")
_VERSION_FIELDS = "id,updated"

_NOT_BOSBASE = "is base_url a BosBase server?"


class Page(TypedDict, Generic[T]):
    """One page of records. With ``skip_total`` both totals are -1."""

    page: int
    perPage: int
    totalItems: int
    totalPages: int
    items: list[T]


class Records(Generic[T]):
    """The requests of one collection.

    All requests take the keywords ``expand``, ``fields``, ``query`` (further query parameters),
    ``headers`` and ``timeout`` (seconds), raise `ClientResponseError` where the server refuses,
    and `RequestTimeoutError` or `ConnectionFailedError` without a response. Records are plain
    dicts, as the server sent them, or instances of the collection's model. One that does not fit
    is a `RecordDecodeError`; in lists, ``on_decode_error`` decides.
    """

    def __init__(self, context: RecordsContext, name: str, reader: RecordReader[T]) -> None:
        name = check_collection(name)
        self._context = context
        self._reader = reader
        self.name = name
        # Quoted, since `requests` reads "%2e%2e" as "..", which leads to other endpoints.
        self._base = f"/api/collections/{quote(name, safe='')}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    # -- reading ---------------------------------------------------------------------------------

    def get_list(
        self, page: int = 1, per_page: int = 30, *, skip_total: bool = False, **options: Any
    ) -> Page[T]:
        """Return one page: ``{"page", "perPage", "totalItems", "totalPages", "items"}``.

        Further keywords: ``filter``, ``sort``, ``expand``, ``fields``, ``query``, ``headers``,
        ``timeout``. Offset pages skip records when others delete meanwhile: see `iter_records`.
        """
        raw = self._page(page, per_page, skip_total=skip_total, **options)
        if not all(type(raw.get(name)) is int for name in _COUNTS):
            raise ProtocolError(f"{self.name!r} was answered without page numbers: {_NOT_BOSBASE}")
        return {**raw, "items": self._reader.many(raw["items"])}

    def _page(
        self,
        page: int,
        per_page: int,
        *,
        skip_total: bool = True,
        skip_unreadable: bool = False,
        **options: Any,
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
        items = answer.get("items") if isinstance(answer, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ProtocolError(f"{self.name!r} was answered without records: {_NOT_BOSBASE}")
        return cast(Page[Record], answer)

    def get_one(self, id: str, **options: Any) -> T:
        """Return the record with this id, which may be any text.

        Raises:
            ClientResponseError: 404, it does not exist or may not be seen.
            ValueError: no URL can hold the id: it has a control character, or ``.`` or ``..``
                between slashes.
        """
        return self._one(self._request("GET", self._path(id), options))

    def get_first_list_item(self, filter: str, **options: Any) -> T:
        """Return the first record that matches.

        Raises:
            ClientResponseError: 404, there is none.
        """
        page = self._page(1, 1, filter=filter, **options)
        if not page["items"]:
            raise ClientResponseError(
                404, self._context.transport.url(self._path()), {}, "no record matches the filter"
            )
        return self._reader.one(page["items"][0])

    def get_full_list(
        self, batch: int = 500, *, on_unreadable: OnUnreadable = "raise", **options: Any
    ) -> list[T]:
        """Return all records, read in batches.

        Without ``sort`` they come in the order of their ids, and none is skipped or doubled
        while others write. With ``sort`` the pages are read by offset.

        Args:
            on_unreadable: as for `iter_records`.
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
        self, batch: int = 500, *, on_unreadable: OnUnreadable = "raise", **options: Any
    ) -> Iterator[T]:
        """Yield all records, read lazily in the order of their ids.

        A page whose response is larger than ``max_answer_bytes`` is read again with fewer records,
        down to one.

        Each page begins after the last id of the page before, so writes by others neither hide
        nor double a record. That fixes the order: ``sort`` is refused.

        Args:
            on_unreadable: what to do with a record that cannot be read, since a value in it is
                nested too deeply, or since it alone is larger than a response may be: ``"raise"``
                an `UnreadableError` or an `AnswerTooLargeError`, or ``"skip"`` it, with a warning
                in the log.
        """
        check_count("batch", batch, MAX_PER_PAGE)
        if is_given(options, "sort"):
            raise ValueError("iter_records reads in the order of ids: leave sort out")
        headers = dict(read_options(options).headers)
        return self._pages(batch, options, headers, _check_on_unreadable(on_unreadable))

    def _pages(
        self, batch: int, options: dict[str, Any], headers: dict[str, str], skip_unreadable: bool
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

        Returns:
            ``"escaped"`` (PocketBase from 0.39.9 on) or ``"plain"`` (BosBase, older PocketBase).

        Raises:
            ClientResponseError: 403 or 404, it may not be listed; 400, the server refuses any
                filter now.

        Example:
            ``client.collection("posts").learn_filter_dialect()``
        """
        given = dict(read_options({"headers": headers}).headers)
        return self._context.dialect.learn(self.name, given)

    def _with_ids(self, page: Page[Record]) -> list[Record]:
        if not all(isinstance(item.get("id"), str) for item in page["items"]):
            raise ProtocolError(f"{self.name!r} was answered with no id: {_NOT_BOSBASE}")
        return page["items"]

    # -- writing ---------------------------------------------------------------------------------

    def create(self, body: Mapping[str, Any], **options: Any) -> T:
        """Create a record of the fields in `body`, and return it as it was stored.

        A file field takes an open binary file, a `pathlib.Path`, ``(name, content)`` or
        ``(name, content, type)``, or a list of those. Characters that
        a file's name cannot have become "_".

        Args:
            body: the fields by name. Beside the types of JSON, it takes dates and times, Decimals,
                enums, UUIDs, dataclasses, and values of pandas and numpy.

        Raises:
            TypeError, ValueError: a value that cannot be sent; the message says what to give.
        """
        return self._write("POST", self._path(), body, options)

    def update(self, id: str, body: Mapping[str, Any], **options: Any) -> T:
        """Change the fields in `body`, and return the record as it was stored.

        Values and files as for `create`; ``"field+"`` adds to a list of files, ``"field-"`` removes
        from it. A row of a DataFrame is written by ``posts.update(id, df.loc[id].to_dict())``.
        """
        return self._write("PATCH", self._path(id), body, options)

    def _write(self, method: str, path: str, body: Any, options: dict[str, Any]) -> T:
        fields, files = split_files(check_body(body))
        stored = self._request(method, path, options, body=fields, files=files or None)
        return self._one(stored)

    def _one(self, answer: Any) -> T:
        if not isinstance(answer, dict):
            raise ProtocolError(f"{self.name!r} was answered without a record: {_NOT_BOSBASE}")
        return self._reader.one(answer)

    def delete(self, id: str, **options: Any) -> None:
        """Delete the record."""
        self._request("DELETE", self._path(id), options)

    # -- logging in ------------------------------------------------------------------------------

    def auth_with_password(
        self,
        identity: str,
        password: str,
        *,
        body: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Log in to this auth collection; the client acts as that user from then on.

        Returns:
            ``{"token": …, "record": {…}}``, a dict whose repr hides the token. Streams continue
            under the new identity automatically.

        Raises:
            ClientResponseError: 400, identity or password is wrong.
        """
        for what, value in (("identity", identity), ("password", password)):
            if not isinstance(value, str):
                raise TypeError(f"{what} must be a str, not {type(value).__name__}")
            encodable(what, value)
        sent = {"identity": identity, "password": password, **(body or {})}
        path = f"{self._base}/auth-with-password"
        # Without a token: the server could refuse the request for an old one.
        return self._login(self._request("POST", path, options, body=sent, token=""))

    def auth_refresh(
        self, *, body: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Exchange the current token for a new one of the same user; return as a login does.

        Calls of several threads at the same time share one request.

        Raises:
            ClientResponseError: 401, the token is not valid any more.
        """
        store = self._context.auth_store
        before = store.state
        answer: dict[str, Any] = self._context.single_flight.run(
            refresh_key(self.name, before.identity, body, options),
            lambda: self._refresh(body, options),
        )
        # The first caller saves it. A logout or another login meanwhile stays in effect.
        return self._login(answer) if store.state == before else answer

    def _refresh(self, body: Mapping[str, Any] | None, options: dict[str, Any]) -> dict[str, Any]:
        path = f"{self._base}/auth-refresh"
        result: dict[str, Any] = self._request("POST", path, options, body=dict(body or {}))
        return result

    def _login(self, answer: dict[str, Any]) -> dict[str, Any]:
        self._context.auth_store.save(*login_of(answer))
        return answer

    # -- helpers ---------------------------------------------------------------------------------

    def _path(self, id: str | None = None) -> str:
        path = f"{self._base}/records"
        if id is None:
            return path
        return f"{path}/{quote(check_id(id), safe='')}"

    def _request(
        self,
        method: str,
        path: str,
        options: dict[str, Any],
        extra: Mapping[str, Any] | None = None,
        **rest: Any,
    ) -> Any:
        checked = read_options(options)
        query = {**dict(checked.query), **(extra or {})}
        return self._context.send(
            method, path, query=query, headers=dict(checked.headers),
            timeout=options.get("timeout"), **rest,
        )  # fmt: skip


def _check_on_unreadable(given: object) -> bool:
    if given not in ("raise", "skip"):
        raise ValueError(f"on_unreadable must be 'raise' or 'skip', not {given!r}")
    return given == "skip"
