"""A collection: its records by request (`Records`), its events as streams, and live views of it.

Live views are a third of the library, and imported when the first one is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, Unpack

from .events import RecordEvent
from .realtime.api import TopicRequest, Unsubscribe, subscribe_blocking
from .realtime.event_iterator import EventIterator
from .realtime.preflight import PreflightRequest
from .realtime.protocol.topics import Topic, TopicOptions, normalise_options, record_topic
from .realtime.service import RealtimeService
from .realtime.topic_headers import TopicHeaders
from .realtime.topic_streams import RecordStream
from .records.context import RecordsContext
from .records.reader import RecordReader
from .records.requests import Records, T
from .runtime.scheduler import SerialScheduler
from .runtime.streams import Stream

if TYPE_CHECKING:
    from .live.engine.snapshot import Change
    from .live.manager import LiveViewManager
    from .live.view import LiveView

__all__ = ("ClientContext", "Collection", "ViewOptions", "record_topic_request")


class ClientContext(RecordsContext, Protocol):
    """The client, as its collections see it."""

    topic_headers: TopicHeaders

    @property
    def service(self) -> RealtimeService:
        """The user's topics."""
        ...

    @property
    def live_manager(self) -> LiveViewManager:
        """The live views."""
        ...

    @property
    def scheduler(self) -> SerialScheduler:
        """The scheduler of the delivery thread."""
        ...


class ViewOptions(TopicOptions, total=False):
    """The keywords of `Collection.live`, which describes them."""

    sort: str | None
    limit: int | None
    reconcile: float
    interval: float


