"""How often somebody may try to log in."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

__all__ = ["Attempts"]

BURST = 5
"""Attempts that may follow one another at once."""

SECONDS_EACH = 10.0
"""After these, one more is allowed."""

MOST_ADDRESSES = 1000
"""Remembered at once. Whoever comes when there is no more room shares one count."""

NO_ROOM = "others"


class Attempts:
    """Counts the logins of each remote address; not for several threads.

    An IPv6 address counts with its /64, which is one subscriber's.

    Args:
        clock: seconds that only grow.

    Example:
        >>> attempts = Attempts(lambda: 0.0)
        >>> [attempts.take("192.0.2.1") for _ in range(6)]
        [0.0, 0.0, 0.0, 0.0, 0.0, 10.0]
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spent: dict[str, float] = {}
        """When the last of an address's attempts is forgotten."""

    def take(self, address: str) -> float:
        """Counts an attempt: 0 if it is allowed, else the seconds until one is."""
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
        if key in self._spent or len(self._spent) < MOST_ADDRESSES:
            return key
        self._spent = {each: until for each, until in self._spent.items() if until > now}
        return key if len(self._spent) < MOST_ADDRESSES else NO_ROOM


def _subscriber(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((int(found), 64), strict=False))
