"""Limits how often an address may try to log in."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

__all__ = ("Attempts",)

BURST = 5
"""Attempts that are allowed at once."""

SECONDS_EACH = 10.0
"""Seconds after which one more is allowed."""

MAX_ADDRESSES = 1000
"""Addresses with a count of their own. Beyond that, all others share one count."""

OTHER_ADDRESSES = "others"


class Attempts:
    """Counts the logins of each remote address. Not thread-safe.

    IPv6 addresses of one /64 share a count: a /64 belongs to one subscriber.

    Args:
        clock: a monotonic clock, in seconds.

    Example:
        >>> attempts = Attempts(lambda: 0.0)
        >>> [attempts.take("192.0.2.1") for _ in range(6)]
        [0.0, 0.0, 0.0, 0.0, 0.0, 10.0]
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spent: dict[str, float] = {}
        """The time from which an address has all its attempts again."""

    def take(self, address: str) -> float:
        """Count an attempt; return 0 if it is allowed, else the seconds until one is."""
        now = self._clock()
        key = self._key(address, now)
        until = max(self._spent.get(key, now), now) + SECONDS_EACH
        over = until - now - BURST * SECONDS_EACH
        if over > 0:
            return over
        self._spent[key] = until
        return 0.0

    def _key(self, address: str, now: float) -> str:
        key = _subscriber(address)
        if key in self._spent or len(self._spent) < MAX_ADDRESSES:
            return key
        self._spent = {each: until for each, until in self._spent.items() if until > now}
        return key if len(self._spent) < MAX_ADDRESSES else OTHER_ADDRESSES


def _subscriber(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((int(found), 64), strict=False))
