"""The `requests` sessions of one channel: the current one, and what is held open beside it.

Each session has connections of its own, so a request of a new session goes over a new connection.
All of them share the sockets, which end together, and the cookies: a balancer may choose the server
by one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import requests

from .abortable_sockets import AbortableAdapter, Sockets

__all__ = ("ChannelSessions",)

MAX_COOKIE_JAR = 8192
"""Bytes of cookies. They are sent back, since a balancer may choose the server by one. More than
this is no balancer's: all are dropped, before the headers of requests exceed a server's limit."""


class _RequestsSession(requests.Session):
    """A session without redirects. The original reads the whole body of one, even if it does not
    follow it, and parses its target, which raises if that is no URL."""

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[requests.Response]:
        return iter(())


class ChannelSessions:
    """Thread-safe: a POST may be in progress when the stream ends on its own thread.

    Args:
        sockets: those of the channel.
        folders: of trusted certificates.

    Attributes:
        current: for the next request.
    """

    def __init__(self, sockets: Sockets, folders: str) -> None:
        self._sockets = sockets
        self._folders = folders
        self._lock = threading.Lock()
        self._closed = False
        self._held: list[requests.Session | requests.Response] = []
        self.current = self._session()

    def renew(self) -> None:
        """Make a new session the current one; the one before is held open, with its connections."""
        session = self._session()
        session.cookies = self.current.cookies
        before, self.current = self.current, session
        self.hold(before)

    def hold(self, item: requests.Session | requests.Response) -> None:
        """Hold a session or a response open until `release`, or until the channel is closed."""
        with self._lock:
            if not self._closed:
                self._held.append(item)
                return
        item.close()

    def release(self) -> None:
        """Close what is held; an event stream that is being read stays open."""
        with self._lock:
            held, self._held = self._held, []
        for item in held:
            item.close()

    def close(self) -> None:
        """Close everything, for good."""
        with self._lock:
            self._closed = True
        self.release()
        self.current.close()

    def limit_cookies(self) -> None:
        """Drop all cookies if they are too large."""
        cookies = self.current.cookies
        if cookies and sum(len(c.name) + len(c.value or "") for c in cookies) > MAX_COOKIE_JAR:
            cookies.clear()

    def _session(self) -> requests.Session:
        session = _RequestsSession()
        # A given auth callable also keeps requests from reading a password in .netrc.
        session.auth = _no_auth
        adapter = AbortableAdapter(self._sockets, self._folders)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
