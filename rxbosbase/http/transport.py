"""HTTP requests, and their responses or this library's errors; all HTTP goes through this module.

An `HTTPChannel` is a set of connections that end together: the client has one for its plain
requests, and each event stream has one for itself and its POSTs.

Source: RFC 9110, 5.5 and 5.6.2 (the values and names of headers).
"""

from __future__ import annotations

import copy
import http.client
import itertools
import logging
import os
import re
import ssl
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import requests
import urllib3

from rxbosbase.encoding.control_characters import one_line
from rxbosbase.encoding.json import encode
from rxbosbase.encoding.utf8 import encodable
from rxbosbase.errors import (
    BosBaseError,
    ClientClosedError,
    ConnectionFailedError,
    ProtocolError,
    RequestTimeoutError,
)
from rxbosbase.runtime.daemon import start_daemon
from rxbosbase.runtime.fork_guard import ForkGuard
from rxbosbase.runtime.network import Receiver

from .abortable_sockets import Sockets
from .body import ACCEPT_ENCODING, MAX_ANSWER_BYTES, read_body
from .certificates import trusted_certificates
from .channel_sessions import ChannelSessions
from .event_stream import STREAM_HEADERS, EventStream
from .multipart import form_fields
from .response_head import MalformedHead, pace_body
from .responses import decoded, url_of
from .urls import check_base_url, url_below

__all__ = ("HTTPChannel", "HTTPTransport", "check_headers")

log = logging.getLogger("rxbosbase.transport")

_NO_ANSWER = (
    requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError,
    http.client.HTTPException,
)  # fmt: skip

_ANY = (
    *_NO_ANSWER, requests.RequestException, OSError, ValueError, AttributeError,
)  # fmt: skip
"""The errors of `requests`, and of the libraries below it."""

_ODD_ADDRESS = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
_HINT = "; is that the host's name, and is a proxy of the environment (HTTP_PROXY) one?"

_AUTHORIZATION = "authorization"
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, 5.6.2: a token
_NOT_IN_A_HEADER = r"[\x00-\x08\x0a-\x1f\x7f]"


