"""Base URLs, and the paths below them. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from rxbosbase.encoding.utf8 import encodable

__all__ = ("check_base_url", "url_below")

_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:[/?#]|$)", re.IGNORECASE)
_NOT_IN_A_URL = r"[\x00-\x20\x7f\\]"


def check_base_url(url: object) -> str:
    """Return `url` without a trailing slash, or raise an error that shows a valid one."""
    if not isinstance(url, str):
        kind = type(url).__name__
        raise TypeError(f"base_url must be a str such as 'http://127.0.0.1:8090', not a {kind}")
    url = url.strip()
    if "@" in url:  # first: the messages below quote the URL
        raise ValueError("base_url must hold no user or password; log in with auth_with_password")
    if re.search(_NOT_IN_A_URL, url):
        raise ValueError(f"base_url must hold no spaces, line breaks or backslashes: {url!r}")
    encodable("base_url", url)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base_url needs scheme and host: 'http://127.0.0.1:8090', not {url!r}")
    if parts.query or parts.fragment:
        raise ValueError("base_url must not have a query or a fragment")
    if parts.port == 0:  # reading `port` also raises for an invalid one
        raise ValueError("base_url must not have the port 0")
    return url.rstrip("/")


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
