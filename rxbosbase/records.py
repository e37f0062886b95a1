"""A collection: its records by request, and its events as streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .errors import ClientResponseError
from .realtime.events import RecordEvent
from .realtime.facade import Unsubscribe, subscribe_blocking
from .realtime.iterate import EventIterator
from .realtime.preflight import Question
from .realtime.topics import Options, Topic, normalise_options, record_topic
from .streams import Stream

if TYPE_CHECKING:
    from .client import BosBase

__all__ = ["Collection", "Record"]

Record = dict[str, Any]

MAX_PER_PAGE = 1000
"""The server gives no more records a page."""


class Collection:
    """One collection. Get it by ``client.collection("posts")``; it does no I/O by itself.

    All requests take the keywords ``expand``, ``fields``, ``query`` (further query parameters),
    ``headers`` and ``timeout`` (seconds), raise `ClientResponseError` where the server refuses,
    and `RequestTimeoutError` or `ConnectionFailedError` where there is no answer. Records are
    plain dicts, as the server sent them.
    """

    def __init__(self, client: BosBase, name: str) -> None:
        record_topic(name, "*")  # refuses what cannot be a name
        self._client = client
        self.name = name

    def __repr__(self) -> str:
        return f"<Collection {self.name!r}>"

    # -- reading ---------------------------------------------------------------------------------

    def get_list(
        self, page: int = 1, per_page: int = 30, *, skip_total: bool = False, **options: Any
    ) -> dict[str, Any]:
        """One page: ``{"page", "perPage", "totalItems", "totalPages", "items"}``.

        Further keywords: ``filter``, ``sort``, ``expand``, ``fields``, ``query``, ``headers``,
        ``timeout``. Offset pages skip records when others delete meanwhile: see `iter_records`.
        """
        _check_count("page", page)
        _check_count("per_page", per_page, MAX_PER_PAGE)
        extra = {"page": page, "perPage": per_page}
        if skip_total:
            extra["skipTotal"] = 1
        result: dict[str, Any] = self._request("GET", self._path(), options, extra)
        return result

    def get_one(self, id: str, **options: Any) -> Record:
        """The record with this id.

        Raises:
            ClientResponseError: 404, it does not exist or may not be seen.
        """
        result: Record = self._request("GET", self._path(id), options)
        return result

    def get_first_list_item(self, filter: str, **options: Any) -> Record:
        """The first record that matches.

        Raises:
            ClientResponseError: 404, there is none.
        """
        page = self.get_list(1, 1, skip_total=True, filter=filter, **options)
        if not page["items"]:
            raise ClientResponseError(
                404, self._client.transport.url(self._path()), {}, "no record matches the filter"
            )
        item: Record = page["items"][0]
        return item

    def get_full_list(self, batch: int = 500, **options: Any) -> list[Record]:
        """All records, read in batches.

        Without ``sort`` they come in the order of their ids, and none is skipped or doubled
        while others write. With ``sort`` the pages are read by offset.
        """
        if not _given(options, "sort"):
            return list(self.iter_records(batch, **options))
        records: dict[str, Record] = {}
        page = 1
        while True:
            items = self.get_list(page, batch, skip_total=True, **_with_id(options))["items"]
            records.update((item["id"], item) for item in items)
            if len(items) < batch:
                return [_without_id(record, options) for record in records.values()]
            page += 1

    def iter_records(self, batch: int = 500, **options: Any) -> Iterator[Record]:
        """All records, one by one, read lazily in the order of their ids.

        Each page begins behind the last id of the page before, so writes by others neither hide
        nor double a record. That fixes the order: ``sort`` is refused.
        """
        _check_count("batch", batch, MAX_PER_PAGE)
        if _given(options, "sort"):
            raise ValueError("iter_records reads in the order of ids: leave sort out")
        _options(options)
        return self._pages(batch, options)

    def _pages(self, batch: int, options: dict[str, Any]) -> Iterator[Record]:
        query = dict(options.get("query") or {})
        condition = options.get("filter") or query.pop("filter", "")
        asked = _with_id({**options, "query": query})
        last = ""
        while True:
            behind = f'id > "{last}"' if last else ""
            both = f"({condition}) && {behind}" if condition and behind else condition or behind
            asked["filter"] = both or None
            page = self.get_list(1, batch, skip_total=True, sort="id", **asked)
            for item in page["items"]:
                last = item["id"]
                yield _without_id(item, options)
            if len(page["items"]) < batch:
                return

    # -- writing ---------------------------------------------------------------------------------

    def create(self, body: Mapping[str, Any], **options: Any) -> Record:
        """Creates a record of the fields in `body`, and returns it as it was stored."""
        result: Record = self._request("POST", self._path(), options, body=_check_body(body))
        return result

    def update(self, id: str, body: Mapping[str, Any], **options: Any) -> Record:
        """Changes the fields in `body`, and returns the record as it was stored."""
        result: Record = self._request("PATCH", self._path(id), options, body=_check_body(body))
        return result

    def delete(self, id: str, **options: Any) -> None:
        """Deletes the record."""
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
        """Logs in to this auth collection; the client is that user from then on.

        Returns:
            ``{"token": …, "record": {…}}``. Streams go on under the new identity by themselves.

        Raises:
            ClientResponseError: 400, identity or password are wrong.
        """
        for what, value in (("identity", identity), ("password", password)):
            if not isinstance(value, str):
                raise TypeError(f"{what} must be a str, not {type(value).__name__}")
        sent = {"identity": identity, "password": password, **(body or {})}
        path = f"/api/collections/{self.name}/auth-with-password"
        # As a guest: an old token that the server no longer likes must not be in the way.
        return self._login(self._request("POST", path, options, body=sent, token=""))

    def auth_refresh(
        self, *, body: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Trades the current token for a fresh one of the same user; returns as a login does.

        Raises:
            ClientResponseError: 401, the token is not valid any more.
        """
        path = f"/api/collections/{self.name}/auth-refresh"
        return self._login(self._request("POST", path, options, body=dict(body or {})))

    def _login(self, answer: dict[str, Any]) -> dict[str, Any]:
        self._client.auth_store.save(answer["token"], answer["record"])
        return answer

    # -- streams ---------------------------------------------------------------------------------

    def observe(
        self,
        target: str = "*",
        *,
        filter: str | None = None,
        expand: str | None = None,
        fields: str | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        check: bool = True,
    ) -> Stream[RecordEvent[Record]]:
        """The hot observable of the events of all records (``"*"``) or of one (its id).

        Building it does nothing; the first subscriber brings the topic to the server, the last
        one to leave takes it off. Trouble of the network is retried and never an error here.

        Args:
            target: ``"*"`` or a record id.
            filter, expand, fields, query, headers: as in a read; part of the topic.
            check: read once beforehand, so that a missing collection (404), a forbidden one (403)
                or a bad filter (400) is an error instead of silence.

        Raises:
            ClientResponseError: 400 at once, the topic is longer than 2500 characters.
            ValueError, TypeError: the arguments cannot be right.

        Example:
            ``posts.observe("*").pipe(ops.filter(lambda e: e.action == "create"))``
        """
        topic, question = self._topic(target, check, filter, expand, fields, query, headers)
        return self._client.service.stream(topic, raw=False, question=question, owner=self._client)

    def subscribe(
        self,
        target: str,
        callback: Callable[[RecordEvent[Record]], object],
        *,
        filter: str | None = None,
        expand: str | None = None,
        fields: str | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        check: bool = True,
        timeout: float = 10.0,
    ) -> Unsubscribe:
        """Calls `callback` for each event; waits until the server has acknowledged the topic.

        Arguments as for `observe`. A callback that raises is logged and stays subscribed.

        Returns:
            what ends it: to be called, disposed, or used in ``with``.

        Raises:
            ClientResponseError: the preflight found 400, 403 or 404.
            RequestTimeoutError: not acknowledged within `timeout` seconds.
        """
        topic, question = self._topic(target, check, filter, expand, fields, query, headers)
        return subscribe_blocking(
            self._client.service, topic, callback, raw=False,
            question=question() if question else None, timeout=timeout, owner=self._client,
        )  # fmt: skip

    def events(
        self,
        target: str = "*",
        *,
        size: int = 1000,
        filter: str | None = None,
        expand: str | None = None,
        fields: str | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        check: bool = True,
        timeout: float = 10.0,
    ) -> EventIterator[RecordEvent[Record]]:
        """A blocking iterator over the events, for ``with`` and ``for``.

        Entering the ``with`` waits for the acknowledgement as `subscribe` does, and raises as it
        does. At most `size` events wait in it; then the delivery waits, and nothing is lost.
        """
        topic, question = self._topic(target, check, filter, expand, fields, query, headers)
        client = self._client

        def open_stream(
            on_next: Callable[[RecordEvent[Record]], object],
            on_error: Callable[[Exception], object],
            on_completed: Callable[[], object],
        ) -> Unsubscribe:
            return subscribe_blocking(
                client.service, topic, on_next, raw=False,
                question=question() if question else None, timeout=timeout, owner=client,
                on_error=on_error, on_completed=on_completed,
            )  # fmt: skip

        return EventIterator(open_stream, size, client.scheduler)

    def unsubscribe(self, target: str | None = None) -> None:
        """Takes the topic of a record id or of ``"*"`` (in all its option variants), or with no
        argument every topic of this collection, off the server; their observables complete."""
        if target is None:
            self._client.service.complete(lambda name: name.startswith(f"{self.name}/"))
        else:
            wanted = record_topic(self.name, target).name
            self._client.service.complete(lambda name: name == wanted)

    def _topic(
        self,
        target: str,
        check: bool,
        filter: str | None,
        expand: str | None,
        fields: str | None,
        query: Mapping[str, Any] | None,
        headers: Mapping[str, Any] | None,
    ) -> tuple[Topic, Callable[[], Question] | None]:
        topic = record_topic(
            self.name, target,
            filter=filter, expand=expand, fields=fields, query=query, headers=headers,
        )  # fmt: skip
        if not check:
            return topic, None
        options = normalise_options(filter, expand, fields, query, headers)
        one = target != "*"

        def question() -> Question:
            identity = self._client.auth_store.state.identity
            return Question(self.name, one, options, identity, target if one else "")

        return topic, question

    # -- small parts -----------------------------------------------------------------------------

    def _path(self, id: str | None = None) -> str:
        path = f"/api/collections/{self.name}/records"
        if id is None:
            return path
        record_topic(self.name, id)  # refuses what cannot be an id
        return f"{path}/{quote(id, safe='')}"

    def _request(
        self,
        method: str,
        path: str,
        options: dict[str, Any],
        extra: Mapping[str, Any] | None = None,
        **rest: Any,
    ) -> Any:
        checked = _options(options)
        query = {**dict(checked.query), **(extra or {})}
        return self._client.send(
            method, path, query=query, headers=dict(checked.headers),
            timeout=options.get("timeout"), **rest,
        )  # fmt: skip


