"""Every error this library raises on purpose, under one root. Pure.

::

    BosBaseError
    │   remote: the server's fault, or that of the network and of what stands in it
    ├── ClientResponseError          the server answered with an error; local for most 4xx
    ├── RequestTimeoutError          also a TimeoutError: no response in time
    ├── ConnectionFailedError        also a ConnectionError: no response at all
    │   └── StreamLostError          the event stream ended before its time
    ├── ProtocolError                the response is not one of a BosBase server
    │   ├── RedirectError            … but points to another address
    │   ├── UnreadableError          … or holds a record that cannot be decoded
    │   └── AnswerTooLargeError      … or is larger than a response may be
    ├── MalformedEvent               also a ValueError: a frame without a valid event
    │   local: to be mended in the program that calls, or on its machine
    ├── RecordDecodeError            a record does not fit the model given for its collection
    ├── UnknownDialectError          also a ValueError: how the server reads a filter is not known
    ├── BufferOverflowError          a bounded queue is full, and its policy is to fail
    ├── AuthLostError                the server does not accept the login any more
    ├── SameNodeError                two entries of ``nodes=`` are one server
    ├── ClientClosedError            also a RuntimeError: used after close()
    └── MissingExtraError            also an ImportError: an optional part is not installed

`BosBaseError.is_remote` tells the two groups apart; `BosBaseError.retryable` says which errors may
pass without any change.
Wrong arguments are ``ValueError`` or ``TypeError``, at once. No message holds a token or a
password. All of them can be pickled and copied, with all they hold, and so be sent to another
process; an ``original`` is included if it can be pickled itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .encoding.control_characters import one_line
from .encoding.error_pickle import readable_pickle
from .encoding.error_text import fields_text, target_text
from .encoding.unreadable import UnreadableRecord

__all__ = (
    "AnswerTooLargeError",
    "AuthLostError",
    "BosBaseError",
    "BufferOverflowError",
    "ClientClosedError",
    "ClientResponseError",
    "ConnectionFailedError",
    "MalformedEvent",
    "MissingExtraError",
    "ProtocolError",
    "RecordDecodeError",
    "RedirectError",
    "RequestTimeoutError",
    "SameNodeError",
    "StreamLostError",
    "UnknownDialectError",
    "UnreadableError",
)


class BosBaseError(Exception):
    """The root of the tree: ``except BosBaseError`` catches whatever this library raises."""

    _is_remote = _retryable = False

    @property
    def is_remote(self) -> bool:
        """True where the fault lies with the server, the network, or what stands in between; False
        where it lies with the program that calls, or with its machine."""
        return self._is_remote

    @property
    def retryable(self) -> bool:
        """True where the same call may succeed later without any change to it."""
        return self._retryable

    def __reduce__(self) -> Any:
        return readable_pickle(type(self), super().__reduce__())


class ClientResponseError(BosBaseError):
    """The server answered with an error.

    Attributes:
        status: the HTTP status code, for example 404.
        url: the requested URL, without credentials.
        data: the body's ``data``: ``{"field": {"code": …, "message": …}}``, or ``{}``.
        message: the server's own message, at most 1000 characters of it.
        original: the exception this one was made from, if any. Behind a pickle or a copy None,
            where it cannot be pickled.
        retry_after: seconds the server asked to wait (RFC 9110, 10.2.3: Retry-After), or None.
    """

    def __init__(
        self,
        status: int,
        url: str = "",
        data: Mapping[str, Any] | None = None,
        message: str = "",
        original: BaseException | None = None,
        *,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.url = url
        self.data: dict[str, Any] = dict(data or {})
        self.message = message
        self.original = original
        self.retry_after = retry_after
        super().__init__(status, url, self.data, message)

    @property
    def is_remote(self) -> bool:
        """True for 408, 429 and 5xx; other 4xx mean that the request has to be changed."""
        return self.retryable

    @property
    def retryable(self) -> bool:
        """True for 408, 429 and 5xx: the request may be right, and succeed later."""
        return self.status in (408, 429) or self.status >= 500

    def __str__(self) -> str:
        text = f"{self.status}: {self.message or 'the server refused the request'}"
        fields = fields_text(self.data)
        if fields:
            text += f" ({fields})"
        return one_line(f"{text} [{self.url}]" if self.url else text)


class RequestTimeoutError(BosBaseError, TimeoutError):
    """No response of the server in time, or a wait that timed out."""

    _is_remote = _retryable = True


class ConnectionFailedError(BosBaseError, ConnectionError):
    """The server could not be reached, or the connection broke before a response."""

    _is_remote = _retryable = True


class StreamLostError(ConnectionFailedError):
    """The event stream ended before its time.

    Args:
        message: why it ended.

    Attributes:
        healthy: True if the stream had been acknowledged and had lived long enough for
            its loss to start a new count of failures.
    """

    def __init__(self, message: str, *, healthy: bool = False) -> None:
        super().__init__(message)
        self.healthy = healthy


class ProtocolError(BosBaseError):
    """The response is not one of a BosBase server: a web page, broken JSON."""

    _is_remote = _retryable = True


class RedirectError(ProtocolError):
    """The response is a redirect. None is followed, as it could carry the token to another host.

    The connection of the streams is tried again all the same, as after any trouble of the network:
    a captive portal, or a server that is being replaced, redirects for a while.

    Attributes:
        url: the requested URL, without its query.
        target: where it points to, without credentials, query and fragment; at most 300 characters.
            It may be relative, and is "" where the response names none.
    """

    _retryable = False  # the same address has the same answer

    def __init__(self, url: str, target: str = "") -> None:
        self.url = url
        self.target: str = target_text(target)
        super().__init__(url, self.target)

    def __str__(self) -> str:
        return one_line(
            f"{self.url} redirects to {self.target or 'elsewhere'}; redirects are not followed: "
            "use the server's final address as base_url"
        )


class UnreadableError(ProtocolError):
    """A response holds records that cannot be decoded: a value in them is nested too deeply.

    Attributes:
        url: the requested URL, without its query.
        records: which ones, and why.
        depth: how many levels the deepest value is nested.
        rest: the response with each of these records cut down to what could be decoded of it.
        was_written: True if it is the response to a write, which the server has done.
    """

    _retryable = False  # the record has to be changed first

    def __init__(
        self,
        url: str,
        records: Sequence[UnreadableRecord],
        *,
        rest: Any = None,
        was_written: bool = False,
    ) -> None:
        self.url = url
        self.was_written = was_written
        self.records: tuple[UnreadableRecord, ...] = tuple(records)
        self.depth: int = max((record.depth for record in self.records), default=0)
        self.rest = rest
        super().__init__(url, self.records)

    def __str__(self) -> str:
        first = "; ".join(str(record) for record in self.records[:3])
        more = f"; and {len(self.records) - 3} more" if len(self.records) > 3 else ""
        done = "the write was done, but " if self.was_written else ""
        return one_line(
            f"{done}the response cannot be decoded whole: {first}{more}; mend the value, leave the "
            "field out with fields=, or read the other records with "
            f"iter_records(on_unreadable='skip') [{self.url}]"
        )


class AnswerTooLargeError(ProtocolError):
    """A response is larger than ``max_answer_bytes`` of the client, or becomes so when it is
    decompressed or decoded. Lists and live views read fewer records a page then, down to one.

    Attributes:
        url: the requested URL, without its query.
        bound: what it exceeds, such as ``"33554432 bytes"``.
        was_written: True if it is the response to a write, which the server has done.
    """

    _retryable = False  # the same request has the same response

    def __init__(self, url: str, bound: str, *, was_written: bool = False) -> None:
        self.url = url
        self.bound = bound
        self.was_written = was_written
        super().__init__(url, bound)

    def __str__(self) -> str:
        done = "the write was done, but " if self.was_written else ""
        return one_line(
            f"{done}{self.url} answered with more than an answer may have ({self.bound}): ask for "
            "less, with smaller pages or fields=, or allow more with BosBase(max_answer_bytes=…)"
        )


class MalformedEvent(BosBaseError, ValueError):
    """A frame of a record topic without a valid record event.

    Args:
        why: what is wrong with it.

    Attributes:
        topic: the topic of the frame, without options.
        event: the part that could be decoded, a `RecordEvent`, if the event's record is nested too
            deeply; else None.
    """

    _is_remote = True

    def __init__(self, topic: str, why: str, event: Any = None) -> None:
        # Never the payload: it may be confidential, and messages are logged.
        super().__init__(f"the event on {topic!r} was left out: {why}")
        self.topic = topic
        self.event = event


class RecordDecodeError(BosBaseError):
    """A record does not fit the ``model`` given for its collection. It never shows a value.

    Attributes:
        field: which field, such as ``"n"`` or ``"expand.author.name"``; "" for the whole record.
        collection: the collection's name.
        expected: what the model asks for, such as ``"int"``.
        found: what kind of value the server sent, such as ``"str"``, or ``"missing"``.
        record_id: the record's id, "" where it has none.
        original: what the model itself raised, if it did. It may hold values. Behind a pickle or a
            copy None, where it cannot be pickled.
    """

    def __init__(
        self,
        field: str,
        collection: str,
        expected: str,
        *,
        found: str = "",
        record_id: str = "",
        original: BaseException | None = None,
    ) -> None:
        self.field = field
        self.collection = collection
        self.expected = expected
        self.found = found
        self.record_id = record_id
        self.original = original
        self._raised = type(original).__name__ if original is not None else ""
        super().__init__(field, collection, expected)

    def __str__(self) -> str:
        record = f"record {self.record_id!r}" if self.record_id else "a record"
        place = f"its field {self.field!r}" if self.field else "it"
        kind = f", not {self.found}" if self.found else ""
        found = " and is missing" if self.found == "missing" else kind
        raised = f" ({self._raised} was raised)" if self._raised else ""
        return (
            f"{record} of {self.collection!r} does not fit the model: {place} must be "
            f"{self.expected}{found}{raised}; mend the model, or pass on_decode_error='skip'"
        )


class UnknownDialectError(BosBaseError, ValueError):
    """The filter can only be written for a dialect, and the server's is not known."""


