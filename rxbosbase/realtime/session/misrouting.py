"""When a POST that reached another server than the stream's is made again. Pure.

Several servers behind a balancer: the stream is at one of them, and a POST that the balancer sends
to another one is answered with 404, as the client id is unknown there. So the POST is made again
over new connections, while the earlier ones stay open. That is enough for a balancer that counts
connections or takes turns. One that counts requests in flight for each request sends every POST to
a server without the stream, since that has fewer; so before some of the POSTs another stream is
opened, a companion without topics, which counts as well. The runs of POSTs between two companions
grow: with runs of one length, a balancer that takes turns among as many servers as a run and its
companion have requests would send every companion, and no POST, to the stream's server.

Source: PocketBase, ``apis/realtime.go``, ``realtimeSetSubscriptions`` (404 for an unknown client
id); nginx, ``ngx_http_upstream_module``, ``least_conn``.
"""

from __future__ import annotations

from zlib import crc32

from rxbosbase.errors import ClientResponseError, StreamLostError

__all__ = (
    "LEAST_ASKS", "MAX_ASKS", "MAX_SECONDS", "Misrouting", "is_misrouted", "lost_by",
    "needs_companion",
)  # fmt: skip

LEAST_ASKS = 10
"""POSTs that are made again at least, however slow the answers …"""

MAX_ASKS = 24
"""… and at most …"""

MAX_SECONDS = 5.0
"""… for so many seconds, before the stream is given up."""

FIRST_WAIT = 0.03
GROWTH = 1.5
LONGEST_WAIT = 0.2
"""Seconds before each of them: a wait begins short and grows. Each is varied by half by the client
id: clients that ask in step would meet the same servers again and again."""


def is_misrouted(error: object) -> bool:
    """Return True if a server without the stream has answered: by 404, and not a proxy's page.

    >>> is_misrouted(ClientResponseError(404)), is_misrouted(ClientResponseError(403))
    (True, False)
    """
    if not isinstance(error, ClientResponseError) or error.original is not None:
        return False
    return error.status == 404


def needs_companion(asks: int) -> bool:
    """Return True if another stream is to be opened before a POST that is made for the so many-th
    time again: after runs of 2, 3, 4, … POSTs.

    >>> [asks for asks in range(MAX_ASKS + 1) if needs_companion(asks)]
    [2, 5, 9, 14, 20]
    """
    return any(asks == run * (run + 3) // 2 for run in range(1, asks + 1))


class Misrouting:
    """The POSTs in a row that reached another server.

    Args:
        client_id: of the stream.

    Attributes:
        asks: how often the POST was made again, the next time included.
        until: the time of the next POST at the earliest.

    >>> misrouting = Misrouting()
    >>> misrouting.again(now=10.0), misrouting.asks
    (True, 1)
    >>> misrouting.again(now=10.1), misrouting.asks
    (True, 2)
    """

    def __init__(self, client_id: str = "") -> None:
        self._client_id = client_id
        self.asks = 0
        self.until = 0.0
        self._began = 0.0

    def again(self, now: float) -> bool:
        """Note an answer of another server; return False to give the stream up."""
        if not self.asks:
            self._began = now
        is_over = self.asks >= MAX_ASKS or now - self._began >= MAX_SECONDS
        if self.asks >= LEAST_ASKS and is_over:
            return False
        wait = min(LONGEST_WAIT, FIRST_WAIT * GROWTH**self.asks)
        self.asks += 1
        self.until = now + wait * (0.5 + crc32(f"{self.asks} {self._client_id}".encode()) / 2**32)
        return True

    def ended(self) -> None:
        """Note that the stream's own server has answered."""
        self.asks = 0
        self.until = 0.0


def lost_by(error: Exception, asks: int) -> StreamLostError:
    """Return why a stream is given up, whose topics were refused with `error`.

    Args:
        asks: how often the last POST was made again.

    >>> str(lost_by(ClientResponseError(404), asks=16))[:71]
    'none of 17 POSTs of the topics reached the server that has the stream ('
    """
    text = f"the server refused the topics: {error}"
    if is_misrouted(error):
        text = (
            f"none of {1 + asks} POSTs of the topics reached the server that has the stream (404): "
            "where a balancer stands before several servers, name them in BosBase(url, nodes=[…]), "
            "or let it send each client to one of them"
        )
    lost = StreamLostError(text)
    lost.__cause__ = error
    return lost