class Collection(Records[T], Generic[T]):
    """One collection. Get it by ``client.collection("posts")``; it does no I/O by itself.

    `observe`, `subscribe` and `events` deliver changes, as an observable, to a callback, and as
    an iterator; `live` follows a query; the requests are those of `Records`.

    >>> with FakeRealtime() as fake:
    ...     posts = fake.client.collection("posts")
    ...     unsubscribe = posts.subscribe("*", lambda event: print(event.action, event.record))
    ...     _ = posts.create({"id": "a", "title": "Hi"})
    ...     fake.advance(0)  # a client of a real server needs no such call
    create {'id': 'a', 'title': 'Hi'}
    """

    def __init__(self, client: ClientContext, name: str, reader: RecordReader[T]) -> None:
        super().__init__(client, name, reader)
        self._client = client

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
    ) -> Stream[RecordEvent[T]]:
        """Return the hot observable of the events of all records (``"*"``) or of one (its id).

        The call itself does nothing; the first subscriber registers the topic with the server,
        the last one to leave removes it. Network failures are retried and never an error here.

        Args:
            target: ``"*"`` or a record id. With a ``#`` in the id the server reads no options:
                then none may be given.
            filter, expand, fields, query, headers: as in a read; part of the topic.
            check: read at first, after each reconnection and every ``preflight_every`` seconds, so
                that a missing collection (404), a forbidden one (403) or a bad filter (400) is an
                error instead of a stream without events.

        Raises:
            ClientResponseError: 400 at once, the topic is longer than the server's 2500 bytes
                (PocketBase, ``apis/realtime.go``, ``realtimeSubscribeForm``).
            ValueError, TypeError: an argument is invalid.

        >>> from reactivex import operators as ops
        >>> with FakeRealtime() as fake:
        ...     events = fake.client.collection("posts").observe("*")
        ...     new = events.pipe(ops.filter(lambda event: event.action == "create"))
        ...     _ = new.subscribe(print)
        ...     fake.push("posts", "create", {"id": "a"})
        RecordEvent(create on 'posts/*', id='a')
        1
        """
        topic, preflight = self._topic(
            target, check,
            filter=filter, expand=expand, fields=fields, query=query, headers=headers,
        )  # fmt: skip
        stream = RecordStream(self._client.service, topic, preflight, self._client)
        return self._reader.stream(stream)

    def subscribe(
        self,
        target: str,
        callback: Callable[[RecordEvent[T]], object],
        *,
        filter: str | None = None,
        expand: str | None = None,
        fields: str | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        check: bool = True,
        timeout: float = 10.0,
    ) -> Unsubscribe:
        """Call `callback` for each event; wait until the server has acknowledged the topic.

        An exception of the callback is logged and the callback stays subscribed; the same holds
        for a record that does not fit the model.

        Args:
            target: ``"*"`` or a record id.
            callback: called with each event, one at a time, on the client's delivery thread.
            filter, expand, fields, query, headers, check: as for `observe`.
            timeout: seconds to wait for the acknowledgement.

        Returns:
            the subscription: call it, dispose it, or use it in ``with`` to end it.

        Raises:
            ClientResponseError: the preflight found 400, 403 or 404.
            RequestTimeoutError: not acknowledged within `timeout` seconds.
            BosBaseError: the connection failed for good, or the client was closed.
            ValueError, TypeError: an argument is invalid.

        >>> with FakeRealtime() as fake:
        ...     with fake.client.collection("posts").subscribe("*", print, timeout=5):
        ...         fake.push("posts", "create", {"id": "a"})
        RecordEvent(create on 'posts/*', id='a')
        1
        """
        request = self._topic_request(
            target, check,
            filter=filter, expand=expand, fields=fields, query=query, headers=headers,
        )  # fmt: skip
        return subscribe_blocking(request, callback, timeout=timeout)

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
    ) -> EventIterator[RecordEvent[T]]:
        """Return a blocking iterator over the events, for ``with`` and ``for``.

        Entering the ``with`` waits for the acknowledgement as `subscribe` does, and raises the
        same errors. At most `size` events wait in it; then the delivery waits, and none is lost.

        Args:
            target: ``"*"`` or a record id.
            size: how many events may wait, 1 or more.
            filter, expand, fields, query, headers, check: as for `observe`.
            timeout: seconds to wait for the acknowledgement; for an event it waits without limit.

        Raises:
            ClientResponseError: 400 at once, the topic is too long, as for `observe`.
            ValueError, TypeError: an argument is invalid.

        >>> with FakeRealtime() as fake, fake.client.collection("posts").events("*") as events:
        ...     fake.later(2, lambda: fake.push("posts", "create", {"id": "a"}))
        ...     next(events)
        RecordEvent(create on 'posts/*', id='a')
        """
        topic, preflight = self._topic(
            target, check,
            filter=filter, expand=expand, fields=fields, query=query, headers=headers,
        )  # fmt: skip

        def open_stream(
            on_next: Callable[[RecordEvent[T]], object],
            on_error: Callable[[Exception], object],
            on_completed: Callable[[], object],
        ) -> Unsubscribe:
            return subscribe_blocking(
                self._request_for(topic, preflight), on_next,
                timeout=timeout, on_error=on_error, on_completed=on_completed,
            )  # fmt: skip

        return EventIterator(open_stream, size, self._client.scheduler)

    def live(
        self,
        *,
        filter: str | None = None,
        sort: str | None = None,
        expand: str | None = None,
        fields: str | None = None,
        limit: int | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        reconcile: float = 60.0,
        interval: float = 0.25,
    ) -> LiveView[T]:
        """Return a query that follows the server: an observable of snapshots.

        Nothing happens before its `subscribe`.

        Args:
            filter, expand, fields, query, headers: as in a read.
            sort: as in a read; by id where it is not given. ``id`` is always the last key.
            limit: show only so many records; the window is read again when something changes.
            reconcile: seconds between two comparisons with the server, for changes without events.
            interval: seconds between two reads of the window, with a limit, or of the server's
                order, where the client does not know it.

        Raises:
            ClientResponseError: 400 at once, the topic is too long, as for `observe`.
            ValueError, TypeError: an argument is invalid.

        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a", "n": 1}}
        ...     view = fake.client.collection("posts").live(sort="-n", limit=20)
        ...     _ = view.subscribe(lambda snapshot: print(list(snapshot.records)))
        ...     fake.advance(0)
        [{'id': 'a', 'n': 1}]
        """
        from .live.factory import make_view
        from .live.source import make_query

        view_query = make_query(
            self.name, filter=filter, sort=sort, expand=expand, fields=fields,
            limit=limit, query=query, headers=self._client.topic_headers.merged(headers),
        )  # fmt: skip
        return make_view(
            self._client.live_manager, view_query, self._reader,
            reconcile=reconcile, interval=interval, owner=self._client,
        )  # fmt: skip

    def live_record(
        self,
        id: str,
        *,
        expand: str | None = None,
        fields: str | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        reconcile: float = 60.0,
    ) -> Stream[T | None]:
        """Return the observable of one record: its value now, then each new one; None while it
        does not exist or may not be seen.

        Args:
            id: the record's id.
            expand, fields, query, headers: as in a read.
            reconcile: seconds between two comparisons with the server, for changes without events.

        Raises:
            ClientResponseError: 400 at once, the topic is too long, as for `observe`.
            ValueError, TypeError: an argument is invalid.

        >>> with FakeRealtime() as fake:
        ...     _ = fake.client.collection("posts").live_record("a").subscribe(print)
        ...     fake.push("posts", "create", {"id": "a", "n": 1})
        None
        {'id': 'a', 'n': 1}
        0
        """
        from .live.factory import make_record_view
        from .live.source import make_query

        view_query = make_query(
            self.name, expand=expand, fields=fields, query=query,
            headers=self._client.topic_headers.merged(headers),
        )  # fmt: skip
        view = make_record_view(
            self._client.live_manager, view_query, id, self._reader,
            reconcile=reconcile, owner=self._client,
        )  # fmt: skip
        return view.record(id)

    def changes(self, **options: Unpack[ViewOptions]) -> Stream[Change[T]]:
        """Return only the changes of a live view: ``"added"``, ``"modified"``, ``"removed"``.

        Unlike events these include what changed while disconnected, as one net change for each
        record, marked ``caught_up``. Each record of the first snapshot is emitted as ``"added"``.

        Args:
            options: the keywords of `live`: ``filter``, ``sort``, ``expand``, ``fields``,
                ``limit``, ``query``, ``headers``, ``reconcile`` and ``interval`` (seconds).

        Raises:
            ClientResponseError, ValueError, TypeError: as `live`.

        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a"}}
        ...     changes = fake.client.collection("posts").changes()
        ...     _ = changes.subscribe(lambda change: print(change.type, change.record))
        ...     fake.push("posts", "delete", {"id": "a"})
        added {'id': 'a'}
        removed {'id': 'a'}
        0
        """
        return self.live(**options).changes()

    def unsubscribe(self, target: str | None = None) -> None:
        """Remove a topic of this collection, in all its option variants; its observables complete.

        Args:
            target: ``"*"`` or a record id; None removes every topic of the collection.

        Raises:
            ClientResponseError: 400 at once, the name is longer than any topic, as for `observe`.
            ValueError, TypeError: no topic has this name.

        >>> with FakeRealtime() as fake:
        ...     posts = fake.client.collection("posts")
        ...     _ = posts.observe("*").subscribe(on_completed=lambda: print("completed"))
        ...     posts.unsubscribe("*")
        ...     fake.advance(0)
        completed
        """
        if target is None:
            self._client.service.complete(lambda name: name.startswith(f"{self.name}/"))
        else:
            topic_name = record_topic(self.name, target).name
            self._client.service.complete(lambda name: name == topic_name)

    def _topic_request(
        self, target: str, check: bool, **options: Unpack[TopicOptions]
    ) -> TopicRequest:
        return self._request_for(*self._topic(target, check, **options))

    def _request_for(
        self, topic: Topic, preflight: Callable[[], PreflightRequest] | None
    ) -> TopicRequest:
        return TopicRequest(
            self._client.service, topic, self._client, preflight() if preflight else None,
            raw=False, decode=self._reader.callback,
        )  # fmt: skip

    def _topic(
        self,
        target: str,
        check: bool,
        **options: Unpack[TopicOptions],
    ) -> tuple[Topic, Callable[[], PreflightRequest] | None]:
        options["headers"] = self._client.topic_headers.merged(options.get("headers"))
        topic = record_topic(self.name, target, **options)
        if not check:
            return topic, None
        normalised = normalise_options(**options)
        one = target != "*"

        def preflight() -> PreflightRequest:
            identity = self._client.auth_store.state.identity
            return PreflightRequest(self.name, one, normalised, identity, target if one else "")

        return topic, preflight


def record_topic_request(
    collection: Collection[Any], target: str, check: bool, **options: Unpack[TopicOptions]
) -> TopicRequest:
    """Return the request for a topic of the collection; errors as `Collection.observe`."""
    return collection._topic_request(target, check, **options)
