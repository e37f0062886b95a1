"""The client: it builds its runtime, gives access to collections and realtime, and closes all."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from reactivex import abc

from rxbosbase.encoding.narrowing import is_object

from ._runtime import PREFLIGHT_EVERY, ClientRuntime, close_later
from .auth.login import as_login
from .auth.store import AuthStore, check_token
from .collection import Collection
from .encoding.utf8 import check_encodable
from .errors import ClientClosedError, ProtocolError
from .http.body import MAX_ANSWER_BYTES
from .http.transport import HTTPTransport, check_headers
from .http.urls import check_nodes
from .realtime.api import Realtime, check_seconds
from .realtime.protocol.frames import MAX_FRAME_BYTES
from .realtime.service import RealtimeService
from .realtime.topic_headers import TopicHeaders
from .records.collections import Collections
from .records.file_urls import file_url
from .records.filter_dialect import FilterDialect, check_dialect
from .records.filters import Dialect, build_filter
from .records.models import Model
from .records.options import check_count
from .records.reader import OnDecodeError, RecordReader
from .runtime.backoff import BackoffPolicy
from .runtime.scheduler import SerialScheduler

if TYPE_CHECKING:
    from .live.manager import LiveViewManager

__all__ = ("BosBase", "client_of")

T = TypeVar("T")

IDLE_TIMEOUT = 330.0
"""Above the 5 minutes after which the server itself closes an idle stream."""

CHECK_EVERY = 60.0
"""Seconds between two checks of `auto_refresh` whether the server still accepts the token."""


class BosBase:
    """A client of one BosBase (or PocketBase) server. The constructor does no I/O.

    Args:
        base_url: for example ``"http://127.0.0.1:8090"``.
        auth_store: where the login is kept; in memory by default.
        timeout: seconds until the headers of a response have arrived, and without data after
            them. The body may take as long, and a second more for each 8 KiB received.
        headers: sent with every request, and with nothing else. Topics do not carry them, since a
            topic is shown in ``status`` and in logs, and a header may be a secret.
        topic_headers: headers that rules may read, for every topic and live view of a collection;
            `headers=` of ``observe`` or ``live`` takes precedence. Put no secret there. None as a
            value means that no rule reads this header of `headers`.
        filter_dialect: how the server's filters read a backslash, where it is known: ``"escaped"``
            (PocketBase from 0.39.9 on) or ``"plain"`` (BosBase, older PocketBase). Else
            ``collection.learn_filter_dialect()`` asks the server.
        backoff: how to wait between attempts to connect.
        idle_timeout: seconds a stream may be silent before it is renewed; the server closes one
            after 300 (PocketBase, ``apis/realtime.go``, ``realtimeConnect``).
        verify: check the server's certificate; a path is a file of authorities. Without a path,
            the first of ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE`` and ``SSL_CERT_FILE`` in the
            environment is that file, and ``SSL_CERT_DIR`` is a list of folders of further ones.
        max_event_bytes: a larger event is skipped, and reported on ``status`` and in the log.
        max_answer_bytes: a larger response, once decompressed, is an `AnswerTooLargeError`; lists
            and live views read fewer records a page then. Its decoded form may take 8 times as
            much memory.
        on_auth_lost: what happens, with `auto_refresh`, when the server does not accept the login
            any more: ``"error"`` ends all streams with an `AuthLostError`, ``"guest"`` continues
            without a login. In both cases the login is cleared.
        preflight_every: seconds between two reads that check whether the topics of ``observe`` and
            ``subscribe`` can still deliver, one for all topics of a collection with equal options;
            0 for reads after reconnections alone.
        nodes: the base URLs of all nodes, where several BosBase servers share one database: a
            node's stream tells only of its own writes, so the client keeps one to each. Requests
            go to `base_url`. Later: ``client.realtime.set_nodes``.

    Raises:
        ValueError, TypeError: an argument that cannot be right, at once.

    >>> client = BosBase("http://127.0.0.1:8090")
    >>> posts = client.collection("posts").observe("*")
    >>> client.close()
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth_store: AuthStore | None = None,
        timeout: float = 30.0,
        headers: Mapping[str, str] | None = None,
        backoff: BackoffPolicy | None = None,
        idle_timeout: float = IDLE_TIMEOUT,
        verify: bool | str | os.PathLike[str] = True,
        max_event_bytes: int = MAX_FRAME_BYTES,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        on_auth_lost: Literal["error", "guest"] = "error",
        topic_headers: Mapping[str, str | None] | None = None,
        filter_dialect: Dialect | None = None,
        preflight_every: float = PREFLIGHT_EVERY,
        nodes: Sequence[str] | None = None,
    ) -> None:
        check_seconds("timeout", timeout)
        check_seconds("idle_timeout", idle_timeout)
        if not math.isfinite(timeout) or not math.isfinite(idle_timeout):
            raise ValueError("timeout and idle_timeout must be finite")
        if preflight_every != 0:
            check_seconds("preflight_every", preflight_every)
        check_count("max_event_bytes", max_event_bytes)
        check_count("max_answer_bytes", max_answer_bytes)
        if auth_store is not None and not isinstance(auth_store, AuthStore):
            raise TypeError(f"auth_store must be an AuthStore, not {type(auth_store).__name__}")
        if backoff is not None and not isinstance(backoff, BackoffPolicy):
            raise TypeError(f"backoff must be a BackoffPolicy, not {type(backoff).__name__}")
        if on_auth_lost not in ("error", "guest"):
            raise ValueError(f"on_auth_lost must be 'error' or 'guest', not {on_auth_lost!r}")
        store = auth_store if auth_store is not None else AuthStore()
        topics = TopicHeaders(topic_headers, headers)
        transport = HTTPTransport(
            base_url, timeout=timeout, headers=headers, token=lambda: store.token, verify=verify,
            max_answer_bytes=max_answer_bytes,
        )  # fmt: skip
        runtime = ClientRuntime(
            transport, store, backoff or BackoffPolicy(), idle_timeout, max_event_bytes,
            on_auth_lost, check_dialect(filter_dialect), preflight_every, check_nodes(nodes),
        )  # fmt: skip
        self._use(runtime, topics)

    def _use(self, runtime: ClientRuntime, topic_headers: TopicHeaders) -> None:
        self._runtime = runtime
        self.auth_store: AuthStore = runtime.auth_store
        self.topic_headers = topic_headers
        self.transport = runtime.transport
        self.single_flight = runtime.single_flight
        self._finalizer = weakref.finalize(self, close_later, runtime)
        self._finalizer.atexit = False  # the runtime closes itself then

    def __repr__(self) -> str:
        return f"<BosBase {self.base_url} {self.service.status.value.state}>"

    def __enter__(self) -> BosBase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """The server's address, without a trailing slash."""
        return self.transport.base_url

    @property
    def dialect(self) -> FilterDialect:
        """How the server's filters read text; for the library itself."""
        return self._runtime.dialect

    @property
    def service(self) -> RealtimeService:
        """The realtime service of the user's topics; for the library itself."""
        return self._runtime.realtime

    @property
    def live_manager(self) -> LiveViewManager:
        """The manager of the live views; for the library itself."""
        return self._runtime.live

    @property
    def scheduler(self) -> SerialScheduler:
        """The scheduler of the delivery thread; pass it to operators on merged streams."""
        return self._runtime.delivery

    @property
    def realtime(self) -> Realtime:
        """Custom topics, the connection's status, and its renewal."""
        return Realtime(self.service, self, self._runtime)

    @property
    def collections(self) -> Collections:
        """The requests that create and change collections, for superusers."""
        return Collections(self.send)

    @overload
    def collection(self, name: str) -> Collection[dict[str, Any]]: ...

    @overload
    def collection(
        self, name: str, *, model: Model[T], on_decode_error: OnDecodeError[T] = "raise"
    ) -> Collection[T]: ...

    def collection(self, name: str, *, model: Any = None, on_decode_error: Any = "raise") -> Any:
        """Return the collection of this name (or id); no request is made.

        Args:
            name: the collection's name or id.
            model: what its records become: a dataclass, a ``TypedDict`` or a callable that takes
                the record's dict, such as ``Post.model_validate``; without it they stay dicts.
            on_decode_error: a record that does not fit is a `RecordDecodeError` by ``"raise"``
                (callbacks: in the log), and left out by ``"skip"``, unless it is read alone; a
                callable gets error and dict, and returns the replacement, None to leave it out.

        Raises:
            TypeError, ValueError: an argument is invalid, such as a name that no URL can hold.
        """
        return Collection(self, name, RecordReader(name, model, on_decode_error))

    def filter(self, expression: str, /, **values: Any) -> str:
        """Return a filter with any values put in safely. Makes no request.

        Servers read some texts with a backslash in two ways. Such a filter is written for the
        known dialect, and a server of the other one refuses it with 400.

        Args:
            expression: the filter, with ``{:name}`` where a value goes; comments are dropped.
            values: str, bool (``'1'`` or ``'0'``), None, int, float, Decimal, datetime (in UTC),
                date, or a dict, list or tuple (as JSON); and all other values that a body takes,
                in the same form, such as ``pandas.Timestamp`` and scalars of numpy.

        Returns:
            the filter's text, for ``filter=`` of any call.

        Raises:
            ValueError: a value the server's filters cannot express; one that cannot be written
                before the server's dialect is known (`filter_dialect`); a name without a value.
            TypeError: a value of another type.

        >>> BosBase("http://localhost").filter("author = {:who}", who="o'neil")
        "author = 'o\\\\'neil'"
        """
        return build_filter(expression, self._runtime.dialect.known, **values)

    @property
    def filter_dialect(self) -> Dialect | None:
        """How the server's filters read a backslash: ``"escaped"`` or ``"plain"``; None while it
        is neither given nor learned."""
        return self._runtime.dialect.known

    def health(self) -> dict[str, Any]:
        """Return the server's response to ``GET /api/health``.

        Raises:
            ProtocolError: the response is no object of JSON.
            BosBaseError: as `send`.

        >>> with FakeRealtime() as fake:
        ...     fake.answers["GET", "/api/health"] = {"code": 200}
        ...     fake.client.health()
        {'code': 200}
        """
        result = self.send("GET", "/api/health")
        if not is_object(result):
            raise ProtocolError("/api/health was answered with no object: is base_url a BosBase?")
        return result

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        token: str | None = None,
    ) -> Any:
        """Send any request; return the decoded JSON of the response, None if it is empty.

        Args:
            method: ``"GET"``, ``"POST"``, ``"PATCH"``, ``"PUT"`` or ``"DELETE"``.
            path: below the base URL, for example ``"/api/health"``; without ``.`` and ``..``.
            query, headers: query parameters and HTTP headers, by name.
            body: sent as JSON, and takes the values that `filter` takes; with `files`, as the
                fields of a form.
            files: ``[(field, (name, content[, type])), …]``, as `requests` takes them.
            timeout: seconds; the client's own by default.
            token: sent in place of the login's; "" sends none.

        Raises:
            ClientResponseError: the server refuses.
            RequestTimeoutError, ConnectionFailedError, ProtocolError: no response, or not of JSON.
            TypeError, ValueError, ClientClosedError: an argument is invalid; it is closed.

        >>> with FakeRealtime() as fake:
        ...     fake.answers["POST", "/api/greet"] = lambda body: {"text": f"Hi {body['name']}"}
        ...     fake.client.send("POST", "/api/greet", body={"name": "Ada"})
        {'text': 'Hi Ada'}
        """
        if not isinstance(path, str) or not path.startswith("/"):
            raise ValueError(f"path must begin with '/', such as '/api/health', not {path!r}")
        if timeout is not None:
            check_seconds("timeout", timeout)
        if token is not None:
            check_token(token)
        sent = {"method": method, "path": path, "query": query, "files": files}
        for what, given in (sent if files is None else {**sent, "body": body}).items():
            check_encodable(what, given)
        self._check_open()
        answer = self.transport.request(
            method, path, query=query, body=body, files=files,
            headers=check_headers(headers), timeout=timeout, token=token,
        )  # fmt: skip
        return as_login(path, answer)

    def file_url(
        self,
        record: Mapping[str, Any],
        name: str,
        *,
        thumb: str | None = None,
        token: str | None = None,
        download: bool = False,
    ) -> str:
        """Return the URL of a record's file; no request is made.

        Args:
            record: a record with ``id`` and ``collectionId`` or ``collectionName``.
            name: the file's name, as in the record's file field.
            thumb: a size such as ``"100x100"`` (pixels), for images.
            token: a file token, for protected files.
            download: ask the browser to save it rather than to show it.

        Raises:
            ValueError: the record lacks one of these, or `name` is none of a file.

        >>> BosBase("http://localhost").file_url(
        ...     {"id": "abc", "collectionId": "pbc_1"}, "a b.png", thumb="50x50")
        'http://localhost/api/files/pbc_1/abc/a%20b.png?thumb=50x50'
        """
        return file_url(self.base_url, record, name, thumb=thumb, token=token, download=download)

    def auto_refresh(
        self,
        threshold: timedelta = timedelta(minutes=30),
        *,
        check_every: float = CHECK_EVERY,
    ) -> abc.DisposableBase:
        """Renew the token automatically, `threshold` before it expires; return what ends that.

        Args:
            threshold: how long before the token expires.
            check_every: seconds between two checks whether the server still accepts the token;
                once it has refused it three times over 30 s, ``on_auth_lost`` is applied.

        Raises:
            ValueError, TypeError, ClientClosedError: an argument is invalid; it is closed.

        >>> with FakeRealtime() as fake:
        ...     fake.client.auto_refresh(timedelta(minutes=10)).dispose()
        """
        if not isinstance(threshold, timedelta):
            raise TypeError(f"threshold must be a timedelta, not {type(threshold).__name__}")
        if threshold < timedelta(0):
            raise ValueError(f"threshold must not be negative, {threshold!r} is")
        check_seconds("check_every", check_every)
        self._check_open()
        return self._runtime.auto_refresh(threshold.total_seconds(), check_every)

    @property
    def is_closed(self) -> bool:
        """True once `close` was called."""
        return self._runtime.closed

    def _check_open(self) -> None:
        if self.is_closed:
            raise ClientClosedError("the client is closed; make a new one")

    def close(self) -> None:
        """End streams, requests in flight and threads; idempotent, from any thread.

        Returns within 100 ms. Events not delivered yet are discarded, and the streams complete
        once the running callback has returned.
        """
        self._finalizer.detach()
        self._runtime.close()


def client_of(runtime: ClientRuntime) -> BosBase:
    """Return a client of this runtime, which may have another transport and another clock."""
    client = BosBase.__new__(BosBase)
    client._use(runtime, TopicHeaders(None, None))
    return client
