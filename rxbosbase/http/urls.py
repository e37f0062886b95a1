"""Base URLs, and the paths below them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast
from urllib.parse import urlsplit

from rxbosbase.encoding.utf8 import encodable

__all__ = ("check_base_url", "check_nodes", "url_below")

_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:[/?#]|$)", re.IGNORECASE)
_NOT_IN_A_URL = r"[\x00-\x20\x7f\\]"


def check_base_url(url: object, what: str = "base_url") -> str:
    """Return `url` without a trailing slash, or raise an error that shows a valid one.

    Args:
        url: to be checked.
        what: the argument's name, to begin the message.
    """
    if not isinstance(url, str):
        kind = type(url).__name__
        raise TypeError(f"{what} must be a str such as 'http://127.0.0.1:8090', not a {kind}")
    url = url.strip()
    if "@" in url:  # first: the messages below quote the URL
        raise ValueError(f"{what} must hold no user or password; log in with auth_with_password")
    if re.search(_NOT_IN_A_URL, url):
        raise ValueError(f"{what} must hold no spaces, line breaks or backslashes: {url!r}")
    encodable(what, url)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{what} needs scheme and host: 'http://127.0.0.1:8090', not {url!r}")
    if parts.query or parts.fragment:
        raise ValueError(f"{what} must not have a query or a fragment")
    if parts.port == 0:  # reading `port` also raises for an invalid one
        raise ValueError(f"{what} must not have the port 0")
    return url.rstrip("/")


def check_nodes(nodes: object) -> tuple[str, ...]:
    """Return the addresses of ``nodes=``, each as of `check_base_url`; none for None.

    Raises:
        ValueError: an address is none, or is there twice.
        TypeError: they are no collection of strings.

    >>> check_nodes(["http://a:8090/", "http://b:8090"])
    ('http://a:8090', 'http://b:8090')
    """
    if nodes is None:
        return ()
    if isinstance(nodes, str) or not isinstance(nodes, Iterable):
        raise TypeError(f"nodes must be a list of addresses, not a {type(nodes).__name__}")
    given = cast("Iterable[object]", nodes)
    addresses = tuple(check_base_url(each, "an address in nodes") for each in given)
    for address in addresses:
        if addresses.count(address) > 1:
            raise ValueError(f"nodes must name each node once: {address!r} is there twice")
    return addresses


def url_below(base_url: str, path: str) -> str:
    """Return the full URL of `path`, always below the base URL.

    Raises:
        ValueError: a segment of it is ``.`` or ``..``, which would lead above the base.
    """
    if not path.startswith("/"):
        path = "/" + path
    if _DOTS.search(path.partition("?")[0]):
        raise ValueError(f"path must have no '.' or '..' between slashes: {path!r}")
    return base_url + path
