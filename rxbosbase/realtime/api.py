"""The public interface of the realtime service: ``client.realtime``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import TIMEOUT_MAX
from typing import Any, NamedTuple, Protocol

from reactivex import abc

from rxbosbase.encoding.control_characters import short_repr
from rxbosbase.events import Message
from rxbosbase.http.urls import check_nodes
from rxbosbase.realtime.protocol.topics import Topic, custom_topic
from rxbosbase.realtime.session.registry import Subscriber
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.realtime.session.status import Status
from rxbosbase.runtime.streams import Latest, Stream

from .preflight import PreflightRequest
from .service import RealtimeService
from .topic_streams import MessageStream

__all__ = (
    "Realtime",
    "TopicRequest",
    "Unsubscribe",
    "check_seconds",
    "custom_topic_request",
    "subscribe_blocking",
)

log = logging.getLogger("rxbosbase.realtime")


def _as_given(on_next: Callable[[Any], object], *_: object) -> Callable[[Any], object]:
    return on_next


class TopicRequest(NamedTuple):
    """A topic, and what a subscription to it needs.

    Attributes:
        owner: stays alive while there is a subscription.
        preflight: what is asked before; None for nothing.
        raw: True for messages, False for events of records.
        decode: from the subscriber's callback, and its ``on_error``, to what the service calls.
    """

    service: RealtimeService
    topic: Topic
    owner: object
    preflight: PreflightRequest | None = None
    raw: bool = True
    decode: Callable[..., Callable[[Any], object]] = _as_given


class Connections(Protocol):
    """All connections of a client, those of its live views included."""

    def renew(self) -> None:
        """Open new ones at once."""

    def set_nodes(self, addresses: Sequence[str]) -> None:
        """Keep streams to these nodes, or without any to the client's own server."""


class Unsubscribe(abc.DisposableBase):
    """Ends a callback's subscription: call it, ``dispose()`` it, or use it in ``with``.

    >>> with FakeRealtime() as fake:
    ...     unsubscribe = fake.client.collection("posts").subscribe("*", print)
    ...     unsubscribe()
    ...     fake.push("posts", "create", {"id": "a"})
    0
    """

    def __init__(
        self, service: RealtimeService, subscriber: Subscriber, topic: Topic, owner: object
    ) -> None:
        self._service = service
        self._subscriber = subscriber
        self._owner = owner
        self._topic = topic

    def __repr__(self) -> str:
        state = "subscribed" if self._subscriber.entry is not None else "ended"
        return f"<Unsubscribe {short_repr(self._topic.name)}, {state}>"

    def __call__(self) -> None:
        """Unsubscribe. Once this has returned the callback is not called again. Idempotent."""
        self._service.detach(self._subscriber)

    def dispose(self) -> None:
        """Unsubscribe, as a call does; for lists of RxPY disposables.

        >>> from reactivex.disposable import CompositeDisposable
        >>> with FakeRealtime() as fake:
        ...     all_of_them = CompositeDisposable(fake.client.realtime.subscribe("chat", print))
        ...     all_of_them.dispose()
        """
        self()

    def __enter__(self) -> Unsubscribe:
        return self

    def __exit__(self, *_: object) -> None:
        self()


def subscribe_blocking(
    request: TopicRequest,
    callback: Callable[[Any], object],
    *,
    timeout: float,
    on_error: Callable[[Exception], object] | None = None,
    on_completed: Callable[[], object] | None = None,
) -> Unsubscribe:
    """Subscribe `callback`, and wait until the server has acknowledged the topic.

    Raises:
        RequestTimeoutError: not acknowledged within `timeout` seconds.
        BosBaseError: the preflight, or the server, has refused the topic.
    """
    if not callable(callback):
        raise TypeError(f"the callback must be callable, not {type(callback).__name__}")
    check_seconds("timeout", timeout)
    service, preflight = request.service, request.preflight
    report = on_error or _log_error(request.topic)
    is_subscribed = False

    def fail(error: Exception) -> None:
        if is_subscribed:  # before that, the error is raised to the caller, and only there
            report(error)

    subscriber = Subscriber(
        request.decode(callback, *([on_error] if on_error else [])), fail,
        on_completed or _nothing, raw=request.raw, check=preflight is not None, keep_on_error=True,
    )  # fmt: skip
    try:
        service.attach(request.topic, subscriber, preflight, urgent=True)
        service.wait_acknowledged(subscriber, timeout)
        is_subscribed = True
        if subscriber.error is not None:  # ended between the two lines above
            raise subscriber.error
    except BaseException:
        service.detach(subscriber)
        raise
    return Unsubscribe(service, subscriber, request.topic, request.owner)


