"""The web sites whose pages may use the server: scheme, host and port (RFC 6454, section 6.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ("checked_origins",)

ORIGIN = re.compile(r"\*|https?://(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)


def checked_origins(origins: Sequence[str]) -> tuple[str, ...]:
    """Return the origins as a tuple.

    Raises:
        TypeError: a text in place of a list.
        ValueError: one is no origin of http or https, and not ``"*"``.

    >>> checked_origins(["http://localhost:5173"])
    ('http://localhost:5173',)
    """
    if isinstance(origins, str):
        raise TypeError(f"origins is a list, such as [{origins!r}]")
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin!r} is no origin: give scheme, host and port, such as "
                "http://localhost:5173, or '*' for all"
            )
    return tuple(origins)