def check_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return a copy of `headers`; names and values are strings without line breaks."""
    checked: dict[str, str] = {}
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header {name!r}: names and values must be str")
        if not re.fullmatch(_HEADER_NAME, name):
            raise ValueError(f"header {name!r}: a name is made of letters, digits and hyphens")
        if re.search(_NOT_IN_A_HEADER, value):
            raise ValueError(
                f"header {name!r}: line breaks, NUL and other control characters are not allowed"
            )
        encodable(f"header {name!r}", value)
        checked[name] = value
    return checked


_numbers = itertools.count(1)


class HTTPChannel:
    """Connections to the server that can be ended from any thread."""

    def __init__(self, transport: HTTPTransport) -> None:
        self._transport = transport
        self.sockets = Sockets()
        self._sessions = ChannelSessions(self.sockets, transport.certificates.folders)

    def request(
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
        only: int | None = None,
        fresh: bool = False,
    ) -> Any:
        """Return the decoded JSON of the response, or None where it is empty.

        Args:
            only: the one status that the server itself would return, if there is only one.
            fresh: over a new connection, which later requests use; the ones before are held open
                until `release`.

        Raises:
            ClientResponseError: the server answered with 4xx or 5xx.
            RequestTimeoutError, ConnectionFailedError: no answer.
            RedirectError: the response is a redirect; none is followed.
            ProtocolError: something other than JSON, or too much of it.
        """
        sent = dict(headers or {})
        payload: Any = None
        if files is not None:
            payload = form_fields(body)
        elif body is not None:
            payload = encode(body)
            if not any(name.lower() == "content-type" for name in sent):
                sent["Content-Type"] = "application/json"
        if fresh:
            self._sessions.renew()
        response = self.send(
            method, path, query=query, data=payload, files=files, headers=sent,
            timeout=timeout, token=token,
        )  # fmt: skip
        answer = decoded(response, self._body(response, timeout))
        if only not in (None, response.status_code):
            raise ProtocolError(
                f"{url_of(response)} answered {response.status_code} where {only} was expected: "
                "is a proxy in between?"
            )
        return answer

    def _body(self, response: requests.Response, timeout: float | None) -> bytes:
        transport = self._transport
        pace_body(response, transport.timeout if timeout is None else timeout)
        try:
            return read_body(response, transport.max_answer_bytes)
        except _ANY as error:
            problem: Exception = error
        finally:
            response.close()  # after a complete body the next request can use the connection
        url = url_of(response)
        translated = self._translated(problem, url)
        if translated is problem:  # no argument of the caller can be wrong here
            name = type(problem).__name__
            translated = ProtocolError(f"the answer of {url} cannot be read: {name}")
        raise translated

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        data: Any = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        token: str | None = None,
    ) -> requests.Response:
        """Return the raw response, whatever its status; its body is still to be read."""
        transport = self._transport
        url = transport.url(path)
        sent = {**transport.headers, **(headers or {})}
        token = transport.token() if token is None else token
        if token and not any(name.lower() == _AUTHORIZATION for name in sent):
            sent["Authorization"] = token
        self._sessions.limit_cookies()
        try:
            return self._sessions.current.request(
                method, url, params=cast(Any, query), data=data, files=files,
                headers=cast(Any, {name: _header_bytes(value) for name, value in sent.items()}),
                timeout=transport.timeout if timeout is None else timeout,
                # A followed redirect could carry the token to another host.
                allow_redirects=False, stream=True,
                # In the session, the environment would come before it.
                verify=transport.certificates.verify,
            )  # fmt: skip
        except _ANY as error:
            problem: Exception = error
        # Raised out here, so that the error of `requests` is not its context: that one quotes
        # the URL with its query, which may hold a file token.
        raise self._translated(problem, url.partition("?")[0])

    def _translated(self, error: Exception, url: str) -> Exception:
        """Return the error to raise for one of `requests`, with the innermost cause."""
        # A socket that is shut down under TLS can fail with nearly any error.
        if self.sockets.aborted:
            return ClientClosedError("the client was closed during the request")
        cause, trusted = _innermost(error), self._transport.certificates
        reason = type(cause).__name__
        if isinstance(cause, OSError):  # others quote what was received: a body with a token
            reason = one_line(f"{reason}: {cause}"[:300])
        if _is_timeout(error, cause):
            translated: Exception = RequestTimeoutError(f"no answer from {url} in time")
        elif isinstance(cause, ssl.SSLCertVerificationError):
            translated = ConnectionFailedError(
                f"cannot trust {url}{trusted.setting}: {reason}; if the certificate is "
                "right, name the file of the authority that signed it: BosBase(url, "
                "verify='/path/to/ca.pem'), or SSL_CERT_FILE in the environment"
            )
        elif isinstance(cause, MalformedHead):
            translated = ProtocolError(f"{url} answered something other than HTTP: {cause}")
        elif isinstance(error, _NO_ANSWER):
            is_proxy = isinstance(error, requests.exceptions.ProxyError)
            by = " by the environment's proxy" if is_proxy else ""
            by += trusted.setting if isinstance(cause, ssl.SSLError) else ""
            translated = ConnectionFailedError(f"cannot reach {url}{by}: {reason}")
        elif isinstance(error, requests.RequestException):
            hint = _HINT if isinstance(error, _ODD_ADDRESS) else ""
            translated = ProtocolError(f"the request to {url} failed: {type(error).__name__}{hint}")
        elif isinstance(verify := trusted.verify, str) and not os.path.exists(verify):
            by = trusted.setting
            translated = ConnectionFailedError(f"cannot trust {url}{by}, which is gone")
        elif isinstance(error, OSError):
            translated = ConnectionFailedError(f"cannot reach {url}: {reason}")
        else:
            return error
        translated.__cause__ = cause if isinstance(cause, OSError) else None
        return translated

    def listen(self, path: str, receiver: Receiver) -> None:
        """Read an event stream on a thread of its own, until it ends. Never waits."""
        name = f"rxbosbase-reader-{next(_numbers)}"
        start_daemon(partial(self._read, path, receiver), name)

    def _read(self, path: str, receiver: Receiver) -> None:
        error: Exception | None = None
        try:
            response = self.send("GET", path, headers=STREAM_HEADERS, timeout=receiver.timeout)
            EventStream(response, self.sockets).feed(receiver)
        except Exception as problem:
            error = problem
        # First the POSTs: one in flight on a dead stream must not delay the next attempt.
        self.close()
        receiver.ended(error)

    def hold_stream(self, path: str, *, timeout: float) -> None:
        """Open another event stream over a new connection, and hold it open unread until `release`;
        a failure is logged at debug."""
        self._sessions.renew()
        try:
            response = self.send("GET", path, headers=STREAM_HEADERS, timeout=timeout, token="")
        except BosBaseError as error:
            log.debug("no other stream could be opened: %s", error)
        else:
            self._sessions.hold(response)

    def release(self) -> None:
        """Close what `request` and `hold_stream` hold open."""
        self._sessions.release()

    @property
    def aborted(self) -> bool:
        """True once the connections were ended."""
        return self.sockets.aborted

    def abort(self) -> None:
        """End every connection of this channel at once; requests in flight fail."""
        self.sockets.abort()

    def close(self) -> None:
        """Close the descriptors. To be called on a thread that no longer reads."""
        self.sockets.abort()
        self._sessions.close()


class HTTPTransport:
    """What the channels of a client share: the server, the headers, the token."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None,
        token: Callable[[], str],
        verify: bool | str | os.PathLike[str] = True,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self._verify = verify
        self.timeout = timeout
        self.max_answer_bytes = max_answer_bytes
        self.headers = {
            "Accept-Encoding": ACCEPT_ENCODING,
            "Accept-Language": "en-US",
            "User-Agent": "rxbosbase",
        }
        self.headers.update(check_headers(headers))
        self.own_authorization = next(
            (value for name, value in self.headers.items() if name.lower() == _AUTHORIZATION), ""
        )
        self.token = token
        self.certificates = trusted_certificates(verify, self.base_url, os.environ)
        if verify is False:
            warnings.warn(
                "verify=False: the server's certificate is not checked, anyone in between can "
                "read and change what you send",
                stacklevel=3,
            )
            self._allow_unverified()
        self._open()

    def _open(self) -> None:
        self._closed = False
        self._fork_guard = ForkGuard()
        self._plain = HTTPChannel(self)

    def at(self, base_url: str) -> HTTPTransport:
        """Return a transport to another server, with the same headers, token and settings."""
        other = copy.copy(self)
        other.base_url = base_url
        other.certificates = trusted_certificates(self._verify, base_url, os.environ)
        other._allow_unverified()
        other._open()
        return other

    def _allow_unverified(self) -> None:
        """Suppress the warning of each request about this host, if its certificate is not checked:
        one warning is enough. Those about other hosts in this process stay."""
        if self._verify is False:
            host = re.escape(urlsplit(self.base_url).hostname or "")
            warning = f"Unverified HTTPS request is being made to host '{host}'"
            warnings.filterwarnings("ignore", warning, urllib3.exceptions.InsecureRequestWarning)

    def url(self, path: str) -> str:
        """Return `url_below` of the base URL."""
        return url_below(self.base_url, path)

    def channel(self) -> HTTPChannel:
        """Return a new channel, for one event stream and its POSTs."""
        if self._closed:
            raise ClientClosedError("the client is closed")
        return HTTPChannel(self)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Send by `HTTPChannel.request` on the client's shared channel."""
        self._fork_guard.check()
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")
        try:
            return self._plain.request(method, path, **options)
        finally:
            if options.get("fresh"):
                self._plain.release()

    def close(self) -> None:
        """End the requests in flight."""
        self._closed = True
        self._plain.close()


def _header_bytes(value: str) -> bytes:
    """Return UTF-8, as the server reads headers in a topic; outer spaces are not part of it."""
    return value.strip(" \t").encode()


def _innermost(error: BaseException) -> BaseException:
    """Return the first cause: the outer ones only repeat the URL."""
    seen: BaseException = error
    while True:
        inner = seen.__cause__ or getattr(seen, "reason", None) or seen.__context__
        if inner is None and seen.args and isinstance(seen.args[0], BaseException):
            inner = seen.args[0]
        if not isinstance(inner, BaseException):
            return seen
        seen = inner


def _is_timeout(error: Exception, cause: BaseException) -> bool:
    """Return True for a timeout of this library; one with an errno is the system's."""
    if isinstance(cause, TimeoutError):
        return cause.errno is None
    return isinstance(error, requests.Timeout)