def check_seconds(what: str, value: object) -> None:
    """Raise `TypeError` or `ValueError` unless `value` is a finite, positive number of seconds."""
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

    >>> with FakeRealtime() as fake:
    ...     realtime = fake.client.realtime
    ...     _ = realtime.observe("chat").subscribe(lambda message: print(message.data))
    ...     fake.send("chat", "Hi")
    ...     realtime.status.value.state, realtime.is_connected
    Hi
    1
    ('active', True)
    """

    # A misspelt `client.realtime.on_disconnect = …` is an error, not a callback never called.
    __slots__ = ("_connections", "_owner", "_service")

    def __init__(self, service: RealtimeService, owner: object, connections: Connections) -> None:
        self._service = service
        self._owner = owner
        self._connections = connections

    def __repr__(self) -> str:
        status = self.status.value
        return f"<Realtime {status.state}, {len(status.topics)} topics>"

    def observe(
        self,
        topic: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> Stream[Message]:
        """Return the hot observable of any topic's messages; it subscribes when you do.

        Args:
            topic: ``PB_CONNECT``, a record topic, or one that your server's hooks send.
            query: the query that the server's rules see, as text pairs.
            headers: the headers that the server's rules see.

        Raises:
            ClientResponseError: 400, the topic is longer than the server's 2500 bytes
                (PocketBase, ``apis/realtime.go``, ``realtimeSubscribeForm``).
            ValueError, TypeError: an invalid topic or option.

        >>> with FakeRealtime() as fake:
        ...     typing = fake.client.realtime.observe("chat/typing")
        ...     _ = typing.subscribe(lambda message: print(message["who"]))
        ...     fake.send("chat/typing", {"who": "Ada"})
        Ada
        1
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
        """Call `callback` for each message of `topic`; wait for the acknowledgement.

        On ``"PB_CONNECT"`` a callback gets the current connection at once, then each new one.

        Args:
            topic: as for `observe`.
            callback: called with each message, one at a time, on the client's delivery thread; what
                it raises is logged.
            query, headers: as for `observe`.
            timeout: seconds to wait for the acknowledgement.

        Returns:
            the subscription: call it, dispose it, or use it in ``with`` to end it.

        Raises:
            RequestTimeoutError: not acknowledged within `timeout` seconds.
            ClientResponseError: 400, the topic is too long, as for `observe`.
            BosBaseError: the connection failed for good, or the client was closed.
            ValueError, TypeError: an argument is invalid.

        >>> with FakeRealtime() as fake:
        ...     realtime = fake.client.realtime
        ...     unsubscribe = realtime.subscribe("PB_CONNECT", lambda m: print(m["clientId"]))
        ...     fake.advance(0)
        fake-client-1
        """
        request = custom_topic_request(self, topic, query=query, headers=headers)
        return subscribe_blocking(request, callback, timeout=timeout)

    def unsubscribe(self, topic: str | None = None) -> None:
        """Unsubscribe `topic`, with all its option variants, or every topic.

        Their observables complete. Live views keep their topics.

        Args:
            topic: as for `observe`; None for all.

        Raises:
            ClientResponseError: 400 at once, the name is longer than any topic, as for `observe`.
            ValueError, TypeError: no topic has this name.

        >>> with FakeRealtime() as fake:
        ...     _ = fake.client.realtime.subscribe("chat", print)
        ...     fake.client.realtime.unsubscribe()
        ...     fake.topics
        set()
        """
        if topic is None:
            self._service.complete(lambda _: True)
        else:
            name = custom_topic(topic).name
            self._service.complete(lambda other: other == name)

    @property
    def events(self) -> Stream[Message]:
        """The hot observable of every message that is received, on any subscribed topic.

        It subscribes to no topic itself: without topics there is no connection.
        """
        return MessageStream(self._service, None, self._owner)

    @property
    def status(self) -> Latest[Status]:
        """The observable of the `Status` of all connections of the client: the current one at once,
        then each change. Its ``value`` is the current one, for code that is not reactive."""
        return self._service.status

    @property
    def on_disconnect(self) -> Callable[[list[str]], object] | None:
        """Called once per loss with the topics still wanted, those of live views too; with ``[]``
        when the last connection was closed on purpose. Not for the server's routine closes.

        Connections of the client that end within a second, or before the first of them is open
        again, are one loss."""
        return self._service.monitor.on_disconnect

    @on_disconnect.setter
    def on_disconnect(self, callback: Callable[[list[str]], object] | None) -> None:
        if callback is not None and not callable(callback):
            raise TypeError(f"on_disconnect must be callable, not {type(callback).__name__}")
        self._service.monitor.on_disconnect = callback

    def wait_active(self, timeout: float = 10.0) -> None:
        """Wait until every wanted topic is acknowledged, those of live views too; return at once if
        none is wanted. A view's records come later: see ``view.wait_fresh``.

        Args:
            timeout: the longest wait in seconds.

        Raises:
            RequestTimeoutError: not within `timeout` seconds.
            ClientClosedError: the client was closed.
            BosBaseError: the error with which a connection failed meanwhile.
            TypeError, ValueError: `timeout` is no finite number above 0.

        >>> with FakeRealtime() as fake:
        ...     _ = fake.client.collection("posts").observe("*").subscribe()
        ...     fake.client.realtime.wait_active(timeout=5)
        ...     fake.topics
        {'posts/*'}
        """
        check_seconds("timeout", timeout)
        self._service.monitor.wait_active(timeout)

    def reconnect_now(self) -> None:
        """Open a new connection at once: end a wait, replace an open stream; the same for the
        connections of the live views.

        >>> with FakeRealtime() as fake:
        ...     _ = fake.client.collection("posts").observe("*").subscribe()
        ...     fake.drop()  # the next attempt would be after 0.2 s
        ...     fake.client.realtime.reconnect_now()
        ...     fake.advance(0)
        ...     fake.client.realtime.status.value.state
        'active'
        """
        self._connections.renew()

    def set_nodes(self, nodes: Sequence[str] | None) -> None:
        """Keep streams to these nodes from now on, in place of those of ``BosBase(nodes=…)``.

        Subscriptions stay. Live views catch up with what a node that joins or leaves has written.

        Args:
            nodes: the base URL of each node; none at all for one stream, to the client's own URL.

        Raises:
            ClientClosedError: the client is closed.
            ValueError, TypeError: an address is invalid, or there twice. Two that prove to reach
                one server end the streams with a `SameNodeError`.

        >>> with FakeRealtime() as fake:
        ...     fake.client.realtime.set_nodes(["http://a:8090", "http://b:8090"])
        ...     fake.client.realtime.status.value.nodes
        {'http://a:8090': 'idle', 'http://b:8090': 'idle'}
        """
        self._connections.set_nodes(check_nodes(nodes))

    @property
    def stats(self) -> Stats:
        """Counters: frames, bytes, reconnects, queue lengths and more; see `Stats`."""
        return self._service.monitor.stats

    @property
    def client_id(self) -> str:
        """The id that the server gave the (first) connection, "" while there is none."""
        return self.status.value.client_id

    @property
    def is_connected(self) -> bool:
        """True while every connection that is wanted is open; see `status` for more."""
        return self.status.value.state in ("connected", "active")


def _log_error(topic: Topic) -> Callable[[Exception], object]:
    return lambda error: log.error("the subscription of %r ended: %s", topic.name, error)


def _nothing() -> None:
    """Ignore completion: a callback has no use for it."""


def custom_topic_request(
    realtime: Realtime,
    topic: str,
    *,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
) -> TopicRequest:
    """Return the request for a topic of ``client.realtime``; errors as `Realtime.observe`."""
    wanted = custom_topic(topic, query=query, headers=headers)
    return TopicRequest(realtime._service, wanted, realtime._owner)
