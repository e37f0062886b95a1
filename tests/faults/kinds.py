"""The faults a proxy can inject, as values; one of each kind can be drawn by a seeded generator."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ON_ANSWER", "ON_HEAD", "ON_POST", "ON_STREAM", "Fault", "Kind", "random_fault"]


class Kind(StrEnum):
    """The kinds of faults; the comment is the meaning of `Fault.value`."""

    # To the open streams, or to the next one if there is none.
    CUT = "cut (FIN)"
    RESET = "reset (RST)"
    BLACK_HOLE = "black hole"
    STALL = "stall"  # seconds
    THROTTLE = "throttle"  # bytes a second, for THROTTLE_SECONDS
    DRIBBLE = "1-byte chunks"  # seconds
    TRUNCATE = "cut in mid-frame"
    CORRUPT_DATA = "corrupt data"
    CORRUPT_NAME = "corrupt event name"
    CORRUPT_FRAMING = "corrupt framing"  # the text put in place of the chunk's size
    # To the answer to the next GET of a stream.
    CORRUPT_HEAD = "corrupt header"  # the number of the byte
    HTML = "HTML page"
    STREAM_STATUS = "stream status"  # the code; RETRY_AFTER where it is 429 or 503
    STREAM_REDIRECT = "stream redirect"  # the target
    # To the next POST of topics.
    POST_DELAY = "POST delayed"  # seconds
    POST_STATUS = "POST status"  # the code; RETRY_AFTER where it is 429 or 503
    POST_HTML = "POST HTML page"
    POST_REDIRECT = "POST redirect"  # the target
    POST_RESET = "POST reset"
    POST_LOST = "POST answer lost"  # the server applies it, and the client gets no response
    # To the port, and to all requests.
    REFUSE = "refuse"  # seconds
    DATABASE_AWAY = "database away"  # seconds; see `database_away`


ON_STREAM = frozenset(
    {
        Kind.CUT, Kind.RESET, Kind.BLACK_HOLE, Kind.STALL, Kind.THROTTLE, Kind.DRIBBLE,
        Kind.TRUNCATE, Kind.CORRUPT_DATA, Kind.CORRUPT_NAME, Kind.CORRUPT_FRAMING,
    }
)  # fmt: skip
ON_HEAD = frozenset({Kind.CORRUPT_HEAD, Kind.HTML, Kind.STREAM_STATUS, Kind.STREAM_REDIRECT})
ON_POST = frozenset(
    {
        Kind.POST_DELAY, Kind.POST_STATUS, Kind.POST_HTML, Kind.POST_REDIRECT, Kind.POST_RESET,
        Kind.POST_LOST,
    }
)  # fmt: skip
ON_ANSWER = ON_HEAD | ON_POST


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. What `value` and `text` mean depends on the kind."""

    kind: Kind
    value: float = 0.0
    text: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.text or format(self.value, 'g')}"


def random_fault(chance: random.Random, elsewhere: str = "http://127.0.0.1:9/") -> Fault:
    """A fault of any kind, harsh but short; redirects lead `elsewhere`."""
    kind = chance.choice(list(Kind))
    code = float(chance.choice([429, 500, 502, 503]))
    value, text = {
        Kind.STALL: (chance.uniform(0.05, 0.6), ""),
        Kind.THROTTLE: (chance.choice([200.0, 2000.0, 20_000.0]), ""),
        Kind.DRIBBLE: (chance.uniform(0.05, 0.3), ""),
        Kind.CORRUPT_FRAMING: (0.0, chance.choice(["zz", "-5", "fffffff", "1", "0", "", "7" * 40])),
        Kind.CORRUPT_HEAD: (float(chance.randrange(200)), ""),
        Kind.STREAM_STATUS: (code, ""),
        Kind.STREAM_REDIRECT: (0.0, elsewhere),
        Kind.POST_DELAY: (chance.uniform(0.05, 1.2), ""),
        Kind.POST_STATUS: (code, ""),
        Kind.POST_REDIRECT: (0.0, elsewhere),
        Kind.REFUSE: (chance.uniform(0.05, 0.5), ""),
        Kind.DATABASE_AWAY: (chance.uniform(0.3, 3.0), ""),
    }.get(kind, (0.0, ""))
    return Fault(kind, value, text)
