"""A collection: its records by request (`Records`), its events as streams, and live views of it.

Live views are a third of the library, and imported by the first who asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic

from reactivex import Observable

from .events import RecordEvent
from .realtime.api import Unsubscribe, subscribe_blocking
from .realtime.event_iterator import EventIterator
from .realtime.preflight import Question
from .realtime.protocol.topics import Topic, normalise_options, record_topic
from .realtime.topic_streams import RecordStream
from .records.requests import Records, T
from .runtime.streams import Stream

if TYPE_CHECKING:
    from .live.engine.snapshot import Change
    from .live.view import LiveView

__all__ = ["Collection"]


class Collection(Records[T], Generic[T]):
    """One collection. Get it by ``client.collection("posts")``; it does no I/O by itself.

    `observe`, `subscribe` and `events` tell of changes, each in the form that suits its user;
    the requests are those of `Records`.
    """

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
        """The hot observable of the events of all records (``"*"``) or of one (its id).

        Building it does nothing; the first subscriber brings the topic to the server, the last
        one to leave takes it off. Trouble of the network is retried and never an error here.

        Args:
            target: ``"*"`` or a record id. With an id that holds a ``#`` the server reads no
                options: then none may be given.
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
        stream = RecordStream(self._client.service, topic, question, self._client)
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
        """Calls `callback` for each event; waits until the server has acknowledged the topic.

        Arguments as for `observe`. A callback that raises is logged and stays subscribed; so it
        is for a record that does not fit the model.

        Returns:
            what ends it: to be called, disposed, or used in ``with``.

        Raises:
            ClientResponseError: the preflight found 400, 403 or 404.
            RequestTimeoutError: not acknowledged within `timeout` seconds.
        """
        topic, question = self._topic(target, check, filter, expand, fields, query, headers)
        return subscribe_blocking(
            self._client.service, topic, self._decoding(callback), raw=False,
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
    ) -> EventIterator[RecordEvent[T]]:
        """A blocking iterator over the events, for ``with`` and ``for``.

        Entering the ``with`` waits for the acknowledgement as `subscribe` does, and raises as it
        does. At most `size` events wait in it; then the delivery waits, and nothing is lost.
        """
        topic, question = self._topic(target, check, filter, expand, fields, query, headers)
        client = self._client

        def open_stream(
            on_next: Callable[[RecordEvent[T]], object],
            on_error: Callable[[Exception], object],
            on_completed: Callable[[], object],
        ) -> Unsubscribe:
            return subscribe_blocking(
                client.service, topic, self._reader.callback(on_next, on_error), raw=False,
                question=question() if question else None, timeout=timeout, owner=client,
                on_error=on_error, on_completed=on_completed,
            )  # fmt: skip

        return EventIterator(open_stream, size, client.scheduler)

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
        """A query that stays true: an observable of snapshots; nothing happens before `subscribe`.

        Args:
            filter, expand, fields, query, headers: as in a read.
            sort: as in a read; by id where it is not given. ``id`` is always the last key.
            limit: show only so many records; the window is read again when something changes.
            reconcile: seconds between two comparisons with the server, for what it never tells.
            interval: seconds between two reads of the window, with a limit, or of the server's
                order, where the client does not know it.

        Raises:
            ClientResponseError: 400 at once, the topic is longer than 2500 bytes.
            ValueError, TypeError: the arguments cannot be right.

        Example:
            ``posts.live(sort="-created", limit=20).subscribe(lambda s: print(len(s.records)))``
        """
        from .live.factory import make_view
        from .live.source import make_query

        wanted = make_query(
            self.name, filter=filter, sort=sort, expand=expand, fields=fields,
            limit=limit, query=query, headers=self._client.topic_headers.merged(headers),
        )  # fmt: skip
        return make_view(
            self._client.live_hub, wanted, self._reader,
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
    ) -> Observable[T | None]:
        """One record that stays true: its value now, then each new one; None while it does not
        exist or may not be seen."""
        from .live.factory import make_record_view
        from .live.source import make_query

        wanted = make_query(
            self.name, expand=expand, fields=fields, query=query,
            headers=self._client.topic_headers.merged(headers),
        )  # fmt: skip
        view = make_record_view(
            self._client.live_hub, wanted, id, self._reader,
            reconcile=reconcile, owner=self._client,
        )  # fmt: skip
        return view.record(id)

    def changes(self, **options: Any) -> Observable[Change[T]]:
        """The changes of a live view alone: ``"added"``, ``"modified"``, ``"removed"``.

        Unlike events these also tell what happened while disconnected, as one net change for each
        record, marked ``caught_up``. Each record that is there at first comes as ``"added"``.

        Args:
            options: those of `live`.
        """
        return self.live(**options).changes()

    def unsubscribe(self, target: str | None = None) -> None:
        """Takes the topic of a record id or of ``"*"`` (in all its option variants), or with no
        argument every topic of this collection, off the server; their observables complete."""
        if target is None:
            self._client.service.complete(lambda name: name.startswith(f"{self.name}/"))
        else:
            wanted = record_topic(self.name, target).name
            self._client.service.complete(lambda name: name == wanted)

    def _decoding(self, callback: Callable[[RecordEvent[T]], object]) -> Any:
        # What is no callable goes through, to be refused as it is.
        return self._reader.callback(callback) if callable(callback) else callback

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
        headers = self._client.topic_headers.merged(headers)
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