class BufferOverflowError(BosBaseError):
    """The queue of ``bounded_observe_on`` was full, and the policy allows nothing else.

    Make the subscriber faster, the size larger, or choose another policy.

    Args:
        size: how many values the queue holds.
        why: the beginning of the message.

    Attributes:
        size: how many values the queue holds.

    >>> BufferOverflowError(10, "it was full").size
    10
    """

    def __init__(self, size: int, why: str) -> None:
        super().__init__(
            f"{why} (queue of {size}): make the subscriber faster, the size larger, or choose "
            "another overflow: 'block', 'drop_oldest', 'drop_newest' or 'conflate'"
        )
        self.size = size


class AuthLostError(BosBaseError):
    """The server does not accept the login any more: log in again.

    It happens when the user's password changed, the user was deleted, or the token expired.
    """


class SameNodeError(BosBaseError):
    """Two entries of ``nodes=`` reach one server, so that its events would come twice.

    Args:
        one, other: their addresses.

    Attributes:
        nodes: both of them.
    """

    def __init__(self, one: str, other: str) -> None:
        self.nodes: tuple[str, str] = (one, other)
        super().__init__(one, other)

    def __str__(self) -> str:
        return (
            f"nodes= reaches one server by {self.nodes[0]} and by {self.nodes[1]}: name each node "
            "once, by an address of its own, and no balancer in front of them"
        )


class ClientClosedError(BosBaseError, RuntimeError):
    """The client was used after ``close()``, or in a child process after ``fork()``."""


class MissingExtraError(BosBaseError, ImportError):
    """An optional part of the library is not installed; the message says how to install it.

    Args:
        what: the part, to begin the message.

    Attributes:
        extra: the name of the part, such as ``"dashboard"``.
        command: what to type to install it, in the way in which the library was installed.
    """

    def __init__(self, what: str, extra: str, command: str = "") -> None:
        self.extra = extra
        self.command: str = command or f"pip install 'rxbosbase[{extra}]'"
        super().__init__(f"{what} needs an optional part: {self.command}")
