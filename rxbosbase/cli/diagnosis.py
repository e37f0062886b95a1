"""Looks, step by step, at what stands between a program and its events; says what is wrong."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Literal
from urllib.parse import urlsplit

from rxbosbase.backoff import BackoffPolicy
from rxbosbase.client import BosBase
from rxbosbase.errors import BosBaseError, ClientResponseError, RequestTimeoutError
from rxbosbase.http.urls import check_base_url
from rxbosbase.realtime.session.stats import Stats

__all__ = ["Finding", "examine"]

FIRST_EVENT_SECONDS = 2.0
"""The server greets at once; a later greeting is held back on the way."""

TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one step found.

    Attributes:
        step: what was looked at.
        state: ``"ok"``, ``"warning"`` or ``"failure"``.
        detail: what was seen.
        advice: what to do; "" where all is well.
    """

    step: str
    state: Literal["ok", "warning", "failure"]
    detail: str
    advice: str = ""


def examine(
    url: str,
    *,
    collection: str | None = None,
    login: tuple[str, str, str] | None = None,
    timeout: float = TIMEOUT,
    verify: bool | str = True,
) -> Iterator[Finding]:
    """The findings, one by one as they are made; the first failure is the last one.

    Args:
        collection: one whose topic is to be checked, too.
        login: auth collection, identity and password.
        timeout: seconds each step may take.

    Raises:
        ValueError: `url` is no base URL.

    Example:
        ``for finding in examine("http://127.0.0.1:8090"): print(finding.step, finding.detail)``
    """
    base = check_base_url(url)
    for step in (_name, _port):
        finding = step(base, timeout)
        yield finding
        if finding.state == "failure":
            return
    policy = BackoffPolicy(max_attempts=1)
    with BosBase(base, timeout=timeout, backoff=policy, verify=verify) as client:
        steps: list[Callable[[], Finding]] = [lambda: _health(client)]
        if login is not None:
            steps.append(lambda: _login(client, login))
        steps += [lambda: _greeting(client, timeout), lambda: _topics(client, timeout)]
        if collection is not None:
            steps.append(lambda: _collection(client, collection, timeout))
        for look in steps:
            finding = look()
            yield finding
            if finding.state == "failure":
                return
        yield Finding("figures", "ok", _figures(client.realtime.stats))


def _name(base: str, timeout: float) -> Finding:
    host = urlsplit(base).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return Finding("name", "failure", f"{host!r} has no address: {error}", "Check the name.")
    return Finding("name", "ok", f"{host} is {found[0][4][0]}")


def _port(base: str, timeout: float) -> Finding:
    parts = urlsplit(base)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    began = monotonic()
    try:
        socket.create_connection((parts.hostname or "", port), timeout).close()
    except OSError as error:
        return Finding(
            "connection", "failure", f"nothing answers on port {port}: {error}",
            "Start the server, check the port, and look for a firewall.",
        )  # fmt: skip
    took = (monotonic() - began) * 1000
    return Finding("connection", "ok", f"port {port} answers in {took:.0f} ms")


def _health(client: BosBase) -> Finding:
    try:
        answer: object = client.health()
    except ClientResponseError as error:
        return Finding(
            "health", "failure", f"the server answers {error}",
            "Is base_url the server's own address, without a path?",
        )  # fmt: skip
    except BosBaseError as error:
        return Finding("health", "failure", str(error), _advice_on(error))
    if not isinstance(answer, dict) or answer.get("code") != 200:
        return Finding(
            "health", "failure", "what answers is no BosBase or PocketBase server", _NOT_OURS
        )
    return Finding("health", "ok", "the server is healthy")


_NOT_OURS = "Is base_url a BosBase or PocketBase server, or does something else answer there?"


def _advice_on(error: BosBaseError) -> str:
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return (
            "For an authority of your own pass verify='/path/to/ca.pem', or name its file in the "
            "environment's SSL_CERT_FILE."
        )
    if isinstance(error.__cause__, ssl.SSLError):
        return "The port does not speak TLS: is the address one of http://, or the port another?"
    if "redirect" in str(error):
        return "Use the address that it redirects to."
    return _NOT_OURS


def _login(client: BosBase, login: tuple[str, str, str]) -> Finding:
    collection, identity, password = login
    try:
        client.collection(collection).auth_with_password(identity, password)
    except BosBaseError as error:
        return Finding("login", "failure", str(error), "Check identity, password and collection.")
    return Finding("login", "ok", f"logged in as {identity}")


def _greeting(client: BosBase, timeout: float) -> Finding:
    greeted = threading.Event()
    began = monotonic()
    # Not disposed: the next steps use the same stream.
    client.realtime.observe("PB_CONNECT").subscribe(
        lambda _: greeted.set(), lambda _: greeted.set()
    )
    greeted.wait(timeout)
    took = monotonic() - began
    if not client.realtime.is_connected:
        error = client.realtime.status.value.error
        # The stream's own time may be over a moment before the wait above is.
        if error is not None and not isinstance(error, RequestTimeoutError):
            return Finding(
                "stream", "failure", str(error),
                "Something between here and the server does not pass the stream on: let the "
                "proxy hand /api/realtime to the server itself, unchanged.",
            )  # fmt: skip
        return Finding(
            "stream", "failure", f"no greeting (PB_CONNECT) in {timeout:g} s",
            "A proxy may hold the stream back: switch its buffering off for /api/realtime "
            "(nginx: proxy_buffering off), and let it pass text/event-stream.",
        )  # fmt: skip
    if took > FIRST_EVENT_SECONDS:
        return Finding(
            "stream", "warning", f"the greeting (PB_CONNECT) took {took:.1f} s",
            "A proxy seems to buffer the stream: events will come late. Switch its buffering off.",
        )  # fmt: skip
    return Finding("stream", "ok", f"greeted (PB_CONNECT) after {took * 1000:.0f} ms")


def _topics(client: BosBase, timeout: float) -> Finding:
    try:
        client.realtime.subscribe("rxbosbase/doctor", lambda _: None, timeout=timeout)
    except BosBaseError as error:
        seen = client.realtime.status.value.error or error
        return Finding(
            "topics", "failure", f"the server did not take a topic: {seen}",
            "The POST must reach the same server, from the same address, as the stream: check "
            "load balancers and proxies.",
        )  # fmt: skip
    return Finding("topics", "ok", "the server takes topics")


_ADVICE = {
    400: "The server refuses the query.",
    403: "Its rule allows superusers alone: log in, or change the list rule.",
    404: "Check the collection's name.",
}


def _collection(client: BosBase, name: str, timeout: float) -> Finding:
    try:
        client.collection(name).subscribe("*", lambda _: None, timeout=timeout)
    except ClientResponseError as error:
        return Finding(f"collection {name}", "failure", str(error), _ADVICE.get(error.status, ""))
    except (RequestTimeoutError, BosBaseError) as error:
        return Finding(f"collection {name}", "failure", str(error), "Try again.")
    return Finding(f"collection {name}", "ok", "its events can be heard")


def _figures(stats: Stats) -> str:
    age = stats.last_event_age
    return (
        f"connections {stats.connects} (reconnects {stats.reconnects}), POSTs {stats.posts}, "
        f"frames {stats.frames}, bytes {stats.bytes}, events {stats.events}, "
        f"skipped {stats.skipped}, waiting {stats.queue_events}, "
        f"last frame {'never' if age is None else f'{age:.1f} s ago'}"
    )
