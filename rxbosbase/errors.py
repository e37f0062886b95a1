"""Every error this library raises on purpose, under one root. Pure.

::

    BosBaseError
    ├── ClientResponseError          the server answered with an error
    ├── RequestTimeoutError          also a TimeoutError: no response in time
    ├── ConnectionFailedError        also a ConnectionError: no response at all
    │   └── StreamLostError          the event stream ended before its time
    ├── ProtocolError                the response is not one of a BosBase server
    │   ├── UnreadableError          … or holds a record that cannot be decoded
    │   └── AnswerTooLargeError      … or is larger than a response may be
    ├── RecordDecodeError            a record does not fit the model given for its collection
    ├── AuthLostError                the server does not accept the login any more
    ├── ClientClosedError            also a RuntimeError: used after close()
    └── MissingExtraError            also an ImportError: an optional part is not installed

Wrong arguments are ``ValueError`` or ``TypeError``, at once. No message holds a token or a
password. All of them can be pickled and copied, with all they hold, and so be sent to another
process; an ``original`` is included if it can be pickled itself.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from .encoding.control_characters import one_line
from .encoding.unreadable import UnreadableRecord

__all__ = [
    "AnswerTooLargeError",
    "AuthLostError",
    "BosBaseError",
    "ClientClosedError",
    "ClientResponseError",
    "ConnectionFailedError",
    "MissingExtraError",
    "ProtocolError",
    "RecordDecodeError",
    "RequestTimeoutError",
    "StreamLostError",
    "UnreadableError",
]


MAX_FIELDS = 20
"""Fields of an error's ``data`` that its text shows …"""

MAX_FIELD = 300
"""… and characters of each."""


class BosBaseError(Exception):
    """The root of the tree: ``except BosBaseError`` catches whatever this library raises."""

    @property
    def retryable(self) -> bool:
        """True where the same call may succeed later without any change to it."""
        return False

    def __reduce__(self) -> Any:
        # Python would call the class with `args`, which not each of them takes: a process
        # that reads such a pickle fails, and a `multiprocessing.Pool` waits without end.
        as_python_does: Any = super().__reduce__()
        _, args, *state = as_python_does
        return _made_again, (type(self), args), *map(_without_unfit, state)


def _made_again(kind: type[BosBaseError], args: tuple[Any, ...]) -> BosBaseError:
    """Return an error made without its own ``__init__``; what that sets is in the pickle."""
    error = kind.__new__(kind, *args)
    built_in: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    built_in.__init__(error, *args)
    return error


def _without_unfit(state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes, without an `original` that makes the pickle unreadable."""
    original = state.get("original")
    try:
        if original is not None:
            pickle.loads(pickle.dumps(original))
    except Exception:
        return {**state, "original": None}
    return state


class ClientResponseError(BosBaseError):
    """The server answered with an error.

    Attributes:
        status: the HTTP status code, for example 404.
        url: the requested URL, without credentials.
        data: the body's ``data``: ``{"field": {"code": …, "message": …}}``, or ``{}``.
        message: the server's own message, at most 1000 characters of it.
        original: the exception this one was made from, if any. Behind a pickle or a copy None,
            where it cannot be pickled.
        retry_after: seconds the server asked to wait (``Retry-After``), or None.
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
    def retryable(self) -> bool:
        """True for 408, 429 and 5xx: the request may be right, and succeed later."""
        return self.status in (408, 429) or self.status >= 500

    def __str__(self) -> str:
        text = f"{self.status}: {self.message or 'the server refused the request'}"
        fields = "; ".join(
            f"{name}: {_field_message(problem)}"[:MAX_FIELD]
            for name, problem in islice(self.data.items(), MAX_FIELDS)
        )
        if fields:
            text += f" ({fields})"
        return one_line(f"{text} [{self.url}]" if self.url else text)


def _field_message(problem: Any) -> str:
    if isinstance(problem, Mapping):
        return str(problem.get("message") or problem.get("code") or dict(problem))
    return str(problem)


class RequestTimeoutError(BosBaseError, TimeoutError):
    """No response of the server in time, or a wait that timed out."""

    @property
    def retryable(self) -> bool:
        return True


class ConnectionFailedError(BosBaseError, ConnectionError):
    """The server could not be reached, or the connection broke before a response."""

    @property
    def retryable(self) -> bool:
        return True


class StreamLostError(ConnectionFailedError):
    """The event stream ended before its time.

    Attributes:
        healthy: True if the stream had been acknowledged and had lived long enough for
            its loss to start a new count of failures.
    """

    def __init__(self, message: str, *, healthy: bool = False) -> None:
        super().__init__(message)
        self.healthy = healthy


class ProtocolError(BosBaseError):
    """The response is not one of a BosBase server: a web page, a redirect, broken JSON."""

    @property
    def retryable(self) -> bool:
        return True


class UnreadableError(ProtocolError):
    """A response holds records that cannot be decoded: a value in them is nested too deeply.

    Attributes:
        url: the requested URL, without its query.
        records: which ones, and why.
        depth: how many levels the deepest value is nested.
        rest: the response with each of these records cut down to what could be decoded of it.
        was_written: True if it is the response to a write, which the server has done.
    """

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
        self.records = tuple(records)
        self.depth = max((record.depth for record in self.records), default=0)
        self.rest = rest
        super().__init__(url, self.records)

    @property
    def retryable(self) -> bool:
        """False: the record has to be changed first."""
        return False

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

    def __init__(self, url: str, bound: str, *, was_written: bool = False) -> None:
        self.url = url
        self.bound = bound
        self.was_written = was_written
        super().__init__(url, bound)

    @property
    def retryable(self) -> bool:
        """False: the same request has the same response."""
        return False

    def __str__(self) -> str:
        done = "the write was done, but " if self.was_written else ""
        return one_line(
            f"{done}{self.url} answered with more than an answer may have ({self.bound}): ask for "
            "less, with smaller pages or fields=, or allow more with BosBase(max_answer_bytes=…)"
        )


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


class AuthLostError(BosBaseError):
    """The server does not accept the login any more: log in again.

    It happens when the user's password changed, the user was deleted, or the token expired.
    """


class ClientClosedError(BosBaseError, RuntimeError):
    """The client was used after ``close()``, or in a child process after ``fork()``."""


class MissingExtraError(BosBaseError, ImportError):
    """An optional part of the library is not installed; the message says how to install it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional part: pip install 'rxbosbase[{extra}]'")
        self.extra = extra