_KEYWORDS = frozenset({"filter", "sort", "expand", "fields", "query", "headers", "timeout"})


def _options(options: Mapping[str, Any]) -> Options:
    """Query and headers from the keywords of a request; raises for what cannot be right."""
    for name in options.keys() - _KEYWORDS:
        known = ", ".join(sorted(_KEYWORDS))
        raise TypeError(f"unknown keyword {name!r}: a request takes {known}")
    query = dict(options.get("query") or {})
    sort = options.get("sort")
    if sort is not None:
        if "sort" in query:
            raise ValueError("sort is given twice, as sort= and in query=: keep one of them")
        query["sort"] = sort
    return normalise_options(
        options.get("filter"), options.get("expand"), options.get("fields"), query,
        options.get("headers"),
    )  # fmt: skip


def _given(options: Mapping[str, Any], name: str) -> bool:
    return bool(options.get(name) or (options.get("query") or {}).get(name))


def _with_id(options: Mapping[str, Any]) -> dict[str, Any]:
    """The same request, with the id among the fields: paging goes by it."""
    query = dict(options.get("query") or {})
    fields = options.get("fields") or query.pop("fields", None)
    if not fields or _has_id(fields):
        return dict(options)
    return {**options, "query": query, "fields": f"id,{fields}"}


def _without_id(record: Record, options: Mapping[str, Any]) -> Record:
    fields = options.get("fields") or (options.get("query") or {}).get("fields")
    if fields and not _has_id(fields):
        record.pop("id", None)
    return record


def _has_id(fields: str) -> bool:
    return bool({"id", "*"} & {name.strip() for name in fields.split(",")})


def _check_count(name: str, value: Any, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 1 or (most is not None and value > most):
        raise ValueError(f"{name} must be at least 1" + (f" and at most {most}" if most else ""))


def _check_body(body: Any) -> dict[str, Any]:
    if not isinstance(body, Mapping):
        raise TypeError(f"the body must be a dict of fields, not {type(body).__name__}")
    return dict(body)
