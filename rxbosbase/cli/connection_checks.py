"""Checks of a server, step by step: from its name to the events of a collection."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Literal
from urllib.parse import urlsplit

from rxbosbase.client import BosBase
from rxbosbase.errors import BosBaseError, ClientResponseError, RedirectError, RequestTimeoutError
from rxbosbase.http.urls import check_base_url
from rxbosbase.realtime.session.misrouting import MAX_SECONDS
from rxbosbase.realtime.session.stats import Stats
from rxbosbase.runtime.backoff import BackoffPolicy

__all__ = ("CheckResult", "run_checks")

GREETING_SECONDS = 2.0
"""The server sends PB_CONNECT at once; a later one was delayed by a proxy."""

TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check.

    Attributes:
        step: the name of the check.
        state: ``"ok"``, ``"warning"`` or ``"failure"``.
        detail: what the check found.
        advice: what to do; "" if the state is ok.
    """

    step: str
    state: Literal["ok", "warning", "failure"]
    detail: str
    advice: str = ""


def run_checks(
    url: str,
    *,
    collection: str | None = None,
    login: tuple[str, str, str] | None = None,
    timeout: float = TIMEOUT,
    verify: bool | str = True,
) -> Iterator[CheckResult]:
    """Yield the result of each check when it is done; the first failure is the last result.

    Args:
        url: the base URL of the server.
        collection: also check the topic of this collection; None for none.
        login: auth collection, identity and password; None for no login.
        timeout: seconds that each check may take.
        verify: as for `BosBase`: True, False, or the path of a file with CA certificates.

    Raises:
        ValueError: `url` is no base URL.

    Example:
        ``for result in run_checks("http://127.0.0.1:8090"): print(result.step, result.detail)``
    """
    base = check_base_url(url)
    for step in (_check_name, _check_port):
        result = step(base, timeout)
        yield result
        if result.state == "failure":
            return
    policy = BackoffPolicy(max_attempts=1)
    with BosBase(base, timeout=timeout, backoff=policy, verify=verify) as client:
        steps: list[Callable[[], CheckResult]] = [lambda: _check_health(client)]
        if login is not None:
            steps.append(lambda: _check_login(client, login))
        steps += [lambda: _check_stream(client, timeout), lambda: _check_topics(client, timeout)]
        if collection is not None:
            steps.append(lambda: _check_collection(client, collection, timeout))
        for check in steps:
            result = check()
            yield result
            if result.state == "failure":
                return
        yield CheckResult("figures", "ok", _counters(client.realtime.stats))


def _check_name(base: str, timeout: float) -> CheckResult:
    host = urlsplit(base).hostname or ""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return CheckResult(
            "name", "failure", f"{host!r} has no address: {error}", "Check the name."
        )
    return CheckResult("name", "ok", f"{host} is {found[0][4][0]}")


def _check_port(base: str, timeout: float) -> CheckResult:
    parts = urlsplit(base)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    began = monotonic()
    try:
        socket.create_connection((parts.hostname or "", port), timeout).close()
    except OSError as error:
        return CheckResult(
            "connection", "failure", f"nothing answers on port {port}: {error}",
            "Start the server, check the port, and look for a firewall.",
        )  # fmt: skip
    took = (monotonic() - began) * 1000
    return CheckResult("connection", "ok", f"port {port} answers in {took:.0f} ms")


def _check_health(client: BosBase) -> CheckResult:
    try:
        response: object = client.health()
    except ClientResponseError as error:
        return CheckResult(
            "health", "failure", f"the server answers {error}",
            "Is base_url the server's own address, without a path?",
        )  # fmt: skip
    except BosBaseError as error:
        return CheckResult("health", "failure", str(error), _advice_on(error))
    if not isinstance(response, dict) or response.get("code") != 200:
        return CheckResult(
            "health",
            "failure",
            "what answers is no BosBase or PocketBase server",
            _OTHER_SERVER_ADVICE,
        )
    return CheckResult("health", "ok", "the server is healthy")


_OTHER_SERVER_ADVICE = (
    "Is base_url a BosBase or PocketBase server, or does something else answer there?"
)


def _advice_on(error: BosBaseError) -> str:
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return (
            "For an authority of your own pass verify='/path/to/ca.pem', or name its file in the "
            "environment's SSL_CERT_FILE."
        )
    if isinstance(error.__cause__, ssl.SSLError):
        return "The port does not speak TLS: is the address one of http://, or the port another?"
    if isinstance(error, RedirectError):
        return "Use the address that it redirects to."
    return _OTHER_SERVER_ADVICE


