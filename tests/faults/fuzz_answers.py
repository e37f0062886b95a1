"""Hostile responses: a valid one with one to three mutations of its parts, or of the whole.
Pure: chance in, bytes out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from .fuzz_mutations import MUTATIONS, Draft

__all__ = ["Answer", "hostile_answer"]

Ending = Literal["keep", "close", "reset", "hold"]

ENDINGS: dict[Ending, int] = {"keep": 8, "close": 9, "reset": 2, "hold": 1}
"""How often each; silence costs a timeout."""

DRIPS = 0.01
"""Of all answers; they cost a timeout, too."""

DRIP_PAUSE = 0.04
"""Seconds: no wait for a single byte is ever too long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server writes for one request.

    Attributes:
        data: the first bytes, each by itself if there is a `pause`, in seconds.
        again: written after those, over and over, until the client has enough.
        ending: ``keep`` the connection for the next request, ``hold`` it in silence, or end it.
        kinds: what was done to it.
    """

    data: bytes
    pause: float = 0.0
    again: bytes = b""
    ending: Ending = "keep"
    kinds: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = f" ... ({len(self.data)} bytes)" if len(self.data) > 300 else ""
        again = f", then for ever {self.again[:80]!r}" if self.again else ""
        return f"[{', '.join(self.kinds)}] {self.data[:300]!r}{more}{again}, {self.ending}"


def hostile_answer(
    chance: random.Random, draft: Draft, elsewhere: str, *, waits: bool = True
) -> Answer:
    """`draft` with one to three things done to it, now and then also to the whole.

    Args:
        elsewhere: the address of another server, where redirects lead.
        waits: it may ask the client to come back later, by ``Retry-After``.
    """
    known = sorted(name for name in MUTATIONS if waits or name != "retry after")
    kinds = chance.sample(known, chance.choice([1, 1, 1, 2, 2, 3]))
    for kind in kinds:
        MUTATIONS[kind](chance, draft, elsewhere)
    data, pause = draft.wire(), 0.0
    ending: Ending = chance.choices(list(ENDINGS), list(ENDINGS.values()))[0]
    if chance.random() < 0.12 and data:
        kinds.append("cut")
        data = data[: chance.randrange(len(data))]
        ending = chance.choice(["close", "reset"])
    if chance.random() < 0.08 and data:
        kinds.append("corrupt")
        at = chance.randrange(min(len(data), 2000))
        data = data[:at] + chance.randbytes(chance.randint(1, 3)) + data[at + 1 :]
    if chance.random() < DRIPS:
        kinds.append("drip")
        pause = DRIP_PAUSE
    return Answer(data, pause, draft.again, ending, tuple(kinds))
