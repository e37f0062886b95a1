"""By which names the page may be opened. Any other is a stranger's that leads here by its DNS."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

__all__ = ["Names", "in_url", "is_loopback"]

AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
"""Host and port, in lower case. Host names in other scripts are sent as ``xn--…``."""

HIGHEST_PORT = 65535

DEFAULT_PORTS = {"http": 80, "https": 443}


class Names:
    """Decides on the values of ``Host`` and ``Origin``.

    A literal IP address needs no DNS, so nobody can make it lead here: where all addresses are
    listened on, each is good.

    Args:
        listening: the IP addresses that are listened on.
        port: their port.
        more: further names: ``name`` at this port or at the default one of its scheme (as a proxy
            has it), ``name:port`` at that one alone.

    Raises:
        ValueError: one of `more` is neither.

    Example:
        >>> names = Names(["127.0.0.1"], 5006, ["dash.example"])
        >>> names.knows_host("localhost:5006"), names.knows_host("evil.example:5006")
        (True, False)
        >>> names.knows_origin("https://dash.example", "127.0.0.1:5006")
        True
    """

    def __init__(self, listening: Iterable[str], port: int, more: Iterable[str] = ()) -> None:
        self._port = port
        addresses = [ipaddress.ip_address(address) for address in listening]
        self._any_address = any(address.is_unspecified for address in addresses)
        own = [in_url(str(address)) for address in addresses if not address.is_unspecified]
        if self._any_address or any(address.is_loopback for address in addresses):
            own.append("localhost")
        self._known = {(host, port) for host in own}
        for name in more:
            self._known |= self._allowed(name)

    def knows_host(self, header: str) -> bool:
        """Whether this is the ``Host`` of a request to us."""
        found = _parts(header)
        if found is None:
            return False
        host, port = found
        if port is not None:
            return self._knows(host, port)
        return any(self._knows(host, default) for default in DEFAULT_PORTS.values())

    def knows_origin(self, header: str, host: str) -> bool:
        """Whether this is the ``Origin`` of one of our pages, in a request to this known `host`.

        Of literal addresses that are not known by themselves only the request's own counts: at
        another one, somebody else may serve pages at the same port.
        """
        if header.lower() == f"http://{host}".lower():
            return True
        scheme, found, authority = header.lower().partition("://")
        default = DEFAULT_PORTS.get(scheme)
        parts = _parts(authority)
        if not found or default is None or parts is None:
            return False
        name, port = parts
        return (name, default if port is None else port) in self._known

    def _knows(self, host: str, port: int) -> bool:
        if (host, port) in self._known:
            return True
        return self._any_address and port == self._port and _is_address(host)

    def _allowed(self, name: str) -> set[tuple[str, int]]:
        parts = _parts(name)
        if parts is None:
            raise ValueError(f"{name!r} is no host name; give it as in dash.example or nas:8443")
        host, port = parts
        ports = {self._port, *DEFAULT_PORTS.values()} if port is None else {port}
        return {(host, each) for each in ports}


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def in_url(host: str) -> str:
    """A host as it is written in a URL: an IPv6 address has brackets."""
    return f"[{host}]" if ":" in host else host


def _parts(authority: str) -> tuple[str, int | None] | None:
    """Host and port; None if it is no authority. IPv6 addresses come in their one short form."""
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
