"""The host names by which the page may be opened, against DNS rebinding by other sites."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

__all__ = ("AllowedHosts", "in_url", "is_loopback")

AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
"""Host and port, in lower case. Host names in other scripts are sent as ``xn--…``."""

HIGHEST_PORT = 65535

DEFAULT_PORTS = {"http": 80, "https": 443}


class AllowedHosts:
    """Decides on the values of ``Host`` and ``Origin``.

    A literal IP address needs no DNS, so it cannot be rebound: where the page listens on all
    addresses, each is allowed.

    Args:
        listening: the IP addresses that the page listens on.
        port: their port.
        more: further names: ``name`` at this port or at the default one of its scheme (as a proxy
            has it), ``name:port`` at that one alone.

    Raises:
        ValueError: one of `more` is neither.

    Example:
        >>> names = AllowedHosts(["127.0.0.1"], 5006, ["dash.example"])
        >>> names.allows_host("localhost:5006"), names.allows_host("evil.example:5006")
        (True, False)
        >>> names.allows_origin("https://dash.example", "127.0.0.1:5006")
        True
    """

    def __init__(self, listening: Iterable[str], port: int, more: Iterable[str] = ()) -> None:
        self._port = port
        addresses = [ipaddress.ip_address(address) for address in listening]
        self._any_address = any(address.is_unspecified for address in addresses)
        own = [in_url(str(address)) for address in addresses if not address.is_unspecified]
        if self._any_address or any(address.is_loopback for address in addresses):
            own.append("localhost")
        self._allowed = {(host, port) for host in own}
        for name in more:
            self._allowed |= self._pairs(name)

    def allows_host(self, header: str) -> bool:
        """Return whether a request with this ``Host`` is allowed."""
        found = _parts(header)
        if found is None:
            return False
        host, port = found
        if port is not None:
            return self._allows(host, port)
        return any(self._allows(host, default) for default in DEFAULT_PORTS.values())

    def allows_origin(self, header: str, host: str) -> bool:
        """Return whether this ``Origin`` is allowed for a request to this `host`.

        Of the literal addresses that are not listed only the request's own is allowed: at another
        one, another site may serve pages at the same port.
        """
        if header.lower() == f"http://{host}".lower():
            return True
        scheme, found, authority = header.lower().partition("://")
        default = DEFAULT_PORTS.get(scheme)
        parts = _parts(authority)
        if not found or default is None or parts is None:
            return False
        name, port = parts
        return (name, default if port is None else port) in self._allowed

    def _allows(self, host: str, port: int) -> bool:
        if (host, port) in self._allowed:
            return True
        return self._any_address and port == self._port and _is_address(host)

    def _pairs(self, name: str) -> set[tuple[str, int]]:
        parts = _parts(name)
        if parts is None:
            raise ValueError(f"{name!r} is no host name; give it as in dash.example or nas:8443")
        host, port = parts
        ports = {self._port, *DEFAULT_PORTS.values()} if port is None else {port}
        return {(host, each) for each in ports}


def is_loopback(address: str) -> bool:
    """Return whether only this machine can connect to this address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def in_url(host: str) -> str:
    """Return a host as it is written in a URL: an IPv6 address has brackets."""
    return f"[{host}]" if ":" in host else host


def _parts(authority: str) -> tuple[str, int | None] | None:
    """Return host and port; None if it is no authority. IPv6 addresses are shortened."""
    found = AUTHORITY.fullmatch(authority.lower())
    if found is None:
        return None
    host, port = found[1], found[2]
    if host.startswith("["):
        try:
            host = f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            return None
    number = int(port) if port else None
    return None if number is not None and number > HIGHEST_PORT else (host, number)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
