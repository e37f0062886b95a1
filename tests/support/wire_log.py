"""The log of the wire server, and waits for its entries without polling."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from support.wire_http import Request
from support.wire_stream import Stream

__all__ = ["WAIT_LIMIT", "WireLog"]

T = TypeVar("T")
WAIT_LIMIT = 5.0


class WireLog:
    """The record of one server's traffic; read it at any time, from any thread.

    Attributes:
        requests: every request in order of arrival, those of the stream too.
        posts: the subscription list of each POST, in order of arrival, refused ones too.
        accepted: how many POSTs were answered with 204; counted once the answer is written.
        gets: the number of GETs of a stream, refused ones too.
        streams: the open streams, oldest first.
        all_streams: those that have ended as well.
        errors: what went wrong inside the server, such as a handler of the test that raised.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.requests: list[Request] = []
        self.posts: list[list[str]] = []
        self.accepted = 0
        self.gets = 0
        self.all_streams: list[Stream] = []
        self.errors: list[BaseException] = []

    @property
    def streams(self) -> list[Stream]:
        with self.changed:
            return [stream for stream in self.all_streams if stream.ended_by is None]

    @property
    def stream(self) -> Stream:
        """The newest open stream."""
        streams = self.streams
        if not streams:
            raise LookupError("no stream is open: wait_streams(1) first")
        return streams[-1]

    def requests_to(self, path: str, method: str | None = None) -> list[Request]:
        """The requests whose path begins with ``path``."""
        with self.changed:
            return [
                request
                for request in self.requests
                if request.path.startswith(path) and method in (None, request.method)
            ]

    def wait_for(
        self, predicate: Callable[[], T], timeout: float = WAIT_LIMIT, what: str = "the predicate"
    ) -> T:
        """Wait until the predicate is true; return its value. It runs after each change of the log.

        It runs under the log's lock: it may read the server only, and send nothing. For a
        condition of the test's own data, call ``notify`` after a change.

        Raises:
            TimeoutError: after ``timeout`` seconds; the message has the log's last entries.
        """
        with self.changed:
            value = self.changed.wait_for(predicate, timeout)
            if not value:
                raise TimeoutError(f"{timeout:g} s passed without {what}; {self._summary()}")
            return value

    def wait_requests(self, count: int, path: str = "", timeout: float = WAIT_LIMIT) -> Request:
        """The ``count``-th request to ``path``, once it has arrived."""
        what = f"request {count} to {path or 'anywhere'}"
        self.wait_for(lambda: len(self.requests_to(path)) >= count, timeout, what)
        return self.requests_to(path)[count - 1]

    def wait_post(self, count: int, timeout: float = WAIT_LIMIT) -> list[str]:
        """The topics of the ``count``-th POST: arrived and, unless scripted, in effect."""
        self.wait_for(lambda: len(self.posts) >= count, timeout, f"POST {count}")
        return self.posts[count - 1]

    def wait_accepted(self, count: int, timeout: float = WAIT_LIMIT) -> None:
        """Wait until ``count`` POSTs were answered with 204."""
        self.wait_for(lambda: self.accepted >= count, timeout, f"accepted POST {count}")

    def wait_gets(self, count: int, timeout: float = WAIT_LIMIT) -> None:
        """Wait until ``count`` GETs of streams arrived."""
        self.wait_for(lambda: self.gets >= count, timeout, f"GET {count} of a stream")

    def wait_streams(self, count: int, timeout: float = WAIT_LIMIT) -> list[Stream]:
        """Wait until exactly ``count`` streams are open; return them."""
        self.wait_for(lambda: len(self.streams) == count, timeout, f"{count} open streams")
        return self.streams

    def notify(self) -> None:
        """Make every wait check its predicate again."""
        with self.changed:
            self.changed.notify_all()

    def _summary(self) -> str:
        last = [f"{request.method} {request.path}" for request in self.requests[-5:]]
        return (
            f"gets={self.gets} open={len(self.streams)} posts={self.posts[-3:]} "
            f"accepted={self.accepted} last requests={last} errors={self.errors}"
        )