def _check_login(client: BosBase, login: tuple[str, str, str]) -> CheckResult:
    collection, identity, password = login
    try:
        client.collection(collection).auth_with_password(identity, password)
    except BosBaseError as error:
        return CheckResult(
            "login", "failure", str(error), "Check identity, password and collection."
        )
    return CheckResult("login", "ok", f"logged in as {identity}")


def _check_stream(client: BosBase, timeout: float) -> CheckResult:
    opened = threading.Event()
    began = monotonic()
    # Not disposed: the next checks use the same stream.
    client.realtime.observe("PB_CONNECT").subscribe(lambda _: opened.set(), lambda _: opened.set())
    opened.wait(timeout)
    took = monotonic() - began
    if not client.realtime.is_connected:
        error = client.realtime.status.value.error
        # The stream's own timeout may end a moment before the wait above.
        if error is not None and not isinstance(error, RequestTimeoutError):
            return CheckResult(
                "stream", "failure", str(error),
                "Something between here and the server does not pass the stream on: let the "
                "proxy hand /api/realtime to the server itself, unchanged.",
            )  # fmt: skip
        return CheckResult(
            "stream", "failure", f"no greeting (PB_CONNECT) in {timeout:g} s",
            "A proxy may hold the stream back: switch its buffering off for /api/realtime "
            "(nginx: proxy_buffering off), and let it pass text/event-stream.",
        )  # fmt: skip
    if took > GREETING_SECONDS:
        return CheckResult(
            "stream", "warning", f"the greeting (PB_CONNECT) took {took:.1f} s",
            "A proxy seems to buffer the stream: events will come late. Switch its buffering off.",
        )  # fmt: skip
    return CheckResult("stream", "ok", f"greeted (PB_CONNECT) after {took * 1000:.0f} ms")


def _check_topics(client: BosBase, timeout: float) -> CheckResult:
    wait = timeout + MAX_SECONDS  # for POSTs that are made again
    try:
        client.realtime.subscribe("rxbosbase/doctor", lambda _: None, timeout=wait)
    except BosBaseError as error:
        seen = client.realtime.status.value.error or error
        if client.realtime.stats.misrouted:
            return CheckResult(
                "topics", "failure", f"the POST never reached the stream's server: {seen}",
                _BALANCER_ADVICE,
            )  # fmt: skip
        return CheckResult(
            "topics", "failure", f"the server did not take a topic: {seen}",
            "The POST must reach the same server, from the same address, as the stream: check "
            "load balancers and proxies.",
        )  # fmt: skip
    if misrouted := client.realtime.stats.misrouted:
        return CheckResult(
            "topics", "warning",
            f"{misrouted} of {1 + misrouted} POSTs reached another server than the stream's (404)",
            _BALANCER_ADVICE,
        )  # fmt: skip
    return CheckResult("topics", "ok", "the server takes topics")


_BALANCER_ADVICE = (
    "A balancer sends one client to several servers, and each tells only of its own writes. To "
    "receive all, name the servers: BosBase(url, nodes=[…]). Else let the balancer send each "
    "client to one of them (nginx: ip_hash or sticky; Caddy: lb_policy ip_hash; HAProxy: balance "
    "source; Traefik: a sticky cookie)."
)


_ADVICE_BY_STATUS = {
    400: "The server refuses the query.",
    403: "Its rule allows superusers alone: log in, or change the list rule.",
    404: "Check the collection's name.",
}


def _check_collection(client: BosBase, name: str, timeout: float) -> CheckResult:
    try:
        client.collection(name).subscribe("*", lambda _: None, timeout=timeout)
    except ClientResponseError as error:
        return CheckResult(
            f"collection {name}", "failure", str(error), _ADVICE_BY_STATUS.get(error.status, "")
        )
    except (RequestTimeoutError, BosBaseError) as error:
        return CheckResult(f"collection {name}", "failure", str(error), "Try again.")
    return CheckResult(f"collection {name}", "ok", "its events can be received")


def _counters(stats: Stats) -> str:
    age = stats.last_event_age
    return (
        f"connections {stats.connects} (reconnects {stats.reconnects}), POSTs {stats.posts}, "
        f"frames {stats.frames}, bytes {stats.bytes}, events {stats.events}, "
        f"skipped {stats.skipped}, waiting {stats.queue_events}, "
        f"last frame {'never' if age is None else f'{age:.1f} s ago'}"
    )
