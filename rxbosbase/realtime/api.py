"""``client.realtime``: what the user sees of the realtime service."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import TIMEOUT_MAX
from typing import Any

from reactivex import abc

from rxbosbase.events import Message
from rxbosbase.realtime.protocol.topics import Topic, custom_topic
from rxbosbase.realtime.session.registry import Subscriber
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.realtime.session.status import Status
from rxbosbase.runtime.streams import Latest, Stream

from .preflight import Question
from .service import RealtimeService
from .topic_streams import MessageStream

__all__ = ["Realtime", "Unsubscribe", "check_seconds", "subscribe_blocking"]

log = logging.getLogger("rxbosbase.realtime")


class Unsubscribe(abc.DisposableBase):
    """Ends a callback's subscription: call it, ``dispose()`` it, or use it in ``with``."""

    def __init__(self, service: RealtimeService, subscriber: Subscriber, owner: object) -> None:
        self._service = service
        self._subscriber = subscriber
        self._owner = owner

    def __call__(self) -> None:
        """Unsubscribes; the callback is not called again once it has returned. Idempotent."""
        self._service.detach(self._subscriber)

    def dispose(self) -> None:
        """The same, for those who collect disposables."""
        self()

    def __enter__(self) -> Unsubscribe:
        return self

    def __exit__(self, *_: object) -> None:
        self()


def subscribe_blocking(
    service: RealtimeService,
    topic: Topic,
    callback: Callable[[Any], object],
    *,
    raw: bool,
    question: Question | None,
    timeout: float,
    owner: object,
    on_error: Callable[[Exception], object] | None = None,
    on_completed: Callable[[], object] | None = None,
) -> Unsubscribe:
    """Subscribes `callback` and waits until the server has acknowledged the topic."""
    if not callable(callback):
        raise TypeError(f"the callback must be callable, not {type(callback).__name__}")
    check_seconds("timeout", timeout)
    tell = on_error or _log_error(topic)
    stands = False

    def fail(error: Exception) -> None:
        if stands:  # until then the caller gets it raised, and once is enough
            tell(error)

    subscriber = Subscriber(
        callback, fail, on_completed or _nothing,
        raw=raw, check=question is not None, keeps=True,
    )  # fmt: skip
    try:
        service.attach(topic, subscriber, question, urgent=True)
        service.wait_acknowledged(subscriber, timeout)
        stands = True
        if subscriber.error is not None:  # at the very moment between the two
            raise subscriber.error
    except BaseException:
        service.detach(subscriber)
        raise
    return Unsubscribe(service, subscriber, owner)


def check_seconds(what: str, value: object) -> None:
    """Refuses what cannot be a time to wait."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} must be a number of seconds, not {type(value).__name__}")
    if not value > 0:
        raise ValueError(f"{what} must be more than 0 seconds, not {value!r}")
    if value > TIMEOUT_MAX:
        raise ValueError(f"{what} must be finite, and no longer than a wait can be: {value!r}")


class Realtime:
    """The client's realtime connections: custom topics, their status, and their end.

    Collections' topics are observed by ``client.collection(name).observe(…)``; they share this
    connection.
    """

    # A slip in `client.realtime.on_disconnect = …` is an error, and not a callback never called.
    __slots__ = ("_owner", "_renew", "_service")

    def __init__(self, service: RealtimeService, owner: object, renew: Callable[[], None]) -> None:
        self._service = service
        self._owner = owner
        self._renew = renew

    def observe(
        self,
        topic: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> Stream[Message]:
        """The hot observable of any topic, as `Message`s; nothing happens before `subscribe`.

        Example:
            ``client.realtime.observe("chat/typing").subscribe(lambda m: print(m.data))``
        """
        wanted = custom_topic(topic, query=query, headers=headers)
        return MessageStream(self._service, wanted, self._owner)

    def subscribe(
        self,
        topic: str,
        callback: Callable[[Message], object],
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        timeout: float = 10.0,
    ) -> Unsubscribe:
        """Calls `callback` for each message of `topic`; waits for the acknowledgement.

        On ``"PB_CONNECT"`` a callback gets the current connection at once, then each new one.

        Raises:
            RequestTimeoutError: not acknowledged within `timeout` seconds.
            ClientResponseError: 400, the topic is too long.
        """
        wanted = custom_topic(topic, query=query, headers=headers)
        return subscribe_blocking(
            self._service, wanted, callback,
            raw=True, question=None, timeout=timeout, owner=self._owner,
        )  # fmt: skip

    def unsubscribe(self, topic: str | None = None) -> None:
        """Takes `topic` (all option variants), or every topic, off the server.

        Their observables complete. Live views are not touched.
        """
        if topic is None:
            self._service.complete(lambda _: True)
        else:
            name = custom_topic(topic).name
            self._service.complete(lambda other: other == name)

    @property
    def events(self) -> Stream[Message]:
        """The hot observable of every message that comes, whoever asked for its topic.

        It listens and asks for nothing itself: without topics there is no connection.
        """
        return MessageStream(self._service, None, self._owner)

    @property
    def status(self) -> Latest[Status]:
        """The observable of `Status`, of all streams of the client: the current one at once, then
        each change. Its ``value`` is the current one for code that is not reactive."""
        return self._service.status

    @property
    def on_disconnect(self) -> Callable[[list[str]], object] | None:
        """Called once per loss with the topics still wanted, those of live views too; with ``[]``
        when the last connection was closed on purpose. Not for the server's routine closes.

        What cuts several connections of the client within a second, or before the first of them
        is back, is one loss."""
        return self._service.monitor.on_disconnect

    @on_disconnect.setter
    def on_disconnect(self, callback: Callable[[list[str]], object] | None) -> None:
        if callback is not None and not callable(callback):
            raise TypeError(f"on_disconnect must be callable, not {type(callback).__name__}")
        self._service.monitor.on_disconnect = callback

    def wait_active(self, timeout: float = 10.0) -> None:
        """Waits until every wanted topic is acknowledged, those of live views too; returns at
        once if none is wanted. A view's records come later: see ``view.wait_fresh``.

        Raises:
            RequestTimeoutError: not within `timeout` seconds.
        """
        check_seconds("timeout", timeout)
        self._service.monitor.wait_active(timeout)

    def reconnect_now(self) -> None:
        """A new connection at once: a wait is cut short, an open stream is begun anew. So it is
        for the stream of the live views."""
        self._renew()

    @property
    def stats(self) -> Stats:
        """Counters: frames, bytes, reconnects, what waits, and more; see `Stats`."""
        return self._service.monitor.stats

    @property
    def client_id(self) -> str:
        """The server's name for the (first) connection, "" while there is none."""
        return self.status.value.client_id

    @property
    def is_connected(self) -> bool:
        """True while every connection that is wanted is open; see `status` for more."""
        return self.status.value.state in ("connected", "active")


def _log_error(topic: Topic) -> Callable[[Exception], object]:
    return lambda error: log.error("the subscription of %r ended: %s", topic.name, error)


def _nothing() -> None:
    """A callback is not told of completion."""
